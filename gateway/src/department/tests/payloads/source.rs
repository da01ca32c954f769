//! A document that is not read to its end.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;

use super::super::super::payloads::Chunks;
use super::{LONG, document};

/// More than a part, and then an end or none.
pub(super) struct Broken {
    pub(super) given: bool,
    /// Told when there would be no end.
    pub(super) stuck: Option<Arc<Notify>>,
}

impl Chunks for Broken {
    type Error = &'static str;

    async fn next(&mut self) -> Result<Option<Bytes>, &'static str> {
        if !std::mem::replace(&mut self.given, true) {
            return Ok(Some(document(LONG).into()));
        }
        if let Some(stuck) = &self.stuck {
            stuck.notify_one();
            std::future::pending::<()>().await;
        }
        Err("broken off")
    }
}
