//! The subject identifier: who a record, a request or a key card is about.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A subject identifier in its network's normal form: an integer of 1 to 18 decimal digits without
/// a leading zero, as the first field of every schema holds it.
///
/// It names a person, so `Debug` hides it: it must not reach a log by accident.
#[derive(Clone, Copy, Hash, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subject(i64);

impl Subject {
    /// The identifier as the integer of the records' first field.
    pub const fn as_integer(&self) -> i64 {
        self.0
    }

    /// The identifier as the records' first field encodes it.
    pub fn element(&self) -> circuits::Fr {
        circuits::encoding::Value::Integer(self.0).element()
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject(…)")
    }
}

/// A text is not a subject identifier.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected 1 to 18 decimal digits without a leading zero")]
pub struct ParseSubjectError;

impl std::str::FromStr for Subject {
    type Err = ParseSubjectError;

    fn from_str(text: &str) -> Result<Self, ParseSubjectError> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || text.starts_with('0') || !(1..=18).contains(&text.len()) {
            return Err(ParseSubjectError);
        }
        text.parse().map(Self).map_err(|_| ParseSubjectError)
    }
}

impl TryFrom<String> for Subject {
    type Error = ParseSubjectError;

    fn try_from(text: String) -> Result<Self, ParseSubjectError> {
        text.parse()
    }
}

impl TryFrom<i64> for Subject {
    type Error = ParseSubjectError;

    fn try_from(integer: i64) -> Result<Self, ParseSubjectError> {
        integer.to_string().parse()
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_subject_has_one_spelling() {
        assert_eq!("194891460900".parse::<Subject>().unwrap().as_integer(), 194_891_460_900);
        for text in ["", "0", "01", "+1", "-1", " 1", "1 ", "1.0", "1234567890123456789", "１"] {
            assert_eq!(text.parse::<Subject>(), Err(ParseSubjectError), "{text:?}");
        }
    }

    #[test]
    fn debug_hides_the_person() {
        assert_eq!(format!("{:?}", "194891460900".parse::<Subject>().unwrap()), "Subject(…)");
    }
}
