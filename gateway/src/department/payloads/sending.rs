//! The sender's side: sealing, recording, sending.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chain::entry::Content;
use chain::identifier::{DepartmentId, EntryId};
use crypto::commitment::Salt;
use crypto::envelope::stream::{CHUNK_BYTES, Part, PayloadSealer, part_count};
use crypto::envelope::{Message, PayloadId, Route};
use crypto::{Digest, canonical};
use serde::Serialize;
use thiserror::Error;

use super::super::{Department, Internal, PeerMessage, PeerPath, PeerReply, Peers};
use super::{PayloadRow, Sealed, Stage, Step, department_name};
use crate::document::VERSION;
use crate::document::payload::{DocumentName, DocumentNameError, PayloadManifest};
use crate::measure;
use crate::payload::PayloadError;

/// So often a recipient may refuse a payload before it is given up. It may have lost a part, or not yet
/// have seen the chain's last block.
const MAX_REFUSALS: u32 = 8;

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

/// A document that was sealed for the other side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SentPayload {
    /// The payload.
    pub id: PayloadId,
    /// Digest of the request.
    pub request: Digest,
    /// Who is to receive it.
    pub recipient: DepartmentId,
    /// The document's name.
    pub name: DocumentName,
    /// Length of the document.
    pub bytes: u64,
    /// The salted commitment to the ciphertext.
    pub commitment: Digest,
    /// Id of the `payload-sent` entry, once it is on the chain.
    pub sent_entry: Option<EntryId>,
    /// How it stands.
    pub delivery: Delivery,
}

