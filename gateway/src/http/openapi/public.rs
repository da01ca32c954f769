//! The public surface.

use serde_json::json;

use super::operation::Operation;
use super::schemas::{DIGEST, bytes, text};
use super::{CSS, HTML};
use crate::http::body::OCTETS;
use crate::http::public::{Readiness, TEXT, Tip};

const SURFACE: &str = "public";

pub(super) fn operations() -> Vec<Operation> {
    let all = [chain(), health(), description()];
    all.concat()
}

fn chain() -> Vec<Operation> {
    vec![
        Operation::get(SURFACE, "/checkpoint", "The log's newest signed checkpoint")
            .about("As C2SP tlog-checkpoint and signed-note have it.")
            .within_limits()
            .answers_bytes(200, "The checkpoint.", TEXT, text()),
        Operation::get(SURFACE, "/genesis.json", "The genesis file")
            .about("Get it from somebody whom you trust; all else can be checked against it.")
            .within_limits()
            .answers_named(200, "The genesis file.", "Genesis", json!({})),
        Operation::get(SURFACE, "/v1/circuits", "The circuits on the chain")
            .about("With keys, provenance and approvals. `development` keys can be forged by whoever made them.")
            .within_limits()
            .answers_named(200, "The circuits.", "Circuits", json!([])),
        Operation::get(SURFACE, "/v1/departments", "The departments on the chain")
            .within_limits()
            .answers_named(200, "Their documents.", "Departments", json!([])),
        Operation::get(SURFACE, "/v1/chain/tip", "The chain's newest block")
            .within_limits()
            .answers::<Tip>(200, "The block.", json!({ "height": 7, "block": DIGEST, "entries": 9, "log_root": DIGEST })),
        Operation::get(SURFACE, "/v1/chain/blocks/{height}", "A block with its certificate")
            .within_limits()
            .answers_bytes(200, "The block, in its binary encoding.", OCTETS, bytes())
            .refuses(&["block-unknown"]),
        Operation::get(SURFACE, "/v1/chain/receipts/{entry}", "The receipt of an entry")
            .about("Verifiable offline with the genesis file.")
            .within_limits()
            .answers_named(200, "The receipt.", "Receipt", json!({}))
            .refuses(&["entry-unknown"]),
        Operation::get(SURFACE, "/v1/documents/{digest}", "A public document")
            .about("Services, departments, circuits, validator sets: whatever public document an entry names by its digest.")
            .within_limits()
            .answers_named(200, "The document.", "Document", json!({}))
            .refuses(&["document-unknown"]),
    ]
}

/// Answered however full the gateway is.
fn health() -> Vec<Operation> {
    vec![
        Operation::get(SURFACE, "/livez", "Whether the process lives")
            .answers_bytes(200, "It does.", TEXT, text()),
        Operation::get(SURFACE, "/readyz", "Whether the gateway can serve")
            .about("Whether it can prove, append to the chain, and decrypt. If not, `detail` names the checks that failed; why, is in the operator's log.")
            .answers::<Readiness>(
                200,
                "It can.",
                json!({ "ready": true, "checks": [{ "name": "prove", "ok": true }, { "name": "append", "ok": true }, { "name": "decrypt", "ok": true }] }),
            )
            .refuses(&["not-ready"]),
    ]
}

fn description() -> Vec<Operation> {
    vec![
        Operation::get(SURFACE, "/openapi.json", "This description, as OpenAPI 3.1")
            .within_limits()
            .answers_named(200, "The description.", "Document", json!({})),
        Operation::get(SURFACE, "/docs", "This description, for people")
            .within_limits()
            .answers_bytes(200, "A page without scripts.", HTML, text()),
        Operation::get(SURFACE, "/docs/style.css", "The page's style sheet")
            .within_limits()
            .answers_bytes(200, "The style sheet.", CSS, text()),
    ]
}
