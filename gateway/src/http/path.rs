//! The variable parts of a request's path.

use ::http::request::Parts;
use axum::extract::{FromRequestParts, Path};
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
