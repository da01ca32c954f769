//! The variable parts of a request's path, and its query.

use ::http::request::Parts;
use axum::extract::{FromRequestParts, Path, Query};
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// As axum's [`Path`], with a problem document if the path has another form.
#[derive(Clone, Copy, Debug)]
pub(super) struct PathOf<T>(pub(super) T);

impl<S, T> FromRequestParts<S> for PathOf<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(value) = Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::new("path", rejection.body_text()))?;
        Ok(Self(value))
    }
}

/// As axum's [`Query`], with a problem document if the query has another form.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueryOf<T>(pub(super) T);

impl<S, T> FromRequestParts<S> for QueryOf<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(value) = Query::try_from_uri(&parts.uri)
            .map_err(|rejection| Problem::new("query-string", rejection.body_text()))?;
        Ok(Self(value))
    }
}
