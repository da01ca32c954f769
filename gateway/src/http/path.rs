//! The variable parts of a request's path, and its query.

use ::http::request::Parts;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
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
            .map_err(|rejection| Problem::new("path", expected(&rejection)))?;
        Ok(Self(value))
    }
}

/// What was expected, without what came instead: people put into paths what names a person.
fn expected(rejection: &PathRejection) -> String {
    let PathRejection::FailedToDeserializePathParams(fault) = rejection else {
        return rejection.body_text();
    };
    match fault.kind() {
        ErrorKind::ParseErrorAtKey { key, expected_type, .. } => {
            format!("{key}: expected {expected_type}")
        }
        ErrorKind::ParseErrorAtIndex { index, expected_type, .. } => {
            format!("variable part {index}: expected {expected_type}")
        }
        ErrorKind::ParseError { expected_type, .. } => format!("expected {expected_type}"),
        ErrorKind::InvalidUtf8InPathParam { key } => format!("{key}: expected UTF-8"),
        ErrorKind::DeserializeError { key, message, .. } => format!("{key}: {message}"),
        ErrorKind::Message(message) => message.clone(),
        _ => "a variable part is of another form".to_owned(),
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
        let Query(value) = Query::try_from_uri(&parts.uri).map_err(|_| {
            Problem::new("query-string", "expected this path's parameters, each once")
        })?;
        Ok(Self(value))
    }
}
