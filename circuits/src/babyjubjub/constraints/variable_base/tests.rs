use ark_ec::CurveGroup;
use ark_ff::{UniformRand, Zero};
use ark_relations::gr1cs::{ConstraintSystem, ConstraintSystemRef};
use ark_std::test_rng;

use super::*;
use crate::babyjubjub::{
    BASE8, Point, Scalar,
    constraints::tests::{broken_clause, point, rows_of, wire},
};

fn power_of_two(exponent: u32) -> BigInt<4> {
    BigInt::one() << exponent
}

fn plus(mut left: BigInt<4>, right: BigInt<4>) -> BigInt<4> {
    assert!(!left.add_with_carry(&right));
    left
}

fn minus(mut left: BigInt<4>, right: BigInt<4>) -> BigInt<4> {
    assert!(!left.sub_with_borrow(&right));
    left
}

fn synthesise(
    cs: &ConstraintSystemRef<Fr>,
    base: Point,
    scalar: Fr,
) -> Result<PointVar, SynthesisError> {
    odd_multiple(&point(cs, base), &wire(cs, scalar))
}

/// `(2h + 1)·P`, bit by bit on the integer.
fn native(base: Point, scalar: Fr) -> Point {
    let multiple = base * crate::babyjubjub::reduce(scalar);
    (multiple + multiple + base).into_affine()
}

fn orders(count: u64) -> BigInt<4> {
    (0..count).fold(BigInt::zero(), |sum, _| plus(sum, Scalar::MODULUS))
}

fn times(factor: u64, exponent: u32) -> BigInt<4> {
    BigInt::from(factor) << exponent
}

#[test]
fn the_offset_is_two_orders_less_what_the_signs_are_less() {
    // m = 3·2^251 + 2g + 1 and 2h + 1 + (4 − 2k)·l, with g = h + δ − k·l.
    assert_eq!(OFFSET, minus(orders(2), times(3, 250)));
    assert_eq!(INCOMPLETE_STEPS % CHUNK_BITS, 0);
}

#[test]
fn every_scalar_has_signs() {
    // k up to 7 leaves less than l, since 8l is above p; and l + δ has 251 bits.
    assert!(orders(8) > Fr::MODULUS);
    assert!(plus(Scalar::MODULUS, OFFSET) <= power_of_two(BITS));
    assert_eq!(orders(MOST_ORDERS + 1), orders(1 << ORDER_BITS));
}

#[test]
fn only_the_bounded_cuts_can_be_aliases() {
    assert_eq!(END, minus(plus(Fr::MODULUS, OFFSET), orders(7)));
    for count in 0..=MOST_ORDERS {
        // Neither g − δ + k·l < 0 nor ≥ p, whatever g of 251 bits.
        let least = orders(count) >= OFFSET;
        let most = minus(plus(power_of_two(BITS), orders(count)), OFFSET) <= Fr::MODULUS;
        assert_eq!((least, most), (count != 0, count != 7), "{count}");
    }
}

/// Before step `i` the multiple is 4, then odd, from `3·2^i + 1` to `5·2^i − 1`.
#[test]
fn signs_reach_exactly_the_multiples_of_the_argument() {
    let mut reached = vec![4u64];
    for i in 1..11 {
        reached = reached.iter().flat_map(|m| [2 * m - 1, 2 * m + 1]).collect();
        let expected: Vec<u64> = ((3 << i) + 1..5 << i).step_by(2).collect();
        assert_eq!(reached, expected, "step {i}");
    }
}

#[test]
fn incomplete_steps_meet_no_exception() {
    let order = Scalar::MODULUS;
    for i in 0..INCOMPLETE_STEPS {
        let i = u32::try_from(i).unwrap();
        let least = plus(times(3, i), BigInt::one());
        let most = minus(times(5, i), BigInt::one());
        // m − 1 > 0 and m + 1 < l: the multiple is not ±P. 2m − 1 > 0 and 2m + 1 < l: it plus or
        // less P is not its negative, and the result is not the identity.
        assert!(least > BigInt::one());
        assert!(plus(most, BigInt::one()) < order);
        assert!(plus(plus(most, most), BigInt::one()) < order, "step {i}");
    }
}

