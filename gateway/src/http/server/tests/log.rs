use std::io::Write;
use std::sync::{Arc, Mutex};

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderValue, Method, Request};
use hyper::body::Bytes;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;

use super::get;
use crate::http::citizen::KeyEnrolment;
use crate::http::citizen_client::{Citizen, CitizenClient};
use crate::http::client::{Caller, PeerClient};
use crate::http::fixture::{
    ASK, ID, NETWORK, NOW, PAYLOAD, directory, local_request, rng, signer, start, wallet,
};
use crate::http::layers::REQUEST_ID;
use crate::http::limits::Limits;
use crate::http::local::SubjectText;
use crate::http::peer::PeerCall;
use crate::http::transport::ClientLimits;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// What this thread logs while the guard lives.
    fn begin(level: LevelFilter) -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(level)
            .with_writer(move || writer.clone());
        let guard = tracing::subscriber::set_default(subscriber.finish());
        (log, guard)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn the_log_has_routes_and_codes_and_nothing_about_anybody() {
    let (log, _guard) = Log::begin(LevelFilter::INFO);
    let running = start(Limits::default()).await;
    let target = "/v1/requests/199001011234?subject=199001011234";
    assert_eq!(running.local(Method::GET, target, "").await.status, 400);
    let mut request = local_request(Method::POST, "/v1/enrolments", r#"{"subject":199001011234}"#);
    *request.method_mut() = Method::from_bytes(b"X199001011234").unwrap();
    assert_eq!(running.send(request).await.status, 405);
    let body = r#"{"subject":"199001011234","199001011234":1}"#;
    assert_eq!(running.local(Method::POST, "/v1/enrolments", body).await.status, 400);
    assert_eq!(running.raw(&get("/v1/199001011234")).await.status, 404);

    let text = log.text();
    for told in ["/v1/requests/{digest}", "code=\"path\"", "status=405", "code=\"json\"", "POST"] {
        assert!(text.contains(told), "{told} is missing in {text}");
    }
    for hidden in ["199001011234", "tax-token", "subject"] {
        assert!(!text.contains(hidden), "{hidden} is in {text}");
    }
}

#[tokio::test]
async fn a_run_logs_every_request_and_no_value_that_went_through() {
    let (log, _guard) = Log::begin(LevelFilter::TRACE);
    let running = start(Limits::default()).await;

    // A department's own system: a question, its state, an enrolment, a payload in and out.
    let mut ask = local_request(Method::POST, "/v1/requests", ASK);
    ask.headers_mut().insert("idempotency-key", HeaderValue::from_static("case-4711"));
    assert_eq!(running.send(ask).await.status, 201);
    let target = format!("/v1/requests/{ID}?wait=0");
    assert_eq!(running.local(Method::GET, &target, "").await.status, 200);
    let enrolment = r#"{"subject":"197512249876"}"#;
    assert_eq!(running.local(Method::POST, "/v1/enrolments", enrolment).await.status, 201);
    let target = format!("/v1/requests/{ID}/payloads?name=diagnosis.pdf");
    let sent = Request::post(target)
        .header("authorization", "Bearer tax-token")
        .header(CONTENT_TYPE, "application/octet-stream")
        .body(Bytes::from_static(b"the patient has"));
    assert_eq!(running.send(sent.unwrap()).await.status, 201);
    let opened = running.local(Method::GET, &format!("/v1/payloads/{PAYLOAD}"), "").await;
    assert_eq!(opened.status, 200);
    // A peer.
    let (by, keys) = (signer("health"), directory());
    let caller = Caller { signer: &by, keys: &keys, clock: &|| NOW };
    let (client, sealed) =
        (PeerClient::new(ClientLimits::default()), Bytes::from_static(b"sealed"));
    let peer = running.peer("tax");
    client.call(caller, &peer, &PeerCall::Request, sealed, &mut rng()).await.unwrap();
    // A wallet.
    let (base, limits) = (running.base.clone(), ClientLimits::default());
    let client = CitizenClient::new(base, "tax".to_owned(), NETWORK, limits);
    let (alice, mut rng) = (wallet("alice"), rng());
    let subject = SubjectText("196001015555".to_owned());
    let enrolment = KeyEnrolment { subject, code: "XK4P-7TQ2".to_owned() };
    let citizen = Citizen { signer: &alice, now: NOW, rng: &mut rng };
    client.enrol(citizen, &enrolment).await.unwrap();
    // Anybody, and somebody who guesses.
    let receipt = running.raw(&get(&format!("/v1/chain/receipts/{ID}"))).await;
    assert_eq!(receipt.status, 200);
    let wrong = get("/v1/received").replace("tax-token", "guessed-token");
    assert_eq!(running.raw(&wrong).await.status, 401);

    let text = log.text();
    let answered: Vec<_> = text.lines().filter(|line| line.contains(" answered ")).collect();
    assert_eq!(answered.len(), 9, "{text}");
    for (line, says) in answered.iter().zip([
        r#"method="POST" route="/v1/requests"}: gateway::http::layers: answered surface="local" status=201"#,
        r#"method="GET" route="/v1/requests/{digest}"}: gateway::http::layers: answered surface="local" status=200"#,
        r#"method="POST" route="/v1/enrolments"}: gateway::http::layers: answered surface="local" status=201"#,
        r#"method="POST" route="/v1/requests/{digest}/payloads"}: gateway::http::layers: answered surface="local" status=201"#,
        r#"method="GET" route="/v1/payloads/{id}"}: gateway::http::layers: answered surface="local" status=200"#,
        r#"method="POST" route="/v1/peer/{department}/requests"}: gateway::http::layers: answered surface="peer" status=202"#,
        r#"method="POST" route="/v1/citizen/{department}/keys"}: gateway::http::layers: answered surface="citizen" status=201"#,
        r#"method="GET" route="/v1/chain/receipts/{entry}"}: gateway::http::layers: answered surface="public" status=200"#,
        r#"method="GET" route="/v1/received"}: gateway::http::layers: answered surface="local" status=401 code="token""#,
    ]) {
        assert!(line.contains(" INFO ") && line.contains(says), "{says} is not in {line}");
        assert!(line.contains(" milliseconds="), "{line}");
    }
    let id = receipt.headers[REQUEST_ID].to_str().unwrap();
    assert!(answered[7].contains(&format!("id=\"{id}\"")), "{id} is not in {}", answered[7]);
    let key = alice_key();
    for hidden in [
        "199001011234",
        "housing",
        "benefits",
        "case-4711",
        "197512249876",
        "diagnosis",
        "patient",
        "196001015555",
        "XK4P",
        "token\"}",
        "tax-token",
        "guessed-token",
        "sealed",
        "wait=0",
        &ID.to_string(),
        &PAYLOAD.to_string(),
        &key,
    ] {
        assert!(!text.contains(hidden), "{hidden} is in {text}");
    }
}

/// The wallet's key, as its requests spell it.
fn alice_key() -> String {
    use crate::http::citizen_client::CitizenSigner as _;
    wallet("alice").key().to_string()
}
