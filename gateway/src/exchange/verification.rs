//! The verifier's duties: everything a requester checks before it believes an answer.
//!
//! Public inputs are recomputed from the request, keys and roots are looked up on the chain, and the
//! consent is checked under the registrar's card. The answer itself is believed in nothing. Each
//! duty is a function of its own with a [`Refusal`] of its own, in the order of their cost.

pub mod receipt;
mod unproven;

use chain::entry::Kind;
use chain::identifier::{DepartmentId, EntryId};
use circuits::Fr;
use circuits::eddsa::Signature;
use circuits::groth16::{KeyId, Proof, ProofError, VerifyError, VerifyingKey};
use circuits::statement::{identified, pseudonymous, subject_tag};
use circuits::tree::{Leaf, Path};
use crypto::commitment::Salted;
use crypto::{Digest, Signature as Signed, VerifyingKey as PublicKey, canonical};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::receipt::ReceiptRefusal;
pub use self::unproven::{Unproven, verify_many};
use super::salted_entry;
use crate::document::answer::{Answer, ElementHex, Evidence, ProofRecord};
use crate::document::ceremony::CeremonyError;
use crate::document::circuit::{CircuitDocument, CircuitDocumentError, Provenance};
use crate::document::key_card::KeyCard;
use crate::document::request::LegalBasis;
use crate::document::{CheckedRequest, VERSION};
use crate::subject::Subject;

/// What the requester's copy of the chain says; nothing here comes from the answer.
pub trait ChainFacts {
    /// The circuit document of a key, and whether its entry is approved.
    fn circuit(&self, key: &KeyId) -> Option<CircuitFact>;
    /// A `records` entry.
    fn records(&self, entry: &EntryId) -> Option<RecordsFact>;
    /// A `proof` entry.
    fn proof(&self, entry: &EntryId) -> Option<ProofFact>;
    /// The key that the department has or had by which a signature over a message, under a label, is.
    fn signed(
        &self,
        by: &DepartmentId,
        label: &str,
        message: &[u8],
        signature: &Signed,
    ) -> Option<PublicKey>;
}

/// A key on the chain.
#[derive(Clone, Debug)]
pub struct CircuitFact {
    /// The document behind the entry.
    pub document: CircuitDocument,
    /// More than two thirds of the departments approved it.
    pub approved: bool,
}

/// A `records` entry on the chain.
#[derive(Clone, Copy, Debug)]
pub struct RecordsFact {
    /// The published root.
    pub root: Fr,
    /// Whose it is.
    pub author: DepartmentId,
    /// The request's service and this root are of one dataset.
    pub same_dataset: bool,
    /// The dataset's current root, or one that was superseded less than the grace ago; now, and not when
    /// the proof was recorded.
    pub usable: bool,
}

/// A `proof` entry on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofFact {
    /// Who recorded it.
    pub author: DepartmentId,
    /// The salted commitment to key, inputs and proof hash.
    pub record: Digest,
    /// The answered request's entry.
    pub request: EntryId,
    /// The consent, or the service.
    pub basis: EntryId,
    /// Whether the chain took the basis for a service, and so nobody consented.
    pub statutory: bool,
    /// The `records` entry.
    pub records: EntryId,
}

/// What the requester knows about its own question.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The request.
    pub request: &'a CheckedRequest,
    /// Its entry.
    pub entry: &'a EntryId,
    /// Who it is about; absent in a pseudonymous request.
    pub subject: Option<Subject>,
    /// The registrar's card that the request names, its signature and currency checked.
    pub card: Option<&'a KeyCard>,
}

/// How strict the verifier is.
#[derive(Clone, Copy, Debug)]
pub struct Strictness {
    /// Refuse keys that one party made alone.
    pub production: bool,
}

/// What a reader of an answer must be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Note {
    /// Consent key enrolled by the issuer: consent is the issuer's word.
    ConsentKeyEnrolledByIssuer,
    /// Inside a pseudonymous proof the consent binds everyone except the issuer.
    ConsentBindsAllButIssuer,
    /// No citizen consented; a law is the ground.
    NoConsent,
    /// The proving key was made by one party, who could forge.
    DevelopmentKey,
    /// One validator alone certified the chain: the receipts are that operator's word, and bind it.
    SingleOperator,
}

/// An answer that passed every check. Only [`verify`] makes one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerifiedAnswer {
    /// Digest of the request.
    pub request: Digest,
    /// Subject tag (`identified/v1`) or pseudonym (`pseudonymous/v1`).
    pub tag: ElementHex,
    /// The key that it verified under.
    pub key: KeyId,
    /// The `records` entry whose root it holds for.
    pub records: EntryId,
    /// The `proof` entry.
    pub proof_entry: EntryId,
    /// When it was verified, Unix seconds.
    pub verified: u64,
    /// What a reader must be told.
    pub notes: Vec<Note>,
}

