//! Errors as RFC 9457 problem documents: the one place where an error becomes a status.
//!
//! The table says of each code which status and title it has; an error type becomes a [`Problem`] by
//! its `code()` and its text. Errors that are ours and not the caller's are all `internal` to the
//! caller, who gets the request's id; the operator finds the error under that id in the log.

mod document;
mod table;

pub use document::ProblemDocument;

use std::fmt;
use std::future::Future;

use ::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use ::http::{HeaderValue, Response, StatusCode};
use axum::body::Body;
use axum::response::IntoResponse;
use chain::ledger::{ReadError, StopReason, SubmitError};
use hyper::body::Bytes;

use self::table::{INTERNAL, row};
use super::citizen::CredentialError;
use super::local::datasets::{REJECTED, RejectedRow};
use super::signature::{NonceError, VerifyError};
use crate::department::Internal;
use crate::department::answering::{CitizenError, ReceiveError};
use crate::department::asking::AskError;
use crate::department::enrolment::EnrolError;
use crate::department::importing::ImportError;
use crate::department::payloads::SendPayloadError;
use crate::department::peer::PeerError;
use crate::department::publishing::PublishError;
use crate::payload::PayloadError;
use crate::prover::ProverError;

/// Content type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// What comes before the code in a document's `type`.
const TYPE_PREFIX: &str = "urn:proofgate:problem:";
/// When to try again after a 503, in seconds: long enough for a queue to move.
const RETRY_AFTER_SECONDS: u32 = 5;
/// When to try again with what was to be proved: its queue is short.
const PROVER_RETRY_SECONDS: u32 = 1;

tokio::task_local! {
    /// The request that the current task answers.
    static INSTANCE: String;
}

/// Answers a request under the name `instance`, which its problem documents then carry.
pub(super) async fn within<F: Future>(instance: String, answer: F) -> F::Output {
    INSTANCE.scope(instance, answer).await
}

/// The status of a code, if there is such a code.
pub(super) fn status_of(code: &str) -> Option<StatusCode> {
    row(code).map(|(row, _)| row.status)
}

/// Its title.
pub(super) fn title_of(code: &str) -> Option<&'static str> {
    row(code).map(|(row, _)| row.title)
}

/// An error as its caller is told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
    retry_after: Option<u32>,
    challenge: Option<&'static str>,
    /// A member of the document besides those that all have.
    extension: Option<Box<(&'static str, serde_json::Value)>>,
}

impl Problem {
    /// The problem `code`, with a text that its caller may read.
    ///
    /// A code that the table does not have is [`Problem::internal`]: nothing is told by
    /// accident. A code may be a peer's: what it was told is told on.
    pub fn new(code: &str, detail: impl fmt::Display) -> Self {
        let Some((row, code)) = row(code) else {
            return Self::internal(&format_args!("{code}: {detail}"));
        };
        let retry_after =
            (row.status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_SECONDS);
        let detail = detail.to_string();
        let (status, title) = (row.status, row.title);
        Self { status, code, title, detail, retry_after, challenge: None, extension: None }
    }

    /// An error of ours: logged here, and hidden from the caller.
    pub fn internal(error: &dyn fmt::Display) -> Self {
        tracing::error!(code = INTERNAL, %error, "internal error");
        Self::hidden()
    }

    /// A change that the disk did not take: logged here. Others learn that to try again later may help,
    /// and the operator what to do.
    pub fn not_stored(error: &dyn fmt::Display) -> Self {
        tracing::error!(%error, "nothing can be stored");
        let detail = "this gateway stores nothing more until it is started again; its log names the \
                      cause, most often a full disk";
        Problem::new("not-stored", detail)
    }

    /// An error of ours that is logged elsewhere.
    pub(super) fn hidden() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: INTERNAL,
            title: "Internal error",
            detail: "the operator finds the error in the log under this request's id".to_owned(),
            retry_after: None,
            challenge: None,
            extension: None,
        }
    }

    /// The problem with another time to wait before trying again, in seconds.
    #[must_use]
    pub fn with_retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The problem with the scheme that would authenticate (RFC 9110, section 11.6.1).
    #[must_use]
    pub(super) fn with_challenge(self, challenge: &'static str) -> Self {
        Self { challenge: Some(challenge), ..self }
    }

    /// The problem with one more member in its document (RFC 9457, section 3.2), which is not logged.
    #[must_use]
    pub fn with_extension(self, name: &'static str, value: serde_json::Value) -> Self {
        Self { extension: Some(Box::new((name, value))), ..self }
    }

    /// Its HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its stable name.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What the caller is told.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The problem as a response whose body is whole, so that it can be signed.
    pub(super) fn to_response(&self) -> Response<Bytes> {
        let document = ProblemDocument {
            kind: format!("{TYPE_PREFIX}{}", self.code),
            title: self.title.to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            code: self.code.to_owned(),
            instance: INSTANCE.try_with(Clone::clone).ok(),
        };
        let mut document =
            serde_json::to_value(&document).expect("a document of strings and a number");
        if let Some((name, value)) = self.extension.as_deref() {
            document[*name] = value.clone();
        }
        let body = document.to_string();
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response.extensions_mut().insert(Code(self.code));
        response
    }
}

