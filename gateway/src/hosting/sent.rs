//! What a hosted department tells its own systems of the payloads that they sent.

use crypto::envelope::PayloadId;

use super::Hosted;
use super::local::sent;
use crate::department::Peers;
use crate::http::Problem;
use crate::http::local::{Page, PayloadSent, SentApi};

impl<P: Peers + 'static> SentApi for Hosted<P> {
    async fn sent_payloads(&self, page: Page<PayloadId>) -> Result<Vec<PayloadSent>, Problem> {
        let sent_payloads = self.department.sent_payloads(page.after.as_ref(), page.limit)?;
        Ok(sent_payloads.into_iter().map(sent).collect())
    }

    async fn sent_payload(&self, id: PayloadId) -> Result<PayloadSent, Problem> {
        let unknown = || Problem::new("payload-unknown", "this department sent no such payload");
        Ok(sent(self.department.sent_payload(&id)?.ok_or_else(unknown)?))
    }
}
