//! The recipient's side: taking parts and the manifest.

use std::sync::Arc;

use bytes::Bytes;
use chain::identifier::{DepartmentId, EntryId};
use crypto::envelope::stream::{MAX_PART_BYTES, MAX_PARTS, StreamError};
use crypto::envelope::{Message, PayloadId};
use crypto::{Digest, canonical};
use serde::Serialize;
use thiserror::Error;

use super::super::peer::PeerError;
use super::super::{Department, Internal};
use super::{Counterpart, PayloadRow, Stage};
use crate::document::payload::{Completion, DocumentName, ManifestError, PayloadManifest};
use crate::payload::{PartSet, PayloadError};

/// Payloads that one sender may have begun and not completed under one question: parts are kept before
/// anything is known of them.
const MAX_OPEN: usize = 16;

/// The code that a sender goes on after.
pub(super) const CONFLICT: &str = "payload-part-conflict";

/// The codes that a sender waits after.
pub(super) const NO_ROOM: &str = "payload-no-room";
pub(super) const TOO_MANY: &str = "payload-too-many";

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
    /// As much as is allowed of the sender's payloads is lying here and not complete.
    #[error(
        "{limit} bytes of your payloads may be here before they are complete: \
         complete some, and send this part again later"
    )]
    NoRoom {
        /// Bytes that may.
        limit: u64,
    },
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
    /// It was checked before, and refused; its parts have been dropped and can be sent again.
    #[error("the payload was checked and refused: {code}")]
    Failed {
        /// The code of what did not hold.
        code: String,
    },
}

