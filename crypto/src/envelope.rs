//! The envelope: what one department sends another, readable by the recipient alone.
//!
//! HPKE (RFC 9180) in base mode. HPKE's `info` binds label, suite, message type, network, sender,
//! recipient, recipient key id, request digest and payload id; the header's bytes are the AAD.
//!
//! ```text
//! sealed = header length u16 ‖ header ‖ encapsulated key (32) ‖ ciphertext
//! ```
//! Base mode does not say who sealed: the HTTP signature around the message does, and
//! [`Expected::sender`] must be that signature's verified department. Nor does it notice the same
//! message twice: requests are answered once, and payloads are named.
//!
//! Answers are [padded](padding); payloads are sealed [in chunks](stream).

mod header;
mod key;
pub mod padding;
pub mod stream;

pub use header::{
    Header, HeaderError, Message, NAME_BYTES, Name, NameError, PAYLOAD_ID_BYTES,
    ParsePayloadIdError, PayloadId, Suite,
};
pub use key::{
    KEY_ID_BYTES, KeyId, PUBLIC_KEY_BYTES, ParseKeyIdError, RecipientKey, RecipientKeyError,
    RecipientPublicKey,
};

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, OpModeR, OpModeS, Serializable as _};
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::Digest;

/// Length of the encapsulated key of [`Suite::X25519Aes256Gcm`].
const ENCAPSULATED_KEY_BYTES: usize = 32;
/// Length of an AES-256-GCM tag.
const TAG_BYTES: usize = 16;

type SenderContext = hpke::aead::AeadCtxS<AesGcm256, HkdfSha256, X25519HkdfSha256>;
type RecipientContext = hpke::aead::AeadCtxR<AesGcm256, HkdfSha256, X25519HkdfSha256>;

/// What a sender says of a message; with the recipient's key it is a [`Header`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What the message is.
    pub message: Message,
    /// The network.
    pub network: Name,
    /// The sending department.
    pub sender: Name,
    /// The receiving department.
    pub recipient: Name,
    /// The request that the message belongs to.
    pub request: Digest,
}

impl Route {
    fn header(&self, key: &RecipientPublicKey) -> Header {
        Header {
            suite: Suite::X25519Aes256Gcm,
            message: self.message,
            network: self.network.clone(),
            sender: self.sender.clone(),
            recipient: self.recipient.clone(),
            recipient_key: key.key_id(),
            request: self.request,
        }
    }
}

/// What a recipient knows of a message before it opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// What the message has to be.
    pub message: Message,
    /// The recipient's network.
    pub network: Name,
    /// The department whose signature around the message has been verified.
    pub sender: Name,
    /// The receiving department.
    pub recipient: Name,
    /// The request that the message has to belong to. `None` only where the message brings a request
    /// that the recipient has not seen: then compare the opened document's digest with
    /// [`Header::request`].
    pub request: Option<Digest>,
}

impl Expected {
    fn check(&self, header: &Header, key: &RecipientKey) -> Result<(), OpenError> {
        let mismatch = |field| Err(OpenError::Unexpected { field });
        if header.message != self.message {
            return mismatch(Field::Message);
        }
        if header.network != self.network {
            return mismatch(Field::Network);
        }
        if header.sender != self.sender {
            return mismatch(Field::Sender);
        }
        if header.recipient != self.recipient {
            return mismatch(Field::Recipient);
        }
        if header.recipient_key != key.key_id() {
            return mismatch(Field::RecipientKey);
        }
        if self.request.is_some_and(|request| header.request != request) {
            return mismatch(Field::Request);
        }
        Ok(())
    }
}

