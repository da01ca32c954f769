//! Verification of many proofs of one key at once.

use ark_bn254::{Bn254, G1Affine, G1Projective};
use ark_ec::pairing::{Pairing, PairingOutput};
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use ark_ff::{BigInt, PrimeField, Zero};
use ark_std::rand::{CryptoRng, RngCore};
use thiserror::Error;

use super::{PreparedVerifyingKey, Proof, VerifyError, verify};
use crate::Fr;

/// What is claimed: that a proof proves the statement with these inputs.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The statement's public inputs, in their order.
    pub inputs: &'a [Fr],
    /// The proof.
    pub proof: &'a Proof,
}

/// One claim of a batch does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedClaim {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// What [`verify`] says of it alone.
    pub error: VerifyError,
}

/// Claims of a batch do not hold; all others do.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{} of {claims} proofs of the batch are not accepted", refused.len())]
pub struct BatchError {
    /// How many claims the batch has.
    pub claims: usize,
    /// Those that do not hold, in the order of the batch; never empty.
    pub refused: Vec<RefusedClaim>,
}

/// `Π e(ρᵢ·Aᵢ, Bᵢ) = e(α, β)^Σρᵢ · e(Σ ρᵢ·(IC₀ + Σ inputᵢⱼ·ICⱼ), γ) · e(Σ ρᵢ·Cᵢ, δ)`
///
/// [`verify`] of every claim at a fraction of the cost: for n claims n + 2 Miller loops and one final
/// exponentiation, instead of 3n and n. The `ρᵢ` are drawn here, uniform in 1 … 2¹²⁸ − 1. An empty batch
/// holds: none of its claims fails.
///
/// **Soundness.** Take the equation of [`verify`] for claim i as the quotient of its two sides. The points
/// of [`Proof`] and key are checked to be in their subgroups, so the quotient is an element of a group of
/// prime order r: `g^dᵢ`, with `dᵢ = 0` just if the claim holds. The batch passes just if
/// `Σ ρᵢ·dᵢ = 0 mod r`. If some `dⱼ` is not 0, then for any values of the other coefficients at most one
/// `ρⱼ` makes the sum 0; `ρⱼ` is drawn independently of the `dᵢ` from 2¹²⁸ − 1 values, which are all
/// distinct mod r. So a batch with a false claim passes with probability at most 1/(2¹²⁸ − 1) < 2⁻¹²⁷,
/// whoever made the proofs and however many are false. If all claims hold, the batch always passes.
///
/// This needs coefficients that nobody could know who made a proof of the batch: `rng` is the verifier's own
/// and unpredictable, and is asked only now that the claims are fixed.
///
/// Where the batch fails, every claim is verified alone: the error names exactly what [`verify`] refuses, and
/// a sender of bad proofs can raise the cost by no more than that of the batch.
///
/// # Errors
/// [`BatchError`] lists the claims that [`verify`] refuses.
///
/// Source: Bellare, Garay, Rabin, "Fast Batch Verification for Modular Exponentiation and Digital
/// Signatures", EUROCRYPT 1998 (small exponents test); Ferrara, Green, Hohenberger, Pedersen, "Practical Short
/// Signature Batch Verification", CT-RSA 2009 (pairing equations).
pub fn verify_batch(
    key: &PreparedVerifyingKey,
    claims: &[Claim<'_>],
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<(), BatchError> {
    let coefficients: Vec<_> = claims.iter().map(|_| coefficient(rng)).collect();
    let counted = claims.iter().all(|claim| claim.inputs.len() == key.public_inputs());
    if counted && holds(key, claims, &coefficients) {
        return Ok(());
    }
    let refused = claims.iter().enumerate().filter_map(|(index, claim)| {
        let error = verify(key, claim.inputs, claim.proof).err()?;
        Some(RefusedClaim { index, error })
    });
    let refused: Vec<_> = refused.collect();
    if refused.is_empty() { Ok(()) } else { Err(BatchError { claims: claims.len(), refused }) }
}

/// The equation; each claim has as many inputs as the key, and a coefficient.
fn holds(key: &PreparedVerifyingKey, claims: &[Claim<'_>], coefficients: &[BigInt<4>]) -> bool {
    let key = key.points();

    // Σ ρᵢ, Σ ρᵢ·inputᵢ₁, … in the scalar field: one multiplication for each ICⱼ, however many claims.
    let mut sums = vec![Fr::zero(); key.vk.gamma_abc_g1.len()];
    let mut scaled = Vec::with_capacity(claims.len() + 2);
    for (claim, coefficient) in claims.iter().zip(coefficients) {
        let factor = Fr::from_bigint(*coefficient).expect("128 bits are below the modulus");
        sums[0] += factor;
        for (sum, input) in sums[1..].iter_mut().zip(claim.inputs) {
            *sum += factor * input;
        }
        // Two limbs: no doublings for the 126 leading zeros.
        scaled.push(claim.proof.0.a.mul_bigint(&coefficient.0[..2]));
    }
    let c: Vec<G1Affine> = claims.iter().map(|claim| claim.proof.0.c).collect();
    scaled.push(G1Projective::msm_unchecked(&key.vk.gamma_abc_g1, &sums));
    scaled.push(G1Projective::msm_bigint(&c, coefficients));

    let of_proofs = claims.iter().map(|claim| claim.proof.0.b.into());
    let of_key = [&key.gamma_g2_neg_pc, &key.delta_g2_neg_pc].map(Clone::clone);
    let left =
        Bn254::multi_miller_loop(G1Projective::normalize_batch(&scaled), of_proofs.chain(of_key));
    Bn254::final_exponentiation(left) == Some(PairingOutput(key.alpha_g1_beta_g2) * sums[0])
}

/// Uniform in 1 … 2¹²⁸ − 1. Zero would take its claim out of the sum.
fn coefficient(rng: &mut (impl RngCore + CryptoRng)) -> BigInt<4> {
    loop {
        let (low, high) = (rng.next_u64(), rng.next_u64());
        if (low, high) != (0, 0) {
            return BigInt::new([low, high, 0, 0]);
        }
    }
}
