//! A gateway's copy of the chain, opened by itself.

use std::sync::Arc;

use ::chain::identifier::DepartmentId;
use ::chain::ledger::Ledger;

use super::{ServeError, ledger};
use crate::config::Config;
use crate::folder::{Folder, Lock};
use crate::following::Remembering;
use crate::http::tls::Trust;

/// The chain of a gateway that does not run: nothing is served, and no proving key is needed.
#[expect(missing_debug_implementations, reason = "a ledger has none")]
pub struct ChainAlone {
    ledger: Arc<dyn Ledger>,
    departments: Vec<DepartmentId>,
    /// Writes how far the chain goes when it is dropped.
    _remembering: Option<Remembering>,
    // The last to be dropped: nobody else may open what is being closed.
    _lock: Lock,
}

impl ChainAlone {
    /// Opens the chain of a gateway's folder.
    ///
    /// # Errors
    /// [`ServeError`], naming the file at fault.
    pub async fn open(folder: &Folder, config: &Config) -> Result<Self, ServeError> {
        let lock = folder.lock()?;
        let genesis = folder.genesis()?;
        let trust = Trust::with_roots(&config.authorities)?;
        let (ledger, remembering) = ledger::open(folder, config, &genesis, &trust).await?;
        let departments = config.departments.clone();
        Ok(Self { ledger, departments, _remembering: remembering, _lock: lock })
    }

    /// The chain.
    pub fn ledger(&self) -> &dyn Ledger {
        &*self.ledger
    }

    /// Departments of the configuration that the chain does not know yet.
    pub fn awaited(&self) -> Vec<DepartmentId> {
        awaited(&*self.ledger, &self.departments)
    }

    /// Waits until the chain knows every department of the configuration.
    pub async fn admitted(&self) {
        let mut changes = self.ledger.subscribe();
        while !self.awaited().is_empty() {
            if changes.changed().await.is_err() {
                // The ledger has stopped, and nobody will be admitted any more.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Those of these departments that the chain does not know yet.
pub(super) fn awaited(ledger: &dyn Ledger, departments: &[DepartmentId]) -> Vec<DepartmentId> {
    let chain = ledger.snapshot();
    let unknown = |id: &&DepartmentId| chain.state().department(id).is_none();
    departments.iter().filter(unknown).copied().collect()
}
