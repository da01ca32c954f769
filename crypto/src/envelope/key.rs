//! Recipients' X25519 keys.

use std::fmt;

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::{Kem as _, X25519HkdfSha256};
use hpke::{Deserializable as _, OpModeR, Serializable as _};
use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::{Digest, Secret, VerifyingKey};

/// Length of an encoded X25519 public key.
pub const PUBLIC_KEY_BYTES: usize = 32;
/// Length of a key id.
pub const KEY_ID_BYTES: usize = 16;
/// Separates key ids from every other digest.
const KEY_ID_LABEL: &str = "proofgate/v1/key-id";

/// The first 128 bits of `Digest::labelled("proofgate/v1/key-id", [algorithm, public key])`
///
/// Names a public key, so that a department can have an old and a new one at once. 32 lower-case
/// hexadecimal digits in documents. A name only: whoever looks a key up by it has to take the key
/// from a registered document.
#[derive(Clone, Copy, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId([u8; KEY_ID_BYTES]);

impl KeyId {
    /// The id whose bytes these are.
    pub const fn from_bytes(bytes: [u8; KEY_ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// The id's bytes.
    pub const fn as_bytes(&self) -> &[u8; KEY_ID_BYTES] {
        &self.0
    }

    /// The id of a signing key.
    pub fn of_verifying_key(key: &VerifyingKey) -> Self {
        Self::of("ed25519", key.as_bytes())
    }

    fn of(algorithm: &str, key: &[u8]) -> Self {
        let digest = Digest::labelled(KEY_ID_LABEL, &[algorithm.as_bytes(), key]);
        let id = digest.as_bytes().first_chunk().expect("a digest is longer than a key id");
        Self(*id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// Why a text is not a key id.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected 32 lower-case hexadecimal digits")]
pub struct ParseKeyIdError;

impl std::str::FromStr for KeyId {
    type Err = ParseKeyIdError;

    fn from_str(text: &str) -> Result<Self, ParseKeyIdError> {
        decode_hex(text).map(Self).ok_or(ParseKeyIdError)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A recipient's private key.
pub struct RecipientKey {
    seed: Secret<32>,
    pub(super) private: <X25519HkdfSha256 as hpke::Kem>::PrivateKey, // wiped on drop by x25519-dalek
    public: RecipientPublicKey,
}

impl RecipientKey {
    /// `DeriveKeyPair(seed)`
    ///
    /// Source: RFC 9180, section 7.1.3.
    pub fn from_seed(seed: Secret<32>) -> Self {
        let (private, public) = X25519HkdfSha256::derive_keypair(seed.expose());
        Self { seed, private, public: RecipientPublicKey(public) }
    }

    /// A fresh key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = zeroize::Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self::from_seed(Secret::new(*seed))
    }

    /// The seed, to be stored.
    pub fn seed(&self) -> &Secret<32> {
        &self.seed
    }

    /// The public half.
    pub fn public_key(&self) -> &RecipientPublicKey {
        &self.public
    }

    /// The id of the public half.
    pub fn key_id(&self) -> KeyId {
        self.public.key_id()
    }
}

impl fmt::Debug for RecipientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecipientKey({})", self.public)
    }
}

/// A recipient's public key; 64 lower-case hexadecimal digits in documents.
#[derive(Clone, PartialEq, Eq)]
pub struct RecipientPublicKey(pub(super) <X25519HkdfSha256 as hpke::Kem>::PublicKey);

impl RecipientPublicKey {
    /// Decodes a key.
    ///
    /// # Errors
    /// [`RecipientKeyError`] if the bytes are a second spelling (RFC 7748 would reduce it) or a point
    /// of low order, with which everybody agrees on the same secret.
    pub fn from_bytes(bytes: &[u8; PUBLIC_KEY_BYTES]) -> Result<Self, RecipientKeyError> {
        if !is_reduced(bytes) {
            return Err(RecipientKeyError::NotCanonical);
        }
        // X25519 with any clamped scalar is zero exactly for points of low order (RFC 7748, section
        // 6.1), and HPKE refuses a zero shared secret (RFC 9180, section 7.1.4).
        type Encapsulated = <X25519HkdfSha256 as hpke::Kem>::EncappedKey;
        let (probe, _) = X25519HkdfSha256::derive_keypair(&[0; 32]);
        let point = Encapsulated::from_bytes(bytes).expect("32 bytes are an encapsulated key");
        hpke::setup_receiver::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &probe,
            &point,
            b"",
        )
        .map_err(|_| RecipientKeyError::LowOrder)?;
        let key = hpke::Deserializable::from_bytes(bytes).expect("32 bytes are a public key");
        Ok(Self(key))
    }

    /// The encoded key.
    pub fn to_bytes(&self) -> [u8; PUBLIC_KEY_BYTES] {
        self.0.to_bytes().into()
    }

    /// The key's name.
    pub fn key_id(&self) -> KeyId {
        KeyId::of("x25519", &self.to_bytes())
    }
}

impl fmt::Display for RecipientPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.to_bytes()))
    }
}

