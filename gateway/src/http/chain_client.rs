//! The client of another gateway's copy of the chain. It believes nothing: what it returns is well-formed,
//! and whoever asked checks it.

use std::time::Duration;

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderValue, Method, Request, StatusCode};
use bytes::Bytes;
use chain::block::CertifiedBlock;
use chain::checkpoint::SignedCheckpoint;
use chain::document::Document;
use chain::ledger::{HandInError, Pending, Submission, Upstream, UpstreamError};
use crypto::Digest;
use http_body_util::{BodyExt as _, Limited};
use tokio::time::{Instant, sleep_until, timeout};

use super::body::JSON;
use super::chain::{EntryDocument, MAX_BLOCKS, NOTE};
use super::client::PeerProblem;
use super::public::Tip;
use super::tls::Trust;
use super::transport::{BaseUrl, ClientLimits, Transport};

/// How long waiting for blocks takes at least if there are none: 1 s. A gateway where many wait, or that is
/// about to stop, answers at once, and is not to be asked again at once.
pub(super) const LEAST_WAIT: Duration = Duration::from_secs(1);

/// Another gateway, as a follower sees it.
#[derive(Clone, Debug)]
pub struct ChainClient {
    transport: Transport,
    limits: ClientLimits,
    base: BaseUrl,
}

/// An answer, whatever it says.
struct Answer {
    status: StatusCode,
    body: Bytes,
}

/// How a call failed on its way.
enum Broken {
    /// It was not sent.
    Unsent(String),
    /// It may have been.
    Lost(String),
}

impl From<Broken> for UpstreamError {
    fn from(broken: Broken) -> Self {
        let (Broken::Unsent(reason) | Broken::Lost(reason)) = broken;
        Self::Unreached { reason }
    }
}

fn content(what: &'static str, reason: impl ToString) -> UpstreamError {
    UpstreamError::Content { what, reason: reason.to_string() }
}

impl ChainClient {
    /// A client of the gateway at `base`.
    pub fn new(base: BaseUrl, limits: ClientLimits) -> Self {
        Self { transport: Transport::new(&limits), limits, base }
    }

    /// The same client, trusting others for `https` than the operating system does.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Self {
        Self { transport: Transport::trusting(&self.limits, trust), ..self }
    }

    /// Where the gateway is.
    pub const fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// The newest block, as the gateway says.
    ///
    /// # Errors
    /// [`UpstreamError`]
    pub async fn tip(&self) -> Result<Tip, UpstreamError> {
        let body = self.get("tip", "/v1/chain/tip", Duration::ZERO).await?;
        serde_json::from_slice(&body).map_err(|error| content("tip", error))
    }

    /// The genesis file, as the gateway has it.
    ///
    /// # Errors
    /// [`UpstreamError`]
    pub async fn genesis(&self) -> Result<Bytes, UpstreamError> {
        self.get("genesis", "/genesis.json", Duration::ZERO).await
    }

    async fn get(
        &self,
        what: &'static str,
        target: &str,
        wait: Duration,
    ) -> Result<Bytes, UpstreamError> {
        let answer = self.call(Method::GET, target, "", Bytes::new(), wait).await?;
        good(what, answer)
    }

    async fn call(
        &self,
        method: Method,
        target: &str,
        content_type: &'static str,
        body: Bytes,
        wait: Duration,
    ) -> Result<Answer, Broken> {
        let url = self.base.at(target).map_err(|error| Broken::Unsent(error.to_string()))?;
        let mut request = Request::new(body);
        (*request.method_mut(), *request.uri_mut()) = (method, url);
        if !content_type.is_empty() {
            let value = HeaderValue::from_static(content_type);
            request.headers_mut().insert(CONTENT_TYPE, value);
        }
        let exchange = async {
            let response = self.transport.send(request).await.map_err(|error| {
                let reason = format!("{} {}", self.base, cause(&error));
                if error.is_connect() { Broken::Unsent(reason) } else { Broken::Lost(reason) }
            })?;
            let (status, limit) = (response.status(), self.limits.body_bytes);
            let body = Limited::new(response.into_body(), limit).collect().await;
            let broke = |_| {
                let base = &self.base;
                Broken::Lost(format!("{base} broke off, or sent more than {limit} bytes"))
            };
            Ok(Answer { status, body: body.map_err(broke)?.to_bytes() })
        };
        let time = wait + self.limits.call_time;
        let late = |_| Broken::Lost(format!("{} did not answer within {time:?}", self.base));
        timeout(time, exchange).await.map_err(late)?
    }

    async fn hand_in(&self, submission: Submission) -> Result<(), HandInError> {
        let document = submission.document.map(|document| {
            serde_json::from_slice(document.as_bytes()).expect("a document is canonical JSON")
        });
        let document = EntryDocument { entry: hex::encode(submission.entry.encode()), document };
        let body = serde_json::to_vec(&document).expect("a document of strings");
        let target = "/v1/chain/entries";
        let sent = self.call(Method::POST, target, JSON, body.into(), Duration::ZERO).await;
        let Answer { status, body } = sent.map_err(|broken| match broken {
            Broken::Unsent(reason) => HandInError::NotTaken { reason },
            Broken::Lost(reason) => HandInError::Unknown { reason },
        })?;
        if status == StatusCode::OK {
            return Ok(());
        }
        let Some(problem) = PeerProblem::read(status, &body) else {
            let reason = format!("{} answered with status {status}", self.base);
            return Err(HandInError::Unknown { reason });
        };
        let reason = problem.to_string();
        Err(match status {
            StatusCode::SERVICE_UNAVAILABLE if problem.code != "ledger-unknown" => {
                HandInError::NotTaken { reason }
            }
            _ if status.is_client_error() => {
                // Refused as of this height or an earlier one.
                let tip = self.tip().await;
                let tip =
                    tip.map_err(|error| HandInError::Unknown { reason: error.to_string() })?;
                HandInError::Refused { code: problem.code, height: tip.height }
            }
            _ => HandInError::Unknown { reason },
        })
    }
}

