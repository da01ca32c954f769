//! Lists that may be long: a page at a time.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::http::path::QueryOf;
use crate::http::problem::Problem;

/// The longest page.
pub const MAX_PAGE: usize = 1_000;

/// Which rows of a list are wanted: `?after=&limit=`.
///
/// Lists have an order that means nothing and stays the same. A page that is shorter than its limit is
/// the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// Those after this row, which may be gone by now.
    pub after: Option<T>,
    /// At most so many: 1 to [`MAX_PAGE`].
    pub limit: usize,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { after: None, limit: MAX_PAGE }
    }
}

impl<T: std::fmt::Display> Page<T> {
    /// The page as a query string.
    pub(in crate::http) fn query(&self) -> String {
        let after = self.after.as_ref().map(|after| format!("after={after}&")).unwrap_or_default();
        format!("{after}limit={}", self.limit)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery<T> {
    after: Option<T>,
    limit: Option<usize>,
}

impl<S, T> FromRequestParts<S> for Page<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let QueryOf(PageQuery { after, limit }) = QueryOf::from_request_parts(parts, state).await?;
        let limit = limit.unwrap_or(MAX_PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            let expected = format_args!("limit: expected 1 to {MAX_PAGE}");
            return Err(Problem::new("query-string", expected));
        }
        Ok(Self { after, limit })
    }
}
