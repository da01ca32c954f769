//! What other gateways' copies of the chain are good for: before a validator signs again, and while a
//! follower follows.

mod remembered;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use chain::identifier::{BlockHash, DepartmentId};
use chain::ledger::{FollowError, Ledger, Upstream as _, UpstreamError};
use chain::receipt::{CertifiedHeader, ReceiptError};
use chain::store::{StoreError, TipError};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::http::chain_client::ChainClient;
use crate::http::tls::Trust;
use crate::http::{BaseUrl, BaseUrlError, ClientLimits};

pub use remembered::{Place, Remembered, RememberedError, Remembering, replace};

/// Why a validator must not sign: its store was rolled back or rewritten, or lost its newest blocks.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerCopyError {
    /// A peer has a certified block beyond the last one here.
    #[error(
        "{peer} has the certified block {theirs} at height {height}, beyond the last one here, {ours} at \
         height {last}: the chain's folder was rolled back or lost blocks. Nothing is signed. Rebuild it: \
         proofgate --dir DIR rebuild --from {url}"
    )]
    Behind {
        /// The peer.
        peer: DepartmentId,
        /// Where it is.
        url: BaseUrl,
        /// Height of the peer's block.
        height: u64,
        /// The peer's block.
        theirs: BlockHash,
        /// Height of the last block here.
        last: u64,
        /// The last block here.
        ours: BlockHash,
    },
    /// A peer has another certified block at a height that is here too.
    #[error(
        "{peer} has the certified block {theirs} at height {height}, here it is {ours}: the chain's folder \
         was rolled back and went on, or was rewritten. Nothing is signed. Rebuild it, once it is known which of \
         the two the network follows: proofgate --dir DIR rebuild --from {url} --replace-fork"
    )]
    Conflict {
        /// The peer.
        peer: DepartmentId,
        /// Where it is.
        url: BaseUrl,
        /// The height.
        height: u64,
        /// The peer's block.
        theirs: BlockHash,
        /// The block here.
        ours: BlockHash,
    },
    /// The chain here cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of asking one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The peer.
    pub peer: DepartmentId,
    /// Height of its last block, which agrees with the chain here, or why it says nothing.
    pub answer: Result<u64, NoWord>,
}

/// Why a peer's word is not known. No reason not to sign: else any department could stop the network.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoWord {
    /// Its URL is none that this gateway can call.
    #[error(transparent)]
    Url(#[from] BaseUrlError),
    /// It gave nothing.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// It did not answer in time.
    #[error("it did not answer within {0:?}")]
    Late(Duration),
    /// What it showed is certified by nobody.
    #[error("its block at height {height}: {error}")]
    Uncertified {
        /// The height.
        height: u64,
        /// What is wrong.
        error: ReceiptError,
    },
    /// It has no block where it says that it has one.
    #[error("it has no block at height {height}")]
    Nothing {
        /// The height.
        height: u64,
    },
}

