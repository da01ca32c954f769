//! A question as the wallet read it itself: the only thing that it signs.

use chain::identifier::{DepartmentId, NetworkId};
use circuits::query::Mode;
use circuits::schema::Schema;
use circuits::statement::CircuitId;
use crypto::{Digest, canonical};
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use crate::department::asking::Offer;
use crate::document::key_card::KeyCard;
use crate::document::request::{LegalBasis, RequestError};
use crate::document::{CheckedRequest, Request};
use crate::exchange::verification::Note;
use crate::http::citizen::Pending;
use crate::records::schema_digest;

/// Label of the digest that stands for all documents without a canonical form: of no request's kind.
const NO_CANONICAL_FORM: &str = "proofgate/v1/wallet/no-canonical-form";

/// A question that this citizen may answer now, recomputed from its document and schema.
///
/// Only the wallet makes one. What the issuer merely says is kept apart, in [`Self::holds`],
/// [`Self::requester_name`], [`Self::service_title`] and the [`Notice::Issuer`]s.
#[derive(Clone, Debug)]
pub struct Question {
    pub(super) checked: CheckedRequest,
    pub(super) offer: Option<Offer>,
    requester_name: Option<String>,
    service_title: Option<String>,
    holds: Option<bool>,
    notices: Vec<Notice>,
}

/// What the citizen must be told beside the question.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// One of the system's own notes.
    Note(Note),
    /// This requester will know the citizen by one pseudonym for this purpose.
    SamePseudonym {
        /// Who asks.
        requester: DepartmentId,
        /// What for.
        purpose: String,
    },
    /// The wallet cannot check a requester's signature; the issuer does.
    OfferUnchecked,
    /// Something that the issuer says and that the wallet does not know.
    Issuer(String),
}

/// Why the wallet does not sign what it was shown.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Unsignable {
    /// It is no request document.
    #[error("the request document: {0}")]
    Request(serde_json::Error),
    /// What came with it is no schema.
    #[error("the schema: {0}")]
    Schema(serde_json::Error),
    /// It does not check against the schema that came with it.
    #[error("the request does not check: {0}")]
    Check(#[from] RequestError),
    /// It is a question to another department than the one that shows it.
    #[error("the question is to {named}, and {asked} shows it")]
    Issuer {
        /// In the request.
        named: DepartmentId,
        /// Who was asked for questions.
        asked: DepartmentId,
    },
    /// It is of another network than the wallet's card.
    #[error("the question is of network {named}, the wallet's card of {card}")]
    Network {
        /// In the request.
        named: NetworkId,
        /// In the card.
        card: NetworkId,
    },
    /// It needs the consent of another card than the wallet's.
    #[error("the question is to the holder of key card {named}, the wallet's is {own}")]
    KeyCard {
        /// In the request.
        named: Digest,
        /// The wallet's own.
        own: Digest,
    },
    /// Its time is over.
    #[error("the question expired")]
    Expired {
        /// Unix seconds.
        expires: u64,
    },
    /// It rests on a law: no signature is asked for, and one would be used for something else.
    #[error("the question rests on a law ({reference}) and asks for no consent")]
    Statutory {
        /// The law.
        reference: String,
    },
    /// An offer is always of a pseudonymous question.
    #[error("an offer of {0}: expected a pseudonymous circuit")]
    NotPseudonymous(CircuitId),
}

/// A question that waits and that the wallet does not sign.
#[derive(Debug, Error)]
#[error("request {digest}: {reason}")]
pub struct Rejected {
    /// Digest of the document, by which it can be refused.
    pub digest: Digest,
    /// Why.
    pub reason: Box<Unsignable>,
}

/// With what a question is compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) issuer: DepartmentId,
    pub(super) card: &'a KeyCard,
    pub(super) now: u64,
}

