//! The issuer's side: taking questions, asking the citizen, proving, answering.

use std::sync::Arc;

use chain::identifier::{DepartmentId, EntryId};
use chain::ledger::SubmitError;
use chain::rules::RuleError;
use circuits::eddsa::Signature;
use circuits::groth16;
use circuits::query::Mode;
use crypto::Digest;
use crypto::commitment::Salted;
use crypto::envelope::Message;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Department, Internal, PeerMessage, PeerPath, PeerReply, Peers};
use crate::budget::Account;
use crate::document::key_card::{ConsentKey, KeyCard};
use crate::document::request::{LegalBasis, RequestError};
use crate::document::service::Service;
use crate::document::{CheckedRequest, Request};
use crate::exchange::issuer::{
    self, Answered, AwaitingConsent, Closed, ConsentError, Consented, Finding, Ground, Opened,
    Proved, Ready, Silence, Taken,
};
use crate::exchange::proving::{self, ProvingError, Standing};
use crate::exchange::{Exchange, RequestMessage};
use crate::policy::{self, PolicyError};
use crate::records::{Dataset, Record, schema_digest};
use crate::store::{Batch, Table};

/// Why a question is not taken. The requester is told, since none of it depends on a record.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The sender is not the requester that the document names.
    #[error("{sender} may not ask in the name of {requester}")]
    Sender {
        /// Whose signature the message bears.
        sender: DepartmentId,
        /// Whom the document names.
        requester: DepartmentId,
    },
    /// The question is for another department or network.
    #[error("the question is not for this department")]
    Addressee,
    /// The service that the question names is not this department's current one.
    #[error("the service is not a current one of this department")]
    Service,
    /// The question is not well-formed under its schema.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The question may not be asked.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The question is not on the chain as the requester's.
    #[error("the request entry is not the requester's for this question")]
    Entry,
    /// The question's time is over, or begins in the future.
    #[error("the question's time is over, or has not begun")]
    Time,
    /// An identified question without a subject, or a pseudonymous one with one.
    #[error("an identified question names a subject, a pseudonymous one does not")]
    Subject,
    /// The requester's own budget for the datum is spent; known from its own questions alone.
    #[error("the budget of questions about this datum is spent")]
    Budget,
    /// Our own side failed.
    #[error(transparent)]
    Internal(#[from] Internal),
}

impl ReceiveError {
    /// A stable name of the failed check.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Sender { .. } => "request-sender",
            Self::Addressee => "request-addressee",
            Self::Service => "request-service",
            Self::Request(error) => error.code(),
            Self::Policy(error) => error.code(),
            Self::Entry => "request-entry",
            Self::Time => "request-time",
            Self::Subject => "request-subject",
            Self::Budget => "budget-requester",
            Self::Internal(_) => "internal",
        }
    }
}

/// Why a citizen's step was not taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CitizenError {
    /// There is no such question about this citizen. Another citizen's question looks the same.
    #[error("no such request about you")]
    Unknown,
    /// The step does not fit the state, for instance a refusal after a proof.
    #[error("the request is {0}")]
    State(&'static str),
    /// The consent does not hold.
    #[error(transparent)]
    Consent(#[from] ConsentError),
    /// The offered question may not be asked.
    #[error(transparent)]
    Refused(Box<ReceiveError>),
    /// Our own side failed.
    #[error(transparent)]
    Internal(#[from] Internal),
}

impl CitizenError {
    /// A stable name of the failed check.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "request-unknown",
            Self::State(_) => "request-state",
            Self::Consent(error) => error.code(),
            Self::Refused(error) => error.code(),
            Self::Internal(_) => "internal",
        }
    }
}

/// A question as the issuer keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ReceivedRow {
    pub(super) request: Request,
    pub(super) entry: EntryId,
    pub(super) dataset: String,
    /// The department whose key cards the dataset relies on.
    pub(super) registrar: DepartmentId,
    /// Who it is about; in a pseudonymous exchange whoever took up the offer.
    pub(super) subject: Option<crate::subject::Subject>,
    pub(super) received: u64,
    pub(super) stage: Stage,
}

/// How far the issuer's half has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", content = "state", rename_all = "kebab-case")]
pub(super) enum Stage {
    AwaitingConsent(AwaitingConsent),
    Consented(Consented),
    Ready(Ready),
    Proved(Proved),
    Answered { answered: Answered, delivered: bool },
    Closed(Closed),
}

