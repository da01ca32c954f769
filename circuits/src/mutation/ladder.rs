//! Steps of the long multiplication gone wrong in a way that is known, so that the secret key still signs.
//!
//! A step `X ← 2X + Q` with `Q = ±P` has five rows. For each there is another value of what it computes that keeps
//! the result on the curve, and for four of them the next step can go on from it:
//!
//! | row | instead | the result |
//! | --- | --- | --- |
//! | slope of `X` and `Q` | that of `X` and `−Q` | `2X − Q` |
//! | `u` of `X + Q` | that of `−Q` | `X − Q` |
//! | `u` of the result | that of `X + Q` | `−(X + Q)` |
//! | `v` of the result | its negative | `−(2X + Q)` |
//!
//! So the multiple is known, and `S` is what makes up for it. (The third row, of both slopes, has `−Q` for the
//! result, to which `±P` cannot be added.)

use std::ops::Range;

use ark_ff::{AdditiveGroup as _, Field as _, One as _};

use super::system::System;
use crate::{Fr, babyjubjub::Scalar};

/// Rows of a step after that of the sign.
const ROWS_OF_A_STEP: usize = 5;

/// Where the steps of `(2h + 1)·P` stand.
pub(super) struct Ladder {
    /// By step.
    steps: Vec<Step>,
    /// The steps in Montgomery form.
    incomplete: usize,
    /// The wire of `u` of `P`.
    u: usize,
    /// The first wire after the multiplication: `S·BASE8` and the equation.
    pub(super) first_wire: usize,
}

struct Step {
    row: usize,
    /// `v` of `Q`, or `x` of it.
    signed: usize,
    /// The same of `P`.
    magnitude: usize,
}

/// A wire set to another value, and what is multiplied with `P` in consequence.
pub(super) struct Fault {
    pub(super) wire: usize,
    pub(super) value: Fr,
    pub(super) multiple: Scalar,
}

impl Ladder {
    /// None if there are no such rows among those of the signature.
    pub(super) fn find(
        system: &System,
        signature: Range<usize>,
        functions: &[Vec<String>],
    ) -> Option<Self> {
        let is_in = |row: usize, name: &str| {
            functions[row].iter().any(|function| function.ends_with(&format!("::{name}")))
        };
        let rows = |name: &'static str| signature.clone().filter(move |row| is_in(*row, name));
        let step = |row: usize| {
            let is_new = |wire: &usize| system.rows_of(*wire).first() == Some(&row);
            let signed = system.wires_in(row).find(is_new)?;
            let magnitude = system.wires_in(row).find(|wire| *wire != signed)?;
            Some(Step { row, signed, magnitude })
        };
        let steps: Vec<Step> = rows("enforce_signed").map(step).collect::<Option<_>>()?;
        let magnitude = steps.first()?.magnitude;
        let first = rows("multiple").next()?;
        Some(Self {
            incomplete: steps.iter().filter(|step| step.magnitude == magnitude).count(),
            steps,
            u: system.computes(rows("enforce_not_identity").next()?)?,
            first_wire: system.wires_in(first).min()?,
        })
    }

    /// How to break the row, if it is one of an incomplete step.
    pub(super) fn fault(&self, system: &System, z: &[Fr], row: usize) -> Option<Fault> {
        let at = self.steps.partition_point(|step| step.row < row).checked_sub(1)?;
        let Step { row: sign, signed, .. } = self.steps[at];
        if at >= self.incomplete || row - sign > ROWS_OF_A_STEP {
            return None;
        }
        let wire = system.computes(row)?;
        let earlier = |rows: usize| system.computes(row - rows).map(|wire| z[wire]);
        let value = match row - sign {
            1 => z[wire] - z[signed].double() * system.slope(row, wire, z).inverse()?,
            2 => z[self.u],
            3 => return None,
            4 => earlier(2)?,
            _ => -z[wire],
        };
        // From 4P.
        let mut multiple = Scalar::from(4);
        for (number, step) in self.steps.iter().enumerate() {
            let q =
                if z[step.signed] == z[step.magnitude] { Scalar::one() } else { -Scalar::one() };
            let twice = multiple.double();
            multiple = match row - sign {
                _ if number != at => twice + q,
                1 => twice - q,
                2 => multiple - q,
                4 => -(multiple + q),
                _ => -(twice + q),
            };
        }
        Some(Fault { wire, value, multiple })
    }
}
