//! Committing: applying batches, and waiting for the disk.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard};

use super::boundary::Step;
use super::{Batch, Store, StoreError};

/// How far a store's commits are.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// How many batches were committed and can be read. Held while another one is applied.
    applied: Mutex<u64>,
    /// How many of them are on the disk. Held while the disk is waited for.
    synced: Mutex<u64>,
}

impl Store {
    /// Makes a batch durable. When this returns `Ok` the batch survives a power cut. Batches that come while
    /// the disk is waited for wait together for the next time.
    ///
    /// # Errors
    /// [`StoreError::Step`] leaves it unknown whether the batch is stored, and stops the store;
    /// everything else means that nothing of it was stored.
    ///
    /// # Panics
    /// If another thread panicked while it sealed a batch or crossed the boundary.
    pub fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let changes = self.seal(batch)?;
        let number = {
            let mut applied = counter(&self.progress.applied);
            self.apply(changes)?;
            *applied += 1;
            *applied
        };
        self.settle_up_to(number)
    }

    /// Waits until every batch that was committed and can be read is on the disk: nothing that cannot be
    /// taken back may rest on one that is not.
    ///
    /// # Errors
    /// [`StoreError::Step`], [`StoreError::Stopped`]
    pub(crate) fn settle(&self) -> Result<(), StoreError> {
        let number = *counter(&self.progress.applied);
        self.settle_up_to(number)?;
        self.check_storing()
    }

    /// Whether [`Self::settle`] has nothing to wait for.
    pub(crate) fn is_settled(&self) -> bool {
        match self.progress.synced.try_lock() {
            Ok(synced) => {
                *synced == *counter(&self.progress.applied) && self.check_storing().is_ok()
            }
            Err(_) => false, // the disk is waited for
        }
    }

    /// Stores a batch, all of it or nothing, without waiting for the disk: it survives a power cut only
    /// after the next [`Self::sync`] or [`Self::commit`].
    ///
    /// # Errors
    /// As [`Self::commit`].
    ///
    /// # Panics
    /// If another thread panicked while it sealed a batch.
    pub(crate) fn stage(&self, batch: Batch) -> Result<(), StoreError> {
        self.apply(self.seal(batch)?)
    }

    /// Makes everything that was staged durable.
    ///
    /// # Errors
    /// [`StoreError::Step`], [`StoreError::Stopped`]
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.sync_all(&mut counter(&self.progress.synced))
    }

    fn apply(&self, changes: sled::Batch) -> Result<(), StoreError> {
        let mut changes = Some(changes);
        self.cross(Step::Apply, &mut || {
            Ok(self.tree.apply_batch(changes.take().unwrap_or_default())?)
        })
    }

    fn settle_up_to(&self, number: u64) -> Result<(), StoreError> {
        let mut synced = counter(&self.progress.synced);
        if *synced >= number { Ok(()) } else { self.sync_all(&mut synced) }
    }

    fn sync_all(&self, synced: &mut u64) -> Result<(), StoreError> {
        let applied = *counter(&self.progress.applied);
        self.cross(Step::Flush, &mut || Ok(self.db.flush().map(|_| ())?))?;
        self.cross(Step::Sync, &mut || self.file.sync_all())?;
        *synced = applied;
        Ok(())
    }

    fn cross(
        &self,
        step: Step,
        action: &mut dyn FnMut() -> io::Result<()>,
    ) -> Result<(), StoreError> {
        self.check_storing()?;
        self.boundary.cross(step, action).map_err(|error| {
            self.stopped.store(true, Ordering::SeqCst);
            StoreError::Step { step, error }
        })
    }
}

fn counter(counter: &Mutex<u64>) -> MutexGuard<'_, u64> {
    counter.lock().expect("neither sled nor the operating system's calls panic")
}
