//! What somebody with the disk can write.

use std::path::Path;
use std::sync::Arc;

use super::boundary::Direct;
use super::error::{OpenError, StoreError};
use super::{Store, mark_of};
use crate::block::CertifiedBlock;
use crate::document::Documents;
use crate::genesis::Genesis;
use crate::replica::Accepted;

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
    let mut log = crate::log::Frontier::new();
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
