//! A department that answers questions put to another.

use chain::identifier::EntryId;
use crypto::envelope::{Message, PayloadId};

use super::*;
use crate::department::peer::PeerError;

/// What the registry refers to in a proof on a question of which it is not the issuer.
#[derive(Clone, Copy)]
struct Spoils {
    consent: EntryId,
    records: EntryId,
    proof: EntryId,
}

impl Network {
    /// The registry consents for the citizen with a lock of its own, and records a proof. What it commits
    /// to nobody sees, so that the chain takes it.
    async fn usurp(&self, request: EntryId) -> Spoils {
        let registry = self.department("civil-registry");
        let replica = registry.chain();
        let mut datasets = replica.state().datasets().map(|(_, dataset)| dataset);
        let dataset = datasets.find(|dataset| dataset.issuer == id("civil-registry")).unwrap();
        let records = dataset.records.unwrap();
        let record = Digest::of(b"whatever");
        let lock = withdrawal_lock(&Digest::of(b"the registry's own"));
        let consent = Content::Consent { record, lock, request };
        let consent = registry.append(consent, None).await.unwrap();
        let proof = Content::Proof { record, request, basis: consent, records };
        let proof = registry.append(proof, None).await.unwrap();
        Spoils { consent, records, proof }
    }

    /// What welfare says to an answer that `sender` seals and sends.
    async fn offer_answer(
        &self,
        sender: &str,
        request: &Digest,
        answer: &Answer,
    ) -> Result<Vec<u8>, PeerError> {
        let (sender, welfare) = (self.department(sender), self.department("welfare"));
        let bytes = crypto::canonical::to_vec(answer).unwrap();
        let peer = sender.peer(welfare.id()).unwrap();
        let body = sender.seal(Message::Answer, &peer, *request, &bytes).unwrap();
        let message = PeerMessage { path: PeerPath::Answers, body: body.into() };
        welfare.peer_message(sender.id(), message).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_departments_proof_neither_stops_the_issuer_nor_counts() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let asked = network.ask(ask(|_| ())).await.unwrap();
    let spoils = network.usurp(asked.entry.unwrap()).await;
    assert_eq!(network.counts()["proof"], 1, "the chain knows nobody's issuer");

    let honest = network.held(&citizen, &asked.request).await;
    assert_eq!(network.counts()["proof"], 2, "and the issuer still answers");
    let offer = async |sender, change: &dyn Fn(&mut Answer)| {
        let mut answer = honest.clone();
        change(&mut answer);
        let outcome = network.offer_answer(sender, &asked.request, &answer).await;
        outcome.map_or_else(|error| error.code().to_owned(), |_| "ok".to_owned())
    };
    // In its own name it is not the issuer, whatever its answer refers to.
    let usurped = |answer: &mut Answer| {
        answer.consent_entry = Some(spoils.consent);
        answer.records = spoils.records;
        answer.proof_entry = spoils.proof;
    };
    assert_eq!(offer("civil-registry", &|_| ()).await, "answer-other-request");
    assert_eq!(offer("civil-registry", &usurped).await, "answer-other-request");
    // The issuer that helps it cannot make the registry's entry its own.
    assert_eq!(offer("tax", &usurped).await, "records-other-dataset");
    let proof = |answer: &mut Answer| answer.proof_entry = spoils.proof;
    assert_eq!(offer("tax", &proof).await, "proof-entry");
    assert_eq!(network.status(&asked).await.status, Status::Sent);

    assert_eq!(offer("tax", &|_| ()).await, "ok");
    assert_eq!(network.status(&asked).await.status, Status::Verified);
    let answer = network.status(&asked).await.answer.unwrap();
    assert_eq!(answer.proof_entry, honest.proof_entry);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_under_another_departments_proof() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let asked = network.ask(ask(|_| ())).await.unwrap();
    let spoils = network.usurp(asked.entry.unwrap()).await;
    network.answer("tax", &citizen, &asked).await;
    let registry = network.department("civil-registry");
    let commitment = Digest::of(b"a document");
    let content = Content::PayloadSent { commitment, proof: spoils.proof };
    registry.append(content, None).await.unwrap();

    let payload = PayloadId::from_bytes([1; 16]);
    let part = |from: &'static str| {
        let bytes = bytes::Bytes::from_static(b"part");
        let welfare = network.department("welfare");
        let (request, payload) = (&asked.request, &payload);
        async move { welfare.peer_part(&id(from), request, payload, 0, bytes).await }
    };
    assert_eq!(part("civil-registry").await.unwrap_err().code(), "payload-unanswered");
    part("tax").await.unwrap();
    let answer = network.status(&asked).await.answer.unwrap();
    let sent = Content::PayloadSent { commitment, proof: answer.proof_entry };
    let refused = registry.append(sent, None).await.unwrap_err();
    assert_eq!(refused.code(), "not-a-party");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_stops_the_issuer_though_another_has_answered() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let asked = network.ask(ask(|_| ())).await.unwrap();
    let tax = network.department("tax");
    let w = network.consent("tax", &citizen, &asked.request).await;
    tax.record_consent(&asked.request).await.unwrap();
    network.usurp(asked.entry.unwrap()).await;
    tax.withdraw(&citizen.key(), &asked.request, w).await.unwrap();
    tax.advance(&asked.request, &network.peers).await.unwrap();
    assert_eq!(network.counts()["proof"], 1, "the registry's");
    assert_eq!(tax.history(&citizen.key()).await.unwrap()[0].state, "withdrawn");
    assert_eq!(network.status(&asked).await.status, Status::Sent);
}
