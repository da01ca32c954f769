//! The circuit document: which key proves which relation, and where the key comes from.

use chain::identifier::{DepartmentId, NetworkId};
use circuits::groth16::{KeyId, ProvingKey, VerifyingKey};
use circuits::statement::CircuitId;
use crypto::{Digest, Signature, VerifyingKey as PublicKey, canonical};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::VERSION;
use super::ceremony::{Ceremony, CeremonyError, Subject};

/// A proving key's public half with its origin. Its digest is the `circuit` entry on the chain; the
/// key is usable when more than two thirds of the departments have approved that entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CircuitDocument {
    /// Format version, 1.
    pub version: u32,
    /// The circuit.
    pub circuit: CircuitId,
    /// SHA-256 of the constraint matrices, as `proofgate circuits list` prints it from any build.
    pub constraints: Digest,
    /// The verifying key, lower-case hexadecimal.
    pub verifying_key: String,
    /// Where the key comes from.
    pub provenance: Provenance,
}

/// Where a proving key comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Provenance {
    /// Made by one gateway on its own: whoever ran it could forge proofs. Production mode refuses it.
    Development,
    /// Made by a ceremony to which each department contributed.
    Ceremony(Box<Ceremony>),
}

/// For people: `a key said to be of tax, welfare and a beacon`.
impl std::fmt::Display for Provenance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Development => f.write_str("a development key, which one party made"),
            Self::Ceremony(ceremony) => write!(f, "a key said to be of {ceremony}"),
        }
    }
}

impl CircuitDocument {
    /// The document that puts a **development** key forward.
    pub fn development(circuit: CircuitId, key: &ProvingKey) -> Self {
        Self {
            version: VERSION,
            circuit,
            constraints: Digest::from_bytes(key.r1cs().digest()),
            verifying_key: hex::encode(key.verifying_key().to_bytes()),
            provenance: Provenance::Development,
        }
    }

    /// The document that puts a ceremony's key forward.
    pub fn of_ceremony(circuit: CircuitId, key: &ProvingKey, ceremony: Ceremony) -> Self {
        let provenance = Provenance::Ceremony(Box::new(ceremony));
        Self { provenance, ..Self::development(circuit, key) }
    }
}

/// Why a circuit document is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CircuitDocumentError {
    /// Another format version.
    #[error("circuit document version {got}; this software reads version {VERSION}")]
    Version {
        /// The version that the document has.
        got: u32,
    },
    /// The verifying key's text is not lower-case hexadecimal.
    #[error("verifying key: expected lower-case hexadecimal")]
    NotHex,
    /// The verifying key's bytes are not a sound key of this circuit.
    #[error("verifying key: {0}")]
    Key(#[from] circuits::groth16::KeyError),
    /// The ceremony's transcript does not hold.
    #[error("ceremony: {0}")]
    Ceremony(#[from] CeremonyError),
}

impl CircuitDocument {
    /// SHA-256 of the canonical document.
    pub fn digest(&self) -> Digest {
        canonical::digest(self).expect("a circuit document has string keys and integers only")
    }

    /// The verifying key, every point of it checked.
    ///
    /// # Errors
    /// [`CircuitDocumentError`] names what does not hold.
    pub fn key(&self) -> Result<(KeyId, VerifyingKey), CircuitDocumentError> {
        if self.version != VERSION {
            return Err(CircuitDocumentError::Version { got: self.version });
        }
        let bytes = hex::decode(&self.verifying_key).map_err(|_| CircuitDocumentError::NotHex)?;
        if hex::encode(&bytes) != self.verifying_key {
            return Err(CircuitDocumentError::NotHex);
        }
        let key = VerifyingKey::from_bytes(&bytes, self.circuit.public_inputs())?;
        Ok((key.id(), key))
    }

    /// Checks the ceremony's transcript, if the key comes of one. `signed` is as for [`Ceremony::check`].
    ///
    /// # Errors
    /// [`CircuitDocumentError`] names what does not hold.
    pub fn check_provenance(
        &self,
        network: &NetworkId,
        signed: impl Fn(&DepartmentId, &str, &[u8], &Signature) -> Option<PublicKey>,
    ) -> Result<(), CircuitDocumentError> {
        let Provenance::Ceremony(ceremony) = &self.provenance else { return Ok(()) };
        let (_, key) = self.key()?;
        let subject = Subject { circuit: self.circuit, constraints: &self.constraints, key: &key };
        Ok(ceremony.check(network, subject, signed)?)
    }
}
