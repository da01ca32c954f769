//! Text and JSON to values, by a field's type and limits.

use serde_json::Value as Json;
use thiserror::Error;

use super::{Text, TextError, Value};
use crate::schema::{Check, Field, FieldType};

/// 2^53 − 1: the largest integer that every JSON reader keeps exactly (RFC 8259, section 6).
const MAX_JSON_INTEGER: u64 = (1 << 53) - 1;

/// Why a text or a JSON value is not a value of its field. Never shows the value, which may be
/// somebody's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueError {
    /// Absent, in a field that is always there.
    #[error("empty, and the field is required")]
    Required,
    /// Not digits, or a second spelling of a number.
    #[error("not an integer: expected 0, or digits without leading zero, sign + or separators")]
    NotAnInteger,
    /// No such day, or another spelling of one.
    #[error("not a day of the calendar, written YYYY-MM-DD")]
    NotADate,
    /// No such second, or another spelling of one.
    #[error("not an instant in UTC, written YYYY-MM-DDTHH:MM:SSZ")]
    NotAnInstant,
    /// Neither `true` nor `false`.
    #[error("not a boolean: expected true or false")]
    NotABoolean,
    /// Not exactly one of an enum's values.
    #[error("not one of the listed values")]
    NotListed,
    /// Below the smallest or above the largest value of the field.
    #[error("out of range: expected {min} to {max}")]
    OutOfRange {
        /// The smallest value.
        min: String,
        /// The largest value.
        max: String,
    },
    /// A string too short or too long for the field.
    #[error("{bytes} bytes of UTF-8, expected {min} to {max}")]
    Length {
        /// Its length after normalisation.
        bytes: usize,
        /// The shortest length.
        min: usize,
        /// The longest length.
        max: usize,
    },
    /// A string that no record may hold.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The last digit does not fit the others.
    #[error("wrong check digit (ISO 7064 MOD 11,10)")]
    CheckDigit,
    /// JSON of another type.
    #[error("expected {expected} in JSON")]
    JsonType {
        /// What the field's type is written as.
        expected: &'static str,
    },
}

impl Field {
    /// A field of a CSV file as a value.
    ///
    /// ASCII spaces at the ends are dropped; what is then empty is absent. Integers have neither
    /// leading zeros nor a plus sign, and a minus sign only before a number that is not zero: every
    /// value has one spelling.
    ///
    /// # Errors
    /// [`ValueError`] says what the field expected.
    pub fn parse_text(&self, text: &str) -> Result<Value, ValueError> {
        let text = text.trim_matches(' ');
        if text.is_empty() {
            return self.absent();
        }
        let value = match self.kind() {
            FieldType::Boolean => Value::Boolean(match text {
                "true" => true,
                "false" => false,
                _ => return Err(ValueError::NotABoolean),
            }),
            FieldType::Integer { .. } => {
                if !is_integer(text) {
                    return Err(ValueError::NotAnInteger);
                }
                // A number too long for 64 bits is out of any field's range.
                Value::Integer(text.parse().map_err(|_| self.out_of_range())?)
            }
            _ => self.read_text(text)?,
        };
        self.checked(value)
    }

    /// A JSON value as a value: booleans as booleans, integers as numbers, or as decimal strings
    /// beyond ±(2^53 − 1), all else as strings; `null` is absent.
    ///
    /// Floats are refused, as is an integer in the other spelling.
    ///
    /// # Errors
    /// [`ValueError`] says what the field expected.
    pub fn parse_json(&self, json: &Json) -> Result<Value, ValueError> {
        if json.is_null() {
            return self.absent();
        }
        self.checked(self.parse_typed(json)?)
    }

    /// As [`Field::parse_json`], but anything that the type holds is taken, within the field's
    /// limits or not; there is no absent value.
    pub fn parse_typed(&self, json: &Json) -> Result<Value, ValueError> {
        match (self.kind(), json) {
            (FieldType::Boolean, Json::Bool(value)) => Ok(Value::Boolean(*value)),
            (FieldType::Boolean, _) => Err(ValueError::JsonType { expected: "true or false" }),
            (FieldType::Integer { .. }, json) => integer_from_json(json).map(Value::Integer),
            (_, Json::String(text)) => self.read_text(text),
            (_, _) => Err(ValueError::JsonType { expected: "a string" }),
        }
    }

    /// The JSON that [`Field::parse_json`] reads as `value`.
    ///
    /// # Panics
    /// If `value` is not of the field's type.
    pub fn to_json(&self, value: &Value) -> Json {
        match (self.kind(), value) {
            (_, Value::Absent) => Json::Null,
            (FieldType::Boolean, Value::Boolean(value)) => Json::from(*value),
            (FieldType::Integer { .. }, Value::Integer(value)) => integer_to_json(*value),
            _ => Json::from(self.to_text(value)),
        }
    }

    /// The text that [`Field::parse_text`] reads as `value`.
    ///
    /// # Panics
    /// If `value` is not of the field's type.
    pub fn to_text(&self, value: &Value) -> String {
        match (self.kind(), value) {
            (_, Value::Absent) => String::new(),
            (FieldType::Boolean, Value::Boolean(value)) => value.to_string(),
            (FieldType::Integer { .. }, Value::Integer(value)) => value.to_string(),
            (FieldType::Date { .. }, Value::Date(date)) => date.to_string(),
            (FieldType::Instant { .. }, Value::Instant(instant)) => instant.to_string(),
            (FieldType::Enum { values }, Value::Enum(position)) => {
                values[usize::from(*position) - 1].clone()
            }
            (FieldType::String { .. }, Value::String(text)) => text.to_string(),
            (kind, _) => panic!("a value of another type in a field of type {}", kind.name()),
        }
    }

