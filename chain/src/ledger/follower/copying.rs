//! A durable copy of the chain that grows by an upstream's blocks, each of which is checked like any other.

use std::collections::BTreeSet;
use std::time::Duration;

use thiserror::Error;

use crate::block::CertifiedBlock;
use crate::document::Documents;
use crate::identifier::BlockHash;
use crate::ledger::reading::hand_overs_before;
use crate::ledger::upstream::{Upstream, UpstreamError};
use crate::receipt::CertifiedHeader;
use crate::replica::{BlockError, Replica};
use crate::store::{Store, StoreError, TipError};

/// Why a copy did not grow.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum CopyError {
    /// The upstream gave nothing.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// What it gave does not follow from the copy.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The copy's own disk failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another block than the copy's is certified.
    #[error("two blocks are certified at height {height}: {ours} and {theirs}")]
    Fork { height: u64, ours: BlockHash, theirs: BlockHash },
}

/// A store with the state that its blocks lead to.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) store: Store,
    pub(crate) replica: Replica,
    /// Documents of the next block that were fetched: whoever gave up waiting for the rest need not fetch
    /// them again. A certified block wants them, so that there are not more than it has entries.
    fetched: Documents,
}

impl Copy {
    pub(crate) fn new(store: Store, replica: Replica) -> Self {
        Self { store, replica, fetched: Documents::default() }
    }

    /// Takes in the next blocks of `upstream`, at most `limit`, and returns how many there were. Each is on
    /// the disk, and marked, when `taken` is called. May be dropped wherever it waits.
    pub(crate) async fn grow(
        &mut self,
        upstream: &dyn Upstream,
        limit: usize,
        wait: Duration,
        mut taken: impl FnMut(&Replica),
    ) -> Result<usize, CopyError> {
        let blocks = upstream.blocks(self.replica.tip().height + 1, limit, wait).await?;
        let mut count = 0;
        for block in blocks.into_iter().take(limit) {
            let outcome = match self.documents_of(upstream, &block).await {
                Ok(documents) => self.take(block, &documents),
                Err(error) => Err(error),
            };
            match outcome {
                Err(CopyError::Block(error @ BlockError::Link { .. })) => {
                    self.compare(upstream, self.replica.tip().height).await?;
                    return Err(error.into());
                }
                outcome => outcome?,
            }
            taken(&self.replica);
            count += 1;
        }
        Ok(count)
    }

    fn take(&mut self, block: CertifiedBlock, documents: &Documents) -> Result<(), CopyError> {
        let mut replica = self.replica.clone();
        let accepted = replica.accept(block, documents)?;
        self.store.append(&accepted, documents)?;
        self.replica = replica;
        self.fetched = Documents::default();
        Ok(())
    }

    /// The public documents behind a block's entries. That one is missing or another is for the rules to say.
    /// Nothing is fetched for a block that nobody certified: it could want as many as it likes.
    async fn documents_of(
        &mut self,
        upstream: &dyn Upstream,
        block: &CertifiedBlock,
    ) -> Result<Documents, CopyError> {
        let mut documents = Documents::default();
        let mut missing = BTreeSet::new();
        for entry in block.block.entries().iter().filter(|entry| entry.kind().has_document()) {
            let digest = *entry.content().digest();
            match self.store.reader().document(&digest)? {
                Some(document) => documents.insert(document),
                None => {
                    missing.insert(digest);
                }
            }
        }
        if missing.is_empty() {
            return Ok(documents);
        }
        self.replica.check_certified(block)?;
        for digest in missing {
            if self.fetched.get(&digest).is_none() {
                let document = upstream.document(digest).await?;
                self.fetched.extend(document.filter(|document| *document.digest() == digest));
            }
            documents.extend(self.fetched.get(&digest).cloned());
        }
        Ok(documents)
    }

    /// Compares the upstream's chain with the copy, of which it should have all. Returns its height if it is
    /// shorter: then it has not got all of it yet, or any more.
    pub(crate) async fn compare_end(
        &self,
        upstream: &dyn Upstream,
    ) -> Result<Option<u64>, CopyError> {
        let ours = self.replica.tip().height;
        if ours == 0 || self.compare(upstream, ours).await? {
            return Ok(None);
        }
        // It has the heights up to `has`, and `lacks` it has not.
        let (mut has, mut lacks) = (0, ours);
        while lacks - has > 1 {
            let middle = has + (lacks - has) / 2;
            if self.compare(upstream, middle).await? {
                has = middle;
            } else {
                lacks = middle;
            }
        }
        Ok(Some(has))
    }

    /// Whether the upstream has a block at `height`. If it has another one than the copy, and certified, that
    /// is a fork; if it is not certified, it is nobody's.
    async fn compare(&self, upstream: &dyn Upstream, height: u64) -> Result<bool, CopyError> {
        let mut found = upstream.blocks(height, 1, Duration::ZERO).await?;
        let Some(CertifiedBlock { block, certificate }) = found.pop() else { return Ok(false) };
        let wrong = |reason: String| UpstreamError::Content { what: "block", reason };
        let header = *block.header();
        if header.height != height {
            return Err(wrong(format!("expected height {height}, got {}", header.height)).into());
        }
        let hand_overs = hand_overs_before(&self.replica, height);
        let certified = CertifiedHeader { header, certificate, hand_overs };
        let theirs = certified
            .verify(self.replica.genesis())
            .map_err(|error| wrong(format!("height {height}: {error}")))?;
        match self.store.reader().expect_tip(&theirs) {
            Ok(()) => Ok(true),
            Err(TipError::Conflict { height, ours, theirs }) => {
                Err(CopyError::Fork { height, ours, theirs })
            }
            Err(TipError::Store(error)) => Err(error.into()),
            Err(TipError::Behind { ours, .. }) => {
                Err(StoreError::Missing { tree: "block", key: ours }.into())
            }
        }
    }
}
