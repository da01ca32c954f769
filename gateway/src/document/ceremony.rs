//! The transcript of a key's ceremony, as the circuit document carries it: who contributed, each with the
//! department's signature, and what shows that their secrets and no others are in the key.
//!
//! Whoever has the document and knows the departments' keys checks all of that: the contributions account for
//! δ, and each contributor signed for the rest of the key, which a second phase does not change. That this rest
//! is what the circuit and a sound first phase give takes files, whose digests stand here. Each contributor
//! verified them before it signed, and so did each department that approves the document.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chain::identifier::{DepartmentId, NetworkId};
use circuits::groth16::VerifyingKey;
use circuits::snarkjs::FormatError;
use circuits::snarkjs::contribution::{Contribution, ContributionError, Contributions};
use circuits::statement::CircuitId;
use crypto::{Digest, Signature, SigningKey, VerifyingKey as PublicKey, canonical};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::key_card::SignatureHex;

const LABEL: &str = "proofgate/v1/ceremony-contribution";

/// SHA-256 is applied to a beacon `2^10` times at least, as snarkjs does.
pub const MIN_BEACON_ITERATIONS_EXPONENT: u8 = 10;
/// A beacon has so many bytes at least: fewer could be tried out.
pub const MIN_BEACON_BYTES: usize = 16;

/// So many departments must have contributed at least, under different keys: one alone could forge.
pub const MIN_DEPARTMENTS: usize = 2;
/// So many may: the transcript of more does not fit a document of the chain.
pub const MAX_DEPARTMENTS: usize = 32;

/// The transcript of a ceremony's second phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceremony {
    /// SHA-256 of the first phase's `.ptau` file.
    pub phase_one: Digest,
    /// SHA-256 of the `.zkey` file that the ceremony ended with.
    pub zkey: Digest,
    /// What each contribution left in that file, base64.
    pub contributions: String,
    /// Who made them, in their order. The beacon, which is the last one, was made by nobody.
    pub attestations: Vec<Attestation>,
}

/// Whose it is, for people: `tax, welfare and a beacon`.
impl fmt::Display for Ceremony {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.attestations.iter().map(|it| it.department.as_str()).collect();
        write!(f, "{} and a beacon", names.join(", "))
    }
}

/// A department's word that a contribution is its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// The department.
    pub department: DepartmentId,
    /// By its signing key, over [`Attested`].
    pub signature: SignatureHex,
}

/// What a department signs when it has contributed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Attested<'a> {
    /// The network.
    pub network: &'a NetworkId,
    /// The department.
    pub department: &'a DepartmentId,
    /// The circuit.
    pub circuit: CircuitId,
    /// SHA-256 of its `.r1cs`, from the department's own build.
    pub constraints: &'a Digest,
    /// SHA-256 of the first phase.
    pub phase_one: &'a Digest,
    /// [`VerifyingKey::fixed_digest`]: all of the key that no contribution changes.
    pub fixed: &'a Digest,
}

/// Why a transcript is not believed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CeremonyError {
    /// The contributions' text is not base64.
    #[error("contributions: expected base64")]
    NotBase64,
    /// The contributions' bytes are none.
    #[error("contributions: {0}")]
    Format(#[from] FormatError),
    /// The contributions do not lead to the key.
    #[error("{0}")]
    Contribution(#[from] ContributionError),
    /// It does not end with a beacon, or has one before its end.
    #[error("a beacon ends the contributions, and is nowhere else")]
    Beacon,
    /// The beacon could have been chosen.
    #[error(
        "a beacon of {bytes} bytes that is hashed 2^{exponent} times can be chosen: expected \
         {MIN_BEACON_BYTES} bytes and 2^{MIN_BEACON_ITERATIONS_EXPONENT} at least"
    )]
    WeakBeacon {
        /// Its length.
        bytes: usize,
        /// The exponent.
        exponent: u8,
    },
    /// γ is not the generator: whoever chose it could forge.
    #[error("gamma is not the generator, as it is in every key of a ceremony")]
    Gamma,
    /// Some contribution has nobody's word, or somebody's word has no contribution.
    #[error("{contributions} contributions and {attestations} departments that attest one")]
    Unattested {
        /// Contributions besides the beacon.
        contributions: usize,
        /// Attestations.
        attestations: usize,
    },
    /// A department attests two.
    #[error("{department} attests more than one contribution")]
    Repeated {
        /// The department.
        department: DepartmentId,
    },
    /// Too few departments contributed.
    #[error(
        "{got} department contributed; a key that fewer than {MIN_DEPARTMENTS} made is forged by those"
    )]
    SingleParty {
        /// How many did.
        got: usize,
    },
    /// The signature is by no key that the department has or had.
    #[error(
        "{department} did not sign contribution {number} for this network, circuit, first phase and key"
    )]
    Signature {
        /// The department.
        department: DepartmentId,
        /// From 1.
        number: usize,
    },
}

