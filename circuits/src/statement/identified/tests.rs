use super::*;
use crate::{
    groth16::{self, PreparedVerifyingKey, ProveError, R1cs, VerifyError},
    statement::testing::{
        QUERY as CONDITION, SCHEMA_ELEMENT, assert_pinned, counts, failed_clause, opening, query,
    },
};
use ark_ff::AdditiveGroup;
use ark_relations::gr1cs::{ConstraintSystem, SynthesisMode};
use proptest::prelude::*;

fn statement(witness: &Witness) -> Statement {
    let Witness { schema, opening, nonce, query, basis } = witness;
    Statement {
        commitment: record::commitment(*schema, opening),
        request: Fr::from(1001),
        query: query.commitment(Mode::Identified, *basis, *schema, *nonce),
        subject_tag: subject_tag(opening.values[0], *nonce),
    }
}

fn valid() -> (Statement, Witness) {
    let witness = Witness {
        schema: Fr::from(SCHEMA_ELEMENT),
        opening: opening(),
        nonce: Fr::from(4242),
        query: query(CONDITION),
        basis: Basis::Consent,
    };
    (statement(&witness), witness)
}

/// `check` names the clause and the circuit fails in the clause's function.
fn assert_fails((statement, witness): (Statement, Witness), clause: Unsatisfied, function: &str) {
    assert_eq!(check(&statement, &witness), Err(clause));
    assert_eq!(failed_clause(Circuit::new(statement, witness)).as_deref(), Some(function));
}

#[test]
fn accepts_a_valid_statement_on_either_basis() {
    for basis in [Basis::Consent, Basis::Statutory] {
        let witness = Witness { basis, ..valid().1 };
        let statement = statement(&witness);
        assert_eq!(check(&statement, &witness), Ok(()));
        assert_eq!(failed_clause(Circuit::new(statement, witness)), None);
    }
}

#[test]
fn rejects_another_commitment() {
    let (mut statement, witness) = valid();
    statement.commitment += Fr::from(1);
    assert_fails((statement, witness), Unsatisfied::Commitment, "enforce_commitment");
}

#[test]
fn rejects_another_blinding() {
    let (statement, mut witness) = valid();
    witness.opening.blinding += Fr::from(1);
    assert_fails((statement, witness), Unsatisfied::Commitment, "enforce_commitment");
}

