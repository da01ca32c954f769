//! Both halves of an exchange against a plain model, and what must hold of every play.
//!
//! The play is real: the machine's own transitions, the chain's rules, a proof that verifies. The model
//! is a table. Randomness and time are the play's, so a failing one is printed and can be had again.

mod machine;
mod model;

use std::collections::BTreeSet;

use chain::entry::Content;
use proptest::prelude::*;

use self::machine::Play;
use self::model::{Answering, Asking, Model};
use super::fixture::{EXPIRES, Form};
use super::issuer::{Finding, Silence};

/// Something that happens to an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// Whatever leads on from here.
    Next,
    /// The request entry is recorded.
    Record,
    /// The question reaches the issuer; whether the requester learns that it did.
    Ask { acknowledged: bool },
    /// Somebody consents.
    Consent(Signer),
    /// The citizen refuses.
    Refuse,
    /// Somebody withdraws the recorded consent; whether the issuer notices before it goes on.
    Withdraw { right: bool, noticed: bool },
    /// The consent is recorded.
    RecordConsent,
    /// The proof is made.
    Prove,
    /// The proof is to be recorded.
    RecordProof,
    /// The issuer's records change, and with them the root.
    Publish,
    /// The answer is sent, for the first time or again; whether it arrives.
    Deliver { arrives: bool },
    /// Somebody sends the requester something that is no good answer.
    Tamper(Tampering),
    /// Seconds pass.
    Wait(u64),
    /// The issuer looks whether the time is over.
    IssuerLooks,
    /// The requester looks whether the time is over.
    RequesterLooks,
    /// The issuer's gateway stops and starts.
    IssuerStops,
    /// The requester's gateway stops and starts.
    RequesterStops,
}

/// Who signs a consent, and to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signer {
    Citizen,
    Stranger,
    CitizenToAnotherQuestion,
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tampering {
    Garbage,
    OtherRequest,
    OtherProof,
    OtherSalt,
}

/// The time that a question has.
const LIFETIME: u64 = EXPIRES - super::fixture::CREATED;

fn event() -> impl Strategy<Value = Event> {
    let signer = prop_oneof![
        4 => Just(Signer::Citizen),
        1 => Just(Signer::Stranger),
        1 => Just(Signer::CitizenToAnotherQuestion),
    ];
    let tampering = prop_oneof![
        Just(Tampering::Garbage),
        Just(Tampering::OtherRequest),
        Just(Tampering::OtherProof),
        Just(Tampering::OtherSalt),
    ];
    prop_oneof![
        24 => Just(Event::Next),
        1 => Just(Event::Record),
        2 => any::<bool>().prop_map(|acknowledged| Event::Ask { acknowledged }),
        2 => signer.prop_map(Event::Consent),
        1 => Just(Event::Refuse),
        3 => any::<(bool, bool)>().prop_map(|(right, noticed)| Event::Withdraw { right, noticed }),
        1 => Just(Event::RecordConsent),
        1 => Just(Event::Prove),
        1 => Just(Event::RecordProof),
        2 => Just(Event::Publish),
        3 => any::<bool>().prop_map(|arrives| Event::Deliver { arrives }),
        3 => tampering.prop_map(Event::Tamper),
        2 => wait(),
        1 => Just(Event::IssuerLooks),
        1 => Just(Event::RequesterLooks),
        3 => Just(Event::IssuerStops),
        3 => Just(Event::RequesterStops),
    ]
}

fn wait() -> impl Strategy<Value = Event> {
    let seconds = prop_oneof![6 => 1..50_u64, 1 => Just(LIFETIME), 1 => Just(LIFETIME + 1)];
    seconds.prop_map(Event::Wait)
}

fn form() -> impl Strategy<Value = Form> {
    prop::sample::select(Form::ALL.to_vec())
}

fn finding() -> impl Strategy<Value = Finding> {
    prop_oneof![
        5 => Just(Finding::Holds),
        1 => Just(Finding::Fails),
        1 => Just(Finding::NoRecord),
        1 => Just(Finding::NoKey),
        1 => Just(Finding::OverBudget),
    ]
}

