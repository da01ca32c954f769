//! The questions that a department asked, for who looks for one.

use chain::identifier::DepartmentId;
use crypto::Digest;

use super::super::{Department, Internal};
use super::{AskedRow, request_digest};
use crate::document::Request;
use crate::exchange::requester::Status;
use crate::store::{StoreError, Table};

/// A question among those that this department asked: nothing in it says whom it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct AskedQuestion {
    /// Digest of the request.
    pub request: Digest,
    /// Who was asked.
    pub issuer: DepartmentId,
    /// What for.
    pub purpose: String,
    /// When, Unix seconds.
    pub created: u64,
    /// Until when an answer counts, Unix seconds.
    pub expires: u64,
    /// What became of it.
    pub status: Status,
}

impl Department {
    /// The questions of this department: up to `limit` of those after `after`, in no order that means anything.
    /// Fewer are all that there are.
    ///
    /// # Errors
    /// [`Internal`] if the store fails.
    pub async fn asked_questions(
        &self,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Vec<AskedQuestion>, Internal> {
        let after = after.map(|digest| &digest.as_bytes()[..]);
        let rows = self.store.scan_after::<AskedRow>(Table::Asked, after).take(limit);
        let rows: Vec<_> = rows.collect::<Result<_, StoreError>>()?;
        let mut questions = Vec::new();
        for AskedRow { request, .. } in rows {
            // Its time may be over, and nobody have looked since.
            let Some(asked) = self.asked(&request_digest(&request)).await? else { continue };
            let Request { issuer, purpose, created, expires, .. } = request;
            let (request, status) = (asked.request, asked.status);
            questions.push(AskedQuestion { request, issuer, purpose, created, expires, status });
        }
        Ok(questions)
    }
}
