//! The local surface: what a department's own systems say to their gateway, in plain JSON.
//!
//! Authenticated by a bearer token (RFC 6750), which belongs to one department.

mod ask;
pub mod bundle;
pub mod datasets;
pub mod operating;
mod page;
mod sent;
mod token;

pub(super) use ask::AskFields;
pub use ask::{About, Ask, AskedBasis, NonceText, SubjectText};
pub use page::{MAX_PAGE, Page};
pub use sent::SentApi;
pub use token::{Tokens, token_digest};

use std::fmt;
use std::future::Future;
use std::time::Duration;

use ::http::header::LOCATION;
use ::http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use crypto::Digest;
use crypto::envelope::PayloadId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{
    Download, OCTETS, Upload, json_response, range_start, read_json, require_content_type,
};
use super::hosting::{Hosting, Site};
use super::openapi::schemas::{DigestText, PayloadIdText};
use super::path::{PathOf, QueryOf};
use super::problem::Problem;
use token::Local;

/// The longest idempotency key, in bytes.
const MAX_IDEMPOTENCY_KEY_BYTES: usize = 64;
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What a department does for its own systems.
pub trait LocalApi: Send + Sync + 'static {
    /// Asks an issuer.
    fn ask(
        &self,
        ask: Ask,
        idempotency: Option<Idempotency>,
    ) -> impl Future<Output = Result<Asked, Problem>> + Send;

    /// What became of a question; while it is open, waits for that as long as is said.
    fn asked(
        &self,
        request: Digest,
        wait: Duration,
    ) -> impl Future<Output = Result<Asked, Problem>> + Send;

    /// The questions that this department asked.
    fn questions(
        &self,
        page: Page<Digest>,
    ) -> impl Future<Output = Result<Vec<AskedQuestion>, Problem>> + Send;

    /// The signed offer of a pseudonymous question, for the citizen's wallet.
    fn offer(
        &self,
        request: Digest,
    ) -> impl Future<Output = Result<serde_json::Value, Problem>> + Send;

    /// The questions that others asked this department.
    fn received(
        &self,
        page: Page<Digest>,
    ) -> impl Future<Output = Result<Vec<Received>, Problem>> + Send;

    /// Makes a one-time code with which a citizen enrols a consent key.
    fn enrolment_code(
        &self,
        subject: SubjectText,
    ) -> impl Future<Output = Result<EnrolmentCode, Problem>> + Send;

    /// Seals and sends a payload of that name under an answered question, while it is being received.
    fn send_payload(
        &self,
        request: Digest,
        name: String,
        payload: Upload,
    ) -> impl Future<Output = Result<PayloadSent, Problem>> + Send;

    /// The payloads that others sent this department.
    fn payloads(
        &self,
        page: Page<PayloadId>,
    ) -> impl Future<Output = Result<Vec<PayloadReceived>, Problem>> + Send;

    /// Opens a payload that is complete, from the byte `from` on.
    fn payload(
        &self,
        id: PayloadId,
        from: u64,
    ) -> impl Future<Output = Result<Download, Problem>> + Send;
}

/// What makes the same request twice one request.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub struct Idempotency {
    /// The client's key: 1 to 64 visible ASCII characters.
    pub key: String,
    /// Digest of the body: another one under the same key is a conflict.
    pub body: Digest,
}

/// What a department's system is told about its question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Asked {
    /// Digest of the request document.
    #[schema(value_type = DigestText)]
    pub request: Digest,
    /// Its nonce: further questions about the same subject may be declared to be of the same set.
    #[schema(value_type = String, pattern = "^[0-9a-f]{32}$")]
    pub nonce: NonceText,
    /// Id of its entry on the chain, once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DigestText>)]
    pub entry: Option<Digest>,
    /// What became of it.
    #[serde(flatten)]
    pub status: AskedStatus,
    /// While it is `sent`: the failed check of the newest bad answer. A good one still counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
    /// Equal for all questions about one subject under one nonce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DigestText>)]
    pub subject_tag: Option<Digest>,
    /// The citizen's pseudonym towards this requester and purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DigestText>)]
    pub pseudonym: Option<Digest>,
    /// What a reader of the answer must be told.
    pub notes: Vec<String>,
    /// Entries on the chain whose receipts belong to the file.
    #[schema(value_type = Vec<DigestText>)]
    pub receipts: Vec<Digest>,
}

