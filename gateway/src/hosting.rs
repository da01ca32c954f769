//! A gateway at work: hosted departments behind the HTTP surfaces, and signed HTTP between them.
//!
//! Each surface's trait is implemented in a module of its own. What follows from a request, but need
//! not be waited for, is done by the [`Worker`].

mod bundle;
mod citizen;
mod datasets;
mod local;
mod operating;
mod peer;
mod peers;
mod public;
mod readiness;
mod sent;
mod watching;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chain::identifier::DepartmentId;
use chain::ledger::Ledger;
use crypto::envelope::{KeyId, Name, PayloadId};
use crypto::{Digest, SigningKey, VerifyingKey};
use thiserror::Error;
use tracing::Instrument as _;

use crate::department::{Department, Internal, Peers, Shared};
use crate::exchange::verification::Note;
use crate::http::local::Tokens;
use crate::http::signature::{Audience, AudienceError, KeyDirectory, KeyName, Signer};
use crate::http::{BaseUrl, BaseUrlError, ChainSurface, Hosting, Problem};
use crate::nonces::StoredNonces;
use crate::prover::Place;
use crate::store::{Store, StoreError};

pub use peers::HttpPeers;
pub use public::Notices;
pub use worker::{Stopped, Worker, WorkerOptions};

/// Nonces that a department remembers at once: at 60 s of life, a thousand requests a second.
const NONCES: usize = 65_536;

/// Why a department cannot be hosted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HostError {
    /// The chain does not know the department.
    #[error("{0} is not a department of this network")]
    Unknown(DepartmentId),
    /// The department's document has another key.
    #[error("{0}: the signing key is not the one in the department's document")]
    OtherKey(DepartmentId),
    /// The department's document has a URL that no signature can be addressed to.
    #[error("{department}: {error}")]
    Url {
        /// The department.
        department: DepartmentId,
        /// What is wrong with it.
        error: BaseUrlError,
    },
    /// As [`Self::Url`].
    #[error("{department}: {error}")]
    Audience {
        /// The department.
        department: DepartmentId,
        /// What is wrong with the URL.
        error: AudienceError,
    },
    /// The nonces cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A hosted department and what its surfaces need.
pub struct Hosted<P> {
    department: Arc<Department>,
    peers: Arc<P>,
    signer: Signer,
    audience: Audience,
    keys: ChainKeys,
    nonces: StoredNonces,
    /// Of citizens whom the department does not know. Anybody can make a key and sign with it.
    strangers: StoredNonces,
    work: worker::Work,
    arrived: AtomicU64,
}

impl<P: Peers> Hosted<P> {
    /// Hosts a department under its keys, which must be those of its document on the chain.
    ///
    /// # Errors
    /// [`HostError`]
    fn new(
        department: Arc<Department>,
        store: Arc<Store>,
        peers: Arc<P>,
        work: worker::Work,
    ) -> Result<Self, HostError> {
        let id = *department.id();
        let chain = department.chain();
        let document = chain.state().department(&id).ok_or(HostError::Unknown(id))?;
        let signer = signer(&department);
        if department.keys().signing.verifying_key() != document.signing_key {
            return Err(HostError::OtherKey(id));
        }
        let url = document.url.as_str();
        let base: BaseUrl =
            url.parse().map_err(|error| HostError::Url { department: id, error })?;
        let audience =
            base.audience().map_err(|error| HostError::Audience { department: id, error })?;
        let keys = ChainKeys(Arc::clone(&department.shared().ledger));
        let nonces = StoredNonces::open(store, NONCES)?;
        let strangers = StoredNonces::in_memory(NONCES);
        let arrived = AtomicU64::new(0);
        Ok(Self { department, peers, signer, audience, keys, nonces, strangers, work, arrived })
    }

    /// The department.
    pub fn department(&self) -> &Arc<Department> {
        &self.department
    }

    /// Its way to other departments.
    pub fn peers(&self) -> &Arc<P> {
        &self.peers
    }

    /// The prover's place for what is being asked. What is taken up is proved or verified later; to take
    /// up more than there are places for would be to let everybody wait longer.
    fn place_to_prove(&self) -> Result<Place, Problem> {
        let place = self.department.shared().prover.admit();
        place.map_err(|full| Internal::Prover(full).into())
    }

    /// Has a payload moved on as far as it goes, and waits for that. It goes on if nobody waits any more.
    async fn moved(&self, payload: PayloadId) {
        if !self.department.is_moving(&payload) {
            // An error says that it was left to a later time.
            let moved = self.work.payload(*self.department.id(), payload).await;
            moved.unwrap_or_default();
        }
        self.department.payload_rests(&payload).await;
    }

