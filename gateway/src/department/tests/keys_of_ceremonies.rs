//! Circuits that are put forward: which ones a department approves.

use super::network::circuit_document_of;
use super::*;
use crate::department::asking::Idempotency;
use crate::document::circuit::{CircuitDocument, Provenance};
use crate::payload::PayloadStore;
use crate::proving_keys::ProvingKeys;
use chain::entry::Content;
use circuits::groth16;
use circuits::snarkjs::trial_ceremony;
use circuits::statement::CircuitId;
use getrandom::SysRng;
use rand_core::UnwrapErr;

const CIRCUIT: CircuitId = CircuitId::IdentifiedV1;

/// The document of a ceremony's key, by tax and welfare of this network.
fn of_ceremony(network: &Network) -> CircuitDocument {
    let transcript = ceremony(CIRCUIT, network.shared.genesis.network());
    CircuitDocument::of_ceremony(CIRCUIT, &trial(CIRCUIT).0, transcript)
}

/// Welfare's gateway, once it was started again: with keys of these ceremonies, in production or not.
fn restarted(network: &Network, imported: &[CircuitDocument], production: bool) -> Department {
    let documents = imported.iter().map(|it| (it.circuit, it.clone()));
    let (loading, proving_keys) = ProvingKeys::loading(documents.collect());
    loading.done(crate::department::tests::proving_keys());
    let strictness = Strictness { production };
    let shared = Shared { proving_keys, strictness, ..network.shared.clone() };
    let folder = tempfile::tempdir().unwrap();
    let payloads = PayloadStore::local(&folder.path().join("payloads")).unwrap();
    let store = Store::open(
        &folder.path().join("store"),
        &network::seed("welfare", 2),
        Box::new(UnwrapErr(SysRng)),
    );
    let rng = Box::new(UnwrapErr(SysRng));
    Department::new(id("welfare"), keys("welfare"), Arc::new(store.unwrap()), payloads, shared, rng)
}

