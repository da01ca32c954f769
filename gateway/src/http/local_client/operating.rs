//! What an operator does through a gateway, from the other end.

use crypto::Digest;
use serde_json::Value as Json;

use super::{Called, LocalClient};
use crate::document::Service;
use crate::http::local::operating::{Approval, Proposal, Published};
use crate::http::public::ServiceInForce;

impl LocalClient {
    /// Publishes a service document.
    ///
    /// # Errors
    /// [`LocalClientError`](super::LocalClientError)
    pub async fn publish_service(&self, service: &Json) -> Called<Published> {
        self.call(self.posting("/v1/services", service)?).await
    }

    /// Puts a department's document forward and approves it.
    ///
    /// # Errors
    /// [`LocalClientError`](super::LocalClientError)
    pub async fn propose_department(
        &self,
        department: &chain::department::Department,
    ) -> Called<Published> {
        self.call(self.posting("/v1/proposals/departments", department)?).await
    }

    /// Puts the gateway's own proving keys forward and approves them.
    ///
    /// # Errors
    /// [`LocalClientError`](super::LocalClientError)
    pub async fn propose_circuits(&self) -> Called<Vec<Published>> {
        self.call(self.posting("/v1/proposals/circuits", &Json::Null)?).await
    }

    /// Puts the gateway's own keys of a ceremony forward and approves them, and no others.
    ///
    /// # Errors
    /// [`LocalClientError`](super::LocalClientError)
    pub async fn propose_ceremonies(&self) -> Called<Vec<Published>> {
        self.call(self.posting("/v1/proposals/ceremonies", &Json::Null)?).await
    }

    /// The services that are in force, as the gateway's copy of the chain has them.
    ///
    /// # Errors
    /// [`LocalClientError`](super::LocalClientError)
    pub async fn services(&self) -> Called<Vec<ServiceInForce>> {
        self.get("/v1/services").await
    }

    /// A service's document, by its digest.
    ///
    /// # Errors
    /// [`LocalClientError`](super::LocalClientError), also if the document is none of a service.
    pub async fn service(&self, document: &Digest) -> Called<Service> {
        self.get(&format!("/v1/documents/{document}")).await
    }

    /// The departments on the gateway's copy of the chain, as they stand now.
    ///
    /// # Errors
    /// [`LocalClientError`](super::LocalClientError)
    pub async fn departments(&self) -> Called<Vec<chain::department::Department>> {
        self.get("/v1/departments").await
    }

    /// Everything that departments approve, the undecided first.
    ///
    /// # Errors
    /// [`LocalClientError`](super::LocalClientError)
    pub async fn proposals(&self) -> Called<Vec<Proposal>> {
        self.get("/v1/proposals").await
    }

    /// Approves an entry.
    ///
    /// # Errors
    /// [`LocalClientError`](super::LocalClientError)
    pub async fn approve(&self, approval: Approval) -> Called<Published> {
        self.call(self.posting("/v1/approvals", &approval)?).await
    }
}
