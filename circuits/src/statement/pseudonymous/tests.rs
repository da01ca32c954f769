use std::collections::BTreeMap;

use super::*;
use crate::{
    eddsa::PrivateKey,
    groth16::{self, PreparedVerifyingKey, ProveError, R1cs, VerifyError},
    record::NO_CONSENT_KEY,
    statement::testing::{
        QUERY as CONDITION, SCHEMA_ELEMENT, assert_pinned, counts, failed_clause, opening, query,
    },
};
use ark_relations::gr1cs::ConstraintSystem;

fn citizen() -> PrivateKey {
    PrivateKey::from_bytes(&[5; 32])
}

/// A tree with the record in the middle, and the statement about it with the citizen's consent.
fn sealed(mut witness: Witness, key: &PrivateKey) -> (Statement, Witness) {
    let commitment = record::commitment(witness.schema, &witness.opening);
    let mut leaves: BTreeMap<u32, Leaf> =
        (0..40).map(|i| (i, Leaf::record(Fr::from(i + 1)).unwrap())).collect();
    leaves.insert(23, Leaf::record(commitment).unwrap());
    let mut store = BTreeMap::new();
    store.extend(tree::update_many(&store, &leaves).unwrap().writes);
    witness.path = tree::path(&store, 23).unwrap();
    let statement = Statement {
        records_root: tree::root(&store).unwrap(),
        request: Fr::from(1001),
        query: witness.query.commitment(
            Mode::Pseudonymous,
            Basis::Consent,
            witness.schema,
            witness.scope,
        ),
        pseudonym: pseudonym(witness.opening.pseudonym_key, witness.scope),
    };
    witness.signature = key.sign(consent_message(statement.request, statement.query));
    (statement, witness)
}

fn valid() -> (Statement, Witness) {
    let key = citizen();
    let public_key = (key.public_key().x(), key.public_key().y());
    let witness = Witness {
        schema: Fr::from(SCHEMA_ELEMENT),
        opening: Opening { public_key, ..opening().clone() },
        scope: crate::statement::scope(Fr::from(8), Fr::from(9)),
        query: query(CONDITION),
        path: Path { index: 0, siblings: Default::default() },
        signature: key.sign(Fr::from(0)),
    };
    sealed(witness, &key)
}

/// `check` names the clause and the circuit fails in the clause's function.
fn assert_fails((statement, witness): (Statement, Witness), clause: Unsatisfied, function: &str) {
    assert_eq!(check(&statement, &witness), Err(clause));
    assert_eq!(failed_clause(Circuit::new(statement, witness)).as_deref(), Some(function));
}

#[test]
fn accepts_a_valid_statement() {
    let (statement, witness) = valid();
    assert_eq!(check(&statement, &witness), Ok(()));
    assert_eq!(failed_clause(Circuit::new(statement, witness)), None);
}

#[test]
fn rejects_another_root() {
    let (mut statement, witness) = valid();
    statement.records_root += Fr::from(1);
    assert_fails((statement, witness), Unsatisfied::Membership, "enforce_membership");
}

#[test]
fn rejects_another_path() {
    let (statement, mut witness) = valid();
    witness.path.index ^= 1;
    assert_fails((statement, witness.clone()), Unsatisfied::Membership, "enforce_membership");
    witness.path.index ^= 1;
    witness.path.siblings[9][2] += Fr::from(1);
    assert_fails((statement, witness), Unsatisfied::Membership, "enforce_membership");
}

#[test]
fn rejects_a_record_that_is_not_in_the_tree() {
    let (statement, mut witness) = valid();
    witness.opening.blinding += Fr::from(1);
    assert_fails((statement, witness), Unsatisfied::Membership, "enforce_membership");
}

#[test]
fn rejects_the_attacker_s_key_put_into_the_record() {
    let (statement, mut witness) = valid();
    let attacker = PrivateKey::from_bytes(&[6; 32]);
    witness.opening.public_key = (attacker.public_key().x(), attacker.public_key().y());
    witness.signature = attacker.sign(consent_message(statement.request, statement.query));
    assert_fails((statement, witness), Unsatisfied::Membership, "enforce_membership");
}

