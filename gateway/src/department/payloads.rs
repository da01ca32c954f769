//! Payloads: documents that the two sides of an answered question send each other.
//!
//! ```text
//! sender     Sealing → Sealed → Recorded → PartsSent → Delivered
//! recipient  Receiving → Checking → Checked → Complete        Checking → Failed → Receiving
//! ```
//! The sender seals part by part into its [`PayloadStore`], commits to the whole on the chain
//! (`payload-sent`), asks the recipient which parts it has, sends the others and then the manifest. The
//! recipient keeps parts, believes none, and opens all of them when the manifest is there, in its own
//! time; if they are what the chain's commitment is to, it says so on the chain (`payload-received`), and
//! only then the payload is complete. The sender asks with the same manifest until it is.
//!
//! A payload is never whole in memory: a few parts of at most 4 MiB are, of a few payloads at a time.
//!
//! An upload that breaks off is dropped and begins anew. The sender could only go on sealing under the
//! old key, which lives in the sealing context; it would have to be kept on disk together with how far
//! it was used, and a copy of that put back from a backup would seal other bytes under the same nonces.

mod checking;
mod cleaning;
mod lying;
mod opening;
mod receiving;
mod rows;
mod sealing;
mod sending;

pub use cleaning::{Cleaned, PayloadRetention};
pub use lying::UNFINISHED_BYTES;
pub use opening::PayloadReader;
pub use receiving::{CompleteDocument, PayloadRefusal, ReceivedPayload};
pub use sealing::{Chunks, SendPayloadError};
pub use sending::{Delivery, SentPayload};

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use chain::identifier::{DepartmentId, EntryId};
use crypto::Digest;
use crypto::envelope::{Expected, Message, PayloadId};
use tokio::sync::{Semaphore, watch};

use super::{Department, Internal, Peers, answering, department_name};
use crate::exchange::requester::Status;
use crate::payload::PayloadStore;
use lying::Lying;
use rows::{OpenPayloads, PayloadRow, Sealed, Stage};

/// Documents that are sealed at once, and as many that are read; each takes up to four parts in memory,
/// besides those that are being stored. Whoever comes later waits.
const MAX_STREAMS: usize = 8;
/// Parts of all these documents that are stored at once.
const MAX_STORING: usize = 8;
/// Payloads whose parts are sent at once, as many as are checked at once.
const MAX_MOVING: usize = 2;
/// Payloads that are looked at at once: most only wait for somebody.
const LANES: usize = 4;
/// How long a payload waits whose recipient was not reached, after the second try: 15 s, then twice as
/// long each time.
const FIRST_WAIT: u64 = 15;
/// The longest of these times: 15 min.
const LONGEST_WAIT: u64 = 15 * 60;
/// How long a payload waits whose recipient has no room for it: 5 min. Room is made by other payloads that
/// come to their end.
const ROOM_WAIT: u64 = 5 * 60;

/// A department's payloads: the parts, and which payloads somebody works on.
#[derive(Debug)]
pub(super) struct Payloads {
    store: PayloadStore,
    /// Whoever moves a payload on holds it here.
    busy: Mutex<HashSet<PayloadId>>,
    open: Mutex<OpenPayloads>,
    lying: Arc<Lying>,
    /// Payloads whose recipient was not reached.
    waiting: Mutex<HashMap<PayloadId, Waiting>>,
    /// Told of every change of a row, and of every payload that nobody holds any more.
    changed: watch::Sender<()>,
    sealing: Semaphore,
    storing: Arc<Semaphore>,
    reading: Arc<Semaphore>,
    sending: Semaphore,
    checking: Arc<Semaphore>,
}

/// How long nobody was reached.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    tries: u32,
    /// Unix seconds.
    until: u64,
}

/// A payload that nobody else works on.
struct Hold<'a> {
    payloads: &'a Payloads,
    id: PayloadId,
}

impl Payloads {
    pub(super) fn new(store: PayloadStore) -> Self {
        Self {
            store,
            busy: Mutex::default(),
            open: Mutex::default(),
            lying: Arc::new(Lying::new(UNFINISHED_BYTES)),
            waiting: Mutex::default(),
            changed: watch::Sender::new(()),
            sealing: Semaphore::new(MAX_STREAMS),
            storing: Arc::new(Semaphore::new(MAX_STORING)),
            reading: Arc::new(Semaphore::new(MAX_STREAMS)),
            sending: Semaphore::new(MAX_MOVING),
            checking: Arc::new(Semaphore::new(MAX_MOVING)),
        }
    }

