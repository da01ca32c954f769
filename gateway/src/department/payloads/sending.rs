//! The sender's side: recording, sending, asking until the recipient has it all.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use chain::entry::Content;
use chain::identifier::{DepartmentId, EntryId};
use crypto::envelope::stream::part_count;
use crypto::envelope::{Message, PayloadId};
use crypto::{Digest, canonical};
use serde::Serialize;

use super::super::{Department, Internal, PeerMessage, PeerPath, PeerReply, Peers};
use super::receiving::{CONFLICT, NO_ROOM, TOO_MANY};
use super::{PayloadRow, Sealed, Stage, Step};
use crate::document::VERSION;
use crate::document::payload::{Completion, DocumentName, PayloadManifest};
use crate::payload::{PartSet, PayloadError};

/// So often a recipient may refuse a payload before it is given up. It may have lost a part, or not yet
/// have seen the chain's last block.
const MAX_REFUSALS: u32 = 8;
/// So often the sender asks for the end of a check before it leaves that to the next look. The recipient
/// lets it wait each time.
const MAX_ASKED: u32 = 8;

/// The code of a payload that cannot be sent any more: its parts are gone from the sender's store.
const LOST: &str = "payload-lost";

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
    /// The recipient does not take it, or it is lost: `payload-lost`.
    Refused {
        /// The recipient's code.
        code: String,
    },
}

/// How far sending came. Of several parts the last one of these says what follows.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sent {
    /// The recipient has taken all there was to send.
    All,
    /// The recipient was not reached.
    Unreached,
    /// The recipient has no room for it now.
    NoRoom,
    /// The recipient refused one.
    Refused(String),
    /// One is not there any more, and nobody can seal it again.
    Lost,
}

impl Department {
    /// The documents that this department sent, or is sending: up to `limit` of those after `after`, in
    /// no order that means anything. Fewer are all that there are.
    ///
    /// # Errors
    /// [`Internal`] if the store fails.
    pub fn sent_payloads(
        &self,
        after: Option<&PayloadId>,
        limit: usize,
    ) -> Result<Vec<SentPayload>, Internal> {
        self.payload_page(after, limit, |row| sent_view(&row))
    }

