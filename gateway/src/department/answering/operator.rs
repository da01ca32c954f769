//! What the issuer's own operator can see of an exchange, with the department's keys: enough to cheat.
//!
//! For showing that cheating is noticed, and for handing a statement to other people's provers on the
//! operator's own machine; no surface leads here.

use std::sync::Arc;

use circuits::groth16::Assignment;
use circuits::statement::CircuitId;
use crypto::Digest;

use super::Stage;
use crate::department::{Department, Internal};
use crate::document::CheckedRequest;
use crate::document::answer::Answer;
use crate::exchange::proving::{self, ProvingError, Standing};
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

    /// The wires of the statement that answers a question, for other people's provers.
    ///
    /// A pseudonymous answer proves the citizen's signature, which is kept until it is given.
    pub(crate) async fn own_assignment(
        &self,
        digest: &Digest,
    ) -> Result<Result<(CircuitId, Assignment), ProvingError>, Internal> {
        let (request, record, standing) = self.own_question(digest).await?;
        let row = self.received(digest)?;
        let signature = row.and_then(|row| match row.stage {
            Stage::Ready(state) => proving::signature(&state.ground),
            Stage::Proved(state) => proving::signature(state.ground()),
            _ => None,
        });
        let circuit = request.request().circuit;
        let assignment =
            proving::assignment(&request, &record, standing, signature, &circuit.r1cs());
        Ok(assignment.map(|assignment| (circuit, assignment)))
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
