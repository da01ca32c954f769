//! The sled trees, and nothing that judges what is in them.
//!
//! | tree | key | value |
//! | --- | --- | --- |
//! | blocks | height | header ‖ certificate |
//! | entries | index in the log | entry |
//! | ids | entry id | index ‖ height |
//! | hashes | place in the stored order | hash |
//! | documents | digest | canonical JSON |
//! | meta | name | format version; network id |
//!
//! Integers are 8 bytes, big-endian. Every value stays far below the size from which sled would put it into
//! a file of its own, which is not synced with the others.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crypto::Digest;
use sled::Transactional as _;
use sled::transaction::{ConflictableTransactionError, TransactionError};

use super::error::{OpenError, StoreError};
use crate::block::{Block, Certificate, CertifiedBlock, HEADER_BYTES, Header};
use crate::codec::DecodeError;
use crate::document::{Document, Documents};
use crate::entry::Entry;
use crate::identifier::{EntryId, NetworkId};
use crate::log::Hashes;
use crate::replica::Accepted;

/// Memory that sled may use for its cache.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
const FOLDER_NAME: &str = "sled";
const LOCK_NAME: &str = "lock";
/// How long sled's threads may hold on to its file after its handles are dropped.
const RELEASE_TIME: Duration = Duration::from_secs(5);

const FORMAT_KEY: &str = "format";
const NETWORK_KEY: &str = "network";

/// The trees of a chain folder. Clones share them.
#[derive(Clone)]
pub(super) struct Trees {
    db: sled::Db,
    blocks: sled::Tree,
    entries: sled::Tree,
    ids: sled::Tree,
    hashes: sled::Tree,
    documents: sled::Tree,
    meta: sled::Tree,
    /// Held as long as the trees are.
    _lock: Arc<File>,
}

impl Trees {
    /// Where sled's files are.
    pub(super) fn path(folder: &Path) -> PathBuf {
        folder.join(FOLDER_NAME)
    }

    pub(super) fn open(folder: &Path) -> Result<Self, OpenError> {
        let lock = Arc::new(lock(folder)?);
        let open = || {
            let db = open_sled(&Self::path(folder))?;
            Ok(Self {
                blocks: db.open_tree("blocks")?,
                entries: db.open_tree("entries")?,
                ids: db.open_tree("ids")?,
                hashes: db.open_tree("hashes")?,
                documents: db.open_tree("documents")?,
                meta: db.open_tree("meta")?,
                db,
                _lock: lock,
            })
        };
        open().map_err(|error: sled::Error| match error {
            sled::Error::Io(error) if is_refusal(&error) => {
                OpenError::file(&Self::path(folder), &error)
            }
            error => {
                let path = Self::path(folder).display().to_string();
                OpenError::Files { path, reason: error.to_string() }
            }
        })
    }

    /// A handle to sled's file, to sync it by.
    pub(super) fn file(folder: &Path) -> io::Result<File> {
        File::open(Self::path(folder).join("db"))
    }

    /// Format version and network id; none if the folder is new.
    pub(super) fn meta(&self) -> Result<Option<(u32, NetworkId)>, StoreError> {
        let Some(format) = self.meta.get(FORMAT_KEY).map_err(read)? else { return Ok(None) };
        let damaged = || StoreError::Damaged {
            tree: "meta",
            key: 0,
            error: DecodeError::Field { field: "format" },
        };
        let format: [u8; 4] = format.as_ref().try_into().map_err(|_| damaged())?;
        let network = self.meta.get(NETWORK_KEY).map_err(read)?.ok_or_else(damaged)?;
        let network = network.as_ref().try_into().map_err(|_| damaged())?;
        let network = NetworkId::from_digest(Digest::from_bytes(network));
        Ok(Some((u32::from_be_bytes(format), network)))
    }

    pub(super) fn set_meta(&self, format: u32, network: &NetworkId) -> Result<(), sled::Error> {
        let mut batch = sled::Batch::default();
        batch.insert(FORMAT_KEY, &format.to_be_bytes());
        batch.insert(NETWORK_KEY, network.as_bytes());
        self.meta.apply_batch(batch)
    }

    /// One transaction over all that a block adds.
    pub(super) fn commit(&self, block: &Accepted, documents: &Documents) -> io::Result<()> {
        let header = block.header();
        let first = header.first_index().map_err(io::Error::other)?;
        let head = [&header.encode()[..], &block.block().certificate.encode()].concat();
        let height = header.height.to_be_bytes();
        let trees = (&self.blocks, &self.entries, &self.ids, &self.hashes, &self.documents);
        let commit: Result<(), TransactionError<()>> =
            trees.transaction(|(blocks, entries, ids, hashes, kept)| {
                blocks.insert(&height, head.as_slice())?;
                let lines = block.block().block.entries().iter().zip(block.ids());
                for (index, (entry, id)) in (first..).zip(lines) {
                    let index = index.to_be_bytes();
                    entries.insert(&index, entry.encode().as_slice())?;
                    ids.insert(id.as_bytes(), [index, height].concat())?;
                }
                for (place, hash) in block.hashes() {
                    hashes.insert(&place.to_be_bytes(), hash.as_bytes())?;
                }
                for document in documents.iter() {
                    kept.insert(document.digest().as_bytes(), document.as_bytes())?;
                }
                Ok::<(), ConflictableTransactionError<()>>(())
            });
        match commit {
            Ok(()) => Ok(()),
            Err(TransactionError::Storage(error)) => Err(io::Error::other(error)),
            Err(TransactionError::Abort(())) => Err(io::Error::other("aborted")),
        }
    }

