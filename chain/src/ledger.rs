//! What a gateway sees of the chain, whoever decides the blocks.
//!
//! An entry's life is *pending* (submitted), *decided* (in a certified block), *durable* (on this disk). An
//! answer to [`Ledger::submit`] means durable; no answer means unknown.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crypto::Digest;
use thiserror::Error;
use tokio::sync::watch;

use crate::block::CertifiedBlock;
use crate::checkpoint::SignedCheckpoint;
use crate::document::Document;
use crate::entry::Entry;
use crate::identifier::{BlockHash, EntryId};
use crate::log::LogError;
use crate::receipt::Receipt;
use crate::replica::{Replica, Tip};
use crate::rules::RuleError;
use crate::store::{Reader, StoreError};

mod follower;
mod local;
mod reading;
mod upstream;
mod writer;

pub use follower::{
    Backoff, DepartmentCosigner, FollowError, FollowerLedger, FollowerLedgerOptions,
};
pub(crate) use follower::{Copy, CopyError, validator_keys};
pub use local::{LocalLedger, LocalLedgerOptions, OpenLedgerError};
pub use upstream::{HandInError, Upstream, UpstreamError, blocks_or_wait};
pub use writer::Batching;

/// A result to be awaited, so that a ledger can be held as `dyn Ledger`.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An entry on its way to the chain, with the public document behind its digest if its kind has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The entry.
    pub entry: Entry,
    /// The document. May be left out if the chain has it already.
    pub document: Option<Document>,
}

impl From<Entry> for Submission {
    fn from(entry: Entry) -> Self {
        Self { entry, document: None }
    }
}

/// Why there is no receipt for a submission.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubmitError {
    /// It breaks a rule. Submitting it again is of no use while the chain stands as it does.
    #[error(transparent)]
    Refused(#[from] RuleError),
    /// Too many entries are pending. It was not taken; try again later.
    #[error("too many entries are pending")]
    Busy,
    /// Whether it is on the chain is unknown: ask for its receipt, or submit it again, which does no harm.
    #[error("whether entry {id} is on the chain is unknown")]
    Unknown {
        /// The entry.
        id: EntryId,
    },
    /// The ledger takes no entries any more. It was not taken.
    #[error("the ledger has stopped: {0}")]
    Stopped(StopReason),
    /// It is durable, but its receipt could not be made.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl SubmitError {
    /// The stable name of the failure; a broken rule's is its own.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(error) => error.code(),
            Self::Busy => "ledger-busy",
            Self::Unknown { .. } => "ledger-unknown",
            Self::Stopped(reason) => reason.code(),
            Self::Read(error) => error.code(),
        }
    }
}

/// Why a ledger takes no entries any more.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// The store failed. What is on the disk is unknown until it is opened again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The chain elected another validator set.
    #[error("the chain elected other validators for height {height}")]
    NotTheValidator {
        /// The first height that this validator does not certify alone.
        height: u64,
    },
    /// Two blocks are certified at one height: a follower's own, and one that its upstream serves.
    #[error(
        "two blocks are certified at height {height}: {ours}, which this copy has, and {theirs}, which \
         the upstream gateway serves"
    )]
    Fork {
        /// The height.
        height: u64,
        /// This copy's block.
        ours: BlockHash,
        /// The upstream's block.
        theirs: BlockHash,
    },
    /// A validator signed a checkpoint over another log than a follower's own.
    #[error(
        "a validator signed a checkpoint with root {theirs} over the first {size} entries, whose root \
         is {ours}"
    )]
    ForkedCheckpoint {
        /// The checkpoint's size.
        size: u64,
        /// This copy's root.
        ours: Digest,
        /// The checkpoint's root.
        theirs: Digest,
    },
    /// It was closed.
    #[error("it was closed")]
    Closed,
}

impl StopReason {
    /// The stable name of the reason; the store's is its own.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::NotTheValidator { .. } => "ledger-not-the-validator",
            Self::Fork { .. } => "ledger-fork",
            Self::ForkedCheckpoint { .. } => "ledger-forked-checkpoint",
            Self::Closed => "ledger-closed",
        }
    }
}

/// Why something durable could not be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A proof could not be made.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A follower has not yet seen a checkpoint that a validator signed.
    #[error("no signed checkpoint has been seen yet")]
    NoCheckpoint,
}

impl ReadError {
    /// The stable name of the failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Log(error) => error.code(),
            Self::NoCheckpoint => "checkpoint-unseen",
        }
    }
}

/// How a ledger is doing. A ledger is healthy if its height advances while entries are pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The last durable block.
    pub tip: Tip,
    /// Entries that are pending.
    pub pending: usize,
    /// Times an append waited for the disk, since the ledger was opened.
    pub syncs: u64,
    /// Whether one validator alone certifies the next block.
    pub single_operator: bool,
    /// Why it takes no entries any more.
    pub stopped: Option<StopReason>,
    /// What keeps a follower from following, for now; a validator follows nobody.
    pub following: Option<FollowError>,
}

/// The chain as a gateway sees it. Every implementation passes the tests in `chain::contract`.
pub trait Ledger: fmt::Debug + Send + Sync {
    /// Puts an entry on the chain; returns its receipt when it is durable. Submitting an entry again gives
    /// the receipt of the first time.
    fn submit(&self, submission: Submission) -> Pending<'_, Result<Receipt, SubmitError>>;

    /// The receipt of an entry; none if it is not on the chain.
    fn receipt(&self, id: EntryId) -> Pending<'_, Result<Option<Receipt>, ReadError>>;

    /// Durable blocks from `height` on, in order and without a gap, at most `limit`; none past the last.
    fn blocks_from(
        &self,
        height: u64,
        limit: usize,
    ) -> Pending<'_, Result<Vec<CertifiedBlock>, ReadError>>;

    /// The public document named `digest`; none if no entry brought it.
    fn document(&self, digest: Digest) -> Pending<'_, Result<Option<Document>, ReadError>>;

    /// The chain's state as of the last durable block.
    fn snapshot(&self) -> Arc<Replica>;

    /// Tells of each durable block, or of the newest if there were several.
    fn subscribe(&self) -> watch::Receiver<Arc<Replica>>;

    /// A signed checkpoint of the last durable block; a follower's may be of an earlier one while nobody
    /// is reached who can sign a newer one.
    fn checkpoint(&self) -> Pending<'_, Result<SignedCheckpoint, ReadError>>;

    /// How long to wait for an entry that somebody else says is on the chain, before telling them to come
    /// back: this copy may be behind theirs. Zero for a validator, whose copy is the chain.
    fn lag(&self) -> Duration;

    /// What reads the chain folder. It may see a block just before it is durable.
    fn reader(&self) -> &Reader;

    /// How the ledger is doing.
    fn health(&self) -> Pending<'_, Health>;
}