impl fmt::Debug for RecipientPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecipientPublicKey({self})")
    }
}

impl std::str::FromStr for RecipientPublicKey {
    type Err = RecipientKeyError;

    fn from_str(text: &str) -> Result<Self, RecipientKeyError> {
        Self::from_bytes(&decode_hex(text).ok_or(RecipientKeyError::NotHex)?)
    }
}

impl Serialize for RecipientPublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecipientPublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why bytes or a text are not a recipient's public key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecipientKeyError {
    /// Not 64 lower-case hexadecimal digits.
    #[error("expected 64 lower-case hexadecimal digits")]
    NotHex,
    /// A number that is not below `2^255 - 19`.
    #[error("not a canonical X25519 public key")]
    NotCanonical,
    /// A point of low order.
    #[error("an X25519 public key of low order")]
    LowOrder,
}

/// Whether little-endian `bytes` are a number below `2^255 - 19`.
fn is_reduced(bytes: &[u8; PUBLIC_KEY_BYTES]) -> bool {
    let mut prime = [0xff; PUBLIC_KEY_BYTES];
    prime[0] = 0xed;
    prime[PUBLIC_KEY_BYTES - 1] = 0x7f;
    bytes.iter().rev().lt(prime.iter().rev())
}

/// `N` bytes in their one spelling in hexadecimal.
pub(super) fn decode_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RecipientPublicKey, RecipientKeyError> {
        text.parse()
    }

    #[test]
    fn text_round_trips_and_has_one_spelling() {
        let key = RecipientKey::from_seed(Secret::new([7; 32]));
        let text = key.public_key().to_string();
        assert_eq!(parse(&text).as_ref(), Ok(key.public_key()));
        assert_eq!(parse(&text.to_uppercase()), Err(RecipientKeyError::NotHex));
        assert_eq!(parse(&text[2..]), Err(RecipientKeyError::NotHex));
        let id = key.key_id().to_string();
        assert_eq!(id.parse(), Ok(key.key_id()));
        assert_eq!(id.to_uppercase().parse::<KeyId>(), Err(ParseKeyIdError));
    }

    #[test]
    fn points_of_low_order_are_refused() {
        // Orders 4, 1 and 2, 8, 8, and the order-4 point of the twist (RFC 7748, section 6.1).
        let points = [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ];
        for point in points {
            assert_eq!(parse(point), Err(RecipientKeyError::LowOrder), "{point}");
        }
    }

    #[test]
    fn second_spellings_are_refused() {
        // p, p + 9 (the base point again), and the base point with the unused bit set.
        let spellings = [
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0900000000000000000000000000000000000000000000000000000000000080",
        ];
        for spelling in spellings {
            assert_eq!(parse(spelling), Err(RecipientKeyError::NotCanonical), "{spelling}");
        }
        let base = "0900000000000000000000000000000000000000000000000000000000000000";
        assert!(parse(base).is_ok());
    }

    #[test]
    fn signing_and_recipient_keys_of_equal_bytes_have_different_ids() {
        let signing = crate::SigningKey::from_seed(&Secret::new([7; 32])).verifying_key();
        let recipient = RecipientPublicKey::from_bytes(signing.as_bytes()).unwrap();
        assert_ne!(KeyId::of_verifying_key(&signing), recipient.key_id());
    }

    #[test]
    fn debug_shows_only_the_public_half() {
        let text = format!("{:?}", RecipientKey::from_seed(Secret::new([7; 32])));
        assert!(!text.contains(&hex::encode([7; 32])), "{text}");
    }
}
