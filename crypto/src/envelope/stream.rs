//! Payloads: sealed in chunks, carried in parts, committed to as a whole.
//!
//! ```text
//! payload = prelude ‖ chunk 0 ‖ chunk 1 ‖ … ‖ final chunk       prelude as in the envelope
//! chunk i = Seal(aad = header hash ‖ i u64 ‖ final flag, plaintext i)
//! header hash = Digest::labelled("proofgate/v1/payload-chunk", [header])
//! ```
//! All chunks are of one HPKE context, whose sequence number orders them. Each but the final one has
//! exactly 64 KiB of plaintext; the final one has the rest, less than 64 KiB and possibly nothing, so
//! every plaintext has one division and every ciphertext length one meaning. A context seals at most
//! 2^20 chunks (just under 64 GiB).
//!
//! The sealed payload travels as numbered **parts**: part 0 has the prelude and the first 63 chunks,
//! every further part the next 63 chunks; the last one ends with the final chunk. So no part is
//! longer than 4 MiB, and a part's number says where its chunks belong.
//!
//! Nothing here reads or writes: bytes are handed in and out.

mod opening;

use hpke::Serializable as _;
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::{Zeroize as _, Zeroizing};

pub use self::opening::{CompletePayload, OpenedPayload, PayloadOpener, UnhashedOpener};
use super::{
    Header, Message, OpenError, RecipientPublicKey, Route, SealError, SenderContext, TAG_BYTES,
    set_up_sender,
};
use crate::Digest;
use crate::commitment::Salt;

/// Plaintext of every chunk but the final one.
pub const CHUNK_BYTES: usize = 64 * 1024;
/// Ciphertext of every chunk but the final one.
pub const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + TAG_BYTES;
/// Chunks of every part but the last one: as many as fit 4 MiB together with a prelude.
pub const CHUNKS_PER_PART: u64 = 63;
/// No part is longer.
pub const MAX_PART_BYTES: usize = 4 * 1024 * 1024;
/// Most chunks of one context, final one included; far below what AES-GCM allows under one key.
pub const MAX_CHUNKS: u64 = 1 << 20;
/// Most parts of one payload.
pub const MAX_PARTS: u64 = MAX_CHUNKS.div_ceil(CHUNKS_PER_PART);
/// Longest plaintext of one payload.
pub const MAX_PLAINTEXT_BYTES: u64 = MAX_CHUNKS * CHUNK_BYTES as u64 - 1;

const HEADER_HASH_LABEL: &str = "proofgate/v1/payload-chunk";
const COMMITMENT_LABEL: &str = "proofgate/v1/payload";
const FINAL_FLAG: u8 = 1;

/// How many parts a payload of `plaintext_bytes` has.
pub const fn part_count(plaintext_bytes: u64) -> u64 {
    let chunks = plaintext_bytes / CHUNK_BYTES as u64 + 1;
    chunks.div_ceil(CHUNKS_PER_PART)
}

/// SHA-256 and length of a whole sealed payload: what its commitment is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CiphertextDigest {
    /// SHA-256 of all parts, one after the other.
    pub sha256: Digest,
    /// Length of all parts.
    pub bytes: u64,
}

impl CiphertextDigest {
    /// `Digest::labelled("proofgate/v1/payload", [salt, sha256, length as big-endian u64])`
    ///
    /// What the chain records of a payload.
    pub fn commit(&self, salt: &Salt) -> Digest {
        salt.commit(COMMITMENT_LABEL, &[self.sha256.as_bytes(), &self.bytes.to_be_bytes()])
    }
}

/// Hashes a sealed payload part by part.
#[derive(Clone, Debug, Default)]
pub struct CiphertextHasher {
    hash: Sha256,
    bytes: u64,
}

impl CiphertextHasher {
    /// Takes the next part, or any piece of it.
    pub fn update(&mut self, ciphertext: &[u8]) {
        self.hash.update(ciphertext);
        self.bytes += u64::try_from(ciphertext.len()).expect("lengths fit 64 bits");
    }