impl Stage {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::AwaitingConsent(_) => "awaiting-consent",
            Self::Consented(_) | Self::Ready(_) | Self::Proved(_) => "consented",
            Self::Answered { .. } => "answered",
            Self::Closed(closed) => match closed.silence {
                Silence::Unknown => "unknown",
                Silence::Unsatisfied => "unsatisfied",
                Silence::Refused => "refused",
                Silence::Withdrawn => "withdrawn",
                Silence::OverBudget => "over-budget",
                Silence::Expired => "expired",
                Silence::Unrecordable => "unrecordable",
            },
        }
    }
}

/// Requests may be dated this far ahead of our clock, in seconds.
const CLOCK_SKEW_SECONDS: u64 = 60;

impl Department {
    /// Takes a question whose signature and seal the caller has verified.
    ///
    /// Taking the same question again changes nothing.
    ///
    /// # Errors
    /// [`ReceiveError`], none of which depends on whether there is a record.
    pub async fn receive_request(
        &self,
        sender: &DepartmentId,
        message: RequestMessage,
    ) -> Result<Digest, ReceiveError> {
        if message.request.requester != *sender {
            let requester = message.request.requester;
            return Err(ReceiveError::Sender { sender: *sender, requester });
        }
        let (request, service) = self.check_request(message.request, &message.entry).await?;
        let identified = request.request().circuit.mode() == Mode::Identified;
        let (true, Some(subject)) = (identified, message.subject) else {
            return Err(ReceiveError::Subject);
        };
        self.take(request, &service, message.entry, subject).await
    }

    /// Takes a question that was checked: charges the budgets, looks, and opens the exchange.
    pub(super) async fn take(
        &self,
        request: Arc<CheckedRequest>,
        service: &Service,
        entry: EntryId,
        subject: crate::subject::Subject,
    ) -> Result<Digest, ReceiveError> {
        let _changing = self.changing.lock().await;
        let digest = *request.digest();
        if self.received(&digest)?.is_some() {
            return Ok(digest);
        }
        let mut batch = Batch::default();
        let over_budget = self.charge(service, &request, subject, &mut batch)?;
        let dataset = self.records().dataset(&service.dataset).map_err(Internal::from)?;
        let record = self.records().record(&dataset, subject).map_err(Internal::from)?;
        let finding =
            if over_budget { Finding::OverBudget } else { self.find(&request, record.as_ref())? };
        let now = self.now();
        let stage = match issuer::open(Arc::clone(&request), entry, finding, now) {
            Opened::AwaitingConsent(exchange) => Stage::AwaitingConsent(exchange.state().clone()),
            Opened::Ready(exchange) => Stage::Ready(exchange.state().clone()),
            Opened::Closed(exchange) => Stage::Closed(*exchange.state()),
        };
        let row = ReceivedRow {
            request: request.request().clone(),
            entry,
            dataset: service.dataset.clone(),
            registrar: service.registrar,
            subject: Some(subject),
            received: now,
            stage,
        };
        batch.put(Table::Received, digest.as_bytes(), &row);
        self.commit(batch).await.map_err(Internal::from)?;
        Ok(digest)
    }

    /// Everything about a question that needs no record.
    pub(super) async fn check_request(
        &self,
        request: Request,
        entry: &EntryId,
    ) -> Result<(Arc<CheckedRequest>, Service), ReceiveError> {
        if request.issuer != self.id || request.network != *self.shared.genesis.network() {
            return Err(ReceiveError::Addressee);
        }
        let service = self.current_service(&request.service).await?.ok_or(ReceiveError::Service)?;
        let request =
            CheckedRequest::check(request, &service.schema, &schema_digest(&service.schema))?;
        policy::permit(&service, &request, self.today())?;
        let now = self.now();
        let document = request.request();
        if now > document.expires || document.created > now + CLOCK_SKEW_SECONDS {
            return Err(ReceiveError::Time);
        }
        let replica = self.chain();
        let chain = replica.state();
        let recorded = chain.request_of_digest(&request.entry_digest()) == Some(entry)
            && chain.request(entry).is_some_and(|fact| fact.requester == document.requester);
        if !recorded {
            return Err(ReceiveError::Entry);
        }
        Ok((Arc::new(request), service))
    }

