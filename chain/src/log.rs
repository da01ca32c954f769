//! One Merkle log over all entries of the network (RFC 6962, section 2.1).
//!
//! ```text
//! leaf = SHA-256(0x00 ‖ entry)        node = SHA-256(0x01 ‖ left ‖ right)
//! ```
//! The maths is `tlog_tiles`; hashes are stored in its order, each complete subtree's once.

use crypto::Digest;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tlog_tiles::tlog;

use crate::entry::Entry;

mod tile;

pub use tile::{TILE_WIDTH, TilePath, TilePathError, root};

/// Why a proof about the log was not made or does not hold.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogError {
    /// An index or size past the log's end.
    #[error("{index} is not in a log of {size} entries")]
    OutOfRange {
        /// The index or size asked for.
        index: u64,
        /// The log's size.
        size: u64,
    },
    /// A stored hash is missing.
    #[error("stored hash {index} is missing")]
    HashMissing {
        /// Its place in the stored order.
        index: u64,
    },
    /// A stored entry is missing.
    #[error("entry {index} is missing")]
    EntryMissing {
        /// Its index in the log.
        index: u64,
    },
    /// The proof does not lead to the root.
    #[error("the proof does not lead to the root")]
    Proof,
}

impl LogError {
    /// The stable name of the failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OutOfRange { .. } => "log-out-of-range",
            Self::HashMissing { .. } => "log-hash-missing",
            Self::EntryMissing { .. } => "log-entry-missing",
            Self::Proof => "log-proof",
        }
    }
}

/// Stored hashes, by their place in the stored order.
pub trait Hashes {
    /// The hash at `index`; none if it is not stored.
    fn hash(&self, index: u64) -> Option<Digest>;
}

impl Hashes for [Digest] {
    fn hash(&self, index: u64) -> Option<Digest> {
        self.get(usize::try_from(index).ok()?).copied()
    }
}

/// `SHA-256(0x00 ‖ entry)`
pub fn leaf_hash(entry: &Entry) -> Digest {
    leaf_hash_of(&entry.encode())
}

fn leaf_hash_of(leaf: &[u8]) -> Digest {
    Digest::from_bytes(tlog::record_hash(leaf).0)
}

/// Number of hashes stored for a log of `size` entries: the place of the next.
pub fn stored_hash_count(size: u64) -> u64 {
    tlog::stored_hash_count(size)
}

/// The log's right edge: its size and the roots of its complete subtrees, at most 64 hashes. Enough to append
/// and to know the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Roots of complete subtrees with their places, from the largest to the smallest.
    subtrees: Vec<(u64, Digest)>,
}

impl Frontier {
    /// The empty log's.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of entries.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root over all entries; of an empty log, `SHA-256("")`.
    pub fn root(&self) -> Digest {
        let root = tlog::tree_hash(self.size, &Lookup(self))
            .expect("the edge holds every complete subtree's root");
        Digest::from_bytes(root.0)
    }

    /// Appends a leaf and returns the hashes to be stored, in order, from place
    /// [`stored_hash_count`] of the size before.
    pub fn append(&mut self, leaf: Digest) -> Vec<Digest> {
        let leaf = tlog::Hash(*leaf.as_bytes());
        let hashes = tlog::stored_hashes_for_record_hash(self.size, leaf, &Lookup(self))
            .expect("the edge holds every complete subtree's root");
        // The new leaf completes one subtree for each hash beyond its own; each takes in the one before.
        let completed = hashes.len() - 1;
        self.subtrees.truncate(self.subtrees.len() - completed);
        let last = stored_hash_count(self.size) + completed as u64;
        self.size += 1;
        let hashes: Vec<_> = hashes.into_iter().map(|hash| Digest::from_bytes(hash.0)).collect();
        self.subtrees.push((last, hashes[completed]));
        hashes
    }
}

impl Hashes for Frontier {
    fn hash(&self, index: u64) -> Option<Digest> {
        self.subtrees.iter().find(|(place, _)| *place == index).map(|(_, hash)| *hash)
    }
}

/// The hashes beside the path from an entry to the root (RFC 6962, section 2.1.1).
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct InclusionProof(Vec<Digest>);

