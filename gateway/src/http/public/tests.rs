use std::sync::atomic::Ordering;

use ::http::Request;
use ::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use hyper::body::Bytes;
use serde_json::json;

use super::{FOREVER, FRESH, OCTETS, TEXT};
use crate::http::body::JSON;
use crate::http::fixture::{Answer, BROKEN, ID, Running, problem, start};
use crate::http::limits::Limits;

async fn get(running: &Running, target: &str) -> Answer {
    running.send(Request::get(target).body(Bytes::new()).unwrap()).await
}

#[tokio::test]
async fn everybody_is_told_the_same() {
    let running = start(Limits::default()).await;
    let tip = json!({ "height": 7, "block": ID, "entries": 9, "log_root": ID }).to_string();
    let receipt = json!({ "entry": ID }).to_string();
    let (receipts, documents) = (format!("/v1/chain/receipts/{ID}"), format!("/v1/documents/{ID}"));
    let ready =
        r#"{"ready":true,"checks":[{"name":"prove","ok":true},{"name":"append","ok":true}]}"#;
    let expected: [(&str, &str, &str, &[u8]); 11] = [
        ("/livez", TEXT, "no-store", b"live\n"),
        ("/readyz", JSON, "no-store", ready.as_bytes()),
        ("/checkpoint", TEXT, FRESH, b"origin\n1\nroot\n"),
        ("/genesis.json", JSON, FRESH, b"{\"genesis\":1}"),
        ("/v1/circuits", JSON, FRESH, b"[]"),
        ("/v1/services", JSON, FRESH, b"[]"),
        ("/v1/departments", JSON, FRESH, b"[{\"id\":\"tax\"}]"),
        ("/v1/chain/tip", JSON, FRESH, tip.as_bytes()),
        ("/v1/chain/blocks/7", OCTETS, FOREVER, b"\x00block"),
        (&receipts, JSON, FRESH, receipt.as_bytes()),
        (&documents, JSON, FOREVER, b"{\"a\":1}"),
    ];
    for (target, content_type, kept, body) in expected {
        let answer = get(&running, target).await;
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.headers[CONTENT_TYPE], content_type, "{target}");
        assert_eq!(answer.headers[CACHE_CONTROL], kept, "{target}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        if content_type == JSON {
            let expected: serde_json::Value = serde_json::from_slice(body).unwrap();
            assert_eq!(answer.json(), expected, "{target}");
        } else {
            assert_eq!(answer.body, body, "{target}");
        }
    }
}

#[tokio::test]
async fn a_gateway_that_is_not_ready_says_what_fails_and_when_to_come_back() {
    let running = start(Limits::default()).await;
    running.gateway.notices.0.store(true, Ordering::Relaxed);
    let answer = get(&running, "/readyz").await;
    assert_eq!(answer.code(), problem(503, "not-ready"));
    assert_eq!(answer.problem().detail, "prove: ok, append: failed");
    assert_eq!(answer.headers[RETRY_AFTER], "5");
    assert_eq!(get(&running, "/livez").await.status, 200);
    running.gateway.notices.0.store(false, Ordering::Relaxed);
    assert_eq!(get(&running, "/readyz").await.status, 200);
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_that_nobody_keeps() {
    let running = start(Limits::default()).await;
    for (target, status, code) in [
        ("/v1/chain/blocks/8".to_owned(), 404, "block-unknown"),
        ("/v1/chain/blocks/-1".to_owned(), 400, "path"),
        (format!("/v1/chain/receipts/{BROKEN}"), 404, "entry-unknown"),
        (format!("/v1/documents/{BROKEN}"), 404, "document-unknown"),
        ("/v1/documents/ABC".to_owned(), 400, "path"),
    ] {
        let answer = get(&running, &target).await;
        assert_eq!(answer.code(), problem(status, code), "{target}");
        assert_eq!(answer.headers[CACHE_CONTROL], "no-store");
    }
}

#[tokio::test]
async fn a_wrong_path_is_told_what_was_expected_and_not_what_it_said() {
    let running = start(Limits::default()).await;
    for (target, expected) in [
        ("/v1/chain/blocks/194891460900x", "expected u64"),
        ("/v1/chain/blocks/-194891460900", "expected u64"),
        ("/v1/documents/194891460900", "expected 64 lower-case hexadecimal digits"),
        ("/v1/documents/194891460900%ff", "digest: expected UTF-8"),
    ] {
        let answer = get(&running, target).await;
        assert_eq!(answer.code(), problem(400, "path"), "{target}");
        assert_eq!(answer.problem().detail, expected, "{target}");
    }
}
