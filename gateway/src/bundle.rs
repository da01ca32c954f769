//! The answer bundle: what a requester files for a verified answer, and anybody verifies later, offline,
//! against the genesis file alone.
//!
//! **Personal data.** The bundle of an identified question names the subject, holds the citizen's key card
//! and says what is true of them. That of a pseudonymous one holds a pseudonym. It belongs in the
//! requester's file on the case and is not to be given on: who may see the file may see it, nobody else.
//!
//! **What verifying shows.** The proof verifies under a key that the departments approved; its inputs follow
//! from the request; the citizen's signature is that of the key on the registrar's card; and everything
//! stands in blocks that the network's validators certified, signed by its author. The signatures of founding
//! departments are checked under the keys in the genesis file, those of later ones under documents whose
//! approvals lead back to it.
//!
//! **What the validators vouch for.** A receipt shows that an entry stands in the log, and not what else
//! stands there. So these are the validators' word, who apply the chain's rules before they certify:
//! - that no withdrawal of the consent stood before the proof;
//! - that the root was the dataset's current one, or in grace, when the proof was recorded;
//! - that the registrar had not replaced the key card when the citizen consented;
//! - that nobody joined the network whom the bundle leaves out: the needed approvals are counted among the
//!   departments of the genesis file and of the bundle, so leaving out those that joined would make too few
//!   approvals look like enough. Who doubts that audits the chain, which shows all.
//!
//! No proof shows that the issuer recorded the truth. [`NOT_SHOWN`] says all this in words.

mod error;
mod facts;
mod parts;
mod roll;
mod unproven;
mod verified;

use chain::identifier::NetworkId;
use chain::receipt::Receipt;
use crypto::{Digest, canonical};
use serde::{Deserialize, Serialize};

use crate::document::{Answer, CircuitDocument, Request, Service, SignedKeyCard};
use crate::subject::Subject;

pub use error::{BundleError, Part};
pub use unproven::{UnprovenBundle, verify_many};
pub use verified::{Recorded, VerifiedBundle};

/// The bundle format this version writes and reads.
pub const BUNDLE_FORMAT: &str = "proofgate/bundle/v1";
/// The longest bundle, in bytes: 4 MiB, over a thousand receipts.
pub const MAX_BUNDLE_BYTES: usize = 4 * 1024 * 1024;

/// What verifying a bundle does not show, for people.
pub const NOT_SHOWN: [&str; 5] = [
    "that no withdrawal stood on the chain before the proof: the validators vouch for it",
    "that the root was current, or in grace, at the proof: the validators vouch for it",
    "that the key card was not replaced before the consent: the validators vouch for it",
    "departments that joined and that the bundle leaves out: an audit of the chain shows them",
    "that the issuer recorded the truth: no proof shows that",
];

/// A filed answer, unchecked until [`Bundle::verify`]. See the [module](self) for the personal data in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// [`BUNDLE_FORMAT`].
    pub format: String,
    /// The network.
    pub network: NetworkId,
    /// The question.
    pub request: Request,
    /// Who it is about; absent in a pseudonymous one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// The registrar's word on the citizen's key, where the request names a card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<SignedKeyCard>,
    /// The answer, as the issuer sealed it.
    pub answer: Answer,
    /// The service that was asked: the document behind its entry.
    pub service: Service,
    /// The key's document.
    pub circuit: CircuitDocument,
    /// Documents of departments that are not in the genesis file, in the order of their approval.
    pub departments: Vec<Admission>,
    /// Where everything stands on the chain.
    pub receipts: Receipts,
}

/// How a department's document came to count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admission {
    /// The document.
    pub document: chain::department::Department,
    /// Of its `department` entry.
    pub receipt: Receipt,
    /// Of the `approval` entries, as many as were needed.
    pub approvals: Vec<Receipt>,
}

/// The receipts of what an answer rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipts {
    /// Of the `request` entry.
    pub request: Receipt,
    /// Of the `service` entry that the request names.
    pub service: Receipt,
    /// Of the `service` entries that lead from the younger to the older of that one and the one that the
    /// `records` entry names, each replaced by the one before it; none if they are one.
    pub replaced: Vec<Receipt>,
    /// Of the `records` entry.
    pub records: Receipt,
    /// Of the card's `consent-key` entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent_key: Option<Receipt>,
    /// Of the `consent` entry; absent on a statutory basis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Receipt>,
    /// Of the `circuit` entry.
    pub circuit: Receipt,
    /// Of its `approval` entries, as many as were needed.
    pub approvals: Vec<Receipt>,
    /// Of the `proof` entry.
    pub proof: Receipt,
}

impl Bundle {
    /// Reads a bundle, which must be canonical JSON (RFC 8785) of at most [`MAX_BUNDLE_BYTES`].
    ///
    /// # Errors
    /// [`BundleError::TooLong`], [`BundleError::Malformed`] or [`BundleError::Format`]; none repeats what
    /// the bytes say.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > MAX_BUNDLE_BYTES {
            return Err(BundleError::TooLong { got: bytes.len() });
        }
        let bundle: Self = canonical::from_slice(bytes)
            .map_err(|error| BundleError::Malformed { reason: error.without_content() })?;
        if bundle.format != BUNDLE_FORMAT {
            return Err(BundleError::Format);
        }
        Ok(bundle)
    }

    /// The bundle as canonical JSON.
    pub fn to_vec(&self) -> Vec<u8> {
        canonical::to_vec(self).expect("a bundle has string keys and no floats")
    }

    /// SHA-256 of the canonical bundle.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_vec())
    }
}
