//! The client between gateways: signed requests, and answers that count only if they are signed by
//! the department that was asked, as the answer to that request.

use std::fmt;
use std::time::Duration;

use ::http::header::{CONTENT_TYPE, RETRY_AFTER};
use ::http::{HeaderValue, Request, StatusCode};
use crypto::envelope::Name;
use crypto::rand_core::CryptoRng;
use hyper::body::Bytes;
use thiserror::Error;
use tokio::time::timeout;

use super::body::JSON;
use super::peer::{PeerCall, SEALED};
use super::problem::{PROBLEM_JSON, ProblemDocument};
use super::signature::{KeyDirectory, SignError, Signer, Verifier, VerifyError};
use super::tls::Trust;
use super::transport::{BaseUrl, BaseUrlError, ClientLimits, Transport};

/// Calls other gateways. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct PeerClient {
    transport: Transport,
    limits: ClientLimits,
}

/// As whom a call is made.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// The calling department's key.
    pub signer: &'a Signer,
    /// The keys of all registered departments.
    pub keys: &'a dyn KeyDirectory,
    /// The time, in seconds since 1970: read when signing and again when verifying.
    pub clock: &'a (dyn Fn() -> u64 + Send + Sync),
}

impl fmt::Debug for Caller<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("signer", &self.signer).finish_non_exhaustive()
    }
}

/// Whom a call goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The department.
    pub department: Name,
    /// The URL in its registered document.
    pub url: BaseUrl,
}

impl PeerClient {
    /// A client under limits.
    pub fn new(limits: ClientLimits) -> Self {
        Self { transport: Transport::new(&limits), limits }
    }

    /// The same client, trusting others for `https` than the operating system does.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Self {
        Self { transport: Transport::trusting(&self.limits, trust), ..self }
    }

    /// Makes a call, and returns the body of a good answer: a sealed document after
    /// [`PeerCall::KeyCard`], JSON after [`PeerCall::Request`], [`PeerCall::Parts`] and
    /// [`PeerCall::Complete`], else empty.
    ///
    /// # Errors
    /// [`PeerError`]. After all of them but [`PeerError::Problem`] and those of addressing and
    /// signing it is unknown whether the call took effect; it can be made again.
    pub async fn call(
        &self,
        caller: Caller<'_>,
        peer: &Peer,
        call: &PeerCall,
        body: Bytes,
        rng: &mut (impl CryptoRng + Send),
    ) -> Result<Bytes, PeerError> {
        let Caller { signer, keys, clock } = caller;
        let url = peer.url.at(&format!("/v1/peer/{}/{call}", peer.department))?;
        let mut request = Request::new(body);
        *request.method_mut() = call.method();
        *request.uri_mut() = url;
        let content_type = HeaderValue::from_static(call.content_type());
        request.headers_mut().insert(CONTENT_TYPE, content_type);
        let signed = signer.sign_request(request, clock(), rng)?;

        let exchange = async {
            let response = self.transport.send(signed.to_request()).await;
            let response = response.map_err(|_| PeerError::Unreachable)?;
            let status = response.status().as_u16();
            let verifier = Verifier { keys, now: clock(), body_limit: self.limits.body_bytes };
            let verified = verifier.verify_response(response, &signed, &peer.department).await;
            verified.map_err(|error| PeerError::Unverified { status, error })
        };
        let time = self.limits.call_time;
        let verified = timeout(time, exchange).await.map_err(|_| PeerError::Timeout { time })??;
        read(verified.into_message())
    }
}

fn read(response: ::http::Response<Bytes>) -> Result<Bytes, PeerError> {
    let status = response.status();
    let content_type = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let unexpected = PeerError::Unexpected { status: status.as_u16() };
    if content_type == Some(PROBLEM_JSON.as_bytes()) {
        let problem = PeerProblem::read(status, response.body()).ok_or(unexpected)?;
        let seconds = response.headers().get(RETRY_AFTER).and_then(|it| it.to_str().ok());
        let retry_after = seconds.and_then(|seconds| seconds.parse().ok());
        return Err(PeerError::Problem(PeerProblem { retry_after, ..problem }));
    }
    match status {
        StatusCode::OK if content_type == Some(SEALED.as_bytes()) => Ok(response.into_body()),
        StatusCode::OK | StatusCode::ACCEPTED if content_type == Some(JSON.as_bytes()) => {
            Ok(response.into_body())
        }
        StatusCode::ACCEPTED | StatusCode::NO_CONTENT if response.body().is_empty() => {
            Ok(Bytes::new())
        }
        _ => Err(unexpected),
    }
}

/// What another gateway says is wrong.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{code} ({status}): {detail}")]
pub struct PeerProblem {
    /// The status.
    pub status: u16,
    /// The problem's stable name.
    pub code: String,
    /// What is wrong in this case.
    pub detail: String,
    /// In how many seconds a call to a peer may be made again (RFC 9110, section 10.2.3). Not signed: a
    /// hint.
    pub retry_after: Option<u32>,
}

impl PeerProblem {
    /// The problem in an error response, if its document says so and has the response's status.
    pub(super) fn read(status: StatusCode, body: &[u8]) -> Option<Self> {
        let document = ProblemDocument::read(body)?;
        let fits = document.status == status.as_u16()
            && (status.is_client_error() || status.is_server_error());
        let ProblemDocument { status, code, detail, .. } = document;
        fits.then_some(Self { status, code, detail, retry_after: None })
    }
}

/// Why a call to a peer has no good answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerError {
    /// The department has no address of this form.
    #[error(transparent)]
    Address(#[from] BaseUrlError),
    /// The request cannot be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// There is no connection, or it broke off.
    #[error("the department's gateway cannot be reached")]
    Unreachable,
    /// There was no answer in time.
    #[error("the department's gateway did not answer within {time:?}")]
    Timeout {
        /// How long it had.
        time: Duration,
    },
    /// The answer is not one of that department to this request.
    #[error("an answer with status {status} that does not count: {error}")]
    Unverified {
        /// The status, which proves nothing: a proxy may have set it.
        status: u16,
        /// Why not.
        error: VerifyError,
    },
    /// The department answered with something that is no answer to this call.
    #[error("the department answered with status {status} and something unexpected")]
    Unexpected {
        /// The status.
        status: u16,
    },
    /// The department refused, and signed that.
    #[error("the department refused: {0}")]
    Problem(#[source] PeerProblem),
}

#[cfg(test)]
mod tests;
