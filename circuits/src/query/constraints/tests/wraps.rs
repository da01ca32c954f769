//! Differences that wrap around the modulus, and differences with a second decomposition.

use ark_ff::{BigInt, PrimeField};

use super::cheats::{INCOME, claim_first, integer, only, with};
use super::*;

/// The wires of the first clause's bits, of `v − L` and of `H − v`.
fn difference_bits(system: &System) -> [Vec<usize>; 2] {
    let bits: Vec<usize> = (0..system.names.len())
        .filter(|row| system.names[*row] == "ordinal_bits")
        .map(|row| system.rows[row][0][0].1)
        .collect();
    assert_eq!(bits.len(), CLAUSES * 2 * 64);
    [bits[..64].to_vec(), bits[64..128].to_vec()]
}

fn sum(system: &System, bits: &[usize]) -> Fr {
    bits.iter().rev().fold(Fr::zero(), |sum, wire| sum + sum + system.assignment[*wire])
}

fn has_64_bits(difference: Fr) -> bool {
    difference.into_bigint() < BigInt::from(1u64) << 64
}

/// A predicate on income and the flag to claim it by; `L` and `H` of the interval that it asks for; a value
/// below it and one above it.
struct Wrapped(Json, Flag, Fr, Fr, Fr, Fr);

#[test]
fn a_difference_that_wraps_is_out_of_range() {
    use Flag::*;
    let at = integer;
    let (min, max, one) = (Fr::zero(), Fr::from(u64::MAX), Fr::one());
    // Just below 0 is just below p: H − v is small although v is no ordinal at all.
    let (before, after) = (-Fr::from(2), max + one);
    #[rustfmt::skip]
    let cases = [
        Wrapped(json!({"$lt": 10}), Less, min, at(9), before, at(10)),
        Wrapped(json!({"$lt": 10}), Less, min, at(9), -Fr::from(1_000), at(1_000)),
        Wrapped(json!({"$lte": 10}), LessOrEqual, min, at(10), before - one, at(11)),
        Wrapped(json!({"$gt": 10}), Greater, at(11), max, at(10), after),
        Wrapped(json!({"$gte": 10}), GreaterOrEqual, at(10), max, at(9), after + one),
        Wrapped(json!({"$between": [10, 20]}), Between, at(10), at(20), at(9), at(21)),
        Wrapped(json!({"$nonbetween": [10, 20]}), Below, min, at(9), before - one, at(10)),
        Wrapped(json!({"$nonbetween": [10, 20]}), Above, at(21), max, at(20), after),
    ];
    for Wrapped(predicate, flag, least, most, below, above) in cases {
        let query = json!([{"path": ["income"], "predicate": predicate}]);
        for (side, value) in [below, above].into_iter().enumerate() {
            let differences = [value - least, most - value];
            assert!(!has_64_bits(differences[side]), "{query} {value}");
            assert!(has_64_bits(differences[1 - side]), "the other one is in range: {query}");
            // With the lowest 64 bits of both, as the honest prover finds them.
            let mut system =
                System::new(&compiled(&query), &with(INCOME, value), claim_first(flag));
            assert_eq!(system.failing(), only("enforce_order"), "{query} {value}");
            // With all of it recomputed, the rest on one of the bits.
            let bits = &difference_bits(&system)[side];
            let rest = differences[side] - sum(&system, bits);
            system.assignment[bits[0]] += rest;
            assert_eq!(sum(&system, bits), differences[side]);
            assert_eq!(system.failing(), only("ordinal_bits"), "{query} {value}");
        }
        for edge in [least, most] {
            let system = System::new(&compiled(&query), &with(INCOME, edge), claim_first(flag));
            assert!(system.failing().is_empty(), "{query} {edge}");
        }
    }
}

#[test]
fn a_difference_has_one_decomposition() {
    let query = compiled(&json!([{"path": ["income"], "predicate": {"$between": [10, 20]}}]));
    let honest = || System::new(&query, &with(INCOME, integer(13)), |_| {});
    assert!(honest().failing().is_empty());
    // 64 bits sum to less than p, so they are no bits of the difference plus p.
    assert!(BigInt::from(1u64) << 64 < Fr::MODULUS);
    for (side, difference) in [3, 7].into_iter().enumerate() {
        for low in 0..63 {
            // 2 in one place and 1 less in the next is the same number.
            let mut system = honest();
            let bits = &difference_bits(&system)[side];
            system.assignment[bits[low]] += Fr::from(2);
            system.assignment[bits[low + 1]] -= Fr::one();
            assert_eq!(sum(&system, bits), Fr::from(difference));
            assert_eq!(system.failing(), only("ordinal_bits"), "bit {low}");
        }
        // Other bits are another number.
        let mut system = honest();
        let bits = &difference_bits(&system)[side];
        system.assignment[bits[5]] = Fr::one() - system.assignment[bits[5]];
        assert_eq!(system.failing(), only("enforce_order"));
    }
}
