//! The public surface: the chain, circuits, public documents and health, for anybody.

use std::convert::Infallible;
use std::future::Future;

use ::http::header::CACHE_CONTROL;
use ::http::{HeaderValue, Response, StatusCode};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::get;
use crypto::Digest;
use hyper::body::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{JSON, OCTETS, json_response, typed};
use super::hosting::{Hosting, Site};
use super::openapi;
use super::openapi::schemas::DigestText;
use super::path::PathOf;
use super::problem::Problem;

pub(super) const TEXT: &str = "text/plain; charset=utf-8";
/// What is found by its digest, or is signed and in the past, never changes.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// What grows with the chain.
const FRESH: &str = "no-cache";

/// What a gateway tells everybody.
pub trait PublicApi: Send + Sync + 'static {
    /// Whether the gateway can serve.
    fn ready(&self) -> impl Future<Output = Readiness> + Send;

    /// The log's newest signed checkpoint (C2SP tlog-checkpoint).
    fn checkpoint(&self) -> impl Future<Output = Result<String, Problem>> + Send;

    /// The genesis file: canonical JSON.
    fn genesis(&self) -> impl Future<Output = Result<Bytes, Problem>> + Send;

    /// The circuits on the chain, with keys and provenance.
    fn circuits(&self) -> impl Future<Output = Result<serde_json::Value, Problem>> + Send;

    /// The services on the chain that are in force.
    fn services(&self) -> impl Future<Output = Result<Vec<ServiceInForce>, Problem>> + Send;

    /// The departments on the chain.
    fn departments(&self) -> impl Future<Output = Result<serde_json::Value, Problem>> + Send;

    /// The chain's newest block.
    fn tip(&self) -> impl Future<Output = Result<Tip, Problem>> + Send;

    /// The block at a height, with its certificate, in its binary encoding.
    fn block(&self, height: u64) -> impl Future<Output = Result<Option<Bytes>, Problem>> + Send;

    /// The receipt of an entry.
    fn receipt(
        &self,
        entry: Digest,
    ) -> impl Future<Output = Result<Option<serde_json::Value>, Problem>> + Send;

    /// The public document of that digest: canonical JSON.
    fn document(
        &self,
        digest: Digest,
    ) -> impl Future<Output = Result<Option<Bytes>, Problem>> + Send;
}

/// Whether a gateway can serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether nothing is missing.
    pub ready: bool,
    /// What was looked at.
    pub checks: Vec<Check>,
}

/// One thing that a gateway has to be able to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// `prove`, `append` or `decrypt`.
    pub name: String,
    /// Whether it can.
    pub ok: bool,
}

impl Readiness {
    /// What follows from the checks.
    pub fn of(checks: Vec<Check>) -> Self {
        Self { ready: checks.iter().all(|check| check.ok), checks }
    }

    /// The checks in a sentence.
    fn sentence(&self) -> String {
        let says = |check: &Check| {
            let outcome = if check.ok { "ok" } else { "failed" };
            format!("{}: {outcome}", check.name)
        };
        self.checks.iter().map(says).collect::<Vec<_>>().join(", ")
    }
}

/// The chain's newest block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tip {
    /// Its height.
    pub height: u64,
    /// Its hash.
    #[schema(value_type = DigestText)]
    pub block: Digest,
    /// How many entries the log has.
    pub entries: u64,
    /// The log's root.
    #[schema(value_type = DigestText)]
    pub log_root: Digest,
}

/// A service that is in force, as the chain has it. What its document says is for the reader to check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceInForce {
    /// Whose it is: who put it on the chain.
    pub issuer: String,
    /// Its entry.
    #[schema(value_type = DigestText)]
    pub entry: Digest,
    /// Digest of its document.
    #[schema(value_type = DigestText)]
    pub document: Digest,
    /// Whether a root of its dataset was published.
    pub has_records: bool,
}

/// Routes that are answered however full the gateway is.
pub(super) fn health_routes<H: Hosting>() -> Router<Site<H>> {
    Router::new().route("/livez", get(live)).route("/readyz", get(ready::<H>))
}

