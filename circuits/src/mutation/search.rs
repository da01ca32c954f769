//! The changes that may break a row.

use ark_ff::{One, UniformRand};
use ark_std::rand::{Rng, RngCore, rngs::StdRng, seq::SliceRandom as _};

use super::{bases::Base, forgery::Forgery, system::System};
use crate::Fr;

/// How often each base is tried; after the first time choices are made in any order.
pub(super) const ROUNDS: usize = 4;
/// Changes that are tried of a base in one round.
const MOST_CHANGES: usize = 40;
/// Wires beside one of the row's that are changed.
const MOST_BESIDE: usize = 32;

/// A first change, after which everything else is made to fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    wire: usize,
    value: Fr,
}

/// The search for an assignment that breaks a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search<'s> {
    pub(super) system: &'s System,
    pub(super) row: usize,
}

impl Search<'_> {
    /// Whether some change of some base, after which all rows were made to hold but this one and the open ones,
    /// is what is looked for.
    pub(super) fn finds(
        &self,
        rounds: usize,
        bases: &[Base],
        open: &[usize],
        rng: &mut StdRng,
        mut is_it: impl FnMut(&Base, &[Fr]) -> bool,
    ) -> bool {
        let open = [&[self.row], open].concat();
        (0..rounds).any(|round| {
            let shuffle = round > 0;
            bases.iter().any(|base| {
                let mut changes = self.changes(&base.z, rng);
                if shuffle {
                    changes.shuffle(rng);
                }
                changes.truncate(MOST_CHANGES);
                changes.into_iter().any(|Change { wire, value }| {
                    let mut forgery = Forgery::new(self.system, &base.z, open.clone());
                    forgery.set(wire, value);
                    forgery.fix(wire);
                    forgery.settle(shuffle, rng) && is_it(base, forgery.assignment())
                })
            })
        })
    }

    /// Whether `z` breaks this row, and no other but those in `open`: each row is looked at.
    pub(super) fn breaks(&self, z: &[Fr], open: &[usize]) -> bool {
        let unsatisfied = self.system.unsatisfied(z, open.len() + 2);
        unsatisfied.contains(&self.row)
            && unsatisfied.iter().all(|row| *row == self.row || open.contains(row))
    }

    /// What the row computes, or is computed from, set to something else; then the same for what stands beside
    /// it in other rows.
    fn changes(&self, base: &[Fr], rng: &mut impl RngCore) -> Vec<Change> {
        let Self { system, row } = *self;
        let forgery = Forgery::new(system, base, vec![row]);
        let mut wires: Vec<usize> = system.wires_in(row).collect();
        wires.sort_unstable_by(|left, right| right.cmp(left));
        wires.dedup();
        let mut changes = Vec::new();
        for wire in wires.iter().filter(|wire| forgery.is_choice(**wire)) {
            let (value, one) = (base[*wire], Fr::one());
            let values = if forgery.is_bit(*wire) {
                vec![one - value]
            } else {
                let two = one + one;
                vec![value + one, value - one, value + two, value - two, -value, Fr::rand(rng)]
            };
            changes.extend(values.into_iter().map(|value| Change { wire: *wire, value }));
        }
        // What only this row makes 0 or 1, say, and another row makes fit after a change in that one.
        for wire in wires {
            let others = system.rows_of(wire).iter().filter(|other| **other != row);
            let mut beside: Vec<usize> = others
                .flat_map(|other| system.wires_in(*other))
                .filter(|it| *it != wire && forgery.is_choice(*it))
                .collect();
            beside.sort_unstable_by_key(|it| (it.abs_diff(wire), *it));
            beside.dedup();
            changes.extend(beside.into_iter().take(MOST_BESIDE).map(|wire| {
                let value = base[wire];
                let other = if forgery.is_bit(wire) {
                    Fr::one() - value
                } else {
                    value + Fr::from(rng.gen_range(1u64..4))
                };
                Change { wire, value: other }
            }));
        }
        changes.retain(|change| change.value != base[change.wire]);
        changes
    }
}
