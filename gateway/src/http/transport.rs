//! What both clients share: addresses, time, and how much of an answer is read.

mod timed;

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ::http::uri::{Authority, PathAndQuery, Scheme};
use ::http::{Request, Response, Uri};
use crypto::envelope::stream::MAX_PART_BYTES;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use thiserror::Error;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use self::timed::Timed;
use super::signature::{Audience, AudienceError};
use super::tls::Trust;

/// Less than servers keep an idle connection open, so that none is used that is about to be closed.
const IDLE_TIME: Duration = Duration::from_secs(5);

/// The address of a gateway: `https://host[:port]` or `http://host[:port]`, with at most a `/` after it.
///
/// There is no path before the surfaces' own: signatures cover the path as the gateway sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
}

/// A text is not a gateway's address.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected https://host:port or http://host:port without user, path and query")]
pub struct BaseUrlError;

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        let uri: Uri = text.parse().map_err(|_| BaseUrlError)?;
        let bare = uri.path_and_query().is_none_or(|target| target.as_str() == "/");
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let spoken = |scheme: &&Scheme| [Scheme::HTTPS, Scheme::HTTP].contains(scheme);
        let scheme = uri.scheme().filter(spoken).cloned().ok_or(BaseUrlError)?;
        if !bare || text.contains('#') {
            return Err(BaseUrlError);
        }
        let authority = authority.cloned().ok_or(BaseUrlError)?;
        Ok(Self { scheme, authority })
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

impl BaseUrl {
    /// The gateway at this address, as signatures name it.
    ///
    /// # Errors
    /// [`AudienceError`]
    pub fn audience(&self) -> Result<Audience, AudienceError> {
        Audience::of(&self.at("/").map_err(|_| AudienceError)?)
    }

    /// The URL of `target`, a path with perhaps a query, at this gateway.
    pub(super) fn at(&self, target: &str) -> Result<Uri, BaseUrlError> {
        let target: PathAndQuery = target.parse().map_err(|_| BaseUrlError)?;
        let url = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone());
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

/// What a request carries.
pub(super) type Outgoing = UnsyncBoxBody<Bytes, io::Error>;
type Plain = Client<HttpConnector, Outgoing>;
type Secure = Client<Timed<HttpsConnector<HttpConnector>>, Outgoing>;

/// Connections to gateways. Follows no redirect and uses no proxy.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    plain: Plain,
    /// Made for the first `https` URL: reading whom to trust takes a while.
    secure: Arc<OnceCell<Secure>>,
    trust: Trust,
    connect_time: Duration,
}

impl Transport {
    /// Connections that trust whom the operating system trusts.
    pub(super) fn new(limits: &ClientLimits) -> Self {
        Self::trusting(limits, Trust::default())
    }

    pub(super) fn trusting(limits: &ClientLimits, trust: Trust) -> Self {
        let connect_time = limits.connect_time;
        let plain = pooling().build(connector(connect_time));
        Self { plain, secure: Arc::default(), trust, connect_time }
    }

    pub(super) async fn send(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        let whole = |body| Full::new(body).map_err(|never| match never {}).boxed_unsync();
        self.send_stream(request.map(whole)).await
    }

    /// Sends a request whose body comes piece by piece.
    pub(super) async fn send_stream(
        &self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        if request.uri().scheme() == Some(&Scheme::HTTPS) {
            self.secure().await.request(request).await
        } else {
            self.plain.request(request).await
        }
    }

    async fn secure(&self) -> &Secure {
        let make = || async {
            let trust = self.trust.clone();
            let config = spawn_blocking(move || trust.client()).await;
            let config = config.expect("reading certificates does not panic");
            let mut tcp = connector(self.connect_time);
            tcp.enforce_http(false);
            let connector = HttpsConnector::from((tcp, config));
            pooling().build(Timed { connector, time: self.connect_time })
        };
        self.secure.get_or_init(make).await
    }
}

fn connector(connect_time: Duration) -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(connect_time));
    connector.set_nodelay(true);
    connector
}

fn pooling() -> hyper_util::client::legacy::Builder {
    let mut pooling = Client::builder(TokioExecutor::new());
    pooling.pool_idle_timeout(IDLE_TIME).pool_timer(TokioTimer::new());
    pooling
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_host_and_port_and_nothing_else() {
        let good = ["http://a", "http://a:80", "http://127.0.0.1:8080/", "http://[::1]:8080"];
        for good in good.into_iter().chain(["https://a", "https://127.0.0.1:8443/"]) {
            let base: BaseUrl = good.parse().unwrap();
            assert_eq!(base.to_string(), good.trim_end_matches('/'));
        }
        let bad = ["", "a", "/a", "https://", "http://", "http://u@a", "http://a/b", "http://a?b"];
        for bad in bad.into_iter().chain(["http://a/#b", "ftp://a"]) {
            assert_eq!(bad.parse::<BaseUrl>(), Err(BaseUrlError), "{bad}");
        }
        let base: BaseUrl = "http://a:1".parse().unwrap();
        assert_eq!(base.at("/v1/x?y").unwrap().to_string(), "http://a:1/v1/x?y");
        assert_eq!(base.at("/v1/x y"), Err(BaseUrlError));
        let base: BaseUrl = "https://a:1".parse().unwrap();
        assert_eq!(base.at("/v1/x?y").unwrap().to_string(), "https://a:1/v1/x?y");
    }

    #[test]
    fn an_audience_has_the_port_unless_it_is_the_schemes_own() {
        let audience = |url: &str| url.parse::<BaseUrl>().unwrap().audience().unwrap();
        assert_eq!(audience("https://a:443"), audience("https://A"));
        assert_eq!(audience("http://a:80"), audience("http://a"));
        assert_ne!(audience("https://a:80"), audience("https://a"));
        assert_ne!(audience("http://a:443"), audience("http://a"));
        // Behind a proxy that speaks TLS the gateway listens in the open, and is still the same one.
        assert_eq!(audience("https://a"), audience("http://a"));
    }
}
