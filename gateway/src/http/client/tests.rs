use std::sync::Arc;

use ::http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::http::fixture::{NOW, directory, name, rng, signer, start};
use crate::http::limits::Limits;
use crate::http::signature::{Audience, RecentNonces};

async fn call(peer: &Peer, call: PeerCall, limits: ClientLimits) -> Result<Bytes, PeerError> {
    let body = Bytes::from_static(b"a body of 18 bytes");
    let client = PeerClient::new(limits);
    let (signer, keys) = (signer("health"), directory());
    let caller = Caller { signer: &signer, keys: &keys, clock: &|| NOW };
    client.call(caller, peer, &call, body, &mut rng()).await
}

/// A gateway that answers every request as `answer` says, which gets its bytes.
async fn answering(answer: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) -> Peer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut request = vec![0; 16 * 1024];
                let mut length = 0;
                while !request[..length].ends_with(b"a body of 18 bytes") {
                    length += stream.read(&mut request[length..]).await.unwrap();
                }
                stream.write_all(&answer(&request[..length])).await.unwrap();
            });
        }
    });
    Peer { department: name("tax"), url }
}

fn written(response: &Response<Bytes>) -> Vec<u8> {
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()));
    let headers: String = headers.collect();
    let (status, length) = (response.status(), response.body().len());
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), response.body()].concat()
}

#[tokio::test]
async fn an_unsigned_answer_does_not_count() {
    let peer = answering(|_| {
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
    });
    let error = VerifyError::HeaderMissing { header: "signature" };
    let called = call(&peer.await, PeerCall::Request, ClientLimits::default()).await;
    assert_eq!(called, Err(PeerError::Unverified { status: 202, error }));

    // Nor is a problem document without a signature believed.
    let running = start(Limits::default()).await;
    let called = call(&running.peer("none"), PeerCall::Request, ClientLimits::default()).await;
    let error = VerifyError::HeaderMissing { header: "signature" };
    assert_eq!(called, Err(PeerError::Unverified { status: 404, error }));
}

#[tokio::test]
async fn an_answer_counts_only_from_the_department_asked_and_to_this_request() {
    // A real answer of tax's, to another request than the one that it will be sent to.
    let peer = answering(|_| Vec::new()).await;
    let url = peer.url.at("/v1/peer/tax/requests").unwrap();
    let request = Request::post(&url).body(Bytes::new()).unwrap();
    let signed = signer("health").sign_request(request, NOW, &mut rng()).unwrap();
    let keys = directory();
    let verifier = Verifier { keys: &keys, now: NOW, body_limit: 0 };
    let (audience, nonces) = (Audience::of(&url).unwrap(), RecentNonces::new(1, 0));
    let request = signed.to_request().map(http_body_util::Full::new);
    let verified = verifier.verify_request(request, &audience, &nonces).await.unwrap();
    for (by, error) in [("tax", VerifyError::Signature), ("welfare", VerifyError::Sender)] {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::ACCEPTED;
        let response = signer(by).sign_response(response, &verified, NOW).unwrap();
        let peer = answering(move |_| written(&response)).await;
        let called = call(&peer, PeerCall::Request, ClientLimits::default()).await;
        assert_eq!(called, Err(PeerError::Unverified { status: 202, error }));
    }
}

#[tokio::test]
async fn what_an_answer_says_must_fit_the_call() {
    let response = |status: u16, content_type: &str, body: &'static str| {
        let response = Response::builder().status(status).header(CONTENT_TYPE, content_type);
        response.body(Bytes::from_static(body.as_bytes())).unwrap()
    };
    let unexpected = |status| Err(PeerError::Unexpected { status });
    assert_eq!(read(response(200, SEALED, "card")), Ok(Bytes::from_static(b"card")));
    assert_eq!(read(response(204, "application/octet-stream", "")), Ok(Bytes::new()));
    assert_eq!(read(response(202, "application/octet-stream", "x")), unexpected(202));
    assert_eq!(read(response(200, "text/html", "x")), unexpected(200));
    assert_eq!(read(response(302, SEALED, "")), unexpected(302));
    assert_eq!(read(response(500, PROBLEM_JSON, "{}")), unexpected(500));
    let document = r#"{"type":"t","title":"t","status":403,"detail":"d","code":"c"}"#;
    let problem = PeerProblem {
        status: 403,
        code: "c".to_owned(),
        detail: "d".to_owned(),
        retry_after: None,
    };
    let refused = Err(PeerError::Problem(problem.clone()));
    assert_eq!(read(response(403, PROBLEM_JSON, document)), refused);
    for (header, retry_after) in [("7", Some(7)), ("tomorrow", None), ("-1", None)] {
        let mut response = response(403, PROBLEM_JSON, document);
        response.headers_mut().insert(RETRY_AFTER, header.parse().unwrap());
        let problem = PeerProblem { retry_after, ..problem.clone() };
        assert_eq!(read(response), Err(PeerError::Problem(problem)), "{header}");
    }
    assert_eq!(read(response(404, PROBLEM_JSON, document)), unexpected(404));
}

#[tokio::test]
async fn answers_have_limits() {
    let running = start(Limits::default()).await;
    let peer = running.peer("tax");
    // The key card echoes the 18 bytes.
    let limits = |body_bytes| ClientLimits { body_bytes, ..ClientLimits::default() };
    let called = call(&peer, PeerCall::KeyCard, limits(18)).await;
    assert_eq!(called, Ok(Bytes::from_static(b"a body of 18 bytes")));
    let error = VerifyError::BodyTooLarge { limit: 17 };
    let called = call(&peer, PeerCall::KeyCard, limits(17)).await;
    assert_eq!(called, Err(PeerError::Unverified { status: 200, error }));

    let time = Duration::from_millis(50);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let silent = Peer { department: name("tax"), url };
    let limits = ClientLimits { call_time: time, ..ClientLimits::default() };
    let called = call(&silent, PeerCall::Request, limits.clone()).await;
    assert_eq!(called, Err(PeerError::Timeout { time }));
    drop(listener);
    let called = call(&silent, PeerCall::Request, ClientLimits::default()).await;
    assert_eq!(called, Err(PeerError::Unreachable));
}
