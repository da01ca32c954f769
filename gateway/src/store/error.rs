//! Why a store does not do what it was asked.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use crypto::at_rest::{OpenError, SealError};
use thiserror::Error;

use super::boundary::Step;
use super::{FORMAT_VERSION, Table};

/// Why the store did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store cannot be opened or read.
    #[error("the store cannot be read: {0}")]
    Sled(#[from] sled::Error),
    /// A change failed: it is unknown whether it is stored, all of it or nothing. The store takes no
    /// further change and tells nothing.
    #[error(
        "the store failed at a {step}: {error}; it takes and tells nothing until it is opened again"
    )]
    Step {
        /// Where.
        step: Step,
        /// Why.
        error: io::Error,
    },
    /// A change failed earlier.
    #[error("the store failed earlier; it takes and tells nothing until it is opened again")]
    Stopped,
    /// The folder could not be opened.
    #[error("{}: {error}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Written by another version of this software.
    #[error("store format {got}; this software reads format {FORMAT_VERSION}")]
    Format {
        /// The version found.
        got: u32,
    },
    /// The known value does not open: the storage key is of another store, or somebody changed the file.
    #[error(
        "the storage key does not open this store: it is another store's, or the store was changed"
    )]
    OtherKey,
    /// A value does not open: somebody changed the file.
    #[error("a row of {} does not open: {error}", table.name())]
    Open {
        /// Whose row.
        table: Table,
        /// Why not.
        error: OpenError,
    },
    /// A value is not of the form its table has.
    #[error("a row of {} has another form: {error}", table.name())]
    Form {
        /// Whose row.
        table: Table,
        /// Why not.
        error: serde_json::Error,
    },
    /// A value is too long to be sealed.
    #[error("a row of {} cannot be sealed: {error}", table.name())]
    Seal {
        /// Whose row.
        table: Table,
        /// Why not.
        error: SealError,
    },
    /// The known value is not there: somebody changed the file.
    #[error("a row that was stored at the beginning is gone")]
    Canary,
    /// A tree node is not a field element: somebody changed the file.
    #[error("a tree node is not a field element")]
    Node,
}

impl StoreError {
    /// Whether the disk did not take a change: this one, an earlier one after which the store stopped, or
    /// one that sled had put off.
    pub fn is_of_storing(&self) -> bool {
        match self {
            Self::Step { .. } | Self::Stopped => true,
            Self::Sled(sled::Error::Io(error)) => matches!(
                error.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
            ),
            _ => false,
        }
    }
}
