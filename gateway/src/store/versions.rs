//! Values with versions: rows and tiles of datasets, whose newest version up to a generation counts.
//!
//! ```text
//! key = table's prefix ‖ series (32) ‖ band (1) ‖ number (4) ‖ generation (8)        big-endian
//! ```
//! The keys are in the open, and tell how many records a dataset has and when they changed, which its
//! tree tells anyway. A version of a generation that nobody reads yet is invisible, so that any number of
//! them become visible at once, when that generation is said to be the one to read.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use circuits::Fr;
use circuits::tree::{NodeStore, Position};
use crypto::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::tile::{Tile, TileAt};
use super::{Batch, Store, StoreError, TILE_PREFIX, Table};

/// Length of a key without its generation.
const PLACE_BYTES: usize = 1 + 32 + 1 + 4;
/// Length of a key.
pub(super) const KEY_BYTES: usize = PLACE_BYTES + 8;

/// Where a value is, whatever its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place([u8; PLACE_BYTES]);

impl Place {
    /// A row of a table, by number.
    pub(crate) fn row(table: Table, series: &Digest, number: u32) -> Self {
        Self::new(table.prefix(), series, 0, number)
    }

    /// A tile of a tree.
    pub(crate) fn tile(series: &Digest, at: TileAt) -> Self {
        Self::new(TILE_PREFIX, series, at.band, at.number)
    }

    fn new(prefix: u8, series: &Digest, band: u8, number: u32) -> Self {
        let mut place = [prefix; PLACE_BYTES];
        place[1..33].copy_from_slice(series.as_bytes());
        place[33] = band;
        place[34..].copy_from_slice(&number.to_be_bytes());
        Self(place)
    }

    pub(super) fn version(&self, generation: u64) -> [u8; KEY_BYTES] {
        let mut key = [0; KEY_BYTES];
        key[..PLACE_BYTES].copy_from_slice(&self.0);
        key[PLACE_BYTES..].copy_from_slice(&generation.to_be_bytes());
        key
    }

    /// Number and generation of a key of the same table, series and band.
    fn read(&self, key: &[u8]) -> Option<(u32, u64)> {
        let key: &[u8; KEY_BYTES] = key.try_into().ok()?;
        let (place, generation) = key.split_first_chunk::<PLACE_BYTES>()?;
        let (before, number) = place.split_last_chunk::<4>()?;
        let same = self.0.starts_with(before);
        let generation = u64::from_be_bytes(generation.try_into().ok()?);
        same.then_some((u32::from_be_bytes(*number), generation))
    }
}

impl Batch {
    /// Puts a version of a row.
    ///
    /// # Panics
    /// If `value` does not serialize as JSON, which for our own row types is a defect.
    pub(crate) fn put_version<T: Serialize>(
        &mut self,
        table: Table,
        place: &Place,
        generation: u64,
        value: &T,
    ) {
        let json = serde_json::to_vec(value).expect("row types have string keys");
        self.sealed_versions.push((table, place.version(generation), json.into()));
    }

    /// Removes a version of a row or tile.
    pub(crate) fn delete_version(&mut self, place: &Place, generation: u64) {
        self.open.push((place.version(generation), None));
    }

    fn put_tile(&mut self, place: &Place, generation: u64, tile: &Tile) {
        self.open.push((place.version(generation), Some(tile.as_bytes().to_vec())));
    }
}

impl Store {
    /// The newest version of a row up to generation `at`, with its generation.
    ///
    /// # Errors
    /// [`StoreError`] if the row cannot be read, opened or understood.
    pub(crate) fn version<T: DeserializeOwned>(
        &self,
        table: Table,
        place: &Place,
        at: u64,
    ) -> Result<Option<(u64, T)>, StoreError> {
        let Some((generation, sealed)) = self.newest(place, at)? else { return Ok(None) };
        let row = self.open_row(table, &place.version(generation), &sealed)?;
        Ok(Some((generation, row)))
    }

