//! Departments of one process hand their sealed messages over in memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chain::identifier::DepartmentId;

use crate::department::peer::PeerError;
use crate::department::{Department, PeerMessage, PeerPath, PeerReply, Peers, Unreached};

/// The departments of this process, by id.
#[derive(Debug, Default)]
pub(super) struct InProcess {
    pub(super) departments: BTreeMap<DepartmentId, Arc<Department>>,
    /// Sealed messages handed over, for the report.
    pub(super) messages: AtomicUsize,
    /// While it is there, whoever stands between the departments keeps answers to themself.
    pub(super) held: Mutex<Option<Vec<PeerMessage>>>,
}

impl InProcess {
    /// From now on answers do not arrive.
    pub(super) fn hold_answers(&self) {
        *self.held.lock().expect("no holder panics") = Some(Vec::new());
    }

    /// The answers that did not arrive; later ones do.
    pub(super) fn release(&self) -> Vec<PeerMessage> {
        self.held.lock().expect("no holder panics").take().unwrap_or_default()
    }
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
        if matches!(message.path, PeerPath::Answers)
            && let Some(held) = &mut *self.held.lock().expect("no holder panics")
        {
            held.push(message);
            return Err(unreached("somebody keeps its messages"));
        }
        self.messages.fetch_add(1, Ordering::Relaxed);
        match department.peer_message(sender.id(), message).await {
            Ok(body) => Ok(PeerReply::Taken(body)),
            Err(PeerError::Internal(error)) => Err(unreached(&error.to_string())),
            Err(error) => Ok(PeerReply::Refused { code: error.code().to_owned() }),
        }
    }
}
