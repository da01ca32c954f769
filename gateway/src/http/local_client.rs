//! The client of a department's own systems: the local surface from the other end.

mod bundle;
mod operating;
mod payloads;

pub use payloads::{OpenedPayload, PayloadToError};
mod datasets;

use std::fmt;
use std::time::Duration;

use ::http::header::{AUTHORIZATION, CONTENT_TYPE};
use ::http::{HeaderValue, Method, Request, Response};
use crypto::Digest;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Bytes, Incoming};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::body::JSON;
use super::client::PeerProblem;
use super::local::datasets::RejectedRow;
use super::local::{
    Ask, Asked, AskedQuestion, Enrolment, EnrolmentCode, IDEMPOTENCY_KEY, Page, Received,
    SubjectText,
};
use super::tls::Trust;
use super::transport::{BaseUrl, BaseUrlError, ClientLimits, Transport};

/// Calls the local surface of one department, as one of its own systems.
pub struct LocalClient {
    transport: Transport,
    limits: ClientLimits,
    base: BaseUrl,
    token: Zeroizing<String>,
}

impl fmt::Debug for LocalClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalClient").field("base", &self.base).finish_non_exhaustive()
    }
}

/// Why a call has no good answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocalClientError {
    /// What was asked for fits no address.
    #[error(transparent)]
    Address(#[from] BaseUrlError),
    /// The token or the idempotency key fits no header.
    #[error("the {what} has characters that no header can have")]
    Header {
        /// Which of them.
        what: &'static str,
    },
    /// The document to be sent has no JSON form.
    #[error("the document cannot be written as JSON")]
    Document,
    /// There is no connection, or it broke off.
    #[error("the gateway cannot be reached")]
    Unreachable,
    /// There was no answer in time.
    #[error("the gateway did not answer within {time:?}")]
    Timeout {
        /// How long it had.
        time: Duration,
    },
    /// The answer is too long or broke off.
    #[error("the answer broke off, or has more than {limit} bytes")]
    Body {
        /// The most that is read.
        limit: usize,
    },
    /// The gateway answered with something that is no answer to this call.
    #[error("the gateway answered with status {status} and something unexpected")]
    Unexpected {
        /// The status.
        status: u16,
    },
    /// The gateway refused.
    #[error("{0}")]
    Problem(#[source] PeerProblem),
    /// The gateway refused a file for its rows.
    #[error("{problem}")]
    Rejected {
        /// The refusal.
        #[source]
        problem: PeerProblem,
        /// The rows, by line.
        rejected: Vec<RejectedRow>,
    },
    /// The file that was being sent could not be read.
    #[error("the file cannot be read: {kind}")]
    Source {
        /// Why not.
        kind: std::io::ErrorKind,
    },
}

type Called<T> = Result<T, LocalClientError>;

impl LocalClient {
    /// A client of the gateway at `base`, for the department that `token` belongs to.
    pub fn new(base: BaseUrl, token: Zeroizing<String>, limits: ClientLimits) -> Self {
        Self { transport: Transport::new(&limits), limits, base, token }
    }

    /// The same client, trusting others for `https` than the operating system does.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Self {
        Self { transport: Transport::trusting(&self.limits, trust), ..self }
    }

    /// Asks an issuer. Under one idempotency key the same question is asked once.
    ///
    /// # Errors
    /// [`LocalClientError`]
    pub async fn ask(&self, ask: &Ask, idempotency_key: Option<&str>) -> Called<Asked> {
        let mut request = self.posting("/v1/requests", ask)?;
        if let Some(key) = idempotency_key {
            let key = HeaderValue::try_from(key);
            let key = key.map_err(|_| LocalClientError::Header { what: "idempotency key" })?;
            request.headers_mut().insert(IDEMPOTENCY_KEY, key);
        }
        self.call(request).await
    }

    /// What became of a question; while it is open the gateway waits up to `wait`, in whole seconds,
    /// and not longer than it permits.
    ///
    /// # Errors
    /// [`LocalClientError`]
    pub async fn asked(&self, request: &Digest, wait: Duration) -> Called<Asked> {
        self.get(&format!("/v1/requests/{request}?wait={}", wait.as_secs())).await
    }

    /// The questions that the department asked: all of them, however many.
    ///
    /// # Errors
    /// [`LocalClientError`]
    pub async fn questions(&self) -> Called<Vec<AskedQuestion>> {
        self.all_pages("/v1/requests", |last: &AskedQuestion| last.request).await
    }

    /// The signed offer of a pseudonymous question.
    ///
    /// # Errors
    /// [`LocalClientError`]
    pub async fn offer(&self, request: &Digest) -> Called<serde_json::Value> {
        self.get(&format!("/v1/requests/{request}/offer")).await
    }

    /// The questions that others asked the department: all of them, however many.
    ///
    /// # Errors
    /// [`LocalClientError`]
    pub async fn received(&self) -> Called<Vec<Received>> {
        self.all_pages("/v1/received", |last: &Received| last.request).await
    }

    /// All pages of a list; `id` names an item, and the page after it.
    async fn all_pages<T: DeserializeOwned, I: fmt::Display>(
        &self,
        list: &str,
        id: impl Fn(&T) -> I,
    ) -> Called<Vec<T>> {
        let mut all: Vec<T> = Vec::new();
        loop {
            let page = Page { after: all.last().map(&id), ..Page::default() };
            let next: Vec<T> = self.get(&format!("{list}?{}", page.query())).await?;
            let is_last = next.len() < page.limit;
            all.extend(next);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// A page of the questions that others asked the department.
    ///
    /// # Errors
    /// [`LocalClientError`]
    pub async fn received_page(&self, page: Page<Digest>) -> Called<Vec<Received>> {
        self.get(&format!("/v1/received?{}", page.query())).await
    }

    /// A one-time code for a citizen whom the registrar's clerk has identified.
    ///
    /// # Errors
    /// [`LocalClientError`]
    pub async fn enrolment_code(&self, subject: SubjectText) -> Called<EnrolmentCode> {
        self.call(self.posting("/v1/enrolments", &Enrolment { subject })?).await
    }

    async fn get<T: DeserializeOwned>(&self, target: &str) -> Called<T> {
        self.call(self.request(Method::GET, target, Bytes::new(), JSON)?).await
    }

    fn posting(&self, target: &str, document: &impl Serialize) -> Called<Request<Bytes>> {
        let body = serde_json::to_vec(document).map_err(|_| LocalClientError::Document)?;
        self.request(Method::POST, target, body.into(), JSON)
    }

    fn request(
        &self,
        method: Method,
        target: &str,
        body: Bytes,
        content_type: &'static str,
    ) -> Called<Request<Bytes>> {
        let mut request = Request::new(body);
        *request.uri_mut() = self.base.at(target)?;
        let headers = request.headers_mut();
        let bearer = Zeroizing::new(format!("Bearer {}", self.token.as_str()));
        let mut bearer = HeaderValue::try_from(bearer.as_str())
            .map_err(|_| LocalClientError::Header { what: "token" })?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        if method == Method::POST {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        *request.method_mut() = method;
        Ok(request)
    }

    async fn call<T: DeserializeOwned>(&self, request: Request<Bytes>) -> Called<T> {
        let exchange = async {
            let response = self.transport.send(request).await;
            self.read(response.map_err(|_| LocalClientError::Unreachable)?).await
        };
        let time = self.limits.call_time;
        timeout(time, exchange).await.map_err(|_| LocalClientError::Timeout { time })?
    }

    async fn read<T: DeserializeOwned>(&self, response: Response<Incoming>) -> Called<T> {
        let (status, limit) = (response.status(), self.limits.body_bytes);
        let body = Limited::new(response.into_body(), limit).collect().await;
        let body = body.map_err(|_| LocalClientError::Body { limit })?.to_bytes();
        let unexpected = LocalClientError::Unexpected { status: status.as_u16() };
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| unexpected);
        }
        Err(LocalClientError::Problem(PeerProblem::read(status, &body).ok_or(unexpected)?))
    }
}

#[cfg(test)]
mod tests;