    /// The generation of the newest version before generation `before`.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub(crate) fn version_before(
        &self,
        place: &Place,
        before: u64,
    ) -> Result<Option<u64>, StoreError> {
        let Some(at) = before.checked_sub(1) else { return Ok(None) };
        Ok(self.newest(place, at)?.map(|(generation, _)| generation))
    }

    /// Number and generation of every version from `place` on, in the same table, series and band.
    pub(crate) fn versions_from(
        &self,
        place: Place,
    ) -> impl Iterator<Item = Result<(u32, u64), StoreError>> + '_ {
        self.tree
            .range(place.version(0)..)
            .keys()
            .map(move |key| {
                self.check_storing()?;
                Ok(place.read(&key?))
            })
            .map_while(Result::transpose)
    }

    fn newest(&self, place: &Place, at: u64) -> Result<Option<(u64, sled::IVec)>, StoreError> {
        self.check_storing()?;
        let found = self.tree.range(place.version(0)..=place.version(at)).next_back();
        let Some((key, value)) = found.transpose()? else { return Ok(None) };
        Ok(place.read(&key).map(|(_, generation)| (generation, value)))
    }

    /// The nodes of the tree named `series`, as of generation `at`.
    pub(crate) fn nodes(&self, series: Digest, at: u64) -> Nodes<'_> {
        Nodes { store: self, series, at, read: RefCell::default() }
    }
}

/// One tree's nodes in a [`Store`], as of one generation. Keeps each tile that it has read.
#[derive(Debug)]
pub(crate) struct Nodes<'s> {
    store: &'s Store,
    series: Digest,
    at: u64,
    read: RefCell<BTreeMap<TileAt, Option<(u64, Tile)>>>,
}

impl Nodes<'_> {
    /// Adds the tiles with `writes` in them to the batch, as of a newer generation.
    pub(crate) fn put(
        &self,
        writes: &[(Position, Fr)],
        generation: u64,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        for (at, (_, tile)) in self.with(writes)? {
            batch.put_tile(&Place::tile(&self.series, at), generation, &tile);
        }
        Ok(())
    }

    /// Adds the tiles with `writes` in them to the batch, in place of those that count now.
    pub(crate) fn put_in_place(
        &self,
        writes: &[(Position, Fr)],
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        for (at, (generation, tile)) in self.with(writes)? {
            batch.put_tile(&Place::tile(&self.series, at), generation, &tile);
        }
        Ok(())
    }

    fn with(&self, writes: &[(Position, Fr)]) -> Result<BTreeMap<TileAt, (u64, Tile)>, StoreError> {
        let mut tiles = BTreeMap::new();
        for &(position, node) in writes {
            let (_, tile): &mut (u64, Tile) = match tiles.entry(Tile::at(position)) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let found = self.tile(*entry.key())?;
                    entry.insert(found.unwrap_or((self.at, Tile::default())))
                }
            };
            tile.set(position, node);
        }
        Ok(tiles)
    }

    fn tile(&self, at: TileAt) -> Result<Option<(u64, Tile)>, StoreError> {
        self.load(at)?;
        Ok(self.read.borrow().get(&at).cloned().flatten())
    }

    /// Reads a tile, unless it is there.
    fn load(&self, at: TileAt) -> Result<(), StoreError> {
        if !self.read.borrow().contains_key(&at) {
            let found = match self.store.newest(&Place::tile(&self.series, at), self.at)? {
                Some((generation, bytes)) => Some((generation, Tile::from_bytes(&bytes)?)),
                None => None,
            };
            self.read.borrow_mut().insert(at, found);
        }
        Ok(())
    }
}

impl NodeStore for Nodes<'_> {
    type Error = StoreError;

    fn node(&self, position: Position) -> Result<Option<Fr>, StoreError> {
        let at = Tile::at(position);
        self.load(at)?;
        match self.read.borrow().get(&at) {
            Some(Some((_, tile))) => tile.node(position),
            _ => Ok(None),
        }
    }
}
