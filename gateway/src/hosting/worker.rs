//! What follows from a request and is not waited for: consent onto the chain, proof, answer; payloads.

mod looks;
mod steps;

use std::sync::Arc;
use std::time::Duration;

use chain::identifier::DepartmentId;
use crypto::envelope::PayloadId;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::Hosted;
use crate::department::payloads::PayloadRetention;
use crate::department::{Mover, Peers};
use crate::prover::Place;
use looks::Looks;
use steps::{advance, ask_again, clean, look, look_at_payloads, move_payload};

/// How much a worker does at once, and how often it looks for what was left.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Payloads that are moved on at once: 16. Exchanges are as many as the prover has places, and those
    /// that need none.
    pub concurrency: usize,
    /// Exchanges that wait to be moved on, and payloads besides. More are found by the next look: 1,024.
    pub queue: usize,
    /// Time before the first look for what was left: none, as the gateway was stopped before.
    pub first_look: Duration,
    /// Time between two looks for what was left: peers that were not reached, questions whose time is
    /// over. 15 s.
    pub retry: Duration,
    /// Time between two looks for questions that found their issuer full. 1 s, which is what it says.
    pub again: Duration,
    /// How long an answer that is being sent keeps its place with the prover: 1 s. Whoever takes longer to
    /// take its answer keeps no others from theirs.
    pub sending: Duration,
    /// Time between two cleanings of the payloads. 1 h.
    pub cleaning: Duration,
    /// How long payloads are kept.
    pub retention: PayloadRetention,
    /// How long open work may take to finish after the shutdown began: 30 s. What is cut is taken up
    /// after the next start.
    pub drain: Duration,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            concurrency: 16,
            queue: 1_024,
            first_look: Duration::ZERO,
            retry: Duration::from_secs(15),
            again: Duration::from_secs(1),
            sending: Duration::from_secs(1),
            cleaning: Duration::from_secs(60 * 60),
            retention: PayloadRetention::default(),
            drain: Duration::from_secs(30),
        }
    }
}

/// An exchange that can be moved on.
#[derive(Debug)]
pub(super) struct Job {
    /// Whose.
    department: DepartmentId,
    /// Which.
    mover: Mover,
    /// Its place with the prover, if it is to be proved.
    place: Option<Place>,
}

/// A payload that can be moved on. These have a queue of their own, so that long ones keep no question
/// waiting.
#[derive(Debug)]
pub(super) struct PayloadJob {
    /// Whose.
    department: DepartmentId,
    payload: PayloadId,
    /// Told when it has been moved as far as it goes.
    moved: oneshot::Sender<()>,
}

/// Where jobs are left.
#[derive(Clone, Debug)]
pub(super) struct Work {
    exchanges: mpsc::Sender<Job>,
    payloads: mpsc::Sender<PayloadJob>,
}

/// Where jobs are taken from.
#[derive(Debug)]
pub(super) struct Queue {
    exchanges: mpsc::Receiver<Job>,
    payloads: mpsc::Receiver<PayloadJob>,
}

impl Work {
    pub(super) fn channel(options: &WorkerOptions) -> (Self, Queue) {
        let (exchanges, exchange_queue) = mpsc::channel(options.queue);
        let (payloads, payload_queue) = mpsc::channel(options.queue);
        let queue = Queue { exchanges: exchange_queue, payloads: payload_queue };
        (Self { exchanges, payloads }, queue)
    }

    /// Exchanges and payloads that wait to be moved on.
    pub(super) fn queued(&self) -> usize {
        let exchanges = self.exchanges.max_capacity() - self.exchanges.capacity();
        exchanges + self.payloads.max_capacity() - self.payloads.capacity()
    }

    /// Leaves an exchange to be moved on. A full queue loses nothing: the next look finds it.
    pub(super) fn advance(&self, department: DepartmentId, mover: Mover, place: Option<Place>) {
        left(self.exchanges.try_send(Job { department, mover, place }), department);
    }

    /// Leaves a payload to be moved on, in the same way. What is returned ends when that was done; with
    /// an error if it is left to a later time.
    pub(super) fn payload(
        &self,
        department: DepartmentId,
        payload: PayloadId,
    ) -> oneshot::Receiver<()> {
        let (moved, done) = oneshot::channel();
        left(self.payloads.try_send(PayloadJob { department, payload, moved }), department);
        done
    }
}

