mod bundles;
mod direct;
mod duties;
mod ends;
mod enrolling;
mod faults;
mod faulty;
mod importing;
mod impostor;
mod keys_of_ceremonies;
mod lagging;
mod listing;
mod network;
mod overload;
mod payloads;
mod proposals;
mod receipts;

use super::asking::{Ask, AskError, Asked};
use super::*;
use crate::document::answer::Answer;
use crate::exchange::requester::Status;
use crate::exchange::verification::{Note, Refusal};
use chain::entry::withdrawal_lock;
use chain::ledger::ReadError;
use circuits::statement::CircuitId;
pub(crate) use direct::Direct;
use faulty::Faulty;
use network::*;
pub(crate) use network::{
    CURTIS, Citizen, DEPARTMENTS, ELIAS, Network, ceremony, circuit_document, circuit_document_of,
    id, keys, proving_keys, trial,
};
use serde_json::{Value as Json, json};
use std::sync::atomic::Ordering;

pub(crate) fn ask(change: impl FnOnce(&mut Json)) -> Ask {
    let mut ask = json!({
        "issuer": "tax", "dataset": "tax", "subject": CURTIS.to_string(),
        "query": [{"path": ["total_wages_cents"], "predicate": {"$lt": 1_500_000}}],
        "purpose": "benefit-eligibility", "legal_basis": {"kind": "consent"},
        "as_of": "2024-12-31", "expires_in": 3_600
    });
    change(&mut ask);
    serde_json::from_value(ask).unwrap()
}

impl Network {
    async fn ask(&self, ask: Ask) -> Result<Asked, AskError> {
        self.department("welfare").ask(ask, &self.peers).await
    }

    async fn status(&self, asked: &Asked) -> Asked {
        self.department("welfare").asked(&asked.request).await.unwrap().unwrap()
    }

    /// Consents as a wallet does: over `M` recomputed from the document that is shown.
    pub(crate) async fn consent(
        &self,
        issuer: &str,
        citizen: &Citizen,
        request: &Digest,
    ) -> Digest {
        let department = self.department(issuer);
        let pending = department.pending(&citizen.key()).await.unwrap();
        let shown = pending
            .iter()
            .find(|it| super::asking::request_digest(&it.request) == *request)
            .expect("the citizen is asked");
        let digest = crate::records::schema_digest(&shown.schema);
        let checked =
            crate::document::CheckedRequest::check(shown.request.clone(), &shown.schema, &digest)
                .unwrap();
        let signature = citizen.private.sign(checked.consent_message());
        let w = Digest::of(request.as_bytes());
        department.consent(&citizen.key(), request, &signature, withdrawal_lock(&w)).await.unwrap();
        w
    }

    /// The tax office's answer, which has not reached the requester.
    async fn held(&self, citizen: &Citizen, request: &Digest) -> Answer {
        self.peers.down.lock().unwrap().push(id("welfare"));
        let tax = self.department("tax");
        self.consent("tax", citizen, request).await;
        tax.advance(request, &self.peers).await.unwrap();
        self.peers.down.lock().unwrap().clear();
        match tax.received(request).unwrap().unwrap().stage {
            super::answering::Stage::Answered { answered, delivered: false } => answered.answer,
            stage => panic!("{stage:?}"),
        }
    }

    /// Departments that are started from now on have this ledger.
    fn faulty(&mut self) -> Arc<Faulty> {
        let ledger = Arc::clone(&self.shared.ledger);
        let faulty = Faulty::new(ledger, *self.shared.genesis.network());
        self.shared.ledger = Arc::clone(&faulty) as Arc<dyn Ledger>;
        faulty
    }

