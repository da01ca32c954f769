//! What is proved while it is measured: a record of as many fields as there are, that meets a query of as many
//! clauses and twice as many operands.
//!
//! A circuit costs the same whatever is asked, but wires that are 0 make a proof a little quicker: a full
//! query has the fewest.

use std::collections::BTreeMap;

use serde_json::json;

use super::Size;
use crate::{
    Fr,
    eddsa::{PrivateKey, consent_message},
    encoding::Value,
    query::{Basis, CompiledQuery, Mode, Query},
    record::{self, Opening},
    schema::Schema,
    statement::{identified, pseudonym, pseudonymous, scope, subject_tag},
    tree::{self, Leaf},
};

const VALID: &str = "the sample is what the parser takes";

/// A statement of `identified/v1` with a full query: its public inputs, and the circuit.
pub fn identified_sample() -> (Vec<Fr>, identified::Circuit) {
    let (statement, witness) = identified_of(Size::IN_USE);
    (statement.to_public_inputs().to_vec(), identified::Circuit::new(statement, witness))
}

/// A statement of `pseudonymous/v1` with a full query: its public inputs, and the circuit.
pub fn pseudonymous_sample() -> (Vec<Fr>, pseudonymous::Circuit) {
    let (statement, witness) = pseudonymous_of(Size::IN_USE);
    (statement.to_public_inputs().to_vec(), pseudonymous::Circuit::new(statement, witness))
}

pub(super) fn identified_of(size: Size) -> (identified::Statement, identified::Witness) {
    let (schema, opening, query) = record_and_query(size);
    let (nonce, basis) = (Fr::from(9), Basis::Consent);
    let statement = identified::Statement {
        commitment: record::commitment(schema, &opening),
        request: Fr::from(10),
        query: query.commitment(Mode::Identified, basis, schema, nonce),
        subject_tag: subject_tag(opening.values[0], nonce),
    };
    (statement, identified::Witness { schema, opening, nonce, query, basis })
}

pub(super) fn pseudonymous_of(size: Size) -> (pseudonymous::Statement, pseudonymous::Witness) {
    const INDEX: u32 = 0x5a5a_5a5a;
    let (schema, opening, query) = record_and_query(size);
    let scope = scope(Fr::from(8), Fr::from(9));
    let leaf = Leaf::record(record::commitment(schema, &opening)).expect("a hash is not zero");
    let Ok(update) = tree::update(&BTreeMap::new(), INDEX, leaf);
    let nodes: BTreeMap<_, _> = update.writes.into_iter().collect();
    let Ok(path) = tree::path(&nodes, INDEX);
    let statement = pseudonymous::Statement {
        records_root: update.root,
        request: Fr::from(10),
        query: query.commitment(Mode::Pseudonymous, Basis::Consent, schema, scope),
        pseudonym: pseudonym(opening.pseudonym_key, scope),
    };
    let signature = citizen().sign(consent_message(statement.request, statement.query));
    (statement, pseudonymous::Witness { schema, opening, scope, query, path, signature })
}

fn citizen() -> PrivateKey {
    PrivateKey::from_bytes(&[5; 32])
}

/// The element that stands for the schema's digest, the record, and the query.
fn record_and_query(size: Size) -> (Fr, Opening, CompiledQuery) {
    let Size { fields, clauses, .. } = size;
    let columns = (0..fields).map(|field| {
        json!({
            "name": format!("f{field}"), "type": "integer", "nullable": false, "min": 0,
            "max": 1_000_000, "description": "A number."
        })
    });
    let schema = json!({
        "schema": "sample", "version": 1, "title": "Sample", "as_of": "2024-12-31",
        "primary_key": "f0", "fields": columns.collect::<Vec<_>>()
    });
    let schema = Schema::parse(&schema.to_string()).expect(VALID);
    let asked = (0..clauses).map(|clause| {
        let field = 1 + clause % (fields - 1);
        let between = [field * 50_000, field * 60_000 + clause];
        json!({"path": [format!("f{field}")], "predicate": {"$between": between}})
    });
    let as_of = "2024-12-31".parse().expect(VALID);
    let query = Query::parse(&asked.collect(), &schema, as_of).expect(VALID).compile();
    let values: Vec<_> =
        (0_i64..).take(fields).map(|field| Value::Integer(field * 54_321)).collect();
    let public_key = citizen().public_key();
    let opening = Opening {
        values: schema.elements(&values),
        public_key: (public_key.x(), public_key.y()),
        pseudonym_key: Fr::from(111),
        blinding: Fr::from(222),
    };
    (Fr::from(20_241_231), opening, query)
}
