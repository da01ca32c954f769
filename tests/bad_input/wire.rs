//! What is sent to a running gateway and is wrong: each gets a problem document with its own code, nothing
//! of it is recorded, and what is right is taken afterwards.

use ::gateway::http::peer::PeerCall;
use crypto::canonical;
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::parties::{POOR, Parties, now, send, told};
use crate::sending::{Sent, consent, send_row, slow};

const MIB: usize = 1 << 20;

/// What is wrong, and what it is answered with: status, code, and words of the detail.
type Row = (&'static str, Sent, u16, &'static str, &'static str);

/// Ten claims, where a query has room for eight.
fn many(ask: &mut Value) {
    let claim = ask["query"][0].clone();
    ask["query"] = Value::Array(vec![claim; 10]);
}

fn predicate(ask: &mut Value, path: &str, predicate: Value) {
    ask["query"] = json!([{"path": [path], "predicate": predicate}]);
}

/// The order of the field in which points have their coordinates, little-endian: the least number that is no
/// element, so that its spelling is another one of 0.
const BASE_FIELD_ORDER: &str = "47fd7cd8168c203c8dca7168916a81975d588181b64550b829a031e1724e6430";
/// The same of the field that is the base field of consent keys.
const SCALAR_FIELD_ORDER: &str = "010000f093f5e1439170b97948e833285d588181b64550b829a031e1724e6430";

fn element(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}

const ROWS: &[Row] = &[
    ("malformed JSON", Sent::Text(|text| text[1..].to_owned()), 400, "json", "line 1"),
    ("JSON that goes on", Sent::Text(|text| format!("{text}{text}")), 400, "json", "trailing"),
    ("an unknown field", Sent::Ask(|ask| ask["colour"] = json!("red")), 400, "json", "`colour`"),
    ("a wrong type", Sent::Ask(|ask| ask["purpose"] = json!(7)), 400, "json", "expected a string"),
    ("too many clauses", Sent::Ask(many), 422, "request-query", "at most 8 clauses"),
    (
        "an operator that the type has no order for",
        Sent::Ask(|ask| predicate(ask, "filing_role", json!({"$lt": "sole"}))),
        422,
        "request-query",
        "values of type enum are not ordered",
    ),
    (
        "a field that the schema does not have",
        Sent::Ask(|ask| predicate(ask, "salary", json!({"$lt": 1}))),
        422,
        "request-query",
        "no field \"salary\"",
    ),
    (
        "a threshold out of range",
        Sent::Ask(|ask| {
            predicate(ask, "total_wages_cents", json!({"$lt": 100_000_000_000_000_000_000_f64}))
        }),
        422,
        "request-query",
        "",
    ),
    (
        "an unknown dataset",
        Sent::Ask(|ask| ask["dataset"] = json!("cars")),
        404,
        "dataset-unknown",
        "cars",
    ),
    (
        "an unknown department",
        Sent::Ask(|ask| ask["issuer"] = json!("navy")),
        404,
        "department-unknown",
        "navy",
    ),
    (
        "a purpose that is not permitted",
        Sent::Ask(|ask| ask["purpose"] = json!("revenge")),
        403,
        "policy-purpose",
        "",
    ),
    (
        "a citizen number that nobody can have",
        Sent::Ask(|ask| ask["subject"] = json!("101061001313")),
        422,
        "subject",
        "",
    ),
    ("an oversized body", Sent::Text(|_| " ".repeat(MIB + 1)), 413, "body-too-large", ""),
    (
        "an unknown schema",
        Sent::Question(|it| it["request"]["schema"] = json!("55".repeat(32))),
        422,
        "request-schema",
        "",
    ),
    (
        "an unknown service",
        Sent::Question(|it| it["request"]["service"] = json!("44".repeat(32))),
        409,
        "request-service",
        "",
    ),
    (
        "an expired request",
        Sent::Question(|it| {
            it["request"]["created"] = json!(now() - 1_000);
            it["request"]["expires"] = json!(now() - 500);
        }),
        410,
        "request-time",
        "",
    ),
    (
        "a future request",
        Sent::Question(|it| {
            it["request"]["created"] = json!(now() + 3_600);
            it["request"]["expires"] = json!(now() + 7_200);
        }),
        410,
        "request-time",
        "",
    ),
    (
        "a question that was not recorded",
        Sent::Question(|it| it["request"]["nonce"] = json!("5a".repeat(16))),
        422,
        "request-entry",
        "",
    ),
    (
        "bytes after a sealed message",
        Sent::Plaintext(|mut text| {
            text.push(b' ');
            text
        }),
        422,
        "message-malformed",
        "",
    ),
    (
        "a sealed message that was cut",
        Sent::Sealed(|mut sealed| {
            sealed.truncate(20);
            sealed
        }),
        422,
        "envelope-truncated",
        "",
    ),
    (
        "bytes after a seal",
        Sent::Sealed(|mut sealed| {
            sealed.push(0);
            sealed
        }),
        422,
        "envelope-authentication",
        "",
    ),
    ("a signature that is too old", Sent::SignedAt(-400), 401, "signature-stale", ""),
    ("a signature from the future", Sent::SignedAt(400), 401, "signature-future", ""),
    (
        "a bad signature",
        Sent::Message(|message| {
            let text = message.headers()["signature"].to_str().unwrap().to_owned();
            let (head, tail) = text.split_at(text.len() - 10);
            let bent = if tail.starts_with('A') { "B" } else { "A" };
            let bent = format!("{head}{bent}{}", &tail[1..]);
            message.headers_mut().insert("signature", bent.parse().unwrap());
        }),
        401,
        "signature-invalid",
        "",
    ),
    (
        "a missing digest",
        Sent::Message(|message| {
            message.headers_mut().remove("content-digest");
        }),
        401,
        "signature-header-missing",
        "content-digest",
    ),
    (
        "a changed body",
        Sent::Message(|message| *message.body_mut() = Bytes::from_static(b"{}")),
        400,
        "content-digest-mismatch",
        "",
    ),
    (
        "a point that is not on its curve",
        Sent::Consent(|it| it[0] ^= 1),
        422,
        "consent-signature",
        "",
    ),
    (
        "a non-canonical point",
        Sent::Consent(|it| it[..32].copy_from_slice(&element(SCALAR_FIELD_ORDER))),
        422,
        "consent-signature",
        "",
    ),
    (
        "a non-canonical scalar",
        Sent::Consent(|it| it[64..].fill(0xff)),
        422,
        "consent-signature",
        "",
    ),
    ("a proof of no bytes", Sent::Proof(String::new), 422, "proof-encoding", ""),
    ("a proof with bytes after it", Sent::Proof(|| "00".repeat(129)), 422, "proof-encoding", ""),
    (
        "a proof with a non-canonical point",
        Sent::Proof(|| format!("{BASE_FIELD_ORDER}{}", "00".repeat(96))),
        422,
        "proof-encoding",
        "",
    ),
    (
        "a proof of points at infinity",
        Sent::Proof(|| {
            let first = format!("{}40", "00".repeat(31));
            format!("{first}{}40{first}", "00".repeat(63))
        }),
        422,
        "proof-invalid",
        "",
    ),
    (
        "a payload without its last part",
        Sent::Parts(|parts| drop(parts.pop())),
        409,
        "payload-part-missing",
        "part 2",
    ),
    (
        "a truncated payload",
        Sent::Parts(|parts| {
            let cut = parts[2].len() - 1;
            parts[2].truncate(cut);
        }),
        422,
        "payload-truncated",
        "",
    ),
    (
        "a re-ordered payload",
        Sent::Parts(|parts| parts.swap(1, 2)),
        422,
        "payload-authentication",
        "",
    ),
    (
        "bytes after a payload",
        Sent::Parts(|parts| parts[2].push(0)),
        422,
        "payload-authentication",
        "",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_on_the_wire_has_its_own_answer_and_changes_nothing() {
    let mut parties = Parties::meet().await;
    let mut height = parties.height().await;
    let mut surprises = Vec::new();
    for (fault, sent, status, code, words) in ROWS {
        let told = send_row(&parties, sent).await;
        let named = told.detail.contains(words) && !told.detail.contains(POOR);
        if (told.status, told.code.as_str()) != (*status, *code) || !named {
            surprises.push(format!("{fault}: {told:?}"));
        }
        // That a department asked for what another one does not permit is on record.
        let recorded = u64::from(code.starts_with("policy-"));
        if parties.height().await != height + recorded {
            surprises.push(format!("{fault}: something else was recorded"));
        }
        height = parties.height().await;
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
    slow(&parties);

    // A message that is taken is taken once, also by a gateway that was started again.
    let plaintext = canonical::to_vec(&parties.question).unwrap();
    let message =
        parties.message("welfare", &PeerCall::Request, parties.sealed_question(&plaintext));
    let message = parties.signed("welfare", message, now());
    let taken = send(message.clone()).await;
    assert!(taken.status().is_success(), "{taken:?}");
    assert_eq!(told(&send(message.clone()).await).code, "signature-replayed");
    let log = parties.restart_tax();
    assert_eq!(told(&send(message).await).code, "signature-replayed");
    assert_eq!(parties.height().await, height);

    // What is right is taken.
    let consented = consent(&parties, |_| ()).await;
    assert_eq!(consented.status, 200, "{consented:?}");
    let ask = parties.local("welfare", "/v1/requests", Parties::ask().to_string());
    assert_eq!(send(ask).await.status(), 201);
    let Parties { tax, welfare, .. } = parties;
    for log in [log, tax.stop().1, welfare.stop().1] {
        assert!(!log.contains("panicked") && !log.contains(POOR), "{log}");
    }
}
