//! A gateway of a folder, opened and running.
//!
//! Opening checks everything that can be checked before the first request: configuration, permissions,
//! keys, chain, stores. Whatever fails is named with its file and leaves nothing behind.

mod chain;
mod error;
mod ledger;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use ::chain::identifier::DepartmentId;
use ::chain::time::SystemClock;
use getrandom::SysRng;
use rand_core::UnwrapErr;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::config::{Config, LimitsConfig, PayloadsConfig};
use crate::department::{Department, Shared};
use crate::exchange::verification::Strictness;
use crate::folder::{
    DepartmentFolder, Folder, ImportedKeys, Lock, ProvingKeyError, Secrets, Started,
};
use crate::following::Remembering;
use crate::hosting::{Gateway, HttpPeers, Tenant, WorkerOptions};
use crate::http::client::PeerClient;
use crate::http::local::token_digest;
use crate::http::metrics::serve_metrics;
use crate::http::server::Listening;
use crate::http::tls::{ServerTls, Trust};
use crate::http::{self, BaseUrl, ClientLimits, Limits};
use crate::measure::Exporter;
use crate::payload::PayloadStore;
use crate::prover::Prover;
use crate::proving_keys::ProvingKeys;
use crate::store::Store;

pub use self::chain::ChainAlone;
pub use error::ServeError;

type Peers = HttpPeers<UnwrapErr<SysRng>>;

/// A gateway that is open and not yet serving.
#[derive(Debug)]
pub struct Serving {
    config: Config,
    shared: Shared,
    tenants: Vec<Tenant<Peers>>,
    /// Those of ceremonies among its proving keys.
    imported: ImportedKeys,
    /// Reads the proving keys.
    keys: JoinHandle<Result<(), ProvingKeyError>>,
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<ServerTls>,
    metrics: Option<(TcpListener, Exporter)>,
    /// Writes how far the chain goes when it is dropped.
    remembering: Option<Remembering>,
    // The last to be dropped: nobody else may open what is being closed.
    lock: Lock,
}

/// How a gateway ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Connections and steps that were not finished in time. Steps are taken up after the next start.
    pub cut: usize,
}

