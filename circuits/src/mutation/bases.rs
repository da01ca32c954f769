//! Satisfied assignments to start from: which rows and wires matter to a statement depends on what is
//! asked of whom, so there are several.

use std::collections::BTreeMap;

use ark_ff::UniformRand;
use ark_std::rand::RngCore;
use serde_json::{Value as Json, json};

use crate::{
    Fr,
    babyjubjub::{Scalar, SubgroupPoint, reduce},
    eddsa::Signature,
    encoding::{Text, Value},
    groth16::{Assignment, R1cs},
    poseidon,
    query::{Basis, CompiledQuery, Mode, Query},
    record::{self, NO_CONSENT_KEY, Opening},
    sample,
    statement::{self, CircuitId, identified, pseudonymous},
    tree::{self, Leaf},
};

/// A satisfied assignment.
#[derive(Clone)]
pub(super) struct Base {
    /// One, public inputs, private wires.
    pub(super) z: Vec<Fr>,
    /// Who signed, where the circuit looks at a signature.
    pub(super) signer: Option<Signer>,
}

/// A citizen who tells how the signature was made: `A = secret · BASE8`, `R8 = nonce · BASE8`.
#[derive(Clone, Copy)]
pub(super) struct Signer {
    pub(super) secret: Scalar,
    pub(super) nonce: Scalar,
}

impl Signer {
    fn random(rng: &mut impl RngCore) -> Self {
        Self { secret: Scalar::rand(rng), nonce: Scalar::rand(rng) }
    }

    /// Of the negative key, with the same `R8`.
    pub(super) fn negated(self) -> Self {
        Self { secret: -self.secret, ..self }
    }

    pub(super) fn public_key(&self) -> SubgroupPoint {
        SubgroupPoint::from_scalar(self.secret)
    }

    pub(super) fn r8(&self) -> SubgroupPoint {
        SubgroupPoint::from_scalar(self.nonce)
    }

    /// `S` for the challenge `h`: `nonce + 8h · secret`.
    pub(super) fn s(&self, challenge: Fr) -> Scalar {
        self.nonce + reduce(challenge) * Scalar::from(8) * self.secret
    }

    fn sign(&self, message: Fr) -> Signature {
        let (r8, key) = (self.r8(), self.public_key());
        let challenge = poseidon::challenge([r8.x(), r8.y(), key.x(), key.y(), message]);
        Signature::new(r8, self.s(challenge))
    }
}

/// A record with some values absent, one with none, and one with all but one: which no department has, but a
/// prover may make up.
fn records() -> [[Value; 8]; 3] {
    let day = |day: &str| Value::Date(day.parse().expect("a day"));
    let second = |second: &str| Value::Instant(second.parse().expect("a second"));
    let text = |text: &str| Value::String(Text::new(text).expect("a name"));
    [
        [
            Value::Integer(7),
            Value::Integer(30_000),
            day("1990-05-17"),
            Value::Enum(2),
            Value::Absent,
            text("Sample"),
            Value::Boolean(true),
            Value::Absent,
        ],
        [
            Value::Integer(8),
            Value::Integer(70_000),
            day("1955-11-02"),
            Value::Enum(3),
            Value::Integer(5_000),
            text("A name of more bytes than one block"),
            Value::Boolean(false),
            second("2024-03-01T12:00:00Z"),
        ],
        std::array::from_fn(|field| match field {
            6 => Value::Boolean(true),
            _ => Value::Absent,
        }),
    ]
}

