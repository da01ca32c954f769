//! The rules: a deterministic state machine over the chain's own entries.
//!
//! The state depends on nothing but the genesis, the entries in order, the block times and the documents
//! that the entries name by digest: no clock, no network, no configuration. Everybody who applies the same
//! blocks holds the same state.
//!
//! Where the table of kinds leaves room, these are the readings:
//!
//! - A *dataset* is named by its first `service` entry. A service that replaces another keeps the dataset,
//!   its issuer and its current records; the replaced service is no longer current. `records` and
//!   statutory proofs must name the current one.
//! - A `department` entry names the approved entry it replaces, or none for a new or a founding department.
//!   Its last approval is refused if another document took its place in the meantime.
//! - An author's own entry is not its approval; it approves like everybody else. Approvals beyond the
//!   needed ones are recorded and change nothing.
//! - The chain does not know whom a request is addressed to. Consent and proof must be of one author, and
//!   the proof's records must be that author's; the requester checks that it is the issuer it asked. Every
//!   author answers for itself and once: what another records on the same request changes nothing for it.
//! - An author records one consent to a request: the citizen's signature over the request would be the same
//!   in a second one, and so outlive a withdrawal.
//! - A validator set counts only if no other set was elected since it was proposed.
//! - A request is known by its digest: nobody else can put the same one on the chain.
//! - A payload is received when the recipient repeats the sender's commitment.

use std::sync::Arc;

use crypto::{Digest, VerifyingKey};
use rpds::{HashTrieMapSync, HashTrieSetSync, RedBlackTreeMapSync};

use crate::department::Department;
use crate::entry::Kind;
use crate::genesis::Genesis;
use crate::identifier::{DepartmentId, EntryId, NetworkId};
use crate::time::Timestamp;
use crate::validators::ValidatorSet;

mod apply;
mod error;

pub use error::RuleError;

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Height of its block.
    pub height: u64,
    /// Its index in the log, from 0.
    pub index: u64,
    /// Time of its block.
    pub time: Timestamp,
}

/// A department that may write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its document.
    pub department: Arc<Department>,
    /// The approved `department` entry; none while the genesis file's document stands.
    pub entry: Option<EntryId>,
}

/// An entry that departments approve.
#[derive(Clone, Debug)]
pub struct Ballot {
    /// The entry's author.
    pub author: DepartmentId,
    /// Digest of its document.
    pub document: Digest,
    approvals: HashTrieSetSync<DepartmentId>,
    /// Where more than two thirds of the departments had approved it.
    pub approved: Option<Position>,
    subject: Subject,
}

impl Ballot {
    /// The departments that have approved it, in no order.
    pub fn approvals(&self) -> impl Iterator<Item = &DepartmentId> {
        self.approvals.iter()
    }

    /// The kind of the entry.
    pub const fn kind(&self) -> Kind {
        match self.subject {
            Subject::Department { .. } => Kind::Department,
            Subject::Circuit => Kind::Circuit,
            Subject::Validators { .. } => Kind::Validators,
        }
    }
}

/// What takes effect with the last needed approval.
#[derive(Clone, Debug)]
enum Subject {
    Department {
        department: Arc<Department>,
        replaces: Option<EntryId>,
    },
    Circuit,
    Validators {
        set: Arc<ValidatorSet>,
        /// The newest set when this one was proposed.
        follows: Arc<ValidatorSet>,
    },
}

/// A `service` entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// The dataset: the first service of the chain of replacements.
    pub dataset: EntryId,
    /// Digest of the service document.
    pub document: Digest,
}

/// An issuer's records under one schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Who answers.
    pub issuer: DepartmentId,
    /// Its current service.
    pub service: EntryId,
    /// Its current `records` entry; none before the first import.
    pub records: Option<EntryId>,
}

/// A `records` entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Records {
    /// The dataset.
    pub dataset: EntryId,
    /// Who published it.
    pub issuer: DepartmentId,
    /// The root of the record tree.
    pub root: Digest,
    /// When another root replaced it, in block time.
    pub superseded: Option<Timestamp>,
}

/// A `consent-key` entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsentKey {
    /// Who enrolled the key.
    pub registrar: DepartmentId,
    /// Salted digest of the card.
    pub card: Digest,
    /// The entry that replaced it.
    pub replaced_by: Option<EntryId>,
}

/// A `request` entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who asked.
    pub requester: DepartmentId,
}

/// A `consent` entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Who recorded it.
    pub issuer: DepartmentId,
    /// The request consented to.
    pub request: EntryId,
    /// The withdrawal lock.
    pub lock: Digest,
    /// The `withdrawal` entry.
    pub withdrawn: Option<EntryId>,
}

