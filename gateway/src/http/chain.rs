//! The chain for those who follow it: blocks as they come, entries to be put on it, cosignatures, tiles.
//!
//! Public like the chain itself. Entries carry their author's signature, which is checked before they take a
//! place in the queue; cosignatures their department's.
//!
//! ```text
//! GET  /v1/chain/blocks?from=H&limit=N&wait=S   (u32 length ‖ block with its certificate)*
//! POST /v1/chain/entries                        {"entry": hex, "document": …} → the entry's receipt
//! POST /v1/chain/cosignatures                   a checkpoint with cosignatures
//! GET  /checkpoint/cosigned                     the newest checkpoint that somebody has cosigned
//! GET  /tile/…                                  C2SP tlog-tiles
//! ```
//! `/checkpoint` is over the newest tip, with the cosignatures that are in for it; that may be none for a
//! moment, so whoever wants to see some asks for `/checkpoint/cosigned`.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::CACHE_CONTROL;
use ::http::{HeaderValue, Response, StatusCode, Uri};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use chain::checkpoint::{CosignatureError, Cosignatures, SignedCheckpoint};
use chain::document::Document;
use chain::entry::Entry;
use chain::ledger::{Ledger, ReadError, StopReason, Submission, SubmitError, blocks_or_wait};
use chain::log::{LogError, TilePath};
use chain::receipt::Receipt;
use chain::rules::RuleError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{self, OCTETS, json_response, read_json, require_content_type, typed};
use super::hosting::{Hosting, Site};
use super::path::QueryOf;
use super::problem::Problem;

pub(super) const TEXT: &str = "text/plain; charset=utf-8";
/// Content type of a checkpoint that is handed in.
pub(super) const NOTE: &str = "text/plain";
/// Longest checkpoint with its signatures, in bytes: a hundred lines of less than 400.
pub(super) const MAX_NOTE_BYTES: usize = 64 * 1024;
/// Most blocks in one answer.
pub(super) const MAX_BLOCKS: usize = 256;
/// An answer with so many bytes gets no further block. One block has less than 1 MiB.
const BLOCKS_BYTES: usize = 1024 * 1024;

/// An entry on its way to the chain.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryDocument {
    /// The entry's encoding in hexadecimal digits.
    pub(super) entry: String,
    /// The public document behind its digest, if its kind has one and the chain may not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) document: Option<serde_json::Value>,
}

/// A gateway's copy of the chain, as it serves it.
#[derive(Clone, Debug)]
pub struct ChainSurface {
    ledger: Arc<dyn Ledger>,
    cosignatures: Arc<Cosignatures>,
}

impl ChainSurface {
    /// Serves what `ledger` has, and keeps cosignatures of its checkpoints.
    pub fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger, cosignatures: Arc::default() }
    }

    /// The newest signed checkpoint, with the cosignatures that are in for it.
    ///
    /// # Errors
    /// [`ReadError`]
    pub async fn checkpoint(&self) -> Result<SignedCheckpoint, ReadError> {
        let signed = self.ledger.checkpoint().await?;
        Ok(self.cosignatures.attach(&signed, &self.ledger.snapshot()))
    }

    /// The blocks from `from` on, encoded one after the other.
    async fn blocks(&self, from: u64, limit: usize, wait: Duration) -> Result<Vec<u8>, ReadError> {
        let mut found = blocks_or_wait(&*self.ledger, from, 1, wait).await?;
        let (mut bytes, mut height) = (Vec::new(), from.max(1));
        let mut left = limit.clamp(1, MAX_BLOCKS);
        while let Some(block) = found.pop() {
            let block = block.encode();
            let length = u32::try_from(block.len()).expect("a block has less than 1 MiB");
            bytes.extend(length.to_be_bytes());
            bytes.extend(block);
            (height, left) = (height + 1, left - 1);
            if left == 0 || bytes.len() >= BLOCKS_BYTES {
                break;
            }
            found = self.ledger.blocks_from(height, 1).await?;
        }
        Ok(bytes)
    }

    /// Puts an entry on the chain whose author has signed it.
    async fn submit(&self, submission: Submission) -> Result<Receipt, SubmitError> {
        let chain = self.ledger.snapshot();
        let author = *submission.entry.author();
        let department = chain.state().department(&author);
        let department = department.ok_or(RuleError::AuthorUnknown { author })?;
        let signed = submission.entry.verify(chain.genesis().network(), department.signing_key);
        signed.map_err(RuleError::from)?;
        self.ledger.submit(submission).await
    }

    fn cosign(&self, signed: &SignedCheckpoint) -> Result<(), CosignatureError> {
        let chain = self.ledger.snapshot();
        let taken = self.cosignatures.take(signed, &chain, self.ledger.reader());
        if let Err(error @ CosignatureError::Fork { .. }) = &taken {
            tracing::error!(%error, "a validator signed two logs");
        }
        taken.map(|_| ())
    }

    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, LogError> {
        let (chain, reader) = (self.ledger.snapshot(), self.ledger.reader());
        // An unreadable entry is as good as missing.
        path.read(chain.tip().log_size, reader, |index| reader.entry(index).ok().flatten())
    }
}

/// Routes with the request's time limit.
pub(super) fn routes<H: Hosting>() -> Router<Site<H>> {
    Router::new()
        .route("/checkpoint/cosigned", get(cosigned::<H>))
        .route("/v1/chain/entries", post(submit::<H>))
        .route("/v1/chain/cosignatures", post(cosign::<H>))
        .route("/tile/{*path}", get(tile::<H>))
}

