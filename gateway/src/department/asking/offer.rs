//! Offers: pseudonymous questions that a citizen carries to the issuer.

use chain::identifier::EntryId;
use circuits::query::Mode;
use circuits::schema::Schema;
use crypto::Digest;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{AskedRow, request_digest};
use crate::department::{Department, Internal};
use crate::document::Request;
use crate::document::key_card::SignatureHex;
use crate::records::schema_digest;

/// Label of a requester's signature over an offer.
const OFFER_LABEL: &str = "proofgate/v1/offer";

/// A pseudonymous question for a citizen to take to the issuer, as a file or behind a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The question.
    pub request: Request,
    /// The schema that its query is written against, so that the wallet can read it. The request names
    /// its digest.
    pub schema: Schema,
    /// Id of its `request` entry.
    pub entry: EntryId,
    /// The requester's signature over the request's digest and the entry.
    pub signature: SignatureHex,
}

/// Why an offer is not the requester's.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OfferError {
    /// It carries another schema than its request names.
    #[error("the offer's schema is not the one that its request names")]
    Schema,
    /// Somebody else signed it.
    #[error("the offer is not signed by its requester")]
    Signature,
}

impl Department {
    /// The signed offer of a pseudonymous question that is on the chain.
    ///
    /// # Errors
    /// [`Internal`] if our own side failed.
    pub async fn offer(&self, digest: &Digest) -> Result<Option<Offer>, Internal> {
        let Some(AskedRow { request, entry: Some(entry), .. }) = self.asked_row(digest)? else {
            return Ok(None);
        };
        if request.circuit.mode() != Mode::Pseudonymous {
            return Ok(None);
        }
        let schema = self.restore_request(&request).await?.query().schema().clone();
        let message = offer_message(digest, &entry);
        let signature = SignatureHex(self.keys.signing.sign(OFFER_LABEL, &message));
        Ok(Some(Offer { request, schema, entry, signature }))
    }
}

impl Offer {
    /// The question's digest, if the requester signed this offer and the schema is its own.
    ///
    /// # Errors
    /// [`OfferError`] says which does not hold.
    pub fn verify(&self, requester: &crypto::VerifyingKey) -> Result<Digest, OfferError> {
        // The signature covers the schema through its digest in the request.
        if schema_digest(&self.schema) != self.request.schema {
            return Err(OfferError::Schema);
        }
        let digest = request_digest(&self.request);
        requester
            .verify(OFFER_LABEL, &offer_message(&digest, &self.entry), &self.signature.0)
            .map_err(|_| OfferError::Signature)?;
        Ok(digest)
    }
}

fn offer_message(digest: &Digest, entry: &EntryId) -> Vec<u8> {
    [digest.as_bytes().as_slice(), entry.as_bytes()].concat()
}
