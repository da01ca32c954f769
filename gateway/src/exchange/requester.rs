//! The requester's half: from a question to `verified`, `not proven` or `rejected`.
//!
//! ```text
//! draft ─ Recorded ─ Sent ─┬─ Verified
//!                          ├─ NotProven   (no good answer by `expires`)
//!                          └─ Rejected    (a bad answer, with the failed check)
//! ```
//! A bad answer does not end the exchange: whoever can reach the requester could otherwise stop it. It
//! is remembered, and the good answer still counts until `expires`.

use std::sync::Arc;

use chain::entry::Content;
use chain::identifier::EntryId;
use serde::{Deserialize, Serialize};

use super::verification::{Refusal, VerifiedAnswer};
use super::{Exchange, RequestMessage};
use crate::document::CheckedRequest;
use crate::subject::Subject;

/// A question that is not on the chain yet.
#[derive(Clone, Debug)]
pub struct Draft {
    request: Arc<CheckedRequest>,
    subject: Option<Subject>,
}

/// The question is on the chain; it is to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    subject: Option<Subject>,
}

/// The issuer's gateway, or the citizen's wallet, has the question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    subject: Option<Subject>,
    /// The failed check of the newest bad answer, if there was one.
    pub rejected: Option<String>,
}

/// A good answer came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verified {
    /// What is known now.
    pub answer: VerifiedAnswer,
}

/// No good answer came in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lapsed {
    /// The failed check of the newest bad answer, if there was one.
    pub rejected: Option<String>,
}

/// What the requester's own system is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Status {
    /// Asked; no good answer yet.
    Sent,
    /// A proof of exactly this question verified.
    Verified,
    /// No answer by `expires`: refused, unknown, unsatisfied and unanswered all look so.
    NotProven,
    /// A bad answer came, and no good one by `expires`.
    Rejected {
        /// The failed check.
        code: String,
    },
}

impl Draft {
    /// A question about `subject`, or a pseudonymous one.
    pub fn new(request: Arc<CheckedRequest>, subject: Option<Subject>) -> Self {
        Self { request, subject }
    }

    /// What the `request` entry says.
    pub fn content(&self) -> Content {
        Content::Request { request: self.request.entry_digest() }
    }

    /// The question is on the chain.
    pub fn recorded(self, entry: EntryId) -> Exchange<Recorded> {
        Exchange { request: self.request, entry, state: Recorded { subject: self.subject } }
    }
}

impl Exchange<Recorded> {
    /// What is sealed to the issuer. Sending it twice is asking once.
    pub fn message(&self) -> RequestMessage {
        RequestMessage {
            request: self.request.request().clone(),
            entry: self.entry,
            subject: self.state.subject,
        }
    }

    /// The issuer's gateway acknowledged it.
    pub fn sent(self) -> Exchange<Sent> {
        self.map(|state| Sent { subject: state.subject, rejected: None })
    }
}

impl Exchange<Sent> {
    /// Who the question is about.
    pub fn subject(&self) -> Option<Subject> {
        self.state.subject
    }

    /// Takes the outcome of an answer's verification.
    ///
    /// # Errors
    /// The exchange, still open, with the failed check remembered. A bad answer that comes when the time
    /// is over is no answer either: what was not proven by then stays so, however late somebody looks.
    pub fn answered(
        mut self,
        outcome: Result<VerifiedAnswer, Refusal>,
        now: u64,
    ) -> Result<Exchange<Verified>, (Self, Refusal)> {
        match outcome {
            Ok(answer) => Ok(self.map(|_| Verified { answer })),
            Err(refusal) => {
                if !self.expired(now) {
                    self.state.rejected = Some(refusal.code().to_owned());
                }
                Err((self, refusal))
            }
        }
    }

    /// Closes the exchange if its time is over.
    ///
    /// # Errors
    /// The exchange as it was, if there is time left.
    pub fn expire(self, now: u64) -> Result<Exchange<Lapsed>, Self> {
        if self.expired(now) {
            Ok(self.map(|state| Lapsed { rejected: state.rejected }))
        } else {
            Err(self)
        }
    }

    /// What the requester's own system is told.
    pub fn status(&self) -> Status {
        Status::Sent
    }
}

impl Exchange<Verified> {
    /// What the requester's own system is told.
    pub fn status(&self) -> Status {
        Status::Verified
    }
}

impl Exchange<Lapsed> {
    /// What the requester's own system is told.
    pub fn status(&self) -> Status {
        match &self.state.rejected {
            None => Status::NotProven,
            Some(code) => Status::Rejected { code: code.clone() },
        }
    }
}

#[cfg(test)]
mod tests;
