//! The proving keys in a gateway's folder.

use std::collections::HashMap;
use std::path::PathBuf;

use circuits::groth16::{KeyError, ProvingKey};
use circuits::statement::CircuitId;
use crypto::canonical::CanonicalError;
use thiserror::Error;

use super::ceremony::{ImportedKey, ImportedKeys};
use super::{FileError, Folder, PROVING_FOLDER, make, write_new};
use crate::document::circuit::CircuitDocumentError;

/// What helps where a file is missing or damaged. As long as the folder of an import is there, no other takes its
/// place.
pub const RESTORE: &str = "put the file back from your copy (that of a ceremony can be imported again, once the \
    folder that it is in is moved out of proving/ceremony)";

/// Why a proving key is not used.
#[derive(Debug, Error)]
#[error("{}: {fault}", path.display())]
pub struct ProvingKeyError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: ProvingKeyFault,
}

impl ProvingKeyError {
    pub(super) fn at(path: PathBuf) -> impl FnOnce(ProvingKeyFault) -> Self {
        move |fault| Self { path, fault }
    }
}

/// What is wrong with a proving key's file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProvingKeyFault {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It is no sound key of the circuit of this build.
    #[error(
        "not a proving key of this build's circuit: {0}; if the file was damaged {RESTORE}, and if this is \
         another version of proofgate its circuits need keys of their own"
    )]
    Key(#[from] KeyError),
    /// The document beside a ceremony's key is none.
    #[error("not a circuit document: {0}; {RESTORE}")]
    Document(#[from] CanonicalError),
    /// The document is of another circuit, or of a development key.
    #[error("not the document of this circuit's key from a ceremony; {RESTORE}")]
    OtherDocument,
    /// There is another key of the circuit.
    #[error(
        "another key of the same circuit is in {}: move the folder of one of the two elsewhere", other.display()
    )]
    Twice {
        /// The folder of its import.
        other: PathBuf,
    },
    /// The document is of another key.
    #[error("not the key of the document beside it; {RESTORE}")]
    OtherKey,
    /// The ceremony is not one to rely on.
    #[error("{0}; such a key is not used")]
    Ceremony(#[from] CircuitDocumentError),
}

/// Where a proving key is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource<'a> {
    /// A ceremony.
    Ceremony(&'a ImportedKey),
    /// This gateway made it alone; its file.
    Development(PathBuf),
}

/// `identified-v1` for `identified/v1`.
pub(super) fn file_name(circuit: CircuitId) -> String {
    circuit.name().replace('/', "-")
}

impl Folder {
    /// The file of a circuit's development key.
    pub fn development_key(&self, circuit: CircuitId) -> PathBuf {
        let name = format!("{}.development.key", file_name(circuit));
        self.root().join(PROVING_FOLDER).join(name)
    }

    /// Writes development keys.
    ///
    /// # Errors
    /// [`FileError`]; existing ones are never overwritten.
    pub fn write_development_keys(
        &self,
        keys: &HashMap<CircuitId, ProvingKey>,
    ) -> Result<(), FileError> {
        make(&self.root().join(PROVING_FOLDER))?;
        for (circuit, key) in keys {
            write_new(&self.development_key(*circuit), &key.to_bytes())?;
        }
        Ok(())
    }

    /// Where the key of a circuit is from; nothing, if there is none that is used.
    pub fn key_source<'a>(
        &self,
        circuit: CircuitId,
        imported: &'a ImportedKeys,
        production: bool,
    ) -> Option<KeySource<'a>> {
        match imported.get(&circuit) {
            Some(imported) => Some(KeySource::Ceremony(imported)),
            None => (!production).then(|| KeySource::Development(self.development_key(circuit))),
        }
    }

    /// Checks that the key of every circuit can be read and is of the right length, and not what is in it: that
    /// takes seconds.
    ///
    /// # Errors
    /// As for [`Folder::proving_keys`].
    pub fn find_proving_keys(
        &self,
        imported: &ImportedKeys,
        production: bool,
    ) -> Result<(), ProvingKeyError> {
        for circuit in CircuitId::ALL {
            let Some(source) = self.key_source(circuit, imported, production) else { continue };
            let path = source.file();
            let length = || Ok::<_, ProvingKeyFault>(std::fs::File::open(&path)?.metadata()?.len());
            let expected = ProvingKey::encoded_length(&circuit.r1cs());
            let checked = length().and_then(|length| {
                let got = usize::try_from(length).unwrap_or(usize::MAX);
                let wrong = KeyError::Length { expected, got };
                if got == expected { Ok(()) } else { Err(wrong.into()) }
            });
            checked.map_err(ProvingKeyError::at(path.clone()))?;
        }
        Ok(())
    }

    /// Reads the key of every circuit, and checks every point of it: the ceremony's, or else, but not in
    /// production, the development key.
    ///
    /// # Errors
    /// [`ProvingKeyError`] naming the first that is not used.
    pub fn proving_keys(
        &self,
        imported: &ImportedKeys,
        production: bool,
    ) -> Result<HashMap<CircuitId, ProvingKey>, ProvingKeyError> {
        let mut keys = HashMap::new();
        for circuit in CircuitId::ALL {
            if let Some(source) = self.key_source(circuit, imported, production) {
                keys.insert(circuit, source.read(circuit)?);
            }
        }
        Ok(keys)
    }
}

impl KeySource<'_> {
    /// Reads the circuit's key and checks every point of it.
    ///
    /// # Errors
    /// [`ProvingKeyError`]
    pub fn read(&self, circuit: CircuitId) -> Result<ProvingKey, ProvingKeyError> {
        match self {
            Self::Ceremony(imported) => imported.read(),
            Self::Development(path) => std::fs::read(path)
                .map_err(ProvingKeyFault::Io)
                .and_then(|bytes| Ok(ProvingKey::from_bytes(circuit.r1cs(), &bytes)?))
                .map_err(ProvingKeyError::at(path.clone())),
        }
    }

    fn file(&self) -> PathBuf {
        match self {
            Self::Ceremony(imported) => imported.key_file(),
            Self::Development(path) => path.clone(),
        }
    }
}
