//! A multiple of a point that is a wire.
//!
//! `(2h + 1)·P` for `P ≠ O` in the subgroup and the integer `h` of a field element. From `3P`, 254
//! steps `X ← 2X ± P`. With `g₂₅₃ … g₀` the signs as bits, plus being 1, the result is `kP` with
//! `k = 2²⁵⁵ + 2g + 1`. For `g = h + δ` and `δ = 11·l − 2²⁵⁴` this is `2h + 1 + 22·l`.
//!
//! **No exceptional case.** Before step `i` (from 0) `X = kP`, `k = 2^(i+1) + 2t + 1` with `t < 2^i`
//! the bits so far, whichever they are: `k` is odd, `2^(i+1) < k < 2^(i+2)`. The incomplete
//! `X + (X ± P)` is wrong if `k ± 1` or `2k ± 1` is 0 modulo `l`. These are not 0 as integers, since
//! `k ≥ 3`, and are at most `2^(i+3) − 1`, which is below `l` for `i + 3 ≤ 250`. So the first 248
//! steps are right for every choice of signs; step 248 meets `2k ± 1 = l` for one `k`. The last six
//! use complete formulas. Starting from `P` would not do: leading zeros of `g` keep `k` at 1.
//!
//! **No alias.** `g = h + δ` is enforced modulo the field's modulus `p` only, and `g < 2²⁵⁴` could be
//! `h + δ ± p` too. `δ ≤ g < δ + p` is therefore enforced.

use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, BigInt, BigInteger, Field, One, PrimeField};
use ark_r1cs_std::{GR1CSVar, eq::EqGadget, fields::fp::FpVar};
use ark_relations::gr1cs::SynthesisError;

use super::{
    PointVar,
    comparison::{CHUNK_BITS, Chunk, enforce_less_than},
    enforce_signed,
    montgomery::{self, MontgomeryVar, Slopes},
    quotient, weighted_sum,
};
use crate::{Fr, babyjubjub::Point};

/// Bits of the recoded scalar `g`, and steps.
const BITS: u32 = 254;
/// Steps that no choice of signs makes exceptional.
const INCOMPLETE_STEPS: usize = 248;
/// `δ = 11·l − 2^254`
const OFFSET: BigInt<4> =
    BigInt!("1148311639449954574696061647556776283527457527334098841337976268454638693467");

/// `(2h + 1)·P`, `h` the integer below the modulus that `scalar` is.
///
/// The caller has enforced `P` in the subgroup; `P = O` is refused here.
#[tracing::instrument(target = "gr1cs", skip_all)]
pub(crate) fn odd_multiple(
    point: &PointVar,
    scalar: &FpVar<Fr>,
) -> Result<PointVar, SynthesisError> {
    odd_multiple_by(point, scalar, scalar.value().ok().map(recode))
}

/// `h + δ`
fn recode(scalar: Fr) -> BigInt<4> {
    let mut recoded = scalar.into_bigint();
    recoded.add_with_carry(&OFFSET);
    recoded
}

fn odd_multiple_by(
    point: &PointVar,
    scalar: &FpVar<Fr>,
    recoded: Option<BigInt<4>>,
) -> Result<PointVar, SynthesisError> {
    let plus = |bit: usize| recoded.map(|recoded| recoded.get_bit(bit));
    let mut bits = (0..BITS as usize).rev();
    let mut chunks = Vec::with_capacity(INCOMPLETE_STEPS / CHUNK_BITS + 1);

    let slopes = point.value().zip(recoded).map(|(point, recoded)| slopes(point, recoded));
    let mut slopes = slopes.into_iter().flatten();

    let montgomery = MontgomeryVar::from_edwards(point)?;
    let mut multiple = montgomery.double()?.add(&montgomery)?;
    for _ in 0..INCOMPLETE_STEPS / CHUNK_BITS {
        let mut signs = Vec::with_capacity(CHUNK_BITS);
        for bit in bits.by_ref().take(CHUNK_BITS) {
            let v = enforce_signed(&montgomery.v, plus(bit))?;
            signs.push(v.clone());
            let signed = MontgomeryVar { u: montgomery.u.clone(), v };
            multiple = multiple.double_add(&signed, slopes.next())?;
        }
        chunks.push(chunk(&signs, &montgomery.v)?);
    }

    let mut multiple = multiple.to_edwards()?;
    let mut signs = Vec::with_capacity(BITS as usize - INCOMPLETE_STEPS);
    for bit in bits {
        let x = enforce_signed(&point.x, plus(bit))?;
        signs.push(x.clone());
        multiple = multiple.double()?.add(&PointVar { x, y: point.y.clone() })?;
    }
    chunks.push(chunk(&signs, &point.x)?);

    enforce_recoded(&chunks, scalar)?;
    Ok(multiple)
}

/// The quotients of the incomplete steps.
fn slopes(point: Point, recoded: BigInt<4>) -> Vec<Slopes> {
    let point = point.into_group();
    let mut multiple = point.double() + point;
    let steps: Vec<_> = (BITS as usize - INCOMPLETE_STEPS..BITS as usize)
        .rev()
        .map(|bit| {
            let signed = if recoded.get_bit(bit) { point } else { -point };
            let step = (multiple, signed);
            multiple = multiple.double() + signed;
            step
        })
        .collect();
    montgomery::slopes(&steps)
}

/// The integer whose bits are the signs of `±magnitude`, the highest first: with `T` the sum of
/// `±2^i`, `T · magnitude = Σ 2^i · (±magnitude)`. One constraint; the magnitude is not zero.
fn chunk(signs: &[FpVar<Fr>], magnitude: &FpVar<Fr>) -> Result<Chunk, SynthesisError> {
    let mut weight = Fr::one();
    let terms: Vec<_> = signs
        .iter()
        .rev()
        .map(|sign| {
            let term = (weight, sign.clone());
            weight.double_in_place();
            term
        })
        .collect();
    let sum = quotient(&weighted_sum(&terms)?, magnitude)?;
    // A bit is (sign + 1) / 2, and `weight` is now 2^bits.
    let half = Fr::from(2).inverse().expect("2 is not zero");
    Ok(Chunk { value: (sum + (weight - Fr::one())) * half, bits: signs.len() })
}

/// `g = h + δ` as integers: equal modulo `p`, and `δ ≤ g < δ + p`.
///
/// Without the equation, any scalar; without the bounds, `h ± p` in the place of `h`, so that a
/// signature has a second challenge.
#[tracing::instrument(target = "gr1cs", skip_all)]
fn enforce_recoded(chunks: &[Chunk], scalar: &FpVar<Fr>) -> Result<(), SynthesisError> {
    let mut weight = Fr::one();
    let mut terms = Vec::with_capacity(chunks.len());
    let mut complements = Vec::with_capacity(chunks.len());
    for chunk in chunks.iter().rev() {
        let size = Fr::from(1u64 << chunk.bits);
        terms.push((weight, chunk.value.clone()));
        weight *= size;
        let value = FpVar::Constant(size - Fr::one()) - &chunk.value;
        complements.push(Chunk { value, bits: chunk.bits });
    }
    complements.reverse();
    weighted_sum(&terms)?.enforce_equal(&(scalar + Fr::from(OFFSET)))?;

    let mut above = OFFSET;
    above.add_with_carry(&Fr::MODULUS);
    enforce_less_than(chunks, above)?;
    // δ ≤ g, as 2^254 − 1 − g < 2^254 − δ.
    let mut room = BigInt::<4>::one() << BITS;
    room.sub_with_borrow(&OFFSET);
    enforce_less_than(&complements, room)
}

#[cfg(test)]
mod tests;
