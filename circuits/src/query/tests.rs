//! Queries.

mod probing;
mod reading;

use std::str::FromStr;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{
    Basis, Mode, Query, QueryError,
    arbitrary::{Case, case},
};
use crate::{
    Fr,
    encoding::Value,
    schema::{FIELDS, Schema},
};

/// A schema with a field of every type.
pub(super) fn example_schema() -> Schema {
    Schema::parse(
        r#"{"schema": "example", "version": 1, "title": "Example", "as_of": "2024-12-31",
        "primary_key": "id", "fields": [
        {"name": "id", "type": "integer", "nullable": false, "min": 0, "max": 999, "description": ""},
        {"name": "birth_date", "type": "date", "nullable": false, "min": "1900-01-01", "max": "2024-12-31", "description": ""},
        {"name": "income", "type": "integer", "nullable": true, "min": 0, "max": 100000, "unit": "cents", "description": ""},
        {"name": "district", "type": "enum", "nullable": false, "values": ["D01", "D02", "D03"], "description": ""},
        {"name": "deceased", "type": "boolean", "nullable": false, "description": ""},
        {"name": "family_name", "type": "string", "nullable": false, "min_bytes": 1, "max_bytes": 64, "description": ""},
        {"name": "seen_at", "type": "instant", "nullable": true, "min": "2000-01-01T00:00:00Z", "max": "2030-01-01T00:00:00Z", "description": ""}
        ]}"#,
    )
    .unwrap()
}

/// A record under it.
pub(super) fn example_record() -> Vec<Value> {
    let texts = ["5", "2000-02-29", "100", "D02", "false", "M\u{fc}ller", ""];
    let schema = example_schema();
    schema.fields().iter().zip(texts).map(|(field, text)| field.parse_text(text).unwrap()).collect()
}

pub(super) fn example_values() -> [Fr; FIELDS] {
    example_schema().elements(&example_record())
}

fn parse(query: &Json) -> Result<Query, QueryError> {
    let schema = example_schema();
    Query::parse(query, &schema, schema.as_of())
}

/// A query of one claim.
fn one(path: &str, predicate: Json) -> Json {
    json!([{"path": [path], "predicate": predicate}])
}

proptest! {
    #[test]
    fn the_evaluators_agree(seed: u64) {
        let Case { query, values } = case(seed);
        let elements = query.schema().elements(&values);
        prop_assert_eq!(query.holds(&values), query.compile().evaluate(&elements));
    }

    #[test]
    fn the_rewritten_form_parses_to_itself(seed: u64) {
        let query = case(seed).query;
        let again = Query::parse(&query.to_json(), query.schema(), query.schema().as_of());
        prop_assert_eq!(again, Ok(query));
    }

    #[test]
    fn different_queries_have_different_commitments(left: u64, right: u64) {
        let [left, right] = [left, right].map(|seed| case(seed).query.compile());
        let commit = |mode, basis, schema, context, query: &super::CompiledQuery| {
            query.commitment(mode, basis, Fr::from(schema), Fr::from(context))
        };
        let (identified, consent) = (Mode::Identified, Basis::Consent);
        let first = commit(identified, consent, 1, 2, &left);
        prop_assert_eq!(first == commit(identified, consent, 1, 2, &right), left == right);
        prop_assert_ne!(first, commit(Mode::Pseudonymous, consent, 1, 2, &left));
        prop_assert_ne!(first, commit(identified, Basis::Statutory, 1, 2, &left));
        prop_assert_ne!(first, commit(identified, consent, 2, 2, &left));
        prop_assert_ne!(first, commit(identified, consent, 1, 1, &left));
    }
}

/// Header and commitment computed from the tables of `compile` alone, in JavaScript, with npm's
/// circomlibjs 0.1.7 and poseidon-lite 0.3.0, which agreed.
#[test]
fn a_query_computed_elsewhere_has_the_same_commitment() {
    let query = parse(&json!([
        {"path": ["id"], "predicate": {"$gt": 4, "$lte": 5}},
        {"any_of": [
            {"path": ["district"], "predicate": {"$in": ["D03", "D01", "D03"]}},
            {"path": ["income"], "predicate": {"$nonbetween": [50, 99]}},
        ]},
    ]))
    .unwrap()
    .compile();
    let element = |text| Fr::from_str(text).unwrap();
    assert_eq!(
        query.header(Mode::Identified, Basis::Consent),
        element("35681736777743872268049404964875055690583965953")
    );
    assert_eq!(
        query.commitment(Mode::Identified, Basis::Consent, Fr::from(7), Fr::from(11)),
        element("7517139113425136772599833470713185036133767878914580424618600289724485930307")
    );
}

#[test]
fn absent_values_fail_every_operator_but_one() {
    let mut record = example_record();
    record[2] = Value::Absent;
    for predicate in [
        json!({"$eq": 5}),
        json!({"$ne": 5}),
        json!({"$lt": 5}),
        json!({"$lte": 5}),
        json!({"$gt": 5}),
        json!({"$gte": 5}),
        json!({"$between": [0, 5]}),
        json!({"$nonbetween": [0, 5]}),
        json!({"$in": [5]}),
        json!({"$nin": [5]}),
        json!({"$exists": true}),
    ] {
        let query = parse(&one("income", predicate)).unwrap();
        assert!(!query.holds(&record), "{}", query.to_json());
    }
    assert!(parse(&one("income", json!({"$exists": false}))).unwrap().holds(&record));
}

#[test]
fn groups_are_joined_by_and_their_clauses_by_or() {
    let record = example_record();
    let (yes, no) = (
        json!({"path": ["id"], "predicate": {"$eq": 5}}),
        json!({"path": ["id"], "predicate": {"$ne": 5}}),
    );
    for (query, expected) in [
        (json!([yes]), true),
        (json!([no]), false),
        (json!([yes, no]), false),
        (json!([yes, {"any_of": [no, yes]}]), true),
        (json!([yes, {"any_of": [no, no]}]), false),
        (json!([{"any_of": [no, no, yes]}, {"any_of": [yes, no]}]), true),
    ] {
        let parsed = parse(&query).unwrap();
        assert_eq!(parsed.holds(&record), expected, "{query}");
        assert_eq!(parsed.compile().evaluate(&example_values()), expected, "{query}");
    }
}
