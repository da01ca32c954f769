//! The audit: everything recomputed from the genesis file, which is all that is trusted.
//!
//! No key, root or index is taken from the store. Every entry's signature is checked under the key that the
//! chain gave its author at that place, every rule is applied again, the log's root is recomputed from the
//! entries, every header must link to the one before and be certified by the validators that the chain had
//! elected, and every public document must be there and have its digest.
//!
//! A chain that its only validator rewrites from the start, with its own key and the departments' help, is
//! consistent in itself. Checkpoints and receipts that left the house before show it: the audit takes known
//! checkpoints and demands that the chain still leads through them.

mod upstream;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crypto::Digest;
use serde::Serialize;
use thiserror::Error;

use crate::block::CertifiedBlock;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::document::Documents;
use crate::entry::Kind;
use crate::genesis::Genesis;
use crate::identifier::{BlockHash, NetworkId};
use crate::ledger::UpstreamError;
use crate::log::{Frontier, leaf_hash};
use crate::replica::{Accepted, BlockError, Replica};
use crate::store::{OpenError, Reader, StoreError, read_mark};
use crate::time::Timestamp;

pub use upstream::audit_upstream;

/// What an audit found wrong.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditError {
    /// A block does not follow from those before it.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The folder cannot be read, or disagrees with itself or its mark.
    #[error(transparent)]
    Folder(#[from] OpenError),
    /// The gateway that serves the chain gave nothing, or nothing that can be read.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The served checkpoint is not a validator's.
    #[error("the served checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A known checkpoint is of another log.
    #[error("a known checkpoint is of {origin}, which is another log")]
    CheckpointOrigin {
        /// The checkpoint's origin.
        origin: String,
    },
    /// The log is shorter than a known checkpoint says it was.
    #[error("the log has {size} entries, a known checkpoint {known}")]
    CheckpointMissing {
        /// The log's size.
        size: u64,
        /// The checkpoint's size.
        known: u64,
    },
    /// The log's first entries are not those that a known checkpoint is over.
    #[error("the log's first {size} entries are not those of a known checkpoint")]
    CheckpointContradicted {
        /// The checkpoint's size.
        size: u64,
    },
}

impl AuditError {
    /// The stable name of what is wrong; a block's or the folder's is its own.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Block(error) => error.code(),
            Self::Folder(error) => error.code(),
            Self::Upstream(error) => error.code(),
            Self::Checkpoint(error) => error.code(),
            Self::CheckpointOrigin { .. } => "checkpoint-origin",
            Self::CheckpointMissing { .. } => "checkpoint-missing",
            Self::CheckpointContradicted { .. } => "checkpoint-contradicted",
        }
    }
}

impl AuditError {
    /// Where it is, as far as that can be said.
    pub const fn place(&self) -> Place {
        match self {
            Self::Block(error) | Self::Folder(OpenError::Block(error)) => {
                Place { height: error.height(), entry: error.entry() }
            }
            Self::CheckpointContradicted { size } | Self::CheckpointMissing { size, .. } => {
                Place { height: None, entry: Some(*size) }
            }
            _ => Place { height: None, entry: None },
        }
    }
}

/// A place in the chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Height of a block.
    pub height: Option<u64>,
    /// Index of an entry in the log.
    pub entry: Option<u64>,
}

/// How far an audit has come, in entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// That hold.
    pub checked: u64,
    /// That there are.
    pub total: u64,
}

impl From<StoreError> for AuditError {
    fn from(error: StoreError) -> Self {
        Self::Folder(error.into())
    }
}

/// What an audit found: everything in order, up to here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The network.
    pub network: NetworkId,
    /// Height of the last block.
    pub height: u64,
    /// Its hash.
    pub block: BlockHash,
    /// Its time.
    pub time: Timestamp,
    /// Number of entries by kind.
    pub entries: BTreeMap<Kind, u64>,
    /// Number of entries.
    pub log_size: u64,
    /// Root over them.
    pub log_root: Digest,
    /// The text of the checkpoint over them, unsigned.
    pub checkpoint: String,
    /// How often one validator set handed over to another.
    pub hand_overs: usize,
    /// Number of known checkpoints that the log leads through.
    pub known_checkpoints: usize,
    /// Whether one validator alone certifies.
    pub single_operator: bool,
}

/// An audit under way, block by block.
#[derive(Clone, Debug)]
pub struct Auditor {
    replica: Replica,
    frontier: Frontier,
    known: BTreeMap<u64, Digest>,
    passed: usize,
}

