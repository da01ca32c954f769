//! Payloads: documents that the two sides of an answered question send each other.
//!
//! ```text
//! sender     Sealing → Sealed → Recorded → PartsSent → Delivered
//! recipient  Receiving → Checked → Complete
//! ```
//! The sender seals part by part into its [`PayloadStore`], commits to the whole on the chain
//! (`payload-sent`), sends the parts and then the manifest. The recipient keeps parts, believes none,
//! and opens all of them when the manifest is there; if they are what the chain's commitment is to, it
//! says so on the chain (`payload-received`), and only then the payload is complete.

mod receiving;
mod sending;

pub use receiving::{CompleteDocument, PayloadReader, PayloadRefusal, ReceivedPayload};
pub use sending::{Chunks, Delivery, SendPayloadError, SentPayload};

use std::collections::HashSet;
use std::sync::Mutex;

use chain::entry::Content;
use chain::identifier::{DepartmentId, EntryId};
use crypto::Digest;
use crypto::commitment::Salt;
use crypto::envelope::{Expected, Message, PayloadId};
use serde::{Deserialize, Serialize};

use super::{Department, Internal, Peers, answering, department_name};
use crate::document::payload::{DocumentName, PayloadManifest};
use crate::exchange::requester::Status;
use crate::payload::PayloadStore;
use crate::store::{Batch, Table};

/// A department's payloads: the parts, and which payloads somebody works on.
#[derive(Debug)]
pub(super) struct Payloads {
    store: PayloadStore,
    /// Whoever changes a payload's row, or reads its parts to check them, holds it here.
    busy: Mutex<HashSet<PayloadId>>,
}

/// A payload that nobody else works on.
struct Hold<'a> {
    payloads: &'a Payloads,
    id: PayloadId,
}

impl Payloads {
    pub(super) fn new(store: PayloadStore) -> Self {
        Self { store, busy: Mutex::default() }
    }

    /// The payload, unless somebody works on it already.
    fn hold(&self, id: PayloadId) -> Option<Hold<'_>> {
        let new = self.busy.lock().expect("a set's insert does not panic").insert(id);
        new.then_some(Hold { payloads: self, id })
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.payloads.busy.lock().expect("a set's remove does not panic").remove(&self.id);
    }
}

/// A payload as either side keeps it, under its id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct PayloadRow {
    id: PayloadId,
    /// Digest of the request.
    request: Digest,
    /// Id of the `proof` entry that answers it.
    proof: EntryId,
    /// The other side.
    peer: DepartmentId,
    stage: Stage,
}

/// How far a payload has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", content = "state", rename_all = "kebab-case")]
enum Stage {
    /// Its parts are being sealed. Nobody can go on with that after a stop: its key is gone.
    Sealing,
    /// All parts are in the sender's store.
    Sealed(Sealed),
    /// Its `payload-sent` entry is on the chain.
    Recorded {
        sealed: Sealed,
        sent: EntryId,
        /// Parts that the recipient has taken.
        taken: u64,
        /// How often the recipient refused a part or the whole.
        refusals: u32,
    },
    /// The recipient has taken all parts.
    PartsSent { sealed: Sealed, sent: EntryId, refusals: u32 },
    /// The recipient has checked all of it.
    Delivered { sealed: Sealed, sent: EntryId },
    /// The recipient does not take it.
    Refused { sealed: Sealed, sent: EntryId, code: String },
    /// Parts come in.
    Receiving,
    /// All of it is what the manifest and the `payload-sent` entry say.
    Checked { manifest: PayloadManifest },
    /// The `payload-received` entry is on the chain.
    Complete { manifest: PayloadManifest, received: EntryId },
}

/// What the sender remembers of a document; it cannot open what it sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sealed {
    name: DocumentName,
    /// Length of the document.
    bytes: u64,
    salt: Salt,
    /// The salted commitment to the ciphertext.
    commitment: Digest,
}

/// What follows a stage, once its effect has happened.
enum Step {
    /// Store this and go on.
    On(Stage),
    /// Store this and leave the rest to a later time.
    Halt(Stage),
    /// There is nothing to do, or not now.
    Rest,
}

