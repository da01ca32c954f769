//! Departments of one process hand their sealed messages over in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chain::identifier::DepartmentId;

use crate::department::peer::PeerError;
use crate::department::{Department, PeerMessage, PeerPath, PeerReply, Peers, Unreached};

/// The departments of this process, by id.
#[derive(Debug, Default)]
pub(super) struct InProcess {
    pub(super) departments: BTreeMap<DepartmentId, Arc<Department>>,
    /// Sealed messages handed over, for the report.
    pub(super) messages: AtomicUsize,
}

impl Peers for InProcess {
    async fn send(
        &self,
        sender: &Department,
        recipient: &chain::department::Department,
        message: PeerMessage,
    ) -> Result<PeerReply, Unreached> {
        let unreached =
            |reason: &str| Unreached { department: recipient.id, reason: reason.to_owned() };
        let department =
            self.departments.get(&recipient.id).ok_or_else(|| unreached("not hosted here"))?;
        self.messages.fetch_add(1, Ordering::Relaxed);
        let outcome = match message.path {
            PeerPath::Requests => {
                department.peer_request(sender.id(), &message.body).await.map(|_| Vec::new())
            }
            PeerPath::Answers => {
                department.peer_answer(sender.id(), &message.body).await.map(|()| Vec::new())
            }
            PeerPath::KeyCards => department.peer_key_card(sender.id(), &message.body).await,
            PeerPath::Part { request, payload, number } => department
                .peer_part(sender.id(), &request, &payload, number, message.body.into())
                .await
                .map(|()| Vec::new()),
            PeerPath::Complete { request, payload } => department
                .peer_complete(sender.id(), &request, &payload, &message.body)
                .await
                .map(|()| Vec::new()),
        };
        match outcome {
            Ok(body) => Ok(PeerReply::Taken(body)),
            Err(PeerError::Internal(error)) => Err(unreached(&error.to_string())),
            Err(error) => Ok(PeerReply::Refused { code: error.code().to_owned() }),
        }
    }
}
