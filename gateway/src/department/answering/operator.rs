//! What the issuer's own operator can see of an exchange, with the department's keys: enough to cheat.
//!
//! For showing that cheating is noticed; no surface leads here.

use std::sync::Arc;

use crypto::Digest;

use super::Stage;
use crate::department::{Department, Internal};
use crate::document::CheckedRequest;
use crate::document::answer::Answer;
use crate::exchange::proving::Standing;
use crate::records::Record;

impl Department {
    /// The answer that was made to a question.
    pub(crate) fn own_answer(&self, digest: &Digest) -> Result<Option<Answer>, Internal> {
        let row = self.received(digest)?;
        Ok(row.and_then(|row| match row.stage {
            Stage::Answered { answered, .. } => Some(answered.answer),
            _ => None,
        }))
    }

    /// A question that was received, the record that it is about, and where that stands.
    pub(crate) async fn own_question(
        &self,
        digest: &Digest,
    ) -> Result<(Arc<CheckedRequest>, Record, Standing), Internal> {
        let row = self.received(digest)?;
        let row = row.ok_or_else(|| Internal::Damaged("no such question".to_owned()))?;
        let (dataset, record) = self.subject_record(&row)?;
        let record = record.ok_or_else(|| Internal::Damaged("no such record".to_owned()))?;
        let standing = self.standing(&dataset, &record, &row.request)?;
        Ok((self.restore_request(&row.request).await?, record, standing))
    }
}
