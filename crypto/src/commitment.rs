//! Salted commitments: what the chain may show of a document that must stay unknown.
//!
//! A plain digest of a guessable document tells it to whoever guesses. A commitment's salt is 256
//! random bits, so the digest tells nothing until salt and document are opened.

use std::fmt;

use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::canonical::{self, CanonicalError};
use crate::digest::DIGEST_BYTES;
use crate::{Digest, Secret};

/// Length of a salt.
pub const SALT_BYTES: usize = 32;

/// The random half of a commitment; 64 lower-case hexadecimal digits in documents.
///
/// Not shown by `Debug`: who has the salt can test guesses of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salt(Secret<SALT_BYTES>);

impl Salt {
    /// A fresh salt.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; SALT_BYTES];
        rng.fill_bytes(&mut bytes);
        Self::from_bytes(bytes)
    }

    /// The salt whose bytes these are.
    pub const fn from_bytes(bytes: [u8; SALT_BYTES]) -> Self {
        Self(Secret::new(bytes))
    }

    /// The salt's bytes.
    pub const fn as_bytes(&self) -> &[u8; SALT_BYTES] {
        self.0.expose()
    }

    /// `Digest::labelled(label, [salt, part, …])`
    ///
    /// Commits to byte strings.
    pub fn commit(&self, label: &str, parts: &[&[u8]]) -> Digest {
        let mut all: Vec<&[u8]> = Vec::with_capacity(parts.len() + 1);
        all.push(self.as_bytes());
        all.extend_from_slice(parts);
        Digest::labelled(label, &all)
    }
}

impl Serialize for Salt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.as_bytes()))
    }
}

impl<'de> Deserialize<'de> for Salt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const _: () = assert!(SALT_BYTES == DIGEST_BYTES, "salts are spelled like digests");
        Digest::deserialize(deserializer).map(|digest| Self::from_bytes(*digest.as_bytes()))
    }
}

/// A document with the salt that its commitment needs.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Salted<T> {
    /// The salt.
    pub salt: Salt,
    /// The document.
    pub document: T,
}

impl<T: Serialize> Salted<T> {
    /// Pairs `document` with a fresh salt.
    pub fn new(document: T, rng: &mut impl CryptoRng) -> Self {
        Self { salt: Salt::random(rng), document }
    }

    /// `Digest::labelled(label, [salt, canonical bytes of document])`
    ///
    /// # Errors
    /// As [`canonical::to_vec`].
    pub fn commit(&self, label: &str) -> Result<Digest, CanonicalError> {
        Ok(self.salt.commit(label, &[&canonical::to_vec(&self.document)?]))
    }

    /// Checks that this opens `commitment`, in constant time.
    ///
    /// # Errors
    /// [`OpeningError`] if it does not, or if the document has no canonical form.
    pub fn verify(&self, label: &str, commitment: &Digest) -> Result<(), OpeningError> {
        let ours = self.commit(label).map_err(|_| OpeningError::NotCanonical)?;
        if ours.ct_eq(commitment) { Ok(()) } else { Err(OpeningError::Mismatch) }
    }
}

impl<T> fmt::Debug for Salted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salted(..)") // what is committed to is not for logs
    }
}

/// Why a salted document does not open a commitment.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpeningError {
    /// The commitment is to another label, salt or document.
    #[error("the salted document does not open the commitment")]
    Mismatch,
    /// The document cannot be written as canonical JSON.
    #[error("the document has no canonical form")]
    NotCanonical,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn salted() -> Salted<Value> {
        Salted { salt: Salt::from_bytes([1; 32]), document: json!({"b": 1, "a": 2}) }
    }

    #[test]
    fn a_commitment_is_the_labelled_digest_of_salt_and_canonical_bytes() {
        let commitment = salted().commit("label").unwrap();
        assert_eq!(commitment, Digest::labelled("label", &[&[1; 32], br#"{"a":2,"b":1}"#]));
        assert_eq!(salted().verify("label", &commitment), Ok(()));
    }

    #[test]
    fn another_label_salt_or_document_does_not_open_it() {
        let commitment = salted().commit("label").unwrap();
        assert_eq!(salted().verify("other", &commitment), Err(OpeningError::Mismatch));
        let mut other = salted();
        other.salt = Salt::from_bytes([2; 32]);
        assert_eq!(other.verify("label", &commitment), Err(OpeningError::Mismatch));
        other = salted();
        other.document = json!({"b": 1, "a": 3});
        assert_eq!(other.verify("label", &commitment), Err(OpeningError::Mismatch));
        other.document = json!({"a": 2, "b": 1});
        assert_eq!(other.verify("label", &commitment), Ok(()));
    }

    #[test]
    fn a_salted_document_round_trips_and_refuses_extra_members() {
        let text = serde_json::to_string(&salted()).unwrap();
        assert_eq!(serde_json::from_str::<Salted<Value>>(&text).unwrap(), salted());
        let extra = text.replacen('{', r#"{"extra":1,"#, 1);
        assert!(serde_json::from_str::<Salted<Value>>(&extra).is_err());
        let short = text.replacen("0101", "", 1);
        assert!(serde_json::from_str::<Salted<Value>>(&short).is_err());
    }

    #[test]
    fn debug_shows_neither_salt_nor_document() {
        assert_eq!(format!("{:?} {:?}", salted(), salted().salt), "Salted(..) Salt(Secret<32>)");
    }
}
