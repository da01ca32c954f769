//! The citizen surface of a hosted department.

use std::sync::Arc;

use circuits::eddsa::{PublicKey, Signature};
use circuits::poseidon::digest_element;
use crypto::Digest;
use serde_json::Value as Json;
use tokio::task::spawn_blocking;

use super::{Hosted, note_name, to_the_end};
use crate::department::Peers;
use crate::department::asking::Offer;
use crate::department::citizen::{self, HistoryItem};
use crate::document::key_card::{ConsentKey, SignedKeyCard};
use crate::document::request::LegalBasis;
use crate::http::citizen::{
    CardTaken, CitizenApi, CitizenNonceUse, Consent, ConsentKeyBytes, ConsentSignatureBytes,
    KeyEnrolment, OfferTaken, PastExchange, Pending, Progress, Refusal, VerifiedCitizen,
    Withdrawal,
};
use crate::http::signature::NonceError;
use crate::http::{Problem, without_content};

impl<P: Peers + 'static> CitizenApi for Hosted<P> {
    fn network(&self) -> &Digest {
        self.department.shared().genesis.network().as_digest()
    }

    async fn verify_citizen(
        &self,
        key: &ConsentKeyBytes,
        message: &Digest,
        signature: &ConsentSignatureBytes,
    ) -> Result<bool, Problem> {
        let (key, message, signature) = (*key, *message, *signature);
        // Curve arithmetic takes about a millisecond.
        let verified = spawn_blocking(move || {
            let key = PublicKey::from_bytes(key.as_bytes());
            let signature = Signature::from_bytes(signature.as_bytes());
            let (Ok(key), Ok(signature)) = (key, signature) else { return false };
            key.verify(digest_element(message.as_bytes()), &signature).is_ok()
        });
        verified.await.map_err(|error| Problem::internal(&error))
    }

    fn use_nonce(&self, first_use: CitizenNonceUse<'_>) -> Result<(), NonceError> {
        // What a stranger can do twice without harm is enrolling, with a code that is good once, and
        // showing a card. So strangers neither fill the store nor keep the disk busy.
        let key = PublicKey::from_bytes(first_use.key.as_bytes()).map(ConsentKey::from);
        let known = key.map(|key| self.department.knows(&key));
        match known {
            Ok(Ok(true)) => self.nonces.insert_citizen(first_use),
            Ok(Ok(false)) | Err(_) => self.strangers.insert_citizen(first_use),
            Ok(Err(error)) => {
                tracing::error!(%error, "a key cannot be looked up");
                Err(NonceError::Unavailable)
            }
        }
    }

    async fn enrol(
        &self,
        citizen: &VerifiedCitizen,
        enrolment: KeyEnrolment,
    ) -> Result<Json, Problem> {
        let KeyEnrolment { subject, code } = enrolment;
        let subject = subject.0.parse().map_err(|error| Problem::new("subject", error))?;
        let code = code.try_into().map_err(|error| Problem::new("enrolment-code", error))?;
        let (department, key) = (Arc::clone(&self.department), key_of(citizen)?);
        let card = to_the_end(async move { department.enrol(subject, key, &code).await }).await?;
        serde_json::to_value(card).map_err(|error| Problem::internal(&error))
    }

    async fn take_card(&self, citizen: &VerifiedCitizen, card: Json) -> Result<CardTaken, Problem> {
        let card: SignedKeyCard = document("key card", card)?;
        let (department, key) = (Arc::clone(&self.department), key_of(citizen)?);
        let shown = to_the_end(async move { department.present_card(&key, &card).await });
        let datasets = shown.await?;
        Ok(CardTaken { datasets })
    }

    async fn pending(&self, citizen: &VerifiedCitizen) -> Result<Vec<Pending>, Problem> {
        let pending = self.department.pending(&key_of(citizen)?).await?;
        pending.into_iter().map(waiting).collect()
    }

    async fn consent(
        &self,
        citizen: &VerifiedCitizen,
        consent: Consent,
    ) -> Result<Progress, Problem> {
        let place = self.place_to_prove()?;
        let Consent { request, signature, lock } = consent;
        let (key, signature) = (key_of(citizen)?, signature_of(&signature)?);
        let department = Arc::clone(&self.department);
        let taken = async move { department.consent(&key, &request, &signature, lock).await };
        let state = to_the_end(taken).await?;
        let mover = self.department.mover(request);
        self.work.advance(*self.department.id(), mover, Some(place));
        Ok(progress(state))
    }

    async fn refuse(
        &self,
        citizen: &VerifiedCitizen,
        refusal: Refusal,
    ) -> Result<Progress, Problem> {
        let (department, key) = (Arc::clone(&self.department), key_of(citizen)?);
        to_the_end(async move { department.refuse(&key, &refusal.request).await }).await?;
        Ok(progress("refused"))
    }

    async fn withdraw(
        &self,
        citizen: &VerifiedCitizen,
        withdrawal: Withdrawal,
    ) -> Result<Progress, Problem> {
        let Withdrawal { request, w } = withdrawal;
        let (department, key) = (Arc::clone(&self.department), key_of(citizen)?);
        let withdrawn = async move { department.withdraw(&key, &request, w).await };
        let state = to_the_end(withdrawn).await?;
        Ok(progress(state))
    }

    async fn take_offer(
        &self,
        citizen: &VerifiedCitizen,
        taken: OfferTaken,
    ) -> Result<Progress, Problem> {
        let place = self.place_to_prove()?;
        let OfferTaken { offer, signature, lock } = taken;
        let offer: Offer = document("offer", offer)?;
        let (key, signature) = (key_of(citizen)?, signature_of(&signature)?);
        let department = Arc::clone(&self.department);
        let taken = async move { department.take_offer(&key, offer, &signature, lock).await };
        let (request, state) = to_the_end(taken).await?;
        let mover = self.department.mover(request);
        self.work.advance(*self.department.id(), mover, Some(place));
        Ok(progress(state))
    }

    async fn history(&self, citizen: &VerifiedCitizen) -> Result<Vec<PastExchange>, Problem> {
        let history = self.department.history(&key_of(citizen)?).await?;
        Ok(history.into_iter().map(past).collect())
    }
}