/// Why an answer is not believed.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// The bytes are no canonical answer.
    #[error("the answer is not in canonical form: {0}")]
    Encoding(String),
    /// Another format version.
    #[error("answer version {0}; this software reads version {VERSION}")]
    Version(u32),
    /// It answers another request.
    #[error("the answer is to another request")]
    OtherRequest,
    /// It came after the request's time.
    #[error("the answer came after the request expired")]
    Expired,
    /// No circuit entry has this key.
    #[error("the key is not on the chain")]
    KeyUnknown,
    /// The key's circuit entry lacks approvals.
    #[error("the key is not approved by more than two thirds of the departments")]
    KeyUnapproved,
    /// The key is of another circuit than the request asks for.
    #[error("the key is of another circuit")]
    KeyOfOtherCircuit,
    /// A development key in production.
    #[error("a development key: whoever made it could forge this proof")]
    KeyDevelopment,
    /// A key that one department alone contributed to, in production.
    #[error("one department alone contributed to the key, and could forge this proof")]
    KeySingleParty,
    /// The ceremony that the key is said to come of does not hold.
    #[error("the key's ceremony: {0}")]
    KeyCeremony(Box<CeremonyError>),
    /// The key's document is unsound.
    #[error("the key's document is unsound: {0}")]
    KeyUnsound(String),
    /// No such `records` entry of this issuer and dataset.
    #[error("the root is not one of the requested dataset")]
    RecordsOfOtherDataset,
    /// The root was superseded before the answer came, and its grace is over.
    #[error("the root was superseded")]
    RecordsStale,
    /// The evidence is of another circuit.
    #[error("the evidence is of another circuit")]
    EvidenceKind,
    /// A path or signature is not well-formed.
    #[error("the evidence is malformed: {0}")]
    EvidenceMalformed(&'static str),
    /// The commitment is not under the root.
    #[error("the record commitment is not under the dataset's root")]
    Path,
    /// Consent was asked for and there is no signature.
    #[error("the citizen's signature is missing")]
    ConsentMissing,
    /// The signature is not the citizen's over this request.
    #[error("the signature is not of the citizen's enrolled key over this request")]
    ConsentSignature,
    /// A signature where a law is the ground.
    #[error("a signature on a statutory answer")]
    ConsentUnasked,
    /// The requester has no card for the key that the request names.
    #[error("no key card of the citizen at hand")]
    CardMissing,
    /// The proof's bytes are not a proof.
    #[error("the proof's encoding: {0}")]
    ProofEncoding(ProofError),
    /// The proof does not verify.
    #[error("the proof: {0}")]
    Proof(VerifyError),
    /// The answer's `proof` entry is not on the chain, or is another's.
    #[error("the proof entry is not the issuer's answer to this request")]
    ProofEntry,
    /// The entry commits to something else.
    #[error("the proof entry commits to another proof")]
    ProofRecord,
    /// The request was answered before.
    #[error("the request was answered already")]
    Replayed,
    /// An entry that the answer rests on has no receipt that holds.
    #[error(transparent)]
    Receipt(Box<ReceiptRefusal>),
}

impl Refusal {
    /// A stable name of the failed check.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Encoding(_) => "answer-encoding",
            Self::Version(_) => "answer-version",
            Self::OtherRequest => "answer-other-request",
            Self::Expired => "answer-expired",
            Self::KeyUnknown => "key-unknown",
            Self::KeyUnapproved => "key-unapproved",
            Self::KeyOfOtherCircuit => "key-other-circuit",
            Self::KeyDevelopment => "key-development",
            Self::KeySingleParty => "key-single-party",
            Self::KeyCeremony(_) => "key-ceremony",
            Self::KeyUnsound(_) => "key-unsound",
            Self::RecordsOfOtherDataset => "records-other-dataset",
            Self::RecordsStale => "records-stale",
            Self::EvidenceKind => "evidence-kind",
            Self::EvidenceMalformed(_) => "evidence-malformed",
            Self::Path => "evidence-path",
            Self::ConsentMissing => "consent-missing",
            Self::ConsentSignature => "consent-signature",
            Self::ConsentUnasked => "consent-unasked",
            Self::CardMissing => "key-card-missing",
            Self::ProofEncoding(_) => "proof-encoding",
            Self::Proof(_) => "proof-invalid",
            Self::ProofEntry => "proof-entry",
            Self::ProofRecord => "proof-record",
            Self::Replayed => "answer-replayed",
            Self::Receipt(refusal) => refusal.code(),
        }
    }
}