impl Question {
    /// The question that an issuer says is waiting.
    pub(super) fn waiting(pending: Pending, place: Place<'_>) -> Result<Self, Rejected> {
        let document = digest_of(&pending.request);
        let request: Request = serde_json::from_value(pending.request).map_err(|error| {
            Rejected { digest: document, reason: Box::new(Unsignable::Request(error)) }
        })?;
        let digest = digest_of(&request);
        let schema = serde_json::from_value(pending.schema).map_err(Unsignable::Schema);
        let checked = schema
            .and_then(|schema| check(request, &schema, place))
            .map_err(|reason| Rejected { digest, reason: Box::new(reason) })?;
        let issuers = pending.notes.into_iter().map(notice);
        let mut notices = own_notices(&checked, place.card);
        for notice in issuers {
            if !notices.contains(&notice) {
                notices.push(notice);
            }
        }
        Ok(Self {
            checked,
            offer: None,
            requester_name: Some(pending.requester_name),
            service_title: Some(pending.service_title),
            holds: Some(pending.holds),
            notices,
        })
    }

    /// The question of an offer that a requester handed to the citizen.
    pub(super) fn offered(offer: Offer, place: Place<'_>) -> Result<Self, Unsignable> {
        let checked = check(offer.request.clone(), &offer.schema, place)?;
        if checked.request().circuit.mode() != Mode::Pseudonymous {
            return Err(Unsignable::NotPseudonymous(checked.request().circuit));
        }
        let mut notices = own_notices(&checked, place.card);
        notices.push(Notice::OfferUnchecked);
        let (requester_name, service_title, holds) = (None, None, None);
        Ok(Self { checked, offer: Some(offer), requester_name, service_title, holds, notices })
    }

    /// The request, with everything that follows from it.
    pub fn checked(&self) -> &CheckedRequest {
        &self.checked
    }

    /// What the issuer calls the requester.
    pub fn requester_name(&self) -> Option<&str> {
        self.requester_name.as_deref()
    }

    /// What the issuer calls the service.
    pub fn service_title(&self) -> Option<&str> {
        self.service_title.as_deref()
    }

    /// The issuer's word on whether the record meets the condition.
    pub fn holds(&self) -> Option<bool> {
        self.holds
    }

    /// What the citizen must be told.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }
}

fn check(
    request: Request,
    schema: &Schema,
    place: Place<'_>,
) -> Result<CheckedRequest, Unsignable> {
    if request.issuer != place.issuer {
        return Err(Unsignable::Issuer { named: request.issuer, asked: place.issuer });
    }
    if request.network != place.card.network {
        return Err(Unsignable::Network { named: request.network, card: place.card.network });
    }
    let checked = CheckedRequest::check(request, schema, &schema_digest(schema))?;
    match &checked.request().legal_basis {
        LegalBasis::Statutory { reference } => {
            return Err(Unsignable::Statutory { reference: reference.clone() });
        }
        LegalBasis::Consent { key_card: Some(named) } if *named != place.card.digest() => {
            return Err(Unsignable::KeyCard { named: *named, own: place.card.digest() });
        }
        // Without a card it is pseudonymous: `CheckedRequest` sees to that.
        LegalBasis::Consent { .. } => {}
    }
    in_time(&checked, place.now)?;
    Ok(checked)
}

/// The question, if its time is not over.
pub(super) fn in_time(checked: &CheckedRequest, now: u64) -> Result<(), Unsignable> {
    let expires = checked.request().expires;
    if now > expires { Err(Unsignable::Expired { expires }) } else { Ok(()) }
}

/// What follows from the document and the wallet's own card, whatever the issuer says.
fn own_notices(checked: &CheckedRequest, card: &KeyCard) -> Vec<Notice> {
    let request = checked.request();
    let mut notices = Vec::new();
    if request.circuit.mode() == Mode::Pseudonymous {
        notices.push(Notice::Note(Note::ConsentBindsAllButIssuer));
        let (requester, purpose) = (request.requester, request.purpose.clone());
        notices.push(Notice::SamePseudonym { requester, purpose });
    } else if card.registrar == request.issuer {
        notices.push(Notice::Note(Note::ConsentKeyEnrolledByIssuer));
    }
    notices
}

fn notice(text: String) -> Notice {
    match serde_json::from_value(Value::String(text.clone())) {
        Ok(note) => Notice::Note(note),
        Err(_) => Notice::Issuer(text),
    }
}

/// The digest of a document that may not be a good request, and may so have no canonical form.
pub(super) fn digest_of<T: Serialize>(document: &T) -> Digest {
    canonical::digest(document).unwrap_or_else(|_| Digest::labelled(NO_CANONICAL_FORM, &[]))
}
