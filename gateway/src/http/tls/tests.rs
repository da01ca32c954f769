use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use ::http::header::AUTHORIZATION;
use ::http::{Method, Request};
use hyper::body::Bytes;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, SupportedProtocolVersion};
use zeroize::Zeroizing;

use super::*;
use crate::http::citizen_client::{Citizen, CitizenClient};
use crate::http::client::{Caller, PeerClient, PeerError};
use crate::http::fixture::{
    NETWORK, NOW, Running, directory, problem, rng, signer, start, start_secure, taken, wallet,
};
use crate::http::limits::Limits;
use crate::http::local_client::{LocalClient, LocalClientError};
use crate::http::peer::PeerCall;
use crate::http::transport::ClientLimits;

/// Short enough for a test, and never what a test waits for when it passes for another reason.
const SHORT: Duration = Duration::from_millis(50);

/// A certificate authority with its files.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a certificate and its key.
    fn issue(&self, params: &CertificateParams) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.file("chain.pem"), certificate.pem()).unwrap();
        self.write_key(&key.serialize_pem());
    }

    fn write_key(&self, pem: &str) {
        fs::write(self.file("key.pem"), pem).unwrap();
        fs::set_permissions(self.file("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn server(&self) -> Result<ServerTls, TlsError> {
        server(&self.file("chain.pem"), &self.file("key.pem"))
    }

    fn trust(&self) -> Trust {
        Trust::only(&[self.file("ca.pem")]).unwrap()
    }
}

fn named(name: &str) -> CertificateParams {
    CertificateParams::new([name.to_owned()]).unwrap()
}

/// An authority, and a gateway with a good certificate of it.
async fn secure(limits: Limits) -> (Authority, Running) {
    let authority = Authority::new();
    authority.issue(&named("127.0.0.1"));
    let running = start_secure(limits, authority.server().unwrap()).await;
    (authority, running)
}

/// A question from health to tax, by a client that trusts so.
async fn call(running: &Running, trust: Trust) -> Result<Bytes, PeerError> {
    let client = PeerClient::new(ClientLimits::default()).trusting(trust);
    let (signer, keys) = (signer("health"), directory());
    let caller = Caller { signer: &signer, keys: &keys, clock: &|| NOW };
    let body = Bytes::from_static(b"sealed");
    client.call(caller, &running.peer("tax"), &PeerCall::Request, body, &mut rng()).await
}

#[tokio::test]
async fn peers_systems_and_wallets_call_over_tls() {
    let (authority, running) = secure(Limits::default()).await;
    assert!(running.base.to_string().starts_with("https://127.0.0.1:"), "{}", running.base);
    assert_eq!(call(&running, authority.trust()).await, Ok(taken()));
    assert_eq!(running.gateway.tax.log(), ["request of 6 bytes from health"]);

    let token = || Zeroizing::new("tax-token".to_owned());
    let system = LocalClient::new(running.base.clone(), token(), ClientLimits::default());
    assert_eq!(system.payloads().await.err(), Some(LocalClientError::Unreachable));
    assert_eq!(system.trusting(authority.trust()).payloads().await.unwrap().len(), 1);

    let (base, limits) = (running.base.clone(), ClientLimits::default());
    let client = CitizenClient::new(base, "tax".to_owned(), NETWORK, limits);
    let (alice, mut rng) = (wallet("alice"), rng());
    let citizen = Citizen { signer: &alice, now: NOW, rng: &mut rng };
    let pending = client.trusting(authority.trust()).pending(citizen).await;
    assert_eq!(pending.unwrap().len(), 1);
}

#[tokio::test]
async fn a_gateway_that_nobody_vouches_for_is_not_talked_to() {
    let (_, running) = secure(Limits::default()).await;
    assert_eq!(call(&running, Authority::new().trust()).await, Err(PeerError::Unreachable));
    assert_eq!(call(&running, Trust::default()).await, Err(PeerError::Unreachable));
    assert_eq!(running.gateway.tax.log(), [""; 0]);
}

#[tokio::test]
async fn a_certificate_counts_for_its_name_and_its_time() {
    let authority = Authority::new();
    let other_name = named("127.0.0.2");
    let mut expired = named("127.0.0.1");
    expired.not_after = date_time_ymd(2020, 1, 1);
    let mut future = named("127.0.0.1");
    future.not_before = date_time_ymd(2090, 1, 1);
    for (params, good) in
        [(other_name, false), (expired, false), (future, false), (named("127.0.0.1"), true)]
    {
        authority.issue(&params);
        let running = start_secure(Limits::default(), authority.server().unwrap()).await;
        let called = call(&running, authority.trust()).await;
        assert_eq!(called, if good { Ok(taken()) } else { Err(PeerError::Unreachable) });
        assert_eq!(running.gateway.tax.log().len(), usize::from(good));
    }
}

#[tokio::test]
async fn a_pinned_certificate_counts_for_any_name_and_no_other_counts() {
    let authority = Authority::new();
    authority.issue(&named("tax.example"));
    let running = start_secure(Limits::default(), authority.server().unwrap()).await;
    assert_eq!(call(&running, authority.trust()).await, Err(PeerError::Unreachable));
    let pinned = Trust::pinned(&authority.file("chain.pem")).unwrap();
    assert_eq!(call(&running, pinned).await, Ok(taken()));
    authority.issue(&named("tax.example"));
    let another = Trust::pinned(&authority.file("chain.pem")).unwrap();
    assert_eq!(call(&running, another).await, Err(PeerError::Unreachable));
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let (authority, running) = secure(Limits::default()).await;
    let tls = running.tls.clone().unwrap();
    let (old, new) = (authority.trust(), Authority::new());
    new.issue(&named("127.0.0.1"));
    fs::copy(new.file("chain.pem"), authority.file("chain.pem")).unwrap();
    let error = tls.reload().unwrap_err();
    assert!(matches!(error.fault, TlsFault::OtherKey { .. }), "{error}");
    assert_eq!(call(&running, old.clone()).await, Ok(taken()), "the old one is still shown");
    fs::copy(new.file("key.pem"), authority.file("key.pem")).unwrap();
    tls.reload().unwrap();
    assert_eq!(call(&running, old).await, Err(PeerError::Unreachable));
    assert_eq!(call(&running, new.trust()).await, Ok(taken()));
}

/// Shakes hands in one version of TLS, and asks whether the gateway lives.
async fn shake(
    authority: &Authority,
    running: &Running,
    version: &'static SupportedProtocolVersion,
) -> (Option<ProtocolVersion>, Option<Vec<u8>>) {
    let roots = files::certificates(&authority.file("ca.pem")).unwrap();
    let mut store = tokio_rustls::rustls::RootCertStore::empty();
    store.add_parsable_certificates(roots);
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = running.connect().await;
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"), "{}", String::from_utf8_lossy(&answer));
    let (_, session) = stream.get_ref();
    (session.protocol_version(), session.alpn_protocol().map(<[u8]>::to_vec))
}

#[tokio::test]
async fn both_versions_speak_http_1_1() {
    let (authority, running) = secure(Limits::default()).await;
    let http = Some(b"http/1.1".to_vec());
    let (version, protocol) = shake(&authority, &running, &TLS13).await;
    assert_eq!((version, &protocol), (Some(ProtocolVersion::TLSv1_3), &http));
    let (version, protocol) = shake(&authority, &running, &TLS12).await;
    assert_eq!((version, &protocol), (Some(ProtocolVersion::TLSv1_2), &http));
}

/// What comes until the other end closes the connection.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Closed with what was sent unread, it is a reset.
    let _: Result<usize, std::io::Error> = stream.read_to_end(&mut bytes).await;
    bytes
}

