//! Bearer tokens (RFC 6750): which department's own system is calling.

use std::fmt;
use std::sync::Arc;

use ::http::HeaderMap;
use ::http::header::AUTHORIZATION;
use ::http::request::Parts;
use axum::extract::FromRequestParts;
use crypto::Digest;

use crate::http::hosting::{Hosting, Site};
use crate::http::problem::Problem;

/// Label of a token's digest.
const TOKEN_LABEL: &str = "proofgate/v1/local-token";
/// The longest token, in bytes.
const MAX_TOKEN_BYTES: usize = 256;

/// Bearer tokens and the departments that they belong to. Holds digests of tokens only.
pub struct Tokens<D>(Vec<(Digest, Arc<D>)>);

impl<D> Tokens<D> {
    /// Tokens by their [`token_digest`]s.
    pub fn new(tokens: Vec<(Digest, Arc<D>)>) -> Self {
        Self(tokens)
    }

    /// The department of a token. Takes as long for a wrong token as for a right one.
    fn department(&self, token: &str) -> Option<Arc<D>> {
        let presented = token_digest(token);
        let mut found = None;
        for (digest, department) in &self.0 {
            if digest.ct_eq(&presented) {
                found = Some(Arc::clone(department));
            }
        }
        found
    }
}

impl<D> fmt::Debug for Tokens<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.0.len())
    }
}

/// What is kept of a token. Tokens are random, so that nothing slower is needed.
pub fn token_digest(token: &str) -> Digest {
    Digest::labelled(TOKEN_LABEL, &[token.as_bytes()])
}

/// The department whose token the request bears: the only way to a [`LocalApi`].
pub(super) struct Local<H: Hosting>(pub(super) Arc<H::Department>);

impl<H: Hosting> FromRequestParts<Site<H>> for Local<H> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Site<H>) -> Result<Self, Problem> {
        let refused = |challenge| {
            let expected = "expected the bearer token of a department";
            Problem::new("token", expected).with_challenge(challenge)
        };
        let token = bearer(&parts.headers).ok_or_else(|| refused("Bearer"))?;
        let department = site.hosting.tokens().department(token);
        department.map(Self).ok_or_else(|| refused("Bearer error=\"invalid_token\""))
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let plausible = (1..=MAX_TOKEN_BYTES).contains(&token.len());
    (scheme.eq_ignore_ascii_case("bearer") && plausible).then_some(token)
}
