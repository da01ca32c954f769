//! The server: one router for all surfaces, and connections that are cut off when they take too much.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower_http::catch_panic::CatchPanicLayer;

use super::hosting::{Hosting, Site};
use super::limits::Limits;
use super::problem::Problem;
use super::stall::StallGuard;
use super::{citizen, layers, local, peer, public};

/// How long to wait when the process can open no more files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How much longer hyper's own limits are than ours, so that ours answer with a document.
const HEADER_SLACK: usize = 2;

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were not finished when the time to drain was over.
    pub cut: usize,
}

/// Serves all surfaces until `shutdown`, and then finishes what is open.
pub async fn serve<H: Hosting>(
    listener: TcpListener,
    hosting: Arc<H>,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send,
) -> Drained {
    let router = router(hosting, &limits);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_headers(limits.header_fields * HEADER_SLACK)
        .max_header_size(limits.header_bytes * HEADER_SLACK);
    let room = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            (place, stream) = accept(&listener, &room) => {
                let guarded = StallGuard::new(stream, limits.stall_time);
                let service = TowerToHyperService::new(router.clone());
                let connection = http.serve_connection(TokioIo::new(guarded), service);
                let connection = graceful.watch(connection);
                connections.spawn(async move {
                    let _place = place;
                    // Clients go away as they like; what they did is logged with their requests.
                    let _: Result<(), hyper::Error> = connection.await;
                });
            }
        }
    }
    drop(listener);
    let drained = timeout(limits.drain_time, graceful.shutdown()).await;
    while connections.try_join_next().is_some() {}
    let cut = if drained.is_ok() { 0 } else { connections.len() };
    connections.shutdown().await;
    tracing::info!(cut, "drained");
    Drained { cut }
}

/// The next connection, when there is room for one.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (OwnedSemaphorePermit, TcpStream) {
    let place = Arc::clone(room).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "no TCP_NODELAY");
                }
                return (place, stream);
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

/// All surfaces of a gateway under its limits.
fn router<H: Hosting>(hosting: Arc<H>, limits: &Limits) -> Router {
    let limits = Arc::new(limits.clone());
    let timed = |routes: Router<Site<H>>| {
        routes.layer(from_fn_with_state(limits.request_time, layers::limit_time))
    };
    // Each surface has room of its own: whoever fills one, and anybody can fill the citizens', leaves
    // the others alone.
    let roomy = |routes: Router<Site<H>>| {
        let room = Arc::new(Semaphore::new(limits.requests));
        routes.layer(from_fn_with_state(room, layers::shed))
    };
    Router::new()
        .merge(roomy(timed(local::routes())))
        .merge(roomy(local::streaming_routes()))
        .merge(roomy(timed(peer::routes())))
        .merge(roomy(timed(citizen::routes())))
        .merge(roomy(timed(public::routes())))
        .merge(public::health_routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(&limits), layers::limit_header))
        .layer(CatchPanicLayer::custom(layers::panicked))
        .layer(from_fn(layers::identify))
        .with_state(Site { hosting, limits })
}

async fn not_found() -> Result<Infallible, Problem> {
    Err(Problem::new("not-found", "nothing is served at this path"))
}

async fn method_not_allowed() -> Result<Infallible, Problem> {
    Err(Problem::new("method-not-allowed", "the Allow header names the methods of this path"))
}

#[cfg(test)]
mod tests;
