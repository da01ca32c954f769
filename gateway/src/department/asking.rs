//! The requester's side: writing a question, sending it, verifying the answer.

mod bundling;
mod ground;
mod idempotency;
mod listing;
mod offer;
mod receipts;
mod sending;
mod verifying;

use chain::identifier::{DepartmentId, EntryId};
use circuits::encoding::{Date, ValueError};
use circuits::query::{Mode, Query, QueryError};
use circuits::statement::CircuitId;
use crypto::{Digest, canonical};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::watch;

use super::{Department, Internal, PeerReply, Peers, Unreached};
use crate::document::key_card::{KeyCardError, SignedKeyCard};
use crate::document::request::{Nonce, RequestError};
use crate::document::service::Service;
use crate::document::{Answer, CheckedRequest, Request, VERSION};
use crate::exchange::Exchange;
use crate::exchange::requester::{Draft, Lapsed, Recorded, Sent, Status, Verified};
use crate::exchange::verification::{Refusal, VerifiedAnswer};
use crate::records::schema_digest;
use crate::store::{Batch, Table};
use crate::subject::Subject;

pub use idempotency::Idempotency;
pub use listing::AskedQuestion;
pub use offer::{Offer, OfferError};

/// What a department's own system asks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Who holds the records.
    pub issuer: DepartmentId,
    /// Which of its datasets.
    pub dataset: String,
    /// Who the question is about; absent in a pseudonymous question.
    #[serde(default)]
    pub subject: Option<Subject>,
    /// The question, in any spelling.
    pub query: serde_json::Value,
    /// What the answer is for.
    pub purpose: String,
    /// On what ground.
    pub legal_basis: AskedBasis,
    /// The date that ages are counted at.
    pub as_of: Date,
    /// Seconds until no answer counts any more.
    pub expires_in: u64,
    /// The nonce of an earlier question of the same set about the same subject.
    #[serde(default)]
    pub nonce: Option<Nonce>,
}

/// A legal basis as it is asked for; the key card is looked up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AskedBasis {
    /// The citizen's consent.
    Consent,
    /// A law that the service names.
    Statutory {
        /// The law.
        reference: String,
    },
}

/// What a department's own system is told about a question.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Asked {
    /// Digest of the request document.
    pub request: Digest,
    /// Whether an answer tells a subject tag or a pseudonym.
    pub mode: Mode,
    /// The nonce, for further questions of the same set.
    pub nonce: Nonce,
    /// Id of the `request` entry.
    pub entry: Option<EntryId>,
    /// Unix second after which no answer counts.
    pub expires: u64,
    /// How it stands.
    #[serde(flatten)]
    pub status: Status,
    /// While it is open: the failed check of the newest bad answer, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
    /// What is known, if verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<VerifiedAnswer>,
    /// The entries that a verified answer rests on, whose receipts were checked and belong to the file:
    /// request, consent or service, records, circuit, proof.
    pub receipts: Vec<EntryId>,
}

