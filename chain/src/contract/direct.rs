//! An upstream without a network between: another ledger of the same process.

use std::sync::Arc;
use std::time::Duration;

use crypto::Digest;

use crate::block::CertifiedBlock;
use crate::checkpoint::{Cosignatures, SignedCheckpoint};
use crate::document::Document;
use crate::ledger::{
    HandInError, Ledger, Pending, Submission, SubmitError, Upstream, UpstreamError, blocks_or_wait,
};

/// A ledger as its gateway shows it to followers.
#[derive(Clone, Debug)]
pub struct Direct {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The cosignatures that its gateway keeps.
    pub cosignatures: Arc<Cosignatures>,
}

impl Direct {
    /// The upstream that `ledger` is.
    pub fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger, cosignatures: Arc::default() }
    }
}

fn unreached(error: &dyn std::fmt::Display) -> UpstreamError {
    UpstreamError::Unreached { reason: error.to_string() }
}

impl Upstream for Direct {
    fn blocks(
        &self,
        from: u64,
        limit: usize,
        wait: Duration,
    ) -> Pending<'_, Result<Vec<CertifiedBlock>, UpstreamError>> {
        Box::pin(async move {
            let blocks = blocks_or_wait(&*self.ledger, from, limit, wait).await;
            blocks.map_err(|error| unreached(&error))
        })
    }

    fn document(&self, digest: Digest) -> Pending<'_, Result<Option<Document>, UpstreamError>> {
        Box::pin(
            async move { self.ledger.document(digest).await.map_err(|error| unreached(&error)) },
        )
    }

    fn submit(&self, submission: Submission) -> Pending<'_, Result<(), HandInError>> {
        Box::pin(async move {
            let Err(error) = self.ledger.submit(submission).await else { return Ok(()) };
            let reason = error.to_string();
            Err(match error {
                SubmitError::Refused(rule) => {
                    let height = self.ledger.snapshot().tip().height;
                    HandInError::Refused { code: rule.code().to_owned(), height }
                }
                SubmitError::Unknown { .. } => HandInError::Unknown { reason },
                SubmitError::Read(_) => return Ok(()),
                SubmitError::Busy | SubmitError::Stopped(_) => HandInError::NotTaken { reason },
            })
        })
    }

    fn checkpoint(&self) -> Pending<'_, Result<SignedCheckpoint, UpstreamError>> {
        Box::pin(async move {
            let signed = self.ledger.checkpoint().await.map_err(|error| unreached(&error))?;
            Ok(self.cosignatures.attach(&signed, &self.ledger.snapshot()))
        })
    }

    fn cosign(&self, checkpoint: SignedCheckpoint) -> Pending<'_, Result<(), UpstreamError>> {
        Box::pin(async move {
            let (replica, hashes) = (self.ledger.snapshot(), self.ledger.reader());
            let taken = self.cosignatures.take(&checkpoint, &replica, hashes);
            let refused = |code: &str| UpstreamError::Refused { code: code.to_owned() };
            taken.map(|_| ()).map_err(|error| refused(error.code()))
        })
    }
}
