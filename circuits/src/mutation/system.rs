//! A circuit's rows as a program: which row computes which wire, and which rows only check.

use ark_ff::{Field as _, One, Zero};

use crate::{
    Fr,
    groth16::{R1cs, row_value},
};

/// Rows, and where each wire stands.
#[derive(Debug)]
pub(super) struct System {
    r1cs: R1cs,
    /// By wire: the rows it is in, in order.
    rows_of: Vec<Vec<usize>>,
    /// By row: the wire that it computes from earlier ones.
    computes: Vec<Option<usize>>,
    /// By wire: the row that computes it.
    computed_by: Vec<Option<usize>>,
    /// By wire: the row `b · (1 − b) = 0` of a bit.
    bit_row: Vec<Option<usize>>,
}

/// The three products of a row with an assignment, and a wire's factors in them.
struct Terms {
    values: [Fr; 3],
    factors: [Fr; 3],
}

impl System {
    /// Witnesses are made in the order of the rows, so a wire that a row is the first to mention, and
    /// linearly, is what the row computes; of several, the one that was made last.
    pub(super) fn new(r1cs: R1cs) -> Self {
        let matrices = r1cs.matrices();
        let rows = r1cs.constraints();
        let mut rows_of: Vec<Vec<usize>> = vec![Vec::new(); r1cs.variables()];
        let mut computes = vec![None; rows];
        let mut computed_by = vec![None; r1cs.variables()];
        let mut bit_row = vec![None; r1cs.variables()];
        for row in 0..rows {
            let mut wires: Vec<usize> = Vec::new();
            for matrix in matrices {
                wires.extend(matrix[row].iter().map(|(_, wire)| *wire).filter(|wire| *wire > 0));
            }
            wires.sort_unstable();
            wires.dedup();
            let is_in =
                |matrix: usize, wire: usize| matrices[matrix][row].iter().any(|it| it.1 == wire);
            let newest = wires
                .iter()
                .rev()
                .find(|wire| rows_of[**wire].is_empty() && !(is_in(0, **wire) && is_in(1, **wire)));
            if let Some(wire) = newest {
                computes[row] = Some(*wire);
                computed_by[*wire] = Some(row);
            }
            for wire in &wires {
                rows_of[*wire].push(row);
            }
            if let [wire] = wires[..]
                && is_in(0, wire)
                && is_in(1, wire)
            {
                let at = |value: Fr| {
                    let [a, b, c] = [0, 1, 2].map(|matrix| {
                        let row = &matrices[matrix][row];
                        let term = |(factor, wire): &(Fr, usize)| {
                            if *wire == 0 { *factor } else { *factor * value }
                        };
                        row.iter().map(term).sum::<Fr>()
                    });
                    a * b == c
                };
                if at(Fr::zero()) && at(Fr::one()) {
                    bit_row[wire] = Some(row);
                }
            }
        }
        Self { r1cs, rows_of, computes, computed_by, bit_row }
    }

    pub(super) const fn rows(&self) -> usize {
        self.r1cs.constraints()
    }

    /// The rows that `wire` is in, in order.
    pub(super) fn rows_of(&self, wire: usize) -> &[usize] {
        &self.rows_of[wire]
    }

    /// The wire that `row` computes.
    pub(super) fn computes(&self, row: usize) -> Option<usize> {
        self.computes[row]
    }

    /// The row that computes `wire`; none for what a prover may choose.
    pub(super) fn computed_by(&self, wire: usize) -> Option<usize> {
        self.computed_by[wire]
    }

    /// The row that makes `wire` a bit.
    pub(super) fn bit_row(&self, wire: usize) -> Option<usize> {
        self.bit_row[wire]
    }

    /// The wires in `row`, with repetitions and without the constant.
    pub(super) fn wires_in(&self, row: usize) -> impl Iterator<Item = usize> {
        let terms = self.r1cs.matrices().iter().flat_map(move |matrix| &matrix[row]);
        terms.map(|(_, wire)| *wire).filter(|wire| *wire > 0)
    }

    /// `⟨a, z⟩ · ⟨b, z⟩ − ⟨c, z⟩`: 0 if the row holds.
    pub(super) fn residual(&self, row: usize, z: &[Fr]) -> Fr {
        let [a, b, c] = self.r1cs.matrices();
        row_value(&a[row], z) * row_value(&b[row], z) - row_value(&c[row], z)
    }

    fn terms(&self, row: usize, wire: usize, z: &[Fr]) -> Terms {
        let of = |matrix: usize| &self.r1cs.matrices()[matrix][row];
        let factor = |matrix: usize| {
            of(matrix).iter().filter(|it| it.1 == wire).map(|(factor, _)| *factor).sum()
        };
        Terms {
            values: [0, 1, 2].map(|matrix| row_value(of(matrix), z)),
            factors: [0, 1, 2].map(factor),
        }
    }

    /// How much the residual grows with a wire in which the row is linear.
    pub(super) fn slope(&self, row: usize, wire: usize, z: &[Fr]) -> Fr {
        let Terms { values: [a, b, _], factors: [in_a, in_b, in_c] } = self.terms(row, wire, z);
        in_a * b + in_b * a - in_c
    }

    /// The value of a wire in which `row` is linear that makes it hold; none if none or all do.
    pub(super) fn solve(&self, row: usize, wire: usize, z: &[Fr]) -> Option<Fr> {
        let inverse = self.slope(row, wire, z).inverse()?;
        Some(z[wire] - self.residual(row, z) * inverse)
    }

    /// The rows that do not hold, each looked at; no more of them than `most`.
    pub(super) fn unsatisfied(&self, z: &[Fr], most: usize) -> Vec<usize> {
        (0..self.rows()).filter(|row| !self.residual(*row, z).is_zero()).take(most).collect()
    }
}
