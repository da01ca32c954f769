//! The verifier's duties, each shown by a case that breaks it alone.
//!
//! Every case starts from an answer that passes and changes one thing; that the start passes shows
//! that repairing the one thing is enough.

use std::sync::Arc;

use circuits::groth16::{self, KeyId, Proof};
use crypto::Signature as Signed;
use crypto::commitment::Salt;

use super::*;
use crate::chain_view::ChainView;
use crate::document::answer::{Answer, Evidence, ProofRecord};
use crate::document::ceremony::Ceremony;
use crate::document::circuit::Provenance;
use crate::document::key_card::KeyCard;
use crate::document::{CheckedRequest, VERSION};
use crate::exchange::verification::{
    ChainFacts, CircuitFact, ProofFact, Question, RecordsFact, verify,
};
use crate::exchange::{proving, salted_entry};
use crate::subject::Subject;
use chain::identifier::EntryId;
use chain::time::Timestamp;

/// What the chain says about one answer, open to change.
#[derive(Clone)]
struct Facts {
    circuit: CircuitFact,
    records: RecordsFact,
    proof: ProofFact,
    key: KeyId,
    records_entry: EntryId,
    proof_entry: EntryId,
}

impl ChainFacts for Facts {
    fn signed(
        &self,
        by: &DepartmentId,
        label: &str,
        message: &[u8],
        signature: &Signed,
    ) -> Option<crypto::VerifyingKey> {
        let key = keys(by.as_str()).signing.verifying_key();
        key.verify(label, message, signature).ok().map(|()| key)
    }

    fn circuit(&self, key: &KeyId) -> Option<CircuitFact> {
        (*key == self.key).then(|| self.circuit.clone())
    }

    fn records(&self, entry: &EntryId) -> Option<RecordsFact> {
        (*entry == self.records_entry).then_some(self.records)
    }

    fn proof(&self, entry: &EntryId) -> Option<ProofFact> {
        (*entry == self.proof_entry).then_some(self.proof)
    }
}

/// Everything that a verification looks at.
#[derive(Clone)]
struct Case {
    request: Arc<CheckedRequest>,
    entry: EntryId,
    subject: Option<Subject>,
    card: Option<KeyCard>,
    facts: Facts,
    answer: Answer,
    trailing: &'static [u8],
    production: bool,
    now: u64,
}

impl Case {
    fn verify(&self) -> Result<(), Refusal> {
        let mut bytes = crypto::canonical::to_vec(&self.answer).unwrap();
        bytes.extend_from_slice(self.trailing);
        let question = Question {
            request: &self.request,
            entry: &self.entry,
            subject: self.subject,
            card: self.card.as_ref(),
        };
        let strictness = Strictness { production: self.production };
        verify(&bytes, question, &self.facts, strictness, self.now).map(drop)
    }

    #[track_caller]
    fn breaks(&self, code: &str, change: impl FnOnce(&mut Self)) {
        assert_eq!(self.verify(), Ok(()), "the start passes every check");
        let mut broken = self.clone();
        change(&mut broken);
        assert_eq!(broken.verify().unwrap_err().code(), code);
    }

    fn signature(&mut self) -> &mut Option<String> {
        match &mut self.answer.evidence {
            Evidence::Identified { signature, .. } => signature,
            Evidence::Pseudonymous { .. } => panic!("its signature is inside the proof"),
        }
    }

    /// Records another proof: what an issuer does who lies from the start.
    fn record(&mut self, proof: &Proof, inputs: &[circuits::Fr]) {
        self.answer.proof = hex::encode(proof.to_bytes());
        let record = ProofRecord {
            version: VERSION,
            key: self.answer.key,
            inputs: inputs.iter().copied().map(crate::document::answer::ElementHex).collect(),
            proof: Digest::of(&proof.to_bytes()),
        };
        let salted =
            crypto::commitment::Salted { salt: self.answer.proof_salt.clone(), document: record };
        self.facts.proof.record = salted_entry(chain::entry::Kind::Proof, &salted);
    }
}

/// A citizen's answered question, held back from the requester.
async fn answered(network: &Network, citizen: &Citizen, basis: Json, about: bool) -> Case {
    let card = network.enrol(citizen).await.card;
    let statutory = basis["kind"] == "statutory";
    let asked = network
        .ask(ask(|ask| {
            ask["legal_basis"] = basis;
            ask["subject"] = json!(citizen.subject);
            if !about {
                ask.as_object_mut().unwrap().remove("subject");
            }
        }))
        .await
        .unwrap();
    network.peers.down.lock().unwrap().push(id("welfare"));
    let tax = network.department("tax");
    if !about {
        let offer = network.department("welfare").offer(&asked.request).await.unwrap().unwrap();
        let checked = tax.restore_request(&offer.request).await.unwrap();
        let signature = citizen.private.sign(checked.consent_message());
        let lock = withdrawal_lock(&Digest::of(b"w"));
        tax.take_offer(&citizen.key(), offer, &signature, lock).await.unwrap();
    } else if !statutory {
        network.consent("tax", citizen, &asked.request).await;
    }
    tax.advance(&asked.request, &network.peers).await.unwrap();
    let row = tax.received(&asked.request).unwrap().unwrap();
    let super::super::answering::Stage::Answered { answered, .. } = row.stage else {
        panic!("{:?}", row.stage)
    };
    let request = tax.restore_request(&row.request).await.unwrap();
    let (chain, circuits) = (network.shared.ledger.snapshot(), tax.circuits().await.unwrap());
    let view = ChainView {
        state: chain.state(),
        circuits: &circuits,
        service: &row.request.service,
        now: Timestamp::from_unix_seconds(NOON),
    };
    let answer = answered.answer;
    let facts = Facts {
        circuit: view.circuit(&answer.key).unwrap(),
        records: view.records(&answer.records).unwrap(),
        proof: view.proof(&answer.proof_entry).unwrap(),
        key: answer.key,
        records_entry: answer.records,
        proof_entry: answer.proof_entry,
    };
    Case {
        request,
        entry: row.entry,
        subject: about.then_some(citizen.subject),
        card: (about && !statutory).then_some(card),
        facts,
        answer,
        trailing: b"",
        production: false,
        now: NOON,
    }
}