#[tokio::test]
async fn plain_http_on_the_tls_port_is_cut_off() {
    let (_, running) = secure(Limits::default()).await;
    let mut stream = running.connect().await;
    let request =
        b"GET /v1/received HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer tax-token\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(!answer.windows(4).any(|it| it == b"HTTP"), "{answer:?}");
    assert!(answer.len() <= 7, "at most an alert: {answer:?}");
}

#[tokio::test]
async fn tls_on_a_plain_port_is_not_talked_to() {
    let running = start(Limits::default()).await;
    let base = running.base.to_string().replace("http:", "https:");
    let token = Zeroizing::new("tax-token".to_owned());
    let system = LocalClient::new(base.parse().unwrap(), token, ClientLimits::default());
    assert_eq!(system.payloads().await.err(), Some(LocalClientError::Unreachable));
}

#[tokio::test]
async fn a_slow_handshake_is_cut_off() {
    let (_, running) = secure(Limits { handshake_time: SHORT, ..Limits::default() }).await;
    for begun in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut stream = running.connect().await;
        stream.write_all(begun).await.unwrap();
        assert_eq!(rest(&mut stream).await, b"");
    }
}

#[tokio::test]
async fn slow_handshakes_keep_nobody_else_waiting_but_count_as_connections() {
    let (authority, running) = secure(Limits { connections: 4, ..Limits::default() }).await;
    let mut slow = Vec::new();
    for _ in 0..3 {
        slow.push(running.connect().await);
    }
    let (version, _) = shake(&authority, &running, &TLS13).await;
    assert_eq!(version, Some(ProtocolVersion::TLSv1_3));
    slow.push(running.connect().await);
    let mut waiting = running.connect().await;
    waiting.write_all(b"not TLS, and so answered at once if anybody listened").await.unwrap();
    assert!(timeout(SHORT, waiting.readable()).await.is_err());
    drop(slow);
    rest(&mut waiting).await;
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_handshakes() {
    let (_, running) = secure(Limits::default()).await;
    let mut slow = running.connect().await;
    slow.write_all(b"\x16").await.unwrap();
    assert_eq!(running.stop().await.unwrap().cut, 0);
    assert_eq!(rest(&mut slow).await, b"");
}

#[tokio::test]
async fn over_tls_problems_are_documents_too() {
    let (authority, running) = secure(Limits::default()).await;
    let transport =
        crate::http::transport::Transport::trusting(&ClientLimits::default(), authority.trust());
    let request = Request::builder()
        .method(Method::GET)
        .uri(running.base.at("/v1/received").unwrap())
        .header(AUTHORIZATION, "Bearer wrong")
        .body(Bytes::new())
        .unwrap();
    let answer = crate::http::fixture::Answer::of(transport.send(request).await.unwrap()).await;
    assert_eq!(answer.code(), problem(401, "token"));
}

#[test]
fn what_is_wrong_with_a_servers_files_is_said() {
    let authority = Authority::new();
    let refused = |name: &str| {
        let error = authority.server().unwrap_err();
        assert_eq!(error.path, authority.file(name), "{error}");
        assert!(error.to_string().starts_with(&error.path.display().to_string()));
        error.fault
    };
    assert!(matches!(refused("chain.pem"), TlsFault::Io(_)));
    authority.issue(&named("a"));
    let (chain, key) = (authority.file("chain.pem"), authority.file("key.pem"));
    let good = (fs::read_to_string(&chain).unwrap(), fs::read_to_string(&key).unwrap());
    assert!(authority.server().is_ok());

    fs::write(&chain, "").unwrap();
    assert!(matches!(refused("chain.pem"), TlsFault::NoCertificate));
    fs::write(&chain, &good.1).unwrap();
    assert!(matches!(refused("chain.pem"), TlsFault::NoCertificate), "a key in its place");
    fs::write(&chain, good.0.replace("-----END", "----END")).unwrap();
    assert!(matches!(refused("chain.pem"), TlsFault::Pem));
    fs::write(&chain, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert!(matches!(refused("chain.pem"), TlsFault::Certificate { number: 1 }));
    fs::write(&chain, vec![b'a'; 1024 * 1024 + 1]).unwrap();
    assert!(matches!(refused("chain.pem"), TlsFault::TooLong));
    fs::write(&chain, &good.0).unwrap();

    for mode in [0o644, 0o640, 0o604] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        assert!(matches!(refused("key.pem"), TlsFault::Readable { mode: m } if m == mode));
    }
    authority.write_key(&good.0);
    assert!(matches!(refused("key.pem"), TlsFault::NoKey), "a certificate in its place");
    authority.write_key(&good.1.replace("-----END", "----END"));
    assert!(matches!(refused("key.pem"), TlsFault::Pem));
    authority.write_key("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    assert!(matches!(refused("key.pem"), TlsFault::Key));
    authority.write_key(&KeyPair::generate().unwrap().serialize_pem());
    let fault = refused("key.pem");
    assert!(matches!(&fault, TlsFault::OtherKey { chain_file } if *chain_file == chain), "{fault}");
    authority.write_key(&good.1);
    assert!(authority.server().is_ok());
    assert!(!format!("{:?}", authority.server()).contains("PRIVATE"));
}

#[test]
fn a_file_of_authorities_has_authorities_in_it() {
    let authority = Authority::new();
    let file = authority.file("more.pem");
    let trust = |text: &str| {
        fs::write(&file, text).unwrap();
        Trust::with_roots(std::slice::from_ref(&file)).map_err(|error| error.fault)
    };
    let good = fs::read_to_string(authority.file("ca.pem")).unwrap();
    assert!(trust(&good).is_ok());
    assert!(matches!(trust(""), Err(TlsFault::NoCertificate)));
    let broken = format!("{good}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert!(matches!(trust(&broken), Err(TlsFault::Certificate { number: 2 })));
    assert!(matches!(Trust::only(&[authority.file("none")]), Err(TlsError { .. })));
}
