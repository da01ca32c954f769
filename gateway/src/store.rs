//! A department's private state on disk: records, requests, consents, budgets, nonces.
//!
//! One sled tree, so that one batch is one atomic change. Values are sealed under the department's
//! storage key, and keys are hidden by a keyed hash, since a subject identifier is as telling as a
//! record. Tree nodes are kept in the open: they are hashes of blinded commitments.
//!
//! sled's `flush()` does not reach the disk on Linux (it calls `sync_file_range`), so every commit
//! also syncs sled's file. This is the gateway's only module that knows sled.
//!
//! After a failure the store takes no further change until it is opened again: what is on the disk is
//! unknown, and a sync that succeeds after one that failed says nothing about what went before. Nor is it
//! read: what failed may be in memory and not on the disk, and whoever acted on that, or told somebody,
//! would have done it for nothing after a power cut.

pub mod boundary;
#[cfg(test)]
pub(crate) mod faults;
pub(crate) mod tile;
pub(crate) mod versions;

mod canary;
mod committing;
mod error;

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crypto::Secret;
use crypto::at_rest::TableKey;
use rand_core::CryptoRng;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use boundary::{Boundary, Direct};
use committing::Progress;
pub use error::StoreError;
use versions::KEY_BYTES;

/// The layout on disk that this software reads and writes.
const FORMAT_VERSION: u32 = 3;
/// Key of the format version, the only key of its form.
const FORMAT_KEY: &[u8] = b"format";
/// First byte of a tree tile's key; tables have the bytes from 0 up.
const TILE_PREFIX: u8 = 0xff;
/// Bytes of its file that sled keeps in memory, besides its page table: what one department's working
/// set needs, however many records it has.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// How long sled's own threads may take to let go of a store that was closed.
const RELEASE_TIME: Duration = Duration::from_secs(5);

/// What a row is about; each has its own key.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
#[non_exhaustive]
pub enum Table {
    /// Records by dataset and index, with versions.
    Records,
    /// Datasets: name and schema.
    Datasets,
    /// Consent keys that an issuer was shown cards of.
    KeyCards,
    /// Citizens that a registrar enrolled.
    Enrolments,
    /// Requests that this department made.
    Asked,
    /// Which request an idempotency key made.
    Idempotency,
    /// Requests that this department received.
    Received,
    /// Inference budgets.
    Budgets,
    /// Nonces of signed messages.
    Nonces,
    /// Payloads sent and received.
    Payloads,
    /// One known value.
    Canary,
    /// How far each dataset is.
    DatasetStates,
    /// Indices of records by dataset and subject.
    Subjects,
    /// Which records an import replaces.
    Journal,
}

impl Table {
    const ALL: [Self; 14] = [
        Self::Records,
        Self::Datasets,
        Self::KeyCards,
        Self::Enrolments,
        Self::Asked,
        Self::Idempotency,
        Self::Received,
        Self::Budgets,
        Self::Nonces,
        Self::Payloads,
        Self::Canary,
        Self::DatasetStates,
        Self::Subjects,
        Self::Journal,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Datasets => "datasets",
            Self::KeyCards => "key-cards",
            Self::Enrolments => "enrolments",
            Self::Asked => "asked",
            Self::Idempotency => "idempotency",
            Self::Received => "received",
            Self::Budgets => "budgets",
            Self::Nonces => "nonces",
            Self::Payloads => "payloads",
            Self::Canary => "canary",
            Self::DatasetStates => "dataset-states",
            Self::Subjects => "subjects",
            Self::Journal => "journal",
        }
    }

    const fn prefix(self) -> u8 {
        self as u8
    }
}