/// Conditions, and which of the records meets them. Each operator stands somewhere in a clause that is claimed
/// and in one that is not; there are full queries, short ones, one group of eight clauses, and eight groups.
fn conditions() -> Vec<(usize, Json)> {
    let clause = |field: &str, predicate: Json| json!({"path": [field], "predicate": predicate});
    let any_of = |clauses: &[Json]| json!({ "any_of": clauses });
    vec![
        (
            0,
            json!([
                clause("id", json!({"$eq": 7})),
                clause("income", json!({"$lt": 50_000})),
                clause("birth_date", json!({"$lte": "2006-12-31"})),
                clause("income", json!({"$gt": 10})),
                clause("income", json!({"$gte": 30_000})),
                clause("income", json!({"$between": [29_000, 31_000]})),
                clause("role", json!({"$in": ["b", "c"]})),
                clause("debt", json!({"$exists": false})),
            ]),
        ),
        (
            1,
            json!([
                clause("id", json!({"$ne": 7})),
                clause("income", json!({"$nonbetween": [10, 50_000]})),
                clause("income", json!({"$nonbetween": [80_000, 90_000]})),
                clause("role", json!({"$nin": ["a", "b"]})),
                clause("seen_at", json!({"$exists": true})),
                clause("name", json!({"$ne": "Sample"})),
                any_of(&[
                    clause("debt", json!({"$lt": 5_000})),
                    clause("resident", json!({"$eq": false})),
                ]),
            ]),
        ),
        (
            1,
            json!([any_of(&[
                clause("id", json!({"$eq": 7})),
                clause("income", json!({"$lt": 100})),
                clause("income", json!({"$between": [1, 2]})),
                clause("role", json!({"$in": ["a", "b"]})),
                clause("debt", json!({"$exists": false})),
                clause("income", json!({"$nonbetween": [60_000, 80_000]})),
                clause("name", json!({"$nin": ["A name of more bytes than one block"]})),
                clause("seen_at", json!({"$exists": true})),
            ])]),
        ),
        (
            0,
            json!([any_of(&[
                clause("id", json!({"$lte": 7})),
                clause("seen_at", json!({"$gt": "2020-01-01T00:00:00Z"})),
                clause("debt", json!({"$ne": 1})),
                clause("income", json!({"$gte": 40_000})),
                clause("role", json!({"$nin": ["b"]})),
                clause("debt", json!({"$exists": true})),
            ])]),
        ),
        (2, json!([clause("resident", json!({"$exists": true}))])),
        (
            2,
            json!([any_of(&[
                clause("income", json!({"$gt": 10})),
                clause("resident", json!({"$ne": false})),
            ])]),
        ),
        (
            1,
            json!([
                any_of(&[
                    clause("birth_date", json!({"$gt": "2006-12-31"})),
                    clause("income", json!({"$gte": 70_000})),
                ]),
                any_of(&[
                    clause("debt", json!({"$exists": true})),
                    clause("debt", json!({"$lte": 6_000})),
                    clause("id", json!({"$in": [8, 9, 10]})),
                ]),
            ]),
        ),
    ]
}

/// Satisfied assignments of the circuit, the same for the same generator.
///
/// # Panics
/// If the matrices are of another circuit.
pub(super) fn bases(circuit: CircuitId, r1cs: &R1cs, rng: &mut impl RngCore) -> Vec<Base> {
    let schema = sample::schema();
    let mut bases = Vec::new();
    for (number, (record, condition)) in conditions().into_iter().enumerate() {
        let query = Query::parse(&condition, &schema, schema.as_of());
        let query = query.expect("the conditions are well-formed").compile();
        let opening = Opening {
            values: schema.elements(&records()[record]),
            public_key: NO_CONSENT_KEY,
            pseudonym_key: Fr::rand(rng),
            blinding: Fr::rand(rng),
        };
        let base = match circuit {
            CircuitId::IdentifiedV1 => {
                let basis = if number % 2 == 0 { Basis::Consent } else { Basis::Statutory };
                let (statement, witness) = identified(query, opening, basis, rng);
                Assignment::of(r1cs, identified::Circuit::new(statement, witness))
                    .map(|it| Base { z: it.elements().to_vec(), signer: None })
            }
            CircuitId::PseudonymousV1 => {
                let signer = Signer::random(rng);
                let (statement, witness) = pseudonymous(query, opening, &signer, rng);
                Assignment::of(r1cs, pseudonymous::Circuit::new(statement, witness))
                    .map(|it| Base { z: it.elements().to_vec(), signer: Some(signer) })
            }
        };
        let base = base.expect("there is a value for each wire");
        assert_eq!(r1cs.first_unsatisfied(&base.z), None, "condition {number}");
        bases.push(base);
    }
    bases
}

fn identified(
    query: CompiledQuery,
    opening: Opening,
    basis: Basis,
    rng: &mut impl RngCore,
) -> (identified::Statement, identified::Witness) {
    let (schema, nonce) = (Fr::rand(rng), Fr::rand(rng));
    let statement = identified::Statement {
        commitment: record::commitment(schema, &opening),
        request: Fr::rand(rng),
        query: query.commitment(Mode::Identified, basis, schema, nonce),
        subject_tag: statement::subject_tag(opening.values[0], nonce),
    };
    (statement, identified::Witness { schema, opening, nonce, query, basis })
}

fn pseudonymous(
    query: CompiledQuery,
    opening: Opening,
    signer: &Signer,
    rng: &mut impl RngCore,
) -> (pseudonymous::Statement, pseudonymous::Witness) {
    let (schema, scope, index) = (Fr::rand(rng), Fr::rand(rng), rng.next_u32());
    let key = signer.public_key();
    let opening = Opening { public_key: (key.x(), key.y()), ..opening };
    let leaf = Leaf::record(record::commitment(schema, &opening)).expect("a hash is not zero");
    let Ok(update) = tree::update(&BTreeMap::new(), index, leaf);
    let nodes: BTreeMap<_, _> = update.writes.into_iter().collect();
    let Ok(path) = tree::path(&nodes, index);
    let statement = pseudonymous::Statement {
        records_root: update.root,
        request: Fr::rand(rng),
        query: query.commitment(Mode::Pseudonymous, Basis::Consent, schema, scope),
        pseudonym: statement::pseudonym(opening.pseudonym_key, scope),
    };
    let signature = signer.sign(statement.message());
    (statement, pseudonymous::Witness { schema, opening, scope, query, path, signature })
}
