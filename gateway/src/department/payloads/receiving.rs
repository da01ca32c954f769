//! The recipient's side: taking parts, checking the whole, opening it.

use bytes::Bytes;
use chain::identifier::{DepartmentId, EntryId};
use crypto::envelope::stream::{
    CompletePayload, MAX_PART_BYTES, MAX_PARTS, PayloadOpener, StreamError,
};
use crypto::envelope::{Message, PayloadId};
use crypto::{Digest, canonical};
use serde::Serialize;
use thiserror::Error;
use zeroize::Zeroizing;

use super::super::peer::PeerError;
use super::super::{Department, Internal};
use super::{Counterpart, PayloadRow, Stage};
use crate::document::payload::{DocumentName, ManifestError, PayloadManifest};
use crate::payload::PayloadError;

/// Payloads that one sender may have begun and not completed under one question: parts are kept before
/// anything is known of them.
const MAX_OPEN: usize = 16;

/// The code that a sender goes on after.
pub(super) const CONFLICT: &str = "payload-part-conflict";

/// Why a part or a payload is not taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PayloadRefusal {
    /// There is no answered question between the two departments, or none known here.
    #[error("there is no answered question between the two departments")]
    Unanswered,
    /// The payload of that id is under another question, of another sender, or one that this department
    /// sent.
    #[error("the payload of that id is another one")]
    OtherPayload,
    /// No part has that number.
    #[error("there is no part {number}")]
    PartNumber {
        /// The number.
        number: u64,
    },
    /// No part has that length.
    #[error("a part of {got} bytes, expected 1 to {MAX_PART_BYTES}")]
    PartSize {
        /// The length.
        got: usize,
    },
    /// Another part of that number was taken before.
    #[error("another part {number} was taken before")]
    PartConflict {
        /// The number.
        number: u64,
    },
    /// Too many payloads were begun and not completed.
    #[error("complete some of the {MAX_OPEN} payloads that were begun")]
    TooMany,
    /// The same payload is being checked at this moment.
    #[error("the payload is being checked")]
    Busy,
    /// The manifest does not hold.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The payload was completed under another manifest.
    #[error("the payload was completed with another manifest")]
    ManifestConflict,
    /// The manifest's entry is not this payload's: under another answer, of another sender or recipient,
    /// or not on the chain.
    #[error("the payload-sent entry is not this payload's")]
    Entry,
    /// Parts have not been taken.
    #[error("{} parts are missing, the first is part {}", numbers.len(), numbers[0])]
    Missing {
        /// Their numbers, ascending; at least one.
        numbers: Vec<u64>,
    },
    /// The parts are not the payload; they have been dropped, and can be sent again.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The payload has another length than its manifest says; its parts have been dropped.
    #[error("the payload has {got} bytes, its manifest says {expected}")]
    Length {
        /// What the manifest says.
        expected: u64,
        /// What the payload has.
        got: u64,
    },
    /// The chain's commitment is to another payload; the parts have been dropped.
    #[error("the commitment on the chain is to another payload")]
    Commitment,
}

impl PayloadRefusal {
    /// A stable name of the failed check.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unanswered => "payload-unanswered",
            Self::OtherPayload => "payload-other",
            Self::PartNumber { .. } => "payload-part-number",
            Self::PartSize { .. } => "payload-part-size",
            Self::PartConflict { .. } => CONFLICT,
            Self::TooMany => "payload-too-many",
            Self::Busy => "payload-busy",
            Self::Manifest(error) => error.code(),
            Self::ManifestConflict => "payload-manifest-conflict",
            Self::Entry => "payload-entry",
            Self::Missing { .. } => "payload-part-missing",
            Self::Stream(error) => error.code(),
            Self::Length { .. } => "payload-length",
            Self::Commitment => "payload-commitment",
        }
    }
}

/// A document that another department sent, or is sending.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReceivedPayload {
    /// The payload.
    pub id: PayloadId,
    /// Digest of the request.
    pub request: Digest,
    /// Who sent it.
    pub sender: DepartmentId,
    /// What is known of it once all of it has been checked and acknowledged.
    pub complete: Option<CompleteDocument>,
}