/// A question among those that a department asked. Whom it is about is not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AskedQuestion {
    /// Digest of the request document.
    #[schema(value_type = DigestText)]
    pub request: Digest,
    /// Who was asked.
    pub issuer: String,
    /// What for.
    pub purpose: String,
    /// When, Unix seconds.
    pub created: u64,
    /// Until when an answer counts, Unix seconds.
    pub expires: u64,
    /// What became of it.
    #[serde(flatten)]
    pub status: AskedStatus,
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum AskedStatus {
    /// Asked; no good answer yet.
    Sent,
    /// A proof of exactly this question verified.
    Verified,
    /// No answer in time: refused, unknown, unsatisfied and unanswered all look so.
    NotProven,
    /// A bad answer came, and no good one in time.
    Rejected {
        /// The failed check.
        code: String,
    },
}

/// A question that another department asked, as the issuer's operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Received {
    /// Digest of the request document.
    #[schema(value_type = DigestText)]
    pub request: Digest,
    /// Who asks.
    pub requester: String,
    /// Where the exchange stands.
    pub state: String,
    /// Why it ended without an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<String>,
}

/// The body of `POST /v1/enrolments`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// Whose key will be enrolled.
    pub subject: SubjectText,
}

/// A one-time code, which the registrar's clerk hands to the citizen. `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnrolmentCode {
    /// The code.
    pub code: String,
    /// Until when it is good, Unix seconds.
    pub expires: u64,
}

impl fmt::Debug for EnrolmentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnrolmentCode(…)")
    }
}

/// A payload that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PayloadSent {
    /// The payload.
    #[schema(value_type = PayloadIdText)]
    pub id: PayloadId,
    /// The request that it belongs to.
    #[schema(value_type = DigestText)]
    pub request: Digest,
    /// Who is to receive it.
    pub recipient: String,
    /// The document's name.
    pub name: String,
    /// The document's length.
    pub bytes: u64,
    /// The salted commitment to its ciphertext.
    #[schema(value_type = DigestText)]
    pub commitment: Digest,
    /// Id of its `payload-sent` entry, once it is on the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DigestText>)]
    pub sent_entry: Option<Digest>,
    /// Where it stands.
    #[serde(flatten)]
    pub delivery: Delivery,
}

/// Where a payload that was sent stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "delivery", rename_all = "kebab-case")]
pub enum Delivery {
    /// It waits for the chain or for the recipient.
    Underway,
    /// The recipient has checked all of it.
    Delivered,
    /// The recipient does not take it.
    Refused {
        /// The recipient's code.
        code: String,
    },
}

/// A payload that was received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PayloadReceived {
    /// The payload.
    #[schema(value_type = PayloadIdText)]
    pub id: PayloadId,
    /// The request that it belongs to.
    #[schema(value_type = DigestText)]
    pub request: Digest,
    /// Who sent it.
    pub sender: String,
    /// What is known once all of it is there and checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<CompletePayload>,
}

/// A payload that is there to be opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CompletePayload {
    /// The document's name.
    pub name: String,
    /// The document's length.
    pub bytes: u64,
    /// The document's SHA-256; absent for one that was checked before that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DigestText>)]
    pub sha256: Option<Digest>,
    /// Id of its `payload-sent` entry.
    #[schema(value_type = DigestText)]
    pub sent_entry: Digest,
    /// Id of its `payload-received` entry.
    #[schema(value_type = DigestText)]
    pub received_entry: Digest,
}

/// The query of `GET /v1/requests/{digest}`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedQuery {
    /// Seconds to wait for an answer.
    #[serde(default)]
    wait: u64,
}

/// The query of `POST /v1/requests/{digest}/payloads`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SendQuery {
    /// The document's name.
    name: String,
}

/// Routes with the request's time limit.
pub(super) fn routes<H: Hosting>() -> Router<Site<H>> {
    Router::new()
        .route("/v1/requests", get(questions::<H>).post(ask::<H>))
        .route("/v1/requests/{digest}", get(asked::<H>))
        .route("/v1/requests/{digest}/offer", get(offer::<H>))
        .route("/v1/received", get(received::<H>))
        .route("/v1/enrolments", post(enrol::<H>))
        .route("/v1/payloads", get(payloads::<H>))
        .route("/v1/payloads/{id}", get(payload::<H>))
        .merge(bundle::routes())
        .merge(operating::routes())
        .merge(sent::routes())
        .merge(datasets::routes())
}

