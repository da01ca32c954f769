//! What a ceremony that has ended comes to: a key and the document that puts it forward, for each circuit.

use std::collections::HashMap;

use chain::identifier::DepartmentId;
use circuits::groth16::ProvingKey;
use circuits::snarkjs::zkey;
use circuits::statement::CircuitId;
use crypto::{Digest, VerifyingKey};

use super::{CeremonyFault, CeremonyFolder, Progress, read};
use crate::document::CircuitDocument;
use crate::document::ceremony::{Ceremony, Subject};

/// The signing keys of departments.
pub type Keys = HashMap<DepartmentId, Vec<VerifyingKey>>;

/// What a ceremony comes to for one circuit.
#[derive(Debug)]
pub struct Outcome {
    /// The document that puts the key forward, with the transcript.
    pub document: CircuitDocument,
    /// The key, every point of it checked.
    pub key: ProvingKey,
}

impl CeremonyFolder {
    /// Checks everything of a circuit's ceremony that takes no first phase: that the constraints are this
    /// build's, every point of the key, the chain of contributions, and that each is attested by its
    /// department. That the key began with these constraints and this first phase is for snarkjs to check.
    ///
    /// # Errors
    /// [`CeremonyFault`] names the file, contribution or department at fault.
    pub fn outcome(&self, circuit: CircuitId, keys: &Keys) -> Result<Outcome, CeremonyFault> {
        match self.progress() {
            Progress::Turn(_, whose) => return Err(CeremonyFault::Unfinished { whose: *whose }),
            Progress::Beacon => return Err(CeremonyFault::NoBeacon),
            Progress::Ended => {}
        }
        let constraints = self.constraints(circuit);
        if read(&constraints)? != circuit.r1cs().to_file() {
            return Err(CeremonyFault::OtherConstraints { path: constraints, circuit });
        }
        let path = self.final_key(circuit);
        let bytes = read(&path)?;
        let ended = zkey::read(circuit.r1cs(), &bytes).map_err(CeremonyFault::zkey_at(&path))?;
        let participants = &self.plan().participants;
        let before =
            self.contributions(&self.key_of(circuit, participants.len()), participants.len())?;
        let (contributions, key) = (ended.contributions, ended.key);
        if contributions.circuit != before.circuit
            || contributions.list.len() != before.list.len() + 1
            || !contributions.list.starts_with(&before.list)
        {
            return Err(CeremonyFault::Broken { path });
        }
        let attestations = (0..participants.len()).map(|it| self.read_attestation(circuit, it));
        let attestations = attestations.collect::<Result<Vec<_>, _>>()?;
        let phase_one = self.plan().phase_one;
        let ceremony = Ceremony::new(phase_one, Digest::of(&bytes), &contributions, attestations);
        let constraints = &self.plan().circuits[&circuit];
        let subject = Subject { circuit, constraints, key: key.verifying_key() };
        ceremony
            .check(&self.plan().network, subject, |by, label, message, signature| {
                let mut known = keys.get(by).into_iter().flatten();
                known.any(|key| key.verify(label, message, signature).is_ok())
            })
            .map_err(|error| CeremonyFault::Transcript { circuit, error })?;
        Ok(Outcome { document: CircuitDocument::of_ceremony(circuit, &key, ceremony), key })
    }
}
