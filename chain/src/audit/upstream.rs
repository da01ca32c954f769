//! The audit of a copy that a gateway serves: nothing is on this disk, and nothing that it says is believed.

use std::sync::Arc;
use std::time::Duration;

use super::{AuditError, Auditor, Progress, Report};
use crate::block::Block;
use crate::checkpoint::{Checkpoint, NoteKey, SignedCheckpoint};
use crate::document::Documents;
use crate::genesis::Genesis;
use crate::ledger::{Upstream, UpstreamError};
use crate::replica::Replica;

/// Blocks that are asked for, and held in memory, at once.
const BATCH: usize = 64;

/// Audits the chain that `upstream` serves, from the first block to the checkpoint that it serves, and at
/// least through the `known` ones, whose signatures the caller has checked. Returns that checkpoint too,
/// which a validator of this chain signed. Calls `progress` after each block.
///
/// Held in memory are a few blocks and documents at a time, and the state that the rules need.
///
/// # Errors
/// [`AuditError`], naming the first thing that is wrong.
pub async fn audit_upstream(
    genesis: Arc<Genesis>,
    upstream: &dyn Upstream,
    known: &[Checkpoint],
    mut progress: impl FnMut(Progress),
) -> Result<(Report, SignedCheckpoint), AuditError> {
    let served = upstream.checkpoint().await?;
    let demanded: Vec<_> = known.iter().chain([served.checkpoint()]).cloned().collect();
    let total = demanded.iter().map(|checkpoint| checkpoint.size).max().unwrap_or_default();
    let mut auditor = Auditor::new(genesis, &demanded)?;
    while auditor.replica.tip().log_size < total {
        let blocks = upstream.blocks(auditor.replica.tip().height + 1, BATCH, Duration::ZERO);
        let blocks = blocks.await?;
        if blocks.is_empty() {
            break; // the checkpoints that were not reached say how far it should have gone
        }
        for block in blocks {
            let documents = documents_of(&block.block, upstream).await?;
            auditor.block(block, &documents)?;
            progress(Progress { checked: auditor.replica.tip().log_size, total });
        }
    }
    signed_by_a_validator(&served, &auditor.replica)?;
    let mut report = auditor.finish()?;
    // The served one is not one that somebody kept.
    let kept: std::collections::BTreeSet<_> = known.iter().map(|it| it.size).collect();
    report.known_checkpoints = kept.iter().filter(|size| **size > 0).count();
    Ok((report, served))
}

/// The public documents behind a block's entries. What is not there, the rules miss.
async fn documents_of(block: &Block, upstream: &dyn Upstream) -> Result<Documents, UpstreamError> {
    let mut documents = Documents::default();
    for entry in block.entries().iter().filter(|entry| entry.kind().has_document()) {
        let digest = *entry.content().digest();
        if documents.get(&digest).is_none() {
            documents.extend(upstream.document(digest).await?);
        }
    }
    Ok(documents)
}

/// Of the genesis, or elected since.
fn signed_by_a_validator(served: &SignedCheckpoint, replica: &Replica) -> Result<(), AuditError> {
    let genesis = replica.genesis();
    let elected = replica.hand_overs().iter().map(|hand_over| &hand_over.validators);
    let sets = elected.chain([genesis.validators(), replica.state().validators()]);
    let (origin, mut keys) = (&genesis.facts().name, Vec::new());
    for validator in sets.flat_map(|set| set.validators()) {
        let key = NoteKey::log(origin.clone(), validator.key);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    served.verify(origin, &keys)?;
    Ok(())
}
