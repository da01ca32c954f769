//! BabyJubJub in Montgomery form, `v² = u³ + 168698·u² + u`, with formulas that are cheap and
//! incomplete.
//!
//! With `P = (u₁, v₁)` and `Q = (u₂, v₂)`, a division by zero would leave a wire free. Each function
//! says what its caller has to rule out.
//!
//! Source: Bernstein and Lange, "Montgomery curves and the Montgomery ladder", 2017, section 4.3;
//! the skipped coordinate of `2P + Q`: Eisenträger, Lauter, Montgomery, "Fast elliptic curve
//! arithmetic", 2003.

use ark_ff::One;
use ark_r1cs_std::{fields::FieldVar, fields::fp::FpVar};
use ark_relations::gr1cs::SynthesisError;

use super::{PointVar, product_less, quotient};
use crate::Fr;

/// `A` of the Montgomery form: `2(a + d) / (a − d)`. Its `B = 4 / (a − d)` is 1.
const MONTGOMERY_A: u64 = 168_698;

#[derive(Clone, Debug)]
pub(super) struct MontgomeryVar {
    pub(super) u: FpVar<Fr>,
    pub(super) v: FpVar<Fr>,
}

impl MontgomeryVar {
    /// `u = (1 + y) / (1 − y)`, `v = u / x`. Two constraints.
    ///
    /// There is no assignment for the identity. The caller rules out the point of order 2, for which
    /// `v` would be free.
    #[tracing::instrument(target = "gr1cs", name = "enforce_not_identity", skip_all)]
    pub(super) fn from_edwards(point: &PointVar) -> Result<Self, SynthesisError> {
        let u = quotient(&(&point.y + Fr::one()), &(FpVar::one() - &point.y))?;
        let v = quotient(&u, &point.x)?;
        Ok(Self { u, v })
    }

    /// `x = u / v`, `y = (u − 1) / (u + 1)`. Two constraints.
    ///
    /// No point has `u = −1`, since `168698 − 2` is no square. Only the point of order 2 has `v = 0`;
    /// the caller rules it out.
    pub(super) fn to_edwards(&self) -> Result<PointVar, SynthesisError> {
        Ok(PointVar {
            x: quotient(&self.u, &self.v)?,
            y: quotient(&(&self.u - Fr::one()), &(&self.u + Fr::one()))?,
        })
    }

    /// `2P`: `λ = (3u² + 2Au + 1) / 2v`. Four constraints.
    ///
    /// The caller rules out the point of order 2.
    pub(super) fn double(&self) -> Result<Self, SynthesisError> {
        let square = self.u.square()?;
        let tangent = &square * Fr::from(3) + &self.u * Fr::from(2 * MONTGOMERY_A) + Fr::one();
        let slope = quotient(&tangent, &self.v.double()?)?;
        let u = self.third_root(&slope, &self.u)?;
        self.on_line(&slope, u)
    }

    /// `P + Q`: `λ = (v₂ − v₁) / (u₂ − u₁)`. Three constraints.
    ///
    /// The caller rules out `P = ±Q`.
    pub(super) fn add(&self, other: &Self) -> Result<Self, SynthesisError> {
        let slope = self.slope_to(other)?;
        let u = self.third_root(&slope, &other.u)?;
        self.on_line(&slope, u)
    }

    /// `2P + Q = P + (P + Q)`, without the second coordinate of `P + Q`, whose slope to `P` is
    /// `2v₁ / (u₁ − u₃) − λ`. Five constraints.
    ///
    /// The caller rules out `P = ±Q` and `P + Q = ±P`.
    pub(super) fn double_add(&self, other: &Self) -> Result<Self, SynthesisError> {
        let slope = self.slope_to(other)?;
        let between = self.third_root(&slope, &other.u)?;
        let both = quotient(&self.v.double()?, &(&self.u - &between))?;
        let slope = both - slope;
        let u = self.third_root(&slope, &between)?;
        self.on_line(&slope, u)
    }

    fn slope_to(&self, other: &Self) -> Result<FpVar<Fr>, SynthesisError> {
        quotient(&(&other.v - &self.v), &(&other.u - &self.u))
    }

    /// `λ² − A − u₁ − u₂`: the line of slope `λ` through both meets the curve a third time there.
    fn third_root(
        &self,
        slope: &FpVar<Fr>,
        other: &FpVar<Fr>,
    ) -> Result<FpVar<Fr>, SynthesisError> {
        let known = &self.u + other + Fr::from(MONTGOMERY_A);
        product_less(slope, slope, &known)
    }

    /// The negative of the point at `u` on the line of that slope through `P`: `v = λ(u₁ − u) − v₁`.
    fn on_line(&self, slope: &FpVar<Fr>, u: FpVar<Fr>) -> Result<Self, SynthesisError> {
        let v = product_less(slope, &(&self.u - &u), &self.v)?;
        Ok(Self { u, v })
    }
}
