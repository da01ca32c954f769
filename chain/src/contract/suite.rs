//! The tests that every ledger must pass.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;

use crypto::Digest;
use tokio::task::JoinSet;

use super::Network;
use crate::block::CertifiedBlock;
use crate::checkpoint::NoteKey;
use crate::document::Documents;
use crate::entry::{Content, Entry};
use crate::identifier::EntryId;
use crate::ledger::{Ledger, Submission};
use crate::receipt::Receipt;
use crate::replica::Replica;

/// One chain under test, opened as often as the tests want.
pub trait Harness: Send + Sync {
    /// The ledger under test.
    type Ledger: Ledger + 'static;

    /// The network, with at least three departments.
    fn network(&self) -> &Network;

    /// Opens the chain. Before it is opened again, the ledger of the time before has been dropped.
    fn open(&self) -> impl Future<Output = Self::Ledger> + Send;
}

/// Runs all tests, each on a fresh chain.
///
/// # Panics
/// If the ledger does not keep its contract.
pub async fn check_ledger<H: Harness>(fresh: impl Fn() -> H) {
    receipts_verify(&fresh()).await;
    submitting_again_gives_the_first_receipt(&fresh()).await;
    refused_entries_leave_no_trace(&fresh()).await;
    answers_are_visible_in_the_snapshot(&fresh()).await;
    documents_are_served_by_digest(&fresh()).await;
    concurrent_submissions_stand_once_each(&fresh()).await;
    blocks_are_in_order_and_replay(&fresh()).await;
    subscribers_hear_of_blocks(&fresh()).await;
    checkpoints_are_over_the_tip(&fresh()).await;
    everything_is_there_after_a_restart(&fresh()).await;
}

async fn submit(ledger: &impl Ledger, submission: impl Into<Submission>) -> Receipt {
    ledger.submit(submission.into()).await.expect("the contract's entries keep the rules")
}

async fn all_blocks(ledger: &impl Ledger) -> Vec<CertifiedBlock> {
    let mut blocks = Vec::new();
    loop {
        let next = blocks.len() as u64 + 1;
        let page = ledger.blocks_from(next, 3).await.expect("durable blocks are readable");
        assert!(page.len() <= 3, "a page has at most as many blocks as were asked for");
        if page.is_empty() {
            return blocks;
        }
        blocks.extend(page);
    }
}

async fn receipts_verify<H: Harness>(harness: &H) {
    let (ledger, network) = (harness.open().await, harness.network());
    let genesis = network.genesis();
    let entry = network.request(0, "request");
    let id = entry.id(genesis.network());
    assert_eq!(ledger.receipt(id).await, Ok(None), "nothing is on the chain yet");
    let receipt = submit(&ledger, entry).await;
    let verified = receipt.verify(&genesis).expect("a receipt verifies offline");
    assert_eq!((verified.id, verified.entry), (id, entry));
    assert_eq!(ledger.receipt(id).await, Ok(Some(receipt)));
    let unknown = EntryId::from_digest(Digest::of(b"unknown"));
    assert_eq!(ledger.receipt(unknown).await, Ok(None));
}

async fn submitting_again_gives_the_first_receipt<H: Harness>(harness: &H) {
    let (ledger, network) = (Arc::new(harness.open().await), harness.network());
    let entry = network.request(0, "request");
    let mut together = JoinSet::new();
    for _ in 0..8 {
        let ledger = Arc::clone(&ledger);
        together.spawn(async move { submit(&*ledger, entry).await });
    }
    let receipts = together.join_all().await;
    let later = submit(&*ledger, entry).await;
    assert!(receipts.iter().all(|receipt| *receipt == later), "one entry, one receipt");
    assert_eq!(ledger.snapshot().state().entry_count(), 1);
}

async fn refused_entries_leave_no_trace<H: Harness>(harness: &H) {
    let (ledger, network) = (harness.open().await, harness.network());
    submit(&ledger, network.request(0, "request")).await;
    let before = *ledger.snapshot().tip();

    let stranger = network.entry(9, Content::Request { request: Digest::of(b"stranger") });
    let repeated = network.request(1, "request");
    let circuit = Network::document("circuit");
    let bare = network.entry(0, Content::Circuit { document: *circuit.digest() });
    let key = Network::department_key(1);
    let content = Content::Request { request: Digest::of(b"forged") };
    let forged = Entry::sign(network.genesis().network(), Network::id(0), content, &key);
    let table = [
        (stranger, "entry-author-unknown"),
        (repeated, "request-repeated"),
        (bare, "document-missing"),
        (forged, "entry-signature"),
    ];
    for (entry, code) in table {
        let error = ledger.submit(entry.into()).await.expect_err("it breaks a rule");
        assert_eq!(error.code(), code);
        let id = entry.id(network.genesis().network());
        assert_eq!(ledger.receipt(id).await, Ok(None));
    }
    let other = Some(Network::document("other"));
    let error = ledger.submit(Submission { entry: bare, document: other }).await;
    assert_eq!(error.expect_err("another document").code(), "document-mismatch");
    assert_eq!(*ledger.snapshot().tip(), before);
    submit(&ledger, Submission { entry: bare, document: Some(circuit) }).await;
}

async fn answers_are_visible_in_the_snapshot<H: Harness>(harness: &H) {
    let (ledger, network) = (harness.open().await, harness.network());
    let document = Network::document("circuit");
    let digest = *document.digest();
    let circuit = network.entry(0, Content::Circuit { document: digest });
    submit(&ledger, Submission { entry: circuit, document: Some(document) }).await;
    let entry = circuit.id(network.genesis().network());
    for author in 0..network.departments() {
        submit(&ledger, network.entry(author, Content::Approval { entry })).await;
    }
    assert_eq!(ledger.snapshot().state().approved_circuit(&digest), Some(&entry));
}

