//! The citizen's steps: consent, refusal, withdrawal.

use chain::identifier::EntryId;
use circuits::eddsa::Signature;
use crypto::Digest;
use crypto::commitment::Salted;
use thiserror::Error;

use super::{ReceiveError, ReceivedRow, Stage};
use crate::department::{Department, Internal};
use crate::document::key_card::ConsentKey;
use crate::exchange::Exchange;
use crate::exchange::issuer::{self, Closed, ConsentError, Ground, Silence, Taken};

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

impl Department {
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
        self.look(digest).await?;
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
        self.look(digest).await?;
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
            // The same withdrawal again is one withdrawal.
            Stage::Closed(Closed { silence: Silence::Withdrawn }) => {
                self.chain().state().consent_to(&row.entry, &self.id).copied()
            }
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
}

fn consent_entry(ground: &Ground) -> Option<EntryId> {
    match ground {
        Ground::Consent { entry, .. } => Some(*entry),
        Ground::Statutory { .. } => None,
    }
}
