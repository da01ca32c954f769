//! Validators: the gateways that certify blocks.

use crypto::{Digest, VerifyingKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::document::{Document, DocumentError};
use crate::identifier::ValidatorId;
use crate::text::Label;

/// Most validators a set may have.
pub const MAX_VALIDATORS: usize = 100;

/// A gateway that certifies blocks.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Validator {
    /// Its id.
    pub id: ValidatorId,
    /// What people call it.
    pub name: Label,
    /// The key that its precommits verify under. The gateway's own, apart from its departments' keys.
    pub key: VerifyingKey,
}

/// Why validators do not make a set.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValidatorSetError {
    /// None, or more than [`MAX_VALIDATORS`].
    #[error("a validator set has 1 to {MAX_VALIDATORS} members, got {got}")]
    Size {
        /// How many there are.
        got: usize,
    },
    /// Not in ascending order of ids, or an id twice.
    #[error("validators must be in ascending order of their ids; {id} is not")]
    Order {
        /// The validator that is out of order.
        id: ValidatorId,
    },
    /// One key under two ids would count twice.
    #[error("validator {id} has the key of another")]
    SharedKey {
        /// The validator.
        id: ValidatorId,
    },
    /// The document is not that of a validator set.
    #[error(transparent)]
    Document(#[from] DocumentError),
}

impl ValidatorSetError {
    /// The stable name of the failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Size { .. } => "validator-set-size",
            Self::Order { .. } => "validator-set-order",
            Self::SharedKey { .. } => "validator-set-shared-key",
            Self::Document(error) => error.code(),
        }
    }
}

/// The document of a validator set, as written.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
struct ValidatorSetDocument {
    validators: Vec<Validator>,
}

/// Validators in ascending order of their ids, named by the digest of their document.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(try_from = "ValidatorSetDocument", into = "ValidatorSetDocument")]
pub struct ValidatorSet {
    validators: Vec<Validator>,
    document: Document,
}

impl TryFrom<ValidatorSetDocument> for ValidatorSet {
    type Error = ValidatorSetError;

    fn try_from(document: ValidatorSetDocument) -> Result<Self, ValidatorSetError> {
        Self::new(document.validators)
    }
}

impl From<ValidatorSet> for ValidatorSetDocument {
    fn from(set: ValidatorSet) -> Self {
        Self { validators: set.validators }
    }
}

impl ValidatorSet {
    /// The set of `validators`.
    ///
    /// # Errors
    /// [`ValidatorSetError`] unless they are 1 to [`MAX_VALIDATORS`], in ascending order of their ids, with
    /// one key each.
    pub fn new(validators: Vec<Validator>) -> Result<Self, ValidatorSetError> {
        if !(1..=MAX_VALIDATORS).contains(&validators.len()) {
            return Err(ValidatorSetError::Size { got: validators.len() });
        }
        for (place, validator) in validators.iter().enumerate() {
            let before = &validators[..place];
            if before.last().is_some_and(|last| last.id >= validator.id) {
                return Err(ValidatorSetError::Order { id: validator.id });
            }
            if before.iter().any(|other| other.key == validator.key) {
                return Err(ValidatorSetError::SharedKey { id: validator.id });
            }
        }
        let document = Document::new(&ValidatorSetDocument { validators: validators.clone() })?;
        Ok(Self { validators, document })
    }

    /// Reads a set from its document.
    ///
    /// # Errors
    /// As [`ValidatorSet::new`], and for a document of another shape.
    pub fn from_document(document: &Document) -> Result<Self, ValidatorSetError> {
        Self::new(document.parse::<ValidatorSetDocument>()?.validators)
    }

    /// The set's document.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The digest of the set's document, which headers carry.
    pub fn digest(&self) -> &Digest {
        self.document.digest()
    }

    /// The validators, in ascending order of their ids.
    pub fn validators(&self) -> &[Validator] {
        &self.validators
    }

    /// The validator named `id`.
    pub fn find(&self, id: &ValidatorId) -> Option<&Validator> {
        self.validators.iter().find(|validator| validator.id == *id)
    }

    /// Whether `signers` distinct validators are more than two thirds of the set.
    pub fn is_quorum(&self, signers: usize) -> bool {
        exceeds_two_thirds(signers, self.validators.len())
    }

    /// Whether one validator alone certifies.
    pub fn is_single_operator(&self) -> bool {
        self.validators.len() == 1
    }
}

/// `3 · part > 2 · whole`
pub(crate) fn exceeds_two_thirds(part: usize, whole: usize) -> bool {
    3 * part > 2 * whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto::{Secret, SigningKey};

    fn validator(id: &str, seed: u8) -> Validator {
        Validator {
            id: id.parse().unwrap(),
            name: id.parse().unwrap(),
            key: SigningKey::from_seed(&Secret::new([seed; 32])).verifying_key(),
        }
    }

    #[test]
    fn reads_back_from_its_document() {
        let set = ValidatorSet::new(vec![validator("a", 1), validator("b", 2)]).unwrap();
        assert_eq!(ValidatorSet::from_document(set.document()), Ok(set.clone()));
        assert!(set.find(&"b".parse().unwrap()).is_some());
        assert!(set.find(&"c".parse().unwrap()).is_none());
    }

    #[test]
    fn refuses_disorder_repeats_and_shared_keys() {
        let id = "a".parse().unwrap();
        let set = |validators| ValidatorSet::new(validators).map(|_| ());
        assert_eq!(set(vec![validator("a", 1), validator("b", 2)]), Ok(()));
        assert_eq!(set(vec![]), Err(ValidatorSetError::Size { got: 0 }));
        let disorder = vec![validator("b", 2), validator("a", 1)];
        assert_eq!(set(disorder), Err(ValidatorSetError::Order { id }));
        let repeat = vec![validator("a", 1), validator("a", 2)];
        assert_eq!(set(repeat), Err(ValidatorSetError::Order { id }));
        let shared = vec![validator("a", 1), validator("b", 1)];
        let id = "b".parse().unwrap();
        assert_eq!(set(shared), Err(ValidatorSetError::SharedKey { id }));
    }

    #[test]
    fn a_quorum_is_more_than_two_thirds() {
        let smallest = |whole| (0..=whole).find(|part| exceeds_two_thirds(*part, whole));
        let quorums: Vec<_> = (1..=7).map(|whole| smallest(whole).unwrap()).collect();
        assert_eq!(quorums, [1, 2, 3, 3, 4, 5, 5]);
    }
}
