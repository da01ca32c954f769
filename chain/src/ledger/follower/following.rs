//! The one thread that follows: it fetches blocks, checks them, makes them durable, publishes them.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;

use super::copying::{Copy, CopyError};
use super::cosigning::{Cosigning, Trouble};
use crate::checkpoint::CheckpointError;
use crate::ledger::StopReason;
use crate::ledger::upstream::{Upstream, UpstreamError};
use crate::replica::{BlockError, Replica};

/// How long a batch of blocks may take beyond the wait for the first: an upstream that trickles is as good as
/// one that is not reached. What was fetched until then is kept.
const STEP_TIME: Duration = Duration::from_secs(60);

/// What keeps a follower from following, for now.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FollowError {
    /// The upstream gave nothing.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The upstream's next block breaks a rule.
    #[error("the upstream gateway's block: {0}")]
    Block(#[from] BlockError),
    /// The upstream's checkpoint is none of a validator.
    #[error("the upstream gateway's checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The upstream gave no checkpoint, or did not take the cosignature on it. Blocks are followed all the same.
    #[error("checkpoints are not cosigned: {0}")]
    Cosigning(UpstreamError),
    /// The upstream has fewer blocks than this copy. It was rolled back, or is another follower and behind;
    /// this copy keeps what it has.
    #[error("the upstream gateway ends at height {theirs}, this copy at {ours}")]
    Shorter {
        /// Height of this copy's last block.
        ours: u64,
        /// Height of the upstream's last block.
        theirs: u64,
    },
}

impl FollowError {
    /// The stable name of the failure; a block's is its own.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Upstream(error) | Self::Cosigning(error) => error.code(),
            Self::Block(error) => error.code(),
            Self::Checkpoint(error) => error.code(),
            Self::Shorter { .. } => "upstream-shorter",
        }
    }

    /// Whether blocks do not come, so that nothing can be put on the chain either: what a shorter upstream takes
    /// may end up on another one.
    pub const fn cuts_off(&self) -> bool {
        matches!(self, Self::Upstream(_) | Self::Block(_) | Self::Shorter { .. })
    }
}

/// How long a follower waits after a failure: `first`, then twice as long each time, at most `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub most: Duration,
}

impl Default for Backoff {
    /// 250 ms to 15 s.
    fn default() -> Self {
        Self { first: Duration::from_millis(250), most: Duration::from_secs(15) }
    }
}

/// What a follower's thread and its users share. Written by the thread only.
#[derive(Debug)]
pub(super) struct Shared {
    /// The last durable block.
    pub(super) newest: watch::Sender<Arc<Replica>>,
    /// Why the thread ended.
    pub(super) stopped: watch::Sender<Option<StopReason>>,
    /// What keeps it from following.
    pub(super) following: watch::Sender<Option<FollowError>>,
}

impl Shared {
    fn note(&self, trouble: Option<FollowError>) {
        self.following.send_if_modified(|noted| {
            let changed = *noted != trouble;
            *noted = trouble;
            changed
        });
    }
}

/// What the following thread owns.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) copy: Copy,
    pub(super) upstream: Arc<dyn Upstream>,
    pub(super) cosigning: Arc<Cosigning>,
    pub(super) shared: Arc<Shared>,
    pub(super) batch: usize,
    pub(super) wait: Duration,
    pub(super) backoff: Backoff,
    /// Size of the last checkpoint that was cosigned.
    pub(super) cosigned: u64,
}

impl Follower {
    /// Follows until it must stop. May be dropped wherever it waits.
    pub(super) async fn run(mut self) {
        let mut pause = self.backoff.first;
        // After a start or a failure it looks first, and waits for new blocks only then.
        let mut wait = Duration::ZERO;
        loop {
            let begun = Instant::now();
            match self.timed_step(wait).await {
                Ok(Step { blocks, trouble }) => {
                    self.shared.note(trouble);
                    pause = self.backoff.first;
                    if blocks == 0 && begun.elapsed() < wait {
                        // The upstream does not wait for new blocks. It is not asked without a pause.
                        tokio::time::sleep(pause).await;
                    }
                    wait = self.wait;
                }
                Err(Failure::Stop(reason)) => {
                    self.shared.stopped.send_replace(Some(reason));
                    return;
                }
                Err(Failure::Retry(error)) => {
                    self.shared.note(Some(error));
                    tokio::time::sleep(pause).await;
                    pause = (2 * pause).min(self.backoff.most);
                    wait = Duration::ZERO;
                    self.cosigned = 0; // whoever restarted has forgotten
                }
            }
        }
    }

    async fn timed_step(&mut self, wait: Duration) -> Result<Step, Failure> {
        let limit = wait + STEP_TIME;
        tokio::time::timeout(limit, self.step(wait)).await.unwrap_or_else(|_| {
            let reason = format!("it did not give all of a block within {limit:?}");
            Err(Failure::Retry(UpstreamError::Unreached { reason }.into()))
        })
    }

    /// One batch of blocks.
    async fn step(&mut self, wait: Duration) -> Result<Step, Failure> {
        let shared = Arc::clone(&self.shared);
        let publish = |replica: &Replica| {
            shared.newest.send_replace(Arc::new(replica.clone()));
        };
        let blocks = self.copy.grow(&*self.upstream, self.batch, wait, publish).await?;
        if blocks == self.batch {
            return Ok(Step { blocks, trouble: None }); // there is more to fetch
        }
        if blocks == 0
            && let Some(theirs) = self.copy.compare_end(&*self.upstream).await?
        {
            // It is looked at again soon: if it goes on from there, there are two chains.
            let ours = self.copy.replica.tip().height;
            return Err(Failure::Retry(FollowError::Shorter { ours, theirs }));
        }
        Ok(Step { blocks, trouble: self.cosign().await? })
    }

    async fn cosign(&mut self) -> Result<Option<FollowError>, Failure> {
        let replica = &self.copy.replica;
        if self.cosigning.cosigners.is_empty() || self.cosigned == replica.tip().log_size {
            return Ok(None);
        }
        match self.cosigning.refresh(replica).await {
            Ok(signed) => {
                self.cosigned = signed.checkpoint().size;
                Ok(None)
            }
            Err(Trouble::Ahead { .. }) => Ok(None), // the blocks are on their way
            Err(Trouble::Fork { size, ours, theirs }) => {
                Err(Failure::Stop(StopReason::ForkedCheckpoint { size, ours, theirs }))
            }
            Err(Trouble::Upstream(error)) => Ok(Some(FollowError::Cosigning(error))),
            Err(Trouble::Checkpoint(error)) => Ok(Some(error.into())),
            Err(Trouble::Log(error)) => {
                let reason = error.to_string();
                Err(Failure::Stop(crate::store::StoreError::Read { reason }.into()))
            }
        }
    }
}

/// What a step brought.
struct Step {
    /// How many blocks.
    blocks: usize,
    /// What is not in order, but keeps nobody from following.
    trouble: Option<FollowError>,
}

/// Why a step was not made.
enum Failure {
    Retry(FollowError),
    Stop(StopReason),
}

impl From<CopyError> for Failure {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Upstream(error) => Self::Retry(error.into()),
            CopyError::Block(error) => Self::Retry(error.into()),
            CopyError::Store(error) => Self::Stop(error.into()),
            CopyError::Fork { height, ours, theirs } => {
                Self::Stop(StopReason::Fork { height, ours, theirs })
            }
        }
    }
}
