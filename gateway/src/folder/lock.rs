//! One process at a time works on a gateway's folder.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use chain::identifier::DepartmentId;
use crypto::Digest;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{FileError, ImportedKeys};

/// The longest lock file that is read, in bytes.
const MAX_BYTES: u64 = 4_096;
/// How often the lock is tried, and the time between two tries: whoever only looks who has the folder, has it
/// for a moment.
const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// The folder is this process's until this is dropped, or the process ends however it ends.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    file: File,
    started: OnceLock<Started>,
}

/// Who works on a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// The process; unknown for the moment between taking the folder and saying so.
    pub process: Option<u32>,
    /// Where its gateway is reached by commands on this machine, once it listens.
    pub address: Option<String>,
    /// The departments that its gateway waits for: until they are in the network, it does not serve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awaited: Vec<DepartmentId>,
    /// What its gateway was started with; nothing, if it is no gateway but a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Started>,
}

/// Which keys a gateway was started with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started {
    /// Whether development keys do not count.
    pub production: bool,
    /// Digests of the documents of its keys from ceremonies.
    pub ceremonies: BTreeSet<Digest>,
}

impl Started {
    /// With these keys of ceremonies, in production or not.
    pub fn with(imported: &ImportedKeys, production: bool) -> Self {
        let ceremonies = imported.values().map(|it| it.document.digest()).collect();
        Self { production, ceremonies }
    }
}

/// Why a folder is not this process's.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process has it.
    #[error("{}: {} works on this folder; stop it first, or let it do the work", path.display(), named(.holder))]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who has it.
        holder: Holder,
    },
    /// The lock file cannot be made or written.
    #[error(transparent)]
    File(#[from] FileError),
}

fn named(holder: &Holder) -> String {
    holder.process.map_or("another process".to_owned(), |process| format!("process {process}"))
}

impl Lock {
    pub(super) fn take(path: &Path) -> Result<Self, LockError> {
        let file = open(path).map_err(FileError::at(path))?;
        let mut tried = file.try_lock();
        for _ in 1..TRIES {
            if !matches!(tried, Err(TryLockError::WouldBlock)) {
                break;
            }
            thread::sleep(BETWEEN_TRIES);
            tried = file.try_lock();
        }
        match tried {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = read(&file).unwrap_or_default();
                return Err(LockError::Held { path: path.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(FileError::at(path)(error).into()),
        }
        let lock = Self { path: path.to_owned(), file, started: OnceLock::new() };
        lock.write(Holder::this_process())?;
        Ok(lock)
    }

    /// Says what the gateway of this process was started with, which does not change any more.
    ///
    /// # Errors
    /// [`FileError`]
    pub fn starting(&self, with: Started) -> Result<(), FileError> {
        self.started.get_or_init(|| with);
        self.write(Holder::this_process())
    }

    /// Says which departments the gateway of this process waits for.
    ///
    /// # Errors
    /// [`FileError`]
    pub fn waiting(&self, awaited: Vec<DepartmentId>) -> Result<(), FileError> {
        self.write(Holder { awaited, ..Holder::this_process() })
    }

    /// Says where the gateway of this process is reached.
    ///
    /// # Errors
    /// [`FileError`]
    pub fn listening(&self, address: String) -> Result<(), FileError> {
        self.write(Holder { address: Some(address), ..Holder::this_process() })
    }

    /// Says that the gateway of this process is not reached any more: its address may soon be somebody
    /// else's, to whom no command may send a token.
    ///
    /// # Errors
    /// [`FileError`]
    pub fn closing(&self) -> Result<(), FileError> {
        self.write(Holder::this_process())
    }

    fn write(&self, holder: Holder) -> Result<(), FileError> {
        let holder = Holder { started: self.started.get().cloned(), ..holder };
        let text = serde_json::to_vec(&holder).expect("numbers and texts have a JSON form");
        let mut file = &self.file;
        let written = file.set_len(0).and_then(|()| file.rewind());
        written.and_then(|()| file.write_all(&text)).map_err(FileError::at(&self.path))
    }
}

impl Holder {
    fn this_process() -> Self {
        Self { process: Some(std::process::id()), ..Self::default() }
    }

    pub(super) fn of(path: &Path) -> Result<Option<Self>, FileError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FileError::at(path)(error)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(read(&file).unwrap_or_default())),
            Err(TryLockError::Error(error)) => Err(FileError::at(path)(error)),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// What the holder wrote; nothing, while it writes.
fn read(mut file: &File) -> Option<Holder> {
    let mut bytes = Vec::new();
    file.rewind().ok()?;
    file.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}