/// Seals `plaintext` for the holder of `recipient`; answers are padded first.
///
/// # Errors
/// [`SealError`] if `route` is a payload's, which is sealed by [`stream::PayloadSealer`], or if HPKE
/// refuses.
pub fn seal(
    route: &Route,
    recipient: &RecipientPublicKey,
    plaintext: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, SealError> {
    if matches!(route.message, Message::Payload(_)) {
        return Err(SealError::Payload);
    }
    let (header, mut sealed, mut context) = set_up_sender(route, recipient, rng)?;
    let aad = header.encode();
    let ciphertext = match route.message {
        Message::Answer => context.seal(&padding::pad(plaintext), &aad),
        _ => context.seal(plaintext, &aad),
    };
    sealed.extend_from_slice(&ciphertext.map_err(|_| SealError::Hpke)?);
    Ok(sealed)
}

/// Opens a sealed message that must be what `expected` says.
///
/// # Errors
/// [`OpenError`]; nothing of the plaintext is shown.
pub fn open(key: &RecipientKey, expected: &Expected, bytes: &[u8]) -> Result<Opened, OpenError> {
    Sealed::decode(bytes)?.open(key, expected)
}

/// A sealed message in its parts, still closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed<'a> {
    header: Header,
    header_bytes: &'a [u8],
    encapsulated_key: &'a [u8; ENCAPSULATED_KEY_BYTES],
    ciphertext: &'a [u8],
}

impl<'a> Sealed<'a> {
    /// Takes a sealed message apart.
    ///
    /// # Errors
    /// [`OpenError::Truncated`] or [`OpenError::Header`] if the bytes are none.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, OpenError> {
        let (prelude, ciphertext) = Prelude::split(bytes)?.ok_or(OpenError::Truncated)?;
        if ciphertext.len() < TAG_BYTES {
            return Err(OpenError::Truncated);
        }
        let Prelude { header, header_bytes, encapsulated_key } = prelude;
        Ok(Self { header, header_bytes, encapsulated_key, ciphertext })
    }

    /// What the message says of itself; nobody vouches for it before [`Sealed::open`]. For choosing
    /// the key.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Opens the message, which must be what `expected` says.
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(&self, key: &RecipientKey, expected: &Expected) -> Result<Opened, OpenError> {
        if matches!(self.header.message, Message::Payload(_)) {
            return Err(OpenError::Payload);
        }
        expected.check(&self.header, key)?;
        let mut context = set_up_recipient(key, &self.header, self.encapsulated_key)?;
        let plaintext = context.open(self.ciphertext, self.header_bytes);
        let plaintext = Zeroizing::new(plaintext.map_err(|_| OpenError::Authentication)?);
        let plaintext = match self.header.message {
            Message::Answer => {
                let unpadded = padding::unpad(&plaintext).map_err(|_| OpenError::Padding)?;
                Zeroizing::new(unpadded.to_vec())
            }
            _ => plaintext,
        };
        Ok(Opened { header: self.header.clone(), plaintext })
    }
}

/// A message that opened and was what its recipient expected.
#[derive(PartialEq, Eq)]
pub struct Opened {
    header: Header,
    plaintext: Zeroizing<Vec<u8>>,
}

impl Opened {
    /// What the message is.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What it says.
    pub fn plaintext(&self) -> &[u8] {
        &self.plaintext
    }

    /// What it says, taken out.
    pub fn into_plaintext(self) -> Zeroizing<Vec<u8>> {
        self.plaintext
    }
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("header", &self.header).finish_non_exhaustive()
    }
}

/// Why a message was not sealed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// Payloads are sealed in chunks, by [`stream::PayloadSealer`], and nothing else is.
    #[error("payloads, and nothing else, are sealed in chunks")]
    Payload,
    /// HPKE refused; it does for plaintexts longer than AES-GCM allows.
    #[error("HPKE could not seal the message")]
    Hpke,
}

/// A field of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// [`Header::message`].
    Message,
    /// [`Header::network`].
    Network,
    /// [`Header::sender`].
    Sender,
    /// [`Header::recipient`].
    Recipient,
    /// [`Header::recipient_key`].
    RecipientKey,
    /// [`Header::request`].
    Request,
}