impl Attested<'_> {
    /// Whether an attestation is by this key, for this contribution.
    pub fn is_signed(
        &self,
        attestation: &Attestation,
        contribution: &Contribution,
        key: &PublicKey,
    ) -> bool {
        let department = attestation.department == *self.department;
        let signature = &attestation.signature.0;
        department && key.verify(LABEL, &self.message(contribution), signature).is_ok()
    }

    /// Signs for a contribution.
    pub fn sign(&self, contribution: &Contribution, key: &SigningKey) -> Attestation {
        let signature = SignatureHex(key.sign(LABEL, &self.message(contribution)));
        Attestation { department: *self.department, signature }
    }

    /// The contribution's hash covers the initial key and all contributions before it.
    fn message(&self, contribution: &Contribution) -> Vec<u8> {
        #[derive(Serialize)]
        struct Message<'a> {
            #[serde(flatten)]
            attested: Attested<'a>,
            contribution: String,
        }
        let contribution = hex::encode(contribution.hash());
        canonical::to_vec(&Message { attested: *self, contribution })
            .expect("texts and digests have a canonical form")
    }
}

/// What a transcript is about, by the circuit document around it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The circuit.
    pub circuit: CircuitId,
    /// SHA-256 of its `.r1cs`.
    pub constraints: &'a Digest,
    /// The key.
    pub key: &'a VerifyingKey,
}

impl Ceremony {
    /// The transcript of contributions that departments attested.
    pub fn new(
        phase_one: Digest,
        zkey: Digest,
        contributions: &Contributions,
        attestations: Vec<Attestation>,
    ) -> Self {
        let contributions = BASE64_STANDARD.encode(contributions.to_bytes());
        Self { phase_one, zkey, contributions, attestations }
    }

    /// The contributions.
    ///
    /// # Errors
    /// [`CeremonyError::NotBase64`] or [`CeremonyError::Format`].
    pub fn contributions(&self) -> Result<Contributions, CeremonyError> {
        let bytes = BASE64_STANDARD.decode(&self.contributions);
        let bytes = bytes.map_err(|_| CeremonyError::NotBase64)?;
        Ok(Contributions::from_bytes(&bytes)?)
    }

    /// Checks the transcript. `signed` finds the department's key that a signature over a message, under a
    /// label, is by.
    ///
    /// # Errors
    /// [`CeremonyError`] names what does not hold.
    pub fn check(
        &self,
        network: &NetworkId,
        subject: Subject<'_>,
        signed: impl Fn(&DepartmentId, &str, &[u8], &Signature) -> Option<PublicKey>,
    ) -> Result<(), CeremonyError> {
        let contributions = self.contributions()?;
        let by_departments = self.attested(&contributions)?;
        let Subject { circuit, constraints, key } = subject;
        if !key.gamma_is_generator() {
            return Err(CeremonyError::Gamma);
        }
        let (phase_one, fixed) = (&self.phase_one, &Digest::from_bytes(key.fixed_digest()));
        let mut keys = BTreeSet::new();
        for ((contribution, attestation), number) in
            by_departments.iter().zip(&self.attestations).zip(1..)
        {
            let Attestation { department, signature } = attestation;
            let attested = Attested { network, department, circuit, constraints, phase_one, fixed };
            let by = signed(department, LABEL, &attested.message(contribution), &signature.0);
            let by = by.ok_or(CeremonyError::Signature { department: *department, number })?;
            keys.insert(*by.as_bytes());
        }
        // Departments that share a key are one party.
        if keys.len() < MIN_DEPARTMENTS {
            return Err(CeremonyError::SingleParty { got: keys.len() });
        }
        contributions.verify_for(key)?;
        Ok(())
    }

    /// The contributions that departments made: each has its attestation, none a second one.
    fn attested<'a>(
        &self,
        contributions: &'a Contributions,
    ) -> Result<&'a [Contribution], CeremonyError> {
        let (last, others) = contributions.list.split_last().ok_or(CeremonyError::Beacon)?;
        let beacon = last.beacon.as_ref().ok_or(CeremonyError::Beacon)?;
        if others.iter().any(|it| it.beacon.is_some()) {
            return Err(CeremonyError::Beacon);
        }
        let (bytes, exponent) = (beacon.hash.len(), beacon.iterations_exponent);
        if bytes < MIN_BEACON_BYTES || exponent < MIN_BEACON_ITERATIONS_EXPONENT {
            return Err(CeremonyError::WeakBeacon { bytes, exponent });
        }
        let (contributions, attestations) = (others.len(), self.attestations.len());
        if contributions != attestations {
            return Err(CeremonyError::Unattested { contributions, attestations });
        }
        let mut departments = BTreeSet::new();
        for Attestation { department, .. } in &self.attestations {
            if !departments.insert(*department) {
                return Err(CeremonyError::Repeated { department: *department });
            }
        }
        if departments.len() < MIN_DEPARTMENTS {
            return Err(CeremonyError::SingleParty { got: departments.len() });
        }
        Ok(others)
    }
}

#[cfg(test)]
mod tests;
