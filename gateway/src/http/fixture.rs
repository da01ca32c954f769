//! A gateway with two departments, small enough to read, for the surfaces' tests.

mod bundle;
mod department;
mod operating;

pub(super) use department::{CHUNK, DOWNLOAD_CHUNKS, Department, Notices, taken};

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderMap, Method, Request, Response};
use crypto::envelope::{Name, PayloadId};
use crypto::{Digest, Secret, SigningKey, VerifyingKey};
use getrandom::SysRng;
use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::body::JSON;
use super::citizen::{ConsentKeyBytes, ConsentSignatureBytes};
use super::citizen_client::CitizenSigner;
use super::client::Peer;
use super::hex_bytes::HexBytes;
use super::hosting::Hosting;
use super::layers::REQUEST_ID;
use super::limits::Limits;
use super::local::{Tokens, token_digest};
use super::problem::{PROBLEM_JSON, ProblemDocument};
use super::server::{Drained, Listening, serve};
use super::signature::{KeyDirectory, KeyName, Signer};
use super::tls::ServerTls;
use super::transport::{BaseUrl, ClientLimits, Transport};

pub(super) const NOW: u64 = 1_800_000_000;
pub(super) const ID: Digest = Digest::from_bytes([1; 32]);
/// Digest of the network's id.
pub(super) const NETWORK: Digest = Digest::from_bytes([6; 32]);
/// Asking for this request waits for [`Department::gate`].
pub(super) const SLOW: Digest = Digest::from_bytes([2; 32]);
/// Asking for this request waits as long as is said.
pub(super) const WAITING: Digest = Digest::from_bytes([7; 32]);
/// Asking for this request panics.
pub(super) const BROKEN: Digest = Digest::from_bytes([3; 32]);
/// Opening this payload ends when the client is gone.
pub(super) const ENDLESS: PayloadId = PayloadId::from_bytes([5; 16]);
pub(super) const PAYLOAD: PayloadId = PayloadId::from_bytes([4; 16]);

pub(super) fn rng() -> crypto::rand_core::UnwrapErr<SysRng> {
    crypto::rand_core::UnwrapErr(SysRng)
}

pub(super) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn key(department: &str) -> SigningKey {
    SigningKey::from_seed(&Secret::new(*Digest::of(department.as_bytes()).as_bytes()))
}

pub(super) fn signer(department: &str) -> Signer {
    Signer::new(name(department), key(department))
}

pub(super) struct Directory(HashMap<KeyName, VerifyingKey>);

impl KeyDirectory for Directory {
    fn verifying_key(&self, name: &KeyName) -> Option<VerifyingKey> {
        self.0.get(name).copied()
    }
}

/// The keys of tax, welfare and health; health is hosted elsewhere.
pub(super) fn directory() -> Directory {
    let departments = ["tax", "welfare", "health"];
    Directory(HashMap::from(
        departments
            .map(|department| (signer(department).name().clone(), key(department).verifying_key())),
    ))
}

/// An Ed25519 key in place of a consent key: the surface knows bytes and asks whether they verify.
pub(super) struct WalletKey(SigningKey);

pub(super) fn wallet(citizen: &str) -> WalletKey {
    WalletKey(key(citizen))
}

impl CitizenSigner for WalletKey {
    fn key(&self) -> ConsentKeyBytes {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(self.0.verifying_key().as_bytes());
        HexBytes::from_bytes(bytes)
    }

    fn sign(&self, message: &Digest) -> ConsentSignatureBytes {
        let mut bytes = [0; 96];
        bytes[..64].copy_from_slice(self.0.sign_raw(message.as_bytes()).as_bytes());
        HexBytes::from_bytes(bytes)
    }
}

/// Tax, with the token `tax-token`, and welfare, with `welfare-token`.
pub(super) struct Gateway {
    pub(super) tax: Arc<Department>,
    pub(super) welfare: Arc<Department>,
    tokens: Tokens<Department>,
    pub(super) notices: Notices,
}

impl Hosting for Gateway {
    type Department = Department;
    type Public = Notices;

    fn department(&self, name: &str) -> Option<Arc<Department>> {
        let hosted = [&self.tax, &self.welfare];
        hosted.into_iter().find(|department| department.name == name).cloned()
    }

    fn tokens(&self) -> &Tokens<Department> {
        &self.tokens
    }

    fn public(&self) -> &Notices {
        &self.notices
    }

    fn now(&self) -> u64 {
        NOW
    }
}

/// A gateway that listens.
pub(super) struct Running {
    pub(super) gateway: Arc<Gateway>,
    pub(super) base: BaseUrl,
    pub(super) address: SocketAddr,
    pub(super) tls: Option<ServerTls>,
    shutdown: oneshot::Sender<()>,
    pub(super) task: JoinHandle<Drained>,
}

