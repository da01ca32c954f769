//! A made-up record, and a satisfied statement of each circuit about it: something that may be shown to
//! anybody's tools, for it holds nobody's data.

use std::collections::BTreeMap;

use ark_ff::UniformRand;
use ark_std::rand::RngCore;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::{
    Fr,
    eddsa::PrivateKey,
    encoding::{Text, Value},
    groth16::{Assignment, R1cs},
    poseidon::digest_element,
    query::{Basis, CompiledQuery, Mode, Query},
    record::{self, NO_CONSENT_KEY, Opening},
    schema::Schema,
    statement::{self, CircuitId, PUBLIC_INPUTS, identified, pseudonymous},
    tree::{self, Leaf},
};

const SCHEMA: &str = r#"{
    "schema": "sample", "version": 1, "title": "Sample residents", "as_of": "2024-12-31",
    "primary_key": "id",
    "fields": [
        {"name": "id", "type": "integer", "nullable": false, "min": 0, "max": 999999999,
         "description": "Subject identifier."},
        {"name": "income", "type": "integer", "nullable": false, "min": 0, "max": 100000000,
         "description": "Yearly income."},
        {"name": "birth_date", "type": "date", "nullable": false, "min": "1900-01-01",
         "max": "2024-12-31", "description": "Day of birth."},
        {"name": "role", "type": "enum", "nullable": true, "values": ["a", "b", "c"],
         "description": "Role in the household."},
        {"name": "debt", "type": "integer", "nullable": true, "min": 0, "max": 100000000,
         "description": "Debt, if any."},
        {"name": "name", "type": "string", "nullable": false, "min_bytes": 1, "max_bytes": 64,
         "description": "Family name."},
        {"name": "resident", "type": "boolean", "nullable": false, "description": "Lives here."},
        {"name": "seen_at", "type": "instant", "nullable": true, "min": "2000-01-01T00:00:00Z",
         "max": "2024-12-31T23:59:59Z", "description": "Last contact."}
    ]
}"#;

/// Of age, of small means, and in one of two roles or not in debt.
fn request() -> Json {
    json!([
        {"path": ["age"], "predicate": {"$gte": 18}},
        {"path": ["income"], "predicate": {"$lt": 50000}},
        {"any_of": [
            {"path": ["role"], "predicate": {"$in": ["b", "c"]}},
            {"path": ["debt"], "predicate": {"$exists": false}},
        ]},
    ])
}

pub(crate) fn schema() -> Schema {
    Schema::parse(SCHEMA).expect("the sample's schema is well-formed")
}

/// The query that the sample statements answer.
pub fn query() -> CompiledQuery {
    let schema = schema();
    let query = Query::parse(&request(), &schema, schema.as_of());
    query.expect("the sample's query is well-formed").compile()
}

/// Subject 7, with an income of 30,000, born 1990-05-17, in role b, without debt.
fn opening(rng: &mut impl RngCore) -> Opening {
    let values = [
        Value::Integer(7),
        Value::Integer(30_000),
        Value::Date("1990-05-17".parse().expect("a day")),
        Value::Enum(2),
        Value::Absent,
        Value::String(Text::new("Sample").expect("a name")),
        Value::Boolean(true),
        Value::Instant("2024-03-01T12:00:00Z".parse().expect("a second")),
    ];
    Opening {
        values: schema().elements(&values),
        public_key: NO_CONSENT_KEY,
        pseudonym_key: Fr::rand(rng),
        blinding: Fr::rand(rng),
    }
}

fn schema_element() -> Fr {
    digest_element(&Sha256::digest(SCHEMA).into())
}

