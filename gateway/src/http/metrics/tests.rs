use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::http::Method;
use ::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::{Gauges, serve_metrics};
use crate::http::fixture::{Answer, SLOW, problem_of, read, start};
use crate::http::limits::Limits;
use crate::http::server::Drained;
use crate::measure::{self, Exporter, catalogue};

/// Counts how often it was read.
#[derive(Default)]
struct Looks(AtomicU64);

impl Gauges for Looks {
    async fn read(&self) {
        let looks = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        measure::gauge(catalogue::CHAIN_HEIGHT, looks);
    }
}

async fn get(address: std::net::SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    read(&mut stream).await
}

fn asking(method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn prometheus_is_told_what_was_measured_and_nothing_else_is_served() {
    let (_recorder, exporter) = Exporter::of_this_thread();
    let running = start(Limits::default()).await;
    let path = format!("/v1/requests/{SLOW}");
    running.gateway.tax.gate.add_permits(1);
    assert_eq!(running.local(Method::GET, &format!("{path}?wait=1"), "").await.status, 200);
    assert_eq!(running.local(Method::GET, "/v1/requests/199001011234", "").await.status, 400);
    assert_eq!(running.local(Method::GET, "/199001011234", "").await.status, 404);
    assert_eq!(running.local(Method::GET, "/livez", "").await.status, 200);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let limits = Limits { header_time: Duration::from_millis(50), ..Limits::default() };
    let shutdown = async move { stopped.await.unwrap() };
    let served =
        tokio::spawn(serve_metrics(listener, exporter, Arc::<Looks>::default(), limits, shutdown));

    let first = get(address, &asking("GET", "/metrics")).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.headers[CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(first.headers[CACHE_CONTROL], "no-store");
    let text = std::str::from_utf8(&first.body).unwrap();
    for line in [
        "proofgate_chain_height 1",
        "proofgate_http_requests_total{surface=\"local\",method=\"GET\",route=\"/v1/requests/{digest}\",status=\"2xx\"} 1",
        "proofgate_http_requests_total{surface=\"local\",method=\"GET\",route=\"/v1/requests/{digest}\",status=\"4xx\"} 1",
        "proofgate_http_requests_total{surface=\"none\",method=\"GET\",route=\"none\",status=\"4xx\"} 1",
        "proofgate_http_requests_total{surface=\"health\",method=\"GET\",route=\"/livez\",status=\"2xx\"} 1",
        "proofgate_http_connections{server=\"metrics\"} 1",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is missing in\n{text}");
    }
    for hidden in ["199001011234", &SLOW.to_string(), "tax-token"] {
        assert!(!text.contains(hidden), "{hidden} is in\n{text}");
    }
    let second = get(address, &asking("GET", "/metrics")).await;
    let text = std::str::from_utf8(&second.body).unwrap();
    assert!(text.lines().any(|it| it == "proofgate_chain_height 2"), "read when asked: {text}");

    for target in ["/", "/livez", "/metrics/", "/v1/received"] {
        let answer = get(address, &asking("GET", target)).await;
        assert_eq!(problem_of(&answer), (404, "not-found".to_owned()), "{target}");
    }
    let posted = get(address, &asking("POST", "/metrics")).await;
    assert_eq!(problem_of(&posted), (405, "method-not-allowed".to_owned()));
    assert_eq!(posted.headers[ALLOW], "GET,HEAD");

    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /metrics HT").await.unwrap();
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"", "a slow header is cut off here too");

    stop.send(()).unwrap();
    assert_eq!(served.await.unwrap(), Drained { cut: 0 });
}

#[tokio::test]
async fn a_request_that_its_client_gives_up_is_counted() {
    let (_recorder, exporter) = Exporter::of_this_thread();
    let running = start(Limits::default()).await;
    let mut stream = running.connect().await;
    let request = format!(
        "GET /v1/requests/{SLOW} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer tax-token\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    running.gateway.tax.begun.acquire().await.unwrap().forget();
    drop(stream);
    let cut = "proofgate_http_requests_total{surface=\"local\",method=\"GET\",route=\"/v1/requests/{digest}\",status=\"cut\"} 1";
    while !exporter.text().lines().any(|it| it == cut) {
        tokio::task::yield_now().await;
    }
}