    async fn answer(&self, issuer: &str, citizen: &Citizen, asked: &Asked) -> Asked {
        self.consent(issuer, citizen, &asked.request).await;
        self.department(issuer).advance(&asked.request, &self.peers).await.unwrap();
        self.status(asked).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_departments_answer_about_one_subject_with_one_tag() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;

    let wages = network.ask(ask(|_| ())).await.unwrap();
    assert_eq!(wages.status, Status::Sent);
    let home = network
        .ask(ask(|ask| {
            ask["issuer"] = json!("civil-registry");
            ask["dataset"] = json!("residents");
            ask["nonce"] = json!(wages.nonce);
            ask["query"] = json!([
                {"path": ["district"], "predicate": {"$in": ["D03", "D02", "D01"]}},
                {"any_of": [
                    {"path": ["birth_date"], "predicate": {"$lt": "1950-01-01"}},
                    {"path": ["birth_date"], "predicate": {"$lt": "1990-01-01"}}
                ]}
            ]);
        }))
        .await
        .unwrap();

    let wages = network.answer("tax", &citizen, &wages).await;
    let home = network.answer("civil-registry", &citizen, &home).await;
    assert_eq!((&wages.status, &home.status), (&Status::Verified, &Status::Verified));
    let (wages, home) = (wages.answer.unwrap(), home.answer.unwrap());
    assert_eq!(wages.tag, home.tag, "one nonce, one subject, one tag");
    assert_eq!(wages.notes, [Note::DevelopmentKey, Note::SingleOperator]);
    let enrolled = Note::ConsentKeyEnrolledByIssuer;
    assert_eq!(home.notes, [enrolled, Note::DevelopmentKey, Note::SingleOperator]);

    let counts = network.counts();
    assert_eq!((counts["request"], counts["consent"], counts["proof"]), (2, 2, 2));
    let history = network.department("tax").history(&citizen.key()).await.unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!(history[0].state, "answered");
    assert_eq!(history[0].requester_name, "The welfare department");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pseudonym_lasts_for_one_requester_and_purpose() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let mut pseudonyms = Vec::new();
    for below in [1_500_000, 2_000_000] {
        let asked = network
            .ask(ask(|ask| {
                ask.as_object_mut().unwrap().remove("subject");
                ask["query"][0]["predicate"]["$lt"] = json!(below);
            }))
            .await
            .unwrap();
        let offer = network.department("welfare").offer(&asked.request).await.unwrap().unwrap();
        let checked = network.department("tax").restore_request(&offer.request).await.unwrap();
        let signature = citizen.private.sign(checked.consent_message());
        let lock = withdrawal_lock(&Digest::of(b"w"));
        let (digest, state) = network
            .department("tax")
            .take_offer(&citizen.key(), offer, &signature, lock)
            .await
            .unwrap();
        assert_eq!((digest, state), (asked.request, "consented"));
        network.department("tax").advance(&digest, &network.peers).await.unwrap();
        let answer = network.status(&asked).await.answer.expect("verified");
        let binding = Note::ConsentBindsAllButIssuer;
        assert_eq!(answer.notes, [binding, Note::DevelopmentKey, Note::SingleOperator]);
        pseudonyms.push(answer.tag);
    }
    assert_eq!(pseudonyms[0], pseudonyms[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unmet_refused_and_unknown_look_the_same() {
    let network = Network::new(0).await;
    let (met, unmet, unknown) =
        (Citizen::new(CURTIS), Citizen::new(ARIANA), Citizen::new(999_999_999_990));
    network.enrol(&met).await;
    network.enrol(&unmet).await;
    // Somebody with a key card of whom the tax office has no record.
    let registrar = network.department("civil-registry");
    let code = registrar.enrolment_code(unknown.subject).await.unwrap().code;
    registrar.enrol(unknown.subject, unknown.key(), &code).await.unwrap();

    let tax = network.department("tax");
    let before = network.counts();
    let mut asked = Vec::new();
    for citizen in [&met, &unmet, &unknown] {
        let subject = json!(citizen.subject);
        asked.push(network.ask(ask(|ask| ask["subject"] = subject)).await.unwrap());
    }
    tax.refuse(&met.key(), &asked[0].request).await.unwrap();
    network.consent("tax", &unmet, &asked[1].request).await;
    assert!(tax.pending(&unknown.key()).await.unwrap().is_empty());
    for asked in &asked {
        tax.advance(&asked.request, &network.peers).await.unwrap();
        assert_eq!(network.status(asked).await.status, Status::Sent);
    }
    network.clock.advance(3_601);
    for asked in &asked {
        assert_eq!(network.status(asked).await.status, Status::NotProven);
    }
    let after = network.counts();
    assert_eq!(after["request"] - before["request"], 3);
    for kind in ["consent", "proof", "withdrawal"] {
        assert_eq!(after[kind], before[kind], "{kind}");
    }
    let states: Vec<String> = [&met, &unmet]
        .map(|citizen| async { tax.history(&citizen.key()).await.unwrap()[0].state.clone() })
        .into_iter()
        .map(|future| {
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
        })
        .collect();
    assert_eq!(states, ["refused", "unsatisfied"], "issuer and citizen see the reason");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_law_that_the_service_names_needs_no_consent_and_says_so() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let statutory = json!({"kind": "statutory", "reference": "Benefits Act, s. 12"});
    let asked = network.ask(ask(|ask| ask["legal_basis"] = statutory.clone())).await.unwrap();
    network.department("tax").advance(&asked.request, &network.peers).await.unwrap();
    let answer = network.status(&asked).await.answer.expect("verified");
    assert_eq!(answer.notes, [Note::NoConsent, Note::DevelopmentKey, Note::SingleOperator]);
    let state = network.shared.ledger.snapshot();
    assert!(state.state().proof(&answer.proof_entry).unwrap().statutory, "visible on the chain");
    let history = network.department("tax").history(&citizen.key()).await.unwrap();
    assert_eq!(history[0].state, "answered", "and in the citizen's history");

    let other = json!({"kind": "statutory", "reference": "Curiosity Act"});
    let refused = network.ask(ask(|ask| ask["legal_basis"] = other)).await.unwrap_err();
    assert_eq!(refused.code(), "policy-legal-basis");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_before_the_proof_stops_it_and_one_after_does_not() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let tax = network.department("tax");

    // The consent is recorded and the proof made, but the withdrawal reaches the chain first.
    let asked = network.ask(ask(|_| ())).await.unwrap();
    let w = network.consent("tax", &citizen, &asked.request).await;
    let row = tax.received(&asked.request).unwrap().unwrap();
    let ready = tax.next_stage(&row, &network.peers).await.unwrap().unwrap();
    tax.replace_stage(&asked.request, &row.stage, ready).await.unwrap();
    let row = tax.received(&asked.request).unwrap().unwrap();
    let proved = tax.next_stage(&row, &network.peers).await.unwrap().unwrap();
    tax.replace_stage(&asked.request, &row.stage, proved).await.unwrap();
    let wrong = tax.withdraw(&citizen.key(), &asked.request, Digest::of(b"wrong")).await;
    assert_eq!(wrong.unwrap_err().code(), "withdrawal-lock");
    tax.withdraw(&citizen.key(), &asked.request, w).await.unwrap();
    tax.advance(&asked.request, &network.peers).await.unwrap();
    let wrong = tax.withdraw(&citizen.key(), &asked.request, Digest::of(b"wrong")).await;
    assert_eq!(wrong.unwrap_err().code(), "withdrawal-lock");
    let again = tax.withdraw(&citizen.key(), &asked.request, w).await;
    assert_eq!(again.unwrap(), "withdrawn", "the same again is one");
    assert_eq!(network.counts()["withdrawal"], 1);
    assert_eq!(network.status(&asked).await.status, Status::Sent);
    let past = &tax.history(&citizen.key()).await.unwrap()[0];
    assert_eq!(past.state, "withdrawn");
    let receipt = past.consent.clone().expect("the consent stays on the chain");
    let receipt: chain::receipt::Receipt = serde_json::from_value(receipt).unwrap();
    let verified = receipt.verify(&network.shared.genesis).unwrap();
    assert!(matches!(verified.entry.content(),
        chain::entry::Content::Consent { lock, .. } if *lock == withdrawal_lock(&w)));
    assert_eq!(network.counts()["proof"], 0);

    let asked = network
        .ask(ask(|ask| ask["query"][0]["predicate"]["$lt"] = json!(2_000_000)))
        .await
        .unwrap();
    let w = network.consent("tax", &citizen, &asked.request).await;
    tax.advance(&asked.request, &network.peers).await.unwrap();
    assert_eq!(tax.withdraw(&citizen.key(), &asked.request, w).await.unwrap(), "answered");
    assert_eq!(network.status(&asked).await.status, Status::Verified);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_once_and_for_its_own_request() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let first = network.ask(ask(|_| ())).await.unwrap();
    let second = network
        .ask(ask(|ask| ask["query"][0]["predicate"]["$lt"] = json!(2_000_000)))
        .await
        .unwrap();
    let bytes = crypto::canonical::to_vec(&network.held(&citizen, &first.request).await).unwrap();
    let welfare = network.department("welfare");
    let outcome = |digest: Digest, bytes: Vec<u8>| async move {
        welfare.receive_answer(&id("tax"), &digest, &bytes).await.unwrap()
    };
    assert_eq!(outcome(second.request, bytes.clone()).await, Err(Refusal::OtherRequest));
    let open = network.status(&second).await;
    assert_eq!(
        (open.status, open.rejected.as_deref()),
        (Status::Sent, Some("answer-other-request"))
    );
    let stranger = welfare.receive_answer(&id("civil-registry"), &first.request, &bytes).await;
    assert_eq!(stranger.unwrap(), Err(Refusal::OtherRequest));
    assert_eq!(network.status(&first).await.rejected, None, "a stranger's answer is none");
    assert_eq!(outcome(first.request, bytes.clone()).await, Ok(()));
    assert_eq!(outcome(first.request, bytes).await, Err(Refusal::Replayed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superseded_root_is_refused_without_grace_and_taken_within_it() {
    /// Seconds that pass before an answer arrives, and what becomes of it.
    type Arrivals<'a> = &'a [(u64, Result<(), Refusal>)];
    let cases: [(u32, Arrivals<'_>); 2] = [
        (0, &[(0, Err(Refusal::RecordsStale))]),
        (600, &[(599, Ok(())), (1, Err(Refusal::RecordsStale))]),
    ];
    for (grace, arrivals) in cases {
        let network = Network::new(grace).await;
        let citizen = Citizen::new(CURTIS);
        network.enrol(&citizen).await;
        let mut held = Vec::new();
        for below in (1_500_000..).step_by(500_000).take(arrivals.len()) {
            let below = |ask: &mut Json| ask["query"][0]["predicate"]["$lt"] = json!(below);
            let asked = network.ask(ask(below)).await.unwrap();
            held.push(network.held(&citizen, &asked.request).await);
        }
        // Another citizen's key changes the root.
        network.enrol(&Citizen::new(ELIAS)).await;
        let welfare = network.department("welfare");
        for (answer, (later, expected)) in held.iter().zip(arrivals) {
            network.clock.advance(*later);
            let bytes = crypto::canonical::to_vec(answer).unwrap();
            let outcome = welfare.receive_answer(&id("tax"), &answer.request, &bytes).await;
            assert_eq!(outcome.unwrap(), *expected, "grace {grace}, after {later} seconds");
        }

        // Nor can an issuer that still proves under the old root have the chain take it.
        let asked = network.ask(ask(|_| ())).await;
        let request = asked.unwrap().entry.unwrap();
        let tax = network.department("tax");
        let replica = tax.chain();
        let old = held[0].records;
        let dataset = replica.state().dataset(&replica.state().records(&old).unwrap().dataset);
        let (basis, current) = (dataset.unwrap().service, dataset.unwrap().records.unwrap());
        let record = Digest::of(b"proof");
        let proof = |records| Content::Proof { record, request, basis, records };
        assert_eq!(tax.append(proof(old), None).await.unwrap_err().code(), "records-superseded");
        tax.append(proof(current), None).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_at_any_point_is_taken_up_again() {
    let mut network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    // The issuer is down when it is asked, and the requester when it is answered.
    network.peers.down.lock().unwrap().push(id("tax"));
    let asked = network.ask(ask(|_| ())).await.unwrap();
    assert!(network.department("tax").pending(&citizen.key()).await.unwrap().is_empty());
    network.peers.down.lock().unwrap().clear();
    network.start("welfare");
    network.department("welfare").resume(&network.peers).await.unwrap();
    network.consent("tax", &citizen, &asked.request).await;
    network.peers.down.lock().unwrap().push(id("welfare"));
    network.start("tax");
    network.department("tax").resume(&network.peers).await.unwrap();
    assert_eq!(network.status(&asked).await.status, Status::Sent);
    network.peers.down.lock().unwrap().clear();
    network.start("tax");
    network.department("tax").resume(&network.peers).await.unwrap();
    network.department("tax").resume(&network.peers).await.unwrap();
    assert_eq!(network.status(&asked).await.status, Status::Verified);
    let counts = network.counts();
    assert_eq!((counts["request"], counts["consent"], counts["proof"]), (1, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_budget_is_charged_alike_for_known_and_unknown_subjects() {
    let network = Network::new(0).await;
    for subject in [CURTIS, 999_999_999_990] {
        let citizen = Citizen::new(subject);
        let registrar = network.department("civil-registry");
        let code = registrar.enrolment_code(citizen.subject).await.unwrap().code;
        registrar.enrol(citizen.subject, citizen.key(), &code).await.unwrap();
        let below = |cents: u64| {
            ask(|ask| {
                ask["subject"] = json!(citizen.subject);
                ask["query"][0]["predicate"] = json!({"$lt": cents});
            })
        };
        for cents in [500_000, 1_000_000, 1_500_000, 500_000] {
            network.ask(below(cents)).await.unwrap();
        }
        let refused = network.ask(below(2_000_000)).await.unwrap_err();
        assert_eq!(refused.code(), "budget-requester", "{subject}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_with_a_wrong_signature_spends_nothing() {
    let network = Network::new(0).await;
    let (citizen, thief) = (Citizen::new(CURTIS), Citizen::new(ELIAS));
    network.enrol(&citizen).await;
    network.enrol(&thief).await;
    let asked = network
        .ask(ask(|ask| {
            ask.as_object_mut().unwrap().remove("subject");
        }))
        .await
        .unwrap();
    let offer = network.department("welfare").offer(&asked.request).await.unwrap().unwrap();
    let tax = network.department("tax");
    let message = tax.restore_request(&offer.request).await.unwrap().consent_message();
    let lock = withdrawal_lock(&Digest::of(b"w"));
    let wrong = thief.private.sign(circuits::Fr::from(1));
    // Neither an offer that somebody else wrote, nor one whose entry was exchanged, is the requester's.
    let mut forged = offer.clone();
    forged.entry = chain::identifier::EntryId::from_digest(Digest::of(b"another entry"));
    let right = citizen.private.sign(message);
    let refused = tax.take_offer(&citizen.key(), forged, &right, lock).await.unwrap_err();
    assert_eq!(refused.code(), "request-unknown");
    // Nor one with another schema than the question names.
    let mut forged = offer.clone();
    forged.schema =
        circuits::schema::Schema::parse(include_str!("../../data/civil_registry.schema.json"))
            .unwrap();
    let refused = tax.take_offer(&citizen.key(), forged, &right, lock).await.unwrap_err();
    assert_eq!(refused.code(), "request-unknown");
    let refused = tax.take_offer(&thief.key(), offer.clone(), &wrong, lock).await.unwrap_err();
    assert_eq!(refused.code(), "consent-signature");
    assert!(tax.received(&asked.request).unwrap().is_none());
    tax.take_offer(&citizen.key(), offer, &right, lock).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unapproved_copy_of_a_key_does_not_hide_the_approved_one() {
    let network = Network::new(0).await;
    let mut copy = circuit_document(CircuitId::IdentifiedV1);
    let ceremony = ceremony(CircuitId::IdentifiedV1, network.shared.genesis.network());
    copy.provenance = crate::document::circuit::Provenance::Ceremony(Box::new(ceremony));
    network.department("welfare").propose_circuit(&copy).await.unwrap();
    let circuits = network.department("welfare").circuits().await.unwrap();
    let (id, _) = copy.key().unwrap();
    assert_eq!(circuits[&id], circuit_document(CircuitId::IdentifiedV1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_nobody_has_is_refused_before_anything_is_recorded() {
    let network = Network::new(0).await;
    network.enrol(&Citizen::new(CURTIS)).await;
    let (before, messages) = (network.counts(), network.peers.messages.load(Ordering::SeqCst));
    let faults = [
        (CURTIS + 1, "subject: wrong check digit (ISO 7064 MOD 11,10)"),
        (5, "subject: out of range: expected 100000000000 to 999999999999"),
    ];
    for (number, fault) in faults {
        let ask = ask(|ask| ask["subject"] = json!(number.to_string()));
        let refused = network.ask(ask).await.unwrap_err();
        assert_eq!((refused.code(), refused.to_string().as_str()), ("subject", fault));
    }
    assert_eq!(network.counts(), before);
    assert_eq!(network.peers.messages.load(Ordering::SeqCst), messages, "not even for a card");
    assert!(network.ask(ask(|_| ())).await.is_ok(), "the number with its digit right is asked");
}
