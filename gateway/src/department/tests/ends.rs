//! Where questions stand before anybody has looked, and how they end.

use super::*;
use crate::store::{Batch, Table};

/// On no record.
const UNKNOWN: i64 = 999_999_999_990;

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_never_reached_its_issuer_lapses() {
    let network = Network::new(0).await;
    network.enrol(&Citizen::new(CURTIS)).await;
    network.peers.down.lock().unwrap().push(id("tax"));
    let asked = network.ask(ask(|_| ())).await.unwrap();
    assert_eq!(asked.status, Status::Sent);
    network.clock.advance(3_600);
    assert_eq!(network.status(&asked).await.status, Status::Sent);
    network.clock.advance(1);
    // Whoever looks after it first, the system or the gateway itself: it is over, and is not sent.
    network.peers.down.lock().unwrap().clear();
    let before = network.peers.messages.load(std::sync::atomic::Ordering::SeqCst);
    network.department("welfare").resume(&network.peers).await.unwrap();
    assert_eq!(network.status(&asked).await.status, Status::NotProven);
    let after = network.peers.messages.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(after, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_question_under_one_nonce_in_one_second_does_not_begin_again() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let nonce = json!("00112233445566778899aabbccddeeff");
    let same = || ask(|ask| ask["nonce"] = nonce.clone());
    let asked = network.ask(same()).await.unwrap();
    let answered = network.answer("tax", &citizen, &asked).await;
    assert_eq!(answered.status, Status::Verified);
    assert_eq!(network.ask(same()).await.unwrap(), answered);
    assert_eq!(network.counts()["request"], 1);
    network.clock.advance(1);
    let later = network.ask(same()).await.unwrap();
    assert_ne!(later.request, asked.request);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_late_is_not_sent_again() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let asked = network.ask(ask(|_| ())).await.unwrap();
    network.held(&citizen, &asked.request).await;
    let messages = || network.peers.messages.load(std::sync::atomic::Ordering::SeqCst);
    network.peers.down.lock().unwrap().push(id("welfare"));
    let tax = network.department("tax");
    tax.resume(&network.peers).await.unwrap();
    assert_eq!(tax.unfinished_digests().unwrap(), [asked.request], "it waits for welfare");
    network.peers.down.lock().unwrap().clear();
    network.clock.advance(3_601);
    let before = messages();
    tax.resume(&network.peers).await.unwrap();
    assert_eq!((messages(), tax.unfinished_digests().unwrap()), (before, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_taken_before_anybody_looks_whom_it_is_about() {
    let network = Network::new(0).await;
    network.enrol(&Citizen::new(CURTIS)).await;
    let (registrar, unknown) = (network.department("civil-registry"), Citizen::new(UNKNOWN));
    let code = registrar.enrolment_code(unknown.subject).await.unwrap().code;
    registrar.enrol(unknown.subject, unknown.key(), &code).await.unwrap();
    let (taken, mut messages) = tokio::sync::mpsc::unbounded_channel();
    network.peers.intercept(move |message| {
        let request = matches!(message.path, PeerPath::Requests);
        request.then(|| {
            taken.send(message.body.to_vec()).unwrap();
            Ok(PeerReply::Taken(Vec::new()))
        })
    });
    for subject in [CURTIS, UNKNOWN] {
        network.ask(ask(|ask| ask["subject"] = json!(subject.to_string()))).await.unwrap();
    }
    let tax = network.department("tax");
    let states = || {
        let mut states: Vec<_> =
            tax.received_exchanges(None, 1_000).unwrap().into_iter().map(|it| it.state).collect();
        states.sort_unstable();
        states
    };
    while let Ok(body) = messages.try_recv() {
        tax.peer_request(&id("welfare"), &body).await.unwrap();
    }
    assert_eq!(states(), ["received", "received"]);
    tax.resume(&network.peers).await.unwrap();
    assert_eq!(states(), ["awaiting-consent", "unknown"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_that_is_gone_stops_its_own_exchanges_and_no_others() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    let card = network.enrol(&citizen).await;
    let mut service = tax_service();
    service["dataset"] = json!("lost");
    network.publish("tax", service).await;
    let mut gone = Batch::default();
    gone.delete(Table::Datasets, b"lost");
    network.stores[&id("tax")].commit(gone).unwrap();

    let lost = network.ask(ask(|ask| ask["dataset"] = json!("lost"))).await.unwrap();
    let asked = network.ask(ask(|_| ())).await.unwrap();
    let tax = network.department("tax");
    let error = tax.resume(&network.peers).await.unwrap_err();
    assert_eq!(error.to_string(), "no dataset \"lost\"");
    assert_eq!(tax.unfinished_digests().unwrap().len(), 2);
    let answered = network.answer("tax", &citizen, &asked).await;
    assert_eq!(answered.status, Status::Verified);
    assert_eq!(tax.unfinished_digests().unwrap(), [lost.request]);
    // Nor is a card refused for it.
    assert_eq!(tax.present_card(&citizen.key(), &card).await.unwrap(), ["tax"]);
}
