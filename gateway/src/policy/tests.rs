use super::*;
use crate::document::Request;
use crate::document::service::tests::{service, tax_service_json};
use crate::records::schema_digest;
use serde_json::{Value as Json, json};

fn request(change: impl FnOnce(&mut Json)) -> CheckedRequest {
    let service = service(tax_service_json());
    let digest = schema_digest(&service.schema);
    let mut json = json!({
        "version": 1, "network": "00".repeat(32), "circuit": "identified/v1",
        "requester": "welfare", "issuer": "tax", "service": "11".repeat(32), "schema": digest,
        "query": [{"path": ["total_wages_cents"], "predicate": {"$lt": 2_000_000}}],
        "as_of": "2024-12-31", "purpose": "benefit-eligibility",
        "legal_basis": {"kind": "consent", "key_card": "22".repeat(32)},
        "nonce": "33".repeat(16), "created": 1_000, "expires": 2_000
    });
    change(&mut json);
    let request: Request = serde_json::from_value(json).unwrap();
    CheckedRequest::check(request, &service.schema, &digest).unwrap()
}

fn today() -> Date {
    "2026-11-22".parse().unwrap()
}

fn code(change: impl FnOnce(&mut Json)) -> &'static str {
    let service = service(tax_service_json());
    assert_eq!(permit(&service, &request(|_| ()), today()), Ok(()));
    permit(&service, &request(change), today()).map_or_else(|error| error.code(), |()| "permitted")
}

fn query(path: &str, predicate: Json) -> &'static str {
    code(|json| json["query"] = json!([{"path": [path], "predicate": predicate}]))
}

#[test]
fn who_what_for_and_on_which_ground_are_each_checked() {
    assert_eq!(code(|json| json["requester"] = json!("police")), "policy-requester");
    assert_eq!(code(|json| json["purpose"] = json!("curiosity")), "policy-purpose");
    let statutory = |reference: &str| json!({"kind": "statutory", "reference": reference});
    assert_eq!(
        code(|json| json["legal_basis"] = statutory("Benefits Act, s. 13")),
        "policy-legal-basis"
    );
    assert_eq!(code(|json| json["legal_basis"] = statutory("Benefits Act, s. 12")), "permitted");
    assert_eq!(code(|json| json["as_of"] = json!("2024-12-30")), "policy-as-of");
}

#[test]
fn a_circuit_that_no_rule_names_is_refused() {
    let mut json = tax_service_json();
    json["rules"][0]["circuits"] = json!(["pseudonymous/v1"]);
    let error = permit(&service(json), &request(|_| ()), today()).unwrap_err();
    assert_eq!(error.code(), "policy-circuit");
}

#[test]
fn the_issuers_day_may_be_missed_by_one() {
    let mut json = tax_service_json();
    json["as_of"] = json!({"kind": "today"});
    let service = service(json);
    for (day, permitted) in [
        ("2026-11-20", false),
        ("2026-11-21", true),
        ("2026-11-22", true),
        ("2026-11-23", true),
        ("2026-11-24", false),
    ] {
        let outcome = permit(&service, &request(|json| json["as_of"] = json!(day)), today());
        assert_eq!(outcome.is_ok(), permitted, "{day}");
    }
}

#[test]
fn only_permitted_fields_operators_and_operands_are_asked() {
    assert_eq!(query("total_wages_cents", json!({"$lte": 500_000})), "permitted");
    assert_eq!(query("total_wages_cents", json!({"$lte": 500_001})), "policy-condition", "step");
    assert_eq!(query("total_wages_cents", json!({"$lte": 10_500_000})), "policy-condition", "max");
    assert_eq!(query("total_wages_cents", json!({"$gte": 500_000})), "policy-condition");
    assert_eq!(query("w2_wages_cents", json!({"$lt": 500_000})), "policy-condition");
    assert_eq!(query("filing_role", json!({"$in": ["none", "sole"]})), "permitted");
    assert_eq!(query("filing_role", json!({"$in": ["none"]})), "policy-condition", "a set of one");
    assert_eq!(query("filing_role", json!({"$in": ["none", "joint_spouse"]})), "policy-condition");
    assert_eq!(query("employer_count", json!({"$between": [1, 4]})), "permitted");
    assert_eq!(query("employer_count", json!({"$between": [1, 5]})), "policy-condition");
    assert_eq!(query("spouse_citizen_id", json!({"$exists": true})), "permitted");
    assert_eq!(query("spouse_citizen_id", json!({"$exists": false})), "policy-condition");
    assert_eq!(query("filed_1040", json!({"$eq": true})), "permitted");
    assert_eq!(query("filed_1040", json!({"$eq": false})), "policy-condition");
}

#[test]
fn every_clause_must_be_permitted_and_by_one_rule() {
    let wages = json!({"path": ["total_wages_cents"], "predicate": {"$lt": 500_000}});
    let count = json!({"path": ["employer_count"], "predicate": {"$lt": 2}});
    assert_eq!(code(|json| json["query"] = json!([wages, count])), "policy-condition");
    let either = json!({"any_of": [wages, count]});
    assert_eq!(code(|json| json["query"] = json!([either])), "policy-condition");

    let filed = json!({"path": ["filed_1040"], "predicate": {"$eq": true}});
    let both = request(|json| json["query"] = json!([wages, filed]));
    let mut json = tax_service_json();
    assert_eq!(permit(&service(json.clone()), &both, today()), Ok(()));
    let mut second = json["rules"][0].clone();
    let moved = json["rules"][0]["conditions"].as_array_mut().unwrap().pop().unwrap();
    second["conditions"] = json!([moved]);
    json["rules"].as_array_mut().unwrap().push(second);
    assert!(permit(&service(json), &both, today()).is_err(), "rules do not combine");
}

#[test]
fn two_lists_on_one_field_do_not_leave_one_value() {
    let list = |values: Json| json!({"path": ["filing_role"], "predicate": {"$in": values}});
    let (one, other) = (list(json!(["none", "sole"])), list(json!(["sole", "joint_primary"])));
    assert_eq!(code(|json| json["query"] = json!([one])), "permitted");
    assert_eq!(code(|json| json["query"] = json!([one, other])), "policy-condition");
    assert_eq!(code(|json| json["query"] = json!([{"any_of": [one, other]}])), "permitted");
}

#[test]
fn spellings_of_one_question_are_one_probe_and_a_datum_has_one_account() {
    let service = service(tax_service_json());
    let probes_of = |predicate: Json| {
        let asked = request(|json| {
            json["query"] = json!([{"path": ["total_wages_cents"], "predicate": predicate}]);
        });
        probes(&service, &asked)
            .into_iter()
            .map(|(datum, codes)| (datum.to_owned(), codes))
            .collect::<Vec<_>>()
    };
    let below = probes_of(json!({"$lt": 100}));
    assert_eq!(below.len(), 1);
    assert_eq!((below[0].0.as_str(), below[0].1.len()), ("income", 1));
    assert_eq!(below, probes_of(json!({"$lte": 99})));
    assert_ne!(below, probes_of(json!({"$lt": 101})));
    assert_eq!(probes_of(json!({"$between": [100, 199]}))[0].1.len(), 2);
}
