//! Whether a gateway is ready: whether it can prove, append and decrypt.
//!
//! Everybody is told which of these fails, and the log why.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chain::identifier::DepartmentId;
use chain::ledger::Health;
use crypto::Digest;
use thiserror::Error;

use crate::department::{Department, Internal, Shared};
use crate::document::CircuitDocument;
use crate::http::public::{Check, Readiness};
use crate::measure;
use crate::proving_keys::KeyRing;
use crate::store::StoreError;

/// Why a gateway is not ready, for its operator.
#[derive(Debug, Error)]
enum Unready {
    /// No proof can be made.
    #[error("no proving key is loaded")]
    NoKey,
    /// Nobody would take a proof.
    #[error("circuits are approved, but none with a proving key that is loaded here")]
    OtherKeys,
    /// The chain takes no entry.
    #[error("the chain takes no entry: {0}")]
    Append(String),
    /// The chain cannot be read.
    #[error(transparent)]
    Internal(#[from] Internal),
    /// A store does not open what it sealed, or takes no change.
    #[error("{0}: {1}")]
    Store(DepartmentId, StoreError),
    /// Messages to the department are sealed to a key that is not here.
    #[error("{0}: the envelope key is not the one in the department's document")]
    EnvelopeKey(DepartmentId),
}

/// Looks whether a gateway is ready.
#[derive(Clone)]
pub(super) struct Readying {
    shared: Shared,
    departments: Arc<[Arc<Department>]>,
    /// Documents of approved circuits, and whether their key is loaded here.
    circuits: Arc<Mutex<HashMap<Digest, bool>>>,
}

impl fmt::Debug for Readying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readying").field("departments", &self.departments).finish_non_exhaustive()
    }
}

impl Readying {
    pub(super) fn new(shared: &Shared, departments: Vec<Arc<Department>>) -> Self {
        Self { shared: shared.clone(), departments: departments.into(), circuits: Arc::default() }
    }

    /// Looks at everything.
    pub(super) async fn look(&self) -> Readiness {
        let checks = [
            ("prove", self.can_prove().await),
            ("append", self.can_append().await),
            ("decrypt", self.can_decrypt()),
        ];
        let checks = checks.map(|(name, outcome)| {
            measure::ready(name, outcome.is_ok());
            if let Err(error) = &outcome {
                tracing::warn!(check = name, %error, "not ready");
            }
            Check { name: name.to_owned(), ok: outcome.is_ok() }
        });
        Readiness::of(checks.into())
    }

    /// A key is loaded, one that the network approved if it approved any; who has no dataset has nothing to
    /// prove. That many proofs wait is no fault: whoever comes then is told when to come again.
    async fn can_prove(&self) -> Result<(), Unready> {
        let keys = self.shared.proving_keys.now().unwrap_or_default();
        if keys.is_empty() {
            return Err(Unready::NoKey);
        }
        if !self.has_datasets()? {
            return Ok(());
        }
        let chain = self.shared.ledger.snapshot();
        let approved: Vec<_> = chain.state().approved_circuits().map(|(it, _)| *it).collect();
        for document in &approved {
            if self.is_ours(&keys, *document).await? {
                return Ok(());
            }
        }
        if approved.is_empty() { Ok(()) } else { Err(Unready::OtherKeys) }
    }

    fn has_datasets(&self) -> Result<bool, Internal> {
        for department in self.departments.iter() {
            if !department.records().datasets()?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the circuit document of that digest has a key that is loaded here. Found out once: neither
    /// changes.
    async fn is_ours(&self, keys: &KeyRing, document: Digest) -> Result<bool, Unready> {
        if let Some(found) = self.known().get(&document) {
            return Ok(*found);
        }
        let found = self.shared.ledger.document(document).await.map_err(Internal::from)?;
        let circuit = found.and_then(|it| it.parse::<CircuitDocument>().ok());
        let key = circuit.and_then(|it| it.key().ok()).map(|(id, _)| id);
        let mut loaded = keys.values().map(|it| it.verifying_key().id());
        let ours = key.is_some_and(|key| loaded.any(|it| it == key));
        self.known().insert(document, ours);
        Ok(ours)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Digest, bool>> {
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ledger takes entries, and each department's store what must be kept before and after one.
    async fn can_append(&self) -> Result<(), Unready> {
        takes_entries(&self.shared.ledger.health().await)?;
        self.departments.iter().try_for_each(|department| {
            let id = *department.id();
            department.check_storing().map_err(|error| Unready::Store(id, error))
        })
    }

    /// Each department's storage key opens what it sealed, and its envelope key is the one that others
    /// seal to.
    fn can_decrypt(&self) -> Result<(), Unready> {
        let chain = self.shared.ledger.snapshot();
        for department in self.departments.iter() {
            let id = *department.id();
            department.check_store().map_err(|error| Unready::Store(id, error))?;
            let document = chain.state().department(&id);
            let own = department.keys().recipient.public_key().to_string();
            if document.is_none_or(|document| document.hpke_key.as_str() != own) {
                return Err(Unready::EnvelopeKey(id));
            }
        }
        Ok(())
    }
}

/// The ledger takes entries.
fn takes_entries(health: &Health) -> Result<(), Unready> {
    if let Some(reason) = &health.stopped {
        return Err(Unready::Append(reason.to_string()));
    }
    match &health.following {
        Some(error) if error.cuts_off() => Err(Unready::Append(error.to_string())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::department::tests::Network;
    use chain::ledger::{FollowError, StopReason, UpstreamError};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stopped_ledger_takes_no_entries() {
        let health = Network::bare(0).shared.ledger.health().await;
        assert!(takes_entries(&health).is_ok());
        let stopped = Health { stopped: Some(StopReason::Closed), ..health.clone() };
        assert!(takes_entries(&stopped).is_err());

        // A follower writes through the gateway that it follows.
        let unreached = || UpstreamError::Unreached { reason: "it is down".to_owned() };
        let follower = |trouble| Health { following: Some(trouble), ..health.clone() };
        assert!(takes_entries(&follower(FollowError::Upstream(unreached()))).is_err());
        assert!(takes_entries(&follower(FollowError::Cosigning(unreached()))).is_ok());
        assert!(takes_entries(&follower(FollowError::Shorter { ours: 2, theirs: 1 })).is_err());
    }
}
