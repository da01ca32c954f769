//! The wire between departments: signed HTTP, with a place for somebody who tampers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use getrandom::SysRng;
use rand_core::UnwrapErr;
use tokio::sync::mpsc;

use crate::department::{Department, PeerMessage, PeerPath, PeerReply, Peers, Unreached};
use crate::hosting::HttpPeers;

/// What somebody on the wire does to a message: nothing, change it, or keep it.
type Tamper = dyn FnMut(&mut PeerMessage) -> Pass + Send;

/// Whether a message goes on.
pub(super) enum Pass {
    /// It goes on, as it is now.
    On,
    /// It does not arrive.
    Keep,
}

/// One department's way to others.
pub(super) struct Wire {
    peers: HttpPeers<UnwrapErr<SysRng>>,
    tamper: Mutex<Option<Box<Tamper>>>,
    /// Messages that the recipient answered.
    answered: AtomicU64,
    /// Codes of the messages that the recipient refused, the newest last.
    refusals: Mutex<Vec<String>>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Wire").field(&self.peers).finish()
    }
}

impl Wire {
    pub(super) fn new(peers: HttpPeers<UnwrapErr<SysRng>>) -> Self {
        let (tamper, refusals) = (Mutex::default(), Mutex::default());
        Self { peers, tamper, answered: AtomicU64::new(0), refusals }
    }

    /// From now on every message passes `tamper`.
    pub(super) fn tamper(&self, tamper: impl FnMut(&mut PeerMessage) -> Pass + Send + 'static) {
        *self.tamper.lock().expect("nobody panics who holds it") = Some(Box::new(tamper));
    }

    /// From now on messages arrive as they were sent.
    pub(super) fn repair(&self) {
        *self.tamper.lock().expect("nobody panics who holds it") = None;
    }

    /// From now on answers do not arrive but come out here, until the wire is repaired.
    pub(super) fn hold_answers(&self) -> mpsc::UnboundedReceiver<Vec<u8>> {
        let (held, answers) = mpsc::unbounded_channel();
        self.tamper(move |message| {
            if !matches!(message.path, PeerPath::Answers) {
                return Pass::On;
            }
            // Whoever held them may be gone.
            let _gone = held.send(std::mem::take(&mut message.body).into());
            Pass::Keep
        });
        answers
    }

    /// Messages that the recipient answered, in its own name.
    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Codes of the messages that were refused since this was last asked.
    pub(super) fn refusals(&self) -> Vec<String> {
        std::mem::take(&mut *self.refusals.lock().expect("nobody panics who holds it"))
    }
}

impl Peers for Wire {
    async fn send(
        &self,
        sender: &Department,
        recipient: &chain::department::Department,
        mut message: PeerMessage,
    ) -> Result<PeerReply, Unreached> {
        let pass = match &mut *self.tamper.lock().expect("nobody panics who holds it") {
            Some(tamper) => tamper(&mut message),
            None => Pass::On,
        };
        if matches!(pass, Pass::Keep) {
            let reason = "somebody keeps its messages".to_owned();
            return Err(Unreached { department: recipient.id, reason, retry_after: None });
        }
        self.pass(sender, recipient, message).await
    }
}

impl Wire {
    /// Sends a message past whoever tampers.
    pub(super) async fn pass(
        &self,
        sender: &Department,
        recipient: &chain::department::Department,
        message: PeerMessage,
    ) -> Result<PeerReply, Unreached> {
        let reply = self.peers.send(sender, recipient, message).await?;
        self.answered.fetch_add(1, Ordering::Relaxed);
        if let PeerReply::Refused { code } = &reply {
            self.refusals.lock().expect("nobody panics who holds it").push(code.clone());
        }
        Ok(reply)
    }
}
