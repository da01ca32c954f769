//! Canonical JSON (RFC 8785): the one byte string a document has, and its digest.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use thiserror::Error;

use crate::Digest;

/// Why a document has no canonical form, or bytes are not one.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CanonicalError {
    /// The value does not serialize as JSON.
    #[error("not representable as canonical JSON: {0}")]
    Serialize(serde_json::Error),
    /// The bytes are not JSON of the expected shape.
    #[error("{0}")]
    Parse(serde_json::Error),
    /// The bytes are JSON, but not in the one canonical spelling.
    #[error("not in canonical form (RFC 8785)")]
    NotCanonical,
}

impl CanonicalError {
    /// What is wrong and where, without anything that the document says: for whoever may not read it.
    pub fn without_content(&self) -> String {
        let Self::Parse(error) = self else { return self.to_string() };
        let (line, column) = (error.line(), error.column());
        let what = match error.classify() {
            Category::Eof => "the document ends early",
            Category::Data => "not the expected document",
            Category::Syntax | Category::Io => "not JSON",
        };
        format!("{what}, at line {line} column {column}")
    }
}

/// The RFC 8785 bytes of `value`.
///
/// # Errors
/// [`CanonicalError::Serialize`] if `value` is not representable, for instance a map with keys that
/// are not strings.
pub fn to_vec<T: Serialize>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    serde_json_canonicalizer::to_vec(value).map_err(CanonicalError::Serialize)
}

/// `SHA-256(canonical bytes of value)`: the name of a public document.
///
/// # Errors
/// As [`to_vec`].
pub fn digest<T: Serialize>(value: &T) -> Result<Digest, CanonicalError> {
    Ok(Digest::of(&to_vec(value)?))
}

/// Reads a document from bytes that must be exactly its canonical form.
///
/// # Errors
/// [`CanonicalError::Parse`] for bytes of another shape, [`CanonicalError::NotCanonical`] for another
/// spelling, which would have another digest.
pub fn from_slice<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, CanonicalError> {
    let value: T = serde_json::from_slice(bytes).map_err(CanonicalError::Parse)?;
    if to_vec(&value)? != bytes {
        return Err(CanonicalError::NotCanonical);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn keys_are_sorted_and_space_is_dropped() {
        // RFC 8785, section 3.2.3.
        let value = json!({"\u{20ac}": 1, "\r": 2, "1": 3, "\u{80}": 4, "\u{f6}": 5});
        assert_eq!(
            String::from_utf8(to_vec(&value).unwrap()).unwrap(),
            "{\"\\r\":2,\"1\":3,\"\u{80}\":4,\"\u{f6}\":5,\"\u{20ac}\":1}"
        );
    }

    #[test]
    fn a_fault_is_placed_without_repeating_the_document() {
        let fault = |text: &str| {
            let error = from_slice::<std::collections::BTreeMap<String, String>>(text.as_bytes());
            error.unwrap_err().without_content()
        };
        let data = fault(r#"{"name":194891460900}"#);
        assert_eq!(data, "not the expected document, at line 1 column 20");
        assert_eq!(fault(r#"{"name":"194891"#), "the document ends early, at line 1 column 15");
        assert_eq!(fault("{194891}"), "not JSON, at line 1 column 2");
        assert_eq!(fault(r#"{"name": "194891"}"#), "not in canonical form (RFC 8785)");
    }

    #[test]
    fn another_spelling_is_refused() {
        assert!(from_slice::<Value>(br#"{"a":1,"b":2}"#).is_ok());
        for spelling in [r#"{"b":2,"a":1}"#, r#"{"a": 1,"b":2}"#, r#"{"a":1.0,"b":2}"#] {
            assert!(
                matches!(
                    from_slice::<Value>(spelling.as_bytes()),
                    Err(CanonicalError::NotCanonical)
                ),
                "{spelling}"
            );
        }
        assert!(matches!(from_slice::<Value>(b"{} "), Err(CanonicalError::NotCanonical)));
        assert!(matches!(from_slice::<Value>(b"{"), Err(CanonicalError::Parse(_))));
    }
}
