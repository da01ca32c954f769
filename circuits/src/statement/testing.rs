//! What the tests of both statements share: a record, queries, names of failed clauses, pins.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use ark_relations::gr1cs::{ConstraintSynthesizer, R1CS_PREDICATE_LABEL, SynthesisMode};
use serde::{Deserialize, Serialize};

use super::{
    CircuitId,
    clauses::{counts_by_clause, functions, functions_by_row, name, traced},
};
use crate::{
    Fr,
    encoding::Value,
    groth16::R1cs,
    query::{CompiledQuery, Query},
    record::{NO_CONSENT_KEY, Opening},
    schema::Schema,
};

/// With values and matrices.
const PROVING: SynthesisMode =
    SynthesisMode::Prove { construct_matrices: true, generate_lc_assignments: true };

/// The element of the test schema's digest; which one does not matter here.
pub(super) const SCHEMA_ELEMENT: u64 = 20_241_231;

const SCHEMA: &str = r#"{
    "schema": "test", "version": 1, "title": "Test", "as_of": "2024-12-31",
    "primary_key": "id",
    "fields": [
        {"name": "id", "type": "integer", "nullable": false, "min": 0, "max": 999,
         "description": "Subject."},
        {"name": "income", "type": "integer", "nullable": false, "min": 0, "max": 1000000,
         "description": "Income."},
        {"name": "birth_date", "type": "date", "nullable": false, "min": "1900-01-01",
         "max": "2024-12-31", "description": "Birth."},
        {"name": "role", "type": "enum", "nullable": true, "values": ["a", "b", "c"],
         "description": "Role."}
    ]
}"#;

pub(super) fn schema() -> Schema {
    Schema::parse(SCHEMA).unwrap()
}

/// A compiled query on the test schema, from JSON.
pub(super) fn query(json: &str) -> CompiledQuery {
    let as_of = "2024-12-31".parse().unwrap();
    Query::parse(&serde_json::from_str(json).unwrap(), &schema(), as_of).unwrap().compile()
}

/// True of [`opening`]: two groups, the first of which holds by its second alternative.
pub(super) const QUERY: &str = r#"[
    {"any_of": [
        {"path": ["income"], "predicate": {"$gt": 50000}},
        {"path": ["birth_date"], "predicate": {"$lte": "2006-12-31"}}
    ]},
    {"path": ["role"], "predicate": {"$in": ["b", "c"]}}
]"#;

/// Subject 7 with an income of 30,000, born 1990-05-17, in role b.
pub(super) fn opening() -> Opening {
    let values = [
        Value::Integer(7),
        Value::Integer(30_000),
        Value::Date("1990-05-17".parse().unwrap()),
        Value::Enum(2),
    ];
    Opening {
        values: schema().elements(&values),
        public_key: NO_CONSENT_KEY,
        pseudonym_key: Fr::from(111),
        blinding: Fr::from(222),
    }
}

/// The function of the one clause that has constraints which do not hold, if there is one.
///
/// # Panics
/// If two clauses have: such a case shows of neither that it is needed.
pub(super) fn failed_clause(circuit: impl ConstraintSynthesizer<Fr>) -> Option<String> {
    let failed = traced(PROVING, circuit, |cs| {
        cs.finalize();
        let cs = cs.borrow().unwrap();
        let matrices = &cs.to_matrices().unwrap()[R1CS_PREDICATE_LABEL];
        let wires = [cs.instance_assignment().unwrap(), cs.witness_assignment().unwrap()].concat();
        let value = |matrix: usize, row: usize| -> Fr {
            matrices[matrix][row].iter().map(|(factor, wire)| *factor * wires[*wire]).sum()
        };
        let broken = (0..cs.num_constraints())
            .filter(|row| value(0, *row) * value(1, *row) != value(2, *row))
            .map(|row| name(&functions(&cs, row)[0]).to_owned());
        BTreeSet::from_iter(broken)
    });
    let mut failed = failed.unwrap();
    assert!(failed.len() <= 1, "{failed:?}");
    failed.pop_first()
}

/// Constraints by clause.
pub(super) fn counts(circuit: impl ConstraintSynthesizer<Fr>) -> BTreeMap<String, usize> {
    counts_by_clause(&functions_by_row(PROVING, circuit).unwrap())
}

/// A circuit's shape, as `pins/` keeps it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pin {
    circuit: CircuitId,
    constraints: usize,
    constraints_by_clause: BTreeMap<String, usize>,
    public_inputs: usize,
    witness_variables: usize,
    /// SHA-256 of the `.r1cs` file.
    r1cs_sha256: String,
}

/// Compares the circuit with its pin, or writes the pin if `UPDATE_PINS=1`.
///
/// Any difference is another circuit: it needs another name and another key.
pub(super) fn assert_pinned(id: CircuitId, counts: BTreeMap<String, usize>) {
    let r1cs: R1cs = id.r1cs();
    let pin = Pin {
        circuit: id,
        constraints: r1cs.constraints(),
        constraints_by_clause: counts,
        public_inputs: r1cs.public_inputs(),
        witness_variables: r1cs.witness_variables(),
        r1cs_sha256: hex::encode(r1cs.digest()),
    };
    println!("{id}: {} constraints", pin.constraints);
    for (clause, count) in &pin.constraints_by_clause {
        println!("{count:>7}  {clause}");
    }
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("pins")
        .join(format!("{}.json", id.name().replace('/', "-")));
    if std::env::var("UPDATE_PINS").is_ok_and(|value| value == "1") {
        let json = serde_json::to_string_pretty(&pin).unwrap();
        std::fs::write(&file, json + "\n").unwrap();
    }
    let pinned: Pin = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(pin, pinned);
}
