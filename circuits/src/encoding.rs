//! Values of fields, and the one element of the scalar field that each of them is.
//!
//! | type | element | ordered |
//! | --- | --- | --- |
//! | boolean | 0 or 1 | no |
//! | integer, money | value + 2^63 | yes |
//! | date | days since 0001-01-01 | yes |
//! | instant | UTC seconds since 1970 + 2^63 | yes |
//! | enum | position in the schema's list, from 1 | no |
//! | string | chain of Poseidon hashes, see [`Text::element`] | no |
//! | absent | p − 1 | no |
//!
//! Injective within a type (for strings: unless Poseidon collides), so equality of elements is
//! equality of values; an ordered type's element is below 2^64 and keeps the order.
//! `vectors/encoding.json` publishes examples.

mod date;
mod instant;
mod parse;
#[cfg(test)]
mod tests;
mod text;

use ark_ff::MontFp;

use crate::Fr;
pub use date::{Date, DateError};
pub use instant::{Instant, InstantError};
pub use parse::ValueError;
pub(crate) use parse::{integer_from_json, integer_to_json};
pub use text::{MAX_TEXT_BYTES, Text, TextError};

/// `p − 1`: a field without a value. No value encodes to it (a string would only by finding a preimage).
pub const ABSENT: Fr = MontFp!("-1");

/// 2^63, which makes the order of `i64` the order of `u64`.
pub(crate) const OFFSET: u64 = 1 << 63;

/// The value of one field of a record, or an operand of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// No value.
    Absent,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number; money in minor units.
    Integer(i64),
    /// A day.
    Date(Date),
    /// A second.
    Instant(Instant),
    /// Position in the schema's list, from 1.
    Enum(u16),
    /// A normalised string.
    String(Text),
}

impl Value {
    /// The element that a record commits to and a query compares with.
    pub fn element(&self) -> Fr {
        match self {
            Self::Absent => ABSENT,
            Self::Boolean(value) => Fr::from(*value),
            Self::Enum(position) => Fr::from(*position),
            Self::String(text) => text.element(),
            Self::Integer(_) | Self::Date(_) | Self::Instant(_) => {
                Fr::from(self.ordinal().expect("these types are ordered"))
            }
        }
    }

    /// The element of an ordered type as an integer; none for the other types.
    pub fn ordinal(&self) -> Option<u64> {
        match self {
            Self::Integer(value) => Some(offset(*value)),
            Self::Date(date) => Some(u64::from(date.day())),
            Self::Instant(instant) => Some(offset(instant.seconds())),
            Self::Absent | Self::Boolean(_) | Self::Enum(_) | Self::String(_) => None,
        }
    }
}

/// `value + 2^63`
fn offset(value: i64) -> u64 {
    value.cast_unsigned() ^ OFFSET
}
