mod sources;

use std::collections::BTreeSet;

use super::document::{MAX_CODE, MAX_DETAIL};
use super::table::TABLE;
use super::*;
use crate::store::StoreError;

fn codes() -> impl Iterator<Item = &'static str> {
    TABLE.iter().flat_map(|row| row.codes.iter().copied())
}

#[test]
fn a_code_has_one_row_and_is_a_slug() {
    assert_eq!(codes().collect::<BTreeSet<_>>().len(), codes().count());
    for code in codes() {
        assert!(code.len() <= MAX_CODE);
        assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{code}");
    }
}

#[test]
fn a_code_that_is_not_in_the_table_tells_nothing() {
    let problem = Problem::new("no-such-code", "secret");
    assert_eq!(problem, Problem::hidden());
    assert!(!problem.detail().contains("secret"));
}

#[test]
fn a_document_has_the_members_of_rfc_9457_and_the_code() {
    let response = Problem::new("prover-full", "the queue is full").to_response();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
    assert_eq!(response.headers()[RETRY_AFTER], "5");
    let document: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    let expected = serde_json::json!({
        "type": "urn:proofgate:problem:prover-full",
        "title": "Try again later",
        "status": 503,
        "detail": "the queue is full",
        "code": "prover-full",
    });
    assert_eq!(document, expected);
}

#[tokio::test]
async fn a_document_names_its_request() {
    let response = within("urn:uuid:1".to_owned(), async { Problem::hidden().to_response() });
    let document = ProblemDocument::read(response.await.body()).unwrap();
    assert_eq!(document.instance.as_deref(), Some("urn:uuid:1"));
}

#[test]
fn only_tries_that_could_help_are_invited() {
    for row in TABLE {
        let problem = Problem::new(row.codes[0], "");
        let invited = problem.to_response().headers().contains_key(RETRY_AFTER);
        assert_eq!(invited, row.status == StatusCode::SERVICE_UNAVAILABLE);
    }
    let later = Problem::new("overloaded", "").with_retry_after(60).to_response();
    assert_eq!(later.headers()[RETRY_AFTER], "60");
}

#[test]
fn errors_of_other_layers_have_their_status() {
    let status = |problem: Problem| problem.status().as_u16();
    assert_eq!(status(VerifyError::Signature.into()), 401);
    assert_eq!(status(VerifyError::BodyTooLarge { limit: 1 }.into()), 413);
    assert_eq!(status(VerifyError::BodyUnread.into()), 400);
    assert_eq!(status(VerifyError::Nonces(NonceError::Full).into()), 503);
    assert_eq!(status(VerifyError::Nonces(NonceError::Replayed).into()), 401);
    assert_eq!(status(VerifyError::Nonces(NonceError::Unavailable).into()), 503);
    assert_eq!(Problem::from(Internal::Store(StoreError::Stopped)).code(), "not-stored");
    assert_eq!(status(PayloadError::NotFound { number: 1 }.into()), 404);
    assert_eq!(status(PayloadError::Conflict { number: 1 }.into()), 409);
    assert_eq!(status(crypto::envelope::OpenError::Truncated.into()), 422);
    assert_eq!(status(crypto::envelope::stream::StreamError::TooLong.into()), 413);
}

#[test]
fn another_gateways_document_is_read_with_care() {
    let document = |code: &str, detail: &str| {
        let bytes = serde_json::to_vec(&serde_json::json!({
            "type": "about:blank", "title": "", "status": 400, "code": code, "detail": detail,
        }));
        ProblemDocument::read(&bytes.unwrap())
    };
    assert_eq!(document("policy-purpose", "a\u{1b}[31m\nb").unwrap().detail, "a[31mb");
    assert_eq!(document("x", &"é".repeat(2000)).unwrap().detail.chars().count(), MAX_DETAIL);
    assert_eq!(document("", "a"), None);
    assert_eq!(document("a b", "a"), None);
    assert_eq!(document(&"a".repeat(65), "a"), None);
    assert_eq!(ProblemDocument::read(b"<html>"), None);
}

#[test]
fn a_peers_code_is_told_on_only_if_it_is_about_the_question() {
    let told = |code: &str| {
        let issuer = "tax".parse().unwrap();
        let problem = Problem::from(AskError::Refused { issuer, code: code.to_owned() });
        (problem.status().as_u16(), problem.code())
    };
    assert_eq!(told("policy-purpose"), (403, "policy-purpose"));
    assert_eq!(told("budget-requester"), (429, "budget-requester"));
    for code in ["internal", "overloaded", "token", "signature-invalid", "no-such-code"] {
        assert_eq!(told(code), (502, "peer-refused"), "{code}");
    }
}

#[test]
fn what_finds_no_place_to_be_proved_may_come_back_soon() {
    let full = Problem::from(Internal::Prover(ProverError::Full));
    let issuer = Problem::from(AskError::IssuerFull { issuer: "tax".parse().unwrap() });
    for problem in [full, issuer] {
        let response = problem.to_response();
        assert_eq!((response.status().as_u16(), problem.code()), (503, "prover-full"));
        assert_eq!(response.headers()[RETRY_AFTER], "1");
    }
}
