//! Schemas, values and queries for property tests, from a seed: small domains, so that conditions
//! are true about as often as not, and their edges come up.

use ark_std::rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::{Value as Json, json};

use super::{Operator, Query, QueryError};
use crate::{
    encoding::{Date, Instant, Text, Value},
    schema::{FIELDS, Field, FieldType, Schema},
};

/// A query on a schema, and a record's values.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) query: Query,
    pub(super) values: Vec<Value>,
}

pub(super) fn case(seed: u64) -> Case {
    let rng = &mut StdRng::seed_from_u64(seed);
    let schema = schema(rng);
    let values = schema.fields().iter().map(|field| value(rng, field)).collect();
    Case { query: query(rng, &schema), values }
}

/// Another record under `schema`.
pub(super) fn record(seed: u64, schema: &Schema) -> Vec<Value> {
    let rng = &mut StdRng::seed_from_u64(seed);
    schema.fields().iter().map(|field| value(rng, field)).collect()
}

fn schema(rng: &mut StdRng) -> Schema {
    let fields: Vec<Json> = (0..rng.gen_range(1..=FIELDS))
        .map(|index| {
            let mut field = match rng.gen_range(0..6) {
                0 => json!({"type": "boolean"}),
                1 => match rng.gen_range(0..3) {
                    0 => json!({"type": "integer", "min": -2, "max": 3}),
                    1 => json!({"type": "integer", "min": "-9223372036854775808", "max": "-9223372036854775803"}),
                    _ => json!({"type": "integer", "min": "9223372036854775802", "max": "9223372036854775807"}),
                },
                2 => match rng.gen_range(0..3) {
                    0 => json!({"type": "date", "min": "2000-02-27", "max": "2000-03-03"}),
                    1 => json!({"type": "date", "min": "0001-01-01", "max": "0001-01-06"}),
                    _ => json!({"type": "date", "min": "9999-12-26", "max": "9999-12-31"}),
                },
                3 => json!({"type": "instant", "min": "1969-12-31T23:59:57Z", "max": "1970-01-01T00:00:02Z"}),
                4 => json!({"type": "enum", "values": (0..rng.gen_range(1..5)).map(|i| format!("E{i}")).collect::<Vec<_>>()}),
                _ => json!({"type": "string", "min_bytes": 1, "max_bytes": 64}),
            };
            field["name"] = json!(format!("f{index}"));
            field["nullable"] = json!(index > 0 && rng.gen_bool(0.5));
            field["description"] = json!("");
            field
        })
        .collect();
    let document = json!({
        "schema": "arbitrary", "version": 1, "title": "", "as_of": "2024-12-31",
        "primary_key": "f0", "fields": fields,
    });
    Schema::parse(&document.to_string()).unwrap()
}

/// A value that the field can hold.
fn value(rng: &mut StdRng, field: &Field) -> Value {
    if field.is_nullable() && rng.gen_bool(0.25) { Value::Absent } else { around(rng, field, 0) }
}

/// A present value, up to `margin` outside the field's limits.
fn around(rng: &mut StdRng, field: &Field, margin: i64) -> Value {
    match field.kind() {
        FieldType::Boolean => Value::Boolean(rng.gen_bool(0.5)),
        FieldType::Integer { min, max, .. } => {
            Value::Integer(rng.gen_range(min.saturating_sub(margin)..=max.saturating_add(margin)))
        }
        FieldType::Date { min, max } => {
            let margin = u32::try_from(margin).unwrap();
            let last = (max.day() + margin).min(Date::MAX.day());
            let day = rng.gen_range(min.day().saturating_sub(margin)..=last);
            Value::Date(Date::from_day(day).unwrap())
        }
        FieldType::Instant { min, max } => {
            let seconds = rng.gen_range(min.seconds() - margin..=max.seconds() + margin);
            Value::Instant(Instant::from_seconds(seconds).unwrap())
        }
        FieldType::Enum { values } => {
            Value::Enum(rng.gen_range(1..=u16::try_from(values.len()).unwrap()))
        }
        FieldType::String { .. } => {
            let texts = ["a", "b", "\u{e9}", "longer than one block of 31 bytes"];
            Value::String(Text::new(texts.choose(rng).unwrap()).unwrap())
        }
    }
}

fn query(rng: &mut StdRng, schema: &Schema) -> Query {
    let parse = |elements: &[Json]| Query::parse(&Json::from(elements), schema, schema.as_of());
    let mut elements = vec![claim(rng, schema)];
    for _ in 0..rng.gen_range(0..8) {
        let element = if rng.gen_bool(0.5) {
            claim(rng, schema)
        } else {
            let claims: Vec<Json> = (0..rng.gen_range(1..4)).map(|_| claim(rng, schema)).collect();
            json!({ "any_of": claims })
        };
        elements.push(element);
        match parse(&elements) {
            Ok(_) => {}
            Err(QueryError::TooManyClauses | QueryError::TooManyOperands) => {
                elements.pop();
            }
            Err(error) => panic!("{error}: {elements:?}"),
        }
    }
    parse(&elements).unwrap()
}

fn claim(rng: &mut StdRng, schema: &Schema) -> Json {
    let field = schema.fields().choose(rng).unwrap();
    let operators: Vec<Operator> = Operator::ALL
        .into_iter()
        .filter(|operator| !operator.is_order() || field.kind().is_ordered())
        .collect();
    let operator = *operators.choose(rng).unwrap();
    let mut operand = |margin| field.to_json(&around(rng, field, margin));
    let operand = match operator {
        Operator::Equal | Operator::NotEqual => operand(0),
        Operator::In | Operator::NotIn => Json::from_iter([operand(0), operand(0), operand(0)]),
        Operator::Between | Operator::NotBetween => {
            let ordinal = |json: &Json| field.parse_typed(json).unwrap().ordinal();
            let mut pair = [operand(2), operand(2)];
            pair.sort_by_key(|json| ordinal(json));
            Json::from_iter(pair)
        }
        Operator::Exists => Json::from(true),
        Operator::NotExists => Json::from(false),
        _ => operand(2),
    };
    json!({"path": [field.name()], "predicate": {operator.name(): operand}})
}