fn left<T>(sent: Result<(), TrySendError<T>>, department: DepartmentId) {
    match sent {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => tracing::warn!(%department, "the worker's queue is full"),
        Err(TrySendError::Closed(_)) => {} // it is found after the next start
    }
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Tasks that were not finished when the time to drain was over.
    pub cut: usize,
}

/// Moves the exchanges of hosted departments on.
#[derive(Debug)]
pub struct Worker<P> {
    departments: Vec<Arc<Hosted<P>>>,
    queue: Queue,
    options: WorkerOptions,
}

impl<P: Peers + 'static> Worker<P> {
    pub(super) fn new(
        departments: Vec<Arc<Hosted<P>>>,
        queue: Queue,
        options: WorkerOptions,
    ) -> Self {
        Self { departments, queue, options }
    }

    /// Takes up what a stop interrupted, then works until `shutdown`, then finishes what is open.
    pub async fn run(mut self, shutdown: impl Future<Output = ()> + Send) -> Stopped {
        let mut shutdown = std::pin::pin!(shutdown);
        let ticks = |first: Duration, time: Duration| {
            let mut ticks = interval_at(Instant::now() + first, time);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let mut looks = ticks(self.options.first_look, self.options.retry);
        let mut cleanings = ticks(Duration::ZERO, self.options.cleaning);
        let mut agains = ticks(Duration::ZERO, self.options.again);
        let (mut moving, mut sending) = (JoinSet::new(), JoinSet::new());
        // A department whose peers keep it waiting does not keep the others, and its payloads do not keep
        // its questions.
        let (mut questions, mut payloads, mut cleaning, mut asking) =
            (Looks::default(), Looks::default(), Looks::default(), Looks::default());
        let most = self.options.concurrency;
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(moved) = moving.join_next() => noted(moved),
                Some(sent) = sending.join_next() => noted(sent),
                Some(looked) = questions.tasks.join_next() => questions.ended(looked),
                Some(looked) = payloads.tasks.join_next() => payloads.ended(looked),
                Some(looked) = cleaning.tasks.join_next() => cleaning.ended(looked),
                Some(asked) = asking.tasks.join_next() => asking.ended(asked),
                Some(job) = self.queue.exchanges.recv() => {
                    if let Some(hosted) = self.hosted(&job.department) {
                        moving.spawn(advance(hosted, job, self.options.sending));
                    }
                }
                Some(job) = self.queue.payloads.recv(), if sending.len() < most => {
                    if let Some(hosted) = self.hosted(&job.department) {
                        sending.spawn(move_payload(hosted, job));
                    }
                }
                _ = looks.tick() => {
                    questions.begin(&self.departments, look);
                    payloads.begin(&self.departments, look_at_payloads);
                }
                _ = agains.tick() => {
                    let waiting = self.departments.iter().filter(|it| it.department.has_waiting());
                    let waiting: Vec<_> = waiting.map(Arc::clone).collect();
                    asking.begin(&waiting, ask_again);
                }
                _ = cleanings.tick() => {
                    let retention = self.options.retention;
                    cleaning.begin(&self.departments, |hosted| clean(hosted, retention));
                }
            }
        }
        let all = [&mut moving, &mut sending];
        let looks = [&mut questions, &mut payloads, &mut cleaning, &mut asking];
        let looks = looks.map(|looks| &mut looks.tasks);
        let (mut all, mut looks) = (all, looks);
        let finish = async {
            for tasks in &mut all {
                while tasks.join_next().await.is_some() {}
            }
            for tasks in &mut looks {
                while tasks.join_next().await.is_some() {}
            }
        };
        let drained = timeout(self.options.drain, finish).await;
        let left = all.iter().map(|it| it.len()).chain(looks.iter().map(|it| it.len())).sum();
        let cut = if drained.is_ok() { 0 } else { left };
        for tasks in all {
            tasks.shutdown().await;
        }
        for tasks in looks {
            tasks.shutdown().await;
        }
        Stopped { cut }
    }

    fn hosted(&self, id: &DepartmentId) -> Option<Arc<Hosted<P>>> {
        self.departments.iter().find(|it| it.department.id() == id).cloned()
    }
}

fn noted(task: Result<(), JoinError>) {
    if let Err(error) = task {
        tracing::error!(%error, "a task of the worker did not come to its end");
    }
}
