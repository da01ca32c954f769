//! The receipts of what a verified answer rests on.

use std::sync::Arc;

use chain::identifier::EntryId;
use chain::rules::State;

use crate::department::{Department, Internal};
use crate::document::CircuitDocument;
use crate::exchange::verification::receipt;
use crate::exchange::verification::{Refusal, VerifiedAnswer};

/// The entries that a verified answer to `request` rests on: the request, the consent or (statutory) the
/// service, the records, the circuit and the proof.
pub(super) fn rests_on(
    request: EntryId,
    answer: &VerifiedAnswer,
    chain: &State,
    circuit: Option<&CircuitDocument>,
) -> Result<Vec<EntryId>, Internal> {
    let circuit = circuit.and_then(|circuit| chain.approved_circuit(&circuit.digest()));
    let proof = chain.proof(&answer.proof_entry);
    let (Some(&circuit), Some(proof)) = (circuit, proof) else {
        return Err(Internal::Damaged("its proof or circuit is not on the chain".to_owned()));
    };
    Ok(vec![request, proof.basis, answer.records, circuit, answer.proof_entry])
}

impl Department {
    /// Takes the receipts of `entries` from the ledger, and checks them with nothing but the genesis.
    ///
    /// They are not kept here, since the ledger keeps what they are made of: the department's own system
    /// is told the entries and files the receipts, outside the reach of whoever runs this gateway.
    pub(super) async fn check_receipts(
        &self,
        entries: &[EntryId],
        mut answer: VerifiedAnswer,
    ) -> Result<Result<VerifiedAnswer, Refusal>, Internal> {
        let mut receipts = Vec::with_capacity(entries.len());
        for entry in entries {
            receipts.push((*entry, self.shared.ledger.receipt(*entry).await?));
        }
        let genesis = Arc::clone(&self.shared.genesis);
        // A certificate is as many signatures as there are validators.
        let outcome = tokio::task::spawn_blocking(move || {
            let receipts = receipts.iter().map(|(entry, receipt)| (entry, receipt.as_ref()));
            receipt::check(receipts, &genesis)
        })
        .await
        .expect("checking a receipt does not panic, and the runtime outlives its departments");
        Ok(outcome.map_err(|refusal| Refusal::Receipt(Box::new(refusal))).map(|note| {
            answer.notes.extend(note);
            answer
        }))
    }
}
