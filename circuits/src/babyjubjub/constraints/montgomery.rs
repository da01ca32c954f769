//! BabyJubJub in Montgomery form, `v² = u³ + 168698·u² + u`, with formulas that are cheap and
//! incomplete.
//!
//! With `P = (u₁, v₁)` and `Q = (u₂, v₂)`, a division by zero would leave a wire free. Each function
//! says what its caller has to rule out.
//!
//! Source: Bernstein and Lange, "Montgomery curves and the Montgomery ladder", 2017, section 4.3;
//! the skipped coordinate of `2P + Q`: Eisenträger, Lauter, Montgomery, "Fast elliptic curve
//! arithmetic", 2003.

use ark_ec::CurveGroup;
use ark_ff::{AdditiveGroup, One, batch_inversion};
use ark_r1cs_std::{fields::FieldVar, fields::fp::FpVar};
use ark_relations::gr1cs::SynthesisError;
use taceo_ark_babyjubjub::EdwardsProjective;

use super::{PointVar, product_less, quotient, quotient_by};
use crate::Fr;

/// `A` of the Montgomery form: `2(a + d) / (a − d)`. Its `B = 4 / (a − d)` is 1.
pub(super) const MONTGOMERY_A: u64 = 168_698;

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
        let slope = quotient(&(&other.v - &self.v), &(&other.u - &self.u))?;
        let u = self.third_root(&slope, &other.u)?;
        self.on_line(&slope, u)
    }

    /// `2P + Q = P + (P + Q)`, without the second coordinate of `P + Q`, whose slope to `P` is
    /// `2v₁ / (u₁ − u₃) − λ`. Five constraints.
    ///
    /// The caller rules out `P = ±Q` and `P + Q = ±P`.
    pub(super) fn double_add(
        &self,
        other: &Self,
        slopes: Option<Slopes>,
    ) -> Result<Self, SynthesisError> {
        let first = slopes.map(|slopes| slopes.first);
        let slope = quotient_by(&(&other.v - &self.v), &(&other.u - &self.u), first)?;
        let between = self.third_root(&slope, &other.u)?;
        let both = slopes.map(|slopes| slopes.both);
        let both = quotient_by(&self.v.double()?, &(&self.u - &between), both)?;
        let slope = both - slope;
        let u = self.third_root(&slope, &between)?;
        self.on_line(&slope, u)
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

/// The two quotients of one [`MontgomeryVar::double_add`]: the slope to `Q`, and the sum of it and
/// the slope to `P + Q`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slopes {
    first: Fr,
    both: Fr,
}

/// The quotients of each `2P + Q`, together: one inversion costs as much as a hundred products.
pub(super) fn slopes(steps: &[(EdwardsProjective, EdwardsProjective)]) -> Vec<Slopes> {
    let points: Vec<_> = steps.iter().flat_map(|(p, q)| [*p, *q, *p + q]).collect();
    let coordinates = coordinates(&points);
    let steps = || coordinates.chunks_exact(3).map(|step| (step[0], step[1], step[2]));
    let mut inverses: Vec<Fr> = steps().flat_map(|(p, q, sum)| [q.0 - p.0, p.0 - sum.0]).collect();
    batch_inversion(&mut inverses);
    steps()
        .zip(inverses.chunks_exact(2))
        .map(|((p, q, _), inverse)| Slopes {
            first: (q.1 - p.1) * inverse[0],
            both: p.1.double() * inverse[1],
        })
        .collect()
}

/// `(u, v)` of each point; zeros for the identity and the point of order 2, which have none.
pub(super) fn coordinates(points: &[EdwardsProjective]) -> Vec<(Fr, Fr)> {
    let points = EdwardsProjective::normalize_batch(points);
    let mut inverses: Vec<Fr> =
        points.iter().map(|point| (Fr::one() - point.y) * point.x).collect();
    batch_inversion(&mut inverses);
    points
        .iter()
        .zip(inverses)
        .map(|(point, inverse)| {
            let v = (Fr::one() + point.y) * inverse;
            (v * point.x, v)
        })
        .collect()
}
