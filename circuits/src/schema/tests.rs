//! Schemas.

use serde_json::{Value as Json, json};

use super::*;

fn document() -> Json {
    json!({
        "schema": "tax", "version": 1, "title": "Tax authority", "as_of": "2024-12-31",
        "primary_key": "citizen_id",
        "fields": [
            {"name": "citizen_id", "type": "integer", "nullable": false, "min": 100_000_000_000_u64,
             "max": 999_999_999_999_u64, "check": "iso7064_mod_11_10", "description": "Primary key."},
            {"name": "wages_cents", "type": "integer", "nullable": true, "min": -5,
             "max": "9007199254740992", "unit": "cents", "description": "Wages."},
            {"name": "filed", "type": "boolean", "nullable": false, "description": "On a return."},
            {"name": "role", "type": "enum", "nullable": false, "values": ["none", "sole"],
             "description": "Role."},
            {"name": "filed_on", "type": "date", "nullable": true, "min": "1900-01-01",
             "max": "2024-12-31", "description": "Day."},
            {"name": "filed_at", "type": "instant", "nullable": true, "min": "1900-01-01T00:00:00Z",
             "max": "2024-12-31T23:59:59Z", "description": "Second."},
            {"name": "name", "type": "string", "nullable": false, "min_bytes": 1, "max_bytes": 64,
             "description": "Name."},
        ],
    })
}

fn parse(document: &Json) -> Result<Schema, SchemaError> {
    Schema::parse(&document.to_string())
}

#[test]
fn a_schema_serializes_to_its_document() {
    let document = document();
    let schema = parse(&document).unwrap();
    assert_eq!(serde_json::to_value(&schema).unwrap(), document);
    assert_eq!(serde_json::from_value::<Schema>(document).unwrap(), schema);
    assert_eq!(schema.fields().len(), 7);
    assert_eq!(schema.field("role").unwrap().0, 3);
    assert!(schema.field("other").is_none());
    assert!(schema.fields()[1].is_money());
    assert!(!schema.fields()[0].is_money());
    let ordered: Vec<_> = schema.fields().iter().map(|field| field.kind().is_ordered()).collect();
    assert_eq!(ordered, [true, true, false, false, true, true, false]);
}

#[test]
fn positions_past_the_last_field_are_absent() {
    let schema = parse(&document()).unwrap();
    let texts = ["101061001312", "", "true", "sole", "2024-01-01", "2024-01-01T00:00:00Z", "Roe"];
    let values: Vec<_> = schema
        .fields()
        .iter()
        .zip(texts)
        .map(|(field, text)| field.parse_text(text).unwrap())
        .collect();
    let elements = schema.elements(&values);
    assert_eq!(elements[1], ABSENT);
    assert_eq!(elements[2..4], [Fr::from(1), Fr::from(2)]);
    assert!(elements[4..7].iter().all(|element| *element != ABSENT));
    assert!(elements[7..].iter().all(|element| *element == ABSENT));
}

