use std::sync::Mutex;

use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::block::{Block, CertifiedBlock};
use crate::checkpoint::{NoteKey, cosigners};
use crate::contract::{Direct as Near, Harness, Network, check_ledger};
use crate::document::Documents;
use crate::entry::Content;
use crate::ledger::{LocalLedger, LocalLedgerOptions, UpstreamError};
use crate::store::faults::{Breakable, Fault};
use crate::store::{Step, forge};

mod faults;
mod pacing;

/// A validator that stays open, and the folder of a follower.
struct World {
    network: Network,
    folder: TempDir,
    validator: Arc<LocalLedger>,
    near: Near,
}

impl World {
    fn new() -> Self {
        let (network, folder) = (Network::new(3), tempfile::tempdir().unwrap());
        let (id, key) = (Network::validator_id(), Network::validator_key());
        let path = folder.path().join("validator");
        let mut options = LocalLedgerOptions::new(path, network.genesis(), id, key);
        options.batching.linger = Duration::ZERO;
        let validator = Arc::new(LocalLedger::open(options).unwrap());
        let near = Near::new(validator.clone());
        Self { network, folder, validator, near }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("follower")
    }

    fn options_to(&self, upstream: Arc<dyn Upstream>) -> FollowerLedgerOptions {
        let genesis = self.network.genesis();
        let runtime = Handle::current();
        FollowerLedgerOptions {
            batch: 4,
            wait: Duration::from_secs(5),
            backoff: Backoff { first: Duration::from_millis(1), most: Duration::from_millis(4) },
            ..FollowerLedgerOptions::new(self.path(), genesis, upstream, runtime)
        }
    }

    fn options(&self) -> FollowerLedgerOptions {
        self.options_to(Arc::new(self.near.clone()))
    }

    fn follow(&self) -> FollowerLedger {
        FollowerLedger::open(self.options()).unwrap()
    }

    fn id(&self, entry: &crate::entry::Entry) -> EntryId {
        entry.id(self.network.genesis().network())
    }

    /// Puts a request on the chain, past the follower.
    async fn put(&self, name: &str) -> EntryId {
        let entry = self.network.request(0, name);
        self.validator.submit(entry.into()).await.unwrap();
        self.id(&entry)
    }
}

async fn caught_up(follower: &FollowerLedger, height: u64) {
    assert!(follower.until(|replica| replica.tip().height >= height).await, "it stopped");
}

impl Harness for World {
    type Ledger = FollowerLedger;

    fn network(&self) -> &Network {
        &self.network
    }

