//! The proving keys of ceremonies in a gateway's folder: all that an import took are there, or none.
//!
//! ```text
//! proving/ceremony/   identified-v1+pseudonymous-v1/   identified-v1.key   identified-v1.json   …
//! ```
//! One folder for each import, named after the circuits of which it has the keys; two ceremonies, each about one
//! circuit, are two. The document is the one that is put on the chain. It has the ceremony's transcript, which is
//! checked at each start.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

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

/// A key of a ceremony that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedKey {
    /// The document that puts it forward.
    pub document: CircuitDocument,
    /// The folder of its import.
    pub import: PathBuf,
}

/// Keys of ceremonies, by circuit.
pub type ImportedKeys = HashMap<CircuitId, ImportedKey>;

impl ImportedKey {
    /// The file of the key.
    pub(super) fn key_file(&self) -> PathBuf {
        key_file(&self.import, self.document.circuit)
    }

    /// The file of the document.
    fn document_file(&self) -> PathBuf {
        document_file(&self.import, self.document.circuit)
    }

    /// Reads the key and checks every point of it; it must be the document's.
    pub(super) fn read(&self) -> Result<ProvingKey, ProvingKeyError> {
        let (path, document) = (self.key_file(), &self.document);
        let read = || {
            let bytes = std::fs::read(&path)?;
            let key = ProvingKey::from_bytes(document.circuit.r1cs(), &bytes)?;
            let named: KeyId = document.key()?.0;
            if key.verifying_key().id() == named { Ok(key) } else { Err(ProvingKeyFault::OtherKey) }
        };
        read().map_err(ProvingKeyError::at(path.clone()))
    }
}

impl Folder {
    /// Where the folders of imports are.
    pub fn imports(&self) -> PathBuf {
        self.root().join(PROVING_FOLDER).join(CEREMONY_FOLDER)
    }

    /// The folders of imports that have something of a circuit's key: one at most, if nobody put another there.
    ///
    /// Whatever else is there is an error: it may be a key that is not readable or in the wrong place, and another
    /// would be used instead.
    fn imports_of(&self, circuit: CircuitId) -> Result<Vec<PathBuf>, FileError> {
        let mut found = Vec::new();
        for import in entries(&self.imports())? {
            if !import.is_dir() {
                let told = "not the folder of an import; import the ceremony again";
                let error = io::Error::new(io::ErrorKind::NotADirectory, told);
                return Err(FileError::at(&import)(error));
            }
            let files = entries(&import)?;
            let has = |id| {
                files.contains(&key_file(&import, id))
                    || files.contains(&document_file(&import, id))
            };
            let names = CircuitId::ALL.into_iter().filter(|id| has(*id)).map(file_name);
            let name = names.collect::<Vec<_>>().join("+");
            let wrong = |told| {
                let error = io::Error::new(io::ErrorKind::InvalidData, told);
                FileError::at(&import)(error)
            };
            if name.is_empty() {
                return Err(wrong("no key of a ceremony is in this folder; remove it".to_owned()));
            }
            // As one that somebody has set aside, or taken something from.
            if import.file_name() != Some(name.as_ref()) {
                return Err(wrong(format!(
                    "the folder of an import with these keys is {name}: rename it so if they are to be used, or else \
                     move it elsewhere"
                )));
            }
            if has(circuit) {
                found.push(import);
            }
        }
        Ok(found)
    }

    /// The folder with a circuit's key of a ceremony, if one was imported.
    ///
    /// # Errors
    /// [`FileError`]
    pub fn imported(&self, circuit: CircuitId) -> Result<Option<PathBuf>, FileError> {
        Ok(self.imports_of(circuit)?.into_iter().next())
    }

