//! The peer surface: what other departments' gateways say, signed (RFC 9421) and sealed.
//!
//! The signature is verified here, and every answer from then on is signed by the addressed
//! department as the answer to that request. Bodies are handed on as they are: the department opens
//! the seal, and compares the sealed sender with the verified one.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderValue, Request, Response, StatusCode};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse as _;
use axum::routing::{get, post, put};
use crypto::Digest;
use crypto::envelope::{Name, PayloadId};
use hyper::body::Bytes;
use tokio::time::timeout;

use super::body::{JSON, OCTETS, require_content_type, too_slow};
use super::hosting::{Hosting, Site};
use super::path::PathOf;
use super::problem::Problem;
use super::signature::{Audience, KeyDirectory, NonceStore, Signer, Verifier};
use crate::document::payload::Completion;
use crate::document::request::Taken;
use crate::payload::PartSet;

/// Content type of a sealed message.
pub const SEALED: &str = "application/vnd.proofgate.sealed";

/// What a department does for other departments' gateways.
///
/// `sender` has been verified; nothing in a body has.
pub trait PeerApi: Send + Sync + 'static {
    /// The key that signs this department's answers.
    fn signer(&self) -> &Signer;

    /// The gateway in the URL of this department's document.
    fn audience(&self) -> &Audience;

    /// The keys of all registered departments.
    fn keys(&self) -> &dyn KeyDirectory;

    /// The nonces that this department has seen.
    fn nonces(&self) -> &dyn NonceStore;

    /// Takes a question, sealed; says how many more it would take.
    fn take_request(
        &self,
        sender: Name,
        sealed: Bytes,
    ) -> impl Future<Output = Result<Taken, Problem>> + Send;

    /// Takes an answer, sealed.
    fn take_answer(
        &self,
        sender: Name,
        sealed: Bytes,
    ) -> impl Future<Output = Result<(), Problem>> + Send;

    /// The key card of a subject, both sealed.
    fn key_card(
        &self,
        sender: Name,
        sealed: Bytes,
    ) -> impl Future<Output = Result<Bytes, Problem>> + Send;

    /// Takes a part of a sealed payload.
    fn take_part(
        &self,
        sender: Name,
        part: PartName,
        bytes: Bytes,
    ) -> impl Future<Output = Result<(), Problem>> + Send;

    /// Which parts of its payload the sender need not send (again).
    fn parts(
        &self,
        sender: Name,
        payload: PayloadName,
    ) -> impl Future<Output = Result<PartSet, Problem>> + Send;

    /// Takes a payload's manifest, sealed, after its last part; says whether the payload is complete, or
    /// still being checked.
    fn complete_payload(
        &self,
        sender: Name,
        payload: PayloadName,
        sealed: Bytes,
    ) -> impl Future<Output = Result<Completion, Problem>> + Send;
}

/// One payload under one request.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct PayloadName {
    /// Digest of the request.
    pub request: Digest,
    /// The payload.
    pub payload: PayloadId,
}

/// One part of a payload.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct PartName {
    /// The payload.
    pub payload: PayloadName,
    /// Which part, from 0.
    pub number: u64,
}

/// What is asked of a peer. Displays as the path below `/v1/peer/{department}`.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub enum PeerCall {
    /// A question, sealed.
    Request,
    /// An answer, sealed.
    Answer,
    /// A subject, sealed, whose key card is wanted.
    KeyCard,
    /// A part of a payload.
    Part(PartName),
    /// Which parts of a payload are there.
    Parts(PayloadName),
    /// A payload's manifest, sealed.
    Complete(PayloadName),
}

impl PeerCall {
    /// The method that goes with the path.
    pub fn method(&self) -> ::http::Method {
        match self {
            Self::Part(_) => ::http::Method::PUT,
            Self::Parts(_) => ::http::Method::GET,
            _ => ::http::Method::POST,
        }
    }

    /// The content type of the body.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Part(_) | Self::Parts(_) => OCTETS,
            _ => SEALED,
        }
    }
}

impl fmt::Display for PeerCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request => f.write_str("requests"),
            Self::Answer => f.write_str("answers"),
            Self::KeyCard => f.write_str("key-cards"),
            Self::Part(PartName { payload: PayloadName { request, payload }, number }) => {
                write!(f, "payloads/{request}/{payload}/parts/{number}")
            }
            Self::Parts(PayloadName { request, payload }) => {
                write!(f, "payloads/{request}/{payload}/parts")
            }
            Self::Complete(PayloadName { request, payload }) => {
                write!(f, "payloads/{request}/{payload}/complete")
            }
        }
    }
}

/// Routes with the request's time limit.
pub(super) fn routes<H: Hosting>() -> Router<Site<H>> {
    Router::new()
        .route("/v1/peer/{department}/requests", post(requests::<H>))
        .route("/v1/peer/{department}/answers", post(answers::<H>))
        .route("/v1/peer/{department}/key-cards", post(key_cards::<H>))
        .route("/v1/peer/{department}/payloads/{request}/{payload}/parts/{number}", put(parts::<H>))
        .route("/v1/peer/{department}/payloads/{request}/{payload}/parts", get(parts_there::<H>))
        .route("/v1/peer/{department}/payloads/{request}/{payload}/complete", post(complete::<H>))
}

