//! Receipts: an entry's place on the chain, checkable offline with the genesis file alone.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::block::{Certificate, CertificateError, Header};
use crate::codec::DecodeError;
use crate::entry::Entry;
use crate::genesis::Genesis;
use crate::identifier::{BlockHash, EntryId};
use crate::log::{InclusionProof, LogError, leaf_hash};
use crate::time::Timestamp;
use crate::validators::ValidatorSet;

/// The receipt format this version writes and reads.
pub const RECEIPT_FORMAT: &str = "proofgate/receipt/v1";

/// A block after which another validator set certifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandOver {
    /// The header, whose next validator set is another than its own.
    pub header: Header,
    /// Its certificate, by the set that hands over.
    pub certificate: Certificate,
    /// The set that takes over.
    pub validators: ValidatorSet,
}

/// Why a receipt or header does not hold.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiptError {
    /// Not canonical JSON of the receipt shape.
    #[error("the receipt: {reason}")]
    Malformed {
        /// What was expected.
        reason: String,
    },
    /// A binary field does not decode.
    #[error("{field} of the receipt: {error}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// It is of another network than the genesis.
    #[error("the receipt is of another network")]
    Network,
    /// Hand-overs are not in ascending order of heights, all below the header's.
    #[error("hand-overs are out of order at height {height}")]
    HandOverOrder {
        /// The height that is out of order.
        height: u64,
    },
    /// A hand-over names another set than it carries.
    #[error("the hand-over at height {height} does not name the set that takes over")]
    HandOverSet {
        /// The hand-over's height.
        height: u64,
    },
    /// A header names another validator set than the one in force.
    #[error("the header at height {height} names a validator set that nobody handed over to")]
    Validators {
        /// The header's height.
        height: u64,
    },
    /// A certificate does not certify its header.
    #[error("the header at height {height}: {error}")]
    Certificate {
        /// The header's height.
        height: u64,
        /// What is wrong with the certificate.
        error: CertificateError,
    },
    /// The entry is not in the block that the header is of.
    #[error("the entry is not in block {height}")]
    NotInBlock {
        /// The header's height.
        height: u64,
    },
    /// The inclusion proof does not hold.
    #[error("the entry is not in the log: {0}")]
    Inclusion(LogError),
}

impl ReceiptError {
    /// The stable name of the failure; a wrong certificate's is its own.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "receipt-malformed",
            Self::Field { .. } => "receipt-field",
            Self::Network => "receipt-network",
            Self::HandOverOrder { .. } => "receipt-hand-over-order",
            Self::HandOverSet { .. } => "receipt-hand-over-set",
            Self::Validators { .. } => "receipt-validators",
            Self::Certificate { error, .. } => error.code(),
            Self::NotInBlock { .. } => "receipt-not-in-block",
            Self::Inclusion(_) => "receipt-inclusion",
        }
    }
}

/// A header with what shows that the network's validators certified it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertifiedHeader {
    /// The header.
    pub header: Header,
    /// Its certificate.
    pub certificate: Certificate,
    /// The hand-overs of validator sets since genesis.
    pub hand_overs: Vec<HandOver>,
}

impl CertifiedHeader {
    /// Checks the certificates from the genesis' validator set on, hand-over by hand-over.
    ///
    /// # Errors
    /// [`ReceiptError`], naming the first thing that is wrong.
    pub fn verify(&self, genesis: &Genesis) -> Result<VerifiedHeader, ReceiptError> {
        let mut validators = genesis.validators();
        let mut last = 0;
        for hand_over in &self.hand_overs {
            let header = &hand_over.header;
            check(genesis, header, &hand_over.certificate, validators, last)?;
            if header.next_validators != *hand_over.validators.digest() {
                return Err(ReceiptError::HandOverSet { height: header.height });
            }
            validators = &hand_over.validators;
            last = header.height;
        }
        check(genesis, &self.header, &self.certificate, validators, last)?;
        Ok(VerifiedHeader {
            header: self.header,
            block: self.header.hash(),
            single_operator: validators.is_single_operator(),
        })
    }
}

fn check(
    genesis: &Genesis,
    header: &Header,
    certificate: &Certificate,
    validators: &ValidatorSet,
    last: u64,
) -> Result<(), ReceiptError> {
    let height = header.height;
    if header.network != *genesis.network() {
        return Err(ReceiptError::Network);
    }
    if height <= last {
        return Err(ReceiptError::HandOverOrder { height });
    }
    if header.validators != *validators.digest() {
        return Err(ReceiptError::Validators { height });
    }
    certificate
        .verify(header, validators)
        .map_err(|error| ReceiptError::Certificate { height, error })
}

/// A header that the network's validators certified. Only [`CertifiedHeader::verify`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedHeader {
    /// The header.
    pub header: Header,
    /// Its hash.
    pub block: BlockHash,
    /// Whether one validator alone certified it.
    pub single_operator: bool,
}

