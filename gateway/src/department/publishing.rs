//! What a department publishes: services, roots, circuits, approvals.

use std::cmp::Reverse;

use chain::document::Document;
use chain::entry::{Content, Kind};
use chain::identifier::{DepartmentId, EntryId};
use chain::ledger::SubmitError;
use chain::rules::{Ballot, RuleError};
use chain::validators::ValidatorSet;
use circuits::Fr;
use circuits::statement::CircuitId;
use crypto::Digest;
use thiserror::Error;

use super::{Department, Internal};
use crate::document::CircuitDocument;
use crate::document::circuit::{CircuitDocumentError, Provenance};
use crate::document::service::{Service, ServiceError};
use crate::records::{Dataset, RecordsError};

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
    /// The service permits somebody, or relies on a registrar, whom the network does not have.
    #[error(
        "service: {place}: no department {department} in this network; who joins is named afterwards"
    )]
    UnknownDepartment {
        /// Where it stands in the document.
        place: String,
        /// Its name.
        department: DepartmentId,
    },
    /// The department is a member of the network with exactly this document.
    #[error(
        "{0} is a department of this network with exactly this document: it is already in force"
    )]
    InForce(DepartmentId),
    /// The circuit document does not hold.
    #[error("circuit: {0}")]
    Circuit(#[from] CircuitDocumentError),
    /// The dataset exists with another schema.
    #[error(
        "service: dataset {dataset:?} has records under another schema; publish it under another name"
    )]
    OtherSchema {
        /// The dataset.
        dataset: String,
    },
    /// The circuit document's constraints are not those of this build.
    #[error("circuit: its constraints {named} are not this build's {ours}")]
    OtherConstraints {
        /// In the document.
        named: Digest,
        /// Of this build.
        ours: Digest,
    },
    /// One party made the key alone, and this gateway runs in production.
    #[error("circuit: a development key, which production mode refuses to approve")]
    DevelopmentKey,
    /// The key is said to be of a ceremony that nobody verified here.
    #[error(
        "circuit: not the key of a ceremony that this gateway has imported, and so verified: proofgate \
         setup import, start the gateway again, and proofgate setup publish (an import counts from the next start on)"
    )]
    NotImported,
    /// It is the key of another ceremony than the one that this gateway has imported.
    #[error(
        "circuit: this gateway was started with the key of another ceremony, document {ours}: the departments have to \
         agree on one. To take this one instead, move the folder of the other out of proving/ceremony (proofgate \
         circuits list names it), import, and start the gateway again"
    )]
    OtherImported {
        /// Digest of the document of the key that this gateway has.
        ours: Digest,
    },
    /// The circuit entry's document is not one that this software reads.
    #[error("circuit: document {0} is not one that this software reads")]
    Unreadable(Digest),
    /// The document is too long for the chain.
    #[error(transparent)]
    Document(#[from] chain::document::DocumentError),
    /// The chain's rules refuse the entry.
    #[error(transparent)]
    Rule(RuleError),
    /// Our own side failed.
    #[error(transparent)]
    Internal(Internal),
}

impl From<Internal> for PublishError {
    fn from(error: Internal) -> Self {
        match error {
            // What an operator publishes may well be against a rule, which then is the operator's error.
            Internal::Submit(SubmitError::Refused(rule)) => Self::Rule(rule),
            error => Self::Internal(error),
        }
    }
}

impl PublishError {
    /// The stable name of the failure; a broken rule's and a document's is its own.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Service(_) => "service-invalid",
            Self::OtherIssuer => "service-issuer",
            Self::UnknownDepartment { .. } => "service-department",
            Self::OtherSchema { .. } => "service-schema",
            Self::InForce(_) => "department-in-force",
            Self::Circuit(_) => "circuit-invalid",
            Self::OtherConstraints { .. } => "circuit-constraints",
            Self::DevelopmentKey => "circuit-development",
            Self::NotImported | Self::OtherImported { .. } => "circuit-not-imported",
            Self::Unreadable(_) => "circuit-unreadable",
            Self::Document(error) => error.code(),
            Self::Rule(error) => error.code(),
            Self::Internal(_) => "internal",
        }
    }
}