/// How a sent document stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "delivery", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Delivery {
    /// It waits for the chain or for the recipient.
    Underway,
    /// The recipient has checked all of it.
    Delivered,
    /// The recipient does not take it.
    Refused {
        /// The recipient's code.
        code: String,
    },
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
        let name: DocumentName = name.parse().map_err(SendPayloadError::Name)?;
        let other = self.counterpart(request).await?.ok_or(SendPayloadError::Unanswered)?;
        if other.department == self.id {
            return Err(SendPayloadError::Oneself);
        }
        let id = self.random(|rng| PayloadId::random(&mut { rng }));
        let mut row = PayloadRow {
            id,
            request: *request,
            proof: other.proof,
            peer: other.department,
            stage: Stage::Sealing,
        };
        let _hold = self.payloads.hold(id).expect("128 random bits are nobody else's");
        self.put_payload(&row).await?;
        match self.seal_parts(&row, name, source).await {
            Ok(sealed) => row.stage = Stage::Sealed(sealed),
            Err(error) => {
                if let Err(error) = self.abandon(&row).await {
                    tracing::warn!(payload = %id, %error, "an unfinished payload stays for now");
                }
                return Err(error);
            }
        }
        self.put_payload(&row).await?;
        self.forward(&id, peers).await?;
        let row = self.payload_row(&id)?.as_ref().and_then(sent_view);
        Ok(row.ok_or_else(|| Internal::Damaged("a payload was stored and is gone".to_owned()))?)
    }

    /// The documents that this department sent, or is sending.
    ///
    /// # Errors
    /// [`Internal`] if the store fails.
    pub fn sent_payloads(&self) -> Result<Vec<SentPayload>, Internal> {
        Ok(self.payload_rows()?.iter().filter_map(sent_view).collect())
    }

    /// Seals a document into the store, part by part.
    async fn seal_parts<S: Chunks>(
        &self,
        row: &PayloadRow,
        name: DocumentName,
        mut source: S,
    ) -> Result<Sealed, SendPayloadError<S::Error>> {
        let recipient = self.peer(&row.peer)?;
        let key = super::super::recipient_key(&recipient)?;
        let route = Route {
            message: Message::Payload(row.id),
            network: self.network_name(),
            sender: department_name(&self.id),
            recipient: department_name(&recipient.id),
            request: row.request,
        };
        let put = async |part: Part| {
            let store = &self.payloads.store;
            let put = store.put(&row.request, &row.id, part.number, part.bytes.into());
            put.await.map_err(Internal::from)
        };
        let sealer = self.random(|rng| PayloadSealer::new(&route, &key, &mut { rng }));
        let mut sealer = sealer.map_err(Internal::from)?;
        let mut sealing = Duration::ZERO;
        while let Some(chunk) = source.next().await.map_err(SendPayloadError::Source)? {
            let start = Instant::now();
            let parts = sealer.push(&chunk).map_err(|_| SendPayloadError::TooLong)?;
            sealing += start.elapsed();
            for part in parts {
                put(part).await?;
            }
        }
        let end = sealer.finish().map_err(|_| SendPayloadError::TooLong)?;
        put(end.last_part).await?;
        measure::took(sealing, measure::SEAL);
        let salt = self.random(|rng| Salt::random(&mut { rng }));
        let commitment = end.ciphertext.commit(&salt);
        Ok(Sealed { name, bytes: end.plaintext_bytes, salt, commitment })
    }

    /// What follows a sender's stage.
    pub(super) async fn send_on(
        &self,
        row: &PayloadRow,
        stage: Stage,
        peers: &impl Peers,
    ) -> Result<Step, Internal> {
        match stage {
            Stage::Sealed(sealed) => {
                let commitment = sealed.commitment;
                let content = Content::PayloadSent { commitment, proof: row.proof };
                let sent = self.append(content, None).await?;
                Ok(Step::On(Stage::Recorded { sealed, sent, taken: 0, refusals: 0 }))
            }
            Stage::Recorded { sealed, sent, taken, refusals } => {
                if taken == part_count(sealed.bytes) {
                    return Ok(Step::On(Stage::PartsSent { sealed, sent, refusals }));
                }
                let part = self.payloads.store.get(&row.request, &row.id, taken).await;
                let part = part.map_err(lost_part)?;
                let (request, payload) = (row.request, row.id);
                let path = PeerPath::Part { request, payload, number: taken };
                match self.send_piece(row, path, part.into(), peers).await? {
                    None => Ok(Step::Rest),
                    // Another part of that number is there: the recipient finds that out when it opens
                    // them, drops them all, and then this one is taken.
                    Some(PeerReply::Refused { code }) if code != super::receiving::CONFLICT => {
                        self.refused(row, sealed, sent, taken, refusals, code).await
                    }
                    Some(_) => {
                        Ok(Step::On(Stage::Recorded { sealed, sent, taken: taken + 1, refusals }))
                    }
                }
            }
            Stage::PartsSent { sealed, sent, refusals } => {
                let body = self.sealed_manifest(row, &sealed, sent)?;
                let path = PeerPath::Complete { request: row.request, payload: row.id };
                match self.send_piece(row, path, body, peers).await? {
                    None => Ok(Step::Rest),
                    Some(PeerReply::Taken(_)) => {
                        // Of no use any more, since the sender cannot open them.
                        self.payloads.store.delete(&row.request, &row.id).await?;
                        Ok(Step::On(Stage::Delivered { sealed, sent }))
                    }
                    Some(PeerReply::Refused { code }) => {
                        self.refused(row, sealed, sent, 0, refusals, code).await
                    }
                }
            }
            _ => Ok(Step::Rest),
        }
    }

    /// The payload is sent again from part `taken` on at a later time, or given up.
    async fn refused(
        &self,
        row: &PayloadRow,
        sealed: Sealed,
        sent: EntryId,
        taken: u64,
        refusals: u32,
        code: String,
    ) -> Result<Step, Internal> {
        tracing::warn!(payload = %row.id, code, "the recipient refused a payload of ours");
        if refusals + 1 < MAX_REFUSALS {
            let refusals = refusals + 1;
            return Ok(Step::Halt(Stage::Recorded { sealed, sent, taken, refusals }));
        }
        self.payloads.store.delete(&row.request, &row.id).await?;
        Ok(Step::Halt(Stage::Refused { sealed, sent, code }))
    }

    /// The manifest, sealed for the recipient.
    fn sealed_manifest(
        &self,
        row: &PayloadRow,
        sealed: &Sealed,
        sent: EntryId,
    ) -> Result<Vec<u8>, Internal> {
        let manifest = PayloadManifest {
            version: VERSION,
            name: sealed.name.clone(),
            bytes: sealed.bytes,
            salt: sealed.salt.clone(),
            sent,
        };
        let plaintext = canonical::to_vec(&manifest).expect("a manifest has string keys");
        let recipient = self.peer(&row.peer)?;
        self.seal(Message::PayloadManifest(row.id), &recipient, row.request, &plaintext)
    }

    async fn send_piece(
        &self,
        row: &PayloadRow,
        path: PeerPath,
        body: Vec<u8>,
        peers: &impl Peers,
    ) -> Result<Option<PeerReply>, Internal> {
        let recipient = self.peer(&row.peer)?;
        match peers.send(self, &recipient, PeerMessage { path, body }).await {
            Ok(reply) => Ok(Some(reply)),
            Err(error) => {
                tracing::info!(payload = %row.id, %error, "the payload waits");
                Ok(None)
            }
        }
    }
}

fn lost_part(error: PayloadError) -> Internal {
    match error {
        PayloadError::NotFound { number } => {
            Internal::Damaged(format!("part {number} of a payload was stored and is gone"))
        }
        error => error.into(),
    }
}

fn sent_view(row: &PayloadRow) -> Option<SentPayload> {
    let (sealed, sent_entry, delivery) = match row.stage.clone() {
        Stage::Sealed(sealed) => (sealed, None, Delivery::Underway),
        Stage::Recorded { sealed, sent, .. } | Stage::PartsSent { sealed, sent, .. } => {
            (sealed, Some(sent), Delivery::Underway)
        }
        Stage::Delivered { sealed, sent } => (sealed, Some(sent), Delivery::Delivered),
        Stage::Refused { sealed, sent, code } => (sealed, Some(sent), Delivery::Refused { code }),
        Stage::Sealing | Stage::Receiving | Stage::Checked { .. } | Stage::Complete { .. } => {
            return None;
        }
    };
    Some(SentPayload {
        id: row.id,
        request: row.request,
        recipient: row.peer,
        name: sealed.name,
        bytes: sealed.bytes,
        commitment: sealed.commitment,
        sent_entry,
        delivery,
    })
}
