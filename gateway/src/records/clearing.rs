//! Removing what nobody reads: versions that an import replaced, and all of an import that was dropped.
//!
//! In batches, each of which can be lost or repeated: what is to be removed is known from the mark, the
//! journal and the indices above the mark's base, and those go last.

use super::places::Places;
use super::{Dataset, Mark, RecordRow, Records, RecordsError, State};
use crate::store::tile::{BANDS, TileAt};
use crate::store::versions::Place;
use crate::store::{Batch, StoreError, Table};

/// Changes of a batch, about.
const BATCH: usize = 1_024;

impl Dataset {
    pub(super) fn journal_key(&self, number: u32) -> Vec<u8> {
        [self.series().as_bytes().as_slice(), &number.to_be_bytes()].concat()
    }
}

impl Records<'_> {
    /// Removes what imports left in a dataset that were interrupted: of those that were not applied
    /// everything, of those that were what they replaced.
    ///
    /// There must be no import into it under way.
    ///
    /// # Errors
    /// [`RecordsError`]; what is left is found again.
    pub fn clear(&self, dataset: &str) -> Result<(), RecordsError> {
        let dataset = self.dataset(dataset)?;
        let state = dataset.state;
        let Some(mark) = state.staging.or(state.collecting) else { return Ok(()) };
        let journal = self.journal(&dataset)?;
        if state.staging.is_some() {
            self.remove_staged(&dataset, mark, &journal)?;
        } else {
            self.remove_replaced(&dataset, mark, &journal)?;
        }
        let mut batch = Batch::default();
        for number in 0..journal.rows {
            batch.delete(Table::Journal, &dataset.journal_key(number));
            self.stage_full(&mut batch)?;
        }
        let cleared = State { staging: None, collecting: None, ..state };
        self.add_state(dataset.name(), &cleared, &mut batch);
        // Not synced: if it is lost, there is nothing left to remove the next time.
        Ok(self.store.stage(batch)?)
    }

    pub(super) fn add_state(&self, dataset: &str, state: &State, batch: &mut Batch) {
        batch.put(Table::DatasetStates, dataset.as_bytes(), state);
    }

    pub(super) fn put_state(&self, dataset: &str, state: &State) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        self.add_state(dataset, state, &mut batch);
        self.store.commit(batch)
    }

    fn journal(&self, dataset: &Dataset) -> Result<Journal, StoreError> {
        let mut journal = Journal::default();
        while let Some(indices) =
            self.store.get::<Vec<u32>>(Table::Journal, &dataset.journal_key(journal.rows))?
        {
            for index in indices {
                journal.replaced.insert(index);
            }
            journal.rows += 1;
        }
        Ok(journal)
    }

    /// Removes all versions of a generation that was never read.
    fn remove_staged(
        &self,
        dataset: &Dataset,
        mark: Mark,
        journal: &Journal,
    ) -> Result<(), RecordsError> {
        let series = dataset.series();
        let mut batch = Batch::default();
        for band in 0..BANDS {
            let tile = |number| Place::tile(&series, TileAt { band, number });
            for number in journal.replaced.shifted(tile_bits(band)) {
                batch.delete_version(&tile(number), mark.generation);
                self.stage_full(&mut batch)?;
            }
            let first = tile(mark.base_index().checked_shr(tile_bits(band)).unwrap_or(0));
            for version in self.store.versions_from(first) {
                let (number, generation) = version?;
                if generation == mark.generation {
                    batch.delete_version(&tile(number), generation);
                    self.stage_full(&mut batch)?;
                }
            }
        }
        for index in journal.replaced.iter() {
            batch.delete_version(&dataset.place(index), mark.generation);
            self.stage_full(&mut batch)?;
        }
        if mark.base <= u64::from(u32::MAX) {
            for version in self.store.versions_from(dataset.place(mark.base_index())) {
                let (index, generation) = version?;
                let place = dataset.place(index);
                let row: Option<(u64, RecordRow)> =
                    self.store.version(Table::Records, &place, generation)?;
                if let Some((_, row)) = row {
                    batch.delete(Table::Subjects, &dataset.subject_key(row.subject));
                }
                batch.delete_version(&place, generation);
                self.stage_full(&mut batch)?;
            }
        }
        self.stage_rest(batch)
    }

    /// Removes the versions that the generation that is read has replaced.
    fn remove_replaced(
        &self,
        dataset: &Dataset,
        mark: Mark,
        journal: &Journal,
    ) -> Result<(), RecordsError> {
        let series = dataset.series();
        let mut batch = Batch::default();
        for index in journal.replaced.iter() {
            self.remove_before(&dataset.place(index), mark.generation, &mut batch)?;
        }
        for band in 0..BANDS {
            let tile = |number| Place::tile(&series, TileAt { band, number });
            for number in journal.replaced.shifted(tile_bits(band)) {
                self.remove_before(&tile(number), mark.generation, &mut batch)?;
            }
            // New records share at most the tiles of the last old one.
            if let Some(last) = mark.base_index().checked_sub(1) {
                let last = tile(TileAt::above_leaf(last, band).number);
                if dataset.state.records > mark.base {
                    self.remove_before(&last, mark.generation, &mut batch)?;
                }
            }
        }
        self.stage_rest(batch)
    }

    fn remove_before(
        &self,
        place: &Place,
        generation: u64,
        batch: &mut Batch,
    ) -> Result<(), RecordsError> {
        // Only where the newer one is: else it is the older one that is read.
        if self.store.version_before(place, generation.saturating_add(1))? != Some(generation) {
            return Ok(());
        }
        let mut before = generation;
        while let Some(older) = self.store.version_before(place, before)? {
            batch.delete_version(place, older);
            before = older;
        }
        Ok(self.stage_full(batch)?)
    }

    fn stage_full(&self, batch: &mut Batch) -> Result<(), StoreError> {
        if batch.len() < BATCH { Ok(()) } else { self.store.stage(std::mem::take(batch)) }
    }

    fn stage_rest(&self, batch: Batch) -> Result<(), RecordsError> {
        if batch.is_empty() { Ok(()) } else { Ok(self.store.stage(batch)?) }
    }
}

impl Mark {
    /// The first index that is the import's own; the last one of a tree that was full before it.
    fn base_index(&self) -> u32 {
        u32::try_from(self.base).unwrap_or(u32::MAX)
    }
}

/// Which records an import replaces.
#[derive(Debug, Default)]
struct Journal {
    rows: u32,
    replaced: Places,
}

/// Bits of a leaf's index below its tile of a band.
fn tile_bits(band: u8) -> u32 {
    (6 * (u32::from(band) + 1)).min(u32::BITS)
}
