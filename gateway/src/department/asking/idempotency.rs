//! Idempotency keys: a question that is asked twice under one key is one question.

use crypto::Digest;
use serde::{Deserialize, Serialize};

use super::AskError;
use crate::department::{Department, Internal};
use crate::store::{Batch, Table};

/// What makes the same question twice one question.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub struct Idempotency {
    /// The client's key.
    pub key: String,
    /// Digest of what was asked: another one under the same key is a conflict.
    pub body: Digest,
}

/// What an idempotency key made. Kept as long as the question itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct IdempotencyRow {
    body: Digest,
    request: Digest,
}

impl Idempotency {
    pub(super) fn remember(&self, request: &Digest, batch: &mut Batch) {
        let row = IdempotencyRow { body: self.body, request: *request };
        batch.put(Table::Idempotency, self.key.as_bytes(), &row);
    }
}

impl Department {
    /// The question that was asked under this key.
    pub(super) fn asked_under(
        &self,
        idempotency: Option<&Idempotency>,
    ) -> Result<Option<Digest>, AskError> {
        let Some(Idempotency { key, body }) = idempotency else { return Ok(None) };
        let row = self.store.get::<IdempotencyRow>(Table::Idempotency, key.as_bytes());
        match row.map_err(Internal::from)? {
            None => Ok(None),
            Some(row) if row.body == *body => Ok(Some(row.request)),
            Some(_) => Err(AskError::IdempotencyConflict),
        }
    }
}
