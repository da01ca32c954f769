//! A value that is known, so that opening it shows whether the storage key is the right one.

use super::{Batch, Store, StoreError, Table};

/// The only key of the table.
const KEY: &[u8] = b"canary";
const VALUE: &str = "alive";

impl Store {
    /// Opens the canary; leaves one where there is none.
    pub(super) fn keep_canary(&self) -> Result<(), StoreError> {
        // By its table and not by its key: under another storage key it would have another one.
        match self.scan::<String>(Table::Canary).next().transpose() {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => {}
            Err(StoreError::Open { .. }) => return Err(StoreError::OtherKey),
            Err(error) => return Err(error),
        }
        let mut batch = Batch::default();
        batch.put(Table::Canary, KEY, &VALUE);
        self.commit(batch)
    }

    /// Whether the disk gives what was stored and the storage key opens it.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn check(&self) -> Result<(), StoreError> {
        match self.get::<String>(Table::Canary, KEY)? {
            Some(value) if value == VALUE => Ok(()),
            _ => Err(StoreError::Canary),
        }
    }
}
