//! Departments whose copy of the chain is behind that of those who write to them.

use std::time::Duration;

use chain::block::CertifiedBlock;
use chain::checkpoint::SignedCheckpoint;
use chain::ledger::{Health, Pending};
use chain::receipt::Receipt;
use chain::store::Reader;
use tokio::sync::watch;

use super::*;
use crate::department::payloads::Delivery;

/// A copy of a ledger's chain that can be held where it is.
#[derive(Debug)]
struct Lagging {
    ledger: Arc<dyn Ledger>,
    newest: watch::Sender<Arc<Replica>>,
    held: watch::Sender<bool>,
    lag: Duration,
}

impl Lagging {
    fn new(ledger: Arc<dyn Ledger>, lag: Duration) -> Arc<Self> {
        let newest = watch::Sender::new(ledger.snapshot());
        let copy = Arc::new(Self { ledger, newest, held: watch::Sender::new(false), lag });
        tokio::spawn(Arc::clone(&copy).follow());
        copy
    }

    async fn follow(self: Arc<Self>) {
        let (mut blocks, mut held) = (self.ledger.subscribe(), self.held.subscribe());
        loop {
            if held.wait_for(|held| !held).await.is_err() {
                return;
            }
            self.newest.send_replace(blocks.borrow_and_update().clone());
            tokio::select! {
                _ = held.changed() => {}
                changed = blocks.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Holds the copy where it is, with all that is on the chain now.
    async fn hold(&self) {
        let tip = self.ledger.snapshot().tip().height;
        let mut newest = self.newest.subscribe();
        newest.wait_for(|replica| replica.tip().height >= tip).await.unwrap();
        self.held.send_replace(true);
    }

    fn release(&self) {
        self.held.send_replace(false);
    }
}

impl Ledger for Lagging {
    fn submit(&self, submission: Submission) -> Pending<'_, Result<Receipt, SubmitError>> {
        Box::pin(async move {
            let receipt = self.ledger.submit(submission).await?;
            let mut newest = self.newest.subscribe();
            let height = receipt.header.header.height;
            newest.wait_for(|replica| replica.tip().height >= height).await.unwrap();
            Ok(receipt)
        })
    }

    fn receipt(&self, id: EntryId) -> Pending<'_, Result<Option<Receipt>, ReadError>> {
        if self.snapshot().state().position(&id).is_none() {
            return Box::pin(async { Ok(None) });
        }
        self.ledger.receipt(id)
    }

    fn blocks_from(
        &self,
        height: u64,
        limit: usize,
    ) -> Pending<'_, Result<Vec<CertifiedBlock>, ReadError>> {
        self.ledger.blocks_from(height, limit)
    }

    fn document(&self, digest: Digest) -> Pending<'_, Result<Option<Document>, ReadError>> {
        self.ledger.document(digest)
    }

    fn snapshot(&self) -> Arc<Replica> {
        Arc::clone(&self.newest.borrow())
    }

    fn subscribe(&self) -> watch::Receiver<Arc<Replica>> {
        self.newest.subscribe()
    }

    fn checkpoint(&self) -> Pending<'_, Result<SignedCheckpoint, ReadError>> {
        self.ledger.checkpoint()
    }

    fn lag(&self) -> Duration {
        self.lag
    }

    fn reader(&self) -> &Reader {
        self.ledger.reader()
    }

    fn health(&self) -> Pending<'_, Health> {
        self.ledger.health()
    }
}

/// Long enough for anything that comes at all.
const LONG: Duration = Duration::from_secs(60);
/// So short that it is over at once.
const SHORT: Duration = Duration::from_millis(1);

/// A network in which `name` has a copy of the chain that is `lag` behind at most.
async fn network(name: &str, lag: Duration) -> (Arc<Network>, Arc<Lagging>, Citizen) {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let (network, copy) = behind(network, name, lag);
    (network, copy, citizen)
}