    pub(super) fn flush(&self) -> io::Result<()> {
        self.db.flush().map(|_| ()).map_err(io::Error::other)
    }

    /// Height of the last block; 0 if there is none.
    pub(super) fn last_height(&self) -> Result<u64, StoreError> {
        let Some((key, _)) = self.blocks.last().map_err(read)? else { return Ok(0) };
        let key = key.as_ref().try_into().map_err(|_| StoreError::Damaged {
            tree: "block",
            key: 0,
            error: DecodeError::Length { expected: 8, got: key.len() },
        })?;
        Ok(u64::from_be_bytes(key))
    }

    pub(super) fn header(&self, height: u64) -> Result<Option<(Header, Certificate)>, StoreError> {
        let Some(value) = self.blocks.get(height.to_be_bytes()).map_err(read)? else {
            return Ok(None);
        };
        let damaged = |error| StoreError::Damaged { tree: "block", key: height, error };
        let (header, certificate) = value.split_at_checked(HEADER_BYTES).ok_or_else(|| {
            damaged(DecodeError::Length { expected: HEADER_BYTES, got: value.len() })
        })?;
        let header = Header::decode(header).map_err(damaged)?;
        Ok(Some((header, Certificate::decode(certificate).map_err(damaged)?)))
    }

    pub(super) fn entry(&self, index: u64) -> Result<Option<Entry>, StoreError> {
        let Some(value) = self.entries.get(index.to_be_bytes()).map_err(read)? else {
            return Ok(None);
        };
        let damaged = |error| StoreError::Damaged { tree: "entry", key: index, error };
        Entry::decode(&value).map(Some).map_err(damaged)
    }

    pub(super) fn block(&self, height: u64) -> Result<Option<CertifiedBlock>, StoreError> {
        let Some((header, certificate)) = self.header(height)? else { return Ok(None) };
        let damaged = |error| StoreError::Damaged { tree: "block", key: height, error };
        let mut entries = Vec::new();
        for index in header.first_index().map_err(damaged)?..header.log_size {
            let missing = StoreError::Missing { tree: "entry", key: index };
            entries.push(self.entry(index)?.ok_or(missing)?);
        }
        let block = Block::new(header, entries).map_err(damaged)?;
        Ok(Some(CertifiedBlock { block, certificate }))
    }

    /// Index and height of an entry.
    pub(super) fn place(&self, id: &EntryId) -> Result<Option<(u64, u64)>, StoreError> {
        let Some(value) = self.ids.get(id.as_bytes()).map_err(read)? else { return Ok(None) };
        let place = value.split_first_chunk::<8>().and_then(|(index, height)| {
            let height = height.try_into().ok()?;
            Some((u64::from_be_bytes(*index), u64::from_be_bytes(height)))
        });
        // A damaged place is no place that an entry can have.
        Ok(Some(place.unwrap_or((u64::MAX, 0))))
    }

    pub(super) fn document(&self, digest: &Digest) -> Result<Option<Document>, StoreError> {
        let Some(value) = self.documents.get(digest.as_bytes()).map_err(read)? else {
            return Ok(None);
        };
        let document = Document::from_slice(&value).ok();
        let document = document.filter(|document| document.digest() == digest);
        document.map(Some).ok_or(StoreError::Document { digest: *digest })
    }

    /// The public documents behind a block's entries, as far as they are stored.
    pub(super) fn documents_of(&self, block: &Block) -> Result<Documents, StoreError> {
        let mut documents = Documents::default();
        for entry in block.entries().iter().filter(|entry| entry.kind().has_document()) {
            documents.extend(self.document(entry.content().digest())?);
        }
        Ok(documents)
    }

    /// Number of entries, ids and hashes.
    pub(super) fn sizes(&self) -> [u64; 3] {
        [&self.entries, &self.ids, &self.hashes].map(|tree| tree.len() as u64)
    }
}

impl Hashes for Trees {
    fn hash(&self, index: u64) -> Option<Digest> {
        // An unreadable hash is as good as missing: the proof that wants it is not made.
        let value = self.hashes.get(index.to_be_bytes()).ok()??;
        value.as_ref().try_into().ok().map(Digest::from_bytes)
    }
}

/// Locks the folder for this process. Whoever can open the file can lock it, and keep everybody out.
pub(crate) fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join(LOCK_NAME);
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    let file = file.map_err(|error| OpenError::file(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(OpenError::Locked { path: folder.display().to_string() })
        }
        Err(TryLockError::Error(error)) => Err(OpenError::file(&path, &error)),
    }
}

/// Opens sled. Its threads may hold its own lock for a moment after the last handle was dropped; whoever has
/// the folder's lock waits for them.
pub(crate) fn open_sled(path: &Path) -> Result<sled::Db, sled::Error> {
    let deadline = Instant::now() + RELEASE_TIME;
    loop {
        let opened = sled::Config::new()
            .path(path)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None) // one writer, which says when
            .open();
        match opened {
            Err(sled::Error::Io(error))
                if error.kind() == io::ErrorKind::Other && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            opened => return opened,
        }
    }
}

/// Whether it is the operating system that refused, and not a file that is other than it should be.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
    )
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that map_err wants")]
fn read(error: sled::Error) -> StoreError {
    StoreError::Read { reason: error.to_string() }
}
