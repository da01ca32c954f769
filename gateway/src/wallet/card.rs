//! The registrar's card of the wallet's key: what it must be to be stored, and whose word it is.

use chain::genesis::Genesis;
use chain::identifier::{DepartmentId, NetworkId};
use serde_json::Value;
use thiserror::Error;

use crate::document::VERSION;
use crate::document::key_card::{ConsentKey, SignedKeyCard};
use crate::subject::Subject;

/// What is wrong with a registrar's card.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CardFault {
    /// It is no card.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// Another format version.
    #[error("version {0}; this software reads version {VERSION}")]
    Version(u32),
    /// It is of another key than the wallet's.
    #[error("it is of another key")]
    Key,
    /// It is of another citizen.
    #[error("it is of another subject")]
    Subject,
    /// It is another department's.
    #[error("it is of registrar {0}")]
    Registrar(DepartmentId),
    /// It is of another network.
    #[error("it is of network {got}, expected {expected}")]
    Network {
        /// In the card.
        got: NetworkId,
        /// In the genesis file, as given, or as the wallet's former card has it.
        expected: NetworkId,
    },
    /// Somebody else signed it than the registrar that the genesis file names.
    #[error("it is not signed with the key that the genesis file has for this registrar")]
    Signature,
}

/// What shows that a card is the registrar's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Voucher {
    /// Its signature, under the registrar's key in the genesis file.
    Genesis,
    /// Nothing: the genesis file names no such registrar, which became one later.
    LaterRegistrar,
    /// Nothing: the wallet has no genesis file.
    NoGenesis,
}

/// What a card must be to be the wallet's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub(super) key: &'a ConsentKey,
    pub(super) subject: Subject,
    pub(super) registrar: DepartmentId,
    pub(super) network: NetworkId,
    pub(super) genesis: Option<&'a Genesis>,
}

/// The card that a registrar sent, if it is the expected one.
pub(super) fn check(card: Value, expected: Expected<'_>) -> Result<SignedKeyCard, CardFault> {
    let signed: SignedKeyCard = serde_json::from_value(card)?;
    let card = &signed.card;
    if card.version != VERSION {
        return Err(CardFault::Version(card.version));
    }
    if card.key != *expected.key {
        return Err(CardFault::Key);
    }
    if card.subject != expected.subject {
        return Err(CardFault::Subject);
    }
    if card.registrar != expected.registrar {
        return Err(CardFault::Registrar(card.registrar));
    }
    if card.network != expected.network {
        return Err(CardFault::Network { got: card.network, expected: expected.network });
    }
    vouched(&signed, expected.genesis)?;
    Ok(signed)
}

/// What shows that the card is the registrar's word; refused if the genesis file shows that it is not.
pub(super) fn vouched(
    signed: &SignedKeyCard,
    genesis: Option<&Genesis>,
) -> Result<Voucher, CardFault> {
    let Some(genesis) = genesis else { return Ok(Voucher::NoGenesis) };
    let (got, expected) = (signed.card.network, *genesis.network());
    if got != expected {
        return Err(CardFault::Network { got, expected });
    }
    let named = |it: &&chain::department::Department| it.id == signed.card.registrar;
    let registrar = genesis.facts().departments.iter().find(named);
    match registrar.filter(|registrar| registrar.is_registrar()) {
        Some(registrar) => signed
            .verify(&expected, &registrar.signing_key)
            .map(|_| Voucher::Genesis)
            .map_err(|_| CardFault::Signature),
        None => Ok(Voucher::LaterRegistrar),
    }
}