    /// The payload, unless somebody works on it already.
    fn hold(&self, id: PayloadId) -> Option<Hold<'_>> {
        let new = self.busy.lock().expect("a set's insert does not panic").insert(id);
        // Not made before it is known to be ours: dropping it lets the payload go.
        new.then(|| Hold { payloads: self, id })
    }

    /// The payload, once nobody else works on it.
    async fn hold_next(&self, id: PayloadId) -> Hold<'_> {
        let mut changes = self.changed.subscribe();
        loop {
            changes.mark_unchanged();
            match self.hold(id) {
                Some(hold) => return hold,
                // Its sender is in `self`, so that it is there.
                None => changes.changed().await.unwrap_or_default(),
            }
        }
    }

    fn is_held(&self, id: &PayloadId) -> bool {
        self.busy.lock().expect("looking into a set does not panic").contains(id)
    }

    fn open(&self) -> MutexGuard<'_, OpenPayloads> {
        self.open.lock().expect("changing a set does not panic")
    }

    fn told(&self) {
        self.changed.send_replace(());
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<PayloadId, Waiting>> {
        self.waiting.lock().expect("changing a map does not panic")
    }

    /// Notes that a payload's recipient was not reached at `now`.
    fn unreached(&self, id: PayloadId, now: u64) {
        let mut waiting = self.waiting();
        let entry = waiting.entry(id).or_default();
        // The next look tries at once, the ones after it later and later.
        let wait = match entry.tries {
            0 => 0,
            tries => FIRST_WAIT.saturating_mul(1 << (tries - 1).min(16)).min(LONGEST_WAIT),
        };
        *entry = Waiting { tries: entry.tries.saturating_add(1), until: now.saturating_add(wait) };
    }

    /// Notes that a payload's recipient had no room for it at `now`.
    fn no_room(&self, id: PayloadId, now: u64) {
        let until = now.saturating_add(ROOM_WAIT);
        self.waiting().insert(id, Waiting { tries: 1, until });
    }

    /// Notes that it was reached.
    fn reached(&self, id: PayloadId) {
        self.waiting().remove(&id);
    }

    fn is_due(&self, id: PayloadId, now: u64) -> bool {
        self.waiting().get(&id).is_none_or(|waiting| waiting.until <= now)
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.payloads.busy.lock().expect("a set's remove does not panic").remove(&self.id);
        self.payloads.told();
    }
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
    /// How much one sender may have lying here of payloads that are not complete, in bytes; otherwise
    /// [`UNFINISHED_BYTES`].
    #[must_use]
    pub fn with_unfinished_bytes(mut self, limit: u64) -> Self {
        self.payloads.lying = Arc::new(Lying::new(limit));
        self
    }

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
    ///
    /// # Errors
    /// [`Internal`] of the first that our own side cannot move; the others can be moved all the same.
    pub async fn resume_payloads(&self, peers: &impl Peers) -> Result<(), Internal> {
        let now = self.now();
        let ids = Mutex::new(self.open_payloads()?.into_iter());
        let next = || ids.lock().expect("counting does not panic").next();
        let lane = async || {
            let mut outcome = Ok(());
            while let Some(id) = next() {
                if let (true, Some(hold)) = (self.payloads.is_due(id, now), self.payloads.hold(id))
                {
                    outcome = outcome.and(self.forward(&hold, peers).await);
                }
            }
            outcome
        };
        const { assert!(LANES == 4) };
        let (a, b, c, d) = tokio::join!(lane(), lane(), lane(), lane());
        a.and(b).and(c).and(d)
    }

    /// Moves a payload on as far as it goes, after whoever else works on it.
    ///
    /// # Errors
    /// [`Internal`] if our own side failed; the payload stays where it is and can be moved again.
    pub async fn move_payload(&self, id: &PayloadId, peers: &impl Peers) -> Result<(), Internal> {
        let hold = self.payloads.hold_next(*id).await;
        self.forward(&hold, peers).await
    }

    /// Whether somebody works on a payload at this moment.
    pub fn is_moving(&self, id: &PayloadId) -> bool {
        self.payloads.is_held(id)
    }

    /// Waits until nobody works on a payload.
    pub async fn payload_rests(&self, id: &PayloadId) {
        let mut changes = self.payloads.changed.subscribe();
        while self.payloads.is_held(id) {
            // Its sender is in `self`, so that it is there.
            changes.changed().await.unwrap_or_default();
        }
    }

    async fn forward(&self, hold: &Hold<'_>, peers: &impl Peers) -> Result<(), Internal> {
        while let Some(mut row) = self.payload_row(&hold.id)? {
            self.settled().await?;
            let step = match row.stage.clone() {
                Stage::Sealing => {
                    self.forget_payload(&row).await?;
                    Step::Rest
                }
                stage if stage.is_incoming() => self.check_on(&row, stage).await?,
                stage => self.send_on(&row, stage, peers).await?,
            };
            if !self.take_step(&mut row, step).await? {
                break;
            }
        }
        Ok(())
    }

    /// Stores what a step comes to; whether there may be another one.
    async fn take_step(&self, row: &mut PayloadRow, step: Step) -> Result<bool, Internal> {
        let (stage, on) = match step {
            Step::On(stage) => (stage, true),
            Step::Halt(stage) => (stage, false),
            Step::Rest => return Ok(false),
        };
        row.stage = stage;
        self.put_payload(row).await?;
        Ok(on)
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;

    #[test]
    fn a_payload_is_held_by_one_at_a_time_however_often_another_tries() {
        let payloads = Payloads::new(PayloadStore::new(Arc::new(InMemory::new())));
        let (one, other) = (PayloadId::from_bytes([1; 16]), PayloadId::from_bytes([2; 16]));
        let held = payloads.hold(one).unwrap();
        for _ in 0..3 {
            assert!(payloads.hold(one).is_none() && payloads.is_held(&one));
        }
        assert!(payloads.hold(other).is_some());
        drop(held);
        assert!(payloads.hold(one).is_some());
    }
}
