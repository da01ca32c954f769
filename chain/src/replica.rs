//! One copy of the chain, as far as it has been checked: what recovery, followers, auditors and the
//! validator all advance, block by block, by the same function.

use std::sync::Arc;

use crypto::Digest;
use thiserror::Error;

use crate::block::{
    Block, Certificate, CertificateError, CertifiedBlock, Header, MAX_BLOCK_ENTRIES,
};
use crate::document::{Document, Documents};
use crate::entry::{Entry, SignedEntry};
use crate::genesis::Genesis;
use crate::identifier::{BlockHash, EntryId, NetworkId, ValidatorId};
use crate::log::{Frontier, leaf_hash, stored_hash_count};
use crate::receipt::HandOver;
use crate::rules::{Position, RuleError, State};
use crate::time::Timestamp;

/// The last block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its height; 0 before the first block.
    pub height: u64,
    /// Its hash; before the first block, the network id's digest.
    pub block: BlockHash,
    /// Its time.
    pub time: Timestamp,
    /// Number of entries.
    pub log_size: u64,
    /// Root over them.
    pub log_root: Digest,
}

/// Why a block is not the chain's next one.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockError {
    /// It is of another network.
    #[error("the block is of another network")]
    Network,
    /// A height is missing or repeated.
    #[error("expected height {expected}, got {got}")]
    Height {
        /// The next height.
        expected: u64,
        /// The block's height.
        got: u64,
    },
    /// It links to another block.
    #[error("block {height} does not link to the block before it")]
    Link {
        /// The block's height.
        height: u64,
    },
    /// Its time is before that of the block before.
    #[error("block {height} is older than the block before it")]
    Time {
        /// The block's height.
        height: u64,
    },
    /// Its validator set, or the next, is not the one that the chain elected.
    #[error("block {height} names a validator set that the chain did not elect")]
    Validators {
        /// The block's height.
        height: u64,
    },
    /// Its proposer is no validator.
    #[error("block {height} is proposed by {proposer}, who is no validator")]
    Proposer {
        /// The block's height.
        height: u64,
        /// The proposer.
        proposer: ValidatorId,
    },
    /// Its certificate does not certify it.
    #[error("block {height}: {error}")]
    Certificate {
        /// The block's height.
        height: u64,
        /// What is wrong with the certificate.
        error: CertificateError,
    },
    /// An entry breaks a rule.
    #[error("block {height}, entry {index}: {error}")]
    Rule {
        /// The block's height.
        height: u64,
        /// The entry's index in the log.
        index: u64,
        /// The broken rule.
        error: RuleError,
    },
    /// The header's log size is not the number of entries.
    #[error("block {height} claims a log of {got} entries, it has {expected}")]
    LogSize {
        /// The block's height.
        height: u64,
        /// The number of entries.
        expected: u64,
        /// What the header claims.
        got: u64,
    },
    /// The header's root is not that of the entries.
    #[error("block {height} has another log root than its entries")]
    LogRoot {
        /// The block's height.
        height: u64,
    },
}

impl BlockError {
    /// The stable name of the failure; a broken rule's or certificate's is its own.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Network => "block-network",
            Self::Height { .. } => "block-height",
            Self::Link { .. } => "block-link",
            Self::Time { .. } => "block-time",
            Self::Validators { .. } => "block-validators",
            Self::Proposer { .. } => "block-proposer",
            Self::Certificate { error, .. } => error.code(),
            Self::Rule { error, .. } => error.code(),
            Self::LogSize { .. } => "block-log-size",
            Self::LogRoot { .. } => "block-log-root",
        }
    }
}

impl BlockError {
    /// Height of the block that is wrong; the next one where it was expected.
    pub const fn height(&self) -> Option<u64> {
        match self {
            Self::Network => None,
            Self::Height { expected: height, .. }
            | Self::Link { height }
            | Self::Time { height }
            | Self::Validators { height }
            | Self::Proposer { height, .. }
            | Self::Certificate { height, .. }
            | Self::Rule { height, .. }
            | Self::LogSize { height, .. }
            | Self::LogRoot { height } => Some(*height),
        }
    }

    /// Index of the entry that breaks a rule.
    pub const fn entry(&self) -> Option<u64> {
        match self {
            Self::Rule { index, .. } => Some(*index),
            _ => None,
        }
    }
}

/// A copy of the chain's state. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Replica {
    genesis: Arc<Genesis>,
    state: State,
    frontier: Frontier,
    tip: Tip,
    hand_overs: Arc<Vec<HandOver>>,
}