/// What a signed answer says.
enum Reply {
    Status(StatusCode),
    Sealed(Bytes),
    Json(StatusCode, Vec<u8>),
}

impl Reply {
    fn json(status: StatusCode, document: &impl serde::Serialize) -> Result<Self, Problem> {
        let json = serde_json::to_vec(document).map_err(|error| Problem::internal(&error))?;
        Ok(Self::Json(status, json))
    }

    fn into_response(self) -> Response<Bytes> {
        let (status, content_type, body) = match self {
            // An empty body has a type too: the signature covers it.
            Self::Status(status) => (status, OCTETS, Bytes::new()),
            Self::Sealed(body) => (StatusCode::OK, SEALED, body),
            Self::Json(status, body) => (status, JSON, body.into()),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }
}

/// Verifies a request, has it answered, and signs the answer; without a verified request there is
/// only an unsigned problem document.
async fn answer<H, F, A>(
    site: &Site<H>,
    department: &str,
    call: &PeerCall,
    request: Request<Body>,
    act: F,
) -> Result<Response<Body>, Problem>
where
    H: Hosting,
    F: FnOnce(Arc<H::Department>, Name, Bytes) -> A,
    A: Future<Output = Result<Reply, Problem>>,
{
    let department = site.department(department)?;
    let body_limit = match call {
        PeerCall::Part(_) => site.limits.part_bytes,
        _ => site.limits.body_bytes,
    };
    let verifier = Verifier { keys: department.keys(), now: site.hosting.now(), body_limit };
    let verified = verifier.verify_request(request, department.audience(), department.nonces());
    let verified = timeout(site.limits.body_time, verified).await.map_err(|_| too_slow())??;

    let message = verified.message();
    let replied = match require_content_type(message.headers(), call.content_type()) {
        Ok(()) => {
            let (sender, body) = (verified.sender().clone(), message.body().clone());
            act(Arc::clone(&department), sender, body).await
        }
        Err(problem) => Err(problem),
    };
    let response = match replied {
        Ok(reply) => reply.into_response(),
        Err(problem) => problem.to_response(),
    };
    let signed = department.signer().sign_response(response, &verified, site.hosting.now());
    let signed = signed.map_err(|error| Problem::internal(&error))?;
    Ok(signed.map(Body::from))
}

async fn requests<H: Hosting>(
    State(site): State<Site<H>>,
    PathOf(department): PathOf<String>,
    request: Request<Body>,
) -> Response<Body> {
    let answered =
        answer(&site, &department, &PeerCall::Request, request, |api, sender, body| async move {
            Reply::json(StatusCode::ACCEPTED, &api.take_request(sender, body).await?)
        });
    answered.await.into_response()
}

async fn answers<H: Hosting>(
    State(site): State<Site<H>>,
    PathOf(department): PathOf<String>,
    request: Request<Body>,
) -> Response<Body> {
    let answered =
        answer(&site, &department, &PeerCall::Answer, request, |api, sender, body| async move {
            api.take_answer(sender, body).await?;
            Ok(Reply::Status(StatusCode::NO_CONTENT))
        });
    answered.await.into_response()
}

async fn key_cards<H: Hosting>(
    State(site): State<Site<H>>,
    PathOf(department): PathOf<String>,
    request: Request<Body>,
) -> Response<Body> {
    let answered =
        answer(&site, &department, &PeerCall::KeyCard, request, |api, sender, body| async move {
            api.key_card(sender, body).await.map(Reply::Sealed)
        });
    answered.await.into_response()
}

async fn parts<H: Hosting>(
    State(site): State<Site<H>>,
    PathOf((department, digest, payload, number)): PathOf<(String, Digest, PayloadId, u64)>,
    request: Request<Body>,
) -> Response<Body> {
    let part = PartName { payload: PayloadName { request: digest, payload }, number };
    let call = PeerCall::Part(part);
    let answered = answer(&site, &department, &call, request, |api, sender, body| async move {
        api.take_part(sender, part, body).await?;
        Ok(Reply::Status(StatusCode::NO_CONTENT))
    });
    answered.await.into_response()
}

async fn parts_there<H: Hosting>(
    State(site): State<Site<H>>,
    PathOf((department, digest, payload)): PathOf<(String, Digest, PayloadId)>,
    request: Request<Body>,
) -> Response<Body> {
    let payload = PayloadName { request: digest, payload };
    let call = PeerCall::Parts(payload);
    let answered = answer(&site, &department, &call, request, |api, sender, _| async move {
        Reply::json(StatusCode::OK, &api.parts(sender, payload).await?)
    });
    answered.await.into_response()
}

async fn complete<H: Hosting>(
    State(site): State<Site<H>>,
    PathOf((department, digest, payload)): PathOf<(String, Digest, PayloadId)>,
    request: Request<Body>,
) -> Response<Body> {
    let payload = PayloadName { request: digest, payload };
    let call = PeerCall::Complete(payload);
    let answered = answer(&site, &department, &call, request, |api, sender, body| async move {
        let completion = api.complete_payload(sender, payload, body).await?;
        let status = match completion {
            Completion::Checking => StatusCode::ACCEPTED,
            Completion::Complete => StatusCode::OK,
        };
        Reply::json(status, &completion)
    });
    answered.await.into_response()
}

#[cfg(test)]
mod tests;