/// A department's store.
pub struct Store {
    tree: sled::Tree,
    db: sled::Db,
    /// sled's file, for the sync that sled itself does not do.
    file: File,
    boundary: Arc<dyn Boundary>,
    /// Whether a change failed.
    stopped: AtomicBool,
    progress: Progress,
    keys: Vec<TableKey>,
    /// Nonces of sealed values. Held only while a batch is sealed.
    rng: Mutex<Box<dyn CryptoRng + Send>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

/// Changes that become durable together or not at all.
#[derive(Default)]
pub struct Batch {
    rows: Vec<Row>,
    sealed_versions: Vec<SealedVersion>,
    /// Keys and values that are stored as they are; without a value the key goes.
    open: Vec<([u8; KEY_BYTES], Option<Vec<u8>>)>,
}

/// A version of a row: its table, key and value.
type SealedVersion = (Table, [u8; KEY_BYTES], Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch({})", self.len())
    }
}

/// One row to put, or without a value to delete. `Debug` shows its table only.
struct Row {
    table: Table,
    key: Vec<u8>,
    value: Option<Zeroizing<Vec<u8>>>,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row({})", self.table.name())
    }
}

impl Batch {
    /// Puts `value` under `key`.
    ///
    /// # Panics
    /// If `value` does not serialize as JSON, which for our own row types is a defect.
    pub fn put<T: Serialize>(&mut self, table: Table, key: &[u8], value: &T) {
        let json = serde_json::to_vec(value).expect("row types have string keys");
        self.rows.push(Row { table, key: key.to_vec(), value: Some(Zeroizing::new(json)) });
    }

    /// Removes what is under `key`.
    pub fn delete(&mut self, table: Table, key: &[u8]) {
        self.rows.push(Row { table, key: key.to_vec(), value: None });
    }

    /// Rows and tiles in the batch.
    pub fn len(&self) -> usize {
        self.rows.len() + self.sealed_versions.len() + self.open.len()
    }

    /// Whether the batch changes nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Store {
    /// Opens the store in `folder`, or makes a new one.
    ///
    /// # Errors
    /// [`StoreError`]; a folder that another process has open, of another format, or of another storage
    /// key, is refused.
    pub fn open(
        folder: &Path,
        storage_key: &Secret<32>,
        rng: Box<dyn CryptoRng + Send>,
    ) -> Result<Self, StoreError> {
        Self::open_with(folder, storage_key, rng, Arc::new(Direct))
    }

