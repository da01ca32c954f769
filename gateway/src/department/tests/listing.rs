//! The list of the questions that a department asked.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_listed_page_by_page_as_they_stand_now() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let mut asked = Vec::new();
    for wages in [1_000_000, 1_500_000, 2_000_000] {
        let change = |ask: &mut Json| ask["query"][0]["predicate"]["$lt"] = json!(wages);
        asked.push(network.ask(ask(change)).await.unwrap().request);
    }
    let answered = network.ask(ask(|_| ())).await.unwrap();
    network.answer("tax", &citizen, &answered).await;
    let welfare = network.department("welfare");
    // One of them got an answer that is none.
    let refused = welfare.receive_answer(&id("tax"), &asked[0], b"{}").await.unwrap();
    assert!(refused.is_err());
    let statuses = |list: Vec<asking::AskedQuestion>| -> std::collections::HashMap<_, _> {
        list.into_iter().map(|it| (it.request, it.status)).collect()
    };
    let all = statuses(welfare.asked_questions(None, 100).await.unwrap());
    assert_eq!(all.len(), 4);
    assert!(asked.iter().all(|it| all[it] == Status::Sent));
    assert_eq!(all[&answered.request], Status::Verified);

    // Nobody has looked at them when their time is over.
    network.clock.advance(3_601);
    let mut listed = Vec::new();
    while listed.len() < 4 {
        let after = listed.last().map(|it: &asking::AskedQuestion| it.request);
        let page = welfare.asked_questions(after.as_ref(), 1).await.unwrap();
        assert_eq!(page.len(), 1);
        assert_eq!((page[0].issuer, page[0].purpose.as_str()), (id("tax"), "benefit-eligibility"));
        assert_eq!(page[0].expires, page[0].created + 3_600);
        listed.extend(page);
    }
    let last = listed.last().map(|it| it.request);
    assert_eq!(welfare.asked_questions(last.as_ref(), 1).await.unwrap(), []);
    let all = statuses(listed);
    assert!(matches!(all[&asked[0]], Status::Rejected { .. }), "{all:?}");
    assert_eq!((&all[&asked[1]], &all[&asked[2]]), (&Status::NotProven, &Status::NotProven));
    assert_eq!(all[&answered.request], Status::Verified);
    assert!(welfare.asked(&Digest::of(b"nobody's")).await.unwrap().is_none());
    assert_eq!(network.department("tax").asked_questions(None, 100).await.unwrap(), []);
}