fn code<T>(outcome: Result<T, publishing::PublishError>) -> String {
    outcome.err().map_or_else(|| "ok".to_owned(), |error| error.code().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_a_ceremony_is_approved_by_who_has_imported_it() {
    let network = Network::bare(0);
    let document = of_ceremony(&network);
    let entry = network.department("tax").propose_circuit(&document).await.unwrap();
    let stranger = restarted(&network, &[], false);
    assert_eq!(code(stranger.approve(entry).await), "circuit-not-imported");
    let mut other = document.clone();
    if let Provenance::Ceremony(ceremony) = &mut other.provenance {
        ceremony.zkey = Digest::of(b"another file");
    }
    let ours = other.digest();
    let another = restarted(&network, &[other], false);
    let rival = another.approve(entry).await;
    let told = rival.as_ref().unwrap_err().to_string();
    assert!(told.contains(&ours.to_string()) && told.contains("agree on one"), "{told}");
    assert_eq!(code(rival), "circuit-not-imported");
    let imported = restarted(&network, &[document], true);
    assert_eq!(code(imported.approve(entry).await), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_keys_of_a_ceremony_are_put_forward_if_that_is_wanted() {
    let network = Network::bare(0);
    let without = restarted(&network, &[], false);
    assert_eq!(code(without.propose_own_circuits(true).await), "circuit-not-imported");
    let document = of_ceremony(&network);
    let with = restarted(&network, std::slice::from_ref(&document), false);
    let entries = with.propose_own_circuits(true).await.unwrap();
    let chain = network.shared.ledger.snapshot();
    let documents = entries.iter().map(|it| chain.state().ballot(it).unwrap().document);
    assert!(documents.eq([document.digest()]), "and not the development key of the other circuit");
    assert_eq!(with.propose_own_circuits(true).await.unwrap(), entries, "once");
    assert_eq!(with.propose_own_circuits(false).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_entries_of_one_document_the_one_with_more_approvals_is_approved() {
    let network = Network::bare(0);
    let (tax, document) = (network.department("tax"), of_ceremony(&network));
    let mut entries = Vec::new();
    for _ in 0..2 {
        entries.push(tax.propose_circuit(&document).await.unwrap());
    }
    let higher = entries.into_iter().max().unwrap();
    let welfare = restarted(&network, std::slice::from_ref(&document), true);
    tax.append(Content::Approval { entry: higher }, None).await.unwrap();
    assert_eq!(welfare.propose_own_circuits(true).await.unwrap(), [higher]);
    let other = Network::bare(0);
    let document = of_ceremony(&other);
    let mut entries = Vec::new();
    for _ in 0..2 {
        entries.push(other.department("tax").propose_circuit(&document).await.unwrap());
    }
    let welfare = restarted(&other, &[document], true);
    let least = entries.into_iter().min().unwrap();
    assert_eq!(welfare.propose_own_circuits(true).await.unwrap(), [least], "as many each");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_production_no_development_key_is_approved() {
    let network = Network::bare(0);
    let document = circuit_document(CIRCUIT);
    let entry = network.department("tax").propose_circuit(&document).await.unwrap();
    let production = restarted(&network, &[of_ceremony(&network)], true);
    assert_eq!(code(production.approve(entry).await), "circuit-development");
    assert_eq!(code(production.propose_circuit(&document).await), "circuit-development");
    assert_eq!(code(restarted(&network, &[], false).approve(entry).await), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_constraints_or_another_ceremony_are_not_put_forward() {
    let network = Network::bare(0);
    let tax = network.department("tax");
    let mut document = of_ceremony(&network);
    document.constraints = Digest::of(b"another circuit");
    assert_eq!(code(tax.propose_circuit(&document).await), "circuit-constraints");
    let mut document = of_ceremony(&network);
    if let Provenance::Ceremony(ceremony) = &mut document.provenance {
        ceremony.phase_one = Digest::of(b"another phase");
    }
    assert_eq!(code(tax.propose_circuit(&document).await), "circuit-invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_signed_with_a_replaced_key_counts_where_it_was_approved_and_not_anew() {
    let network = Network::bare(0);
    let document = of_ceremony(&network);
    let imported = restarted(&network, std::slice::from_ref(&document), true);
    let entry = network.department("tax").propose_circuit(&document).await.unwrap();
    // Tax takes another key, with everybody's approval.
    let mut changed = network::document("tax");
    changed.signing_key = SigningKey::from_seed(&network::seed("tax", 9)).verifying_key();
    let replacement = network.department("tax").propose_department(&changed).await.unwrap();
    for name in DEPARTMENTS {
        network.department(name).approve(replacement).await.unwrap();
    }
    assert_eq!(code(imported.approve(entry).await), "circuit-invalid");
    let chain = network.shared.ledger.snapshot();
    let old = keys("tax").signing.verifying_key();
    let known: Vec<_> = chain.state().signing_keys(&id("tax")).copied().collect();
    assert_eq!(known, [changed.signing_key, old]);
    let verified = document.check_provenance(chain.state().network(), |by, label, message, it| {
        let mut keys = chain.state().signing_keys(by);
        keys.find(|key| key.verify(label, message, it).is_ok()).copied()
    });
    assert_eq!(verified, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_while_no_answer_could_be_believed() {
    let network = Network::new(0).await;
    network.enrol(&Citizen::new(CURTIS)).await;
    let document = of_ceremony(&network);
    let welfare = restarted(&network, std::slice::from_ref(&document), true);
    let by_law = |ask: &mut Json| {
        ask["legal_basis"] = json!({"kind": "statutory", "reference": "Benefits Act, s. 12"});
    };
    let pseudonymous = |ask: &mut Json| {
        ask.as_object_mut().unwrap().remove("subject");
    };
    let before = network.counts();
    for change in [by_law as fn(&mut Json), pseudonymous] {
        let refused = welfare.ask(ask(change), &network.peers).await.unwrap_err();
        assert_eq!(refused.code(), "circuit-unapproved", "development keys alone, in production");
    }
    assert_eq!(network.counts()["request"], before["request"]);

    let entry = welfare.propose_circuit(&document).await.unwrap();
    let once = Idempotency { key: "case-17".to_owned(), body: Digest::of(b"the same call") };
    for name in DEPARTMENTS {
        let early = welfare.ask_once(ask(by_law), Some(&once), &network.peers).await.unwrap_err();
        assert_eq!(early.code(), "circuit-unapproved", "put forward, and before {name} approved");
        network.department(name).append(Content::Approval { entry }, None).await.unwrap();
    }
    let asked = welfare.ask_once(ask(by_law), Some(&once), &network.peers).await.unwrap();
    assert_eq!(asked.status, Status::Sent);
    let refused = welfare.ask(ask(pseudonymous), &network.peers).await.unwrap_err();
    assert_eq!(refused.code(), "circuit-unapproved", "the other circuit has no such key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_waits_for_the_approval_of_the_key_that_answers_it() {
    let mut network = Network::new(0).await;
    network.enrol(&Citizen::new(CURTIS)).await;
    let by_law = ask(|ask| {
        ask["legal_basis"] = json!({"kind": "statutory", "reference": "Benefits Act, s. 12"});
    });
    let asked = network.ask(by_law).await.unwrap();
    // Tax's gateway has taken another key since.
    let rng = &mut groth16::rng_from_seed([9; 32]);
    let other = trial_ceremony::key(CIRCUIT, &["tax"], rng).0;
    let document = circuit_document_of(CIRCUIT, &other);
    let mut keys = HashMap::clone(&crate::department::tests::proving_keys());
    keys.insert(CIRCUIT, other);
    network.shared.proving_keys = ProvingKeys::loaded(Arc::new(keys));
    network.start("tax");
    let tax = network.department("tax");
    let before = network.counts();
    let early = tax.advance(&asked.request, &network.peers).await.unwrap_err();
    assert!(matches!(early, Internal::UnapprovedKey(CIRCUIT)), "{early}");
    assert_eq!(network.counts(), before, "nothing is recorded");
    let entry = tax.propose_circuit(&document).await.unwrap();
    for name in DEPARTMENTS {
        network.department(name).approve(entry).await.unwrap();
    }
    tax.advance(&asked.request, &network.peers).await.unwrap();
    assert_eq!(network.status(&asked).await.status, Status::Verified);
}
