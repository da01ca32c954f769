//! The public surface.

use serde_json::json;

use super::operation::Operation;
use super::schemas::{DIGEST, bytes, text};
use super::{CSS, HTML};
use crate::http::body::OCTETS;
use crate::http::chain::{EntryDocument, NOTE};
use crate::http::public::{Readiness, ServiceInForce, TEXT, Tip};

const SURFACE: &str = "public";

pub(super) fn operations() -> Vec<Operation> {
    let all = [chain(), following(), health(), description()];
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
        Operation::get(SURFACE, "/v1/services", "The services that are in force")
            .about("One for each dataset. The document, by its digest, has the schema, and who may ask what, for what, on what ground.")
            .within_limits()
            .lists::<ServiceInForce>(
                200,
                "The services.",
                json!([{ "issuer": "tax", "entry": DIGEST, "document": DIGEST, "has_records": true }]),
            ),
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

/// For those who follow the chain.
fn following() -> Vec<Operation> {
    vec![
        Operation::get(SURFACE, "/v1/chain/blocks", "Blocks from a height on")
            .about("Each as its length in four bytes and the block with its certificate. With `wait` the answer comes with the next block, or empty when that time is over.")
            .within_limits()
            .query("from")
            .query("limit")
            .query("wait")
            .answers_bytes(200, "The blocks; none past the last.", OCTETS, bytes()),
        Operation::post(SURFACE, "/v1/chain/entries", "Put an entry on the chain")
            .about("For followers. The entry has its author's signature, and counts once however often it is handed in.")
            .within_limits()
            .reads::<EntryDocument>(json!({ "entry": "00" }))
            .answers_named(200, "Its receipt: it is durable.", "Receipt", json!({}))
            .refuses(&[
                "entry-malformed",
                "entry-signature",
                "entry-author-unknown",
                "document-too-long",
                "document-missing",
                "document-mismatch",
                "ledger-busy",
                "ledger-unknown",
                "ledger-closed",
                "ledger-not-the-validator",
                "not-ready",
            ]),
        Operation::post(SURFACE, "/v1/chain/cosignatures", "Hand in a cosigned checkpoint")
            .about("As C2SP tlog-cosignature has it.")
            .within_limits()
            .reads_bytes(NOTE, "The checkpoint with the cosignatures.")
            .answers_empty(204, "Taken.")
            .refuses(&[
                "checkpoint-malformed",
                "checkpoint-origin",
                "checkpoint-signature",
                "checkpoint-unsigned",
                "checkpoint-ahead",
                "checkpoint-contradicted",
            ]),
        Operation::get(SURFACE, "/checkpoint/cosigned", "The newest checkpoint that somebody has cosigned")
            .within_limits()
            .answers_bytes(200, "The checkpoint.", TEXT, text())
            .refuses(&["checkpoint-uncosigned"]),
        Operation::get(SURFACE, "/tile/{path}", "A tile of the log")
            .about("As C2SP tlog-tiles has it: `/tile/<level>/<index>` for hashes, `/tile/entries/<index>` for entries, with `.p/<width>` for a tile that is not full.")
            .within_limits()
            .answers_bytes(200, "The tile.", OCTETS, bytes())
            .refuses(&["tile-unknown"]),
    ]
}

/// Answered however full the gateway is.
fn health() -> Vec<Operation> {
    vec![
        Operation::get(SURFACE, "/livez", "Whether the process lives")
            .answers_bytes(200, "It does.", TEXT, text()),
        Operation::get(SURFACE, "/readyz", "Whether the gateway can serve")
            .about("Whether it can prove, append to the chain, and decrypt. If not, `detail` names the checks that failed; why, is in the operator's log. A gateway that waits until the network has admitted its departments answers so at every path but `/livez`.")
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
