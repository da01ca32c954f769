//! Issuers that are full, and exchanges that somebody moves on already.

use super::*;

fn by_law(below: u64) -> Ask {
    ask(|ask| {
        ask["legal_basis"] = json!({"kind": "statutory", "reference": "Benefits Act, s. 12"});
        ask["query"][0]["predicate"]["$lt"] = json!(below);
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_finds_its_issuer_full_is_kept_and_asked_again_before_any_new_one() {
    let network = Network::new(0).await;
    let (tax, welfare) = (network.department("tax"), network.department("welfare"));
    network.peers.intercept(|message| {
        let reason = "prover-full".to_owned();
        let full = Unreached { department: id("tax"), reason, retry_after: Some(2) };
        (message.path == PeerPath::Requests).then_some(Err(full))
    });
    let asked = network.ask(by_law(1_500_000)).await.unwrap();
    assert_eq!(asked.status, Status::Sent, "what was recorded is acknowledged");
    assert!(tax.received(&asked.request).unwrap().is_none());

    // A new one is refused before it is recorded; so is the old one's issuer left alone.
    let refused = network.ask(by_law(2_000_000)).await.unwrap_err();
    assert!(matches!(refused, AskError::IssuerFull { issuer } if issuer == id("tax")));
    assert_eq!((refused.code(), network.counts()["request"]), ("prover-full", 1));
    assert!(!welfare.has_waiting());
    network.clock.advance(2);
    assert!(welfare.has_waiting());
    welfare.ask_again(&network.peers).await.unwrap();
    assert!(!welfare.has_waiting(), "it is still full, and was asked once");
    assert!(tax.received(&asked.request).unwrap().is_none());

    network.peers.intercept(|_| None);
    network.clock.advance(2);
    welfare.ask_again(&network.peers).await.unwrap();
    assert!(!welfare.has_waiting());
    tax.advance(&asked.request, &network.peers).await.unwrap();
    assert_eq!(network.status(&asked).await.status, Status::Verified);
    network.ask(by_law(2_000_000)).await.unwrap();
    assert_eq!(network.counts()["request"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_says_it_took_its_last_place_is_asked_nothing_until_it_answers() {
    let network = Network::new(0).await;
    let tax = network.department("tax");
    let asked = network.ask(by_law(1_500_000)).await.unwrap();
    network.peers.intercept(|message| {
        let taken = || PeerReply::Taken(br#"{"places":0}"#.to_vec());
        (message.path == PeerPath::Requests).then(|| Ok(taken()))
    });
    network.ask(by_law(2_000_000)).await.unwrap();
    network.peers.intercept(|_| None);
    assert_eq!(network.ask(by_law(2_500_000)).await.unwrap_err().code(), "prover-full");
    // What the citizen brings is no question to the issuer.
    let offered = ask(|ask| {
        ask.as_object_mut().unwrap().remove("subject");
    });
    network.ask(offered).await.unwrap();
    assert_eq!(network.counts()["request"], 3);
    tax.advance(&asked.request, &network.peers).await.unwrap();
    network.ask(by_law(2_500_000)).await.unwrap();
    assert_eq!(network.counts()["request"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_leaves_alone_what_somebody_moves_on() {
    let network = Network::new(0).await;
    let tax = network.department("tax");
    let asked = network.ask(by_law(1_500_000)).await.unwrap();
    let mover = tax.mover(asked.request);
    tax.resume(&network.peers).await.unwrap();
    assert_eq!(network.counts()["proof"], 0);
    drop(mover);
    tax.resume(&network.peers).await.unwrap();
    assert_eq!(network.counts()["proof"], 1);
    assert_eq!(network.status(&asked).await.status, Status::Verified);
}

#[tokio::test(flavor = "multi_thread")]
async fn concluding_makes_the_answer_and_does_not_send_it() {
    let network = Network::new(0).await;
    let tax = network.department("tax");
    let asked = network.ask(by_law(1_500_000)).await.unwrap();
    assert!(tax.is_by_law(&asked.request).unwrap());
    tax.conclude(&asked.request, &network.peers).await.unwrap();
    assert_eq!(network.counts()["proof"], 1);
    assert_eq!(network.status(&asked).await.status, Status::Sent);
    tax.advance(&asked.request, &network.peers).await.unwrap();
    assert_eq!(network.status(&asked).await.status, Status::Verified);
    let waiting = network.ask(ask(|_| ())).await;
    assert_eq!(waiting.unwrap_err().code(), "key-card-missing");
}
