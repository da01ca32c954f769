//! The local surface.

use serde_json::{Value as Json, json};

use super::operation::Operation;
use super::schemas::{DIGEST, ID, bytes};
use crate::http::body::{CSV, JSON_LINES, OCTETS};
use crate::http::local::datasets::{DatasetView, Imported};
use crate::http::local::operating::{Approval, Proposal, Published};
use crate::http::local::{
    AskFields, Asked, AskedQuestion, Enrolment, EnrolmentCode, PayloadReceived, PayloadSent,
    Received,
};

const SURFACE: &str = "local";

/// Refusals of whatever goes onto the chain.
const CHAIN: &[&str] =
    &["ledger-busy", "ledger-unknown", "ledger-closed", "ledger-not-the-validator"];

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post(SURFACE, "/v1/requests", "Ask an issuer")
            .about(
                "The gateway appends the request to the chain, seals it to the issuer and sends it. The answer comes later: ask for it at `Location`. \
                 About one citizen with `subject`, or about whoever takes the offer with `pseudonymous`.",
            )
            .within_limits()
            .header("Idempotency-Key")
            .reads::<AskFields>(ask())
            .answers::<Asked>(201, "Asked. `Location` is where to ask what became of it.", asked("sent"))
            .refuses(&[
                "request",
                "request-query",
                "request-purpose",
                "request-lifetime",
                "request-to-oneself",
                "subject",
                "dataset-unknown",
                "basis-unknown",
                "policy-requester",
                "policy-purpose",
                "policy-legal-basis",
                "policy-circuit",
                "policy-condition",
                "policy-as-of",
                "budget-requester",
                "circuit-unapproved",
                "key-card-missing",
                "idempotency-conflict",
                "peer-unreached",
                "peer-refused",
                "prover-full",
            ])
            .refuses(CHAIN),
        Operation::get(SURFACE, "/v1/requests", "The questions that were asked")
            .about("Whom they are about is not in the list.")
            .within_limits()
            .pages()
            .lists::<AskedQuestion>(
                200,
                "The questions.",
                json!([{
                    "request": DIGEST, "issuer": "tax", "purpose": "benefit-eligibility",
                    "created": 1_800_000_000, "expires": 1_800_000_600, "status": "verified",
                }]),
            ),
        Operation::get(SURFACE, "/v1/requests/{digest}", "What became of a question")
            .about(
                "`sent`, `verified`, `not-proven` or `rejected`. There is no negative answer: refused, unknown, unsatisfied and unanswered all become `not-proven` at the question's end.",
            )
            .within_limits()
            .query("wait")
            .answers::<Asked>(200, "How it stands.", asked("verified"))
            .refuses(&["request-unknown"]),
        Operation::get(SURFACE, "/v1/requests/{digest}/offer", "The offer of a pseudonymous question")
            .about("A signed document that the citizen's wallet takes to the issuer.")
            .within_limits()
            .answers_named(200, "The offer.", "Offer", json!({ "request": {}, "schema": {}, "entry": DIGEST, "signature": "00" }))
            .refuses(&["offer-unknown"]),
        Operation::get(SURFACE, "/v1/received", "The questions that others asked")
            .about("With the reason of each that ended in silence, which the requester is never told.")
            .within_limits()
            .pages()
            .lists::<Received>(
                200,
                "The questions.",
                json!([{ "request": DIGEST, "requester": "welfare", "state": "closed", "silence": "refused" }]),
            ),
        Operation::post(SURFACE, "/v1/enrolments", "Make a one-time enrolment code")
            .about("For registrars: the clerk has identified the citizen and hands the code over.")
            .within_limits()
            .reads::<Enrolment>(json!({ "subject": "101061001312" }))
            .answers::<EnrolmentCode>(201, "The code.", json!({ "code": "2f6a94c1d07be85312d9c4a07f36be18", "expires": 1_800_000_000 }))
            .refuses(&["subject", "not-a-registrar"]),
        Operation::get(SURFACE, "/v1/payloads", "The payloads that others sent")
            .within_limits()
            .pages()
            .lists::<PayloadReceived>(
                200,
                "The payloads; those with `complete` can be opened.",
                json!([{
                    "id": ID, "request": DIGEST, "sender": "tax",
                    "complete": { "name": "letter.pdf", "bytes": 48_213, "sha256": DIGEST, "sent_entry": DIGEST, "received_entry": DIGEST },
                }]),
            ),
        Operation::get(SURFACE, "/v1/payloads/{id}", "Open a payload")
            .about(
                "Streams the document as it is decrypted. A connection that ends before the announced length means that the payload is not whole; `Range` takes it up again.",
            )
            .within_limits()
            .optional_header("Range")
            .answers_bytes(200, "The document.", OCTETS, bytes())
            .answers_bytes(206, "The document from that byte on.", OCTETS, bytes())
            .refuses(&["payload-unknown", "payload-range"]),
        Operation::get(SURFACE, "/v1/sent-payloads", "The payloads that were sent")
            .within_limits()
            .pages()
            .lists::<PayloadSent>(200, "The payloads, and where each stands.", json!([sent()])),
        Operation::get(SURFACE, "/v1/sent-payloads/{id}", "Where a payload that was sent stands")
            .within_limits()
            .answers::<PayloadSent>(200, "The payload.", sent())
            .refuses(&["payload-unknown"]),
        Operation::get(SURFACE, "/v1/requests/{digest}/bundle", "The bundle of a verified answer")
            .about("One document with everything that the answer rests on, to be filed and verified offline with the genesis file.")
            .within_limits()
            .answers_named(200, "The bundle, in canonical JSON.", "Bundle", json!({}))
            .refuses(&["bundle-unknown"]),
        Operation::post(SURFACE, "/v1/requests/{digest}/payloads", "Send a payload under an answered question")
            .about("The document is sealed and sent while it is received. It may take as long as it moves.")
            .query("name")
            .reads_bytes(OCTETS, "The document.")
            .answers::<PayloadSent>(
                201,
                "The payload, and where it stands.",
                sent(),
            )
            .refuses(&[
                "overloaded",
                "request-unknown",
                "payload-unanswered",
                "payload-name",
                "payload-too-long",
                "payload-too-many",
                "not-a-party",
            ])
            .refuses(CHAIN),
        Operation::get(SURFACE, "/v1/datasets", "The department's datasets")
            .within_limits()
            .lists::<DatasetView>(
                200,
                "The datasets.",
                json!([{
                    "name": "income", "schema": {}, "schema_digest": DIGEST, "records": 1_000, "root": DIGEST,
                    "service_entry": DIGEST,
                }]),
            ),
        Operation::post(SURFACE, "/v1/datasets/{dataset}/records", "Import records")
            .about(
                "A CSV file with a header, or JSON Lines, streamed: adds records and updates those whose values changed. All rows or none, or with `skip_bad` the good ones. The new root goes on the chain. The file may take as long as it moves.",
            )
            .query("format")
            .query("skip_bad")
            .reads_bytes(CSV, "The file.")
            .also_reads_bytes(JSON_LINES)
            .answers::<Imported>(
                200,
                "What changed.",
                json!({
                    "added": 998, "updated": 1, "unchanged": 0,
                    "rejected": [{ "line": 7, "field": "birth_date", "reason": "expected a date" }],
                    "root": DIGEST, "records_entry": DIGEST,
                }),
            )
            .refuses(&[
                "overloaded",
                "dataset-unknown",
                "import-busy",
                "import-header",
                "import-line-too-long",
                "import-quote",
                "import-reject-limit",
                "import-rejected",
            ])
            .refuses(CHAIN),
        Operation::post(SURFACE, "/v1/services", "Publish a service document")
            .about("A dataset, its schema, and who may ask what. It replaces the dataset's earlier document.")
            .within_limits()
            .reads_named("Service", service())
            .answers::<Published>(201, "Its entry on the chain.", published())
            .refuses(&[
                "service-invalid",
                "service-issuer",
                "service-department",
                "service-schema",
                "replaced-not-current",
            ])
            .refuses(CHAIN),
        Operation::get(SURFACE, "/v1/proposals", "What departments approve")
            .within_limits()
            .lists::<Proposal>(
                200,
                "Departments, circuits and validator sets, the undecided first.",
                json!([{
                    "entry": DIGEST, "kind": "circuit", "author": "tax", "document": DIGEST,
                    "circuit": { "id": "identified/v1", "development": false },
                    "about": "identified/v1", "replaces": false, "approvals": ["tax"],
                    "approved": false,
                }]),
            ),
        Operation::post(SURFACE, "/v1/proposals/departments", "Put a department forward")
            .about("Appends the department's document, and this department's approval of it.")
            .within_limits()
            .reads_named(
                "Department",
                json!({
                    "id": "welfare", "name": "Welfare office", "url": "https://welfare.example",
                    "signing_key": "00", "hpke_key": "00", "roles": [],
                }),
            )
            .answers::<Published>(201, "Its entry on the chain.", published())
            .refuses(&["document-malformed", "replaced-not-current"])
            .refuses(CHAIN),
        Operation::post(SURFACE, "/v1/proposals/circuits", "Put the gateway's own proving keys forward")
            .about("Appends a circuit document for each key, and this department's approval of it.")
            .within_limits()
            .lists::<Published>(201, "Their entries on the chain.", json!([published()]))
            .refuses(&["circuit-invalid", "circuit-constraints", "circuit-development", "circuit-not-imported", "circuit-unreadable"])
            .refuses(CHAIN),
        Operation::post(SURFACE, "/v1/proposals/ceremonies", "Put the gateway's own keys of a ceremony forward")
            .about("As for `/v1/proposals/circuits`, without development keys.")
            .within_limits()
            .lists::<Published>(201, "Their entries on the chain.", json!([published()]))
            .refuses(&["circuit-invalid", "circuit-constraints", "circuit-development", "circuit-not-imported", "circuit-unreadable"])
            .refuses(CHAIN),
        Operation::post(SURFACE, "/v1/approvals", "Approve an entry")
            .about("A circuit document is approved only if this gateway's own build has the same constraints, and the key of a ceremony only if this gateway has imported it.")
            .within_limits()
            .reads::<Approval>(json!({ "entry": DIGEST }))
            .answers::<Published>(201, "The approval's entry on the chain.", published())
            .refuses(&["approved-unknown", "circuit-invalid", "circuit-constraints", "circuit-development", "circuit-not-imported", "circuit-unreadable"])
            .refuses(CHAIN),
    ]
}

