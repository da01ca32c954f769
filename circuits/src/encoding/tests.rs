//! Encodings against published vectors, and the two spellings of values.

use std::str::FromStr;

use ark_ff::PrimeField;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::*;
use crate::schema::{Field, Schema};

/// A field that its type limits, and nothing else.
fn field(document: Json) -> Field {
    let mut field = json!({"name": "field", "nullable": true, "description": ""});
    field.as_object_mut().unwrap().extend(document.as_object().unwrap().clone());
    let schema = json!({
        "schema": "test", "version": 1, "title": "", "as_of": "2024-12-31", "primary_key": "id",
        "fields": [{"name": "id", "type": "boolean", "nullable": false, "description": ""}, field],
    });
    Schema::parse(&schema.to_string()).unwrap().fields()[1].clone()
}

fn widest(kind: &str) -> Field {
    field(match kind {
        "boolean" => json!({"type": kind}),
        "integer" => {
            json!({"type": kind, "min": "-9223372036854775808", "max": "9223372036854775807"})
        }
        "date" => json!({"type": kind, "min": "0001-01-01", "max": "9999-12-31"}),
        "instant" => {
            json!({"type": kind, "min": "0001-01-01T00:00:00Z", "max": "9999-12-31T23:59:59Z"})
        }
        "string" => json!({"type": kind, "min_bytes": 1, "max_bytes": 1024}),
        _ => unreachable!("{kind}"),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    r#type: String,
    json: Json,
    element: String,
    values: Option<Vec<String>>,
}

#[test]
fn published_vectors_hold() {
    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("../../vectors/encoding.json")).unwrap();
    assert_eq!(vectors.len(), 48);
    for Vector { r#type, json, element, values } in vectors {
        let field = match values {
            Some(values) => field(json!({"type": r#type, "values": values})),
            None => widest(&r#type),
        };
        let value = field.parse_json(&json).unwrap();
        let element = Fr::from_str(&element).unwrap();
        assert_eq!(value.element(), element, "{type} {json}", type = r#type);
        assert_eq!(field.parse_text(&field.to_text(&value)), Ok(value));
    }
}

#[test]
fn the_last_day_is_day_3652058() {
    // 9,999 years of 365 days, 2,499 leap days less 99 centuries' plus 24 of every fourth century.
    assert_eq!(Date::MAX.day(), 9_999 * 365 + 2_499 - 99 + 24 - 1);
    assert_eq!(Date::from_day(Date::MAX.day()), Ok(Date::MAX));
    assert_eq!(Date::from_day(Date::MAX.day() + 1), Err(DateError));
    assert_eq!(Date::MIN.day(), 0);
    assert_eq!("9999-12-31T23:59:59Z".parse(), Ok(Instant::MAX));
    assert_eq!("0001-01-01T00:00:00Z".parse(), Ok(Instant::MIN));
    assert!(Instant::from_seconds(Instant::MAX.seconds() + 1).is_err());
    assert!(Instant::from_seconds(Instant::MIN.seconds() - 1).is_err());
}

#[test]
fn other_spellings_of_days_are_refused() {
    for text in [
        "2024-02-30",
        "2023-02-29",
        "1900-02-29",
        "2024-13-01",
        "2024-00-01",
        "2024-01-00",
        "0000-01-01",
        "10000-01-01",
        "-001-01-01",
        "2024-1-01",
        "2024-01-1",
        "20240101",
        "2024/01/01",
        "01-01-2024",
        "2024-01-01T00:00:00Z",
        "2024-01-01 ",
        " 2024-01-01",
        "+024-01-01",
        "\u{662}024-01-01",
        "45292",
        "",
    ] {
        assert_eq!(text.parse::<Date>(), Err(DateError), "{text}");
    }
    for text in [
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z",
        "2024-01-01T23:59:60Z",
        "2024-01-01T00:00:00",
        "2024-01-01T00:00:00+00:00",
        "2024-01-01t00:00:00Z",
        "2024-01-01T00:00:00z",
        "2024-01-01T00:00:00.0Z",
        "2024-01-01 00:00:00Z",
        "2024-01-01T00:00Z",
        "2024-02-30T00:00:00Z",
        "2024-01-01T00:00:00ZZ",
        "2024-01-01",
    ] {
        assert_eq!(text.parse::<Instant>(), Err(InstantError), "{text}");
    }
}

#[test]
fn integers_in_text_have_one_spelling_and_a_range() {
    let amount = field(json!({"type": "integer", "min": 0, "max": 1_000_000}));
    let out_of_range = || Err(ValueError::OutOfRange { min: "0".into(), max: "1000000".into() });
    assert_eq!(amount.parse_text(" 1000000  "), Ok(Value::Integer(1_000_000)));
    assert_eq!(amount.parse_text("0"), Ok(Value::Integer(0)));
    assert_eq!(amount.parse_text("  "), Ok(Value::Absent));
    for text in [
        "1000001",
        "-5",
        "18446744073709551615",
        "18446744073709551616",
        "21888242871839275222246405745257275088548364400416034343698204186575808495617",
    ] {
        assert_eq!(amount.parse_text(text), out_of_range(), "{text}");
    }
    for text in [
        "00", "01", "-0", "+1", "1,000", "1.0", "1e3", "1 000", "\t1", "1\u{a0}", "$1", "O", "0x1",
        "\u{ff11}", "-", "--1", "one",
    ] {
        assert_eq!(amount.parse_text(text), Err(ValueError::NotAnInteger), "{text}");
    }
    let below = field(json!({"type": "integer", "min": -5, "max": 5}));
    assert_eq!(below.parse_text("-5"), Ok(Value::Integer(-5)));
    assert_eq!(below.parse_text("-0"), Err(ValueError::NotAnInteger));
}

#[test]
fn check_digits_are_checked() {
    let id = field(json!({
        "type": "integer", "min": 100_000_000_000_u64, "max": 999_999_999_999_u64,
        "check": "iso7064_mod_11_10",
    }));
    // Published examples of numbers that use this system: German tax identification, Croatian OIB.
    let wide = field(json!({
        "type": "integer", "min": 0, "max": 99_999_999_999_u64, "check": "iso7064_mod_11_10",
    }));
    for text in ["86095742719", "47036892816", "69435151530"] {
        assert_eq!(wide.parse_text(text), Ok(Value::Integer(text.parse().unwrap())), "{text}");
    }
    assert_eq!(id.parse_text("101061001312"), Ok(Value::Integer(101_061_001_312)));
    for text in ["101061001313", "110061001312", "101061001321"] {
        assert_eq!(id.parse_text(text), Err(ValueError::CheckDigit), "{text}");
    }
    assert!(matches!(id.parse_text("10106100131"), Err(ValueError::OutOfRange { .. })));
    assert_eq!(id.parse_json(&json!(101061001313u64)), Err(ValueError::CheckDigit));
}

#[test]
fn strings_are_normalised_and_limited_in_bytes() {
    let name = field(json!({"type": "string", "min_bytes": 2, "max_bytes": 8}));
    let composed = name.parse_text("Mu\u{308}ller").unwrap();
    assert_eq!(composed, name.parse_text("M\u{fc}ller").unwrap());
    assert_eq!(name.to_text(&composed), "M\u{fc}ller");
    // 9 bytes as sent, 6 as normalised.
    assert!(name.parse_text("e\u{301}e\u{301}e\u{301}").is_ok());
    assert_eq!(
        name.parse_text("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}"),
        Err(ValueError::Length { bytes: 10, min: 2, max: 8 })
    );
    assert_eq!(name.parse_text("a"), Err(ValueError::Length { bytes: 1, min: 2, max: 8 }));
    for character in [
        '\n', '\t', '\0', '\u{7f}', '\u{85}', '\u{a0}', '\u{200b}', '\u{2028}', '\u{2029}',
        '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{feff}', '\u{fffd}',
    ] {
        let code_point = u32::from(character);
        assert_eq!(
            name.parse_text(&format!("a{character}b")),
            Err(ValueError::Text(TextError::Forbidden { code_point }))
        );
    }
    for text in ["=1+1", "O'B", "a,b", "\"a\"", "a\u{200c}b", "\u{674e}"] {
        assert!(name.parse_text(text).is_ok(), "{text}");
    }
    assert_eq!(Text::new(&"a".repeat(1025)), Err(TextError::TooLong { bytes: 1025 }));
    assert_eq!(name.parse_json(&json!("")), Err(ValueError::Text(TextError::Empty)));
    assert_eq!(name.parse_json(&json!(" ab")), Err(ValueError::Text(TextError::EdgeSpace)));
}

#[test]
fn enums_and_booleans_are_taken_literally() {
    let role = field(json!({"type": "enum", "values": ["none", "sole"]}));
    assert_eq!(role.parse_text("sole"), Ok(Value::Enum(2)));
    for text in ["Sole", "sol", "2", "none sole"] {
        assert_eq!(role.parse_text(text), Err(ValueError::NotListed), "{text}");
    }
    let flag = widest("boolean");
    for text in ["True", "TRUE", "1", "yes"] {
        assert_eq!(flag.parse_text(text), Err(ValueError::NotABoolean), "{text}");
    }
}

#[test]
fn a_required_field_is_never_absent() {
    let id = field(json!({"type": "integer", "nullable": false, "min": 0, "max": 9}));
    assert_eq!(id.parse_text(" "), Err(ValueError::Required));
    assert_eq!(id.parse_json(&Json::Null), Err(ValueError::Required));
    assert!(!id.admits(&Value::Absent));
}

#[test]
fn json_has_one_spelling_too() {
    let integer = widest("integer");
    for json in [
        json!(1.0),
        json!(1e3),
        json!(-0.0),
        json!("1"),
        json!("9007199254740991"),
        json!(9007199254740992_u64),
        json!(-9007199254740992_i64),
        json!("09007199254740992"),
        json!("9223372036854775808"),
        json!("+9007199254740992"),
        json!(u64::MAX),
        json!(true),
        json!([1]),
        json!({}),
    ] {
        assert!(matches!(integer.parse_json(&json), Err(ValueError::JsonType { .. })), "{json}");
    }
    for (kind, json) in [
        ("boolean", json!("true")),
        ("boolean", json!(1)),
        ("date", json!(20240101)),
        ("instant", json!(0)),
        ("string", json!(5)),
        ("string", json!(["a"])),
    ] {
        assert!(
            matches!(widest(kind).parse_json(&json), Err(ValueError::JsonType { .. })),
            "{kind} {json}"
        );
    }
}

#[test]
fn dates_outside_the_limits_are_refused() {
    let born = field(json!({"type": "date", "min": "1900-01-01", "max": "2024-12-31"}));
    assert!(born.parse_text("1900-01-01").is_ok());
    assert!(born.parse_text("2024-12-31").is_ok());
    for text in ["1899-12-31", "2025-01-01"] {
        assert!(matches!(born.parse_text(text), Err(ValueError::OutOfRange { .. })), "{text}");
    }
}

fn any_date() -> impl Strategy<Value = Date> {
    (0..=Date::MAX.day()).prop_map(|day| Date::from_day(day).unwrap())
}

fn any_instant() -> impl Strategy<Value = Instant> {
    (Instant::MIN.seconds()..=Instant::MAX.seconds())
        .prop_map(|seconds| Instant::from_seconds(seconds).unwrap())
}

fn any_text() -> impl Strategy<Value = Text> {
    "\\PC{1,80}".prop_filter_map("not text", |text| Text::new(&text).ok())
}

/// Two values of one ordered type, in their own order.
fn ordered_pair() -> impl Strategy<Value = (Value, Value)> {
    prop_oneof![
        any::<(i64, i64)>().prop_map(|(a, b)| (Value::Integer(a.min(b)), Value::Integer(a.max(b)))),
        (any_date(), any_date()).prop_map(|(a, b)| (Value::Date(a.min(b)), Value::Date(a.max(b)))),
        (any_instant(), any_instant())
            .prop_map(|(a, b)| (Value::Instant(a.min(b)), Value::Instant(a.max(b)))),
    ]
}

proptest! {
    #[test]
    fn the_order_of_values_is_that_of_elements((low, high) in ordered_pair()) {
        let (l, h) = (low.element(), high.element());
        prop_assert_eq!(l.into_bigint().0[0], low.ordinal().unwrap());
        prop_assert_eq!(&l.into_bigint().0[1..], &[0; 3]);
        prop_assert_eq!(l == h, low == high);
        prop_assert!(l <= h);
    }

    #[test]
    fn different_strings_are_different_elements(a in any_text(), b in any_text()) {
        prop_assert_eq!(a.element() == b.element(), a == b);
    }

    #[test]
    fn dates_and_instants_are_read_as_written(date in any_date(), instant in any_instant()) {
        prop_assert_eq!(date.to_string().parse(), Ok(date));
        prop_assert_eq!(instant.to_string().parse(), Ok(instant));
        let next = Date::from_day(date.day() + 1);
        prop_assert!(next.is_err() || next.unwrap() > date);
    }

    #[test]
    fn values_are_read_as_written((value, _) in ordered_pair(), text in any_text()) {
        let kind = match value {
            Value::Integer(_) => "integer",
            Value::Date(_) => "date",
            _ => "instant",
        };
        for (field, value) in [(widest(kind), value), (widest("string"), Value::String(text))] {
            prop_assert!(field.admits(&value));
            prop_assert_eq!(field.parse_text(&field.to_text(&value)), Ok(value.clone()));
            prop_assert_eq!(field.parse_json(&field.to_json(&value)), Ok(value));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*|[0-9 .:TZ-]{0,30}|\\s*") {
        for kind in ["boolean", "integer", "date", "instant", "string"] {
            let field = widest(kind);
            if let Ok(value) = field.parse_text(&text) {
                prop_assert!(field.admits(&value));
                prop_assert_eq!(field.parse_text(&field.to_text(&value)), Ok(value));
            }
        }
    }
}
