//! What fails on our own side, whatever a department is doing.

use chain::identifier::{DepartmentId, EntryId};
use chain::ledger::{ReadError, StopReason, SubmitError};
use circuits::statement::CircuitId;
use crypto::envelope::SealError;
use thiserror::Error;

use crate::payload::PayloadError;
use crate::prover::ProverError;
use crate::records::RecordsError;
use crate::store::StoreError;

/// Our own side failed. The caller learns that, the log learns why.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Internal {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The records failed.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The chain did not take an entry.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The chain could not be read.
    #[error(transparent)]
    Chain(#[from] ReadError),
    /// The gateway has no proving keys.
    #[error("this gateway has no proving key of {0}")]
    NoProvingKey(CircuitId),
    /// The gateway's proving key is not one that the departments have approved.
    #[error(
        "this gateway's key of {0} is not approved by the departments: nobody would believe its proofs"
    )]
    UnapprovedKey(CircuitId),
    /// The prover did not run.
    #[error(transparent)]
    Prover(#[from] ProverError),
    /// The payloads' store failed.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A message could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A department that a stored exchange names is not on the chain.
    #[error("{0} is not a department of this network")]
    UnknownDepartment(DepartmentId),
    /// A department's document has no key of a suite that we have.
    #[error("{0} has no encryption key that this software can seal to")]
    NoRecipientKey(DepartmentId),
    /// This copy of the chain is behind the one of somebody who named an entry.
    #[error("entry {0} has not reached this copy of the chain yet")]
    Behind(EntryId),
    /// A stored exchange does not fit its own schema: the store was changed from outside.
    #[error("a stored exchange is damaged: {0}")]
    Damaged(String),
}

impl Internal {
    /// Whether the disk did not take a change: the store has stopped, or a payload's file was not written.
    pub fn is_of_storing(&self) -> bool {
        match self {
            Self::Store(error) | Self::Records(RecordsError::Store(error)) => error.is_of_storing(),
            Self::Submit(SubmitError::Stopped(StopReason::Store(_)))
            | Self::Payload(PayloadError::Store { .. }) => true,
            _ => false,
        }
    }
}
