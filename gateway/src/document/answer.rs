//! The answer: a proof and what the requester needs to check it. There is no negative answer.

use chain::identifier::EntryId;
use circuits::Fr;
use circuits::groth16::KeyId;
use crypto::Digest;
use crypto::commitment::Salt;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What an issuer seals to a requester. Nothing in it is believed: public inputs are recomputed from
/// the request, keys and roots are looked up on the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Format version, 1.
    pub version: u32,
    /// Digest of the request that this answers.
    pub request: Digest,
    /// The Groth16 proof, 256 lower-case hexadecimal digits.
    pub proof: String,
    /// The key it verifies under.
    pub key: KeyId,
    /// Id of the `records` entry whose root it was made under.
    pub records: EntryId,
    /// What the circuit's public inputs need besides the request.
    pub evidence: Evidence,
    /// Id of the `consent` entry; absent on a statutory basis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent_entry: Option<EntryId>,
    /// Id of the `proof` entry.
    pub proof_entry: EntryId,
    /// Opens the `proof` entry's digest.
    pub proof_salt: Salt,
}

/// What a circuit's statement needs besides the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "circuit", deny_unknown_fields)]
pub enum Evidence {
    /// For `identified/v1`.
    #[serde(rename = "identified/v1")]
    Identified {
        /// The record commitment `C`.
        commitment: ElementHex,
        /// The path from `C` to the dataset's root, lower-case hexadecimal.
        path: String,
        /// The citizen's signature over `M`, lower-case hexadecimal; absent on a statutory basis.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
    /// For `pseudonymous/v1`.
    #[serde(rename = "pseudonymous/v1")]
    Pseudonymous {
        /// The pseudonym `p`.
        pseudonym: ElementHex,
    },
}

/// The digest behind a `proof` entry is a salted commitment to this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofRecord {
    /// Format version, 1.
    pub version: u32,
    /// The key.
    pub key: KeyId,
    /// The public inputs in the statement's order.
    pub inputs: Vec<ElementHex>,
    /// SHA-256 of the proof's bytes: evidence, not identity, since a proof can be re-randomised.
    pub proof: Digest,
}

/// A field element in documents: 64 lower-case hexadecimal digits, big-endian, below the modulus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ElementHex(pub Fr);

impl From<ElementHex> for String {
    fn from(element: ElementHex) -> Self {
        hex::encode(circuits::field::to_be_bytes(element.0))
    }
}

/// A text is not a field element.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected 64 lower-case hexadecimal digits of an integer below the modulus")]
pub struct ParseElementError;

impl TryFrom<String> for ElementHex {
    type Error = ParseElementError;

    fn try_from(text: String) -> Result<Self, ParseElementError> {
        let bytes: Digest = text.parse().map_err(|_| ParseElementError)?;
        circuits::field::from_be_bytes(bytes.as_bytes()).map(Self).map_err(|_| ParseElementError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The modulus, and numbers next to it.
    #[test]
    fn an_element_has_one_spelling() {
        let modulus = "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f000000";
        let read = |text: String| serde_json::from_value::<ElementHex>(text.into());
        let highest = format!("{modulus}0");
        assert_eq!(read(highest.clone()).unwrap(), ElementHex(-Fr::from(1)));
        assert_eq!(String::from(ElementHex(-Fr::from(1))), highest);
        // 0, 1 and 14 with the modulus added, and the largest number.
        for text in ["1", "2", "f"].map(|last| format!("{modulus}{last}")) {
            assert!(read(text).is_err());
        }
        assert!(read("f".repeat(64)).is_err());
        for text in [highest.to_uppercase(), highest[1..].to_owned(), format!("0{highest}")] {
            assert!(read(text).is_err());
        }
    }
}
