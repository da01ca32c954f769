//! Building a damaged chain folder anew from another copy of the chain.
//!
//! Every rule is checked again and every certificate verified, as in following. The new folder is made beside
//! the old one and takes its place only when it is whole and on the disk:
//!
//! ```text
//! <folder>.rebuilding     half-built; removed by the next rebuild
//! <folder>.rebuilt        whole; takes the folder's place
//! <folder>.damaged-<n>    what stood there before
//! ```
//! The folder is missing only between two renames; whoever opens it then finds the whole one and finishes.
//!
//! A copy that ends before the folder's mark is refused: blocks that were acknowledged here would be gone, and
//! a validator would certify others in their place. So is one that has other certified blocks than the folder:
//! which of two chains the network goes on with is for people to say ([`Wanted::replace_fork`]).

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crypto::Digest;
use thiserror::Error;

use crate::block::CertifiedBlock;
use crate::checkpoint::SignedCheckpoint;
use crate::document::Document;
use crate::genesis::Genesis;
use crate::identifier::BlockHash;
use crate::ledger::{Copy, CopyError, HandInError, Pending, Submission, Upstream, UpstreamError};
use crate::replica::{BlockError, Tip};
use crate::store::{Direct, OpenError, Reader, Store, StoreError, lock, read_mark, rebuilt_path};

/// Blocks that are asked for at once.
const BATCH: usize = 64;

/// Why a folder was not rebuilt. It stands as before.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RebuildError {
    /// The folder is open in another process, or a new one cannot be made.
    #[error(transparent)]
    Folder(#[from] OpenError),
    /// The other copy gave nothing.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The other copy breaks a rule.
    #[error("the other copy: {0}")]
    Block(#[from] BlockError),
    /// The other copy contradicts itself.
    #[error("the other copy has two blocks at height {height}: {first} and {second}")]
    Fork {
        /// The height.
        height: u64,
        /// The block that it gave first.
        first: BlockHash,
        /// The block that it gave then.
        second: BlockHash,
    },
    /// A block could not be made durable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing is damaged, and the other copy has nothing that this one lacks.
    #[error("the chain here is in order up to height {ours}, the other copy ends at {theirs}")]
    NotNeeded {
        /// Height of the last block here.
        ours: u64,
        /// That block.
        block: BlockHash,
        /// Height of the other copy's last block.
        theirs: u64,
    },
    /// The other copy ends before what was acknowledged here.
    #[error("the other copy ends at height {theirs}, but height {marked} was acknowledged here")]
    BehindMark {
        /// Height of the other copy's last block.
        theirs: u64,
        /// The marked height.
        marked: u64,
    },
    /// The other copy is of another chain, each of whose blocks is certified too.
    #[error(
        "two chains are certified: at height {height} the block here is {ours} and the other copy's is \
         {theirs}; here the chain ends at {last}, there at {end}. Once it is known that the network goes on with \
         the other one, --replace-fork puts it here"
    )]
    OtherChain {
        /// The first height that is known to differ.
        height: u64,
        /// The block here.
        ours: BlockHash,
        /// The other copy's block.
        theirs: BlockHash,
        /// Height of the last block here, as far as it can be read.
        last: u64,
        /// Height of the other copy's last block.
        end: u64,
    },
    /// The other copy has no block.
    #[error("the other copy has no block")]
    Empty,
}

impl RebuildError {
    /// The stable name of the failure; the folder's, a block's and the store's are their own.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Folder(error) => error.code(),
            Self::Upstream(error) => error.code(),
            Self::Block(error) => error.code(),
            Self::Fork { .. } => "rebuild-fork",
            Self::Store(error) => error.code(),
            Self::NotNeeded { .. } => "rebuild-not-needed",
            Self::BehindMark { .. } => "rebuild-behind-mark",
            Self::OtherChain { .. } => "rebuild-other-chain",
            Self::Empty => "rebuild-empty",
        }
    }
}

impl From<CopyError> for RebuildError {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Upstream(error) => error.into(),
            CopyError::Block(error) => error.into(),
            CopyError::Store(error) => error.into(),
            CopyError::Fork { height, ours, theirs } => {
                Self::Fork { height, first: ours, second: theirs }
            }
        }
    }
}

/// A block that was acknowledged from a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// Its height.
    pub height: u64,
    /// Its hash.
    pub block: BlockHash,
}

/// What the copy that takes a folder's place must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// A block that is known from elsewhere than the folder, which may be gone with its mark.
    pub acknowledged: Option<Acknowledged>,
    /// Take the other copy also if it has other blocks than those that are here or were acknowledged here,
    /// or ends before them.
    pub replace_fork: bool,
}

/// What a rebuild did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// The new chain's last block.
    pub tip: Tip,
    /// Why the old folder did not open; none if it did.
    pub damage: Option<OpenError>,
    /// Where the old folder is now; none if there was none.
    pub kept: Option<PathBuf>,
}

