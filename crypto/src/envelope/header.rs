//! What every sealed message says about itself, in clear and authenticated.
//!
//! ```text
//! header = version (0x01) ‖ KEM id u16 ‖ KDF id u16 ‖ AEAD id u16 ‖ message type u8
//!        ‖ name(network) ‖ name(sender) ‖ name(recipient)          name(x) = length u8 ‖ bytes
//!        ‖ recipient key id (16) ‖ request digest (32) ‖ payload id (16, only of payloads)
//! ```
//! Integers are big-endian. There is exactly one spelling of each header.

use std::fmt;

use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::key::{KEY_ID_BYTES, KeyId, decode_hex};
use crate::Digest;
use crate::digest::DIGEST_BYTES;

/// The format's only version so far.
const VERSION: u8 = 1;
/// The protocol's part of HPKE's `info`.
const LABEL: &str = "proofgate/v1/envelope";
/// The longest name.
pub const NAME_BYTES: usize = 64;
/// Length of a payload id.
pub const PAYLOAD_ID_BYTES: usize = 16;

/// The name of a network or department: 1 to 64 printable ASCII characters, without space, quotes,
/// backslash, slash and colon, so that it can stand in URLs and HTTP headers as it is.
#[derive(Clone, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    /// [`NameError`] if it has another length or other characters.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.is_empty() || text.len() > NAME_BYTES {
            return Err(NameError);
        }
        let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\"'\\/:".contains(&byte);
        if text.bytes().all(allowed) { Ok(Self(text.to_owned())) } else { Err(NameError) }
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

impl std::str::FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

/// A text is not a [`Name`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected 1 to {NAME_BYTES} printable ASCII characters without quotes, \\, / and :")]
pub struct NameError;

/// 128 random bits that name a payload; 32 lower-case hexadecimal digits in documents.
#[derive(Clone, Copy, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct PayloadId([u8; PAYLOAD_ID_BYTES]);

impl PayloadId {
    /// A fresh id.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; PAYLOAD_ID_BYTES];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The id whose bytes these are.
    pub const fn from_bytes(bytes: [u8; PAYLOAD_ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// The id's bytes.
    pub const fn as_bytes(&self) -> &[u8; PAYLOAD_ID_BYTES] {
        &self.0
    }
}

impl fmt::Display for PayloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PayloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PayloadId({self})")
    }
}

/// Why a text is not a payload id.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected 32 lower-case hexadecimal digits")]
pub struct ParsePayloadIdError;

impl std::str::FromStr for PayloadId {
    type Err = ParsePayloadIdError;

    fn from_str(text: &str) -> Result<Self, ParsePayloadIdError> {
        decode_hex(text).map(Self).ok_or(ParsePayloadIdError)
    }
}

impl Serialize for PayloadId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PayloadId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The algorithms of an envelope, by their ids in RFC 9180, section 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Suite {
    /// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
    X25519Aes256Gcm,
}

impl Suite {
    /// `KEM id ‖ KDF id ‖ AEAD id`
    pub const fn to_bytes(self) -> [u8; 6] {
        match self {
            Self::X25519Aes256Gcm => [0x00, 0x20, 0x00, 0x01, 0x00, 0x02],
        }
    }

    fn from_bytes(bytes: [u8; 6]) -> Option<Self> {
        (bytes == Self::X25519Aes256Gcm.to_bytes()).then_some(Self::X25519Aes256Gcm)
    }
}

/// What a message is.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// A request document, to the issuer.
    Request,
    /// An answer, to the requester; padded inside the seal.
    Answer,
    /// A signed offer of a pseudonymous request.
    Offer,
    /// What the recipient must know of a payload before its parts: commitment salt, length, name.
    PayloadManifest(PayloadId),
    /// A payload, in chunks.
    Payload(PayloadId),
    /// Any other document that belongs to a request.
    Document,
}

impl Message {
    /// The message type's fixed name, as bound in HPKE's `info`.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Answer => "answer",
            Self::Offer => "offer",
            Self::PayloadManifest(_) => "payload-manifest",
            Self::Payload(_) => "payload",
            Self::Document => "document",
        }
    }

    /// The payload that it is about.
    pub const fn payload(&self) -> Option<&PayloadId> {
        match self {
            Self::PayloadManifest(id) | Self::Payload(id) => Some(id),
            Self::Request | Self::Answer | Self::Offer | Self::Document => None,
        }
    }

    const fn number(&self) -> u8 {
        match self {
            Self::Request => 1,
            Self::Answer => 2,
            Self::Offer => 3,
            Self::PayloadManifest(_) => 4,
            Self::Payload(_) => 5,
            Self::Document => 6,
        }
    }
}