/// What is known of a complete document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CompleteDocument {
    /// Its name.
    pub name: DocumentName,
    /// Its length.
    pub bytes: u64,
    /// Id of the `payload-sent` entry.
    pub sent_entry: EntryId,
    /// Id of the `payload-received` entry.
    pub received_entry: EntryId,
}

impl Department {
    /// Takes a part of a payload from `sender`, whose signature around it the caller has verified.
    /// The same part again changes nothing.
    ///
    /// # Errors
    /// [`PeerError::Payload`] names what does not hold; then nothing was stored.
    pub async fn peer_part(
        &self,
        sender: &DepartmentId,
        request: &Digest,
        payload: &PayloadId,
        number: u64,
        bytes: Bytes,
    ) -> Result<(), PeerError> {
        let other = self.answered_with(sender, request).await?;
        if number >= MAX_PARTS {
            return Err(PayloadRefusal::PartNumber { number }.into());
        }
        if !(1..=MAX_PART_BYTES).contains(&bytes.len()) {
            return Err(PayloadRefusal::PartSize { got: bytes.len() }.into());
        }
        self.begin(&other, request, payload, number).await?;
        match self.payloads.store.put(request, payload, number, bytes).await {
            Ok(()) => Ok(()),
            Err(PayloadError::Conflict { number }) => {
                Err(PayloadRefusal::PartConflict { number }.into())
            }
            Err(error) => Err(Internal::from(error).into()),
        }
    }

    /// Makes room for a payload's parts.
    async fn begin(
        &self,
        other: &Counterpart,
        request: &Digest,
        payload: &PayloadId,
        number: u64,
    ) -> Result<(), PeerError> {
        let _changing = self.changing.lock().await;
        if let Some(row) = self.incoming(&other.department, request, payload)? {
            return match &row.stage {
                Stage::Checked { manifest } | Stage::Complete { manifest, .. }
                    if number >= manifest.parts() =>
                {
                    Err(PayloadRefusal::PartNumber { number }.into())
                }
                _ => Ok(()),
            };
        }
        let open = |row: &PayloadRow| {
            row.request == *request && row.peer == other.department && row.stage == Stage::Receiving
        };
        if self.payload_rows()?.iter().filter(|row| open(row)).count() >= MAX_OPEN {
            return Err(PayloadRefusal::TooMany.into());
        }
        let row = PayloadRow {
            id: *payload,
            request: *request,
            proof: other.proof,
            peer: other.department,
            stage: Stage::Receiving,
        };
        Ok(self.put_payload(&row).await?)
    }

    /// Takes a payload's sealed manifest: checks all parts against it and against the chain, and
    /// acknowledges the payload there. The same manifest again changes nothing.
    ///
    /// # Errors
    /// [`PeerError`]; then the payload is not complete. Parts that are not the payload are dropped, so
    /// that they can be sent again; if parts are missing, the others stay.
    pub async fn peer_complete(
        &self,
        sender: &DepartmentId,
        request: &Digest,
        payload: &PayloadId,
        sealed: &[u8],
    ) -> Result<(), PeerError> {
        let other = self.answered_with(sender, request).await?;
        let _hold = self.payloads.hold(*payload).ok_or(PayloadRefusal::Busy)?;
        let opened =
            self.open(Message::PayloadManifest(*payload), sender, Some(*request), sealed)?;
        let manifest: PayloadManifest = canonical::from_slice(opened.plaintext())
            .map_err(|error| PeerError::Malformed(error.without_content()))?;
        manifest.check().map_err(PayloadRefusal::from)?;
        let commitment = self.commitment(&other, &manifest)?;
        let Some(mut row) = self.incoming(sender, request, payload)? else {
            return Err(PayloadRefusal::Missing { numbers: (0..manifest.parts()).collect() }.into());
        };
        match &row.stage {
            Stage::Checked { manifest: known } | Stage::Complete { manifest: known, .. }
                if *known != manifest =>
            {
                return Err(PayloadRefusal::ManifestConflict.into());
            }
            Stage::Complete { .. } => return Ok(()),
            Stage::Checked { .. } => {}
            _ => {
                self.check_parts(&row, &manifest, &commitment).await?;
                row.stage = Stage::Checked { manifest: manifest.clone() };
                self.put_payload(&row).await?;
            }
        }
        row.stage = self.acknowledge(manifest).await?;
        Ok(self.put_payload(&row).await?)
    }

