//! The peer surface of a hosted department.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use chain::identifier::DepartmentId;
use crypto::envelope::Name;
use tokio::time::timeout;

use super::{Hosted, to_the_end};
use crate::department::Peers;
use crate::department::peer::PeerError;
use crate::document::payload::Completion;
use crate::document::request::Taken;
use crate::http::Problem;
use crate::http::peer::{PartName, PayloadName, PeerApi};
use crate::http::signature::{Audience, KeyDirectory, NonceStore, Signer};
use crate::measure;
use crate::payload::PartSet;

/// How long a sender waits for the end of a check before it is told that it goes on: 1 s.
const CHECK_WAIT: Duration = Duration::from_secs(1);

impl<P: Peers + 'static> Hosted<P> {
    /// Notes that a signed request arrived; whose it is.
    fn arrived(&self, sender: &Name) -> Result<DepartmentId, Problem> {
        self.arrived.fetch_add(1, Ordering::Relaxed);
        let sender = sender.as_str().parse();
        sender.map_err(|_| Problem::new("signature-key-unknown", "the sender is no department"))
    }
}

impl<P: Peers + 'static> PeerApi for Hosted<P> {
    fn signer(&self) -> &Signer {
        &self.signer
    }

    fn audience(&self) -> &Audience {
        &self.audience
    }

    fn keys(&self) -> &dyn KeyDirectory {
        &self.keys
    }

    fn nonces(&self) -> &dyn NonceStore {
        &self.nonces
    }

    async fn take_request(&self, sender: Name, sealed: Bytes) -> Result<Taken, Problem> {
        let sender = self.arrived(&sender)?;
        let place = self.place_to_prove()?;
        let department = Arc::clone(&self.department);
        let taken = async move { department.peer_request(&sender, &sealed).await };
        let request = to_the_end(taken).await.map_err(told)?;
        // One that waits for its citizen gives its place back, whatever is found about it; and so does one that
        // came again while it is moved on, for it has its place.
        let needs_place =
            self.department.is_by_law(&request)? && !self.department.is_moved(&request);
        let place = needs_place.then_some(place);
        self.work.advance(*self.department.id(), self.department.mover(request), place);
        Ok(Taken { places: self.department.shared().prover.free_places() })
    }

    async fn take_answer(&self, sender: Name, sealed: Bytes) -> Result<(), Problem> {
        let sender = self.arrived(&sender)?;
        let department = Arc::clone(&self.department);
        let taken = async move { department.peer_answer(&sender, &sealed).await };
        to_the_end(taken).await.map_err(told)
    }

    async fn key_card(&self, sender: Name, sealed: Bytes) -> Result<Bytes, Problem> {
        let sender = self.arrived(&sender)?;
        let card = self.department.peer_key_card(&sender, &sealed).await.map_err(told)?;
        Ok(card.into())
    }

    async fn take_part(&self, sender: Name, part: PartName, bytes: Bytes) -> Result<(), Problem> {
        let sender = self.arrived(&sender)?;
        let PartName { payload: PayloadName { request, payload }, number } = part;
        let (department, length) = (Arc::clone(&self.department), bytes.len());
        let taken =
            async move { department.peer_part(&sender, &request, &payload, number, bytes).await };
        to_the_end(taken).await.map_err(told)?;
        measure::payload_received(length);
        Ok(())
    }

    async fn parts(
        &self,
        sender: Name,
        PayloadName { request, payload }: PayloadName,
    ) -> Result<PartSet, Problem> {
        let sender = self.arrived(&sender)?;
        self.department.peer_parts(&sender, &request, &payload).await.map_err(told)
    }

    async fn complete_payload(
        &self,
        sender: Name,
        PayloadName { request, payload }: PayloadName,
        sealed: Bytes,
    ) -> Result<Completion, Problem> {
        let sender = self.arrived(&sender)?;
        let take = || {
            let (department, sealed) = (Arc::clone(&self.department), sealed.clone());
            to_the_end(async move {
                department.peer_complete(&sender, &request, &payload, &sealed).await
            })
        };
        if take().await.map_err(told)? == Completion::Complete {
            return Ok(Completion::Complete);
        }
        // A short one is checked by then, and its sender need not ask again.
        match timeout(CHECK_WAIT, self.moved(payload)).await {
            Ok(()) => take().await.map_err(told),
            Err(_) => Ok(Completion::Checking),
        }
    }
}

/// What the peer is told; our own log has the code as well.
fn told(error: PeerError) -> Problem {
    tracing::info!(code = error.code(), "a message is refused");
    error.into()
}
