//! A synthesized query as matrices, with the name of the function that made each row.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Once,
};

use ark_relations::gr1cs::{ConstraintLayer, R1CS_PREDICATE_LABEL, TraceStep, TracingMode};
use tracing_subscriber::layer::SubscriberExt;

use super::*;

/// Coefficients and positions in the assignment.
type Row = Vec<(Fr, usize)>;

pub(super) struct System {
    /// A, B and C of each constraint.
    pub(super) rows: Vec<[Row; 3]>,
    /// The innermost function of `query` around each constraint.
    pub(super) names: Vec<&'static str>,
    /// One, the public inputs, the private wires.
    pub(super) assignment: Vec<Fr>,
    inputs: usize,
    rows_of: HashMap<usize, Vec<usize>>,
}

impl System {
    /// The system of `query` on `values`, with the honest witness after `cheat`.
    pub(super) fn new(
        query: &CompiledQuery,
        values: &[Fr; FIELDS],
        cheat: impl FnOnce(&mut QueryWitness),
    ) -> Self {
        let mut witness = QueryWitness::new(query, Basis::Consent, values);
        cheat(&mut witness);
        Self::with_witness(&witness, values, commitment(query))
    }

    pub(super) fn with_witness(
        witness: &QueryWitness,
        values: &[Fr; FIELDS],
        commitment: Fr,
    ) -> Self {
        let subscriber = || {
            let layer = ConstraintLayer::new(TracingMode::OnlyConstraints);
            tracing_subscriber::registry().with(layer)
        };
        // A span that is first met on another test's thread, which has no subscriber, stays disabled
        // until the next subscriber comes. So all are met before the subscriber that counts.
        static MEET_SPANS: Once = Once::new();
        MEET_SPANS.call_once(|| {
            tracing::subscriber::with_default(subscriber(), || {
                let cs = ConstraintSystem::<Fr>::new_ref();
                synthesize(values, Some(witness), commitment, Mode::Identified, &cs);
            });
        });
        tracing::subscriber::with_default(subscriber(), || {
            let cs = ConstraintSystem::<Fr>::new_ref();
            synthesize(values, Some(witness), commitment, Mode::Identified, &cs);
            cs.finalize();
            let mut matrices = cs.to_matrices().unwrap().remove(R1CS_PREDICATE_LABEL).unwrap();
            let (c, b, a) =
                (matrices.pop().unwrap(), matrices.pop().unwrap(), matrices.pop().unwrap());
            let rows: Vec<[Row; 3]> =
                a.into_iter().zip(b).zip(c).map(|((a, b), c)| [a, b, c]).collect();
            let names = cs.borrow().unwrap().predicate_traces[R1CS_PREDICATE_LABEL]
                .iter()
                .map(|trace| {
                    let path = trace.as_ref().unwrap().path();
                    let is_ours =
                        |step: &&TraceStep| step.module_path.starts_with("circuits::query");
                    path.iter().rfind(is_ours).unwrap().name
                })
                .collect();
            let mut assignment = cs.instance_assignment().unwrap();
            let inputs = assignment.len();
            assignment.extend(cs.witness_assignment().unwrap());
            let mut rows_of: HashMap<usize, Vec<usize>> = HashMap::new();
            for (index, row) in rows.iter().enumerate() {
                let wires: BTreeSet<usize> = row.iter().flatten().map(|(_, wire)| *wire).collect();
                for wire in wires {
                    rows_of.entry(wire).or_default().push(index);
                }
            }
            Self { rows, names, assignment, inputs, rows_of }
        })
    }

    pub(super) fn private_wires(&self) -> std::ops::Range<usize> {
        self.inputs..self.assignment.len()
    }

    /// The functions with a broken constraint.
    pub(super) fn failing(&self) -> BTreeSet<&'static str> {
        self.broken(0..self.rows.len())
    }

    /// Likewise, among the constraints in which `wire` occurs.
    pub(super) fn failing_at(&self, wire: usize) -> BTreeSet<&'static str> {
        self.broken(self.rows_of.get(&wire).into_iter().flatten().copied())
    }

    /// The functions in whose constraints `wire` occurs.
    pub(super) fn names_at(&self, wire: usize) -> Vec<&'static str> {
        let rows = self.rows_of.get(&wire).into_iter().flatten();
        let names: BTreeSet<_> = rows.map(|row| self.names[*row]).collect();
        names.into_iter().collect()
    }

    fn broken(&self, rows: impl IntoIterator<Item = usize>) -> BTreeSet<&'static str> {
        let value = |row: &Row| -> Fr {
            row.iter().map(|(coefficient, wire)| *coefficient * self.assignment[*wire]).sum()
        };
        rows.into_iter()
            .filter(|row| {
                let [a, b, c] = &self.rows[*row];
                value(a) * value(b) != value(c)
            })
            .map(|row| self.names[row])
            .collect()
    }
}
