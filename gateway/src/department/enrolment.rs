//! Consent keys: a registrar enrols them, an issuer puts them into its records.

use chain::entry::Content;
use chain::identifier::DepartmentId;
use crypto::Digest;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use super::asking::AskError;
use super::{Department, Internal};
use crate::document::VERSION;
use crate::document::key_card::{ConsentKey, KeyCard, SignedKeyCard};
use crate::document::request::Nonce;
use crate::document::service::Service;
use crate::records::RecordsError;
use crate::store::{Batch, Table};
use crate::subject::Subject;

/// Seconds for which an enrolment code is good: a day.
const CODE_LIFETIME_SECONDS: u64 = 24 * 60 * 60;

/// What a requester asks a registrar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardQuery {
    /// Whose card.
    pub subject: Subject,
    /// 128 random bits: the query's digest is in the envelope's open header, and must not be guessed
    /// from the subject.
    pub nonce: Nonce,
}

/// A one-time code that the registrar's clerk hands to the citizen, whom they have identified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EnrolmentCode {
    /// 128 random bits.
    pub code: Nonce,
    /// Good until this Unix second.
    pub expires: u64,
}

/// Why a key is not enrolled.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EnrolError {
    /// This department is no registrar.
    #[error("{0} is not a registrar")]
    NotARegistrar(DepartmentId),
    /// No such code for this citizen, or used, or too old. All look the same.
    #[error("the enrolment code is not good for this citizen")]
    Code,
    /// The card is not a current one of the registrar that the dataset names.
    #[error(transparent)]
    Card(#[from] AskError),
    /// No dataset here relies on the card's registrar.
    #[error("no dataset here relies on {0}'s key cards")]
    OtherRegistrar(DepartmentId),
    /// The card is another key's than the one that signed the message.
    #[error("the card is of another key")]
    OtherKey,
    /// Our own side failed.
    #[error(transparent)]
    Internal(#[from] Internal),
}

impl EnrolError {
    /// A stable name of the failed check.
    pub fn code(&self) -> &str {
        match self {
            Self::NotARegistrar(_) => "not-a-registrar",
            Self::Code => "enrolment-code",
            Self::Card(error) => error.code(),
            Self::OtherRegistrar(_) => "key-card-other-registrar",
            Self::OtherKey => "key-card-other-key",
            Self::Internal(_) => "internal",
        }
    }
}

/// What a registrar keeps of a citizen.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct EnrolmentRow {
    /// SHA-256 of the open code, and until when it is good.
    code: Option<(Digest, u64)>,
    card: Option<SignedKeyCard>,
    /// On its way to the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending: Option<SignedKeyCard>,
}

/// What an issuer keeps of a key: whose it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct KeyRow {
    card: SignedKeyCard,
}

impl Department {
    /// A one-time code for a citizen whom the clerk has identified. It replaces an earlier one.
    ///
    /// # Errors
    /// [`EnrolError`]
    pub async fn enrolment_code(&self, subject: Subject) -> Result<EnrolmentCode, EnrolError> {
        self.require_registrar()?;
        let mut bytes = [0; 16];
        self.random(|rng| rng.fill_bytes(&mut bytes));
        let expires = self.now() + CODE_LIFETIME_SECONDS;
        let _changing = self.changing.lock().await;
        let mut row = self.enrolment(subject)?;
        row.code = Some((code_digest(&bytes), expires));
        self.put_enrolment(subject, &row).await?;
        Ok(EnrolmentCode { code: Nonce::from_bytes(bytes), expires })
    }

    /// Enrols a key whose possession the caller has verified, and puts its card on the chain.
    ///
    /// # Errors
    /// [`EnrolError`]; then the citizen's former key still stands.
    pub async fn enrol(
        &self,
        subject: Subject,
        key: ConsentKey,
        code: &Nonce,
    ) -> Result<SignedKeyCard, EnrolError> {
        self.require_registrar()?;
        let _changing = self.changing.lock().await;
        let mut row = self.enrolment(subject)?;
        let good = row.code.is_some_and(|(digest, expires)| {
            self.now() <= expires
                && digest.as_bytes().ct_eq(code_digest(code.as_bytes()).as_bytes()).into()
        });
        if !good {
            return Err(EnrolError::Code);
        }
        self.settle(&mut row).await?;
        if row.card.as_ref().is_none_or(|current| current.card.key != key) {
            row.pending = Some(self.new_card(subject, key));
            self.put_enrolment(subject, &row).await?;
            self.settle(&mut row).await?;
        }
        let signed = row.card.clone().ok_or_else(|| Internal::Damaged("no card".to_owned()))?;
        row.code = None;
        self.put_enrolment(subject, &row).await?;
        Ok(signed)
    }

    fn new_card(&self, subject: Subject, key: ConsentKey) -> SignedKeyCard {
        let mut salt = [0; 16];
        self.random(|rng| rng.fill_bytes(&mut salt));
        let card = KeyCard {
            version: VERSION,
            network: *self.shared.genesis.network(),
            registrar: self.id,
            subject,
            key,
            valid_from: self.now(),
            salt: Nonce::from_bytes(salt),
        };
        card.sign(&self.keys.signing)
    }

