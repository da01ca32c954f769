//! A gateway's folder: everything that it is and knows.
//!
//! ```text
//! proofgate.toml   genesis.json   gateway.lock   validator.key (of the gateway that keeps the chain)
//! chain/           the copy of the chain
//! network.json     how far a validator served it, and who is in the network
//! proving/         identified-v1.development.key   pseudonymous-v1.development.key   ceremony/
//! DEPARTMENT/      department.json   signing.key   envelope.key   storage.key   local.token   store/   payloads/
//! ```

mod ceremony;
mod department;
mod init;
mod lock;
mod proving;

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain::genesis::{Genesis, GenesisError};
use chain::identifier::DepartmentId;
use crypto::SigningKey;
use rand_core::CryptoRng;
use thiserror::Error;

use crate::config::{ChainRole, Config, ConfigError, template};
use crate::key_file::{self, KeyFileError};

pub use ceremony::{ImportedKey, ImportedKeys};
pub use department::{CreateError, DepartmentFolder, DocumentError, Secrets, read_document};

pub use init::{InitError, Initialized, NetworkPlan, Plan};
pub use lock::{Holder, Lock, LockError, Started};
pub use proving::{KeySource, ProvingKeyError, ProvingKeyFault, RESTORE};

const CONFIG_FILE: &str = "proofgate.toml";
const GENESIS_FILE: &str = "genesis.json";
const LOCK_FILE: &str = "gateway.lock";
const VALIDATOR_KEY: &str = "validator.key";
const CHAIN_FOLDER: &str = "chain";
const PROVING_FOLDER: &str = "proving";

/// Where everything of a gateway is. Making one touches no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    root: PathBuf,
}

/// Why a file or folder could not be read or made.
#[derive(Debug, Error)]
#[error("{}: {error}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What the operating system said.
    pub error: io::Error,
}

impl FileError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| Self { path, error }
    }
}

/// Why a genesis file is not used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GenesisFileError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is none.
    #[error("{}: {error} [{}]", path.display(), error.code())]
    Genesis {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: GenesisError,
    },
}

/// Reads a genesis file.
///
/// # Errors
/// [`GenesisFileError`]
pub fn read_genesis(path: &Path) -> Result<Arc<Genesis>, GenesisFileError> {
    let bytes = std::fs::read(path).map_err(FileError::at(path))?;
    let genesis = Genesis::from_slice(&bytes);
    genesis
        .map(Arc::new)
        .map_err(|error| GenesisFileError::Genesis { path: path.to_owned(), error })
}

/// Makes a folder, and those above it, that nobody else can look into.
///
/// # Errors
/// [`FileError`]
pub fn make(folder: &Path) -> Result<(), FileError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(FileError::at(folder))
}

/// Whether only its owner can change what is in a folder: whoever else could, might put another gateway's
/// address where commands send the local token.
///
/// # Errors
/// An error of kind [`io::ErrorKind::PermissionDenied`] that says so, or what the operating system said.
pub fn check_unshared(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(folder)?.permissions().mode() & 0o777;
    if mode & 0o022 == 0 {
        return Ok(());
    }
    let told = format!("others can write to {} (mode {mode:o}): chmod go-w", folder.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, told))
}

/// Writes a new file and waits for the disk. An existing one is never overwritten.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    use std::io::Write as _;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let written = file.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(FileError::at(path))
}

/// Writes a new file that only the owner can read. An existing one is never overwritten.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(FileError::at(path))
}

impl Folder {
    /// The folder at `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The configuration.
    pub fn config_file(&self) -> PathBuf {
        self.root.join(CONFIG_FILE)
    }

    /// The genesis file.
    pub fn genesis_file(&self) -> PathBuf {
        self.root.join(GENESIS_FILE)
    }

    /// The copy of the chain.
    pub fn chain(&self) -> PathBuf {
        self.root.join(CHAIN_FOLDER)
    }

    /// What belongs to one hosted department.
    pub fn department(&self, id: &DepartmentId) -> DepartmentFolder {
        DepartmentFolder::new(self.root.join(id.as_str()))
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn config(&self) -> Result<Config, ConfigError> {
        let config = Config::read(&self.config_file())?;
        check_unshared(&self.root)
            .map_err(|error| ConfigError { path: self.config_file(), fault: error.into() })?;
        Ok(config)
    }

    /// Reads the genesis file.
    ///
    /// # Errors
    /// [`GenesisFileError`]
    pub fn genesis(&self) -> Result<Arc<Genesis>, GenesisFileError> {
        read_genesis(&self.genesis_file())
    }

    /// Writes the genesis file, which must not be there yet.
    ///
    /// # Errors
    /// [`FileError`]
    pub fn write_genesis(&self, genesis: &Genesis) -> Result<(), FileError> {
        write_new(&self.genesis_file(), genesis.as_bytes())
    }

    /// Writes a commented configuration with the defaults, which must not be there yet.
    ///
    /// # Errors
    /// [`FileError`]
    pub fn write_config(
        &self,
        departments: &[DepartmentId],
        listen: SocketAddr,
        chain: &ChainRole,
    ) -> Result<(), FileError> {
        write_new(&self.config_file(), template(departments, listen, chain).as_bytes())
    }

    /// Makes the key that this gateway certifies blocks with.
    ///
    /// # Errors
    /// [`KeyFileError`]
    pub fn create_validator_key(
        &self,
        rng: &mut impl CryptoRng,
    ) -> Result<SigningKey, KeyFileError> {
        key_file::create(&self.root.join(VALIDATOR_KEY), rng).map(|key| SigningKey::from_seed(&key))
    }

    /// Reads the key that this gateway certifies blocks with.
    ///
    /// # Errors
    /// [`KeyFileError`]
    pub fn validator_key(&self) -> Result<SigningKey, KeyFileError> {
        key_file::read(&self.root.join(VALIDATOR_KEY)).map(|key| SigningKey::from_seed(&key))
    }

    /// Takes the folder for this process, until what is returned is dropped.
    ///
    /// # Errors
    /// [`LockError`] if another process has it.
    pub fn lock(&self) -> Result<Lock, LockError> {
        Lock::take(&self.root.join(LOCK_FILE))
    }

    /// The process that works on the folder, if one does.
    ///
    /// # Errors
    /// [`FileError`] if it cannot be seen.
    pub fn holder(&self) -> Result<Option<Holder>, FileError> {
        Holder::of(&self.root.join(LOCK_FILE))
    }
}

#[cfg(test)]
mod tests;
