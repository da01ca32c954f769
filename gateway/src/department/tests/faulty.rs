//! A chain whose answers get lost, and whose receipts are forged.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chain::block::CertifiedBlock;
use chain::checkpoint::SignedCheckpoint;
use chain::document::Document;
use chain::identifier::{EntryId, NetworkId};
use chain::ledger::{Health, Ledger, Pending, ReadError, Submission, SubmitError};
use chain::receipt::Receipt;
use chain::replica::Replica;
use chain::store::Reader;
use crypto::Digest;
use tokio::sync::watch;

/// A ledger that works, but not always.
#[derive(Debug)]
pub(super) struct Faulty {
    ledger: Arc<dyn Ledger>,
    network: NetworkId,
    /// Words still to be lost on the way back, so that the user does not know what became of an entry.
    pub(super) lost: AtomicUsize,
    /// What is given instead of the receipt of an entry.
    pub(super) forged: Mutex<Option<(EntryId, Option<Receipt>)>>,
}

impl Faulty {
    /// A ledger that has no fault yet.
    pub(super) fn new(ledger: Arc<dyn Ledger>, network: NetworkId) -> Arc<Self> {
        Arc::new(Self { ledger, network, lost: AtomicUsize::new(0), forged: Mutex::default() })
    }
}

impl Ledger for Faulty {
    fn submit(&self, submission: Submission) -> Pending<'_, Result<Receipt, SubmitError>> {
        Box::pin(async move {
            let id = submission.entry.id(&self.network);
            let outcome = self.ledger.submit(submission).await;
            let lose = |left: usize| left.checked_sub(1);
            match self.lost.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lose) {
                Ok(_) => Err(SubmitError::Unknown { id }),
                Err(_) => outcome,
            }
        })
    }

    fn receipt(&self, id: EntryId) -> Pending<'_, Result<Option<Receipt>, ReadError>> {
        match self.forged.lock().unwrap().clone() {
            Some((entry, forged)) if entry == id => Box::pin(async move { Ok(forged) }),
            _ => self.ledger.receipt(id),
        }
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
        self.ledger.snapshot()
    }

    fn subscribe(&self) -> watch::Receiver<Arc<Replica>> {
        self.ledger.subscribe()
    }

    fn checkpoint(&self) -> Pending<'_, Result<SignedCheckpoint, ReadError>> {
        self.ledger.checkpoint()
    }

    fn lag(&self) -> Duration {
        self.ledger.lag()
    }

    fn reader(&self) -> &Reader {
        self.ledger.reader()
    }

    fn health(&self) -> Pending<'_, Health> {
        self.ledger.health()
    }
}