    /// The digest of all that was taken.
    pub fn finish(self) -> CiphertextDigest {
        CiphertextDigest {
            sha256: Digest::from_bytes(self.hash.finalize().into()),
            bytes: self.bytes,
        }
    }
}

/// One part of a sealed payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its place, from 0.
    pub number: u64,
    /// Its ciphertext.
    pub bytes: Vec<u8>,
}

/// Seals one payload.
pub struct PayloadSealer {
    context: SenderContext,
    chunks: ChunkCounter,
    plaintext: Zeroizing<Vec<u8>>,
    plaintext_bytes: u64,
    part: Part,
    hasher: Option<CiphertextHasher>,
    /// Makes the buffers of further parts.
    buffers: Box<dyn FnMut() -> Vec<u8> + Send>,
}

/// The end of a payload that was sealed to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedPayload {
    /// The part not handed out before; its number is the payload's last.
    pub last_part: Part,
    /// Length of the plaintext.
    pub plaintext_bytes: u64,
    /// What to commit to.
    pub ciphertext: CiphertextDigest,
}

impl PayloadSealer {
    /// Begins a payload for the holder of `recipient`.
    ///
    /// # Errors
    /// [`SealError::Payload`] if `route` is not a payload's.
    pub fn new(
        route: &Route,
        recipient: &RecipientPublicKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, SealError> {
        if !matches!(route.message, Message::Payload(_)) {
            return Err(SealError::Payload);
        }
        let (header, prelude, context) = set_up_sender(route, recipient, rng)?;
        let mut hasher = CiphertextHasher::default();
        hasher.update(&prelude);
        Ok(Self {
            context,
            chunks: ChunkCounter::new(&header),
            plaintext: Zeroizing::new(Vec::with_capacity(CHUNK_BYTES)),
            plaintext_bytes: 0,
            part: Part { number: 0, bytes: prelude },
            hasher: Some(hasher),
            // As long as a part can be: growing it would copy it again and again.
            buffers: Box::new(|| Vec::with_capacity(MAX_PART_BYTES)),
        })
    }

    /// Fills buffers that `buffers` gives, each empty and best with room for [`MAX_PART_BYTES`], instead of
    /// new ones.
    #[must_use]
    pub fn with_buffers(mut self, mut buffers: impl FnMut() -> Vec<u8> + Send + 'static) -> Self {
        let mut first = buffers();
        first.extend_from_slice(&self.part.bytes);
        self.part.bytes = first;
        self.buffers = Box::new(buffers);
        self
    }

    /// Leaves the hashing to the caller, who can hash one part while the next one is sealed.
    ///
    /// # Panics
    /// If anything was pushed before.
    #[must_use]
    pub fn unhashed(mut self) -> UnhashedSealer {
        assert_eq!(
            (self.chunks.next, self.plaintext.len()),
            (0, 0),
            "parts before this are hashed"
        );
        self.hasher = None;
        UnhashedSealer(self)
    }

    /// Takes more plaintext; gives the parts that it fills.
    ///
    /// # Errors
    /// [`StreamError::TooLong`] past [`MAX_PLAINTEXT_BYTES`]; the payload cannot be finished then.
    pub fn push(&mut self, mut plaintext: &[u8]) -> Result<Vec<Part>, StreamError> {
        let mut parts = Vec::new();
        while !plaintext.is_empty() {
            let room = CHUNK_BYTES - self.plaintext.len();
            let (now, later) = plaintext.split_at(room.min(plaintext.len()));
            self.plaintext.extend_from_slice(now);
            plaintext = later;
            if self.plaintext.len() == CHUNK_BYTES {
                self.seal_chunk(false)?;
                // A part is handed out when its last chunk is there; a final chunk always follows.
                if self.chunks.next.is_multiple_of(CHUNKS_PER_PART) {
                    let next = Part { number: self.part.number + 1, bytes: (self.buffers)() };
                    parts.push(std::mem::replace(&mut self.part, next));
                }
            }
        }
        Ok(parts)
    }

    /// Seals the final chunk.
    ///
    /// # Errors
    /// [`StreamError::TooLong`] if [`PayloadSealer::push`] has failed so before.
    pub fn finish(mut self) -> Result<SealedPayload, StreamError> {
        self.seal_chunk(true)?;
        Ok(SealedPayload {
            last_part: self.part,
            plaintext_bytes: self.plaintext_bytes,
            ciphertext: self.hasher.expect("only an unhashed sealer has none").finish(),
        })
    }

    fn seal_chunk(&mut self, is_final: bool) -> Result<(), StreamError> {
        let aad = self.chunks.advance(is_final)?;
        let sealed = &mut self.part.bytes;
        let start = sealed.len();
        sealed.extend_from_slice(&self.plaintext); // sealed where it is to be
        let Ok(tag) = self.context.seal_inout_detached((&mut sealed[start..]).into(), &aad) else {
            sealed[start..].zeroize();
            sealed.truncate(start);
            return Err(StreamError::TooLong);
        };
        sealed.extend_from_slice(&tag.to_bytes());
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&sealed[start..]);
        }
        self.plaintext_bytes += u64::try_from(self.plaintext.len()).expect("lengths fit 64 bits");
        self.plaintext.clear();
        Ok(())
    }
}

