//! A chain whose answers get lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chain::block::CertifiedBlock;
use chain::checkpoint::SignedCheckpoint;
use chain::document::Document;
use chain::identifier::{EntryId, NetworkId};
use chain::ledger::{Health, Ledger, Pending, ReadError, Submission, SubmitError};
use chain::receipt::Receipt;
use chain::replica::Replica;
use crypto::Digest;
use tokio::sync::watch;

/// A ledger whose word gets lost on the way back, so that its user does not know what became of an
/// entry.
#[derive(Debug)]
pub(super) struct Unheard {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) network: NetworkId,
    /// Words still to be lost.
    pub(super) lost: Arc<AtomicUsize>,
}

impl Ledger for Unheard {
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
        self.ledger.snapshot()
    }

    fn subscribe(&self) -> watch::Receiver<Arc<Replica>> {
        self.ledger.subscribe()
    }

    fn checkpoint(&self) -> Pending<'_, SignedCheckpoint> {
        self.ledger.checkpoint()
    }

    fn health(&self) -> Pending<'_, Health> {
        self.ledger.health()
    }
}
