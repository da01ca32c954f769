//! Comparison of a long integer, given by its chunks, with a constant.

use ark_ff::{BigInt, BigInteger, PrimeField, Zero};
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

/// A bound that counts if the flag is 1.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) flag: FpVar<Fr>,
    pub(super) bound: BigInt<4>,
}

/// `value > bound` of `above` if its flag is 1, `value < bound` of `below` if its flag is 1, and nothing if
/// neither is; everything cut into the same chunks, the most significant first. For `n` chunks
/// `3n + CHUNK_BITS + 2` constraints, about half of one comparison bit by bit.
///
/// The flags are boolean, and not both 1. The prover points at the first chunk that differs: one of `n`
/// pointers is 1, or none without a flag. Chunks before it are equal, and there the difference that must be
/// positive, less 1, has [`CHUNK_BITS`] bits, which a negative number has not.
///
/// Without it, an integer and the same integer plus the modulus are both accepted.
///
/// # Panics
/// If a chunk is wider than [`CHUNK_BITS`].
#[tracing::instrument(target = "gr1cs", skip_all)]
pub(super) fn enforce_bound(
    chunks: &[Chunk],
    above: &Bound,
    below: &Bound,
) -> Result<(), SynthesisError> {
    let differences: Vec<FpVar<Fr>> = split(above.bound, chunks)
        .into_iter()
        .zip(split(below.bound, chunks))
        .zip(chunks)
        .map(|((least, end), chunk)| &chunk.value - &above.flag * least - &below.flag * end)
        .collect();
    let mut pending = &above.flag + &below.flag;
    let asked = pending.clone();
    let first = differences
        .iter()
        .map(|difference| difference.value().ok())
        .collect::<Option<Vec<_>>>()
        .zip(asked.value().ok())
        .map(|(values, asked)| {
            let first = values.iter().position(|value| !value.is_zero()).unwrap_or(0);
            (!asked.is_zero()).then_some(first)
        });
    let cs = differences.cs();

    let mut selected = FpVar::zero();
    for (i, difference) in differences.iter().enumerate() {
        let is_first = Boolean::new_witness(cs.clone(), || {
            first.map(|first| first == Some(i)).ok_or(SynthesisError::AssignmentMissing)
        })?;
        let is_first = FpVar::from(is_first);
        pending -= &is_first;
        selected += &is_first * difference;
        if i + 1 < differences.len() {
            pending.mul_equals(difference, &FpVar::zero())?;
        }
    }
    pending.enforce_equal(&FpVar::zero())?;
    let excess = selected * (&above.flag - &below.flag) - asked;
    let (_bits, _zero) = excess.to_bits_le_with_top_bits_zero(CHUNK_BITS)?;
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
    use crate::babyjubjub::constraints::tests::{Rows, broken_clause, wire};
    use ark_relations::gr1cs::{ConstraintSystem, ConstraintSystemRef};
    use proptest::prelude::*;

    #[derive(Clone, Copy, Debug)]
    enum Asked {
        Above(u64),
        Below(u64),
        Nothing,
    }

    fn enforce(
        cs: &ConstraintSystemRef<Fr>,
        chunks: &[Chunk],
        asked: Asked,
    ) -> Result<(), SynthesisError> {
        let (above, below, bounds) = match asked {
            Asked::Above(bound) => (1, 0, (bound, 3)),
            Asked::Below(bound) => (0, 1, (3, bound)),
            Asked::Nothing => (0, 0, (7, 7)),
        };
        let bound = |flag: u64, bound: u64| Bound {
            flag: wire(cs, Fr::from(flag)),
            bound: BigInt::from(bound),
        };
        enforce_bound(chunks, &bound(above, bounds.0), &bound(below, bounds.1))
    }

    /// Whether the value is accepted, cut into chunks of 5, 7, 31 and 4 bits.
    fn accepted(value: u64, asked: Asked) -> bool {
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
            enforce(&cs, &chunks, asked)
        });
        match broken.as_deref() {
            None => true,
            Some("enforce_bound") => false,
            Some(other) => panic!("{other} failed"),
        }
    }

    #[test]
    fn the_bound_itself_is_refused() {
        for bound in [1, 15, 16, 1 << 35, (1 << 35) + 1, 1 << 42, (1 << 47) - 2, 0x2aaa_5555_0001] {
            assert!(accepted(bound - 1, Asked::Below(bound)), "{bound}");
            assert!(!accepted(bound, Asked::Below(bound)), "{bound}");
            assert!(accepted(0, Asked::Below(bound)));
            assert!(accepted(bound + 1, Asked::Above(bound)), "{bound}");
            assert!(!accepted(bound, Asked::Above(bound)), "{bound}");
            assert!(accepted((1 << 47) - 1, Asked::Above(bound)));
        }
        assert!(!accepted(0, Asked::Below(0)));
        assert!(!accepted(2, Asked::Below(1)));
        assert!(!accepted((1 << 47) - 1, Asked::Below(1)));
        assert!(!accepted(0, Asked::Above(0)));
        assert!(!accepted(0, Asked::Above((1 << 47) - 1)));
    }

    /// The rows of "`value` below 3·32 + 7", in two chunks of five bits: for each chunk that of its pointer, of
    /// the pointer times the difference and, but for the last, of what is pending; then that nothing is, the
    /// difference with its sign, the bits of that, and that they are.
    fn below(value: [u64; 2]) -> Rows {
        let cs = ConstraintSystem::new_ref();
        let chunks = value.map(|value| Chunk { value: wire(&cs, Fr::from(value)), bits: 5 });
        enforce(&cs, &chunks, Asked::Below(3 * 32 + 7)).unwrap();
        Rows::new(&cs)
    }

    const POINTERS: [usize; 2] = [0, 3];
    const TIMES_DIFFERENCE: [usize; 2] = [1, 4];
    const PENDING: usize = 2;
    const SIGNED: usize = 6;
    const BITS: std::ops::Range<usize> = 7..7 + CHUNK_BITS;

    /// Fills in the signed difference and its bits, all of it on the lowest.
    fn claim(rows: &mut Rows, signed: Fr) {
        let wire = rows.product(SIGNED);
        rows.values[wire] = signed;
        for row in BITS {
            let bit = rows.bit(row);
            rows.values[bit] = Fr::zero();
        }
        let lowest = rows.bit(BITS.start);
        rows.values[lowest] = signed - Fr::from(1);
    }

    #[test]
    fn a_difference_that_wraps_has_no_bits() {
        // 2 too much: the bits would be those of −3.
        let mut rows = below([3, 9]);
        claim(&mut rows, -Fr::from(2));
        assert_eq!(rows.broken(), [BITS.start]);
        // The honest prover's lowest 31 bits of it are another number.
        assert_eq!(below([3, 9]).broken(), [BITS.end]);
        assert!(below([3, 6]).all_hold());
    }

    #[test]
    fn the_first_difference_is_pointed_at_with_bits() {
        // The pointers 2 and −1 add up to the one that is asked for and turn the difference round.
        let mut rows = below([3, 9]);
        for (pointer, value) in POINTERS.into_iter().zip([Fr::from(2), -Fr::from(1)]) {
            let pointer = rows.bit(pointer);
            rows.values[pointer] = value;
        }
        let product = rows.product(TIMES_DIFFERENCE[1]);
        rows.values[product] = -Fr::from(2);
        claim(&mut rows, Fr::from(2));
        assert_eq!(rows.broken(), POINTERS);
    }

    #[test]
    fn a_later_difference_is_not_the_first() {
        // 4·32 + 1 is not below, though its last chunk is.
        let mut rows = below([4, 1]);
        let [first, last] = POINTERS.map(|pointer| rows.bit(pointer));
        (rows.values[first], rows.values[last]) = (Fr::zero(), Fr::from(1));
        let [first, last] = TIMES_DIFFERENCE.map(|row| rows.product(row));
        (rows.values[first], rows.values[last]) = (Fr::zero(), -Fr::from(6));
        claim(&mut rows, Fr::from(6));
        let lowest = rows.bit(BITS.start);
        let third = rows.bit(BITS.start + 2);
        (rows.values[lowest], rows.values[third]) = (Fr::from(1), Fr::from(1)); // 6 − 1
        assert_eq!(rows.broken(), [PENDING]);
    }

    #[test]
    fn without_a_flag_nothing_is_asked() {
        for value in [0, 6, 7, 8, 1 << 42, (1 << 47) - 1] {
            assert!(accepted(value, Asked::Nothing));
        }
    }

    #[test]
    fn it_costs_three_a_chunk_and_a_range_check() {
        let cs = ConstraintSystem::new_ref();
        let chunks = [9, 9, 9].map(|bits| Chunk { value: wire(&cs, Fr::from(1)), bits });
        enforce(&cs, &chunks, Asked::Below(1 << 26)).unwrap();
        assert_eq!(cs.num_constraints(), 3 * 3 + CHUNK_BITS + 2);
    }

    #[test]
    #[should_panic(expected = "more bits than the chunks")]
    fn a_bound_beyond_the_chunks_is_a_mistake() {
        let cs = ConstraintSystem::new_ref();
        let chunk = Chunk { value: wire(&cs, Fr::from(1)), bits: 4 };
        let _ = enforce(&cs, &[chunk], Asked::Below(16));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn agrees_with_integers(value in 0u64..1 << 47, bound in 0u64..1 << 47, shared in 0u32..48) {
            // Equal above `shared` bits, so that the first difference falls in every chunk.
            let bound = (value >> shared << shared) | (bound & ((1 << shared) - 1));
            prop_assert_eq!(accepted(value, Asked::Below(bound)), value < bound);
            prop_assert_eq!(accepted(value, Asked::Above(bound)), value > bound);
            prop_assert!(accepted(value, Asked::Nothing));
        }
    }
}
