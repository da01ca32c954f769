//! The permutation on values, with partial rounds that cost 2t multiplications in place of t².
//!
//! A partial round raises lane 0 only, so whatever acts on the other lanes alone can be done after it.
//! With the mixing matrix `M = [m v; w N]`, and `y` in place of the state `x = diag(1, N^r) y` before
//! partial round `r`, a round is
//! ```text
//! y ← y + diag(1, N^−r) c_r        the round's constants
//! y0 ← y0^5
//! y ← [m  v·N^r; N^−(r+1)·w  1] y   2t − 1 multiplications
//! ```
//! and after the last of `R` partial rounds the state is `diag(1, N^R) y`. `N` has an inverse, because
//! every square part of an MDS matrix has one. All this is computed once for each number of lanes.
//!
//! Source: Grassi et al., "Poseidon", USENIX Security 2021, appendix B.

use std::sync::OnceLock;

use ark_ff::{AdditiveGroup, Field, Zero};
use light_poseidon::parameters::bn254_x5::get_poseidon_parameters;

use super::MAX_ARITY;
use crate::Fr;

/// The most lanes.
const MAX_WIDTH: usize = MAX_ARITY + 1;

type Matrix = Vec<Vec<Fr>>;

/// The permutation of one number of lanes.
pub(super) struct Permutation {
    mixing: Matrix,
    /// Constants of the full rounds before the partial ones.
    first: Matrix,
    partial: Vec<PartialRound>,
    /// `N^R`
    spread: Matrix,
    /// Constants of the full rounds after them.
    last: Matrix,
}

struct PartialRound {
    constants: Vec<Fr>,
    /// `m`, then `v·N^r`.
    row: Vec<Fr>,
    /// `N^−(r+1)·w`
    column: Vec<Fr>,
}

impl Permutation {
    /// circomlib's, for that many inputs.
    pub(super) fn of(inputs: usize) -> &'static Self {
        static PERMUTATIONS: [OnceLock<Permutation>; MAX_WIDTH + 1] =
            [const { OnceLock::new() }; MAX_WIDTH + 1];
        PERMUTATIONS[inputs + 1].get_or_init(|| Self::new(inputs + 1))
    }

    fn new(width: usize) -> Self {
        let lanes = u8::try_from(width).expect("at most 13 lanes");
        let parameters = get_poseidon_parameters::<Fr>(lanes).expect("circomlib has 2 to 13 lanes");
        assert_eq!(parameters.alpha, 5, "the S-box that is written out here");
        let mut rounds = parameters.ark.chunks(width).map(<[Fr]>::to_vec);
        let half = parameters.full_rounds / 2;
        let first = rounds.by_ref().take(half).collect();
        let mixing = parameters.mds;
        let others: Matrix = mixing[1..].iter().map(|row| row[1..].to_vec()).collect();
        let undone = inverse(&others);
        let mut row = mixing[0][1..].to_vec();
        let mut column: Vec<Fr> = mixing[1..].iter().map(|row| row[0]).collect();
        let mut undone_so_far = identity(width - 1);
        let mut spread = identity(width - 1);
        let mut partial = Vec::with_capacity(parameters.partial_rounds);
        for constants in rounds.by_ref().take(parameters.partial_rounds) {
            column = apply(&undone, &column);
            partial.push(PartialRound {
                constants: [&constants[..1], &apply(&undone_so_far, &constants[1..])].concat(),
                row: [&mixing[0][..1], &row].concat(),
                column: column.clone(),
            });
            row = product(&vec![row], &others).remove(0);
            undone_so_far = product(&undone_so_far, &undone);
            spread = product(&spread, &others);
        }
        Self { mixing, first, partial, spread, last: rounds.collect() }
    }

    /// Lane 0 after the permutation of `0 ‖ inputs`.
    pub(super) fn hash(&self, inputs: &[Fr]) -> Fr {
        let mut lanes = [Fr::ZERO; MAX_WIDTH];
        let state = &mut lanes[..=inputs.len()];
        state[1..].copy_from_slice(inputs);
        for constants in &self.first {
            self.full_round(state, constants);
        }
        for PartialRound { constants, row, column } in &self.partial {
            for (lane, constant) in state.iter_mut().zip(constants) {
                *lane += constant;
            }
            let raised = fifth_power(state[0]);
            state[0] = raised;
            let mixed = inner(row, state);
            for (lane, factor) in state[1..].iter_mut().zip(column) {
                *lane += raised * factor;
            }
            state[0] = mixed;
        }
        mix(&self.spread, &mut state[1..]);
        for constants in &self.last {
            self.full_round(state, constants);
        }
        lanes[0]
    }

    fn full_round(&self, state: &mut [Fr], constants: &[Fr]) {
        for (lane, constant) in state.iter_mut().zip(constants) {
            *lane = fifth_power(*lane + constant);
        }
        mix(&self.mixing, state);
    }
}

