//! What follows from a request and is not waited for: consent onto the chain, proof, answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chain::identifier::DepartmentId;
use crypto::Digest;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Hosted;
use crate::department::Peers;

/// How much a worker does at once, and how often it looks for what was left.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Exchanges that are moved on at once. 16: as many as the prover takes.
    pub concurrency: usize,
    /// Exchanges that wait to be moved on. More are found by the next look: 1,024.
    pub queue: usize,
    /// Time between two looks for what was left: peers that were not reached, questions whose time is
    /// over. 15 s.
    pub retry: Duration,
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

/// Where jobs are left.
#[derive(Clone, Debug)]
pub(super) struct Work(mpsc::Sender<Job>);

impl Work {
    pub(super) fn channel(options: &WorkerOptions) -> (Self, mpsc::Receiver<Job>) {
        let (sender, receiver) = mpsc::channel(options.queue);
        (Self(sender), receiver)
    }

    /// Exchanges that wait to be moved on.
    pub(super) fn queued(&self) -> usize {
        self.0.max_capacity() - self.0.capacity()
    }

    /// Leaves an exchange to be moved on. A full queue loses nothing: the next look finds it.
    pub(super) fn advance(&self, department: DepartmentId, request: Digest) {
        match self.0.try_send(Job { department, request }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                tracing::warn!(%department, "the worker's queue is full");
            }
            Err(TrySendError::Closed(_)) => {} // it is found after the next start
        }
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
    queue: mpsc::Receiver<Job>,
    options: WorkerOptions,
}

impl<P: Peers + 'static> Worker<P> {
    pub(super) fn new(
        departments: Vec<Arc<Hosted<P>>>,
        queue: mpsc::Receiver<Job>,
        options: WorkerOptions,
    ) -> Self {
        Self { departments, queue, options }
    }

    /// Takes up what a stop interrupted, then works until `shutdown`, then finishes what is open.
    pub async fn run(mut self, shutdown: impl Future<Output = ()> + Send) -> Stopped {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut looks = interval(self.options.retry);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut moving, mut looking) = (JoinSet::new(), JoinSet::new());
        // A department whose peers keep it waiting does not keep the others.
        let mut busy = BTreeSet::new();
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(moved) = moving.join_next() => ended(moved.map(|()| None), &mut busy),
                Some(looked) = looking.join_next() => ended(looked.map(Some), &mut busy),
                Some(job) = self.queue.recv(), if moving.len() < self.options.concurrency => {
                    if let Some(hosted) = self.hosted(&job) {
                        moving.spawn(advance(hosted, job.request));
                    }
                }
                _ = looks.tick() => {
                    if looking.is_empty() {
                        busy.clear(); // also of those whose look did not come to its end
                    }
                    for hosted in &self.departments {
                        if busy.insert(*hosted.department.id()) {
                            looking.spawn(look(Arc::clone(hosted)));
                        }
                    }
                }
            }
        }
        let finish = async {
            while moving.join_next().await.is_some() {}
            while looking.join_next().await.is_some() {}
        };
        let drained = timeout(self.options.drain, finish).await;
        let cut = if drained.is_ok() { 0 } else { moving.len() + looking.len() };
        moving.shutdown().await;
        looking.shutdown().await;
        Stopped { cut }
    }

    fn hosted(&self, job: &Job) -> Option<Arc<Hosted<P>>> {
        self.departments.iter().find(|it| *it.department.id() == job.department).cloned()
    }
}

/// Notes the end of a task: of a look, which department is free again.
fn ended(task: Result<Option<DepartmentId>, JoinError>, busy: &mut BTreeSet<DepartmentId>) {
    match task {
        Ok(Some(department)) => {
            busy.remove(&department);
        }
        Ok(None) => {}
        Err(error) => tracing::error!(%error, "a task of the worker did not come to its end"),
    }
}

async fn advance<P: Peers>(hosted: Arc<Hosted<P>>, request: Digest) {
    if let Err(error) = hosted.department.advance(&request, hosted.peers.as_ref()).await {
        tracing::error!(department = %hosted.department.id(), %request, %error, "an exchange waits");
    }
}

async fn look<P: Peers>(hosted: Arc<Hosted<P>>) -> DepartmentId {
    if let Err(error) = hosted.department.resume(hosted.peers.as_ref()).await {
        tracing::error!(department = %hosted.department.id(), %error, "exchanges wait");
    }
    *hosted.department.id()
}
