//! The bundle of a verified answer.

use bytes::Bytes;
use crypto::Digest;

use super::Hosted;
use crate::department::Peers;
use crate::http::Problem;
use crate::http::local::bundle::BundleApi;

impl<P: Peers + 'static> BundleApi for Hosted<P> {
    async fn bundle(&self, request: Digest) -> Result<Bytes, Problem> {
        let bundle = self.department.bundle(&request).await?;
        let unknown = "this department asked no question of that digest whose answer verified";
        let bundle = bundle.ok_or_else(|| Problem::new("bundle-unknown", unknown))?;
        Ok(bundle.to_vec().into())
    }
}
