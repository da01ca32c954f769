//! Verifying requests and responses.

use std::error::Error as StdError;
use std::pin::pin;

use ::http::{Request, Response};
use crypto::VerifyingKey;
use crypto::envelope::Name;
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::{Body, Buf as _, Bytes};
use thiserror::Error;

use super::input::{Input, single};
use super::{
    Audience, CONTENT_DIGEST, KeyName, NonceError, NonceStore, NonceUse, REQUEST_COMPONENTS,
    RESPONSE_COMPONENTS, SignedRequest, content_digest, head_at, request_base, response_base,
};

use crate::payload::PartBuffer;

/// A body that is announced to be so long is read into a buffer for parts.
const LONG_BODY: u64 = 1024 * 1024;

/// The registered signing keys of departments.
pub trait KeyDirectory: Send + Sync {
    /// The key of that name, if it is registered and in force.
    fn verifying_key(&self, name: &KeyName) -> Option<VerifyingKey>;
}

/// A message whose signature and body were verified. Only [`Verifier`] makes one.
#[derive(Clone, Debug)]
pub struct Verified<M> {
    signer: KeyName,
    message: M,
}

impl<M> Verified<M> {
    /// The department that signed the message.
    pub fn sender(&self) -> &Name {
        &self.signer.department
    }

    /// The key that signed it.
    pub fn signer(&self) -> &KeyName {
        &self.signer
    }

    /// The message.
    pub fn message(&self) -> &M {
        &self.message
    }

    /// The message, taken out.
    pub fn into_message(self) -> M {
        self.message
    }
}

/// What a message is verified against.
pub struct Verifier<'a> {
    /// Registered keys.
    pub keys: &'a dyn KeyDirectory,
    /// The time now, in seconds since 1970.
    pub now: u64,
    /// The longest body that is read, in bytes.
    pub body_limit: usize,
}

impl Verifier<'_> {
    /// Verifies a request for `audience`: first its headers, then, once it is known who sent it, its
    /// body, and last its nonce.
    ///
    /// # Errors
    /// [`VerifyError`]; the body is then unread or dropped.
    pub async fn verify_request<B>(
        &self,
        request: Request<B>,
        audience: &Audience,
        nonces: &dyn NonceStore,
    ) -> Result<Verified<Request<Bytes>>, VerifyError>
    where
        B: Body<Error: Into<Box<dyn StdError + Send + Sync>>>,
    {
        let input = Input::read(request.headers(), &REQUEST_COMPONENTS, self.now)?;
        let nonce = input.nonce()?;
        let head = head_at(&request, audience).ok_or(VerifyError::Target)?;
        let base = request_base(&head, &input.label).ok_or(VerifyError::Malformed)?;
        self.check_signature(&input, &base)?;

        let (parts, body) = request.into_parts();
        let body = self.read_body(body, single(&parts.headers, CONTENT_DIGEST)?).await?;
        nonces.insert(NonceUse {
            sender: &input.signer.department,
            nonce: &nonce,
            created: input.created,
            expires: input.expires,
            now: self.now,
        })?;
        Ok(Verified { signer: input.signer, message: Request::from_parts(parts, body) })
    }

    /// Verifies `sender`'s response to our `request`.
    ///
    /// It needs no nonce: it covers the request's signature, which has one.
    ///
    /// # Errors
    /// [`VerifyError`]; the body is then unread or dropped.
    pub async fn verify_response<B>(
        &self,
        response: Response<B>,
        request: &SignedRequest,
        sender: &Name,
    ) -> Result<Verified<Response<Bytes>>, VerifyError>
    where
        B: Body<Error: Into<Box<dyn StdError + Send + Sync>>>,
    {
        let input = Input::read(response.headers(), &RESPONSE_COMPONENTS, self.now)?;
        if input.signer.department != *sender {
            return Err(VerifyError::Sender);
        }
        let mut head = Response::new(Empty::new());
        *head.status_mut() = response.status();
        *head.headers_mut() = response.headers().clone();
        let base = response_base(&head, request.request(), &input.label);
        self.check_signature(&input, &base.ok_or(VerifyError::Malformed)?)?;

        let (parts, body) = response.into_parts();
        let body = self.read_body(body, single(&parts.headers, CONTENT_DIGEST)?).await?;
        Ok(Verified { signer: input.signer, message: Response::from_parts(parts, body) })
    }

    fn check_signature(&self, input: &Input, base: &[u8]) -> Result<(), VerifyError> {
        let key = self.keys.verifying_key(&input.signer).ok_or(VerifyError::UnknownKey)?;
        key.verify_raw(base, &input.signature).map_err(|_| VerifyError::Signature)
    }

    async fn read_body<B>(&self, body: B, digest: &str) -> Result<Bytes, VerifyError>
    where
        B: Body<Error: Into<Box<dyn StdError + Send + Sync>>>,
    {
        let limited = Limited::new(body, self.body_limit);
        let long = limited.size_hint().lower() >= LONG_BODY;
        let body = if long { read_long(limited).await } else { read_short(limited).await };
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                VerifyError::BodyTooLarge { limit: self.body_limit }
            } else {
                VerifyError::BodyUnread
            }
        })?;
        if content_digest(&body) == digest { Ok(body) } else { Err(VerifyError::ContentDigest) }
    }
}

