//! A multiple of circomlib's `BASE8` by a scalar that only the prover knows.
//!
//! With `B = BASE8 / 2`, `S·BASE8 = T·B` for the odd integer `T = 2S − l`, and `T` is cut into 62 odd digits
//! `d_i` from −15 to 15 and a top digit `t` from −7 to 7: `T = Σ d_i·16^i + t·16⁶²`. There is one choice for
//! each odd `|T| < 2²⁵¹`, so for every `S` below `l`.
//!
//! The scalar is no wire, and need not be below `l`: a caller that hides it loses nothing, since a multiple
//! by `S` is one by `S mod l`. So no wire says which digit it is; all that is enforced is that a point is
//! one of the sixteen `d·16^i·B`. The eight for positive `d` have eight different `u`, the roots of a
//! polynomial, and with each `u` both signs of `v` are digits: it suffices that the point is on the curve.
//!
//! **No exceptional case.** Before digit `i`, from 1 to 61, the sum is `T·B` with `T` odd and
//! `|T| ≤ 16^i − 1`, whichever the digits are, and `d·16^i·B` is added with `1 ≤ |d| ≤ 15`. The
//! incomplete addition is wrong if `T ± d·16^i` is 0 modulo `l`. It is not 0 as an integer, since
//! `|T| < |d|·16^i`, and at most `16^(i+1) − 1`, which is below `l` for `i + 1 ≤ 62`. The top digit is
//! added by the complete formulas.

use std::sync::OnceLock;

use ark_ec::CurveGroup;
use ark_ff::{BigInt, BigInteger, Field, One, PrimeField, Zero};
use ark_r1cs_std::{
    alloc::AllocVar,
    fields::{FieldVar, fp::FpVar},
};
use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};

use super::{
    PointVar,
    montgomery::{MONTGOMERY_A, MontgomeryVar, coordinates},
    weighted_sum,
};
use crate::{
    Fr,
    babyjubjub::{BASE8, Point, Scalar},
};

/// Signed digits below the top one.
const DIGITS: usize = 62;
const DIGIT_BITS: usize = 4;
/// Magnitudes of a digit.
const ODD: [u64; 8] = [1, 3, 5, 7, 9, 11, 13, 15];
/// The top digit's magnitudes are the first ones.
const TOP: usize = 4;
const TOP_BITS: usize = 3;
/// Bits of `(T + 2^251 − 1) / 2`, in which a digit `d` is `(d + 15) / 2` and the top one `(t + 7) / 2`.
const BITS: u32 = Scalar::MODULUS_BIT_SIZE;
const _: () = assert!(DIGITS * DIGIT_BITS + TOP_BITS == BITS as usize);

/// `S·BASE8`, for an `S` that is no wire.
#[tracing::instrument(target = "gr1cs", skip_all)]
pub(crate) fn multiple(
    cs: &ConstraintSystemRef<Fr>,
    scalar: Option<Scalar>,
) -> Result<PointVar, SynthesisError> {
    multiple_by(cs, scalar.map(recode))
}

/// `(T + 2^251 − 1) / 2 = S + (2^251 − 1 − l) / 2`
fn recode(scalar: Scalar) -> BigInt<4> {
    let mut offset = BigInt::<4>::one() << BITS;
    offset.sub_with_borrow(&BigInt::one());
    offset.sub_with_borrow(&Scalar::MODULUS);
    offset.div2();
    let mut recoded = scalar.into_bigint();
    recoded.add_with_carry(&offset);
    recoded
}

fn multiple_by(
    cs: &ConstraintSystemRef<Fr>,
    recoded: Option<BigInt<4>>,
) -> Result<PointVar, SynthesisError> {
    let tables = Tables::get();
    let digit = |i: usize, bits: usize| {
        recoded.map(|recoded| Digit::of((0..bits).map(|k| recoded.get_bit(DIGIT_BITS * i + k))))
    };
    let mut sum: Option<MontgomeryVar> = None;
    for (i, table) in tables.digits.iter().enumerate() {
        let point = table.enforce_digit(cs, digit(i, DIGIT_BITS))?;
        sum = Some(match sum {
            None => point,
            Some(sum) => sum.add(&point)?,
        });
    }
    let low = sum.expect("there are 62 digits").to_edwards()?;
    low.add(&tables.top.enforce_top_digit(cs, digit(DIGITS, TOP_BITS))?)
}

/// `(2·magnitude + 1)`, or its negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Digit {
    magnitude: usize,
    positive: bool,
}

impl Digit {
    /// `2w − (2^n − 1)` for the `n` bits of `w`, the lowest first: the highest bit is the sign, and the
    /// others are the magnitude of a positive digit, the complement of a negative one's.
    fn of(bits: impl DoubleEndedIterator<Item = bool>) -> Self {
        let mut highest_first = bits.rev();
        let positive = highest_first.next().expect("a digit has bits");
        let magnitude = highest_first.fold(0, |sum, bit| 2 * sum + usize::from(bit == positive));
        Self { magnitude, positive }
    }

    fn signed(self, coordinate: Fr) -> Fr {
        if self.positive { coordinate } else { -coordinate }
    }
}

/// The points `±(2m + 1)·16^i·B` for `m` from 0 to 7, in Montgomery form.
struct Digits {
    points: [(Fr, Fr); ODD.len()],
    /// `Π (u − u_m)` over the first four `m` and over the last four: coefficients of 1, `u`, … `u⁴`.
    factors: [[Fr; ODD.len() / 2 + 1]; 2],
}

