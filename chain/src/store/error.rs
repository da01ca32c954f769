//! Why the store cannot go on.

use std::io;
use std::path::Path;

use crypto::Digest;
use thiserror::Error;

use super::boundary::Step;
use crate::codec::DecodeError;
use crate::replica::BlockError;

/// Why a block was not appended, or something was not read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// A step of an append failed. Fatal: whether the block is stored is unknown until the store is opened
    /// again.
    #[error("{step} failed: {reason}")]
    Append {
        /// The step.
        step: Step,
        /// What the operating system or sled said.
        reason: String,
    },
    /// A step failed before. Fatal, as that was.
    #[error("the store stopped after a failure; open it again")]
    Stopped,
    /// The block does not follow on the last one.
    #[error("block {got} does not follow on block {last}")]
    NotNext {
        /// Height of the last block.
        last: u64,
        /// Height of the block.
        got: u64,
    },
    /// Reading failed.
    #[error("cannot read: {reason}")]
    Read {
        /// What sled said.
        reason: String,
    },
    /// A value is missing.
    #[error("{tree} {key} is missing")]
    Missing {
        /// What kind of value.
        tree: &'static str,
        /// Its height or index.
        key: u64,
    },
    /// A value does not decode.
    #[error("{tree} {key} is damaged: {error}")]
    Damaged {
        /// What kind of value.
        tree: &'static str,
        /// Its height or index.
        key: u64,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// A stored document is not the one that its key names.
    #[error("the document stored as {digest} is another")]
    Document {
        /// The digest under which it is stored.
        digest: Digest,
    },
}

impl StoreError {
    /// The stable name of the failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Append { .. } => "store-append",
            Self::Stopped => "store-stopped",
            Self::NotNext { .. } => "store-not-next",
            Self::Read { .. } => "store-read",
            Self::Missing { .. } => "store-missing",
            Self::Damaged { .. } => "store-damaged",
            Self::Document { .. } => "document-mismatch",
        }
    }
}

/// Why a chain folder does not open. Nothing is signed or acknowledged from it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// A file or folder cannot be read or made.
    #[error("{path}: {reason}")]
    File {
        /// The file or folder.
        path: String,
        /// What the operating system or sled said.
        reason: String,
    },
    /// sled's files are not what it wrote.
    #[error("{path} does not open: {reason}")]
    Files {
        /// The folder.
        path: String,
        /// What sled said.
        reason: String,
    },
    /// Another process has the folder open.
    #[error("{path} is open in another process")]
    Locked {
        /// The folder.
        path: String,
    },
    /// Written by another version of the store.
    #[error("the store has format {got}, this version reads {expected}")]
    Format {
        /// The format this version reads.
        expected: u32,
        /// The format of the folder.
        got: u32,
    },
    /// The chain is of another network than the genesis.
    #[error("the chain is of another network than the genesis file")]
    Network,
    /// There is a chain, but no mark beside it.
    #[error("the chain has no mark file: whether it is the newest copy cannot be told")]
    MarkMissing,
    /// No slot of the mark file holds a mark.
    #[error("the mark file is damaged")]
    MarkDamaged,
    /// The chain ends before the mark: it was rolled back, or lost blocks.
    #[error("the chain ends at height {tip}, but height {marked} was acknowledged")]
    BehindMark {
        /// Height of the last block.
        tip: u64,
        /// The marked height.
        marked: u64,
    },
    /// The block at the marked height is another.
    #[error("the block at height {height} is not the one that was acknowledged")]
    MarkConflict {
        /// The marked height.
        height: u64,
    },
    /// A block does not follow from those before it.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// Reading failed, or a value is missing or damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An index disagrees with the entries.
    #[error("the index of {tree} disagrees with the entries at {key}")]
    Index {
        /// The index.
        tree: &'static str,
        /// Where.
        key: u64,
    },
}

impl OpenError {
    pub(super) fn file(path: &Path, error: &io::Error) -> Self {
        Self::File { path: path.display().to_string(), reason: error.to_string() }
    }

    /// The stable name of the failure; a block's or the store's is its own.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "store-file",
            Self::Files { .. } => "store-files",
            Self::Locked { .. } => "store-locked",
            Self::Format { .. } => "store-format",
            Self::Network => "store-network",
            Self::MarkMissing => "mark-missing",
            Self::MarkDamaged => "mark-damaged",
            Self::BehindMark { .. } => "mark-ahead",
            Self::MarkConflict { .. } => "mark-conflict",
            Self::Block(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Index { .. } => "store-index",
        }
    }
}