async fn documents_are_served_by_digest<H: Harness>(harness: &H) {
    let (ledger, network) = (harness.open().await, harness.network());
    let document = Network::document("service");
    let digest = *document.digest();
    assert_eq!(ledger.document(digest).await, Ok(None));
    let entry = network.entry(0, Content::Service { document: digest, replaces: None });
    submit(&ledger, Submission { entry, document: Some(document.clone()) }).await;
    assert_eq!(ledger.document(digest).await, Ok(Some(document.clone())));
    // The document is known now; another entry may name it without bringing it again.
    submit(&ledger, network.entry(1, Content::Service { document: digest, replaces: None })).await;
    // What no digest names is not kept.
    let stray = Network::document("stray");
    let request = network.request(0, "request");
    submit(&ledger, Submission { entry: request, document: Some(stray.clone()) }).await;
    assert_eq!(ledger.document(*stray.digest()).await, Ok(None));
}

async fn concurrent_submissions_stand_once_each<H: Harness>(harness: &H) {
    let (ledger, network) = (Arc::new(harness.open().await), harness.network());
    let mut together = JoinSet::new();
    for number in 0..48 {
        let ledger = Arc::clone(&ledger);
        let entry = network.request(number % 3, &format!("request {}", number / 2));
        // Every other one repeats the digest of the one before: one of the two is refused.
        together.spawn(async move { ledger.submit(entry.into()).await });
    }
    let results = together.join_all().await;
    let mut indexes = HashSet::new();
    let mut refused = 0;
    for result in results {
        match result {
            Ok(receipt) => {
                receipt.verify(&network.genesis()).expect("a receipt verifies offline");
                assert!(indexes.insert(receipt.index), "an index is given once");
            }
            Err(error) => {
                assert_eq!(error.code(), "request-repeated");
                refused += 1;
            }
        }
    }
    assert_eq!((indexes.len(), refused), (24, 24));
    assert_eq!(ledger.snapshot().tip().log_size, 24);
}

async fn blocks_are_in_order_and_replay<H: Harness>(harness: &H) {
    let (ledger, network) = (harness.open().await, harness.network());
    let document = Network::document("service");
    let service = Content::Service { document: *document.digest(), replaces: None };
    let entry = network.entry(0, service);
    submit(&ledger, Submission { entry, document: Some(document) }).await;
    for number in 0..10 {
        submit(&ledger, network.request(0, &format!("request {number}"))).await;
    }
    let mut follower = Replica::new(network.genesis());
    for (block, height) in all_blocks(&ledger).await.into_iter().zip(1..) {
        assert_eq!(block.block.header().height, height);
        let mut documents = Documents::default();
        for entry in block.block.entries().iter().filter(|entry| entry.kind().has_document()) {
            let document = ledger.document(*entry.content().digest()).await;
            documents.extend(document.expect("durable documents are readable"));
        }
        follower.accept(block, &documents).expect("every block follows from those before it");
    }
    assert_eq!(follower.tip(), ledger.snapshot().tip());
    let past = follower.tip().height + 1;
    assert_eq!(ledger.blocks_from(past, 3).await, Ok(vec![]));
}

async fn subscribers_hear_of_blocks<H: Harness>(harness: &H) {
    let (ledger, network) = (harness.open().await, harness.network());
    let mut blocks = ledger.subscribe();
    assert_eq!(blocks.borrow_and_update().tip().log_size, 0);
    submit(&ledger, network.request(0, "request")).await;
    blocks.changed().await.expect("the ledger is open");
    assert_eq!(blocks.borrow().tip().log_size, 1);
}

async fn checkpoints_are_over_the_tip<H: Harness>(harness: &H) {
    let (ledger, network) = (harness.open().await, harness.network());
    submit(&ledger, network.request(0, "request")).await;
    let genesis = network.genesis();
    let (facts, signed) = (genesis.facts(), ledger.checkpoint().await);
    let signed = signed.expect("the chain has a signed checkpoint");
    let validators = genesis.validators().validators().iter();
    let keys: Vec<_> = validators.map(|v| NoteKey::log(facts.name.clone(), v.key)).collect();
    let (checkpoint, _) =
        signed.verify(&facts.name, &keys).expect("a validator has signed the checkpoint");
    let snapshot = ledger.snapshot();
    assert_eq!(checkpoint.size, snapshot.tip().log_size);
    assert_eq!(checkpoint.root, snapshot.tip().log_root);
    let health = ledger.health().await;
    assert_eq!((&health.tip, health.stopped), (snapshot.tip(), None));
}

async fn everything_is_there_after_a_restart<H: Harness>(harness: &H) {
    let network = harness.network();
    let mut receipts = Vec::new();
    let mut blocks: Vec<CertifiedBlock> = Vec::new();
    for round in 0..3 {
        let ledger = harness.open().await;
        assert_eq!(all_blocks(&ledger).await, blocks, "restart {round}");
        for receipt in &receipts {
            let receipt: &Receipt = receipt;
            let id = receipt.entry.id(network.genesis().network());
            assert_eq!(ledger.receipt(id).await.as_ref(), Ok(&Some(receipt.clone())));
            assert_eq!(submit(&ledger, receipt.entry).await, *receipt);
        }
        for number in 0..3 {
            let entry = network.request(number, &format!("request {round} {number}"));
            receipts.push(submit(&ledger, entry).await);
        }
        blocks = all_blocks(&ledger).await;
    }
    assert_eq!(
        receipts.iter().map(|receipt| receipt.index).collect::<Vec<_>>(),
        (0..9).collect::<Vec<_>>()
    );
}
