//! The key card: a registrar's word that a consent key is a citizen's.
//!
//! The requester takes the citizen's key from the card and never from the issuer, who could
//! otherwise consent in the citizen's place.

use chain::identifier::{DepartmentId, NetworkId};
use circuits::eddsa::PublicKey;
use crypto::{Digest, Signature, SigningKey, VerifyingKey, canonical};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::VERSION;
use super::request::Nonce;
use crate::subject::Subject;

/// Label of a registrar's signature over a card.
const SIGNATURE_LABEL: &str = "proofgate/v1/key-card";

/// What the registrar states. Its digest is on the chain; the salt keeps the digest from being
/// guessed from a subject identifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyCard {
    /// Format version, 1.
    pub version: u32,
    /// The network whose registrar speaks.
    pub network: NetworkId,
    /// The department that enrolled the key.
    pub registrar: DepartmentId,
    /// Whose key it is.
    pub subject: Subject,
    /// The consent key.
    pub key: ConsentKey,
    /// From this Unix second on.
    pub valid_from: u64,
    /// 128 random bits.
    pub salt: Nonce,
}

/// A card with the registrar's signature; trusted only after [`SignedKeyCard::verify`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedKeyCard {
    /// The card.
    pub card: KeyCard,
    /// The registrar's signature over the card's digest, 128 lower-case hexadecimal digits.
    pub signature: SignatureHex,
}

/// Why a card is not a registrar's word.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyCardError {
    /// Another format version.
    #[error("key card version {got}; this software reads version {VERSION}")]
    Version {
        /// The version that the card has.
        got: u32,
    },
    /// A card of another network.
    #[error("key card of network {0}")]
    Network(NetworkId),
    /// Signed by somebody else.
    #[error("the key card is not signed by registrar {0}")]
    Signature(DepartmentId),
}

impl KeyCardError {
    /// A stable name of the failed check.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Version { .. } => "key-card-version",
            Self::Network(_) => "key-card-network",
            Self::Signature(_) => "key-card-signature",
        }
    }
}

impl KeyCard {
    /// SHA-256 of the canonical card.
    pub fn digest(&self) -> Digest {
        canonical::digest(self).expect("a card has string keys and integers only")
    }

    /// The card with the registrar's signature.
    pub fn sign(self, registrar: &SigningKey) -> SignedKeyCard {
        let signature = registrar.sign(SIGNATURE_LABEL, self.digest().as_bytes());
        SignedKeyCard { card: self, signature: SignatureHex(signature) }
    }
}

impl SignedKeyCard {
    /// The card, if it is of this network and signed by this registrar.
    ///
    /// # Errors
    /// [`KeyCardError`] names what does not hold.
    pub fn verify(
        &self,
        network: &NetworkId,
        registrar_key: &VerifyingKey,
    ) -> Result<&KeyCard, KeyCardError> {
        let card = &self.card;
        if card.version != VERSION {
            return Err(KeyCardError::Version { got: card.version });
        }
        if card.network != *network {
            return Err(KeyCardError::Network(card.network));
        }
        registrar_key
            .verify(SIGNATURE_LABEL, card.digest().as_bytes(), &self.signature.0)
            .map_err(|_| KeyCardError::Signature(card.registrar))?;
        Ok(card)
    }
}

/// A citizen's consent key in documents: 128 lower-case hexadecimal digits, `x ‖ y` big-endian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConsentKey(PublicKey);

impl ConsentKey {
    /// The checked key.
    pub fn public_key(&self) -> &PublicKey {
        &self.0
    }
}

impl From<PublicKey> for ConsentKey {
    fn from(key: PublicKey) -> Self {
        Self(key)
    }
}

impl From<ConsentKey> for String {
    fn from(key: ConsentKey) -> Self {
        hex::encode(key.0.to_bytes())
    }
}

impl TryFrom<String> for ConsentKey {
    type Error = ParseConsentKeyError;

    fn try_from(text: String) -> Result<Self, ParseConsentKeyError> {
        let mut bytes = [0; 64];
        hex::decode_to_slice(&text, &mut bytes).map_err(|_| ParseConsentKeyError)?;
        if hex::encode(bytes) != text {
            return Err(ParseConsentKeyError);
        }
        PublicKey::from_bytes(&bytes).map(Self).map_err(|_| ParseConsentKeyError)
    }
}

/// A text is not a consent key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "expected 128 lower-case hexadecimal digits of a BabyJubJub point in the prime-order subgroup"
)]
pub struct ParseConsentKeyError;

/// An Ed25519 signature in documents: 128 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SignatureHex(pub Signature);

impl From<SignatureHex> for String {
    fn from(signature: SignatureHex) -> Self {
        hex::encode(signature.0.as_bytes())
    }
}

impl TryFrom<String> for SignatureHex {
    type Error = ParseSignatureError;

    fn try_from(text: String) -> Result<Self, ParseSignatureError> {
        let mut bytes = [0; 64];
        hex::decode_to_slice(&text, &mut bytes).map_err(|_| ParseSignatureError)?;
        if hex::encode(bytes) != text {
            return Err(ParseSignatureError);
        }
        Ok(Self(Signature::from_bytes(bytes)))
    }
}

/// A text is not a signature.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected 128 lower-case hexadecimal digits")]
pub struct ParseSignatureError;

#[cfg(test)]
mod tests {
    use super::*;
    use circuits::eddsa::PrivateKey;
    use crypto::Secret;

    fn network(name: &[u8]) -> NetworkId {
        serde_json::from_value(serde_json::json!(Digest::of(name))).unwrap()
    }

    fn registrar() -> SigningKey {
        SigningKey::from_seed(&Secret::new([1; 32]))
    }

    fn card() -> KeyCard {
        KeyCard {
            version: VERSION,
            network: network(b"ours"),
            registrar: "civil-registry".parse().unwrap(),
            subject: "101061001312".parse().unwrap(),
            key: PrivateKey::from_bytes(&[2; 32]).public_key().into(),
            valid_from: 1,
            salt: Nonce::from_bytes([3; 16]),
        }
    }

    fn code(signed: &SignedKeyCard) -> &'static str {
        let key = registrar().verifying_key();
        signed.verify(&network(b"ours"), &key).map_or_else(|error| error.code(), |_| "ok")
    }

    #[test]
    fn a_card_is_a_registrars_word_for_one_network() {
        assert_eq!(code(&card().sign(&registrar())), "ok");
        let other = SigningKey::from_seed(&Secret::new([9; 32]));
        assert_eq!(code(&card().sign(&other)), "key-card-signature");
        let version = KeyCard { version: 2, ..card() };
        assert_eq!(code(&version.sign(&registrar())), "key-card-version");
        let elsewhere = KeyCard { network: network(b"theirs"), ..card() };
        assert_eq!(code(&elsewhere.sign(&registrar())), "key-card-network");
    }

    #[test]
    fn nothing_on_a_signed_card_can_be_changed() {
        let changes: [fn(&mut KeyCard); 5] = [
            |card| card.subject = "101146789348".parse().unwrap(),
            |card| card.key = PrivateKey::from_bytes(&[4; 32]).public_key().into(),
            |card| card.registrar = "tax".parse().unwrap(),
            |card| card.valid_from += 1,
            |card| card.salt = Nonce::from_bytes([5; 16]),
        ];
        for change in changes {
            let mut signed = card().sign(&registrar());
            change(&mut signed.card);
            assert_eq!(code(&signed), "key-card-signature");
        }
    }
}
