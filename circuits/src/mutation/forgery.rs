//! Making an assignment fit again after a change, all rows but the opened ones.
//!
//! Rows that compute a wire are computed anew, in order. A row that only checks is repaired by moving what a
//! prover may choose, as near to the row as there is something: bits are set to what their sum must be, a
//! bit is flipped, or an element is solved for, whatever lies between it and the row.

use std::collections::{BTreeMap, BTreeSet};

use ark_ff::{BigInteger as _, Field as _, One, PrimeField as _, Zero};
use ark_std::rand::{Rng as _, rngs::StdRng, seq::SliceRandom as _};

use super::{row_set::RowSet, system::System};
use crate::Fr;

/// How often one wire is moved in one attempt: a wire that serves two rows cannot settle.
const MOVES_OF_A_WIRE: u8 = 3;
/// Rows looked at in one attempt.
const MOST_ROWS: usize = 60_000;
/// Choices that are tried for a row.
const MOST_CHOICES: usize = 24;
/// Computed wires between a choice and the row.
const MOST_STEPS: usize = 4;

/// An assignment on its way to be satisfied but for the open rows.
pub(super) struct Forgery<'s> {
    system: &'s System,
    z: Vec<Fr>,
    /// Rows that need not hold. What they compute may be chosen.
    open: Vec<usize>,
    /// Wires that stay as they are.
    fixed: BTreeSet<usize>,
    moves: BTreeMap<usize, u8>,
    pending: RowSet,
    trial: RowSet,
    rows_left: usize,
}

impl<'s> Forgery<'s> {
    pub(super) fn new(system: &'s System, base: &[Fr], open: Vec<usize>) -> Self {
        Self {
            system,
            z: base.to_vec(),
            open,
            fixed: BTreeSet::new(),
            moves: BTreeMap::new(),
            pending: RowSet::new(system.rows()),
            trial: RowSet::new(system.rows()),
            rows_left: MOST_ROWS,
        }
    }

    /// The assignment as it stands.
    pub(super) fn assignment(&self) -> &[Fr] {
        &self.z
    }

    /// Sets a wire.
    pub(super) fn set(&mut self, wire: usize, value: Fr) {
        if self.z[wire] != value {
            self.z[wire] = value;
            self.pending.extend(self.system.rows_of(wire));
        }
    }

    /// Keeps a wire as it is from now on.
    pub(super) fn fix(&mut self, wire: usize) {
        self.fixed.insert(wire);
    }

    /// Whether every row but the open ones could be made to hold. Choices are made in order of nearness, or
    /// in any with `shuffle`.
    pub(super) fn settle(&mut self, shuffle: bool, rng: &mut StdRng) -> bool {
        while let Some(row) = self.pending.pop() {
            if self.rows_left == 0 {
                return false;
            }
            self.rows_left -= 1;
            if self.open.contains(&row) || self.system.residual(row, &self.z).is_zero() {
                continue;
            }
            let computed = self.system.computes(row).filter(|wire| !self.fixed.contains(wire));
            if let Some(wire) = computed
                && let Some(value) = self.system.solve(row, wire, &self.z)
            {
                self.set(wire, value);
            } else if !self.repair(row, shuffle, rng) {
                return false;
            }
        }
        true
    }

    /// Computes anew what depends on what was set, and leaves the rows that only check as they come out.
    pub(super) fn compute(&mut self) {
        while let Some(row) = self.pending.pop() {
            let computed = self.system.computes(row).filter(|wire| !self.fixed.contains(wire));
            if !self.open.contains(&row)
                && let Some(wire) = computed
                && let Some(value) = self.system.solve(row, wire, &self.z)
            {
                self.set(wire, value);
            }
        }
    }

    /// Whether a prover may choose the wire.
    pub(super) fn is_choice(&self, wire: usize) -> bool {
        self.system.computed_by(wire).is_none_or(|row| self.open.contains(&row))
    }

    /// Whether the wire must be 0 or 1.
    pub(super) fn is_bit(&self, wire: usize) -> bool {
        self.system.bit_row(wire).is_some_and(|row| !self.open.contains(&row))
    }

    /// Makes `row` hold by moving choices. What depends on them is pending afterwards.
    fn repair(&mut self, row: usize, shuffle: bool, rng: &mut StdRng) -> bool {
        let Reach { mut choices, computing } = self.reach(row);
        if shuffle {
            choices.shuffle(rng);
        }
        let bits_first = !shuffle || rng.gen_bool(0.5);
        if bits_first && self.recompose(row) {
            return true;
        }
        for wire in choices {
            let value = if self.is_bit(wire) {
                let flipped = Fr::one() - self.z[wire];
                self.residual_if(row, &computing, wire, flipped)
                    .filter(Fr::is_zero)
                    .map(|_| flipped)
            } else {
                self.root(row, &computing, wire, rng)
            };
            if let Some(value) = value {
                *self.moves.entry(wire).or_default() += 1;
                self.set(wire, value);
                self.pending.insert(row);
                return true;
            }
        }
        !bits_first && self.recompose(row)
    }

