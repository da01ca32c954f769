//! The gadget against its twin, and against cheaters.

use ark_relations::gr1cs::{ConstraintSystem, SynthesisMode};
use proptest::prelude::*;

use super::*;
use crate::query::arbitrary::{Case, case};

/// Constraints of the gadget, the hash to `q` apart.
const CONSTRAINTS: usize = 1799;

const SCHEMA: u64 = 7;
const CONTEXT: u64 = 11;

/// A query's constraints on public values, with its commitment equal to a public input.
fn synthesize(
    values: &[Fr; FIELDS],
    witness: Option<&QueryWitness>,
    commitment: Fr,
    mode: Mode,
    cs: &ConstraintSystemRef<Fr>,
) {
    let input = |value: Fr| FpVar::new_input(cs.clone(), || Ok(value)).unwrap();
    let commitment = input(commitment);
    let (schema, context) = (input(Fr::from(SCHEMA)), input(Fr::from(CONTEXT)));
    let values = values.map(input);
    let query = QueryVar::new_witness(cs.clone(), witness, mode).unwrap();
    enforce_query(&values, &query).unwrap();
    query.commitment(&schema, &context).unwrap().enforce_equal(&commitment).unwrap();
}

fn commitment(query: &CompiledQuery) -> Fr {
    query.commitment(Mode::Identified, Basis::Consent, Fr::from(SCHEMA), Fr::from(CONTEXT))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_honest_witness_satisfies_exactly_if_the_query_is_true(seed: u64) {
        let Case { query, values } = case(seed);
        let compiled = query.compile();
        let elements = query.schema().elements(&values);
        let cs = ConstraintSystem::<Fr>::new_ref();
        let witness = QueryWitness::new(&compiled, Basis::Consent, &elements);
        synthesize(&elements, Some(&witness), commitment(&compiled), Mode::Identified, &cs);
        prop_assert_eq!(cs.is_satisfied().unwrap(), compiled.evaluate(&elements));
    }
}

#[test]
fn the_constraint_count_is_pinned() {
    for (mode, basis_bit) in [(Mode::Identified, 1), (Mode::Pseudonymous, 0)] {
        let cs = ConstraintSystem::<Fr>::new_ref();
        cs.set_mode(SynthesisMode::Setup);
        let values: [FpVar<Fr>; FIELDS] = std::array::from_fn(|_| {
            FpVar::new_witness(cs.clone(), || -> Result<Fr, _> { unreachable!("setup") }).unwrap()
        });
        let query = QueryVar::new_witness(cs.clone(), None, mode).unwrap();
        enforce_query(&values, &query).unwrap();
        assert_eq!(cs.num_constraints(), CONSTRAINTS - 1 + basis_bit);
    }
}

#[test]
fn an_assignment_only_pass_gives_the_same_assignment() {
    let Case { query, values } = case(1);
    let compiled = query.compile();
    let elements = query.schema().elements(&values);
    let witness = QueryWitness::new(&compiled, Basis::Consent, &elements);
    let assignment = |construct_matrices| {
        let cs = ConstraintSystem::<Fr>::new_ref();
        cs.set_mode(SynthesisMode::Prove {
            construct_matrices,
            generate_lc_assignments: construct_matrices,
        });
        synthesize(&elements, Some(&witness), commitment(&compiled), Mode::Identified, &cs);
        cs.witness_assignment().unwrap()
    };
    assert_eq!(assignment(true), assignment(false));
}
