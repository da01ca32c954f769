//! What reaches a department from others: sealed messages whose signature has been verified.

use chain::identifier::DepartmentId;
use crypto::envelope::{Message, OpenError, Sealed};
use crypto::{Digest, canonical};
use thiserror::Error;

use super::answering::ReceiveError;
use super::enrolment::{CardQuery, EnrolError};
use super::payloads::PayloadRefusal;
use super::{Department, Internal, PeerMessage, PeerPath};
use crate::document::payload::Completion;
use crate::exchange::verification::Refusal;

/// Why a peer's message is not taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The envelope does not open.
    #[error("the envelope: {0}")]
    Envelope(#[from] OpenError),
    /// What was sealed is not a message of this kind. Said without its content: the reply is not sealed.
    #[error("the message is malformed: {0}")]
    Malformed(String),
    /// The envelope's header is of another request than its content.
    #[error("the envelope is of another request than its content")]
    OtherRequest,
    /// A question is not taken.
    #[error(transparent)]
    Request(#[from] ReceiveError),
    /// An answer is not believed.
    #[error(transparent)]
    Answer(#[from] Refusal),
    /// No card of this citizen, or this department is no registrar.
    #[error("no key card")]
    NoKeyCard,
    /// A part or a payload is not taken.
    #[error(transparent)]
    Payload(#[from] PayloadRefusal),
    /// Our own side failed.
    #[error(transparent)]
    Internal(#[from] Internal),
}

impl PeerError {
    /// A stable name of the failed check.
    pub fn code(&self) -> &str {
        match self {
            Self::Envelope(error) => error.code(),
            Self::Malformed(_) => "message-malformed",
            Self::OtherRequest => "envelope-other-request",
            Self::Request(error) => error.code(),
            Self::Answer(error) => error.code(),
            Self::NoKeyCard => "key-card-missing",
            Self::Payload(error) => error.code(),
            Self::Internal(_) => "internal",
        }
    }
}

fn reply(document: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("replies have string keys")
}

impl Department {
    /// Takes a sealed message at its place. Returns the reply's body.
    ///
    /// # Errors
    /// [`PeerError`]
    pub async fn peer_message(
        &self,
        sender: &DepartmentId,
        message: PeerMessage,
    ) -> Result<Vec<u8>, PeerError> {
        let body = message.body;
        match message.path {
            PeerPath::Requests => {
                let digest = self.peer_request(sender, &body).await?;
                self.look(&digest).await?;
            }
            PeerPath::Answers => self.peer_answer(sender, &body).await?,
            PeerPath::KeyCards => return self.peer_key_card(sender, &body).await,
            PeerPath::Part { request, payload, number } => {
                self.peer_part(sender, &request, &payload, number, body).await?;
            }
            PeerPath::Parts { request, payload } => {
                let parts = self.peer_parts(sender, &request, &payload).await?;
                return Ok(reply(&parts));
            }
            PeerPath::Complete { request, payload } => {
                let mut completion = self.peer_complete(sender, &request, &payload, &body).await?;
                if completion == Completion::Checking {
                    self.check_payload(&payload).await?;
                    completion = self.peer_complete(sender, &request, &payload, &body).await?;
                }
                return Ok(reply(&completion));
            }
        }
        Ok(Vec::new())
    }

    /// Takes a sealed question. Returns the request's digest, whose exchange is then to be
    /// [advanced](Department::advance).
    ///
    /// # Errors
    /// [`PeerError`]
    pub async fn peer_request(
        &self,
        sender: &DepartmentId,
        sealed: &[u8],
    ) -> Result<Digest, PeerError> {
        let opened = self.open(Message::Request, sender, None, sealed)?;
        let message: crate::exchange::RequestMessage = canonical::from_slice(opened.plaintext())
            .map_err(|error| PeerError::Malformed(error.without_content()))?;
        let digest = canonical::digest(&message.request)
            .map_err(|error| PeerError::Malformed(error.without_content()))?;
        if opened.header().request != digest {
            return Err(PeerError::OtherRequest);
        }
        Ok(self.receive_request(sender, message).await?)
    }

    /// Takes a sealed answer.
    ///
    /// # Errors
    /// [`PeerError`]; a bad answer's failed check is the requester's to tell.
    pub async fn peer_answer(&self, sender: &DepartmentId, sealed: &[u8]) -> Result<(), PeerError> {
        let request = Sealed::decode(sealed)?.header().request;
        let opened = self.open(Message::Answer, sender, Some(request), sealed)?;
        Ok(self.receive_answer(sender, &request, opened.plaintext()).await??)
    }

    /// Takes a sealed query for a citizen's key card. Returns the sealed card.
    ///
    /// # Errors
    /// [`PeerError`]
    pub async fn peer_key_card(
        &self,
        sender: &DepartmentId,
        sealed: &[u8],
    ) -> Result<Vec<u8>, PeerError> {
        let opened = self.open(Message::Document, sender, None, sealed)?;
        let query: CardQuery = canonical::from_slice(opened.plaintext())
            .map_err(|error| PeerError::Malformed(error.without_content()))?;
        let digest = opened.header().request;
        if digest != Digest::of(opened.plaintext()) {
            return Err(PeerError::OtherRequest);
        }
        let card = match self.card(query.subject) {
            Ok(Some(card)) => card,
            Ok(None) | Err(EnrolError::NotARegistrar(_)) => return Err(PeerError::NoKeyCard),
            Err(EnrolError::Internal(error)) => return Err(error.into()),
            Err(_) => return Err(PeerError::NoKeyCard),
        };
        let plaintext = canonical::to_vec(&card).expect("a card has string keys and integers only");
        Ok(self.seal(Message::Document, &self.peer(sender)?, digest, &plaintext)?)
    }
}
