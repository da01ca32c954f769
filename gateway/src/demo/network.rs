//! The running network: one gateway that hosts four departments behind one address.

use std::collections::{BTreeMap, HashMap};
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use chain::ledger::{LocalLedger, LocalLedgerOptions};
use chain::time::SystemClock;
use circuits::groth16::ProvingKey;
use circuits::statement::CircuitId;
use getrandom::SysRng;
use indicatif::ProgressBar;
use rand_core::UnwrapErr;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::founding::{Founded, VALIDATOR};
use super::people::Datasets;
use super::report::{Report, short};
use super::sample::{SAMPLES, Sample, TAX};
use super::wire::Wire;
use super::{DemoError, outcome};
use crate::department::{Department, Shared};
use crate::document::CircuitDocument;
use crate::exchange::verification::Strictness;
use crate::folder::{ImportedKeys, Lock, Secrets, Started};
use crate::following::Remembering;
use crate::hosting::{Gateway, HttpPeers, Tenant, WorkerOptions};
use crate::http::client::PeerClient;
use crate::http::local::{Asked, AskedStatus, token_digest};
use crate::http::local_client::LocalClient;
use crate::http::{BaseUrl, ClientLimits, Limits};
use crate::payload::PayloadStore;
use crate::prover::Prover;
use crate::proving_keys::ProvingKeys;
use crate::store::Store;

/// Waiting places of the prover.
const PROVER_QUEUE: usize = 64;
/// How long a department's system waits for its gateway to tell what became of a question.
const PATIENCE: Duration = Duration::from_secs(120);

/// The running network.
pub(super) struct Network {
    pub(super) shared: Shared,
    /// Threads of the prover.
    pub(super) provers: usize,
    gateway: Arc<Gateway<Wire>>,
    systems: BTreeMap<&'static str, LocalClient>,
    shutdown: watch::Sender<bool>,
    /// Each ends with the number of what it had to cut.
    tasks: Vec<JoinHandle<usize>>,
    /// Writes how far the chain goes when it is dropped.
    _remembering: Remembering,
    /// Commands on the folder work through this network.
    _lock: Lock,
}

impl Network {
    /// Opens the departments of a network and serves them.
    pub(super) fn open(founded: &Founded, listener: &TcpListener) -> Result<Self, DemoError> {
        let lock = founded.folder.lock()?;
        let ledger = LocalLedger::open(LocalLedgerOptions::new(
            founded.folder.chain(),
            Arc::clone(&founded.genesis),
            VALIDATOR.parse().expect("it is a slug"),
            founded.folder.validator_key()?,
        ))?;
        let remembering = Remembering::begin(&founded.folder, &ledger)?;
        let provers = std::thread::available_parallelism().map_or(1, usize::from);
        let shared = Shared {
            genesis: Arc::clone(&founded.genesis),
            ledger: Arc::new(ledger),
            proving_keys: ProvingKeys::loaded(Arc::clone(&founded.proving_keys)),
            prover: Prover::new(provers, PROVER_QUEUE),
            clock: Arc::new(SystemClock),
            strictness: Strictness { production: false },
        };
        let client = PeerClient::new(ClientLimits::default());
        let base = address(listener)?;
        let (mut tenants, mut systems) = (Vec::new(), BTreeMap::new());
        for sample in &SAMPLES {
            let (tenant, token) = tenant(founded, sample, &shared, &client)?;
            let system = LocalClient::new(base.clone(), token, ClientLimits::default());
            systems.insert(sample.id, system);
            tenants.push(tenant);
        }
        let (gateway, worker) = Gateway::new(&shared, tenants, WorkerOptions::default())?;
        let gateway = Arc::new(gateway);
        let listener = listener.try_clone().and_then(tokio::net::TcpListener::from_std);
        let listener = listener.map_err(DemoError::Listen)?;
        let (shutdown, mut stopped) = watch::channel(false);
        let mut also_stopped = stopped.clone();
        let serving =
            crate::http::serve(listener, Arc::clone(&gateway), Limits::default(), async move {
                // An error means that the sender is gone, and with it the network.
                let _: Result<_, watch::error::RecvError> = stopped.wait_for(|stop| *stop).await;
            });
        let working = worker.run(async move {
            let _: Result<_, watch::error::RecvError> = also_stopped.wait_for(|stop| *stop).await;
        });
        let serving = tokio::spawn(async move { serving.await.cut });
        let working = tokio::spawn(async move { working.await.cut });
        lock.starting(Started::with(&ImportedKeys::new(), false))?;
        lock.listening(base.to_string())?;
        let tasks = vec![serving, working];
        Ok(Self {
            shared,
            provers,
            gateway,
            systems,
            shutdown,
            tasks,
            _remembering: remembering,
            _lock: lock,
        })
    }

    /// A department, as its operator has it.
    pub(super) fn department(&self, id: &str) -> &Arc<Department> {
        self.hosted(id).department()
    }

    /// The wire from a department to others.
    pub(super) fn wire(&self, id: &str) -> &Arc<Wire> {
        self.hosted(id).peers()
    }

    fn hosted(&self, id: &str) -> &crate::hosting::Hosted<Wire> {
        let id = id.parse().expect("the demo's names are well formed");
        self.gateway.hosted(&id).expect("the demo names departments that it founded")
    }

    /// A department's own system, which speaks HTTP with its gateway.
    pub(super) fn system(&self, id: &str) -> &LocalClient {
        &self.systems[id]
    }