/// The last cause, which says most.
fn cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

fn good(what: &'static str, answer: Answer) -> Result<Bytes, UpstreamError> {
    let Answer { status, body } = answer;
    if status.is_success() {
        return Ok(body);
    }
    Err(match PeerProblem::read(status, &body) {
        Some(problem) => UpstreamError::Refused { code: problem.code },
        None => content(what, format_args!("status {status}")),
    })
}

/// Reads `(u32 length ‖ block)*`.
fn decode_blocks(mut bytes: &[u8], limit: usize) -> Result<Vec<CertifiedBlock>, UpstreamError> {
    let wrong = |reason: &dyn std::fmt::Display| content("blocks", reason);
    let mut blocks = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk().ok_or_else(|| wrong(&"cut off"))?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|error| wrong(&error))?;
        let (block, rest) = rest.split_at_checked(length).ok_or_else(|| wrong(&"cut off"))?;
        if blocks.len() == limit {
            return Err(wrong(&format_args!("more than {limit}")));
        }
        blocks.push(CertifiedBlock::decode(block).map_err(|error| wrong(&error))?);
        bytes = rest;
    }
    Ok(blocks)
}

impl Upstream for ChainClient {
    fn blocks(
        &self,
        from: u64,
        limit: usize,
        wait: Duration,
    ) -> Pending<'_, Result<Vec<CertifiedBlock>, UpstreamError>> {
        Box::pin(async move {
            let (limit, seconds) = (limit.clamp(1, MAX_BLOCKS), wait.as_secs());
            let target = format!("/v1/chain/blocks?from={from}&limit={limit}&wait={seconds}");
            let again = Instant::now() + wait.min(LEAST_WAIT);
            let blocks = decode_blocks(&self.get("blocks", &target, wait).await?, limit)?;
            if blocks.is_empty() {
                sleep_until(again).await;
            }
            Ok(blocks)
        })
    }

    fn document(&self, digest: Digest) -> Pending<'_, Result<Option<Document>, UpstreamError>> {
        Box::pin(async move {
            let target = format!("/v1/documents/{digest}");
            let answer = self.call(Method::GET, &target, "", Bytes::new(), Duration::ZERO).await?;
            if answer.status == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            let body = good("document", answer)?;
            let document =
                Document::from_slice(&body).map_err(|error| content("document", error))?;
            if *document.digest() != digest {
                return Err(content("document", "it has another digest"));
            }
            Ok(Some(document))
        })
    }

    fn submit(&self, submission: Submission) -> Pending<'_, Result<(), HandInError>> {
        Box::pin(self.hand_in(submission))
    }

    fn checkpoint(&self) -> Pending<'_, Result<SignedCheckpoint, UpstreamError>> {
        Box::pin(async move {
            let body = self.get("checkpoint", "/checkpoint", Duration::ZERO).await?;
            let text = std::str::from_utf8(&body).map_err(|error| content("checkpoint", error))?;
            SignedCheckpoint::parse(text).map_err(|error| content("checkpoint", error))
        })
    }

    fn cosign(&self, checkpoint: SignedCheckpoint) -> Pending<'_, Result<(), UpstreamError>> {
        Box::pin(async move {
            let body = Bytes::copy_from_slice(checkpoint.as_str().as_bytes());
            let target = "/v1/chain/cosignatures";
            let answer = self.call(Method::POST, target, NOTE, body, Duration::ZERO).await?;
            good("answer to a cosignature", answer).map(|_| ())
        })
    }
}

#[cfg(test)]
mod tests;
