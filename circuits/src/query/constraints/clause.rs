//! One clause: its value, its operands, and what a claim on it obliges to.

use ark_ff::{Field as _, PrimeField};
use ark_r1cs_std::{
    GR1CSVar,
    fields::{FieldVar, fp::FpVar},
};
use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};

use super::header::{Boundary, ClauseVar, Flag};
use super::{OPERANDS, bits, hint, packed, quotient};
use crate::{Fr, schema::FIELDS};

/// Width of an ordered type's element.
const ORDINAL_BITS: usize = 64;

/// `v = values[field]`, by a tree of choices, one for each bit of the field's position.
///
/// Without it, a cheater would answer from another field, or from none.
#[tracing::instrument(target = "gr1cs", skip_all)]
pub(super) fn select_value(
    values: &[FpVar<Fr>; FIELDS],
    clause: &ClauseVar,
) -> Result<FpVar<Fr>, SynthesisError> {
    let mut level = values.to_vec();
    for bit in &clause.field {
        level = level.chunks_exact(2).map(|pair| &pair[0] + bit * (&pair[1] - &pair[0])).collect();
    }
    Ok(level.remove(0))
}

/// `f_j = m_j · (v − o_j − 1)` for all operands, where `m_j` is 1 on the clause's range and 0
/// elsewhere: `1 + f_j` is `v − o_j` on the range and 1 elsewhere.
///
/// `m_j = [start ≤ j] − [end ≤ j]` is a bit because starts do not decrease (B2).
///
/// Without it, a cheater would compare with operands of its choice.
#[tracing::instrument(target = "gr1cs", skip_all)]
pub(super) fn range_differences(
    value: &FpVar<Fr>,
    start: &Boundary,
    end: &Boundary,
    operands: &[FpVar<Fr>],
) -> Result<Vec<FpVar<Fr>>, SynthesisError> {
    let less_one = value - Fr::ONE;
    Ok(operands
        .iter()
        .enumerate()
        .map(|(j, operand)| {
            let in_range = start.is_at_or_before(j) - end.is_at_or_before(j);
            in_range * (&less_one - operand)
        })
        .collect())
}

/// Order operators: `L ≤ v ≤ H`, where a is the first and b the second operand and
/// `MAX = 2^64 − 1`.
///
/// | claim | L | H |
/// | --- | --- | --- |
/// | `$lt` | 0 | a − 1 |
/// | `$lte` | 0 | a |
/// | `$gt` | a + 1 | MAX |
/// | `$gte` | a | MAX |
/// | `$between` | a | b |
/// | `$nonbetween`, below | 0 | a − 1 |
/// | `$nonbetween`, above | b + 1 | MAX |
/// | any other, or none | v | v |
///
/// `u·v − L' = Σ 2^k · low_k` and `H' − u·v = Σ 2^k · high_k` with 64 bits each, where `u` is 1 for
/// the first seven rows, and `L'`, `H'` are `u·L`, `u·H` written out in the flags. So the last row
/// reads 0 = 0.
///
/// **Operands.** With `F = Σ f_j` and `T = Σ j·f_j − start·F = Σ (j − start)·f_j`: a range of one
/// operand has `F = v − a − 1` and `T = 0`; one of two has `F = (v − a − 1) + (v − b − 1)` and
/// `T = v − b − 1`. Either way `a = v − 1 − (F − T)` and, where there is one, `b = v − 1 − T`.
/// The range has one or two operands because the operator does (B2).
///
/// **Soundness.** By B3, `0 ≤ L ≤ 2^64` and `−1 ≤ H < 2^64` as integers. Take v as the integer below
/// p that it is. From the first equation `v = L + d` modulo p with `0 ≤ d < 2^64`; the right side is
/// below 2^65 < p, so this holds for integers, and `L ≤ v < 2^65`. From the second `H − v = d'`
/// modulo p with `0 ≤ d' < 2^64`; both sides lie strictly between −2^66 and 2^66, so
/// this holds for integers too, and `v ≤ H`. In particular `$lt 0` and `$gt MAX` have no solution,
/// and neither has a value of 2^64 or more: an absent one (p − 1), or a string's hash.
///
/// **Completeness.** If `0 ≤ L ≤ v ≤ H ≤ MAX` then both differences have 64 bits. If the clause is
/// false, the prover does not claim it, and no bit is obliged.
///
/// Without it, a cheater would claim any comparison.
#[tracing::instrument(target = "gr1cs", skip_all)]
pub(super) fn enforce_order(
    cs: &ConstraintSystemRef<Fr>,
    clause: &ClauseVar,
    value: &FpVar<Fr>,
    start: &Boundary,
    differences: &[FpVar<Fr>],
) -> Result<(), SynthesisError> {
    use Flag::{Above, Below, Between, Greater, GreaterOrEqual, Less, LessOrEqual};
    let sum: FpVar<Fr> = differences.iter().sum();
    let weighted: FpVar<Fr> = differences.iter().zip(0u64..).map(|(f, j)| f * Fr::from(j)).sum();
    let second_difference = weighted - start.position() * &sum;
    let first_difference = sum - &second_difference;
    let first = value - Fr::ONE - first_difference;
    let second = value - Fr::ONE - second_difference;

    let bounded_below = clause.any(&[Greater, GreaterOrEqual, Between]);
    let bounded_above = clause.any(&[Less, LessOrEqual, Below]);
    let unbounded_above = clause.any(&[Greater, GreaterOrEqual, Above]);
    let compared = &bounded_above + &unbounded_above + clause.flag(Between);
    let value = compared * value;

    // L' = bounded_below·a + $gt + above·(b + 1)
    let low = bounded_below * &first + clause.any(&[Greater, Above]);
    let least = &value - low;
    let above = clause.flag(Above);
    let above_second = product(above, &second);
    let above_least = least.value().ok().zip(above_second).map(|(least, above)| least - above);
    let low_bits = ordinal_bits(cs, above_least)?;
    above.mul_equals(&second, &(least - packed(&low_bits)))?;

    // H' = bounded_above·a − $lt − below + between·b + MAX·unbounded_above
    let max = Fr::from(u64::MAX);
    let high = bounded_above * &first - clause.any(&[Less, Below]) + unbounded_above * max;
    let most = high - value;
    let between = clause.flag(Between);
    let between_second = product(between, &second);
    let between_most = most.value().ok().zip(between_second).map(|(most, between)| most + between);
    let high_bits = ordinal_bits(cs, between_most)?;
    between.mul_equals(&second, &(packed(&high_bits) - most))
}