    /// The documents that others sent this department, complete or not.
    ///
    /// # Errors
    /// [`Internal`] if the store fails.
    pub fn received_payloads(&self) -> Result<Vec<ReceivedPayload>, Internal> {
        let rows = self.payload_rows()?.into_iter();
        Ok(rows
            .filter_map(|row| {
                let complete = match row.stage {
                    Stage::Complete { manifest, received } => Some(CompleteDocument {
                        name: manifest.name,
                        bytes: manifest.bytes,
                        sent_entry: manifest.sent,
                        received_entry: received,
                    }),
                    Stage::Receiving | Stage::Checked { .. } => None,
                    _ => return None,
                };
                let (id, request, sender) = (row.id, row.request, row.peer);
                Some(ReceivedPayload { id, request, sender, complete })
            })
            .collect())
    }

    /// Opens a document that is complete; `None` if there is none of that id, or not yet all of it.
    ///
    /// # Errors
    /// [`Internal`] if the store fails.
    pub fn open_payload(&self, id: &PayloadId) -> Result<Option<PayloadReader<'_>>, Internal> {
        let Some(row) = self.payload_row(id)? else { return Ok(None) };
        let Stage::Complete { manifest, .. } = &row.stage else { return Ok(None) };
        let manifest = manifest.clone();
        Ok(Some(PayloadReader { parts: Parts::new(self, row, manifest.parts()), manifest }))
    }

    /// The other side of a question, if it is `sender` and the question is answered.
    async fn answered_with(
        &self,
        sender: &DepartmentId,
        request: &Digest,
    ) -> Result<Counterpart, PeerError> {
        match self.counterpart(request).await? {
            Some(other) if other.department == *sender && other.department != self.id => Ok(other),
            _ => Err(PayloadRefusal::Unanswered.into()),
        }
    }

    /// The row of a payload that `sender` sends under `request`.
    fn incoming(
        &self,
        sender: &DepartmentId,
        request: &Digest,
        payload: &PayloadId,
    ) -> Result<Option<PayloadRow>, PeerError> {
        let Some(row) = self.payload_row(payload)? else { return Ok(None) };
        let incoming =
            matches!(row.stage, Stage::Receiving | Stage::Checked { .. } | Stage::Complete { .. });
        if incoming && row.request == *request && row.peer == *sender {
            Ok(Some(row))
        } else {
            Err(PayloadRefusal::OtherPayload.into())
        }
    }

    /// The commitment of the manifest's `payload-sent` entry, if it is the sender's to us under this
    /// question's answer.
    fn commitment(
        &self,
        other: &Counterpart,
        manifest: &PayloadManifest,
    ) -> Result<Digest, PayloadRefusal> {
        let replica = self.chain();
        match replica.state().payload(&manifest.sent) {
            Some(fact)
                if fact.sender == other.department
                    && fact.recipient == self.id
                    && fact.proof == other.proof =>
            {
                Ok(fact.commitment)
            }
            _ => Err(PayloadRefusal::Entry),
        }
    }

    /// Opens all parts to their end and compares them with manifest and commitment.
    async fn check_parts(
        &self,
        row: &PayloadRow,
        manifest: &PayloadManifest,
        commitment: &Digest,
    ) -> Result<(), PeerError> {
        let store = &self.payloads.store;
        let numbers = store.missing(&row.request, &row.id, manifest.parts()).await;
        let numbers = numbers.map_err(Internal::from)?;
        if !numbers.is_empty() {
            return Err(PayloadRefusal::Missing { numbers }.into());
        }
        let parts = Parts::new(self, row.clone(), manifest.parts());
        let refusal = match parts.drain().await {
            Ok(complete) => compare(&complete, manifest, commitment).err(),
            Err(PartsError::Stream(error)) => Some(error.into()),
            Err(PartsError::Store(error)) => return Err(Internal::from(error).into()),
        };
        match refusal {
            None => Ok(()),
            Some(refusal) => {
                tracing::warn!(payload = %row.id, code = refusal.code(), "a payload is refused");
                store.delete(&row.request, &row.id).await.map_err(Internal::from)?;
                Err(refusal.into())
            }
        }
    }
}

