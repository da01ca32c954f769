mod log;

use std::sync::Arc;
use std::time::Duration;

use ::http::Method;
use ::http::header::{ALLOW, RETRY_AFTER};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::http::fixture::{BROKEN, ENDLESS, Running, SLOW, WAITING, problem, read, start};
use crate::http::layers::REQUEST_ID;
use crate::http::limits::Limits;
use crate::http::server::Drained;

/// Short enough for a test, and never what a test waits for when it passes for another reason.
const SHORT: Duration = Duration::from_millis(50);

fn get(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer tax-token\r\nConnection: close\r\n\r\n"
    )
}

/// Begins a request that waits for the gate, and returns when its handler runs.
async fn begin_slow(running: &Running) -> tokio::net::TcpStream {
    let mut stream = running.connect().await;
    stream.write_all(get(&format!("/v1/requests/{SLOW}")).as_bytes()).await.unwrap();
    running.gateway.tax.begun.acquire().await.unwrap().forget();
    stream
}

#[tokio::test]
async fn what_is_not_served_is_a_problem_document() {
    let running = start(Limits::default()).await;
    assert_eq!(running.raw(&get("/nothing")).await.code(), problem(404, "not-found"));
    assert_eq!(running.raw(&get("/v1/citizen/tax")).await.code(), problem(404, "not-found"));
    let delete = running.local(Method::DELETE, "/v1/requests", "").await;
    assert_eq!(delete.code(), problem(405, "method-not-allowed"));
    assert_eq!(delete.headers[ALLOW], "GET,HEAD,POST");
}

#[tokio::test]
async fn headers_have_limits() {
    let limits = Limits { header_bytes: 512, header_fields: 8, ..Limits::default() };
    let running = start(limits).await;
    let with = |header: &str| get("/livez").replace("Host: a\r\n", &format!("Host: a\r\n{header}"));
    let long = |length| with(&format!("x: {}\r\n", "a".repeat(length)));
    assert_eq!(running.raw(&long(300)).await.status, 200);
    assert_eq!(running.raw(&long(500)).await.code(), problem(431, "header-too-large"));
    let many = |count| with(&"x: y\r\n".repeat(count));
    assert_eq!(running.raw(&many(5)).await.status, 200);
    assert_eq!(running.raw(&many(6)).await.code(), problem(431, "header-too-large"));
    let target = format!("/livez?{}", "a".repeat(500));
    assert_eq!(running.raw(&get(&target)).await.code(), problem(431, "header-too-large"));
    // Far above the limits hyper stops reading, and answers without a document.
    assert_eq!(running.raw(&long(5_000)).await.status, 431);
    assert_eq!(running.raw(&many(100)).await.status, 431);
}

#[tokio::test]
async fn bodies_have_a_limit() {
    let running = start(Limits { body_bytes: 32, ..Limits::default() }).await;
    let post = |framing: &str, body: &str| {
        format!(
            "POST /v1/enrolments HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer tax-token\r\n\
             Content-Type: application/json\r\nConnection: close\r\n{framing}\r\n\r\n{body}"
        )
    };
    let announced = running.raw(&post("Content-Length: 33", "")).await;
    assert_eq!(announced.code(), problem(413, "body-too-large"));
    let chunked = "Transfer-Encoding: chunked";
    let body = r#"{"subject":"1234567890"}"#;
    let grown = format!("18\r\n{body}\r\n9\r\n         \r\n0\r\n\r\n");
    assert_eq!(running.raw(&post(chunked, &grown)).await.code(), problem(413, "body-too-large"));
    let full = format!("18\r\n{body}\r\n8\r\n        \r\n0\r\n\r\n");
    assert_eq!(running.raw(&post(chunked, &full)).await.status, 201);
    assert_eq!(running.gateway.tax.log(), ["enrolment of 1234567890"]);
}

#[tokio::test]
async fn a_slow_header_is_cut_off() {
    let running = start(Limits { header_time: SHORT, ..Limits::default() }).await;
    for begun in ["", "GET /livez HTTP/1.1\r\nHo"] {
        let mut stream = running.connect().await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"");
    }
    // An idle connection is closed in the same way.
    let mut stream = running.connect().await;
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(read(&mut stream).await.status, 200);
}

#[tokio::test]
async fn a_slow_body_is_cut_off() {
    let running = start(Limits { body_time: SHORT, ..Limits::default() }).await;
    let request = "POST /v1/enrolments HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer tax-token\r\n\
                   Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{";
    assert_eq!(running.raw(request).await.code(), problem(408, "request-timeout"));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let running = start(Limits { stall_time: SHORT, ..Limits::default() }).await;
    let mut stream = running.connect().await;
    stream.write_all(get(&format!("/v1/payloads/{ENDLESS}")).as_bytes()).await.unwrap();
    running.gateway.tax.begun.acquire().await.unwrap().forget();
}

#[tokio::test]
async fn a_slow_answer_is_given_up() {
    let running = start(Limits { request_time: SHORT, ..Limits::default() }).await;
    let mut stream = begin_slow(&running).await;
    assert_eq!(read(&mut stream).await.code(), problem(504, "timeout"));
    assert_eq!(running.gateway.tax.log(), [""; 0]);
}

