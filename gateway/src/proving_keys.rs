//! A gateway's proving keys, which it reads and checks while it serves already.
//!
//! To check every point of the keys takes seconds. Nothing but a proof waits for that: whoever asks,
//! follows the chain or imports does not.

use std::collections::HashMap;
use std::sync::Arc;

use circuits::groth16::ProvingKey;
use circuits::statement::CircuitId;
use tokio::sync::watch;

use crate::document::CircuitDocument;

/// Keys by circuit.
pub type KeyRing = Arc<HashMap<CircuitId, ProvingKey>>;

/// Documents of keys that come of ceremonies, by circuit.
pub type CeremonyDocuments = HashMap<CircuitId, CircuitDocument>;

/// Proving keys that are there, or will be.
#[derive(Clone, Debug)]
pub struct ProvingKeys {
    keys: watch::Receiver<Option<KeyRing>>,
    /// Of those that come of a ceremony.
    documents: Arc<CeremonyDocuments>,
}

/// Hands the keys over. Dropped without, there will be none.
#[derive(Debug)]
pub struct Loading(watch::Sender<Option<KeyRing>>);

impl ProvingKeys {
    /// Development keys that are there.
    pub fn loaded(keys: KeyRing) -> Self {
        let keys = watch::Sender::new(Some(keys)).subscribe();
        Self { keys, documents: Arc::default() }
    }

    /// Keys that will be there: those with a document come of a ceremony, the others are development keys.
    pub fn loading(documents: CeremonyDocuments) -> (Loading, Self) {
        let (sender, keys) = watch::channel(None);
        (Loading(sender), Self { keys, documents: Arc::new(documents) })
    }

    /// The document of a circuit's key that comes of a ceremony.
    pub fn ceremony(&self, circuit: CircuitId) -> Option<&CircuitDocument> {
        self.documents.get(&circuit)
    }

    /// The document that puts a key forward.
    pub fn document(&self, circuit: CircuitId, key: &ProvingKey) -> CircuitDocument {
        let documented = self.documents.get(&circuit).cloned();
        documented.unwrap_or_else(|| CircuitDocument::development(circuit, key))
    }

    /// The keys, if they are there.
    pub fn now(&self) -> Option<KeyRing> {
        self.keys.borrow().clone()
    }

    /// The keys, once they are there; none if there will be none.
    pub async fn wait(&self) -> Option<KeyRing> {
        let mut keys = self.keys.clone();
        keys.wait_for(Option::is_some).await.ok()?.clone()
    }
}

impl Loading {
    /// Hands the keys over.
    pub fn done(self, keys: KeyRing) {
        self.0.send_replace(Some(keys));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_gets_the_keys_once_they_are_there() {
        let (loading, keys) = ProvingKeys::loading(CeremonyDocuments::new());
        assert!(keys.now().is_none());
        let waiting = tokio::spawn({
            let keys = keys.clone();
            async move { keys.wait().await }
        });
        let ring = KeyRing::default();
        loading.done(Arc::clone(&ring));
        assert!(Arc::ptr_eq(&waiting.await.unwrap().unwrap(), &ring));
        assert!(Arc::ptr_eq(&keys.now().unwrap(), &ring));
    }

    #[tokio::test]
    async fn nobody_waits_for_keys_that_will_not_come() {
        let (loading, keys) = ProvingKeys::loading(CeremonyDocuments::new());
        drop(loading);
        assert!(keys.wait().await.is_none());
    }

    #[tokio::test]
    async fn keys_that_are_there_stay_there() {
        let keys = ProvingKeys::loaded(KeyRing::default());
        assert!(keys.now().is_some());
        assert!(keys.wait().await.is_some());
    }
}
