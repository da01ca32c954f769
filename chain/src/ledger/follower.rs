//! A gateway that is no validator: it keeps a copy of the chain, checks all of it, and writes through
//! another gateway.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crypto::Digest;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use self::cosigning::{Cosigning, Trouble};
use self::following::{Follower, Shared};
use super::upstream::{HandInError, Upstream};
use super::{
    Health, Ledger, OpenLedgerError, Pending, ReadError, StopReason, Submission, SubmitError,
    reading,
};
use crate::block::CertifiedBlock;
use crate::checkpoint::SignedCheckpoint;
use crate::document::Document;
use crate::genesis::Genesis;
use crate::identifier::EntryId;
use crate::receipt::Receipt;
use crate::replica::Replica;
use crate::rules::RuleError;
use crate::store::{Boundary, Direct, Reader, Store};
use crate::time::{Clock, SystemClock};

mod copying;
mod cosigning;
mod following;

pub(crate) use copying::{Copy, CopyError};
pub use cosigning::DepartmentCosigner;
pub(crate) use cosigning::validator_keys;
pub use following::{Backoff, FollowError};

/// Blocks that are asked for at once.
const BATCH: usize = 64;
/// How long the upstream may keep a question for new blocks waiting.
const WAIT: Duration = Duration::from_secs(20);
/// How long a submitter waits before it is told that the outcome is unknown: less than a request may take.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(25);
/// How long to wait for an entry that others say is on the chain: while the upstream is reached, blocks take
/// milliseconds.
const LAG: Duration = Duration::from_secs(5);
/// Entries that may be under way before submitters are told to come back.
const QUEUE_ENTRIES: usize = 1_024;

/// What a [`FollowerLedger`] is opened with.
#[derive(Debug)]
pub struct FollowerLedgerOptions {
    /// The chain folder, made if it is not there.
    pub folder: PathBuf,
    /// The genesis.
    pub genesis: Arc<Genesis>,
    /// Whom to follow, and to submit through.
    pub upstream: Arc<dyn Upstream>,
    /// Where the upstream's futures run. It must outlive the ledger.
    pub runtime: Handle,
    /// Departments that cosign checkpoints over what was verified.
    pub cosigners: Vec<DepartmentCosigner>,
    /// Where a cosignature's time comes from, and that of entries that are judged here.
    pub clock: Arc<dyn Clock>,
    /// Most blocks that are asked for, and held, at once.
    pub batch: usize,
    /// How long the upstream may keep a question for new blocks waiting.
    pub wait: Duration,
    /// How long to wait after a failure.
    pub backoff: Backoff,
    /// Entries that may be under way before submitters are told to come back.
    pub queue: usize,
    /// How long a submitter waits before it is told that the outcome is unknown.
    pub timeout: Duration,
    /// How long to wait for an entry that others say is on the chain.
    pub lag: Duration,
    /// What stands between the store and the operating system.
    pub boundary: Arc<dyn Boundary>,
}

impl FollowerLedgerOptions {
    /// The defaults, without cosigners.
    pub fn new(
        folder: PathBuf,
        genesis: Arc<Genesis>,
        upstream: Arc<dyn Upstream>,
        runtime: Handle,
    ) -> Self {
        Self {
            folder,
            genesis,
            upstream,
            runtime,
            cosigners: Vec::new(),
            clock: Arc::new(SystemClock),
            batch: BATCH,
            wait: WAIT,
            backoff: Backoff::default(),
            queue: QUEUE_ENTRIES,
            timeout: SUBMIT_TIMEOUT,
            lag: LAG,
            boundary: Arc::new(Direct),
        }
    }
}

/// A copy of the chain over one chain folder, which follows an upstream gateway. Dropping it ends the
/// following and waits for that; entries under way are then unknown.
#[derive(Debug)]
pub struct FollowerLedger {
    close: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    cosigning: Arc<Cosigning>,
    upstream: Arc<dyn Upstream>,
    reader: Reader,
    syncs: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
    pending: AtomicUsize,
    queue: usize,
    timeout: Duration,
    lag: Duration,
}

