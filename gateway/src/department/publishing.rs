//! What a department publishes: services, roots, circuits, approvals.

use chain::document::Document;
use chain::entry::Content;
use chain::identifier::EntryId;
use circuits::Fr;
use crypto::Digest;
use thiserror::Error;

use super::{Department, Internal};
use crate::document::service::{Service, ServiceError};
use crate::document::{CircuitDocument, circuit::CircuitDocumentError};
use crate::import::Row;
use crate::records::{Changed, Dataset};

/// Why something is not published.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The service document does not hold.
    #[error("service: {0}")]
    Service(#[from] ServiceError),
    /// The service names another issuer.
    #[error("service: its issuer is another department")]
    OtherIssuer,
    /// The circuit document does not hold.
    #[error("circuit: {0}")]
    Circuit(#[from] CircuitDocumentError),
    /// The circuit document's constraints are not those of this build.
    #[error("circuit: its constraints {named} are not this build's {ours}")]
    OtherConstraints {
        /// In the document.
        named: Digest,
        /// Of this build.
        ours: Digest,
    },
    /// The circuit entry's document is not one that this software reads.
    #[error("circuit: document {0} is not one that this software reads")]
    Unreadable(Digest),
    /// The document is too long for the chain.
    #[error(transparent)]
    Document(#[from] chain::document::DocumentError),
    /// Our own side failed.
    #[error(transparent)]
    Internal(#[from] Internal),
}

impl Department {
    /// Publishes a service; it replaces the one that the dataset has.
    ///
    /// # Errors
    /// [`PublishError`]
    pub async fn publish_service(&self, service: &Service) -> Result<EntryId, PublishError> {
        service.check()?;
        if service.issuer != self.id {
            return Err(PublishError::OtherIssuer);
        }
        self.records().create(&service.dataset, &service.schema).map_err(Internal::from)?;
        let document = Document::new(service)?;
        let replaces = self.service_entry(&service.dataset).await?;
        let content = Content::Service { document: *document.digest(), replaces };
        Ok(self.append(content, Some(document)).await.map_err(Internal::from)?)
    }

    /// Adds or updates records, all or none, and publishes the new root.
    ///
    /// # Errors
    /// [`PublishError`]
    pub async fn import(&self, dataset: &str, rows: &[Row]) -> Result<Changed, PublishError> {
        let _changing = self.changing.lock().await;
        let mut dataset = self.records().dataset(dataset).map_err(Internal::from)?;
        let changed = tokio::task::block_in_place(|| {
            self.random(|rng| self.records().import(&mut dataset, rows, &mut { rng }))
        })
        .map_err(Internal::from)?;
        self.publish_root(&dataset, changed.root).await?;
        Ok(changed)
    }

    /// Publishes every root that is stored and not published.
    pub(super) async fn publish_roots(&self) -> Result<(), Internal> {
        let _changing = self.changing.lock().await;
        for service in self.services().await? {
            let dataset = self.records().dataset(&service.dataset)?;
            let root = self.records().root(&dataset)?;
            self.publish_root(&dataset, root).await?;
        }
        Ok(())
    }

    /// Publishes a dataset's root, unless it is the current one.
    pub(super) async fn publish_root(&self, dataset: &Dataset, root: Fr) -> Result<(), Internal> {
        let root = Digest::from_bytes(circuits::field::to_be_bytes(root));
        let Some(service) = self.service_entry(dataset.name()).await? else { return Ok(()) };
        let replica = self.chain();
        let chain = replica.state();
        let previous = chain.dataset_of(&service).and_then(|dataset| dataset.records);
        let current = previous.and_then(|entry| chain.records(&entry)).map(|fact| fact.root);
        if current == Some(root) {
            return Ok(());
        }
        // An empty tree was never published and has nothing to publish.
        let empty = previous.is_none() && dataset.is_empty();
        if !empty {
            self.append(Content::Records { root, service, previous }, None).await?;
        }
        Ok(())
    }

    /// Puts a circuit's key forward for approval.
    ///
    /// # Errors
    /// [`PublishError`]
    pub async fn propose_circuit(
        &self,
        circuit: &CircuitDocument,
    ) -> Result<EntryId, PublishError> {
        check_circuit(circuit)?;
        let document = Document::new(circuit)?;
        let content = Content::Circuit { document: *document.digest() };
        Ok(self.append(content, Some(document)).await.map_err(Internal::from)?)
    }

    /// Approves an entry.
    ///
    /// A circuit is approved only if its document holds and its constraints are those of this build.
    ///
    /// # Errors
    /// [`PublishError`]
    pub async fn approve(&self, entry: EntryId) -> Result<EntryId, PublishError> {
        let replica = self.chain();
        let document = replica.state().ballot(&entry).map(|ballot| ballot.document);
        let is_circuit =
            replica.state().circuit_ballots().any(|ballot| Some(ballot.document) == document);
        if let Some(digest) = document.filter(|_| is_circuit) {
            let circuit: CircuitDocument =
                self.document(digest).await?.ok_or(PublishError::Unreadable(digest))?;
            check_circuit(&circuit)?;
        }
        let content = Content::Approval { entry };
        Ok(self.append(content, None).await.map_err(Internal::from)?)
    }

    /// This department's current services.
    pub(super) async fn services(&self) -> Result<Vec<Service>, Internal> {
        Ok(self.service_entries().await?.into_iter().map(|(_, service)| service).collect())
    }

    /// The entry of the current service of one of this department's datasets.
    pub(super) async fn service_entry(&self, dataset: &str) -> Result<Option<EntryId>, Internal> {
        let services = self.service_entries().await?;
        Ok(services.into_iter().find(|(_, it)| it.dataset == dataset).map(|(entry, _)| entry))
    }

    async fn service_entries(&self) -> Result<Vec<(EntryId, Service)>, Internal> {
        let replica = self.chain();
        let mut services = Vec::new();
        for (_, dataset) in replica.state().datasets().filter(|(_, it)| it.issuer == self.id) {
            if let Some(service) = self.current_service(&dataset.service).await? {
                services.push((dataset.service, service));
            }
        }
        Ok(services)
    }
}

/// The key is sound, and the circuit is the one that this build has under the name.
fn check_circuit(circuit: &CircuitDocument) -> Result<(), PublishError> {
    circuit.key()?;
    let ours = Digest::from_bytes(circuit.circuit.r1cs().digest());
    if circuit.constraints == ours {
        Ok(())
    } else {
        Err(PublishError::OtherConstraints { named: circuit.constraints, ours })
    }
}
