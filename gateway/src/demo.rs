//! The main job, played on real records and narrated: four departments, their chain, their citizens.
//!
//! Everything is the real part: stores and chain on disk, signed and sealed HTTP between departments,
//! wallets that speak the citizen surface, proofs, the offline audit.

mod attacks;
mod chapters;
mod citizen;
mod founding;
mod network;
mod people;
mod report;
mod sample;
mod wire;

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain::genesis::Genesis;
use metrics_util::debugging::{DebuggingRecorder, Snapshotter};
use serde_json::Value as Json;
use thiserror::Error;

use crate::department::Internal;
use crate::department::publishing::PublishError;
use crate::http::local_client::LocalClientError;
use crate::wallet::WalletError;

use chapters::Play;
use founding::Founded;
use network::Network;
use report::Report;

/// Why the demo ended early. Every one of them is a step that did not come out as it should.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DemoError {
    /// The folder cannot be used.
    #[error("{}: {error}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// The folder holds something already.
    #[error("{}: not empty; the demo makes a new network, so give it a new folder", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The port cannot be had.
    #[error(
        "port {port} of 127.0.0.1: {error}; choose another one with --port, or any with --port 0"
    )]
    Port {
        /// The port.
        port: u16,
        /// Why not.
        error: std::io::Error,
    },
    /// The listener failed.
    #[error("the listener: {0}")]
    Listen(std::io::Error),
    /// The address is no gateway's.
    #[error("{url:?} is no gateway's address")]
    Address {
        /// The address.
        url: String,
    },
    /// The sample data does not hold.
    #[error("sample data, {file}: {fault}")]
    Sample {
        /// Which part.
        file: String,
        /// What is wrong with it.
        fault: String,
    },
    /// The genesis facts do not hold.
    #[error(transparent)]
    Genesis(#[from] chain::genesis::GenesisError),
    /// A file could not be made.
    #[error(transparent)]
    File(#[from] crate::folder::FileError),
    /// A department's folder could not be made.
    #[error(transparent)]
    Create(#[from] crate::folder::CreateError),
    /// Another process works on the folder.
    #[error(transparent)]
    Lock(#[from] crate::folder::LockError),
    /// A key file could not be made or read.
    #[error(transparent)]
    KeyFile(#[from] crate::key_file::KeyFileError),
    /// The chain did not open.
    #[error(transparent)]
    Chain(#[from] chain::ledger::OpenLedgerError),
    /// A department's store did not open.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// A department's payloads did not open.
    #[error(transparent)]
    Payloads(#[from] crate::payload::PayloadError),
    /// A department cannot be hosted.
    #[error(transparent)]
    Host(#[from] crate::hosting::HostError),
    /// Records are not imported.
    #[error(transparent)]
    Import(#[from] crate::department::importing::ImportError),
    /// Something was not published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A department's own system was refused something.
    #[error("local surface: {0}")]
    Local(#[from] LocalClientError),
    /// A citizen's wallet was refused something.
    #[error("wallet: {0}")]
    Wallet(#[from] WalletError),
    /// A department's own side failed.
    #[error(transparent)]
    Internal(#[from] Internal),
    /// The audit found something.
    #[error("audit: {0}")]
    Audit(#[from] chain::audit::AuditError),
    /// Something came out otherwise than it should.
    #[error("{step}: expected {expected}, got {got}")]
    Outcome {
        /// Where.
        step: &'static str,
        /// What should have come out.
        expected: String,
        /// What did.
        got: String,
    },
}

/// Something came out otherwise than it should.
fn outcome(step: &'static str, expected: &str, got: &str) -> DemoError {
    DemoError::Outcome { step, expected: expected.to_owned(), got: got.to_owned() }
}

/// How the demo is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder to use and keep; a temporary one that is removed if there is none.
    pub folder: Option<PathBuf>,
    /// A folder with other records under the same schemas.
    pub data: Option<PathBuf>,
    /// The port on 127.0.0.1; 0 for any that is free.
    pub port: u16,
}

/// A demo that has been played: its facts, and the network that it left.
#[derive(Debug)]
pub struct Played {
    /// What came out.
    pub facts: Json,
    founded: Founded,
    listener: TcpListener,
    /// Removed with this, if it is a temporary one.
    _folder: Option<tempfile::TempDir>,
}

/// Plays the demo. Narrates on standard error; returns the facts.
///
/// # Errors
/// [`DemoError`] at the first step that does not come out as it should.
pub async fn run(options: &Options) -> Result<Played, DemoError> {
    let measurements = measure();
    let port = options.port;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map_err(|error| DemoError::Port { port, error })?;
    listener.set_nonblocking(true).map_err(DemoError::Listen)?;
    let base = network::address(&listener)?;
    let (temporary, folder) = match &options.folder {
        Some(folder) => (None, folder.clone()),
        None => {
            let temporary = tempfile::TempDir::new()
                .map_err(|error| DemoError::Folder { path: std::env::temp_dir(), error })?;
            let folder = temporary.path().to_owned();
            (Some(temporary), folder)
        }
    };
    let mut report = Report::new();
    // Before anything is made, so that bad data leaves nothing behind.
    let datasets = sample::read_all(options.data.as_deref())?;
    let listen = listener.local_addr().map_err(DemoError::Listen)?;
    let founded = Founded::new(&folder, listen, &base, &mut report)?;
    let network = Network::open(&founded, &listener)?;
    network.approve_circuits(&founded.proving_keys, &mut report).await?;
    network.import(&datasets, &mut report).await?;
    Play::run(&founded, &network, &base, &datasets, &mut report).await?;
    count(&network, &mut report)?;
    network.close().await?;
    audit(&founded, &mut report)?;
    if let Some(measurements) = measurements {
        report.measured(&measurements);
    }
    Ok(Played { facts: report.finish(), founded, listener, _folder: temporary })
}

impl Played {
    /// Opens the network again and serves it until `shutdown`.
    ///
    /// # Errors
    /// [`DemoError`] if it does not open.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), DemoError> {
        let network = Network::open(&self.founded, &self.listener)?;
        let base = network::address(&self.listener)?;
        eprintln!(
            "\n== Serving on {base} until Ctrl-C; the network is in {}",
            self.founded.folder.root().display()
        );
        eprintln!("   {base}/checkpoint   {base}/genesis.json   {base}/v1/circuits");
        shutdown.await;
        eprintln!("   stopping: finishing what is open");
        network.close().await
    }
}

/// What the gateway measures of itself from now on; nothing, if somebody else collects that.
fn measure() -> Option<Snapshotter> {
    let recorder = DebuggingRecorder::new();
    let measurements = recorder.snapshotter();
    recorder.install().ok().map(|()| measurements)
}

/// Every signed request that a department sent must have arrived, and none that nobody sent.
fn count(network: &Network, report: &mut Report) -> Result<(), DemoError> {
    let (arrived, sent) = network.signed_requests();
    if arrived != sent || arrived == 0 {
        let (sent, arrived) = (sent.to_string(), arrived.to_string());
        return Err(outcome("signed requests", &sent, &arrived));
    }
    report.requests(arrived);
    Ok(())
}

/// The offline audit: from the genesis file's bytes and the chain's folder, nothing else. Then the same
/// of a folder that was rewritten.
fn audit(founded: &Founded, report: &mut Report) -> Result<(), DemoError> {
    report.chapter("Offline audit: the chain folder against the genesis file, nothing else");
    let (path, chain) = (founded.folder.genesis_file(), founded.folder.chain());
    let genesis = Arc::new(read_genesis(&path)?);
    let audited = report
        .timed("audit", || chain::audit::audit_folder(Arc::clone(&genesis), &chain, &[], |_| ()))?;
    report.audited(&audited);
    let found = attacks::rewriting::rewritten(&genesis, &chain)?;
    let name = "a chain folder rewritten without its withdrawal, linked and certified again";
    report.say(format_args!("{name}: caught by {}", found.code()));
    report.exchange(&format!("attack: {name}"), "refused", Some(found.code()));
    Ok(())
}

fn read_genesis(path: &Path) -> Result<Genesis, DemoError> {
    let bytes =
        std::fs::read(path).map_err(|error| DemoError::Folder { path: path.to_owned(), error })?;
    Ok(Genesis::from_slice(&bytes)?)
}