/// The other side of an answered question.
struct Counterpart {
    department: DepartmentId,
    /// Id of the issuer's `proof` entry.
    proof: EntryId,
}

impl Department {
    /// The other side of a question that this department answered, or whose answer it verified.
    async fn counterpart(&self, request: &Digest) -> Result<Option<Counterpart>, Internal> {
        if let Some(row) = self.received(request)?
            && let answering::Stage::Answered { answered, .. } = row.stage
        {
            let (department, proof) = (row.request.requester, answered.answer.proof_entry);
            return Ok(Some(Counterpart { department, proof }));
        }
        let Some(asked) = self.asked(request).await? else { return Ok(None) };
        let (Status::Verified, Some(answer)) = (asked.status, asked.answer) else {
            return Ok(None);
        };
        // Verification has established that the proof's author is the request's issuer.
        let proof = answer.proof_entry;
        let replica = self.chain();
        let fact = replica.state().proof(&proof);
        let department = fact
            .map(|fact| fact.issuer)
            .ok_or_else(|| Internal::Damaged("its proof is not on the chain".to_owned()))?;
        Ok(Some(Counterpart { department, proof }))
    }

    /// Takes up every payload that a stop or an unreached peer interrupted.
    pub(super) async fn resume_payloads(&self, peers: &impl Peers) -> Result<(), Internal> {
        let mut outcome = Ok(());
        for id in self.payload_rows()?.into_iter().map(|row| row.id) {
            if let Some(_hold) = self.payloads.hold(id) {
                outcome = outcome.and(self.forward(&id, peers).await);
            }
        }
        outcome
    }

    /// Moves a payload on as far as it goes. The caller holds it.
    async fn forward(&self, id: &PayloadId, peers: &impl Peers) -> Result<(), Internal> {
        while let Some(mut row) = self.payload_row(id)? {
            let step = match row.stage.clone() {
                Stage::Sealing => {
                    self.abandon(&row).await?;
                    Step::Rest
                }
                Stage::Checked { manifest } => Step::On(self.acknowledge(manifest).await?),
                stage => self.send_on(&row, stage, peers).await?,
            };
            let (stage, halt) = match step {
                Step::On(stage) => (stage, false),
                Step::Halt(stage) => (stage, true),
                Step::Rest => break,
            };
            row.stage = stage;
            self.put_payload(&row).await?;
            if halt {
                break;
            }
        }
        Ok(())
    }

    /// Puts `payload-received` on the chain.
    async fn acknowledge(&self, manifest: PayloadManifest) -> Result<Stage, Internal> {
        let sent = manifest.sent;
        let commitment = self
            .chain()
            .state()
            .payload(&sent)
            .map(|payload| payload.commitment)
            .ok_or_else(|| Internal::Damaged("its payload is not on the chain".to_owned()))?;
        let received = self.append(Content::PayloadReceived { commitment, sent }, None).await?;
        Ok(Stage::Complete { manifest, received })
    }

    /// What a payload of `row` has to be, when it is opened here.
    fn expected_payload(&self, row: &PayloadRow) -> Expected {
        Expected {
            message: Message::Payload(row.id),
            network: self.network_name(),
            sender: department_name(&row.peer),
            recipient: department_name(&self.id),
            request: Some(row.request),
        }
    }

    fn payload_row(&self, id: &PayloadId) -> Result<Option<PayloadRow>, Internal> {
        Ok(self.store.get(Table::Payloads, id.as_bytes())?)
    }

    fn payload_rows(&self) -> Result<Vec<PayloadRow>, Internal> {
        Ok(self.store.scan(Table::Payloads).collect::<Result<_, _>>()?)
    }

    async fn put_payload(&self, row: &PayloadRow) -> Result<(), Internal> {
        let mut batch = Batch::default();
        batch.put(Table::Payloads, row.id.as_bytes(), row);
        Ok(self.commit(batch).await?)
    }

    /// Forgets a payload whose sealing did not come to its end.
    async fn abandon(&self, row: &PayloadRow) -> Result<(), Internal> {
        self.payloads.store.delete(&row.request, &row.id).await?;
        let mut batch = Batch::default();
        batch.delete(Table::Payloads, row.id.as_bytes());
        Ok(self.commit(batch).await?)
    }
}