/// A satisfied statement of `identified/v1`: the circuit with its witness, and its public inputs.
pub fn identified(rng: &mut impl RngCore) -> (identified::Circuit, [Fr; PUBLIC_INPUTS]) {
    let (query, basis) = (query(), Basis::Consent);
    let (schema, opening, nonce) = (schema_element(), opening(rng), Fr::rand(rng));
    let statement = identified::Statement {
        commitment: record::commitment(schema, &opening),
        request: Fr::rand(rng),
        query: query.commitment(Mode::Identified, basis, schema, nonce),
        subject_tag: statement::subject_tag(opening.values[0], nonce),
    };
    let witness = identified::Witness { schema, opening, nonce, query, basis };
    debug_assert_eq!(identified::check(&statement, &witness), Ok(()));
    (identified::Circuit::new(statement, witness), statement.to_public_inputs())
}

/// A satisfied statement of `pseudonymous/v1`: the circuit with its witness, and its public inputs.
pub fn pseudonymous(rng: &mut impl RngCore) -> (pseudonymous::Circuit, [Fr; PUBLIC_INPUTS]) {
    let mut secret = [0; 32];
    rng.fill_bytes(&mut secret);
    let key = PrivateKey::from_bytes(&secret);
    let public_key = (key.public_key().x(), key.public_key().y());
    let (query, schema, opening) =
        (query(), schema_element(), Opening { public_key, ..opening(rng) });
    let scope = statement::scope(Fr::rand(rng), Fr::rand(rng));

    let leaf = |element| Leaf::record(element).expect("a hash or a random element is not zero");
    let mut leaves: BTreeMap<u32, Leaf> =
        (0..64).map(|index| (index, leaf(Fr::rand(rng)))).collect();
    let index = 27;
    leaves.insert(index, leaf(record::commitment(schema, &opening)));
    let Ok(update) = tree::update_many(&BTreeMap::new(), &leaves);
    let store: BTreeMap<_, _> = update.writes.into_iter().collect();
    let Ok(path) = tree::path(&store, index);

    let query_commitment = query.commitment(Mode::Pseudonymous, Basis::Consent, schema, scope);
    let statement = pseudonymous::Statement {
        records_root: update.root,
        request: Fr::rand(rng),
        query: query_commitment,
        pseudonym: statement::pseudonym(opening.pseudonym_key, scope),
    };
    let signature = key.sign(statement.message());
    let witness = pseudonymous::Witness { schema, opening, scope, query, path, signature };
    debug_assert_eq!(pseudonymous::check(&statement, &witness), Ok(()));
    (pseudonymous::Circuit::new(statement, witness), statement.to_public_inputs())
}

/// The wires of a circuit's sample.
///
/// # Panics
/// If the matrices are of another circuit.
pub fn assignment(circuit: CircuitId, r1cs: &R1cs, rng: &mut impl RngCore) -> Assignment {
    match circuit {
        CircuitId::IdentifiedV1 => Assignment::of(r1cs, identified(rng).0),
        CircuitId::PseudonymousV1 => Assignment::of(r1cs, pseudonymous(rng).0),
    }
    .expect("the sample has a value for each wire of its circuit")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_std::rand::{SeedableRng, rngs::StdRng};

    fn satisfied(r1cs: &R1cs, assignment: &Assignment, inputs: [Fr; PUBLIC_INPUTS]) {
        assert_eq!(r1cs.first_unsatisfied(assignment.elements()), None);
        assert_eq!(assignment.public_inputs(), inputs);
    }

    #[test]
    fn the_samples_satisfy_their_circuits_and_the_same_seed_gives_the_same_ones() {
        let rng = || StdRng::from_seed([3; 32]);
        let r1cs = CircuitId::IdentifiedV1.r1cs();
        let (circuit, inputs) = identified(&mut rng());
        satisfied(&r1cs, &Assignment::of(&r1cs, circuit).unwrap(), inputs);
        assert_eq!(identified(&mut rng()).1, inputs);
        let r1cs = CircuitId::PseudonymousV1.r1cs();
        let (circuit, inputs) = pseudonymous(&mut rng());
        satisfied(&r1cs, &Assignment::of(&r1cs, circuit).unwrap(), inputs);
        assert_eq!(pseudonymous(&mut rng()).1, inputs);
    }
}
