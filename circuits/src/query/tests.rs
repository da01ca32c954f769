//! Queries.

use proptest::prelude::*;

use super::{
    Query,
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
}
