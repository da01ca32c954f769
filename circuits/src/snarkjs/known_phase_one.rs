//! A first phase whose secrets everybody knows, for tests and trials: its contributors drew them from what they
//! typed alone, and its beacon from what everybody reads.
//!
//! `snarkjs powersoftau prepare phase2` takes minutes for a domain of 2¹⁴, for it computes with points of
//! unknown logarithms. Here they are known, and it takes seconds. Whoever reads all that was typed can forge
//! under every key that comes of such a phase.
//!
//! Source: snarkjs `powersoftau_preparephase2.js`, `powersoftau_beacon.js`, `keypair.js`.

use ark_bn254::{Fr, G1Projective, G2Projective};
use ark_ec::scalar_mul::ScalarMul as _;
use ark_ec::{CurveGroup as _, PrimeGroup as _};
use ark_ff::Field as _;
use ark_poly::{EvaluationDomain as _, Radix2EvaluationDomain};
use blake2::{Blake2b512, Digest as _};
use rand_chacha::ChaCha20Rng;
use thiserror::Error;

use super::FormatError;
use super::contribution::{Beacon, generator, montgomery};
use super::ptau::{self, LAGRANGE, TAU_G1, UNPREPARED};
use super::sections;

/// Why a first phase is not prepared.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrepareError {
    /// The file is malformed.
    #[error("{0}")]
    Format(#[from] FormatError),
    /// Somebody else contributed to it.
    #[error("the first phase is not of these contributors alone")]
    OtherSecrets,
}

/// The first phase with all that a second phase needs: `Lᵢ(τ)` in both groups, `α·Lᵢ(τ)` and `β·Lᵢ(τ)` in the
/// first, of every domain up to the phase's size.
///
/// Each of the contributors `typed` that text while snarkjs' own randomness was all zeros; then came the beacon.
///
/// # Errors
/// [`PrepareError`] if the phase is not what they alone give.
pub fn prepare(bytes: &[u8], typed: &[&str], beacon: &Beacon) -> Result<Vec<u8>, PrepareError> {
    let power = ptau::read(bytes)?.power;
    let file = ptau::sections(bytes)?;
    let contributed = typed.iter().map(|text| secrets(&mut typed_generator(text)));
    let all = contributed.chain([secrets(&mut beacon.generator())]);
    let product = all.reduce(|one, other| std::array::from_fn(|it| one[it] * other[it]));
    let [tau, alpha, beta] = product.expect("the beacon is there");
    let mut powers = file.get(TAU_G1)?;
    let generator = G1Projective::generator();
    if powers.g1()? != generator.into_affine() || powers.g1()? != (generator * tau).into_affine() {
        return Err(PrepareError::OtherSecrets);
    }
    let all: Vec<Fr> = (0..=power).flat_map(|power| lagrange(power, tau)).collect();
    let longer: Vec<Fr> = all.iter().copied().chain(cut_lagrange(power + 1, tau)).collect();
    let times = |by: Fr| all.iter().map(|it| by * it).collect::<Vec<_>>();
    let first_group = |scalars: &[Fr]| sections::g1s(&generator.batch_mul(scalars));
    let prepared = [
        first_group(&longer),
        sections::g2s(&G2Projective::generator().batch_mul(&all)),
        first_group(&times(alpha)),
        first_group(&times(beta)),
    ];
    let mut content = Vec::new();
    for kind in UNPREPARED {
        let mut section = file.get(kind)?;
        content.push((kind, section.take(section.left())?.to_vec()));
    }
    content.extend(LAGRANGE.into_iter().zip(prepared));
    Ok(ptau::write(&content))
}

/// What snarkjs draws from, for a contributor who typed a text, where its own randomness is 64 zeros.
fn typed_generator(text: &str) -> ChaCha20Rng {
    let mut hasher = Blake2b512::new();
    hasher.update([0; 64]);
    hasher.update(text);
    generator(&hasher.finalize())
}

/// τ, α, β of one contribution.
fn secrets(rng: &mut ChaCha20Rng) -> [Fr; 3] {
    std::array::from_fn(|_| montgomery(rng))
}

/// The values of a domain's Lagrange polynomials at τ.
fn lagrange(power: u32, tau: Fr) -> Vec<Fr> {
    domain(power).evaluate_all_lagrange_coefficients(tau)
}

/// The same of a domain whose last power is missing, as a file has one power less than twice its size:
/// `Lᵢ(τ) − ωⁱ·τⁿ⁻¹/n`.
fn cut_lagrange(power: u32, tau: Fr) -> Vec<Fr> {
    let domain = domain(power);
    let last = tau.pow([domain.size - 1]) * domain.size_inv;
    lagrange(power, tau)
        .into_iter()
        .zip(domain.elements())
        .map(|(it, root)| it - root * last)
        .collect()
}

fn domain(power: u32) -> Radix2EvaluationDomain<Fr> {
    Radix2EvaluationDomain::new(1 << power).expect("BN254 has domains of up to 2^28 elements")
}

#[cfg(test)]
mod tests {
    use super::super::tests::vector;
    use super::*;

    #[test]
    fn a_phase_of_other_secrets_is_refused() {
        let beacon = Beacon { hash: vec![1; 32], iterations_exponent: 10 };
        let refused = prepare(&vector("small.ptau"), &["entropy"], &beacon).unwrap_err();
        assert_eq!(refused, PrepareError::OtherSecrets);
        assert!(matches!(prepare(b"ptau", &[], &beacon), Err(PrepareError::Format(_))));
    }

    #[test]
    fn polynomials_are_one_at_their_own_element_and_a_cut_domain_lacks_one_power() {
        let tau = Fr::from(7);
        // A polynomial through its values: x³ + 2 on four elements.
        let at = |x: Fr| x.pow([3]) + Fr::from(2);
        let through = |values: Vec<Fr>| -> Fr {
            values.into_iter().zip(domain(2).elements()).map(|(it, root)| it * at(root)).sum()
        };
        assert_eq!(through(lagrange(2, tau)), at(tau));
        assert_eq!(through(cut_lagrange(2, tau)), Fr::from(2));
    }
}