    /// Requests of other gateways that arrived with a valid signature, since the start.
    pub fn signed_requests(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }
}

impl<P> std::fmt::Debug for Hosted<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hosted({:?})", self.department)
    }
}

/// A department's signing key under its name.
fn signer(department: &Department) -> Signer {
    let key = SigningKey::from_seed(&department.keys().signing.to_seed());
    Signer::new(name(department.id()), key)
}

/// A department's id as signatures spell it.
fn name(id: &DepartmentId) -> Name {
    Name::new(id.as_str()).expect("a slug is printable ASCII of at most 31 characters")
}

/// Does `work` to its end, also if whoever waits for it goes away in the middle: a client that cuts its
/// connection must not cut a step between reading and writing.
async fn to_the_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(work.in_current_span()).await {
        Ok(done) => done,
        // Nobody aborts it, so it panicked; the surface answers for that.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// A note as documents spell it.
fn note_name(note: Note) -> String {
    match serde_json::to_value(note) {
        Ok(serde_json::Value::String(name)) => name,
        _ => unreachable!("a unit variant is a string"),
    }
}

/// The signing keys in the departments' documents, as the chain has them now.
#[derive(Clone, Debug)]
struct ChainKeys(Arc<dyn Ledger>);

impl KeyDirectory for ChainKeys {
    fn verifying_key(&self, name: &KeyName) -> Option<VerifyingKey> {
        let id: DepartmentId = name.department.as_str().parse().ok()?;
        let chain = self.0.snapshot();
        let key = chain.state().department(&id)?.signing_key;
        (KeyId::of_verifying_key(&key) == name.key).then_some(key)
    }
}

/// A department to be hosted.
#[derive(Debug)]
pub struct Tenant<P> {
    /// The department.
    pub department: Arc<Department>,
    /// Its store, which also remembers its nonces.
    pub store: Arc<Store>,
    /// The digest of the bearer token of its own systems.
    pub token: Digest,
    /// Its way to other departments.
    pub peers: P,
}

/// One gateway: hosted departments, and what everybody is told.
#[derive(Debug)]
pub struct Gateway<P> {
    departments: BTreeMap<DepartmentId, Arc<Hosted<P>>>,
    tokens: Tokens<Hosted<P>>,
    notices: Notices,
    shared: Shared,
    work: worker::Work,
}

impl<P: Peers + 'static> Gateway<P> {
    /// Hosts departments; their worker begins when it is [run](Worker::run).
    ///
    /// # Errors
    /// [`HostError`]
    pub fn new(
        shared: &Shared,
        tenants: Vec<Tenant<P>>,
        options: WorkerOptions,
    ) -> Result<(Self, Worker<P>), HostError> {
        let (work, queue) = worker::Work::channel(&options);
        let mut departments = BTreeMap::new();
        let mut tokens = Vec::new();
        for Tenant { department, store, token, peers } in tenants {
            let id = *department.id();
            let hosted = Hosted::new(department, store, Arc::new(peers), work.clone())?;
            let hosted = Arc::new(hosted);
            tokens.push((token, Arc::clone(&hosted)));
            departments.insert(id, hosted);
        }
        let worker = Worker::new(departments.values().map(Arc::clone).collect(), queue, options);
        let tokens = Tokens::new(tokens);
        let hosted = departments.values().map(|it| Arc::clone(it.department())).collect();
        let (notices, shared) = (Notices::new(shared, hosted), shared.clone());
        Ok((Self { departments, tokens, notices, shared, work }, worker))
    }

    /// A hosted department.
    pub fn hosted(&self, id: &DepartmentId) -> Option<&Arc<Hosted<P>>> {
        self.departments.get(id)
    }

    /// Requests of other gateways that arrived with a valid signature, at all hosted departments.
    pub fn signed_requests(&self) -> u64 {
        self.departments.values().map(|hosted| hosted.signed_requests()).sum()
    }
}

impl<P: Peers + 'static> Hosting for Gateway<P> {
    type Department = Hosted<P>;
    type Public = Notices;

    fn department(&self, name: &str) -> Option<Arc<Hosted<P>>> {
        self.departments.get(&name.parse().ok()?).cloned()
    }

    fn tokens(&self) -> &Tokens<Hosted<P>> {
        &self.tokens
    }

    fn public(&self) -> &Notices {
        &self.notices
    }

    fn chain(&self) -> Option<&ChainSurface> {
        Some(self.notices.chain())
    }

    fn now(&self) -> u64 {
        self.shared.clock.now().unix_seconds()
    }
}

#[cfg(test)]
mod tests;
