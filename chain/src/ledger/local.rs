//! The embedded default: one validator, in this process, over sled.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use crypto::{Digest, SigningKey};
use thiserror::Error;
use tokio::sync::{oneshot, watch};

use super::writer::{Batching, Identity, Job, Writer};
use super::{Health, Ledger, Pending, ReadError, StopReason, Submission, SubmitError, reading};
use crate::block::CertifiedBlock;
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::document::Document;
use crate::entry::SignedEntry;
use crate::genesis::Genesis;
use crate::identifier::{EntryId, ValidatorId};
use crate::receipt::{CertifiedHeader, Receipt, ReceiptError};
use crate::replica::Replica;
use crate::rules::RuleError;
use crate::store::{Boundary, Direct, OpenError, Reader, Store, TipError};
use crate::time::{Clock, SystemClock};

/// Entries that may wait in the queue before submitters are told to come back: 16 blocks of 256.
const QUEUE_ENTRIES: usize = 4_096;
/// How long a submitter waits before it is told that the outcome is unknown.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(30);

/// What a [`LocalLedger`] is opened with.
#[derive(Debug)]
pub struct LocalLedgerOptions {
    /// The chain folder, made if it is not there.
    pub folder: PathBuf,
    /// The genesis.
    pub genesis: Arc<Genesis>,
    /// This validator's id.
    pub validator: ValidatorId,
    /// This validator's key.
    pub key: SigningKey,
    /// Where block time comes from.
    pub clock: Arc<dyn Clock>,
    /// How many entries share a block.
    pub batching: Batching,
    /// Entries that may wait in the queue before submitters are told to come back.
    pub queue: usize,
    /// How long a submitter waits before it is told that the outcome is unknown.
    pub timeout: Duration,
    /// Blocks that peers know. The store must have them, or nothing is signed.
    pub known: Vec<CertifiedHeader>,
    /// What stands between the store and the operating system.
    pub boundary: Arc<dyn Boundary>,
}

impl LocalLedgerOptions {
    /// The defaults.
    pub fn new(
        folder: PathBuf,
        genesis: Arc<Genesis>,
        validator: ValidatorId,
        key: SigningKey,
    ) -> Self {
        Self {
            folder,
            genesis,
            validator,
            key,
            clock: Arc::new(SystemClock),
            batching: Batching::default(),
            queue: QUEUE_ENTRIES,
            timeout: SUBMIT_TIMEOUT,
            known: Vec::new(),
            boundary: Arc::new(Direct),
        }
    }
}

/// Why a ledger does not open. Nothing was signed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenLedgerError {
    /// The chain folder does not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The chain's next block is not this validator's alone to certify.
    #[error("{validator} with this key is not the only validator of height {height}")]
    NotTheValidator {
        /// The validator.
        validator: ValidatorId,
        /// The next height.
        height: u64,
    },
    /// What a peer showed is not a certified block of this network.
    #[error("a peer's block: {0}")]
    Peer(#[from] ReceiptError),
    /// A peer knows a block that this store does not have.
    #[error(transparent)]
    Tip(#[from] TipError),
    /// The writing thread could not be started.
    #[error("cannot start the writing thread: {reason}")]
    Thread {
        /// What the operating system said.
        reason: String,
    },
}

impl OpenLedgerError {
    /// The stable name of the failure; the store's is its own.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::NotTheValidator { .. } => "ledger-not-the-validator",
            Self::Peer(error) => error.code(),
            Self::Tip(error) => error.code(),
            Self::Thread { .. } => "ledger-thread",
        }
    }
}

/// What submitters and the writing thread share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The last durable block. Written by the writing thread.
    newest: watch::Sender<Arc<Replica>>,
    /// Entries in the queue. Raised by submitters, lowered by the writing thread.
    pending: AtomicUsize,
    /// Why the writing thread ended. Written by it, once.
    stopped: OnceLock<StopReason>,
}

impl Shared {
    pub(super) fn publish(&self, replica: &Replica) {
        self.newest.send_replace(Arc::new(replica.clone()));
    }

    pub(super) fn taken(&self, entries: usize) {
        self.pending.fetch_sub(entries, Ordering::Relaxed);
    }

    pub(super) fn stop(&self, reason: StopReason) {
        let _ = self.stopped.set(reason); // only the writing thread sets it, and then ends
    }
}

/// One validator over one chain folder. Dropping it writes what is pending and waits for that.
#[derive(Debug)]
pub struct LocalLedger {
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    reader: Reader,
    syncs: Arc<AtomicU64>,
    identity: Identity,
    timeout: Duration,
}

