use ark_ec::AffineRepr;
use ark_ff::{UniformRand, Zero};
use ark_relations::gr1cs::ConstraintSystem;
use ark_std::test_rng;

use super::*;
use crate::babyjubjub::constraints::tests::{Rows, broken_clause};

fn result(recoded: BigInt<4>) -> Point {
    let cs = ConstraintSystem::new_ref();
    let result = multiple_by(&cs, Some(recoded)).unwrap();
    assert!(cs.is_satisfied().unwrap());
    result.value().unwrap()
}

fn power_of_two(exponent: u32) -> BigInt<4> {
    BigInt::one() << exponent
}

fn power_of_sixteen(digits: usize) -> BigInt<4> {
    power_of_two(u32::try_from(4 * digits).unwrap())
}

#[test]
fn agrees_with_the_native_multiple() {
    let rng = &mut test_rng();
    let mut scalars = vec![Scalar::zero(), Scalar::one(), -Scalar::one(), -Scalar::from(2)];
    scalars.extend((0..251).step_by(10).map(|k| Scalar::from(power_of_two(k))));
    scalars.extend((0..8).map(|_| Scalar::rand(rng)));
    for scalar in scalars {
        assert_eq!(result(recode(scalar)), (BASE8 * scalar).into_affine(), "{scalar}");
    }
}

#[test]
fn every_scalar_has_digits() {
    // From −l for S = 0 to l − 2: what is recoded has at most 251 bits, with room on both sides.
    let (least, most) = (recode(Scalar::zero()), recode(-Scalar::one()));
    assert!(!least.is_zero());
    assert!(least < most && most < power_of_two(BITS));
    // T = 2g − (2^251 − 1) is −l for S = 0.
    let mut sum = least;
    sum.mul2();
    assert!(!sum.add_with_carry(&Scalar::MODULUS));
    assert!(!sum.add_with_carry(&BigInt::one()));
    assert_eq!(sum, power_of_two(BITS));
}

#[test]
fn the_order_more_gives_the_same_point() {
    let mut recoded = recode(Scalar::from(99));
    assert!(!recoded.add_with_carry(&Scalar::MODULUS));
    assert!(recoded < power_of_two(BITS));
    assert_eq!(result(recoded), (BASE8 * Scalar::from(99)).into_affine());
}

#[test]
fn incomplete_digits_meet_no_exception() {
    for i in 1..DIGITS {
        // |T| ≤ 16^i − 1 and |d| ≥ 1: not 0 as an integer. Together at most 16^(i+1) − 1: not ±l.
        let mut most = power_of_sixteen(i + 1);
        most.sub_with_borrow(&BigInt::one());
        assert!(most < Scalar::MODULUS, "digit {i}");
    }
    // One digit more could sum to l, which is odd as the sum before is.
    assert!(power_of_sixteen(DIGITS + 1) > Scalar::MODULUS);
}

#[test]
fn partial_sums_are_smaller_than_the_next_digit() {
    let mut sums = vec![0i64];
    for i in 0..3u32 {
        let power = 16i64.pow(i);
        assert!(sums.iter().all(|sum| sum.abs() < power));
        sums =
            sums.iter().flat_map(|sum| (0..16).map(move |w| sum + (2 * w - 15) * power)).collect();
        assert!(sums.iter().all(|sum| sum % 2 != 0));
    }
}

/// `(2m + 1)` with its sign.
fn integer(digit: Digit) -> i64 {
    let magnitude = 2 * i64::try_from(digit.magnitude).unwrap() + 1;
    if digit.positive { magnitude } else { -magnitude }
}

#[test]
fn bits_are_odd_digits() {
    for (bits, least) in [(4, -15), (3, -7)] {
        let digits = (0..1u32 << bits).map(|w| Digit::of((0..bits).map(|k| w >> k & 1 == 1)));
        let expected: Vec<i64> = (least..=-least).step_by(2).collect();
        assert_eq!(digits.map(integer).collect::<Vec<_>>(), expected);
    }
}

fn multiple_of_base(odd: i64, digit: usize) -> Point {
    let half = Scalar::from(2).inverse().unwrap();
    let power = Scalar::from(power_of_sixteen(digit));
    (BASE8 * (half * power * Scalar::from(odd))).into_affine()
}