/// Routes with the request's time limit.
pub(super) fn routes<H: Hosting>() -> Router<Site<H>> {
    Router::new()
        .route("/checkpoint", get(checkpoint::<H>))
        .route("/genesis.json", get(genesis::<H>))
        .route("/v1/circuits", get(circuits::<H>))
        .route("/v1/services", get(services::<H>))
        .route("/v1/departments", get(departments::<H>))
        .route("/v1/chain/tip", get(tip::<H>))
        .route("/v1/chain/blocks/{height}", get(block::<H>))
        .route("/v1/chain/receipts/{entry}", get(receipt::<H>))
        .route("/v1/documents/{digest}", get(document::<H>))
        .merge(openapi::routes())
}

fn kept(mut response: Response<Body>, how: &'static str) -> Response<Body> {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(how));
    response
}

/// Routes of a gateway that is waiting for something: it lives, and is not ready.
pub(super) fn waiting_routes() -> Router {
    Router::new().route("/livez", get(live)).fallback(waiting)
}

async fn waiting() -> Result<Infallible, Problem> {
    Err(Problem::new(
        "not-ready",
        "this gateway waits until the network has admitted the departments that it hosts",
    ))
}

async fn live() -> Response<Body> {
    kept(typed(StatusCode::OK, TEXT, Body::from("live\n")), "no-store")
}

async fn ready<H: Hosting>(State(site): State<Site<H>>) -> Result<Response<Body>, Problem> {
    let readiness = site.hosting.public().ready().await;
    if !readiness.ready {
        return Err(Problem::new("not-ready", readiness.sentence()));
    }
    Ok(json_response(StatusCode::OK, &readiness))
}

async fn checkpoint<H: Hosting>(State(site): State<Site<H>>) -> Result<Response<Body>, Problem> {
    let text = site.hosting.public().checkpoint().await?;
    Ok(kept(typed(StatusCode::OK, TEXT, Body::from(text)), FRESH))
}

async fn genesis<H: Hosting>(State(site): State<Site<H>>) -> Result<Response<Body>, Problem> {
    let bytes = site.hosting.public().genesis().await?;
    Ok(kept(typed(StatusCode::OK, JSON, Body::from(bytes)), FRESH))
}

async fn circuits<H: Hosting>(State(site): State<Site<H>>) -> Result<Response<Body>, Problem> {
    let circuits = site.hosting.public().circuits().await?;
    Ok(kept(json_response(StatusCode::OK, &circuits), FRESH))
}

async fn services<H: Hosting>(State(site): State<Site<H>>) -> Result<Response<Body>, Problem> {
    let services = site.hosting.public().services().await?;
    Ok(kept(json_response(StatusCode::OK, &services), FRESH))
}

async fn departments<H: Hosting>(State(site): State<Site<H>>) -> Result<Response<Body>, Problem> {
    let departments = site.hosting.public().departments().await?;
    Ok(kept(json_response(StatusCode::OK, &departments), FRESH))
}

async fn tip<H: Hosting>(State(site): State<Site<H>>) -> Result<Response<Body>, Problem> {
    Ok(kept(json_response(StatusCode::OK, &site.hosting.public().tip().await?), FRESH))
}

async fn block<H: Hosting>(
    State(site): State<Site<H>>,
    PathOf(height): PathOf<u64>,
) -> Result<Response<Body>, Problem> {
    let found = site.hosting.public().block(height).await?;
    let block =
        found.ok_or_else(|| Problem::new("block-unknown", "no block has this height yet"))?;
    Ok(kept(typed(StatusCode::OK, OCTETS, Body::from(block)), FOREVER))
}

async fn receipt<H: Hosting>(
    State(site): State<Site<H>>,
    PathOf(entry): PathOf<Digest>,
) -> Result<Response<Body>, Problem> {
    let found = site.hosting.public().receipt(entry).await?;
    let receipt =
        found.ok_or_else(|| Problem::new("entry-unknown", "no such entry is recorded"))?;
    Ok(kept(json_response(StatusCode::OK, &receipt), FRESH))
}

async fn document<H: Hosting>(
    State(site): State<Site<H>>,
    PathOf(digest): PathOf<Digest>,
) -> Result<Response<Body>, Problem> {
    let found = site.hosting.public().document(digest).await?;
    let unknown = || Problem::new("document-unknown", "no public document has this digest");
    let response = typed(StatusCode::OK, JSON, Body::from(found.ok_or_else(unknown)?));
    Ok(kept(response, FOREVER))
}

#[cfg(test)]
mod tests;
