//! Sealing a document while it comes in: reading, sealing and storing at the same time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crypto::Digest;
use crypto::commitment::Salt;
use crypto::envelope::stream::{
    CHUNK_BYTES, CiphertextDigest, CiphertextHasher, Part, PayloadSealer, StreamError,
    UnhashedSealer,
};
use crypto::envelope::{Message, PayloadId, Route};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet, spawn_blocking};

use super::super::{Department, Internal, Peers, department_name, recipient_key};
use super::sending::{SentPayload, sent_view};
use super::{PayloadRow, Sealed, Stage};
use crate::document::payload::{DocumentName, DocumentNameError};
use crate::measure;
use crate::payload::{PartBuffer, PayloadError};

/// Chunks of a document that wait to be sealed.
const WAITING_CHUNKS: usize = 2;
/// Sealed parts that wait to be hashed, besides the one that is being hashed and the one being filled.
const WAITING_PARTS: usize = 1;
/// Parts of a document that are stored at once. Each waits for the disk twice, for its bytes and for its
/// name, and a disk takes several such waits together in little more time than one.
const STORING: usize = 4;
/// As much of a chunk is sealed at a time: less than a part, so that one part is filled at most.
const PIECE_BYTES: usize = 1024 * 1024;

/// A document's bytes, as they come in.
pub trait Chunks: Send {
    /// Why there is no next chunk.
    type Error: Send;

    /// The next chunk, of any length; `None` after the last one.
    ///
    /// # Errors
    /// If the document breaks off: then nothing of it is sent.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, Self::Error>> + Send;
}

impl Chunks for &[u8] {
    type Error = Infallible;

    async fn next(&mut self) -> Result<Option<Bytes>, Infallible> {
        let (now, later) = self.split_at(self.len().min(CHUNK_BYTES));
        *self = later;
        Ok((!now.is_empty()).then(|| Bytes::copy_from_slice(now)))
    }
}

/// Why a document is not sent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SendPayloadError<E> {
    /// The document's name cannot be one.
    #[error("the document's name: {0}")]
    Name(DocumentNameError),
    /// The question is unknown or not answered, or its answer is not verified.
    #[error("there is no answered question of that digest")]
    Unanswered,
    /// This department is both sides of the question.
    #[error("a department does not send itself documents")]
    Oneself,
    /// The document is longer than a payload can be.
    #[error("the document is too long")]
    TooLong,
    /// The document could not be read to its end.
    #[error("the document could not be read to its end")]
    Source(E),
    /// Our own side failed.
    #[error(transparent)]
    Internal(#[from] Internal),
}

impl<E> SendPayloadError<E> {
    /// A stable name of the failed check; [`SendPayloadError::Source`] has its own.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Name(_) => "payload-name",
            Self::Unanswered => "payload-unanswered",
            Self::Oneself => "payload-to-oneself",
            Self::TooLong => "payload-too-long",
            Self::Source(_) => "payload-source",
            Self::Internal(_) => "internal",
        }
    }
}

impl Department {
    /// Seals a document for the other side of an answered question, commits to it on the chain, and
    /// sends it. If the other side is not reached, it is sent later.
    ///
    /// # Errors
    /// [`SendPayloadError`]. Nothing is sent unless the document was read to its end.
    pub async fn send_payload<S: Chunks>(
        &self,
        request: &Digest,
        name: &str,
        source: S,
        peers: &impl Peers,
    ) -> Result<SentPayload, SendPayloadError<S::Error>> {
        let id = self.seal_payload(request, name, source).await?;
        self.move_payload(&id, peers).await?;
        let row = self.payload_row(&id)?.as_ref().and_then(sent_view);
        Ok(row.ok_or_else(|| Internal::Damaged("a payload was stored and is gone".to_owned()))?)
    }

    /// Seals a document for the other side of an answered question. It can then be
    /// [moved on](Department::move_payload), and is by the next look.
    ///
    /// Dropping the future drops the document: the next look removes what is there of it.
    ///
    /// # Errors
    /// [`SendPayloadError`]; then nothing remains of it.
    pub async fn seal_payload<S: Chunks>(
        &self,
        request: &Digest,
        name: &str,
        source: S,
    ) -> Result<PayloadId, SendPayloadError<S::Error>> {
        let name: DocumentName = name.parse().map_err(SendPayloadError::Name)?;
        let other = self.counterpart(request).await?.ok_or(SendPayloadError::Unanswered)?;
        if other.department == self.id {
            return Err(SendPayloadError::Oneself);
        }
        let room = self.payloads.sealing.acquire().await;
        let _room = room.expect("the semaphore is never closed");
        let id = self.random(|rng| PayloadId::random(&mut { rng }));
        let mut row = PayloadRow {
            id,
            request: *request,
            proof: other.proof,
            peer: other.department,
            changed: 0,
            begun: 0,
            stage: Stage::Sealing,
        };
        let _hold = self.payloads.hold(id).expect("128 random bits are nobody else's");
        self.put_payload(&mut row).await?;
        match self.seal_parts(&row, name, source).await {
            Ok(sealed) => row.stage = Stage::Sealed(sealed),
            Err(error) => {
                if let Err(error) = self.forget_payload(&row).await {
                    tracing::warn!(payload = %id, %error, "an unfinished payload stays for now");
                }
                return Err(error);
            }
        }
        self.put_payload(&mut row).await?;
        Ok(id)
    }

