//! The gadget against its twin, and against cheaters.

mod absent;
mod cheats;
mod forced;
mod system;
mod wraps;

use std::collections::BTreeMap;

use ark_ff::{UniformRand, Zero};
use ark_relations::gr1cs::{ConstraintSystem, SynthesisMode};
use ark_std::test_rng;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::{
    encoding::ABSENT,
    query::{
        CompiledClause, Query,
        arbitrary::{Case, case},
        tests::{example_schema, example_values},
    },
};
use system::System;

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
    enforce_commitment(&query.commitment(&schema, &context).unwrap(), &commitment);
}

/// What the statements do with the commitment.
#[tracing::instrument(target = "gr1cs", skip_all)]
fn enforce_commitment(computed: &FpVar<Fr>, commitment: &FpVar<Fr>) {
    computed.enforce_equal(commitment).unwrap();
}

fn commitment(query: &CompiledQuery) -> Fr {
    let (schema, context) = (Fr::from(SCHEMA), Fr::from(CONTEXT));
    query.commitment(Mode::Identified, Basis::Consent, schema, context)
}

fn compiled(query: &Json) -> CompiledQuery {
    let schema = example_schema();
    Query::parse(query, &schema, schema.as_of()).unwrap().compile()
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
fn modes_and_bases_agree_with_the_native_commitment() {
    let query = compiled(&json!([{"path": ["id"], "predicate": {"$gt": 3}}]));
    let values = example_values();
    let (schema, context) = (Fr::from(SCHEMA), Fr::from(CONTEXT));
    let mut commitments = Vec::new();
    for (mode, basis) in [
        (Mode::Identified, Basis::Consent),
        (Mode::Identified, Basis::Statutory),
        (Mode::Pseudonymous, Basis::Consent),
    ] {
        let commitment = query.commitment(mode, basis, schema, context);
        let witness = QueryWitness::new(&query, basis, &values);
        let cs = ConstraintSystem::<Fr>::new_ref();
        synthesize(&values, Some(&witness), commitment, mode, &cs);
        assert!(cs.is_satisfied().unwrap(), "{mode:?} {basis:?}");
        commitments.push(commitment);
    }
    commitments.dedup();
    assert_eq!(commitments.len(), 3);
}

#[test]
fn constraints_by_part_are_pinned() {
    let expected = BTreeMap::from([
        ("enforce_basis", 1),
        ("enforce_nibble", 64),
        ("enforce_bit", 7),
        ("enforce_claim", 112),
        ("enforce_boundary", 136),
        ("enforce_groups", 8),
        ("select_value", 120),
        ("range_differences", 128),
        ("enforce_order", 47),
        ("ordinal_bits", 1024),
        ("enforce_membership", 136),
        ("enforce_presence", 16),
        // Not the gadget's: the hashes to q, and its equality with the public input.
        ("commitment", 957),
        ("enforce_commitment", 1),
    ]);
    let query = compiled(&json!([{"path": ["id"], "predicate": {"$gt": 3}}]));
    let system = System::new(&query, &example_values(), |_| {});
    let counted = system.names.iter().fold(BTreeMap::new(), |mut counts, name| {
        *counts.entry(*name).or_insert(0) += 1;
        counts
    });
    assert_eq!(counted, expected);
    assert_eq!(expected.values().sum::<usize>() - 958, 1799);
}

#[test]
fn a_proving_key_needs_no_query() {
    for (mode, basis_bit) in [(Mode::Identified, 1), (Mode::Pseudonymous, 0)] {
        let cs = ConstraintSystem::<Fr>::new_ref();
        cs.set_mode(SynthesisMode::Setup);
        let values: [FpVar<Fr>; FIELDS] = std::array::from_fn(|_| {
            FpVar::new_witness(cs.clone(), || -> Result<Fr, _> { unreachable!("setup") }).unwrap()
        });
        let query = QueryVar::new_witness(cs.clone(), None, mode).unwrap();
        enforce_query(&values, &query).unwrap();
        assert_eq!(cs.num_constraints(), 1798 + basis_bit, "{mode:?}");
    }
}

#[test]
fn the_shape_does_not_depend_on_the_query() {
    let systems = [1, 2].map(|seed| {
        let Case { query, values } = case(seed);
        System::new(&query.compile(), &query.schema().elements(&values), |_| {})
    });
    assert!(systems[0].rows == systems[1].rows);
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

/// Every operator, claimed and not; eight clauses, and fewer.
fn queries_with_every_operator() -> [Json; 3] {
    [
        json!([
            {"path": ["id"], "predicate": {"$eq": 5}},
            {"any_of": [
                {"path": ["income"], "predicate": {"$lt": 10}},
                {"path": ["income"], "predicate": {"$gte": 50}},
            ]},
            {"path": ["birth_date"], "predicate": {"$between": ["1999-01-01", "2001-01-01"]}},
            {"any_of": [
                {"path": ["district"], "predicate": {"$in": ["D01", "D03"]}},
                {"path": ["deceased"], "predicate": {"$ne": true}},
            ]},
            {"path": ["seen_at"], "predicate": {"$exists": false}},
            {"path": ["family_name"], "predicate": {"$nin": ["Doe", "Roe"]}},
        ]),
        json!([
            {"path": ["id"], "predicate": {"$lte": 5, "$gt": 4}},
            {"path": ["income"], "predicate": {"$nonbetween": [50, 99], "$exists": true}},
            {"any_of": [
                {"path": ["income"], "predicate": {"$nonbetween": [101, 200]}},
                {"path": ["seen_at"], "predicate": {"$nin": ["2020-01-01T00:00:00Z"]}},
            ]},
        ]),
        json!([{"any_of": [
            {"path": ["seen_at"], "predicate": {"$eq": "2020-01-01T00:00:00Z"}},
            {"path": ["seen_at"], "predicate": {"$gt": "2020-01-01T00:00:00Z"}},
            {"path": ["deceased"], "predicate": {"$eq": false}},
        ]}]),
    ]
}

/// Each private wire, moved alone, breaks a constraint. The exceptions:
///
/// - the inverse in `enforce_membership` where P = 0, so that nothing depends on it;
/// - the inverse in `enforce_presence` where the value is absent, likewise.
///
/// Neither inverse occurs in any other constraint.
#[test]
fn every_private_wire_is_pinned() {
    let rng = &mut test_rng();
    let values = example_values();
    let mut covered = std::collections::BTreeSet::new();
    for query in queries_with_every_operator() {
        let query = compiled(&query);
        let mut system = System::new(&query, &values, |_| {});
        assert!(system.failing().is_empty());
        let mut free = BTreeMap::new();
        for wire in system.private_wires() {
            let original = system.assignment[wire];
            let moved =
                [original + Fr::one(), original - Fr::one(), Fr::zero(), Fr::one(), Fr::rand(rng)];
            let mut is_free = false;
            for value in moved.into_iter().filter(|value| *value != original) {
                system.assignment[wire] = value;
                let failing = system.failing_at(wire);
                is_free |= failing.is_empty();
                covered.extend(failing);
            }
            system.assignment[wire] = original;
            if is_free {
                *free.entry(system.names_at(wire)).or_insert(0) += 1;
            }
        }
        let clauses = query.clauses();
        let value = |clause: &CompiledClause| values[clause.field];
        let with_zero_product = clauses
            .iter()
            .filter(|clause| {
                let range = clause.start..clause.start + clause.count;
                query.operands()[range].contains(&value(clause))
            })
            .count();
        let absent = clauses.iter().filter(|clause| value(clause) == ABSENT).count();
        assert!(with_zero_product > 0 && absent > 0);
        let expected = BTreeMap::from([
            (vec!["enforce_membership"], with_zero_product),
            (vec!["enforce_presence"], absent),
        ]);
        assert_eq!(free, expected);
    }
    // Each part of the gadget has caught something.
    assert_eq!(covered.len(), 14, "{covered:?}");
}