#[tokio::test]
async fn a_full_surface_invites_to_come_back_and_leaves_the_others_alone() {
    let running = start(Limits { requests: 1, ..Limits::default() }).await;
    let mut slow = begin_slow(&running).await;
    let shed = running.raw(&get("/v1/received")).await;
    assert_eq!(shed.code(), problem(503, "overloaded"));
    assert_eq!(running.raw(&get("/checkpoint")).await.status, 200);
    let citizen = running.raw(&get("/v1/citizen/tax/requests")).await;
    assert_eq!(citizen.code(), problem(401, "citizen-header"));
    assert_eq!(shed.headers[RETRY_AFTER], "5");
    assert_eq!(running.raw(&get("/livez")).await.status, 200);
    assert_eq!(running.raw(&get("/readyz")).await.status, 200);
    running.gateway.tax.gate.add_permits(1);
    assert_eq!(read(&mut slow).await.status, 200);
    assert_eq!(running.raw(&get("/v1/received")).await.status, 200);
}

#[tokio::test]
async fn more_connections_than_there_is_room_for_wait() {
    let running = start(Limits { connections: 1, ..Limits::default() }).await;
    let mut slow = begin_slow(&running).await;
    let mut waiting = running.connect().await;
    waiting.write_all(get("/livez").as_bytes()).await.unwrap();
    assert!(timeout(SHORT, waiting.readable()).await.is_err());
    running.gateway.tax.gate.add_permits(1);
    assert_eq!(read(&mut slow).await.status, 200);
    assert_eq!(read(&mut waiting).await.status, 200);
}

#[tokio::test]
async fn a_panic_is_a_problem_and_the_connection_lives() {
    let running = start(Limits::default()).await;
    let keep = get(&format!("/v1/requests/{BROKEN}")).replace("Connection: close\r\n", "");
    let answers = running.raw(&format!("{keep}{}", get("/livez"))).await;
    assert_eq!(answers.status, 500);
    assert!(answers.headers.contains_key(REQUEST_ID));
    let rest = std::str::from_utf8(&answers.body).unwrap();
    let (document, second) = rest.split_at(rest.find("HTTP/1.1").unwrap());
    let document: serde_json::Value = serde_json::from_str(document).unwrap();
    assert_eq!(document["code"], "internal");
    assert!(document["instance"].as_str().unwrap().starts_with("urn:uuid:"));
    assert!(!document.to_string().contains("as asked for"));
    assert!(second.starts_with("HTTP/1.1 200 OK"), "{second}");
}

#[tokio::test]
async fn a_request_has_an_id_of_our_own() {
    let running = start(Limits::default()).await;
    let request = get("/livez").replace("Host: a\r\n", "Host: a\r\nx-request-id: mine\r\n");
    let one = running.raw(&request).await.headers[REQUEST_ID].clone();
    let other = running.raw(&request).await.headers[REQUEST_ID].clone();
    assert_ne!(one, "mine");
    assert_ne!(one, other);
}

#[tokio::test]
async fn a_shutdown_finishes_what_has_begun() {
    let running = start(Limits::default()).await;
    let (address, tax) = (running.address, Arc::clone(&running.gateway.tax));
    let mut slow = begin_slow(&running).await;
    let _idle = running.connect().await;
    let stopped = running.stop();
    // The listener is closed before the drain begins to wait.
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    tax.gate.add_permits(1);
    assert_eq!(read(&mut slow).await.status, 200);
    assert_eq!(stopped.await.unwrap(), Drained { cut: 0 });
}

#[tokio::test]
async fn a_shutdown_wakes_those_who_wait_for_an_answer() {
    let running = start(Limits::default()).await;
    let mut waiting = running.connect().await;
    let target = format!("/v1/requests/{WAITING}?wait=10");
    waiting.write_all(get(&target).as_bytes()).await.unwrap();
    let tax = Arc::clone(&running.gateway.tax);
    tax.begun.acquire().await.unwrap().forget();
    let stopped = running.stop();
    assert_eq!(read(&mut waiting).await.status, 200);
    assert_eq!(stopped.await.unwrap(), Drained { cut: 0 });
    assert_eq!(
        tax.log(),
        [format!("asked {WAITING}, waiting 0")],
        "asked again, and not waited for"
    );
}

#[tokio::test]
async fn one_address_does_not_take_all_connections() {
    let limits = Limits { connections_per_address: 2, ..Limits::default() };
    let running = start(limits).await;
    let mut slow = begin_slow(&running).await;
    let other = begin_slow(&running).await;
    let mut third = running.connect().await;
    let mut answer = Vec::new();
    // Closed at once, whether or not it was written to.
    let _: Result<usize, std::io::Error> = third.read_to_end(&mut answer).await;
    assert_eq!(answer, b"");
    running.gateway.tax.gate.add_permits(2);
    assert_eq!(read(&mut slow).await.status, 200);
    drop((slow, other));
    while running.try_raw(&get("/livez")).await.is_none() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let running = start(Limits { drain_time: SHORT, ..Limits::default() }).await;
    let _slow = begin_slow(&running).await;
    assert_eq!(running.stop().await.unwrap(), Drained { cut: 1 });
}
