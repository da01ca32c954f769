//! A chain as a gateway serves it that may lie.

use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::checkpoint::SignedCheckpoint;
use crate::document::Document;
use crate::ledger::{HandInError, Pending, Submission, Upstream};

/// Serves blocks, `batch` at a time at most, and a checkpoint.
#[derive(Debug)]
struct Served {
    blocks: Vec<CertifiedBlock>,
    documents: Documents,
    checkpoint: SignedCheckpoint,
    batch: usize,
    asked: Mutex<Vec<u64>>,
}

impl Served {
    fn new(chain: &Chain, size: usize) -> Self {
        Self {
            blocks: chain.blocks.clone(),
            documents: chain.documents.clone(),
            checkpoint: chain.checkpoint(size).sign(&Network::validator_key()),
            batch: 3,
            asked: Mutex::default(),
        }
    }

    async fn audit(
        &self,
        chain: &Chain,
        known: &[Checkpoint],
    ) -> Result<(Report, Vec<Progress>), AuditError> {
        let mut progress = Vec::new();
        let genesis = chain.network.genesis();
        let (report, served) =
            audit_upstream(genesis, self, known, |step| progress.push(step)).await?;
        assert_eq!(served, self.checkpoint);
        Ok((report, progress))
    }

    async fn code(&self, chain: &Chain, known: &[Checkpoint]) -> &'static str {
        self.audit(chain, known).await.map_or_else(|error| error.code(), |_| "ok")
    }
}

impl Upstream for Served {
    fn blocks(
        &self,
        from: u64,
        limit: usize,
        _: Duration,
    ) -> Pending<'_, Result<Vec<CertifiedBlock>, UpstreamError>> {
        self.asked.lock().unwrap().push(from);
        let from = usize::try_from(from).unwrap() - 1;
        let found = self.blocks.iter().skip(from).take(limit.min(self.batch)).cloned().collect();
        Box::pin(async move { Ok(found) })
    }

    fn document(&self, digest: Digest) -> Pending<'_, Result<Option<Document>, UpstreamError>> {
        Box::pin(async move { Ok(self.documents.get(&digest).cloned()) })
    }

    fn submit(&self, _: Submission) -> Pending<'_, Result<(), HandInError>> {
        unreachable!("an audit hands nothing in")
    }

    fn checkpoint(&self) -> Pending<'_, Result<SignedCheckpoint, UpstreamError>> {
        Box::pin(async move { Ok(self.checkpoint.clone()) })
    }

    fn cosign(&self, _: SignedCheckpoint) -> Pending<'_, Result<(), UpstreamError>> {
        unreachable!("an audit cosigns nothing")
    }
}

#[tokio::test]
async fn a_served_chain_is_audited_up_to_its_checkpoint() {
    let chain = chain();
    let served = Served::new(&chain, 7);
    let (report, progress) = served.audit(&chain, &[]).await.unwrap();
    assert_eq!(report, chain.audit(chain.blocks.clone()).unwrap());
    assert_eq!(*served.asked.lock().unwrap(), [1, 4, 7]);
    let steps: Vec<_> = progress.iter().map(|step| (step.checked, step.total)).collect();
    assert_eq!(steps, [(1, 8), (3, 8), (4, 8), (5, 8), (6, 8), (7, 8), (8, 8)]);

    let known = [chain.checkpoint(2), chain.checkpoint(7)];
    let report = served.audit(&chain, &known).await.unwrap().0;
    assert_eq!(report.known_checkpoints, 2, "the served one is not a kept one");
    // An old checkpoint does not hide what somebody has kept.
    let old = Served::new(&chain, 2);
    let kept = [chain.checkpoint(6)];
    let report = old.audit(&chain, &kept).await.unwrap().0;
    assert!((6..=7).contains(&report.height));
}

#[tokio::test]
async fn what_a_gateway_serves_is_believed_in_nothing() {
    let chain = chain();
    let good = || Served::new(&chain, 7);
    assert_eq!(good().code(&chain, &[]).await, "ok");
    let short = Served { blocks: chain.blocks[..5].to_vec(), ..good() };
    assert_eq!(short.code(&chain, &[]).await, "checkpoint-missing");
    let stranger = chain.checkpoint(7).sign(&Network::key(99));
    let unsigned = Served { checkpoint: stranger, ..good() };
    assert_eq!(unsigned.code(&chain, &[]).await, "checkpoint-unsigned");
    let mut other = chain.checkpoint(7);
    other.root = Digest::of(b"another");
    let split = Served { checkpoint: other.sign(&Network::validator_key()), ..good() };
    let error = split.audit(&chain, &[]).await.unwrap_err();
    assert_eq!((error.code(), error.place().entry), ("checkpoint-contradicted", Some(8)));
    let rewritten = chain.network.relink(&chain.blocks, 200, rewrite(&chain.network));
    let rewritten = Served { blocks: rewritten, ..good() };
    assert_eq!(rewritten.code(&chain, &[]).await, "checkpoint-contradicted");
    let resigned = chain.network.relink(&chain.blocks, 201, rewrite(&chain.network));
    let resigned = Served { blocks: resigned, ..good() };
    let error = resigned.audit(&chain, &[]).await.unwrap_err();
    assert_eq!((error.code(), error.place().height), ("certificate-signature", Some(1)));
    let bare = Served { documents: Documents::default(), ..good() };
    let error = bare.audit(&chain, &[]).await.unwrap_err();
    assert_eq!(error.code(), "document-missing");
    assert_eq!(error.place(), Place { height: Some(1), entry: Some(0) });
    let kept = [chain.checkpoint(7)];
    let rolled_back = Served { blocks: chain.blocks[..3].to_vec(), ..Served::new(&chain, 3) };
    assert_eq!(rolled_back.code(&chain, &kept).await, "checkpoint-missing");
    assert_eq!(rolled_back.code(&chain, &[]).await, "ok", "nobody kept anything");
}
