//! What an operator does through a gateway, for a hosted department.

use std::sync::Arc;

use chain::identifier::EntryId;

use super::{Hosted, to_the_end};
use crate::department::{Peers, publishing};
use crate::document::circuit::Provenance;
use crate::document::service::Service;
use crate::http::Problem;
use crate::http::local::operating::{Approval, OperatingApi, Proposal, ProposedKey, Published};

impl<P: Peers + 'static> OperatingApi for Hosted<P> {
    async fn publish_service(&self, service: Service) -> Result<Published, Problem> {
        let department = Arc::clone(&self.department);
        let publish = async move {
            let entry = department.publish_service(&service).await?;
            // Records that were imported before the service have a root that is not published yet.
            department.publish_stored_root(&service.dataset).await?;
            Ok::<_, publishing::PublishError>(entry)
        };
        Ok(published(to_the_end(publish).await?))
    }

    async fn propose_department(
        &self,
        document: chain::department::Department,
    ) -> Result<Published, Problem> {
        let department = Arc::clone(&self.department);
        let proposed = async move {
            let entry = department.propose_department(&document).await?;
            department.approve(entry).await?;
            Ok::<_, publishing::PublishError>(entry)
        };
        Ok(published(to_the_end(proposed).await?))
    }

    async fn propose_circuits(&self) -> Result<Vec<Published>, Problem> {
        let department = Arc::clone(&self.department);
        let entries = async move { department.propose_own_circuits(false).await };
        Ok(to_the_end(entries).await?.into_iter().map(published).collect())
    }

    async fn propose_ceremonies(&self) -> Result<Vec<Published>, Problem> {
        let department = Arc::clone(&self.department);
        let entries = async move { department.propose_own_circuits(true).await };
        Ok(to_the_end(entries).await?.into_iter().map(published).collect())
    }

    async fn proposals(&self) -> Result<Vec<Proposal>, Problem> {
        Ok(self.department.proposals().await?.into_iter().map(proposal).collect())
    }

    async fn approve(&self, approval: Approval) -> Result<Published, Problem> {
        let (department, entry) = (Arc::clone(&self.department), approval.entry);
        let approved = async move { department.approve(EntryId::from_digest(entry)).await };
        Ok(published(to_the_end(approved).await?))
    }
}

fn published(entry: EntryId) -> Published {
    Published { entry: *entry.as_digest() }
}

fn proposal(proposal: publishing::Proposal) -> Proposal {
    let publishing::Proposal {
        entry,
        kind,
        author,
        document,
        circuit,
        about,
        replaces,
        approvals,
        approved,
    } = proposal;
    Proposal {
        entry: *entry.as_digest(),
        kind: kind.to_string(),
        author: author.to_string(),
        document,
        circuit: circuit.map(|(id, provenance)| ProposedKey {
            id,
            development: provenance == Provenance::Development,
        }),
        about,
        replaces,
        approvals: approvals.iter().map(ToString::to_string).collect(),
        approved,
    }
}