    /// What became of a question, once it is not open any more.
    pub(super) async fn outcome(&self, requester: &str, asked: &Asked) -> Result<Asked, DemoError> {
        let begun = Instant::now();
        loop {
            let now = self.system(requester).asked(&asked.request, PATIENCE).await?;
            if now.status != AskedStatus::Sent || begun.elapsed() > PATIENCE {
                return Ok(now);
            }
        }
    }

    /// One department puts the keys forward, all approve.
    pub(super) async fn approve_circuits(
        &self,
        keys: &HashMap<CircuitId, ProvingKey>,
        report: &mut Report,
    ) -> Result<(), DemoError> {
        report.chapter("The departments approve the circuits' keys");
        for id in CircuitId::ALL {
            let key = &keys[&id];
            let document = CircuitDocument::development(id, key);
            let entry = self.department(TAX).propose_circuit(&document).await?;
            for sample in &SAMPLES {
                self.department(sample.id).approve(entry).await?;
            }
            report.circuit(id.name(), key.r1cs().constraints(), id.public_inputs());
            report.say(format_args!(
                "{id}: {} constraints, {} public inputs, key {}, entry {}",
                key.r1cs().constraints(),
                id.public_inputs(),
                &key.verifying_key().id().to_string()[..16],
                short(entry.as_digest())
            ));
        }
        report.say("these are development keys: whoever made them could forge proofs");
        Ok(())
    }

    /// Imports every department's records and publishes service and root.
    pub(super) async fn import(
        &self,
        datasets: &Datasets,
        report: &mut Report,
    ) -> Result<(), DemoError> {
        report.chapter("Each department imports its records and publishes their root");
        for sample in &SAMPLES {
            let start = Instant::now();
            let records = &datasets[sample.id];
            let bar = ProgressBar::new_spinner()
                .with_message(format!("{}: commitments and tree", sample.name));
            bar.enable_steady_tick(Duration::from_millis(100));
            let department = self.department(sample.id);
            department.publish_service(&sample.service(records)?).await?;
            let changed = department.import(sample.id, &records.rows).await?;
            bar.finish_and_clear();
            report.spent("import", start);
            report.say(format_args!(
                "{}: {} records, {} tree nodes",
                sample.name, changed.added, changed.nodes_written
            ));
        }
        Ok(())
    }

    /// Gives every thread of the prover something else to do, until what is returned is dropped.
    pub(super) async fn keep_provers_busy(&self) -> Result<Busy, DemoError> {
        let mut gates = Vec::new();
        for _ in 0..self.provers {
            let (gate, closed) = mpsc::channel::<()>();
            let (started, begun) = oneshot::channel();
            let prover = self.shared.prover.clone();
            tokio::spawn(async move {
                let job = move || {
                    // Nobody may wait for the start any more; the end is the gate's being dropped.
                    let _: Result<(), ()> = started.send(());
                    let _: Result<(), mpsc::RecvError> = closed.recv();
                };
                prover.run(job).await
            });
            let began = begun.await;
            began.map_err(|_| outcome("prover", "a free thread", "a full queue"))?;
            gates.push(gate);
        }
        Ok(Busy { _gates: gates })
    }

    /// Signed requests that arrived, and requests that departments sent and had answered.
    pub(super) fn signed_requests(&self) -> (u64, u64) {
        let sent = SAMPLES.iter().map(|sample| self.wire(sample.id).answered()).sum();
        (self.gateway.signed_requests(), sent)
    }

    /// Finishes what is open, and closes every file.
    pub(super) async fn close(self) -> Result<(), DemoError> {
        self.shutdown.send_replace(true);
        for task in self.tasks {
            match task.await {
                Ok(0) => {}
                Ok(cut) => return Err(outcome("shutdown", "nothing cut", &cut.to_string())),
                Err(error) => return Err(outcome("shutdown", "an end", &error.to_string())),
            }
        }
        Ok(())
    }
}

/// While this is there, no proof begins.
#[derive(Debug)]
pub(super) struct Busy {
    _gates: Vec<mpsc::Sender<()>>,
}

/// The address that a gateway on this listener has.
pub(super) fn address(listener: &TcpListener) -> Result<BaseUrl, DemoError> {
    let url = format!("http://{}", listener.local_addr().map_err(DemoError::Listen)?);
    url.parse().map_err(|_| DemoError::Address { url })
}

/// A department from its folder, and the bearer token of its own system.
fn tenant(
    founded: &Founded,
    sample: &Sample,
    shared: &Shared,
    client: &PeerClient,
) -> Result<(Tenant<Wire>, Zeroizing<String>), DemoError> {
    let id = sample.id.parse().expect("the demo's names are well formed");
    let home = founded.folder.department(&id);
    let Secrets { keys, storage, token: bearer } = home.secrets()?;
    let rng = || Box::new(UnwrapErr(SysRng));
    let store = Arc::new(Store::open(&home.store(), &storage, rng())?);
    let payloads = PayloadStore::local(&home.payloads())?;
    let department = Department::new(id, keys, Arc::clone(&store), payloads, shared.clone(), rng());
    let peers = Wire::new(HttpPeers::new(&department, client.clone(), UnwrapErr(SysRng)));
    let token = token_digest(&bearer);
    let department = Arc::new(department);
    Ok((Tenant { department, store, token, peers }, bearer))
}
