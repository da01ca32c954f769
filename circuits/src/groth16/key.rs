//! Keys: made by [`setup`], read from bytes, refused where anybody could forge under them.

mod check;

use ark_bn254::{Bn254, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr, PrimeGroup};
use ark_ff::UniformRand;
use ark_relations::gr1cs::{ConstraintSynthesizer, SynthesisError};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize, Compress};
use ark_std::rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{Engine, R1cs};
use crate::Fr;
pub use check::{KeyElement, KeyError, Query};

/// `SHA-256` of a verifying key's bytes: what a proof's circuit document names.
///
/// In documents 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Hash, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; 32]);

/// A text is not a key id.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected 64 lower-case hexadecimal digits")]
pub struct ParseKeyIdError;

impl TryFrom<String> for KeyId {
    type Error = ParseKeyIdError;

    fn try_from(text: String) -> Result<Self, ParseKeyIdError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes).map_err(|_| ParseKeyIdError)?;
        let id = Self(bytes);
        if id.to_string() == text { Ok(id) } else { Err(ParseKeyIdError) }
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

impl KeyId {
    /// The id whose bytes these are.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The id's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A checked verifying key.
#[derive(Clone, PartialEq)]
pub struct VerifyingKey {
    points: ark_groth16::VerifyingKey<Bn254>,
    id: KeyId,
}

impl Eq for VerifyingKey {}

impl std::fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("VerifyingKey").field(&self.id).finish()
    }
}

impl VerifyingKey {
    /// Compressed `α ‖ β ‖ γ ‖ δ ‖ count ‖ IC₀ ‖ IC₁ …`, arkworks' little-endian encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(&self.points, Compress::Yes)
    }

    /// Reads what [`VerifyingKey::to_bytes`] wrote, for a circuit with `public_inputs` inputs.
    ///
    /// # Errors
    /// [`KeyError`] if the bytes are anything else, or if anybody could forge under the key.
    pub fn from_bytes(bytes: &[u8], public_inputs: usize) -> Result<Self, KeyError> {
        let expected = check::verifying_key_bytes(public_inputs);
        if bytes.len() != expected {
            return Err(KeyError::Length { expected, got: bytes.len() });
        }
        let points = ark_groth16::VerifyingKey::deserialize_compressed(bytes)
            .map_err(|_| KeyError::Point)?;
        if encode(&points, Compress::Yes) != bytes {
            return Err(KeyError::NotCanonical);
        }
        Self::checked(points, public_inputs)
    }

    pub(crate) fn checked(
        points: ark_groth16::VerifyingKey<Bn254>,
        public_inputs: usize,
    ) -> Result<Self, KeyError> {
        check::verifying_key(&points, public_inputs)?;
        let id = KeyId(Sha256::digest(encode(&points, Compress::Yes)).into());
        Ok(Self { points, id })
    }

    /// `SHA-256(α ‖ β ‖ γ ‖ IC₀ ‖ IC₁ …)`, compressed: all of the key that a second phase leaves as it is.
    /// Only δ is missing.
    pub fn fixed_digest(&self) -> [u8; 32] {
        fixed_digest(&self.points)
    }

    /// Whether γ is the generator, as in every key of a ceremony. Whoever knew another γ could forge.
    pub fn gamma_is_generator(&self) -> bool {
        self.points.gamma_g2 == G2Affine::generator()
    }

    /// The key's id.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// How many public inputs the key takes.
    pub const fn public_inputs(&self) -> usize {
        self.points.gamma_abc_g1.len() - 1
    }

    pub(crate) const fn points(&self) -> &ark_groth16::VerifyingKey<Bn254> {
        &self.points
    }
}

/// A checked proving key with its circuit's matrices, which are built once and used for every proof.
#[derive(Clone)]
pub struct ProvingKey {
    points: ark_groth16::ProvingKey<Bn254>,
    verifying_key: VerifyingKey,
    r1cs: R1cs,
}

impl std::fmt::Debug for ProvingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProvingKey")
            .field("id", &self.verifying_key.id)
            .field("r1cs", &self.r1cs)
            .finish()
    }
}

