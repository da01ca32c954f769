//! The exchange: one question and its answer, as two halves without sockets, disk or clock.
//!
//! Each state is a type that has only the transitions it allows. A transition consumes the state, and
//! what has to happen outside (an entry to append, a message to send) is read off the new state, so
//! that doing it again after a crash is doing the same thing.

#[cfg(test)]
pub(crate) mod fixture;
pub mod issuer;
pub mod proving;
pub mod requester;
pub mod verification;

use std::sync::Arc;

use chain::entry::{Kind, salted_digest};
use chain::identifier::EntryId;
use crypto::commitment::Salted;
use crypto::{Digest, canonical};
use serde::{Deserialize, Serialize};

use crate::document::{CheckedRequest, Request};
use crate::subject::Subject;

/// What a requester seals to an issuer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestMessage {
    /// The question.
    pub request: Request,
    /// Id of its `request` entry.
    pub entry: EntryId,
    /// Who it is about; absent in a pseudonymous request, whose citizen comes by themself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
}

/// What an entry of this kind holds for a document that only those with the salt may know.
pub fn salted_entry<T: Serialize>(kind: Kind, salted: &Salted<T>) -> Digest {
    let document = canonical::digest(&salted.document)
        .expect("documents behind entries have string keys and no floats");
    salted_digest(kind, &Digest::from_bytes(*salted.salt.as_bytes()), &document)
}

/// One exchange in state `S`.
#[derive(Clone, Debug)]
pub struct Exchange<S> {
    request: Arc<CheckedRequest>,
    entry: EntryId,
    state: S,
}

impl<S> Exchange<S> {
    /// The question.
    pub fn request(&self) -> &Arc<CheckedRequest> {
        &self.request
    }

    /// Id of the question's entry on the chain.
    pub fn entry(&self) -> &EntryId {
        &self.entry
    }

    /// What is particular to this state.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// The same exchange as it was stored: the caller vouches that `state` belongs to it.
    pub fn restore(request: Arc<CheckedRequest>, entry: EntryId, state: S) -> Self {
        Self { request, entry, state }
    }

    fn expired(&self, now: u64) -> bool {
        now > self.request.request().expires
    }

    fn map<T>(self, state: impl FnOnce(S) -> T) -> Exchange<T> {
        Exchange { request: self.request, entry: self.entry, state: state(self.state) }
    }
}

#[cfg(test)]
mod tests;