/// Why a question is not asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// No such department.
    #[error("no department {0} is registered on this network")]
    UnknownDepartment(DepartmentId),
    /// No such dataset of the department.
    #[error("{issuer} has no dataset {dataset:?}")]
    UnknownDataset {
        /// The department.
        issuer: DepartmentId,
        /// The dataset.
        dataset: String,
    },
    /// The citizen's number is not one that the dataset can hold. Does not repeat it.
    #[error("subject: {0}")]
    Subject(ValueError),
    /// The query is not one of the dataset's schema.
    #[error("query: {0}")]
    Query(#[from] QueryError),
    /// The question is not well-formed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// No answer could be believed. Nothing was asked.
    #[error("the departments have approved no key of {0} that this one believes")]
    NoApprovedKey(CircuitId),
    /// The registrar has no key of this citizen, so nobody could consent.
    #[error("{registrar} has no consent key of this citizen")]
    NoKeyCard {
        /// The registrar.
        registrar: DepartmentId,
    },
    /// The registrar's card does not hold.
    #[error("the registrar's key card: {0}")]
    KeyCard(#[from] KeyCardError),
    /// The card is not on the chain, or was replaced, or is of somebody else.
    #[error("the registrar's key card is not a current one of this citizen")]
    KeyCardNotCurrent,
    /// The issuer refused the question before anybody was bothered.
    #[error("{issuer} refused the question: {code}")]
    Refused {
        /// The issuer.
        issuer: DepartmentId,
        /// Its code.
        code: String,
    },
    /// The issuer has no place for another question now. Nothing was asked.
    #[error("{issuer} has no place for another question now: try again later")]
    IssuerFull {
        /// The issuer.
        issuer: DepartmentId,
    },
    /// Another question was asked under this idempotency key.
    #[error("another question was asked under this idempotency key")]
    IdempotencyConflict,
    /// The registrar was not reached. Nothing was asked.
    #[error(transparent)]
    Unreached(#[from] Unreached),
    /// Our own side failed.
    #[error(transparent)]
    Internal(#[from] Internal),
}

impl AskError {
    /// A stable name of the failed check.
    pub fn code(&self) -> &str {
        match self {
            Self::UnknownDepartment(_) => "department-unknown",
            Self::UnknownDataset { .. } => "dataset-unknown",
            Self::Subject(_) => "subject",
            Self::Query(_) => "request-query",
            Self::Request(error) => error.code(),
            Self::NoApprovedKey(_) => "circuit-unapproved",
            Self::NoKeyCard { .. } => "key-card-missing",
            Self::KeyCard(error) => error.code(),
            Self::KeyCardNotCurrent => "key-card-not-current",
            Self::Refused { code, .. } => code,
            Self::IssuerFull { .. } => "prover-full",
            Self::IdempotencyConflict => "idempotency-conflict",
            Self::Unreached(_) => "peer-unreached",
            Self::Internal(_) => "internal",
        }
    }
}

/// A question as the requester keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct AskedRow {
    request: Request,
    subject: Option<Subject>,
    card: Option<SignedKeyCard>,
    entry: Option<EntryId>,
    /// The entries that the verified answer rests on.
    receipts: Vec<EntryId>,
    /// The verified answer, for the bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<Answer>,
    stage: Stage,
}

/// How far the requester's half has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", content = "state", rename_all = "kebab-case")]
enum Stage {
    Draft,
    Recorded(Recorded),
    Sent(Sent),
    Verified(Verified),
    Lapsed(Lapsed),
    /// The issuer's policy refused it.
    Refused {
        code: String,
    },
}

impl Stage {
    /// Why no answer is taken at this stage.
    const fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Recorded(_) | Self::Sent(_) => None,
            Self::Verified(_) => Some(Refusal::Replayed),
            Self::Lapsed(_) => Some(Refusal::Expired),
            Self::Draft | Self::Refused { .. } => Some(Refusal::OtherRequest),
        }
    }
}

impl Department {
    /// Asks a question: records it on the chain and sends it to the issuer.
    ///
    /// # Errors
    /// [`AskError`]. If the issuer is not reached the question stays recorded and is sent later.
    pub async fn ask(&self, ask: Ask, peers: &impl Peers) -> Result<Asked, AskError> {
        self.ask_once(ask, None, peers).await
    }

    /// As [`Self::ask`]; the same question under the same idempotency key is asked once.
    ///
    /// # Errors
    /// [`AskError`], [`AskError::IdempotencyConflict`] if the key belongs to another question.
    pub async fn ask_once(
        &self,
        ask: Ask,
        idempotency: Option<&Idempotency>,
        peers: &impl Peers,
    ) -> Result<Asked, AskError> {
        let issuer = ask.issuer;
        let (digest, _turn) = match self.asked_under(idempotency)? {
            Some(digest) => (digest, None),
            None => {
                let turn = self.turn(&ask)?;
                (self.draft(ask, idempotency, peers).await?, turn)
            }
        };
        self.pursue(&digest, peers).await?;
        let row = self.asked_row(&digest)?.ok_or_else(lost)?;
        match row.stage {
            Stage::Refused { code } => Err(AskError::Refused { issuer, code }),
            _ => Ok(view(&digest, &row)),
        }
    }

