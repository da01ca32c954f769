//! Proving and verifying off the async threads, behind a bounded queue.
//!
//! A proof costs tens to hundreds of milliseconds of a whole core, and is paid for even when the
//! peer has gone. So there are as many workers as cores are given to it, a fixed number of waiting
//! places, and a clear refusal when those are taken.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::Semaphore;

use crate::measure;

/// A pool of workers for computations that would stall the async threads.
#[derive(Clone, Debug)]
pub struct Prover {
    /// One permit a place: running or waiting.
    places: Arc<Semaphore>,
    /// One permit a worker.
    workers: Arc<Semaphore>,
    /// How many places and workers there are.
    sizes: (usize, usize),
}

/// How busy a [`Prover`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Computations that run.
    pub running: usize,
    /// Computations that wait for a worker.
    pub queued: usize,
    /// Places that are free.
    pub free: usize,
}

/// Why a computation was not done.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProverError {
    /// Every worker is busy and every waiting place is taken. Nothing was started.
    #[error("the prover's queue is full")]
    Full,
    /// The computation panicked. This is a defect; the pool goes on.
    #[error("the computation stopped unexpectedly")]
    Stopped,
}

impl Prover {
    /// A pool of `workers` threads, with `waiting` further places.
    pub fn new(workers: usize, waiting: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(workers + waiting)),
            workers: Arc::new(Semaphore::new(workers)),
            sizes: (workers + waiting, workers),
        }
    }

    /// Runs `job` on a worker thread and returns what it returns.
    ///
    /// Once begun, a job runs to its end and keeps its place until then, whether or not the caller
    /// still waits for it.
    ///
    /// # Errors
    /// [`ProverError::Full`] at once if there is no place; [`ProverError::Stopped`] if `job` panics.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ProverError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            measure::prover_refused();
            ProverError::Full
        })?;
        let worker = Arc::clone(&self.workers)
            .acquire_owned()
            .await
            .expect("this semaphore is never closed");
        tokio::task::spawn_blocking(move || {
            let _held = (place, worker);
            job()
        })
        .await
        .map_err(|_| ProverError::Stopped)
    }

    /// Places that are free now.
    pub fn free_places(&self) -> usize {
        self.places.available_permits()
    }

    /// How busy it is, as of about now.
    pub fn load(&self) -> Load {
        let (places, workers) = self.sizes;
        let (free, idle) = (self.places.available_permits(), self.workers.available_permits());
        let running = workers.saturating_sub(idle);
        Load { running, queued: places.saturating_sub(free).saturating_sub(running), free }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_full_queue_refuses_and_a_freed_place_accepts() {
        let prover = Prover::new(1, 1);
        let (release, gate) = mpsc::channel::<()>();
        let running = tokio::spawn({
            let prover = prover.clone();
            async move { prover.run(move || gate.recv().is_ok()).await }
        });
        let waiting = tokio::spawn({
            let prover = prover.clone();
            async move { prover.run(|| 2).await }
        });
        while prover.free_places() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(prover.run(|| 3).await, Err(ProverError::Full));
        assert_eq!(prover.load(), Load { running: 1, queued: 1, free: 0 });
        release.send(()).unwrap();
        assert_eq!(running.await.unwrap(), Ok(true));
        assert_eq!(waiting.await.unwrap(), Ok(2));
        assert_eq!(prover.run(|| 4).await, Ok(4));
        while prover.free_places() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(prover.load(), Load { running: 0, queued: 0, free: 2 });
    }

    #[tokio::test]
    async fn a_dropped_caller_does_not_free_the_place_of_a_running_job() {
        let prover = Prover::new(1, 0);
        let (release, gate) = mpsc::channel::<()>();
        let (started, begun) = tokio::sync::oneshot::channel();
        let caller = tokio::spawn({
            let prover = prover.clone();
            async move {
                prover
                    .run(move || {
                        started.send(()).expect("the test waits for it");
                        gate.recv().expect("the test sends it");
                    })
                    .await
            }
        });
        begun.await.unwrap();
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        assert_eq!(prover.run(|| 1).await, Err(ProverError::Full));
        release.send(()).unwrap();
        while prover.free_places() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(prover.run(|| 1).await, Ok(1));
    }

    #[tokio::test]
    async fn a_panicking_job_frees_its_place() {
        let prover = Prover::new(1, 0);
        let outcome: Result<(), _> = prover.run(|| panic!("a defect")).await;
        assert_eq!(outcome, Err(ProverError::Stopped));
        assert_eq!(prover.run(|| 1).await, Ok(1));
    }
}
