//! Clients that take too much, and places that are not there.

use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, header};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::world::{World, problem, refused};

/// Longer than anything here may take.
const HANG: Duration = Duration::from_secs(60);
const MIB: usize = 1 << 20;

fn get(world: &World, target: &str) -> Request<Bytes> {
    Request::get(world.url(target)).body(Bytes::new()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_has_a_limit() {
    let world = World::get().await;
    let with = |fields: usize, length: usize| {
        let mut request = get(world, "/livez");
        for number in 0..fields {
            let field: header::HeaderName = format!("x-{number}").parse().unwrap();
            request.headers_mut().insert(field, "a".repeat(length).parse().unwrap());
        }
        request
    };
    for (fields, length) in [(1, 17_000), (64, 1), (30, 600)] {
        let told = world.refusal(with(fields, length)).await;
        assert_eq!(told, refused(431, "header-too-large"), "{fields} of {length}");
    }
    let target = format!("/livez?{}", "a".repeat(17_000));
    assert_eq!(world.refusal(get(world, &target)).await, refused(431, "header-too-large"));
    for (fields, length) in [(1, 15_000), (60, 1)] {
        assert_eq!(world.send(with(fields, length)).await.status(), StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_a_limit() {
    let world = World::get().await;
    let token =
        std::fs::read_to_string(world.network.folder().join("welfare/local.token")).unwrap();
    let post = |target: &str, length: usize| {
        Request::post(world.url(target))
            .header(header::AUTHORIZATION, format!("Bearer {}", token.trim()))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(vec![b' '; length]))
            .unwrap()
    };
    for target in ["/v1/requests", "/v1/enrolments"] {
        assert_eq!(world.refusal(post(target, MIB + 1)).await, refused(413, "body-too-large"));
        assert_eq!(world.refusal(post(target, MIB)).await, refused(400, "json"));
    }
    // A citizen's too, and what is only announced.
    let authority = world.network.base.to_string().replace("http://", "");
    let mut stream = TcpStream::connect(&authority).await.unwrap();
    let head = format!(
        "POST /v1/requests HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 999999999999\r\n\r\n",
        token.trim()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    timeout(HANG, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_no_header_is_cut_off() {
    let world = World::get().await;
    let authority = world.network.base.to_string().replace("http://", "");
    let mut silent = TcpStream::connect(&authority).await.unwrap();
    let mut slow = TcpStream::connect(&authority).await.unwrap();
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\nX-Slow: ").await.unwrap();
    for stream in [&mut silent, &mut slow] {
        let mut rest = Vec::new();
        let ended = timeout(HANG, stream.read_to_end(&mut rest)).await.unwrap();
        assert!(ended.is_err() || !rest.starts_with(b"HTTP/1.1 200"));
    }
    // What is no HTTP at all.
    let mut other = TcpStream::connect(&authority).await.unwrap();
    other.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let ended = timeout(HANG, other.read_to_end(&mut rest)).await.unwrap();
    assert!(ended.is_err() || rest.is_empty() || rest.starts_with(b"HTTP/1.1 400"));
    assert_eq!(world.send(get(world, "/livez")).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_not_there_is_said_to_be_not_there() {
    let world = World::get().await;
    for target in
        ["/", "/v1", "/v1/peer/tax", "/admin", "/v1/requests/", "/../etc/passwd", "/v1//requests"]
    {
        let told = world.refusal(get(world, target)).await;
        assert_eq!(told, refused(404, "not-found"), "{target}");
    }
    let unknown =
        Request::post(world.url("/v1/peer/treasury/requests")).body(Bytes::new()).unwrap();
    assert_eq!(world.refusal(unknown).await, refused(404, "department-unknown"));
    let unknown = get(world, "/v1/citizen/treasury/requests");
    assert_eq!(world.refusal(unknown).await, refused(404, "department-unknown"));
    let digest = "11".repeat(32);
    for (target, told) in [
        (format!("/v1/documents/{digest}"), refused(404, "document-unknown")),
        (format!("/v1/chain/receipts/{digest}"), refused(404, "entry-unknown")),
        ("/v1/chain/blocks/999999".to_owned(), refused(404, "block-unknown")),
        (format!("/v1/chain/blocks/{}", u64::MAX), refused(404, "block-unknown")),
        ("/v1/chain/blocks/0".to_owned(), refused(404, "block-unknown")),
        ("/v1/chain/blocks/-1".to_owned(), refused(400, "path")),
        ("/v1/chain/blocks/18446744073709551616".to_owned(), refused(400, "path")),
        ("/v1/documents/xyz".to_owned(), refused(400, "path")),
        (format!("/v1/documents/{}", digest.replace('1', "A")), refused(400, "path")),
        ("/v1/documents/%ff".to_owned(), refused(400, "path")),
    ] {
        assert_eq!(world.refusal(get(world, &target)).await, told, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_method_is_told_the_right_ones() {
    let world = World::get().await;
    let digest = "11".repeat(32);
    let places = [
        (Method::DELETE, "/v1/requests".to_owned(), "GET,HEAD,POST"),
        (Method::PUT, format!("/v1/requests/{digest}"), "GET,HEAD"),
        (Method::GET, "/v1/peer/tax/requests".to_owned(), "POST"),
        (Method::POST, format!("/v1/peer/tax/payloads/{digest}/{}/parts/0", &digest[..32]), "PUT"),
        (Method::POST, "/v1/chain/tip".to_owned(), "GET,HEAD"),
        (Method::DELETE, "/v1/citizen/tax/consents".to_owned(), "POST"),
    ];
    for (method, target, allowed) in places {
        let request = Request::builder().method(&method).uri(world.url(&target));
        let response = world.send(request.body(Bytes::new()).unwrap()).await;
        assert_eq!(problem(&response), refused(405, "method-not-allowed"), "{target}");
        assert_eq!(response.headers()[header::ALLOW], allowed, "{target}");
    }
}