/// 64 private bits, those of `number` if it has no more.
#[tracing::instrument(target = "gr1cs", skip_all)]
fn ordinal_bits(
    cs: &ConstraintSystemRef<Fr>,
    number: Option<Fr>,
) -> Result<Vec<FpVar<Fr>>, SynthesisError> {
    let low = number.map(|number| {
        let low = number.into_bigint().0[0];
        std::array::from_fn::<_, ORDINAL_BITS, _>(|k| Fr::from(low >> k & 1 == 1))
    });
    bits(cs, low.as_ref())
}

/// The value of a product that a constraint makes without a wire of its own.
fn product(left: &FpVar<Fr>, right: &FpVar<Fr>) -> Option<Fr> {
    Some(left.value().ok()? * right.value().ok()?)
}

/// `P = Π (1 + f_j)`; `(eq + in) · P = 0`; `P · inverse = ne + nin`
///
/// `P = Π (v − o_j)` over the clause's range, which is 0 exactly if v is one of the operands. A
/// claimed `$eq` or `$in` makes it 0; a claimed `$ne` or `$nin` makes it invertible. That an absent
/// value fails `$eq` and `$in` follows because no operand is absent (B4), and see
/// [`enforce_presence`].
///
/// If neither is claimed and P = 0, nothing depends on the inverse, which may then be anything.
///
/// Without it, a cheater would claim any membership.
#[tracing::instrument(target = "gr1cs", skip_all)]
pub(super) fn enforce_membership(
    cs: &ConstraintSystemRef<Fr>,
    clause: &ClauseVar,
    differences: &[FpVar<Fr>],
) -> Result<(), SynthesisError> {
    debug_assert_eq!(differences.len(), OPERANDS);
    let mut product = &differences[0] + Fr::ONE;
    for difference in &differences[1..] {
        product *= difference + Fr::ONE;
    }
    let is_member = clause.any(&[Flag::Equal, Flag::In]);
    is_member.mul_equals(&product, &FpVar::zero())?;
    let is_not = clause.any(&[Flag::NotEqual, Flag::NotIn]);
    let inverse = hint(cs, quotient(&is_not, &product))?;
    product.mul_equals(&inverse, &is_not)
}

/// `nex · (v + 1) = 0`; `(v + 1) · inverse = c − nex`
///
/// A claimed `{"$exists": false}` makes v absent, `v = −1`; any other claim makes `v + 1` invertible, so
/// v is not absent: absent fails every other operator, also `$ne`, `$nin` and `$exists`.
///
/// If nothing is claimed and v is absent, nothing depends on the inverse, which may then be
/// anything; likewise under a claimed `{"$exists": false}`.
///
/// Without it, a cheater would pass a missing value off as different from all others, or hide one.
#[tracing::instrument(target = "gr1cs", skip_all)]
pub(super) fn enforce_presence(
    cs: &ConstraintSystemRef<Fr>,
    clause: &ClauseVar,
    value: &FpVar<Fr>,
) -> Result<(), SynthesisError> {
    let more_one = value + Fr::ONE;
    let not_exists = clause.flag(Flag::NotExists);
    not_exists.mul_equals(&more_one, &FpVar::zero())?;
    let needs_value = clause.claim() - not_exists;
    let inverse = hint(cs, quotient(&needs_value, &more_one))?;
    more_one.mul_equals(&inverse, &needs_value)
}
