//! What a run has found.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Outcome;
use crate::statement::CircuitId;

/// The outcomes of a circuit's rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The circuit.
    pub circuit: CircuitId,
    /// All rows of the circuit.
    pub rows: usize,
    /// The rows that were deleted, each by itself.
    pub deleted: usize,
    /// Those that are guarded.
    pub guarded: usize,
    /// Those that are listed with a reason.
    pub listed: usize,
    /// By clause, by the name of its function.
    pub clauses: BTreeMap<String, ClauseScore>,
    /// The listed ones by the functions that are listed, with the reason.
    pub reasons: BTreeMap<&'static str, usize>,
    /// Rows for which nothing was found, and which are not listed.
    pub survivors: Vec<Survivor>,
}

/// A clause's part in a [`Report`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClauseScore {
    /// Its rows that were deleted.
    pub deleted: usize,
    /// Those that are guarded.
    pub guarded: usize,
    /// Those that are listed.
    pub listed: usize,
    /// Those that are neither.
    pub survived: usize,
}

/// A row that nothing guards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Survivor {
    /// Its number.
    pub row: usize,
    /// The functions around it, the clause's first.
    pub functions: Vec<String>,
}

impl Report {
    pub(super) fn of(
        circuit: CircuitId,
        rows: usize,
        functions: &[Vec<String>],
        outcomes: &[(usize, Outcome)],
    ) -> Self {
        let mut clauses: BTreeMap<String, ClauseScore> = BTreeMap::new();
        let mut reasons = BTreeMap::new();
        let mut survivors = Vec::new();
        for (row, outcome) in outcomes {
            let functions = &functions[*row];
            let clause = functions[0].rsplit("::").next().unwrap_or_default();
            let score = clauses.entry(clause.to_owned()).or_default();
            score.deleted += 1;
            match outcome {
                Outcome::Guarded => score.guarded += 1,
                Outcome::Listed(reason) => {
                    score.listed += 1;
                    *reasons.entry(*reason).or_default() += 1;
                }
                Outcome::Survived => {
                    score.survived += 1;
                    survivors.push(Survivor { row: *row, functions: functions.clone() });
                }
            }
        }
        let total = |part: fn(&ClauseScore) -> usize| clauses.values().map(part).sum();
        Self {
            circuit,
            rows,
            deleted: outcomes.len(),
            guarded: total(|it| it.guarded),
            listed: total(|it| it.listed),
            clauses,
            reasons,
            survivors,
        }
    }
}
