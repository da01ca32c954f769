//! A multiple of circomlib's `BASE8` by a scalar that only the prover knows.
//!
//! With `B = BASE8 / 2` and `S` cut into 83 digits `w_i` of three bits and a top digit `t` of two,
//! `S·BASE8 = Σ d_i·8^i·B + (8⁸³ − 1 + 2·8⁸³·t)·B`, where `d_i = 2w_i − 7` is odd, from −7 to 7. So a
//! digit is one of four constant points, by two bits, and a sign; the sign is the prover's choice
//! of one of two coordinates. The scalar itself is no wire, and need not be below `l`: a caller that
//! hides it loses nothing, since a multiple by `S` is one by `S mod l`.
//!
//! **No exceptional case.** Before digit `i`, from 1 to 82, the sum is `T·B` with `T` odd and
//! `|T| ≤ 8^i − 1`, whichever the digits are, and `d·8^i·B` is added with `1 ≤ |d| ≤ 7`. The
//! incomplete addition is wrong if `T ± d·8^i` is 0 modulo `l`. It is not 0 as an integer, since
//! `|T| < |d|·8^i`, and at most `8^(i+1) − 1`, which is below `l` for `i + 1 ≤ 83`. The top digit is
//! added by the complete formulas.

use std::sync::OnceLock;

use ark_ec::CurveGroup;
use ark_ff::{BigInt, BigInteger, Field, One, PrimeField};
use ark_r1cs_std::{alloc::AllocVar, boolean::Boolean, fields::fp::FpVar};
use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};

use super::{
    PointVar, enforce_signed,
    montgomery::{MontgomeryVar, coordinates},
    weighted_sum,
};
use crate::{
    Fr,
    babyjubjub::{BASE8, Scalar},
};

/// Signed digits below the top one.
const DIGITS: usize = 83;
const DIGIT_BITS: usize = 3;
// With the top digit's two bits, every integer below l.
const _: () = assert!(DIGITS * DIGIT_BITS + 2 == Scalar::MODULUS_BIT_SIZE as usize);

/// `S·BASE8`, for an `S` that is no wire.
#[tracing::instrument(target = "gr1cs", skip_all)]
pub(crate) fn multiple(
    cs: &ConstraintSystemRef<Fr>,
    scalar: Option<Scalar>,
) -> Result<PointVar, SynthesisError> {
    multiple_by(cs, scalar.map(Scalar::into_bigint))
}

fn multiple_by(
    cs: &ConstraintSystemRef<Fr>,
    scalar: Option<BigInt<4>>,
) -> Result<PointVar, SynthesisError> {
    let tables = Tables::get();
    let bit = |index: usize| scalar.map(|scalar| scalar.get_bit(index));

    let mut sum: Option<MontgomeryVar> = None;
    for (i, table) in tables.digits.iter().enumerate() {
        let [low, middle, high] = [0, 1, 2].map(|k| bit(DIGIT_BITS * i + k));
        // |2w − 7| = 2m + 1 with m the low bits of w if w > 3, else their complement.
        let index = [low, middle].map(|bit| bit.zip(high).map(|(bit, high)| bit == high));
        let (u, magnitude) = select(cs, index, table)?;
        let point = MontgomeryVar { u, v: enforce_signed(&magnitude, high)? };
        sum = Some(match sum {
            None => point,
            Some(sum) => sum.add(&point)?,
        });
    }
    let low = sum.expect("there are 83 digits").to_edwards()?;
    let (x, y) = select(cs, [0, 1].map(|k| bit(DIGIT_BITS * DIGITS + k)), &tables.top)?;
    low.add(&PointVar { x, y })
}

/// The entry at `2·bits[1] + bits[0]`, both coordinates as sums over the bits and their product.
/// Three constraints.
fn select(
    cs: &ConstraintSystemRef<Fr>,
    bits: [Option<bool>; 2],
    table: &[(Fr, Fr); 4],
) -> Result<(FpVar<Fr>, FpVar<Fr>), SynthesisError> {
    let [low, high] = bits.map(|bit| {
        Boolean::new_witness(cs.clone(), || bit.ok_or(SynthesisError::AssignmentMissing))
    });
    let (low, high) = (FpVar::from(low?), FpVar::from(high?));
    let both = &low * &high;
    let coordinate = |entry: [Fr; 4]| {
        weighted_sum(&[
            (entry[1] - entry[0], low.clone()),
            (entry[2] - entry[0], high.clone()),
            (entry[3] - entry[2] - entry[1] + entry[0], both.clone()),
        ])
        .map(|sum| sum + entry[0])
    };
    Ok((coordinate(table.map(|entry| entry.0))?, coordinate(table.map(|entry| entry.1))?))
}

struct Tables {
    /// `(2m + 1)·8^i·B` for `m` from 0 to 3, in Montgomery form.
    digits: Vec<[(Fr, Fr); 4]>,
    /// `(8^83 − 1 + 2·8^83·t)·B` for `t` from 0 to 3, in Edwards form.
    top: [(Fr, Fr); 4],
}

impl Tables {
    fn get() -> &'static Self {
        static TABLES: OnceLock<Tables> = OnceLock::new();
        TABLES.get_or_init(Self::new)
    }

    fn new() -> Self {
        let half = Scalar::from(2).inverse().expect("the order is odd");
        let base = BASE8 * half;
        let radix = Scalar::from(1u64 << DIGIT_BITS);
        let mut power = Scalar::one();
        let mut digits = Vec::with_capacity(DIGITS);
        for _ in 0..DIGITS {
            let odd = [1u64, 3, 5, 7].map(|odd| base * (power * Scalar::from(odd)));
            let odd = coordinates(&odd);
            digits.push(odd.try_into().expect("four in, four out"));
            power *= radix;
        }
        let top =
            [0u64, 2, 4, 6].map(|even| base * (power * Scalar::from(even + 1) - Scalar::one()));
        let top = top.map(|point| point.into_affine()).map(|point| (point.x, point.y));
        Self { digits, top }
    }
}

#[cfg(test)]
mod tests;
