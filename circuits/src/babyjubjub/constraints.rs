//! BabyJubJub as constraints.
//!
//! [`PointVar`] has the complete Edwards formulas: right for every two points of the curve, because
//! 168700 is a square and 168696 is not. The long multiplications use Montgomery form, at about half
//! the price; each says why it never meets a case that its formulas are wrong for.

mod comparison;
pub(crate) mod fixed_base;
mod montgomery;
pub(crate) mod variable_base;

use ark_ec::twisted_edwards::TECurveConfig;
use ark_ff::{AdditiveGroup, Field, One};
use ark_r1cs_std::{GR1CSVar, alloc::AllocVar, fields::FieldVar, fields::fp::FpVar};
use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};
use taceo_ark_babyjubjub::EdwardsConfig;

use super::{Point, Scalar};
use crate::Fr;

const A: Fr = <EdwardsConfig as TECurveConfig>::COEFF_A;
const D: Fr = <EdwardsConfig as TECurveConfig>::COEFF_D;

/// Two coordinates. That they are a point, or of which order, is enforced by whoever uses them.
#[derive(Clone, Debug)]
pub struct PointVar {
    /// The first coordinate.
    pub x: FpVar<Fr>,
    /// The second coordinate.
    pub y: FpVar<Fr>,
}

/// `x²` and `y²`
pub(crate) struct Squares {
    x: FpVar<Fr>,
    y: FpVar<Fr>,
}

impl PointVar {
    /// New private wires, on which nothing is enforced.
    pub(crate) fn new_witness(
        cs: &ConstraintSystemRef<Fr>,
        point: Option<Point>,
    ) -> Result<Self, SynthesisError> {
        let coordinate = |value: Option<Fr>| {
            FpVar::new_witness(cs.clone(), || value.ok_or(SynthesisError::AssignmentMissing))
        };
        Ok(Self { x: coordinate(point.map(|p| p.x))?, y: coordinate(point.map(|p| p.y))? })
    }

    pub(crate) fn cs(&self) -> ConstraintSystemRef<Fr> {
        self.x.cs().or(self.y.cs())
    }

    /// The assigned point, on the curve or not; none in setup.
    pub(crate) fn value(&self) -> Option<Point> {
        Some(Point::new_unchecked(self.x.value().ok()?, self.y.value().ok()?))
    }

    fn squares(&self) -> Result<Squares, SynthesisError> {
        Ok(Squares { x: self.x.square()?, y: self.y.square()? })
    }

    /// `A·x² + y² = 1 + D·x²·y²`. Three constraints.
    ///
    /// Without it, coordinates on another curve: the formulas then compute on that one, which may
    /// have points of small order, and no discrete logarithm worth the name.
    #[tracing::instrument(target = "gr1cs", skip_all)]
    pub(crate) fn enforce_on_curve(&self) -> Result<Squares, SynthesisError> {
        let squares = self.squares()?;
        let sum = &squares.x * A + &squares.y - Fr::one();
        squares.x.mul_equals(&(&squares.y * D), &sum)?;
        Ok(squares)
    }

    /// `2P`, for any point of the curve. Five constraints.
    pub(crate) fn double(&self) -> Result<Self, SynthesisError> {
        self.double_with(&self.squares()?)
    }

    fn double_with(&self, squares: &Squares) -> Result<Self, SynthesisError> {
        let doubled = self.value().map(|point| {
            let (x, y) = (point.x.square() * A, point.y.square());
            let sum = x + y;
            Point::new_unchecked(
                divide((point.x * point.y).double(), sum),
                divide(y - x, Fr::from(2) - sum),
            )
        });
        let doubled = Self::new_witness(&self.cs(), doubled)?;
        self.enforce_double(squares, &doubled)?;
        Ok(doubled)
    }

    /// `x' · (A·x² + y²) = 2·x·y` and `y' · (2 − A·x² − y²) = y² − A·x²`: `doubled = 2P`, for any
    /// point of the curve. Three constraints.
    ///
    /// On the curve the factors are `1 ± D·(x·y)²`, which is never zero.
    fn enforce_double(&self, squares: &Squares, doubled: &Self) -> Result<(), SynthesisError> {
        let product = &self.x * &self.y;
        let scaled = &squares.x * A;
        let sum = &scaled + &squares.y;
        doubled.x.mul_equals(&sum, &product.double()?)?;
        let rest = FpVar::Constant(Fr::from(2)) - &sum;
        doubled.y.mul_equals(&rest, &(&squares.y - &scaled))
    }

    /// `P + Q`, for any two points of the curve. Six constraints.
    pub(crate) fn add(&self, other: &Self) -> Result<Self, SynthesisError> {
        let sum = self.value().zip(other.value()).map(|(left, right)| {
            let (beta, gamma) = (left.x * right.y, left.y * right.x);
            let tau = D * beta * gamma;
            let straight = left.y * right.y - A * left.x * right.x;
            Point::new_unchecked(
                divide(beta + gamma, Fr::one() + tau),
                divide(straight, Fr::one() - tau),
            )
        });
        let sum = Self::new_witness(&self.cs().or(other.cs()), sum)?;
        self.enforce_sum(other, &sum)?;
        Ok(sum)
    }