    /// As [`Self::open`]; every change crosses `boundary`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(
        folder: &Path,
        storage_key: &Secret<32>,
        rng: Box<dyn CryptoRng + Send>,
        boundary: Arc<dyn Boundary>,
    ) -> Result<Self, StoreError> {
        let at = |error| StoreError::Folder { path: folder.to_owned(), error };
        std::fs::create_dir_all(folder).map_err(at)?;
        let db = open_sled(folder)?;
        let tree = db.open_tree("state")?;
        match tree.get(FORMAT_KEY)? {
            Some(bytes) => {
                let got = bytes.as_ref().try_into().map_or(0, u32::from_be_bytes);
                if got != FORMAT_VERSION {
                    return Err(StoreError::Format { got });
                }
            }
            None => {
                tree.insert(FORMAT_KEY, &FORMAT_VERSION.to_be_bytes())?;
            }
        }
        db.flush()?;
        let file = File::open(folder.join("db")).map_err(at)?;
        file.sync_all().map_err(at)?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(at)?;
        let keys = Table::ALL.iter().map(|t| TableKey::derive(storage_key, t.name())).collect();
        let (stopped, rng) = (AtomicBool::new(false), Mutex::new(rng));
        let progress = Progress::default();
        let store = Self { tree, db, file, boundary, stopped, progress, keys, rng };
        store.keep_canary()?;
        Ok(store)
    }

    /// The value under `key`.
    ///
    /// # Errors
    /// [`StoreError`] if the row cannot be read, opened or understood.
    pub fn get<T: DeserializeOwned>(
        &self,
        table: Table,
        key: &[u8],
    ) -> Result<Option<T>, StoreError> {
        self.check_storing()?;
        let hidden = self.hidden(table, key);
        self.tree.get(hidden)?.map(|sealed| self.open_row(table, &hidden, &sealed)).transpose()
    }

    /// Every value of a table, in no order that means anything.
    pub fn scan<T: DeserializeOwned>(
        &self,
        table: Table,
    ) -> impl Iterator<Item = Result<T, StoreError>> + '_ {
        self.tree.scan_prefix([table.prefix()]).map(move |row| {
            self.check_storing()?;
            let (hidden, sealed) = row?;
            self.open_row(table, &hidden, &sealed)
        })
    }

    /// The values of a table after the place of `after`, or from the beginning; in the order of
    /// [`Self::scan`]. What was at `after` may be gone.
    pub fn scan_after<T: DeserializeOwned>(
        &self,
        table: Table,
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = Result<T, StoreError>> + '_ {
        let end = Bound::Excluded(vec![table.prefix() + 1]);
        let start = match after {
            Some(key) => Bound::Excluded(self.hidden(table, key).to_vec()),
            None => Bound::Included(vec![table.prefix()]),
        };
        self.tree.range((start, end)).map(move |row| {
            self.check_storing()?;
            let (hidden, sealed) = row?;
            self.open_row(table, &hidden, &sealed)
        })
    }

    /// How many values there are, to see that nothing is left over.
    #[cfg(test)]
    pub(crate) fn keys(&self) -> usize {
        self.tree.len()
    }

    /// Whether changes are taken and anything is told: no more once a change failed.
    ///
    /// # Errors
    /// [`StoreError::Stopped`]
    pub fn check_storing(&self) -> Result<(), StoreError> {
        if self.stopped.load(Ordering::SeqCst) { Err(StoreError::Stopped) } else { Ok(()) }
    }

    fn seal(&self, batch: Batch) -> Result<sled::Batch, StoreError> {
        let mut changes = sled::Batch::default();
        let mut rng = self.rng.lock().expect("sealing does not panic");
        let mut seal = |table, key: &[u8], json: &[u8]| {
            let sealed = self.key(table).seal(key, json, &mut &mut **rng);
            sealed.map_err(|error| StoreError::Seal { table, error })
        };
        for Row { table, key, value } in batch.rows {
            let hidden = self.hidden(table, &key);
            match value {
                None => changes.remove(hidden.as_slice()),
                Some(json) => changes.insert(hidden.as_slice(), seal(table, &hidden, &json)?),
            }
        }
        for (table, key, json) in batch.sealed_versions {
            changes.insert(key.as_slice(), seal(table, &key, &json)?);
        }
        for (key, value) in batch.open {
            match value {
                None => changes.remove(key.as_slice()),
                Some(bytes) => changes.insert(key.as_slice(), bytes),
            }
        }
        Ok(changes)
    }

    fn key(&self, table: Table) -> &TableKey {
        &self.keys[usize::from(table.prefix())]
    }

    /// `prefix ‖ HMAC(table's key, key)`: equal keys meet, and the file names nobody.
    fn hidden(&self, table: Table, key: &[u8]) -> [u8; 33] {
        let mut hidden = [table.prefix(); 33];
        hidden[1..].copy_from_slice(&self.key(table).hide(key));
        hidden
    }

    fn open_row<T: DeserializeOwned>(
        &self,
        table: Table,
        hidden: &[u8],
        sealed: &[u8],
    ) -> Result<T, StoreError> {
        let json = self
            .key(table)
            .open(hidden, sealed)
            .map_err(|error| StoreError::Open { table, error })?;
        serde_json::from_slice(&json).map_err(|error| StoreError::Form { table, error })
    }
}

/// Opens sled. Its threads may hold its lock for a moment after the last handle was dropped, which is waited
/// for; another process holds it for longer.
fn open_sled(folder: &Path) -> Result<sled::Db, sled::Error> {
    let deadline = Instant::now() + RELEASE_TIME;
    loop {
        let config = sled::Config::new().path(folder).flush_every_ms(None);
        match config.cache_capacity(CACHE_BYTES).open() {
            Err(sled::Error::Io(error))
                if error.kind() == io::ErrorKind::Other && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            opened => return opened,
        }
    }
}

#[cfg(test)]
mod tests;
