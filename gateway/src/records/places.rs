//! Sets of indices of records: one bit each, so that a million records take 128 KiB.

use std::collections::BTreeMap;

/// Bits of an index that name a bit of a chunk.
const CHUNK_BITS: u32 = 16;
/// Words of a chunk.
const WORDS: usize = 1 << (CHUNK_BITS - u64::BITS.trailing_zeros());

/// A set of indices.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    chunks: BTreeMap<u32, Box<[u64; WORDS]>>,
    len: usize,
}

impl Places {
    /// Adds an index; whether it was not there before.
    pub(super) fn insert(&mut self, index: u32) -> bool {
        let words = self.chunks.entry(index >> CHUNK_BITS).or_insert_with(|| Box::new([0; WORDS]));
        let low = index & ((1 << CHUNK_BITS) - 1);
        let word = &mut words[(low / u64::BITS) as usize];
        let bit = 1 << (low % u64::BITS);
        let new = *word & bit == 0;
        *word |= bit;
        self.len += usize::from(new);
        new
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// All indices, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.chunks.iter().flat_map(|(high, words)| within(*high, words))
    }

    /// The indices from `first` to `last`, both included, in order.
    pub(super) fn between(&self, first: u32, last: u32) -> impl Iterator<Item = u32> + '_ {
        let chunks = self.chunks.range(first >> CHUNK_BITS..=last >> CHUNK_BITS);
        chunks
            .flat_map(|(high, words)| within(*high, words))
            .filter(move |index| (first..=last).contains(index))
    }

    /// The indices without their lowest bits, in order, each once.
    pub(super) fn shifted(&self, bits: u32) -> impl Iterator<Item = u32> + '_ {
        let mut last = None;
        self.iter()
            .map(move |index| index.checked_shr(bits).unwrap_or(0))
            .filter(move |shifted| last.replace(*shifted) != Some(*shifted))
    }
}

/// The indices of one chunk.
fn within(high: u32, words: &[u64; WORDS]) -> impl Iterator<Item = u32> + '_ {
    (0u32..).zip(words).filter(|(_, word)| **word != 0).flat_map(move |(number, word)| {
        let set = (0..u64::BITS).filter(move |bit| word >> bit & 1 == 1);
        set.map(move |bit| (high << CHUNK_BITS) | (number * u64::BITS) | bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_set_is_a_set(
            indices in prop::collection::vec(prop_oneof![0u32..200_000, any::<u32>()], 0..200),
            (first, last) in (any::<u32>(), any::<u32>()),
            bits in 0u32..40,
        ) {
            let (mut places, mut model) = (Places::default(), BTreeSet::new());
            for index in indices {
                prop_assert_eq!(places.insert(index), model.insert(index));
            }
            prop_assert_eq!(places.len(), model.len());
            prop_assert!(places.iter().eq(model.iter().copied()));
            let (first, last) = (first.min(last), first.max(last));
            prop_assert!(places.between(first, last).eq(model.range(first..=last).copied()));
            let shifted: BTreeSet<_> =
                model.iter().map(|index| index.checked_shr(bits).unwrap_or(0)).collect();
            prop_assert!(places.shifted(bits).eq(shifted));
        }
    }

    #[test]
    fn a_million_take_little() {
        let mut places = Places::default();
        for index in 0..1_000_000 {
            places.insert(index);
        }
        assert_eq!(places.chunks.len() * size_of::<[u64; WORDS]>(), 16 * 8 * 1024);
    }
}