    /// `sum = P + Q`, for any two points of the curve. Six constraints.
    ///
    /// `x₃ · (1 + D·τ) = x₁y₂ + y₁x₂` and `y₃ · (1 − D·τ) = y₁y₂ − A·x₁x₂` with `τ = x₁y₂·y₁x₂`; on
    /// the curve the factors are never zero (Bernstein and others, "Twisted Edwards curves", 2008,
    /// section 6).
    fn enforce_sum(&self, other: &Self, sum: &Self) -> Result<(), SynthesisError> {
        let beta = &self.x * &other.y;
        let gamma = &self.y * &other.x;
        let delta = (&self.y - &self.x * A) * (&other.x + &other.y);
        let tau = &beta * &gamma * D;
        sum.x.mul_equals(&(&tau + Fr::one()), &(&beta + &gamma))?;
        let straight = delta + &beta * A - &gamma;
        sum.y.mul_equals(&(FpVar::one() - &tau), &straight)
    }

    /// `−P`
    pub(crate) fn negate(&self) -> Result<Self, SynthesisError> {
        Ok(Self { x: self.x.negate()?, y: self.y.clone() })
    }

    /// `self = P + Q`, for any two points of the curve. Six constraints.
    pub(crate) fn enforce_equal_sum(
        &self,
        left: &Self,
        right: &Self,
    ) -> Result<(), SynthesisError> {
        left.enforce_sum(right, self)
    }

    /// `P = 8Q` for a `Q` on the curve: `P` is on the curve and in the subgroup of order `l`, for
    /// the curve has order `8l`. Sixteen constraints.
    ///
    /// Without it, a key of order 8 or less, under which every message is signed, or one with such a
    /// component, which no other verifier accepts.
    #[tracing::instrument(target = "gr1cs", skip_all)]
    pub(crate) fn enforce_in_subgroup(&self) -> Result<(), SynthesisError> {
        let eighth = self.value().map(|point| {
            if !point.is_on_curve() {
                return Point::zero(); // there is no witness; any value will fail
            }
            let inverse = Scalar::from(8).inverse().expect("the order is odd");
            (point * inverse).into()
        });
        let eighth = Self::new_witness(&self.cs(), eighth)?;
        let squares = eighth.enforce_on_curve()?;
        let half = eighth.double_with(&squares)?.double()?;
        half.enforce_double(&half.squares()?, self)
    }
}

/// `n / d`, and 0 for `d = 0`, where no value will do.
fn divide(n: Fr, d: Fr) -> Fr {
    n * d.inverse().unwrap_or_default()
}

/// `q` with `q · d = n`, as a new wire. One constraint; pins `q` only where `d` is not zero.
fn quotient(n: &FpVar<Fr>, d: &FpVar<Fr>) -> Result<FpVar<Fr>, SynthesisError> {
    let q = n.value().ok().zip(d.value().ok()).map(|(n, d)| divide(n, d));
    quotient_by(n, d, q)
}

/// [`quotient`] with a value that the prover found in a cheaper way.
fn quotient_by(n: &FpVar<Fr>, d: &FpVar<Fr>, q: Option<Fr>) -> Result<FpVar<Fr>, SynthesisError> {
    let q = FpVar::new_witness(n.cs().or(d.cs()), || q.ok_or(SynthesisError::AssignmentMissing))?;
    q.mul_equals(d, n)?;
    Ok(q)
}

/// `w` with `a · b = w + c`, as a new wire, so that long computations stay short sums. One constraint.
fn product_less(a: &FpVar<Fr>, b: &FpVar<Fr>, c: &FpVar<Fr>) -> Result<FpVar<Fr>, SynthesisError> {
    let cs = a.cs().or(b.cs());
    let w = FpVar::new_witness(cs, || Ok(a.value()? * b.value()? - c.value()?))?;
    a.mul_equals(b, &(&w + c))?;
    Ok(w)
}

/// `w = ±magnitude`, as a new wire: `(w − magnitude)(w + magnitude) = 0`. One constraint.
///
/// The sign is the prover's to choose, as a boolean would be.
#[tracing::instrument(target = "gr1cs", skip_all)]
fn enforce_signed(
    magnitude: &FpVar<Fr>,
    positive: Option<bool>,
) -> Result<FpVar<Fr>, SynthesisError> {
    let signed = FpVar::new_witness(magnitude.cs(), || {
        let positive = positive.ok_or(SynthesisError::AssignmentMissing)?;
        let magnitude = magnitude.value()?;
        Ok(if positive { magnitude } else { -magnitude })
    })?;
    (&signed - magnitude).mul_equals(&(&signed + magnitude), &FpVar::zero())?;
    Ok(signed)
}

/// `Σ weight · wire`
fn weighted_sum(terms: &[(Fr, FpVar<Fr>)]) -> Result<FpVar<Fr>, SynthesisError> {
    let (weights, wires): (Vec<_>, Vec<_>) =
        terms.iter().map(|(weight, wire)| (FpVar::Constant(*weight), wire.clone())).unzip();
    FpVar::inner_product(&weights, &wires)
}

#[cfg(test)]
pub(crate) mod tests;
