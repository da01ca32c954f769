//! A department's private state on disk: records, requests, consents, budgets, nonces.
//!
//! One sled tree, so that one batch is one atomic change. Values are sealed under the department's
//! storage key, and keys are hidden by a keyed hash, since a subject identifier is as telling as a
//! record. Tree nodes are kept in the open: they are hashes of blinded commitments.
//!
//! sled's `flush()` does not reach the disk on Linux (it calls `sync_file_range`), so every commit
//! also syncs sled's file. This is the gateway's only module that knows sled.

mod canary;

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use circuits::Fr;
use circuits::tree::{NodeStore, Position};
use crypto::at_rest::{OpenError, SealError, TableKey};
use crypto::{Digest, Secret};
use rand_core::CryptoRng;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use zeroize::Zeroizing;

/// The layout on disk that this software reads and writes.
const FORMAT_VERSION: u32 = 1;
/// Key of the format version, the only key of its form.
const FORMAT_KEY: &[u8] = b"format";
/// First byte of a tree node's key; tables have the bytes from 0 up.
const NODE_PREFIX: u8 = 0xff;

/// What a row is about; each has its own key.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
#[non_exhaustive]
pub enum Table {
    /// Records by dataset and subject.
    Records,
    /// Datasets: schema, service, number of leaves.
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
}

impl Table {
    const ALL: [Self; 11] = [
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
        }
    }

    const fn prefix(self) -> u8 {
        self as u8
    }
}

/// Why the store did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// sled failed; nothing of the batch is stored, or all of it.
    #[error("the store failed: {0}")]
    Sled(#[from] sled::Error),
    /// The disk did not confirm; it is unknown whether the batch survives a power cut.
    #[error("the disk did not confirm: {0}")]
    Sync(io::Error),
    /// The folder could not be opened.
    #[error("{}: {error}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Written by another version of this software.
    #[error("store format {got}; this software reads format {FORMAT_VERSION}")]
    Format {
        /// The version found.
        got: u32,
    },
    /// A value does not open: a wrong storage key, or somebody changed the file.
    #[error("a row of {} does not open: {error}", table.name())]
    Open {
        /// Whose row.
        table: Table,
        /// Why not.
        error: OpenError,
    },
    /// A value is not of the form its table has.
    #[error("a row of {} has another form: {error}", table.name())]
    Form {
        /// Whose row.
        table: Table,
        /// Why not.
        error: serde_json::Error,
    },
    /// A value is too long to be sealed.
    #[error("a row of {} cannot be sealed: {error}", table.name())]
    Seal {
        /// Whose row.
        table: Table,
        /// Why not.
        error: SealError,
    },
    /// The known value is not there: somebody changed the file.
    #[error("a row that was stored at the beginning is gone")]
    Canary,
    /// A tree node is not a field element: somebody changed the file.
    #[error("a tree node is not a field element")]
    Node,
}

/// A department's store.
pub struct Store {
    tree: sled::Tree,
    db: sled::Db,
    /// sled's file, for the sync that sled itself does not do.
    file: File,
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
#[derive(Debug, Default)]
pub struct Batch {
    rows: Vec<Row>,
    nodes: Vec<(Digest, Position, Fr)>,
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

    /// Puts a node of the tree named `tree`.
    pub fn put_node(&mut self, tree: &Digest, position: Position, node: Fr) {
        self.nodes.push((*tree, position, node));
    }

    /// Rows and nodes in the batch.
    pub fn len(&self) -> usize {
        self.rows.len() + self.nodes.len()
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
        let at = |error| StoreError::Folder { path: folder.to_owned(), error };
        std::fs::create_dir_all(folder).map_err(at)?;
        let db = sled::Config::new().path(folder).flush_every_ms(None).open()?;
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
        file.sync_all().map_err(StoreError::Sync)?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(StoreError::Sync)?;
        let keys = Table::ALL.iter().map(|t| TableKey::derive(storage_key, t.name())).collect();
        let store = Self { tree, db, file, keys, rng: Mutex::new(rng) };
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
        let hidden = self.hidden(table, key);
        self.tree.get(hidden)?.map(|sealed| self.open_row(table, &hidden, &sealed)).transpose()
    }

    /// Every value of a table, in no order that means anything.
    pub fn scan<T: DeserializeOwned>(
        &self,
        table: Table,
    ) -> impl Iterator<Item = Result<T, StoreError>> + '_ {
        self.tree.scan_prefix([table.prefix()]).map(move |row| {
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
            let (hidden, sealed) = row?;
            self.open_row(table, &hidden, &sealed)
        })
    }

    /// Makes a batch durable. When this returns `Ok` the batch survives a power cut.
    ///
    /// # Errors
    /// [`StoreError::Sync`] leaves it unknown whether the batch survives; everything else means that
    /// nothing of it was stored.
    ///
    /// # Panics
    /// If another thread panicked while it sealed a batch.
    pub fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut changes = sled::Batch::default();
        {
            let mut rng = self.rng.lock().expect("sealing does not panic");
            for Row { table, key, value } in batch.rows {
                let hidden = self.hidden(table, &key);
                match value {
                    None => changes.remove(hidden.as_slice()),
                    Some(json) => {
                        let sealed = self
                            .key(table)
                            .seal(&hidden, &json, &mut &mut **rng)
                            .map_err(|error| StoreError::Seal { table, error })?;
                        changes.insert(hidden.as_slice(), sealed);
                    }
                }
            }
        }
        for (tree, position, node) in batch.nodes {
            let bytes = circuits::field::to_be_bytes(node);
            changes.insert(node_key(&tree, position).as_slice(), bytes.as_slice());
        }
        self.tree.apply_batch(changes)?;
        self.db.flush()?;
        self.file.sync_all().map_err(StoreError::Sync)
    }

    /// The nodes of the tree named `tree`.
    pub fn nodes(&self, tree: Digest) -> Nodes<'_> {
        Nodes { store: self, tree }
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

/// One tree's nodes in a [`Store`].
#[derive(Clone, Copy, Debug)]
pub struct Nodes<'s> {
    store: &'s Store,
    tree: Digest,
}

impl NodeStore for Nodes<'_> {
    type Error = StoreError;

    fn node(&self, position: Position) -> Result<Option<Fr>, StoreError> {
        let Some(bytes) = self.store.tree.get(node_key(&self.tree, position))? else {
            return Ok(None);
        };
        let bytes: &[u8; 32] = bytes.as_ref().try_into().map_err(|_| StoreError::Node)?;
        circuits::field::from_be_bytes(bytes).map(Some).map_err(|_| StoreError::Node)
    }
}

fn node_key(tree: &Digest, position: Position) -> [u8; 38] {
    let mut key = [NODE_PREFIX; 38];
    key[1..33].copy_from_slice(tree.as_bytes());
    key[33..].copy_from_slice(&position.to_bytes());
    key
}

#[cfg(test)]
mod tests;