impl ProvingKey {
    /// The key that verifies this one's proofs.
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    /// The circuit's matrices.
    pub const fn r1cs(&self) -> &R1cs {
        &self.r1cs
    }

    /// δ in the first group.
    #[cfg(test)]
    pub(crate) const fn delta(&self) -> ark_bn254::G1Affine {
        self.points.delta_g1
    }

    /// Uncompressed points, arkworks' little-endian encoding. Twice the size of compressed ones, but
    /// loading takes no square roots; what remains is the check that each point is in its subgroup.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(&self.points, Compress::No)
    }

    /// The length of [`ProvingKey::to_bytes`] of a circuit's key, in bytes.
    pub const fn encoded_length(r1cs: &R1cs) -> usize {
        check::proving_key_bytes(r1cs)
    }

    /// Reads what [`ProvingKey::to_bytes`] wrote, for the circuit whose matrices these are.
    ///
    /// Every point is checked. Whether the queries are the circuit's cannot be seen from the bytes:
    /// under wrong ones, proofs do not verify.
    ///
    /// # Errors
    /// [`KeyError`] if the bytes are anything else, or if anybody could forge under the key.
    pub fn from_bytes(r1cs: R1cs, bytes: &[u8]) -> Result<Self, KeyError> {
        let expected = check::proving_key_bytes(&r1cs);
        if bytes.len() != expected {
            return Err(KeyError::Length { expected, got: bytes.len() });
        }
        let points = ark_groth16::ProvingKey::deserialize_uncompressed(bytes)
            .map_err(|_| KeyError::Point)?;
        if encode(&points, Compress::No) != bytes {
            return Err(KeyError::NotCanonical);
        }
        Self::checked(r1cs, points)
    }

    pub(crate) fn checked(
        r1cs: R1cs,
        points: ark_groth16::ProvingKey<Bn254>,
    ) -> Result<Self, KeyError> {
        let verifying_key = VerifyingKey::checked(points.vk.clone(), r1cs.public_inputs())?;
        check::proving_key(&points, &r1cs)?;
        Ok(Self { points, verifying_key, r1cs })
    }

    pub(crate) const fn points(&self) -> &ark_groth16::ProvingKey<Bn254> {
        &self.points
    }
}

/// A **development** key of a blank circuit.
///
/// Whoever knows what `rng` returned can forge proofs of anything. A key that others are to trust
/// comes from a ceremony.
///
/// The generators are the curves' standard ones, as in snarkjs keys, so that the same consistency
/// checks hold for both.
///
/// # Errors
/// If the circuit cannot be synthesised without an assignment.
pub fn setup<C: ConstraintSynthesizer<Fr> + Clone>(
    blank: &C,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<ProvingKey, SynthesisError> {
    let [gamma, delta] = std::array::from_fn(|_| Fr::rand(rng));
    setup_of(blank, gamma, delta, rng)
}

/// As [`setup`], with γ and δ of the caller's.
pub(crate) fn setup_of<C: ConstraintSynthesizer<Fr> + Clone>(
    blank: &C,
    gamma: Fr,
    delta: Fr,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<ProvingKey, SynthesisError> {
    let r1cs = R1cs::of(blank.clone())?;
    let [alpha, beta] = std::array::from_fn(|_| Fr::rand(rng));
    let points = Engine::generate_parameters_with_qap(
        blank.clone(),
        alpha,
        beta,
        gamma,
        delta,
        G1Projective::generator(),
        G2Projective::generator(),
        rng,
    )?;
    // Fresh random secrets pass every check but with negligible probability.
    ProvingKey::checked(r1cs, points).map_err(|_| SynthesisError::Unsatisfiable)
}

/// As [`VerifyingKey::fixed_digest`].
pub(crate) fn fixed_digest(points: &ark_groth16::VerifyingKey<Bn254>) -> [u8; 32] {
    let fixed = (points.alpha_g1, points.beta_g2, points.gamma_g2, &points.gamma_abc_g1[..]);
    Sha256::digest(encode(&fixed, Compress::Yes)).into()
}

fn encode(points: &impl CanonicalSerialize, compress: Compress) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(points.serialized_size(compress));
    points.serialize_with_mode(&mut bytes, compress).expect("writing to memory does not fail");
    bytes
}