    /// Seals a document into the store, part by part: while some parts are stored, the next one is sealed.
    async fn seal_parts<S: Chunks>(
        &self,
        row: &PayloadRow,
        name: DocumentName,
        mut source: S,
    ) -> Result<Sealed, SendPayloadError<S::Error>> {
        let recipient = self.peer(&row.peer)?;
        let key = recipient_key(&recipient)?;
        let route = Route {
            message: Message::Payload(row.id),
            network: self.network_name(),
            sender: department_name(&self.id),
            recipient: department_name(&recipient.id),
            request: row.request,
        };
        let sealer = self.random(|rng| PayloadSealer::new(&route, &key, &mut { rng }));
        let sealer = sealer.map_err(Internal::from)?;
        let sealer = sealer.with_buffers(|| PartBuffer::take().into_vec()).unhashed();
        let (chunks, incoming) = mpsc::channel(WAITING_CHUNKS);
        let (outgoing, parts) = mpsc::channel::<Part>(WAITING_PARTS);
        let sealing = spawn_blocking(move || seal_all(sealer, incoming, &outgoing));
        let read = async move {
            // Whoever does not take a chunk any more has failed and says so itself.
            while let Some(chunk) = source.next().await? {
                if chunks.send(Some(chunk)).await.is_err() {
                    return Ok(());
                }
            }
            let _: Result<(), mpsc::error::SendError<_>> = chunks.send(None).await;
            Ok(())
        };
        let (read, stored) = tokio::join!(read, self.store_parts(row, parts));
        read.map_err(SendPayloadError::Source)?;
        let ciphertext = stored?;
        let sealed = sealing.await.expect("sealing does not panic, and nobody aborts it");
        let (bytes, time) = match sealed {
            Ok(sealed) => sealed,
            Err(SealingError::TooLong) => return Err(SendPayloadError::TooLong),
            Err(SealingError::Abandoned) => {
                unreachable!("the document was read to its end and all parts were stored")
            }
        };
        measure::took(time, measure::SEAL);
        let salt = self.random(|rng| Salt::random(&mut { rng }));
        let commitment = ciphertext.commit(&salt);
        Ok(Sealed { name, bytes, salt, commitment })
    }

    /// Stores and hashes parts as they come. Ends when none is being stored any more, also after one that
    /// failed: whatever is forgotten then has no part that comes later.
    async fn store_parts(
        &self,
        row: &PayloadRow,
        mut parts: mpsc::Receiver<Part>,
    ) -> Result<CiphertextDigest, Internal> {
        let mut hasher = CiphertextHasher::default();
        let (mut storing, mut outcome) = (JoinSet::new(), Ok(()));
        while outcome.is_ok()
            && let Some(Part { number, bytes }) = parts.recv().await
        {
            let place = Arc::clone(&self.payloads.storing).acquire_owned().await;
            let place = place.expect("the semaphore is never closed");
            let part = PartBuffer::from(bytes).into_bytes();
            let (store, request, id) = (self.payloads.store.clone(), row.request, row.id);
            let to_store = part.clone();
            storing.spawn(async move {
                let _place = place;
                store.put(&request, &id, number, to_store).await
            });
            hasher = hash(hasher, part).await;
            // Before the next part, so that none waits for one in memory.
            if storing.len() == STORING {
                outcome = storing.join_next().await.map_or(Ok(()), stored);
            }
        }
        drop(parts); // the sealer hands on no more
        while let Some(put) = storing.join_next().await {
            outcome = outcome.and(stored(put));
        }
        outcome?;
        Ok(hasher.finish())
    }
}

/// What storing a part came to.
fn stored(put: Result<Result<(), PayloadError>, JoinError>) -> Result<(), PayloadError> {
    put.expect("storing does not panic, and nobody aborts it")
}

enum SealingError {
    /// The only way in which sealing fails.
    TooLong,
    /// The document broke off, or its parts are not stored.
    Abandoned,
}

impl From<StreamError> for SealingError {
    fn from(_: StreamError) -> Self {
        Self::TooLong
    }
}

/// Hashes a part on a thread where that keeps nobody waiting.
pub(super) async fn hash(mut hasher: CiphertextHasher, part: Bytes) -> CiphertextHasher {
    let hashed = spawn_blocking(move || {
        hasher.update(&part);
        hasher
    });
    hashed.await.expect("hashing does not panic, and nobody aborts it")
}

/// Seals chunks up to the `None` after the last one, on a thread where that keeps nobody waiting, and hands
/// on all parts. The length of the document, and how long sealing took.
fn seal_all(
    mut sealer: UnhashedSealer,
    mut chunks: mpsc::Receiver<Option<Bytes>>,
    parts: &mpsc::Sender<Part>,
) -> Result<(u64, Duration), SealingError> {
    let mut time = Duration::ZERO;
    let hand_on = |part| parts.blocking_send(part).map_err(|_| SealingError::Abandoned);
    while let Some(chunk) = chunks.blocking_recv().ok_or(SealingError::Abandoned)? {
        for piece in chunk.chunks(PIECE_BYTES) {
            let start = Instant::now();
            let filled = sealer.push(piece)?;
            time += start.elapsed();
            filled.into_iter().try_for_each(hand_on)?;
        }
    }
    let start = Instant::now();
    let (last_part, bytes) = sealer.finish()?;
    time += start.elapsed();
    hand_on(last_part)?;
    Ok((bytes, time))
}