impl Replica {
    /// The chain before its first block.
    pub fn new(genesis: Arc<Genesis>) -> Self {
        let frontier = Frontier::new();
        let tip = Tip {
            height: 0,
            block: BlockHash::from_digest(*genesis.network().as_digest()),
            time: Timestamp::default(),
            log_size: 0,
            log_root: frontier.root(),
        };
        let state = State::new(&genesis);
        Self { genesis, state, frontier, tip, hand_overs: Arc::default() }
    }

    /// The genesis.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// What the entries mean.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The last block.
    pub const fn tip(&self) -> &Tip {
        &self.tip
    }

    /// The blocks at which one validator set handed over to another, in ascending order of heights.
    pub fn hand_overs(&self) -> &[HandOver] {
        &self.hand_overs
    }

    /// Begins the next block, at `time` or at the last block's time, whichever is later.
    pub fn draft(&self, time: Timestamp) -> Draft {
        let time = time.max(self.tip.time);
        Draft { base: self.clone(), time, additions: Additions::default(), entries: Vec::new() }
    }

    /// Checks that `block` is the chain's next one, with everything in it, and takes it in.
    ///
    /// `documents` must hold the public documents behind the block's entries.
    ///
    /// # Errors
    /// [`BlockError`], naming the first thing that is wrong; the replica is then as before.
    pub fn accept(
        &mut self,
        block: CertifiedBlock,
        documents: &Documents,
    ) -> Result<Accepted, BlockError> {
        let header = block.block.header();
        self.check_header_and_certificate(&block)?;
        let height = header.height;
        let mut draft = self.draft(header.time);
        for entry in block.block.entries() {
            let index = draft.base.frontier.size();
            let document = documents.get(entry.content().digest());
            draft.push(entry, document).map_err(|error| BlockError::Rule {
                height,
                index,
                error,
            })?;
        }
        let proposal = draft.seal(header.proposer);
        let (expected, got) = (proposal.block.header().log_size, header.log_size);
        if expected != got {
            return Err(BlockError::LogSize { height, expected, got });
        }
        if proposal.block.header().log_root != header.log_root {
            return Err(BlockError::LogRoot { height });
        }
        let (accepted, next) = proposal.certify(block.certificate);
        *self = next;
        Ok(accepted)
    }

    /// Checks that `block` is the chain's next one, and that its entries are those that were certified; not
    /// what they say. For those who still have to fetch what the entries name.
    ///
    /// # Errors
    /// [`BlockError`]
    pub(crate) fn check_certified(&self, block: &CertifiedBlock) -> Result<(), BlockError> {
        self.check_header_and_certificate(block)?;
        let header = block.block.header();
        let (height, mut log) = (header.height, self.frontier.clone());
        for entry in block.block.entries() {
            log.append(leaf_hash(entry));
        }
        if log.size() != header.log_size {
            let (expected, got) = (log.size(), header.log_size);
            return Err(BlockError::LogSize { height, expected, got });
        }
        if log.root() != header.log_root {
            return Err(BlockError::LogRoot { height });
        }
        Ok(())
    }

    fn check_header_and_certificate(&self, block: &CertifiedBlock) -> Result<(), BlockError> {
        let header = block.block.header();
        self.check_header(header)?;
        let certified = block.certificate.verify(header, self.state.validators());
        certified
            .map(|_| ())
            .map_err(|error| BlockError::Certificate { height: header.height, error })
    }

    fn check_header(&self, header: &Header) -> Result<(), BlockError> {
        let (height, tip) = (header.height, &self.tip);
        if header.network != *self.genesis.network() {
            return Err(BlockError::Network);
        }
        if height != tip.height + 1 {
            return Err(BlockError::Height { expected: tip.height + 1, got: height });
        }
        if header.previous != tip.block {
            return Err(BlockError::Link { height });
        }
        if header.time < tip.time {
            return Err(BlockError::Time { height });
        }
        let elected = [self.state.validators().digest(), self.state.next_validators().digest()];
        if elected != [&header.validators, &header.next_validators] {
            return Err(BlockError::Validators { height });
        }
        if self.state.validators().find(&header.proposer).is_none() {
            return Err(BlockError::Proposer { height, proposer: header.proposer });
        }
        Ok(())
    }
}

/// A certified block that follows from the chain before it, with what it adds to the store. Only
/// [`Replica::accept`] and a validator's own proposal make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    block: CertifiedBlock,
    additions: Additions,
}

impl Accepted {
    /// The block.
    pub const fn block(&self) -> &CertifiedBlock {
        &self.block
    }

    /// The header.
    pub const fn header(&self) -> &Header {
        self.block.block.header()
    }

