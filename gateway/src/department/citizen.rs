//! What a citizen sees of a department and does there, known by their consent key.

use chain::identifier::{DepartmentId, EntryId};
use circuits::eddsa::Signature;
use circuits::query::Mode;
use circuits::schema::Schema;
use crypto::Digest;
use serde::{Deserialize, Serialize};

use super::answering::{CitizenError, ReceiveError, ReceivedRow, Stage};
use super::asking::{Offer, request_digest};
use super::{Department, Internal};
use crate::document::Request;
use crate::document::key_card::ConsentKey;
use crate::exchange::issuer::ConsentError;
use crate::exchange::verification::Note;
use crate::records::RecordsError;
use crate::store::Table;

/// A question that waits for the citizen.
///
/// The wallet shows what it reads from `request` and `schema` itself; the rest is for orientation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// The question.
    pub request: Request,
    /// The schema that its query is written against.
    pub schema: Schema,
    /// What people call the requester.
    pub requester_name: String,
    /// What people call the service.
    pub service_title: String,
    /// The condition in words.
    pub condition: String,
    /// The issuer's word on whether the record meets the condition.
    pub holds: bool,
    /// What the citizen must be told.
    pub notes: Vec<Note>,
}

/// One question about the citizen, as the issuer remembers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryItem {
    /// Digest of the question.
    pub digest: Digest,
    /// The question.
    pub request: Request,
    /// Who asked, for people.
    pub requester_name: String,
    /// The condition in words.
    pub condition: String,
    /// When it came, Unix seconds.
    pub received: u64,
    /// How it stands, with the reason that only issuer and citizen see.
    pub state: String,
    /// Whether it ended without an answer, for the reason that is its state.
    pub silent: bool,
    /// The chain's receipt of the entry of the citizen's consent, if it is on the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<serde_json::Value>,
}

impl Department {
    /// Questions that wait for the holder of this key.
    ///
    /// # Errors
    /// [`Internal`] if our own side failed.
    pub async fn pending(&self, key: &ConsentKey) -> Result<Vec<Pending>, Internal> {
        self.look_about(key).await?;
        let mut pending = Vec::new();
        for row in self.rows_about(key)? {
            let Stage::AwaitingConsent(state) = &row.stage else { continue };
            let request = self.restore_request(&row.request).await?;
            if self.now() > row.request.expires {
                continue;
            }
            let service = self.current_service(&row.request.service).await?;
            let registrar = service.as_ref().map(|it| it.registrar);
            let notes = match (registrar, row.request.circuit.mode()) {
                (_, Mode::Pseudonymous) => vec![Note::ConsentBindsAllButIssuer],
                (Some(registrar), _) if registrar == self.id => {
                    vec![Note::ConsentKeyEnrolledByIssuer]
                }
                _ => Vec::new(),
            };
            pending.push(Pending {
                schema: request.query().schema().clone(),
                requester_name: self.name_of(&row.request.requester),
                service_title: service.map_or_else(|| row.dataset.clone(), |it| it.title),
                condition: request.query().describe(),
                holds: state.holds,
                notes,
                request: row.request,
            });
        }
        pending.sort_by_key(|item| item.request.created);
        Ok(pending)
    }

    /// Every question about the holder of this key, statutory ones too, newest first.
    ///
    /// # Errors
    /// [`Internal`] if our own side failed.
    pub async fn history(&self, key: &ConsentKey) -> Result<Vec<HistoryItem>, Internal> {
        self.look_about(key).await?;
        let mut history = Vec::new();
        for row in self.rows_about(key)? {
            let request = self.restore_request(&row.request).await?;
            let consent = self.consent_receipt(&row.entry).await?;
            history.push(HistoryItem {
                digest: *request.digest(),
                condition: request.query().describe(),
                requester_name: self.name_of(&row.request.requester),
                received: row.received,
                state: row.stage.name().to_owned(),
                silent: matches!(row.stage, Stage::Closed(_)),
                consent,
                request: row.request,
            });
        }
        history.sort_by_key(|item| std::cmp::Reverse(item.received));
        Ok(history)
    }