#[test]
fn faults_are_named_with_their_field() {
    let long = "a".repeat(65);
    // A member of the document, its new value, and what the error says.
    let cases: Vec<(&str, Json, &str)> = vec![
        ("/schema", json!("no spaces"), "schema: expected a name"),
        ("/version", json!(0), "version: expected 1 or more"),
        ("/version", json!(1.5), "expected u32"),
        ("/as_of", json!("2024-02-30"), "not a day of the calendar"),
        ("/primary_key", json!("wages_cents"), "primary_key: expected \"citizen_id\""),
        ("/fields", json!([]), "fields: 0, expected 1 to 16"),
        (
            "/fields",
            Json::from(vec![document()["fields"][2].clone(); 17]),
            "fields: 17, expected 1 to 16",
        ),
        (
            "/fields/1/name",
            json!("citizen_id"),
            "field 1 (\"citizen_id\"): a second field of that name",
        ),
        ("/fields/1/name", json!(""), "field 1 (\"\"): expected a name"),
        ("/fields/1/name", json!("1st"), "field 1 (\"1st\"): expected a name"),
        ("/fields/1/name", json!(long), "expected a name of 1 to 64"),
        (
            "/fields/0/nullable",
            json!(true),
            "nullable: expected false, the first field is the primary key",
        ),
        ("/fields/1/type", json!("float"), "unknown variant `float`"),
        ("/fields/1/surprise", json!(1), "unknown field `surprise`"),
        ("/surprise", json!(1), "unknown field `surprise`"),
        (
            "/fields/1/min",
            json!(1.0),
            "field 1 (\"wages_cents\"): min: expected an integer of 64 bits",
        ),
        ("/fields/1/min", json!(9_007_199_254_740_992_u64), "min: expected an integer"),
        ("/fields/1/max", json!("9223372036854775808"), "max: expected an integer of 64 bits"),
        ("/fields/1/max", json!(-6), "min is above max"),
        ("/fields/1/max", Json::Null, "max: expected an integer of 64 bits"),
        ("/fields/1/unit", Json::Null, "invalid type: null"),
        ("/fields/0/check", json!("luhn"), "unknown variant `luhn`"),
        ("/fields/0/min", json!(-1), "min: expected 0 or more, for a number with a check digit"),
        ("/fields/2/min", json!(0), "field 2 (\"filed\"): min: does not apply to type boolean"),
        ("/fields/2/values", json!(["a"]), "values: does not apply to type boolean"),
        ("/fields/3/unit", json!("cents"), "unit: does not apply to type enum"),
        ("/fields/4/check", json!("iso7064_mod_11_10"), "check: does not apply to type date"),
        ("/fields/1/max_bytes", json!(5), "max_bytes: does not apply to type integer"),
        ("/fields/3/values", json!([]), "values: expected a list of 1 to 65,535 strings"),
        ("/fields/3/values", json!(["a", "b", "a"]), "values: the one at 3 is there twice"),
        ("/fields/3/values", json!(["a", ""]), "values: the one at 2 is not text"),
        ("/fields/3/values", json!([" a"]), "values: the one at 1 is not text"),
        (
            "/fields/3/values",
            json!(["u\u{308}"]),
            "values: the one at 1 is not in normalisation form C",
        ),
        ("/fields/4/min", json!("1900-02-29"), "min: expected a day"),
        ("/fields/4/max", json!("1899-12-31"), "min is above max"),
        ("/fields/5/min", json!("1900-01-01"), "min: expected an instant"),
        ("/fields/6/min_bytes", json!(0), "min_bytes: expected a length of 1 to 1,024 bytes"),
        ("/fields/6/max_bytes", json!(1025), "max_bytes: expected a length of 1 to 1,024 bytes"),
        ("/fields/6/min_bytes", json!(65), "min_bytes is above max_bytes"),
    ];
    for (pointer, value, expected) in cases {
        let mut document = document();
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap()[member] = value;
        let error = parse(&document).unwrap_err().to_string();
        assert!(error.contains(expected), "{pointer}: {error}");
    }
}

#[test]
fn members_that_a_type_needs_are_asked_for() {
    for (index, member) in [
        (1, "min"),
        (1, "max"),
        (3, "values"),
        (4, "min"),
        (5, "max"),
        (6, "min_bytes"),
        (6, "max_bytes"),
    ] {
        let mut document = document();
        document["fields"][index].as_object_mut().unwrap().remove(member);
        let error = parse(&document).unwrap_err().to_string();
        assert!(error.contains(&format!("{member}: missing, expected")), "{error}");
    }
    for member in ["schema", "version", "title", "as_of", "primary_key", "fields"] {
        let mut document = document();
        document.as_object_mut().unwrap().remove(member);
        assert!(matches!(parse(&document), Err(SchemaError::Parse(_))), "{member}");
    }
}

#[test]
fn a_member_given_twice_is_refused() {
    let text = document().to_string().replacen("\"version\":1", "\"version\":1,\"version\":1", 1);
    assert!(matches!(Schema::parse(&text), Err(SchemaError::Parse(_))));
    let text = document().to_string() + " {}";
    assert!(matches!(Schema::parse(&text), Err(SchemaError::Parse(_))));
}