fn progress(state: &str) -> Progress {
    Progress { state: state.to_owned(), entry: None }
}

/// The citizen's key. Its signature has been verified, so it is one.
fn key_of(citizen: &VerifiedCitizen) -> Result<ConsentKey, Problem> {
    let key = PublicKey::from_bytes(citizen.key().as_bytes());
    key.map(ConsentKey::from).map_err(|error| Problem::new("citizen-signature", error))
}

fn signature_of(bytes: &ConsentSignatureBytes) -> Result<Signature, Problem> {
    let signature = Signature::from_bytes(bytes.as_bytes());
    signature.map_err(|error| Problem::new("consent-signature", error))
}

/// A document inside a body: what is wrong with it is said without its content.
fn document<T: serde::de::DeserializeOwned>(what: &str, json: Json) -> Result<T, Problem> {
    serde_json::from_value(json).map_err(|error| {
        let fault = without_content(&error.to_string());
        Problem::new("json", format_args!("the {what}: {fault}"))
    })
}

fn waiting(pending: citizen::Pending) -> Result<Pending, Problem> {
    let json = |value: Result<Json, _>| value.map_err(|error| Problem::internal(&error));
    Ok(Pending {
        request: json(serde_json::to_value(&pending.request))?,
        requester_name: pending.requester_name,
        schema: json(serde_json::to_value(&pending.schema))?,
        service_title: pending.service_title,
        condition: vec![pending.condition],
        holds: pending.holds,
        notes: pending.notes.into_iter().map(note_name).collect(),
    })
}

fn past(item: HistoryItem) -> PastExchange {
    let HistoryItem { digest, request, requester_name, condition, state, silent, consent, .. } =
        item;
    let legal_basis = match request.legal_basis {
        LegalBasis::Consent { .. } => "consent".to_owned(),
        LegalBasis::Statutory { reference } => reference,
    };
    let silence = silent.then(|| state.clone());
    PastExchange {
        request: digest,
        requester: requester_name,
        purpose: request.purpose,
        legal_basis,
        condition: vec![condition],
        created: request.created,
        expires: request.expires,
        state,
        silence,
        consent,
    }
}