impl FollowerLedger {
    /// Opens or creates the chain folder, checks everything in it, and starts to follow. Blocks the thread
    /// while it checks; does not wait for the upstream.
    ///
    /// # Errors
    /// [`OpenLedgerError`], saying why nothing can be acknowledged from the folder.
    pub fn open(options: FollowerLedgerOptions) -> Result<Self, OpenLedgerError> {
        let FollowerLedgerOptions { folder, genesis, upstream, runtime, clock, .. } = options;
        let (store, replica) = Store::open(&folder, genesis, options.boundary)?;
        let shared = Arc::new(Shared {
            newest: watch::Sender::new(Arc::new(replica.clone())),
            stopped: watch::Sender::new(None),
            following: watch::Sender::new(None),
        });
        let (reader, syncs) = (store.reader().clone(), store.sync_count());
        let cosigning = Arc::new(Cosigning {
            upstream: Arc::clone(&upstream),
            cosigners: options.cosigners,
            clock: Arc::clone(&clock),
            reader: reader.clone(),
            newest: std::sync::Mutex::new(None),
        });
        let follower = Follower {
            copy: Copy::new(store, replica),
            upstream: Arc::clone(&upstream),
            cosigning: Arc::clone(&cosigning),
            shared: Arc::clone(&shared),
            batch: options.batch.max(1),
            wait: options.wait,
            backoff: options.backoff,
            cosigned: 0,
        };
        let (close, closed) = oneshot::channel();
        // A thread of its own: it waits for the disk, and whoever drops the ledger waits for it.
        let thread = std::thread::Builder::new()
            .name("chain-follower".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        biased;
                        _ = closed => {}
                        () = follower.run() => {}
                    }
                });
            })
            .map_err(|error| OpenLedgerError::Thread { reason: error.to_string() })?;
        let (queue, timeout, pending) = (options.queue, options.timeout, AtomicUsize::new(0));
        let (close, thread) = (Some(close), Some(thread));
        Ok(Self {
            close,
            thread,
            shared,
            cosigning,
            upstream,
            reader,
            syncs,
            clock,
            pending,
            queue,
            timeout,
            lag: options.lag,
        })
    }

    /// Tells what keeps the ledger from following, whenever that changes; none while nothing does.
    pub fn following(&self) -> watch::Receiver<Option<FollowError>> {
        self.shared.following.subscribe()
    }

    fn make_receipt(&self, id: &EntryId) -> Result<Option<Receipt>, ReadError> {
        reading::receipt(&self.reader, &self.snapshot(), id)
    }

    fn stop_reason(&self) -> Option<StopReason> {
        self.shared.stopped.borrow().clone()
    }

    /// Waits until the durable copy is as wanted. False if the ledger stopped before.
    async fn until(&self, wanted: impl Fn(&Replica) -> bool) -> bool {
        let (mut newest, mut stopped) =
            (self.shared.newest.subscribe(), self.shared.stopped.subscribe());
        tokio::select! {
            biased;
            there = newest.wait_for(|replica| wanted(replica)) => there.is_ok(),
            _ = stopped.wait_for(Option::is_some) => false,
        }
    }

    async fn submit_and_wait(&self, submission: Submission) -> Result<Receipt, SubmitError> {
        let id = submission.entry.id(self.snapshot().genesis().network());
        if let Some(receipt) = self.make_receipt(&id)? {
            return Ok(receipt);
        }
        if let Some(reason) = self.stop_reason() {
            return Err(SubmitError::Stopped(reason));
        }
        if matches!(*self.shared.following.borrow(), Some(FollowError::Shorter { .. })) {
            return Err(SubmitError::Busy); // what it takes now may be on another chain
        }
        let _place = Place::take(&self.pending, self.queue).ok_or(SubmitError::Busy)?;
        match tokio::time::timeout(self.timeout, self.hand_in(submission, id)).await {
            Ok(result) => result?,
            Err(_) => return Err(SubmitError::Unknown { id }),
        }
        self.make_receipt(&id)?.ok_or(SubmitError::Unknown { id })
    }

    /// Returns when the own copy has the entry. What the upstream says of it is no answer yet.
    async fn hand_in(&self, submission: Submission, id: EntryId) -> Result<(), SubmitError> {
        let known = |replica: &Replica| replica.state().position(&id).is_some();
        let handed_in = tokio::select! {
            biased;
            known = self.until(known) => {
                return if known { Ok(()) } else { Err(SubmitError::Unknown { id }) };
            }
            handed_in = self.upstream.submit(submission.clone()) => handed_in,
        };
        match handed_in {
            Err(HandInError::NotTaken { .. }) => return Err(SubmitError::Busy),
            Err(HandInError::Refused { height, .. }) => {
                // It was refused as of a chain that this copy may not have yet, and only this copy's word
                // counts.
                if !self.until(|replica| known(replica) || replica.tip().height >= height).await {
                    return Err(SubmitError::Unknown { id });
                }
                return self.judge(&submission, id);
            }
            // If the upstream has it after all, its block comes.
            Ok(()) | Err(HandInError::Unknown { .. }) => {}
        }
        if self.until(known).await { Ok(()) } else { Err(SubmitError::Unknown { id }) }
    }

    /// What the own copy says of an entry that the upstream refused.
    fn judge(&self, submission: &Submission, id: EntryId) -> Result<(), SubmitError> {
        let snapshot = self.snapshot();
        if snapshot.state().position(&id).is_some() {
            return Ok(());
        }
        let entry = &submission.entry;
        let stored = match &submission.document {
            None if entry.kind().has_document() => {
                self.reader.document(entry.content().digest()).map_err(ReadError::from)?
            }
            _ => None,
        };
        let document = stored.as_ref().or(submission.document.as_ref());
        let document = document.filter(|_| entry.kind().has_document());
        let judged: Result<_, RuleError> = snapshot.draft(self.clock.now()).push(entry, document);
        // That the upstream refuses what keeps the rules is no rule's refusal.
        judged.map_or_else(|rule| Err(rule.into()), |_| Err(SubmitError::Unknown { id }))
    }

    /// The newest checkpoint that can be had in time.
    async fn newest_checkpoint(&self) -> Result<SignedCheckpoint, ReadError> {
        let kept = self.cosigning.newest();
        let size = self.snapshot().tip().log_size;
        if let Some(kept) = kept.filter(|kept| kept.checkpoint().size == size) {
            return Ok(kept);
        }
        let newer = async {
            loop {
                match self.cosigning.refresh(&self.snapshot()).await {
                    Err(Trouble::Ahead { size }) => {
                        if !self.until(|replica| replica.tip().log_size >= size).await {
                            return;
                        }
                    }
                    // What was got is kept; what was not is noted by the thread that follows.
                    Ok(_) | Err(_) => return,
                }
            }
        };
        let _ = tokio::time::timeout(self.timeout, newer).await;
        self.cosigning.newest().ok_or(ReadError::NoCheckpoint)
    }
}

