//! The main job, played on real records and narrated: four departments, their chain, their citizens.
//!
//! Everything is the real part: stores and chain on disk, sealed messages, proofs, the offline audit.
//! Only the way between departments is short: one process hosts all four and hands their sealed
//! messages over in memory.

mod attacks;
mod exchanges;
mod in_process;
mod network;
mod report;
mod sample;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain::genesis::Genesis;
use chain::identifier::EntryId;
use serde_json::Value as Json;
use thiserror::Error;

use crate::department::Internal;
use crate::department::answering::CitizenError;
use crate::department::asking::AskError;
use crate::department::enrolment::EnrolError;
use crate::department::publishing::PublishError;

use exchanges::Exchanges;
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
    /// The sample data does not hold.
    #[error("sample data: {0}")]
    Sample(String),
    /// A key file could not be made.
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
    /// Something was not published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A key was not enrolled.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// A question was not asked.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// A citizen's step was not taken.
    #[error(transparent)]
    Citizen(#[from] CitizenError),
    /// A payload was not sent.
    #[error("payload: {0}")]
    Payload(String),
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

/// How the demo is run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The folder to use and keep; a temporary one that is removed if there is none.
    pub folder: Option<PathBuf>,
}

/// Plays the demo. Narrates on standard error; returns the facts.
///
/// # Errors
/// [`DemoError`] at the first step that does not come out as it should.
pub async fn run(options: &Options) -> Result<Json, DemoError> {
    let temporary;
    let folder: &Path = match &options.folder {
        Some(folder) => folder,
        None => {
            temporary = tempfile::TempDir::new()
                .map_err(|error| DemoError::Folder { path: std::env::temp_dir(), error })?;
            temporary.path()
        }
    };
    let mut report = Report::new();
    let network = Network::found(folder, &mut report)?;
    network.approve_circuits(&mut report).await?;
    let people = network.import(&mut report).await?;
    Exchanges::play(&network, &people, &mut report).await?;
    let messages = network.messages();
    report.say(format_args!("\n   {messages} sealed messages went between departments"));
    let (genesis, chain) = network.close();
    audit(&genesis, &chain, &mut report)?;
    Ok(report.finish(messages))
}

/// The offline audit: from the genesis file's bytes and the chain's folder, nothing else.
fn audit(genesis: &Path, chain: &Path, report: &mut Report) -> Result<(), DemoError> {
    report.chapter("Offline audit: the chain folder against the genesis file, nothing else");
    let bytes = std::fs::read(genesis)
        .map_err(|error| DemoError::Folder { path: genesis.to_owned(), error })?;
    let genesis = Genesis::from_slice(&bytes)
        .map_err(|error| DemoError::Sample(format!("genesis: {error}")))?;
    let audited =
        report.timed("audit", || chain::audit::audit_folder(Arc::new(genesis), chain, &[]))?;
    report.audited(&audited);
    Ok(())
}

/// The first eight digits of an entry's id, for people.
fn short(entry: &EntryId) -> String {
    entry.to_string().chars().take(8).collect()
}
