//! What both clients share: addresses, time, and how much of an answer is read.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use ::http::uri::{Authority, PathAndQuery, Scheme};
use ::http::{Request, Response, Uri};
use crypto::envelope::stream::MAX_PART_BYTES;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use thiserror::Error;

use super::signature::{Audience, AudienceError};

/// Less than servers keep an idle connection open, so that none is used that is about to be closed.
const IDLE_TIME: Duration = Duration::from_secs(5);

/// The address of a gateway: `http://host[:port]`, with at most a `/` after it.
///
/// There is no path before the surfaces' own: signatures cover the path as the gateway sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Authority);

/// A text is not a gateway's address.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected http://host:port without user, path and query")]
pub struct BaseUrlError;

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        let uri: Uri = text.parse().map_err(|_| BaseUrlError)?;
        let bare = uri.path_and_query().is_none_or(|target| target.as_str() == "/");
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        if uri.scheme() != Some(&Scheme::HTTP) || !bare || text.contains('#') {
            return Err(BaseUrlError);
        }
        authority.cloned().map(Self).ok_or(BaseUrlError)
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

impl BaseUrl {
    /// The gateway at this address, as signatures name it.
    ///
    /// # Errors
    /// [`AudienceError`]
    pub fn audience(&self) -> Result<Audience, AudienceError> {
        let url = Uri::builder().scheme(Scheme::HTTP).authority(self.0.clone()).path_and_query("/");
        Audience::of(&url.build().map_err(|_| AudienceError)?)
    }

    /// The URL of `target`, a path with perhaps a query, at this gateway.
    pub(super) fn at(&self, target: &str) -> Result<Uri, BaseUrlError> {
        let target: PathAndQuery = target.parse().map_err(|_| BaseUrlError)?;
        let url = Uri::builder().scheme(Scheme::HTTP).authority(self.0.clone());
        url.path_and_query(target).build().map_err(|_| BaseUrlError)
    }
}

/// What an answering gateway can use of us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// How long connecting may take: 5 s.
    pub connect_time: Duration,
    /// How long a call may take, from connecting to the end of the answer: 35 s, a little more than
    /// the other gateway gives itself.
    pub call_time: Duration,
    /// The longest body that is read, in bytes: as long as a part, 4 MiB.
    pub body_bytes: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connect_time: Duration::from_secs(5),
            call_time: Duration::from_secs(35),
            body_bytes: MAX_PART_BYTES,
        }
    }
}

/// Connections to gateways. Follows no redirect and uses no proxy.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Transport {
    pub(super) fn new(limits: &ClientLimits) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(limits.connect_time));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIME)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self { client }
    }

    pub(super) async fn send(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        self.client.request(request.map(Full::new)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_host_and_port_and_nothing_else() {
        for good in ["http://a", "http://a:80", "http://127.0.0.1:8080/", "http://[::1]:8080"] {
            let base: BaseUrl = good.parse().unwrap();
            assert_eq!(base.to_string(), good.trim_end_matches('/'));
        }
        let bad = ["", "a", "/a", "https://a", "http://", "http://u@a", "http://a/b", "http://a?b"];
        for bad in bad.into_iter().chain(["http://a/#b", "ftp://a"]) {
            assert_eq!(bad.parse::<BaseUrl>(), Err(BaseUrlError), "{bad}");
        }
        let base: BaseUrl = "http://a:1".parse().unwrap();
        assert_eq!(base.at("/v1/x?y").unwrap().to_string(), "http://a:1/v1/x?y");
        assert_eq!(base.at("/v1/x y"), Err(BaseUrlError));
    }
}
