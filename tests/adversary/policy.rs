//! Questions beyond what the issuer's service permits.

use gateway::exchange::RequestMessage;
use gateway::http::local::Ask;
use serde_json::{Value, json};

use crate::world::{Posed, World, ask, refused};

fn wages(predicate: Value) -> Value {
    json!([{"path": ["total_wages_cents"], "predicate": predicate}])
}

/// Sends welfare's question to tax with members of the document changed.
///
/// Nothing is on the chain under what results, so that only a refusal before that is looked at is the
/// policy's.
async fn refusal(world: &World, posed: &Posed, members: Value) -> (u16, String) {
    let mut json = serde_json::to_value(&posed.message).unwrap();
    for (member, value) in members.as_object().unwrap() {
        json["request"][member] = value.clone();
    }
    let message: RequestMessage = serde_json::from_value(json).unwrap();
    let welfare = world.insider("welfare");
    world.send_question(&welfare, "tax", &message).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requester_with_software_of_its_own_is_held_to_the_services_rules() {
    let world = World::get().await;
    let citizen = world.citizen(0);
    let posed = world.pose(citizen, &ask(&citizen.subject, 2_000_000)).await;
    let law = |text: &str| json!({"kind": "statutory", "reference": text});
    let forbidden = [
        (
            json!({"query": [{"path": ["w2_wages_cents"], "predicate": {"$lt": 2_000_000}}]}),
            "policy-condition",
        ),
        (json!({"query": wages(json!({"$gt": 2_000_000}))}), "policy-condition"),
        (json!({"query": wages(json!({"$lt": 1_999_999}))}), "policy-condition"),
        (json!({"query": wages(json!({"$lt": 20_100_000}))}), "policy-condition"),
        (json!({"query": wages(json!({"$between": [0, 2_000_000]}))}), "policy-condition"),
        (json!({"purpose": "curiosity"}), "policy-purpose"),
        (json!({"legal_basis": law("Curiosity Act")}), "policy-legal-basis"),
        (json!({"as_of": "2024-12-30"}), "policy-as-of"),
    ];
    for (members, code) in forbidden {
        let told = refusal(world, &posed, members.clone()).await;
        assert_eq!(told, refused(403, code), "{members}");
    }
    let clause = &wages(json!({"$lt": 2_000_000}))[0];
    let malformed = [
        json!({"query": vec![clause.clone(); 9]}),
        json!({"query": []}),
        json!({"query": [{"path": ["filing_role"], "predicate": {"$lt": "sole"}}]}),
        json!({"query": [{"path": ["filed_1040"], "predicate": {"$gte": true}}]}),
        json!({"query": [{"path": ["religion"], "predicate": {"$eq": 1}}]}),
        json!({"query": wages(json!({"$lt": "2000000"}))}),
        json!({"query": wages(json!({"$lt": 2_000_000.5}))}),
        json!({"query": wages(json!({"$regex": "2"}))}),
        json!({"query": "1 = 1"}),
    ];
    for members in malformed {
        let told = refusal(world, &posed, members.clone()).await;
        assert_eq!(told, refused(422, "request-query"), "{members}");
    }
    // What is permitted, and was recorded, passes the same way.
    world.send_question(&world.insider("welfare"), "tax", &posed.message).await.unwrap();
}

/// Asks by the department's own gateway.
async fn asks(world: &World, requester: &str, question: &Value) -> Result<(), (u16, String)> {
    let ask: Ask = serde_json::from_value(question.clone()).unwrap();
    match world.network.system(requester).ask(&ask, None).await {
        Ok(_) => Ok(()),
        error => Err(world.local(error)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_question_is_named_to_who_asked() {
    let world = World::get().await;
    let subject = &world.citizen(0).subject;
    let good = serde_json::to_value(ask(subject, 2_000_000)).unwrap();
    let clause = &good["query"][0];
    let faults = [
        (json!({"issuer": "treasury"}), refused(404, "department-unknown")),
        (json!({"issuer": "Not a slug"}), refused(422, "request")),
        (json!({"dataset": "religion"}), refused(404, "dataset-unknown")),
        (json!({"subject": "1O1061001312"}), refused(422, "subject")),
        // A number that nobody can have, by its check digit, and one that nobody has.
        (json!({"subject": "999999999985"}), refused(422, "subject")),
        (json!({"subject": "999999999981"}), refused(422, "key-card-missing")),
        (json!({"query": vec![clause.clone(); 9]}), refused(422, "request-query")),
        (
            json!({"query": [{"path": ["filing_role"], "predicate": {"$lt": "sole"}}]}),
            refused(422, "request-query"),
        ),
        (json!({"query": wages(json!({"$gt": 2_000_000}))}), refused(403, "policy-condition")),
        (json!({"purpose": "Two words"}), refused(422, "request-purpose")),
        (json!({"purpose": "curiosity"}), refused(403, "policy-purpose")),
        (json!({"as_of": "2024-13-01"}), refused(422, "request")),
        (json!({"as_of": "2024-12-30"}), refused(403, "policy-as-of")),
        (json!({"expires_in": 0}), refused(422, "request-lifetime")),
        (json!({"expires_in": 31 * 86_400 + 1}), refused(422, "request-lifetime")),
        (json!({"expires_in": u64::MAX}), refused(422, "request-lifetime")),
    ];
    for (members, expected) in faults {
        let mut question = good.clone();
        for (member, value) in members.as_object().unwrap() {
            question[member] = value.clone();
        }
        let told = asks(world, "welfare", &question).await.unwrap_err();
        assert_eq!(told, expected, "{members}");
    }
    asks(world, "welfare", &good).await.unwrap();
    let told = asks(world, "tax", &good).await.unwrap_err();
    assert_eq!(told, refused(422, "request-to-oneself"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_a_least_length_and_a_service_has_its_requesters() {
    let world = World::get().await;
    let mut question = serde_json::to_value(ask(&world.citizen(0).subject, 2_000_000)).unwrap();
    (question["issuer"], question["dataset"]) = (json!("civil-registry"), json!("civil-registry"));
    let districts = |list: &[&str]| json!([{"path": ["district"], "predicate": {"$in": list}}]);
    for list in [&["D01"][..], &["D01", "D02"], &["D01", "D01", "D02"]] {
        question["query"] = districts(list);
        let told = asks(world, "welfare", &question).await.unwrap_err();
        // A list that repeats itself is written as the shorter one that it is.
        assert_eq!(told, refused(403, "policy-condition"), "{list:?}");
    }
    question["query"] = districts(&["D01", "D02", "D03"]);
    asks(world, "welfare", &question).await.unwrap();
    let told = asks(world, "tax", &question).await.unwrap_err();
    assert_eq!(told, refused(403, "policy-requester"));
}