/// Checks everything about an answer but the receipts of what it rests on, which [`receipt::check`] does
/// once they are at hand.
///
/// # Errors
/// [`Refusal`] names the first duty that failed.
pub fn verify(
    bytes: &[u8],
    question: Question<'_>,
    facts: &impl ChainFacts,
    strictness: Strictness,
    now: u64,
) -> Result<VerifiedAnswer, Refusal> {
    Unproven::check(bytes, question, facts, strictness, now)?.verify()
}

/// An answer before any check, to see which entries it names.
pub fn peek(bytes: &[u8]) -> Option<Answer> {
    decode(bytes).ok()
}

fn decode(bytes: &[u8]) -> Result<Answer, Refusal> {
    let answer: Answer =
        canonical::from_slice(bytes).map_err(|error| Refusal::Encoding(error.without_content()))?;
    if answer.version != VERSION {
        return Err(Refusal::Version(answer.version));
    }
    Ok(answer)
}

/// The key is one that the departments approved for the circuit that was asked for.
fn approved_key(
    answer: &Answer,
    question: Question<'_>,
    facts: &impl ChainFacts,
    strictness: Strictness,
) -> Result<(VerifyingKey, Provenance), Refusal> {
    let fact = facts.circuit(&answer.key).ok_or(Refusal::KeyUnknown)?;
    if !fact.approved {
        return Err(Refusal::KeyUnapproved);
    }
    if fact.document.circuit != question.request.request().circuit {
        return Err(Refusal::KeyOfOtherCircuit);
    }
    if strictness.production {
        of_several_parties(&fact.document, question, facts)?;
    }
    let (id, key) = fact.document.key().map_err(|error| Refusal::KeyUnsound(error.to_string()))?;
    if id != answer.key {
        return Err(Refusal::KeyUnknown);
    }
    Ok((key, fact.document.provenance))
}

/// The key comes of a ceremony to which several departments contributed.
///
/// That what no contribution changes is of the circuit and a sound first phase takes files: contributors and
/// approvers have verified them. What the document shows is checked again here, their signatures for that too.
fn of_several_parties(
    document: &CircuitDocument,
    question: Question<'_>,
    facts: &impl ChainFacts,
) -> Result<(), Refusal> {
    if document.provenance == Provenance::Development {
        return Err(Refusal::KeyDevelopment);
    }
    let network = &question.request.request().network;
    let signed = |by: &_, label: &_, message: &_, it: &_| facts.signed(by, label, message, it);
    document.check_provenance(network, signed).map_err(|error| match error {
        CircuitDocumentError::Ceremony(CeremonyError::SingleParty { .. }) => {
            Refusal::KeySingleParty
        }
        CircuitDocumentError::Ceremony(error) => Refusal::KeyCeremony(Box::new(error)),
        error => Refusal::KeyUnsound(error.to_string()),
    })
}

/// The root is the dataset's current one, or in grace, at the time of verification.
///
/// That it was so when the proof was recorded is the chain's rule. Here the question is another one: what
/// the record says now. Else an issuer could have a true answer recorded, keep it, and hand it over when it
/// is true no longer. The price is that a good answer can come too late; how late is what the network's
/// grace fixes.
fn usable_root(
    answer: &Answer,
    question: Question<'_>,
    facts: &impl ChainFacts,
) -> Result<Fr, Refusal> {
    let fact = facts.records(&answer.records).ok_or(Refusal::RecordsOfOtherDataset)?;
    if fact.author != question.request.request().issuer || !fact.same_dataset {
        return Err(Refusal::RecordsOfOtherDataset);
    }
    if !fact.usable {
        return Err(Refusal::RecordsStale);
    }
    Ok(fact.root)
}

/// The statement's inputs, recomputed, and the tag among them.
fn public_inputs(
    answer: &Answer,
    question: Question<'_>,
    root: Fr,
) -> Result<(Vec<Fr>, Fr), Refusal> {
    let request = question.request;
    match (&answer.evidence, question.subject) {
        (Evidence::Identified { commitment, path, signature }, Some(subject)) => {
            under_root(commitment.0, path, root)?;
            consented(signature.as_deref(), question)?;
            let subject_tag = subject_tag(subject.element(), request.context());
            let statement = identified::Statement {
                commitment: commitment.0,
                request: request.element(),
                query: request.query_commitment(),
                subject_tag,
            };
            Ok((statement.to_public_inputs().to_vec(), subject_tag))
        }
        (Evidence::Pseudonymous { pseudonym }, None) => {
            let statement = pseudonymous::Statement {
                records_root: root,
                request: request.element(),
                query: request.query_commitment(),
                pseudonym: pseudonym.0,
            };
            Ok((statement.to_public_inputs().to_vec(), pseudonym.0))
        }
        _ => Err(Refusal::EvidenceKind),
    }
}