impl std::fmt::Debug for PayloadSealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PayloadSealer").field("chunks", &self.chunks.next).finish_non_exhaustive()
    }
}

/// Seals one payload whose parts somebody else hashes.
#[derive(Debug)]
pub struct UnhashedSealer(PayloadSealer);

impl UnhashedSealer {
    /// As [`PayloadSealer::push`].
    ///
    /// # Errors
    /// As [`PayloadSealer::push`].
    pub fn push(&mut self, plaintext: &[u8]) -> Result<Vec<Part>, StreamError> {
        self.0.push(plaintext)
    }

    /// Seals the final chunk: the last part, and the length of the plaintext.
    ///
    /// # Errors
    /// As [`PayloadSealer::finish`].
    pub fn finish(mut self) -> Result<(Part, u64), StreamError> {
        self.0.seal_chunk(true)?;
        Ok((self.0.part, self.0.plaintext_bytes))
    }
}

/// Counts chunks and writes their AAD.
struct ChunkCounter {
    header_hash: Digest,
    next: u64,
    limit: u64,
}

impl ChunkCounter {
    fn new(header: &Header) -> Self {
        let header_hash = Digest::labelled(HEADER_HASH_LABEL, &[&header.encode()]);
        Self { header_hash, next: 0, limit: MAX_CHUNKS }
    }

    /// `header hash ‖ index ‖ final flag` of the next chunk.
    fn advance(&mut self, is_final: bool) -> Result<Vec<u8>, StreamError> {
        // The last place is the final chunk's: without this, a payload could become unfinishable.
        if self.next >= self.limit || (self.next + 1 == self.limit && !is_final) {
            return Err(StreamError::TooLong);
        }
        let mut aad = self.header_hash.as_bytes().to_vec();
        aad.extend_from_slice(&self.next.to_be_bytes());
        aad.push(if is_final { FINAL_FLAG } else { 0 });
        self.next += 1;
        Ok(aad)
    }
}

/// Why a payload was not sealed or opened.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamError {
    /// The payload does not begin as expected.
    #[error(transparent)]
    Prelude(#[from] OpenError),
    /// A chunk is altered, out of its place, of another payload, or wrongly said to be the final one.
    #[error("payload does not authenticate at chunk {index}")]
    Authentication {
        /// The chunk.
        index: u64,
    },
    /// The final chunk is missing.
    #[error("payload is truncated")]
    Truncated,
    /// More chunks than one context may seal.
    #[error("payload is longer than {MAX_PLAINTEXT_BYTES} bytes")]
    TooLong,
}

impl StreamError {
    /// The error's stable name in logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Prelude(error) => error.code(),
            Self::Authentication { .. } => "payload-authentication",
            Self::Truncated => "payload-truncated",
            Self::TooLong => "payload-too-long",
        }
    }
}

#[cfg(test)]
mod tests;