/// This network, with such a copy.
fn behind(mut network: Network, name: &str, lag: Duration) -> (Arc<Network>, Arc<Lagging>) {
    let whole = Arc::clone(&network.shared.ledger);
    let copy = Lagging::new(Arc::clone(&whole), lag);
    network.shared.ledger = Arc::clone(&copy) as Arc<dyn Ledger>;
    network.start(name);
    network.shared.ledger = whole;
    (Arc::new(network), copy)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_waits_for_the_requester_s_copy_of_the_chain() {
    let (network, copy, citizen) = network("welfare", LONG).await;
    let asked = network.ask(ask(|_| ())).await.unwrap();
    copy.hold().await;
    network.consent("tax", &citizen, &asked.request).await;
    let delivering = {
        let (network, request) = (Arc::clone(&network), asked.request);
        tokio::spawn(async move {
            network.department("tax").advance(&request, &network.peers).await.unwrap();
        })
    };
    // The proof is on the chain, and the requester does not know it.
    let mut blocks = network.shared.ledger.subscribe();
    let proof = |replica: &Arc<Replica>| {
        replica.state().counts().any(|(kind, count)| kind.as_str() == "proof" && count == 1)
    };
    blocks.wait_for(proof).await.unwrap();
    assert_eq!(network.status(&asked).await.status, Status::Sent);
    copy.release();
    delivering.await.unwrap();
    assert_eq!(network.status(&asked).await.status, Status::Verified);
    assert!(network.peers.refusals.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_came_too_early_is_sent_again() {
    let (network, copy, citizen) = network("welfare", SHORT).await;
    let asked = network.ask(ask(|_| ())).await.unwrap();
    copy.hold().await;
    network.consent("tax", &citizen, &asked.request).await;
    let tax = network.department("tax");
    tax.advance(&asked.request, &network.peers).await.unwrap();
    let undelivered = tax.received(&asked.request).unwrap().unwrap().stage;
    let waits = matches!(undelivered, answering::Stage::Answered { delivered: false, .. });
    assert!(waits, "{undelivered:?}");
    assert_eq!(network.status(&asked).await.status, Status::Sent);
    copy.release();
    let mut newest = copy.subscribe();
    let tip = network.shared.ledger.snapshot().tip().height;
    newest.wait_for(|replica| replica.tip().height >= tip).await.unwrap();
    tax.resume(&network.peers).await.unwrap();
    assert_eq!(network.status(&asked).await.status, Status::Verified);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_waits_for_the_issuer_s_copy_of_the_chain() {
    for (lag, taken_at_once) in [(LONG, true), (SHORT, false)] {
        let (network, copy, citizen) = network("tax", lag).await;
        copy.hold().await;
        let asking = {
            let network = Arc::clone(&network);
            tokio::spawn(async move { network.ask(ask(|_| ())).await.unwrap() })
        };
        let mut blocks = network.shared.ledger.subscribe();
        let requested = |replica: &Arc<Replica>| {
            replica.state().counts().any(|(kind, count)| kind.as_str() == "request" && count == 1)
        };
        blocks.wait_for(requested).await.unwrap();
        let asked = if taken_at_once {
            copy.release();
            asking.await.unwrap()
        } else {
            let asked = asking.await.unwrap();
            assert!(network.department("tax").received(&asked.request).unwrap().is_none());
            copy.release();
            let mut newest = copy.subscribe();
            newest.wait_for(requested).await.unwrap();
            network.department("welfare").resume(&network.peers).await.unwrap();
            asked
        };
        assert!(network.peers.refusals.lock().unwrap().is_empty());
        let answered = network.answer("tax", &citizen, &asked).await;
        assert_eq!(answered.status, Status::Verified);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_waits_for_the_requester_s_copy_to_have_each_key_approved() {
    for (lag, is_asked) in [(LONG, true), (SHORT, false)] {
        let network = Network::bare(0);
        network.publish("tax", tax_service()).await;
        let entries = network.approve_circuits(&["tax", "welfare"]).await;
        let (network, copy) = behind(network, "welfare", lag);
        copy.hold().await;
        let asking = {
            let network = Arc::clone(&network);
            let of_a_wallet = |ask: &mut Json| {
                ask.as_object_mut().unwrap().remove("subject");
            };
            tokio::spawn(async move { network.ask(ask(of_a_wallet)).await })
        };
        if !is_asked {
            assert_eq!(asking.await.unwrap().unwrap_err().code(), "circuit-unapproved");
            continue;
        }
        copy.release();
        // That of the other circuit is approved first.
        for entry in entries {
            network.department("civil-registry").approve(entry).await.unwrap();
        }
        assert_eq!(asking.await.unwrap().unwrap().status, Status::Sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_s_copy_waits_for_nothing() {
    let network = Network::new(0).await;
    let unknown = EntryId::from_digest(Digest::of(b"unknown"));
    network.department("tax").wait_for_entries(&[unknown]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_waits_for_the_requester_s_and_the_issuer_s_copy_of_the_chain() {
    for name in ["welfare", "tax"] {
        let (network, copy, _) = network(name, LONG).await;
        copy.hold().await;
        let citizen = Citizen::new(ARIANA);
        let registrar = network.department("civil-registry");
        let code = registrar.enrolment_code(citizen.subject).await.unwrap().code;
        let card = registrar.enrol(citizen.subject, citizen.key(), &code).await.unwrap();
        registrar.present_card(&citizen.key(), &card).await.unwrap();
        let waiting = {
            let (network, key) = (Arc::clone(&network), citizen.key());
            tokio::spawn(async move {
                if name == "tax" {
                    network.department("tax").present_card(&key, &card).await.unwrap();
                } else {
                    let about = |ask: &mut Json| ask["subject"] = json!(ARIANA.to_string());
                    network.ask(ask(about)).await.unwrap();
                }
            })
        };
        copy.release();
        waiting.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_waits_for_the_recipient_s_copy_of_the_chain() {
    let (network, copy, citizen) = network("welfare", LONG).await;
    let asked = network.ask(ask(|_| ())).await.unwrap();
    let answered = network.answer("tax", &citizen, &asked).await;
    assert_eq!(answered.status, Status::Verified);
    copy.hold().await;
    let sending = {
        let (network, request) = (Arc::clone(&network), asked.request);
        tokio::spawn(async move {
            let (tax, notice) = (network.department("tax"), &b"a short notice"[..]);
            tax.send_payload(&request, "notice.txt", notice, &network.peers).await.unwrap()
        })
    };
    let mut blocks = network.shared.ledger.subscribe();
    let sent = |replica: &Arc<Replica>| {
        let mut counts = replica.state().counts();
        counts.any(|(kind, count)| kind.as_str() == "payload-sent" && count == 1)
    };
    blocks.wait_for(sent).await.unwrap();
    copy.release();
    let sent = sending.await.unwrap();
    assert_eq!(sent.delivery, Delivery::Delivered);
}
