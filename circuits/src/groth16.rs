//! Groth16 over BN254: keys, prove, verify.
//!
//! What ark-groth16 leaves to its caller is done here: a bad witness is refused before proving
//! ([`prove`]), the number of public inputs is checked ([`verify`]), bytes are exact and canonical, and
//! a key with which anybody could forge is refused ([`VerifyingKey::from_bytes`]).
//!
//! Keys are made with circom's reduction, so that keys from a snarkjs ceremony and keys from [`setup`]
//! serve one prover.
//!
//! Source: Groth, "On the Size of Pairing-based Non-interactive Arguments", EUROCRYPT 2016.

mod batch;
mod key;
mod proof;
mod prover;
mod r1cs;
mod reduction;
mod verifier;

use ark_bn254::Bn254;
use ark_std::rand::{CryptoRng, RngCore, SeedableRng, rngs::StdRng};

pub use ark_relations::gr1cs::{ConstraintSynthesizer, SynthesisError};
pub use batch::{BatchError, Claim, RefusedClaim, verify_batch};
pub(crate) use key::fixed_digest;
#[cfg(any(test, feature = "trial-ceremony"))]
pub(crate) use key::setup_of;
pub use key::{
    KeyElement, KeyError, KeyId, ParseKeyIdError, ProvingKey, Query, VerifyingKey, setup,
};
pub use proof::{PROOF_BYTES, Proof, ProofError};
pub use prover::{
    Assignment, ProveError, check, prove, prove_assignment, prove_without_satisfaction_check,
};
pub use r1cs::R1cs;
pub(crate) use r1cs::row_value;
use reduction::CircomReduction;
pub use verifier::{PreparedVerifyingKey, VerifyError, verify};

type Engine = ark_groth16::Groth16<Bn254, CircomReduction>;

/// A generator of the kind that [`setup`] and [`prove`] take, from 32 secret random bytes.
///
/// For callers whose own random number crates are of another generation than arkworks'.
pub fn rng_from_seed(seed: [u8; 32]) -> impl RngCore + CryptoRng {
    StdRng::from_seed(seed)
}

#[cfg(test)]
pub(crate) mod tests;
