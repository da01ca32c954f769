//! What an operator does through a gateway: services, circuits, other departments.

use std::future::Future;

use ::http::{Request, Response, StatusCode};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use circuits::statement::CircuitId;
use crypto::Digest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::token::Local;
use crate::document::service::Service;
use crate::http::body::{json_response, read_json};
use crate::http::hosting::{Hosting, Site};
use crate::http::openapi::schemas::DigestText;
use crate::http::problem::Problem;

/// What a department does for its operator.
pub trait OperatingApi: Send + Sync + 'static {
    /// Publishes a service document.
    fn publish_service(
        &self,
        service: Service,
    ) -> impl Future<Output = Result<Published, Problem>> + Send;

    /// Puts a department's document forward and approves it.
    fn propose_department(
        &self,
        department: chain::department::Department,
    ) -> impl Future<Output = Result<Published, Problem>> + Send;

    /// Puts the gateway's own proving keys forward and approves them.
    fn propose_circuits(&self) -> impl Future<Output = Result<Vec<Published>, Problem>> + Send;

    /// Puts the gateway's own keys of a ceremony forward and approves them, and no others.
    fn propose_ceremonies(&self) -> impl Future<Output = Result<Vec<Published>, Problem>> + Send;

    /// Everything that departments approve, the undecided first.
    fn proposals(&self) -> impl Future<Output = Result<Vec<Proposal>, Problem>> + Send;

    /// Approves an entry.
    fn approve(
        &self,
        approval: Approval,
    ) -> impl Future<Output = Result<Published, Problem>> + Send;
}

/// An entry on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Its id.
    #[schema(value_type = DigestText)]
    pub entry: Digest,
}

/// What is approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The entry.
    #[schema(value_type = DigestText)]
    pub entry: Digest,
}

/// An entry that departments approve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// Its id.
    #[schema(value_type = DigestText)]
    pub entry: Digest,
    /// `department`, `circuit` or `validators`.
    pub kind: String,
    /// Who put it forward.
    pub author: String,
    /// Digest of its document.
    #[schema(value_type = DigestText)]
    pub document: Digest,
    /// Which circuit's key it is, of a circuit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit: Option<ProposedKey>,
    /// What it is about, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Whether it takes the place of what there is: of a department's keys and address, of the validators.
    pub replaces: bool,
    /// Who approved it.
    pub approvals: Vec<String>,
    /// Whether that was enough.
    pub approved: bool,
}

/// A circuit's key that departments approve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposedKey {
    /// The circuit.
    #[schema(value_type = String)]
    pub id: CircuitId,
    /// Whether one party made the key alone.
    pub development: bool,
}

/// Routes with the request's time limit.
pub(in crate::http) fn routes<H: Hosting>() -> Router<Site<H>> {
    Router::new()
        .route("/v1/services", post(publish_service::<H>))
        .route("/v1/proposals", get(proposals::<H>))
        .route("/v1/proposals/departments", post(propose_department::<H>))
        .route("/v1/proposals/circuits", post(propose_circuits::<H>))
        .route("/v1/proposals/ceremonies", post(propose_ceremonies::<H>))
        .route("/v1/approvals", post(approve::<H>))
}

async fn publish_service<H: Hosting>(
    State(site): State<Site<H>>,
    Local(department): Local<H>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let (parts, body) = request.into_parts();
    let (service, _) = read_json(&parts.headers, body, &site.limits).await?;
    Ok(json_response(StatusCode::CREATED, &department.publish_service(service).await?))
}

async fn proposals<H: Hosting>(Local(department): Local<H>) -> Result<Response<Body>, Problem> {
    Ok(json_response(StatusCode::OK, &department.proposals().await?))
}

async fn propose_department<H: Hosting>(
    State(site): State<Site<H>>,
    Local(department): Local<H>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let (parts, body) = request.into_parts();
    let (document, _) = read_json(&parts.headers, body, &site.limits).await?;
    Ok(json_response(StatusCode::CREATED, &department.propose_department(document).await?))
}

async fn propose_circuits<H: Hosting>(
    Local(department): Local<H>,
) -> Result<Response<Body>, Problem> {
    Ok(json_response(StatusCode::CREATED, &department.propose_circuits().await?))
}

async fn propose_ceremonies<H: Hosting>(
    Local(department): Local<H>,
) -> Result<Response<Body>, Problem> {
    Ok(json_response(StatusCode::CREATED, &department.propose_ceremonies().await?))
}

async fn approve<H: Hosting>(
    State(site): State<Site<H>>,
    Local(department): Local<H>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let (parts, body) = request.into_parts();
    let (approval, _) = read_json(&parts.headers, body, &site.limits).await?;
    Ok(json_response(StatusCode::CREATED, &department.approve(approval).await?))
}
