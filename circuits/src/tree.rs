//! The record tree: Poseidon, arity 8, 11 levels, for up to 2³² records.
//!
//! Level 0 holds the leaves, level 11 the root. The leaves have 2³³ places and their indices 32 bits, so
//! the later half of the root's children stays empty. Nodes live in a [`NodeStore`]; only nodes that were
//! written exist, every other one is the root of an empty subtree. Updates are returned as the nodes
//! to write, so that a caller can commit them together with its own records.

pub mod constraints;
mod path;

use std::{collections::BTreeMap, sync::OnceLock};

use ark_ff::{AdditiveGroup, Zero};
use thiserror::Error;

use crate::{
    Fr,
    poseidon::{self, NODE_ARITY},
};
pub use path::{PATH_BYTES, Path, PathError};

/// Levels of nodes above the leaves.
pub const LEVELS: usize = 11;
/// The root's level.
const ROOT_LEVEL: u8 = 11;
/// Bits of a leaf index that one level consumes.
const LEVEL_BITS: u32 = 3;

/// Levels above the leaves of the least tree in which every index of so many bits has a place.
pub(crate) const fn levels_for(index_bits: u32) -> usize {
    index_bits.div_ceil(LEVEL_BITS) as usize
}

/// A record commitment is zero, which means "empty" in the tree.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a record commitment must not be zero: zero is the empty leaf")]
pub struct ZeroCommitment;

/// What stands at an index of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf(Fr);

impl Leaf {
    /// No record, or one that was removed.
    pub const EMPTY: Self = Self(Fr::ZERO);

    /// A record's commitment.
    ///
    /// # Errors
    /// [`ZeroCommitment`] if the commitment is zero.
    pub fn record(commitment: Fr) -> Result<Self, ZeroCommitment> {
        if commitment.is_zero() { Err(ZeroCommitment) } else { Ok(Self(commitment)) }
    }

    /// The leaf as a field element.
    pub const fn element(self) -> Fr {
        self.0
    }
}

/// Where a node is: its level and its index in that level.
///
/// Ordered by level, then index; so are its bytes.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    level: u8,
    index: u32,
}

impl Position {
    /// The root.
    pub const ROOT: Self = Self { level: ROOT_LEVEL, index: 0 };

    /// The leaf at `index`.
    pub const fn leaf(index: u32) -> Self {
        Self { level: 0, index }
    }

    /// The node at `index` of `level`, if the tree has it.
    pub const fn new(level: u8, index: u32) -> Option<Self> {
        if level > ROOT_LEVEL || (index as u64) >> (LEVEL_BITS * (ROOT_LEVEL - level) as u32) != 0 {
            return None;
        }
        Some(Self { level, index })
    }

    /// 0 for a leaf, [`LEVELS`] for the root.
    pub const fn level(self) -> u8 {
        self.level
    }

    /// Below 8^(11 − level).
    pub const fn index(self) -> u32 {
        self.index
    }

    /// `level ‖ index`, big-endian: a key for ordered stores.
    pub fn to_bytes(self) -> [u8; 5] {
        let [a, b, c, d] = self.index.to_be_bytes();
        [self.level, a, b, c, d]
    }
}

/// Where the written nodes of one tree are read from.
pub trait NodeStore {
    /// Why a node could not be read.
    type Error;

    /// The node at `position`, or `None` if it was never written.
    ///
    /// # Errors
    /// If the store cannot tell.
    fn node(&self, position: Position) -> Result<Option<Fr>, Self::Error>;
}

/// A tree in memory.
impl NodeStore for BTreeMap<Position, Fr> {
    type Error = std::convert::Infallible;

    fn node(&self, position: Position) -> Result<Option<Fr>, Self::Error> {
        Ok(self.get(&position).copied())
    }
}

/// The nodes to write for one change of the tree, and the root that results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Leaves first, then level by level; the new root is last. No position occurs twice.
    pub writes: Vec<(Position, Fr)>,
    /// The root once all of them are written.
    pub root: Fr,
}

/// The roots of empty subtrees, by level: `e0 = 0`, `e(l+1) = Poseidon(el, …, el)`.
fn empty_nodes() -> &'static [Fr; LEVELS + 1] {
    static EMPTY: OnceLock<[Fr; LEVELS + 1]> = OnceLock::new();
    EMPTY.get_or_init(|| {
        let mut nodes = [Leaf::EMPTY.element(); LEVELS + 1];
        for level in 0..LEVELS {
            nodes[level + 1] = poseidon::node([nodes[level]; NODE_ARITY]);
        }
        nodes
    })
}