    /// Whether `value` is one that this field can hold.
    pub fn admits(&self, value: &Value) -> bool {
        match (self.kind(), value) {
            (_, Value::Absent) => self.is_nullable(),
            (FieldType::Boolean, Value::Boolean(_))
            | (FieldType::Integer { .. }, Value::Integer(_))
            | (FieldType::Date { .. }, Value::Date(_))
            | (FieldType::Instant { .. }, Value::Instant(_))
            | (FieldType::String { .. }, Value::String(_)) => self.checked(value.clone()).is_ok(),
            (FieldType::Enum { values }, Value::Enum(position)) => {
                (1..=values.len()).contains(&usize::from(*position))
            }
            _ => false,
        }
    }

    fn absent(&self) -> Result<Value, ValueError> {
        if self.is_nullable() { Ok(Value::Absent) } else { Err(ValueError::Required) }
    }

    /// The types whose JSON is a string, from that string.
    fn read_text(&self, text: &str) -> Result<Value, ValueError> {
        match self.kind() {
            FieldType::Date { .. } => {
                text.parse().map(Value::Date).map_err(|_| ValueError::NotADate)
            }
            FieldType::Instant { .. } => {
                text.parse().map(Value::Instant).map_err(|_| ValueError::NotAnInstant)
            }
            FieldType::Enum { values } => {
                let index = values.iter().position(|value| value == text);
                let index = index.ok_or(ValueError::NotListed)?;
                let position = u16::try_from(index + 1).expect("a schema lists at most 65,535");
                Ok(Value::Enum(position))
            }
            FieldType::String { .. } => Ok(Value::String(Text::new(text)?)),
            FieldType::Boolean | FieldType::Integer { .. } => {
                unreachable!("booleans and integers are not strings in JSON")
            }
        }
    }

    /// `value`, which is of the field's type, if it is within the field's limits.
    fn checked(&self, value: Value) -> Result<Value, ValueError> {
        let in_range = match (self.kind(), &value) {
            (FieldType::Integer { min, max, check }, Value::Integer(number)) => {
                if (min..=max).contains(&number)
                    && *check == Some(Check::Iso7064Mod11_10)
                    && !has_check_digit(number.unsigned_abs())
                {
                    return Err(ValueError::CheckDigit);
                }
                (min..=max).contains(&number)
            }
            (FieldType::Date { min, max }, Value::Date(date)) => (min..=max).contains(&date),
            (FieldType::Instant { min, max }, Value::Instant(instant)) => {
                (min..=max).contains(&instant)
            }
            (FieldType::String { min_bytes, max_bytes }, Value::String(text)) => {
                let bytes = text.as_str().len();
                if !(min_bytes..=max_bytes).contains(&&bytes) {
                    let (min, max) = (*min_bytes, *max_bytes);
                    return Err(ValueError::Length { bytes, min, max });
                }
                true
            }
            _ => true,
        };
        if in_range { Ok(value) } else { Err(self.out_of_range()) }
    }

    fn out_of_range(&self) -> ValueError {
        let (min, max): (&dyn ToString, &dyn ToString) = match self.kind() {
            FieldType::Integer { min, max, .. } => (min, max),
            FieldType::Date { min, max } => (min, max),
            FieldType::Instant { min, max } => (min, max),
            _ => unreachable!("only ordered types have a range"),
        };
        ValueError::OutOfRange { min: min.to_string(), max: max.to_string() }
    }
}

/// An integer from a JSON number, or from a decimal string beyond ±(2^53 − 1): each has one spelling.
pub(crate) fn integer_from_json(json: &Json) -> Result<i64, ValueError> {
    const EXPECTED: ValueError = ValueError::JsonType {
        expected: "an integer (a number up to 2^53 - 1 either side of 0, beyond that a decimal string of 64 bits)",
    };
    match json {
        Json::Number(number) => match number.as_i64() {
            Some(value) if value.unsigned_abs() <= MAX_JSON_INTEGER => Ok(value),
            _ => Err(EXPECTED),
        },
        Json::String(text) if is_integer(text) => match text.parse::<i64>() {
            Ok(value) if value.unsigned_abs() > MAX_JSON_INTEGER => Ok(value),
            _ => Err(EXPECTED),
        },
        _ => Err(EXPECTED),
    }
}

/// The JSON that [`integer_from_json`] reads as `value`.
pub(crate) fn integer_to_json(value: i64) -> Json {
    if value.unsigned_abs() <= MAX_JSON_INTEGER {
        Json::from(value)
    } else {
        Json::from(value.to_string())
    }
}

/// `0`, or an optional minus sign and digits of which the first is not 0.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    text == "0" || (matches!(digits, [b'1'..=b'9', ..]) && digits.iter().all(u8::is_ascii_digit))
}

/// Whether the last decimal digit is the check digit of those before it, by ISO 7064 MOD 11,10.
fn has_check_digit(number: u64) -> bool {
    let digits = number.to_string().into_bytes();
    let (check, body) = digits.split_last().expect("a number has a digit");
    let product = body.iter().fold(10, |product, digit| {
        let sum = (product + u32::from(digit - b'0')) % 10;
        2 * if sum == 0 { 10 } else { sum } % 11
    });
    (product + u32::from(check - b'0')) % 10 == 1
}
