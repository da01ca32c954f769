//! Proving and verifying off the async threads, and how many exchanges are taken up at once.
//!
//! A proof costs tens to hundreds of milliseconds of all cores, and is paid for even when the peer has
//! gone. So whoever brings something to prove gets a [`Place`] at the door or a clear refusal, and keeps
//! the place until the answer is on its way: what was taken up never meets a full queue later on. With
//! `N` places and `X` answers a second an answer takes about `N / X` (Little's law), however many are
//! asked for; so `N` is small.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::measure;

/// A pool of workers for computations that would stall the async threads, and the places before it.
#[derive(Clone, Debug)]
pub struct Prover {
    /// One permit a place.
    places: Arc<Semaphore>,
    /// One permit a worker. It is fair: whoever waits first runs first, so that nobody starves.
    workers: Arc<Semaphore>,
    /// Computations that wait for a worker.
    queued: Arc<AtomicUsize>,
    /// How many places and workers there are.
    sizes: (usize, usize),
}

/// Permission to take up something to prove. Given back when dropped.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

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
    /// Every place is taken. Nothing was started.
    #[error("the prover's queue is full")]
    Full,
    /// The computation panicked. This is a defect; the pool goes on.
    #[error("the computation stopped unexpectedly")]
    Stopped,
}

/// Counts somebody who waits, for as long as it lives.
struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Prover {
    /// A pool of `workers` threads, with as many places and `waiting` further ones.
    pub fn new(workers: usize, waiting: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(workers + waiting)),
            workers: Arc::new(Semaphore::new(workers)),
            queued: Arc::default(),
            sizes: (workers + waiting, workers),
        }
    }

    /// A place for something to prove.
    ///
    /// # Errors
    /// [`ProverError::Full`] at once if there is none; this is counted.
    pub fn admit(&self) -> Result<Place, ProverError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            measure::prover_refused();
            ProverError::Full
        })?;
        Ok(Place(place))
    }

    /// Runs `job` on a worker thread, as soon as one is free, and returns what it returns.
    ///
    /// Once begun, a job runs to its end and keeps its worker until then, whether or not the caller still
    /// waits for it. Callers are few: they have a place, or verify the answer to a question of their own.
    ///
    /// # Errors
    /// [`ProverError::Stopped`] if `job` panics.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ProverError> {
        let waiting = Queued::new(&self.queued);
        let worker = Arc::clone(&self.workers)
            .acquire_owned()
            .await
            .expect("this semaphore is never closed");
        drop(waiting);
        tokio::task::spawn_blocking(move || {
            let _held = worker;
            job()
        })
        .await
        .map_err(|_| ProverError::Stopped)
    }

    /// All places, taken or not.
    pub const fn places(&self) -> usize {
        self.sizes.0
    }

    /// Places that are free now.
    pub fn free_places(&self) -> usize {
        self.places.available_permits()
    }

    /// How busy it is, as of about now.
    pub fn load(&self) -> Load {
        let running = self.sizes.1.saturating_sub(self.workers.available_permits());
        let queued = self.queued.load(Ordering::Relaxed);
        Load { running, queued, free: self.free_places() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_place_that_is_given_back_is_given_again() {
        let prover = Prover::new(1, 1);
        let (first, second) = (prover.admit().unwrap(), prover.admit().unwrap());
        assert_eq!(prover.admit().unwrap_err(), ProverError::Full);
        drop(first);
        let third = prover.admit().unwrap();
        assert_eq!((prover.free_places(), prover.places()), (0, 2));
        drop((second, third));
        assert_eq!(prover.free_places(), 2);
    }

    #[tokio::test]
    async fn a_job_waits_for_its_turn_also_when_every_place_is_taken() {
        let prover = Prover::new(1, 0);
        let _place = prover.admit().unwrap();
        let (release, gate) = mpsc::channel::<()>();
        let run = |job: Box<dyn FnOnce() -> bool + Send>| {
            let prover = prover.clone();
            tokio::spawn(async move { prover.run(job).await })
        };
        let running = run(Box::new(move || gate.recv().is_ok()));
        while prover.load().running < 1 {
            tokio::task::yield_now().await;
        }
        let waiting = run(Box::new(|| true));
        while prover.load().queued < 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(prover.load(), Load { running: 1, queued: 1, free: 0 });
        release.send(()).unwrap();
        assert_eq!((running.await.unwrap(), waiting.await.unwrap()), (Ok(true), Ok(true)));
        while prover.load().running > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(prover.load(), Load { running: 0, queued: 0, free: 0 });
    }

    #[tokio::test]
    async fn whoever_no_longer_waits_is_not_counted_and_a_begun_job_keeps_its_worker() {
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
        let waiting = tokio::spawn({
            let prover = prover.clone();
            async move { prover.run(|| 1).await }
        });
        while prover.load().queued < 1 {
            tokio::task::yield_now().await;
        }
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        assert_eq!(prover.load(), Load { running: 1, queued: 0, free: 1 });
        release.send(()).unwrap();
        assert_eq!(prover.run(|| 1).await, Ok(1));
    }

    #[tokio::test]
    async fn a_panicking_job_frees_its_worker() {
        let prover = Prover::new(1, 0);
        let outcome: Result<(), _> = prover.run(|| panic!("a defect")).await;
        assert_eq!(outcome, Err(ProverError::Stopped));
        assert_eq!(prover.run(|| 1).await, Ok(1));
    }
}
