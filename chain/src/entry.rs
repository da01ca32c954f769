//! Entries: what departments write on the chain.
//!
//! ```text
//! offset  bytes
//!      0      1  kind
//!      1     32  digest
//!     33     96  three references, zero where the kind uses none
//!    129     32  author, a slug padded with zeros
//!    161     64  Ed25519 signature over the first 161 bytes with the network id
//! ```
//!
//! No field can hold personal data. Every digest of something guessable must cover at least 128 random
//! bits; making it so is up to the author.

use crypto::signing::SIGNATURE_BYTES;
use crypto::{Digest, Signature, SigningKey, VerifyingKey};

use crate::codec::{DecodeError, Reader};
use crate::identifier::{DepartmentId, EntryId, NetworkId, SLUG_BYTES};

mod content;

pub use content::{Content, Kind, request_digest, salted_digest, withdrawal_lock};

/// Number of references an entry has room for.
pub const REFERENCES: usize = 3;
/// Length of what an entry's author signs, without the network id.
pub const CONTENT_BYTES: usize = 1 + 32 + REFERENCES * 32 + SLUG_BYTES;
/// Length of an encoded entry.
pub const ENTRY_BYTES: usize = CONTENT_BYTES + SIGNATURE_BYTES;

const SIGNATURE_LABEL: &str = "proofgate/v1/entry";
const ID_LABEL: &str = "proofgate/v1/entry-id";

/// A department's signed statement. Its signature is unchecked until [`Entry::verify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    content: Content,
    author: DepartmentId,
    signature: Signature,
}

/// The author's signature over an entry does not verify.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the entry's signature is not its author's")]
pub struct EntrySignatureError;

impl Entry {
    /// `content` as `author`, signed for `network`.
    pub fn sign(
        network: &NetworkId,
        author: DepartmentId,
        content: Content,
        key: &SigningKey,
    ) -> Self {
        let message = signed_bytes(network, &content, &author);
        Self { content, author, signature: key.sign(SIGNATURE_LABEL, &message) }
    }

    /// What the entry says.
    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// The kind of what it says.
    pub const fn kind(&self) -> Kind {
        self.content.kind()
    }

    /// Who says it.
    pub const fn author(&self) -> &DepartmentId {
        &self.author
    }

    /// The author's signature.
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// `labelled(network ‖ content ‖ author)`: equal for two signatures over the same content, so that an
    /// entry submitted again is the same entry.
    pub fn id(&self, network: &NetworkId) -> EntryId {
        self.content.entry_id(network, &self.author)
    }

    /// Checks the author's signature under `key`.
    ///
    /// # Errors
    /// [`EntrySignatureError`] if `key` did not sign this entry for `network`.
    pub fn verify(
        self,
        network: &NetworkId,
        key: VerifyingKey,
    ) -> Result<SignedEntry, EntrySignatureError> {
        let message = signed_bytes(network, &self.content, &self.author);
        key.verify(SIGNATURE_LABEL, &message, &self.signature).map_err(|_| EntrySignatureError)?;
        let id = EntryId::from_digest(Digest::labelled(ID_LABEL, &[&message]));
        Ok(SignedEntry { entry: self, id, key })
    }

    /// The [`ENTRY_BYTES`] of the entry: the leaf in the log.
    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..CONTENT_BYTES].copy_from_slice(&content_bytes(&self.content, &self.author));
        bytes[CONTENT_BYTES..].copy_from_slice(self.signature.as_bytes());
        bytes
    }

    /// Decodes an entry.
    ///
    /// # Errors
    /// [`DecodeError`] for another length, an unknown kind, a reference that the kind does not use or
    /// that is missing, or an author that is no slug.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::exact(bytes, ENTRY_BYTES)?;
        let kind = Kind::from_byte(reader.u8()?)?;
        let digest = Digest::from_bytes(reader.array()?);
        let mut references = [[0; 32]; REFERENCES];
        for reference in &mut references {
            *reference = reader.array()?;
        }
        let content = Content::from_parts(kind, digest, references)?;
        let author = DepartmentId::from_bytes(reader.array()?)?;
        Ok(Self { content, author, signature: Signature::from_bytes(reader.array()?) })
    }
}

impl Content {
    /// The id of the entry in which `author` says this on `network`: the signature is no part of it.
    pub fn entry_id(&self, network: &NetworkId, author: &DepartmentId) -> EntryId {
        let message = signed_bytes(network, self, author);
        EntryId::from_digest(Digest::labelled(ID_LABEL, &[&message]))
    }
}

/// An entry whose signature verified under a key. Whether that key is the author's at its place on the
/// chain is for the rules to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedEntry {
    entry: Entry,
    id: EntryId,
    key: VerifyingKey,
}

impl SignedEntry {
    /// The entry.
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The entry's id.
    pub const fn id(&self) -> &EntryId {
        &self.id
    }

    /// The key that it verified under.
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }
}

fn content_bytes(content: &Content, author: &DepartmentId) -> [u8; CONTENT_BYTES] {
    let mut bytes = [0; CONTENT_BYTES];
    bytes[0] = content.kind().byte();
    bytes[1..33].copy_from_slice(content.digest().as_bytes());
    for (place, reference) in content.references().iter().enumerate() {
        bytes[33 + 32 * place..65 + 32 * place].copy_from_slice(reference);
    }
    bytes[CONTENT_BYTES - SLUG_BYTES..].copy_from_slice(author.as_bytes());
    bytes
}

fn signed_bytes(
    network: &NetworkId,
    content: &Content,
    author: &DepartmentId,
) -> [u8; 32 + CONTENT_BYTES] {
    let mut bytes = [0; 32 + CONTENT_BYTES];
    bytes[..32].copy_from_slice(network.as_bytes());
    bytes[32..].copy_from_slice(&content_bytes(content, author));
    bytes
}

#[cfg(test)]
mod tests;
