//! Test support: a network in miniature, and the tests that every [`Ledger`] must pass.
//!
//! Behind the feature `contract`, so that other crates' tests can use it. Nothing here is for production:
//! the keys are made from small numbers.
//!
//! [`Ledger`]: crate::ledger::Ledger

use std::sync::Arc;

use crypto::{Digest, Secret, SigningKey};
use serde_json::json;

use crate::block::{Certificate, CertifiedBlock, Header, Precommit};
use crate::department::{Department, Role};
use crate::document::{Document, Documents};
use crate::entry::{Content, Entry, withdrawal_lock};
use crate::genesis::{GENESIS_FORMAT, Genesis, NetworkFacts, SubjectIdentifier};
use crate::identifier::{DepartmentId, EntryId, ValidatorId};
use crate::replica::Replica;
use crate::time::Timestamp;
use crate::validators::{Validator, ValidatorSet};

mod direct;
mod suite;

pub use direct::Direct;
pub use suite::{Harness, check_ledger};

const VALID: &str = "a test fixture's text is valid";

/// A genesis with everybody's keys.
#[derive(Clone, Debug)]
pub struct Network {
    genesis: Arc<Genesis>,
    departments: usize,
}

impl Network {
    /// A network of `departments` (1 to 9), the first a registrar, with one validator and no grace.
    pub fn new(departments: usize) -> Self {
        Self::with_grace(departments, 0)
    }

    /// As [`Network::new`], with a grace for superseded roots in seconds.
    pub fn with_grace(departments: usize, records_grace_seconds: u32) -> Self {
        assert!((1..=9).contains(&departments), "one digit names a department");
        let facts = NetworkFacts {
            format: GENESIS_FORMAT.to_owned(),
            name: "network.example/test".parse().expect(VALID),
            nonce: Digest::of(b"miniature network"),
            subject_identifier: SubjectIdentifier {
                kind: "national-number".parse().expect(VALID),
                normal_form: "11 digits".parse().expect(VALID),
            },
            records_grace_seconds,
            departments: (0..departments).map(Self::department).collect(),
            validators: vec![Self::validator("gateway", 200)],
            cosigners: Vec::new(),
        };
        let genesis = Genesis::new(facts).expect("a test fixture's facts are in order");
        Self { genesis: Arc::new(genesis), departments }
    }

    /// The genesis.
    pub fn genesis(&self) -> Arc<Genesis> {
        Arc::clone(&self.genesis)
    }

    /// Number of founding departments.
    pub const fn departments(&self) -> usize {
        self.departments
    }

    /// The key made from a small number.
    pub fn key(number: u8) -> SigningKey {
        SigningKey::from_seed(&Secret::new([number; 32]))
    }

    /// The id of department `number`, founding or not.
    pub fn id(number: usize) -> DepartmentId {
        format!("agency-{number}").parse().expect(VALID)
    }

    /// The signing key of department `number`.
    pub fn department_key(number: usize) -> SigningKey {
        Self::key(u8::try_from(number).expect("one digit") + 1)
    }

    /// The document of department `number`; number 0 is a registrar.
    pub fn department(number: usize) -> Department {
        Department {
            id: Self::id(number),
            name: format!("Agency {number}").parse().expect(VALID),
            url: format!("http://agency-{number}.example").parse().expect(VALID),
            signing_key: Self::department_key(number).verifying_key(),
            hpke_key: "0a".repeat(32).parse().expect(VALID),
            roles: (number == 0).then_some(Role::Registrar).into_iter().collect(),
        }
    }

    /// The founding validator's id.
    pub fn validator_id() -> ValidatorId {
        "gateway".parse().expect(VALID)
    }

    /// The founding validator's key.
    pub fn validator_key() -> SigningKey {
        Self::key(200)
    }

    /// A validator whose key is made from `number`.
    pub fn validator(id: &str, number: u8) -> Validator {
        let id: ValidatorId = id.parse().expect(VALID);
        let name = id.as_str().parse().expect(VALID);
        Validator { id, name, key: Self::key(number).verifying_key() }
    }

    /// The set of one validator.
    pub fn validator_set(id: &str, number: u8) -> ValidatorSet {
        ValidatorSet::new(vec![Self::validator(id, number)]).expect("one validator is a set")
    }

    /// `content` signed by department `number`.
    pub fn entry(&self, number: usize, content: Content) -> Entry {
        let key = Self::department_key(number);
        Entry::sign(self.genesis.network(), Self::id(number), content, &key)
    }

    /// The id of `content` by department `number`.
    pub fn entry_id(&self, number: usize, content: Content) -> EntryId {
        self.entry(number, content).id(self.genesis.network())
    }

    /// A request by department `number`, told from others by `name`.
    pub fn request(&self, number: usize, name: &str) -> Entry {
        self.entry(number, Content::Request { request: Digest::of(name.as_bytes()) })
    }

    /// A consent by department `number` to `request`, which [`Network::w`] of `name` withdraws.
    pub fn consent(&self, number: usize, request: EntryId, name: &str) -> Entry {
        let record = Digest::labelled("test/consent", &[name.as_bytes()]);
        let lock = withdrawal_lock(&Self::w(name));
        self.entry(number, Content::Consent { record, lock, request })
    }

    /// What opens the lock of the consent called `name`.
    pub fn w(name: &str) -> Digest {
        Digest::labelled("test/w", &[name.as_bytes()])
    }

    /// A document told from others by `name`.
    pub fn document(name: &str) -> Document {
        Document::new(&json!({ "name": name })).expect("a name is a short document")
    }

    /// The certificate of the block under `header` by the validator whose key is made from `number`.
    pub fn certificate(header: &Header, number: u8) -> Certificate {
        let signature = Precommit::new(header, 0).sign(&Self::key(number));
        Certificate::new(0, vec![(header.proposer, signature)]).expect("one signature is in order")
    }

    /// The block that follows on `replica`, one second later, certified by the founding validator.
    pub fn block(replica: &Replica, entries: &[Entry], documents: &Documents) -> CertifiedBlock {
        let time = Timestamp::from_unix_seconds(replica.tip().time.unix_seconds() + 1);
        let mut draft = replica.draft(time);
        for entry in entries {
            let document = documents.get(entry.content().digest());
            draft.push(entry, document).expect("a test's entries keep the rules");
        }
        let block = draft.seal(Self::validator_id()).block().clone();
        let certificate = Self::certificate(block.header(), 200);
        CertifiedBlock { block, certificate }
    }

    /// The blocks again, with other entries, certified with the key made from `number`.
    pub fn relink(
        &self,
        blocks: &[CertifiedBlock],
        number: u8,
        change: impl Fn(&mut Header, &mut Vec<Entry>),
    ) -> Vec<CertifiedBlock> {
        crate::store::relink(
            self.genesis(),
            blocks,
            |header| Self::certificate(header, number),
            change,
        )
    }
}