/// Puts a chain folder in the place of `folder`, built from `upstream`'s copy. Calls `progress` after each
/// block. Blocks the thread while it checks and waits for the disk.
///
/// # Errors
/// [`RebuildError`]; the folder then stands as before.
pub async fn rebuild(
    folder: &Path,
    genesis: Arc<Genesis>,
    upstream: &dyn Upstream,
    wanted: Wanted,
    mut progress: impl FnMut(&Tip),
) -> Result<Rebuilt, RebuildError> {
    let existed = folder.exists();
    // An empty folder is made if there is none, so that there is something to lock.
    let local = match Store::open(folder, Arc::clone(&genesis), Arc::new(Direct)) {
        Ok((store, replica)) => Ok((store, *replica.tip())),
        Err(error @ OpenError::Locked { .. }) => return Err(error.into()),
        Err(error) => Err(error),
    };
    // A store that is open has the lock.
    let locked = local.is_err().then(|| lock(folder)).transpose()?;
    if let Ok((store, tip)) = &local
        && tip.height > 0
        && upstream.blocks(tip.height + 1, 1, Duration::ZERO).await?.is_empty()
    {
        let theirs = last_height(upstream, tip.height + 1).await?;
        let last = upstream.blocks(theirs, 1, Duration::ZERO).await?;
        let same = theirs == 0
            || last.first().map(|last| last.block.header().hash())
                == hash_at(store.reader(), theirs)?;
        if same {
            return Err(RebuildError::NotNeeded { ours: tip.height, block: tip.block, theirs });
        }
    }
    let building = beside(folder, "rebuilding");
    let rebuilt = rebuilt_path(folder);
    remove(&building)?;
    remove(&rebuilt)?;
    let outcome = build(&building, genesis, upstream, &mut progress).await;
    let ours = local.as_ref().ok().map(|(store, tip)| (store.reader(), tip));
    let checked = outcome
        .and_then(|(tip, built)| check(folder, ours, &tip, built.reader(), &wanted).map(|()| tip));
    let tip = match checked {
        Ok(tip) => tip,
        Err(error) => {
            drop((local, locked));
            // Half-built or of no use. If it cannot be removed now, the next rebuild does.
            let _ = fs::remove_dir_all(&building);
            if !existed {
                let _ = fs::remove_dir_all(folder);
            }
            return Err(error);
        }
    };
    let empty = local.as_ref().is_ok_and(|(_, tip)| tip.height == 0);
    let damage = local.err(); // closes a store that is open
    let _lock = match locked {
        Some(locked) => locked,
        None => lock(folder)?,
    };
    let kept = (!empty).then(|| free_name(folder));
    let swap = || {
        fs::rename(&building, &rebuilt)?;
        sync_parent(folder)?;
        match &kept {
            Some(kept) => fs::rename(folder, kept)?,
            None => fs::remove_dir_all(folder)?,
        }
        sync_parent(folder)?;
        fs::rename(&rebuilt, folder)?;
        sync_parent(folder)
    };
    swap().map_err(|error| file(folder, &error))?;
    Ok(Rebuilt { tip, damage, kept })
}

/// Makes the new folder, durable block by block.
async fn build(
    building: &Path,
    genesis: Arc<Genesis>,
    upstream: &dyn Upstream,
    progress: &mut impl FnMut(&Tip),
) -> Result<(Tip, Store), RebuildError> {
    let (store, replica) = Store::open(building, genesis, Arc::new(Direct))?;
    let mut copy = Copy::new(store, replica);
    while copy.grow(upstream, BATCH, Duration::ZERO, |replica| progress(replica.tip())).await? > 0 {
    }
    Ok((*copy.replica.tip(), copy.store))
}

/// Whether the new copy may take the old one's place.
fn check(
    folder: &Path,
    local: Option<(&Reader, &Tip)>,
    tip: &Tip,
    built: &Reader,
    wanted: &Wanted,
) -> Result<(), RebuildError> {
    let end = tip.height;
    if end == 0 {
        return Err(RebuildError::Empty);
    }
    let last = local.map_or(0, |(_, ours)| ours.height);
    let forked = match local {
        Some((reader, ours)) => first_difference(reader, built, ours.height.min(end))?,
        None => None,
    };
    if let Some((height, ours, theirs)) = forked {
        let other = RebuildError::OtherChain { height, ours, theirs, last, end };
        return if wanted.replace_fork { Ok(()) } else { Err(other) };
    }
    if let Some((_, ours)) = local
        && last >= end
    {
        return Err(RebuildError::NotNeeded { ours: last, block: ours.block, theirs: end });
    }
    if wanted.replace_fork {
        return Ok(());
    }
    // A mark that cannot be read says nothing; the damage is reported with the rest.
    let mark = read_mark(folder).ok().flatten();
    let mark = mark.map(|mark| Acknowledged { height: mark.height, block: mark.block });
    for Acknowledged { height, block: ours } in mark.into_iter().chain(wanted.acknowledged) {
        if height > end {
            return Err(RebuildError::BehindMark { theirs: end, marked: height });
        }
        if let Some(theirs) = hash_at(built, height)?.filter(|theirs| *theirs != ours) {
            return Err(RebuildError::OtherChain { height, ours, theirs, last, end });
        }
    }
    Ok(())
}

