//! What the fields of a dataset's records are: names, types and limits, in a frozen order.
//!
//! A schema is a JSON document. Its digest (SHA-256 of its RFC 8785 form) is taken by the caller;
//! [`poseidon::digest_element`](crate::poseidon::digest_element) makes that the element which every
//! record commitment and every query commitment contains. So limits and descriptions are committed
//! to as well, and [`Schema`] serializes to exactly the document it was parsed from.

mod document;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    Fr,
    encoding::{ABSENT, Date, Instant, Value},
};
use document::SchemaDocument;

/// Fields of a record; a schema with fewer leaves the rest absent.
pub const FIELDS: usize = 16;
/// The longest name of a schema or field, in bytes.
pub const MAX_NAME_BYTES: usize = 64;
/// The longest list of an enum.
pub const MAX_ENUM_VALUES: usize = u16::MAX as usize;

/// A checked schema: 1 to [`FIELDS`] fields, of which the first is the subject identifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SchemaDocument", into = "SchemaDocument")]
pub struct Schema {
    name: String,
    version: u32,
    title: String,
    as_of: Date,
    fields: Vec<Field>,
}

/// One field of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    name: String,
    kind: FieldType,
    nullable: bool,
    description: String,
    unit: Option<String>,
}

/// A field's type with its limits, which are inclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// True or false.
    Boolean,
    /// A whole number of 64 bits; money in minor units.
    Integer {
        /// The smallest value.
        min: i64,
        /// The largest value.
        max: i64,
        /// A rule about the digits.
        check: Option<Check>,
    },
    /// A day.
    Date {
        /// The earliest day.
        min: Date,
        /// The latest day.
        max: Date,
    },
    /// A second.
    Instant {
        /// The earliest second.
        min: Instant,
        /// The latest second.
        max: Instant,
    },
    /// One of a list, whose order is fixed.
    Enum {
        /// The list.
        values: Vec<String>,
    },
    /// Text.
    String {
        /// The shortest length in bytes of UTF-8.
        min_bytes: usize,
        /// The longest length in bytes of UTF-8.
        max_bytes: usize,
    },
}

/// A rule about an integer's digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Check {
    /// The last digit is the check digit of the others.
    #[serde(rename = "iso7064_mod_11_10")]
    Iso7064Mod11_10,
}

/// Why a document is not a schema.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The JSON is not of a schema's shape.
    #[error("{0}")]
    Parse(serde_json::Error),
    /// The schema's name is not a name.
    #[error("schema: expected {NAME}")]
    Name,
    /// Versions count from 1.
    #[error("version: expected 1 or more")]
    Version,
    /// No field, or too many.
    #[error("fields: {found}, expected 1 to {FIELDS}")]
    FieldCount {
        /// How many there are.
        found: usize,
    },
    /// The primary key is another field than the first.
    #[error("primary_key: expected \"{expected}\", the name of the first field")]
    PrimaryKey {
        /// The first field's name.
        expected: String,
    },
    /// Something about one field.
    #[error("field {index} (\"{name}\"): {error}")]
    Field {
        /// Position in the list, from 0.
        index: usize,
        /// Its name.
        name: String,
        /// What is wrong.
        error: FieldError,
    },
}

/// What a name is, for error messages.
const NAME: &str = "a name of 1 to 64 ASCII letters, digits and underscores, a letter first";

/// Why a field's description is not one.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldError {
    /// The name is not a name.
    #[error("expected {NAME}")]
    Name,
    /// An earlier field has the name.
    #[error("a second field of that name")]
    Duplicate,
    /// The first field identifies the subject.
    #[error("nullable: expected false, the first field is the primary key")]
    NullableKey,
    /// A member that the type needs is not there.
    #[error("{member}: missing, expected {expected}")]
    Missing {
        /// The member.
        member: &'static str,
        /// What it is.
        expected: &'static str,
    },
    /// A member that means nothing for the type.
    #[error("{member}: does not apply to type {kind}")]
    NotApplicable {
        /// The member.
        member: &'static str,
        /// The field's type.
        kind: &'static str,
    },
    /// A member's value is not what the type needs.
    #[error("{member}: expected {expected}")]
    Member {
        /// The member.
        member: &'static str,
        /// What it is.
        expected: &'static str,
    },
    /// No value is within the limits.
    #[error("{min} is above {max}")]
    Reversed {
        /// The lower limit's member.
        min: &'static str,
        /// The upper limit's member.
        max: &'static str,
    },
    /// An enum's value is empty, not normalised, too long, or listed twice.
    #[error("values: the one at {position} is {problem}")]
    EnumValue {
        /// Position in the list, from 1.
        position: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Schema {
    /// Reads and checks a schema.
    ///
    /// # Errors
    /// [`SchemaError`] names the field and what was expected.
    pub fn parse(json: &str) -> Result<Self, SchemaError> {
        let document: SchemaDocument = serde_json::from_str(json).map_err(SchemaError::Parse)?;
        document.try_into()
    }

    /// The dataset's kind, for instance `civil_registry`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Counted up when the schema changes.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The name for people.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The day for which the records hold.
    pub fn as_of(&self) -> Date {
        self.as_of
    }

    /// The fields, in the order in which a record commits to them.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The position and description of the field `name`.
    pub fn field(&self, name: &str) -> Option<(usize, &Field)> {
        self.fields.iter().enumerate().find(|(_, field)| field.name == name)
    }

    /// The elements of a record's values; positions past the last field are absent.
    ///
    /// # Panics
    /// If there is not one value for each field.
    pub fn elements(&self, values: &[Value]) -> [Fr; FIELDS] {
        assert_eq!(values.len(), self.fields.len(), "one value for each field");
        std::array::from_fn(|i| values.get(i).map_or(ABSENT, Value::element))
    }
}

impl Field {
    /// Its name, as in a file's header and in a query's path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its type and limits.
    pub fn kind(&self) -> &FieldType {
        &self.kind
    }

    /// Whether a record may leave it absent.
    pub fn is_nullable(&self) -> bool {
        self.nullable
    }

    /// Its meaning, for people.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// What an integer counts.
    pub fn unit(&self) -> Option<&str> {
        self.unit.as_deref()
    }

    /// Whether it is money, counted in cents.
    pub fn is_money(&self) -> bool {
        self.unit() == Some("cents")
    }
}

impl FieldType {
    /// The type's name in a schema.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer { .. } => "integer",
            Self::Date { .. } => "date",
            Self::Instant { .. } => "instant",
            Self::Enum { .. } => "enum",
            Self::String { .. } => "string",
        }
    }

    /// Whether the order of values is that of their elements, so that they can be compared.
    pub fn is_ordered(&self) -> bool {
        match self {
            Self::Integer { .. } | Self::Date { .. } | Self::Instant { .. } => true,
            Self::Boolean | Self::Enum { .. } | Self::String { .. } => false,
        }
    }

    /// The smallest and the largest value of an ordered type as the integers they encode to.
    pub fn ordinal_limits(&self) -> Option<(u64, u64)> {
        let (min, max) = match self {
            Self::Integer { min, max, .. } => (Value::Integer(*min), Value::Integer(*max)),
            Self::Date { min, max } => (Value::Date(*min), Value::Date(*max)),
            Self::Instant { min, max } => (Value::Instant(*min), Value::Instant(*max)),
            Self::Boolean | Self::Enum { .. } | Self::String { .. } => return None,
        };
        Some((min.ordinal()?, max.ordinal()?))
    }
}
