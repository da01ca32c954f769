//! The chain on disk: sled, with a mark beside it. The only module that knows sled or opens files.
//!
//! sled 0.34.7's `flush` ends in `sync_file_range`, which does not reach the disk. So an append is: one
//! transaction, flush, `fsync` of sled's file, then the mark, synced too; only then may an acknowledgement
//! or a signature leave. After a failed step nothing more is written: what is on the disk is unknown until
//! the folder is opened again.
//!
//! Opening checks everything again: heights, links, certificates, entries and their signatures, rules, log
//! roots, and the indexes made from them. The block at the marked height must have the marked hash.
//!
//! ```text
//! folder/lock        held by the process that has the folder open
//! folder/mark        the last block that may have been acknowledged
//! folder/sled/…      blocks, entries, ids, log hashes, documents
//! ```

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crypto::Digest;
use thiserror::Error;

use crate::block::{Block, Certificate, CertifiedBlock, Header};
use crate::document::{Document, Documents};
use crate::entry::Entry;
use crate::genesis::Genesis;
use crate::identifier::{BlockHash, EntryId};
use crate::log::Hashes;
use crate::receipt::VerifiedHeader;
use crate::replica::{Accepted, Replica, Tip};

mod boundary;
mod error;
#[cfg(test)]
pub(crate) mod faults;
mod forge;
mod mark;
mod trees;

pub use boundary::{Boundary, Direct, Step};
pub use error::{OpenError, StoreError};
pub use forge::{forge, relink};
pub use mark::Mark;

use mark::MarkFile;
use trees::Trees;
pub(crate) use trees::lock;
#[cfg(test)]
pub(crate) use trees::open_sled;

/// The format of chain folders that this version reads and writes.
pub const STORE_FORMAT: u32 = 1;

/// Reads a chain folder. Clones share it.
#[derive(Clone)]
pub struct Reader {
    trees: Trees,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

impl Reader {
    /// Opens an existing folder and checks nothing in it. For those who check it themselves, and for those
    /// who do not care.
    ///
    /// # Errors
    /// [`OpenError`] if there is no chain, in a format that this version reads.
    pub fn open_unverified(folder: &Path) -> Result<Self, OpenError> {
        let path = Trees::path(folder);
        if !path.is_dir() {
            let missing = io::Error::new(io::ErrorKind::NotFound, "there is no chain here");
            return Err(OpenError::file(&path, &missing));
        }
        let trees = Trees::open(folder)?;
        match trees.meta()? {
            Some((STORE_FORMAT, _)) => Ok(Self { trees }),
            other => {
                let got = other.map_or(0, |(format, _)| format);
                Err(OpenError::Format { expected: STORE_FORMAT, got })
            }
        }
    }

    /// Height of the last block; 0 if there is none.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read.
    pub fn last_height(&self) -> Result<u64, StoreError> {
        self.trees.last_height()
    }

    /// The header and certificate at `height`.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read, or are damaged.
    pub fn header(&self, height: u64) -> Result<Option<(Header, Certificate)>, StoreError> {
        self.trees.header(height)
    }

    /// The block at `height`.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read, or is damaged.
    pub fn block(&self, height: u64) -> Result<Option<CertifiedBlock>, StoreError> {
        self.trees.block(height)
    }

    /// The entry at `index` in the log.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read, or is damaged.
    pub fn entry(&self, index: u64) -> Result<Option<Entry>, StoreError> {
        self.trees.entry(index)
    }

    /// Index in the log and height of an entry.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read.
    pub fn place(&self, id: &EntryId) -> Result<Option<(u64, u64)>, StoreError> {
        self.trees.place(id)
    }

    /// The public document named `digest`.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read, or is another.
    pub fn document(&self, digest: &Digest) -> Result<Option<Document>, StoreError> {
        self.trees.document(digest)
    }

    /// The public documents behind a block's entries, as far as they are stored.
    ///
    /// # Errors
    /// [`StoreError`] if one cannot be read, or is another.
    pub fn documents_of(&self, block: &Block) -> Result<Documents, StoreError> {
        self.trees.documents_of(block)
    }

    /// Compares a block that was checked elsewhere with the one stored at its height.
    ///
    /// A validator asks this about the newest blocks that its peers know, before it signs again: a store that
    /// was rolled back would otherwise certify a second block at a height.
    ///
    /// # Errors
    /// [`TipError`] if the peer knows a higher block, or another one.
    pub fn expect_tip(&self, peer: &VerifiedHeader) -> Result<(), TipError> {
        let (height, last) = (peer.header.height, self.last_height()?);
        let Some((ours, _)) = self.header(height)? else {
            return Err(TipError::Behind { ours: last, theirs: height });
        };
        if ours.hash() != peer.block {
            return Err(TipError::Conflict { height, ours: ours.hash(), theirs: peer.block });
        }
        Ok(())
    }