#[test]
fn one_more_incomplete_step_could_meet_one() {
    let i = u32::try_from(INCOMPLETE_STEPS).unwrap();
    let m = exceptional();
    assert!(m > times(3, i) && m < times(5, i));
}

/// The odd `m` with `l = 2m + 1` or `l = 2m − 1`.
fn exceptional() -> BigInt<4> {
    let mut half = Scalar::MODULUS;
    half.div2();
    if half.is_odd() { half } else { plus(half, BigInt::one()) }
}

#[test]
fn agrees_with_the_native_multiple_at_every_edge() {
    let mut scalars =
        vec![Fr::zero(), -Fr::one(), -Fr::from(OFFSET), -Fr::from(OFFSET) - Fr::one()];
    let order = Fr::from(Scalar::MODULUS);
    let half = (order - Fr::one()) / Fr::from(2); // the result is the identity
    for multiple in 0u64..8 {
        let near = order * Fr::from(multiple);
        scalars.extend([near - Fr::one(), near, near + Fr::one(), near + half]);
    }
    scalars.extend((0..254).step_by(11).map(|k| Fr::from(power_of_two(k))));
    scalars.extend((1..254).step_by(23).map(|k| Fr::from(power_of_two(k)) - Fr::one()));
    for scalar in scalars {
        let cs = ConstraintSystem::new_ref();
        let result = synthesise(&cs, BASE8, scalar).unwrap();
        assert_eq!(result.value().unwrap(), native(BASE8, scalar), "{scalar}");
        assert!(cs.is_satisfied().unwrap(), "{scalar}");
    }
}

#[test]
fn agrees_with_the_native_multiple_at_random() {
    let rng = &mut test_rng();
    for _ in 0..8 {
        let base = (BASE8 * Scalar::rand(rng)).into_affine();
        let scalar = Fr::rand(rng);
        let cs = ConstraintSystem::new_ref();
        let result = synthesise(&cs, base, scalar).unwrap();
        assert_eq!(result.value().unwrap(), native(base, scalar));
        assert!(cs.is_satisfied().unwrap());
    }
}

#[test]
fn an_exceptional_prefix_is_proved_all_the_same() {
    // The 248 high bits of g put the multiple at m with 2m ± 1 = l: only complete formulas go on.
    // m = 3·2^248 + 2·prefix + 1, and g = 2^3 · prefix and any three bits.
    let prefix = minus(exceptional(), plus(times(3, 248), BigInt::one())) << 2;
    for low in 0..8u64 {
        let signs = plus(prefix, BigInt::from(low));
        // From δ on it is what h from 0 to 5 are written with; below, h = g − δ + l.
        let orders = u64::from(signs < OFFSET);
        let scalar = Fr::from(minus(plus(signs, self::orders(orders)), OFFSET));
        assert_eq!(Recoded::of(scalar).signs == signs, orders == 0);
        assert_eq!(scalar == Fr::from(low) - Fr::from(2), orders == 0);
        let recoded = Recoded { signs, orders };
        let cs = ConstraintSystem::new_ref();
        let result =
            odd_multiple_by(&point(&cs, BASE8), &wire(&cs, scalar), Some(recoded)).unwrap();
        assert_eq!(result.value().unwrap(), native(BASE8, scalar));
        assert!(cs.is_satisfied().unwrap());
    }
}

fn claim(scalar: Fr, signs: BigInt<4>, orders: u64) -> Option<String> {
    assert!(signs < power_of_two(BITS));
    let recoded = Recoded { signs, orders };
    broken_clause(|cs| {
        odd_multiple_by(&point(&cs, BASE8), &wire(&cs, scalar), Some(recoded)).map(drop)
    })
}

#[test]
fn an_alias_of_the_scalar_is_refused() {
    let bound = Some("enforce_bound".to_owned());
    // h + p, for a small h, as 7l and what is left.
    let low = Fr::from(5);
    let above = plus(END, BigInt::from(5u64));
    assert_eq!(claim(low, above, 7), bound);
    assert_eq!(claim(low, plus(OFFSET, BigInt::from(5u64)), 0), None);
    // h − p, for a large h: not negative with the offset.
    let high = -Fr::from(5);
    assert_eq!(claim(high, minus(OFFSET, BigInt::from(5u64)), 0), bound);
    assert_eq!(claim(high, minus(END, BigInt::from(5u64)), 7), None);
    // The bounds themselves are h = −1 and h = p, spelled as they must not be.
    assert_eq!(claim(-Fr::one(), minus(OFFSET, BigInt::one()), 0), bound);
    assert_eq!(claim(Fr::zero(), END, 7), bound);
    // One further they are h = 0 and h = p − 1.
    assert_eq!(claim(Fr::zero(), OFFSET, 0), None);
    assert_eq!(claim(-Fr::one(), minus(END, BigInt::one()), 7), None);
}

