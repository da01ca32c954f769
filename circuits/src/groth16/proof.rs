//! Proofs and their bytes.

use ark_bn254::Bn254;
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use ark_std::rand::{CryptoRng, RngCore};
use thiserror::Error;

use super::{Engine, VerifyingKey};

/// Length of an encoded proof: compressed `A` (32), `B` (64), `C` (32).
pub const PROOF_BYTES: usize = 128;

/// Why bytes are not a proof.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProofError {
    /// Too short or too long.
    #[error("a proof has {PROOF_BYTES} bytes, got {got}")]
    Length {
        /// Bytes given.
        got: usize,
    },
    /// A point is off its curve or out of its subgroup, or a coordinate is not below the modulus.
    #[error("a point of the proof is malformed")]
    Point,
    /// The points are valid but spelled another way than the canonical one.
    #[error("the proof is not in canonical form")]
    NotCanonical,
}

/// Three points `(A, B, C)`, each on its curve and in its subgroup.
///
/// Anyone can turn a proof into another one of the same statement ([`Proof::rerandomised`]): its
/// bytes identify nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof(pub(super) ark_groth16::Proof<Bn254>);

impl Eq for Proof {}

impl Proof {
    /// Compressed `A ‖ B ‖ C`, arkworks' little-endian encoding.
    pub fn to_bytes(&self) -> [u8; PROOF_BYTES] {
        let mut bytes = Vec::with_capacity(PROOF_BYTES);
        self.0.serialize_compressed(&mut bytes).expect("writing to memory does not fail");
        bytes.try_into().expect("two G1 points and a G2 point")
    }

    /// Reads what [`Proof::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`ProofError`] if the bytes are anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() != PROOF_BYTES {
            return Err(ProofError::Length { got: bytes.len() });
        }
        let proof = ark_groth16::Proof::deserialize_compressed(bytes)
            .map(Self)
            .map_err(|_| ProofError::Point)?;
        if proof.to_bytes() == bytes { Ok(proof) } else { Err(ProofError::NotCanonical) }
    }

    /// Three points that the caller has checked.
    pub(crate) const fn from_points(points: ark_groth16::Proof<Bn254>) -> Self {
        Self(points)
    }

    pub(crate) const fn points(&self) -> &ark_groth16::Proof<Bn254> {
        &self.0
    }

    /// Another proof of the same statement, made without the witness.
    ///
    /// Source: Baghery, Kohlweiss, Siim, Volkhov, ePrint 2020/811, figure 1.
    pub fn rerandomised(&self, key: &VerifyingKey, rng: &mut (impl RngCore + CryptoRng)) -> Self {
        Self(Engine::rerandomize_proof(key.points(), &self.0, rng))
    }
}