    /// Checks every block from the first on, and the indexes.
    pub(crate) fn replay(&self, genesis: Arc<Genesis>) -> Result<Replica, OpenError> {
        let mut replica = Replica::new(genesis);
        for height in 1..=self.last_height()? {
            let missing = StoreError::Missing { tree: "block", key: height };
            let block = self.block(height)?.ok_or(missing)?;
            let documents = self.documents_of(&block.block)?;
            let accepted = replica.accept(block, &documents)?;
            self.check_indexes(&accepted)?;
        }
        self.check_sizes(replica.tip())?;
        Ok(replica)
    }

    /// Checks what the store keeps beside a block's entries.
    pub(crate) fn check_indexes(&self, block: &Accepted) -> Result<(), OpenError> {
        let header = block.header();
        let first = header.log_size - u64::from(header.entries);
        for (index, id) in (first..).zip(block.ids()) {
            if self.place(id)? != Some((index, header.height)) {
                return Err(OpenError::Index { tree: "ids", key: index });
            }
        }
        for (place, hash) in block.hashes() {
            if self.trees.hash(place) != Some(*hash) {
                return Err(OpenError::Index { tree: "hashes", key: place });
            }
        }
        Ok(())
    }

    /// Checks that nothing is stored that no block accounts for.
    pub(crate) fn check_sizes(&self, tip: &Tip) -> Result<(), OpenError> {
        let expected = [tip.log_size, tip.log_size, crate::log::stored_hash_count(tip.log_size)];
        let names = ["entries", "ids", "hashes"];
        for ((tree, got), expected) in names.into_iter().zip(self.trees.sizes()).zip(expected) {
            if got != expected {
                return Err(OpenError::Index { tree, key: got });
            }
        }
        Ok(())
    }

    /// Checks the chain's end against the mark beside it.
    pub(crate) fn check_mark(&self, mark: &Mark, tip: &Tip) -> Result<(), OpenError> {
        if mark.height > tip.height {
            return Err(OpenError::BehindMark { tip: tip.height, marked: mark.height });
        }
        let Some((header, _)) = self.header(mark.height)? else {
            return Ok(()); // a mark of height 0: nothing was acknowledged yet
        };
        if (header.hash(), header.log_root) != (mark.block, mark.log_root) {
            return Err(OpenError::MarkConflict { height: mark.height });
        }
        Ok(())
    }
}

impl Hashes for Reader {
    fn hash(&self, index: u64) -> Option<Digest> {
        self.trees.hash(index)
    }
}

/// Why a validator must not sign on.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TipError {
    /// A peer knows a block that this store does not have.
    #[error("a peer knows block {theirs}, this store ends at {ours}")]
    Behind {
        /// Height of the store's last block.
        ours: u64,
        /// Height of the peer's block.
        theirs: u64,
    },
    /// Two blocks are certified at one height.
    #[error("two blocks are certified at height {height}: {ours} and {theirs}")]
    Conflict {
        /// The height.
        height: u64,
        /// The store's block.
        ours: BlockHash,
        /// The peer's block.
        theirs: BlockHash,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TipError {
    /// The stable name of the failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Behind { .. } => "tip-behind",
            Self::Conflict { .. } => "tip-conflict",
            Self::Store(error) => error.code(),
        }
    }
}

/// The mark of a chain folder; none if there is none.
///
/// # Errors
/// [`OpenError`] if it cannot be read, or is damaged.
pub fn read_mark(folder: &Path) -> Result<Option<Mark>, OpenError> {
    MarkFile::read(folder)
}

/// Writes a chain folder. There is one per folder, which it locks.
#[derive(Debug)]
pub struct Store {
    reader: Reader,
    file: File,
    mark: MarkFile,
    boundary: Arc<dyn Boundary>,
    syncs: Arc<AtomicU64>,
    stopped: bool,
}

impl Store {
    /// Opens or creates a chain folder, and checks everything in it.
    ///
    /// # Errors
    /// [`OpenError`], saying why nothing may be signed or acknowledged from it.
    pub fn open(
        folder: &Path,
        genesis: Arc<Genesis>,
        boundary: Arc<dyn Boundary>,
    ) -> Result<(Self, Replica), OpenError> {
        finish_rebuild(folder).map_err(|error| OpenError::file(folder, &error))?;
        make_private(folder).map_err(|error| OpenError::file(folder, &error))?;
        let mark = open_mark(folder, &genesis)?;
        let trees = Trees::open(folder)?;
        open_meta(folder, &trees, &genesis, mark.mark())?;
        let file =
            Trees::file(folder).map_err(|error| OpenError::file(&Trees::path(folder), &error))?;
        let reader = Reader { trees };
        let replica = reader.replay(genesis)?;
        let tip = replica.tip();
        reader.check_mark(mark.mark(), tip)?;
        let syncs = Arc::default();
        let mut store = Self { reader, file, mark, boundary, syncs, stopped: false };
        if store.mark().height < tip.height {
            // The process ended between the commit and the mark, and the block may not be on the disk.
            let missing = StoreError::Missing { tree: "block", key: tip.height };
            let (header, certificate) = store.reader.header(tip.height)?.ok_or(missing)?;
            store.make_durable(mark_of(&header, certificate.round()))?;
        }
        Ok((store, replica))
    }

