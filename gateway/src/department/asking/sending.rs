//! Bringing a question to its issuer, which may be full.

use crypto::envelope::Message;
use crypto::{Digest, canonical};

use super::{Ask, AskError};
use crate::department::openings::Turn;
use crate::department::{Department, Internal, PeerMessage, PeerPath, PeerReply, Peers};
use crate::document::request::Taken;
use crate::exchange::RequestMessage;
use crate::measure;

/// The longest that an issuer is believed about when to come back, in seconds: then there is a look for
/// what was left anyway.
const LONGEST_RETRY: u64 = 15;

impl Department {
    /// Permission to bring a question to its issuer; a pseudonymous one is brought by the citizen.
    pub(super) fn turn(&self, ask: &Ask) -> Result<Option<Turn>, AskError> {
        if ask.subject.is_none() {
            return Ok(None);
        }
        let turn = self.openings.turn(&ask.issuer, self.now());
        turn.map(Some).ok_or_else(|| {
            measure::prover_refused();
            AskError::IssuerFull { issuer: ask.issuer }
        })
    }

    /// Whether questions that found their issuer full are to be sent again by now.
    pub fn has_waiting(&self) -> bool {
        self.openings.is_due(self.now())
    }

    /// Sends questions again that found their issuer full, as far as it takes them.
    ///
    /// # Errors
    /// [`Internal`] of the first that our own side cannot move; it and the others are not lost.
    pub async fn ask_again(&self, peers: &impl Peers) -> Result<(), Internal> {
        let mut outcome = Ok(());
        while let Some(digest) = self.openings.next_due(self.now()) {
            outcome = outcome.and(self.pursue(&digest, peers).await);
        }
        outcome
    }

    /// Sends a question; what its issuer replied, if it was reached and had a place.
    pub(super) async fn send_request(
        &self,
        message: &RequestMessage,
        digest: &Digest,
        peers: &impl Peers,
    ) -> Result<Option<PeerReply>, Internal> {
        let issuer = self.peer(&message.request.issuer)?;
        let plaintext = canonical::to_vec(message).expect("a request has string keys and integers");
        let body = self.seal(Message::Request, &issuer, *digest, &plaintext)?;
        match peers
            .send(self, &issuer, PeerMessage { path: PeerPath::Requests, body: body.into() })
            .await
        {
            Ok(reply) => {
                if let PeerReply::Taken(body) = &reply
                    && let Ok(Taken { places }) = serde_json::from_slice(body)
                {
                    self.openings.told(&issuer.id, places, self.now());
                }
                Ok(Some(reply))
            }
            Err(error) => {
                tracing::info!(request = %digest, %error, "the question waits");
                if let Some(seconds) = error.retry_after {
                    let after = u64::from(seconds).clamp(1, LONGEST_RETRY);
                    self.openings.full(&issuer.id, *digest, after, self.now());
                }
                Ok(None)
            }
        }
    }
}