/// An entry, its place in the log, and the certified header over that log. Unchecked until
/// [`Receipt::verify`].
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(try_from = "ReceiptDocument", into = "ReceiptDocument")]
pub struct Receipt {
    /// The entry.
    pub entry: Entry,
    /// Its index in the log.
    pub index: u64,
    /// That it is in the log under the header's root.
    pub inclusion: InclusionProof,
    /// The header of its block.
    pub header: CertifiedHeader,
}

/// What a receipt shows. Only [`Receipt::verify`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The entry, as the validators admitted it: they checked its author's signature.
    pub entry: Entry,
    /// Its id.
    pub id: EntryId,
    /// Its index in the log.
    pub index: u64,
    /// Height of its block.
    pub height: u64,
    /// Hash of its block.
    pub block: BlockHash,
    /// Time of its block.
    pub time: Timestamp,
    /// Whether one validator alone certified it: then the receipt is that operator's word, and binds it.
    pub single_operator: bool,
}

impl Receipt {
    /// Checks the receipt with nothing but the genesis.
    ///
    /// # Errors
    /// [`ReceiptError`], naming the first thing that is wrong.
    pub fn verify(&self, genesis: &Genesis) -> Result<Verified, ReceiptError> {
        let verified = self.header.verify(genesis)?;
        let header = verified.header;
        let height = header.height;
        let first =
            header.first_index().map_err(|error| ReceiptError::Field { field: "header", error })?;
        if !(first..header.log_size).contains(&self.index) {
            return Err(ReceiptError::NotInBlock { height });
        }
        self.inclusion
            .verify(leaf_hash(&self.entry), self.index, header.log_size, &header.log_root)
            .map_err(ReceiptError::Inclusion)?;
        Ok(Verified {
            entry: self.entry,
            id: self.entry.id(genesis.network()),
            index: self.index,
            height,
            block: verified.block,
            time: header.time,
            single_operator: verified.single_operator,
        })
    }

    /// The receipt as a canonical JSON document.
    pub fn to_vec(&self) -> Vec<u8> {
        crypto::canonical::to_vec(self).expect("a receipt has string keys and no floats")
    }

    /// Reads a receipt, which must be canonical JSON (RFC 8785).
    ///
    /// # Errors
    /// [`ReceiptError::Malformed`] for anything else.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, ReceiptError> {
        crypto::canonical::from_slice(bytes)
            .map_err(|error| ReceiptError::Malformed { reason: error.to_string() })
    }
}

/// A receipt as written: binary parts in hexadecimal digits.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ReceiptDocument {
    format: String,
    entry: String,
    index: u64,
    inclusion: InclusionProof,
    header: String,
    certificate: String,
    hand_overs: Vec<HandOverDocument>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct HandOverDocument {
    header: String,
    certificate: String,
    validators: ValidatorSet,
}

impl From<Receipt> for ReceiptDocument {
    fn from(receipt: Receipt) -> Self {
        let hand_over = |hand_over: HandOver| HandOverDocument {
            header: hex::encode(hand_over.header.encode()),
            certificate: hex::encode(hand_over.certificate.encode()),
            validators: hand_over.validators,
        };
        Self {
            format: RECEIPT_FORMAT.to_owned(),
            entry: hex::encode(receipt.entry.encode()),
            index: receipt.index,
            inclusion: receipt.inclusion,
            header: hex::encode(receipt.header.header.encode()),
            certificate: hex::encode(receipt.header.certificate.encode()),
            hand_overs: receipt.header.hand_overs.into_iter().map(hand_over).collect(),
        }
    }
}

impl TryFrom<ReceiptDocument> for Receipt {
    type Error = ReceiptError;

    fn try_from(document: ReceiptDocument) -> Result<Self, ReceiptError> {
        if document.format != RECEIPT_FORMAT {
            let reason = format!("expected format {RECEIPT_FORMAT:?}, got {:?}", document.format);
            return Err(ReceiptError::Malformed { reason });
        }
        let hand_over = |hand_over: HandOverDocument| {
            Ok(HandOver {
                header: field("hand-over header", &hand_over.header, Header::decode)?,
                certificate: field(
                    "hand-over certificate",
                    &hand_over.certificate,
                    Certificate::decode,
                )?,
                validators: hand_over.validators,
            })
        };
        let header = CertifiedHeader {
            header: field("header", &document.header, Header::decode)?,
            certificate: field("certificate", &document.certificate, Certificate::decode)?,
            hand_overs: document.hand_overs.into_iter().map(hand_over).collect::<Result<_, _>>()?,
        };
        Ok(Self {
            entry: field("entry", &document.entry, Entry::decode)?,
            index: document.index,
            inclusion: document.inclusion,
            header,
        })
    }
}

fn field<T>(
    name: &'static str,
    text: &str,
    decode: fn(&[u8]) -> Result<T, DecodeError>,
) -> Result<T, ReceiptError> {
    let error = |error| ReceiptError::Field { field: name, error };
    let bytes = hex::decode(text).map_err(|_| error(DecodeError::Field { field: "hex" }))?;
    decode(&bytes).map_err(error)
}

#[cfg(test)]
mod tests;
