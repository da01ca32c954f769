//! The JSON of a schema, and what makes it one.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;

use super::{
    Check, FIELDS, Field, FieldError, FieldType, MAX_ENUM_VALUES, MAX_NAME_BYTES, Schema,
    SchemaError,
};
use crate::encoding::{self, Date, MAX_TEXT_BYTES, Text};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SchemaDocument {
    schema: String,
    version: u32,
    title: String,
    as_of: Date,
    primary_key: String,
    fields: Vec<FieldDocument>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TypeName {
    Boolean,
    Integer,
    Date,
    Instant,
    Enum,
    String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldDocument {
    name: String,
    r#type: TypeName,
    nullable: bool,
    description: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    min: Option<Json>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    max: Option<Json>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    min_bytes: Option<usize>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    max_bytes: Option<usize>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    values: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    check: Option<Check>,
}

/// A member that is there. `null` is a value like any other, and of no member's type: dropping it
/// would give one schema two documents and so two digests.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

impl TryFrom<SchemaDocument> for Schema {
    type Error = SchemaError;

    fn try_from(document: SchemaDocument) -> Result<Self, SchemaError> {
        if !is_name(&document.schema) {
            return Err(SchemaError::Name);
        }
        if document.version == 0 {
            return Err(SchemaError::Version);
        }
        let found = document.fields.len();
        if !(1..=FIELDS).contains(&found) {
            return Err(SchemaError::FieldCount { found });
        }
        let mut fields: Vec<Field> = Vec::with_capacity(found);
        for (index, field) in document.fields.into_iter().enumerate() {
            let name = field.name.clone();
            let field = check_field(field, &fields).map_err(|error| SchemaError::Field {
                index,
                name,
                error,
            })?;
            fields.push(field);
        }
        if document.primary_key != fields[0].name {
            return Err(SchemaError::PrimaryKey { expected: fields[0].name.clone() });
        }
        Ok(Self {
            name: document.schema,
            version: document.version,
            title: document.title,
            as_of: document.as_of,
            fields,
        })
    }
}

fn check_field(document: FieldDocument, earlier: &[Field]) -> Result<Field, FieldError> {
    if !is_name(&document.name) {
        return Err(FieldError::Name);
    }
    if earlier.iter().any(|field| field.name == document.name) {
        return Err(FieldError::Duplicate);
    }
    if earlier.is_empty() && document.nullable {
        return Err(FieldError::NullableKey);
    }
    let kind = check_type(&document)?;
    // Whatever `check_type` did not look at does not belong to the type.
    let applies = |member| match member {
        "min" | "max" => kind.is_ordered(),
        "min_bytes" | "max_bytes" => matches!(kind, FieldType::String { .. }),
        "values" => matches!(kind, FieldType::Enum { .. }),
        _ => matches!(kind, FieldType::Integer { .. }),
    };
    for (member, there) in [
        ("min", document.min.is_some()),
        ("max", document.max.is_some()),
        ("min_bytes", document.min_bytes.is_some()),
        ("max_bytes", document.max_bytes.is_some()),
        ("values", document.values.is_some()),
        ("unit", document.unit.is_some()),
        ("check", document.check.is_some()),
    ] {
        if there && !applies(member) {
            return Err(FieldError::NotApplicable { member, kind: kind.name() });
        }
    }
    Ok(Field {
        name: document.name,
        kind,
        nullable: document.nullable,
        description: document.description,
        unit: document.unit,
    })
}

fn check_type(document: &FieldDocument) -> Result<FieldType, FieldError> {
    let kind = match document.r#type {
        TypeName::Boolean => FieldType::Boolean,
        TypeName::Integer => {
            let read = |json: &Json| encoding::integer_from_json(json).ok();
            let (min, max) = limits(document, "an integer of 64 bits", read)?;
            if document.check.is_some() && min < 0 {
                let expected = "0 or more, for a number with a check digit";
                return Err(FieldError::Member { member: "min", expected });
            }
            FieldType::Integer { min, max, check: document.check }
        }
        TypeName::Date => {
            let read = |json: &Json| json.as_str()?.parse().ok();
            let (min, max) = limits(document, "a day, written YYYY-MM-DD", read)?;
            FieldType::Date { min, max }
        }
        TypeName::Instant => {
            let read = |json: &Json| json.as_str()?.parse().ok();
            let expected = "an instant in UTC, written YYYY-MM-DDTHH:MM:SSZ";
            let (min, max) = limits(document, expected, read)?;
            FieldType::Instant { min, max }
        }
        TypeName::Enum => FieldType::Enum { values: enum_values(document)? },
        TypeName::String => {
            let expected = "a length of 1 to 1,024 bytes";
            let length = |member, length: Option<usize>| match length {
                None => Err(FieldError::Missing { member, expected }),
                Some(bytes) if (1..=MAX_TEXT_BYTES).contains(&bytes) => Ok(bytes),
                Some(_) => Err(FieldError::Member { member, expected }),
            };
            let min_bytes = length("min_bytes", document.min_bytes)?;
            let max_bytes = length("max_bytes", document.max_bytes)?;
            if min_bytes > max_bytes {
                return Err(FieldError::Reversed { min: "min_bytes", max: "max_bytes" });
            }
            FieldType::String { min_bytes, max_bytes }
        }
    };
    Ok(kind)
}

/// `min` and `max` of an ordered type.
fn limits<T: PartialOrd>(
    document: &FieldDocument,
    expected: &'static str,
    read: impl Fn(&Json) -> Option<T>,
) -> Result<(T, T), FieldError> {
    let limit = |member, json: &Option<Json>| match json {
        None => Err(FieldError::Missing { member, expected }),
        Some(json) => read(json).ok_or(FieldError::Member { member, expected }),
    };
    let (min, max) = (limit("min", &document.min)?, limit("max", &document.max)?);
    if min > max {
        return Err(FieldError::Reversed { min: "min", max: "max" });
    }
    Ok((min, max))
}

/// An enum's list: values that a CSV field can spell, each once.
fn enum_values(document: &FieldDocument) -> Result<Vec<String>, FieldError> {
    let (member, expected) = ("values", "a list of 1 to 65,535 strings");
    let values = document.values.as_ref().ok_or(FieldError::Missing { member, expected })?;
    if !(1..=MAX_ENUM_VALUES).contains(&values.len()) {
        return Err(FieldError::Member { member, expected });
    }
    let mut seen = std::collections::HashSet::new();
    for (index, value) in values.iter().enumerate() {
        let problem = match Text::new(value) {
            Err(_) => "not text: 1 to 1,024 bytes, visible characters, no spaces at the ends",
            Ok(text) if text.as_str() != value => "not in normalisation form C",
            Ok(_) if !seen.insert(value) => "there twice",
            Ok(_) => continue,
        };
        return Err(FieldError::EnumValue { position: index + 1, problem });
    }
    Ok(values.clone())
}

fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME_BYTES
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl From<Schema> for SchemaDocument {
    fn from(schema: Schema) -> Self {
        Self {
            schema: schema.name,
            version: schema.version,
            title: schema.title,
            as_of: schema.as_of,
            primary_key: schema.fields[0].name.clone(),
            fields: schema.fields.into_iter().map(FieldDocument::from).collect(),
        }
    }
}

impl From<Field> for FieldDocument {
    fn from(field: Field) -> Self {
        let mut document = Self {
            name: field.name,
            r#type: TypeName::Boolean,
            nullable: field.nullable,
            description: field.description,
            min: None,
            max: None,
            min_bytes: None,
            max_bytes: None,
            values: None,
            unit: field.unit,
            check: None,
        };
        match field.kind {
            FieldType::Boolean => {}
            FieldType::Integer { min, max, check } => {
                document.r#type = TypeName::Integer;
                document.min = Some(encoding::integer_to_json(min));
                document.max = Some(encoding::integer_to_json(max));
                document.check = check;
            }
            FieldType::Date { min, max } => {
                document.r#type = TypeName::Date;
                document.min = Some(Json::from(min.to_string()));
                document.max = Some(Json::from(max.to_string()));
            }
            FieldType::Instant { min, max } => {
                document.r#type = TypeName::Instant;
                document.min = Some(Json::from(min.to_string()));
                document.max = Some(Json::from(max.to_string()));
            }
            FieldType::Enum { values } => {
                document.r#type = TypeName::Enum;
                document.values = Some(values);
            }
            FieldType::String { min_bytes, max_bytes } => {
                document.r#type = TypeName::String;
                document.min_bytes = Some(min_bytes);
                document.max_bytes = Some(max_bytes);
            }
        }
        document
    }
}
