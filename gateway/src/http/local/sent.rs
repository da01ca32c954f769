//! What became of the documents that a department's systems sent.

use std::future::Future;

use ::http::{Response, StatusCode};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use crypto::envelope::PayloadId;

use super::PayloadSent;
use super::page::Page;
use super::token::Local;
use crate::http::body::json_response;
use crate::http::hosting::{Hosting, Site};
use crate::http::path::PathOf;
use crate::http::problem::Problem;

/// What a department tells its own systems of the payloads that they sent.
pub trait SentApi: Send + Sync + 'static {
    /// The payloads that this department sent, or is sending.
    fn sent_payloads(
        &self,
        page: Page<PayloadId>,
    ) -> impl Future<Output = Result<Vec<PayloadSent>, Problem>> + Send;

    /// One of them.
    fn sent_payload(
        &self,
        id: PayloadId,
    ) -> impl Future<Output = Result<PayloadSent, Problem>> + Send;
}

pub(super) fn routes<H: Hosting>() -> Router<Site<H>> {
    Router::new()
        .route("/v1/sent-payloads", get(sent_payloads::<H>))
        .route("/v1/sent-payloads/{id}", get(sent_payload::<H>))
}

async fn sent_payloads<H: Hosting>(
    Local(department): Local<H>,
    page: Page<PayloadId>,
) -> Result<Response<Body>, Problem> {
    Ok(json_response(StatusCode::OK, &department.sent_payloads(page).await?))
}

async fn sent_payload<H: Hosting>(
    Local(department): Local<H>,
    PathOf(id): PathOf<PayloadId>,
) -> Result<Response<Body>, Problem> {
    Ok(json_response(StatusCode::OK, &department.sent_payload(id).await?))
}
