use ::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE,
};
use ::http::{HeaderValue, Method};
use hyper::body::Bytes;
use serde_json::json;
use std::time::Duration;

use super::{About, Ask, Tokens, token_digest};
use crate::http::body::OCTETS;
use crate::http::fixture::{
    ASK, CHUNK, DOWNLOAD_CHUNKS, ID, PAYLOAD, local_request, problem, start,
};
use crate::http::limits::Limits;

#[tokio::test]
async fn a_question_is_asked_and_looked_at() {
    let running = start(Limits::default()).await;
    let asked = running.local(Method::POST, "/v1/requests", ASK).await;
    assert_eq!(asked.status, 201);
    assert_eq!(asked.headers[LOCATION], format!("/v1/requests/{ID}"));
    assert_eq!(asked.headers[CACHE_CONTROL], "no-store");
    let expected = json!({
        "request": ID, "nonce": "06".repeat(16), "entry": ID,
        "status": "rejected", "code": "proof-invalid",
        "subject_tag": ID, "notes": ["development-key"], "receipts": [ID],
    });
    assert_eq!(asked.json(), expected);
    let state = running.local(Method::GET, &format!("/v1/requests/{ID}"), "").await;
    assert_eq!((state.status, state.json()), (200, expected));
    for wait in ["wait=7", "wait=3600"] {
        let state = running.local(Method::GET, &format!("/v1/requests/{ID}?{wait}"), "").await;
        assert_eq!(state.status, 200);
    }
    for query in ["wait=-1", "wait=a", "wait=1&wait=1", "patience=1"] {
        let state = running.local(Method::GET, &format!("/v1/requests/{ID}?{query}"), "").await;
        assert_eq!(state.code(), problem(400, "query-string"), "{query}");
    }
    let offer = running.local(Method::GET, &format!("/v1/requests/{ID}/offer"), "").await;
    assert_eq!((offer.status, offer.json()), (200, json!({ "offer": ID })));
    let log = running.gateway.tax.log();
    let ask = "ask welfare 199001011234 None".to_owned();
    // Nobody waits longer than half of a request's time.
    let looks = [0, 7, 15].map(|wait| format!("asked {ID}, waiting {wait}"));
    assert_eq!(log, [vec![ask], looks.into()].concat());
    assert_eq!(running.gateway.welfare.log(), [""; 0]);
}

#[tokio::test]
async fn an_idempotency_key_comes_with_the_bodys_digest() {
    let running = start(Limits::default()).await;
    let mut request = local_request(Method::POST, "/v1/requests", ASK);
    request.headers_mut().insert("idempotency-key", HeaderValue::from_static("k-1"));
    assert_eq!(running.send(request.clone()).await.status, 201);
    assert_eq!(running.gateway.tax.log(), ["ask welfare 199001011234 Some((\"k-1\", true))"]);

    let long = "k".repeat(65);
    for bad in ["", "a b", &long] {
        request.headers_mut().insert("idempotency-key", HeaderValue::from_str(bad).unwrap());
        assert_eq!(running.send(request.clone()).await.code(), problem(400, "header"), "{bad}");
    }
    request.headers_mut().insert("idempotency-key", HeaderValue::from_static("a"));
    request.headers_mut().append("idempotency-key", HeaderValue::from_static("b"));
    assert_eq!(running.send(request).await.code(), problem(400, "header"));
}

