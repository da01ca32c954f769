//! Connections: taken within bounds, in the open or under TLS, and cut off when they take too much.

mod addresses;

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::addresses::{Addresses, Share};
use super::limits::Limits;
use super::stall::StallGuard;
use super::tls::ServerTls;
use crate::measure;

/// How long to wait when the process can open no more files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How much longer hyper's own limits are than ours, so that ours answer with a document.
const HEADER_SLACK: usize = 2;

/// Where a server listens, and whether it speaks TLS there.
#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    tls: Option<ServerTls>,
}

impl Listening {
    /// Connections to `listener`, under TLS only.
    pub fn secure(listener: TcpListener, tls: ServerTls) -> Self {
        Self { listener, tls: Some(tls) }
    }
}

/// Connections to a listener in the open: behind a proxy that speaks TLS, or within one machine.
impl From<TcpListener> for Listening {
    fn from(listener: TcpListener) -> Self {
        Self { listener, tls: None }
    }
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were not finished when the time to drain was over.
    pub cut: usize,
}

/// The shutdown, as those who wait for something else see it.
#[derive(Clone, Debug)]
pub(super) struct Closing(watch::Receiver<bool>);

impl Closing {
    /// The sender begins the shutdown by sending `true`.
    pub(super) fn channel() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Returns when the shutdown has begun.
    pub(super) async fn begun(&self) {
        // An error means that the server is gone, and with it its time.
        let _: Result<_, watch::error::RecvError> = self.0.clone().wait_for(|begun| *begun).await;
    }
}

/// What all connections of a server share.
struct Server {
    name: &'static str,
    http: http1::Builder,
    tls: Option<ServerTls>,
    router: Router,
    handshake_time: Duration,
    stall_time: Duration,
    closing: Closing,
}

/// Serves `router` until `shutdown`, says so to `begin`, and then finishes what is open. `name` is the
/// server's in the measurements.
pub(super) async fn run(
    name: &'static str,
    Listening { listener, tls }: Listening,
    router: Router,
    limits: &Limits,
    (begin, closing): (watch::Sender<bool>, Closing),
    shutdown: impl Future<Output = ()> + Send,
) -> Drained {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_headers(limits.header_fields * HEADER_SLACK)
        .max_header_size(limits.header_bytes * HEADER_SLACK);
    let (handshake_time, stall_time) = (limits.handshake_time, limits.stall_time);
    let server = Server { name, http, tls, router, handshake_time, stall_time, closing };
    let server = Arc::new(server);
    let room = Arc::new(Semaphore::new(limits.connections));
    let addresses = Addresses::new(limits.connections_per_address);
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            (place, stream, address) = accept(&listener, &room) => {
                let Some(share) = addresses.enter(address) else {
                    measure::connection_refused(name, "address");
                    continue;
                };
                let (server, watcher) = (Arc::clone(&server), graceful.watcher());
                connections.spawn(server.connection(stream, watcher, (place, share)));
            }
        }
    }
    drop(listener);
    begin.send_replace(true);
    let drained = timeout(limits.drain_time, graceful.shutdown()).await;
    while connections.try_join_next().is_some() {}
    let cut = if drained.is_ok() { 0 } else { connections.len() };
    connections.shutdown().await;
    tracing::info!(server = name, cut, "drained");
    Drained { cut }
}

impl Server {
    /// Serves one connection, which holds its place and its address's share for as long.
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        watcher: Watcher,
        _held: (OwnedSemaphorePermit, Share),
    ) {
        let _open = measure::OpenConnection::new(self.name);
        let stream = StallGuard::new(stream, self.stall_time);
        let Some(tls) = &self.tls else { return self.serve(stream, watcher).await };
        let handshake = timeout(self.handshake_time, tls.acceptor().accept(stream));
        tokio::select! {
            () = self.closing.begun() => {}
            shaken = handshake => match shaken {
                Ok(Ok(stream)) => self.serve(stream, watcher).await,
                // Whoever speaks no TLS, or another one, or too slowly.
                Ok(Err(_)) | Err(_) => measure::connection_refused(self.name, "handshake"),
            }
        }
    }

    async fn serve<S>(&self, stream: S, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = TowerToHyperService::new(self.router.clone());
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        // Clients go away as they like; what they did is logged with their requests.
        let _: Result<(), hyper::Error> = watcher.watch(connection).await;
    }
}

/// The next connection, when there is room for one.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (OwnedSemaphorePermit, TcpStream, IpAddr) {
    let place = Arc::clone(room).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "no TCP_NODELAY");
                }
                return (place, stream, address.ip());
            }
            Err(error) if of_the_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept connections");
                sleep(ACCEPT_PAUSE).await; // else this would spin until a file is closed
            }
        }
    }
}

fn of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
