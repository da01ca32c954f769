//! The chain, as a gateway's configuration has it.

use std::sync::Arc;

use chain::genesis::Genesis;
use chain::ledger::{Ledger, LocalLedger, LocalLedgerOptions};
use tokio::task::spawn_blocking;

use super::ServeError;
use crate::config::{ChainRole, Config};
use crate::folder::Folder;
use crate::http::tls::Trust;

/// Opens the gateway's copy of the chain.
pub(super) async fn open(
    folder: &Folder,
    config: &Config,
    genesis: &Arc<Genesis>,
    _trust: &Trust,
) -> Result<Arc<dyn Ledger>, ServeError> {
    match &config.chain {
        ChainRole::Validator(id) => {
            let key = folder.validator_key()?;
            let options = LocalLedgerOptions::new(folder.chain(), Arc::clone(genesis), *id, key);
            let ledger = spawn_blocking(|| LocalLedger::open(options));
            Ok(Arc::new(ledger.await.expect("opening does not panic")?))
        }
        ChainRole::Follower(_) => unimplemented!(),
    }
}