#[tokio::test]
async fn the_operators_views_are_served() {
    let running = start(Limits::default()).await;
    let received = running.local(Method::GET, "/v1/received", "").await;
    let expected =
        json!([{ "request": ID, "requester": "welfare", "state": "closed", "silence": "refused" }]);
    assert_eq!((received.status, received.json()), (200, expected));
    let asked = running.local(Method::GET, "/v1/requests?limit=1", "").await;
    let expected = json!([{
        "request": ID, "issuer": "tax", "purpose": "benefit-eligibility", "created": 1,
        "expires": 601, "status": "not-proven",
    }]);
    assert_eq!((asked.status, asked.json()), (200, expected));
    assert_eq!(running.gateway.tax.log(), ["questions limit=1"]);
    let code = running.local(Method::POST, "/v1/enrolments", r#"{"subject":"1"}"#).await;
    assert_eq!((code.status, code.json()), (201, json!({ "code": "code", "expires": 0 })));
    let payloads = running.local(Method::GET, "/v1/payloads", "").await;
    let expected = json!([{ "id": PAYLOAD, "request": ID, "sender": "welfare" }]);
    assert_eq!((payloads.status, payloads.json()), (200, expected));
}

#[tokio::test]
async fn a_bundle_is_served_as_it_is_and_kept_nowhere_on_the_way() {
    let running = start(Limits::default()).await;
    let bundle = running.local(Method::GET, &format!("/v1/requests/{ID}/bundle"), "").await;
    assert_eq!((bundle.status, bundle.json()), (200, json!({"format": "proofgate/bundle/v1"})));
    assert_eq!(bundle.headers[CACHE_CONTROL], "no-store");
    assert_eq!(bundle.headers[CONTENT_TYPE], "application/json");
    let other = format!("/v1/requests/{}/bundle", "ab".repeat(32));
    let unknown = running.local(Method::GET, &other, "").await;
    assert_eq!(unknown.code(), problem(404, "bundle-unknown"));
}

#[tokio::test]
async fn nothing_is_served_without_a_departments_token() {
    let running = start(Limits::default()).await;
    let request = format!("/v1/requests/{ID}");
    let (offer, payloads) = (format!("{request}/offer"), format!("{request}/payloads"));
    let payload = format!("/v1/payloads/{PAYLOAD}");
    let bundle = format!("{request}/bundle");
    let routes = [
        (Method::POST, "/v1/requests"),
        (Method::GET, "/v1/requests"),
        (Method::GET, &request),
        (Method::GET, &offer),
        (Method::GET, &bundle),
        (Method::GET, "/v1/received"),
        (Method::POST, "/v1/enrolments"),
        (Method::POST, &payloads),
        (Method::GET, "/v1/payloads"),
        (Method::GET, &payload),
    ];
    for (method, target) in routes {
        let mut bare = local_request(method, target, ASK);
        bare.headers_mut().remove(AUTHORIZATION);
        let refused = running.send(bare).await;
        assert_eq!(refused.code(), problem(401, "token"), "{target}");
        assert_eq!(refused.headers[WWW_AUTHENTICATE], "Bearer");
    }
    for (wrong, challenge) in [
        ("Bearer tax-tokem", "Bearer error=\"invalid_token\""),
        ("Bearer tax-token ", "Bearer error=\"invalid_token\""),
        ("Bearer ", "Bearer"),
        ("Bearer", "Bearer"),
        ("tax-token", "Bearer"),
        ("Basic tax-token", "Bearer"),
    ] {
        let mut request = local_request(Method::GET, "/v1/received", "");
        // A trailing space would be trimmed from the header, so it is encoded as part of the token.
        let wrong = wrong.replace("token ", "token%20");
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_str(&wrong).unwrap());
        let refused = running.send(request).await;
        assert_eq!(refused.code(), problem(401, "token"), "{wrong}");
        assert_eq!(refused.headers[WWW_AUTHENTICATE], challenge, "{wrong}");
    }
    let mut twice = local_request(Method::GET, "/v1/received", "");
    twice.headers_mut().append(AUTHORIZATION, HeaderValue::from_static("Bearer tax-token"));
    assert_eq!(running.send(twice).await.code(), problem(401, "token"));
    assert_eq!(running.gateway.tax.log(), [""; 0]);
}

#[tokio::test]
async fn a_token_reaches_its_department_and_no_other() {
    let running = start(Limits::default()).await;
    let mut request = local_request(Method::POST, "/v1/requests", ASK);
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("bearer welfare-token"));
    assert_eq!(running.send(request).await.status, 201);
    assert_eq!(running.gateway.welfare.log().len(), 1);
    assert_eq!(running.gateway.tax.log().len(), 0);
}

#[test]
fn a_tokens_digest_is_its_own() {
    assert_ne!(token_digest("a"), token_digest("b"));
    assert_ne!(token_digest("a"), crypto::Digest::of(b"a"));
    let tokens = Tokens::new(vec![(token_digest("a"), std::sync::Arc::new(()))]);
    assert_eq!(format!("{tokens:?}"), "Tokens(1)");
}

#[tokio::test]
async fn a_malformed_question_is_refused_with_its_place() {
    let running = start(Limits::default()).await;
    let detail = async |body: &str| {
        let refused = running.local(Method::POST, "/v1/requests", body).await;
        assert_eq!(refused.code(), problem(400, "json"), "{body}");
        refused.problem().detail
    };
    let unknown = ASK.replace("\"query\"", "\"kuery\"");
    assert!(detail(&unknown).await.starts_with("line 2, column 11: unknown field `kuery`"));
    let basis = ASK.replace("\"consent\"", "\"consent\",\"key_card\":1");
    assert!(detail(&basis).await.contains("unknown field `key_card`"));
    let both = ASK.replace("\"query\"", "\"pseudonymous\":true,\"query\"");
    assert_eq!(detail(&both).await, "expected either `subject` or `pseudonymous`: true");
    let neither = ASK.replace(",\"subject\":\"199001011234\"", "");
    assert_eq!(detail(&neither).await, "expected either `subject` or `pseudonymous`: true");
    assert_eq!(detail("{").await, "line 1, column 1: EOF while parsing an object");
    assert_eq!(detail(" ").await, "line 1, column 1: EOF while parsing a value");

    let mut typed = local_request(Method::POST, "/v1/requests", ASK);
    typed.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    assert_eq!(running.send(typed).await.code(), problem(415, "content-type"));
    let path = running.local(Method::GET, "/v1/requests/ABC", "").await;
    assert_eq!(path.code(), problem(400, "path"));
    assert!(path.problem().detail.contains("expected 64 lower-case hexadecimal digits"));
    assert_eq!(running.gateway.tax.log(), [""; 0]);
}