    /// A block that nobody accepted, made to look as if.
    pub(crate) fn forge(block: CertifiedBlock, network: &NetworkId, log: &mut Frontier) -> Self {
        let mut additions =
            Additions { first_hash: stored_hash_count(log.size()), ..Additions::default() };
        for entry in block.block.entries() {
            additions.ids.push(entry.id(network));
            additions.hashes.extend(log.append(leaf_hash(entry)));
        }
        Self { block, additions }
    }

    /// The entries' ids, in log order.
    pub fn ids(&self) -> &[EntryId] {
        &self.additions.ids
    }

    /// The log's new stored hashes with their places, in stored order.
    pub fn hashes(&self) -> impl Iterator<Item = (u64, &Digest)> {
        (self.additions.first_hash..).zip(&self.additions.hashes)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Additions {
    ids: Vec<EntryId>,
    hashes: Vec<Digest>,
    first_hash: u64,
}

/// The next block, while entries are tried in it.
#[derive(Clone, Debug)]
pub struct Draft {
    base: Replica,
    time: Timestamp,
    additions: Additions,
    entries: Vec<Entry>,
}

impl Draft {
    /// The state with the entries so far.
    pub const fn state(&self) -> &State {
        &self.base.state
    }

    /// Whether no entry is in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether no further entry fits in.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= MAX_BLOCK_ENTRIES
    }

    /// Adds `entry`.
    ///
    /// # Errors
    /// [`RuleError`] if it breaks a rule; the draft is then as before.
    pub fn push(
        &mut self,
        entry: &Entry,
        document: Option<&Document>,
    ) -> Result<EntryId, RuleError> {
        let position = self.next_position();
        let id = self.base.state.apply(entry, position, document)?;
        self.append(entry, id);
        Ok(id)
    }

    /// As [`Draft::push`], for an entry whose signature was checked before.
    ///
    /// # Errors
    /// As [`Draft::push`].
    pub fn push_signed(
        &mut self,
        entry: &SignedEntry,
        document: Option<&Document>,
    ) -> Result<EntryId, RuleError> {
        let position = self.next_position();
        let id = self.base.state.apply_signed(entry, position, document)?;
        self.append(entry.entry(), id);
        Ok(id)
    }

    fn next_position(&self) -> Position {
        let (height, index) = (self.base.tip.height + 1, self.base.frontier.size());
        Position { height, index, time: self.time }
    }

    fn append(&mut self, entry: &Entry, id: EntryId) {
        if self.additions.hashes.is_empty() {
            self.additions.first_hash = stored_hash_count(self.base.frontier.size());
        }
        self.additions.hashes.extend(self.base.frontier.append(leaf_hash(entry)));
        self.additions.ids.push(id);
        self.entries.push(*entry);
    }

    /// Puts the header on.
    pub fn seal(self, proposer: ValidatorId) -> Proposal {
        let Self { base, time, additions, entries } = self;
        let header = Header {
            network: *base.genesis.network(),
            height: base.tip.height + 1,
            previous: base.tip.block,
            time,
            proposer,
            validators: *base.state.validators().digest(),
            next_validators: *base.state.next_validators().digest(),
            entries: u32::try_from(entries.len()).expect("a draft has at most 4,096 entries"),
            log_root: base.frontier.root(),
            log_size: base.frontier.size(),
        };
        let block = Block::new(header, entries).expect("the header counts these entries");
        Proposal { block, additions, base }
    }
}

/// A block that follows from the chain, not yet certified.
#[derive(Clone, Debug)]
pub struct Proposal {
    block: Block,
    additions: Additions,
    base: Replica,
}

impl Proposal {
    /// The block.
    pub const fn block(&self) -> &Block {
        &self.block
    }

    /// The certified block, and the replica that it leads to.
    ///
    /// The certificate is taken as it is: it is the caller's own, or was verified before.
    pub(crate) fn certify(self, certificate: Certificate) -> (Accepted, Replica) {
        let Self { block, additions, mut base } = self;
        let header = *block.header();
        if header.next_validators != header.validators {
            let validators = base.state.next_validators().clone();
            let hand_over = HandOver { header, certificate: certificate.clone(), validators };
            Arc::make_mut(&mut base.hand_overs).push(hand_over);
        }
        base.state.finish_block();
        base.tip = Tip {
            height: header.height,
            block: header.hash(),
            time: header.time,
            log_size: header.log_size,
            log_root: header.log_root,
        };
        (Accepted { block: CertifiedBlock { block, certificate }, additions }, base)
    }
}

#[cfg(test)]
mod tests;
