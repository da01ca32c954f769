//! Taking an answer: every duty of the verifier, then the receipts of what it rests on.

use std::sync::Arc;
use std::time::Instant;

use chain::identifier::{DepartmentId, EntryId};
use chain::rules::State;
use chain::time::Timestamp;
use circuits::statement::CircuitId;
use crypto::{Digest, canonical};

use super::{AskedRow, Stage, receipts};
use crate::chain_view::ChainView;
use crate::department::{Department, Internal};
use crate::document::CheckedRequest;
use crate::document::circuit::Provenance;
use crate::document::request::LegalBasis;
use crate::exchange::Exchange;
use crate::exchange::verification::{self, Question, Refusal, VerifiedAnswer};
use crate::measure;

impl Department {
    /// Verifies an answer whose signature and seal the caller has verified.
    ///
    /// # Errors
    /// `Ok(Err(_))` names the failed check; `Err(_)` means that our own side failed.
    pub async fn receive_answer(
        &self,
        sender: &DepartmentId,
        digest: &Digest,
        plaintext: &[u8],
    ) -> Result<Result<(), Refusal>, Internal> {
        let Some(row) = self.asked_row(digest)? else { return Ok(Err(Refusal::OtherRequest)) };
        if row.request.issuer != *sender {
            return Ok(Err(Refusal::OtherRequest));
        }
        // Verifying costs a pairing: not for an answer that cannot be taken whatever it says.
        if let Some(refusal) = row.stage.refusal() {
            return Ok(Err(refusal));
        }
        if let Some(answer) = verification::peek(plaintext) {
            let consent = answer.consent_entry.into_iter();
            let named: Vec<_> = consent.chain([answer.records, answer.proof_entry]).collect();
            self.wait_for_entries(&named).await?;
        }
        let request = self.restore_request(&row.request).await?;
        let verified = match row.entry {
            Some(entry) => self.verify(&row, &request, &entry, plaintext).await?,
            None => Err(Refusal::OtherRequest),
        };
        let (outcome, receipts) = match verified {
            Ok((answer, receipts)) => (Ok(answer), receipts),
            Err(refusal) => (Err(refusal), Vec::new()),
        };
        // Only now under the lock: of two answers that verified at the same time, one is the replay.
        let _changing = self.changing.lock().await;
        let Some(mut row) = self.asked_row(digest)? else { return Ok(Err(Refusal::OtherRequest)) };
        let (state, entry) = match (row.stage.clone(), row.entry) {
            (Stage::Sent(state), Some(entry)) => (state, entry),
            (Stage::Recorded(state), Some(entry)) => {
                // The issuer took the question and answered before we stored that it did.
                let sent = Exchange::restore(Arc::clone(&request), entry, state).sent();
                (sent.state().clone(), entry)
            }
            (stage, _) => return Ok(Err(stage.refusal().unwrap_or(Refusal::OtherRequest))),
        };
        let exchange = Exchange::restore(request, entry, state);
        let (stage, outcome) = match exchange.answered(outcome, self.now()) {
            Ok(exchange) => {
                row.answer = canonical::from_slice(plaintext).ok(); // it verified, so it is one
                (Stage::Verified(exchange.state().clone()), Ok(()))
            }
            Err((exchange, refusal)) => (Stage::Sent(exchange.state().clone()), Err(refusal)),
        };
        (row.stage, row.receipts) = (stage, receipts);
        self.put_asked(digest, &row).await?;
        // The place of a question that waited for a citizen is not in the issuer's last word.
        if outcome.is_ok() && matches!(row.request.legal_basis, LegalBasis::Statutory { .. }) {
            self.openings.answered(sender);
        }
        Ok(outcome)
    }

    /// Waits until the departments have approved a key of the circuit, in production one of a ceremony, as long
    /// as this copy of the chain may be behind; whether they have. Without one no answer would be believed.
    pub(super) async fn awaits_approved_key(&self, circuit: CircuitId) -> Result<bool, Internal> {
        loop {
            let known = self.chain().state().approved_circuits().count();
            if self.has_approved_key(circuit).await? {
                return Ok(true);
            }
            let more = |state: &State| state.approved_circuits().count() > known;
            self.wait_for_chain(more).await;
            if !more(self.chain().state()) {
                return Ok(false);
            }
        }
    }

    async fn has_approved_key(&self, circuit: CircuitId) -> Result<bool, Internal> {
        let strict = self.shared.strictness.production;
        let mut approved = self.approved_circuits().await?.into_iter();
        Ok(approved.any(|it| {
            it.circuit == circuit && !(strict && it.provenance == Provenance::Development)
        }))
    }

    /// All the verifier's duties, off the async threads. Returns the entries too that the answer rests
    /// on.
    async fn verify(
        &self,
        row: &AskedRow,
        request: &Arc<CheckedRequest>,
        entry: &EntryId,
        plaintext: &[u8],
    ) -> Result<Result<(VerifiedAnswer, Vec<EntryId>), Refusal>, Internal> {
        let (request, entry, bytes) = (Arc::clone(request), *entry, plaintext.to_vec());
        // A card that was replaced since the question was asked is nobody's word any more.
        let card = row.card.clone().filter(|signed| {
            let (registrar, subject) = (signed.card.registrar, signed.card.subject);
            self.check_card(signed, &registrar, subject).is_ok()
        });
        let subject = row.subject;
        let (chain, circuits) = (self.chain(), Arc::new(self.circuits().await?));
        let (snapshot, documents) = (Arc::clone(&chain), Arc::clone(&circuits));
        let (strictness, now) = (self.shared.strictness, self.now());
        let outcome = self
            .shared
            .prover
            .run(move || {
                let facts = ChainView {
                    state: snapshot.state(),
                    circuits: &documents,
                    service: &request.request().service,
                    now: Timestamp::from_unix_seconds(now),
                };
                let card = card.as_ref().map(|signed| &signed.card);
                let question = Question { request: &request, entry: &entry, subject, card };
                let start = Instant::now();
                let outcome = verification::verify(&bytes, question, &facts, strictness, now);
                measure::since_of(start, measure::VERIFY, request.request().circuit.name());
                outcome
            })
            .await?;
        let answer = match outcome {
            Ok(answer) => answer,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let circuit = circuits.get(&answer.key);
        let entries = receipts::rests_on(entry, &answer, chain.state(), circuit)?;
        let outcome = self.check_receipts(&entries, answer).await?;
        Ok(outcome.map(|answer| (answer, entries)))
    }
}
