//! A hosted department: its keys, records and exchanges, driven over the chain and between peers.
//!
//! This is where the pure halves of [`crate::exchange`] meet disk, chain, prover and network. Every
//! step is stored before its effect and repeated until the effect is acknowledged, and every effect
//! is idempotent: appending an entry twice is appending it once, sending a message twice is sending
//! it once. So a crash between any two lines is followed by [`Department::resume`].

pub mod answering;
pub mod asking;
pub mod citizen;
pub mod enrolment;
pub mod importing;
mod internal;
mod moving;
mod openings;
pub mod payloads;
pub mod peer;
pub mod publishing;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use chain::document::Document;
use chain::entry::{Content, Entry};
use chain::genesis::Genesis;
use chain::identifier::{DepartmentId, EntryId};
use chain::ledger::{Ledger, Submission, SubmitError};
use chain::replica::Replica;
use chain::rules::State;
use chain::time::Clock;
use circuits::encoding::Date;
use circuits::groth16::KeyId;
use crypto::envelope::{
    Expected, Message, Name, Opened, PayloadId, RecipientKey, RecipientPublicKey, Route,
};
use crypto::{Digest, SigningKey};
use rand_core::CryptoRng;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::time::timeout;

pub use self::internal::Internal;
use crate::document::CircuitDocument;
use crate::exchange::verification::Strictness;
use crate::measure;
use crate::payload::PayloadStore;
use crate::prover::Prover;
use crate::proving_keys::ProvingKeys;
use crate::records::Records;
use crate::store::{Batch, Store, StoreError};

/// A department's private keys.
#[derive(Debug)]
pub struct Keys {
    /// Signs entries and messages.
    pub signing: SigningKey,
    /// Opens envelopes.
    pub recipient: RecipientKey,
}

/// A message to another department's gateway, sealed already.
#[derive(Debug)]
pub struct PeerMessage {
    /// What it is.
    pub path: PeerPath,
    /// The sealed body.
    pub body: Bytes,
}

/// What a message to another department's gateway is: its path below `/v1/peer/{department}/`.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum PeerPath {
    /// `requests`: a question.
    Requests,
    /// `answers`: an answer.
    Answers,
    /// `key-cards`: a subject whose key card is wanted.
    KeyCards,
    /// `payloads/{request}/{payload}/parts/{number}`: a part of a payload.
    Part {
        /// Digest of the request.
        request: Digest,
        /// The payload.
        payload: PayloadId,
        /// Which part, from 0.
        number: u64,
    },
    /// `payloads/{request}/{payload}/parts`: which parts are there.
    Parts {
        /// Digest of the request.
        request: Digest,
        /// The payload.
        payload: PayloadId,
    },
    /// `payloads/{request}/{payload}/complete`: a payload's manifest, after its last part.
    Complete {
        /// Digest of the request.
        request: Digest,
        /// The payload.
        payload: PayloadId,
    },
}

pub use moving::Mover;

/// How a peer took a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerReply {
    /// Taken, with the response's body.
    Taken(Vec<u8>),
    /// Refused for good, with the peer's code: sending it again would not help.
    Refused {
        /// The peer's code.
        code: String,
    },
}

/// A peer was not reached, or did not answer in its own name. To be tried again.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{department} was not reached: {reason}")]
pub struct Unreached {
    /// Who.
    pub department: DepartmentId,
    /// Why.
    pub reason: String,
    /// In how many seconds to try again, if it was reached and asked for that.
    pub retry_after: Option<u32>,
}

/// The way to other departments: signed HTTP to the URL in their document, also to oneself.
pub trait Peers: Send + Sync {
    /// Sends a message from `sender` and waits for the signed reply.
    ///
    /// # Errors
    /// [`Unreached`] if there was no reply that the recipient signed.
    fn send(
        &self,
        sender: &Department,
        recipient: &chain::department::Department,
        message: PeerMessage,
    ) -> impl Future<Output = Result<PeerReply, Unreached>> + Send;
}

/// What several departments of one gateway share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The network.
    pub genesis: Arc<Genesis>,
    /// The chain.
    pub ledger: Arc<dyn Ledger>,
    /// The proving keys.
    pub proving_keys: ProvingKeys,
    /// The prover.
    pub prover: Prover,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How strict verification is.
    pub strictness: Strictness,
}

/// A hosted department.
pub struct Department {
    id: DepartmentId,
    keys: Keys,
    store: Arc<Store>,
    payloads: payloads::Payloads,
    shared: Shared,
    rng: Mutex<Box<dyn CryptoRng + Send>>,
    /// Held while records, budgets or an exchange change: read, decide and write are one step.
    changing: tokio::sync::Mutex<()>,
    /// The imports under way.
    importing: Arc<importing::Importing>,
    /// Told of every change of a question that this department asked.
    asked_changed: tokio::sync::watch::Sender<()>,
    /// The exchanges that somebody moves on.
    moving: Arc<moving::Moving>,
    /// How much issuers take.
    openings: Arc<openings::Openings>,
}