/// Plays `events`, comparing with the model after each, and lets the time run out.
fn play(form: Form, finding: Finding, events: &[Event]) -> (Play, Model) {
    let mut play = Play::new(form, finding);
    let mut model = Model::new(form, finding);
    let ending = [Event::Wait(LIFETIME + 1), Event::RequesterLooks, Event::IssuerLooks];
    for event in events.iter().chain(&ending) {
        let event = if *event == Event::Next { model.leads_on() } else { *event };
        let before = play.ended();
        play.happens(event);
        model.happens(event);
        assert_eq!(play.phases(), model.phases(), "after {event:?}");
        for (before, after) in before.into_iter().zip(play.ended()) {
            assert!(before.is_none() || before == after, "{event:?} moved what had ended");
        }
        play.would_survive_a_stop();
        grounded(form, &play);
    }
    (play, model)
}

/// What the chain shows of one exchange, in the log's order.
fn grounded(form: Form, play: &Play) {
    let mut consents = Vec::new();
    let mut withdrawn = Vec::new();
    let mut proofs = 0;
    for (id, content) in &play.chain.log {
        match content {
            Content::Consent { .. } => consents.push(*id),
            Content::Withdrawal { consent, .. } => withdrawn.push(*consent),
            Content::Proof { basis, .. } => {
                proofs += 1;
                assert!(form == Form::Statutory || consents.contains(basis), "no consent before");
                assert!(!withdrawn.contains(basis), "a withdrawal came first");
            }
            _ => {}
        }
    }
    assert!(proofs <= 1 && consents.len() <= 1);
    let (answering, asking) = play.phases();
    let proving = matches!(answering, Answering::Proved | Answering::Answered);
    assert!(!proving || form == Form::Statutory || consents.len() == 1, "a proof without consent");
    assert_eq!(answering == Answering::Answered, proofs == 1);
    assert!(!matches!(answering, Answering::Silent(_)) || proofs == 0, "an answer after all");
    assert!(asking != Asking::Verified || proofs == 1, "verified without a proof on the chain");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_play_goes_as_the_model_says(
        form in form(),
        finding in finding(),
        events in prop::collection::vec(event(), 0..40),
    ) {
        let (play, model) = play(form, finding, &events);
        prop_assert!(play.verified <= 1);
        prop_assert_eq!(play.verified == 1, play.phases().1 == Asking::Verified);
        // What the requester's system is told when all is over, and the issuer knows why.
        let (answering, asking) = play.phases();
        prop_assert!(!matches!(answering, Answering::Asked | Answering::Ready));
        match asking {
            Asking::Draft | Asking::Recorded => prop_assert!(model.unasked()),
            Asking::Sent(_) => prop_assert!(false, "the time is over"),
            Asking::Verified | Asking::NotProven | Asking::Rejected(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))] // of six plays each

    /// Refused, unmet, unknown, without a key, over the budget and unanswered are one to the requester
    /// and on the chain, whatever else happens.
    #[test]
    fn one_silence_looks_like_another(
        form in form().prop_filter("a law asks nobody", |form| *form != Form::Statutory),
        around in prop::collection::vec(around(), 0..12),
        place in any::<prop::sample::Index>(),
    ) {
        let place = place.index(around.len() + 1);
        let looks = SILENCES.map(|(finding, event, silence)| {
            let mut events = vec![Event::Record, Event::Ask { acknowledged: true }];
            events.extend(&around);
            if let Some(event) = event {
                events.insert(2 + place, event);
            }
            let mut play = Play::new(form, finding);
            let mut seen = Vec::new();
            let ending = [Event::Wait(LIFETIME + 1), Event::RequesterLooks, Event::IssuerLooks];
            for now in events.iter().chain(&ending) {
                play.happens(*now);
                if Some(*now) != event {
                    seen.push((play.requesters_view(), play.chain.log.clone()));
                }
            }
            (play.phases().0, silence, seen)
        });
        for (answering, silence, seen) in &looks {
            let late = around[..place].iter().map(Event::seconds).sum::<u64>() > LIFETIME;
            let unheard = *silence == Silence::Unsatisfied && late;
            let silence = if unheard { Silence::Expired } else { *silence };
            prop_assert_eq!(*answering, Answering::Silent(silence));
            prop_assert_eq!(seen, &looks[0].2);
        }
    }
}

impl Event {
    fn seconds(&self) -> u64 {
        if let Self::Wait(seconds) = self { *seconds } else { 0 }
    }
}

/// Events that have nothing to do with why there is no answer.
fn around() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => wait(),
        1 => Just(Event::Tamper(Tampering::Garbage)),
        1 => any::<bool>().prop_map(|arrives| Event::Deliver { arrives }),
        1 => any::<bool>().prop_map(|acknowledged| Event::Ask { acknowledged }),
        1 => Just(Event::Consent(Signer::Stranger)),
        1 => Just(Event::Prove),
        1 => Just(Event::RecordProof),
        1 => Just(Event::Publish),
        1 => Just(Event::RequesterLooks),
        1 => Just(Event::IssuerStops),
        1 => Just(Event::RequesterStops),
    ]
}

