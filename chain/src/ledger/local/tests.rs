use std::path::Path;

use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::contract::{Harness, Network, check_ledger};
use crate::entry::Content;
use crate::store::Step;
use crate::store::faults::{Breakable, Fault};
use crate::time::Timestamp;

/// A clock that the test sets.
#[derive(Debug, Default)]
struct Hands(AtomicU64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.0.load(Ordering::Relaxed))
    }
}

fn options(folder: &Path, network: &Network) -> LocalLedgerOptions {
    let folder = folder.join("chain");
    let (id, key) = (Network::validator_id(), Network::validator_key());
    let mut options = LocalLedgerOptions::new(folder, network.genesis(), id, key);
    options.batching.linger = Duration::ZERO;
    options
}

struct Local {
    folder: TempDir,
    network: Network,
}

impl Local {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), network: Network::new(3) }
    }

    fn options(&self) -> LocalLedgerOptions {
        options(self.folder.path(), &self.network)
    }

    fn boundary(&self) -> Arc<Breakable> {
        let (chain, synced) = (self.folder.path().join("chain"), self.folder.path().join("synced"));
        Arc::new(Breakable::new(&chain, &synced))
    }

    fn refusal(&self, options: LocalLedgerOptions) -> &'static str {
        LocalLedger::open(options).map_or_else(|error| error.code(), |_| "ok")
    }
}

impl Harness for Local {
    type Ledger = LocalLedger;

    fn network(&self) -> &Network {
        &self.network
    }