/// A header: everything that a recipient has to compare with what it expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The algorithms.
    pub suite: Suite,
    /// What the message is.
    pub message: Message,
    /// The network.
    pub network: Name,
    /// The department that sealed it; worth nothing until it equals the verified signer.
    pub sender: Name,
    /// The department that it is for.
    pub recipient: Name,
    /// Which of the recipient's keys it is sealed to.
    pub recipient_key: KeyId,
    /// The request that it belongs to.
    pub request: Digest,
}

impl Header {
    /// The header's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.suite.to_bytes());
        out.push(self.message.number());
        for name in [&self.network, &self.sender, &self.recipient] {
            out.push(u8::try_from(name.0.len()).expect("names have at most 64 bytes"));
            out.extend_from_slice(name.0.as_bytes());
        }
        out.extend_from_slice(self.recipient_key.as_bytes());
        out.extend_from_slice(self.request.as_bytes());
        if let Some(payload) = self.message.payload() {
            out.extend_from_slice(payload.as_bytes());
        }
        out
    }

    /// The header that `bytes` are exactly.
    ///
    /// # Errors
    /// [`HeaderError`] if they are cut, longer, or say what this version does not know.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut reader = Reader(bytes);
        let version = reader.byte()?;
        if version != VERSION {
            return Err(HeaderError::Version { got: version });
        }
        let suite = Suite::from_bytes(reader.array()?).ok_or(HeaderError::Suite)?;
        let number = reader.byte()?;
        let (network, sender, recipient) = (reader.name()?, reader.name()?, reader.name()?);
        let recipient_key = KeyId::from_bytes(reader.array::<KEY_ID_BYTES>()?);
        let request = Digest::from_bytes(reader.array::<DIGEST_BYTES>()?);
        let message = match number {
            1 => Message::Request,
            2 => Message::Answer,
            3 => Message::Offer,
            4 => Message::PayloadManifest(PayloadId(reader.array()?)),
            5 => Message::Payload(PayloadId(reader.array()?)),
            6 => Message::Document,
            got => return Err(HeaderError::MessageType { got }),
        };
        if !reader.0.is_empty() {
            return Err(HeaderError::Trailing { excess: reader.0.len() });
        }
        Ok(Self { suite, message, network, sender, recipient, recipient_key, request })
    }

    /// `len(x) ‖ x` for x of (label, suite, message type, network, sender, recipient, recipient key
    /// id, request digest, payload id), lengths as big-endian `u16`
    ///
    /// HPKE's `info`: a ciphertext opens only for the same header.
    pub(super) fn info(&self) -> Vec<u8> {
        let suite = self.suite.to_bytes();
        let parts: [&[u8]; 9] = [
            LABEL.as_bytes(),
            &suite,
            self.message.label().as_bytes(),
            self.network.0.as_bytes(),
            self.sender.0.as_bytes(),
            self.recipient.0.as_bytes(),
            self.recipient_key.as_bytes(),
            self.request.as_bytes(),
            self.message.payload().map_or(&[], |id| id.as_bytes()),
        ];
        let mut info = Vec::new();
        for part in parts {
            let length = u16::try_from(part.len()).expect("no part has more than 64 bytes");
            info.extend_from_slice(&length.to_be_bytes());
            info.extend_from_slice(part);
        }
        info
    }
}