    /// One of this department's current services.
    pub(super) async fn current_service(
        &self,
        entry: &EntryId,
    ) -> Result<Option<Service>, Internal> {
        let replica = self.chain();
        let current = replica
            .state()
            .dataset_of(entry)
            .is_some_and(|dataset| dataset.issuer == self.id && dataset.service == *entry);
        match replica.state().service(entry) {
            Some(service) if current => self.document(service.document).await,
            _ => Ok(None),
        }
    }

    /// Charges the question's probes; whether the issuer-wide budget is spent.
    fn charge(
        &self,
        service: &Service,
        request: &CheckedRequest,
        subject: crate::subject::Subject,
        batch: &mut Batch,
    ) -> Result<bool, ReceiveError> {
        let requester = request.request().requester;
        let probes = policy::probes(service, request);
        let mut own = Vec::new();
        for (datum, codes) in &probes {
            let key = account_key(Some(&requester), subject, datum);
            let account: Account =
                self.store.get(Table::Budgets, &key).map_err(Internal::from)?.unwrap_or_default();
            let charged = account
                .charged(codes, service.budget.per_requester)
                .map_err(|_| ReceiveError::Budget)?;
            own.push((key, charged));
        }
        for (key, account) in own {
            batch.put(Table::Budgets, &key, &account);
        }
        let mut all = Vec::new();
        for (datum, codes) in &probes {
            let key = account_key(None, subject, datum);
            let account: Account =
                self.store.get(Table::Budgets, &key).map_err(Internal::from)?.unwrap_or_default();
            match account.charged(codes, service.budget.issuer_wide) {
                Ok(charged) => all.push((key, charged)),
                Err(_) => return Ok(true),
            }
        }
        for (key, account) in all {
            batch.put(Table::Budgets, &key, &account);
        }
        Ok(false)
    }

    /// What the issuer finds about a question.
    fn find(&self, request: &CheckedRequest, record: Option<&Record>) -> Result<Finding, Internal> {
        let Some(record) = record else { return Ok(Finding::NoRecord) };
        if let LegalBasis::Consent { key_card } = &request.request().legal_basis {
            let card = match &record.key {
                Some(key) => self.card_of(key)?,
                None => None,
            };
            let named = |card: &KeyCard| key_card.is_none_or(|digest| card.digest() == digest);
            if !card.as_ref().is_some_and(named) {
                return Ok(Finding::NoKey);
            }
        }
        let holds = request.query().holds(&record.values);
        Ok(if holds { Finding::Holds } else { Finding::Fails })
    }

    pub(super) fn received(&self, digest: &Digest) -> Result<Option<ReceivedRow>, Internal> {
        Ok(self.store.get(Table::Received, digest.as_bytes())?)
    }

    /// A stored request, checked again. Its service may have been replaced since; its schema was not.
    pub(super) async fn restore_request(
        &self,
        request: &Request,
    ) -> Result<Arc<CheckedRequest>, Internal> {
        let replica = self.chain();
        let service: Option<Service> = match replica.state().service(&request.service) {
            Some(service) => self.document(service.document).await?,
            None => None,
        };
        let schema = service
            .ok_or_else(|| Internal::Damaged("its service is not on the chain".to_owned()))?
            .schema;
        CheckedRequest::check(request.clone(), &schema, &schema_digest(&schema))
            .map(Arc::new)
            .map_err(|error| Internal::Damaged(error.to_string()))
    }