    async fn open(&self) -> LocalLedger {
        LocalLedger::open(self.options()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    check_ledger(Local::new).await;
}

#[tokio::test]
async fn many_entries_share_one_block_and_its_two_syncs() {
    let local = Local::new();
    let mut options = local.options();
    // The group is closed by its size, long before the time is up.
    options.batching = Batching { entries: 64, linger: Duration::from_secs(600) };
    let ledger = Arc::new(LocalLedger::open(options).unwrap());
    let mut together = JoinSet::new();
    for number in 0..64 {
        let (ledger, entry) = (Arc::clone(&ledger), local.network.request(0, &number.to_string()));
        together.spawn(async move { ledger.submit(entry.into()).await.unwrap() });
    }
    let receipts = together.join_all().await;
    assert!(receipts.iter().all(|receipt| receipt.header.header.height == 1));
    let health = ledger.health().await;
    assert_eq!((health.syncs, health.tip.height, health.tip.log_size), (2, 1, 64));
    assert_eq!(health.pending, 0);
    assert!(health.single_operator);
}

#[tokio::test]
async fn nothing_is_acknowledged_before_it_is_synced() {
    let local = Local::new();
    let boundary = local.boundary();
    let mut options = local.options();
    options.boundary = boundary.clone();
    let ledger = LocalLedger::open(options).unwrap();
    for number in 0..3 {
        ledger.submit(local.network.request(0, &number.to_string()).into()).await.unwrap();
        assert_eq!(boundary.crossed(), Step::ALL);
    }
}

#[tokio::test]
async fn whatever_fails_the_submitter_is_told_unknown_and_may_submit_again() {
    for step in Step::ALL {
        for fault in Fault::ALL {
            let row = format!("{step}, {fault:?}");
            let local = Local::new();
            let first = local.network.request(0, "first");
            let second = local.network.request(0, "second");
            let id = second.id(local.network.genesis().network());

            let boundary = local.boundary();
            let mut options = local.options();
            options.boundary = boundary.clone();
            let ledger = LocalLedger::open(options).unwrap();
            let receipt = ledger.submit(first.into()).await.unwrap();
            boundary.plan(step, fault);
            let result = ledger.submit(second.into()).await;
            if (step, fault) == (Step::SyncMark, Fault::CrashAfter) {
                assert!(result.is_ok(), "{row}");
            } else {
                assert_eq!(result, Err(SubmitError::Unknown { id }), "{row}");
                assert_eq!(ledger.receipt(id).await, Ok(None), "{row}");
                assert_eq!(ledger.snapshot().tip().height, 1, "{row}");
                // Whoever follows is not told of what may yet be lost either.
                assert_eq!(ledger.blocks_from(1, 10).await.unwrap().len(), 1, "{row}");
            }
            drop(ledger);

            let ledger = local.open().await;
            let again = ledger.submit(second.into()).await.unwrap();
            again.verify(&local.network.genesis()).unwrap();
            assert_eq!((receipt.index, again.index), (0, 1), "{row}");
            assert_eq!(ledger.snapshot().tip().log_size, 2, "{row}");
        }
    }
}

/// Holds every commit until the test lets it go on.
#[derive(Debug)]
struct Gate {
    reached: std::sync::mpsc::Sender<()>,
    opened: std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Boundary for Gate {
    fn cross(
        &self,
        step: Step,
        action: &mut dyn FnMut() -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        if step == Step::Commit {
            self.reached.send(()).unwrap();
            self.opened.lock().unwrap().recv().unwrap();
        }
        action()
    }
}

#[tokio::test]
async fn a_full_queue_refuses_and_loses_nothing() {
    let local = Local::new();
    let (reached, writing) = std::sync::mpsc::channel();
    let (open, opened) = std::sync::mpsc::channel();
    let mut options = local.options();
    options.boundary = Arc::new(Gate { reached, opened: opened.into() });
    options.queue = 1;
    let ledger = Arc::new(LocalLedger::open(options).unwrap());
    let [a, b, c] = ["a", "b", "c"].map(|name| local.network.request(0, name));
    let submit = |entry: crate::entry::Entry| {
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move { ledger.submit(entry.into()).await })
    };
    let first = submit(a);
    tokio::task::yield_now().await;
    writing.recv().unwrap(); // the first is being written, the queue is empty
    let second = submit(b);
    tokio::task::yield_now().await;
    assert_eq!(ledger.health().await.pending, 1);
    assert_eq!(ledger.submit(c.into()).await, Err(SubmitError::Busy));
    for _ in 0..3 {
        open.send(()).unwrap();
    }
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(ledger.submit(c.into()).await.unwrap().index, 2);
}

#[tokio::test]
async fn a_stopped_ledger_says_why() {
    let local = Local::new();
    let boundary = local.boundary();
    let mut options = local.options();
    options.boundary = boundary.clone();
    let mut ledger = LocalLedger::open(options).unwrap();
    boundary.plan(Step::SyncStore, Fault::FailedNotStored);
    assert!(ledger.submit(local.network.request(0, "a").into()).await.is_err());
    ledger.thread.take().unwrap().join().unwrap();
    let error = ledger.submit(local.network.request(0, "b").into()).await.unwrap_err();
    assert_eq!(error.code(), "store-append");
    assert_eq!(ledger.health().await.stopped.unwrap().code(), "store-append");
}

#[tokio::test]
async fn a_submitter_that_goes_away_leaves_its_entry_pending() {
    let local = Local::new();
    let mut options = local.options();
    options.batching = Batching { entries: 2, linger: Duration::from_secs(600) };
    options.timeout = Duration::ZERO;
    let ledger = LocalLedger::open(options).unwrap();
    let [a, b] = ["a", "b"].map(|name| local.network.request(0, name));
    let id = a.id(local.network.genesis().network());
    let error = ledger.submit(a.into()).await.unwrap_err();
    assert_eq!(error, SubmitError::Unknown { id });
    let mut blocks = ledger.subscribe();
    let _ = ledger.submit(b.into()).await; // fills the group
    blocks.changed().await.unwrap();
    assert!(ledger.receipt(id).await.unwrap().is_some());
}

#[tokio::test]
async fn block_time_is_the_clock_s_and_never_runs_back() {
    let local = Local::new();
    let clock = Arc::new(Hands::default());
    let mut options = local.options();
    options.clock = clock.clone();
    let ledger = LocalLedger::open(options).unwrap();
    let mut times = Vec::new();
    for (number, now) in [100, 90, 100, 130].into_iter().enumerate() {
        clock.0.store(now, Ordering::Relaxed);
        let entry = local.network.request(0, &number.to_string());
        let receipt = ledger.submit(entry.into()).await.unwrap();
        times.push(receipt.verify(&local.network.genesis()).unwrap().time.unix_seconds());
    }
    assert_eq!(times, [100, 100, 100, 130]);
}

#[tokio::test]
async fn only_the_elected_validator_certifies() {
    let local = Local::new();
    let mut other_key = local.options();
    other_key.key = Network::key(201);
    assert_eq!(local.refusal(other_key), "ledger-not-the-validator");
    let mut other_id = local.options();
    other_id.validator = "successor".parse().unwrap();
    assert_eq!(local.refusal(other_id), "ledger-not-the-validator");
    assert_eq!(local.refusal(local.options()), "ok");
}

#[tokio::test]
async fn a_validator_hands_over_two_heights_after_the_election() {
    let local = Local::new();
    let set = Network::validator_set("successor", 201);
    let ledger = local.open().await;
    let elect = local.network.entry(0, Content::Validators { document: *set.digest() });
    let submission = Submission { entry: elect, document: Some(set.document().clone()) };
    ledger.submit(submission).await.unwrap();
    let entry = elect.id(local.network.genesis().network());
    let mut last = None;
    for author in 0..3 {
        let approval = local.network.entry(author, Content::Approval { entry });
        last = Some(ledger.submit(approval.into()).await.unwrap());
    }
    let elected = last.unwrap().header.header.height;
    // One more height is the old validator's.
    let kept = ledger.submit(local.network.request(0, "kept").into()).await.unwrap();
    assert_eq!(kept.header.header.height, elected + 1);
    let late = local.network.request(0, "late");
    let id = late.id(local.network.genesis().network());
    assert_eq!(ledger.submit(late.into()).await, Err(SubmitError::Unknown { id }));
    drop(ledger);
    assert_eq!(local.refusal(local.options()), "ledger-not-the-validator");

    let mut options = local.options();
    options.validator = "successor".parse().unwrap();
    options.key = Network::key(201);
    let ledger = LocalLedger::open(options).unwrap();
    let receipt = ledger.submit(late.into()).await.unwrap();
    assert_eq!(receipt.header.hand_overs.len(), 1);
    let verified = receipt.verify(&local.network.genesis()).unwrap();
    assert_eq!((verified.height, verified.single_operator), (elected + 2, true));
    let kept_again = ledger.receipt(kept.entry.id(local.network.genesis().network())).await;
    assert_eq!(kept_again, Ok(Some(kept)));
}

#[tokio::test]
async fn a_store_behind_its_peers_does_not_sign() {
    let local = Local::new();
    let ledger = local.open().await;
    let receipt = ledger.submit(local.network.request(0, "a").into()).await.unwrap();
    drop(ledger);
    let empty = Local::new();
    let mut options = empty.options();
    options.known = vec![receipt.header.clone()];
    assert_eq!(empty.refusal(options), "tip-behind");

    let fork = Local::new();
    let ledger = fork.open().await;
    ledger.submit(fork.network.request(0, "b").into()).await.unwrap();
    drop(ledger);
    let mut options = fork.options();
    options.known = vec![receipt.header.clone()];
    assert_eq!(fork.refusal(options), "tip-conflict");

    let mut forged = receipt.header.clone();
    forged.header.time = Timestamp::from_unix_seconds(1);
    let mut options = local.options();
    options.known = vec![forged];
    assert_eq!(local.refusal(options), "certificate-signature");
    let mut options = local.options();
    options.known = vec![receipt.header];
    assert_eq!(local.refusal(options), "ok");
}

#[tokio::test]
async fn closing_writes_what_is_pending() {
    let local = Local::new();
    let mut options = local.options();
    options.batching = Batching { entries: 1_000, linger: Duration::from_secs(600) };
    options.timeout = Duration::ZERO;
    let ledger = LocalLedger::open(options).unwrap();
    let entry = local.network.request(0, "pending");
    assert!(ledger.submit(entry.into()).await.is_err());
    drop(ledger);
    let ledger = local.open().await;
    let id = entry.id(local.network.genesis().network());
    assert!(ledger.receipt(id).await.unwrap().is_some());
}