impl Serving {
    /// Opens the gateway of a folder.
    ///
    /// # Errors
    /// [`ServeError`], naming the file or address at fault.
    pub async fn open(folder: &Folder, config: Config) -> Result<Self, ServeError> {
        let lock = folder.lock()?;
        // What is cheap to check comes first.
        let genesis = folder.genesis()?;
        let homes: Vec<_> = config.departments.iter().map(|id| folder.department(id)).collect();
        let secrets = homes.iter().map(DepartmentFolder::secrets).collect::<Result<Vec<_>, _>>()?;
        let ceremonies = folder.imported_keys()?;
        if config.production && ceremonies.is_empty() {
            return Err(ServeError::DevelopmentKeys);
        }
        folder.find_proving_keys(&ceremonies, config.production)?;
        let tls = config.tls.as_ref();
        let tls = tls.map(|it| http::tls::server(&it.certificate, &it.key)).transpose()?;
        let trust = Trust::with_roots(&config.authorities)?;
        let listener = listen(config.listen)?;
        let address = listener.local_addr().map_err(ServeError::listening(config.listen))?;
        let metrics = config.metrics.map(measured).transpose()?;
        let (ledger, remembering) = ledger::open(folder, &config, &genesis, &trust).await?;
        folder.check_ceremonies(&ceremonies, ledger.snapshot().state())?;
        let documents = ceremonies.iter().map(|(id, it)| (*id, it.document.clone()));
        let (loading, proving_keys) = ProvingKeys::loading(documents.collect());
        let keys = tokio::task::spawn_blocking({
            let (folder, production) = (folder.clone(), config.production);
            let ceremonies = ceremonies.clone();
            move || {
                let keys = folder.proving_keys(&ceremonies, production)?;
                loading.done(Arc::new(keys));
                Ok(())
            }
        });
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let provers = if config.prover.threads == 0 { cores } else { config.prover.threads };
        let shared = Shared {
            genesis,
            ledger,
            proving_keys,
            prover: Prover::new(provers, config.prover.waiting),
            clock: Arc::new(SystemClock),
            strictness: Strictness { production: config.production },
        };
        let client = PeerClient::new(ClientLimits::default()).trusting(trust);
        let mut tenants = Vec::new();
        for ((id, home), secrets) in config.departments.iter().zip(&homes).zip(secrets) {
            let tenant = tenant(*id, home, secrets, &shared, &client, &config.payloads)?;
            tenants.push(tenant);
        }
        let serving = Self {
            config,
            shared,
            tenants,
            imported: ceremonies,
            keys,
            listener,
            address,
            tls,
            metrics,
            remembering,
            lock,
        };
        serving.tell_awaited()?;
        Ok(serving)
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it speaks TLS with.
    pub const fn tls(&self) -> Option<&ServerTls> {
        self.tls.as_ref()
    }

    /// The keys of ceremonies that it was opened with.
    pub const fn imported_keys(&self) -> &ImportedKeys {
        &self.imported
    }

    /// The network and the chain.
    pub const fn shared(&self) -> &Shared {
        &self.shared
    }

    /// A department that it hosts.
    pub(crate) fn department(&self, id: &DepartmentId) -> Option<&Arc<Department>> {
        self.tenants.iter().map(|tenant| &tenant.department).find(|it| it.id() == id)
    }

    /// Departments of the configuration that the chain does not know yet.
    pub fn awaited(&self) -> Vec<DepartmentId> {
        self::chain::awaited(&*self.shared.ledger, &self.config.departments)
    }

    /// Tells commands on this machine whom it waits for; whether for anybody.
    fn tell_awaited(&self) -> Result<bool, ServeError> {
        let awaited = self.awaited();
        let waits = !awaited.is_empty();
        self.lock.waiting(awaited)?;
        Ok(waits)
    }

    /// Waits until the chain knows every department of the configuration.
    ///
    /// # Errors
    /// [`ServeError`] if that cannot be written.
    pub async fn admitted(&self) -> Result<(), ServeError> {
        let mut changes = self.shared.ledger.subscribe();
        while self.tell_awaited()? {
            if changes.changed().await.is_err() {
                // The ledger has stopped, and nobody will be admitted any more; its health tells why.
                std::future::pending::<()>().await;
            }
        }
        Ok(())
    }

    /// Says what the gateway was started with, waits as [`Serving::admitted`] does, and tells whoever asks meanwhile that the gateway lives and is not
    /// ready yet.
    ///
    /// # Errors
    /// [`ServeError`]
    pub async fn wait(&self) -> Result<(), ServeError> {
        self.lock.starting(Started::with(&self.imported, self.config.production))?;
        if !self.tell_awaited()? {
            return Ok(());
        }
        let listener = self.listener.try_clone().and_then(|it| listens(it, self.tls.clone()));
        let listening = listener.map_err(ServeError::listening(self.address))?;
        let (stop, _) = watch::channel(false);
        // All that is told is told at once: nobody holds up for long what comes after.
        let limits = Limits { drain_time: Duration::from_secs(1), ..limits(&self.config.limits) };
        let told = http::serve_waiting(listening, &limits, stopped(stop.subscribe()));
        let admitted = async {
            let admitted = self.admitted().await;
            stop.send_replace(true);
            admitted
        };
        let (admitted, _) = tokio::join!(admitted, told);
        admitted
    }

    /// Serves until `shutdown`, then finishes what is open. `serving` is called once it answers.
    ///
    /// # Errors
    /// [`ServeError`] if a department cannot be hosted.
    pub async fn run(
        self,
        serving: impl FnOnce(&BaseUrl),
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<Ended, ServeError> {
        let Self {
            config,
            shared,
            tenants,
            imported: _,
            keys,
            listener,
            address,
            tls,
            metrics,
            remembering,
            lock,
        } = self;
        let retention = config.payloads.retention();
        let options = WorkerOptions { retention, ..WorkerOptions::default() };
        let (gateway, worker) = Gateway::new(&shared, tenants, options)?;
        let gateway = Arc::new(gateway);
        let base = local_base(address, tls.is_some());
        let limits = limits(&config.limits);
        let (stop, _) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let listening = listens(listener, tls.clone()).map_err(ServeError::listening(address))?;
        let served =
            http::serve(listening, Arc::clone(&gateway), limits.clone(), stopped(stop.subscribe()));
        tasks.spawn(async move { served.await.cut });
        let worked = worker.run(stopped(stop.subscribe()));
        tasks.spawn(async move { worked.await.cut });
        if let Some((listener, exporter)) = metrics {
            let address = listener.local_addr().unwrap_or(address);
            let listening = listens(listener, None).map_err(ServeError::listening(address))?;
            let told =
                serve_metrics(listening, exporter, gateway, limits, stopped(stop.subscribe()));
            tasks.spawn(async move { told.await.cut });
        } else {
            drop(gateway);
        }
        lock.listening(base.to_string())?;
        serving(&base);
        let unusable = tokio::select! {
            () = shutdown => None,
            error = unusable(keys) => Some(error),
        };
        // Before the listener is gone.
        let closing = lock.closing();
        stop.send_replace(true);
        let mut cut = 0;
        while let Some(ended) = tasks.join_next().await {
            cut += ended.expect("neither server nor worker panics");
        }
        drop((remembering, shared, lock)); // in this order: nobody may open what is still being closed
        closing?;
        unusable.map_or(Ok(Ended { cut }), |error| Err(error.into()))
    }
}

/// Comes to an end only if the proving keys cannot be used.
async fn unusable(keys: JoinHandle<Result<(), ProvingKeyError>>) -> ProvingKeyError {
    tracing::info!("checking every point of the proving keys");
    match keys.await.expect("reading keys does not panic") {
        Ok(()) => {
            tracing::info!("the proving keys are in order");
            std::future::pending().await
        }
        Err(error) => error,
    }
}

/// Opens a department's stores.
fn tenant(
    id: DepartmentId,
    home: &DepartmentFolder,
    secrets: Secrets,
    shared: &Shared,
    client: &PeerClient,
    limits: &PayloadsConfig,
) -> Result<Tenant<Peers>, ServeError> {
    let Secrets { keys, storage, token } = secrets;
    let rng = || Box::new(UnwrapErr(SysRng));
    let store = Arc::new(Store::open(&home.store(), &storage, rng())?);
    let payloads = PayloadStore::local(&home.payloads())?;
    let department = Department::new(id, keys, Arc::clone(&store), payloads, shared.clone(), rng());
    let department = department.with_unfinished_bytes(limits.unfinished_bytes());
    let peers = HttpPeers::new(&department, client.clone(), UnwrapErr(SysRng));
    let (department, token) = (Arc::new(department), token_digest(&token));
    Ok(Tenant { department, store, token, peers })
}

fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let listener = TcpListener::bind(address).map_err(ServeError::listening(address))?;
    listener.set_nonblocking(true).map_err(ServeError::listening(address))?;
    Ok(listener)
}

fn listens(listener: TcpListener, tls: Option<ServerTls>) -> io::Result<Listening> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    Ok(match tls {
        Some(tls) => Listening::secure(listener, tls),
        None => listener.into(),
    })
}

