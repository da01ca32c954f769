//! What belongs to one hosted department: its keys, its document, its stores.

use std::path::{Path, PathBuf};

use chain::department::Department as Document;
use crypto::canonical::{self, CanonicalError};
use crypto::envelope::RecipientKey;
use crypto::{Secret, SigningKey};
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use super::{FileError, make, write_new};
use crate::department::Keys;
use crate::key_file::{self, KeyFileError};

const DOCUMENT_FILE: &str = "department.json";
const SIGNING_KEY: &str = "signing.key";
const ENVELOPE_KEY: &str = "envelope.key";
const STORAGE_KEY: &str = "storage.key";
const LOCAL_TOKEN: &str = "local.token";
const STORE_FOLDER: &str = "store";
const PAYLOADS_FOLDER: &str = "payloads";

/// Where everything of one department is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepartmentFolder {
    root: PathBuf,
}

/// A department's secrets, read from its folder.
pub struct Secrets {
    /// Its private keys.
    pub keys: Keys,
    /// What its store is sealed under.
    pub storage: Secret<32>,
    /// The bearer token of its own systems.
    pub token: Zeroizing<String>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}

/// Why a department's document is not used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is none.
    #[error("{}: not a department's document: {error}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: serde_json::Error,
    },
}

/// Reads a department's document from a file.
///
/// # Errors
/// [`DocumentError`]
pub fn read_document(path: &Path) -> Result<Document, DocumentError> {
    let bytes = std::fs::read(path).map_err(FileError::at(path))?;
    let document = serde_json::from_slice(&bytes);
    document.map_err(|error| DocumentError::Form { path: path.to_owned(), error })
}

impl DepartmentFolder {
    pub(super) const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The department's own copy of its document, for others to approve.
    pub fn document_file(&self) -> PathBuf {
        self.root.join(DOCUMENT_FILE)
    }

    /// The store.
    pub fn store(&self) -> PathBuf {
        self.root.join(STORE_FOLDER)
    }

    /// The payloads' ciphertext.
    pub fn payloads(&self) -> PathBuf {
        self.root.join(PAYLOADS_FOLDER)
    }

    /// Makes the folder and every key in it.
    ///
    /// # Errors
    /// [`KeyFileError`]; existing keys are never overwritten.
    pub fn create(&self, rng: &mut impl CryptoRng) -> Result<Secrets, CreateError> {
        make(&self.root)?;
        for file in [SIGNING_KEY, ENVELOPE_KEY, STORAGE_KEY, LOCAL_TOKEN] {
            key_file::create(&self.root.join(file), rng)?;
        }
        Ok(self.secrets()?)
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// [`KeyFileError`] naming the first that is not used.
    pub fn secrets(&self) -> Result<Secrets, KeyFileError> {
        Ok(Secrets {
            keys: Keys {
                signing: SigningKey::from_seed(&key_file::read(&self.root.join(SIGNING_KEY))?),
                recipient: RecipientKey::from_seed(key_file::read(&self.root.join(ENVELOPE_KEY))?),
            },
            storage: key_file::read(&self.root.join(STORAGE_KEY))?,
            token: self.token()?,
        })
    }

    /// Reads the bearer token of the department's own systems.
    ///
    /// # Errors
    /// [`KeyFileError`]
    pub fn token(&self) -> Result<Zeroizing<String>, KeyFileError> {
        let token = key_file::read(&self.root.join(LOCAL_TOKEN))?;
        Ok(Zeroizing::new(hex::encode(token.expose())))
    }

    /// Writes the document, which must not be there yet.
    ///
    /// # Errors
    /// [`FileError`]
    pub fn write_document(&self, document: &Document) -> Result<(), FileError> {
        let bytes: Result<_, CanonicalError> = canonical::to_vec(document);
        let bytes = bytes.expect("a department's document has string keys and no floats");
        write_new(&self.document_file(), &bytes)
    }
}

/// Why a department's folder was not made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The folder could not be made.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] KeyFileError),
}