/// Ways to silence: what the issuer found, and what the citizen did.
const SILENCES: [(Finding, Option<Event>, Silence); 6] = [
    (Finding::Holds, Some(Event::Refuse), Silence::Refused),
    (Finding::Fails, Some(Event::Consent(Signer::Citizen)), Silence::Unsatisfied),
    (Finding::NoRecord, None, Silence::Unknown),
    (Finding::NoKey, None, Silence::Unknown),
    (Finding::OverBudget, None, Silence::OverBudget),
    (Finding::Holds, None, Silence::Expired),
];

/// The way to an answer, which `events` leave where they begin.
fn way(to: usize, events: &[Event]) -> Vec<Event> {
    let mut way = vec![Event::Next; to];
    way.extend(events);
    way
}

#[test]
fn every_end_is_reached() {
    let holds = Finding::Holds;
    let withdraw = |noticed| Event::Withdraw { right: true, noticed };
    let bad = Event::Tamper(Tampering::OtherProof);
    let mut in_the_last_second = vec![Event::Wait(LIFETIME)];
    in_the_last_second.extend([Event::Next; 5]);
    let plays = [
        (holds, way(7, &[]), Answering::Answered, Asking::Verified),
        (holds, way(6, &[bad, Event::Next]), Answering::Answered, Asking::Verified),
        (holds, way(6, &[]), Answering::Answered, Asking::NotProven),
        (holds, way(6, &[bad]), Answering::Answered, Asking::Rejected("proof-invalid")),
        (
            holds,
            way(6, &[Event::Publish, Event::Next]),
            Answering::Answered,
            Asking::Rejected("records-stale"),
        ),
        (
            holds,
            way(4, &[withdraw(true)]),
            Answering::Silent(Silence::Withdrawn),
            Asking::NotProven,
        ),
        (
            holds,
            way(4, &[withdraw(false), Event::Next, Event::Next]),
            Answering::Silent(Silence::Withdrawn),
            Asking::NotProven,
        ),
        (
            holds,
            way(5, &[withdraw(true), Event::Publish, Event::Next, Event::Next, Event::Next]),
            Answering::Silent(Silence::Withdrawn),
            Asking::NotProven,
        ),
        (
            holds,
            way(5, &[Event::Publish, Event::Next, Event::Next, Event::Next, Event::Next]),
            Answering::Answered,
            Asking::Verified,
        ),
        (holds, way(6, &[withdraw(true), Event::Next]), Answering::Answered, Asking::Verified),
        (holds, way(2, &in_the_last_second), Answering::Answered, Asking::Verified),
        (
            holds,
            way(6, &[Event::Wait(LIFETIME + 1), Event::Next]),
            Answering::Answered,
            Asking::NotProven,
        ),
        (holds, way(2, &[Event::Refuse]), Answering::Silent(Silence::Refused), Asking::NotProven),
        (holds, way(2, &[]), Answering::Silent(Silence::Expired), Asking::NotProven),
        (holds, way(4, &[]), Answering::Silent(Silence::Expired), Asking::NotProven),
        (Finding::Fails, way(3, &[]), Answering::Silent(Silence::Unsatisfied), Asking::NotProven),
        (Finding::NoRecord, way(2, &[]), Answering::Silent(Silence::Unknown), Asking::NotProven),
        (
            Finding::OverBudget,
            way(2, &[]),
            Answering::Silent(Silence::OverBudget),
            Asking::NotProven,
        ),
    ];
    let mut ends = BTreeSet::new();
    for form in [Form::Identified, Form::Pseudonymous] {
        for (finding, events, answering, asking) in &plays {
            let (play, _) = play(form, *finding, events);
            assert_eq!(play.phases(), (*answering, *asking), "{form:?} {finding:?} {events:?}");
            ends.insert(format!("{answering:?}"));
        }
    }
    assert_eq!(ends.len(), 7, "answered, and six silences");
    let (statutory, _) = play(Form::Statutory, holds, &way(5, &[]));
    assert_eq!(statutory.phases(), (Answering::Answered, Asking::Verified));
    let (statutory, _) = play(Form::Statutory, Finding::Fails, &way(2, &[]));
    let silence = Answering::Silent(Silence::Unsatisfied);
    assert_eq!(statutory.phases(), (silence, Asking::NotProven));
}
