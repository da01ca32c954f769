//! Opening stored parts: the next part is read while this one is opened, on a thread where that keeps
//! nobody waiting.

use crypto::envelope::PayloadId;
use crypto::envelope::stream::{
    CiphertextDigest, CiphertextHasher, OpenedPayload, PayloadOpener, StreamError,
};
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, spawn_blocking};
use zeroize::Zeroizing;

use std::sync::Arc;

use super::super::{Department, Internal};
use super::sealing::hash;
use super::{PayloadRow, Stage};
use crate::document::payload::{DocumentName, PayloadManifest};
use crate::payload::PayloadError;

/// Ciphertext that is opened at a time.
const SLICE_BYTES: usize = 256 * 1024;
/// Pieces of plaintext, each about as long, that wait to be taken.
const WAITING_PIECES: usize = 4;

/// Why stored parts are not opened to their end.
#[derive(Debug, Error)]
pub(super) enum PartsError {
    #[error(transparent)]
    Store(#[from] PayloadError),
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// Nobody takes the plaintext, or the runtime ends.
    #[error("nobody waits for it any more")]
    Abandoned,
}

/// What opening stored parts comes to.
pub(super) struct Opening {
    /// Ends when the parts have been opened to their end.
    pub(super) opened: JoinHandle<Result<OpenedPayload, PartsError>>,
    /// Ends when all of them have been read: what a commitment must be to, if that was asked for.
    pub(super) ciphertext: JoinHandle<Option<CiphertextDigest>>,
}

impl Department {
    /// Opens the first `count` parts of a payload to their end, and gives what they say to `take` as long
    /// as that returns true. One part is hashed, if that is asked for, while it is opened. Begins when `room`
    /// has a place; at most two parts are in memory.
    pub(super) fn open_parts(
        &self,
        row: &PayloadRow,
        count: u64,
        room: &Arc<Semaphore>,
        hashed: bool,
        mut take: impl FnMut(Zeroizing<Vec<u8>>) -> bool + Send + 'static,
    ) -> Opening {
        let expected = self.expected_payload(row);
        let mut opener = PayloadOpener::new(&self.keys.recipient, expected).unhashed();
        let (store, request, payload) = (self.payloads.store.clone(), row.request, row.id);
        let (sender, mut parts) = mpsc::channel(1);
        let room = Arc::clone(room);
        let ciphertext = tokio::spawn(async move {
            let mut hasher = hashed.then(CiphertextHasher::default);
            let _place = room.acquire_owned().await.expect("the semaphore is never closed");
            for number in 0..count {
                // A place first, so that no part waits for one in memory.
                let place = sender.reserve().await.ok()?;
                let part = store.get(&request, &payload, number).await;
                let to_hash = part.as_ref().ok().cloned();
                place.send(part);
                if let Some(before) = hasher {
                    hasher = Some(hash(before, to_hash?).await);
                }
            }
            hasher.map(CiphertextHasher::finish)
        });
        let opened = spawn_blocking(move || {
            for _ in 0..count {
                let part = parts.blocking_recv().ok_or(PartsError::Abandoned)??;
                for slice in part.chunks(SLICE_BYTES) {
                    let piece = opener.push(slice)?;
                    if !piece.is_empty() && !take(piece) {
                        return Err(PartsError::Abandoned);
                    }
                }
            }
            Ok(opener.finish()?)
        });
        Opening { opened, ciphertext }
    }

    /// Opens a document that is complete; `None` if there is none of that id, or not yet all of it.
    /// Within a runtime.
    ///
    /// # Errors
    /// [`Internal`] if the store fails.
    pub fn open_payload(&self, id: &PayloadId) -> Result<Option<PayloadReader>, Internal> {
        self.open_payload_from(id, 0)
    }

    /// Opens a document that is complete and reads it from a place on. What is before that place is
    /// opened too and left away: the chunks of a payload open in their order only.
    ///
    /// # Errors
    /// [`Internal`] if the store fails.
    pub fn open_payload_from(
        &self,
        id: &PayloadId,
        from: u64,
    ) -> Result<Option<PayloadReader>, Internal> {
        let Some(row) = self.payload_row(id)? else { return Ok(None) };
        let Stage::Complete { manifest, .. } = &row.stage else { return Ok(None) };
        let (sender, pieces) = mpsc::channel(WAITING_PIECES);
        let mut skip = from;
        let take = move |mut piece: Zeroizing<Vec<u8>>| {
            let length = u64::try_from(piece.len()).expect("lengths fit 64 bits");
            let skipped =
                usize::try_from(skip.min(length)).expect("it is a piece's length or less");
            skip -= skip.min(length);
            piece.drain(..skipped);
            piece.is_empty() || sender.blocking_send(piece).is_ok()
        };
        // It was compared with its commitment before it became complete.
        let (count, room) = (manifest.parts(), &self.payloads.reading);
        let opening = self.open_parts(&row, count, room, false, take).opened;
        let (id, manifest) = (row.id, manifest.clone());
        let left = manifest.bytes.saturating_sub(from);
        Ok(Some(PayloadReader { id, manifest, skip: from, left, pieces, opening: Some(opening) }))
    }
}

/// A complete document, opened piece by piece.
pub struct PayloadReader {
    id: PayloadId,
    manifest: PayloadManifest,
    /// How much of the document is not read.
    skip: u64,
    /// How much of the document has not been read yet.
    left: u64,
    pieces: mpsc::Receiver<Zeroizing<Vec<u8>>>,
    opening: Option<JoinHandle<Result<OpenedPayload, PartsError>>>,
}

impl PayloadReader {
    /// The document's name.
    pub fn name(&self) -> &DocumentName {
        &self.manifest.name
    }

    /// The document's length.
    pub fn bytes(&self) -> u64 {
        self.manifest.bytes
    }

    /// The next piece of plaintext, not longer than a few chunks; `None` after the last one.
    ///
    /// # Errors
    /// [`Internal`] if a part was changed or removed since the payload was checked.
    pub async fn next(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, Internal> {
        if let Some(piece) = self.pieces.recv().await {
            return Ok(Some(self.read(piece)));
        }
        let Some(opening) = self.opening.take() else { return Ok(None) };
        let opened = opening.await.map_err(|error| damaged(&error))?;
        let complete = opened.map_err(|error| match error {
            PartsError::Store(error) => error.into(),
            error => damaged(&error),
        })?;
        // The final chunk is given out here: before it nothing is known to be all.
        let rest = complete.rest();
        let length = u64::try_from(rest.len()).expect("lengths fit 64 bits");
        let before = self.manifest.bytes.saturating_sub(length);
        let skipped = self.skip.saturating_sub(before).min(length);
        let skipped = usize::try_from(skipped).expect("it is a piece's length or less");
        let rest = Zeroizing::new(rest[skipped..].to_vec());
        Ok((!rest.is_empty()).then(|| self.read(rest)))
    }

    fn read(&mut self, piece: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
        let length = u64::try_from(piece.len()).expect("lengths fit 64 bits");
        self.left = self.left.saturating_sub(length);
        piece
    }
}

impl std::fmt::Debug for PayloadReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PayloadReader")
            .field("payload", &self.id)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

fn damaged(error: &dyn std::fmt::Display) -> Internal {
    Internal::Damaged(format!("a complete payload does not open: {error}"))
}
