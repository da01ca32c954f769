//! Signing requests and responses.

use std::fmt;

use ::http::header::InvalidHeaderValue;
use ::http::{HeaderMap, HeaderValue, Request, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto::SigningKey;
use crypto::envelope::{KeyId, Name};
use crypto::rand_core::CryptoRng;
use http_body_util::Empty;
use httpsig_hyper::prelude::HttpSignatureParams;
use httpsig_hyper::prelude::message_component::HttpMessageComponentId;
use hyper::body::Bytes;
use thiserror::Error;

use super::{
    Audience, AudienceError, CONTENT_DIGEST, CONTENT_TYPE, KeyName, LABEL, LIFETIME, Nonce,
    REQUEST_COMPONENTS, RESPONSE_COMPONENTS, SIGNATURE, SIGNATURE_INPUT, TAG, Verified,
    content_digest, head_at, request_base, response_base,
};

/// A department's signing key under its name.
pub struct Signer {
    name: KeyName,
    key: SigningKey,
}

impl Signer {
    /// `key` as one of `department`'s.
    pub fn new(department: Name, key: SigningKey) -> Self {
        let name = KeyName { department, key: KeyId::of_verifying_key(&key.verifying_key()) };
        Self { name, key }
    }

    /// What `keyid` will say.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Signs `request` at `now`, in seconds since 1970.
    ///
    /// Its URL must be the one in the recipient's department document, with a path. A request without
    /// `Content-Type` gets `application/octet-stream`.
    ///
    /// # Errors
    /// [`SignError`] if the request cannot be signed so that it verifies.
    pub fn sign_request(
        &self,
        mut request: Request<Bytes>,
        now: u64,
        rng: &mut impl CryptoRng,
    ) -> Result<SignedRequest, SignError> {
        let audience = Audience::of(request.uri())?;
        let mut parameters = self.parameters(&REQUEST_COMPONENTS, now);
        parameters.nonce = Some(Nonce::random(rng).to_string());
        let digest = content_digest(request.body());
        prepare(request.headers_mut(), &digest, &parameters)?;
        let head = head_at(&request, &audience).ok_or(SignError::Target)?;
        let base = request_base(&head, LABEL).ok_or(SignError::Component)?;
        self.finish(request.headers_mut(), &base)?;
        Ok(SignedRequest(request))
    }

    /// Signs `response` as the answer to `request` and to no other, at `now`.
    ///
    /// A response without `Content-Type` gets `application/octet-stream`.
    ///
    /// # Errors
    /// [`SignError`] if the response cannot be signed so that it verifies.
    pub fn sign_response(
        &self,
        mut response: Response<Bytes>,
        request: &Verified<Request<Bytes>>,
        now: u64,
    ) -> Result<Response<Bytes>, SignError> {
        let parameters = self.parameters(&RESPONSE_COMPONENTS, now);
        let digest = content_digest(response.body());
        prepare(response.headers_mut(), &digest, &parameters)?;
        let mut head = Response::new(Empty::new());
        *head.status_mut() = response.status();
        *head.headers_mut() = response.headers().clone();
        let base = response_base(&head, request.message(), LABEL).ok_or(SignError::Component)?;
        self.finish(response.headers_mut(), &base)?;
        Ok(response)
    }

    fn parameters(&self, components: &[&str], now: u64) -> HttpSignatureParams {
        let covered_components = components.iter().map(|&component| {
            HttpMessageComponentId::try_from(component)
                .expect("the required components are well formed")
        });
        HttpSignatureParams {
            created: Some(now),
            expires: Some(now.saturating_add(LIFETIME.as_secs())),
            nonce: None,
            alg: None, // the registered key says it
            keyid: Some(self.name.to_string()),
            tag: Some(TAG.to_owned()),
            covered_components: covered_components.collect(),
        }
    }

    fn finish(&self, headers: &mut HeaderMap, base: &[u8]) -> Result<(), SignError> {
        let signature = STANDARD.encode(self.key.sign_raw(base).as_bytes());
        let value = HeaderValue::try_from(format!("{LABEL}=:{signature}:"))?;
        headers.insert(SIGNATURE, value);
        Ok(())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.name)
    }
}

/// A request that we signed: keep it to verify the response.
#[derive(Clone, Debug)]
pub struct SignedRequest(Request<Bytes>);

impl SignedRequest {
    /// The request.
    pub fn request(&self) -> &Request<Bytes> {
        &self.0
    }

    /// The request, to be sent; the body is shared and not copied.
    pub fn to_request(&self) -> Request<Bytes> {
        self.0.clone()
    }
}

/// Sets all headers but the signature itself, for which an empty one stands in: the base is then read
/// off the message in the same way as a verifier reads it.
fn prepare(
    headers: &mut HeaderMap,
    digest: &str,
    parameters: &HttpSignatureParams,
) -> Result<(), SignError> {
    match headers.get_all(CONTENT_TYPE).iter().count() {
        0 => {
            // What an absent one means (RFC 9110, section 8.3).
            let octets = HeaderValue::from_static("application/octet-stream");
            headers.insert(CONTENT_TYPE, octets);
        }
        1 => {}
        _ => return Err(SignError::ContentType),
    }
    headers.insert(CONTENT_DIGEST, HeaderValue::try_from(digest)?);
    let input = format!("{LABEL}={parameters}");
    headers.insert(SIGNATURE_INPUT, HeaderValue::try_from(input)?);
    headers.insert(SIGNATURE, HeaderValue::try_from(format!("{LABEL}=::"))?);
    Ok(())
}

/// Why a message was not signed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignError {
    /// The request's URL does not say who it is for.
    #[error(transparent)]
    Audience(#[from] AudienceError),
    /// The request's URL has no path.
    #[error("the request's URL has no path")]
    Target,
    /// More than one `Content-Type`.
    #[error("the message has more than one Content-Type")]
    ContentType,
    /// A covered header is not text.
    #[error("a covered header of the message is not visible ASCII")]
    Component,
    /// A header that we write is not one.
    #[error("a signature header is not visible ASCII")]
    Header,
}

impl From<InvalidHeaderValue> for SignError {
    fn from(_: InvalidHeaderValue) -> Self {
        Self::Header
    }
}
