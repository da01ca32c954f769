//! Which clause of a statement, and which function, each constraint belongs to.
//!
//! Every clause is a function of its own that names itself to `tracing`; here somebody listens.

use std::collections::BTreeMap;

use ark_relations::gr1cs::{
    ConstraintLayer, ConstraintSynthesizer, ConstraintSystem, ConstraintSystemRef,
    R1CS_PREDICATE_LABEL, SynthesisError, SynthesisMode, TracingMode,
};
use tracing_subscriber::layer::SubscriberExt as _;

use super::{BLANK, CircuitId, identified, pseudonymous};
use crate::Fr;

impl CircuitId {
    /// For each row of [`CircuitId::r1cs`] the functions around the constraint, `module::function`, the
    /// clause's first.
    pub fn functions_by_row(self) -> Vec<Vec<String>> {
        match self {
            Self::IdentifiedV1 => {
                functions_by_row(SynthesisMode::Setup, identified::Circuit::blank())
            }
            Self::PseudonymousV1 => {
                functions_by_row(SynthesisMode::Setup, pseudonymous::Circuit::blank())
            }
        }
        .expect(BLANK)
    }

    /// How many constraints each clause has, by the name of its function. They add up to all of them.
    pub fn constraints_by_clause(self) -> BTreeMap<String, usize> {
        counts_by_clause(&self.functions_by_row())
    }
}

/// How many rows each clause has, by the name of its function.
pub(super) fn counts_by_clause(rows: &[Vec<String>]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for functions in rows {
        *counts.entry(name(&functions[0]).to_owned()).or_default() += 1;
    }
    counts
}

/// For each row the functions around the constraint, `module::function`, the clause's first; `mode` as for
/// [`traced`].
///
/// # Errors
/// If the circuit cannot be synthesised.
pub(super) fn functions_by_row(
    mode: SynthesisMode,
    circuit: impl ConstraintSynthesizer<Fr>,
) -> Result<Vec<Vec<String>>, SynthesisError> {
    traced(mode, circuit, |cs| {
        let cs = cs.borrow().expect("nobody else has this system");
        (0..cs.num_constraints()).map(|row| functions(&cs, row)).collect()
    })
}

/// Synthesises under a layer that names each constraint's functions, then looks at the result.
///
/// # Errors
/// If the circuit cannot be synthesised; a blank one needs [`SynthesisMode::Setup`].
pub(super) fn traced<T>(
    mode: SynthesisMode,
    circuit: impl ConstraintSynthesizer<Fr>,
    look: impl FnOnce(&ConstraintSystemRef<Fr>) -> T,
) -> Result<T, SynthesisError> {
    let subscriber =
        || tracing_subscriber::registry().with(ConstraintLayer::new(TracingMode::OnlyConstraints));
    // A span that another thread without a subscriber meets first is disabled for all, unless there are two
    // subscribers to ask.
    let _second = tracing::Dispatch::new(subscriber());
    tracing::subscriber::with_default(subscriber(), || {
        let cs = ConstraintSystem::new_ref();
        cs.set_mode(mode);
        circuit.generate_constraints(cs.clone())?;
        Ok(look(&cs))
    })
}

/// The functions around a constraint with their modules, the clause's first.
pub(super) fn functions(cs: &ConstraintSystem<Fr>, row: usize) -> Vec<String> {
    let trace = cs.predicate_traces[R1CS_PREDICATE_LABEL][row].as_ref();
    let steps = trace.expect("the layer is on").path();
    steps.iter().map(|step| format!("{}::{}", step.module_path, step.name)).collect()
}

/// What stands after the module.
pub(super) fn name(function: &str) -> &str {
    function.rsplit("::").next().unwrap_or(function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_clause_and_the_clauses_add_up() {
        for id in CircuitId::ALL {
            let rows = id.functions_by_row();
            assert_eq!(rows.len(), id.r1cs().constraints());
            assert!(rows.iter().all(|functions| functions[0].contains("::")));
            let counts = id.constraints_by_clause();
            assert_eq!(counts.values().sum::<usize>(), rows.len());
            assert!(counts.contains_key("enforce_query_holds"));
        }
    }
}