pub(super) async fn start(limits: Limits) -> Running {
    start_at("http", limits, None).await
}

/// As [`start`], under TLS.
pub(super) async fn start_secure(limits: Limits, tls: ServerTls) -> Running {
    start_at("https", limits, Some(tls)).await
}

async fn start_at(scheme: &str, limits: Limits, tls: Option<ServerTls>) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let base: BaseUrl = format!("{scheme}://{address}").parse().unwrap();
    let tax = Arc::new(Department::new("tax", &base));
    let welfare = Arc::new(Department::new("welfare", &base));
    let tokens = Tokens::new(vec![
        (token_digest("tax-token"), Arc::clone(&tax)),
        (token_digest("welfare-token"), Arc::clone(&welfare)),
    ]);
    let gateway = Arc::new(Gateway { tax, welfare, tokens, notices: Notices::default() });
    let (shutdown, stopped) = oneshot::channel();
    let stop = async move { stopped.await.unwrap() };
    let listening = match tls.clone() {
        Some(tls) => Listening::secure(listener, tls),
        None => listener.into(),
    };
    let task = tokio::spawn(serve(listening, Arc::clone(&gateway), limits, stop));
    Running { gateway, base, address, tls, shutdown, task }
}

impl Running {
    /// Begins the shutdown.
    pub(super) fn stop(self) -> JoinHandle<Drained> {
        self.shutdown.send(()).unwrap();
        self.task
    }

    pub(super) fn peer(&self, department: &str) -> Peer {
        Peer { department: name(department), url: self.base.clone() }
    }

    /// Sends a request on a connection of its own.
    pub(super) async fn send(&self, mut request: Request<Bytes>) -> Answer {
        let target = request.uri().to_string();
        *request.uri_mut() = self.base.at(&target).unwrap();
        let response = Transport::new(&ClientLimits::default()).send(request).await.unwrap();
        Answer::of(response).await
    }

    /// As tax's own system.
    pub(super) async fn local(&self, method: Method, target: &str, json: &str) -> Answer {
        self.send(local_request(method, target, json)).await
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes as they are and reads until the server closes the connection.
    pub(super) async fn raw(&self, bytes: &str) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        read(&mut stream).await
    }
}

impl Running {
    /// As [`Self::raw`]; nothing, if the connection was not taken.
    pub(super) async fn try_raw(&self, bytes: &str) -> Option<Vec<u8>> {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        (!answer.is_empty()).then_some(answer)
    }
}

/// Reads an answer and the end of the connection.
pub(super) async fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.parse::<::http::HeaderName>().unwrap(), value.parse().unwrap())
    });
    Answer { status, headers: headers.collect(), body: Bytes::copy_from_slice(&bytes[end + 4..]) }
}

pub(super) fn local_request(method: Method, target: &str, json: &str) -> Request<Bytes> {
    let request = Request::builder().method(method).uri(target);
    let request = request.header("authorization", "Bearer tax-token");
    let request = if json.is_empty() { request } else { request.header(CONTENT_TYPE, JSON) };
    request.body(Bytes::copy_from_slice(json.as_bytes())).unwrap()
}

pub(super) const ASK: &str = r#"{"issuer":"welfare","dataset":"benefits","subject":"199001011234",
    "query":[],"purpose":"housing","legal_basis":{"kind":"consent"},"as_of":"2026-11-22",
    "expires_in":3600}"#;

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) async fn of(response: Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(super) fn json(&self) -> Value {
        assert_eq!(self.headers[CONTENT_TYPE], JSON, "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The problem that this must be, found consistent in itself.
    pub(super) fn problem(&self) -> ProblemDocument {
        assert_eq!(self.headers[CONTENT_TYPE], PROBLEM_JSON, "{self:?}");
        let document = ProblemDocument::read(&self.body).unwrap();
        assert_eq!(document.status, self.status);
        assert_eq!(document.kind, format!("urn:proofgate:problem:{}", document.code));
        assert!(!document.title.is_empty() && !document.detail.is_empty());
        let id = self.headers[REQUEST_ID].to_str().unwrap();
        assert_eq!(document.instance.as_deref(), Some(format!("urn:uuid:{id}").as_str()));
        document
    }

    /// Status and code of the problem that this must be.
    pub(super) fn code(&self) -> (u16, String) {
        (self.status, self.problem().code)
    }
}

/// Status and code of a problem from a server that gives requests no id.
pub(super) fn problem_of(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.headers[CONTENT_TYPE], PROBLEM_JSON, "{answer:?}");
    (answer.status, ProblemDocument::read(&answer.body).unwrap().code)
}

/// Shorter than [`Answer::code`] where it is compared.
pub(super) fn problem(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}