/// Asks the gateways of all departments but `own`, and those at `places`, for their newest block, and for the
/// certified block where it is not the one here. The places are those that are remembered: a chain that was
/// rolled back may know nobody. To be called before anything is submitted to a validator's ledger that was just
/// opened: then nothing has been signed. Peers share the time; one that is not reached is in the result.
///
/// # Errors
/// [`PeerCopyError`] if a peer shows by a certificate that the store here is not the newest.
pub async fn ask_peers(
    ledger: &dyn Ledger,
    own: &[DepartmentId],
    places: &[Place],
    limits: &ClientLimits,
    trust: &Trust,
    time: Duration,
) -> Result<Vec<Asked>, Box<PeerCopyError>> {
    let chain = ledger.snapshot();
    let members = chain.state().members().map(|member| &member.department);
    let members = members.map(|department| (department.id, department.url.as_str()));
    let remembered = places.iter().map(|place| (place.id, place.url.as_str()));
    let everybody: BTreeSet<_> = members.chain(remembered).collect();
    let mut asking = JoinSet::new();
    for (peer, url) in everybody.into_iter().filter(|(id, _)| !own.contains(id)) {
        let url = url.parse::<BaseUrl>();
        let (limits, trust, tip) = (limits.clone(), trust.clone(), *chain.tip());
        asking.spawn(async move {
            let shown = async {
                let client = ChainClient::new(url?, limits).trusting(trust);
                let theirs = client.tip().await?;
                if theirs.height <= tip.height
                    && (theirs.height == 0 || theirs.block == *tip.block.as_digest())
                {
                    return Ok(Shown { client, height: theirs.height, block: None });
                }
                // The first block that is not here is certified by a set that is known here.
                let height = theirs.height.min(tip.height + 1);
                let found = client.blocks(height, 1, Duration::ZERO).await?.pop();
                let block = found.filter(|block| block.block.header().height == height);
                let block = Some(block.ok_or(NoWord::Nothing { height })?);
                Ok(Shown { client, height: theirs.height, block })
            };
            (peer, timeout(time, shown).await.unwrap_or(Err(NoWord::Late(time))))
        });
    }
    let mut answers = Vec::new();
    while let Some(joined) = asking.join_next().await {
        // A task that panicked has shown nothing.
        let Ok((peer, shown)) = joined else { continue };
        let answer = match shown {
            Ok(shown) => judge(ledger, peer, shown)?,
            Err(no_word) => Err(no_word),
        };
        answers.push(Asked { peer, answer });
    }
    answers.sort_by_key(|asked| asked.peer);
    Ok(answers)
}

struct Shown {
    client: ChainClient,
    /// The height that the peer says it has.
    height: u64,
    block: Option<chain::block::CertifiedBlock>,
}

fn judge(
    ledger: &dyn Ledger,
    peer: DepartmentId,
    shown: Shown,
) -> Result<Result<u64, NoWord>, Box<PeerCopyError>> {
    let Some(block) = shown.block else { return Ok(Ok(shown.height)) };
    let chain = ledger.snapshot();
    let (header, certificate) = (*block.block.header(), block.certificate);
    let height = header.height;
    let before = |it: &&chain::receipt::HandOver| it.header.height < height;
    let hand_overs = chain.hand_overs().iter().filter(before).cloned().collect();
    let certified = CertifiedHeader { header, certificate, hand_overs };
    let verified = match certified.verify(chain.genesis()) {
        Ok(verified) => verified,
        Err(error) => return Ok(Err(NoWord::Uncertified { height, error })),
    };
    let url = shown.client.base().clone();
    match ledger.reader().expect_tip(&verified) {
        Ok(()) => Ok(Ok(shown.height)),
        Err(TipError::Store(error)) => Err(Box::new(error.into())),
        Err(TipError::Conflict { height, ours, theirs }) => {
            Err(Box::new(PeerCopyError::Conflict { peer, url, height, theirs, ours }))
        }
        Err(_) => {
            let (last, ours) = (chain.tip().height, chain.tip().block);
            let theirs = verified.block;
            Err(Box::new(PeerCopyError::Behind { peer, url, height, theirs, last, ours }))
        }
    }
}

/// Logs what keeps a follower from following, as it changes, until the follower is dropped.
pub async fn log_following(mut following: watch::Receiver<Option<FollowError>>) {
    let mut troubled = false;
    loop {
        let now = following.borrow_and_update().clone();
        match &now {
            Some(error @ (FollowError::Upstream(_) | FollowError::Cosigning(_))) => {
                tracing::warn!(code = error.code(), %error, "the chain is not followed");
            }
            Some(error) => {
                tracing::error!(code = error.code(), %error, "the chain is not followed");
            }
            None if troubled => tracing::info!("the chain is followed again"),
            None => {}
        }
        troubled = now.is_some();
        if following.changed().await.is_err() {
            return;
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.answer {
            Ok(height) => write!(f, "{} agrees up to height {height}", self.peer),
            Err(error) => write!(f, "{}: {error}", self.peer),
        }
    }
}

#[cfg(test)]
mod tests;
