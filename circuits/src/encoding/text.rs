//! Strings as records hold them: one sequence of characters, one spelling.

use std::fmt;

use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

use crate::{
    Fr, field,
    poseidon::{self, Tag},
};

/// The most bytes of UTF-8 that any string has.
pub const MAX_TEXT_BYTES: usize = 1024;

/// Bytes hashed per link of a string's chain: the most that are always below the modulus.
const BLOCK_BYTES: usize = field::FR_BYTES - 1;

/// Why a string cannot stand in a record.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextError {
    /// Nothing in it: that is an absent value, not a string.
    #[error("empty, which is the same as absent")]
    Empty,
    /// More than [`MAX_TEXT_BYTES`].
    #[error("{bytes} bytes of UTF-8, expected at most {MAX_TEXT_BYTES}")]
    TooLong {
        /// Its length after normalisation.
        bytes: usize,
    },
    /// An ASCII space at either end, which import drops.
    #[error("begins or ends with a space")]
    EdgeSpace,
    /// A control character, or one that is invisible or reorders text.
    #[error("U+{code_point:04X} is not allowed")]
    Forbidden {
        /// The character.
        code_point: u32,
    },
}

/// 1 to [`MAX_TEXT_BYTES`] bytes of UTF-8 in normalisation form C, without characters that cannot be
/// seen, and without ASCII spaces at the ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(String);

impl Text {
    /// Normalises `text` to form C (Unicode Standard Annex 15), then checks it.
    ///
    /// # Errors
    /// [`TextError`] says which rule it breaks.
    pub fn new(text: &str) -> Result<Self, TextError> {
        let text: String = text.nfc().collect();
        if text.is_empty() {
            return Err(TextError::Empty);
        }
        if text.len() > MAX_TEXT_BYTES {
            return Err(TextError::TooLong { bytes: text.len() });
        }
        if let Some(character) = text.chars().find(|&character| is_forbidden(character)) {
            return Err(TextError::Forbidden { code_point: character.into() });
        }
        if text.starts_with(' ') || text.ends_with(' ') {
            return Err(TextError::EdgeSpace);
        }
        Ok(Self(text))
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `h_0 = byte length; h_k = Poseidon(T_string, h_(k−1), block_k)`; the last `h`.
    ///
    /// Blocks are 31 bytes, the last one shorter if need be, each read as a big-endian integer. The
    /// length fixes how many blocks there are and how long the last one is.
    pub fn element(&self) -> Fr {
        let length = u64::try_from(self.0.len()).expect("at most 1,024");
        self.0.as_bytes().chunks(BLOCK_BYTES).fold(Fr::from(length), |link, block| {
            poseidon::tagged(Tag::String, &[link, field::from_short_be_bytes(block)])
        })
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Control characters (category Cc); no-break and zero-width space; line and paragraph separators;
/// bidirectional controls; the byte order mark; the replacement character.
fn is_forbidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{a0}'
                | '\u{200b}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
                | '\u{fffd}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The element of any bytes that are UTF-8, also of those that are no text.
    fn element(text: &str) -> Fr {
        Text(text.to_owned()).element()
    }

    #[test]
    fn padding_does_not_collide() {
        // Around the borders of one, two and three blocks: with zeros before, after and instead, and one
        // byte more or less.
        let mut texts = vec![String::new()];
        for length in [1, 2, 30, 31, 32, 61, 62, 63, 92, 93, 94] {
            for byte in ["a", "\0", "b"] {
                texts.push(byte.repeat(length));
            }
            let text = "a".repeat(length);
            for padding in ["\0", "\0\0", " ", "a\0"] {
                texts.extend([format!("{text}{padding}"), format!("{padding}{text}b")]);
            }
            // The same bytes, cut differently.
            texts.push(format!("\0{}", "a".repeat(length - 1)));
            texts.push(format!("{}b{}", "a".repeat(length / 2), "a".repeat(length - length / 2)));
        }
        texts.sort();
        texts.dedup();
        let mut elements: Vec<Fr> = texts.iter().map(|text| element(text)).collect();
        elements.sort();
        elements.dedup();
        assert_eq!(elements.len(), texts.len());
    }

    #[test]
    fn blocks_alone_would_collide() {
        // As integers these blocks are equal: it is the length, first in the chain, that tells them apart.
        let block = |text: &str| field::from_short_be_bytes(text.as_bytes());
        assert_eq!(block("a"), block("\0a"));
        assert_ne!(element("a"), element("\0a"));
        // Nor does a chain go on where another one stands: what it begins with is a length.
        let first = "a".repeat(BLOCK_BYTES);
        let link = poseidon::tagged(Tag::String, &[element(&first), block("b")]);
        assert_ne!(element(&format!("{first}b")), link);
        for text in ["a\0", "\0a", "\0"] {
            assert_eq!(Text::new(text), Err(TextError::Forbidden { code_point: 0 }));
        }
        for text in ["a ", " a", " "] {
            assert_eq!(Text::new(text), Err(TextError::EdgeSpace));
        }
    }
}