    /// Puts a card that is on its way on the chain. The card is stored before, so that a stop in
    /// between is followed by the same entry and not by a second one.
    async fn settle(&self, row: &mut EnrolmentRow) -> Result<(), EnrolError> {
        let Some(signed) = row.pending.take() else { return Ok(()) };
        let chain = self.chain();
        let former = row.card.as_ref();
        let replaces =
            former.and_then(|it| chain.state().consent_key_of_card(&it.card.digest()).copied());
        let content = Content::ConsentKey { card: signed.card.digest(), replaces };
        self.append(content, None).await.map_err(Internal::from)?;
        row.card = Some(signed);
        Ok(())
    }

    /// The current card of a citizen, for a department that is about to ask about them.
    ///
    /// # Errors
    /// [`EnrolError`]
    pub fn card(&self, subject: Subject) -> Result<Option<SignedKeyCard>, EnrolError> {
        self.require_registrar()?;
        Ok(self.enrolment(subject)?.card)
    }

    /// Puts a card's key into the citizen's records here and publishes the new roots.
    ///
    /// Returns the datasets that hold a record of the citizen and whose service names the card's
    /// registrar.
    ///
    /// # Errors
    /// [`EnrolError`]
    pub async fn present_card(
        &self,
        key: &ConsentKey,
        signed: &SignedKeyCard,
    ) -> Result<Vec<String>, EnrolError> {
        let (registrar, subject) = (signed.card.registrar, signed.card.subject);
        let digest = signed.card.digest();
        self.wait_for_chain(|state| state.consent_key_of_card(&digest).is_some()).await;
        let card = self.check_card(signed, &registrar, subject)?;
        if card.key != *key {
            return Err(EnrolError::OtherKey);
        }
        let mut services = self.services().await?;
        services.retain(|service| service.registrar == registrar);
        if services.is_empty() {
            // Nobody here relies on this registrar, so its card opens nothing here.
            return Err(EnrolError::OtherRegistrar(registrar));
        }
        let mut datasets = Vec::new();
        for service in services {
            if self.set_key(&service, subject, card.key.clone()).await? {
                datasets.push(service.dataset);
            }
        }
        let _changing = self.changing.lock().await;
        let mut batch = Batch::default();
        let row = KeyRow { card: signed.clone() };
        batch.put(Table::KeyCards, &key.public_key().to_bytes(), &row);
        self.commit(batch).await.map_err(Internal::from)?;
        Ok(datasets)
    }

    /// Whose key this is, as far as this department was shown a card that still stands.
    pub(super) fn subject_of(&self, key: &ConsentKey) -> Result<Option<Subject>, Internal> {
        Ok(self.card_of(key)?.map(|card| card.subject))
    }

    /// The card of a key, as far as this department was shown one that still stands.
    pub(super) fn card_of(&self, key: &ConsentKey) -> Result<Option<KeyCard>, Internal> {
        let row: Option<KeyRow> = self.store.get(Table::KeyCards, &key.public_key().to_bytes())?;
        Ok(row.map(|row| row.card).and_then(|signed| {
            let (registrar, subject) = (signed.card.registrar, signed.card.subject);
            self.check_card(&signed, &registrar, subject).is_ok().then_some(signed.card)
        }))
    }

    async fn set_key(
        &self,
        service: &Service,
        subject: Subject,
        key: ConsentKey,
    ) -> Result<bool, Internal> {
        let _changing = self.changing.lock().await;
        let dataset = match self.records().dataset(&service.dataset) {
            Err(RecordsError::UnknownDataset(dataset)) => {
                // The chain has its service, this folder does not have it: no record takes the card.
                tracing::error!(department = %self.id, dataset, "a dataset with a service is gone");
                return Ok(false);
            }
            found => found?,
        };
        let root =
            self.random(|rng| self.records().set_key(&dataset, subject, Some(key), &mut { rng }))?;
        let Some(root) = root else { return Ok(false) };
        self.importing.touch(dataset.name(), subject);
        self.publish_root(&dataset, root).await?;
        Ok(true)
    }

    fn require_registrar(&self) -> Result<(), EnrolError> {
        if self.peer(&self.id)?.is_registrar() {
            Ok(())
        } else {
            Err(EnrolError::NotARegistrar(self.id))
        }
    }

    fn enrolment(&self, subject: Subject) -> Result<EnrolmentRow, Internal> {
        let key = subject.as_integer().to_be_bytes();
        Ok(self.store.get(Table::Enrolments, &key)?.unwrap_or_default())
    }

    async fn put_enrolment(&self, subject: Subject, row: &EnrolmentRow) -> Result<(), Internal> {
        let mut batch = Batch::default();
        batch.put(Table::Enrolments, &subject.as_integer().to_be_bytes(), row);
        Ok(self.commit(batch).await?)
    }
}

fn code_digest(code: &[u8; 16]) -> Digest {
    Digest::labelled("proofgate/v1/enrolment-code", &[code])
}