fn compare(
    complete: &CompletePayload,
    manifest: &PayloadManifest,
    commitment: &Digest,
) -> Result<(), PayloadRefusal> {
    let (expected, got) = (manifest.bytes, complete.plaintext_bytes());
    if got != expected {
        return Err(PayloadRefusal::Length { expected, got });
    }
    if !complete.ciphertext().commit(&manifest.salt).ct_eq(commitment) {
        return Err(PayloadRefusal::Commitment);
    }
    Ok(())
}

/// Stored parts on their way through the opener.
struct Parts<'a> {
    department: &'a Department,
    row: PayloadRow,
    count: u64,
    next: u64,
    opener: Option<PayloadOpener>,
}

enum PartsError {
    Store(PayloadError),
    Stream(StreamError),
}

impl<'a> Parts<'a> {
    fn new(department: &'a Department, row: PayloadRow, count: u64) -> Self {
        let expected = department.expected_payload(&row);
        let opener = Some(PayloadOpener::new(&department.keys.recipient, expected));
        Self { department, row, count, next: 0, opener }
    }

    /// The next part's plaintext; `None` after the last part.
    async fn next(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, PartsError> {
        let (true, Some(opener)) = (self.next < self.count, &mut self.opener) else {
            return Ok(None);
        };
        let store = &self.department.payloads.store;
        let part = store.get(&self.row.request, &self.row.id, self.next).await;
        self.next += 1;
        opener.push(&part.map_err(PartsError::Store)?).map(Some).map_err(PartsError::Stream)
    }

    /// Opens the final chunk; `None` if that was done before.
    fn finish(&mut self) -> Option<Result<CompletePayload, StreamError>> {
        self.opener.take().map(PayloadOpener::finish)
    }

    /// Opens everything, and keeps nothing of it.
    async fn drain(mut self) -> Result<CompletePayload, PartsError> {
        while self.next().await?.is_some() {}
        self.finish().unwrap_or(Err(StreamError::Truncated)).map_err(PartsError::Stream)
    }
}

/// A complete document, opened piece by piece.
pub struct PayloadReader<'a> {
    manifest: PayloadManifest,
    parts: Parts<'a>,
}

impl PayloadReader<'_> {
    /// The document's name.
    pub fn name(&self) -> &DocumentName {
        &self.manifest.name
    }

    /// The document's length.
    pub fn bytes(&self) -> u64 {
        self.manifest.bytes
    }

    /// The next piece of plaintext, at most 4 MiB long; `None` after the last one.
    ///
    /// # Errors
    /// [`Internal`] if a part was changed or removed since the payload was checked.
    pub async fn next(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, Internal> {
        loop {
            match self.parts.next().await {
                Ok(Some(piece)) if piece.is_empty() => {}
                Ok(Some(piece)) => return Ok(Some(piece)),
                Ok(None) => break,
                Err(PartsError::Store(error)) => return Err(error.into()),
                Err(PartsError::Stream(error)) => return Err(damaged(error)),
            }
        }
        let Some(complete) = self.parts.finish() else { return Ok(None) };
        let complete = complete.map_err(damaged)?;
        let rest = Zeroizing::new(complete.rest().to_vec());
        Ok((!rest.is_empty()).then_some(rest))
    }
}

impl std::fmt::Debug for PayloadReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PayloadReader").field("payload", &self.parts.row.id).finish_non_exhaustive()
    }
}

fn damaged(error: StreamError) -> Internal {
    Internal::Damaged(format!("a complete payload does not open: {error}"))
}