/// An entry that departments approve, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The entry.
    pub entry: EntryId,
    /// Its kind.
    pub kind: Kind,
    /// Who put it forward.
    pub author: DepartmentId,
    /// Digest of its document.
    pub document: Digest,
    /// Its circuit and where the key comes from, of a circuit.
    pub circuit: Option<(CircuitId, Provenance)>,
    /// What it is about: a department with its address and key, a circuit's name, the validators.
    pub about: Option<String>,
    /// Whether it takes the place of what there is: of a department's keys and address, of the validators.
    pub replaces: bool,
    /// Who approved it.
    pub approvals: Vec<DepartmentId>,
    /// Whether that was enough.
    pub approved: bool,
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
        self.check_departments(service)?;
        match self.records().create(&service.dataset, &service.schema) {
            Err(RecordsError::OtherSchema { dataset, .. }) => {
                return Err(PublishError::OtherSchema { dataset });
            }
            created => created.map_err(Internal::from)?,
        };
        let document = Document::new(service)?;
        let replaces = self.service_entry(&service.dataset).await?;
        let content = Content::Service { document: *document.digest(), replaces };
        Ok(self.append(content, Some(document)).await.map_err(Internal::from)?)
    }

    /// The service names departments of this network only: a mistyped one would be refused what it may ask.
    fn check_departments(&self, service: &Service) -> Result<(), PublishError> {
        let requesters = service.rules.iter().zip(1..).flat_map(|(rule, number)| {
            let named = move |it: &DepartmentId| (format!("rule {number}, requesters"), *it);
            rule.requesters.iter().map(named)
        });
        let registrar = ("registrar".to_owned(), service.registrar);
        let replica = self.chain();
        let unknown = std::iter::once(registrar)
            .chain(requesters)
            .find(|(_, it)| replica.state().department(it).is_none());
        match unknown {
            Some((place, department)) => Err(PublishError::UnknownDepartment { place, department }),
            None => Ok(()),
        }
    }

    /// Publishes every root that is stored and not published.
    ///
    /// # Errors
    /// [`Internal`] of the first dataset whose root is not published; those of the others are.
    pub(crate) async fn publish_roots(&self) -> Result<(), Internal> {
        let mut outcome = Ok(());
        for service in self.services().await? {
            outcome = outcome.and(self.publish_stored_root(&service.dataset).await);
        }
        outcome
    }

    /// Publishes a dataset's root, if that is stored and not published.
    pub(crate) async fn publish_stored_root(&self, dataset: &str) -> Result<(), Internal> {
        let _changing = self.changing.lock().await;
        let dataset = self.records().dataset(dataset)?;
        let root = self.records().root(&dataset)?;
        self.publish_root(&dataset, root).await.map(drop)
    }

    /// Publishes a dataset's root, unless it is the current one; returns the entry with it, if the
    /// dataset has a service and ever had a record.
    pub(super) async fn publish_root(
        &self,
        dataset: &Dataset,
        root: Fr,
    ) -> Result<Option<EntryId>, Internal> {
        let root = Digest::from_bytes(circuits::field::to_be_bytes(root));
        let Some(service) = self.service_entry(dataset.name()).await? else { return Ok(None) };
        let replica = self.chain();
        let chain = replica.state();
        let previous = chain.dataset_of(&service).and_then(|dataset| dataset.records);
        let current = previous.and_then(|entry| chain.records(&entry)).map(|fact| fact.root);
        if current == Some(root) {
            return Ok(previous);
        }
        // An empty tree was never published and has nothing to publish.
        if previous.is_none() && dataset.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.append(Content::Records { root, service, previous }, None).await?))
    }

    /// Puts a department's document forward for approval, or finds where another department has.
    ///
    /// # Errors
    /// [`PublishError`]
    pub async fn propose_department(
        &self,
        department: &chain::department::Department,
    ) -> Result<EntryId, PublishError> {
        let document = Document::new(department)?;
        let replaces = {
            let replica = self.chain();
            let mut members = replica.state().members();
            let member = members.find(|it| it.department.id == department.id);
            if member.is_some_and(|member| *member.department == *department) {
                return Err(PublishError::InForce(department.id));
            }
            let mut ballots = replica.state().ballots();
            let open = ballots.find(|(_, it)| {
                it.document == *document.digest()
                    && it.kind() == Kind::Department
                    && it.approved.is_none()
            });
            if let Some((entry, _)) = open {
                return Ok(*entry);
            }
            member.and_then(|member| member.entry)
        };
        let content = Content::Department { document: *document.digest(), replaces };
        Ok(self.append(content, Some(document)).await.map_err(Internal::from)?)
    }

    /// Everything that departments approve, the undecided first.
    ///
    /// # Errors
    /// [`Internal`]
    pub async fn proposals(&self) -> Result<Vec<Proposal>, Internal> {
        let replica = self.chain();
        let mut proposals = Vec::new();
        for (entry, ballot) in replica.state().ballots() {
            let (mut replaces, mut circuit) = (false, None);
            let about = match ballot.kind() {
                Kind::Department => {
                    let found: Option<chain::department::Department> =
                        self.document(ballot.document).await?;
                    found.map(|it| {
                        let mut members = replica.state().members();
                        let old = members.find(|member| member.department.id == it.id);
                        let old = old.filter(|member| member.entry != Some(*entry));
                        replaces = old.is_some() && ballot.approved.is_none();
                        let old = old.map(|old| &old.department).map_or_else(String::new, |old| {
                            let (url, key) = (&old.url, old.signing_key);
                            match replaces {
                                true => format!(", in the place of {url} with key {key}"),
                                false => format!(", which {url} with key {key} has replaced"),
                            }
                        });
                        format!("{} at {} with key {}{old}", it.id, it.url, it.signing_key)
                    })
                }
                Kind::Circuit => {
                    let found: Option<CircuitDocument> = self.document(ballot.document).await?;
                    found.map(|it| {
                        let about = format!("{}, {}", it.circuit, it.provenance);
                        circuit = Some((it.circuit, it.provenance));
                        about
                    })
                }
                Kind::Validators => {
                    replaces = true;
                    let found = self.shared.ledger.document(ballot.document).await?;
                    found.and_then(|it| ValidatorSet::from_document(&it).ok()).map(|set| {
                        let named = set.validators().iter();
                        let named = named.map(|it| format!("{} with key {}", it.id, it.key));
                        format!("{} alone certify", named.collect::<Vec<_>>().join(" and "))
                    })
                }
                _ => None,
            };
            let mut approvals: Vec<_> = ballot.approvals().copied().collect();
            approvals.sort_unstable();
            proposals.push(Proposal {
                entry: *entry,
                kind: ballot.kind(),
                author: ballot.author,
                document: ballot.document,
                circuit,
                about,
                replaces,
                approvals,
                approved: ballot.approved.is_some(),
            });
        }
        proposals.sort_by_key(|it| (it.approved, it.entry));
        Ok(proposals)
    }

    /// Puts this gateway's own keys forward, as the development keys that they are or with the transcript of
    /// their ceremony, and approves them; what stands on the chain already is left as it is.
    ///
    /// Only those of a ceremony, if `of_ceremony`; then there must be one.
    ///
    /// # Errors
    /// [`PublishError`]
    pub async fn propose_own_circuits(
        &self,
        of_ceremony: bool,
    ) -> Result<Vec<EntryId>, PublishError> {
        if of_ceremony
            && CircuitId::ALL.iter().all(|it| self.shared.proving_keys.ceremony(*it).is_none())
        {
            return Err(PublishError::NotImported);
        }
        let mut entries = Vec::new();
        let keys = self.shared.proving_keys.wait().await.unwrap_or_default();
        for circuit in CircuitId::ALL {
            let Some(key) = keys.get(&circuit) else { continue };
            let document = self.shared.proving_keys.document(circuit, key);
            if of_ceremony && document.provenance == Provenance::Development {
                continue;
            }
            let digest = document.digest();
            let proposed = {
                let replica = self.chain();
                let ballots = replica.state().ballots();
                let same = ballots.filter(|(_, it)| it.document == digest);
                // It may have been put forward more than once: all departments choose the same.
                let standing = |(entry, ballot): &(&EntryId, &Ballot)| {
                    let approvals = ballot.approvals().count();
                    (ballot.approved.is_some(), approvals, Reverse(**entry))
                };
                same.max_by_key(standing)
                    .map(|(entry, ballot)| (*entry, ballot.approvals().any(|it| *it == self.id)))
            };
            let (entry, approved) = match proposed {
                Some(found) => found,
                None => (self.propose_circuit(&document).await?, false),
            };
            if !approved {
                self.approve(entry).await?;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Puts a circuit's key forward for approval.
    ///
    /// # Errors
    /// [`PublishError`]
    pub async fn propose_circuit(
        &self,
        circuit: &CircuitDocument,
    ) -> Result<EntryId, PublishError> {
        self.check_circuit(circuit)?;
        let document = Document::new(circuit)?;
        let content = Content::Circuit { document: *document.digest() };
        Ok(self.append(content, Some(document)).await.map_err(Internal::from)?)
    }

    /// Approves an entry.
    ///
    /// A circuit is approved only if its document holds and its constraints are those of this build; the key of
    /// a ceremony only if this gateway has imported it, and so verified the ceremony.
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
            self.check_circuit(&circuit)?;
            // That a ceremony began as it should is seen in its files alone.
            if circuit.provenance != Provenance::Development {
                match self.shared.proving_keys.ceremony(circuit.circuit) {
                    Some(ours) if *ours == circuit => {}
                    Some(ours) => {
                        return Err(PublishError::OtherImported { ours: ours.digest() });
                    }
                    None => return Err(PublishError::NotImported),
                }
            }
        }
        let content = Content::Approval { entry };
        Ok(self.append(content, None).await.map_err(Internal::from)?)
    }

    /// This department's current services.
    pub(super) async fn services(&self) -> Result<Vec<Service>, Internal> {
        Ok(self.service_entries().await?.into_iter().map(|(_, service)| service).collect())
    }

    /// The entry of the current service of one of this department's datasets.
    pub(crate) async fn service_entry(&self, dataset: &str) -> Result<Option<EntryId>, Internal> {
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

    /// The key is sound, the ceremony holds of which it is said to come, and the circuit is the one that
    /// this build has under the name.
    fn check_circuit(&self, circuit: &CircuitDocument) -> Result<(), PublishError> {
        circuit.key()?;
        if self.shared.strictness.production && circuit.provenance == Provenance::Development {
            return Err(PublishError::DevelopmentKey);
        }
        let ours = Digest::from_bytes(circuit.circuit.r1cs().digest());
        if circuit.constraints != ours {
            return Err(PublishError::OtherConstraints { named: circuit.constraints, ours });
        }
        let replica = self.chain();
        let chain = replica.state();
        // By the key that it has now: one that it had before may have been replaced for a reason.
        circuit.check_provenance(chain.network(), |by, label, message, signature| {
            let key = chain.department(by)?.signing_key;
            key.verify(label, message, signature).ok().map(|()| key)
        })?;
        Ok(())
    }
}
