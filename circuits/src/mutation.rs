//! Whether each constraint is needed, and each private wire bound.
//!
//! **Constraint deletion.** A row of a circuit is *guarded* if there is an assignment that breaks this row and
//! no other: the circuit refuses it, and the circuit without the row would accept it. For each row one is
//! looked for: something is changed in one of several satisfied assignments, and all other rows are made to
//! hold again. What is found is held against every row before it counts.
//!
//! Public inputs are part of an assignment: a forged claim has inputs of its own. So a guarded row is one that the
//! others do not imply; it need not be one whose loss would be an attack.
//!
//! **The challenge.** In `pseudonymous/v1` the rows of the signature compute something that goes into `R8`,
//! which is hashed to the challenge, which they compute with. To make these fit again takes the secret key: it
//! signs for another challenge, for the key's negative, and around a step of the long multiplication that goes wrong. The other
//! rows are shown guarded where the challenge is given: the case breaks the row and the last row of the
//! challenge's hash. They are [listed](Outcome::Listed), with the reason.
//!
//! **Wires.** [`free_wires`] changes each private wire alone, which should break a row.

mod bases;
mod challenge;
mod forgery;
mod ladder;
mod listed;
mod report;
mod row_set;
mod search;
mod system;
#[cfg(test)]
mod tests;
mod wires;

use std::collections::{BTreeMap, BTreeSet};

use ark_std::rand::{RngCore as _, SeedableRng as _, rngs::StdRng};
use rayon::prelude::*;

use self::{
    bases::{Base, bases},
    challenge::Challenge,
    search::{ROUNDS, Search},
    system::System,
};
use crate::statement::CircuitId;
pub use listed::{FREE_WIRES, FreeWires};
pub use report::{ClauseScore, Report, Survivor};
pub use wires::free_wires;

/// What is known of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// There is an assignment that only this row refuses.
    Guarded,
    /// There is one that only this row and the last one of the challenge's hash refuse, which is as it should be
    /// for the reason given.
    Listed(&'static str),
    /// None was found.
    Survived,
}

/// A circuit, and assignments to start from.
pub struct Mutations {
    circuit: CircuitId,
    system: System,
    /// By row.
    functions: Vec<Vec<String>>,
    bases: Vec<Base>,
    challenge: Option<Challenge>,
    /// Satisfied but for the challenge, which is not the hash.
    given: Vec<Base>,
    seed: u64,
}

impl std::fmt::Debug for Mutations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mutations").field("circuit", &self.circuit).finish_non_exhaustive()
    }
}

impl Mutations {
    /// Of a circuit of this build. The same seed gives the same outcomes.
    pub fn of(circuit: CircuitId, seed: [u8; 32]) -> Self {
        let rng = &mut StdRng::from_seed(seed);
        let r1cs = circuit.r1cs();
        let bases = bases(circuit, &r1cs, rng);
        let functions = circuit.functions_by_row();
        let system = System::new(r1cs);
        let challenge = Challenge::find(&system, &functions);
        let given = challenge.iter().flat_map(|it| it.given_cases(&system, &bases)).collect();
        Self { circuit, system, functions, bases, challenge, given, seed: rng.next_u64() }
    }

    /// How many rows there are.
    pub const fn rows(&self) -> usize {
        self.system.rows()
    }

    /// About so many rows in order: one of each function, and others evenly spread.
    pub fn sample(&self, count: usize) -> Vec<usize> {
        let mut first = BTreeMap::new();
        for (row, functions) in self.functions.iter().enumerate() {
            first.entry(functions).or_insert(row);
        }
        let mut rows: BTreeSet<usize> = first.into_values().collect();
        let more = count.saturating_sub(rows.len());
        rows.extend((0..more).map(|step| step * self.rows() / more));
        rows.into_iter().collect()
    }

    /// The outcomes of these rows, on all threads of the pool this runs in; `done` is called after each.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn run(&self, rows: &[usize], done: impl Fn() + Sync) -> Report {
        let outcomes: Vec<(usize, Outcome)> = rows
            .par_iter()
            .map(|row| {
                let outcome = self.outcome(*row);
                done();
                (*row, outcome)
            })
            .collect();
        Report::of(self.circuit, self.rows(), &self.functions, &outcomes)
    }

    fn outcome(&self, row: usize) -> Outcome {
        let rng = &mut StdRng::seed_from_u64(self.seed ^ row as u64);
        let search = Search { system: &self.system, row };
        let guarded = |is_guarded| if is_guarded { Outcome::Guarded } else { Outcome::Survived };
        let Some(challenge) = self.challenge.as_ref().filter(|it| it.is_of_signature(row)) else {
            return guarded(
                search.finds(ROUNDS, &self.bases, &[], rng, |_, z| search.breaks(z, &[])),
            );
        };
        let around = challenge.signed_around(&self.system, &self.bases[0], row);
        if around.is_some_and(|z| search.breaks(&z, &[])) {
            return Outcome::Guarded;
        }
        if !challenge.decides(row) {
            // The signature is left open, and made anew for the key and the challenge that come out.
            let open: Vec<usize> = challenge.signature().collect();
            let found = search.finds(1, &self.bases[..2], &open, rng, |base, z| {
                let mut signed = challenge.sign_again(&self.system, base, z);
                signed.any(|z| search.breaks(&z, &[]))
            });
            if found {
                return Outcome::Guarded;
            }
        }
        let open = [challenge.last_row()];
        let found = search.finds(ROUNDS, &self.given, &open, rng, |_, z| search.breaks(z, &open));
        let reason = listed::reason(&self.functions[row]).filter(|_| found);
        reason.map_or(Outcome::Survived, Outcome::Listed)
    }
}