/// The code of the problem that a response tells, for the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Code(pub(super) &'static str);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> axum::response::Response {
        self.to_response().map(Body::from)
    }
}

/// Whether a peer's code means the same to our caller as it meant to us.
fn can_be_told_on(code: &str) -> bool {
    row(code).is_some_and(|(row, _)| {
        row.status.is_client_error() && row.status != StatusCode::UNAUTHORIZED
    })
}

/// Errors with a `code()` in the table and a text that the caller may read.
macro_rules! told {
    ($($error:ty),* $(,)?) => { $(
        impl From<$error> for Problem {
            fn from(error: $error) -> Self {
                Self::new(error.code(), error)
            }
        }
    )* };
}

told! {
    crypto::envelope::OpenError,
    crypto::envelope::stream::StreamError,
}

impl From<VerifyError> for Problem {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Nonces(NonceError::Unavailable) => Self::not_stored(&error),
            error => {
                let problem = Self::new(error.code(), error);
                match problem.status {
                    StatusCode::UNAUTHORIZED => problem.with_challenge("Signature"),
                    _ => problem,
                }
            }
        }
    }
}

impl From<CredentialError> for Problem {
    fn from(error: CredentialError) -> Self {
        Self::new(error.code(), error).with_challenge("Proofgate-Citizen")
    }
}

impl From<PayloadError> for Problem {
    fn from(error: PayloadError) -> Self {
        match error {
            error @ PayloadError::Store { .. } => Self::not_stored(&error),
            PayloadError::Folder { .. } | PayloadError::Read { .. } => Self::internal(&error),
            error => Self::new(error.code(), error),
        }
    }
}

impl From<Internal> for Problem {
    fn from(error: Internal) -> Self {
        match error {
            Internal::Prover(ProverError::Full) => {
                Problem::new("prover-full", "too many proofs are waiting: try again later")
                    .with_retry_after(PROVER_RETRY_SECONDS)
            }
            Internal::Submit(
                error @ (SubmitError::Busy
                | SubmitError::Unknown { .. }
                | SubmitError::Stopped(
                    StopReason::Closed
                    | StopReason::NotTheValidator { .. }
                    | StopReason::Fork { .. }
                    | StopReason::ForkedCheckpoint { .. },
                )),
            ) => {
                tracing::error!(%error, "the chain takes no entry");
                Self::new(error.code(), error)
            }
            Internal::Behind(_) => Problem::new("chain-behind", error),
            Internal::Chain(error @ ReadError::NoCheckpoint) => Self::new(error.code(), error),
            error if error.is_of_storing() => Self::not_stored(&error),
            error => Self::internal(&error),
        }
    }
}

/// Errors with a `code()` of their own, except where our own side failed.
macro_rules! told_unless_internal {
    ($($error:ident),* $(,)?) => { $(
        impl From<$error> for Problem {
            fn from(error: $error) -> Self {
                match error {
                    $error::Internal(error) => error.into(),
                    error => Self::new(error.code(), error),
                }
            }
        }
    )* };
}

told_unless_internal! { ReceiveError }

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Internal(error) => error.into(),
            error => {
                let problem = Self::new(error.code(), &error);
                if error.rejected().is_empty() {
                    return problem;
                }
                let rejected: Vec<_> = error.rejected().iter().map(RejectedRow::from).collect();
                let rejected = serde_json::to_value(rejected).expect("rows of strings and numbers");
                problem.with_extension(REJECTED, rejected)
            }
        }
    }
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Internal(error) => error.into(),
            AskError::IssuerFull { .. } => {
                Self::new(error.code(), &error).with_retry_after(PROVER_RETRY_SECONDS)
            }
            // Another gateway's word: it must not look like our fault, nor like our caller's wrong token.
            AskError::Refused { ref code, .. } if !can_be_told_on(code) => {
                Problem::new("peer-refused", error)
            }
            error => Self::new(error.code(), &error),
        }
    }
}

impl From<EnrolError> for Problem {
    fn from(error: EnrolError) -> Self {
        match error {
            EnrolError::Internal(error) => error.into(),
            EnrolError::Card(error) => error.into(),
            error => Self::new(error.code(), &error),
        }
    }
}

impl From<CitizenError> for Problem {
    fn from(error: CitizenError) -> Self {
        match error {
            CitizenError::Internal(error) => error.into(),
            CitizenError::Refused(error) => (*error).into(),
            error => Self::new(error.code(), error),
        }
    }
}

impl From<PeerError> for Problem {
    fn from(error: PeerError) -> Self {
        match error {
            PeerError::Internal(error) => error.into(),
            PeerError::Request(error) => error.into(),
            error => Self::new(error.code(), &error),
        }
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Internal(error) => error.into(),
            error => Self::new(error.code(), &error),
        }
    }
}

impl From<SendPayloadError<Self>> for Problem {
    fn from(error: SendPayloadError<Self>) -> Self {
        match error {
            SendPayloadError::Internal(error) => error.into(),
            SendPayloadError::Source(problem) => problem,
            error => Self::new(error.code(), error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
