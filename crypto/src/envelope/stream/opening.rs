//! Opening a payload, chunk by chunk.

use hpke::Deserializable as _;
use hpke::aead::AeadTag;
use zeroize::{Zeroize as _, Zeroizing};

use super::{ChunkCounter, CiphertextDigest, CiphertextHasher, SEALED_CHUNK_BYTES, StreamError};
use crate::envelope::{
    AesGcm256, Expected, Message, OpenError, Prelude, RecipientContext, RecipientKey, TAG_BYTES,
    set_up_recipient,
};

/// Opens one payload.
///
/// What [`PayloadOpener::push`] gives is authentic and in order, but not known to be all: a payload is
/// complete only as a [`CompletePayload`].
pub struct PayloadOpener {
    expected: Expected,
    pub(super) state: OpenerState,
    ciphertext: Vec<u8>,
    plaintext_bytes: u64,
    hasher: Option<CiphertextHasher>,
}

pub(super) enum OpenerState {
    /// The key is kept until the prelude is there, so that an opener can move to another thread.
    Prelude {
        key: Box<RecipientKey>,
    },
    Chunks {
        context: Box<RecipientContext>,
        chunks: ChunkCounter,
    },
    Failed(StreamError),
}

/// The end of a payload that was opened to its end. Only [`PayloadOpener::finish`] makes one.
pub struct CompletePayload {
    rest: Zeroizing<Vec<u8>>,
    plaintext_bytes: u64,
    ciphertext: CiphertextDigest,
}

impl CompletePayload {
    /// The plaintext that follows all that was given before.
    pub fn rest(&self) -> &[u8] {
        &self.rest
    }

    /// Length of the whole plaintext.
    pub fn plaintext_bytes(&self) -> u64 {
        self.plaintext_bytes
    }

    /// What the sender's commitment must be to.
    pub fn ciphertext(&self) -> &CiphertextDigest {
        &self.ciphertext
    }
}

impl std::fmt::Debug for CompletePayload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompletePayload")
            .field("plaintext_bytes", &self.plaintext_bytes)
            .field("ciphertext", &self.ciphertext)
            .finish_non_exhaustive()
    }
}

impl PayloadOpener {
    /// Begins a payload that must be what `expected` says.
    pub fn new(key: &RecipientKey, expected: Expected) -> Self {
        let key = RecipientKey::from_seed(key.seed().clone());
        Self {
            expected,
            state: OpenerState::Prelude { key: Box::new(key) },
            ciphertext: Vec::new(),
            plaintext_bytes: 0,
            hasher: Some(CiphertextHasher::default()),
        }
    }

    /// Leaves the hashing to the caller, who can hash one part while another one is opened, or has compared
    /// the payload with its commitment before.
    ///
    /// # Panics
    /// If anything was pushed before.
    #[must_use]
    pub fn unhashed(mut self) -> UnhashedOpener {
        let fresh = matches!(self.state, OpenerState::Prelude { .. }) && self.ciphertext.is_empty();
        assert!(fresh, "what was pushed before this is hashed");
        self.hasher = None;
        UnhashedOpener(self)
    }

