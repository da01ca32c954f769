//! Systems of a department: without its token, with another one's, and with malformed questions.

use std::time::Duration;

use gateway::http::ClientLimits;
use gateway::http::local_client::LocalClient;
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, header};

use crate::world::{World, ask, ask_anybody, document, refused};

fn token(world: &World, department: &str) -> String {
    let path = world.network.folder().join(department).join("local.token");
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

fn posting(world: &World, target: &str, body: impl Into<Bytes>) -> Request<Bytes> {
    Request::post(world.url(target))
        .header(header::AUTHORIZATION, format!("Bearer {}", token(world, "welfare")))
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.into())
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_local_is_done_without_a_token() {
    let world = World::get().await;
    let digest = "11".repeat(32);
    let id = "22".repeat(16);
    let places = [
        (Method::POST, "/v1/requests".to_owned()),
        (Method::GET, format!("/v1/requests/{digest}")),
        (Method::GET, format!("/v1/requests/{digest}/offer")),
        (Method::POST, format!("/v1/requests/{digest}/payloads?name=a")),
        (Method::GET, "/v1/received".to_owned()),
        (Method::POST, "/v1/enrolments".to_owned()),
        (Method::GET, "/v1/payloads".to_owned()),
        (Method::GET, format!("/v1/payloads/{id}")),
    ];
    let good = token(world, "welfare");
    for (method, target) in &places {
        let request = |authorization: Option<String>| {
            let request = Request::builder().method(method).uri(world.url(target));
            let request = match authorization {
                Some(value) => request.header(header::AUTHORIZATION, value),
                None => request,
            };
            request.body(Bytes::new()).unwrap()
        };
        let bad = [
            (None, "Bearer"),
            (Some(format!("Basic {good}")), "Bearer"),
            (Some(format!("Bearer {}", "a".repeat(257))), "Bearer"),
            (Some("Bearer 0".to_owned()), "Bearer error=\"invalid_token\""),
            (Some(format!("Bearer {good}0")), "Bearer error=\"invalid_token\""),
            (Some(format!("Bearer {}", good.to_uppercase())), "Bearer error=\"invalid_token\""),
        ];
        for (authorization, challenge) in bad {
            let response = world.send(request(authorization)).await;
            assert_eq!(crate::world::problem(&response), refused(401, "token"), "{target}");
            assert_eq!(response.headers()[header::WWW_AUTHENTICATE], challenge, "{target}");
        }
        let known = world.send(request(Some(format!("Bearer {good}")))).await;
        assert_ne!(known.status(), StatusCode::UNAUTHORIZED, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_its_own_departments_questions_offers_and_payloads() {
    let world = World::get().await;
    let citizen = world.citizen(0);
    let (welfare, tax) = (world.network.system("welfare"), world.network.system("tax"));
    let request = world.answered(citizen).await;
    let offered = welfare.ask(&ask_anybody(), None).await.unwrap();
    let document = Bytes::from_static(b"a decision");
    let sent = tax.send_payload(&request, "decision.txt", document.clone()).await.unwrap();

    let thief = world.network.system("social-security");
    assert_eq!(
        world.local(thief.asked(&request, Duration::ZERO).await),
        refused(404, "request-unknown")
    );
    assert_eq!(world.local(thief.offer(&offered.request).await), refused(404, "offer-unknown"));
    assert_eq!(world.local(thief.payload(&sent.id).await), refused(404, "payload-unknown"));
    let told = thief.send_payload(&request, "forged.txt", document).await;
    assert_eq!(world.local(told), refused(409, "payload-unanswered"));
    assert!(thief.payloads().await.unwrap().iter().all(|it| it.id != sent.id));
    assert!(thief.received().await.unwrap().iter().all(|it| it.request != request));
    // Neither does the sender's own token open what it sent, nor the issuer's a question it was asked.
    assert_eq!(world.local(tax.payload(&sent.id).await), refused(404, "payload-unknown"));
    assert_eq!(
        world.local(tax.asked(&request, Duration::ZERO).await),
        refused(404, "request-unknown")
    );

    welfare.asked(&request, Duration::ZERO).await.unwrap();
    welfare.offer(&offered.request).await.unwrap();
    welfare.payload(&sent.id).await.unwrap();
    assert!(tax.received().await.unwrap().iter().any(|it| it.request == request));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_question_is_refused_with_the_place_of_its_fault() {
    let world = World::get().await;
    let good = serde_json::to_string_pretty(&ask(&world.citizen(0).subject, 2_000_000)).unwrap();
    let line = |part: &str| {
        let before = good.split(part).next().unwrap();
        before.matches('\n').count() + 1
    };
    let replaced = |from: &str, to: &str| {
        assert!(good.contains(from), "{good}");
        (good.replacen(from, to, 1), line(from))
    };
    let last = good.lines().count();
    let faults = [
        (replaced("\"purpose\": \"benefit-eligibility\"", "\"purpose\": 7"), "expected a string"),
        (replaced("\"purpose\"", "\"purposes\""), "unknown field `purposes`"),
        (replaced("\"expires_in\": 600", "\"expires_in\": \"long\""), "expected u64"),
        (replaced("\"expires_in\": 600", "\"expires_in\": -1"), "expected u64"),
        (replaced("\"expires_in\": 600", "\"expires_in\": 1.5"), "expected u64"),
        (replaced("\"kind\": \"consent\"", "\"kind\": \"whim\""), "unknown variant `whim`"),
        (
            replaced("\"dataset\": \"tax\",", "\"dataset\": \"tax\", \"dataset\": \"tax\","),
            "duplicate field `dataset`",
        ),
        (replaced("\"dataset\": \"tax\",", "\"dataset\" \"tax\","), "expected `:`"),
        (replaced("\"dataset\": \"tax\",", ""), "missing field `dataset`"),
        ((good[..good.len() - 1].to_owned(), last), "EOF while parsing"),
        ((format!("{good} {good}"), last), "trailing characters"),
        ((String::new(), 1), "EOF while parsing"),
    ];
    for ((body, line), expected) in faults {
        let response = world.send(posting(world, "/v1/requests", body.clone())).await;
        assert_eq!(crate::world::problem(&response), refused(400, "json"), "{body}");
        let detail = document(&response).detail;
        let place = detail.strip_prefix("line ").and_then(|rest| rest.split_once(", column "));
        let (found, _) = place.unwrap_or_else(|| panic!("{detail}"));
        assert!(detail.contains(expected), "{detail}");
        // Whatever is only missed at the end, or found in a tagged part, is told at the end of that.
        if !expected.starts_with("missing") && !expected.starts_with("unknown variant") {
            assert_eq!(found, line.to_string(), "{detail}");
        }
    }
    let mut text = posting(world, "/v1/requests", good.clone());
    text.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain"));
    assert_eq!(world.refusal(text).await, refused(415, "content-type"));
    let mut keyed = posting(world, "/v1/requests", good.clone());
    keyed.headers_mut().insert("idempotency-key", header::HeaderValue::from_static("two words"));
    assert_eq!(world.refusal(keyed).await, refused(400, "header"));
    let both = good.replacen('{', "{\"pseudonymous\": true,", 1);
    let response = world.send(posting(world, "/v1/requests", both)).await;
    assert_eq!(crate::world::problem(&response), refused(400, "json"));
    assert!(document(&response).detail.contains("either `subject` or `pseudonymous`"));
    let deep = good.replacen("2000000", &"[".repeat(100_000), 1);
    assert_eq!(world.refusal(posting(world, "/v1/requests", deep)).await, refused(400, "json"));

    let taken = world.send(posting(world, "/v1/requests", good)).await;
    assert_eq!(taken.status(), StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_told_apart_from_a_department_that_is_not_there() {
    let world = World::get().await;
    let wrong = "00".repeat(32).into();
    let client = LocalClient::new(world.network.base.clone(), wrong, ClientLimits::default());
    assert_eq!(world.local(client.received().await), refused(401, "token"));
    world.network.system("welfare").received().await.unwrap();
}
