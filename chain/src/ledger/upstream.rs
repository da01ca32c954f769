//! Where a follower gets its blocks from, and what it hands on: another gateway of the same network.
//!
//! Nothing that an upstream says is believed: blocks count when every rule holds for them, documents when
//! they have their digest, checkpoints when a validator signed them over the follower's own log.

use std::fmt;
use std::time::Duration;

use crypto::Digest;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use super::{Ledger, Pending, ReadError, Submission};
use crate::block::CertifiedBlock;
use crate::checkpoint::SignedCheckpoint;
use crate::document::Document;

/// Why an upstream gave nothing. To be asked again.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpstreamError {
    /// It was not reached, or broke off.
    #[error("the upstream gateway was not reached: {reason}")]
    Unreached {
        /// Why.
        reason: String,
    },
    /// It answered with something else than was asked for.
    #[error("the upstream gateway's {what}: {reason}")]
    Content {
        /// What was asked for.
        what: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// It refused.
    #[error("the upstream gateway refused: {code}")]
    Refused {
        /// Its code.
        code: String,
    },
}

impl UpstreamError {
    /// The stable name of the failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreached { .. } => "upstream-unreached",
            Self::Content { .. } => "upstream-content",
            Self::Refused { .. } => "upstream-refused",
        }
    }
}

/// What became of an entry that was handed to an upstream and is not known to be on the chain.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandInError {
    /// It was not taken: it breaks a rule of the chain as of `height`, the upstream says.
    #[error("the upstream gateway refused the entry as of height {height}: {code}")]
    Refused {
        /// The rule's code.
        code: String,
        /// A height of the upstream's at or after which it refused.
        height: u64,
    },
    /// It was not taken, for now: too much is pending, or nobody was reached.
    #[error("the upstream gateway took no entry: {reason}")]
    NotTaken {
        /// Why.
        reason: String,
    },
    /// It may have been taken.
    #[error("whether the upstream gateway took the entry is unknown: {reason}")]
    Unknown {
        /// Why.
        reason: String,
    },
}

/// Another gateway of the network, as a follower sees it.
pub trait Upstream: fmt::Debug + Send + Sync {
    /// Certified blocks from `from` on, in order and without a gap, at most `limit`. If there is none yet,
    /// waits for one, about as long as `wait`; then none.
    fn blocks(
        &self,
        from: u64,
        limit: usize,
        wait: Duration,
    ) -> Pending<'_, Result<Vec<CertifiedBlock>, UpstreamError>>;

    /// The public document named `digest`; none if it has none.
    fn document(&self, digest: Digest) -> Pending<'_, Result<Option<Document>, UpstreamError>>;

    /// Hands an entry in; returns when the upstream says that it is durable on the chain.
    fn submit(&self, submission: Submission) -> Pending<'_, Result<(), HandInError>>;

    /// The newest checkpoint that a validator signed, with the cosignatures that it has.
    fn checkpoint(&self) -> Pending<'_, Result<SignedCheckpoint, UpstreamError>>;

    /// Hands in a checkpoint with cosignatures of departments.
    fn cosign(&self, checkpoint: SignedCheckpoint) -> Pending<'_, Result<(), UpstreamError>>;
}

/// A ledger's blocks from `from` on, at most `limit`; if there is none yet, waits for one, at most `wait`.
///
/// # Errors
/// [`ReadError`] if the blocks cannot be read.
pub async fn blocks_or_wait(
    ledger: &dyn Ledger,
    from: u64,
    limit: usize,
    wait: Duration,
) -> Result<Vec<CertifiedBlock>, ReadError> {
    let deadline = Instant::now() + wait;
    let mut newest = ledger.subscribe();
    let there = newest.wait_for(|replica| replica.tip().height >= from);
    // Whether the time is over or the ledger has stopped: what is there is there.
    let _ = timeout_at(deadline, there).await.is_ok_and(|there| there.is_ok());
    ledger.blocks_from(from, limit).await
}