    /// Takes a citizen's consent: the signature over `M`, and the lock that a withdrawal opens.
    ///
    /// # Errors
    /// [`CitizenError`]; then nothing has changed.
    pub async fn consent(
        &self,
        key: &ConsentKey,
        digest: &Digest,
        signature: &Signature,
        lock: Digest,
    ) -> Result<&'static str, CitizenError> {
        let _changing = self.changing.lock().await;
        let mut row = self.citizens_row(key, digest)?;
        let Stage::AwaitingConsent(state) = row.stage else {
            // The same consent again is one consent.
            return match row.stage {
                Stage::Closed(_) => Err(CitizenError::State(row.stage.name())),
                stage => Ok(stage.name()),
            };
        };
        let request = self.restore_request(&row.request).await?;
        let exchange = Exchange::restore(request, row.entry, state);
        let salted = |record| self.random(|rng| Salted::new(record, &mut { rng }));
        let taken = exchange
            .consent(signature, lock, key.public_key(), salted, self.now())
            .map_err(|(_, error)| error)?;
        row.stage = match taken {
            Taken::Consented(exchange) => Stage::Consented(exchange.state().clone()),
            Taken::Closed(exchange) => Stage::Closed(*exchange.state()),
        };
        let name = row.stage.name();
        self.put_received(digest, &row).await?;
        Ok(name)
    }

    /// Takes a citizen's refusal.
    ///
    /// # Errors
    /// [`CitizenError`]; then nothing has changed.
    pub async fn refuse(&self, key: &ConsentKey, digest: &Digest) -> Result<(), CitizenError> {
        let _changing = self.changing.lock().await;
        let mut row = self.citizens_row(key, digest)?;
        match row.stage {
            Stage::AwaitingConsent(state) => {
                let request = self.restore_request(&row.request).await?;
                let closed = Exchange::restore(request, row.entry, state).refuse();
                row.stage = Stage::Closed(*closed.state());
                Ok(self.put_received(digest, &row).await?)
            }
            Stage::Closed(Closed { silence: Silence::Refused }) => Ok(()),
            stage => Err(CitizenError::State(stage.name())),
        }
    }

    /// Puts a citizen's withdrawal on the chain. Whether it came before the proof, log order decides.
    ///
    /// # Errors
    /// [`CitizenError`]; then nothing has changed.
    pub async fn withdraw(
        &self,
        key: &ConsentKey,
        digest: &Digest,
        w: Digest,
    ) -> Result<&'static str, CitizenError> {
        // A consent that was given is put on the chain first, so that there is something to withdraw.
        self.citizens_row(key, digest)?;
        self.record_consent(digest).await?;
        let row = self.citizens_row(key, digest)?;
        let consent = match &row.stage {
            Stage::Ready(state) => consent_entry(&state.ground),
            Stage::Proved(state) => consent_entry(state.ground()),
            Stage::Answered { answered, .. } => answered.answer.consent_entry,
            _ => None,
        };
        let consent = consent.ok_or(CitizenError::State(row.stage.name()))?;
        let lock = self
            .chain()
            .state()
            .consent(&consent)
            .map(|fact| fact.lock)
            .ok_or_else(|| Internal::Damaged("its consent is not on the chain".to_owned()))?;
        let content = issuer::withdrawal(w, &lock, consent)?;
        self.append(content, None).await.map_err(Internal::from)?;
        let _changing = self.changing.lock().await;
        let mut row = self.citizens_row(key, digest)?;
        if let Stage::Ready(_) = row.stage {
            row.stage = Stage::Closed(Closed { silence: Silence::Withdrawn });
            self.put_received(digest, &row).await?;
        }
        Ok(row.stage.name())
    }

    /// A question about the citizen who holds this key.
    fn citizens_row(&self, key: &ConsentKey, digest: &Digest) -> Result<ReceivedRow, CitizenError> {
        let row = self.received(digest)?.ok_or(CitizenError::Unknown)?;
        let dataset = self.records().dataset(&row.dataset).map_err(Internal::from)?;
        let record = match row.subject {
            Some(subject) => self.records().record(&dataset, subject).map_err(Internal::from)?,
            None => None,
        };
        let stands = self.subject_of(key)? == row.subject;
        match record {
            Some(record) if stands && record.key.as_ref() == Some(key) => Ok(row),
            _ => Err(CitizenError::Unknown),
        }
    }

    pub(super) async fn put_received(
        &self,
        digest: &Digest,
        row: &ReceivedRow,
    ) -> Result<(), Internal> {
        let mut batch = Batch::default();
        batch.put(Table::Received, digest.as_bytes(), row);
        Ok(self.commit(batch).await?)
    }

    /// Puts a consent that was given on the chain, and goes no further: until the proof is made, the
    /// citizen can still withdraw.
    ///
    /// # Errors
    /// [`Internal`] if our own side failed; the exchange stays where it is and can be moved again.
    pub async fn record_consent(&self, digest: &Digest) -> Result<(), Internal> {
        let Some(row) = self.received(digest)? else { return Ok(()) };
        let Stage::Consented(state) = row.stage.clone() else { return Ok(()) };
        let request = self.restore_request(&row.request).await?;
        let next = self.put_consent(Exchange::restore(request, row.entry, state)).await?;
        self.replace_stage(digest, &row.stage, next).await
    }

    async fn put_consent(&self, exchange: Exchange<Consented>) -> Result<Stage, Internal> {
        match self.append(exchange.content(), None).await {
            Ok(entry) => Ok(Stage::Ready(exchange.recorded(entry).state().clone())),
            Err(SubmitError::Refused(rule)) => Ok(unrecordable(exchange.request().digest(), &rule)),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves an exchange on as far as it goes without the citizen.
    ///
    /// Effects happen without the lock, so that nothing waits for a peer or a proof; whoever stores
    /// the next stage first decides, and the effect of anybody else is dropped.
    ///
    /// # Errors
    /// [`Internal`] if our own side failed; the exchange stays where it is and can be moved again.
    pub async fn advance(&self, digest: &Digest, peers: &impl Peers) -> Result<(), Internal> {
        while let Some(row) = self.received(digest)? {
            let Some(next) = self.next_stage(&row, peers).await? else { break };
            self.replace_stage(digest, &row.stage, next).await?;
        }
        Ok(())
    }

    /// What follows a stage, once its effect has happened; `None` while somebody else has to act.
    pub(super) async fn next_stage(
        &self,
        row: &ReceivedRow,
        peers: &impl Peers,
    ) -> Result<Option<Stage>, Internal> {
        let request = self.restore_request(&row.request).await?;
        Ok(match row.stage.clone() {
            Stage::AwaitingConsent(state) => {
                let exchange = Exchange::restore(request, row.entry, state);
                exchange.expire(self.now()).ok().map(|closed| Stage::Closed(*closed.state()))
            }
            Stage::Consented(state) => {
                Some(self.put_consent(Exchange::restore(request, row.entry, state)).await?)
            }
            Stage::Ready(state) => {
                Some(self.prove(row, Exchange::restore(request, row.entry, state)).await?)
            }
            Stage::Proved(state) => {
                Some(self.record_proof(Exchange::restore(request, row.entry, state)).await?)
            }
            Stage::Answered { answered, delivered: false } => {
                let exchange = Exchange::restore(request, row.entry, answered.clone());
                let delivered = self.deliver(&exchange, peers).await?;
                delivered.then_some(Stage::Answered { answered, delivered })
            }
            Stage::Answered { delivered: true, .. } | Stage::Closed(_) => None,
        })
    }

    /// Stores `next` if the exchange is still where it was.
    pub(super) async fn replace_stage(
        &self,
        digest: &Digest,
        before: &Stage,
        next: Stage,
    ) -> Result<(), Internal> {
        let _changing = self.changing.lock().await;
        match self.received(digest)? {
            Some(mut row) if row.stage == *before => {
                row.stage = next;
                self.put_received(digest, &row).await
            }
            _ => Ok(()),
        }
    }

    /// Puts the proof on the chain.
    async fn record_proof(&self, exchange: Exchange<Proved>) -> Result<Stage, Internal> {
        match self.append(exchange.content(), None).await {
            Ok(entry) => {
                let answered = exchange.recorded(entry).state().clone();
                Ok(Stage::Answered { answered, delivered: false })
            }
            Err(SubmitError::Refused(RuleError::ConsentWithdrawn { .. })) => {
                Ok(Stage::Closed(*exchange.withdrawn().state()))
            }
            // The root was replaced between proof and entry: prove again under the new one.
            Err(SubmitError::Refused(RuleError::RecordsSuperseded { .. })) => {
                Ok(Stage::Ready(Ready { ground: exchange.state().ground().clone() }))
            }
            Err(SubmitError::Refused(rule)) => Ok(unrecordable(exchange.request().digest(), &rule)),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the proof, or closes the exchange.
    async fn prove(&self, row: &ReceivedRow, exchange: Exchange<Ready>) -> Result<Stage, Internal> {
        let exchange = match exchange.expire(self.now()) {
            Ok(closed) => return Ok(Stage::Closed(*closed.state())),
            Err(exchange) => exchange,
        };
        self.publish_roots().await?;
        let (dataset, record) = self.subject_record(row)?;
        let Some(record) = record else {
            return Ok(Stage::Closed(Closed { silence: Silence::Unknown }));
        };
        let standing = self.standing(&dataset, &record, exchange.request().request())?;
        let request = Arc::clone(exchange.request());
        let ground = exchange.state().ground.clone();
        let keys = Arc::clone(&self.shared.proving_keys);
        let mut seed = [0; 32];
        self.random(|rng| rng.fill_bytes(&mut seed));
        let proven = self
            .shared
            .prover
            .run(move || {
                let key = keys
                    .get(&request.request().circuit)
                    .ok_or_else(|| Internal::Damaged("no proving key".to_owned()))?;
                let mut rng = groth16::rng_from_seed(seed);
                Ok::<_, Internal>(proving::prove(
                    &request, &record, standing, &ground, key, &mut rng,
                ))
            })
            .await??;
        match proven {
            Ok(proven) => {
                let salted = |record| self.random(|rng| Salted::new(record, &mut { rng }));
                Ok(Stage::Proved(exchange.proved(proven, salted).state().clone()))
            }
            // The record changed since it was evaluated.
            Err(ProvingError::Unsatisfied(_)) => {
                Ok(Stage::Closed(Closed { silence: Silence::Unsatisfied }))
            }
            Err(error) => Err(Internal::Damaged(error.to_string())),
        }
    }

    fn subject_record(&self, row: &ReceivedRow) -> Result<(Dataset, Option<Record>), Internal> {
        let dataset = self.records().dataset(&row.dataset)?;
        let record = match row.subject {
            Some(subject) => self.records().record(&dataset, subject)?,
            None => None,
        };
        Ok((dataset, record))
    }

    /// Where a record stands in the published tree.
    fn standing(
        &self,
        dataset: &Dataset,
        record: &Record,
        request: &Request,
    ) -> Result<Standing, Internal> {
        let replica = self.chain();
        let chain = replica.state();
        let published = chain
            .dataset_of(&request.service)
            .and_then(|dataset| dataset.records)
            .and_then(|entry| chain.records(&entry).map(|fact| (entry, fact.root)));
        let (records, root) = published
            .ok_or_else(|| Internal::Damaged("its dataset has no published root".to_owned()))?;
        // The chain's root, not the store's: between the two a change may be on its way.
        let root = circuits::field::from_be_bytes(root.as_bytes())
            .map_err(|error| Internal::Damaged(error.to_string()))?;
        Ok(Standing { path: self.records().path(dataset, record)?, root, records })
    }

    /// Sends the answer; whether the requester took it.
    async fn deliver(
        &self,
        exchange: &Exchange<Answered>,
        peers: &impl Peers,
    ) -> Result<bool, Internal> {
        let requester = self.peer(&exchange.request().request().requester)?;
        let digest = *exchange.request().digest();
        let body = self.seal(Message::Answer, &requester, digest, &exchange.answer_bytes())?;
        match peers.send(self, &requester, PeerMessage { path: PeerPath::Answers, body }).await {
            Ok(PeerReply::Taken(_)) => Ok(true),
            Ok(PeerReply::Refused { code }) => {
                tracing::warn!(request = %digest, code, "the requester refused our answer");
                Ok(true)
            }
            Err(error) => {
                tracing::info!(request = %digest, %error, "the answer waits");
                Ok(false)
            }
        }
    }
}

/// The chain refused what had to be recorded, and will refuse it again.
fn unrecordable(request: &Digest, rule: &RuleError) -> Stage {
    tracing::warn!(%request, rule = rule.code(), "the chain refused an exchange's entry");
    Stage::Closed(Closed { silence: Silence::Unrecordable })
}

fn consent_entry(ground: &Ground) -> Option<EntryId> {
    match ground {
        Ground::Consent { entry, .. } => Some(*entry),
        Ground::Statutory { .. } => None,
    }
}

/// Key of an inference budget: of one requester, or of all.
fn account_key(
    requester: Option<&DepartmentId>,
    subject: crate::subject::Subject,
    datum: &str,
) -> Vec<u8> {
    let mut key = requester.map_or([0; 32], |requester| *requester.as_bytes()).to_vec();
    key.extend(subject.as_integer().to_be_bytes());
    key.extend(datum.as_bytes());
    key
}
