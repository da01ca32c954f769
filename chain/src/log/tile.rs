//! The log in tiles (C2SP tlog-tiles), for tools that fetch and check it without knowing anything else.
//!
//! ```text
//! tile/<level>/<index>[.p/<width>]    256 (or width) hashes of 32 bytes: those at height 8 · level, from
//!                                     256 · index on
//! tile/entries/<index>[.p/<width>]    256 (or width) entries, each as u16 length ‖ entry
//! ```
//! `index` is written in groups of three digits, all but the last with an `x` before: `x001/x234/067`.

use std::str::FromStr;

use thiserror::Error;
use tlog_tiles::{Tile, tlog};

use super::{Hashes, LogError, Lookup};
use crate::entry::{ENTRY_BYTES, Entry};

/// Hashes or entries in a full tile.
pub const TILE_WIDTH: u64 = 256;
/// `log2` of [`TILE_WIDTH`].
const TILE_HEIGHT: u8 = 8;

/// The path names no tile.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected tile/<level or \"entries\">/<index>[.p/<width>]")]
pub struct TilePathError;

/// A tile's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TilePath {
    /// The level of a tile of hashes; none for a bundle of entries.
    level: Option<u8>,
    index: u64,
    width: u64,
}

impl TilePath {
    /// The first and the one past the last place that the tile covers, at its level.
    fn places(&self) -> Option<(u64, u64)> {
        let first = self.index.checked_mul(TILE_WIDTH)?;
        Some((first, first.checked_add(self.width)?))
    }

    /// The tile's bytes, of a log of `size` entries; `entry` reads the entry at an index.
    ///
    /// # Errors
    /// [`LogError::OutOfRange`] if the log is too short for the tile, [`LogError::HashMissing`] if a hash is
    /// missing, [`LogError::EntryMissing`] if an entry is.
    pub fn read<H: Hashes + ?Sized>(
        &self,
        size: u64,
        hashes: &H,
        mut entry: impl FnMut(u64) -> Option<Entry>,
    ) -> Result<Vec<u8>, LogError> {
        let available = size >> (TILE_HEIGHT * self.level.unwrap_or(0));
        let places = self.places().filter(|(_, end)| *end <= available);
        let (first, end) = places.ok_or(LogError::OutOfRange { index: self.index, size })?;
        let mut bytes = Vec::new();
        let Some(level) = self.level else {
            let length = u16::try_from(ENTRY_BYTES).expect("an entry has 225 bytes");
            for index in first..end {
                bytes.extend(length.to_be_bytes());
                bytes.extend(entry(index).ok_or(LogError::EntryMissing { index })?.encode());
            }
            return Ok(bytes);
        };
        let width = u32::try_from(self.width).expect("a tile has at most 256 hashes");
        let lookup = Lookup::checked(hashes, size)?;
        Tile::new(TILE_HEIGHT, level, self.index, width, false)
            .read_data(&lookup)
            .map_err(|_| lookup.missing())
    }
}

impl FromStr for TilePath {
    type Err = TilePathError;

    fn from_str(path: &str) -> Result<Self, TilePathError> {
        // By hand: the library reads Go's older layout only, and panics on a width of 0.
        let rest = path.strip_prefix("tile/").ok_or(TilePathError)?;
        let (kind, rest) = rest.split_once('/').ok_or(TilePathError)?;
        let level = match kind.as_bytes() {
            b"entries" => None,
            [digit @ b'0'..=b'7'] => Some(digit - b'0'),
            _ => return Err(TilePathError),
        };
        let (index, width) = match rest.split_once(".p/") {
            None => (rest, TILE_WIDTH),
            Some((index, width)) => (index, parse_width(width).ok_or(TilePathError)?),
        };
        let index = parse_index(index).ok_or(TilePathError)?;
        Ok(Self { level, index, width })
    }
}

/// 1 to 255 without leading zeros.
fn parse_width(text: &str) -> Option<u64> {
    let width = text.parse::<u8>().ok().filter(|width| *width > 0)?;
    (width.to_string() == text).then_some(u64::from(width))
}

/// Groups of three digits, all but the last with an `x` before, the first not `x000`.
fn parse_index(text: &str) -> Option<u64> {
    let groups: Vec<_> = text.split('/').collect();
    let (last, before) = groups.split_last()?;
    let mut index: u64 = 0;
    for (place, group) in
        before.iter().map(|group| group.strip_prefix('x')).chain([Some(*last)]).enumerate()
    {
        let group =
            group.filter(|group| group.len() == 3 && group.bytes().all(|b| b.is_ascii_digit()))?;
        if place == 0 && !before.is_empty() && group == "000" {
            return None;
        }
        index = index.checked_mul(1_000)?.checked_add(group.parse().ok()?)?;
    }
    Some(index)
}

/// The path of the tile in the layout of C2SP tlog-tiles.
#[cfg(test)]
fn path_of(tile: &Tile) -> String {
    tile.path().replacen(&format!("tile/{TILE_HEIGHT}/"), "tile/", 1)
}