impl std::fmt::Debug for Department {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Department({})", self.id)
    }
}

impl Department {
    /// A department with its keys and stores, which are nobody else's.
    pub fn new(
        id: DepartmentId,
        keys: Keys,
        store: Arc<Store>,
        payloads: PayloadStore,
        shared: Shared,
        rng: Box<dyn CryptoRng + Send>,
    ) -> Self {
        let changing = tokio::sync::Mutex::new(());
        let payloads = payloads::Payloads::new(payloads);
        let (rng, asked_changed) = (Mutex::new(rng), tokio::sync::watch::Sender::new(()));
        let (importing, moving) = (Arc::default(), Arc::default());
        let openings = Arc::new(openings::Openings::new(shared.prover.places()));
        Self {
            id,
            keys,
            store,
            payloads,
            shared,
            rng,
            changing,
            importing,
            asked_changed,
            moving,
            openings,
        }
    }

    /// Its id.
    pub fn id(&self) -> &DepartmentId {
        &self.id
    }

    /// Its private keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// What it shares with others on this gateway.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Its datasets.
    pub fn records(&self) -> Records<'_> {
        Records::new(&self.store)
    }

    /// What the chain says now.
    pub fn chain(&self) -> Arc<Replica> {
        self.shared.ledger.snapshot()
    }

    /// Whether the store takes changes.
    ///
    /// # Errors
    /// [`StoreError::Stopped`]
    pub fn check_storing(&self) -> Result<(), StoreError> {
        self.store.check_storing()
    }

    /// Whether the store opens what it sealed.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn check_store(&self) -> Result<(), StoreError> {
        self.store.check()
    }

    /// Unix seconds.
    pub fn now(&self) -> u64 {
        self.shared.clock.now().unix_seconds()
    }

    /// Today's date in UTC.
    fn today(&self) -> Date {
        Date::from_unix_seconds(self.now())
    }

    /// Runs `draw` with the department's randomness.
    fn random<T>(&self, draw: impl FnOnce(&mut dyn CryptoRng) -> T) -> T {
        draw(&mut **self.rng.lock().expect("drawing randomness does not panic"))
    }

    /// Signs `content` and puts it on the chain. When this returns, it is durable.
    ///
    /// # Errors
    /// [`SubmitError`] if a rule refuses it, or if it is unknown whether the chain took it.
    pub async fn append(
        &self,
        content: Content,
        document: Option<Document>,
    ) -> Result<EntryId, SubmitError> {
        let network = self.shared.genesis.network();
        let entry = Entry::sign(network, self.id, content, &self.keys.signing);
        let start = Instant::now();
        self.shared.ledger.submit(Submission { entry, document }).await?;
        measure::since(start, measure::APPEND);
        Ok(entry.id(network))
    }

    /// Waits until this copy of the chain is as somebody says that the chain is, or for as long as it may be
    /// behind. Whether it is so then is for the caller to look.
    pub(crate) async fn wait_for_chain(&self, known: impl Fn(&State) -> bool) {
        let lag = self.shared.ledger.lag();
        let mut newest = self.shared.ledger.subscribe();
        let there = newest.wait_for(|replica| known(replica.state()));
        let _ = timeout(lag, there).await.is_ok_and(|there| there.is_ok());
    }

    /// Waits until this copy of the chain has the entries that another department names.
    ///
    /// What the other names is on its copy, and every check of ours would fail for no fault of its own while
    /// ours is behind. It is told to come back then, and not that it is refused.
    ///
    /// # Errors
    /// [`Internal::Behind`] if an entry does not come in time. Never of a validator's copy, which is the chain.
    pub(crate) async fn wait_for_entries(&self, entries: &[EntryId]) -> Result<(), Internal> {
        let missing = |state: &State| entries.iter().find(|it| state.position(it).is_none());
        if self.shared.ledger.lag().is_zero() {
            return Ok(());
        }
        self.wait_for_chain(|state| missing(state).is_none()).await;
        match missing(self.chain().state()) {
            Some(entry) => Err(Internal::Behind(*entry)),
            None => Ok(()),
        }
    }

    /// Commits a batch off the async threads: it waits for the disk.
    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let store = Arc::clone(&self.store);
        tokio::task::spawn_blocking(move || store.commit(batch))
            .await
            .expect("a commit does not panic, and the runtime outlives its departments")
    }

    /// Waits until what can be read of the store is on the disk, off the async threads. Called between
    /// reading a stage and its effect: somebody else may have committed it a moment ago, and an effect
    /// of a stage that a power cut takes back would not be the same the next time.
    async fn settled(&self) -> Result<(), StoreError> {
        if self.store.is_settled() {
            return Ok(());
        }
        let store = Arc::clone(&self.store);
        tokio::task::spawn_blocking(move || store.settle())
            .await
            .expect("a commit does not panic, and the runtime outlives its departments")
    }

    /// Takes up everything that a stop interrupted: [exchanges](Self::resume_exchanges), and after the
    /// answers, without which nobody takes them, [payloads](Self::resume_payloads).
    ///
    /// # Errors
    /// [`Internal`] of the first that our own side cannot move; the others can be moved all the same.
    pub async fn resume(&self, peers: &impl Peers) -> Result<(), Internal> {
        self.resume_exchanges(peers).await.and(self.resume_payloads(peers).await)
    }

    /// Takes up every exchange that a stop interrupted, and closes those whose time is over.
    ///
    /// # Errors
    /// [`Internal`] of the first that our own side cannot move; the others can be moved all the same.
    pub async fn resume_exchanges(&self, peers: &impl Peers) -> Result<(), Internal> {
        let mut outcome = self.clear_imports().await;
        // A root may have been stored and not published.
        outcome = outcome.and(self.publish_roots().await);
        // What somebody moves on already is not left: to do it twice would be to prove it twice.
        for digest in self.unsent_digests()? {
            if !self.moving.has(&digest) {
                outcome = outcome.and(self.pursue(&digest, peers).await);
            }
        }
        for digest in self.unfinished_digests()? {
            if !self.moving.has(&digest) {
                outcome = outcome.and(self.advance(&digest, peers).await);
            }
        }
        outcome
    }

    /// Another department as the chain knows it.
    pub(crate) fn peer(
        &self,
        id: &DepartmentId,
    ) -> Result<chain::department::Department, Internal> {
        self.chain().state().department(id).cloned().ok_or(Internal::UnknownDepartment(*id))
    }

    /// Seals `plaintext` to another department.
    pub(crate) fn seal(
        &self,
        message: Message,
        recipient: &chain::department::Department,
        request: Digest,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Internal> {
        let route = Route {
            message,
            network: self.network_name(),
            sender: department_name(&self.id),
            recipient: department_name(&recipient.id),
            request,
        };
        let key = recipient_key(recipient)?;
        Ok(self.random(|rng| crypto::envelope::seal(&route, &key, plaintext, &mut { rng }))?)
    }

    /// Opens an envelope from `sender`, whose signature around it the caller has verified.
    ///
    /// # Errors
    /// [`crypto::envelope::OpenError`] if it is not that, or not for this department.
    pub fn open(
        &self,
        message: Message,
        sender: &DepartmentId,
        request: Option<Digest>,
        sealed: &[u8],
    ) -> Result<Opened, crypto::envelope::OpenError> {
        let expected = Expected {
            message,
            network: self.network_name(),
            sender: department_name(sender),
            recipient: department_name(&self.id),
            request,
        };
        crypto::envelope::open(&self.keys.recipient, &expected, sealed)
    }

    fn network_name(&self) -> Name {
        Name::new(&self.shared.genesis.network().to_string()).expect("64 hexadecimal digits")
    }

    /// The public document behind a digest on the chain, if it is of the form wanted.
    async fn document<T: Serialize + DeserializeOwned>(
        &self,
        digest: Digest,
    ) -> Result<Option<T>, Internal> {
        let document = self.shared.ledger.document(digest).await?;
        Ok(document.and_then(|document| document.parse().ok()))
    }

    /// The documents of the circuits that the departments have approved.
    async fn approved_circuits(&self) -> Result<Vec<CircuitDocument>, Internal> {
        let mut approved = Vec::new();
        for (digest, _) in self.chain().state().approved_circuits() {
            approved.extend(self.document::<CircuitDocument>(*digest).await?);
        }
        Ok(approved)
    }

    /// The documents of the circuits on the chain, approved or not.
    pub(crate) async fn circuits(&self) -> Result<HashMap<KeyId, CircuitDocument>, Internal> {
        let mut circuits = HashMap::new();
        // Approved ones last: of two documents with one key, the approved one counts.
        let chain = self.chain();
        let mut ballots: Vec<_> = chain.state().circuit_ballots().collect();
        ballots.sort_by_key(|ballot| ballot.approved.is_some());
        for ballot in ballots {
            if let Some(document) = self.document::<CircuitDocument>(ballot.document).await?
                && let Ok((id, _)) = document.key()
            {
                circuits.insert(id, document);
            }
        }
        Ok(circuits)
    }
}

/// The key that messages to a department are sealed to.
fn recipient_key(
    recipient: &chain::department::Department,
) -> Result<RecipientPublicKey, Internal> {
    let key = recipient.hpke_key.as_str();
    key.parse().map_err(|_| Internal::NoRecipientKey(recipient.id))
}

/// A department's id as an envelope spells it.
fn department_name(id: &DepartmentId) -> Name {
    Name::new(id.as_str()).expect("a slug is printable ASCII of at most 31 characters")
}

#[cfg(test)]
pub(crate) mod tests;
