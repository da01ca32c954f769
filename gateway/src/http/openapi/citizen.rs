//! The citizen surface.

use serde_json::{Value as Json, json};

use super::operation::Operation;
use super::schemas::DIGEST;
use crate::http::citizen::{
    CardTaken, Consent, KeyEnrolment, OfferTaken, PastExchange, Pending, Progress, Refusal,
    Withdrawal,
};

const SURFACE: &str = "citizen";
const CHAIN: &[&str] =
    &["ledger-busy", "ledger-unknown", "ledger-closed", "ledger-not-the-validator"];

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post(SURFACE, "/v1/citizen/{department}/keys", "Enrol the consent key")
            .about("With the one-time code from the registrar's clerk.")
            .within_limits()
            .reads::<KeyEnrolment>(json!({ "subject": "101061001312", "code": "2f6a94c1d07be85312d9c4a07f36be18" }))
            .answers_named(201, "The registrar's signed key card.", "SignedKeyCard", card())
            .refuses(&["subject", "enrolment-code", "not-a-registrar"])
            .refuses(CHAIN),
        Operation::post(SURFACE, "/v1/citizen/{department}/cards", "Show an issuer the key card")
            .about("The issuer puts the key into the citizen's records.")
            .within_limits()
            .reads_named("SignedKeyCard", card())
            .answers::<CardTaken>(200, "The datasets whose records have the key now.", json!({ "datasets": ["income"] }))
            .refuses(&[
                "key-card-version",
                "key-card-network",
                "key-card-signature",
                "key-card-other-key",
                "key-card-other-registrar",
                "key-card-not-current",
            ]),
        Operation::get(SURFACE, "/v1/citizen/{department}/requests", "The questions that wait for the citizen")
            .about("A wallet recomputes what it signs from `request` and `schema`; the rest is for reading.")
            .within_limits()
            .lists::<Pending>(
                200,
                "The questions.",
                json!([{
                    "request": {}, "requester_name": "Welfare office", "schema": {}, "service_title": "Taxed income",
                    "condition": ["Your income is below 20,000.00."], "holds": true, "notes": [],
                }]),
            ),
        Operation::post(SURFACE, "/v1/citizen/{department}/consents", "Consent to a question")
            .within_limits()
            .reads::<Consent>(consent())
            .answers::<Progress>(202, "Taken; the proof follows.", progress("consented"))
            .refuses(&[
                "request-unknown",
                "request-state",
                "consent-of-another",
                "consent-signature",
                "consent-expired",
                "consent-repeated",
                "withdrawal-lock",
                "prover-full",
            ]),
        Operation::post(SURFACE, "/v1/citizen/{department}/refusals", "Refuse a question")
            .about("The requester is told nothing.")
            .within_limits()
            .reads::<Refusal>(json!({ "request": DIGEST }))
            .answers::<Progress>(200, "Refused.", progress("refused"))
            .refuses(&["request-unknown", "request-state", "consent-of-another"]),
        Operation::post(SURFACE, "/v1/citizen/{department}/withdrawals", "Withdraw a consent")
            .about("A proof that is on the chain already stands.")
            .within_limits()
            .reads::<Withdrawal>(json!({ "request": DIGEST, "w": DIGEST }))
            .answers::<Progress>(200, "Withdrawn.", progress("withdrawn"))
            .refuses(&["request-unknown", "request-state", "consent-of-another", "withdrawal-lock", "request-answered"])
            .refuses(CHAIN),
        Operation::post(SURFACE, "/v1/citizen/{department}/offers", "Take a pseudonymous question to the issuer")
            .about("The requester's signed offer, with the consent to it.")
            .within_limits()
            .reads::<OfferTaken>(json!({
                "offer": { "request": {}, "schema": {}, "entry": DIGEST, "signature": "00" },
                "signature": "00".repeat(96), "lock": DIGEST,
            }))
            .answers::<Progress>(202, "Taken; the proof follows.", progress("consented"))
            .refuses(&[
                "request",
                "request-time",
                "request-addressee",
                "request-sender",
                "request-statutory-pseudonym",
                "policy-requester",
                "policy-purpose",
                "policy-condition",
                "consent-signature",
                "withdrawal-lock",
                "budget-requester",
                "prover-full",
            ]),
        Operation::get(SURFACE, "/v1/citizen/{department}/history", "Every exchange about the citizen's records")
            .within_limits()
            .lists::<PastExchange>(
                200,
                "The exchanges.",
                json!([{
                    "request": DIGEST, "requester": "welfare", "purpose": "housing-benefit", "legal_basis": "consent",
                    "condition": ["Your income is below 20,000.00."], "created": 1_800_000_000, "expires": 1_800_086_400,
                    "state": "answered",
                }]),
            ),
    ]
}

fn consent() -> Json {
    json!({ "request": DIGEST, "signature": "00".repeat(96), "lock": DIGEST })
}

fn progress(state: &str) -> Json {
    json!({ "state": state })
}

fn card() -> Json {
    json!({ "card": {}, "signature": "00" })
}
