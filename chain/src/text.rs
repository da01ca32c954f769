//! Texts in documents, each checked where it is read.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::identifier::DepartmentId;

/// Why a text is not what a document's field wants.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected {expected}")]
pub struct TextError {
    /// What the field wants.
    pub expected: &'static str,
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Hash, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                let check: fn(&str) -> bool = $check;
                if !check(text) {
                    return Err(TextError { expected: $expected });
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

text! {
    /// What people call something.
    Label, "1 to 200 characters without control characters",
    |text| {
        let length = text.chars().count();
        (1..=200).contains(&length) && !text.chars().any(char::is_control)
    }
}

text! {
    /// Where a department's gateway is reached.
    BaseUrl, "an http or https URL of at most 2,000 printable ASCII characters, without a final slash",
    |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        printable && text.len() <= 2_000 && !text.ends_with('/')
            && rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['))
    }
}

text! {
    /// An HPKE public key as lower-case hexadecimal digits; which suite it is for is not the chain's
    /// business.
    HpkeKey, "an even number of lower-case hexadecimal digits, 64 to 4,096 of them",
    |text| {
        let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        digits && text.len().is_multiple_of(2) && (64..=4_096).contains(&text.len())
    }
}

text! {
    /// A network's name, which is the origin line of its checkpoints (C2SP tlog-checkpoint).
    Origin, "1 to 200 of a-z, A-Z, 0-9, '.', '-', '_', ':' and '/'",
    |text| {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:/".contains(&byte);
        (1..=200).contains(&text.len()) && text.bytes().all(valid)
    }
}

impl Origin {
    /// `<origin>/<department>`: the name under which a department cosigns this network's checkpoints.
    pub fn of_cosigner(&self, department: &DepartmentId) -> Self {
        // Slugs have no character that an origin must not have. That the name may be longer than an
        // origin is nobody's trouble: it is compared, and never read.
        Self(format!("{}/{department}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short_and_printable() {
        assert!("Finanzamt Köln".parse::<Label>().is_ok());
        assert!("x".repeat(200).parse::<Label>().is_ok());
        for text in ["", "a\nb", &"x".repeat(201)] {
            assert!(text.parse::<Label>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn urls_are_http_and_have_a_host() {
        for text in ["http://127.0.0.1:8080", "https://tax.example/gw", "http://[::1]:80"] {
            assert!(text.parse::<BaseUrl>().is_ok(), "{text}");
        }
        for text in
            ["", "tax.example", "ftp://a", "http://", "http:///a", "http://a/", "http://a b"]
        {
            assert!(text.parse::<BaseUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn hpke_keys_have_one_spelling() {
        assert!("0a".repeat(32).parse::<HpkeKey>().is_ok());
        for text in ["0a".repeat(31), "0A".repeat(32), "0a".repeat(32) + "0", "zz".repeat(32)] {
            assert!(text.parse::<HpkeKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn origins_are_valid_note_names() {
        let origin: Origin = "example.gov/proofgate".parse().unwrap();
        assert!(signed_note::is_key_name_valid(origin.as_str()));
        let cosigner = origin.of_cosigner(&"tax".parse().unwrap());
        assert_eq!(cosigner.as_str(), "example.gov/proofgate/tax");
        let long: Origin = "x".repeat(200).parse().unwrap();
        let longer = long.of_cosigner(&"y".repeat(31).parse().unwrap());
        assert!(signed_note::is_key_name_valid(longer.as_str()));
        for text in ["", "a b", "a+b", "a\n", "ä"] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }
}