/// A `proof` entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofEntry {
    /// Who answered.
    pub issuer: DepartmentId,
    /// The answered request.
    pub request: EntryId,
    /// The consent, or (statutory) the service.
    pub basis: EntryId,
    /// Whether the basis is a service, and so nobody consented.
    pub statutory: bool,
    /// The `records` entry that the proof is about.
    pub records: EntryId,
    /// Salted digest of circuit, key, inputs and proof.
    pub record: Digest,
}

/// A `payload-sent` entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The `proof` entry under which it was sent.
    pub proof: EntryId,
    /// Who sent it.
    pub sender: DepartmentId,
    /// Who is to receive it.
    pub recipient: DepartmentId,
    /// The commitment to the ciphertext.
    pub commitment: Digest,
    /// The `payload-received` entry.
    pub received: Option<EntryId>,
}

/// What the entries so far mean. Cloning shares the structure and is cheap, so that a draft of a block can
/// be tried on a copy.
#[derive(Clone, Debug)]
pub struct State {
    network: NetworkId,
    grace_seconds: u64,
    height: u64,
    validators: Arc<ValidatorSet>,
    next_validators: Arc<ValidatorSet>,
    elected: Option<Arc<ValidatorSet>>,
    members: RedBlackTreeMapSync<DepartmentId, Member>,
    /// Keys that a department had before the one that it has.
    former_keys: HashTrieMapSync<DepartmentId, Arc<[VerifyingKey]>>,
    entries: HashTrieMapSync<EntryId, Position>,
    ballots: HashTrieMapSync<EntryId, Ballot>,
    circuits: HashTrieMapSync<Digest, EntryId>,
    services: HashTrieMapSync<EntryId, Service>,
    datasets: HashTrieMapSync<EntryId, Dataset>,
    records: HashTrieMapSync<EntryId, Records>,
    consent_keys: HashTrieMapSync<EntryId, ConsentKey>,
    cards: HashTrieMapSync<Digest, EntryId>,
    requests: HashTrieMapSync<EntryId, Request>,
    request_digests: HashTrieMapSync<Digest, EntryId>,
    consents: HashTrieMapSync<EntryId, Consent>,
    /// The consent that each author recorded to each request.
    granted: HashTrieMapSync<(EntryId, DepartmentId), EntryId>,
    proofs: HashTrieMapSync<EntryId, ProofEntry>,
    /// The proof by which each author answered each request.
    answers: HashTrieMapSync<(EntryId, DepartmentId), EntryId>,
    payloads: HashTrieMapSync<EntryId, Payload>,
    counts: [u64; Kind::ALL.len()],
}

impl State {
    /// The state before the first block.
    pub fn new(genesis: &Genesis) -> Self {
        let founding = genesis.facts().departments.iter().map(|department| {
            let member = Member { department: Arc::new(department.clone()), entry: None };
            (department.id, member)
        });
        let validators = Arc::new(genesis.validators().clone());
        Self {
            network: *genesis.network(),
            grace_seconds: u64::from(genesis.facts().records_grace_seconds),
            height: 0,
            validators: Arc::clone(&validators),
            next_validators: validators,
            elected: None,
            members: founding.collect(),
            former_keys: HashTrieMapSync::default(),
            entries: HashTrieMapSync::default(),
            ballots: HashTrieMapSync::default(),
            circuits: HashTrieMapSync::default(),
            services: HashTrieMapSync::default(),
            datasets: HashTrieMapSync::default(),
            records: HashTrieMapSync::default(),
            consent_keys: HashTrieMapSync::default(),
            cards: HashTrieMapSync::default(),
            requests: HashTrieMapSync::default(),
            request_digests: HashTrieMapSync::default(),
            consents: HashTrieMapSync::default(),
            granted: HashTrieMapSync::default(),
            proofs: HashTrieMapSync::default(),
            answers: HashTrieMapSync::default(),
            payloads: HashTrieMapSync::default(),
            counts: [0; Kind::ALL.len()],
        }
    }

    /// The network.
    pub const fn network(&self) -> &NetworkId {
        &self.network
    }

    /// Height of the last block.
    pub const fn height(&self) -> u64 {
        self.height
    }

    /// The validator set that certifies the next block.
    pub fn validators(&self) -> &ValidatorSet {
        &self.validators
    }

    /// The validator set that certifies the block after the next.
    pub fn next_validators(&self) -> &ValidatorSet {
        &self.next_validators
    }

    /// The department named `id`, as it stands now.
    pub fn department(&self, id: &DepartmentId) -> Option<&Department> {
        self.members.get(id).map(|member| &*member.department)
    }

    /// The key that a department's entries verify under, and those that it had before.
    pub fn signing_keys(&self, id: &DepartmentId) -> impl Iterator<Item = &VerifyingKey> {
        let current = self.department(id).map(|department| &department.signing_key);
        let former = self.former_keys.get(id).map_or(&[][..], |keys| keys);
        current.into_iter().chain(former)
    }