    /// Takes more ciphertext, cut anywhere; gives the plaintext of the chunks that it completes.
    ///
    /// # Errors
    /// [`StreamError`]; every later call fails in the same way.
    pub fn push(&mut self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, StreamError> {
        let result = self.open_chunks(ciphertext);
        if let Err(error) = result {
            self.state = OpenerState::Failed(error);
        }
        result
    }

    /// Opens the final chunk.
    ///
    /// # Errors
    /// [`StreamError::Truncated`] if the final chunk is missing, and as [`PayloadOpener::push`].
    pub fn finish(mut self) -> Result<CompletePayload, StreamError> {
        let hasher = self.hasher.take().expect("only an unhashed opener has none");
        let OpenedPayload { rest, plaintext_bytes } = self.open_final()?;
        Ok(CompletePayload { rest, plaintext_bytes, ciphertext: hasher.finish() })
    }

    fn open_final(mut self) -> Result<OpenedPayload, StreamError> {
        let (mut context, mut chunks) = match self.state {
            OpenerState::Prelude { .. } => return Err(StreamError::Truncated),
            OpenerState::Failed(error) => return Err(error),
            OpenerState::Chunks { context, chunks } => (context, chunks),
        };
        if self.ciphertext.len() < TAG_BYTES {
            return Err(StreamError::Truncated);
        }
        let mut rest = Zeroizing::new(Vec::with_capacity(self.ciphertext.len()));
        open_chunk(&mut context, &mut chunks, &self.ciphertext, true, &mut rest)?;
        self.plaintext_bytes += u64::try_from(rest.len()).expect("lengths fit 64 bits");
        Ok(OpenedPayload { rest, plaintext_bytes: self.plaintext_bytes })
    }

    fn open_chunks(&mut self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, StreamError> {
        if let OpenerState::Failed(error) = self.state {
            return Err(error);
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(ciphertext);
        }
        self.ciphertext.extend_from_slice(ciphertext);
        if matches!(self.state, OpenerState::Prelude { .. }) {
            self.open_prelude()?;
        }
        let mut plaintext = Zeroizing::new(Vec::new());
        let OpenerState::Chunks { context, chunks } = &mut self.state else {
            return Ok(plaintext);
        };
        // The final chunk is shorter than a whole one, so whatever is whole is not final.
        let whole = self.ciphertext.len() / SEALED_CHUNK_BYTES * SEALED_CHUNK_BYTES;
        plaintext.reserve_exact(whole); // one allocation, so that no copy is left behind unwiped
        for chunk in self.ciphertext[..whole].chunks_exact(SEALED_CHUNK_BYTES) {
            open_chunk(context, chunks, chunk, false, &mut plaintext)?;
        }
        self.ciphertext.drain(..whole);
        self.plaintext_bytes += u64::try_from(plaintext.len()).expect("lengths fit 64 bits");
        Ok(plaintext)
    }

    fn open_prelude(&mut self) -> Result<(), StreamError> {
        let OpenerState::Prelude { key } = &self.state else { return Ok(()) };
        let split = Prelude::split(&self.ciphertext).map_err(OpenError::from)?;
        let Some((prelude, rest)) = split else { return Ok(()) };
        if !matches!(prelude.header.message, Message::Payload(_)) {
            return Err(OpenError::Payload.into());
        }
        self.expected.check(&prelude.header, key)?;
        let context = set_up_recipient(key, &prelude.header, prelude.encapsulated_key)?;
        let chunks = ChunkCounter::new(&prelude.header);
        let taken = self.ciphertext.len() - rest.len();
        self.ciphertext.drain(..taken);
        self.state = OpenerState::Chunks { context: Box::new(context), chunks };
        Ok(())
    }
}

impl std::fmt::Debug for PayloadOpener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PayloadOpener")
            .field("expected", &self.expected)
            .field("plaintext_bytes", &self.plaintext_bytes)
            .finish_non_exhaustive()
    }
}

/// Opens one payload whose parts somebody else hashes, or nobody.
#[derive(Debug)]
pub struct UnhashedOpener(PayloadOpener);

/// The end of a payload that was opened to its end, and not hashed. Only [`UnhashedOpener::finish`] makes
/// one.
pub struct OpenedPayload {
    rest: Zeroizing<Vec<u8>>,
    plaintext_bytes: u64,
}

impl OpenedPayload {
    /// The plaintext that follows all that was given before.
    pub fn rest(&self) -> &[u8] {
        &self.rest
    }

    /// Length of the whole plaintext.
    pub fn plaintext_bytes(&self) -> u64 {
        self.plaintext_bytes
    }
}

impl std::fmt::Debug for OpenedPayload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenedPayload")
            .field("plaintext_bytes", &self.plaintext_bytes)
            .finish_non_exhaustive()
    }
}

impl UnhashedOpener {
    /// As [`PayloadOpener::push`].
    ///
    /// # Errors
    /// As [`PayloadOpener::push`].
    pub fn push(&mut self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, StreamError> {
        self.0.push(ciphertext)
    }

    /// Opens the final chunk.
    ///
    /// # Errors
    /// As [`PayloadOpener::finish`].
    pub fn finish(self) -> Result<OpenedPayload, StreamError> {
        self.0.open_final()
    }
}

/// Opens a chunk onto the end of `plaintext`, which has room for it.
fn open_chunk(
    context: &mut RecipientContext,
    chunks: &mut ChunkCounter,
    ciphertext: &[u8],
    is_final: bool,
    plaintext: &mut Zeroizing<Vec<u8>>,
) -> Result<(), StreamError> {
    let index = chunks.next;
    let aad = chunks.advance(is_final)?;
    let refused = StreamError::Authentication { index };
    let (body, tag) = ciphertext.split_last_chunk::<TAG_BYTES>().ok_or(refused)?;
    let tag = AeadTag::<AesGcm256>::from_bytes(tag).map_err(|_| refused)?;
    let start = plaintext.len();
    plaintext.extend_from_slice(body);
    let opened = context.open_inout_detached((&mut plaintext[start..]).into(), &aad, &tag);
    opened.map_err(|_| {
        plaintext[start..].zeroize();
        plaintext.truncate(start); // nothing that is not authentic leaves this function
        refused
    })
}
