//! A connector whose connections are made in time, with the TLS handshake.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::Uri;
use tokio::time::timeout;
use tower_service::Service;

/// `connector`, with a limit on the time of everything that it does for one connection.
#[derive(Clone, Debug)]
pub(super) struct Timed<C> {
    pub(super) connector: C,
    pub(super) time: Duration,
}

type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;
type BoxError = Box<dyn Error + Send + Sync>;

impl<C> Service<Uri> for Timed<C>
where
    C: Service<Uri, Error = BoxError>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Connecting<C::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, url: Uri) -> Connecting<C::Response> {
        let (connecting, time) = (self.connector.call(url), self.time);
        Box::pin(async move { timeout(time, connecting).await? })
    }
}
