use ark_ff::{UniformRand, Zero};
use ark_relations::gr1cs::ConstraintSystem;
use ark_std::test_rng;

use super::*;
use crate::babyjubjub::Point;

fn result(scalar: BigInt<4>) -> Point {
    let cs = ConstraintSystem::new_ref();
    let result = multiple_by(&cs, Some(scalar)).unwrap();
    assert!(cs.is_satisfied().unwrap());
    result.value().unwrap()
}

#[test]
fn agrees_with_the_native_multiple() {
    let rng = &mut test_rng();
    let mut scalars = vec![Scalar::zero(), Scalar::one(), -Scalar::one(), -Scalar::from(2)];
    scalars.extend((0..251).step_by(10).map(|k| Scalar::from(BigInt::<4>::one() << k)));
    scalars.extend((0..8).map(|_| Scalar::rand(rng)));
    for scalar in scalars {
        assert_eq!(result(scalar.into_bigint()), (BASE8 * scalar).into_affine(), "{scalar}");
    }
}

#[test]
fn the_order_more_gives_the_same_point() {
    let mut scalar = Scalar::MODULUS;
    assert!(!scalar.add_with_carry(&BigInt::from(99u64)));
    assert!(scalar < BigInt::one() << 251);
    assert_eq!(result(scalar), (BASE8 * Scalar::from(99)).into_affine());
}

#[test]
fn incomplete_digits_meet_no_exception() {
    for i in 1..DIGITS {
        let i = u32::try_from(i).unwrap();
        // |T| ≤ 8^i − 1 and |d| ≥ 1: not 0 as an integer. Together at most 8^(i+1) − 1: not ±l.
        let mut most = BigInt::<4>::one() << (3 * (i + 1));
        most.sub_with_borrow(&BigInt::one());
        assert!(most < Scalar::MODULUS, "digit {i}");
    }
    // One digit more could sum to l, which is odd as the sum before is.
    let next = BigInt::<4>::one() << (3 * u32::try_from(DIGITS + 1).unwrap());
    assert!(next > Scalar::MODULUS);
}

#[test]
fn partial_sums_are_smaller_than_the_next_digit() {
    let mut sums = vec![0i64];
    for i in 0..4u32 {
        let power = 8i64.pow(i);
        assert!(sums.iter().all(|sum| sum.abs() < power));
        sums = sums.iter().flat_map(|sum| (0..8).map(move |w| sum + (2 * w - 7) * power)).collect();
        assert!(sums.iter().all(|sum| sum % 2 != 0));
    }
}

#[test]
fn it_costs_what_it_says() {
    let cs = ConstraintSystem::new_ref();
    multiple(&cs, Some(Scalar::one())).unwrap();
    // Two bits, their product and a sign; an addition but for the first; the top and the way back.
    assert_eq!(cs.num_constraints(), DIGITS * (3 + 1 + 3) - 3 + 2 + 3 + 6);
    assert_eq!(cs.num_constraints(), 589);
}