fn fifth_power(lane: Fr) -> Fr {
    lane.square().square() * lane
}

/// `lanes ← matrix · lanes`
fn mix(matrix: &Matrix, lanes: &mut [Fr]) {
    let mut mixed = [Fr::ZERO; MAX_WIDTH];
    for (lane, row) in mixed.iter_mut().zip(matrix) {
        *lane = inner(row, lanes);
    }
    lanes.copy_from_slice(&mixed[..lanes.len()]);
}

fn inner(left: &[Fr], right: &[Fr]) -> Fr {
    left.iter().zip(right).map(|(left, right)| *left * right).sum()
}

fn apply(matrix: &Matrix, vector: &[Fr]) -> Vec<Fr> {
    matrix.iter().map(|row| inner(row, vector)).collect()
}

fn product(left: &Matrix, right: &Matrix) -> Matrix {
    let columns: Matrix =
        (0..right.len()).map(|column| right.iter().map(|row| row[column]).collect()).collect();
    left.iter().map(|row| apply(&columns, row)).collect()
}

fn identity(size: usize) -> Matrix {
    let unit = |row| (0..size).map(|column| Fr::from(row == column)).collect();
    (0..size).map(unit).collect()
}

/// By Gauss and Jordan.
fn inverse(matrix: &Matrix) -> Matrix {
    let size = matrix.len();
    let mut rows: Matrix = matrix
        .iter()
        .zip(identity(size))
        .map(|(row, unit)| [row.as_slice(), &unit].concat())
        .collect();
    for pivot in 0..size {
        let found = (pivot..size).find(|row| !rows[*row][pivot].is_zero());
        rows.swap(pivot, found.expect("every square part of an MDS matrix has an inverse"));
        let scale = rows[pivot][pivot].inverse().expect("it is not zero");
        rows[pivot].iter_mut().for_each(|element| *element *= scale);
        let pivoted = rows[pivot].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(row, _)| *row != pivot) {
            let factor = row[pivot];
            for (element, other) in row.iter_mut().zip(&pivoted) {
                *element -= factor * other;
            }
        }
    }
    rows.into_iter().map(|row| row[size..].to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_std::{UniformRand, test_rng};
    use light_poseidon::{Poseidon, PoseidonHasher};

    #[test]
    fn it_is_the_plain_permutation_for_every_number_of_inputs() {
        let rng = &mut test_rng();
        for inputs in 1..=MAX_ARITY {
            let mut plain = Poseidon::<Fr>::new_circom(inputs).unwrap();
            let random = || (0..inputs).map(|_| Fr::rand(&mut *rng)).collect::<Vec<_>>();
            let mut cases: Vec<Vec<Fr>> = std::iter::repeat_with(random).take(20).collect();
            cases.push(vec![Fr::ZERO; inputs]);
            cases.push(vec![-Fr::ONE; inputs]);
            for case in cases {
                assert_eq!(Permutation::of(inputs).hash(&case), plain.hash(&case).unwrap());
            }
        }
    }

    #[test]
    fn a_matrix_times_its_inverse_is_the_identity() {
        let rng = &mut test_rng();
        let mut matrix: Matrix = (0..5).map(|_| (0..5).map(|_| Fr::rand(rng)).collect()).collect();
        matrix[0][0] = Fr::ZERO; // a pivot that has to be looked for
        assert_eq!(product(&matrix, &inverse(&matrix)), identity(5));
        assert_eq!(product(&inverse(&matrix), &matrix), identity(5));
    }
}
