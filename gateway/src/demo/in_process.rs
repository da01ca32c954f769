//! Departments of one process hand their sealed messages over in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chain::identifier::DepartmentId;

use crate::department::peer::PeerError;
use crate::department::{Department, PeerMessage, PeerReply, Peers, Unreached};

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
        match department.peer_message(sender.id(), message).await {
            Ok(body) => Ok(PeerReply::Taken(body)),
            Err(PeerError::Internal(error)) => Err(unreached(&error.to_string())),
            Err(error) => Ok(PeerReply::Refused { code: error.code().to_owned() }),
        }
    }
}