    /// A document that this department sent, or is sending; `None` if there is none of that id.
    ///
    /// # Errors
    /// [`Internal`] if the store fails.
    pub fn sent_payload(&self, id: &PayloadId) -> Result<Option<SentPayload>, Internal> {
        Ok(self.payload_row(id)?.as_ref().and_then(sent_view))
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
                Ok(Step::On(Stage::Recorded { sealed, sent, refusals: 0 }))
            }
            Stage::Recorded { sealed, sent, refusals } => {
                match self.send_parts(row, part_count(sealed.bytes), peers).await? {
                    Sent::All => Ok(Step::On(Stage::PartsSent { sealed, sent, refusals })),
                    Sent::Unreached => Ok(self.wait(row)),
                    Sent::NoRoom => {
                        self.payloads.no_room(row.id, self.now());
                        Ok(Step::Rest)
                    }
                    Sent::Refused(code) => self.refused(row, sealed, sent, refusals, code).await,
                    Sent::Lost => {
                        tracing::error!(payload = %row.id, "a payload of ours has lost parts");
                        self.give_up(row, sealed, sent, LOST.to_owned()).await
                    }
                }
            }
            Stage::PartsSent { sealed, sent, refusals } => {
                let body = Bytes::from(self.sealed_manifest(row, &sealed, sent)?);
                for _ in 0..MAX_ASKED {
                    let path = PeerPath::Complete { request: row.request, payload: row.id };
                    match self.send_piece(row, path, body.clone(), peers).await? {
                        None => return Ok(self.wait(row)),
                        Some(PeerReply::Taken(reply)) => match serde_json::from_slice(&reply) {
                            Ok(Completion::Complete) => {
                                // Of no use any more, since the sender cannot open them.
                                self.payloads.store.delete(&row.request, &row.id).await?;
                                return Ok(Step::On(Stage::Delivered { sealed, sent }));
                            }
                            Ok(Completion::Checking) => {}
                            Err(_) => return Ok(self.wait(row)), // that is no answer to this
                        },
                        Some(PeerReply::Refused { code }) => {
                            return self.refused(row, sealed, sent, refusals, code).await;
                        }
                    }
                }
                Ok(Step::Rest)
            }
            _ => Ok(Step::Rest),
        }
    }

    /// Sends the parts that the recipient does not have, four at a time: while some wait for the
    /// recipient's disk, which takes several of them together in little more time than one, the next one
    /// is read, hashed and on its way.
    async fn send_parts(
        &self,
        row: &PayloadRow,
        count: u64,
        peers: &impl Peers,
    ) -> Result<Sent, Internal> {
        let room = self.payloads.sending.acquire().await;
        let _room = room.expect("the semaphore is never closed");
        let (request, payload) = (row.request, row.id);
        let path = PeerPath::Parts { request, payload };
        let there: PartSet = match self.send_piece(row, path, Bytes::new(), peers).await? {
            None => return Ok(Sent::Unreached),
            Some(PeerReply::Refused { code }) => return Ok(Sent::Refused(code)),
            Some(PeerReply::Taken(reply)) => match serde_json::from_slice(&reply) {
                Ok(there) => there,
                Err(_) => return Ok(Sent::Unreached),
            },
        };
        let numbers = Mutex::new(there.missing(count));
        let stopped = AtomicBool::new(false);
        let next = || numbers.lock().expect("counting does not panic").next();
        let lane = async || {
            while !stopped.load(Ordering::Relaxed)
                && let Some(number) = next()
            {
                let sent = self.send_part(row, number, peers).await;
                if !matches!(sent, Ok(Sent::All)) {
                    stopped.store(true, Ordering::Relaxed);
                    return sent;
                }
            }
            Ok(Sent::All)
        };
        // On the heap: each is as large as all that a call to a peer keeps.
        let lane = || Box::pin(lane());
        let (a, b, c, d) = tokio::join!(lane(), lane(), lane(), lane());
        let mut sent = Sent::All;
        for lane in [a, b, c, d] {
            sent = sent.max(lane?);
        }
        Ok(sent)
    }

    async fn send_part(
        &self,
        row: &PayloadRow,
        number: u64,
        peers: &impl Peers,
    ) -> Result<Sent, Internal> {
        let (request, payload) = (row.request, row.id);
        let part = match self.payloads.store.get(&request, &payload, number).await {
            Ok(part) => part,
            Err(PayloadError::NotFound { .. }) => return Ok(Sent::Lost),
            Err(error) => return Err(error.into()),
        };
        let path = PeerPath::Part { request, payload, number };
        Ok(match self.send_piece(row, path, part, peers).await? {
            None => Sent::Unreached,
            // Another part of that number is there: the recipient finds that out when it opens them,
            // drops them all, and then this one is taken.
            Some(PeerReply::Refused { code }) if code == CONFLICT => Sent::All,
            // What others have begun comes to its end, and this one is not worse for it.
            Some(PeerReply::Refused { code }) if code == NO_ROOM || code == TOO_MANY => {
                tracing::info!(payload = %row.id, code, "the payload waits for room");
                Sent::NoRoom
            }
            Some(PeerReply::Refused { code }) => Sent::Refused(code),
            Some(PeerReply::Taken(_)) => Sent::All,
        })
    }

    /// The payload is sent again at a later time, or given up.
    async fn refused(
        &self,
        row: &PayloadRow,
        sealed: Sealed,
        sent: EntryId,
        refusals: u32,
        code: String,
    ) -> Result<Step, Internal> {
        tracing::warn!(payload = %row.id, code, "the recipient refused a payload of ours");
        if refusals + 1 < MAX_REFUSALS {
            return Ok(Step::Halt(Stage::Recorded { sealed, sent, refusals: refusals + 1 }));
        }
        self.give_up(row, sealed, sent, code).await
    }

    async fn give_up(
        &self,
        row: &PayloadRow,
        sealed: Sealed,
        sent: EntryId,
        code: String,
    ) -> Result<Step, Internal> {
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
        body: Bytes,
        peers: &impl Peers,
    ) -> Result<Option<PeerReply>, Internal> {
        let recipient = self.peer(&row.peer)?;
        match peers.send(self, &recipient, PeerMessage { path, body }).await {
            Ok(reply) => {
                self.payloads.reached(row.id);
                Ok(Some(reply))
            }
            Err(error) => {
                tracing::info!(payload = %row.id, %error, "the payload waits");
                Ok(None)
            }
        }
    }

    /// Leaves a payload whose recipient was not reached to a later time.
    fn wait(&self, row: &PayloadRow) -> Step {
        self.payloads.unreached(row.id, self.now());
        Step::Rest
    }
}

pub(super) fn sent_view(row: &PayloadRow) -> Option<SentPayload> {
    let (sealed, sent_entry, delivery) = match row.stage.clone() {
        Stage::Sealed(sealed) => (sealed, None, Delivery::Underway),
        Stage::Recorded { sealed, sent, .. } | Stage::PartsSent { sealed, sent, .. } => {
            (sealed, Some(sent), Delivery::Underway)
        }
        Stage::Delivered { sealed, sent } => (sealed, Some(sent), Delivery::Delivered),
        Stage::Refused { sealed, sent, code } => (sealed, Some(sent), Delivery::Refused { code }),
        _ => return None,
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
