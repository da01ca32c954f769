//! Taking a question: everything about it that needs no record, the budgets; later the look.

use std::sync::Arc;

use chain::identifier::{DepartmentId, EntryId};
use circuits::query::Mode;
use crypto::Digest;
use thiserror::Error;

use super::{ReceivedRow, Stage};
use crate::budget::Account;
use crate::department::{Department, Internal};
use crate::document::key_card::KeyCard;
use crate::document::request::{LegalBasis, RequestError};
use crate::document::service::Service;
use crate::document::{CheckedRequest, Request};
use crate::exchange::RequestMessage;
use crate::exchange::issuer::{self, Finding, Opened};
use crate::policy::{self, PolicyError};
use crate::records::{Record, schema_digest};
use crate::store::{Batch, Table};
use crate::subject::Subject;

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

    /// Takes a question that was checked, and charges the budgets. Whether there is a record is looked
    /// up afterwards: how long that takes depends on what is found, and the requester waits here.
    pub(in crate::department) async fn take(
        &self,
        request: Arc<CheckedRequest>,
        service: &Service,
        entry: EntryId,
        subject: Subject,
    ) -> Result<Digest, ReceiveError> {
        let _changing = self.changing.lock().await;
        let digest = *request.digest();
        if self.received(&digest)?.is_some() {
            return Ok(digest);
        }
        let mut batch = Batch::default();
        let over_budget = self.charge(service, &request, subject, &mut batch)?;
        let row = ReceivedRow {
            request: request.request().clone(),
            entry,
            dataset: service.dataset.clone(),
            registrar: service.registrar,
            subject: Some(subject),
            received: self.now(),
            stage: Stage::Taken { over_budget },
        };
        batch.put(Table::Received, digest.as_bytes(), &row);
        self.commit(batch).await.map_err(Internal::from)?;
        Ok(digest)
    }

    /// Looks whether there is a record of a question's subject, and opens the exchange.
    ///
    /// # Errors
    /// [`Internal`] if our own side failed; the question stays where it is.
    pub async fn look(&self, digest: &Digest) -> Result<(), Internal> {
        let Some(row) = self.received(digest)? else { return Ok(()) };
        let Stage::Taken { over_budget } = row.stage else { return Ok(()) };
        let next = self.open_exchange(&row, over_budget).await?;
        self.replace_stage(digest, &row.stage, next).await
    }

    /// How an exchange opens, by what is found.
    pub(in crate::department) async fn open_exchange(
        &self,
        row: &ReceivedRow,
        over_budget: bool,
    ) -> Result<Stage, Internal> {
        let request = self.restore_request(&row.request).await?;
        let (_, record) = self.subject_record(row)?;
        let finding =
            if over_budget { Finding::OverBudget } else { self.find(&request, record.as_ref())? };
        Ok(match issuer::open(request, row.entry, finding, self.now()) {
            Opened::AwaitingConsent(exchange) => Stage::AwaitingConsent(exchange.state().clone()),
            Opened::Ready(exchange) => Stage::Ready(exchange.state().clone()),
            Opened::Closed(exchange) => Stage::Closed(*exchange.state()),
        })
    }

    /// Everything about a question that needs no record.
    pub(in crate::department) async fn check_request(
        &self,
        request: Request,
        entry: &EntryId,
    ) -> Result<(Arc<CheckedRequest>, Service), ReceiveError> {
        if request.issuer != self.id || request.network != *self.shared.genesis.network() {
            return Err(ReceiveError::Addressee);
        }
        self.wait_for_entries(&[*entry]).await?;
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

    /// Charges the question's probes; whether the issuer-wide budget is spent.
    fn charge(
        &self,
        service: &Service,
        request: &CheckedRequest,
        subject: Subject,
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
}

/// Key of an inference budget: of one requester, or of all.
fn account_key(requester: Option<&DepartmentId>, subject: Subject, datum: &str) -> Vec<u8> {
    let mut key = requester.map_or([0; 32], |requester| *requester.as_bytes()).to_vec();
    key.extend(subject.as_integer().to_be_bytes());
    key.extend(datum.as_bytes());
    key
}
