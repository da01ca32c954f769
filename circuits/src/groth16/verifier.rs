//! Verification.

use ark_bn254::Bn254;
use thiserror::Error;

use super::{Engine, KeyId, Proof, VerifyingKey};
use crate::Fr;

/// Why a proof was not accepted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyError {
    /// The statement has another number of inputs than the key.
    #[error("the key takes {expected} public inputs, got {got}")]
    InputCount {
        /// What the key takes.
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// The pairing equation does not hold.
    #[error("the proof does not prove this statement under this key")]
    Refused,
}

/// A verifying key with its pairings precomputed.
#[derive(Clone)]
pub struct PreparedVerifyingKey {
    points: ark_groth16::PreparedVerifyingKey<Bn254>,
    id: KeyId,
    public_inputs: usize,
}

impl PreparedVerifyingKey {
    /// The key's id.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// How many public inputs the key takes.
    pub const fn public_inputs(&self) -> usize {
        self.public_inputs
    }

    pub(super) const fn points(&self) -> &ark_groth16::PreparedVerifyingKey<Bn254> {
        &self.points
    }
}

impl std::fmt::Debug for PreparedVerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PreparedVerifyingKey").field(&self.id).finish()
    }
}

impl From<&VerifyingKey> for PreparedVerifyingKey {
    fn from(key: &VerifyingKey) -> Self {
        Self {
            points: ark_groth16::prepare_verifying_key(key.points()),
            id: key.id(),
            public_inputs: key.public_inputs(),
        }
    }
}

/// `e(A, B) = e(α, β) · e(IC₀ + Σ inputᵢ·ICᵢ, γ) · e(C, δ)`
///
/// The number of inputs is checked here: ark-groth16 0.6 ignores inputs past the key's and takes
/// missing ones as 0.
///
/// # Errors
/// [`VerifyError`] unless the proof proves the statement with these inputs.
pub fn verify(key: &PreparedVerifyingKey, inputs: &[Fr], proof: &Proof) -> Result<(), VerifyError> {
    if inputs.len() != key.public_inputs {
        return Err(VerifyError::InputCount { expected: key.public_inputs, got: inputs.len() });
    }
    match Engine::verify_proof(&key.points, &proof.0, inputs) {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(VerifyError::Refused),
    }
}