impl Digits {
    fn new(points: [(Fr, Fr); ODD.len()]) -> Self {
        let [first, last] = [0, 4].map(|from| [0, 1, 2, 3].map(|m| points[from + m].0));
        Self { points, factors: [monic(first), monic(last)] }
    }

    /// One of the sixteen points: `u` is a root of either factor, and `v² = u³ + A·u² + u`. Five
    /// constraints.
    ///
    /// Without the first, any point of the curve, so any signature; without the second, `v` is free, and
    /// the sums leave the curve.
    #[tracing::instrument(target = "gr1cs", skip_all)]
    fn enforce_digit(
        &self,
        cs: &ConstraintSystemRef<Fr>,
        digit: Option<Digit>,
    ) -> Result<MontgomeryVar, SynthesisError> {
        let point = digit.map(|digit| {
            let (u, v) = self.points[digit.magnitude];
            (u, digit.signed(v))
        });
        let u = new_witness(cs, point.map(|(u, _)| u))?;
        let v = new_witness(cs, point.map(|(_, v)| v))?;
        let square = u.square()?;
        let cube = &square * &u;
        let fourth = square.square()?;
        let [first, last] = self.factors.map(|[one, c1, c2, c3, c4]| {
            weighted_sum(&[
                (c1, u.clone()),
                (c2, square.clone()),
                (c3, cube.clone()),
                (c4, fourth.clone()),
            ])
            .map(|sum| sum + one)
        });
        first?.mul_equals(&last?, &FpVar::zero())?;
        v.square_equals(&(cube + square * Fr::from(MONTGOMERY_A) + &u))?;
        Ok(MontgomeryVar { u, v })
    }
}

/// The points `±(2m + 1)·16⁶²·B` for `m` from 0 to 3, in Edwards form.
struct TopDigit {
    points: [Point; TOP],
    /// `Π (y − y_m)` over the first two `m` and over the last two: coefficients of 1, `y`, `y²`.
    factors: [[Fr; TOP / 2 + 1]; 2],
}

impl TopDigit {
    fn new(points: [Point; TOP]) -> Self {
        let [first, last] = [0, 2].map(|from| [0, 1].map(|m| points[from + m].y));
        Self { points, factors: [monic(first), monic(last)] }
    }

    /// One of the eight points: `y` is a root of either factor, and the point is on the curve, on which
    /// just `(±x, y)` have this `y`. Four constraints.
    ///
    /// Without the first, any point of the curve, so any signature.
    #[tracing::instrument(target = "gr1cs", skip_all)]
    fn enforce_top_digit(
        &self,
        cs: &ConstraintSystemRef<Fr>,
        digit: Option<Digit>,
    ) -> Result<PointVar, SynthesisError> {
        let point = digit.map(|digit| {
            let Point { x, y } = self.points[digit.magnitude];
            Point::new_unchecked(digit.signed(x), y)
        });
        let point = PointVar::new_witness(cs, point)?;
        let squares = point.enforce_on_curve()?;
        let [first, last] = self.factors.map(|[one, c1, c2]| {
            weighted_sum(&[(c1, point.y.clone()), (c2, squares.y.clone())]).map(|sum| sum + one)
        });
        first?.mul_equals(&last?, &FpVar::zero())?;
        Ok(point)
    }
}

fn new_witness(
    cs: &ConstraintSystemRef<Fr>,
    value: Option<Fr>,
) -> Result<FpVar<Fr>, SynthesisError> {
    FpVar::new_witness(cs.clone(), || value.ok_or(SynthesisError::AssignmentMissing))
}

/// `Π (x − root)`: coefficients of 1, `x`, `x²` and so on.
fn monic<const ROOTS: usize, const COEFFICIENTS: usize>(roots: [Fr; ROOTS]) -> [Fr; COEFFICIENTS] {
    const { assert!(COEFFICIENTS == ROOTS + 1) };
    let mut product = [Fr::zero(); COEFFICIENTS];
    product[0] = Fr::one();
    for root in roots {
        for power in (0..COEFFICIENTS).rev() {
            let lower = if power == 0 { Fr::zero() } else { product[power - 1] };
            product[power] = lower - product[power] * root;
        }
    }
    product
}

struct Tables {
    digits: Vec<Digits>,
    top: TopDigit,
}

impl Tables {
    fn get() -> &'static Self {
        static TABLES: OnceLock<Tables> = OnceLock::new();
        TABLES.get_or_init(Self::new)
    }

    fn new() -> Self {
        let half = Scalar::from(2).inverse().expect("the order is odd");
        let base = BASE8 * half;
        let mut power = Scalar::one();
        let mut digits = Vec::with_capacity(DIGITS);
        for _ in 0..DIGITS {
            let odd = coordinates(&ODD.map(|odd| base * (power * Scalar::from(odd))));
            digits.push(Digits::new(odd.try_into().expect("eight in, eight out")));
            power *= Scalar::from(1u64 << DIGIT_BITS);
        }
        let top = [0, 1, 2, 3].map(|m| base * (power * Scalar::from(ODD[m])));
        Self { digits, top: TopDigit::new(top.map(|point| point.into_affine())) }
    }
}

#[cfg(test)]
mod tests;
