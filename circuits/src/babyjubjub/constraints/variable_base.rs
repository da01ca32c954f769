//! A multiple of a point that is a wire.
//!
//! `(2h + 1)·P` for `P ≠ O` in the subgroup and the integer `h` of a field element. Only `h` modulo the
//! order `l` matters, and the field's modulus `p` is a little below `8l`: so `h = g − δ + k·l` with `k` from
//! 0 to 7 and `g` of 251 bits, where `δ = 2l − 3·2²⁵⁰`.
//!
//! From `4P`, 251 steps `X ← 2X ± P`. With `g₂₅₀ … g₀` the signs as bits, plus being 1, the result is `mP`
//! with `m = 3·2²⁵¹ + 2g + 1`, and this is `2h + 1 + (4 − 2k)·l`.
//!
//! **No exceptional case.** Before step `i` (from 0) `X = mP` with `3·2^i < m < 5·2^i`, whichever the bits
//! are. The incomplete `X + (X ± P)` is wrong if `m ± 1` or `2m ± 1` is 0 modulo `l`. These are not 0 as
//! integers, since `m ≥ 4`, and at most `10·2^i − 1`, which is below `l` for `i ≤ 247`. So the first 248
//! steps are right for every choice of signs; step 248 meets `2m ± 1 = l` for one `m`. The last three use
//! complete formulas. Starting from `P` would not do: leading zeros of `g` keep `m` at 1; from `3P` the offset
//! is larger, and `g` needs a bit more.
//!
//! **No alias.** `g − δ + k·l = h` is enforced modulo `p` only. As an integer the left side is from `−δ` to
//! `2²⁵¹ − 1 − δ + 7l`, so it is `h` if it is neither negative nor `p` or more. With `k` from 1 to 6 it never
//! is, as `δ < l` and `2²⁵¹ + 6l < p`. With `k = 0` it is below `p` and `g ≥ δ` is enforced; with `k = 7` it is
//! not negative and `g < p + δ − 7l` is enforced. Some `h` have two pairs of `g` and `k`, with one multiple.

use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, BigInt, BigInteger, Field, One, PrimeField};
use ark_r1cs_std::{
    GR1CSVar, alloc::AllocVar, boolean::Boolean, eq::EqGadget, fields::FieldVar, fields::fp::FpVar,
};
use ark_relations::gr1cs::SynthesisError;

use super::{
    PointVar,
    comparison::{Bound, CHUNK_BITS, Chunk, enforce_bound},
    enforce_signed,
    montgomery::{self, MontgomeryVar, Slopes},
    quotient, weighted_sum,
};
use crate::{
    Fr,
    babyjubjub::{Point, Scalar},
};

/// Bits of `g`, and steps.
const BITS: u32 = 251;
/// Steps that no choice of signs makes exceptional.
const INCOMPLETE_STEPS: usize = 248;
/// Bits of `k`.
const ORDER_BITS: usize = 3;
/// The largest `k`.
const MOST_ORDERS: u64 = 7;
/// `δ = 2l − 3·2^250`
pub(crate) const OFFSET: BigInt<4> =
    BigInt!("44306534960622145081711514032073091531597413115233079050857071525966794210");
/// `p + δ − 7l`
const END: BigInt<4> =
    BigInt!("2780336893940531547862512232189232477542264008421296608347551631462643678540");

/// How a prover writes `h`: `g − δ + k·l`.
#[derive(Clone, Copy, Debug)]
struct Recoded {
    /// `g`
    signs: BigInt<4>,
    /// `k`
    orders: u64,
}

impl Recoded {
    /// With `g − δ` below `l`.
    fn of(scalar: Fr) -> Self {
        let mut rest = scalar.into_bigint();
        let mut orders = 0;
        while rest >= Scalar::MODULUS && orders < MOST_ORDERS {
            rest.sub_with_borrow(&Scalar::MODULUS);
            orders += 1;
        }
        rest.add_with_carry(&OFFSET);
        Self { signs: rest, orders }
    }
}

/// `(2h + 1)·P`, `h` the integer below the modulus that `scalar` is.
///
/// The caller has enforced `P` in the subgroup; `P = O` is refused here.
#[tracing::instrument(target = "gr1cs", skip_all)]
pub(crate) fn odd_multiple(
    point: &PointVar,
    scalar: &FpVar<Fr>,
) -> Result<PointVar, SynthesisError> {
    odd_multiple_by(point, scalar, scalar.value().ok().map(Recoded::of))
}

fn odd_multiple_by(
    point: &PointVar,
    scalar: &FpVar<Fr>,
    recoded: Option<Recoded>,
) -> Result<PointVar, SynthesisError> {
    let plus = |bit: usize| recoded.map(|recoded| recoded.signs.get_bit(bit));
    let mut bits = (0..BITS as usize).rev();
    let mut chunks = Vec::with_capacity(INCOMPLETE_STEPS / CHUNK_BITS + 1);

    let slopes = point.value().zip(recoded).map(|(point, recoded)| slopes(point, recoded.signs));
    let mut slopes = slopes.into_iter().flatten();

    let montgomery = MontgomeryVar::from_edwards(point)?;
    let mut multiple = montgomery.double()?.double()?;
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

    enforce_recoded(&chunks, scalar, recoded.map(|recoded| recoded.orders))?;
    Ok(multiple)
}

/// The quotients of the incomplete steps.
fn slopes(point: Point, signs: BigInt<4>) -> Vec<Slopes> {
    let point = point.into_group();
    let mut multiple = point.double().double();
    let steps: Vec<_> = (BITS as usize - INCOMPLETE_STEPS..BITS as usize)
        .rev()
        .map(|bit| {
            let signed = if signs.get_bit(bit) { point } else { -point };
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

/// `g − δ + k·l = h` as integers: equal modulo `p`, and neither negative nor `p` or more.
///
/// Without the equation, any scalar; without the bounds, `h ± p` in the place of `h`, so that a
/// signature has a second challenge.
#[tracing::instrument(target = "gr1cs", skip_all)]
fn enforce_recoded(
    chunks: &[Chunk],
    scalar: &FpVar<Fr>,
    orders: Option<u64>,
) -> Result<(), SynthesisError> {
    let cs = scalar.cs();
    let bit = |bit: usize| {
        Boolean::new_witness(cs.clone(), || {
            orders.map(|orders| orders >> bit & 1 == 1).ok_or(SynthesisError::AssignmentMissing)
        })
    };
    let bits = (0..ORDER_BITS).map(|k| bit(k).map(FpVar::from)).collect::<Result<Vec<_>, _>>()?;
    let [low, middle, high] = &bits[..] else { unreachable!("three bits") };
    let both = low * middle;
    let is_most = &both * high;
    let neither = FpVar::one() - low - middle + &both;
    let is_none = &neither - &neither * high;

    let mut weight = Fr::one();
    let mut terms = Vec::with_capacity(chunks.len() + ORDER_BITS);
    for chunk in chunks.iter().rev() {
        terms.push((weight, chunk.value.clone()));
        weight *= Fr::from(1u64 << chunk.bits);
    }
    let mut order = Fr::from(Scalar::MODULUS);
    for bit in bits {
        terms.push((order, bit));
        order.double_in_place();
    }
    weighted_sum(&terms)?.enforce_equal(&(scalar + Fr::from(OFFSET)))?;

    // δ ≤ g, as δ − 1 < g.
    let mut before = OFFSET;
    before.sub_with_borrow(&BigInt::one());
    enforce_bound(
        chunks,
        &Bound { flag: is_none, bound: before },
        &Bound { flag: is_most, bound: END },
    )
}

#[cfg(test)]
mod tests;
