//! Offers: pseudonymous questions that a citizen carries to the issuer.

use chain::identifier::EntryId;
use circuits::query::Mode;
use crypto::Digest;
use serde::{Deserialize, Serialize};

use super::{AskedRow, request_digest};
use crate::department::{Department, Internal};
use crate::document::Request;
use crate::document::key_card::SignatureHex;

/// Label of a requester's signature over an offer.
const OFFER_LABEL: &str = "proofgate/v1/offer";

/// A pseudonymous question for a citizen to take to the issuer, as a link or a QR code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The question.
    pub request: Request,
    /// Id of its `request` entry.
    pub entry: EntryId,
    /// The requester's signature over the request's digest and the entry.
    pub signature: SignatureHex,
}

impl Department {
    /// The signed offer of a pseudonymous question that is on the chain.
    ///
    /// # Errors
    /// [`Internal`] if the store fails.
    pub fn offer(&self, digest: &Digest) -> Result<Option<Offer>, Internal> {
        let Some(AskedRow { request, entry: Some(entry), .. }) = self.asked_row(digest)? else {
            return Ok(None);
        };
        if request.circuit.mode() != Mode::Pseudonymous {
            return Ok(None);
        }
        let message = offer_message(digest, &entry);
        let signature = SignatureHex(self.keys.signing.sign(OFFER_LABEL, &message));
        Ok(Some(Offer { request, entry, signature }))
    }
}

impl Offer {
    /// The question's digest, if the requester signed this offer.
    ///
    /// # Errors
    /// [`crypto::signing::SignatureError`] if it did not.
    pub fn verify(
        &self,
        requester: &crypto::VerifyingKey,
    ) -> Result<Digest, crypto::signing::SignatureError> {
        let digest = request_digest(&self.request);
        requester.verify(OFFER_LABEL, &offer_message(&digest, &self.entry), &self.signature.0)?;
        Ok(digest)
    }
}

fn offer_message(digest: &Digest, entry: &EntryId) -> Vec<u8> {
    [digest.as_bytes().as_slice(), entry.as_bytes()].concat()
}