/// The route whose requests may wait, with the request's time limit.
pub(super) fn block_routes<H: Hosting>() -> Router<Site<H>> {
    Router::new().route("/v1/chain/blocks", get(blocks::<H>))
}

fn surface<H: Hosting>(site: &Site<H>) -> Result<&ChainSurface, Problem> {
    let chain = site.hosting.chain();
    chain.ok_or_else(|| Problem::new("not-found", "this gateway serves no chain"))
}

fn kept(mut response: Response<Body>, how: &'static str) -> Response<Body> {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(how));
    response
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BlocksQuery {
    from: u64,
    #[serde(default = "one")]
    limit: usize,
    /// Seconds to wait for the first of them; fewer, or none, where many wait already.
    #[serde(default)]
    wait: u64,
}

const fn one() -> usize {
    1
}

async fn blocks<H: Hosting>(
    State(site): State<Site<H>>,
    QueryOf(BlocksQuery { from, limit, wait }): QueryOf<BlocksQuery>,
) -> Result<Response<Body>, Problem> {
    let chain = surface(&site)?;
    let wait = Duration::from_secs(wait).min(site.limits.request_time / 2);
    // Where no more may wait, nobody is refused for it.
    let place = if wait.is_zero() { None } else { site.waits.try_acquire().ok() };
    let wait = if place.is_some() { wait } else { Duration::ZERO };
    let bytes = tokio::select! {
        biased;
        bytes = chain.blocks(from, limit, wait) => bytes,
        () = site.closing.begun() => Ok(Vec::new()),
    };
    let bytes = bytes.map_err(crate::department::Internal::from)?;
    Ok(kept(typed(StatusCode::OK, OCTETS, Body::from(bytes)), "no-store"))
}

async fn submit<H: Hosting>(
    State(site): State<Site<H>>,
    request: axum::extract::Request,
) -> Result<Response<Body>, Problem> {
    let chain = surface(&site)?.clone();
    let (parts, body) = request.into_parts();
    let (document, _): (EntryDocument, _) = read_json(&parts.headers, body, &site.limits).await?;
    let malformed = |error: &dyn Display| Problem::new("entry-malformed", error);
    let bytes = hex::decode(&document.entry).map_err(|error| malformed(&error))?;
    let entry = Entry::decode(&bytes).map_err(|error| malformed(&error))?;
    let public = document.document.as_ref().map(Document::new).transpose();
    let public = public.map_err(|error| Problem::new(error.code(), error))?;
    // To its end: an entry that was taken is on the chain whether anybody waits for it or not.
    let submitted = chain.submit(Submission { entry, document: public }).await;
    let receipt = submitted.map_err(refused)?;
    Ok(json_response(StatusCode::OK, &receipt))
}

fn refused(error: SubmitError) -> Problem {
    match error {
        SubmitError::Refused(rule) => Problem::new(rule.code(), &rule),
        SubmitError::Stopped(StopReason::Store(error)) => {
            tracing::error!(%error, "the chain has stopped");
            Problem::new("not-ready", "the chain takes no entries")
        }
        error => crate::department::Internal::from(error).into(),
    }
}

async fn cosign<H: Hosting>(
    State(site): State<Site<H>>,
    request: axum::extract::Request,
) -> Result<Response<Body>, Problem> {
    let chain = surface(&site)?;
    let (parts, body) = request.into_parts();
    require_content_type(&parts.headers, NOTE)?;
    let bytes = body::read(body, MAX_NOTE_BYTES, site.limits.body_time).await?;
    let signed = std::str::from_utf8(&bytes)
        .map_err(|_| chain::checkpoint::CheckpointError::Malformed)
        .and_then(SignedCheckpoint::parse)
        .map_err(|error| Problem::new(error.code(), error))?;
    chain.cosign(&signed).map_err(|error| match error {
        CosignatureError::Log(error) => Problem::internal(&error),
        error => Problem::new(error.code(), error),
    })?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

async fn cosigned<H: Hosting>(State(site): State<Site<H>>) -> Result<Response<Body>, Problem> {
    let chain = surface(&site)?;
    let newest = chain.cosignatures.newest(&chain.ledger.snapshot());
    let newest = newest
        .ok_or_else(|| Problem::new("checkpoint-uncosigned", "nobody has cosigned one yet"))?;
    let body = Body::from(newest.as_str().to_owned());
    Ok(kept(typed(StatusCode::OK, TEXT, body), "no-cache"))
}

async fn tile<H: Hosting>(
    State(site): State<Site<H>>,
    uri: Uri,
) -> Result<Response<Body>, Problem> {
    let chain = surface(&site)?;
    let path: TilePath = uri
        .path()
        .trim_start_matches('/')
        .parse()
        .map_err(|error: chain::log::TilePathError| Problem::new("path", error))?;
    let bytes = chain.tile(&path).map_err(|error| match error {
        LogError::OutOfRange { .. } => Problem::new("tile-unknown", "the log has no such tile yet"),
        error => Problem::internal(&error),
    })?;
    // A tile of that width never changes.
    let forever = "public, max-age=31536000, immutable";
    Ok(kept(typed(StatusCode::OK, OCTETS, Body::from(bytes)), forever))
}

#[cfg(test)]
mod tests;