    /// What may be moved for `row`.
    fn reach(&self, row: usize) -> Reach {
        let mut seen = BTreeSet::new();
        let mut choices = Vec::new();
        let mut computing = BTreeSet::new();
        let mut level: Vec<usize> = vec![row];
        for _ in 0..=MOST_STEPS {
            let mut wires: Vec<usize> =
                level.iter().flat_map(|row| self.system.wires_in(*row)).collect();
            wires.sort_unstable_by(|left, right| right.cmp(left));
            wires.dedup();
            level.clear();
            for wire in wires {
                if self.fixed.contains(&wire) || !seen.insert(wire) {
                    continue;
                }
                if self.is_choice(wire) {
                    let moves = self.moves.get(&wire).copied().unwrap_or_default();
                    if moves < MOVES_OF_A_WIRE {
                        choices.push(wire);
                    }
                } else {
                    level.extend(self.system.computed_by(wire));
                    computing.extend(self.system.computed_by(wire));
                }
            }
            if choices.len() >= MOST_CHOICES {
                choices.truncate(MOST_CHOICES);
                break;
            }
        }
        // What only an open row would stop is tried first.
        choices.sort_by_key(|wire| {
            !self.system.bit_row(*wire).is_some_and(|row| self.open.contains(&row))
        });
        Reach { choices, computing }
    }

    /// A value of `wire` with which `row` holds, if the residual is a polynomial of degree 1 or 2 in it.
    fn root(
        &mut self,
        row: usize,
        computing: &BTreeSet<usize>,
        wire: usize,
        rng: &mut StdRng,
    ) -> Option<Fr> {
        let start = self.z[wire];
        let mut at = |steps: u64| self.residual_if(row, computing, wire, start + Fr::from(steps));
        let [r0, r1, r2, r3] = [at(0)?, at(1)?, at(2)?, at(3)?];
        let three = Fr::from(3);
        if !(r3 - r2 * three + r1 * three - r0).is_zero() {
            return None;
        }
        let square = (r2 - r1 - r1 + r0) * Fr::from(2).inverse()?;
        let linear = r1 - r0 - square;
        if square.is_zero() {
            return Some(start - r0 * linear.inverse()?);
        }
        let root = (linear * linear - Fr::from(4) * square * r0).sqrt()?;
        let root = if rng.gen_bool(0.5) { root } else { -root };
        Some(start + (root - linear) * (square + square).inverse()?)
    }

    /// The residual of `row` if `wire` had this value, and what depends on it up to the row with it.
    fn residual_if(
        &mut self,
        row: usize,
        computing: &BTreeSet<usize>,
        wire: usize,
        value: Fr,
    ) -> Option<Fr> {
        let mut changed = vec![(wire, self.z[wire])];
        self.z[wire] = value;
        self.trial.clear();
        self.trial.extend(self.system.rows_of(wire));
        let mut residual = None;
        while let Some(next) = self.trial.pop() {
            if next < row && !computing.contains(&next) {
                continue;
            }
            if self.rows_left == 0 {
                break;
            }
            self.rows_left -= 1;
            if next >= row {
                residual = Some(self.system.residual(row, &self.z));
                break;
            }
            let Some(computed) = self.system.computes(next) else { continue };
            if self.open.contains(&next)
                || self.fixed.contains(&computed)
                || self.system.residual(next, &self.z).is_zero()
            {
                continue;
            }
            let Some(value) = self.system.solve(next, computed, &self.z) else { break };
            changed.push((computed, self.z[computed]));
            self.z[computed] = value;
            self.trial.extend(self.system.rows_of(computed));
        }
        for (wire, value) in changed.into_iter().rev() {
            self.z[wire] = value;
        }
        residual
    }

    /// Sets the bits whose sum, weighted by powers of two, the row needs.
    fn recompose(&mut self, row: usize) -> bool {
        let residual = self.system.residual(row, &self.z);
        let mut weights: Vec<(Fr, usize)> = Vec::new();
        let wires: BTreeSet<usize> = self.system.wires_in(row).collect();
        for wire in wires {
            if self.system.bit_row(wire).is_some() {
                let weight = self.system.slope(row, wire, &self.z);
                if !weight.is_zero() {
                    weights.push((weight, wire));
                }
            }
        }
        let by_weight: BTreeMap<Fr, usize> = weights.iter().copied().collect();
        let half = Fr::from(2).inverse().expect("2 is not zero");
        let lowest =
            weights.iter().filter(|(weight, _)| !by_weight.contains_key(&(*weight * half)));
        for (unit, _) in lowest {
            let mut bits = Vec::new();
            let mut weight = *unit;
            while let Some(wire) = by_weight.get(&weight) {
                bits.push(*wire);
                weight += weight;
            }
            if bits.len() > 1 && self.set_bits(&bits, residual, *unit) {
                return true;
            }
        }
        false
    }

    fn set_bits(&mut self, bits: &[usize], residual: Fr, unit: Fr) -> bool {
        let movable: Vec<bool> =
            bits.iter().map(|wire| self.is_bit(*wire) && !self.fixed.contains(wire)).collect();
        let mut weight = Fr::one();
        let mut number = Fr::zero();
        for (wire, movable) in bits.iter().zip(&movable) {
            if *movable {
                number += weight * self.z[*wire];
            }
            weight += weight;
        }
        let Some(inverse) = unit.inverse() else { return false };
        let number = (number - residual * inverse).into_bigint();
        let fits = (0..256)
            .all(|bit| !number.get_bit(bit) || movable.get(bit).copied().unwrap_or_default());
        if fits {
            for (bit, wire) in bits.iter().enumerate().filter(|(bit, _)| movable[*bit]) {
                self.set(*wire, Fr::from(number.get_bit(bit)));
            }
        }
        fits
    }
}

/// What a row depends on.
struct Reach {
    /// What may be moved, the nearest first.
    choices: Vec<usize>,
    /// The rows between.
    computing: BTreeSet<usize>,
}