impl Auditor {
    /// Begins an audit that trusts `genesis`, and demands that the log lead through the `known` checkpoints,
    /// whose signatures the caller has checked.
    ///
    /// # Errors
    /// [`AuditError`] if a known checkpoint is of another log, or two contradict each other.
    pub fn new(genesis: Arc<Genesis>, known: &[Checkpoint]) -> Result<Self, AuditError> {
        let mut roots = BTreeMap::from([(0, Frontier::new().root())]);
        for checkpoint in known {
            if checkpoint.origin != genesis.facts().name {
                let origin = checkpoint.origin.to_string();
                return Err(AuditError::CheckpointOrigin { origin });
            }
            let size = checkpoint.size;
            if *roots.entry(size).or_insert(checkpoint.root) != checkpoint.root {
                return Err(AuditError::CheckpointContradicted { size });
            }
        }
        roots.remove(&0);
        let replica = Replica::new(genesis);
        Ok(Self { replica, frontier: Frontier::new(), known: roots, passed: 0 })
    }

    /// Checks the next block, with the public documents behind its entries.
    ///
    /// # Errors
    /// [`AuditError`], naming the first thing that is wrong.
    pub fn block(
        &mut self,
        block: CertifiedBlock,
        documents: &Documents,
    ) -> Result<Accepted, AuditError> {
        let accepted = self.replica.accept(block, documents)?;
        for entry in accepted.block().block.entries() {
            self.frontier.append(leaf_hash(entry));
            let size = self.frontier.size();
            if let Some(root) = self.known.remove(&size) {
                if self.frontier.root() != root {
                    return Err(AuditError::CheckpointContradicted { size });
                }
                self.passed += 1;
            }
        }
        Ok(accepted)
    }

    /// Ends the audit.
    ///
    /// # Errors
    /// [`AuditError::CheckpointMissing`] if the log is shorter than a known checkpoint.
    pub fn finish(self) -> Result<Report, AuditError> {
        let (tip, state) = (self.replica.tip(), self.replica.state());
        if let Some((known, _)) = self.known.first_key_value() {
            return Err(AuditError::CheckpointMissing { size: tip.log_size, known: *known });
        }
        let origin = self.replica.genesis().facts().name.clone();
        let checkpoint = Checkpoint { origin, size: tip.log_size, root: tip.log_root };
        let text = String::from_utf8(checkpoint.text()).expect("a checkpoint's text is ASCII");
        Ok(Report {
            network: *state.network(),
            height: tip.height,
            block: tip.block,
            time: tip.time,
            entries: state.counts().collect(),
            log_size: tip.log_size,
            log_root: tip.log_root,
            checkpoint: text,
            hand_overs: self.replica.hand_overs().len(),
            known_checkpoints: self.passed,
            single_operator: state.validators().is_single_operator(),
        })
    }
}

/// Audits blocks from the first on.
///
/// # Errors
/// [`AuditError`], naming the first thing that is wrong.
pub fn audit(
    genesis: Arc<Genesis>,
    blocks: impl IntoIterator<Item = CertifiedBlock>,
    documents: &Documents,
    known: &[Checkpoint],
) -> Result<Report, AuditError> {
    let mut auditor = Auditor::new(genesis, known)?;
    for block in blocks {
        auditor.block(block, documents)?;
    }
    auditor.finish()
}

/// Audits a chain folder that no running gateway has open, with its indexes and, if there is one, its mark.
/// Calls `progress` after each block.
///
/// Held in memory are one block with its documents, and the state that the rules need.
///
/// # Errors
/// [`AuditError`], naming the first thing that is wrong.
pub fn audit_folder(
    genesis: Arc<Genesis>,
    folder: &Path,
    known: &[Checkpoint],
    mut progress: impl FnMut(Progress),
) -> Result<Report, AuditError> {
    let mut auditor = Auditor::new(genesis, known)?;
    let reader = Reader::open_unverified(folder)?;
    let missing = |height| StoreError::Missing { tree: "block", key: height };
    let last = reader.last_height()?;
    let total = match last {
        0 => 0,
        last => reader.header(last)?.ok_or_else(|| missing(last))?.0.log_size,
    };
    for height in 1..=last {
        let block = reader.block(height)?.ok_or_else(|| missing(height))?;
        let documents = reader.documents_of(&block.block)?;
        let accepted = auditor.block(block, &documents)?;
        reader.check_indexes(&accepted)?;
        progress(Progress { checked: auditor.replica.tip().log_size, total });
    }
    let tip = auditor.replica.tip();
    reader.check_sizes(tip)?;
    if let Some(mark) = read_mark(folder)? {
        reader.check_mark(&mark, tip)?;
    }
    auditor.finish()
}

#[cfg(test)]
mod tests;
