//! Public documents: canonical JSON that an entry names by digest and that is served by digest.

use std::collections::HashMap;
use std::sync::Arc;

use crypto::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Longest public document. The store keeps documents inside its log and not in files of their own,
/// which holds below its largest inline value.
pub const MAX_DOCUMENT_BYTES: usize = 32 * 1024;

/// Why bytes are no public document.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentError {
    /// Longer than [`MAX_DOCUMENT_BYTES`].
    #[error("a document has at most {MAX_DOCUMENT_BYTES} bytes, got {got}")]
    TooLong {
        /// The length of the bytes.
        got: usize,
    },
    /// Not canonical JSON (RFC 8785), or of another shape.
    #[error("{reason}")]
    Malformed {
        /// What was expected.
        reason: String,
    },
}

impl DocumentError {
    /// The stable name of the failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "document-too-long",
            Self::Malformed { .. } => "document-malformed",
        }
    }
}

/// Canonical JSON (RFC 8785) of at most [`MAX_DOCUMENT_BYTES`], with its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    bytes: Arc<[u8]>,
    digest: Digest,
}

impl Document {
    /// The document of `value`.
    ///
    /// # Errors
    /// [`DocumentError`] if `value` has no canonical form, or a too long one.
    pub fn new<T: Serialize>(value: &T) -> Result<Self, DocumentError> {
        let bytes = crypto::canonical::to_vec(value).map_err(malformed)?;
        Self::from_slice(&bytes)
    }

    /// Reads a document from bytes that must be exactly its canonical form.
    ///
    /// # Errors
    /// [`DocumentError`] for another spelling, or too many bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, DocumentError> {
        if bytes.len() > MAX_DOCUMENT_BYTES {
            return Err(DocumentError::TooLong { got: bytes.len() });
        }
        crypto::canonical::from_slice::<serde_json::Value>(bytes).map_err(malformed)?;
        Ok(Self { bytes: bytes.into(), digest: Digest::of(bytes) })
    }

    /// Reads the document as a `T`, of which it must be the canonical form.
    ///
    /// # Errors
    /// [`DocumentError::Malformed`] if it has another shape.
    pub fn parse<T: Serialize + DeserializeOwned>(&self) -> Result<T, DocumentError> {
        crypto::canonical::from_slice(&self.bytes).map_err(malformed)
    }

    /// The canonical bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// `SHA-256(canonical bytes)`, the document's name.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

/// Documents by digest.
#[derive(Clone, Debug, Default)]
pub struct Documents(HashMap<Digest, Document>);

impl Documents {
    /// Adds a document.
    pub fn insert(&mut self, document: Document) {
        self.0.insert(*document.digest(), document);
    }

    /// The document named `digest`.
    pub fn get(&self, digest: &Digest) -> Option<&Document> {
        self.0.get(digest)
    }

    /// The documents, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Document> {
        self.0.values()
    }
}

impl Extend<Document> for Documents {
    fn extend<I: IntoIterator<Item = Document>>(&mut self, documents: I) {
        documents.into_iter().for_each(|document| self.insert(document));
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that map_err wants")]
fn malformed(error: crypto::canonical::CanonicalError) -> DocumentError {
    DocumentError::Malformed { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn is_named_by_the_digest_of_its_canonical_bytes() {
        let document = Document::new(&json!({"b": 1, "a": 2})).unwrap();
        assert_eq!(document.as_bytes(), br#"{"a":2,"b":1}"#);
        assert_eq!(*document.digest(), Digest::of(br#"{"a":2,"b":1}"#));
        assert_eq!(Document::from_slice(document.as_bytes()), Ok(document));
    }

    #[test]
    fn refuses_another_spelling_and_too_many_bytes() {
        assert!(matches!(
            Document::from_slice(br#"{"a": 2}"#),
            Err(DocumentError::Malformed { .. })
        ));
        let longest = "x".repeat(MAX_DOCUMENT_BYTES - 2);
        assert!(Document::new(&longest).is_ok());
        assert_eq!(
            Document::new(&format!("{longest}x")),
            Err(DocumentError::TooLong { got: MAX_DOCUMENT_BYTES + 1 })
        );
    }
}