/// Why bytes are not a header.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// The bytes end too early.
    #[error("header is truncated")]
    Truncated,
    /// Bytes follow the header.
    #[error("{excess} bytes follow the header")]
    Trailing {
        /// How many.
        excess: usize,
    },
    /// A version that this program does not know.
    #[error("envelope version {got}, expected {VERSION}")]
    Version {
        /// The version found.
        got: u8,
    },
    /// Algorithms that this program does not know.
    #[error("unknown HPKE suite")]
    Suite,
    /// A message type that this program does not know.
    #[error("unknown message type {got}")]
    MessageType {
        /// The number found.
        got: u8,
    },
    /// A name of forbidden length or characters.
    #[error("malformed network or department name")]
    Name,
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], HeaderError> {
        let (head, rest) = self.0.split_first_chunk().ok_or(HeaderError::Truncated)?;
        self.0 = rest;
        Ok(*head)
    }

    fn byte(&mut self) -> Result<u8, HeaderError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn name(&mut self) -> Result<Name, HeaderError> {
        let length = usize::from(self.byte()?);
        let (head, rest) = self.0.split_at_checked(length).ok_or(HeaderError::Truncated)?;
        self.0 = rest;
        let text = std::str::from_utf8(head).map_err(|_| HeaderError::Name)?;
        Name::new(text).map_err(|_| HeaderError::Name)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in super::super) fn header(message: Message) -> Header {
        Header {
            suite: Suite::X25519Aes256Gcm,
            message,
            network: Name::new("net").unwrap(),
            sender: Name::new("tax").unwrap(),
            recipient: Name::new("welfare").unwrap(),
            recipient_key: KeyId::from_bytes([0xaa; 16]),
            request: Digest::from_bytes([0xbb; 32]),
        }
    }

    fn messages() -> [Message; 6] {
        let id = PayloadId::from_bytes([0xcc; 16]);
        [
            Message::Request,
            Message::Answer,
            Message::Offer,
            Message::PayloadManifest(id),
            Message::Payload(id),
            Message::Document,
        ]
    }

    #[test]
    fn bytes_and_info_are_frozen() {
        let header = header(Message::Payload(PayloadId::from_bytes([0xcc; 16])));
        let mut bytes = hex::decode("01002000010002").unwrap();
        bytes.extend_from_slice(b"\x05\x03net\x03tax\x07welfare");
        bytes.extend_from_slice(&[0xaa; 16]);
        bytes.extend_from_slice(&[0xbb; 32]);
        bytes.extend_from_slice(&[0xcc; 16]);
        assert_eq!(header.encode(), bytes);

        let mut info = Vec::new();
        let suite = [0, 0x20, 0, 1, 0, 2];
        let parts: [&[u8]; 9] = [
            b"proofgate/v1/envelope",
            &suite,
            b"payload",
            b"net",
            b"tax",
            b"welfare",
            &[0xaa; 16],
            &[0xbb; 32],
            &[0xcc; 16],
        ];
        for part in parts {
            info.extend_from_slice(&[0, u8::try_from(part.len()).unwrap()]);
            info.extend_from_slice(part);
        }
        assert_eq!(header.info(), info);
    }

    #[test]
    fn every_message_type_round_trips_under_its_own_info() {
        let mut infos = std::collections::BTreeSet::new();
        for message in messages() {
            let header = header(message);
            assert_eq!(Header::decode(&header.encode()), Ok(header.clone()));
            assert!(infos.insert(header.info()), "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn names_round_trip(names in prop::array::uniform3("[!#-&(-.0-9;-\\[\\]-~]{1,64}")) {
            let [network, sender, recipient] = names.map(|name| Name::new(&name).unwrap());
            let header = Header { network, sender, recipient, ..header(Message::Answer) };
            prop_assert_eq!(Header::decode(&header.encode()), Ok(header));
        }

        #[test]
        fn what_decodes_encodes_to_the_same_bytes(position in 0usize..78, byte: u8) {
            let mut bytes = header(messages()[4]).encode();
            prop_assert_eq!(bytes.len(), 88);
            bytes[position] = byte;
            if let Ok(decoded) = Header::decode(&bytes) {
                prop_assert_eq!(decoded.encode(), bytes);
            }
        }
    }

    #[test]
    fn cut_and_lengthened_headers_are_refused() {
        for message in messages() {
            let mut bytes = header(message).encode();
            for length in 0..bytes.len() {
                assert_eq!(Header::decode(&bytes[..length]), Err(HeaderError::Truncated));
            }
            bytes.push(0);
            assert_eq!(Header::decode(&bytes), Err(HeaderError::Trailing { excess: 1 }));
        }
    }

    #[test]
    fn unknown_version_suite_type_and_bad_names_are_refused() {
        let good = header(Message::Request).encode();
        let with = |position: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[position] = byte;
            Header::decode(&bytes)
        };
        assert_eq!(with(0, 2), Err(HeaderError::Version { got: 2 }));
        for position in 1..7 {
            assert_eq!(with(position, 0xff), Err(HeaderError::Suite));
        }
        assert_eq!(with(7, 0), Err(HeaderError::MessageType { got: 0 }));
        assert_eq!(with(7, 7), Err(HeaderError::MessageType { got: 7 }));
        assert_eq!(with(9, b':'), Err(HeaderError::Name));
        assert_eq!(with(9, 0xff), Err(HeaderError::Name));
        assert_eq!(with(9, b'n'), Header::decode(&good));
        assert_eq!(Name::new(""), Err(NameError));
        assert_eq!(Name::new(&"a".repeat(65)), Err(NameError));
        assert!(Name::new(&"a".repeat(64)).is_ok());
    }
}
