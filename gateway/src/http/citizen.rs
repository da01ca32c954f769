//! The citizen surface: what a wallet says to an issuer or a registrar, authenticated by the consent
//! key itself.
//!
//! Every handler gets a [`VerifiedCitizen`], which only a fresh, unused and verified
//! [`CitizenCredential`] over exactly this request becomes.

mod credential;

pub use credential::{
    CREATED_SKEW, CREDENTIAL_HEADER, CitizenCredential, CitizenNonceUse, ConsentKeyBytes,
    ConsentSignatureBytes, CredentialError, SignedCall, VerifiedCitizen,
};

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use ::http::{HeaderMap, Request, Response, StatusCode};
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts as _};
use axum::routing::{get, post};
use crypto::Digest;
use hyper::body::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{JSON, json_response, parse_json, read, require_content_type};
use super::hosting::{Hosting, Site};
use super::local::SubjectText;
use super::openapi::schemas::DigestText;
use super::path::PathOf;
use super::problem::Problem;
use super::signature::NonceError;

/// What a department does for citizens.
pub trait CitizenApi: Send + Sync + 'static {
    /// Digest of the id of the network that the department is in: a citizen's signature is for it.
    fn network(&self) -> &Digest;

    /// Whether `signature` is the consent key `key`'s EdDSA-Poseidon signature over `F(message)`.
    fn verify_citizen(
        &self,
        key: &ConsentKeyBytes,
        message: &Digest,
        signature: &ConsentSignatureBytes,
    ) -> impl Future<Output = Result<bool, Problem>> + Send;

    /// Remembers the nonce of a request whose signature has been verified, in one step with finding
    /// out that it is new.
    ///
    /// # Errors
    /// [`NonceError`]; the request is then refused.
    fn use_nonce(&self, first_use: CitizenNonceUse<'_>) -> Result<(), NonceError>;

    /// Enrols the citizen's key (registrars only): the signed key card.
    fn enrol(
        &self,
        citizen: &VerifiedCitizen,
        enrolment: KeyEnrolment,
    ) -> impl Future<Output = Result<serde_json::Value, Problem>> + Send;

    /// Puts the key of a registrar's card into the citizen's records.
    fn take_card(
        &self,
        citizen: &VerifiedCitizen,
        card: serde_json::Value,
    ) -> impl Future<Output = Result<CardTaken, Problem>> + Send;

    /// The questions that wait for this citizen.
    fn pending(
        &self,
        citizen: &VerifiedCitizen,
    ) -> impl Future<Output = Result<Vec<Pending>, Problem>> + Send;

    /// Takes a consent.
    fn consent(
        &self,
        citizen: &VerifiedCitizen,
        consent: Consent,
    ) -> impl Future<Output = Result<Progress, Problem>> + Send;

    /// Takes a refusal.
    fn refuse(
        &self,
        citizen: &VerifiedCitizen,
        refusal: Refusal,
    ) -> impl Future<Output = Result<Progress, Problem>> + Send;

    /// Takes a withdrawal.
    fn withdraw(
        &self,
        citizen: &VerifiedCitizen,
        withdrawal: Withdrawal,
    ) -> impl Future<Output = Result<Progress, Problem>> + Send;

    /// Takes a pseudonymous question's offer with the consent to it.
    fn take_offer(
        &self,
        citizen: &VerifiedCitizen,
        offer: OfferTaken,
    ) -> impl Future<Output = Result<Progress, Problem>> + Send;

    /// Every exchange about the citizen's records.
    fn history(
        &self,
        citizen: &VerifiedCitizen,
    ) -> impl Future<Output = Result<Vec<PastExchange>, Problem>> + Send;
}

/// The body of `POST keys`. `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyEnrolment {
    /// Whose key it is.
    pub subject: SubjectText,
    /// The one-time code from the registrar's clerk.
    pub code: String,
}

impl fmt::Debug for KeyEnrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyEnrolment(…)")
    }
}

/// The datasets into whose records a card's key was put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CardTaken {
    /// Their names.
    pub datasets: Vec<String>,
}

/// A question that waits for the citizen. A wallet recomputes all that it signs from `request` and
/// `schema`; the rest is for reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pending {
    /// The request document.
    pub request: serde_json::Value,
    /// What the requester is called.
    pub requester_name: String,
    /// The schema that the query is written against.
    pub schema: serde_json::Value,
    /// What the service is called.
    pub service_title: String,
    /// The condition in words, a sentence a clause.
    pub condition: Vec<String>,
    /// Whether the record meets the condition.
    pub holds: bool,
    /// What the citizen must be told.
    pub notes: Vec<String>,
}

/// The body of `POST consents`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// Digest of the request.
    #[schema(value_type = DigestText)]
    pub request: Digest,
    /// The signature over `M`.
    #[schema(value_type = String, pattern = "^[0-9a-f]{192}$")]
    pub signature: ConsentSignatureBytes,
    /// The lock that a withdrawal opens.
    #[schema(value_type = DigestText)]
    pub lock: Digest,
}

/// The body of `POST refusals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// Digest of the request.
    #[schema(value_type = DigestText)]
    pub request: Digest,
}

/// The body of `POST withdrawals`. `Debug` hides what opens the lock.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    /// Digest of the request.
    #[schema(value_type = DigestText)]
    pub request: Digest,
    /// What opens the consent's lock.
    #[schema(value_type = DigestText)]
    pub w: Digest,
}

