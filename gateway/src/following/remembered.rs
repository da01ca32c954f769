//! What a validator's gateway remembers of its network outside the chain's folder, in `network.json`.
//!
//! Whoever loses `chain/`, or puts an old copy of it back, loses the mark in it as well, and with it the names
//! of all who joined since: nothing there tells that other blocks were certified before, nor whom to ask.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chain::genesis::Genesis;
use chain::identifier::{BlockHash, DepartmentId, NetworkId};
use chain::ledger::Ledger;
use chain::rebuild::Acknowledged;
use chain::replica::Replica;
use chain::store::StoreError;
use chain::text::BaseUrl;
use crypto::canonical;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::folder::{FileError, Folder};

const FILE_NAME: &str = "network.json";
/// Blocks after which the height is written again. Less often than blocks come, and often enough that an old
/// copy of the chain is told from the newest one.
const BLOCKS: u64 = 64;

/// Why the chain that is here is not the one that this gateway served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RememberedError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is none that a gateway wrote.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is of another network.
    #[error("{} is of network {theirs}, the genesis file is of {ours}", path.display())]
    Network {
        /// The file.
        path: PathBuf,
        /// The network here.
        ours: NetworkId,
        /// The file's.
        theirs: NetworkId,
    },
    /// The chain ends before what was served here.
    #[error(
        "this gateway served the block {block} at height {height} ({}), and the chain's folder ends at height \
         {last}: it was lost, or an old copy was put back. Nothing is signed. Make the copy anew from another \
         gateway of the network: proofgate --dir DIR rebuild --from URL", path.display()
    )]
    Behind {
        /// The file.
        path: PathBuf,
        /// The height that was served.
        height: u64,
        /// The block that was served.
        block: BlockHash,
        /// Height of the last block here.
        last: u64,
    },
    /// The chain has another block where one was served.
    #[error(
        "this gateway served the block {block} at height {height} ({}), and the chain's folder has {ours} \
         there. Nothing is signed. Make the copy anew from another gateway of the network: proofgate --dir DIR \
         rebuild --from URL --replace-fork", path.display()
    )]
    Conflict {
        /// The file.
        path: PathBuf,
        /// The height that was served.
        height: u64,
        /// The block that was served.
        block: BlockHash,
        /// The block here.
        ours: BlockHash,
    },
    /// The file is not there.
    #[error(
        "{} is not here, which says how far this gateway served its chain. Nothing is signed, else there could be \
         two chains. Put it back from your copy, or make the chain's copy anew from the gateway of the network \
         that is furthest: proofgate --dir DIR rebuild --from URL", path.display()
    )]
    Lost {
        /// The file.
        path: PathBuf,
    },
    /// The chain here cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A department and where it is reached.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The department.
    pub id: DepartmentId,
    /// Its gateway.
    pub url: BaseUrl,
}

/// How far a gateway served the chain, and who is in the network.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Remembered {
    /// The network.
    pub network: NetworkId,
    /// Height of the last block that is known to have been served.
    pub height: u64,
    /// That block; before the first, the network id's digest.
    pub block: BlockHash,
    /// All departments.
    pub departments: Vec<Place>,
}

impl Remembered {
    fn of(replica: &Replica) -> Self {
        let departments = replica.state().members().map(|member| {
            let department = &member.department;
            Place { id: department.id, url: department.url.clone() }
        });
        Self {
            network: *replica.genesis().network(),
            height: replica.tip().height,
            block: replica.tip().block,
            departments: departments.collect(),
        }
    }

    /// What a validator's gateway begins with: nothing was served yet.
    pub fn first(genesis: &Arc<Genesis>) -> Self {
        Self::of(&Replica::new(Arc::clone(genesis)))
    }

    fn path(folder: &Folder) -> PathBuf {
        folder.root().join(FILE_NAME)
    }

    /// What is remembered in a validator's folder, which begins with what is [first](Self::first).
    ///
    /// # Errors
    /// [`RememberedError`] if the file is not there, cannot be read, or is none of this network: then nothing
    /// may be signed.
    pub fn require(folder: &Folder, network: &NetworkId) -> Result<Self, RememberedError> {
        let lost = || RememberedError::Lost { path: Self::path(folder) };
        Self::read(folder, network)?.ok_or_else(lost)
    }