fn hash_at(reader: &Reader, height: u64) -> Result<Option<BlockHash>, StoreError> {
    Ok(reader.header(height)?.map(|(header, _)| header.hash()))
}

/// The first height up to `common`, which both have, at which two chains differ. Each block names the one
/// before, so that they differ from there on.
fn first_difference(
    ours: &Reader,
    theirs: &Reader,
    common: u64,
) -> Result<Option<(u64, BlockHash, BlockHash)>, StoreError> {
    let at = |height| -> Result<_, StoreError> {
        let missing = StoreError::Missing { tree: "block", key: height };
        let ours = hash_at(ours, height)?.ok_or_else(|| missing.clone())?;
        Ok((ours, hash_at(theirs, height)?.ok_or(missing)?))
    };
    // They agree up to `same`, and differ at `other`.
    let (mut same, mut other) = (0, common);
    if common == 0 {
        return Ok(None);
    }
    let (ours, theirs) = at(common)?;
    if ours == theirs {
        return Ok(None);
    }
    while other - same > 1 {
        let middle = same + (other - same) / 2;
        let (ours, theirs) = at(middle)?;
        if ours == theirs {
            same = middle;
        } else {
            other = middle;
        }
    }
    let (ours, theirs) = at(other)?;
    Ok(Some((other, ours, theirs)))
}

/// Height of the other copy's last block, which is below `height`.
async fn last_height(upstream: &dyn Upstream, height: u64) -> Result<u64, UpstreamError> {
    let (mut has, mut lacks) = (0, height);
    while lacks - has > 1 {
        let middle = has + (lacks - has) / 2;
        if upstream.blocks(middle, 1, Duration::ZERO).await?.is_empty() {
            lacks = middle;
        } else {
            has = middle;
        }
    }
    Ok(has)
}

fn beside(folder: &Path, suffix: &str) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    folder.with_file_name(name)
}

/// The first `<folder>.damaged-<n>` that nothing has yet.
fn free_name(folder: &Path) -> PathBuf {
    let names = (1_u64..).map(|number| beside(folder, &format!("damaged-{number}")));
    let mut free = names.skip_while(|path| path.exists());
    free.next().expect("some number is free")
}

fn remove(path: &Path) -> Result<(), OpenError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file(path, &error)),
        _ => Ok(()),
    }
}

fn sync_parent(folder: &Path) -> io::Result<()> {
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn file(path: &Path, error: &io::Error) -> OpenError {
    OpenError::File { path: path.display().to_string(), reason: error.to_string() }
}

/// A chain folder that no running gateway has open, as an upstream: somebody's copy on a disk.
#[derive(Debug)]
pub struct FolderUpstream {
    reader: Reader,
}

impl FolderUpstream {
    /// Opens a copy, unchecked: whoever reads it checks it.
    ///
    /// # Errors
    /// [`OpenError`] if there is no chain, or a gateway has it open.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        Ok(Self { reader: Reader::open_unverified(folder)? })
    }

    fn read(&self, from: u64, limit: usize) -> Result<Vec<CertifiedBlock>, StoreError> {
        let mut blocks = Vec::new();
        for height in (from.max(1)..=self.reader.last_height()?).take(limit) {
            let missing = StoreError::Missing { tree: "block", key: height };
            blocks.push(self.reader.block(height)?.ok_or(missing)?);
        }
        Ok(blocks)
    }
}

fn unreadable(what: &'static str) -> impl Fn(StoreError) -> UpstreamError {
    move |error| UpstreamError::Content { what, reason: error.to_string() }
}

impl Upstream for FolderUpstream {
    fn blocks(
        &self,
        from: u64,
        limit: usize,
        _: Duration,
    ) -> Pending<'_, Result<Vec<CertifiedBlock>, UpstreamError>> {
        Box::pin(async move { self.read(from, limit).map_err(unreadable("block")) })
    }

    fn document(&self, digest: Digest) -> Pending<'_, Result<Option<Document>, UpstreamError>> {
        Box::pin(async move { self.reader.document(&digest).map_err(unreadable("document")) })
    }

    fn submit(&self, _: Submission) -> Pending<'_, Result<(), HandInError>> {
        let reason = "a folder takes no entries".to_owned();
        Box::pin(async move { Err(HandInError::NotTaken { reason }) })
    }

    fn checkpoint(&self) -> Pending<'_, Result<SignedCheckpoint, UpstreamError>> {
        let reason = "a folder has none".to_owned();
        Box::pin(async move { Err(UpstreamError::Content { what: "checkpoint", reason }) })
    }

    fn cosign(&self, _: SignedCheckpoint) -> Pending<'_, Result<(), UpstreamError>> {
        Box::pin(async move { Err(UpstreamError::Refused { code: "folder".to_owned() }) })
    }
}

#[cfg(test)]
mod tests;
