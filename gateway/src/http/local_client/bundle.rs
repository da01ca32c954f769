//! The bundle of a verified answer, from the other end.

use crypto::Digest;

use super::{Called, LocalClient};
use crate::bundle::Bundle;

impl LocalClient {
    /// The bundle of a question whose answer verified, to be filed as [`Bundle::to_vec`] writes it.
    ///
    /// Whoever files it should [verify](Bundle::verify) it, as anybody can later.
    ///
    /// # Errors
    /// [`LocalClientError`](super::LocalClientError)
    pub async fn bundle(&self, request: &Digest) -> Called<Bundle> {
        self.get(&format!("/v1/requests/{request}/bundle")).await
    }
}