/// Routes whose bodies stream as long as they move.
pub(super) fn streaming_routes<H: Hosting>() -> Router<Site<H>> {
    Router::new()
        .route("/v1/requests/{digest}/payloads", post(send_payload::<H>))
        .merge(datasets::streaming_routes())
}

async fn ask<H: Hosting>(
    State(site): State<Site<H>>,
    Local(department): Local<H>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let (parts, body) = request.into_parts();
    let key = idempotency_key(&parts.headers)?;
    let (ask, bytes) = read_json(&parts.headers, body, &site.limits).await?;
    let idempotency = key.map(|key| Idempotency { key, body: Digest::of(&bytes) });
    let asked = department.ask(ask, idempotency).await?;
    let place = format!("/v1/requests/{}", asked.request);
    Ok(created(json_response(StatusCode::CREATED, &asked), &place))
}

fn created(mut response: Response<Body>, place: &str) -> Response<Body> {
    let place = HeaderValue::try_from(place).expect("digests and ids are hexadecimal digits");
    response.headers_mut().insert(LOCATION, place);
    response
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let visible = value.as_bytes().iter().all(u8::is_ascii_graphic);
    let fits = (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&value.len());
    match value.to_str() {
        Ok(text) if visible && fits && values.next().is_none() => Ok(Some(text.to_owned())),
        _ => {
            let expected = "Idempotency-Key: expected one of 1 to 64 visible ASCII characters";
            Err(Problem::new("header", expected))
        }
    }
}

async fn asked<H: Hosting>(
    State(site): State<Site<H>>,
    Local(department): Local<H>,
    PathOf(request): PathOf<Digest>,
    QueryOf(AskedQuery { wait }): QueryOf<AskedQuery>,
) -> Result<Response<Body>, Problem> {
    // Less than the request's own time, so that there is an answer and no error when it is over.
    let wait = Duration::from_secs(wait).min(site.limits.request_time / 2);
    let waiting = department.asked(request, wait);
    let asked = site.unless_closing(waiting, || department.asked(request, Duration::ZERO)).await?;
    Ok(json_response(StatusCode::OK, &asked))
}

async fn offer<H: Hosting>(
    Local(department): Local<H>,
    PathOf(request): PathOf<Digest>,
) -> Result<Response<Body>, Problem> {
    Ok(json_response(StatusCode::OK, &department.offer(request).await?))
}

async fn questions<H: Hosting>(
    Local(department): Local<H>,
    page: Page<Digest>,
) -> Result<Response<Body>, Problem> {
    Ok(json_response(StatusCode::OK, &department.questions(page).await?))
}

async fn received<H: Hosting>(
    Local(department): Local<H>,
    page: Page<Digest>,
) -> Result<Response<Body>, Problem> {
    Ok(json_response(StatusCode::OK, &department.received(page).await?))
}

async fn enrol<H: Hosting>(
    State(site): State<Site<H>>,
    Local(department): Local<H>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let (parts, body) = request.into_parts();
    let (Enrolment { subject }, _) = read_json(&parts.headers, body, &site.limits).await?;
    Ok(json_response(StatusCode::CREATED, &department.enrolment_code(subject).await?))
}

async fn send_payload<H: Hosting>(
    State(site): State<Site<H>>,
    Local(department): Local<H>,
    PathOf(digest): PathOf<Digest>,
    QueryOf(SendQuery { name }): QueryOf<SendQuery>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    require_content_type(request.headers(), OCTETS)?;
    let payload = Upload::new(request.into_body(), &site.limits)?;
    let sent = department.send_payload(digest, name, payload).await?;
    Ok(json_response(StatusCode::CREATED, &sent))
}

async fn payloads<H: Hosting>(
    Local(department): Local<H>,
    page: Page<PayloadId>,
) -> Result<Response<Body>, Problem> {
    Ok(json_response(StatusCode::OK, &department.payloads(page).await?))
}

async fn payload<H: Hosting>(
    Local(department): Local<H>,
    PathOf(id): PathOf<PayloadId>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    Ok(department.payload(id, range_start(&headers)).await?.into_response())
}

#[cfg(test)]
mod tests;
