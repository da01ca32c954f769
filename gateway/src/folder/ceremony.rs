//! The proving keys of a ceremony in a gateway's folder: all that were imported, or none.
//!
//! ```text
//! proving/ceremony/   identified-v1.key   identified-v1.json   …
//! ```
//! The document is the one that is put on the chain. It has the ceremony's transcript, which is checked at
//! each start.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use chain::rules::State;
use circuits::groth16::{KeyId, ProvingKey};
use circuits::statement::CircuitId;
use crypto::canonical;

use super::proving::{ProvingKeyError, ProvingKeyFault, file_name};
use super::{FileError, Folder, PROVING_FOLDER, make, write_new};
use crate::document::CircuitDocument;
use crate::document::circuit::Provenance;

const CEREMONY_FOLDER: &str = "ceremony";
/// Where keys are written before they count.
const STAGING_PREFIX: &str = "ceremony.new.";

/// Documents of a ceremony's keys, by circuit.
pub type CeremonyDocuments = HashMap<CircuitId, CircuitDocument>;

impl Folder {
    /// Where the keys of a ceremony are, if there are any.
    pub fn ceremony_keys(&self) -> PathBuf {
        self.root().join(PROVING_FOLDER).join(CEREMONY_FOLDER)
    }

    /// The file of a circuit's key from a ceremony.
    pub(super) fn ceremony_key(&self, circuit: CircuitId) -> PathBuf {
        self.ceremony_keys().join(format!("{}.key", file_name(circuit)))
    }

    fn ceremony_document(&self, circuit: CircuitId) -> PathBuf {
        self.ceremony_keys().join(format!("{}.json", file_name(circuit)))
    }

    /// Writes keys of a ceremony: after this all of them are there, after an error none.
    ///
    /// # Errors
    /// [`FileError`]; existing ones are never overwritten.
    pub fn write_ceremony_keys(
        &self,
        keys: &[(CircuitDocument, ProvingKey)],
    ) -> Result<(), FileError> {
        let place = self.ceremony_keys();
        if place.exists() {
            return Err(FileError::at(&place)(io::ErrorKind::AlreadyExists.into()));
        }
        let proving = self.root().join(PROVING_FOLDER);
        make(&proving)?;
        // Gone with an error; what a crash leaves of it never counts.
        let staging = tempfile::Builder::new().prefix(STAGING_PREFIX).tempdir_in(&proving);
        let staging = staging.map_err(FileError::at(&proving))?;
        for (document, key) in keys {
            let name = file_name(document.circuit);
            let text = canonical::to_vec(document).expect("a circuit document has string keys");
            write_new(&staging.path().join(format!("{name}.key")), &key.to_bytes())?;
            write_new(&staging.path().join(format!("{name}.json")), &text)?;
        }
        sync(staging.path())?;
        // Fails if somebody else has taken the place in the meantime.
        std::fs::rename(staging.path(), &place).map_err(FileError::at(&place))?;
        sync(&proving)
    }

    /// The documents of the keys that were imported from a ceremony.
    ///
    /// # Errors
    /// [`ProvingKeyError`] naming the first that is not one of this build's circuits and of a ceremony, or that
    /// is missing beside its key.
    pub fn ceremony_documents(&self) -> Result<CeremonyDocuments, ProvingKeyError> {
        let mut documents = CeremonyDocuments::new();
        for circuit in CircuitId::ALL {
            let path = self.ceremony_document(circuit);
            let bytes = match std::fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && !self.ceremony_key(circuit).exists() =>
                {
                    continue;
                }
                Err(error) => return Err(ProvingKeyError::at(path)(error.into())),
            };
            let document: CircuitDocument = canonical::from_slice(&bytes)
                .map_err(|error| ProvingKeyError::at(path.clone())(error.into()))?;
            if document.circuit != circuit || document.provenance == Provenance::Development {
                return Err(ProvingKeyError::at(path)(ProvingKeyFault::OtherDocument));
            }
            documents.insert(circuit, document);
        }
        Ok(documents)
    }

    /// Checks the transcripts of those documents, with the departments' keys as the chain has them.
    ///
    /// Not against a copy of the chain without a block: it is being built anew, and knows nobody yet who joined.
    /// The next start checks all.
    ///
    /// # Errors
    /// [`ProvingKeyError`] naming the first that does not hold.
    pub fn check_ceremonies(
        &self,
        documents: &CeremonyDocuments,
        chain: &State,
    ) -> Result<(), ProvingKeyError> {
        if chain.height() == 0 {
            return Ok(());
        }
        for (circuit, document) in documents {
            let checked = document.check_provenance(chain.network(), |by, label, message, it| {
                let mut keys = chain.signing_keys(by);
                keys.find(|key| key.verify(label, message, it).is_ok()).copied()
            });
            checked.map_err(|error| {
                ProvingKeyError::at(self.ceremony_document(*circuit))(error.into())
            })?;
        }
        Ok(())
    }

    /// Reads a ceremony's key and checks every point of it; it must be the document's.
    pub(super) fn read_ceremony_key(
        &self,
        document: &CircuitDocument,
    ) -> Result<ProvingKey, ProvingKeyError> {
        let path = self.ceremony_key(document.circuit);
        let read = || {
            let bytes = std::fs::read(&path)?;
            let key = ProvingKey::from_bytes(document.circuit.r1cs(), &bytes)?;
            let named: KeyId = document.key()?.0;
            if key.verifying_key().id() == named { Ok(key) } else { Err(ProvingKeyFault::OtherKey) }
        };
        read().map_err(ProvingKeyError::at(path.clone()))
    }
}

/// Waits until what was made in a folder is on the disk.
fn sync(folder: &std::path::Path) -> Result<(), FileError> {
    std::fs::File::open(folder).and_then(|it| it.sync_all()).map_err(FileError::at(folder))
}

#[cfg(test)]
mod tests;
