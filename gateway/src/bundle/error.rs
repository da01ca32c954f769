//! What can be wrong with a bundle.

use std::fmt;

use chain::entry::Kind;
use chain::identifier::DepartmentId;
use chain::receipt::ReceiptError;
use thiserror::Error;

use super::{BUNDLE_FORMAT, MAX_BUNDLE_BYTES};
use crate::document::key_card::KeyCardError;
use crate::document::request::RequestError;
use crate::document::service::ServiceError;
use crate::exchange::verification::Refusal;

/// A part of a bundle.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The bundle as a whole.
    Bundle,
    /// The request and its entry.
    Request,
    /// Who the request is about.
    Subject,
    /// The service and its entry.
    Service,
    /// A service that another replaced, or that replaced another.
    ReplacedService,
    /// The `records` entry.
    Records,
    /// The citizen's key card and its `consent-key` entry.
    KeyCard,
    /// The `consent` entry.
    Consent,
    /// The circuit's document and its entry.
    Circuit,
    /// The approval of the circuit by this department.
    CircuitApproval(DepartmentId),
    /// The document of a department that is not in the genesis file, and its entry.
    Department(DepartmentId),
    /// The approval of a department's document.
    DepartmentApproval {
        /// Whose document.
        department: DepartmentId,
        /// Who approves.
        by: DepartmentId,
    },
    /// The answer.
    Answer,
    /// The `proof` entry.
    Proof,
}

impl Part {
    /// A stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Request => "request",
            Self::Subject => "subject",
            Self::Service => "service",
            Self::ReplacedService => "replaced-service",
            Self::Records => "records",
            Self::KeyCard => "key-card",
            Self::Consent => "consent",
            Self::Circuit => "circuit",
            Self::CircuitApproval(_) => "circuit-approval",
            Self::Department(_) => "department",
            Self::DepartmentApproval { .. } => "department-approval",
            Self::Answer => "answer",
            Self::Proof => "proof",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundle => f.write_str("the bundle"),
            Self::Request => f.write_str("the request"),
            Self::Subject => f.write_str("the subject"),
            Self::Service => f.write_str("the service"),
            Self::ReplacedService => f.write_str("a replaced service"),
            Self::Records => f.write_str("the records"),
            Self::KeyCard => f.write_str("the key card"),
            Self::Consent => f.write_str("the consent"),
            Self::Circuit => f.write_str("the circuit"),
            Self::CircuitApproval(by) => write!(f, "the circuit's approval by {by}"),
            Self::Department(department) => write!(f, "the document of department {department}"),
            Self::DepartmentApproval { department, by } => {
                write!(f, "the approval of department {department} by {by}")
            }
            Self::Answer => f.write_str("the answer"),
            Self::Proof => f.write_str("the proof"),
        }
    }
}