impl Ledger for FollowerLedger {
    fn submit(&self, submission: Submission) -> Pending<'_, Result<Receipt, SubmitError>> {
        Box::pin(self.submit_and_wait(submission))
    }

    fn receipt(&self, id: EntryId) -> Pending<'_, Result<Option<Receipt>, ReadError>> {
        Box::pin(async move { self.make_receipt(&id) })
    }

    fn blocks_from(
        &self,
        height: u64,
        limit: usize,
    ) -> Pending<'_, Result<Vec<CertifiedBlock>, ReadError>> {
        Box::pin(async move { reading::blocks(&self.reader, &self.snapshot(), height, limit) })
    }

    fn document(&self, digest: Digest) -> Pending<'_, Result<Option<Document>, ReadError>> {
        Box::pin(async move { Ok(self.reader.document(&digest)?) })
    }

    fn snapshot(&self) -> Arc<Replica> {
        Arc::clone(&self.shared.newest.borrow())
    }

    fn subscribe(&self) -> watch::Receiver<Arc<Replica>> {
        self.shared.newest.subscribe()
    }

    fn checkpoint(&self) -> Pending<'_, Result<SignedCheckpoint, ReadError>> {
        Box::pin(self.newest_checkpoint())
    }

    fn lag(&self) -> Duration {
        self.lag
    }

    fn reader(&self) -> &Reader {
        &self.reader
    }

    fn health(&self) -> Pending<'_, Health> {
        let snapshot = self.snapshot();
        let health = Health {
            tip: *snapshot.tip(),
            pending: self.pending.load(Ordering::Relaxed),
            syncs: self.syncs.load(Ordering::Relaxed),
            single_operator: snapshot.state().validators().is_single_operator(),
            stopped: self.stop_reason(),
            following: self.shared.following.borrow().clone(),
        };
        Box::pin(async move { health })
    }
}

impl Drop for FollowerLedger {
    fn drop(&mut self) {
        self.close.take();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has acknowledged nothing that is not durable.
            let _ = thread.join();
        }
    }
}

/// One of the entries under way.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(pending: &'a AtomicUsize, most: usize) -> Option<Self> {
        let place = Self(pending);
        (pending.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
