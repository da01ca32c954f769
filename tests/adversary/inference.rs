//! Many questions that together would tell a value.

use gateway::http::local::{Ask, AskedBasis, AskedStatus};
use serde_json::json;

use crate::world::{Citizen, World, ask, refused};

/// Distinct thresholds that one requester may ask about, as the tax authority's service says.
const OWN: u64 = 16;
/// Those that all requesters together may ask about.
const ALL: u64 = 20;
const STEP: u64 = 100_000;

/// What `requester` is told, threshold by threshold.
async fn told(
    world: &World,
    requester: &str,
    subject: &str,
    steps: std::ops::Range<u64>,
) -> Vec<(u16, String)> {
    let system = world.network.system(requester);
    let mut told = Vec::new();
    for step in steps {
        told.push(match system.ask(&ask(subject, step * STEP), None).await {
            Ok(asked) => {
                assert_eq!(asked.status, AskedStatus::Sent);
                (201, String::new())
            }
            refused => world.local(refused),
        });
    }
    told
}

/// The question that was asked first: again, for another purpose, for longer, and by law.
fn again(citizen: &Citizen) -> [Ask; 4] {
    let first = ask(&citizen.subject, STEP);
    let housing = Ask { purpose: "housing-support".to_owned(), ..first.clone() };
    let longer = Ask { expires_in: 700, ..first.clone() };
    let reference = "Benefits Act, section 12".to_owned();
    let by_law = Ask { legal_basis: AskedBasis::Statutory { reference }, ..first.clone() };
    [first, housing, longer, by_law]
}

#[tokio::test(flavor = "multi_thread")]
async fn many_thresholds_are_refused_after_equally_many_for_known_and_unknown_citizens() {
    let world = World::get().await;
    let (known, unknown) = (world.citizen(1), world.stranger());
    let told_of_known = told(world, "welfare", &known.subject, 1..OWN + 3).await;
    let mut expected = vec![(201, String::new()); 16];
    expected.extend([refused(429, "budget-requester"), refused(429, "budget-requester")]);
    assert_eq!(told_of_known, expected);
    let told_of_unknown = told(world, "welfare", &unknown.subject, 1..OWN + 3).await;
    assert_eq!(told_of_unknown, told_of_known);

    let system = world.network.system("welfare");
    for citizen in [known, unknown] {
        // What was asked before is free, on whatever ground.
        for ask in again(citizen) {
            system.ask(&ask, None).await.unwrap();
        }
        // `$lte` with the next smaller amount would be the same cut; the steps do not permit it, and
        // `$lte` with the same amount is another one.
        for (at_most, expected) in
            [(STEP - 1, refused(403, "policy-condition")), (STEP, refused(429, "budget-requester"))]
        {
            let mut other = ask(&citizen.subject, STEP);
            other.query = json!([{"path": ["total_wages_cents"], "predicate": {"$lte": at_most}}]);
            assert_eq!(world.local(system.ask(&other, None).await), expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_issuers_own_budget_is_spent_in_silence() {
    let world = World::get().await;
    let citizen = world.citizen(2);
    let asked = |count: u64| vec![(201, String::new()); usize::try_from(count).unwrap()];
    assert_eq!(told(world, "welfare", &citizen.subject, 1..OWN + 1).await, asked(OWN));
    // Another requester's budget is its own, and nothing shows where the common one ends.
    let rest = told(world, "social-security", &citizen.subject, OWN + 1..ALL + 3).await;
    assert_eq!(rest, asked(ALL + 2 - OWN));
    // Whom a question is about is looked up after the reply.
    let received = loop {
        let received = world.network.system("tax").received().await.unwrap();
        if received.iter().all(|it| it.state != "received") {
            break received;
        }
    };
    let mine = received.iter().filter(|it| it.requester == "social-security");
    let over = mine.filter(|it| it.silence.as_deref() == Some("over-budget")).count();
    assert_eq!(over, 2);
}
