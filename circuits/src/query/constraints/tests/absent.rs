//! A value that is absent, under every operator and in a field of every type: the query, its compiled form
//! and the circuit say the same, and no claim on it passes but the one that is true.

use std::collections::BTreeSet;

use super::cheats::{claim_first, only};
use super::*;
use crate::encoding::Value;
use crate::schema::Schema;

/// A field of each type that may be absent, with a value that it can hold.
fn fields() -> [(Json, Json); 6] {
    [
        (json!({"type": "boolean"}), json!(true)),
        (json!({"type": "integer", "min": -9, "max": 9}), json!(5)),
        (json!({"type": "date", "min": "1900-01-01", "max": "2024-12-31"}), json!("2000-02-29")),
        (
            json!({"type": "instant", "min": "2000-01-01T00:00:00Z", "max": "2030-01-01T00:00:00Z"}),
            json!("2001-01-01T00:00:00Z"),
        ),
        (json!({"type": "enum", "values": ["a", "b"]}), json!("b")),
        (json!({"type": "string", "min_bytes": 1, "max_bytes": 64}), json!("a name")),
    ]
}

/// A schema of an identifier and this field.
fn schema(field: &Json) -> Schema {
    let common =
        |name: &str, nullable: bool| json!({"name": name, "nullable": nullable, "description": ""});
    let (mut id, mut other) = (common("id", false), common("field", true));
    id["type"] = json!("boolean");
    other.as_object_mut().unwrap().extend(field.as_object().unwrap().clone());
    let document = json!({
        "schema": "absent", "version": 1, "title": "", "as_of": "2024-12-31", "primary_key": "id",
        "fields": [id, other],
    });
    Schema::parse(&document.to_string()).unwrap()
}

fn predicate(operator: Operator, value: &Json) -> Json {
    let operand = match operator {
        Operator::Exists => json!(true),
        Operator::NotExists => json!(false),
        Operator::Between | Operator::NotBetween => json!([value, value]),
        Operator::In | Operator::NotIn => json!([value]),
        _ => value.clone(),
    };
    json!({operator.name(): operand})
}

/// What refuses a claim by an operator on an absent value. [`Operator::NotExists`] is true of it.
fn refused_by(operator: Operator) -> BTreeSet<&'static str> {
    let too = match operator {
        Operator::NotExists => return BTreeSet::new(),
        Operator::Equal | Operator::In => Some("enforce_membership"),
        operator if operator.is_order() => Some("enforce_order"),
        _ => None,
    };
    too.into_iter().chain(["enforce_presence"]).collect()
}

#[test]
fn an_absent_value_fails_every_operator_but_one() {
    let mut covered = BTreeSet::new();
    for (field, value) in fields() {
        let schema = schema(&field);
        let is_ordered = schema.fields()[1].kind().is_ordered();
        let present = schema.fields()[1].parse_json(&value).unwrap();
        let [absent, present] =
            [Value::Absent, present].map(|value| vec![Value::Boolean(true), value]);
        let elements = [&absent, &present].map(|record| schema.elements(record));
        for operator in Operator::ALL {
            let json = json!([{"path": ["field"], "predicate": predicate(operator, &value)}]);
            let Ok(query) = Query::parse(&json, &schema, schema.as_of()) else {
                assert!(operator.is_order() && !is_ordered, "{json}");
                continue;
            };
            let compiled = query.compile();
            let expected = operator == Operator::NotExists;
            assert_eq!(query.holds(&absent), expected, "{json}");
            assert_eq!(compiled.evaluate(&elements[0]), expected, "{json}");
            let honest = System::new(&compiled, &elements[0], |_| {});
            assert_eq!(honest.failing().is_empty(), expected, "{json}");
            for flag in Flag::ALL.into_iter().filter(|flag| flag.operator() == operator) {
                let claimed = System::new(&compiled, &elements[0], claim_first(flag));
                assert_eq!(claimed.failing(), refused_by(operator), "{json} {flag:?}");
            }
            covered.insert(operator);

            // The other way round: a value that is there is not missing.
            let holds = query.holds(&present);
            assert_eq!(compiled.evaluate(&elements[1]), holds, "{json}");
            if expected {
                assert!(!holds);
                let hidden = System::new(&compiled, &elements[1], claim_first(Flag::NotExists));
                assert_eq!(hidden.failing(), only("enforce_presence"), "{json}");
            }
        }
    }
    assert_eq!(covered.len(), Operator::ALL.len());
}
