//! Ed25519 (RFC 8032) keys of departments, gateways and cosigners.
//!
//! Every signature is over a label and a message, so that a signature of one kind never verifies as
//! another kind. Signatures whose byte format is not ours (RFC 9421, C2SP) use [`SigningKey::sign_raw`].

use std::fmt;

use ed25519_dalek::Signer as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::{Digest, Secret};

/// Length of a signature.
pub const SIGNATURE_BYTES: usize = 64;
/// Length of an encoded verifying key.
pub const VERIFYING_KEY_BYTES: usize = 32;

/// A private signing key.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key that RFC 8032 derives from `seed`.
    pub fn from_seed(seed: &Secret<32>) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed.expose()))
    }

    /// The seed, to be stored.
    pub fn to_seed(&self) -> Secret<32> {
        Secret::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }

    /// Signs `message` under `label`.
    pub fn sign(&self, label: &str, message: &[u8]) -> Signature {
        self.sign_raw(preimage(label, message).as_bytes())
    }

    /// Plain Ed25519 over `message`, for formats that separate their own domains.
    pub fn sign_raw(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.verifying_key())
    }
}

/// A public key; 64 lower-case hexadecimal digits in documents.
#[derive(Clone, Copy, Hash, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// Decodes a key.
    ///
    /// # Errors
    /// [`KeyError`] if the bytes are no canonical point, or one of low order, under which anybody
    /// could sign.
    pub fn from_bytes(bytes: &[u8; VERIFYING_KEY_BYTES]) -> Result<Self, KeyError> {
        let key =
            ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotAPoint)?;
        if key.to_bytes() != *bytes {
            return Err(KeyError::NotAPoint);
        }
        if key.is_weak() {
            return Err(KeyError::LowOrder);
        }
        Ok(Self(key))
    }

    /// The encoded key.
    pub fn as_bytes(&self) -> &[u8; VERIFYING_KEY_BYTES] {
        self.0.as_bytes()
    }

    /// Checks a signature over `message` under `label`.
    ///
    /// # Errors
    /// [`SignatureError`] if it is not this key's.
    pub fn verify(
        &self,
        label: &str,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), SignatureError> {
        self.verify_raw(preimage(label, message).as_bytes(), signature)
    }

    /// Checks a plain Ed25519 signature, strictly: no low-order point, no second spelling.
    ///
    /// # Errors
    /// [`SignatureError`] if it is not this key's.
    pub fn verify_raw(&self, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(message, &signature).map_err(|_| SignatureError)
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.as_bytes()))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}

impl std::str::FromStr for VerifyingKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes: Digest = text.parse().map_err(|_| KeyError::NotHex)?;
        Self::from_bytes(bytes.as_bytes())
    }
}

impl Serialize for VerifyingKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VerifyingKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why bytes or a text are not a verifying key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// Not 64 lower-case hexadecimal digits.
    #[error("expected 64 lower-case hexadecimal digits")]
    NotHex,
    /// Not a canonical point of edwards25519.
    #[error("not a canonical Ed25519 public key")]
    NotAPoint,
    /// A point of low order.
    #[error("an Ed25519 public key of low order")]
    LowOrder,
}

/// A signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; SIGNATURE_BYTES]);

impl Signature {
    /// The signature whose bytes these are; checked only by [`VerifyingKey::verify`].
    pub const fn from_bytes(bytes: [u8; SIGNATURE_BYTES]) -> Self {
        Self(bytes)
    }

    /// The signature's bytes.
    pub const fn as_bytes(&self) -> &[u8; SIGNATURE_BYTES] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", hex::encode(self.0))
    }
}

/// The signature is not of this key over this message.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the signature does not verify")]
pub struct SignatureError;

fn preimage(label: &str, message: &[u8]) -> Digest {
    Digest::labelled(label, &[message])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed(&Secret::new([7; 32]))
    }

    #[test]
    fn agrees_with_rfc_8032_test_2() {
        let seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
        let key =
            SigningKey::from_seed(&Secret::new(hex::decode(seed).unwrap().try_into().unwrap()));
        assert_eq!(
            key.verifying_key().to_string(),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        );
        assert_eq!(
            hex::encode(key.sign_raw(&[0x72]).as_bytes()),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        );
    }

    #[test]
    fn a_signature_is_bound_to_key_label_and_message() {
        let signature = key().sign("label", b"message");
        let public = key().verifying_key();
        assert_eq!(public.verify("label", b"message", &signature), Ok(()));
        assert_eq!(public.verify("other", b"message", &signature), Err(SignatureError));
        assert_eq!(public.verify("label", b"massage", &signature), Err(SignatureError));
        let other = SigningKey::from_seed(&Secret::new([8; 32])).verifying_key();
        assert_eq!(other.verify("label", b"message", &signature), Err(SignatureError));
        let mut bytes = *signature.as_bytes();
        bytes[63] ^= 1;
        let tampered = Signature::from_bytes(bytes);
        assert_eq!(public.verify("label", b"message", &tampered), Err(SignatureError));
    }

    #[test]
    fn low_order_and_non_canonical_keys_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(VerifyingKey::from_bytes(&identity), Err(KeyError::LowOrder));
        // y = p + 1 is a second spelling of the identity (RFC 8032, section 5.1.3 refuses it).
        let mut alias = [0xff; 32];
        alias[0] = 0xee;
        alias[31] = 0x7f;
        assert!(VerifyingKey::from_bytes(&alias).is_err());
    }

    #[test]
    fn debug_shows_only_the_public_half() {
        let text = format!("{:?}", key());
        assert!(!text.contains(&hex::encode([7; 32])), "{text}");
    }
}
