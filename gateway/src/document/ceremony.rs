//! The transcript of a key's ceremony, as the circuit document carries it: who contributed, each with the
//! department's signature, and what shows that their secrets and no others are in the key.
//!
//! Whoever has the document and knows the departments' keys checks all of that. What the document alone
//! does not show is that the ceremony began with this circuit and a sound first phase: for that there are
//! the files whose digests it names, and the departments that approve the document have verified them.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chain::identifier::{DepartmentId, NetworkId};
use circuits::groth16::VerifyingKey;
use circuits::snarkjs::FormatError;
use circuits::snarkjs::contribution::{Contribution, ContributionError, Contributions};
use circuits::statement::CircuitId;
use crypto::{Digest, Signature, SigningKey, canonical};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::key_card::SignatureHex;

const LABEL: &str = "proofgate/v1/ceremony-contribution";

/// SHA-256 is applied at most `2^20` times for a beacon: a fraction of a second.
pub const MAX_BEACON_ITERATIONS_EXPONENT: u8 = 20;

/// So many departments must have contributed at least: one alone could forge.
pub const MIN_DEPARTMENTS: usize = 2;

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
}

/// Why a transcript is not believed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CeremonyError {
    /// The contributions' text is not base64, or not the one spelling of its bytes.
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
    /// The beacon is hashed too often to be checked in passing.
    #[error(
        "the beacon is hashed 2^{got} times, at most 2^{MAX_BEACON_ITERATIONS_EXPONENT} are checked"
    )]
    BeaconIterations {
        /// The exponent.
        got: u8,
    },
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
        "{department} did not sign contribution {number} for this circuit, first phase and network"
    )]
    Signature {
        /// The department.
        department: DepartmentId,
        /// From 1.
        number: usize,
    },
}

impl Attested<'_> {
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
        let contributions = Contributions::from_bytes(&bytes)?;
        // What is read is not always what is written: `to_bytes` has one spelling.
        if BASE64_STANDARD.encode(contributions.to_bytes()) != self.contributions {
            return Err(CeremonyError::NotBase64);
        }
        Ok(contributions)
    }

    /// Checks the transcript. `signed` says whether a department's signature over a message, under a label,
    /// is by a key that the department has or had.
    ///
    /// # Errors
    /// [`CeremonyError`] names what does not hold.
    pub fn check(
        &self,
        network: &NetworkId,
        subject: Subject<'_>,
        signed: impl Fn(&DepartmentId, &str, &[u8], &Signature) -> bool,
    ) -> Result<(), CeremonyError> {
        let contributions = self.contributions()?;
        let by_departments = self.attested(&contributions)?;
        let Subject { circuit, constraints, key } = subject;
        for ((contribution, attestation), number) in
            by_departments.iter().zip(&self.attestations).zip(1..)
        {
            let Attestation { department, signature } = attestation;
            let phase_one = &self.phase_one;
            let attested = Attested { network, department, circuit, constraints, phase_one };
            if !signed(department, LABEL, &attested.message(contribution), &signature.0) {
                return Err(CeremonyError::Signature { department: *department, number });
            }
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
        let got = beacon.iterations_exponent;
        if got > MAX_BEACON_ITERATIONS_EXPONENT {
            return Err(CeremonyError::BeaconIterations { got });
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
