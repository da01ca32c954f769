//! What every ledger over a chain folder answers from its durable copy.

use super::ReadError;
use crate::block::CertifiedBlock;
use crate::identifier::EntryId;
use crate::log::InclusionProof;
use crate::receipt::{CertifiedHeader, HandOver, Receipt};
use crate::replica::Replica;
use crate::store::{Reader, StoreError};

/// The receipt of an entry that is durable as of `snapshot`.
pub(super) fn receipt(
    reader: &Reader,
    snapshot: &Replica,
    id: &EntryId,
) -> Result<Option<Receipt>, ReadError> {
    let Some(position) = snapshot.state().position(id) else { return Ok(None) };
    let (height, index) = (position.height, position.index);
    let missing = |tree, key| StoreError::Missing { tree, key };
    let (header, certificate) = reader.header(height)?.ok_or_else(|| missing("block", height))?;
    let entry = reader.entry(index)?.ok_or_else(|| missing("entry", index))?;
    let inclusion = InclusionProof::new(reader, header.log_size, index)?;
    let hand_overs = hand_overs_before(snapshot, height);
    let header = CertifiedHeader { header, certificate, hand_overs };
    Ok(Some(Receipt { entry, index, inclusion, header }))
}

/// The blocks that are durable as of `snapshot`, from `from` on, at most `limit`.
pub(super) fn blocks(
    reader: &Reader,
    snapshot: &Replica,
    from: u64,
    limit: usize,
) -> Result<Vec<CertifiedBlock>, ReadError> {
    let missing = |height| StoreError::Missing { tree: "block", key: height };
    let block = |height| Ok(reader.block(height)?.ok_or_else(|| missing(height))?);
    (from.max(1)..=snapshot.tip().height).take(limit).map(block).collect()
}

/// The hand-overs that somebody needs who is to check the certificate of a block at `height`.
pub(super) fn hand_overs_before(snapshot: &Replica, height: u64) -> Vec<HandOver> {
    let before = |hand_over: &&HandOver| hand_over.header.height < height;
    snapshot.hand_overs().iter().filter(before).cloned().collect()
}