impl InclusionProof {
    /// Proves that the entry at `index` is in the log of `size` entries.
    ///
    /// # Errors
    /// [`LogError`] if it is not, or a hash is missing.
    pub fn new<H: Hashes + ?Sized>(hashes: &H, size: u64, index: u64) -> Result<Self, LogError> {
        if index >= size {
            return Err(LogError::OutOfRange { index, size });
        }
        let lookup = Lookup::checked(hashes, size)?;
        tlog::prove_record(size, index, &lookup).map(Self::from_tlog).map_err(|_| lookup.missing())
    }

    /// Checks that the entry with this leaf hash is at `index` in the log of `size` entries under `root`.
    ///
    /// # Errors
    /// [`LogError`] if the proof does not show it.
    pub fn verify(
        &self,
        leaf: Digest,
        index: u64,
        size: u64,
        root: &Digest,
    ) -> Result<(), LogError> {
        if index >= size {
            return Err(LogError::OutOfRange { index, size });
        }
        let (proof, root) = (to_tlog(&self.0), tlog::Hash(*root.as_bytes()));
        tlog::check_record(&proof, size, root, index, tlog::Hash(*leaf.as_bytes()))
            .map_err(|_| LogError::Proof)
    }

    /// The hashes, from the leaf up.
    pub fn hashes(&self) -> &[Digest] {
        &self.0
    }

    fn from_tlog(hashes: Vec<tlog::Hash>) -> Self {
        Self(hashes.into_iter().map(|hash| Digest::from_bytes(hash.0)).collect())
    }
}

/// The hashes that show a log to be a prefix of another (RFC 6962, section 2.1.2).
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ConsistencyProof(Vec<Digest>);

impl ConsistencyProof {
    /// Proves that the log of `size` entries begins with the log of `prefix` entries, 1 to `size`.
    ///
    /// # Errors
    /// [`LogError`] if `prefix` is not within, or a hash is missing.
    pub fn new<H: Hashes + ?Sized>(hashes: &H, size: u64, prefix: u64) -> Result<Self, LogError> {
        if !(1..=size).contains(&prefix) {
            return Err(LogError::OutOfRange { index: prefix, size });
        }
        let lookup = Lookup::checked(hashes, size)?;
        let proof = tlog::prove_tree(size, prefix, &lookup).map_err(|_| lookup.missing())?;
        Ok(Self(proof.into_iter().map(|hash| Digest::from_bytes(hash.0)).collect()))
    }

    /// Checks that the log of `size` entries under `root` begins with the one of `prefix` entries under
    /// `prefix_root`.
    ///
    /// # Errors
    /// [`LogError`] if the proof does not show it.
    pub fn verify(
        &self,
        size: u64,
        root: &Digest,
        prefix: u64,
        prefix_root: &Digest,
    ) -> Result<(), LogError> {
        if !(1..=size).contains(&prefix) {
            return Err(LogError::OutOfRange { index: prefix, size });
        }
        let (root, prefix_root) =
            (tlog::Hash(*root.as_bytes()), tlog::Hash(*prefix_root.as_bytes()));
        tlog::check_tree(&to_tlog(&self.0), size, root, prefix, prefix_root)
            .map_err(|_| LogError::Proof)
    }

    /// The hashes.
    pub fn hashes(&self) -> &[Digest] {
        &self.0
    }
}

fn to_tlog(hashes: &[Digest]) -> Vec<tlog::Hash> {
    hashes.iter().map(|hash| tlog::Hash(*hash.as_bytes())).collect()
}

/// Gives `tlog_tiles` its hashes.
struct Lookup<'a, H: ?Sized>(&'a H);

impl<'a, H: Hashes + ?Sized> Lookup<'a, H> {
    /// A lookup into a log of at least `size` entries. `tlog_tiles` has no error of its own for a hash
    /// that is missing, so the highest is asked for first.
    fn checked(hashes: &'a H, size: u64) -> Result<Self, LogError> {
        let last = stored_hash_count(size) - 1;
        hashes.hash(last).map(|_| Self(hashes)).ok_or(LogError::HashMissing { index: last })
    }

    fn missing(&self) -> LogError {
        let first = (0..).find(|index| self.0.hash(*index).is_none());
        LogError::HashMissing { index: first.unwrap_or_default() }
    }
}

impl<H: Hashes + ?Sized> tlog::HashReader for Lookup<'_, H> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        let hash = |index: &u64| {
            let hash = self.0.hash(*index).ok_or(tlog::Error::IndexesNotInTree)?;
            Ok(tlog::Hash(*hash.as_bytes()))
        };
        indexes.iter().map(hash).collect()
    }
}

#[cfg(test)]
mod tests;
