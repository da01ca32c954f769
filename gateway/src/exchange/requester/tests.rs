use serde::de::DeserializeOwned;

use super::*;
use crate::exchange::fixture::{Chain, EXPIRES, Form, id, salted};
use crate::exchange::issuer::{self, Finding, Opened};

fn recorded(form: Form) -> Exchange<Recorded> {
    Draft::new(form.request(), form.subject()).recorded(id("request"))
}

fn sent() -> Exchange<Sent> {
    recorded(Form::Identified).sent()
}

/// A good answer, verified in earnest.
fn verified() -> VerifiedAnswer {
    let mut chain = Chain::new();
    let form = Form::Statutory;
    let draft = Draft::new(form.request(), form.subject());
    let entry = chain.append(draft.content()).unwrap();
    let Opened::Ready(ready) = issuer::open(form.request(), entry, Finding::Holds, chain.now)
    else {
        panic!("a law is ground enough")
    };
    let proved = ready.proved(form.proven(&chain), salted(1));
    let proof = chain.append(proved.content()).unwrap();
    chain.verify(form, &entry, &proved.recorded(proof).answer_bytes()).unwrap()
}

/// The exchange as it is after a stop.
fn restored<S: Serialize + DeserializeOwned>(exchange: &Exchange<S>) -> Exchange<S> {
    let state = serde_json::to_vec(exchange.state()).unwrap();
    let state = serde_json::from_slice(&state).unwrap();
    Exchange::restore(Arc::clone(exchange.request()), *exchange.entry(), state)
}

#[test]
fn a_draft_is_recorded_by_its_digest_alone() {
    for form in Form::ALL {
        let draft = Draft::new(form.request(), form.subject());
        let request = chain::entry::request_digest(form.request().digest());
        assert_eq!(draft.content(), Content::Request { request });
        assert_eq!(draft.clone().content(), draft.content());
        assert_eq!(draft.recorded(id("request")).entry(), &id("request"));
    }
}

#[test]
fn the_message_is_the_question_its_entry_and_its_subject() {
    for form in Form::ALL {
        let exchange = recorded(form);
        let message = exchange.message();
        assert_eq!(message.request, *form.request().request());
        assert_eq!(message.entry, id("request"));
        assert_eq!(message.subject, form.subject());
        assert_eq!(restored(&exchange).message(), message, "after a stop it is the same message");
        assert_eq!(exchange.sent().subject(), form.subject());
    }
    assert!(recorded(Form::Pseudonymous).message().subject.is_none());
}

#[test]
fn a_question_is_sent_until_a_good_answer_comes() {
    let exchange = sent();
    assert_eq!((exchange.status(), &exchange.state().rejected), (Status::Sent, &None));
    let answer = verified();
    let exchange = exchange.answered(Ok(answer.clone()), EXPIRES).unwrap();
    assert_eq!((exchange.status(), &exchange.state().answer), (Status::Verified, &answer));
    let again = restored(&exchange);
    assert_eq!((again.status(), again.state()), (Status::Verified, exchange.state()));
}

#[test]
fn a_bad_answer_is_remembered_and_ends_nothing() {
    let (exchange, refusal) = sent().answered(Err(Refusal::Path), EXPIRES).unwrap_err();
    assert_eq!(refusal, Refusal::Path);
    assert_eq!(exchange.status(), Status::Sent);
    assert_eq!(exchange.state().rejected.as_deref(), Some("evidence-path"));
    // The newest counts.
    let (exchange, _) = exchange.answered(Err(Refusal::ProofRecord), EXPIRES).unwrap_err();
    assert_eq!(exchange.state().rejected.as_deref(), Some("proof-record"));
    let exchange = restored(&exchange);
    assert_eq!(exchange.subject(), Form::Identified.subject());
    let lapsed = exchange.clone().expire(EXPIRES + 1).unwrap();
    assert_eq!(lapsed.status(), Status::Rejected { code: "proof-record".to_owned() });
    // And the good answer still does.
    let exchange = exchange.answered(Ok(verified()), EXPIRES).unwrap();
    assert_eq!(exchange.status(), Status::Verified);
}

#[test]
fn a_bad_answer_after_the_time_changes_nothing() {
    for refusal in [Refusal::Expired, Refusal::Encoding(String::new())] {
        let (exchange, told) = sent().answered(Err(refusal.clone()), EXPIRES + 1).unwrap_err();
        assert_eq!(told, refusal);
        assert_eq!(exchange.state(), sent().state());
        assert_eq!(exchange.expire(EXPIRES + 1).unwrap().status(), Status::NotProven);
    }
    // Nor does it replace what was remembered in time.
    let (exchange, _) = sent().answered(Err(Refusal::Path), EXPIRES).unwrap_err();
    let (exchange, _) = exchange.answered(Err(Refusal::Expired), EXPIRES + 1).unwrap_err();
    assert_eq!(exchange.state().rejected.as_deref(), Some("evidence-path"));
}

#[test]
fn the_last_second_still_counts() {
    let exchange = sent().expire(EXPIRES).unwrap_err();
    assert_eq!(exchange.state(), sent().state());
    let lapsed = exchange.expire(EXPIRES + 1).unwrap();
    assert_eq!(lapsed.status(), Status::NotProven);
    assert_eq!(restored(&lapsed).status(), Status::NotProven);
}

#[test]
fn the_requesters_system_reads_one_of_four_words() {
    let words = [
        (Status::Sent, r#"{"status":"sent"}"#),
        (Status::Verified, r#"{"status":"verified"}"#),
        (Status::NotProven, r#"{"status":"not-proven"}"#),
        (Status::Rejected { code: "a".to_owned() }, r#"{"status":"rejected","code":"a"}"#),
    ];
    for (status, word) in words {
        assert_eq!(serde_json::to_string(&status).unwrap(), word);
    }
}