    /// Writes a question down; returns its digest.
    async fn draft(
        &self,
        ask: Ask,
        idempotency: Option<&Idempotency>,
        peers: &impl Peers,
    ) -> Result<Digest, AskError> {
        let (service_entry, service) = self.find_service(&ask).await?;
        if let Some(subject) = ask.subject {
            // A number that nobody has would become an entry on the chain, and then silence.
            check_subject(subject, &service).map_err(AskError::Subject)?;
        }
        let circuit = CircuitId::of(match ask.subject {
            Some(_) => Mode::Identified,
            None => Mode::Pseudonymous,
        });
        if !self.awaits_approved_key(circuit).await? {
            return Err(AskError::NoApprovedKey(circuit));
        }
        let (basis, card) = self.ground(&ask, &service, peers).await?;
        let query = Query::parse(&ask.query, &service.schema, ask.as_of)?;
        let created = self.now();
        let mut nonce = [0; 16];
        self.random(|rng| rng.fill_bytes(&mut nonce));
        let request = Request {
            version: VERSION,
            network: *self.shared.genesis.network(),
            circuit,
            requester: self.id,
            issuer: ask.issuer,
            service: service_entry,
            schema: schema_digest(&service.schema),
            query: query.to_json(),
            as_of: ask.as_of,
            purpose: ask.purpose,
            legal_basis: basis,
            nonce: ask.nonce.unwrap_or(Nonce::from_bytes(nonce)),
            created,
            expires: created.saturating_add(ask.expires_in),
        };
        let checked =
            CheckedRequest::check(request, &service.schema, &schema_digest(&service.schema))?;
        let digest = *checked.digest();
        let row = AskedRow {
            request: checked.request().clone(),
            subject: ask.subject,
            card,
            entry: None,
            receipts: Vec::new(),
            answer: None,
            stage: Stage::Draft,
        };
        let mut batch = Batch::default();
        batch.put(Table::Asked, digest.as_bytes(), &row);
        let _changing = self.changing.lock().await;
        // Again, under the lock: the same call may have come twice at the same time.
        if let Some(digest) = self.asked_under(idempotency)? {
            return Ok(digest);
        }
        // With a nonce that was given, the same question in the same second is the same question.
        if self.asked_row(&digest)?.is_some() {
            return Ok(digest);
        }
        if let Some(idempotency) = idempotency {
            idempotency.remember(&digest, &mut batch);
        }
        self.commit(batch).await.map_err(Internal::from)?;
        Ok(digest)
    }

    /// Marked as changed whenever a question of this department may stand otherwise than before.
    pub fn watch_asked(&self) -> watch::Receiver<()> {
        self.asked_changed.subscribe()
    }

    /// How a question of this department stands.
    ///
    /// # Errors
    /// [`Internal`] if the store fails.
    pub async fn asked(&self, digest: &Digest) -> Result<Option<Asked>, Internal> {
        self.lapse(digest).await?;
        Ok(self.asked_row(digest)?.map(|row| view(digest, &row)))
    }

    /// Moves a question on as far as it goes: onto the chain, then to the issuer.
    ///
    /// # Errors
    /// [`Internal`] if our own side failed; the question stays where it is and can be moved again.
    pub async fn pursue(&self, digest: &Digest, peers: &impl Peers) -> Result<(), Internal> {
        let _mover = self.mover(*digest);
        self.lapse(digest).await?;
        while let Some(row) = self.asked_row(digest)? {
            self.settled().await?;
            let Some(next) = self.next_asked(digest, &row, peers).await? else { break };
            let _changing = self.changing.lock().await;
            if self.asked_row(digest)?.is_some_and(|now| now == row) {
                self.put_asked(digest, &next).await?;
            }
        }
        Ok(())
    }

