//! The wallet's folder: what is in it, and that only its owner can read it.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use chain::genesis::{Genesis, GenesisError};
use chain::identifier::DepartmentId;
use crypto::Digest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use thiserror::Error;
use zeroize::Zeroizing;

/// Permission bits of group and others.
const OTHERS: u32 = 0o077;

/// Why a file of the wallet is not used.
#[derive(Debug, Error)]
#[error("{}: {fault}", path.display())]
pub struct FolderError {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: FolderFault,
}

/// What is wrong with a file of the wallet.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FolderFault {
    /// It cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is no such folder.
    #[error("no wallet is here; proofgate consent --wallet DIR keygen makes one")]
    Missing,
    /// Somebody else may read it.
    #[error("permissions {mode:o}: others may look into this wallet; run chmod go-rwx on it")]
    Readable {
        /// The permission bits.
        mode: u32,
    },
    /// Not the JSON that belongs there.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// No genesis file.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The file is of another request than its name says.
    #[error("it is of request {0}")]
    OtherRequest(Digest),
}

/// A folder that only its owner can look into.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

/// A department that the wallet talks to, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contact {
    pub(super) department: DepartmentId,
    pub(super) url: String,
}

/// What withdraws a consent, and what the consent was to. It has no `Debug`: `w` is secret.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    pub(super) request: Digest,
    pub(super) issuer: DepartmentId,
    pub(super) requester: DepartmentId,
    pub(super) purpose: String,
    pub(super) expires: u64,
    pub(super) w: Digest,
}

impl Folder {
    /// The folder, made if there is none.
    pub(super) fn create(path: &Path) -> Result<Self, FolderError> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            outcome => outcome.map_err(|error| at(path, error))?,
        }
        Self::open(path)
    }

    /// The folder, if it is there.
    pub(super) fn open(path: &Path) -> Result<Self, FolderError> {
        let metadata = fs::metadata(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => at(path, FolderFault::Missing),
            _ => at(path, error),
        })?;
        if !metadata.is_dir() {
            return Err(at(path, io::Error::from(io::ErrorKind::NotADirectory)));
        }
        if metadata.mode() & OTHERS != 0 {
            return Err(at(path, FolderFault::Readable { mode: metadata.mode() & 0o777 }));
        }
        Ok(Self(path.to_owned()))
    }

    pub(super) fn key(&self) -> PathBuf {
        self.0.join("consent.key")
    }

    pub(super) fn card(&self) -> PathBuf {
        self.0.join("card.json")
    }

    pub(super) fn contacts(&self) -> PathBuf {
        self.0.join("departments.json")
    }

    fn genesis(&self) -> PathBuf {
        self.0.join("genesis.json")
    }

    pub(super) fn read_genesis(&self) -> Result<Option<Genesis>, FolderError> {
        let path = self.genesis();
        let Some(bytes) = read_bytes(&path)? else { return Ok(None) };
        Genesis::from_slice(&bytes).map(Some).map_err(|error| at(&path, error))
    }

    pub(super) fn write_genesis(&self, genesis: &Genesis) -> Result<(), FolderError> {
        write_bytes(&self.genesis(), genesis.as_bytes())
    }

    fn kept(&self, request: &Digest) -> PathBuf {
        self.0.join("withdrawals").join(format!("{request}.json"))
    }

    /// What withdraws the consent to `request`, if the wallet ever consented to it.
    pub(super) fn read_kept(&self, request: &Digest) -> Result<Option<Kept>, FolderError> {
        let path = self.kept(request);
        let kept: Option<Kept> = read(&path)?;
        match kept {
            Some(kept) if kept.request != *request => {
                Err(at(&path, FolderFault::OtherRequest(kept.request)))
            }
            kept => Ok(kept),
        }
    }

    /// What withdraws the consents to `issuer`, in the order of their requests.
    pub(super) fn kept_of(&self, issuer: DepartmentId) -> Result<Vec<Kept>, FolderError> {
        let folder = self.0.join("withdrawals");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(at(&folder, error)),
        };
        let mut requests: Vec<Digest> = Vec::new();
        for entry in entries {
            let name = entry.map_err(|error| at(&folder, error))?.file_name();
            // What a power cut left behind has another name.
            let request: Option<Digest> =
                name.to_str().and_then(|name| name.strip_suffix(".json")?.parse().ok());
            requests.extend(request);
        }
        requests.sort_unstable();
        let mut kept = Vec::new();
        for request in requests {
            kept.extend(self.read_kept(&request)?.filter(|kept| kept.issuer == issuer));
        }
        Ok(kept)
    }

    pub(super) fn write_kept(&self, kept: &Kept) -> Result<(), FolderError> {
        write(&self.kept(&kept.request), kept)
    }
}

fn at(path: &Path, fault: impl Into<FolderFault>) -> FolderError {
    FolderError { path: path.to_owned(), fault: fault.into() }
}

/// What the file holds; nothing if there is none.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FolderError> {
    let Some(bytes) = read_bytes(path)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| at(path, error))
}

fn read_bytes(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, FolderError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path, error)),
    }
}

/// As [`write_bytes`], in JSON.
pub(super) fn write<T: Serialize>(path: &Path, content: &T) -> Result<(), FolderError> {
    let mut text = Zeroizing::new(Vec::new());
    serde_json::to_writer_pretty(&mut *text, content).map_err(|error| at(path, error))?;
    text.push(b'\n');
    write_bytes(path, &text)
}

/// Writes the whole file or leaves what was there, readable by the owner alone; when this returns
/// it survives a power cut.
fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let folder = path.parent().expect("every file of the wallet is in a folder");
    let store = || -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(folder) {
            Ok(()) => sync(folder.parent())?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let mut file = NamedTempFile::new_in(folder)?; // 0600
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        sync(Some(folder))
    };
    store().map_err(|error| at(path, error))
}

/// Makes the names in a folder durable.
fn sync(folder: Option<&Path>) -> io::Result<()> {
    folder.map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
