use ark_ec::CurveGroup;
use ark_ff::{UniformRand, Zero};
use ark_relations::gr1cs::{ConstraintSystem, ConstraintSystemRef};
use ark_std::test_rng;

use super::*;
use crate::babyjubjub::{
    BASE8, Point, Scalar,
    constraints::tests::{broken_clause, point, wire},
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

#[test]
fn the_offset_is_eleven_orders_less_a_power_of_two() {
    let eleven = (0..11).fold(BigInt::zero(), |sum, _| plus(sum, Scalar::MODULUS));
    assert_eq!(OFFSET, minus(eleven, power_of_two(254)));
    // g < δ + p has 254 bits.
    assert!(plus(OFFSET, Fr::MODULUS) < power_of_two(254));
    assert_eq!(INCOMPLETE_STEPS % CHUNK_BITS, 0);
}

/// Before step `i` the multiple is odd, from `2^(i+1) + 1` to `2^(i+2) − 1`.
#[test]
fn signs_reach_exactly_the_multiples_of_the_argument() {
    let mut reached = vec![3u64];
    for i in 0..10 {
        let expected: Vec<u64> = ((1 << (i + 1)) + 1..1 << (i + 2)).step_by(2).collect();
        assert_eq!(reached, expected, "step {i}");
        reached = reached.iter().flat_map(|k| [2 * k - 1, 2 * k + 1]).collect();
    }
}

#[test]
fn incomplete_steps_meet_no_exception() {
    let order = Scalar::MODULUS;
    for i in 0..INCOMPLETE_STEPS {
        let i = u32::try_from(i).unwrap();
        let least = plus(power_of_two(i + 1), BigInt::one());
        let most = minus(power_of_two(i + 2), BigInt::one());
        // k − 1 > 0 and k + 1 < l: the multiple is not ±P. 2k − 1 > 0 and 2k + 1 < l: it plus or
        // less P is not its negative, and the result is not the identity.
        assert!(least > BigInt::one());
        assert!(plus(most, BigInt::one()) < order);
        assert!(plus(plus(most, most), BigInt::one()) < order, "step {i}");
    }
}

#[test]
fn one_more_incomplete_step_could_meet_one() {
    let i = u32::try_from(INCOMPLETE_STEPS).unwrap();
    // l = 2k + 1 or l = 2k − 1, with k odd.
    let mut half = Scalar::MODULUS;
    half.div2();
    let k = if half.is_odd() { half } else { plus(half, BigInt::one()) };
    assert!(k > power_of_two(i + 1) && k < power_of_two(i + 2));
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
    // The 248 high bits of g put the multiple at k with 2k ± 1 = l: only complete formulas go on.
    let mut half = Scalar::MODULUS;
    half.div2();
    let k = if half.is_odd() { half } else { plus(half, BigInt::one()) };
    let prefix = minus(k, plus(power_of_two(249), BigInt::one()));
    // k = 2^249 + 2·prefix + 1, and g = 2^6 · prefix.
    let recoded = prefix << 5;
    let scalar = Fr::from(minus(recoded, OFFSET));
    let cs = ConstraintSystem::new_ref();
    let result = synthesise(&cs, BASE8, scalar).unwrap();
    assert_eq!(result.value().unwrap(), native(BASE8, scalar));
    assert!(cs.is_satisfied().unwrap());
}

#[test]
fn an_alias_of_the_scalar_is_refused() {
    let claim = |scalar: Fr, recoded: BigInt<4>| {
        broken_clause(|cs| {
            odd_multiple_by(&point(&cs, BASE8), &wire(&cs, scalar), Some(recoded)).map(drop)
        })
    };
    // h + p, for a small h: 254 bits suffice for it.
    let low = Fr::from(5);
    let above = plus(recode(low), Fr::MODULUS);
    assert!(above < power_of_two(254));
    assert_eq!(claim(low, above).as_deref(), Some("enforce_less_than"));
    assert_eq!(claim(low, recode(low)), None);
    // h − p, for a large h: not negative with the offset.
    let high = -Fr::from(5);
    let below = minus(recode(high), Fr::MODULUS);
    assert!(below < OFFSET);
    assert_eq!(claim(high, below).as_deref(), Some("enforce_less_than"));
    assert_eq!(claim(high, recode(high)), None);
    // The bounds themselves are h = −1 and h = p, spelled as they must not be.
    let minus_one = minus(OFFSET, BigInt::one());
    assert_eq!(claim(-Fr::one(), minus_one).as_deref(), Some("enforce_less_than"));
    let modulus = plus(OFFSET, Fr::MODULUS);
    assert_eq!(claim(Fr::zero(), modulus).as_deref(), Some("enforce_less_than"));
}

#[test]
fn another_scalars_digits_are_refused() {
    let broken = broken_clause(|cs| {
        let recoded = recode(Fr::from(6));
        odd_multiple_by(&point(&cs, BASE8), &wire(&cs, Fr::from(5)), Some(recoded)).map(drop)
    });
    assert_eq!(broken.as_deref(), Some("enforce_recoded"));
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
    let to_montgomery_and_three = 2 + 4 + 3;
    let steps = INCOMPLETE_STEPS * (1 + 5) + 2 + (BITS as usize - INCOMPLETE_STEPS) * (1 + 5 + 6);
    let recoding = 9 + 1 + 2 * (3 * 9 + CHUNK_BITS + 1);
    assert_eq!(cs.num_constraints(), to_montgomery_and_three + steps + recoding);
    assert_eq!(cs.num_constraints(), 1_699);
}
