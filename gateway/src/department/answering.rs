//! The issuer's side: taking questions, asking the citizen, proving, answering.

mod advancing;
mod consenting;
mod operator;
mod taking;

use std::sync::Arc;

use chain::identifier::{DepartmentId, EntryId};
use circuits::Fr;
use crypto::Digest;
use serde::{Deserialize, Serialize};

use super::{Department, Internal};
use crate::document::request::LegalBasis;
use crate::document::service::Service;
use crate::document::{CheckedRequest, Request};
use crate::exchange::issuer::{
    Answered, AwaitingConsent, Closed, Consented, Proved, Ready, Silence,
};
use crate::records::schema_digest;
use crate::store::{Batch, Table};
use crate::subject::Subject;

/// A question that another department asked, as the issuer's operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceivedExchange {
    /// Digest of the request.
    pub request: Digest,
    /// Who asks.
    pub requester: DepartmentId,
    /// How it stands; for a silent one the reason.
    pub state: &'static str,
    /// Whether it ended without an answer.
    pub silent: bool,
}

pub use consenting::CitizenError;
pub use taking::ReceiveError;

/// A question as the issuer keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ReceivedRow {
    pub(super) request: Request,
    pub(super) entry: EntryId,
    pub(super) dataset: String,
    /// The department whose key cards the dataset relies on.
    pub(super) registrar: DepartmentId,
    /// Who it is about; in a pseudonymous exchange whoever took up the offer.
    pub(super) subject: Option<Subject>,
    pub(super) received: u64,
    pub(super) stage: Stage,
}

/// How far the issuer's half has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", content = "state", rename_all = "kebab-case")]
pub(super) enum Stage {
    /// Taken and charged. Nobody has looked for a record yet.
    Taken {
        /// The issuer-wide budget is spent.
        over_budget: bool,
    },
    AwaitingConsent(AwaitingConsent),
    Consented(Consented),
    Ready(Ready),
    Proved(Proved),
    Answered {
        answered: Answered,
        delivered: bool,
    },
    Closed(Closed),
}

impl Stage {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Taken { .. } => "received",
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

impl Department {
    /// The questions that others asked this department: up to `limit` of those after `after`, in no order
    /// that means anything. Fewer are all that there are.
    ///
    /// # Errors
    /// [`Internal`] if the store fails.
    pub fn received_exchanges(
        &self,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Vec<ReceivedExchange>, Internal> {
        let after = after.map(|digest| &digest.as_bytes()[..]);
        let rows = self.store.scan_after::<ReceivedRow>(Table::Received, after).take(limit);
        rows.map(|row| {
            let row = row?;
            Ok(ReceivedExchange {
                request: super::asking::request_digest(&row.request),
                requester: row.request.requester,
                state: row.stage.name(),
                silent: matches!(row.stage, Stage::Closed(_)),
            })
        })
        .collect()
    }

    /// Digests of the received questions that something may still happen to.
    pub(super) fn unfinished_digests(&self) -> Result<Vec<Digest>, Internal> {
        let mut unfinished = Vec::new();
        for row in self.store.scan::<ReceivedRow>(Table::Received) {
            let row = row?;
            if !matches!(row.stage, Stage::Answered { delivered: true, .. } | Stage::Closed(_)) {
                unfinished.push(super::asking::request_digest(&row.request));
            }
        }
        Ok(unfinished)
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

    /// `M` of a question that this department received: what its citizen signs.
    ///
    /// # Errors
    /// [`Internal`] if there is no such question.
    pub async fn consent_message(&self, digest: &Digest) -> Result<Fr, Internal> {
        let row = self.received(digest)?;
        let row = row.ok_or_else(|| Internal::Damaged("no such question".to_owned()))?;
        Ok(self.restore_request(&row.request).await?.consent_message())
    }

    /// Whether a question that this department received is asked by law, and so proved without its citizen.
    ///
    /// # Errors
    /// [`Internal`] if the store fails.
    pub fn is_by_law(&self, digest: &Digest) -> Result<bool, Internal> {
        let is_by_law = |row: ReceivedRow| match row.request.legal_basis {
            LegalBasis::Statutory { .. } => true,
            LegalBasis::Consent { .. } => false,
        };
        Ok(self.received(digest)?.is_some_and(is_by_law))
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
}