    /// What follows a question's stage, once its effect has happened.
    async fn next_asked(
        &self,
        digest: &Digest,
        row: &AskedRow,
        peers: &impl Peers,
    ) -> Result<Option<AskedRow>, Internal> {
        let request = self.restore_request(&row.request).await?;
        let mut next = row.clone();
        next.stage = match (row.stage.clone(), row.entry) {
            (Stage::Draft, _) => {
                let draft = Draft::new(request, row.subject);
                let entry = self.append(draft.content(), None).await?;
                next.entry = Some(entry);
                Stage::Recorded(draft.recorded(entry).state().clone())
            }
            (Stage::Recorded(state), Some(entry)) => {
                let exchange = Exchange::restore(request, entry, state);
                let carried = row.request.circuit.mode() == Mode::Pseudonymous;
                let reply = if carried {
                    // By the citizen, as an offer.
                    Some(PeerReply::Taken(Vec::new()))
                } else {
                    self.send_request(&exchange.message(), digest, peers).await?
                };
                match reply {
                    Some(PeerReply::Taken(_)) => Stage::Sent(exchange.sent().state().clone()),
                    Some(PeerReply::Refused { code }) => Stage::Refused { code },
                    None => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(next))
    }

    /// The issuer's current service for the dataset.
    async fn find_service(&self, ask: &Ask) -> Result<(EntryId, Service), AskError> {
        let replica = self.chain();
        if replica.state().department(&ask.issuer).is_none() {
            return Err(AskError::UnknownDepartment(ask.issuer));
        }
        for (_, dataset) in replica.state().datasets() {
            let current = replica.state().service(&dataset.service);
            if let Some(current) = current.filter(|_| dataset.issuer == ask.issuer)
                && let Some(service) = self.document::<Service>(current.document).await?
                && service.dataset == ask.dataset
            {
                return Ok((dataset.service, service));
            }
        }
        Err(AskError::UnknownDataset { issuer: ask.issuer, dataset: ask.dataset.clone() })
    }

    async fn lapse(&self, digest: &Digest) -> Result<(), Internal> {
        let _changing = self.changing.lock().await;
        let Some(mut row) = self.asked_row(digest)? else { return Ok(()) };
        let lapsed = match (row.stage.clone(), row.entry) {
            (Stage::Sent(state), Some(entry)) => {
                let request = self.restore_request(&row.request).await?;
                let exchange = Exchange::restore(request, entry, state);
                exchange.expire(self.now()).ok().map(|lapsed| lapsed.state().clone())
            }
            // It never reached its issuer in time.
            (Stage::Draft | Stage::Recorded(_), _) if self.now() > row.request.expires => {
                Some(Lapsed { rejected: None })
            }
            _ => None,
        };
        if let Some(lapsed) = lapsed {
            row.stage = Stage::Lapsed(lapsed);
            self.put_asked(digest, &row).await?;
        }
        Ok(())
    }

    /// Digests of the questions that are not with their issuer yet.
    pub(super) fn unsent_digests(&self) -> Result<Vec<Digest>, Internal> {
        let mut unsent = Vec::new();
        for row in self.store.scan::<AskedRow>(Table::Asked) {
            let row = row?;
            if matches!(row.stage, Stage::Draft | Stage::Recorded(_)) {
                unsent.push(request_digest(&row.request));
            }
        }
        Ok(unsent)
    }

    fn asked_row(&self, digest: &Digest) -> Result<Option<AskedRow>, Internal> {
        Ok(self.store.get(Table::Asked, digest.as_bytes())?)
    }

    async fn put_asked(&self, digest: &Digest, row: &AskedRow) -> Result<(), Internal> {
        let mut batch = Batch::default();
        batch.put(Table::Asked, digest.as_bytes(), row);
        self.commit(batch).await?;
        self.asked_changed.send_replace(());
        Ok(())
    }
}

/// Whether a record of the dataset can be about this citizen.
fn check_subject(subject: Subject, service: &Service) -> Result<(), ValueError> {
    service.schema.fields()[0].parse_text(&String::from(subject)).map(|_| ())
}

/// The digest that names a request, before it is checked.
pub(super) fn request_digest(request: &Request) -> Digest {
    canonical::digest(request).expect("a request has string keys and no floats")
}

fn lost() -> Internal {
    Internal::Damaged("it was stored and is gone".to_owned())
}

fn view(digest: &Digest, row: &AskedRow) -> Asked {
    let (status, answer) = match &row.stage {
        Stage::Draft | Stage::Recorded(_) | Stage::Sent(_) => (Status::Sent, None),
        Stage::Verified(state) => (Status::Verified, Some(state.answer.clone())),
        Stage::Lapsed(Lapsed { rejected: None }) => (Status::NotProven, None),
        Stage::Lapsed(Lapsed { rejected: Some(code) }) | Stage::Refused { code } => {
            (Status::Rejected { code: code.clone() }, None)
        }
    };
    let rejected = match &row.stage {
        Stage::Sent(state) => state.rejected.clone(),
        _ => None,
    };
    let Request { circuit, nonce, expires, .. } = row.request;
    let (mode, entry, receipts) = (circuit.mode(), row.entry, row.receipts.clone());
    Asked { request: *digest, mode, nonce, entry, expires, status, rejected, answer, receipts }
}