    async fn open(&self) -> FollowerLedger {
        self.follow()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    check_ledger(World::new).await;
}

#[tokio::test]
async fn catches_up_in_batches_also_on_one_thread() {
    let world = World::new();
    let document = Network::document("service");
    let content = Content::Service { document: *document.digest(), replaces: None };
    let entry = world.network.entry(0, content);
    let submission = Submission { entry, document: Some(document.clone()) };
    world.validator.submit(submission).await.unwrap();
    for number in 0..10 {
        world.put(&format!("request {number}")).await;
    }
    let follower = world.follow();
    caught_up(&follower, 11).await;
    assert_eq!(follower.snapshot().tip(), world.validator.snapshot().tip());
    assert_eq!(follower.document(*document.digest()).await, Ok(Some(document)));
    let health = follower.health().await;
    assert_eq!((health.stopped, health.following, health.pending), (None, None, 0));
    assert_eq!(health.syncs, 22);
}

#[tokio::test]
async fn a_receipt_is_given_when_the_own_copy_is_durable() {
    let world = World::new();
    let boundary = Arc::new(Breakable::new(&world.path(), &world.folder.path().join("synced")));
    let mut options = world.options();
    options.boundary = boundary.clone();
    let follower = FollowerLedger::open(options).unwrap();
    for number in 0..3 {
        let entry = world.network.request(0, &number.to_string());
        let receipt = follower.submit(entry.into()).await.unwrap();
        assert_eq!(boundary.crossed(), Step::ALL);
        assert_eq!(Ok(Some(receipt)), world.validator.receipt(world.id(&entry)).await);
    }
}

#[tokio::test]
async fn whatever_fails_the_follower_comes_back_with_all_that_it_acknowledged() {
    for step in Step::ALL {
        for fault in Fault::ALL {
            let row = format!("{step}, {fault:?}");
            let world = World::new();
            let boundary =
                Arc::new(Breakable::new(&world.path(), &world.folder.path().join("synced")));
            let mut options = world.options();
            options.boundary = boundary.clone();
            let follower = FollowerLedger::open(options).unwrap();
            let first = follower.submit(world.network.request(0, "first").into()).await.unwrap();
            boundary.plan(step, fault);
            let second = world.network.request(0, "second");
            let id = world.id(&second);
            let outcome = follower.submit(second.into()).await;
            if (step, fault) == (Step::SyncMark, Fault::CrashAfter) {
                assert!(outcome.is_ok(), "{row}");
            } else {
                assert_eq!(outcome, Err(SubmitError::Unknown { id }), "{row}");
                assert_eq!(follower.receipt(id).await, Ok(None), "{row}");
                let again = follower.submit(second.into()).await.unwrap_err();
                assert_eq!(again.code(), "store-append", "{row}");
            }
            drop(follower);

            let follower = world.follow();
            assert_eq!(follower.receipt(world.id(&first.entry)).await, Ok(Some(first)), "{row}");
            let again = follower.submit(second.into()).await.unwrap();
            assert_eq!(again.index, 1, "{row}");
            assert_eq!(follower.snapshot().tip(), world.validator.snapshot().tip(), "{row}");
        }
    }
}

#[tokio::test]
async fn verified_checkpoints_are_cosigned_and_handed_in() {
    let world = World::new();
    let mut options = world.options();
    options.cosigners = (1..3)
        .map(|number| DepartmentCosigner {
            department: Network::id(number),
            key: Network::department_key(number),
        })
        .collect();
    let follower = FollowerLedger::open(options).unwrap();
    follower.submit(world.network.request(0, "a").into()).await.unwrap();
    let signed = follower.checkpoint().await.unwrap();
    assert_eq!(signed.checkpoint().size, 1);
    let genesis = world.network.genesis();
    let origin = &genesis.facts().name;
    let snapshot = world.validator.snapshot();
    let keys: Vec<_> = cosigners(&snapshot).map(|(_, key)| key).collect();
    let validator = NoteKey::log(origin.clone(), Network::validator_key().verifying_key());
    let known = [keys.clone(), vec![validator]].concat();
    let parsed = SignedCheckpoint::parse(signed.as_str()).unwrap();
    let signatures = parsed.verify(origin, &known).unwrap().1;
    assert_eq!(signatures.len(), 3);
    assert!(signatures.iter().all(|signature| signature.key != keys[0]));

    // The validator's side has them too, sooner or later: the hand-in follows the cosigning.
    let mut newer = follower.subscribe();
    let cosignatures = &world.near.cosignatures;
    let mut number = 0;
    let handed_in = loop {
        if let Some(newest) = cosignatures.newest(&world.validator.snapshot()) {
            break newest;
        }
        number += 1;
        world.put(&format!("more {number}")).await;
        newer.changed().await.unwrap();
    };
    assert_eq!(handed_in.verify(origin, &keys).unwrap().1.len(), 2);
}

#[tokio::test]
async fn a_new_follower_without_upstream_has_no_checkpoint_and_says_why() {
    let world = World::new();
    let upstream = Arc::new(faults::Twisted::new(world.near.clone()));
    upstream.twist(faults::Twist::Unreached);
    let follower = FollowerLedger::open(world.options_to(upstream.clone())).unwrap();
    assert_eq!(follower.checkpoint().await, Err(ReadError::NoCheckpoint));
    let mut following = follower.following();
    let error = following.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    assert_eq!(error.code(), "upstream-unreached");
    assert_eq!(follower.health().await.following, Some(error));
    let entry = world.network.request(0, "a");
    assert_eq!(follower.submit(entry.into()).await, Err(SubmitError::Busy));
    upstream.twist(faults::Twist::None);
    following.wait_for(Option::is_none).await.unwrap();
    follower.submit(entry.into()).await.unwrap();
    assert_eq!(follower.checkpoint().await.unwrap().checkpoint().size, 1);
}

#[tokio::test]
async fn a_lagging_follower_refuses_nothing_that_it_does_not_know_of_yet() {
    let world = World::new();
    let upstream = Arc::new(faults::Twisted::new(world.near.clone()));
    upstream.twist(faults::Twist::NoBlocks);
    let follower = Arc::new(FollowerLedger::open(world.options_to(upstream.clone())).unwrap());
    let request = world.put("request").await;
    // The consent is to a request that the follower has never heard of: a rule of its own copy refuses it.
    let consent = world.network.consent(1, request, "consent");
    let judged = follower.judge(&consent.into(), world.id(&consent)).unwrap_err();
    assert_eq!(judged.code(), "request-unknown");
    let pending = {
        let follower = Arc::clone(&follower);
        tokio::spawn(async move { follower.submit(consent.into()).await })
    };
    // What the validator refuses is refused only when the follower sees why.
    let again = world.network.request(1, "request");
    let refused = {
        let follower = Arc::clone(&follower);
        tokio::spawn(async move { follower.submit(again.into()).await })
    };
    let mut blocks = world.validator.subscribe();
    blocks.wait_for(|replica| replica.tip().height == 2).await.unwrap();
    upstream.twist(faults::Twist::None);
    assert_eq!(pending.await.unwrap().unwrap().index, 1);
    assert_eq!(refused.await.unwrap().unwrap_err().code(), "request-repeated");
}

#[tokio::test]
async fn a_refusal_that_the_own_copy_does_not_share_is_none() {
    let world = World::new();
    let upstream = Arc::new(faults::Twisted::new(world.near.clone()));
    upstream.twist(faults::Twist::RefusesEntries);
    let follower = FollowerLedger::open(world.options_to(upstream)).unwrap();
    let entry = world.network.request(0, "a");
    let id = world.id(&entry);
    assert_eq!(follower.submit(entry.into()).await, Err(SubmitError::Unknown { id }));
}

#[tokio::test]
async fn a_connection_that_drops_after_the_entry_was_taken_loses_nothing() {
    let world = World::new();
    let upstream = Arc::new(faults::Twisted::new(world.near.clone()));
    upstream.twist(faults::Twist::DropsAnswers);
    let follower = FollowerLedger::open(world.options_to(upstream)).unwrap();
    let receipt = follower.submit(world.network.request(0, "a").into()).await.unwrap();
    receipt.verify(&world.network.genesis()).unwrap();
}

#[tokio::test]
async fn too_many_entries_under_way_are_told_to_come_back() {
    let world = World::new();
    let upstream = Arc::new(faults::Twisted::new(world.near.clone()));
    upstream.twist(faults::Twist::NoBlocks);
    let mut options = world.options_to(upstream.clone());
    options.queue = 2;
    let follower = Arc::new(FollowerLedger::open(options).unwrap());
    let mut together = JoinSet::new();
    for name in ["a", "b"] {
        let (follower, entry) = (Arc::clone(&follower), world.network.request(0, name));
        together.spawn(async move { follower.submit(entry.into()).await });
    }
    let mut blocks = world.validator.subscribe();
    blocks.wait_for(|replica| replica.tip().log_size == 2).await.unwrap();
    let third = world.network.request(0, "c");
    assert_eq!(follower.health().await.pending, 2);
    assert_eq!(follower.submit(third.into()).await, Err(SubmitError::Busy));
    upstream.twist(faults::Twist::None);
    assert!(together.join_all().await.iter().all(Result::is_ok));
    assert_eq!(follower.health().await.pending, 0);
}
