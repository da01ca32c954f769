//! Constraints by clause, next to those of the first complete version.

use std::collections::BTreeMap;

use circuits::statement::CircuitId;
use serde::{Deserialize, Serialize};

/// Constraints of the first complete version of both circuits: 4-ary tree of 16 levels, bitwise scalar
/// multiplication.
const BEFORE: [(CircuitId, &str, u64); 12] = [
    (CircuitId::IdentifiedV1, "commitment", 1003),
    (CircuitId::IdentifiedV1, "query commitment", 958),
    (CircuitId::IdentifiedV1, "query holds", 1479),
    (CircuitId::IdentifiedV1, "request", 1),
    (CircuitId::IdentifiedV1, "subject tag", 259),
    (CircuitId::IdentifiedV1, "query wires", 320),
    (CircuitId::PseudonymousV1, "consent", 2905),
    (CircuitId::PseudonymousV1, "membership", 5835),
    (CircuitId::PseudonymousV1, "pseudonym", 259),
    (CircuitId::PseudonymousV1, "query commitment", 958),
    (CircuitId::PseudonymousV1, "query holds", 1479),
    (CircuitId::PseudonymousV1, "query wires", 319),
];

/// Constraints of one clause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClauseFigure {
    /// The clause, by the name of its function without `enforce`.
    pub clause: String,
    /// Constraints now; 0 of a clause that is no more.
    pub constraints: u64,
    /// Constraints in the first complete version; 0 of a clause that was not yet.
    pub before: u64,
}

impl ClauseFigure {
    /// Every clause of a circuit that there is or was, by name, from the counts by function.
    pub fn of(circuit: CircuitId, counts: &BTreeMap<String, usize>) -> Vec<Self> {
        let mut clauses = BTreeMap::<String, (u64, u64)>::new();
        for (function, count) in counts {
            let clause = function.strip_prefix("enforce_").unwrap_or(function).replace('_', " ");
            clauses.entry(clause).or_default().0 += *count as u64;
        }
        for (_, clause, count) in BEFORE.iter().filter(|(id, ..)| *id == circuit) {
            clauses.entry((*clause).to_owned()).or_default().1 = *count;
        }
        clauses
            .into_iter()
            .map(|(clause, (constraints, before))| Self { clause, constraints, before })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_version_had_as_many_constraints_as_its_clauses_together() {
        for (circuit, total) in
            [(CircuitId::IdentifiedV1, 4020), (CircuitId::PseudonymousV1, 11_755)]
        {
            let clauses = ClauseFigure::of(circuit, &BTreeMap::new());
            assert_eq!(clauses.iter().map(|it| it.before).sum::<u64>(), total);
            assert!(clauses.iter().all(|it| it.constraints == 0));
        }
    }

    #[test]
    fn clauses_that_came_and_went_are_both_listed() {
        let counts = [("enforce_subject_tag".to_owned(), 200), ("enforce_new_one".to_owned(), 7)];
        let clauses = ClauseFigure::of(CircuitId::IdentifiedV1, &BTreeMap::from(counts));
        let of = |name: &str| {
            let figure = clauses.iter().find(|it| it.clause == name).unwrap();
            (figure.constraints, figure.before)
        };
        assert_eq!(of("subject tag"), (200, 259));
        assert_eq!(of("new one"), (7, 0));
        assert_eq!(of("request"), (0, 1));
        assert_eq!(clauses.len(), 7);
    }

    #[test]
    fn the_circuits_of_this_build_are_counted_in_full() {
        for circuit in CircuitId::ALL {
            let clauses = ClauseFigure::of(circuit, &circuit.constraints_by_clause());
            let sum: u64 = clauses.iter().map(|it| it.constraints).sum();
            assert_eq!(sum, circuit.r1cs().constraints() as u64);
        }
    }
}
