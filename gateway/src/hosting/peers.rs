//! The way to other departments: signed HTTP to the URL in their document, also to oneself.

use std::sync::Arc;

use chain::identifier::DepartmentId;
use chain::time::Clock;
use crypto::rand_core::CryptoRng;

use super::{ChainKeys, name, signer};
use crate::department::{Department, PeerMessage, PeerPath, PeerReply, Peers, Unreached};
use crate::http::client::{Caller, Peer, PeerClient, PeerError};
use crate::http::peer::{PartName, PayloadName, PeerCall};
use crate::http::signature::Signer;
use crate::measure;

/// The code of a peer that can take up nothing more for the moment.
const FULL: &str = "prover-full";

/// Other departments, as one department reaches them.
pub struct HttpPeers<R> {
    client: PeerClient,
    signer: Signer,
    keys: ChainKeys,
    clock: Arc<dyn Clock>,
    rng: R,
}

impl<R> HttpPeers<R> {
    /// The way from `department`, on connections of `client`. `rng` draws the nonces.
    pub fn new(department: &Department, client: PeerClient, rng: R) -> Self {
        Self {
            client,
            signer: signer(department),
            keys: ChainKeys(Arc::clone(&department.shared().ledger)),
            clock: Arc::clone(&department.shared().clock),
            rng,
        }
    }
}

impl<R> std::fmt::Debug for HttpPeers<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpPeers").field("signer", &self.signer).finish_non_exhaustive()
    }
}

impl<R: CryptoRng + Clone + Send + Sync> Peers for HttpPeers<R> {
    async fn send(
        &self,
        _: &Department,
        recipient: &chain::department::Department,
        message: PeerMessage,
    ) -> Result<PeerReply, Unreached> {
        let department = recipient.id;
        let url = recipient.url.as_str().parse();
        let url = url.map_err(|error| unreached(department, &error))?;
        let peer = Peer { department: name(&department), url };
        let clock = || self.clock.now().unix_seconds();
        let caller = Caller { signer: &self.signer, keys: &self.keys, clock: &clock };
        let (call, body) = (call(message.path), message.body);
        let part = matches!(call, PeerCall::Part(_)).then_some(body.len());
        match self.client.call(caller, &peer, &call, body, &mut self.rng.clone()).await {
            Ok(body) => {
                if let Some(bytes) = part {
                    measure::payload_sent(bytes);
                }
                Ok(PeerReply::Taken(body.into()))
            }
            // Only what the peer signed is its word, and only a fault of ours is final.
            Err(PeerError::Problem(problem)) if (400..500).contains(&problem.status) => {
                Ok(PeerReply::Refused { code: problem.code })
            }
            // One that says so in its own name was reached.
            Err(PeerError::Problem(problem)) if problem.code == FULL => {
                let (reason, retry_after) = (problem.to_string(), problem.retry_after.or(Some(1)));
                Err(Unreached { department, reason, retry_after })
            }
            Err(error) => Err(unreached(department, &error)),
        }
    }
}

fn unreached(department: DepartmentId, error: &dyn std::fmt::Display) -> Unreached {
    measure::peer_unreached(&department);
    Unreached { department, reason: error.to_string(), retry_after: None }
}

fn call(path: PeerPath) -> PeerCall {
    match path {
        PeerPath::Requests => PeerCall::Request,
        PeerPath::Answers => PeerCall::Answer,
        PeerPath::KeyCards => PeerCall::KeyCard,
        PeerPath::Part { request, payload, number } => {
            PeerCall::Part(PartName { payload: PayloadName { request, payload }, number })
        }
        PeerPath::Parts { request, payload } => PeerCall::Parts(PayloadName { request, payload }),
        PeerPath::Complete { request, payload } => {
            PeerCall::Complete(PayloadName { request, payload })
        }
    }
}
