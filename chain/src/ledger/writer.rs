//! The one thread that writes: it takes pending entries in groups, makes a block of each group, and answers
//! when the block is durable.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crypto::SigningKey;
use tokio::sync::oneshot;

use super::local::Shared;
use super::{StopReason, SubmitError};
use crate::block::{Certificate, MAX_BLOCK_ENTRIES, Precommit};
use crate::document::{Document, Documents};
use crate::entry::SignedEntry;
use crate::identifier::{EntryId, ValidatorId};
use crate::replica::Replica;
use crate::store::Store;
use crate::time::Clock;
use crate::validators::ValidatorSet;

/// How many entries share a block, and so its syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// Most entries in a block.
    pub entries: usize,
    /// How long the first entry waits for others.
    pub linger: Duration,
}

impl Default for Batching {
    /// 256 entries or 5 ms: past 64 to 256 entries per sync the disk gains little.
    fn default() -> Self {
        Self { entries: 256, linger: Duration::from_millis(5) }
    }
}

/// A pending entry.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) entry: SignedEntry,
    pub(super) document: Option<Document>,
    pub(super) answer: Answer,
}

type Answer = oneshot::Sender<Result<(), SubmitError>>;

/// The validator's half that signs.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) id: ValidatorId,
    pub(super) key: Arc<SigningKey>,
}

impl Identity {
    /// Whether this validator is the whole set.
    pub(super) fn is_alone_in(&self, set: &ValidatorSet) -> bool {
        let me = set.find(&self.id);
        set.is_single_operator() && me.is_some_and(|me| me.key == self.key.verifying_key())
    }
}

/// What the writing thread owns.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) replica: Replica,
    pub(super) identity: Identity,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) batching: Batching,
    pub(super) shared: Arc<Shared>,
}

impl Writer {
    /// Writes until the queue is closed, or the ledger has to stop. Those who still wait then are told
    /// nothing, which means unknown.
    pub(super) fn run(mut self, queue: &Receiver<Job>) {
        while let Ok(first) = queue.recv() {
            let group = self.gather(first, queue);
            self.shared.taken(group.len());
            if let Err(reason) = self.write(group) {
                self.shared.stop(reason);
                return;
            }
        }
    }

    fn gather(&self, first: Job, queue: &Receiver<Job>) -> Vec<Job> {
        let most = self.batching.entries.clamp(1, MAX_BLOCK_ENTRIES);
        let deadline = Instant::now() + self.batching.linger;
        let mut group = vec![first];
        while group.len() < most {
            match queue.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(job) => group.push(job),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        group
    }

    /// Makes one block of the entries that may stand, and answers everybody once it is durable.
    fn write(&mut self, group: Vec<Job>) -> Result<(), StopReason> {
        if !self.identity.is_alone_in(self.replica.state().validators()) {
            return Err(StopReason::NotTheValidator { height: self.replica.tip().height + 1 });
        }
        let mut draft = self.replica.draft(self.clock.now());
        let mut documents = Documents::default();
        let mut admitted: HashMap<EntryId, Vec<Answer>> = HashMap::new();
        let mut answers = Vec::new();
        for Job { entry, document, answer } in group {
            let id = *entry.id();
            if self.replica.state().position(&id).is_some() {
                answers.push((answer, Ok(())));
            } else if let Some(waiting) = admitted.get_mut(&id) {
                waiting.push(answer);
            } else {
                match draft.push_signed(&entry, document.as_ref()) {
                    Ok(_) => {
                        documents.extend(document);
                        admitted.insert(id, vec![answer]);
                    }
                    Err(rule) => answers.push((answer, Err(SubmitError::Refused(rule)))),
                }
            }
        }
        if !draft.is_empty() {
            let proposal = draft.seal(self.identity.id);
            let precommit = Precommit::new(proposal.block().header(), 0);
            let signature = precommit.sign(&self.identity.key);
            let certificate = Certificate::new(0, vec![(self.identity.id, signature)])
                .expect("one signature is in order");
            let (accepted, replica) = proposal.certify(certificate);
            self.store.append(&accepted, &documents)?;
            self.replica = replica;
            self.shared.publish(&self.replica);
        }
        // Refusals may rest on entries of this block, so they too wait until it is durable. An answer that
        // nobody waits for any more is dropped.
        answers.extend(admitted.into_values().flatten().map(|answer| (answer, Ok(()))));
        for (answer, result) in answers {
            let _ = answer.send(result);
        }
        Ok(())
    }
}
