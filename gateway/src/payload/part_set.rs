//! Which parts of a payload are there.

use crypto::envelope::stream::MAX_PARTS;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Numbers of parts, each below [`MAX_PARTS`].
///
/// As text: lower-case hexadecimal of a bitmap without zero bytes at its end; part `n` is bit
/// `0x80 >> (n mod 8)` of byte `n / 8`. So every set has one text, of at most 4 KiB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PartSet(Vec<u8>);

/// A text is not a [`PartSet`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected a bitmap of at most {MAX_PARTS} parts in lower-case hexadecimal digits")]
pub struct PartSetError;

impl PartSet {
    /// The parts below `count`.
    ///
    /// # Panics
    /// If no payload has that many parts.
    pub fn below(count: u64) -> Self {
        let mut set = Self::default();
        (0..count).for_each(|number| set.insert(number));
        set
    }

    /// Adds a part.
    ///
    /// # Panics
    /// If no payload has such a part.
    pub fn insert(&mut self, number: u64) {
        assert!(number < MAX_PARTS, "no payload has a part {number}");
        let (byte, bit) = place(number);
        if self.0.len() <= byte {
            self.0.resize(byte + 1, 0);
        }
        self.0[byte] |= bit;
    }

    /// Whether a part is there.
    pub fn contains(&self, number: u64) -> bool {
        let (byte, bit) = place(number);
        self.0.get(byte).is_some_and(|bits| bits & bit != 0)
    }

    /// How many parts are there.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|bits| u64::from(bits.count_ones())).sum()
    }

    /// Whether no part is there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parts below `count` that are not there, in ascending order.
    pub fn missing(&self, count: u64) -> impl Iterator<Item = u64> + '_ {
        (0..count).filter(|&number| !self.contains(number))
    }
}

fn place(number: u64) -> (usize, u8) {
    // No list is that long, so that nothing is found there.
    let byte = usize::try_from(number / 8).unwrap_or(usize::MAX);
    (byte, 0x80 >> (number % 8))
}

impl TryFrom<String> for PartSet {
    type Error = PartSetError;

    fn try_from(text: String) -> Result<Self, PartSetError> {
        let mut bits = vec![0; text.len() / 2];
        let canonical = !text.bytes().any(|digit| digit.is_ascii_uppercase())
            && hex::decode_to_slice(&text, &mut bits).is_ok()
            && bits.last() != Some(&0);
        let set = Self(bits);
        let bytes = u64::try_from(set.0.len()).map_err(|_| PartSetError)?;
        let fits = bytes <= MAX_PARTS.div_ceil(8)
            && (MAX_PARTS..bytes.saturating_mul(8)).all(|number| !set.contains(number));
        if canonical && fits { Ok(set) } else { Err(PartSetError) }
    }
}

impl From<PartSet> for String {
    fn from(set: PartSet) -> Self {
        hex::encode(set.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn parse(text: &str) -> Result<PartSet, PartSetError> {
        text.to_owned().try_into()
    }

    #[test]
    fn a_set_has_one_text() {
        let mut set = PartSet::default();
        assert_eq!(String::from(set.clone()), "");
        set.insert(9);
        set.insert(0);
        assert_eq!(String::from(set.clone()), "8040");
        assert_eq!(parse("8040"), Ok(set));
        for other in ["804", "8040 ", "804000", "AA", "0g", "00"] {
            assert_eq!(parse(other), Err(PartSetError), "{other}");
        }
        assert_eq!(parse("aa").unwrap().len(), 4);
    }

    #[test]
    fn no_part_is_past_the_last_one() {
        let all = PartSet::below(MAX_PARTS);
        assert_eq!((all.len(), all.missing(MAX_PARTS).count()), (MAX_PARTS, 0));
        assert!(!all.contains(MAX_PARTS) && !all.contains(u64::MAX));
        let text = String::from(all);
        assert_eq!(parse(&text).unwrap().len(), MAX_PARTS);
        // MAX_PARTS is 16,645: five bits of the last byte are parts.
        let (last, rest) = (text.len() - 2, &text[..text.len() - 2]);
        assert_eq!(&text[last..], "f8");
        assert_eq!(parse(&format!("{rest}fc")), Err(PartSetError));
        assert_eq!(parse(&format!("{text}80")), Err(PartSetError));
    }

    proptest! {
        #[test]
        fn what_was_inserted_is_there_and_survives_its_text(
            numbers in proptest::collection::btree_set(0..MAX_PARTS, 0..40)
        ) {
            let mut set = PartSet::default();
            numbers.iter().for_each(|&number| set.insert(number));
            let again: PartSet = parse(&String::from(set.clone())).unwrap();
            prop_assert_eq!(&again, &set);
            let there: BTreeSet<u64> = (0..MAX_PARTS).filter(|&it| again.contains(it)).collect();
            prop_assert_eq!(&there, &numbers);
            prop_assert_eq!(again.missing(MAX_PARTS).count() as u64 + again.len(), MAX_PARTS);
        }
    }
}
