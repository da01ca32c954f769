//! The payload's manifest: what its recipient must know to open it, check it and name it.

use std::fmt;

use chain::identifier::EntryId;
use crypto::commitment::Salt;
use crypto::envelope::stream::{MAX_PLAINTEXT_BYTES, part_count};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::VERSION;

/// The longest name of a document, in bytes, as file systems have it.
pub const MAX_NAME_BYTES: usize = 255;

/// What a sender seals to the recipient after a payload's last part. Its id and its request are in the
/// envelope's header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayloadManifest {
    /// Format version, 1.
    pub version: u32,
    /// The document's name.
    pub name: DocumentName,
    /// Length of the document.
    pub bytes: u64,
    /// Opens the commitment of the `payload-sent` entry.
    pub salt: Salt,
    /// Id of the `payload-sent` entry.
    pub sent: EntryId,
}

/// What a recipient says to a manifest: `{"state":"checking"}` or `{"state":"complete"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Completion {
    /// The payload is being checked: ask again.
    Checking,
    /// All of it has been checked and acknowledged on the chain.
    Complete,
}

/// Why a manifest does not hold.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManifestError {
    /// A version that this software does not know.
    #[error("payload manifest version {got}, expected {VERSION}")]
    Version {
        /// The version found.
        got: u32,
    },
    /// No payload is that long.
    #[error("a payload of {got} bytes, expected at most {MAX_PLAINTEXT_BYTES}")]
    Length {
        /// The length found.
        got: u64,
    },
}

impl ManifestError {
    /// A stable name of the failed check.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Version { .. } => "payload-manifest-version",
            Self::Length { .. } => "payload-manifest-length",
        }
    }
}

impl PayloadManifest {
    /// Checks what can be checked without the payload.
    ///
    /// # Errors
    /// [`ManifestError`] names what does not hold.
    pub fn check(&self) -> Result<(), ManifestError> {
        if self.version != VERSION {
            return Err(ManifestError::Version { got: self.version });
        }
        if self.bytes > MAX_PLAINTEXT_BYTES {
            return Err(ManifestError::Length { got: self.bytes });
        }
        Ok(())
    }

    /// How many parts the payload has.
    pub const fn parts(&self) -> u64 {
        part_count(self.bytes)
    }
}

/// A document's name: 1 to 255 bytes of UTF-8 without control characters, slashes and backslashes, and
/// neither `.` nor `..`, so that a recipient can show it and save under it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DocumentName(String);

/// A text is not a [`DocumentName`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected 1 to {MAX_NAME_BYTES} bytes without control characters, / and \\")]
pub struct DocumentNameError;

impl DocumentName {
    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DocumentName {
    type Error = DocumentNameError;

    fn try_from(text: String) -> Result<Self, DocumentNameError> {
        let forbidden = |c: char| c.is_control() || c == '/' || c == '\\';
        let length = (1..=MAX_NAME_BYTES).contains(&text.len());
        if length && text != "." && text != ".." && !text.contains(forbidden) {
            Ok(Self(text))
        } else {
            Err(DocumentNameError)
        }
    }
}

impl std::str::FromStr for DocumentName {
    type Err = DocumentNameError;

    fn from_str(text: &str) -> Result<Self, DocumentNameError> {
        text.to_owned().try_into()
    }
}

impl From<DocumentName> for String {
    fn from(name: DocumentName) -> Self {
        name.0
    }
}

impl fmt::Display for DocumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DocumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DocumentName(..)") // documents are named after citizens
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto::canonical;
    use proptest::prelude::*;

    fn manifest() -> PayloadManifest {
        PayloadManifest {
            version: VERSION,
            name: "decision.pdf".parse().unwrap(),
            bytes: 300 * 1024,
            salt: Salt::from_bytes([1; 32]),
            sent: "22".repeat(32).parse().unwrap(),
        }
    }

    #[test]
    fn its_bytes_are_frozen_and_extra_members_are_refused() {
        let text = format!(
            r#"{{"bytes":307200,"name":"decision.pdf","salt":"{}","sent":"{}","version":1}}"#,
            "01".repeat(32),
            "22".repeat(32)
        );
        assert_eq!(canonical::to_vec(&manifest()).unwrap(), text.as_bytes());
        assert_eq!(canonical::from_slice::<PayloadManifest>(text.as_bytes()).unwrap(), manifest());
        let extra = text.replacen('{', r#"{"a":1,"#, 1);
        assert!(canonical::from_slice::<PayloadManifest>(extra.as_bytes()).is_err());
    }

    #[test]
    fn another_version_and_an_impossible_length_are_refused() {
        assert_eq!(manifest().check(), Ok(()));
        assert_eq!(
            PayloadManifest { version: 2, ..manifest() }.check(),
            Err(ManifestError::Version { got: 2 })
        );
        for (bytes, good) in [(MAX_PLAINTEXT_BYTES, true), (MAX_PLAINTEXT_BYTES + 1, false)] {
            assert_eq!(PayloadManifest { bytes, ..manifest() }.check().is_ok(), good);
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["", ".", "..", "a/b", "a\\b", "a\nb", "a\0", &"a".repeat(256)] {
            assert_eq!(name.parse::<DocumentName>(), Err(DocumentNameError), "{name:?}");
        }
        for name in ["...", "Bescheid für C.pdf", &"a".repeat(255)] {
            assert_eq!(name.parse::<DocumentName>().unwrap().as_str(), name);
        }
    }

    proptest! {
        #[test]
        fn manifests_round_trip(name in "[^\\p{Cc}/\\\\.]{1,60}", bytes in 0..MAX_PLAINTEXT_BYTES) {
            let manifest = PayloadManifest { name: name.parse().unwrap(), bytes, ..manifest() };
            let written = canonical::to_vec(&manifest).unwrap();
            prop_assert_eq!(canonical::from_slice::<PayloadManifest>(&written).unwrap(), manifest);
        }
    }
}