#[test]
fn rejects_another_query_or_mode() {
    let (mut statement, mut witness) = valid();
    statement.query =
        witness.query.commitment(Mode::Identified, Basis::Consent, witness.schema, witness.scope);
    // The citizen signs what the statement says, so only the commitment is wrong.
    witness.signature = citizen().sign(consent_message(statement.request, statement.query));
    let function = "enforce_query_commitment";
    assert_fails((statement, witness), Unsatisfied::QueryCommitment, function);

    let (statement, mut witness) = valid();
    witness.query = query(r#"[{"path": ["income"], "predicate": {"$gte": 0}}]"#);
    assert_fails((statement, witness), Unsatisfied::QueryCommitment, function);
}

#[test]
fn rejects_the_statutory_basis() {
    let (mut statement, mut witness) = valid();
    statement.query = witness.query.commitment(
        Mode::Pseudonymous,
        Basis::Statutory,
        witness.schema,
        witness.scope,
    );
    witness.signature = citizen().sign(consent_message(statement.request, statement.query));
    let function = "enforce_query_commitment";
    assert_fails((statement, witness), Unsatisfied::QueryCommitment, function);
}

#[test]
fn rejects_a_record_that_does_not_meet_the_query() {
    let (_, mut witness) = valid();
    witness.opening.values[3] = Fr::from(1);
    let unmet = sealed(witness, &citizen());
    assert_fails(unmet, Unsatisfied::Query, "enforce_query_holds");
}

#[test]
fn rejects_a_signature_by_another_key() {
    let (statement, mut witness) = valid();
    let message = consent_message(statement.request, statement.query);
    witness.signature = PrivateKey::from_bytes(&[6; 32]).sign(message);
    assert_fails((statement, witness.clone()), Unsatisfied::Consent, "enforce_consent");
    witness.signature = citizen().sign(message);
    assert_eq!(check(&statement, &witness), Ok(()));
}

#[test]
fn rejects_a_signature_for_another_request() {
    let (mut statement, witness) = valid();
    statement.request += Fr::from(1);
    assert_fails((statement, witness), Unsatisfied::Consent, "enforce_consent");
}

#[test]
fn rejects_a_signature_for_another_query() {
    let (statement, mut witness) = valid();
    let other = consent_message(statement.request, statement.query + Fr::from(1));
    witness.signature = citizen().sign(other);
    assert_fails((statement, witness), Unsatisfied::Consent, "enforce_consent");
}

#[test]
fn rejects_any_signature_where_the_record_has_no_key() {
    let (_, mut witness) = valid();
    witness.opening.public_key = NO_CONSENT_KEY;
    let without_key = sealed(witness, &citizen());
    assert_fails(without_key, Unsatisfied::Consent, "enforce_consent");
}

#[test]
fn rejects_the_pseudonym_of_another_citizen() {
    let (mut statement, witness) = valid();
    statement.pseudonym = pseudonym(witness.opening.pseudonym_key + Fr::from(1), witness.scope);
    assert_fails((statement, witness), Unsatisfied::Pseudonym, "enforce_pseudonym");
}

#[test]
fn rejects_a_pseudonym_in_another_scope() {
    let (mut statement, mut witness) = valid();
    let other = crate::statement::scope(Fr::from(8), Fr::from(10));
    statement.pseudonym = pseudonym(witness.opening.pseudonym_key, other);
    assert_fails((statement, witness.clone()), Unsatisfied::Pseudonym, "enforce_pseudonym");
    witness.scope = other;
    let function = "enforce_query_commitment";
    assert_fails((statement, witness), Unsatisfied::QueryCommitment, function);
}

#[test]
fn one_scope_gives_one_pseudonym_and_two_scopes_two() {
    let (statement, mut witness) = valid();
    witness.opening.blinding += Fr::from(1);
    let (again, mut witness) = sealed(witness, &citizen());
    assert_eq!(again.pseudonym, statement.pseudonym);
    assert_ne!(again.records_root, statement.records_root);
    witness.scope = crate::statement::scope(Fr::from(7), Fr::from(9));
    let (elsewhere, witness) = sealed(witness, &citizen());
    assert_ne!(elsewhere.pseudonym, statement.pseudonym);
    assert_eq!(check(&elsewhere, &witness), Ok(()));
}

#[test]
fn blank_and_assigned_circuits_have_one_shape() {
    let (statement, witness) = valid();
    let blank = R1cs::of(Circuit::blank()).unwrap();
    assert_eq!(R1cs::of(Circuit::new(statement, witness.clone())).unwrap(), blank);
    let cs = ConstraintSystem::new_ref();
    Circuit::new(statement, witness).generate_constraints(cs.clone()).unwrap();
    assert_eq!(cs.num_constraints(), blank.constraints());
    assert_eq!(cs.num_witness_variables(), blank.witness_variables());
}

#[test]
fn public_inputs_stand_at_their_offsets() {
    let (statement, _) = valid();
    let inputs = statement.to_public_inputs();
    assert_eq!(
        [inputs[ROOT], inputs[MESSAGE], inputs[QUERY], inputs[PSEUDONYM]],
        [
            statement.records_root,
            consent_message(statement.request, statement.query),
            statement.query,
            statement.pseudonym
        ]
    );
    assert_eq!([ROOT, MESSAGE, QUERY, PSEUDONYM], [0, 1, 2, 3]);
}

#[test]
fn the_message_input_is_of_the_request_and_the_query() {
    let (statement, _) = valid();
    let message = |change: fn(&mut Statement)| {
        let mut changed = statement;
        change(&mut changed);
        changed.to_public_inputs()[MESSAGE]
    };
    let honest = message(|_| ());
    assert_ne!(message(|it| it.request += Fr::from(1)), honest);
    assert_ne!(message(|it| it.query += Fr::from(1)), honest);
    assert_ne!(message(|it| std::mem::swap(&mut it.request, &mut it.query)), honest);
    assert_eq!(message(|it| it.pseudonym += Fr::from(1)), honest);
}

#[test]
fn the_circuit_is_pinned_and_at_most_11000_constraints() {
    let (statement, witness) = valid();
    let counts = counts(Circuit::new(statement, witness));
    assert!(counts.values().sum::<usize>() <= 11_000);
    assert_pinned(ID, counts);
}

#[test]
fn a_real_proof_holds_for_its_own_statement_and_key() {
    let rng = &mut groth16::rng_from_seed([1; 32]);
    let key = ID.development_key(rng);
    let prepared = PreparedVerifyingKey::from(key.verifying_key());
    let (statement, mut witness) = valid();
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
    let other = ID.development_key(&mut groth16::rng_from_seed([2; 32]));
    let other = PreparedVerifyingKey::from(other.verifying_key());
    assert_eq!(groth16::verify(&other, &inputs, &proof), refused);

    // An attacker without the citizen's key takes out its own check and sends what comes out.
    let message = consent_message(statement.request, statement.query);
    witness.signature = PrivateKey::from_bytes(&[6; 32]).sign(message);
    let circuit = Circuit::new(statement, witness);
    let outcome = groth16::prove(&key, circuit.clone(), rng);
    assert!(matches!(outcome, Err(ProveError::Unsatisfied { .. })));
    let bad = groth16::prove_without_satisfaction_check(&key, circuit, rng).unwrap();
    assert_eq!(groth16::verify(&prepared, &inputs, &bad), refused);
}