    /// All departments, in ascending order of their ids.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Number of departments.
    pub fn department_count(&self) -> usize {
        self.members.size()
    }

    /// Where an entry stands.
    pub fn position(&self, id: &EntryId) -> Option<Position> {
        self.entries.get(id).copied()
    }

    /// Number of entries.
    pub fn entry_count(&self) -> usize {
        self.entries.size()
    }

    /// Number of entries by kind, in the order of the kinds' bytes.
    pub fn counts(&self) -> impl Iterator<Item = (Kind, u64)> {
        Kind::ALL.iter().copied().zip(self.counts)
    }

    /// The approvals of a `department`, `circuit` or `validators` entry.
    pub fn ballot(&self, entry: &EntryId) -> Option<&Ballot> {
        self.ballots.get(entry)
    }

    /// Every entry that departments approve, approved or not, in no order.
    pub fn ballots(&self) -> impl Iterator<Item = (&EntryId, &Ballot)> {
        self.ballots.iter()
    }

    /// The approvals of every `circuit` entry, approved or not, in no order.
    pub fn circuit_ballots(&self) -> impl Iterator<Item = &Ballot> {
        self.ballots.values().filter(|ballot| matches!(ballot.subject, Subject::Circuit))
    }

    /// The `circuit` entry that made the circuit document with this digest usable; none while it is not
    /// approved.
    pub fn approved_circuit(&self, document: &Digest) -> Option<&EntryId> {
        self.circuits.get(document)
    }

    /// Digests of the documents of all approved circuits, in no order.
    pub fn approved_circuits(&self) -> impl Iterator<Item = (&Digest, &EntryId)> {
        self.circuits.iter()
    }

    /// A `service` entry, current or replaced.
    pub fn service(&self, entry: &EntryId) -> Option<&Service> {
        self.services.get(entry)
    }

    /// A dataset, by its first `service` entry.
    pub fn dataset(&self, dataset: &EntryId) -> Option<&Dataset> {
        self.datasets.get(dataset)
    }

    /// All datasets, in no order.
    pub fn datasets(&self) -> impl Iterator<Item = (&EntryId, &Dataset)> {
        self.datasets.iter()
    }

    /// The dataset of a service, current or replaced.
    pub fn dataset_of(&self, service: &EntryId) -> Option<&Dataset> {
        self.service(service).and_then(|service| self.dataset(&service.dataset))
    }

    /// A `records` entry.
    pub fn records(&self, entry: &EntryId) -> Option<&Records> {
        self.records.get(entry)
    }

    /// Whether a proof about `records` may stand in a block of `time`: its root is the dataset's current
    /// one, or was replaced less than the grace before.
    pub fn records_accepted(&self, records: &EntryId, time: Timestamp) -> bool {
        self.records(records).is_some_and(|records| match records.superseded {
            None => true,
            Some(superseded) => time.since(superseded).as_secs() < self.grace_seconds,
        })
    }

    /// A `consent-key` entry.
    pub fn consent_key(&self, entry: &EntryId) -> Option<&ConsentKey> {
        self.consent_keys.get(entry)
    }

    /// The `consent-key` entry of a card.
    pub fn consent_key_of_card(&self, card: &Digest) -> Option<&EntryId> {
        self.cards.get(card)
    }

    /// A `request` entry.
    pub fn request(&self, entry: &EntryId) -> Option<&Request> {
        self.requests.get(entry)
    }

    /// The `request` entry with this digest.
    pub fn request_of_digest(&self, digest: &Digest) -> Option<&EntryId> {
        self.request_digests.get(digest)
    }

    /// A `consent` entry.
    pub fn consent(&self, entry: &EntryId) -> Option<&Consent> {
        self.consents.get(entry)
    }

    /// The consent to a request that an issuer recorded: there is at most one.
    pub fn consent_to(&self, request: &EntryId, issuer: &DepartmentId) -> Option<&EntryId> {
        self.granted.get(&(*request, *issuer))
    }

    /// A `proof` entry.
    pub fn proof(&self, entry: &EntryId) -> Option<&ProofEntry> {
        self.proofs.get(entry)
    }

    /// The `proof` entry by which `author` answered `request`. That it did does not make it the issuer
    /// that was asked.
    pub fn answer(&self, request: &EntryId, author: &DepartmentId) -> Option<&EntryId> {
        self.answers.get(&(*request, *author))
    }

    /// A `payload-sent` entry.
    pub fn payload(&self, entry: &EntryId) -> Option<&Payload> {
        self.payloads.get(entry)
    }

    /// Ends a block: the height rises, and a set elected in this block stands two heights on.
    pub(crate) fn finish_block(&mut self) {
        self.height += 1;
        self.validators = Arc::clone(&self.next_validators);
        if let Some(elected) = self.elected.take() {
            self.next_validators = elected;
        }
    }
}

#[cfg(test)]
mod tests;