fn other_entry() -> EntryId {
    EntryId::from_digest(Digest::of(b"another entry"))
}

fn flip(hex: &mut String) {
    let last = hex.pop().unwrap();
    hex.push(if last == '0' { '1' } else { '0' });
}

#[tokio::test(flavor = "multi_thread")]
async fn each_duty_of_an_identified_answer_is_checked() {
    let network = Network::new(0).await;
    let consent = json!({"kind": "consent"});
    let case = answered(&network, &Citizen::new(CURTIS), consent, true).await;

    case.breaks("answer-encoding", |case| case.trailing = b" ");
    case.breaks("answer-version", |case| case.answer.version = 2);
    case.breaks("answer-other-request", |case| case.answer.request = Digest::of(b"another"));
    case.breaks("answer-expired", |case| case.now = case.request.request().expires + 1);

    case.breaks("key-unknown", |case| case.answer.key = KeyId::from_bytes([1; 32]));
    case.breaks("key-unknown", |case| {
        // The document behind the id that the answer names holds another key.
        case.facts.key = KeyId::from_bytes([1; 32]);
        case.answer.key = case.facts.key;
    });
    case.breaks("key-unapproved", |case| case.facts.circuit.approved = false);
    case.breaks("key-other-circuit", |case| {
        case.facts.circuit.document.circuit = CircuitId::PseudonymousV1;
    });
    case.breaks("key-development", |case| case.production = true);
    case.breaks("key-unsound", |case| {
        case.facts.circuit.document.verifying_key.truncate(10);
    });
    let mut production = case.clone();
    production.production = true;
    let transcript = ceremony(CircuitId::IdentifiedV1, network.shared.genesis.network());
    let made_by = |case: &mut Case, ceremony: Ceremony| {
        case.facts.circuit.document.provenance = Provenance::Ceremony(Box::new(ceremony));
    };
    made_by(&mut production, transcript.clone());
    assert_eq!(production.verify(), Ok(()), "what is refused in production is the provenance");
    production.breaks("key-single-party", |case| {
        let mut alone = transcript.clone();
        let mut contributions = alone.contributions().unwrap();
        contributions.list.remove(1);
        alone.attestations.pop();
        made_by(
            case,
            Ceremony::new(alone.phase_one, alone.zkey, &contributions, alone.attestations),
        );
    });
    production.breaks("key-ceremony", |case| {
        made_by(case, Ceremony { phase_one: Digest::of(b"another"), ..transcript.clone() });
    });

    case.breaks("records-other-dataset", |case| case.answer.records = other_entry());
    case.breaks("records-other-dataset", |case| case.facts.records.author = id("welfare"));
    case.breaks("records-other-dataset", |case| case.facts.records.same_dataset = false);
    case.breaks("records-stale", |case| case.facts.records.usable = false);

    case.breaks("evidence-kind", |case| case.subject = None);
    case.breaks("evidence-malformed", |case| {
        let Evidence::Identified { path, .. } = &mut case.answer.evidence else { panic!() };
        path.push('0');
    });
    case.breaks("evidence-path", |case| {
        let Evidence::Identified { path, .. } = &mut case.answer.evidence else { panic!() };
        flip(path);
    });
    case.breaks("evidence-path", |case| {
        let Evidence::Identified { commitment, .. } = &mut case.answer.evidence else { panic!() };
        commitment.0 += circuits::Fr::from(1);
    });
    case.breaks("evidence-path", |case| case.facts.records.root += circuits::Fr::from(1));

    case.breaks("consent-missing", |case| *case.signature() = None);
    case.breaks("consent-signature", |case| {
        let message = case.request.consent_message();
        let forged = Citizen::new(ELIAS).private.sign(message);
        *case.signature() = Some(hex::encode(forged.to_bytes()));
    });
    case.breaks("evidence-malformed", |case| {
        let upper = case.signature().as_ref().unwrap().to_uppercase();
        *case.signature() = Some(upper);
    });
    case.breaks("key-card-missing", |case| case.card = None);
    case.breaks("key-card-missing", |case| {
        case.card.as_mut().unwrap().key = Citizen::new(ELIAS).key();
    });
    case.breaks("key-card-missing", |case| case.subject = Some(Citizen::new(ELIAS).subject));

    case.breaks("proof-encoding", |case| case.answer.proof.push_str("00"));
    case.breaks("proof-invalid", |case| {
        let key = &proving_keys()[&CircuitId::IdentifiedV1];
        let proof = Proof::from_bytes(&hex::decode(&case.answer.proof).unwrap()).unwrap();
        let mut inputs = [circuits::Fr::from(3); 4];
        inputs[0] = circuits::Fr::from(1);
        // A sound encoding of a proof of something else: C and A swapped points do not pair.
        let other = proof.rerandomised(key.verifying_key(), &mut groth16::rng_from_seed([1; 32]));
        let mut bytes = other.to_bytes();
        bytes[..32].copy_from_slice(&proof.to_bytes()[..32]);
        let mixed = Proof::from_bytes(&bytes).unwrap();
        case.record(&mixed, &inputs);
    });

    case.breaks("proof-entry", |case| case.answer.proof_entry = other_entry());
    case.breaks("proof-entry", |case| case.facts.proof.author = id("welfare"));
    case.breaks("proof-entry", |case| case.facts.proof.request = other_entry());
    case.breaks("proof-entry", |case| case.facts.proof.basis = other_entry());
    case.breaks("proof-entry", |case| case.facts.proof.records = other_entry());
    case.breaks("proof-entry", |case| {
        // The issuer recorded the proof on its service and calls that entry the consent.
        case.facts.proof.statutory = true;
        case.facts.proof.basis = case.request.request().service;
        case.answer.consent_entry = Some(case.request.request().service);
    });
    case.breaks("proof-entry", |case| case.answer.consent_entry = None);
    case.breaks("proof-record", |case| case.answer.proof_salt = Salt::from_bytes([1; 32]));
    case.breaks("proof-record", |case| case.facts.proof.record = Digest::of(b"another proof"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rerandomised_proof_verifies_but_is_not_the_recorded_one() {
    let network = Network::new(0).await;
    let consent = json!({"kind": "consent"});
    let case = answered(&network, &Citizen::new(CURTIS), consent, true).await;
    case.breaks("proof-record", |case| {
        let key = &proving_keys()[&CircuitId::IdentifiedV1];
        let proof = Proof::from_bytes(&hex::decode(&case.answer.proof).unwrap()).unwrap();
        let other = proof.rerandomised(key.verifying_key(), &mut groth16::rng_from_seed([2; 32]));
        assert_ne!(other.to_bytes(), proof.to_bytes());
        case.answer.proof = hex::encode(other.to_bytes());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statutory_answer_bears_no_signature() {
    let network = Network::new(0).await;
    let law = json!({"kind": "statutory", "reference": "Benefits Act, s. 12"});
    let citizen = Citizen::new(CURTIS);
    let case = answered(&network, &citizen, law, true).await;
    case.breaks("consent-unasked", |case| {
        let signature = citizen.private.sign(case.request.consent_message());
        *case.signature() = Some(hex::encode(signature.to_bytes()));
    });
    case.breaks("proof-entry", |case| case.answer.consent_entry = Some(other_entry()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_cannot_leave_the_citizens_signature_out_of_a_pseudonymous_proof() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    let case = answered(&network, &citizen, json!({"kind": "consent"}), false).await;
    case.breaks("evidence-kind", |case| case.subject = Some(citizen.subject));
    case.breaks("records-stale", |case| case.facts.records.usable = false);
    case.breaks("proof-invalid", |case| {
        let Evidence::Pseudonymous { pseudonym } = &mut case.answer.evidence else { panic!() };
        pseudonym.0 += circuits::Fr::from(1);
    });
    case.breaks("proof-invalid", |case| case.facts.records.root += circuits::Fr::from(1));

    // The issuer signs with a key of its own and takes its prover's own check out.
    let tax = network.department("tax");
    let dataset = tax.records().dataset("tax").unwrap();
    let record = tax.records().record(&dataset, citizen.subject).unwrap().unwrap();
    let path = tax.records().path(&dataset, &record).unwrap();
    let root = tax.records().root(&dataset).unwrap();
    let key = &proving_keys()[&CircuitId::PseudonymousV1];
    let prove = |case: &mut Case, signer: &Citizen| {
        let signature = signer.private.sign(case.request.consent_message());
        let (statement, witness) =
            proving::pseudonymous_statement(&case.request, &record, path.clone(), root, signature);
        let circuit = circuits::statement::pseudonymous::Circuit::new(statement, witness);
        let rng = &mut groth16::rng_from_seed([3; 32]);
        let proof = groth16::prove_without_satisfaction_check(key, circuit, rng).unwrap();
        case.record(&proof, &statement.to_public_inputs());
    };
    case.breaks("proof-invalid", |case| prove(case, &Citizen::new(ELIAS)));
    let mut honest = case.clone();
    prove(&mut honest, &citizen);
    assert_eq!(honest.verify(), Ok(()), "with the citizen's signature the same prover is believed");
}