/// The clause that refuses `point` as a digit, whatever else the prover fills in.
fn refused(table: &Digits, (u, v): (Fr, Fr)) -> Option<String> {
    let points = [(u, v); ODD.len()];
    let claimed = Digits { points, factors: table.factors };
    let digit = Some(Digit { magnitude: 0, positive: true });
    broken_clause(|cs| claimed.enforce_digit(&cs, digit).map(drop))
}

#[test]
fn a_digit_is_one_of_sixteen_points() {
    let digit = 7;
    let table = &Tables::get().digits[digit];
    let montgomery = |odd| coordinates(&[multiple_of_base(odd, digit).into_group()])[0];
    for multiple in -20..=20i64 {
        if multiple == 0 {
            continue; // it has no coordinates
        }
        let allowed = multiple % 2 != 0 && multiple.abs() <= 15;
        let expected = (!allowed).then_some("enforce_digit");
        assert_eq!(refused(table, montgomery(multiple)).as_deref(), expected, "{multiple}");
    }
    // Another digit's points, and an allowed u with a v that it has not.
    let other = coordinates(&[multiple_of_base(1, digit + 1).into_group()])[0];
    assert_eq!(refused(table, other).as_deref(), Some("enforce_digit"));
    let (u, v) = montgomery(5);
    for v in [v + Fr::one(), Fr::zero(), montgomery(7).1] {
        assert_eq!(refused(table, (u, v)).as_deref(), Some("enforce_digit"));
    }
    assert_eq!(refused(table, (u, -v)), None);
}

#[test]
fn each_digit_has_eight_roots_of_its_own() {
    for table in &Tables::get().digits {
        let mut roots = table.points.map(|(u, _)| u);
        roots.sort();
        assert!(roots.is_sorted_by(|left, right| left < right));
        for (i, (u, v)) in table.points.into_iter().enumerate() {
            let at = |factor: [Fr; 5]| factor.iter().rev().fold(Fr::zero(), |sum, c| sum * u + c);
            let values = table.factors.map(at);
            assert_eq!([values[0].is_zero(), values[1].is_zero()], [i < 4, i >= 4]);
            assert_eq!(v.square(), u * (u.square() + Fr::from(MONTGOMERY_A) * u + Fr::one()));
        }
        assert!(table.factors.iter().all(|factor| factor[4].is_one()), "of degree 4");
    }
}

#[test]
fn the_top_digit_is_one_of_eight_points() {
    let table = &Tables::get().top;
    let refused = |point: Point| {
        let claimed = TopDigit { points: [point; TOP], factors: table.factors };
        let digit = Some(Digit { magnitude: 0, positive: true });
        broken_clause(|cs| claimed.enforce_top_digit(&cs, digit).map(drop))
    };
    for multiple in -12..=12i64 {
        let point = multiple_of_base(multiple, DIGITS);
        let allowed = multiple % 2 != 0 && multiple.abs() <= 7;
        let expected = (!allowed).then_some("enforce_top_digit");
        assert_eq!(refused(point).as_deref(), expected, "{multiple}");
    }
    let point = multiple_of_base(3, DIGITS);
    let off = Point::new_unchecked(point.x + Fr::one(), point.y);
    assert_eq!(refused(off).as_deref(), Some("enforce_on_curve"));
    // The other points of the curve with this distance to the axis.
    let turned = Point::new_unchecked(point.x, -point.y);
    assert!(turned.is_on_curve());
    assert_eq!(refused(turned).as_deref(), Some("enforce_top_digit"));
}

#[test]
fn a_digit_s_wires_are_pinned() {
    let cs = ConstraintSystem::new_ref();
    let digit = Some(Digit { magnitude: 6, positive: false });
    Tables::get().digits[3].enforce_digit(&cs, digit).unwrap();
    let mut rows = Rows::new(&cs);
    assert!(rows.all_hold());
    for wire in rows.first_private..rows.values.len() {
        let honest = rows.values[wire];
        for moved in [honest + Fr::one(), honest - Fr::one(), Fr::zero()] {
            rows.values[wire] = moved;
            assert!(!rows.all_hold(), "wire {wire} moves to {moved}");
        }
        rows.values[wire] = honest;
    }
}

#[test]
fn it_costs_what_it_says() {
    let cs = ConstraintSystem::new_ref();
    multiple(&cs, Some(Scalar::one())).unwrap();
    // A point of sixteen; an addition but for the first; the way back, the top and its addition.
    assert_eq!(cs.num_constraints(), DIGITS * (5 + 3) - 3 + 2 + 4 + 6);
    assert_eq!(cs.num_constraints(), 505);
}