    /// Writes the keys of an import, into a folder of their own, which is returned: after this all of them are
    /// there, after an error none, unless it is the disk's of the very last step.
    ///
    /// # Errors
    /// [`FileError`]; existing ones are never overwritten, and one import at a time looks for them.
    pub fn write_ceremony_keys(
        &self,
        keys: &[(CircuitDocument, ProvingKey)],
    ) -> Result<PathBuf, FileError> {
        let ceremony = self.imports();
        make(&ceremony)?;
        let proving = self.root().join(PROVING_FOLDER);
        // Until this ends: two imports of which neither sees the other would both be taken.
        let exclusive = std::fs::File::open(&proving).map_err(FileError::at(&proving))?;
        exclusive.lock().map_err(FileError::at(&proving))?;
        for (document, _) in keys {
            if let Some(there) = self.imported(document.circuit)? {
                return Err(FileError::at(&there)(io::ErrorKind::AlreadyExists.into()));
            }
        }
        // Gone with an error; what a crash leaves of it never counts.
        let staging = tempfile::Builder::new().prefix(STAGING_PREFIX).tempdir_in(&proving);
        let staging = staging.map_err(FileError::at(&proving))?;
        for (document, key) in keys {
            let text = canonical::to_vec(document).expect("a circuit document has string keys");
            write_new(&key_file(staging.path(), document.circuit), &key.to_bytes())?;
            write_new(&document_file(staging.path(), document.circuit), &text)?;
        }
        sync(staging.path())?;
        let names: Vec<_> = keys.iter().map(|(it, _)| file_name(it.circuit)).collect();
        let place = ceremony.join(names.join("+"));
        std::fs::rename(staging.path(), &place).map_err(FileError::at(&place))?;
        sync(&ceremony)?;
        sync(&proving)?;
        Ok(place)
    }

    /// The keys that were imported from ceremonies: their documents, and where they are.
    ///
    /// # Errors
    /// [`ProvingKeyError`] naming the first document that is not one of this build's circuits and of a ceremony,
    /// that is missing beside its key, or that is there twice.
    pub fn imported_keys(&self) -> Result<ImportedKeys, ProvingKeyError> {
        let mut keys = ImportedKeys::new();
        for circuit in CircuitId::ALL {
            let unread = |FileError { path, error }| ProvingKeyError::at(path)(error.into());
            let mut imports = self.imports_of(circuit).map_err(unread)?.into_iter();
            let Some(import) = imports.next() else { continue };
            let path = document_file(&import, circuit);
            if let Some(other) = imports.next() {
                return Err(ProvingKeyError::at(path)(ProvingKeyFault::Twice { other }));
            }
            let read = || {
                let document: CircuitDocument = canonical::from_slice(&std::fs::read(&path)?)?;
                if document.circuit != circuit || document.provenance == Provenance::Development {
                    return Err(ProvingKeyFault::OtherDocument);
                }
                Ok(document)
            };
            let document = read().map_err(ProvingKeyError::at(path.clone()))?;
            keys.insert(circuit, ImportedKey { document, import });
        }
        Ok(keys)
    }

    /// Checks the transcripts of those keys, with the departments' keys as the chain has them.
    ///
    /// Not against a copy of the chain without a block: it is being built anew, and knows nobody yet who joined.
    /// The next start checks all.
    ///
    /// # Errors
    /// [`ProvingKeyError`] naming the first document that does not hold.
    pub fn check_ceremonies(
        &self,
        keys: &ImportedKeys,
        chain: &State,
    ) -> Result<(), ProvingKeyError> {
        if chain.height() == 0 {
            return Ok(());
        }
        for imported in keys.values() {
            let document = &imported.document;
            let checked = document.check_provenance(chain.network(), |by, label, message, it| {
                let mut keys = chain.signing_keys(by);
                keys.find(|key| key.verify(label, message, it).is_ok()).copied()
            });
            checked.map_err(|error| ProvingKeyError::at(imported.document_file())(error.into()))?;
        }
        Ok(())
    }
}

/// What is in a folder, in the order of the names; nothing, if there is no folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(|it| it.map(|entry| Ok(entry?.path())).collect()),
    };
    let mut paths: Vec<_> = entries.map_err(FileError::at(folder))?;
    paths.sort_unstable();
    Ok(paths)
}

fn key_file(import: &Path, circuit: CircuitId) -> PathBuf {
    import.join(format!("{}.key", file_name(circuit)))
}

fn document_file(import: &Path, circuit: CircuitId) -> PathBuf {
    import.join(format!("{}.json", file_name(circuit)))
}

/// Waits until what was made in a folder is on the disk.
fn sync(folder: &Path) -> Result<(), FileError> {
    std::fs::File::open(folder).and_then(|it| it.sync_all()).map_err(FileError::at(folder))
}

#[cfg(test)]
mod tests;
