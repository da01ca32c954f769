//! Certificates: more than two thirds of the validators signed one block.
//!
//! ```text
//! precommit    network id (32) ‖ height (8) ‖ round (4) ‖ block hash (32)
//! certificate  round (4) ‖ number of signatures (2) ‖ (validator (32) ‖ signature (64))*
//! ```
//! Signatures stand in ascending order of validators, so that a certificate has one spelling.

use crypto::signing::SIGNATURE_BYTES;
use crypto::{Signature, SigningKey};
use thiserror::Error;

use super::Header;
use crate::codec::{DecodeError, Reader};
use crate::identifier::{BlockHash, NetworkId, SLUG_BYTES, ValidatorId};
use crate::validators::{MAX_VALIDATORS, ValidatorSet};

const PRECOMMIT_LABEL: &str = "proofgate/v1/precommit";
const PRECOMMIT_BYTES: usize = 76;
const CERTIFICATE_HEAD_BYTES: usize = 6;
const CERTIFICATE_SIGNATURE_BYTES: usize = SLUG_BYTES + SIGNATURE_BYTES;

/// What a validator signs to decide a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precommit {
    /// The network.
    pub network: NetworkId,
    /// The height.
    pub height: u64,
    /// The round of agreement at this height.
    pub round: u32,
    /// The block.
    pub block: BlockHash,
}

impl Precommit {
    /// The precommit for the block under `header` in `round`.
    pub fn new(header: &Header, round: u32) -> Self {
        Self { network: header.network, height: header.height, round, block: header.hash() }
    }

    /// The canonical preimage.
    pub fn encode(&self) -> [u8; PRECOMMIT_BYTES] {
        let mut bytes = [0; PRECOMMIT_BYTES];
        bytes[..32].copy_from_slice(self.network.as_bytes());
        bytes[32..40].copy_from_slice(&self.height.to_be_bytes());
        bytes[40..44].copy_from_slice(&self.round.to_be_bytes());
        bytes[44..].copy_from_slice(self.block.as_bytes());
        bytes
    }

    /// Signs the precommit.
    pub fn sign(&self, key: &SigningKey) -> Signature {
        key.sign(PRECOMMIT_LABEL, &self.encode())
    }
}

/// Why a certificate does not certify a block.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateError {
    /// A signer is not in the height's validator set.
    #[error("{validator} is no validator at this height")]
    UnknownValidator {
        /// The signer.
        validator: ValidatorId,
    },
    /// A signature does not verify.
    #[error("the precommit of {validator} does not verify")]
    Signature {
        /// The signer.
        validator: ValidatorId,
    },
    /// Not more than two thirds signed.
    #[error("{signers} of {validators} validators signed; more than two thirds must")]
    TooFew {
        /// How many signed.
        signers: usize,
        /// How many there are.
        validators: usize,
    },
}

impl CertificateError {
    /// The stable name of the failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownValidator { .. } => "certificate-unknown-validator",
            Self::Signature { .. } => "certificate-signature",
            Self::TooFew { .. } => "certificate-too-few",
        }
    }
}

/// A round and the precommits of one block in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    round: u32,
    signatures: Vec<(ValidatorId, Signature)>,
}

impl Certificate {
    /// The certificate of `signatures`, in whatever order they came.
    ///
    /// # Errors
    /// [`DecodeError::Field`] if a validator signed twice, or more signed than a set may have.
    pub fn new(
        round: u32,
        mut signatures: Vec<(ValidatorId, Signature)>,
    ) -> Result<Self, DecodeError> {
        signatures.sort_by_key(|(validator, _)| *validator);
        let repeated = signatures.windows(2).any(|pair| pair[0].0 == pair[1].0);
        if repeated || signatures.len() > MAX_VALIDATORS {
            return Err(DecodeError::Field { field: "signatures" });
        }
        Ok(Self { round, signatures })
    }

    /// The round.
    pub const fn round(&self) -> u32 {
        self.round
    }

    /// The signers and their signatures, in ascending order of signers.
    pub fn signatures(&self) -> &[(ValidatorId, Signature)] {
        &self.signatures
    }

    /// Checks that more than two thirds of `validators` signed the block under `header`, and nobody else.
    ///
    /// # Errors
    /// [`CertificateError`], naming the first signature that is wrong.
    pub fn verify(
        &self,
        header: &Header,
        validators: &ValidatorSet,
    ) -> Result<(), CertificateError> {
        let message = Precommit::new(header, self.round).encode();
        for (id, signature) in &self.signatures {
            let validator =
                validators.find(id).ok_or(CertificateError::UnknownValidator { validator: *id })?;
            validator
                .key
                .verify(PRECOMMIT_LABEL, &message, signature)
                .map_err(|_| CertificateError::Signature { validator: *id })?;
        }
        let signers = self.signatures.len();
        if !validators.is_quorum(signers) {
            let validators = validators.validators().len();
            return Err(CertificateError::TooFew { signers, validators });
        }
        Ok(())
    }

    /// The certificate's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let count = u16::try_from(self.signatures.len()).expect("at most MAX_VALIDATORS");
        let mut bytes = self.round.to_be_bytes().to_vec();
        bytes.extend(count.to_be_bytes());
        for (validator, signature) in &self.signatures {
            bytes.extend(validator.as_bytes());
            bytes.extend(signature.as_bytes());
        }
        bytes
    }

    /// Decodes a certificate.
    ///
    /// # Errors
    /// [`DecodeError`] for another length than the number of signatures gives, too many signatures, or
    /// signers that are no slugs or not in strictly ascending order.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Some((head, _)) = bytes.split_at_checked(CERTIFICATE_HEAD_BYTES) else {
            let expected = CERTIFICATE_HEAD_BYTES;
            return Err(DecodeError::Length { expected, got: bytes.len() });
        };
        let mut reader = Reader::exact(head, CERTIFICATE_HEAD_BYTES)?;
        let (round, count) = (reader.u32()?, usize::from(reader.u16()?));
        let expected = CERTIFICATE_HEAD_BYTES + CERTIFICATE_SIGNATURE_BYTES * count;
        let mut reader = Reader::exact(bytes, expected)?;
        reader.array::<CERTIFICATE_HEAD_BYTES>()?;
        let mut signatures = Vec::with_capacity(count);
        for _ in 0..count {
            let validator = ValidatorId::from_bytes(reader.array()?)?;
            signatures.push((validator, Signature::from_bytes(reader.array()?)));
        }
        if signatures.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            return Err(DecodeError::Field { field: "signatures" });
        }
        Self::new(round, signatures)
    }
}
