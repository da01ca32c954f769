//! Bytes of one length, in documents and headers as lower-case hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// `N` bytes; `2 N` lower-case hexadecimal digits in text.
#[derive(Clone, Copy, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct HexBytes<const N: usize>([u8; N]);

impl<const N: usize> HexBytes<N> {
    /// The value whose bytes these are.
    pub const fn from_bytes(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> fmt::Display for HexBytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl<const N: usize> fmt::Debug for HexBytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HexBytes({self})")
    }
}

/// A text is not the hexadecimal form of as many bytes.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected {digits} lower-case hexadecimal digits")]
pub struct ParseHexError {
    /// How many digits there must be.
    pub digits: usize,
}

impl<const N: usize> FromStr for HexBytes<N> {
    type Err = ParseHexError;

    fn from_str(text: &str) -> Result<Self, ParseHexError> {
        let error = ParseHexError { digits: 2 * N };
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(error); // one value, one spelling
        }
        let mut bytes = [0; N];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| error)?;
        Ok(Self(bytes))
    }
}

impl<const N: usize> Serialize for HexBytes<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for HexBytes<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_round_trips_and_has_one_spelling(bytes: [u8; 16]) {
            let value = HexBytes::from_bytes(bytes);
            let text = value.to_string();
            prop_assert_eq!(text.parse(), Ok(value));
            prop_assert_eq!(text.len(), 32);
            let upper = text.to_uppercase();
            prop_assert!(upper == text || upper.parse::<HexBytes<16>>().is_err());
            prop_assert!(text.parse::<HexBytes<15>>().is_err());
            prop_assert!(text.parse::<HexBytes<17>>().is_err());
        }
    }
}
