//! What follows from a request and is not waited for: consent onto the chain, proof, answer; payloads.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chain::identifier::DepartmentId;
use crypto::Digest;
use crypto::envelope::PayloadId;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Hosted;
use crate::department::Peers;
use crate::department::payloads::PayloadRetention;

/// How much a worker does at once, and how often it looks for what was left.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Exchanges that are moved on at once, and payloads besides. 16: as many as the prover takes.
    pub concurrency: usize,
    /// Exchanges that wait to be moved on, and payloads besides. More are found by the next look: 1,024.
    pub queue: usize,
    /// Time between two looks for what was left: peers that were not reached, questions whose time is
    /// over. 15 s.
    pub retry: Duration,
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
            retry: Duration::from_secs(15),
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
    /// Digest of the request.
    request: Digest,
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
    pub(super) fn advance(&self, department: DepartmentId, request: Digest) {
        left(self.exchanges.try_send(Job { department, request }), department);
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
        let ticks = |time: Duration| {
            let mut ticks = interval(time);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let (mut looks, mut cleanings) = (ticks(self.options.retry), ticks(self.options.cleaning));
        let (mut moving, mut sending) = (JoinSet::new(), JoinSet::new());
        // A department whose peers keep it waiting does not keep the others, and its payloads do not keep
        // its questions.
        let (mut questions, mut payloads, mut cleaning) =
            (Looks::default(), Looks::default(), Looks::default());
        let most = self.options.concurrency;
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(moved) = moving.join_next() => noted(moved),
                Some(sent) = sending.join_next() => noted(sent),
                Some(looked) = questions.tasks.join_next() => questions.ended(looked),
                Some(looked) = payloads.tasks.join_next() => payloads.ended(looked),
                Some(looked) = cleaning.tasks.join_next() => cleaning.ended(looked),
                Some(job) = self.queue.exchanges.recv(), if moving.len() < most => {
                    if let Some(hosted) = self.hosted(&job.department) {
                        moving.spawn(advance(hosted, job.request));
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
                _ = cleanings.tick() => {
                    let retention = self.options.retention;
                    cleaning.begin(&self.departments, |hosted| clean(hosted, retention));
                }
            }
        }
        let all = [&mut moving, &mut sending];
        let looks = [&mut questions.tasks, &mut payloads.tasks, &mut cleaning.tasks];
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

/// Looks of one kind: at most one of a department at a time.
#[derive(Debug, Default)]
struct Looks {
    tasks: JoinSet<DepartmentId>,
    busy: BTreeSet<DepartmentId>,
}

impl Looks {
    /// Begins a look at every department that nobody looks at.
    fn begin<P: Peers, F: Future<Output = ()> + Send + 'static>(
        &mut self,
        departments: &[Arc<Hosted<P>>],
        look: impl Fn(Arc<Hosted<P>>) -> F,
    ) {
        if self.tasks.is_empty() {
            self.busy.clear(); // also of those whose look did not come to its end
        }
        for hosted in departments {
            let id = *hosted.department.id();
            if self.busy.insert(id) {
                let look = look(Arc::clone(hosted));
                self.tasks.spawn(async move {
                    look.await;
                    id
                });
            }
        }
    }

    /// Notes the end of a look: the department is free again.
    fn ended(&mut self, looked: Result<DepartmentId, JoinError>) {
        match looked {
            Ok(department) => {
                self.busy.remove(&department);
            }
            Err(error) => noted(Err(error)),
        }
    }
}

fn noted(task: Result<(), JoinError>) {
    if let Err(error) = task {
        tracing::error!(%error, "a task of the worker did not come to its end");
    }
}

async fn advance<P: Peers>(hosted: Arc<Hosted<P>>, request: Digest) {
    if let Err(error) = hosted.department.advance(&request, hosted.peers.as_ref()).await {
        tracing::error!(department = %hosted.department.id(), %request, %error, "an exchange waits");
    }
}

async fn move_payload<P: Peers>(hosted: Arc<Hosted<P>>, job: PayloadJob) {
    let PayloadJob { department, payload, moved } = job;
    // Whoever works on it already goes on as far as it goes, and this place is for another payload.
    if !hosted.department.is_moving(&payload)
        && let Err(error) = hosted.department.move_payload(&payload, hosted.peers.as_ref()).await
    {
        tracing::error!(%department, %payload, %error, "a payload waits");
    }
    // Whoever left it may not wait for it any more.
    let _: Result<(), ()> = moved.send(());
}

async fn look<P: Peers>(hosted: Arc<Hosted<P>>) {
    if let Err(error) = hosted.department.resume_exchanges(hosted.peers.as_ref()).await {
        tracing::error!(department = %hosted.department.id(), %error, "exchanges wait");
    }
}

async fn look_at_payloads<P: Peers>(hosted: Arc<Hosted<P>>) {
    if let Err(error) = hosted.department.resume_payloads(hosted.peers.as_ref()).await {
        tracing::error!(department = %hosted.department.id(), %error, "payloads wait");
    }
}

async fn clean<P: Peers>(hosted: Arc<Hosted<P>>, retention: PayloadRetention) {
    let department = &hosted.department;
    let strays = department.remove_stray_parts().await.map(drop);
    let cleaned = department.clean_payloads(department.now(), &retention).await.map(drop);
    if let Err(error) = strays.and(cleaned) {
        tracing::error!(department = %department.id(), %error, "payloads are not cleaned away");
    }
}
