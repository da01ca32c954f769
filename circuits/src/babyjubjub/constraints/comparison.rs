//! Comparison of a long integer, given by its chunks, with a constant.

use ark_ff::{BigInt, BigInteger, One, PrimeField, Zero};
use ark_r1cs_std::{
    GR1CSVar,
    alloc::AllocVar,
    boolean::Boolean,
    eq::EqGadget,
    fields::{FieldVar, fp::FpVar},
};
use ark_relations::gr1cs::SynthesisError;

use crate::Fr;

/// The widest chunk; also the width of the range check on the difference.
pub(super) const CHUNK_BITS: usize = 31;

/// A wire known to hold an integer below `2^bits`.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) value: FpVar<Fr>,
    pub(super) bits: usize,
}

/// `value < bound`, both cut into the same chunks, the most significant first. For `n` chunks
/// `3n + CHUNK_BITS + 1` constraints, about half of a comparison bit by bit.
///
/// The prover points at the first chunk that differs: one of `n` flags is 1. Chunks before it are
/// equal, and there `bound − value − 1` has [`CHUNK_BITS`] bits, which a negative number has not.
///
/// Without it, an integer and the same integer plus the modulus are both accepted.
///
/// # Panics
/// If a chunk is wider than [`CHUNK_BITS`].
#[tracing::instrument(target = "gr1cs", skip_all)]
pub(super) fn enforce_less_than(chunks: &[Chunk], bound: BigInt<4>) -> Result<(), SynthesisError> {
    let differences: Vec<FpVar<Fr>> = split(bound, chunks)
        .into_iter()
        .zip(chunks)
        .map(|(bound, chunk)| FpVar::Constant(bound) - &chunk.value)
        .collect();
    let first = differences
        .iter()
        .map(|difference| difference.value().ok())
        .collect::<Option<Vec<_>>>()
        .map(|values| values.iter().position(|value| !value.is_zero()).unwrap_or(0));
    let cs = differences.cs();

    let mut selected = FpVar::zero();
    let mut pending = FpVar::one();
    for (i, difference) in differences.iter().enumerate() {
        let is_first = Boolean::new_witness(cs.clone(), || {
            first.map(|first| first == i).ok_or(SynthesisError::AssignmentMissing)
        })?;
        let is_first = FpVar::from(is_first);
        pending -= &is_first;
        selected += &is_first * difference;
        if i + 1 < differences.len() {
            pending.mul_equals(difference, &FpVar::zero())?;
        }
    }
    pending.enforce_equal(&FpVar::zero())?;
    let (_bits, _zero) = (selected - Fr::one()).to_bits_le_with_top_bits_zero(CHUNK_BITS)?;
    Ok(())
}

/// `integer` in chunks of the same widths.
fn split(integer: BigInt<4>, chunks: &[Chunk]) -> Vec<Fr> {
    let mut below = integer.to_bits_le();
    let mut values: Vec<Fr> = chunks
        .iter()
        .rev()
        .map(|chunk| {
            assert!(chunk.bits <= CHUNK_BITS, "a wider difference would not be range-checked");
            let above = below.split_off(chunk.bits);
            let bits = std::mem::replace(&mut below, above);
            Fr::from_bigint(BigInt::from_bits_le(&bits)).expect("31 bits are below the modulus")
        })
        .collect();
    assert!(below.iter().all(|bit| !bit), "the bound has more bits than the chunks");
    values.reverse();
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::babyjubjub::constraints::tests::{broken_clause, wire};
    use ark_relations::gr1cs::ConstraintSystem;
    use proptest::prelude::*;

    /// Whether `value < bound` is accepted, cut into chunks of 5, 7, 31 and 4 bits.
    fn accepted(value: u64, bound: u64) -> bool {
        let broken = broken_clause(|cs| {
            let mut rest = value;
            let mut chunks: Vec<Chunk> = [4usize, 31, 7, 5]
                .into_iter()
                .map(|bits| {
                    let low = rest & ((1 << bits) - 1);
                    rest >>= bits;
                    Chunk { value: wire(&cs, Fr::from(low)), bits }
                })
                .collect();
            chunks.reverse();
            enforce_less_than(&chunks, BigInt::from(bound))
        });
        match broken.as_deref() {
            None => true,
            Some("enforce_less_than") => false,
            Some(other) => panic!("{other} failed"),
        }
    }

    #[test]
    fn the_bound_itself_is_refused() {
        for bound in [1, 15, 16, 1 << 35, (1 << 35) + 1, 1 << 42, (1 << 47) - 1, 0x2aaa_5555_0001] {
            assert!(accepted(bound - 1, bound), "{bound}");
            assert!(!accepted(bound, bound), "{bound}");
            assert!(accepted(0, bound));
        }
        assert!(!accepted(0, 0));
        assert!(!accepted(2, 1));
        assert!(!accepted((1 << 47) - 1, 1));
    }

    #[test]
    fn it_costs_three_a_chunk_and_a_range_check() {
        let cs = ConstraintSystem::new_ref();
        let chunks = [9, 9, 9].map(|bits| Chunk { value: wire(&cs, Fr::from(1)), bits });
        enforce_less_than(&chunks, BigInt::from(1u64 << 26)).unwrap();
        assert_eq!(cs.num_constraints(), 3 * 3 + CHUNK_BITS + 1);
    }

    #[test]
    #[should_panic(expected = "more bits than the chunks")]
    fn a_bound_beyond_the_chunks_is_a_mistake() {
        let cs = ConstraintSystem::new_ref();
        let chunk = Chunk { value: wire(&cs, Fr::from(1)), bits: 4 };
        let _ = enforce_less_than(&[chunk], BigInt::from(16u64));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn agrees_with_integers(value in 0u64..1 << 47, bound in 0u64..1 << 47, shared in 0u32..48) {
            // Equal above `shared` bits, so that the first difference falls in every chunk.
            let bound = (value >> shared << shared) | (bound & ((1 << shared) - 1));
            prop_assert_eq!(accepted(value, bound), value < bound);
        }
    }
}