    /// The chain's receipt of the consent to a request that this department recorded.
    async fn consent_receipt(
        &self,
        request: &EntryId,
    ) -> Result<Option<serde_json::Value>, Internal> {
        let replica = self.chain();
        let Some(entry) = replica.state().consent_to(request, &self.id) else { return Ok(None) };
        let receipt = self.shared.ledger.receipt(*entry).await?;
        let json = |receipt| {
            serde_json::to_value(receipt).expect("a receipt has string keys and integers only")
        };
        Ok(receipt.map(json))
    }

    /// Takes up a pseudonymous question that a citizen brings, with their consent.
    ///
    /// # Errors
    /// [`CitizenError`]; a question that policy refuses, or another citizen's, looks unknown.
    pub async fn take_offer(
        &self,
        key: &ConsentKey,
        offer: Offer,
        signature: &Signature,
        lock: Digest,
    ) -> Result<(Digest, &'static str), CitizenError> {
        let subject = self.subject_of(key)?.ok_or(CitizenError::Unknown)?;
        let replica = self.chain();
        let requester = replica.state().department(&offer.request.requester);
        let requester = requester.ok_or(CitizenError::Unknown)?;
        let digest = offer.verify(&requester.signing_key).map_err(|_| CitizenError::Unknown)?;
        if offer.request.circuit.mode() != Mode::Pseudonymous {
            return Err(CitizenError::Unknown);
        }
        let entry = offer.entry;
        let (request, service) =
            self.check_request(offer.request, &entry).await.map_err(refused)?;
        // Before anything is charged or kept: whoever has the link could else spend it for others.
        key.public_key()
            .verify(request.consent_message(), signature)
            .map_err(|_| ConsentError::Signature)?;
        self.take(request, &service, entry, subject).await.map_err(refused)?;
        self.look(&digest).await?;
        let state = self.consent(key, &digest, signature, lock).await?;
        Ok((digest, state))
    }

    /// Looks at what was taken a moment ago about the holder of this key, who is not to miss it.
    async fn look_about(&self, key: &ConsentKey) -> Result<(), Internal> {
        for row in self.rows_about(key)? {
            if let Stage::Taken { .. } = row.stage {
                match self.look(&request_digest(&row.request)).await {
                    // It waits for its dataset; the citizen's other questions do not.
                    Err(Internal::Records(RecordsError::UnknownDataset(dataset))) => {
                        tracing::error!(department = %self.id, dataset, "a dataset is gone");
                    }
                    looked => looked?,
                }
            }
        }
        Ok(())
    }

    /// Whether this department was shown a card of this key that still stands.
    ///
    /// # Errors
    /// [`Internal`] if the store fails.
    pub fn knows(&self, key: &ConsentKey) -> Result<bool, Internal> {
        Ok(self.card_of(key)?.is_some())
    }

    /// Every stored question about the holder of this key.
    fn rows_about(&self, key: &ConsentKey) -> Result<Vec<ReceivedRow>, Internal> {
        let Some(card) = self.card_of(key)? else { return Ok(Vec::new()) };
        let mut rows = Vec::new();
        for row in self.store.scan::<ReceivedRow>(Table::Received) {
            let row = row?;
            // A registrar's word opens only what relies on that registrar.
            if row.subject == Some(card.subject) && row.registrar == card.registrar {
                rows.push(row);
            }
        }
        Ok(rows)
    }

    fn name_of(&self, department: &DepartmentId) -> String {
        self.peer(department)
            .map_or_else(|_| department.to_string(), |document| document.name.to_string())
    }
}

/// A refusal of an offer, as the citizen may know it.
fn refused(error: ReceiveError) -> CitizenError {
    match error {
        ReceiveError::Internal(error) => CitizenError::Internal(error),
        error => CitizenError::Refused(Box::new(error)),
    }
}