async fn read_short<B: Body>(body: B) -> Result<Bytes, B::Error> {
    body.collect().await.map(|collected| collected.to_bytes())
}

/// Reads a body that is as long as a part into a buffer for parts.
async fn read_long<B: Body>(body: B) -> Result<Bytes, B::Error> {
    let mut body = pin!(body);
    let mut whole = PartBuffer::take();
    while let Some(frame) = body.frame().await {
        let Ok(mut data) = frame?.into_data() else { continue };
        while data.has_remaining() {
            let piece = data.chunk();
            whole.bytes_mut().extend_from_slice(piece);
            let read = piece.len();
            data.advance(read);
        }
    }
    Ok(whole.into_bytes())
}

impl std::fmt::Debug for Verifier<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier")
            .field("now", &self.now)
            .field("body_limit", &self.body_limit)
            .finish_non_exhaustive()
    }
}

/// Why a message is not acceptable.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyError {
    /// A header that must be there is not.
    #[error("the message has no {header} header")]
    HeaderMissing {
        /// The header.
        header: &'static str,
    },
    /// A header that may be there once is there again.
    #[error("the message has more than one {header} header")]
    HeaderRepeated {
        /// The header.
        header: &'static str,
    },
    /// The signature headers are not in the one form that we accept.
    #[error("the signature headers are malformed")]
    Malformed,
    /// Not exactly one signature.
    #[error("the message has {got} signatures, expected 1")]
    Labels {
        /// How many there are.
        got: usize,
    },
    /// The signature leaves out what it has to cover.
    #[error("the signature does not cover {component}")]
    NotCovered {
        /// The component.
        component: String,
    },
    /// A signature for another application.
    #[error("the signature's tag is not {tag}", tag = super::TAG)]
    Tag,
    /// Another algorithm than the registered key's.
    #[error("the signature's algorithm is not the key's")]
    Algorithm,
    /// No creation time.
    #[error("the signature has no creation time")]
    CreatedMissing,
    /// No expiry.
    #[error("the signature has no expiry")]
    ExpiresMissing,
    /// Expires before it is created, or too long after.
    #[error("the signature's lifetime is not between 1 and 60 seconds")]
    Lifetime,
    /// Created in the future.
    #[error("the signature was created in the future: compare the clocks")]
    Future,
    /// Created too long ago.
    #[error("the signature was created too long ago: compare the clocks")]
    Stale,
    /// Expired.
    #[error("the signature has expired")]
    Expired,
    /// `keyid` is no [`KeyName`].
    #[error("the signature's keyid is not a department's key")]
    KeyName,
    /// No nonce, a short one, or another spelling of one.
    #[error("the signature's nonce is missing or malformed")]
    Nonce,
    /// The request is for no path.
    #[error("the request's target has no path")]
    Target,
    /// No such key is registered.
    #[error("the signature's key is not registered")]
    UnknownKey,
    /// Signed by another department than the one we asked.
    #[error("the response is signed by another department")]
    Sender,
    /// The signature is not of that key over this message.
    #[error("the signature does not verify")]
    Signature,
    /// The body is longer than we read.
    #[error("the body is longer than {limit} bytes")]
    BodyTooLarge {
        /// The most that is read.
        limit: usize,
    },
    /// The body did not arrive.
    #[error("the body could not be read to its end")]
    BodyUnread,
    /// The body is not the signed one.
    #[error("the body is not the one that Content-Digest names by SHA-256")]
    ContentDigest,
    /// The nonce is not taken.
    #[error(transparent)]
    Nonces(#[from] NonceError),
}

impl VerifyError {
    /// The error's stable name in problem documents, logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::HeaderMissing { .. } => "signature-header-missing",
            Self::HeaderRepeated { .. } => "signature-header-repeated",
            Self::Malformed => "signature-malformed",
            Self::Labels { .. } => "signature-labels",
            Self::NotCovered { .. } => "signature-component-missing",
            Self::Tag => "signature-tag",
            Self::Algorithm => "signature-algorithm",
            Self::CreatedMissing => "signature-created-missing",
            Self::ExpiresMissing => "signature-expires-missing",
            Self::Lifetime => "signature-lifetime",
            Self::Future => "signature-future",
            Self::Stale => "signature-stale",
            Self::Expired => "signature-expired",
            Self::KeyName => "signature-keyid",
            Self::Nonce => "signature-nonce",
            Self::Target => "signature-target",
            Self::UnknownKey => "signature-key-unknown",
            Self::Sender => "signature-sender",
            Self::Signature => "signature-invalid",
            Self::BodyTooLarge { .. } => "body-too-large",
            Self::BodyUnread => "body-unread",
            Self::ContentDigest => "content-digest-mismatch",
            Self::Nonces(error) => match error {
                NonceError::Replayed => "signature-replayed",
                NonceError::Forgotten => "signature-before-start",
                NonceError::Full => "nonce-store-full",
                NonceError::Unavailable => "nonce-store-unavailable",
            },
        }
    }
}