#[test]
fn rejects_a_value_changed_to_meet_the_query() {
    let mut lie = valid().1;
    lie.query = query(r#"[{"path": ["income"], "predicate": {"$gt": 50000}}]"#);
    let statement = statement(&lie);
    assert_fails((statement, lie.clone()), Unsatisfied::Query, "enforce_query_holds");
    lie.opening.values[1] += Fr::from(50_000);
    assert_fails((statement, lie), Unsatisfied::Commitment, "enforce_commitment");
}

#[test]
fn rejects_the_tag_of_another_subject() {
    let (mut statement, witness) = valid();
    statement.subject_tag = subject_tag(witness.opening.values[0] + Fr::from(1), witness.nonce);
    assert_fails((statement, witness), Unsatisfied::SubjectTag, "enforce_subject_tag");
}

#[test]
fn rejects_a_tag_under_another_nonce_than_the_query_s() {
    let (mut statement, mut witness) = valid();
    let other = Fr::from(4243);
    statement.subject_tag = subject_tag(witness.opening.values[0], other);
    assert_fails((statement, witness.clone()), Unsatisfied::SubjectTag, "enforce_subject_tag");
    witness.nonce = other;
    assert_fails((statement, witness), Unsatisfied::QueryCommitment, "enforce_query_commitment");
}

#[test]
fn rejects_another_query_basis_or_mode() {
    let (mut statement, mut witness) = valid();
    statement.query += Fr::from(1);
    let function = "enforce_query_commitment";
    assert_fails((statement, witness.clone()), Unsatisfied::QueryCommitment, function);

    statement.query =
        witness.query.commitment(Mode::Pseudonymous, witness.basis, witness.schema, witness.nonce);
    assert_fails((statement, witness), Unsatisfied::QueryCommitment, function);

    (statement, witness) = valid();
    witness.basis = Basis::Statutory;
    assert_fails((statement, witness.clone()), Unsatisfied::QueryCommitment, function);
    witness.basis = Basis::Consent;
    witness.query = query(r#"[{"path": ["income"], "predicate": {"$gte": 0}}]"#);
    assert_fails((statement, witness), Unsatisfied::QueryCommitment, function);
}

#[test]
fn rejects_a_query_about_another_schema() {
    let (mut statement, witness) = valid();
    let other = Fr::from(SCHEMA_ELEMENT + 1);
    statement.query =
        witness.query.commitment(Mode::Identified, witness.basis, other, witness.nonce);
    assert_fails((statement, witness), Unsatisfied::QueryCommitment, "enforce_query_commitment");
}

#[test]
fn rejects_a_record_that_does_not_meet_the_query() {
    let mut witness = valid().1;
    witness.opening.values[3] = Fr::from(1);
    let unmet = (statement(&witness), witness.clone());
    assert_fails(unmet, Unsatisfied::Query, "enforce_query_holds");
    witness.opening.values[3] = Fr::from(3);
    assert_eq!(check(&statement(&witness), &witness), Ok(()));
}

#[test]
fn the_request_takes_part_in_a_constraint() {
    let (statement, witness) = valid();
    let r1cs = R1cs::of(Circuit::blank()).unwrap();
    let cs = ConstraintSystem::new_ref();
    Circuit::new(statement, witness).generate_constraints(cs.clone()).unwrap();
    cs.finalize();
    assert!(cs.is_satisfied().unwrap());
    cs.borrow_mut().unwrap().assignments.instance_assignment[1 + REQUEST] += Fr::from(1);
    assert!(!cs.is_satisfied().unwrap());
    assert_eq!(cs.num_constraints(), r1cs.constraints());
}

#[test]
fn blank_and_assigned_circuits_have_one_shape() {
    let (statement, witness) = valid();
    let blank = R1cs::of(Circuit::blank()).unwrap();
    assert_eq!(R1cs::of(Circuit::new(statement, witness.clone())).unwrap(), blank);
    let cs = ConstraintSystem::new_ref();
    cs.set_mode(SynthesisMode::Prove { construct_matrices: true, generate_lc_assignments: true });
    Circuit::new(statement, witness).generate_constraints(cs.clone()).unwrap();
    assert_eq!(cs.num_constraints(), blank.constraints());
    assert_eq!(cs.num_witness_variables(), blank.witness_variables());
}

#[test]
fn public_inputs_stand_at_their_offsets() {
    let (statement, _) = valid();
    let inputs = statement.to_public_inputs();
    assert_eq!(
        [inputs[COMMITMENT], inputs[REQUEST], inputs[QUERY], inputs[SUBJECT_TAG]],
        [statement.commitment, statement.request, statement.query, statement.subject_tag]
    );
    assert_eq!([COMMITMENT, REQUEST, QUERY, SUBJECT_TAG], [0, 1, 2, 3]);
}

#[test]
fn the_circuit_is_pinned_and_fits_a_domain_of_4096() {
    let (statement, witness) = valid();
    let counts = counts(Circuit::new(statement, witness));
    // The domain also has a row for the constant and for each input.
    assert!(counts.values().sum::<usize>() + 1 + PUBLIC_INPUTS <= 4_096);
    assert_pinned(ID, counts);
}

#[test]
fn a_real_proof_holds_for_its_own_statement_and_key() {
    let rng = &mut groth16::rng_from_seed([1; 32]);
    let key = ID.development_key(rng);
    let prepared = PreparedVerifyingKey::from(key.verifying_key());
    let (statement, witness) = valid();
    let inputs = statement.to_public_inputs();
    let proof = groth16::prove(&key, Circuit::new(statement, witness.clone()), rng).unwrap();
    assert_eq!(groth16::verify(&prepared, &inputs, &proof), Ok(()));

    let refused = Err(VerifyError::Refused);
    for i in 0..inputs.len() {
        let mut wrong = inputs;
        wrong[i] += Fr::from(1);
        assert_eq!(groth16::verify(&prepared, &wrong, &proof), refused);
        for j in 0..i {
            let mut swapped = inputs;
            swapped.swap(i, j);
            assert_eq!(groth16::verify(&prepared, &swapped, &proof), refused);
        }
    }
    let other = ID.development_key(rng);
    let other = PreparedVerifyingKey::from(other.verifying_key());
    assert_eq!(groth16::verify(&other, &inputs, &proof), refused);

    // The same key answers another query; a dishonest prover's proof does not pass.
    let witness = Witness {
        query: query(r#"[{"path": ["income"], "predicate": {"$between": [1, 30000]}}]"#),
        basis: Basis::Statutory,
        ..witness
    };
    let statement = self::statement(&witness);
    let proof = groth16::prove(&key, Circuit::new(statement, witness.clone()), rng).unwrap();
    assert_eq!(groth16::verify(&prepared, &statement.to_public_inputs(), &proof), Ok(()));

    let witness = Witness {
        query: query(r#"[{"path": ["income"], "predicate": {"$gt": 30000}}]"#),
        ..witness
    };
    let statement = self::statement(&witness);
    let circuit = Circuit::new(statement, witness);
    let outcome = groth16::prove(&key, circuit.clone(), rng);
    assert!(matches!(outcome, Err(ProveError::Unsatisfied { .. })));
    let bad = groth16::prove_without_satisfaction_check(&key, circuit, rng).unwrap();
    assert_eq!(groth16::verify(&prepared, &statement.to_public_inputs(), &bad), refused);
}

/// Conditions with every operator.
const CONDITIONS: [&str; 14] = [
    r#"{"path": ["income"], "predicate": {"$eq": 30000}}"#,
    r#"{"path": ["income"], "predicate": {"$ne": 30000}}"#,
    r#"{"path": ["income"], "predicate": {"$lt": 30000}}"#,
    r#"{"path": ["income"], "predicate": {"$lte": 30000}}"#,
    r#"{"path": ["income"], "predicate": {"$gt": 30000}}"#,
    r#"{"path": ["income"], "predicate": {"$gte": 30000}}"#,
    r#"{"path": ["income"], "predicate": {"$between": [29999, 30001]}}"#,
    r#"{"path": ["income"], "predicate": {"$nonbetween": [29999, 30001]}}"#,
    r#"{"path": ["role"], "predicate": {"$in": ["a", "b"]}}"#,
    r#"{"path": ["role"], "predicate": {"$nin": ["a", "b"]}}"#,
    r#"{"path": ["role"], "predicate": {"$exists": true}}"#,
    r#"{"path": ["role"], "predicate": {"$exists": false}}"#,
    r#"{"path": ["birth_date"], "predicate": {"$lte": "2006-12-31"}}"#,
    r#"{"path": ["id"], "predicate": {"$eq": 7}}"#,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn check_and_circuit_agree(
        groups in prop::collection::vec(prop::collection::vec(0..CONDITIONS.len(), 1..3), 1..4),
        income in 29_998u64..30_003,
        role in prop::option::of(1u64..4),
        nonce: u64,
        wrong in 0usize..8,
    ) {
        let mut witness = valid().1;
        // As encoded: integers are offset by 2^63, absent is −1.
        witness.opening.values[1] = Fr::from((1u64 << 63) + income);
        witness.opening.values[3] = role.map_or(-Fr::from(1), Fr::from);
        witness.nonce = Fr::from(nonce);
        let groups: Vec<String> = groups
            .iter()
            .map(|group| {
                let group: Vec<_> = group.iter().map(|i| CONDITIONS[*i]).collect();
                format!(r#"{{"any_of": [{}]}}"#, group.join(","))
            })
            .collect();
        witness.query = query(&format!("[{}]", groups.join(",")));
        let mut statement = statement(&witness);
        // Half of the cases break one input; the request alone may be anything.
        match wrong {
            0 => statement.commitment = Fr::ZERO,
            1 => statement.request = Fr::ZERO,
            2 => statement.query = Fr::ZERO,
            3 => statement.subject_tag = Fr::ZERO,
            _ => {}
        }
        let checked = check(&statement, &witness);
        let cs = ConstraintSystem::new_ref();
        Circuit::new(statement, witness).generate_constraints(cs.clone()).unwrap();
        prop_assert_eq!(cs.is_satisfied().unwrap(), checked.is_ok());
    }
}
