//! Why an entry may not stand at its place on the chain.

use thiserror::Error;

use crate::document::DocumentError;
use crate::entry::EntrySignatureError;
use crate::identifier::{DepartmentId, EntryId};
use crate::validators::ValidatorSetError;

/// The rule that an entry breaks.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleError {
    /// No founding department, and none whose `department` entry is approved.
    #[error("{author} is no department of this network")]
    AuthorUnknown {
        /// The author it names.
        author: DepartmentId,
    },
    /// The author's current key did not sign it.
    #[error(transparent)]
    Signature(#[from] EntrySignatureError),
    /// It is on the chain already.
    #[error("entry {id} is on the chain already")]
    Duplicate {
        /// The entry.
        id: EntryId,
    },
    /// The public document behind its digest did not come with it.
    #[error("the document behind the entry's digest is missing")]
    DocumentMissing,
    /// A document came with it that its digest does not name.
    #[error("the entry's digest does not name the document that came with it")]
    DocumentMismatch,
    /// The department document is not one.
    #[error("department document: {0}")]
    DepartmentDocument(DocumentError),
    /// The validator-set document is not one.
    #[error("validator-set document: {0}")]
    ValidatorsDocument(ValidatorSetError),
    /// A validator would sign with a department's key.
    #[error("a validator would sign with a department's key")]
    SharedKey,
    /// What it replaces is not the current one, or it must name what it replaces and does not.
    #[error("what the entry replaces is not the current one")]
    ReplacedNotCurrent,
    /// What it replaces is another department's.
    #[error("what the entry replaces is another department's")]
    ReplacedByAnother,
    /// The approved entry is not on the chain, or of a kind that nobody approves.
    #[error("{entry} is no entry that is approved")]
    ApprovedUnknown {
        /// The entry it names.
        entry: EntryId,
    },
    /// The author is no registrar.
    #[error("{author} is no registrar")]
    NotARegistrar {
        /// The author.
        author: DepartmentId,
    },
    /// A card with this digest is enrolled already.
    #[error("the key card is on the chain already")]
    CardRepeated,
    /// The service is not on the chain.
    #[error("service {service} is not on the chain")]
    ServiceUnknown {
        /// The service it names.
        service: EntryId,
    },
    /// The service has been replaced.
    #[error("service {service} has been replaced")]
    ServiceReplaced {
        /// The service it names.
        service: EntryId,
    },
    /// The dataset is another department's.
    #[error("the dataset is another department's")]
    NotTheIssuer,
    /// The previous `records` entry is not the dataset's current one.
    #[error("the previous records entry is not the dataset's current one")]
    PreviousNotCurrent,
    /// This request is on the chain already.
    #[error("the request is on the chain already")]
    RequestRepeated,
    /// The request is not on the chain.
    #[error("request {request} is not on the chain")]
    RequestUnknown {
        /// The request it names.
        request: EntryId,
    },
    /// The author has answered the request before.
    #[error("the author has answered request {request} before")]
    RequestAnswered {
        /// The request.
        request: EntryId,
    },
    /// The `proof` entry is not on the chain.
    #[error("proof {proof} is not on the chain")]
    ProofUnknown {
        /// The `proof` entry it names.
        proof: EntryId,
    },
    /// The consent is not on the chain.
    #[error("consent {consent} is not on the chain")]
    ConsentUnknown {
        /// The consent it names.
        consent: EntryId,
    },
    /// `w` does not open the consent's lock.
    #[error("the withdrawal does not open the consent's lock")]
    LockMismatch,
    /// The consent is withdrawn.
    #[error("consent {consent} is withdrawn")]
    ConsentWithdrawn {
        /// The consent.
        consent: EntryId,
    },
    /// The basis is neither a consent nor a service.
    #[error("{basis} is neither a consent nor a service")]
    BasisUnknown {
        /// The basis it names.
        basis: EntryId,
    },
    /// The author has recorded a consent to the request before.
    #[error("{consent} is this author's consent to the request already")]
    ConsentRepeated {
        /// The consent.
        consent: EntryId,
    },
    /// The consent is to another request, or another department's.
    #[error("consent {consent} is not this author's for this request")]
    ConsentOfAnother {
        /// The consent.
        consent: EntryId,
    },
    /// The service is of another dataset than the records.
    #[error("the service and the records are of different datasets")]
    DatasetMismatch,
    /// The `records` entry is not on the chain.
    #[error("records {records} are not on the chain")]
    RecordsUnknown {
        /// The `records` entry it names.
        records: EntryId,
    },
    /// The records root has been replaced, and the grace is over.
    #[error("records {records} have been replaced")]
    RecordsSuperseded {
        /// The `records` entry.
        records: EntryId,
    },
    /// The author has neither recorded the proof nor asked the request that it answers.
    #[error("{author} has neither recorded the proof nor asked for it")]
    NotAParty {
        /// The author.
        author: DepartmentId,
    },
    /// The `payload-sent` entry is not on the chain.
    #[error("payload {sent} is not on the chain")]
    PayloadUnknown {
        /// The entry it names.
        sent: EntryId,
    },
    /// The author is not the payload's recipient.
    #[error("{author} is not the recipient of the payload")]
    NotTheRecipient {
        /// The author.
        author: DepartmentId,
    },
    /// What was received is not what was sent.
    #[error("the commitment received is not the commitment sent")]
    CommitmentMismatch,
}

impl RuleError {
    /// The stable name of the broken rule.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AuthorUnknown { .. } => "entry-author-unknown",
            Self::Signature(_) => "entry-signature",
            Self::Duplicate { .. } => "entry-duplicate",
            Self::DocumentMissing => "document-missing",
            Self::DocumentMismatch => "document-mismatch",
            Self::DepartmentDocument(error) => error.code(),
            Self::ValidatorsDocument(error) => error.code(),
            Self::SharedKey => "validator-set-shared-key",
            Self::ReplacedNotCurrent => "replaced-not-current",
            Self::ReplacedByAnother => "replaced-by-another",
            Self::ApprovedUnknown { .. } => "approved-unknown",
            Self::NotARegistrar { .. } => "not-a-registrar",
            Self::CardRepeated => "card-repeated",
            Self::ServiceUnknown { .. } => "service-unknown",
            Self::ServiceReplaced { .. } => "service-replaced",
            Self::NotTheIssuer => "not-the-issuer",
            Self::PreviousNotCurrent => "records-previous-not-current",
            Self::RequestRepeated => "request-repeated",
            Self::RequestUnknown { .. } => "request-unknown",
            Self::RequestAnswered { .. } => "request-answered",
            Self::ProofUnknown { .. } => "proof-unknown",
            Self::ConsentUnknown { .. } => "consent-unknown",
            Self::LockMismatch => "withdrawal-lock",
            Self::ConsentWithdrawn { .. } => "consent-withdrawn",
            Self::BasisUnknown { .. } => "basis-unknown",
            Self::ConsentRepeated { .. } => "consent-repeated",
            Self::ConsentOfAnother { .. } => "consent-of-another",
            Self::DatasetMismatch => "dataset-mismatch",
            Self::RecordsUnknown { .. } => "records-unknown",
            Self::RecordsSuperseded { .. } => "records-superseded",
            Self::NotAParty { .. } => "not-a-party",
            Self::PayloadUnknown { .. } => "payload-unknown",
            Self::NotTheRecipient { .. } => "not-the-recipient",
            Self::CommitmentMismatch => "commitment-mismatch",
        }
    }
}