impl fmt::Debug for Withdrawal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Withdrawal").field("request", &self.request).finish_non_exhaustive()
    }
}

/// The body of `POST offers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OfferTaken {
    /// The requester's signed offer.
    pub offer: serde_json::Value,
    /// The signature over `M`.
    #[schema(value_type = String, pattern = "^[0-9a-f]{192}$")]
    pub signature: ConsentSignatureBytes,
    /// The lock that a withdrawal opens.
    #[schema(value_type = DigestText)]
    pub lock: Digest,
}

/// Where an exchange stands after the citizen's step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// The exchange's state.
    pub state: String,
    /// Id of the entry that the step put on the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DigestText>)]
    pub entry: Option<Digest>,
}

/// An exchange about the citizen's records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PastExchange {
    /// Digest of the request.
    #[schema(value_type = DigestText)]
    pub request: Digest,
    /// Who asked.
    pub requester: String,
    /// What for.
    pub purpose: String,
    /// On what ground, in words.
    pub legal_basis: String,
    /// The condition in words, a sentence a clause.
    pub condition: Vec<String>,
    /// When it was asked, Unix seconds.
    pub created: u64,
    /// When it ended or will end, Unix seconds.
    pub expires: u64,
    /// Where it stands.
    pub state: String,
    /// Why it ended without an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<String>,
    /// The chain's receipt of the entry of the citizen's consent, if it is on the chain. A wallet reads in
    /// it under which lock the consent was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<serde_json::Value>,
}

/// A request by a citizen, authenticated: the only way to a [`CitizenApi`].
struct Authenticated<H: Hosting> {
    department: Arc<H::Department>,
    citizen: VerifiedCitizen,
    headers: HeaderMap,
    body: Bytes,
}

impl<H: Hosting> Authenticated<H> {
    fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        require_content_type(&self.headers, JSON)?;
        parse_json(&self.body)
    }
}

impl<H: Hosting> FromRequest<Site<H>> for Authenticated<H> {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, site: &Site<H>) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let PathOf(name): PathOf<String> = PathOf::from_request_parts(&mut parts, site).await?;
        let department = site.department(&name)?;
        let credential = CitizenCredential::of(&parts.headers)?;
        credential.check_time(site.hosting.now())?;

        let body = read(body, site.limits.body_bytes, site.limits.body_time).await?;
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let method = parts.method.as_str();
        let network = department.network();
        let call = SignedCall { network, department: &name, method, target, body: &body };
        let now = site.hosting.now();
        let citizen = credential.authenticate(department.as_ref(), &call, now).await?;
        Ok(Self { department, citizen, headers: parts.headers, body })
    }
}

/// Routes with the request's time limit.
pub(super) fn routes<H: Hosting>() -> Router<Site<H>> {
    Router::new()
        .route("/v1/citizen/{department}/keys", post(keys::<H>))
        .route("/v1/citizen/{department}/cards", post(cards::<H>))
        .route("/v1/citizen/{department}/requests", get(requests::<H>))
        .route("/v1/citizen/{department}/consents", post(consents::<H>))
        .route("/v1/citizen/{department}/refusals", post(refusals::<H>))
        .route("/v1/citizen/{department}/withdrawals", post(withdrawals::<H>))
        .route("/v1/citizen/{department}/offers", post(offers::<H>))
        .route("/v1/citizen/{department}/history", get(history::<H>))
}

type Answer = Result<Response<Body>, Problem>;

async fn keys<H: Hosting>(request: Authenticated<H>) -> Answer {
    let card = request.department.enrol(&request.citizen, request.json()?).await?;
    Ok(json_response(StatusCode::CREATED, &card))
}

async fn cards<H: Hosting>(request: Authenticated<H>) -> Answer {
    let taken = request.department.take_card(&request.citizen, request.json()?).await?;
    Ok(json_response(StatusCode::OK, &taken))
}

async fn requests<H: Hosting>(request: Authenticated<H>) -> Answer {
    let pending = request.department.pending(&request.citizen).await?;
    Ok(json_response(StatusCode::OK, &pending))
}

async fn consents<H: Hosting>(request: Authenticated<H>) -> Answer {
    let progress = request.department.consent(&request.citizen, request.json()?).await?;
    Ok(json_response(StatusCode::ACCEPTED, &progress))
}

async fn refusals<H: Hosting>(request: Authenticated<H>) -> Answer {
    let progress = request.department.refuse(&request.citizen, request.json()?).await?;
    Ok(json_response(StatusCode::OK, &progress))
}

async fn withdrawals<H: Hosting>(request: Authenticated<H>) -> Answer {
    let progress = request.department.withdraw(&request.citizen, request.json()?).await?;
    Ok(json_response(StatusCode::OK, &progress))
}

async fn offers<H: Hosting>(request: Authenticated<H>) -> Answer {
    let progress = request.department.take_offer(&request.citizen, request.json()?).await?;
    Ok(json_response(StatusCode::ACCEPTED, &progress))
}

async fn history<H: Hosting>(request: Authenticated<H>) -> Answer {
    let exchanges = request.department.history(&request.citizen).await?;
    Ok(json_response(StatusCode::OK, &exchanges))
}

#[cfg(test)]
mod tests;