#[tokio::test]
async fn what_the_department_refuses_is_told() {
    let running = start(Limits::default()).await;
    let ask = ASK.replace("housing", "forbidden");
    let refused = running.local(Method::POST, "/v1/requests", &ask).await;
    assert_eq!(refused.code(), problem(403, "policy-purpose"));
    assert_eq!(refused.problem().detail, "not for this purpose");
}

#[test]
fn a_question_reads_as_it_is_written() {
    let identified: Ask = serde_json::from_str(ASK).unwrap();
    let text = ASK.replace("\"subject\":\"199001011234\"", "\"pseudonymous\":true");
    let pseudonymous: Ask = serde_json::from_str(&text).unwrap();
    assert_eq!(pseudonymous.about, About::Whoever);
    assert_eq!(identified.about, About::Subject(super::SubjectText("199001011234".to_owned())));
    assert!(!format!("{identified:?}").contains("199001011234"));
    for ask in [identified, pseudonymous] {
        let text = serde_json::to_string(&ask).unwrap();
        assert_eq!(serde_json::from_str::<Ask>(&text).unwrap(), ask);
    }
}

#[tokio::test]
async fn payloads_stream_in_and_out() {
    // A payload is longer than any body that is read as a whole.
    let limits = Limits { body_bytes: 100, payload_bytes: 300_000, ..Limits::default() };
    let running = start(limits).await;
    let upload = |length: usize| {
        let target = format!("/v1/requests/{ID}/payloads?name=a%20b.pdf");
        let mut request = local_request(Method::POST, &target, "");
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OCTETS));
        request.map(|_| Bytes::from(vec![7; length]))
    };
    let sent = running.send(upload(300_000)).await;
    assert_eq!(sent.status, 201);
    let commitment = crypto::Digest::of(&vec![7; 300_000]);
    let expected = json!(
        { "id": PAYLOAD, "request": ID, "recipient": "welfare", "name": "a b.pdf", "bytes": 300_000, "commitment": commitment, "sent_entry": ID,
          "delivery": "delivered" }
    );
    assert_eq!(sent.json(), expected);
    assert_eq!(running.gateway.tax.log(), [format!("payload a b.pdf of {ID}")]);
    assert_eq!(running.send(upload(300_001)).await.code(), problem(413, "body-too-large"));

    let mut typed = upload(1);
    typed.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    assert_eq!(running.send(typed).await.code(), problem(415, "content-type"));

    let download = running.local(Method::GET, &format!("/v1/payloads/{PAYLOAD}"), "").await;
    assert_eq!(download.status, 200);
    assert_eq!(download.headers[CONTENT_TYPE], OCTETS);
    let chunks = (0..DOWNLOAD_CHUNKS).flat_map(|chunk| vec![chunk; CHUNK]);
    assert_eq!(download.headers[CONTENT_LENGTH], download.body.len().to_string());
    assert_eq!(download.body, chunks.collect::<Vec<u8>>());
    let unknown = running.local(Method::GET, &format!("/v1/payloads/{}", "0".repeat(32)), "").await;
    assert_eq!(unknown.code(), problem(404, "payload-unknown"));
    let path = running.local(Method::GET, "/v1/payloads/0", "").await;
    assert_eq!(path.code(), problem(400, "path"));
}

#[tokio::test]
async fn a_payload_that_stands_still_is_cut_off_and_one_that_moves_is_not() {
    use tokio::io::AsyncWriteExt as _;
    let short = Duration::from_millis(50);
    // No other time limit counts for a payload.
    let limits = Limits {
        stall_time: Duration::from_secs(30),
        request_time: Duration::ZERO,
        body_time: Duration::ZERO,
        ..Limits::default()
    };
    let head = format!(
        "POST /v1/requests/{ID}/payloads?name=a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer tax-token\r\n\
         Content-Type: {OCTETS}\r\nConnection: close\r\nContent-Length: 2\r\n\r\na"
    );
    let running = start(limits.clone()).await;
    let mut stream = running.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(b"b").await.unwrap();
    assert_eq!(crate::http::fixture::read(&mut stream).await.status, 201);

    let running = start(Limits { stall_time: short, ..limits }).await;
    assert_eq!(running.raw(&head).await.code(), problem(408, "request-timeout"));
    assert_eq!(running.gateway.tax.log(), [""; 0]);
}