/// Where measurements are told, and what collects them.
fn measured(address: SocketAddr) -> Result<(TcpListener, Exporter), ServeError> {
    Ok((listen(address)?, Exporter::begin()?))
}

/// Where commands on this machine reach a gateway that listens there.
fn local_base(address: SocketAddr, tls: bool) -> BaseUrl {
    let reached = match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => {
            SocketAddr::from(([127, 0, 0, 1], v4.port()))
        }
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, v6.port()))
        }
        address => address,
    };
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{reached}").parse().expect("an address and a port make a URL")
}

/// The limits of a configuration.
fn limits(config: &LimitsConfig) -> Limits {
    let default = Limits::default();
    let seconds = |set: Option<u64>, default| set.map_or(default, Duration::from_secs);
    Limits {
        connections: config.connections.unwrap_or(default.connections),
        connections_per_address: config
            .connections_per_address
            .unwrap_or(default.connections_per_address),
        requests: config.requests.unwrap_or(default.requests),
        body_bytes: config.body_bytes.unwrap_or(default.body_bytes),
        header_time: seconds(config.header_seconds, default.header_time),
        body_time: seconds(config.body_seconds, default.body_time),
        request_time: seconds(config.request_seconds, default.request_time),
        stall_time: seconds(config.stall_seconds, default.stall_time),
        drain_time: seconds(config.drain_seconds, default.drain_time),
        ..default
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the gateway.
    let _: Result<_, watch::error::RecvError> = stop.wait_for(|stop| *stop).await;
}
