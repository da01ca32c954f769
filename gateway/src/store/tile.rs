//! Tiles: two levels of a record tree in one value, so that a path is read in six reads.
//!
//! ```text
//! tile = 64 nodes of level 2b ‖ 8 of level 2b + 1        b = band, 0 to 5
//! node = 32 bytes big-endian, or 32 × 0xff if it was never written
//! ```
//! The tile of band 5 holds the levels 10 and 11, with the root in the later part.

use circuits::Fr;
use circuits::tree::Position;

use super::StoreError;

/// Levels of a tile.
const HEIGHT: u8 = 2;
/// Bits of an index that one level consumes.
const LEVEL_BITS: u32 = 3;
/// Length of a node.
const NODE_BYTES: usize = 32;
/// Nodes of a tile.
const NODES: usize = 64 + 8;
/// Where the nodes of the tile's lower and upper level begin.
const OFFSETS: [usize; HEIGHT as usize] = [0, 64];
/// No field element: the modulus is smaller.
const ABSENT: [u8; NODE_BYTES] = [0xff; NODE_BYTES];

/// Bands of tiles above each other.
pub(crate) const BANDS: u8 = 6;

/// Which tile of a tree: its band, and its number in the band.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TileAt {
    pub(crate) band: u8,
    pub(crate) number: u32,
}

impl TileAt {
    /// The tile that a leaf is in or under, in a band.
    pub(crate) fn above_leaf(index: u32, band: u8) -> Self {
        let number = index.checked_shr(LEVEL_BITS * u32::from(HEIGHT) * (u32::from(band) + 1));
        Self { band, number: number.unwrap_or(0) }
    }

    /// The tile that holds a node, and where in it.
    fn of(position: Position) -> (Self, usize) {
        let (band, depth) = (position.level() / HEIGHT, position.level() % HEIGHT);
        let bits = LEVEL_BITS * u32::from(HEIGHT - depth);
        let number = position.index() >> bits;
        let slot = usize::try_from(position.index() & ((1 << bits) - 1)).expect("below 64");
        (Self { band, number }, OFFSETS[usize::from(depth)] + slot)
    }
}

/// Up to 72 nodes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Tile(Box<[[u8; NODE_BYTES]]>);

impl Default for Tile {
    fn default() -> Self {
        Self(vec![ABSENT; NODES].into())
    }
}

impl std::fmt::Debug for Tile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tile({})", self.0.iter().filter(|node| **node != ABSENT).count())
    }
}

impl Tile {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        let (nodes, rest) = bytes.as_chunks();
        if nodes.len() != NODES || !rest.is_empty() {
            return Err(StoreError::Node);
        }
        Ok(Self(nodes.into()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_flattened()
    }

    /// Where `position` is: the tile, for [`Tile::node`] and [`Tile::set`] there.
    pub(crate) fn at(position: Position) -> TileAt {
        TileAt::of(position).0
    }

    /// The node at `position`, which must be of this tile.
    pub(crate) fn node(&self, position: Position) -> Result<Option<Fr>, StoreError> {
        let bytes = &self.0[TileAt::of(position).1];
        if *bytes == ABSENT {
            return Ok(None);
        }
        circuits::field::from_be_bytes(bytes).map(Some).map_err(|_| StoreError::Node)
    }

    /// Puts the node at `position`, which must be of this tile.
    pub(crate) fn set(&mut self, position: Position, node: Fr) {
        self.0[TileAt::of(position).1] = circuits::field::to_be_bytes(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_node_of_a_tile_has_a_slot_of_its_own() {
        let mut slots = BTreeSet::new();
        for (level, count) in [(2, 64), (3, 8)] {
            for node in 0..count {
                let position = Position::new(level, 7 * count + node).unwrap();
                let (at, slot) = TileAt::of(position);
                assert_eq!(at, TileAt { band: 1, number: 7 });
                assert!(slots.insert(slot));
            }
        }
        assert_eq!(slots.last(), Some(&(NODES - 1)));
        assert_eq!(slots.len(), NODES);
    }

    #[test]
    fn a_leafs_tiles_are_those_of_its_path() {
        for index in [0, 63, 64, 4_000_000_000, u32::MAX] {
            for level in 0..=11 {
                let up = index.checked_shr(3 * u32::from(level)).unwrap_or(0);
                let at = Tile::at(Position::new(level, up).unwrap());
                assert_eq!(at, TileAt::above_leaf(index, at.band), "{index}, {level}");
                assert!(at.band < BANDS);
            }
        }
    }

    #[test]
    fn a_tile_is_read_as_it_was_written() {
        let mut tile = Tile::default();
        let (low, root) = (Position::new(10, 3).unwrap(), Position::ROOT);
        tile.set(low, Fr::from(0));
        tile.set(root, Fr::from(7));
        let read = Tile::from_bytes(tile.as_bytes()).unwrap();
        assert_eq!(read, tile);
        assert_eq!(
            read.node(low).unwrap(),
            Some(Fr::from(0)),
            "an empty leaf is not an absent one"
        );
        assert_eq!(read.node(root).unwrap(), Some(Fr::from(7)));
        assert_eq!(read.node(Position::new(10, 2).unwrap()).unwrap(), None);
        for length in [0, 31, NODES * NODE_BYTES - 1, NODES * NODE_BYTES + 32] {
            assert!(matches!(Tile::from_bytes(&vec![0; length]), Err(StoreError::Node)));
        }
        let mut bytes = tile.as_bytes().to_vec();
        bytes[..32].copy_from_slice(&[0xfe; 32]);
        let other = Tile::from_bytes(&bytes).unwrap();
        assert!(matches!(other.node(Position::new(10, 0).unwrap()), Err(StoreError::Node)));
    }
}