/// The commitment is a leaf of the tree under the root.
fn under_root(commitment: Fr, path: &str, root: Fr) -> Result<(), Refusal> {
    let bytes = decode_hex(path).ok_or(Refusal::EvidenceMalformed("path"))?;
    let path = Path::from_bytes(&bytes).map_err(|_| Refusal::EvidenceMalformed("path"))?;
    let leaf = Leaf::record(commitment).map_err(|_| Refusal::Path)?;
    if path.root(leaf) == root { Ok(()) } else { Err(Refusal::Path) }
}

/// The citizen signed exactly this request, under the key on the registrar's card.
fn consented(signature: Option<&str>, question: Question<'_>) -> Result<(), Refusal> {
    match (&question.request.request().legal_basis, signature) {
        (LegalBasis::Statutory { .. }, None) => Ok(()),
        (LegalBasis::Statutory { .. }, Some(_)) => Err(Refusal::ConsentUnasked),
        (LegalBasis::Consent { .. }, None) => Err(Refusal::ConsentMissing),
        (LegalBasis::Consent { key_card }, Some(signature)) => {
            let card = question
                .card
                .filter(|card| Some(card.digest()) == *key_card)
                .filter(|card| Some(card.subject) == question.subject)
                .ok_or(Refusal::CardMissing)?;
            let signature = decode_hex(signature)
                .and_then(|bytes| bytes.try_into().ok())
                .and_then(|bytes| Signature::from_bytes(&bytes).ok())
                .ok_or(Refusal::EvidenceMalformed("signature"))?;
            card.key
                .public_key()
                .verify(question.request.consent_message(), &signature)
                .map_err(|_| Refusal::ConsentSignature)
        }
    }
}

fn proof(answer: &Answer) -> Result<Proof, Refusal> {
    let bytes = decode_hex(&answer.proof).ok_or(Refusal::EvidenceMalformed("proof"))?;
    Proof::from_bytes(&bytes).map_err(Refusal::ProofEncoding)
}

/// The issuer recorded exactly this answer to exactly this request.
fn recorded(
    answer: &Answer,
    question: Question<'_>,
    facts: &impl ChainFacts,
    inputs: &[Fr],
    proof: &Proof,
) -> Result<(), Refusal> {
    let request = question.request.request();
    let fact = facts.proof(&answer.proof_entry).ok_or(Refusal::ProofEntry)?;
    let basis = match (&request.legal_basis, answer.consent_entry) {
        (LegalBasis::Consent { .. }, Some(entry)) => entry,
        (LegalBasis::Statutory { .. }, None) => request.service,
        _ => return Err(Refusal::ProofEntry),
    };
    let expected = ProofFact {
        author: request.issuer,
        record: fact.record,
        request: *question.entry,
        basis,
        // Else an issuer could name its service where a consent should stand, and withdrawal would
        // have nothing to hold on to.
        statutory: matches!(request.legal_basis, LegalBasis::Statutory { .. }),
        records: answer.records,
    };
    if fact != expected {
        return Err(Refusal::ProofEntry);
    }
    let record = ProofRecord {
        version: VERSION,
        key: answer.key,
        inputs: inputs.iter().copied().map(ElementHex).collect(),
        proof: Digest::of(&proof.to_bytes()),
    };
    let salted = Salted { salt: answer.proof_salt.clone(), document: record };
    if salted_entry(Kind::Proof, &salted).ct_eq(&fact.record) {
        Ok(())
    } else {
        Err(Refusal::ProofRecord)
    }
}

fn notes(question: Question<'_>, provenance: &Provenance) -> Vec<Note> {
    let request = question.request.request();
    let mut notes = Vec::new();
    match (&request.legal_basis, question.card) {
        (LegalBasis::Statutory { .. }, _) => notes.push(Note::NoConsent),
        (LegalBasis::Consent { .. }, Some(card)) if card.registrar == request.issuer => {
            notes.push(Note::ConsentKeyEnrolledByIssuer);
        }
        (LegalBasis::Consent { .. }, Some(_)) => {}
        (LegalBasis::Consent { .. }, None) => notes.push(Note::ConsentBindsAllButIssuer),
    }
    if *provenance == Provenance::Development {
        notes.push(Note::DevelopmentKey);
    }
    notes
}

/// Lower-case hexadecimal only: one value, one spelling.
fn decode_hex(text: &str) -> Option<Vec<u8>> {
    hex::decode(text).ok().filter(|bytes| hex::encode(bytes) == text)
}
