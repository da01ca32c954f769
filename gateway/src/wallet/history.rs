//! What an issuer says of the past, compared with what the wallet kept and the chain has.
//!
//! The citizen's signature does not cover the withdrawal lock, so an issuer could record a lock of its
//! own. The receipt of the `consent` entry shows which it recorded, afterwards.

use chain::entry::{Content, withdrawal_lock};
use chain::genesis::Genesis;
use chain::identifier::{DepartmentId, EntryId};
use chain::receipt::{Receipt, ReceiptError};
use crypto::Digest;
use serde_json::Value;
use thiserror::Error;

use super::Consented;
use super::folder::Kept;
use crate::http::citizen::PastExchange;

/// States in which the consent is on the chain, if there was one.
const RECORDED: [&str; 2] = ["answered", "withdrawn"];

/// What an issuer says of the past.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// Its exchanges.
    pub exchanges: Vec<Past>,
    /// Consents that the wallet sent, or could not send, and that the issuer does not mention.
    pub unmentioned: Vec<(Digest, Consented)>,
}

/// An exchange as the issuer tells it, and what the chain has of the wallet's consent to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// The issuer's word.
    pub told: PastExchange,
    /// What was checked.
    pub consent: OnChain,
}

/// What the chain has of a consent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnChain {
    /// The wallet gave none, and the issuer shows none.
    None,
    /// The wallet gave one; the issuer says that it is not on the chain, and that nothing was answered.
    NotRecorded,
    /// The one that the wallet gave, under its lock: it can be withdrawn.
    Own(EntryId),
    /// The issuer shows one; without the genesis file the wallet cannot check it.
    Unchecked,
    /// Not the one that the wallet gave.
    Wrong(ConsentFault),
}

/// What is wrong with a consent that an issuer says is on the chain.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsentFault {
    /// The wallet has no secret that opens the recorded lock.
    #[error(
        "you cannot withdraw this consent: in entry {0} the issuer recorded a lock that is not yours"
    )]
    Lock(EntryId),
    /// Answered, and no consent is shown.
    #[error(
        "you cannot withdraw this consent: the issuer used it and shows no entry of it on the chain"
    )]
    Missing,
    /// The entry is of another consent or question, or of somebody else.
    #[error(
        "entry {0}, which the issuer shows, is not its record of your consent to this question"
    )]
    OtherEntry(EntryId),
    /// The validators did not certify what is shown.
    #[error("the entry that the issuer shows is not on the chain: {0}")]
    Receipt(#[from] ReceiptError),
    /// The wallet never consented to this.
    #[error("the issuer recorded a consent that this wallet did not give")]
    NotGiven,
}

/// Compares what `issuer` says with what the wallet kept of its consents to it, and with the chain.
pub(super) fn compare(
    issuer: DepartmentId,
    told: Vec<PastExchange>,
    mut kept: Vec<Kept>,
    genesis: Option<&Genesis>,
) -> History {
    let exchanges: Vec<_> = told
        .into_iter()
        .map(|told| {
            let own = kept.iter().find(|kept| kept.request == told.request);
            Past { consent: on_chain(issuer, &told, own, genesis), told }
        })
        .collect();
    kept.retain(|kept| exchanges.iter().all(|past| past.told.request != kept.request));
    let unmentioned = kept.into_iter().map(|kept| (kept.request, kept.into())).collect();
    History { exchanges, unmentioned }
}

fn on_chain(
    issuer: DepartmentId,
    told: &PastExchange,
    kept: Option<&Kept>,
    genesis: Option<&Genesis>,
) -> OnChain {
    match (kept, &told.consent) {
        (None, None) => OnChain::None,
        (None, Some(_)) => OnChain::Wrong(ConsentFault::NotGiven),
        (Some(_), None) if RECORDED.contains(&told.state.as_str()) => {
            OnChain::Wrong(ConsentFault::Missing)
        }
        (Some(_), None) => OnChain::NotRecorded,
        (Some(kept), Some(receipt)) => match genesis {
            Some(genesis) => {
                own(issuer, kept, receipt, genesis).map_or_else(OnChain::Wrong, OnChain::Own)
            }
            None => OnChain::Unchecked,
        },
    }
}

/// The entry, if the validators certified it and it is the issuer's record of this very consent.
///
/// An issuer records one consent to a request, so there is no other that it could have used.
fn own(
    issuer: DepartmentId,
    kept: &Kept,
    receipt: &Value,
    genesis: &Genesis,
) -> Result<EntryId, ConsentFault> {
    let receipt: Receipt = serde_json::from_value(receipt.clone())
        .map_err(|error| ReceiptError::Malformed { reason: error.to_string() })?;
    let verified = receipt.verify(genesis)?;
    let asked = Content::Request { request: chain::entry::request_digest(&kept.request) };
    let asked = asked.entry_id(genesis.network(), &kept.requester);
    match verified.entry.content() {
        Content::Consent { lock, request, .. }
            if *verified.entry.author() == issuer && *request == asked =>
        {
            let own = *lock == withdrawal_lock(&kept.w);
            if own { Ok(verified.id) } else { Err(ConsentFault::Lock(verified.id)) }
        }
        _ => Err(ConsentFault::OtherEntry(verified.id)),
    }
}
