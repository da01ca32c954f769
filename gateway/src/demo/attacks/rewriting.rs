//! The operator's disk: a chain folder that was rewritten, linked and certified again.

use std::path::Path;
use std::sync::Arc;

use chain::audit::{AuditError, audit_folder};
use chain::block::{Certificate, CertifiedBlock, Header, Precommit};
use chain::document::Documents;
use chain::entry::{Entry, Kind};
use chain::genesis::Genesis;
use chain::store::{Reader, forge, relink};
use crypto::SigningKey;
use getrandom::SysRng;
use rand_core::{Rng as _, UnwrapErr};

use crate::demo::{DemoError, outcome};

/// Somebody who has the disk, and not the validator's key, takes the newest withdrawal out of the chain.
/// Returns what the audit says to the rewritten folder.
pub(in crate::demo) fn rewritten(
    genesis: &Arc<Genesis>,
    chain: &Path,
) -> Result<AuditError, DemoError> {
    let folder = tempfile::TempDir::new()
        .map_err(|error| DemoError::Folder { path: std::env::temp_dir(), error })?;
    let (blocks, documents) = read(chain)?;
    let mut seed = [0; 32];
    UnwrapErr(SysRng).fill_bytes(&mut seed);
    let own = SigningKey::from_seed(&crypto::Secret::new(seed));
    // A block has entries: one that is nothing but a withdrawal goes as a whole.
    let blocks: Vec<_> = blocks.into_iter().filter(|it| kept(it.block.entries())).collect();
    let mut height = 0;
    let relinked = relink(
        Arc::clone(genesis),
        &blocks,
        |header| certificate(header, &own),
        |header, entries| {
            height += 1;
            header.height = height;
            entries.retain(|entry| !is_withdrawal(entry));
        },
    );
    let path = folder.path().join("chain");
    forge(&path, Arc::clone(genesis), &relinked, &documents)
        .map_err(|error| outcome("audit", "a forged folder", &error.to_string()))?;
    match audit_folder(Arc::clone(genesis), &path, &[], |_| ()) {
        Err(error) => Ok(error),
        Ok(_) => Err(outcome("audit", "a finding", "a rewritten chain passed")),
    }
}

fn is_withdrawal(entry: &Entry) -> bool {
    entry.content().kind() == Kind::Withdrawal
}

fn kept(entries: &[Entry]) -> bool {
    !entries.iter().all(is_withdrawal)
}

fn certificate(header: &Header, key: &SigningKey) -> Certificate {
    let signature = Precommit::new(header, 0).sign(key);
    Certificate::new(0, vec![(header.proposer, signature)]).expect("one signature is in order")
}

fn read(chain: &Path) -> Result<(Vec<CertifiedBlock>, Documents), DemoError> {
    let failed = |error: &dyn std::fmt::Display| outcome("audit", "a chain", &error.to_string());
    let reader = Reader::open_unverified(chain).map_err(|error| failed(&error))?;
    let (mut blocks, mut documents) = (Vec::new(), Documents::default());
    for height in 1..=reader.last_height().map_err(|error| failed(&error))? {
        let block = reader.block(height).map_err(|error| failed(&error))?;
        let block = block.ok_or_else(|| failed(&"a block is missing"))?;
        let brought = reader.documents_of(&block.block).map_err(|error| failed(&error))?;
        documents.extend(brought.iter().cloned());
        blocks.push(block);
    }
    Ok((blocks, documents))
}
