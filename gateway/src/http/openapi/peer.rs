//! The peer surface.

use serde_json::json;

use super::operation::Operation;
use super::schemas::bytes;
use crate::http::body::OCTETS;
use crate::http::peer::SEALED;

const SURFACE: &str = "peer";
const OPENING: &[&str] = &[
    "envelope-truncated",
    "envelope-header",
    "envelope-message",
    "envelope-network",
    "envelope-sender",
    "envelope-recipient",
    "envelope-recipient-key",
    "envelope-request",
    "envelope-other-request",
    "envelope-payload",
    "envelope-encapsulated-key",
    "envelope-authentication",
    "envelope-padding",
    "message-malformed",
];
const PART_PATH: &str = "/v1/peer/{department}/payloads/{request}/{payload}/parts/{number}";
const PARTS_PATH: &str = "/v1/peer/{department}/payloads/{request}/{payload}/parts";
const COMPLETE_PATH: &str = "/v1/peer/{department}/payloads/{request}/{payload}/complete";

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post(SURFACE, "/v1/peer/{department}/requests", "Ask a question")
            .about("Policy and budget refuse at once and in the open; everything else is silence.")
            .within_limits()
            .reads_bytes(SEALED, "The request document, sealed.")
            .answers_named(202, "Taken; and how many more would be.", "Taken", json!({ "places": 3 }))
            .refuses(OPENING)
            .refuses(&[
                "request",
                "request-version",
                "request-schema",
                "request-query",
                "request-query-spelling",
                "request-addressee",
                "request-entry",
                "request-time",
                "request-sender",
                "request-service",
                "service-replaced",
                "entry-unknown",
                "policy-requester",
                "policy-purpose",
                "policy-legal-basis",
                "policy-circuit",
                "policy-condition",
                "policy-as-of",
                "budget-requester",
                "prover-full",
            ]),
        Operation::post(SURFACE, "/v1/peer/{department}/answers", "Answer a question")
            .within_limits()
            .reads_bytes(SEALED, "The answer, sealed and padded.")
            .answers_empty(204, "Verified; or known already.")
            .refuses(OPENING)
            .refuses(&[
                "request-unknown",
                "answer-encoding",
                "answer-version",
                "answer-other-request",
                "answer-expired",
                "answer-replayed",
                "key-unknown",
                "key-unapproved",
                "key-other-circuit",
                "key-development",
                "key-single-party",
                "key-ceremony",
                "key-unsound",
                "records-other-dataset",
                "records-stale",
                "records-unknown",
                "evidence-kind",
                "evidence-malformed",
                "evidence-path",
                "consent-missing",
                "consent-unasked",
                "consent-signature",
                "proof-encoding",
                "proof-invalid",
                "proof-entry",
                "proof-record",
                "proof-unknown",
                "receipt-missing",
                "prover-full",
            ]),
        Operation::post(SURFACE, "/v1/peer/{department}/key-cards", "Ask a registrar for a key card")
            .within_limits()
            .reads_bytes(SEALED, "The subject, sealed.")
            .answers_bytes(200, "The signed key card, sealed; or that there is none, which looks the same.", SEALED, bytes())
            .refuses(OPENING)
            .refuses(&["not-a-registrar"]),
        Operation::put(SURFACE, PART_PATH, "Send a part of a payload")
            .about("Parts of at most 4 MiB of one sealed stream, each its own signed request. Sending a part again does no harm.")
            .within_limits()
            .reads_bytes(OCTETS, "The part.")
            .answers_empty(204, "Kept.")
            .refuses(&[
                "request-unknown",
                "not-a-party",
                "payload-unanswered",
                "payload-part-number",
                "payload-part-size",
                "payload-part-missing",
                "payload-part-conflict",
                "payload-too-many",
                "payload-no-room",
                "payload-too-long",
            ]),
        Operation::get(SURFACE, PARTS_PATH, "Ask which parts of a payload are there")
            .about("So that a broken transfer is taken up where it broke off.")
            .within_limits()
            .answers_named(200, "The parts that need not be sent.", "PartSet", json!("ff01"))
            .refuses(&["request-unknown", "not-a-party", "payload-unanswered"]),
        Operation::post(SURFACE, COMPLETE_PATH, "Complete a payload")
            .about("After its last part. The payload counts only when all of it has been opened and its commitment is on the chain.")
            .within_limits()
            .reads_bytes(SEALED, "The manifest, sealed.")
            .answers_named(200, "Complete.", "Completion", json!({ "state": "complete" }))
            .answers_named(202, "Being checked: say it again later.", "Completion", json!({ "state": "checking" }))
            .refuses(OPENING)
            .refuses(&[
                "request-unknown",
                "payload-unknown",
                "payload-part-missing",
                "payload-manifest-version",
                "payload-manifest-length",
                "payload-manifest-conflict",
                "payload-entry",
                "payload-length",
                "payload-commitment",
                "payload-authentication",
                "payload-truncated",
            ]),
    ]
}