fn sent() -> Json {
    json!({
        "id": ID, "request": DIGEST, "recipient": "welfare", "name": "letter.pdf", "bytes": 48_213,
        "commitment": DIGEST, "sent_entry": DIGEST, "delivery": "delivered",
    })
}

fn published() -> Json {
    json!({ "entry": DIGEST })
}

fn ask() -> Json {
    json!({
        "issuer": "tax",
        "dataset": "income",
        "subject": "101061001312",
        "query": [{ "path": ["income"], "predicate": { "$lt": 2_000_000 } }],
        "purpose": "housing-benefit",
        "legal_basis": { "kind": "consent" },
        "as_of": "2026-11-22",
        "expires_in": 86_400,
    })
}

fn asked(status: &str) -> Json {
    let mut asked = json!({
        "request": DIGEST,
        "nonce": ID,
        "entry": DIGEST,
        "status": status,
        "notes": [],
        "receipts": [],
    });
    if status == "verified" {
        asked["subject_tag"] = json!(DIGEST);
        asked["notes"] = json!(["development-key"]);
        asked["receipts"] = json!([DIGEST]);
    }
    asked
}

fn service() -> Json {
    json!({
        "version": 1,
        "issuer": "tax",
        "dataset": "income",
        "title": "Taxed income",
        "schema": {},
        "registrar": "civil-registry",
        "as_of": { "kind": "issuer-date" },
        "rules": [],
        "budget": {},
    })
}
