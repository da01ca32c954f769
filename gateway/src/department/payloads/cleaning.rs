//! What is removed after a time: documents that nobody finishes, and those that nobody needs any more.

use std::sync::Arc;
use std::time::Duration;

use crypto::envelope::PayloadId;

use super::super::{Department, Internal};
use super::{PayloadRow, Stage};
use crate::store::{StoreError, Table};

/// Payloads that one cleaning removes at most; the next one goes on.
const MAX_CLEANED: usize = 1_000;

/// How long payloads are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadRetention {
    /// Parts without a manifest, after the first of them came: 7 days. Sending more does not renew it.
    pub unfinished: Duration,
    /// Documents that were received, after that: for ever, if there is no time.
    pub received: Option<Duration>,
    /// What is known of documents that were delivered or refused, after that: for ever, if there is no time.
    pub sent: Option<Duration>,
}

impl Default for PayloadRetention {
    fn default() -> Self {
        let unfinished = Duration::from_secs(7 * 24 * 60 * 60);
        Self { unfinished, received: None, sent: None }
    }
}

/// How many payloads a cleaning removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Those that their senders had not finished.
    pub unfinished: usize,
    /// Documents that had been received.
    pub received: usize,
    /// Documents that had been delivered or refused.
    pub sent: usize,
}

impl Department {
    /// Removes payloads whose time was over at `now`, in Unix seconds: files and rows, at most a thousand
    /// at a time. What the chain says of them stays.
    ///
    /// # Errors
    /// [`Internal`] if a store fails; some may be removed then.
    pub async fn clean_payloads(
        &self,
        now: u64,
        retention: &PayloadRetention,
    ) -> Result<Cleaned, Internal> {
        let mut cleaned = Cleaned::default();
        let is_over = |row: &PayloadRow, time: Duration| {
            now.saturating_sub(row.changed) >= time.as_secs().max(1)
        };
        let unfinished = |row: &PayloadRow| {
            // Parts that came before their time was kept have that of the last change.
            let since = if row.begun == 0 { row.changed } else { row.begun };
            row.stage.is_unfinished()
                && now.saturating_sub(since) >= retention.unfinished.as_secs().max(1)
        };
        for id in self.open_payloads()?.into_iter().take(MAX_CLEANED) {
            cleaned.unfinished += usize::from(self.clean_if(&id, unfinished).await?);
        }
        let received = |row: &PayloadRow| {
            let complete = matches!(row.stage, Stage::Complete { .. });
            complete && retention.received.is_some_and(|time| is_over(row, time))
        };
        let sent = |row: &PayloadRow| {
            let ended = row.stage.is_final() && !row.stage.is_incoming();
            ended && retention.sent.is_some_and(|time| is_over(row, time))
        };
        let times = [retention.received, retention.sent];
        if let Some(shortest) = times.into_iter().flatten().min() {
            for id in self.ended_payloads(now.saturating_sub(shortest.as_secs())).await? {
                cleaned.received += usize::from(self.clean_if(&id, received).await?);
                cleaned.sent += usize::from(self.clean_if(&id, sent).await?);
            }
        }
        if cleaned != Cleaned::default() {
            tracing::info!(department = %self.id, ?cleaned, "payloads were cleaned away");
        }
        Ok(cleaned)
    }

    /// Removes parts that no row names: a part that was being written when its payload was dropped. How
    /// many payloads they were of.
    ///
    /// # Errors
    /// [`Internal`] if a store fails; some may be removed then.
    pub async fn remove_stray_parts(&self) -> Result<usize, Internal> {
        let mut removed = 0;
        for (request, payload) in self.payloads.store.payloads().await? {
            // There is a row before there is any part, so that this is none of a payload that begins.
            let Some(_hold) = self.payloads.hold(payload) else { continue };
            let _changing = self.changing.lock().await;
            if self.payload_row(&payload)?.is_none_or(|row| row.request != request) {
                self.payloads.store.delete(&request, &payload).await?;
                removed += 1;
            }
        }
        if removed > 0 {
            tracing::warn!(department = %self.id, removed, "parts without a payload were removed");
        }
        Ok(removed)
    }

    /// Forgets a payload if its row is so, and nobody works on it.
    async fn clean_if(
        &self,
        id: &PayloadId,
        is_over: impl Fn(&PayloadRow) -> bool,
    ) -> Result<bool, Internal> {
        let Some(_hold) = self.payloads.hold(*id) else { return Ok(false) };
        let _changing = self.changing.lock().await;
        match self.payload_row(id)?.filter(is_over) {
            Some(row) => self.forget_payload(&row).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// Payloads to which nothing happens any more, and did not since `until`.
    async fn ended_payloads(&self, until: u64) -> Result<Vec<PayloadId>, Internal> {
        let store = Arc::clone(&self.store);
        let found = tokio::task::spawn_blocking(move || {
            let rows = store.scan::<PayloadRow>(Table::Payloads);
            let ended = rows.filter_map(|row| match row {
                Ok(row) => (row.stage.is_final() && row.changed <= until).then_some(Ok(row.id)),
                Err(error) => Some(Err(error)),
            });
            ended.take(MAX_CLEANED).collect::<Result<Vec<_>, StoreError>>()
        });
        Ok(found.await.expect("a scan does not panic, and nobody aborts it")?)
    }
}