/// Why a bundle is not believed.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum BundleError {
    /// More bytes than a bundle has.
    #[error("a bundle has at most {MAX_BUNDLE_BYTES} bytes, got {got}")]
    TooLong {
        /// The length of the bytes.
        got: usize,
    },
    /// Not canonical JSON of the bundle's shape.
    #[error("the bundle: {reason}")]
    Malformed {
        /// What is wrong and where, without what the bundle says.
        reason: String,
    },
    /// A format that this version does not read.
    #[error("the bundle: expected format {BUNDLE_FORMAT:?}")]
    Format,
    /// It is of another network than the genesis file.
    #[error("{part}: of another network than the genesis file")]
    Network {
        /// The part.
        part: Part,
    },
    /// It is needed, and not there.
    #[error("{part}: missing")]
    Missing {
        /// The part.
        part: Part,
    },
    /// It is there, and the question has no use for it.
    #[error("{part}: this question has none")]
    Superfluous {
        /// The part.
        part: Part,
    },
    /// A receipt does not hold.
    #[error("{part}: {error}")]
    Receipt {
        /// The part.
        part: Part,
        /// What is wrong with the receipt.
        error: ReceiptError,
    },
    /// Two blocks of one height are certified: the validators show different chains to different readers.
    #[error("{part}: its block {height} is another than that of another part's receipt")]
    Fork {
        /// The part.
        part: Part,
        /// The height.
        height: u64,
    },
    /// The receipt is of an entry of another kind.
    #[error("{part}: the receipt is of a {got} entry")]
    Kind {
        /// The part.
        part: Part,
        /// The entry's kind.
        got: Kind,
    },
    /// The receipt is of another entry than the one that is named elsewhere in the bundle.
    #[error("{part}: the receipt is of another entry")]
    OtherEntry {
        /// The part.
        part: Part,
    },
    /// The chain, or the request, names another document than the bundle has.
    #[error("{part}: not the document that is named by its digest")]
    Document {
        /// The part.
        part: Part,
    },
    /// Somebody else wrote the entry.
    #[error("{part}: not recorded by {expected}")]
    Author {
        /// The part.
        part: Part,
        /// Who had to.
        expected: DepartmentId,
    },
    /// Neither the genesis file nor the bundle has the author.
    #[error("{part}: {author} is no department by the genesis file and this bundle")]
    AuthorUnknown {
        /// The part.
        part: Part,
        /// The author.
        author: DepartmentId,
    },
    /// The author did not sign the entry.
    #[error("{part}: the entry is not signed by {author}")]
    EntrySignature {
        /// The part.
        part: Part,
        /// The author.
        author: DepartmentId,
    },
    /// An approval is there twice.
    #[error("{part}: there twice")]
    Repeated {
        /// The part.
        part: Part,
    },
    /// A department's document lacks approvals.
    #[error("{part}: approved by {approvals} of {departments} departments, which is not enough")]
    Unapproved {
        /// The part.
        part: Part,
        /// How many approvals hold.
        approvals: usize,
        /// Among how many departments.
        departments: usize,
    },
    /// A department's document replaces another than the one that stood.
    #[error("{part}: it replaces another document than the one that stood")]
    Replaces {
        /// The part.
        part: Part,
    },
    /// The card is of somebody who may not enrol keys.
    #[error("{part}: {department} is not the registrar of the service")]
    NotTheRegistrar {
        /// The part.
        part: Part,
        /// Who enrolled the key.
        department: DepartmentId,
    },
    /// The card is of somebody else than the question.
    #[error("the subject: the key card is of somebody else")]
    OtherSubject,
    /// It stands on the chain after what rests on it.
    #[error("{part}: recorded after the {before} entry, which rests on it")]
    Order {
        /// The part.
        part: Part,
        /// The name of the part that rests on it.
        before: &'static str,
    },
    /// The circuit was not approved yet when the proof was recorded: the requester then took no answer by it.
    #[error("{part}: approved only after the {before} entry, which rests on it")]
    ApprovedLate {
        /// The part.
        part: Part,
        /// The name of the part that rests on it.
        before: &'static str,
    },
    /// The request is not well-formed.
    #[error("the request: {0}")]
    Request(#[from] RequestError),
    /// The service document is not well-formed.
    #[error("the service: {0}")]
    Service(#[from] ServiceError),
    /// The card is not the registrar's word.
    #[error("the key card: {0}")]
    KeyCard(#[from] KeyCardError),
    /// A duty of the verifier failed.
    #[error("the answer: {0}")]
    Answer(#[from] Refusal),
}

impl BundleError {
    /// The part that is wrong.
    pub const fn part(&self) -> Part {
        match self {
            Self::TooLong { .. } | Self::Malformed { .. } | Self::Format => Part::Bundle,
            Self::Network { part }
            | Self::Missing { part }
            | Self::Superfluous { part }
            | Self::Receipt { part, .. }
            | Self::Fork { part, .. }
            | Self::Kind { part, .. }
            | Self::OtherEntry { part }
            | Self::Document { part }
            | Self::Author { part, .. }
            | Self::AuthorUnknown { part, .. }
            | Self::EntrySignature { part, .. }
            | Self::Repeated { part }
            | Self::Unapproved { part, .. }
            | Self::Replaces { part }
            | Self::NotTheRegistrar { part, .. }
            | Self::Order { part, .. }
            | Self::ApprovedLate { part, .. } => *part,
            Self::OtherSubject => Part::Subject,
            Self::Request(_) => Part::Request,
            Self::Service(_) => Part::Service,
            Self::KeyCard(_) => Part::KeyCard,
            Self::Answer(_) => Part::Answer,
        }
    }

    /// A stable name of the failed check; a receipt's, request's, card's and answer's is its own.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "bundle-too-long",
            Self::Malformed { .. } => "bundle-malformed",
            Self::Format => "bundle-format",
            Self::Network { .. } => "bundle-network",
            Self::Missing { .. } => "bundle-missing",
            Self::Superfluous { .. } => "bundle-superfluous",
            Self::Receipt { error, .. } => error.code(),
            Self::Fork { .. } => "bundle-fork",
            Self::Kind { .. } => "bundle-entry-kind",
            Self::OtherEntry { .. } => "bundle-other-entry",
            Self::Document { .. } => "bundle-document",
            Self::Author { .. } => "bundle-author",
            Self::AuthorUnknown { .. } => "bundle-author-unknown",
            Self::EntrySignature { .. } => "bundle-entry-signature",
            Self::Repeated { .. } => "bundle-repeated",
            Self::Unapproved { .. } => "bundle-unapproved",
            Self::Replaces { .. } => "bundle-replaces",
            Self::NotTheRegistrar { .. } => "bundle-not-the-registrar",
            Self::OtherSubject => "bundle-other-subject",
            Self::Order { .. } => "bundle-order",
            Self::ApprovedLate { .. } => "bundle-approved-late",
            Self::Request(error) => error.code(),
            Self::Service(_) => "bundle-service",
            Self::KeyCard(error) => error.code(),
            Self::Answer(refusal) => refusal.code(),
        }
    }
}
