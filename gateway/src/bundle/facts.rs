//! What the receipts say of an answer, in place of a copy of the chain.

use chain::entry::Content;
use chain::identifier::{DepartmentId, EntryId};
use circuits::groth16::KeyId;
use crypto::{Signature, VerifyingKey};

use super::Bundle;
use super::parts::Parts;
use super::roll::Roll;
use crate::exchange::verification::{ChainFacts, CircuitFact, ProofFact, RecordsFact};

/// Facts from receipts alone: nothing is looked up by an index or id that only the bundle claims.
#[derive(Debug)]
pub(super) struct ReceiptFacts<'b> {
    pub(super) bundle: &'b Bundle,
    pub(super) parts: &'b Parts<'b>,
    pub(super) roll: &'b Roll,
    /// More than two thirds of the departments approved the circuit.
    pub(super) approved: bool,
    /// The services of the request and of the records are of one dataset.
    pub(super) same_dataset: bool,
}

impl ChainFacts for ReceiptFacts<'_> {
    fn signed(
        &self,
        by: &DepartmentId,
        label: &str,
        message: &[u8],
        signature: &Signature,
    ) -> Option<VerifyingKey> {
        let mut keys = self.roll.signing_keys(by);
        keys.find(|key| key.verify(label, message, signature).is_ok()).copied()
    }

    fn circuit(&self, _: &KeyId) -> Option<CircuitFact> {
        // That the document is of this key is for the caller to check, and that the entry is of this
        // document has been checked.
        let document = self.bundle.circuit.clone();
        Some(CircuitFact { document, approved: self.approved })
    }

    fn records(&self, entry: &EntryId) -> Option<RecordsFact> {
        let shown = &self.parts.records;
        let Content::Records { root, .. } = shown.entry.content() else { return None };
        (shown.id == *entry).then_some(())?;
        Some(RecordsFact {
            root: circuits::field::from_be_bytes(root.as_bytes()).ok()?,
            author: *shown.entry.author(),
            same_dataset: self.same_dataset,
            // At the proof, by the chain's rule: the validators certified a proof about this root.
            usable: true,
        })
    }

    fn proof(&self, entry: &EntryId) -> Option<ProofFact> {
        let shown = &self.parts.proof;
        let Content::Proof { record, request, basis, records } = *shown.entry.content() else {
            return None;
        };
        (shown.id == *entry).then_some(())?;
        let statutory = basis == self.parts.service.id;
        let consented = self.parts.consent.as_ref().is_some_and(|consent| consent.id == basis);
        // What else it may rest on, the bundle does not show.
        (statutory || consented).then_some(())?;
        let author = *shown.entry.author();
        Some(ProofFact { author, record, request, basis, statutory, records })
    }
}

/// Whether the `replaced` services lead from one of the two services to the other.
///
/// A service that replaces another is of its dataset, by the chain's rule; so two are of one dataset if one
/// leads to the other.
pub(super) fn same_dataset(parts: &Parts<'_>) -> bool {
    let Content::Records { service, .. } = *parts.records.entry.content() else { return false };
    let asked = parts.service.id;
    let Some(youngest) = parts.replaced.first() else { return service == asked };
    let Some(oldest) = parts.replaced.last() else { return false };
    let links = parts.replaced.windows(2).all(|pair| match pair[0].entry.content() {
        Content::Service { replaces, .. } => *replaces == Some(pair[1].id),
        _ => false,
    });
    let ends = [youngest.id, oldest.id];
    links && (ends == [service, asked] || ends == [asked, service])
}