impl PayloadRefusal {
    /// A stable name of the failed check.
    pub fn code(&self) -> &str {
        match self {
            Self::Unanswered => "payload-unanswered",
            Self::OtherPayload => "payload-other",
            Self::PartNumber { .. } => "payload-part-number",
            Self::PartSize { .. } => "payload-part-size",
            Self::PartConflict { .. } => CONFLICT,
            Self::TooMany => TOO_MANY,
            Self::NoRoom { .. } => NO_ROOM,
            Self::Manifest(error) => error.code(),
            Self::ManifestConflict => "payload-manifest-conflict",
            Self::Entry => "payload-entry",
            Self::Missing { .. } => "payload-part-missing",
            Self::Stream(error) => error.code(),
            Self::Length { .. } => "payload-length",
            Self::Commitment => "payload-commitment",
            Self::Failed { code } => code,
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
    /// Its SHA-256; none for what was checked before that was kept.
    pub sha256: Option<Digest>,
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
        let counted = match self.make_room(sender, payload, bytes.len()).await {
            Ok(counted) => counted,
            Err(refused) => match self.payloads.store.get(request, payload, number).await {
                Ok(there) if there == bytes => return Ok(()),
                _ => return Err(refused),
            },
        };
        let (store, lying) = (self.payloads.store.clone(), Arc::clone(&self.payloads.lying));
        let (request, payload) = (*request, *payload);
        // To its end, also if the sender goes away: what is written counts, and nothing else does.
        let put = tokio::spawn(async move {
            let put = store.put_new(&request, &payload, number, bytes).await;
            if !matches!(put, Ok(true)) {
                lying.give_back(&payload, counted).await;
            }
            put
        });
        match put.await.expect("storing does not panic, and nobody aborts it") {
            Ok(_) => Ok(()),
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
        if let Some(mut row) = self.incoming(&other.department, request, payload)? {
            match &row.stage {
                Stage::Checking { manifest }
                | Stage::Checked { manifest, .. }
                | Stage::Complete { manifest, .. }
                    if number >= manifest.parts() =>
                {
                    return Err(PayloadRefusal::PartNumber { number }.into());
                }
                Stage::Failed { .. } => {}
                _ => return Ok(()),
            }
            (row.stage, row.begun) = (Stage::Receiving, self.now());
            return Ok(self.put_payload(&mut row).await?);
        }
        let mut begun = 0;
        for id in self.open_payloads()? {
            let row = self.payload_row(&id)?;
            begun += usize::from(row.is_some_and(|row| {
                row.request == *request && row.peer == other.department && row.stage.is_unfinished()
            }));
        }
        if begun >= MAX_OPEN {
            return Err(PayloadRefusal::TooMany.into());
        }
        let mut row = PayloadRow {
            id: *payload,
            request: *request,
            proof: other.proof,
            peer: other.department,
            changed: 0,
            begun: self.now(),
            stage: Stage::Receiving,
        };
        Ok(self.put_payload(&mut row).await?)
    }

    /// Which parts of its payload `sender` need not send (again).
    ///
    /// # Errors
    /// [`PeerError::Payload`] if it is none of that sender's.
    pub async fn peer_parts(
        &self,
        sender: &DepartmentId,
        request: &Digest,
        payload: &PayloadId,
    ) -> Result<PartSet, PeerError> {
        self.answered_with(sender, request).await?;
        match self.incoming(sender, request, payload)?.map(|row| row.stage) {
            None => Ok(PartSet::default()),
            Some(
                Stage::Checking { manifest }
                | Stage::Checked { manifest, .. }
                | Stage::Complete { manifest, .. },
            ) => Ok(PartSet::below(manifest.parts())),
            Some(_) => {
                let parts = self.payloads.store.parts(request, payload).await;
                Ok(parts.map_err(Internal::from)?)
            }
        }
    }

    /// Takes a payload's sealed manifest, when all its parts are there; it is then to be
    /// [checked](Department::check_payload). The same manifest again changes nothing, and says whether
    /// the payload is complete.
    ///
    /// # Errors
    /// [`PeerError`]; then the payload is not complete. If it was checked and is not what the manifest
    /// says, its parts have been dropped, so that they can be sent again; if parts are missing, the
    /// others stay.
    pub async fn peer_complete(
        &self,
        sender: &DepartmentId,
        request: &Digest,
        payload: &PayloadId,
        sealed: &[u8],
    ) -> Result<Completion, PeerError> {
        let other = self.answered_with(sender, request).await?;
        let opened =
            self.open(Message::PayloadManifest(*payload), sender, Some(*request), sealed)?;
        let manifest: PayloadManifest = canonical::from_slice(opened.plaintext())
            .map_err(|error| PeerError::Malformed(error.without_content()))?;
        manifest.check().map_err(PayloadRefusal::from)?;
        self.wait_for_entries(&[manifest.sent]).await?;
        self.require_entry(&other, &manifest)?;
        let there = self.payloads.store.parts(request, payload).await.map_err(Internal::from)?;

        let _changing = self.changing.lock().await;
        let row = self.incoming(sender, request, payload)?;
        match row.as_ref().map(|row| &row.stage) {
            Some(
                Stage::Checking { manifest: known }
                | Stage::Checked { manifest: known, .. }
                | Stage::Complete { manifest: known, .. },
            ) if *known != manifest => return Err(PayloadRefusal::ManifestConflict.into()),
            Some(Stage::Complete { .. }) => return Ok(Completion::Complete),
            Some(Stage::Checking { .. } | Stage::Checked { .. }) => {
                return Ok(Completion::Checking);
            }
            Some(Stage::Failed { manifest: known, code }) if *known == manifest => {
                return Err(PayloadRefusal::Failed { code: code.clone() }.into());
            }
            _ => {}
        }
        // Of parts without a row nobody knows whose they are.
        let there = if row.is_some() { there } else { PartSet::default() };
        let numbers: Vec<_> = there.missing(manifest.parts()).collect();
        let Some(mut row) = row.filter(|_| numbers.is_empty()) else {
            return Err(PayloadRefusal::Missing { numbers }.into());
        };
        row.stage = Stage::Checking { manifest };
        self.put_payload(&mut row).await?;
        Ok(Completion::Checking)
    }

    /// The documents that others sent this department, complete or not: up to `limit` of those after
    /// `after`, in no order that means anything. Fewer are all that there are.
    ///
    /// # Errors
    /// [`Internal`] if the store fails.
    pub fn received_payloads(
        &self,
        after: Option<&PayloadId>,
        limit: usize,
    ) -> Result<Vec<ReceivedPayload>, Internal> {
        self.payload_page(after, limit, |row| {
            let incoming = row.stage.is_incoming();
            let complete = match row.stage {
                Stage::Complete { manifest, received, sha256 } => Some(CompleteDocument {
                    name: manifest.name,
                    bytes: manifest.bytes,
                    sha256,
                    sent_entry: manifest.sent,
                    received_entry: received,
                }),
                _ => None,
            };
            let (id, request, sender) = (row.id, row.request, row.peer);
            incoming.then_some(ReceivedPayload { id, request, sender, complete })
        })
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
        if row.stage.is_incoming() && row.request == *request && row.peer == *sender {
            Ok(Some(row))
        } else {
            Err(PayloadRefusal::OtherPayload.into())
        }
    }

    /// Checks that the manifest's `payload-sent` entry is the sender's to us under this question's answer.
    fn require_entry(
        &self,
        other: &Counterpart,
        manifest: &PayloadManifest,
    ) -> Result<(), PayloadRefusal> {
        let replica = self.chain();
        match replica.state().payload(&manifest.sent) {
            Some(fact)
                if fact.sender == other.department
                    && fact.recipient == self.id
                    && fact.proof == other.proof =>
            {
                Ok(())
            }
            _ => Err(PayloadRefusal::Entry),
        }
    }
}