/// Why a message was not opened.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// The bytes end too early.
    #[error("sealed message is truncated")]
    Truncated,
    /// The header is malformed.
    #[error("sealed message: {0}")]
    Header(#[from] HeaderError),
    /// Well formed, but another message than the recipient expects.
    #[error("sealed message is not the expected one: {field:?} differs")]
    Unexpected {
        /// The first field that differs.
        field: Field,
    },
    /// Payloads are opened in chunks, by [`stream::PayloadOpener`], and nothing else is.
    #[error("payloads, and nothing else, are opened in chunks")]
    Payload,
    /// The encapsulated key is of low order.
    #[error("sealed message has an unusable encapsulated key")]
    EncapsulatedKey,
    /// Altered, or sealed to another key or under another header.
    #[error("sealed message does not authenticate")]
    Authentication,
    /// The sender padded wrongly.
    #[error("sealed answer is not padded as answers are")]
    Padding,
}

impl OpenError {
    /// The error's stable name in logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Truncated => "envelope-truncated",
            Self::Header(_) => "envelope-header",
            Self::Unexpected { field } => match field {
                Field::Message => "envelope-message",
                Field::Network => "envelope-network",
                Field::Sender => "envelope-sender",
                Field::Recipient => "envelope-recipient",
                Field::RecipientKey => "envelope-recipient-key",
                Field::Request => "envelope-request",
            },
            Self::Payload => "envelope-payload",
            Self::EncapsulatedKey => "envelope-encapsulated-key",
            Self::Authentication => "envelope-authentication",
            Self::Padding => "envelope-padding",
        }
    }
}

/// `header length ‖ header ‖ encapsulated key`: what comes before any ciphertext.
struct Prelude<'a> {
    header: Header,
    header_bytes: &'a [u8],
    encapsulated_key: &'a [u8; ENCAPSULATED_KEY_BYTES],
}

impl<'a> Prelude<'a> {
    /// The prelude and what follows; `None` while bytes are missing.
    fn split(bytes: &'a [u8]) -> Result<Option<(Self, &'a [u8])>, HeaderError> {
        let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*length));
        let Some((header_bytes, rest)) = rest.split_at_checked(length) else { return Ok(None) };
        let header = Header::decode(header_bytes)?;
        let Some((encapsulated_key, rest)) = rest.split_first_chunk() else { return Ok(None) };
        Ok(Some((Self { header, header_bytes, encapsulated_key }, rest)))
    }
}

/// The header, the prelude's bytes and the context that seals what follows them.
fn set_up_sender(
    route: &Route,
    recipient: &RecipientPublicKey,
    rng: &mut impl CryptoRng,
) -> Result<(Header, Vec<u8>, SenderContext), SealError> {
    let header = route.header(recipient);
    let (encapsulated_key, context) = hpke::setup_sender_with_rng::<_, _, X25519HkdfSha256>(
        &OpModeS::Base,
        &recipient.0,
        &header.info(),
        rng,
    )
    .map_err(|_| SealError::Hpke)?;
    let bytes = header.encode();
    let length = u16::try_from(bytes.len()).expect("a header has fewer than 300 bytes");
    let mut prelude = length.to_be_bytes().to_vec();
    prelude.extend_from_slice(&bytes);
    prelude.extend_from_slice(&encapsulated_key.to_bytes());
    Ok((header, prelude, context))
}

fn set_up_recipient(
    key: &RecipientKey,
    header: &Header,
    encapsulated_key: &[u8; ENCAPSULATED_KEY_BYTES],
) -> Result<RecipientContext, OpenError> {
    let encapsulated_key =
        <X25519HkdfSha256 as hpke::Kem>::EncappedKey::from_bytes(encapsulated_key)
            .expect("32 bytes are an encapsulated key");
    hpke::setup_receiver(&OpModeR::Base, &key.private, &encapsulated_key, &header.info())
        .map_err(|_| OpenError::EncapsulatedKey)
}

#[cfg(test)]
mod tests;
