//! What a requester's copy of the chain says about an answer.

use std::collections::HashMap;

use chain::identifier::{DepartmentId, EntryId};
use chain::rules::State;
use chain::time::Timestamp;
use circuits::groth16::KeyId;
use crypto::{Signature, VerifyingKey};

use crate::document::CircuitDocument;
use crate::exchange::verification::{ChainFacts, CircuitFact, ProofFact, RecordsFact};

/// A state of the chain, looked at for one request.
#[derive(Clone, Copy, Debug)]
pub struct ChainView<'a> {
    /// The state.
    pub state: &'a State,
    /// The documents of the circuits on the chain, approved or not.
    pub circuits: &'a HashMap<KeyId, CircuitDocument>,
    /// The service entry that the request names.
    pub service: &'a EntryId,
    /// The time for which "current" and "in grace" are meant: that of the verification.
    pub now: Timestamp,
}

impl ChainFacts for ChainView<'_> {
    fn signed(
        &self,
        by: &DepartmentId,
        label: &str,
        message: &[u8],
        signature: &Signature,
    ) -> Option<VerifyingKey> {
        let mut keys = self.state.signing_keys(by);
        keys.find(|key| key.verify(label, message, signature).is_ok()).copied()
    }

    fn circuit(&self, key: &KeyId) -> Option<CircuitFact> {
        let document = self.circuits.get(key)?;
        let approved = self.state.approved_circuit(&document.digest()).is_some();
        Some(CircuitFact { document: document.clone(), approved })
    }

    fn records(&self, entry: &EntryId) -> Option<RecordsFact> {
        let records = self.state.records(entry)?;
        let dataset = self.state.service(self.service)?.dataset;
        Some(RecordsFact {
            // A root that is no field element is nobody's tree: no path leads to it.
            root: circuits::field::from_be_bytes(records.root.as_bytes()).ok()?,
            author: records.issuer,
            same_dataset: records.dataset == dataset,
            usable: self.state.records_accepted(entry, self.now),
        })
    }

    fn proof(&self, entry: &EntryId) -> Option<ProofFact> {
        let proof = self.state.proof(entry)?;
        Some(ProofFact {
            author: proof.issuer,
            record: proof.record,
            request: proof.request,
            basis: proof.basis,
            statutory: proof.statutory,
            records: proof.records,
        })
    }
}