    /// What is remembered in a folder; none in a follower's.
    ///
    /// # Errors
    /// [`RememberedError`] if the file cannot be read, or is none of this network.
    pub fn read(folder: &Folder, network: &NetworkId) -> Result<Option<Self>, RememberedError> {
        let path = Self::path(folder);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FileError { path, error }.into()),
        };
        let remembered: Self = match canonical::from_slice(&bytes) {
            Ok(remembered) => remembered,
            Err(error) => {
                return Err(RememberedError::Malformed { path, reason: error.to_string() });
            }
        };
        if remembered.network != *network {
            let (ours, theirs) = (*network, remembered.network);
            return Err(RememberedError::Network { path, ours, theirs });
        }
        Ok(Some(remembered))
    }

    /// Replaces what is remembered in a folder. On the disk when this returns; a crash leaves the old or the
    /// new one.
    ///
    /// # Errors
    /// [`FileError`]
    pub fn write(&self, folder: &Folder) -> Result<(), FileError> {
        let path = Self::path(folder);
        let aside = path.with_extension("json.new");
        let bytes = canonical::to_vec(self).expect("what is remembered has string keys");
        let write = || {
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&aside, &path)?;
            File::open(folder.root())?.sync_all()
        };
        write().map_err(|error| FileError { path: path.clone(), error })
    }

    /// The block that a copy of the chain must have.
    pub const fn acknowledged(&self) -> Acknowledged {
        Acknowledged { height: self.height, block: self.block }
    }

    /// Whether the chain here goes as far, and has the same block there.
    ///
    /// # Errors
    /// [`RememberedError`] if not: then nothing may be signed.
    pub fn check(&self, folder: &Folder, ledger: &dyn Ledger) -> Result<(), RememberedError> {
        let (path, height, block) = (Self::path(folder), self.height, self.block);
        let last = ledger.snapshot().tip().height;
        if last < height {
            return Err(RememberedError::Behind { path, height, block, last });
        }
        let ours = match ledger.reader().header(height)? {
            Some((header, _)) => header.hash(),
            None => return Ok(()), // before the first block there is nothing to compare
        };
        if ours != block {
            return Err(RememberedError::Conflict { path, height, block, ours });
        }
        Ok(())
    }
}

/// Writes what is to be remembered, as it changes and when it is dropped.
#[derive(Debug)]
pub struct Remembering {
    written: Arc<Written>,
    newest: watch::Receiver<Arc<Replica>>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Written {
    folder: Folder,
    last: Mutex<Remembered>,
}

impl Remembering {
    /// Writes what is to be remembered of `ledger`, and goes on as it grows. To be called when the chain was
    /// checked: what was remembered before is forgotten.
    ///
    /// # Errors
    /// [`FileError`]
    pub fn begin(folder: &Folder, ledger: &dyn Ledger) -> Result<Self, FileError> {
        let newest = ledger.subscribe();
        let last = Remembered::of(&ledger.snapshot());
        last.write(folder)?;
        let written = Arc::new(Written { folder: folder.clone(), last: Mutex::new(last) });
        let task = tokio::spawn(follow(Arc::clone(&written), newest.clone()));
        Ok(Self { written, newest, task })
    }
}

async fn follow(written: Arc<Written>, mut newest: watch::Receiver<Arc<Replica>>) {
    while newest.changed().await.is_ok() {
        let now = Remembered::of(&newest.borrow_and_update());
        if written.is_due(&now) {
            let written = Arc::clone(&written);
            // It waits for the disk. A write that panicked has replaced nothing.
            let _ = spawn_blocking(move || written.write(now)).await;
        }
    }
}

impl Written {
    fn last(&self) -> MutexGuard<'_, Remembered> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_due(&self, now: &Remembered) -> bool {
        let last = self.last();
        let is_first = last.height == 0 && now.height > 0;
        is_first || now.height >= last.height + BLOCKS || now.departments != last.departments
    }

    fn write(&self, now: Remembered) {
        let mut last = self.last();
        if now.height <= last.height {
            return;
        }
        match now.write(&self.folder) {
            Ok(()) => *last = now,
            // The chain's own folder is as it should be; the next change tries again.
            Err(error) => tracing::warn!(%error, "how far the chain goes is not remembered"),
        }
    }
}

impl Drop for Remembering {
    fn drop(&mut self) {
        self.task.abort();
        let now = Remembered::of(&self.newest.borrow());
        self.written.write(now);
    }
}

/// Writes `height` and `block` in the place of what is remembered: the copy of the chain was replaced by one
/// that need not have what was served, or nothing is remembered.
///
/// # Errors
/// [`RememberedError`]
pub fn replace(
    folder: &Folder,
    network: &NetworkId,
    height: u64,
    block: BlockHash,
) -> Result<(), RememberedError> {
    let departments = Remembered::read(folder, network)?.map(|it| it.departments);
    let departments = departments.unwrap_or_default();
    Remembered { network: *network, height, block, departments }.write(folder)?;
    Ok(())
}

#[cfg(test)]
mod tests;