#[test]
fn orders_are_counted_in_bits() {
    // With 2 in the middle and 0 at the top neither bound is asked for, and any number in the place of the
    // lowest bit makes the equation hold: the digits of one challenge serve for every other.
    let order = Fr::from(Scalar::MODULUS);
    let signed = order.double() + Fr::from(7);
    let (mut rows, recoded) = rows_of("enforce_recoded", |cs| {
        odd_multiple(&point(&cs, BASE8), &wire(&cs, signed)).map(drop)
    });
    assert!(rows.all_hold());
    let [low, middle, high] = [0, 1, 2].map(|row| rows.bit(recoded[row]));
    let bits = [low, middle, high].map(|wire| rows.values[wire]);
    assert_eq!(bits, [Fr::zero(), Fr::one(), Fr::zero()]);
    // After the coordinates.
    let scalar = rows.first_private + 2;
    assert_eq!(rows.values[scalar], signed);
    let both = rows.product(recoded[3]);
    for other in [Fr::from(5), -Fr::one(), signed + Fr::one()] {
        rows.values[scalar] = other;
        rows.values[low] = (other - signed) / order;
        rows.values[both] = rows.values[low];
        assert_eq!(rows.broken(), [recoded[0]]);
    }
}

#[test]
fn a_rest_of_an_order_or_more_makes_the_same_multiple() {
    // h = l + 5, and 6l + 5: one order more or less, as the 251 bits allow.
    for count in [1, 6] {
        let scalar = Fr::from(plus(orders(count), BigInt::from(5u64)));
        let results = [0, 1].map(|less| {
            let signs = plus(plus(OFFSET, BigInt::from(5u64)), orders(less));
            let recoded = Recoded { signs, orders: count - less };
            let cs = ConstraintSystem::new_ref();
            let result =
                odd_multiple_by(&point(&cs, BASE8), &wire(&cs, scalar), Some(recoded)).unwrap();
            assert!(cs.is_satisfied().unwrap());
            result.value().unwrap()
        });
        assert_eq!(results, [native(BASE8, scalar); 2]);
    }
    // With k = 7 it would be p or more.
    let rest = plus(OFFSET, Scalar::MODULUS);
    let scalar = Fr::from(Scalar::MODULUS) * Fr::from(8);
    assert_eq!(claim(scalar, rest, 7).as_deref(), Some("enforce_bound"));
}

#[test]
fn another_scalars_digits_are_refused() {
    let equation = Some("enforce_recoded".to_owned());
    let Recoded { signs, orders } = Recoded::of(Fr::from(6));
    assert_eq!(claim(Fr::from(6), signs, orders), None);
    assert_eq!(claim(Fr::from(5), signs, orders), equation);
    for other in 1..8 {
        assert_eq!(claim(Fr::from(6), signs, orders + other), equation);
    }
}

#[test]
fn the_identity_is_refused() {
    let identity = Point::new_unchecked(Fr::zero(), Fr::one());
    let broken = broken_clause(|cs| synthesise(&cs, identity, Fr::from(5)).map(drop));
    assert_eq!(broken.as_deref(), Some("enforce_not_identity"));
}

#[test]
fn it_costs_what_it_says() {
    let cs = ConstraintSystem::new_ref();
    synthesise(&cs, BASE8, Fr::from(5)).unwrap();
    let to_montgomery_and_four = 2 + 4 + 4;
    let steps = INCOMPLETE_STEPS * (1 + 5) + 2 + (BITS as usize - INCOMPLETE_STEPS) * (1 + 5 + 6);
    let recoding = 9 + 3 + 3 + 1 + (3 * 9 + CHUNK_BITS + 2);
    assert_eq!(cs.num_constraints(), to_montgomery_and_four + steps + recoding);
    assert_eq!(cs.num_constraints(), 1_612);
}
