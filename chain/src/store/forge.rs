//! What somebody with the disk can write.

use std::path::Path;
use std::sync::Arc;

use super::boundary::Direct;
use super::error::{OpenError, StoreError};
use super::{Store, mark_of};
use crate::block::{Block, Certificate, CertifiedBlock, Header};
use crate::document::Documents;
use crate::entry::Entry;
use crate::genesis::Genesis;
use crate::log::{Frontier, leaf_hash};
use crate::replica::{Accepted, Replica};

/// `blocks` again with other entries: log roots recomputed, headers linked, and certified by `certify`.
/// What somebody who has the disk can do, with whatever keys they have.
///
/// # Panics
/// If a block gets more entries than a block can have.
pub fn relink(
    genesis: Arc<Genesis>,
    blocks: &[CertifiedBlock],
    mut certify: impl FnMut(&Header) -> Certificate,
    mut change: impl FnMut(&mut Header, &mut Vec<Entry>),
) -> Vec<CertifiedBlock> {
    let mut log = Frontier::new();
    let mut previous = Replica::new(genesis).tip().block;
    let mut relinked = Vec::with_capacity(blocks.len());
    for block in blocks {
        let mut header = *block.block.header();
        let mut entries = block.block.entries().to_vec();
        change(&mut header, &mut entries);
        for entry in &entries {
            log.append(leaf_hash(entry));
        }
        header.previous = previous;
        header.entries = u32::try_from(entries.len()).expect("a block has few entries");
        (header.log_root, header.log_size) = (log.root(), log.size());
        previous = header.hash();
        let certificate = certify(&header);
        let block = Block::new(header, entries).expect("the header counts these entries");
        relinked.push(CertifiedBlock { block, certificate });
    }
    relinked
}

/// Writes a new chain folder from blocks that nobody checked, indexes and mark included: what an operator
/// who has the disk can do to the chain. For showing that auditors see it.
///
/// # Errors
/// [`OpenError`] if the folder cannot be written, or holds a chain already.
pub fn forge(
    folder: &Path,
    genesis: Arc<Genesis>,
    blocks: &[CertifiedBlock],
    documents: &Documents,
) -> Result<(), OpenError> {
    let network = *genesis.network();
    let (mut store, replica) = Store::open(folder, genesis, Arc::new(Direct))?;
    let last = replica.tip().height;
    if last > 0 {
        return Err(StoreError::NotNext { last, got: 1 }.into());
    }
    let mut log = Frontier::new();
    let failed = |error: &std::io::Error| OpenError::file(folder, error);
    for block in blocks {
        let forged = Accepted::forge(block.clone(), &network, &mut log);
        store.reader.trees.commit(&forged, documents).map_err(|error| failed(&error))?;
    }
    if let Some(block) = blocks.last() {
        let mark = mark_of(block.block.header(), block.certificate.round());
        store.mark.set(mark, &Direct).map_err(|(_, error)| failed(&error))?;
    }
    store.reader.trees.flush().map_err(|error| failed(&error))
}
