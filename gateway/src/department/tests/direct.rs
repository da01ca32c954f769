//! Messages between departments of one process, sealed and opened for real.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::answering::ReceiveError;
use super::super::peer::PeerError;
use super::super::*;

/// Hands sealed messages over without a socket.
#[derive(Debug, Default)]
pub(crate) struct Direct {
    pub(super) departments: HashMap<DepartmentId, Arc<Department>>,
    /// Messages handed over.
    pub(crate) messages: AtomicUsize,
    /// Departments that cannot be reached.
    pub(crate) down: std::sync::Mutex<Vec<DepartmentId>>,
    /// Codes of the messages that were refused.
    pub(crate) refusals: std::sync::Mutex<Vec<String>>,
    /// Somebody on the way.
    between: std::sync::Mutex<Option<Between>>,
}

/// Sees and changes messages on the way, or answers in the recipient's place.
struct Between(Box<Intercept>);

type Intercept = dyn FnMut(&mut PeerMessage) -> Option<Result<PeerReply, Unreached>> + Send;

impl Direct {
    /// From now on every message passes `intercept`.
    pub(crate) fn intercept(
        &self,
        intercept: impl FnMut(&mut PeerMessage) -> Option<Result<PeerReply, Unreached>> + Send + 'static,
    ) {
        *self.between.lock().unwrap() = Some(Between(Box::new(intercept)));
    }
}

impl std::fmt::Debug for Between {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Between")
    }
}

impl Peers for Direct {
    async fn send(
        &self,
        sender: &Department,
        recipient: &chain::department::Department,
        mut message: PeerMessage,
    ) -> Result<PeerReply, Unreached> {
        if self.down.lock().unwrap().contains(&recipient.id) {
            return Err(Unreached {
                department: recipient.id,
                reason: "it is down".to_owned(),
                retry_after: None,
            });
        }
        self.messages.fetch_add(1, Ordering::SeqCst);
        if let Some(between) = &mut *self.between.lock().unwrap()
            && let Some(reply) = (between.0)(&mut message)
        {
            return reply;
        }
        let department = &self.departments[&recipient.id];
        let outcome = department.peer_message(sender.id(), message).await;
        Ok(match outcome {
            Ok(body) => PeerReply::Taken(body),
            Err(PeerError::Internal(error) | PeerError::Request(ReceiveError::Internal(error))) => {
                return Err(Unreached {
                    department: recipient.id,
                    reason: error.to_string(),
                    retry_after: None,
                });
            }
            Err(error) => {
                let code = error.code().to_owned();
                self.refusals.lock().unwrap().push(code.clone());
                PeerReply::Refused { code }
            }
        })
    }
}
