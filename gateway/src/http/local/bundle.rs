//! The bundle of a verified answer, for the department's file.

use std::future::Future;

use ::http::header::CACHE_CONTROL;
use ::http::{HeaderValue, Response, StatusCode};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use crypto::Digest;
use hyper::body::Bytes;

use super::token::Local;
use crate::http::body::{JSON, typed};
use crate::http::hosting::{Hosting, Site};
use crate::http::path::PathOf;
use crate::http::problem::Problem;

/// What a department's systems file.
pub trait BundleApi: Send + Sync + 'static {
    /// The bundle of a question whose answer verified: canonical JSON.
    fn bundle(&self, request: Digest) -> impl Future<Output = Result<Bytes, Problem>> + Send;
}

/// Routes with the request's time limit.
pub(in crate::http) fn routes<H: Hosting>() -> Router<Site<H>> {
    Router::new().route("/v1/requests/{digest}/bundle", get(bundle::<H>))
}

async fn bundle<H: Hosting>(
    Local(department): Local<H>,
    PathOf(request): PathOf<Digest>,
) -> Result<Response<Body>, Problem> {
    let bundle = department.bundle(request).await?;
    let mut response = typed(StatusCode::OK, JSON, Body::from(bundle));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