fn read<S: NodeStore>(store: &S, position: Position) -> Result<Fr, S::Error> {
    Ok(store.node(position)?.unwrap_or(empty_nodes()[usize::from(position.level)]))
}

/// The current root.
///
/// # Errors
/// If the store fails.
pub fn root<S: NodeStore>(store: &S) -> Result<Fr, S::Error> {
    read(store, Position::ROOT)
}

/// Puts `leaf` at `index`: 12 writes, the leaf and the 11 nodes above it.
///
/// # Errors
/// If the store fails.
pub fn update<S: NodeStore>(store: &S, index: u32, leaf: Leaf) -> Result<Update, S::Error> {
    update_many(store, &BTreeMap::from([(index, leaf)]))
}

/// Puts each leaf at its index, hashing each node above any of them once.
///
/// # Errors
/// If the store fails.
pub fn update_many<S: NodeStore>(
    store: &S,
    leaves: &BTreeMap<u32, Leaf>,
) -> Result<Update, S::Error> {
    if leaves.is_empty() {
        return Ok(Update { writes: Vec::new(), root: root(store)? });
    }
    let leaves = leaves.iter().map(|(index, leaf)| (Position::leaf(*index), leaf.element()));
    let writes = climb(store, leaves.collect(), ROOT_LEVEL)?;
    let root = writes.last().expect("there are leaves, so the climb ends with the root").1;
    Ok(Update { writes, root })
}

/// Hashes each node above any of `nodes`, up to level `top`, once.
///
/// `nodes` are of one level, in the order of their indices, each once. Returns them and the nodes above
/// them, level by level. Subtrees that share no node below `top` can so be hashed apart from each
/// other, and what is above them afterwards.
///
/// # Errors
/// If the store fails.
///
/// # Panics
/// If `nodes` are of several levels or out of order.
pub fn climb<S: NodeStore>(
    store: &S,
    nodes: Vec<(Position, Fr)>,
    top: u8,
) -> Result<Vec<(Position, Fr)>, S::Error> {
    let mut writes = nodes;
    let Some(&(Position { level: bottom, .. }, _)) = writes.first() else { return Ok(writes) };
    let ordered = writes.is_sorted_by(|(left, _), (right, _)| left < right);
    assert!(ordered && writes.iter().all(|(at, _)| at.level == bottom), "nodes of one level");
    let mut below = 0..writes.len();
    for level in bottom + 1..=top.min(ROOT_LEVEL) {
        let mut next = below.start;
        while next < below.end {
            let parent = writes[next].0.index >> LEVEL_BITS;
            let mut children = [None; NODE_ARITY];
            while next < below.end && writes[next].0.index >> LEVEL_BITS == parent {
                let (position, node) = writes[next];
                children[child_slot(position.index)] = Some(node);
                next += 1;
            }
            let mut nodes = [Fr::ZERO; NODE_ARITY];
            for (index, (node, child)) in
                child_indices(parent).into_iter().zip(nodes.iter_mut().zip(children))
            {
                *node = match child {
                    Some(child) => child,
                    None => read(store, Position { level: level - 1, index })?,
                };
            }
            writes.push((Position { level, index: parent }, poseidon::node(nodes)));
        }
        below = below.end..writes.len();
    }
    Ok(writes)
}

/// The path from the leaf at `index` to the root.
///
/// # Errors
/// If the store fails.
pub fn path<S: NodeStore>(store: &S, index: u32) -> Result<Path, S::Error> {
    let mut siblings = [[Fr::ZERO; NODE_ARITY - 1]; LEVELS];
    let mut node_index = index;
    for (level, siblings) in (0u8..).zip(&mut siblings) {
        let others = child_indices(node_index >> LEVEL_BITS);
        let others = others.into_iter().filter(|other| *other != node_index);
        for (sibling, index) in siblings.iter_mut().zip(others) {
            *sibling = read(store, Position { level, index })?;
        }
        node_index >>= LEVEL_BITS;
    }
    Ok(Path { index, siblings })
}

/// The indices of the children, one level below, of the node at `index`.
fn child_indices(index: u32) -> [u32; NODE_ARITY] {
    [0, 1, 2, 3, 4, 5, 6, 7].map(|slot| index << LEVEL_BITS | slot)
}

/// Which child of its parent the node at `index` is.
const fn child_slot(index: u32) -> usize {
    index as usize % NODE_ARITY
}

#[cfg(test)]
mod tests;
