//! The chain, as a gateway's configuration has it.

use std::sync::Arc;
use std::time::Duration;

use chain::genesis::Genesis;
use chain::ledger::{
    DepartmentCosigner, FollowerLedger, FollowerLedgerOptions, Ledger, LocalLedger,
    LocalLedgerOptions,
};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::ServeError;
use crate::config::{ChainRole, Config};
use crate::folder::Folder;
use crate::following::{Asked, Remembered, Remembering, ask_peers, log_following};
use crate::http::ClientLimits;
use crate::http::chain_client::ChainClient;
use crate::http::tls::Trust;

/// How long other departments have to say how far their copies of the chain go.
const PEERS_TIME: Duration = Duration::from_secs(5);

/// Opens the gateway's copy of the chain. A validator's is remembered outside its folder for as long as it is
/// served; a follower that lost its copy makes another.
pub(super) async fn open(
    folder: &Folder,
    config: &Config,
    genesis: &Arc<Genesis>,
    trust: &Trust,
) -> Result<(Arc<dyn Ledger>, Option<Remembering>), ServeError> {
    match &config.chain {
        ChainRole::Validator(id) => {
            let key = folder.validator_key()?;
            let remembered = Remembered::require(folder, genesis.network()).map_err(Box::new)?;
            let options = LocalLedgerOptions::new(folder.chain(), Arc::clone(genesis), *id, key);
            let ledger = spawn_blocking(|| LocalLedger::open(options));
            let ledger = ledger.await.expect("opening does not panic")?;
            remembered.check(folder, &ledger).map_err(Box::new)?;
            let places = remembered.departments;
            let (own, limits) = (&config.departments, ClientLimits::default());
            let asked = ask_peers(&ledger, own, &places, &limits, trust, PEERS_TIME).await?;
            for Asked { peer, answer } in asked {
                if let Err(error) = answer {
                    tracing::warn!(%peer, %error, "its copy of the chain is not known");
                }
            }
            let remembering = Remembering::begin(folder, &ledger)?;
            Ok((Arc::new(ledger), Some(remembering)))
        }
        ChainRole::Follower(upstream) => {
            let client = ChainClient::new(upstream.clone(), ClientLimits::default());
            let mut options = FollowerLedgerOptions::new(
                folder.chain(),
                Arc::clone(genesis),
                Arc::new(client.trusting(trust.clone())),
                Handle::current(),
            );
            for id in &config.departments {
                let key = folder.department(id).secrets()?.keys.signing;
                options.cosigners.push(DepartmentCosigner { department: *id, key });
            }
            let ledger = spawn_blocking(|| FollowerLedger::open(options));
            let ledger = ledger.await.expect("opening does not panic")?;
            tokio::spawn(log_following(ledger.following()));
            Ok((Arc::new(ledger), None))
        }
    }
}
