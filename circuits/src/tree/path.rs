//! Paths of the record tree: what shows that a commitment stands under a root.

use thiserror::Error;

use super::{LEVEL_BITS, LEVELS, Leaf, child_slot};
use crate::{
    Fr,
    field::{self, FR_BYTES},
    poseidon::{self, NODE_ARITY},
};

/// Length of an encoded path: the index and 11 × 7 siblings.
pub const PATH_BYTES: usize = INDEX_BYTES + LEVELS * (NODE_ARITY - 1) * FR_BYTES;
const INDEX_BYTES: usize = 4;

/// Why bytes are not a path.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// Too short or too long.
    #[error("a path has {PATH_BYTES} bytes, got {got}")]
    Length {
        /// Bytes given.
        got: usize,
    },
    /// A sibling is the modulus or more.
    #[error("sibling {sibling} of level {level} is not below the modulus")]
    NotCanonical {
        /// Level of the sibling, from 0.
        level: usize,
        /// Which of the seven, from 0.
        sibling: usize,
    },
}

/// The siblings from a leaf to the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The leaf's index.
    pub index: u32,
    /// By level from the leaf; within a level by position, the node itself left out.
    pub siblings: [[Fr; NODE_ARITY - 1]; LEVELS],
}

impl Path {
    /// The root of the tree in which `leaf` stands at the end of this path.
    ///
    /// A path has exactly 11 levels, so no inner node passes for a leaf.
    /// Circuit twin: [`super::constraints::enforce_membership`].
    pub fn root(&self, leaf: Leaf) -> Fr {
        (0..LEVELS).fold(leaf.element(), |node, level| poseidon::node(self.children(level, node)))
    }

    /// How many bits of the index say which child of its parent the node at `level` is: three, and on
    /// the last level the two that are left of 32.
    pub(super) const fn slot_bits(level: usize) -> usize {
        let left = u32::BITS as usize - LEVEL_BITS as usize * level;
        if left < LEVEL_BITS as usize { left } else { LEVEL_BITS as usize }
    }

    /// Which child of its parent the path's node at `level` is.
    pub(super) const fn slot(&self, level: usize) -> usize {
        child_slot(self.index >> (LEVEL_BITS as usize * level))
    }

    /// The eight children at `level`: the siblings, and `node` at the path's own position.
    pub(super) fn children(&self, level: usize, node: Fr) -> [Fr; NODE_ARITY] {
        let slot = self.slot(level);
        let mut children = [node; NODE_ARITY];
        let others = (0..NODE_ARITY).filter(|other| *other != slot);
        for (other, sibling) in others.zip(self.siblings[level]) {
            children[other] = sibling;
        }
        children
    }

    /// `index ‖ siblings`, everything big-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(PATH_BYTES);
        bytes.extend(self.index.to_be_bytes());
        bytes.extend(self.siblings.as_flattened().iter().copied().flat_map(field::to_be_bytes));
        bytes
    }

    /// Reads what [`Path::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`PathError`] if the length is another or a sibling is not canonical.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PathError> {
        let bytes: &[u8; PATH_BYTES] =
            bytes.try_into().map_err(|_| PathError::Length { got: bytes.len() })?;
        let (index, elements) =
            bytes.split_first_chunk::<INDEX_BYTES>().expect("a path is longer than its index");
        let (elements, _) = elements.as_chunks::<FR_BYTES>();
        let mut siblings = [[Fr::from(0u8); NODE_ARITY - 1]; LEVELS];
        for (i, (sibling, bytes)) in
            siblings.as_flattened_mut().iter_mut().zip(elements).enumerate()
        {
            *sibling = field::from_be_bytes(bytes).map_err(|_| PathError::NotCanonical {
                level: i / (NODE_ARITY - 1),
                sibling: i % (NODE_ARITY - 1),
            })?;
        }
        Ok(Self { index: u32::from_be_bytes(*index), siblings })
    }
}