/// Root over the first `size` of the stored entries.
///
/// # Errors
/// [`LogError::HashMissing`] if a hash is missing.
pub fn root<H: Hashes + ?Sized>(hashes: &H, size: u64) -> Result<crypto::Digest, LogError> {
    if size == 0 {
        return Ok(super::Frontier::new().root());
    }
    let lookup = Lookup::checked(hashes, size)?;
    let root = tlog::tree_hash(size, &lookup).map_err(|_| lookup.missing())?;
    Ok(crypto::Digest::from_bytes(root.0))
}

#[cfg(test)]
mod tests {
    use crypto::Digest;
    use tlog_tiles::{TileHashReader, TileReader};

    use super::*;
    use crate::log::{Frontier, InclusionProof};

    /// A log of `size` leaves.
    fn build(size: u64) -> (Vec<Digest>, Frontier) {
        let (mut stored, mut frontier) = (Vec::new(), Frontier::new());
        for leaf in 0..size {
            stored.extend(frontier.append(Digest::of(&leaf.to_be_bytes())));
        }
        (stored, frontier)
    }

    /// A client that has nothing but tiles.
    struct Client {
        stored: Vec<Digest>,
        size: u64,
    }

    impl TileReader for Client {
        fn height(&self) -> u8 {
            TILE_HEIGHT
        }

        fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog::Error> {
            let read = |tile: &Tile| {
                let path: TilePath = path_of(tile).parse().unwrap();
                path.read(self.size, self.stored.as_slice(), |_| None).unwrap()
            };
            Ok(tiles.iter().map(read).collect())
        }

        fn save_tiles(&self, _tiles: &[Tile], _data: &[Vec<u8>]) {}
    }

    #[test]
    fn a_client_proves_entries_from_tiles_alone() {
        for size in [1, 255, 256, 257, 70_000] {
            let (stored, frontier) = build(size);
            let root_hash = tlog::Hash(*frontier.root().as_bytes());
            let client = Client { stored: stored.clone(), size };
            let reader = TileHashReader::new(size, root_hash, &client);
            for index in [0, size / 2, size - 1] {
                let from_tiles = tlog::prove_record(size, index, &reader).unwrap();
                let ours = InclusionProof::new(stored.as_slice(), size, index).unwrap();
                let from_tiles: Vec<_> =
                    from_tiles.iter().map(|hash| Digest::from_bytes(hash.0)).collect();
                assert_eq!(from_tiles, ours.hashes(), "{index} of {size}");
            }
            assert_eq!(root(stored.as_slice(), size), Ok(frontier.root()));
        }
    }

    #[test]
    fn a_tile_past_the_log_s_end_is_refused() {
        let (stored, _) = build(300);
        let read = |path: &str| {
            let path: TilePath = path.parse().unwrap();
            path.read(300, stored.as_slice(), |_| None).map(|bytes| bytes.len())
        };
        assert_eq!(read("tile/0/000"), Ok(256 * 32));
        assert_eq!(read("tile/0/001.p/44"), Ok(44 * 32));
        assert_eq!(read("tile/1/000.p/1"), Ok(32));
        let out = |index| Err(LogError::OutOfRange { index, size: 300 });
        assert_eq!(read("tile/0/001.p/45"), out(1));
        assert_eq!(read("tile/0/001"), out(1));
        assert_eq!(read("tile/1/000.p/2"), out(0));
        assert_eq!(read("tile/entries/001"), out(1));
        assert_eq!(read("tile/entries/000"), Err(LogError::EntryMissing { index: 0 }));
    }

    #[test]
    fn entry_bundles_hold_length_and_entry() {
        let network = crate::contract::Network::new(1);
        let entries: Vec<_> = (0..3).map(|n| network.request(0, &n.to_string())).collect();
        let path: TilePath = "tile/entries/000.p/3".parse().unwrap();
        let read = |index: u64| entries.get(usize::try_from(index).unwrap()).copied();
        let bytes = path.read(3, [].as_slice(), read).unwrap();
        assert_eq!(bytes.len(), 3 * (2 + ENTRY_BYTES));
        for (bundled, entry) in bytes.chunks(2 + ENTRY_BYTES).zip(&entries) {
            assert_eq!(bundled[..2], [0, 225]);
            assert_eq!(Entry::decode(&bundled[2..]).as_ref(), Ok(entry));
        }
    }

    #[test]
    fn paths_have_one_spelling() {
        let tile = |level, index, width| Ok(TilePath { level, index, width });
        assert_eq!("tile/0/x001/x234/067".parse(), tile(Some(0), 1_234_067, 256));
        assert_eq!("tile/7/000.p/1".parse(), tile(Some(7), 0, 1));
        assert_eq!("tile/entries/001.p/255".parse(), tile(None, 1, 255));
        for path in [
            "",
            "tile/",
            "tile/0",
            "tile/0/0",
            "tile/0/0000",
            "tile/8/000",
            "tile/31/000",
            "tile/data/000",
            "tile/8/data/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/001/234",
            "tile/0/x000/001",
            "tile/0/000.p/01",
            "tile/0/000.p/+1",
            "tile/0/+01",
            "tile/entries",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/-1/000",
            "/tile/0/000",
            "tile/0/000/",
        ] {
            assert_eq!(path.parse::<TilePath>(), Err(TilePathError), "{path}");
        }
    }
}
