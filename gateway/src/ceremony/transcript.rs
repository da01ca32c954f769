//! What a ceremony that has ended comes to: a key and the document that puts it forward, for each circuit.

use std::collections::HashMap;

use chain::identifier::DepartmentId;
use circuits::groth16::ProvingKey;
use circuits::snarkjs::contribution::Beacon;
use circuits::snarkjs::zkey;
use circuits::statement::CircuitId;
use crypto::{Digest, VerifyingKey};

use super::{CeremonyFault, CeremonyFolder, Progress, read};
use crate::document::CircuitDocument;
use crate::document::ceremony::{Ceremony, Subject};

/// The signing key of each department.
pub type Keys = HashMap<DepartmentId, VerifyingKey>;

/// What a ceremony comes to for one circuit.
#[derive(Debug)]
pub struct Outcome {
    /// The document that puts the key forward, with the transcript.
    pub document: CircuitDocument,
    /// The key, every point of it checked.
    pub key: ProvingKey,
    /// The file that it is from.
    pub zkey: Vec<u8>,
    /// The beacon that ended it.
    pub beacon: Beacon,
}

impl CeremonyFolder {
    /// Checks everything of a circuit's ceremony that takes no first phase: every point of the key, the chain of
    /// contributions, and that each is attested by its department. That the key began with this build's
    /// constraints and this first phase is for snarkjs to check.
    ///
    /// # Errors
    /// [`CeremonyFault`] names the file, contribution or department at fault.
    pub fn outcome(&self, circuit: CircuitId, keys: &Keys) -> Result<Outcome, CeremonyFault> {
        match self.progress() {
            Progress::Turn(_, whose) => return Err(CeremonyFault::Unfinished { whose: *whose }),
            Progress::Beacon => return Err(CeremonyFault::NoBeacon),
            Progress::Ended => {}
        }
        let participants = &self.plan().participants;
        let (_, before) = self.attested_key(circuit, participants.len(), keys)?;
        let path = self.final_key(circuit);
        let bytes = read(&path)?;
        let ended = zkey::read(circuit.r1cs(), &bytes).map_err(CeremonyFault::zkey_at(&path))?;
        let (contributions, key) = (ended.contributions, ended.key);
        let last = contributions.after(&before.contributions);
        let beacon = last.and_then(|last| last.beacon.clone());
        let beacon = beacon.ok_or_else(|| CeremonyFault::Broken { path: path.clone() })?;
        let attestations = (0..participants.len()).map(|it| self.read_attestation(circuit, it));
        let attestations = attestations.collect::<Result<Vec<_>, _>>()?;
        let phase_one = self.plan().phase_one;
        let ceremony = Ceremony::new(phase_one, Digest::of(&bytes), &contributions, attestations);
        let constraints = &self.plan().circuits[&circuit];
        let subject = Subject { circuit, constraints, key: key.verifying_key() };
        ceremony
            .check(&self.plan().network, subject, |by, label, message, signature| {
                let key = *keys.get(by)?;
                key.verify(label, message, signature).ok().map(|()| key)
            })
            .map_err(|error| CeremonyFault::Transcript { circuit, error })?;
        let document = CircuitDocument::of_ceremony(circuit, &key, ceremony);
        Ok(Outcome { document, key, zkey: bytes, beacon })
    }
}
