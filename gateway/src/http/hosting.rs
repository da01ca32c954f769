//! What the HTTP surfaces serve.

use std::fmt;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::chain::ChainSurface;
use super::citizen::CitizenApi;
use super::connections::Closing;
use super::limits::Limits;
use super::local::bundle::BundleApi;
use super::local::datasets::DatasetsApi;
use super::local::operating::OperatingApi;
use super::local::{LocalApi, SentApi, Tokens};
use super::peer::PeerApi;
use super::problem::Problem;
use super::public::PublicApi;

/// One gateway: the departments that it hosts, and what it tells everybody.
///
/// The futures that the surfaces' traits return may be dropped wherever they wait: a client may go
/// away, and a request's time may be over.
pub trait Hosting: Send + Sync + 'static {
    /// A hosted department.
    type Department: LocalApi
        + BundleApi
        + DatasetsApi
        + OperatingApi
        + SentApi
        + PeerApi
        + CitizenApi;
    /// What everybody is told.
    type Public: PublicApi;

    /// The hosted department of that name.
    fn department(&self, name: &str) -> Option<Arc<Self::Department>>;

    /// The bearer tokens of all hosted departments.
    fn tokens(&self) -> &Tokens<Self::Department>;

    /// What everybody is told.
    fn public(&self) -> &Self::Public;

    /// The chain for those who follow it; none if this gateway serves none.
    fn chain(&self) -> Option<&ChainSurface> {
        None
    }

    /// The time now, in seconds since 1970.
    fn now(&self) -> u64;
}

/// What every handler gets.
pub(super) struct Site<H> {
    pub(super) hosting: Arc<H>,
    pub(super) limits: Arc<Limits>,
    pub(super) closing: Closing,
    /// Places of those who wait for blocks: see [`Limits::waits`].
    pub(super) waits: Arc<Semaphore>,
}

impl<H: Hosting> Site<H> {
    /// The hosted department of that name.
    pub(super) fn department(&self, name: &str) -> Result<Arc<H::Department>, Problem> {
        let found = self.hosting.department(name);
        found.ok_or_else(|| Problem::new("department-unknown", "no such department is hosted here"))
    }

    /// What `waiting` waits for; once the shutdown has begun, what `now` says at once.
    pub(super) async fn unless_closing<T, N: Future<Output = T>>(
        &self,
        waiting: impl Future<Output = T>,
        now: impl FnOnce() -> N,
    ) -> T {
        tokio::select! {
            done = waiting => done,
            () = self.closing.begun() => now().await,
        }
    }
}

impl<H> Clone for Site<H> {
    fn clone(&self) -> Self {
        let (hosting, limits) = (Arc::clone(&self.hosting), Arc::clone(&self.limits));
        let (closing, waits) = (self.closing.clone(), Arc::clone(&self.waits));
        Self { hosting, limits, closing, waits }
    }
}

impl<H> fmt::Debug for Site<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("limits", &self.limits).finish_non_exhaustive()
    }
}
