//! A department's datasets: which there are, and how records come into them.

use std::future::Future;

use ::http::{Request, Response, StatusCode};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use crypto::Digest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::token::Local;
use crate::http::body::{CSV, JSON_LINES, Upload, json_response, require_content_type};
use crate::http::hosting::{Hosting, Site};
use crate::http::openapi::schemas::DigestText;
use crate::http::path::{PathOf, QueryOf};
use crate::http::problem::Problem;
use crate::import::{Format, Rejected};

/// The member of a problem document that lists the rejected rows.
pub(in crate::http) const REJECTED: &str = "rejected";

/// What a department does about its datasets for its own systems.
pub trait DatasetsApi: Send + Sync + 'static {
    /// The datasets.
    fn datasets(&self) -> impl Future<Output = Result<Vec<DatasetView>, Problem>> + Send;

    /// Imports a file while it is being received: all of it or nothing, and nothing if the future is
    /// dropped before the file is whole.
    fn import(
        &self,
        dataset: String,
        how: ImportQuery,
        file: &mut Upload,
    ) -> impl Future<Output = Result<Imported, Problem>> + Send;
}

/// A dataset as its department's own systems see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DatasetView {
    /// Its name.
    pub name: String,
    /// Its schema.
    pub schema: serde_json::Value,
    /// SHA-256 of the canonical schema.
    #[schema(value_type = DigestText)]
    pub schema_digest: Digest,
    /// How many records it has.
    pub records: u64,
    /// The root of its record tree.
    #[schema(value_type = DigestText)]
    pub root: Digest,
    /// Id of the entry of its current service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DigestText>)]
    pub service_entry: Option<Digest>,
}

/// The query of `POST /v1/datasets/{dataset}/records`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportQuery {
    /// How the file spells its rows: `csv`, which is the default, or `json-lines`.
    #[serde(default)]
    pub format: Format,
    /// Import the good rows of a file that has bad ones, and not nothing.
    #[serde(default)]
    pub skip_bad: bool,
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Imported {
    /// Records that were not there before.
    pub added: u64,
    /// Records whose values were others before.
    pub updated: u64,
    /// Records left as they were.
    pub unchanged: u64,
    /// The rows that were passed over, by line.
    pub rejected: Vec<RejectedRow>,
    /// The root of the dataset's record tree.
    #[schema(value_type = DigestText)]
    pub root: Digest,
    /// Id of the entry with this root; absent while the dataset has no service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DigestText>)]
    pub records_entry: Option<Digest>,
}

/// A row that is not imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RejectedRow {
    /// Line of the file on which the row begins, from 1.
    pub line: u64,
    /// The field at fault, if it is one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong, without what stands there.
    pub reason: String,
}

impl From<&Rejected> for RejectedRow {
    fn from(Rejected { line, fault }: &Rejected) -> Self {
        Self { line: *line, field: fault.field().map(str::to_owned), reason: fault.reason() }
    }
}

/// The content type of a file.
pub(in crate::http) const fn content_type(format: Format) -> &'static str {
    match format {
        Format::Csv => CSV,
        Format::JsonLines => JSON_LINES,
    }
}

pub(super) fn routes<H: Hosting>() -> Router<Site<H>> {
    Router::new().route("/v1/datasets", get(datasets::<H>))
}

pub(super) fn streaming_routes<H: Hosting>() -> Router<Site<H>> {
    Router::new().route("/v1/datasets/{dataset}/records", post(import::<H>))
}

async fn datasets<H: Hosting>(Local(department): Local<H>) -> Result<Response<Body>, Problem> {
    Ok(json_response(StatusCode::OK, &department.datasets().await?))
}

async fn import<H: Hosting>(
    State(site): State<Site<H>>,
    Local(department): Local<H>,
    PathOf(dataset): PathOf<String>,
    QueryOf(how): QueryOf<ImportQuery>,
    request: Request<Body>,
) -> Result<Response<Body>, Problem> {
    let (parts, body) = request.into_parts();
    let mut file = Upload::endless(body, &site.limits);
    let imported = match require_content_type(&parts.headers, content_type(how.format)) {
        Ok(()) => department.import(dataset, how, &mut file).await,
        Err(problem) => Err(problem),
    };
    match imported {
        Ok(imported) => Ok(json_response(StatusCode::OK, &imported)),
        Err(problem) => {
            file.discard().await;
            Err(problem)
        }
    }
}

#[cfg(test)]
mod tests;
