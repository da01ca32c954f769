//! Signed HTTP messages between departments: RFC 9421 signatures over RFC 9530 content digests.
//!
//! `httpsig-hyper` reads the signature headers and builds the signature base. All else is decided
//! here, because the library leaves it to its caller: which components must be covered, how many
//! labels there may be, the clock, nonces, whose key it is, and whether the body is the digested one.
//!
//! A message is acceptable when
//! - its `Signature-Input` has exactly one label and is spelled as the library would write it (else
//!   what we read and what was signed could differ: an unknown parameter, or one hidden in another's
//!   quotes, vanishes from the base that the library builds);
//! - it covers, without parameters, [`REQUEST_COMPONENTS`] or [`RESPONSE_COMPONENTS`]; a response so
//!   covers its request's signature, and answers no other request;
//! - `created` is within [`CLOCK_SKEW`] of our clock, `expires` at most [`LIFETIME`] after it and not
//!   past, `tag` is [`TAG`];
//! - `keyid` is a [`KeyName`], under which the directory has an Ed25519 key, and `alg`, if there, is
//!   `ed25519`;
//! - the signature verifies strictly (RFC 8032) under that key;
//! - the body's SHA-256 is what `Content-Digest` says;
//! - a request's `nonce` has at least 128 bits and is new to the recipient's [`NonceStore`].
//!
//! [`Verified`] is the only way to a message's body and sender. A peer whose request did not verify
//! gets an unsigned error, which proves nothing to it; a peer whose request did is answered by
//! [`Signer::sign_response`].

mod input;
mod nonce;
mod sign;
mod verify;

pub use nonce::{Nonce, NonceError, NonceStore, NonceUse, RecentNonces};
pub use sign::{SignError, SignedRequest, Signer};
pub use verify::{KeyDirectory, Verified, Verifier, VerifyError};

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use ::http::uri::{Authority, PathAndQuery, Scheme};
use ::http::{Request, Response, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto::Digest;
use crypto::envelope::{KeyId, Name};
use http_body_util::Empty;
use httpsig_hyper::{MessageSignatureReq as _, MessageSignatureRes as _};
use hyper::body::Bytes;
use thiserror::Error;

/// What every request's signature covers.
pub const REQUEST_COMPONENTS: [&str; 6] =
    ["@method", "@authority", "@path", "@query", "content-type", "content-digest"];
/// What every response's signature covers; the last one is the signature of its request.
pub const RESPONSE_COMPONENTS: [&str; 4] =
    ["@status", "content-type", "content-digest", "\"signature\";req"];
/// The signatures' application (RFC 9421, section 2.3).
pub const TAG: &str = "proofgate-v1";
/// How far two departments' clocks may be apart.
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);
/// How long a signature may live.
pub const LIFETIME: Duration = Duration::from_secs(60);

/// The label under which we sign; of others any one is accepted.
const LABEL: &str = "proofgate";
const SIGNATURE: &str = "signature";
const SIGNATURE_INPUT: &str = "signature-input";
const CONTENT_DIGEST: &str = "content-digest";
const CONTENT_TYPE: &str = "content-type";

/// `department:key id`: what `keyid` says.
#[derive(Clone, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName {
    /// The signing department.
    pub department: Name,
    /// Which of its registered keys.
    pub key: KeyId,
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.department, self.key)
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyName({self})")
    }
}

/// A text is not a [`KeyName`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected a department's name, a colon and 32 lower-case hexadecimal digits")]
pub struct ParseKeyNameError;

impl FromStr for KeyName {
    type Err = ParseKeyNameError;

    fn from_str(text: &str) -> Result<Self, ParseKeyNameError> {
        let (department, key) = text.split_once(':').ok_or(ParseKeyNameError)?;
        Ok(Self {
            department: Name::new(department).map_err(|_| ParseKeyNameError)?,
            key: key.parse().map_err(|_| ParseKeyNameError)?,
        })
    }
}

/// The `@authority` of a gateway: host in lower case, port unless it is the scheme's own.
///
/// Taken from the URL in the department's document and not from the `Host` header, which says what a
/// proxy or an attacker wants it to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience(Authority);

impl Audience {
    /// The audience of a gateway at `url`.
    ///
    /// # Errors
    /// [`AudienceError`] if `url` is no absolute `http` or `https` URL, or has a user in it.
    pub fn of(url: &Uri) -> Result<Self, AudienceError> {
        let authority = url.authority().ok_or(AudienceError)?;
        if authority.as_str().contains('@') {
            return Err(AudienceError);
        }
        let default_port = match url.scheme_str() {
            Some("https") => 443,
            Some("http") => 80,
            _ => return Err(AudienceError),
        };
        let host = authority.host().to_ascii_lowercase();
        let text = match authority.port_u16() {
            Some(port) if port != default_port => format!("{host}:{port}"),
            _ => host,
        };
        Authority::from_str(&text).map(Self).map_err(|_| AudienceError)
    }
}

/// A URL does not say which gateway it is of.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected an absolute http or https URL without user name")]
pub struct AudienceError;

/// The `Content-Digest` of `body`; the only one that we write and accept.
fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Digest::of(body).as_bytes()))
}

/// `request` without body, as `audience` is meant to see it: servers get only a path, and a signature
/// covers the authority.
fn head_at<B>(request: &Request<B>, audience: &Audience) -> Option<Request<Empty<Bytes>>> {
    let target: PathAndQuery = request.uri().path_and_query()?.clone();
    let uri = Uri::builder()
        .scheme(Scheme::HTTPS)
        .authority(audience.0.clone())
        .path_and_query(target)
        .build()
        .ok()?;
    let mut head = Request::new(Empty::new());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = uri;
    *head.headers_mut() = request.headers().clone();
    Some(head)
}

/// The signature base (RFC 9421, section 2.5) that the headers of `head` under `label` describe.
fn request_base(head: &Request<Empty<Bytes>>, label: &str) -> Option<Vec<u8>> {
    let bases = head.extract_signatures().ok()?;
    bases.get(label).map(|(base, _)| base.as_bytes())
}

/// As [`request_base`], of a response to `request`.
fn response_base<B>(
    head: &Response<Empty<Bytes>>,
    request: &Request<B>,
    label: &str,
) -> Option<Vec<u8>> {
    let bases = head.extract_signatures(Some(request)).ok()?;
    bases.get(label).map(|(base, _)| base.as_bytes())
}

#[cfg(test)]
mod tests;
