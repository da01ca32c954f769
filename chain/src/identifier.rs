//! Names and digests that identify things on the chain, each its own type.

use std::fmt;
use std::str::FromStr;

use crypto::Digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::codec::DecodeError;

/// Width of a department's or validator's id in binary encodings.
pub const SLUG_BYTES: usize = 32;
/// Longest slug: the encoding keeps at least one zero byte at its end.
pub const MAX_SLUG_LENGTH: usize = SLUG_BYTES - 1;

/// Why a text is not a slug.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected 1 to 31 of a-z, 0-9 and '-', beginning with a letter")]
pub struct SlugError;

/// `[a-z][a-z0-9-]{0,30}`, padded with zero bytes to 32.
#[derive(Clone, Copy, Hash, PartialEq, Eq, PartialOrd, Ord)]
struct Slug([u8; SLUG_BYTES]);

impl Slug {
    fn as_str(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(SLUG_BYTES);
        str::from_utf8(&self.0[..length]).expect("a slug is ASCII by construction")
    }

    fn parse(text: &str) -> Result<Self, SlugError> {
        let starts = text.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
        let rest = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !starts || !rest || text.len() > MAX_SLUG_LENGTH {
            return Err(SlugError);
        }
        let mut bytes = [0; SLUG_BYTES];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self(bytes))
    }

    fn decode(bytes: [u8; SLUG_BYTES], field: &'static str) -> Result<Self, DecodeError> {
        let length = bytes.iter().position(|byte| *byte == 0).unwrap_or(SLUG_BYTES);
        let slug = str::from_utf8(&bytes[..length]).ok().and_then(|text| Self::parse(text).ok());
        slug.filter(|slug| slug.0 == bytes).ok_or(DecodeError::Field { field })
    }
}

macro_rules! slug {
    ($(#[$doc:meta])* $name:ident, $field:literal) => {
        $(#[$doc])*
        ///
        /// A slug `[a-z][a-z0-9-]{0,30}`; in binary encodings padded with zero bytes to 32, so that the
        /// chain can be read without a table of names.
        #[derive(Clone, Copy, Hash, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(Slug);

        impl $name {
            /// The slug.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// The zero-padded encoding.
            pub const fn as_bytes(&self) -> &[u8; SLUG_BYTES] {
                &self.0.0
            }

            /// Decodes the zero-padded encoding.
            ///
            /// # Errors
            /// [`DecodeError::Field`] if the bytes are no slug, or padded with anything but zeros.
            pub fn from_bytes(bytes: [u8; SLUG_BYTES]) -> Result<Self, DecodeError> {
                Slug::decode(bytes, $field).map(Self)
            }
        }

        impl FromStr for $name {
            type Err = SlugError;

            fn from_str(text: &str) -> Result<Self, SlugError> {
                Slug::parse(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
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

slug! {
    /// Names a department.
    DepartmentId, "department"
}
slug! {
    /// Names a validator: a gateway that certifies blocks.
    ValidatorId, "validator"
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Deserialize, Hash, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Digest);

        impl $name {
            /// The id whose digest this is.
            pub const fn from_digest(digest: Digest) -> Self {
                Self(digest)
            }

            /// The digest.
            pub const fn as_digest(&self) -> &Digest {
                &self.0
            }

            /// The digest's bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                self.0.as_bytes()
            }
        }

        impl FromStr for $name {
            type Err = crypto::digest::ParseDigestError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

digest! {
    /// Names a network: the labelled digest of its genesis document.
    NetworkId
}
digest! {
    /// Names an entry: the labelled digest of what its author signed.
    EntryId
}
digest! {
    /// Names a block: the labelled digest of its header.
    BlockHash
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_slug_has_one_spelling() {
        let id: DepartmentId = "civil-registry".parse().unwrap();
        assert_eq!(DepartmentId::from_bytes(*id.as_bytes()), Ok(id));
        assert!("a".repeat(31).parse::<DepartmentId>().is_ok());
        for text in ["", "A", "1a", "-a", "a b", "a_b", "é", &"a".repeat(32)] {
            assert_eq!(text.parse::<DepartmentId>(), Err(SlugError), "{text}");
        }
    }

    #[test]
    fn padding_must_be_zero() {
        let mut bytes = *"tax".parse::<ValidatorId>().unwrap().as_bytes();
        bytes[31] = 1;
        assert_eq!(ValidatorId::from_bytes(bytes), Err(DecodeError::Field { field: "validator" }));
        bytes[31] = 0;
        assert!(ValidatorId::from_bytes(bytes).is_ok());
        assert!(ValidatorId::from_bytes([0; 32]).is_err());
        assert!(ValidatorId::from_bytes([b'a'; 32]).is_err());
    }

    proptest! {
        #[test]
        fn slugs_round_trip(text in "[a-z][a-z0-9-]{0,30}") {
            let id: DepartmentId = text.parse().unwrap();
            prop_assert_eq!(id.as_str(), text.as_str());
            prop_assert_eq!(DepartmentId::from_bytes(*id.as_bytes()), Ok(id));
        }
    }
}
