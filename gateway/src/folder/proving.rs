//! The proving keys in a gateway's folder.

use std::collections::HashMap;
use std::path::PathBuf;

use circuits::groth16::{KeyError, ProvingKey};
use circuits::statement::CircuitId;
use thiserror::Error;

use super::{FileError, Folder, PROVING_FOLDER, make, write_new};

/// Why a proving key is not used.
#[derive(Debug, Error)]
#[error("{}: {fault}", path.display())]
pub struct ProvingKeyError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: ProvingKeyFault,
}

/// What is wrong with a proving key's file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProvingKeyFault {
    /// It cannot be read.
    #[error("{0}")]
    Io(std::io::Error),
    /// It is no sound key of the circuit of this build.
    #[error(
        "not a proving key of this build's circuit: {0}; if the file was damaged restore it, and if this \
         is another version of proofgate its circuits need keys of their own"
    )]
    Key(#[from] KeyError),
}

impl Folder {
    /// The file of a circuit's development key.
    pub fn development_key(&self, circuit: CircuitId) -> PathBuf {
        let name = circuit.name().replace('/', "-");
        self.root().join(PROVING_FOLDER).join(format!("{name}.development.key"))
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

    /// Checks that the development key of every circuit can be read, and not what is in it: that takes
    /// seconds.
    ///
    /// # Errors
    /// [`ProvingKeyError`] naming the first that cannot.
    pub fn find_development_keys(&self) -> Result<(), ProvingKeyError> {
        for circuit in CircuitId::ALL {
            let path = self.development_key(circuit);
            if let Err(error) = std::fs::File::open(&path) {
                return Err(ProvingKeyError { path, fault: ProvingKeyFault::Io(error) });
            }
        }
        Ok(())
    }

    /// Reads the development key of every circuit, and checks every point of it.
    ///
    /// # Errors
    /// [`ProvingKeyError`] naming the first that is not used.
    pub fn development_keys(&self) -> Result<HashMap<CircuitId, ProvingKey>, ProvingKeyError> {
        let mut keys = HashMap::new();
        for circuit in CircuitId::ALL {
            let path = self.development_key(circuit);
            let key = std::fs::read(&path)
                .map_err(ProvingKeyFault::Io)
                .and_then(|bytes| Ok(ProvingKey::from_bytes(circuit.r1cs(), &bytes)?))
                .map_err(|fault| ProvingKeyError { path, fault })?;
            keys.insert(circuit, key);
        }
        Ok(keys)
    }
}
