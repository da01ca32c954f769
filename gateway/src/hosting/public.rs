//! What a gateway tells everybody: its copy of the chain.

use std::sync::Arc;

use bytes::Bytes;
use chain::genesis::Genesis;
use chain::identifier::EntryId;
use chain::ledger::Ledger;
use crypto::Digest;
use serde_json::{Value as Json, json};

use super::readiness::Readying;
use crate::department::{Department, Internal, Shared};
use crate::document::CircuitDocument;
use crate::http::public::{PublicApi, Readiness, ServiceInForce, Tip};
use crate::http::{ChainSurface, Problem};

/// The chain, for everybody, and whether the gateway is ready.
#[derive(Clone, Debug)]
pub struct Notices {
    genesis: Arc<Genesis>,
    ledger: Arc<dyn Ledger>,
    chain: ChainSurface,
    readying: Readying,
}

impl Notices {
    /// What is known of the network that hosted departments share.
    pub fn new(shared: &Shared, departments: Vec<Arc<Department>>) -> Self {
        Self {
            genesis: Arc::clone(&shared.genesis),
            ledger: Arc::clone(&shared.ledger),
            chain: ChainSurface::new(Arc::clone(&shared.ledger)),
            readying: Readying::new(shared, departments),
        }
    }

    /// The chain for those who follow it.
    pub(super) const fn chain(&self) -> &ChainSurface {
        &self.chain
    }
}

impl PublicApi for Notices {
    async fn ready(&self) -> Readiness {
        self.readying.look().await
    }

    async fn checkpoint(&self) -> Result<String, Problem> {
        let signed = self.chain.checkpoint().await.map_err(Internal::from)?;
        Ok(signed.as_str().to_owned())
    }

    async fn genesis(&self) -> Result<Bytes, Problem> {
        Ok(Bytes::copy_from_slice(self.genesis.as_bytes()))
    }

    async fn circuits(&self) -> Result<Json, Problem> {
        let chain = self.ledger.snapshot();
        let mut circuits = Vec::new();
        for ballot in chain.state().circuit_ballots() {
            let document = self.ledger.document(ballot.document).await.map_err(Internal::from)?;
            let circuit = document.and_then(|it| it.parse::<CircuitDocument>().ok());
            let Some(circuit) = circuit else { continue };
            circuits.push(json!({
                "document": ballot.document,
                "circuit": circuit.circuit,
                "constraints_sha256": circuit.constraints,
                "key": circuit.key().ok().map(|(id, _)| id),
                "provenance": circuit.provenance,
                "proposed_by": ballot.author,
                "approvals": ballot.approvals().count(),
                "approved": ballot.approved.is_some(),
            }));
        }
        Ok(Json::from(circuits))
    }

    async fn services(&self) -> Result<Vec<ServiceInForce>, Problem> {
        let chain = self.ledger.snapshot();
        let services = chain.state().datasets().filter_map(|(_, dataset)| {
            Some(ServiceInForce {
                issuer: dataset.issuer.to_string(),
                entry: *dataset.service.as_digest(),
                document: chain.state().service(&dataset.service)?.document,
                has_records: dataset.records.is_some(),
            })
        });
        Ok(services.collect())
    }

    async fn departments(&self) -> Result<Json, Problem> {
        let chain = self.ledger.snapshot();
        let documents: Vec<_> = chain.state().members().map(|it| it.department.as_ref()).collect();
        serde_json::to_value(documents).map_err(|error| Problem::internal(&error))
    }

    async fn tip(&self) -> Result<Tip, Problem> {
        let tip = self.ledger.health().await.tip;
        let (height, block) = (tip.height, *tip.block.as_digest());
        Ok(Tip { height, block, entries: tip.log_size, log_root: tip.log_root })
    }

    async fn block(&self, height: u64) -> Result<Option<Bytes>, Problem> {
        let mut found = self.ledger.blocks_from(height, 1).await.map_err(Internal::from)?;
        // From height 0 on the first block is found, which is not of height 0.
        let block = found.pop().filter(|block| block.block.header().height == height);
        Ok(block.map(|block| block.encode().into()))
    }

    async fn receipt(&self, entry: Digest) -> Result<Option<Json>, Problem> {
        let entry = EntryId::from_digest(entry);
        let Some(receipt) = self.ledger.receipt(entry).await.map_err(Internal::from)? else {
            return Ok(None);
        };
        let json = serde_json::from_slice(&receipt.to_vec());
        json.map(Some).map_err(|error| Problem::internal(&error))
    }

    async fn document(&self, digest: Digest) -> Result<Option<Bytes>, Problem> {
        let document = self.ledger.document(digest).await.map_err(Internal::from)?;
        Ok(document.map(|it| Bytes::copy_from_slice(it.as_bytes())))
    }
}