    /// What reads the same folder.
    pub const fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The last block that may have been acknowledged.
    pub const fn mark(&self) -> &Mark {
        self.mark.mark()
    }

    /// Counts the times an append waited for the disk, from this opening on.
    pub fn sync_count(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.syncs)
    }

    /// Appends the chain's next block with the documents behind its entries. Both are on the disk, and
    /// marked, when this returns.
    ///
    /// # Errors
    /// [`StoreError`]. After anything but [`StoreError::NotNext`] the store is stopped.
    pub fn append(&mut self, block: &Accepted, documents: &Documents) -> Result<(), StoreError> {
        if self.stopped {
            return Err(StoreError::Stopped);
        }
        let (header, last) = (block.header(), self.mark.mark());
        if (header.height, header.previous) != (last.height + 1, last.block) {
            return Err(StoreError::NotNext { last: last.height, got: header.height });
        }
        let mark = mark_of(header, block.block().certificate.round());
        self.stopped = true;
        let trees = self.reader.trees.clone();
        self.cross(Step::Commit, &mut || trees.commit(block, documents))?;
        self.make_durable(mark)?;
        self.stopped = false;
        Ok(())
    }

    /// Everything committed reaches the disk, and then the mark that says so. Recovery takes the same steps
    /// as an append.
    fn make_durable(&mut self, mark: Mark) -> Result<(), StoreError> {
        let (trees, file) = (&self.reader.trees, &self.file);
        self.cross(Step::Flush, &mut || trees.flush())?;
        self.cross(Step::SyncStore, &mut || file.sync_all())?;
        self.mark
            .set(mark, &*self.boundary)
            .map_err(|(step, error)| StoreError::Append { step, reason: error.to_string() })?;
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn cross(
        &self,
        step: Step,
        action: &mut dyn FnMut() -> io::Result<()>,
    ) -> Result<(), StoreError> {
        self.boundary
            .cross(step, action)
            .map_err(|error| StoreError::Append { step, reason: error.to_string() })?;
        if step.is_sync() {
            self.syncs.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn mark_of(header: &Header, round: u32) -> Mark {
    Mark {
        network: header.network,
        height: header.height,
        round,
        block: header.hash(),
        log_size: header.log_size,
        log_root: header.log_root,
    }
}

/// Where a rebuilt chain folder waits to take the place of `folder`.
pub(crate) fn rebuilt_path(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".rebuilt");
    folder.with_file_name(name)
}

/// Puts a rebuilt folder into the place of one that was moved away for it and then not replaced: without
/// this, an empty chain would begin there.
fn finish_rebuild(folder: &Path) -> io::Result<()> {
    let rebuilt = rebuilt_path(folder);
    if folder.exists() || !rebuilt.is_dir() {
        return Ok(());
    }
    std::fs::rename(&rebuilt, folder)?;
    File::open(folder)?.sync_all()
}

/// Makes the folder if it is not there, and its owner's alone: whoever else can open its lock can keep the
/// gateway from starting.
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut permissions = std::fs::metadata(folder)?.permissions();
    if permissions.mode() & 0o077 != 0 {
        permissions.set_mode(0o700);
        std::fs::set_permissions(folder, permissions)?;
    }
    Ok(())
}

/// The mark of the folder. A new folder gets its mark before its first block can be written.
fn open_mark(folder: &Path, genesis: &Genesis) -> Result<MarkFile, OpenError> {
    if let Some(mark) = MarkFile::open(folder)? {
        if mark.mark().network != *genesis.network() {
            return Err(OpenError::Network);
        }
        return Ok(mark);
    }
    if Trees::path(folder).exists() {
        return Err(OpenError::MarkMissing);
    }
    let before_first = Mark {
        network: *genesis.network(),
        height: 0,
        round: 0,
        block: BlockHash::from_digest(*genesis.network().as_digest()),
        log_size: 0,
        log_root: crate::log::Frontier::new().root(),
    };
    MarkFile::create(folder, before_first)
}

/// Checks format and network, or writes them into a new folder.
fn open_meta(
    folder: &Path,
    trees: &Trees,
    genesis: &Genesis,
    mark: &Mark,
) -> Result<(), OpenError> {
    match trees.meta()? {
        Some((STORE_FORMAT, network)) if network == *genesis.network() => Ok(()),
        Some((STORE_FORMAT, _)) => Err(OpenError::Network),
        Some((got, _)) => Err(OpenError::Format { expected: STORE_FORMAT, got }),
        None if mark.height > 0 => Err(OpenError::BehindMark { tip: 0, marked: mark.height }),
        None => {
            let path = Trees::path(folder);
            trees
                .set_meta(STORE_FORMAT, genesis.network())
                .map_err(io::Error::other)
                .and_then(|()| trees.flush())
                .and_then(|()| Trees::file(folder)?.sync_all())
                .and_then(|()| File::open(&path)?.sync_all())
                .and_then(|()| File::open(folder)?.sync_all())
                .map_err(|error| OpenError::file(&path, &error))
        }
    }
}

#[cfg(test)]
mod tests;