impl LocalLedger {
    /// Opens or creates the chain folder, checks everything in it, and starts to certify. Blocks the thread
    /// while it checks.
    ///
    /// # Errors
    /// [`OpenLedgerError`], saying why nothing will be signed.
    pub fn open(options: LocalLedgerOptions) -> Result<Self, OpenLedgerError> {
        let LocalLedgerOptions { folder, genesis, validator, key, .. } = options;
        let (store, replica) =
            Store::open(&folder, Arc::clone(&genesis), Arc::clone(&options.boundary))?;
        for header in &options.known {
            store.reader().expect_tip(&header.verify(&genesis)?)?;
        }
        let identity = Identity { id: validator, key: Arc::new(key) };
        if !identity.is_alone_in(replica.state().validators()) {
            let height = replica.tip().height + 1;
            return Err(OpenLedgerError::NotTheValidator { validator, height });
        }
        let shared = Arc::new(Shared {
            newest: watch::Sender::new(Arc::new(replica.clone())),
            pending: AtomicUsize::new(0),
            stopped: OnceLock::new(),
        });
        let (reader, syncs) = (store.reader().clone(), store.sync_count());
        let writer = Writer {
            store,
            replica,
            identity: identity.clone(),
            clock: options.clock,
            batching: options.batching,
            shared: Arc::clone(&shared),
        };
        let (queue, jobs) = sync_channel(options.queue);
        let thread = std::thread::Builder::new()
            .name("chain-writer".to_owned())
            .spawn(move || writer.run(&jobs))
            .map_err(|error| OpenLedgerError::Thread { reason: error.to_string() })?;
        let (queue, thread) = (Some(queue), Some(thread));
        let timeout = options.timeout;
        Ok(Self { queue, thread, shared, reader, syncs, identity, timeout })
    }

    fn stop_reason(&self) -> StopReason {
        self.shared.stopped.get().cloned().unwrap_or(StopReason::Closed)
    }

    /// Checks what can be checked before the entry waits in the queue: on the submitter's thread, so that
    /// the writing thread has less to do.
    fn prepare(
        &self,
        submission: Submission,
    ) -> Result<(SignedEntry, Option<Document>), SubmitError> {
        let Submission { entry, document } = submission;
        let snapshot = self.snapshot();
        let author = *entry.author();
        let department = snapshot.state().department(&author);
        let department = department.ok_or(RuleError::AuthorUnknown { author })?;
        let signed = entry
            .verify(snapshot.genesis().network(), department.signing_key)
            .map_err(RuleError::from)?;
        let document = match document {
            None if entry.kind().has_document() => {
                self.reader.document(entry.content().digest()).map_err(ReadError::from)?
            }
            // A document that the kind has no use for is not kept.
            document => document.filter(|_| entry.kind().has_document()),
        };
        Ok((signed, document))
    }

    async fn submit_and_wait(&self, submission: Submission) -> Result<Receipt, SubmitError> {
        let id = submission.entry.id(self.snapshot().genesis().network());
        if let Some(receipt) = self.make_receipt(&id)? {
            return Ok(receipt);
        }
        let (entry, document) = self.prepare(submission)?;
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(SubmitError::Stopped(StopReason::Closed))?;
        self.shared.pending.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = queue.try_send(Job { entry, document, answer }) {
            self.shared.taken(1);
            return Err(match error {
                TrySendError::Full(_) => SubmitError::Busy,
                TrySendError::Disconnected(_) => SubmitError::Stopped(self.stop_reason()),
            });
        }
        match tokio::time::timeout(self.timeout, answered).await {
            Ok(Ok(result)) => result?,
            Ok(Err(_)) | Err(_) => return Err(SubmitError::Unknown { id }),
        }
        self.make_receipt(&id)?.ok_or(SubmitError::Unknown { id })
    }

    /// The receipt of a durable entry.
    fn make_receipt(&self, id: &EntryId) -> Result<Option<Receipt>, ReadError> {
        reading::receipt(&self.reader, &self.snapshot(), id)
    }
}

impl Ledger for LocalLedger {
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

    fn lag(&self) -> Duration {
        Duration::ZERO
    }

    fn reader(&self) -> &Reader {
        &self.reader
    }

    fn checkpoint(&self) -> Pending<'_, Result<SignedCheckpoint, ReadError>> {
        let snapshot = self.snapshot();
        let (origin, tip) = (snapshot.genesis().facts().name.clone(), snapshot.tip());
        let checkpoint = Checkpoint { origin, size: tip.log_size, root: tip.log_root };
        let signed = checkpoint.sign(&self.identity.key);
        Box::pin(async move { Ok(signed) })
    }

    fn health(&self) -> Pending<'_, Health> {
        let snapshot = self.snapshot();
        let health = Health {
            tip: *snapshot.tip(),
            pending: self.shared.pending.load(Ordering::Relaxed),
            syncs: self.syncs.load(Ordering::Relaxed),
            single_operator: snapshot.state().validators().is_single_operator(),
            stopped: self.shared.stopped.get().cloned(),
            following: None,
        };
        Box::pin(async move { health })
    }
}

impl Drop for LocalLedger {
    fn drop(&mut self) {
        self.queue.take();
        if let Some(thread) = self.thread.take() {
            // A writing thread that panicked has answered nobody, which means unknown.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
