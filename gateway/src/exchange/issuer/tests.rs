use std::sync::Arc;

use circuits::eddsa::PrivateKey;
use serde::de::DeserializeOwned;

use super::*;
use crate::exchange::fixture::{Chain, EXPIRES, Form, citizen, id, salted, scene};

const FINDINGS: [Finding; 5] =
    [Finding::Holds, Finding::Fails, Finding::NoRecord, Finding::NoKey, Finding::OverBudget];
const W: Digest = Digest::from_bytes([8; 32]);

fn opened(form: Form, finding: Finding, now: u64) -> Opened {
    open(form.request(), id("request"), finding, now)
}

fn asked(form: Form, finding: Finding) -> Exchange<AwaitingConsent> {
    match opened(form, finding, EXPIRES) {
        Opened::AwaitingConsent(exchange) => exchange,
        other => panic!("{other:?}"),
    }
}

/// Takes a consent that `key` signed to `message`, as the record's citizen's.
fn consent(
    exchange: Exchange<AwaitingConsent>,
    key: &PrivateKey,
    message: circuits::Fr,
    now: u64,
) -> Result<Taken, (Exchange<AwaitingConsent>, ConsentError)> {
    let lock = withdrawal_lock(&W);
    exchange.consent(&key.sign(message), lock, &citizen().public_key(), salted(1), now)
}

fn consented(form: Form) -> Exchange<Consented> {
    let message = form.request().consent_message();
    match consent(asked(form, Finding::Holds), &citizen(), message, EXPIRES) {
        Ok(Taken::Consented(exchange)) => exchange,
        other => panic!("{other:?}"),
    }
}

fn ready(form: Form) -> Exchange<Ready> {
    match form {
        Form::Statutory => match opened(form, Finding::Holds, EXPIRES) {
            Opened::Ready(exchange) => exchange,
            other => panic!("{other:?}"),
        },
        _ => consented(form).recorded(id("consent")),
    }
}

fn proved(form: Form) -> Exchange<Proved> {
    ready(form).proved(form.proven(&Chain::new()), salted(2))
}

/// The exchange as it is after a stop.
fn restored<S: Serialize + DeserializeOwned>(exchange: &Exchange<S>) -> Exchange<S> {
    let state = serde_json::to_vec(exchange.state()).unwrap();
    let state = serde_json::from_slice(&state).unwrap();
    Exchange::restore(Arc::clone(exchange.request()), *exchange.entry(), state)
}

#[test]
fn what_was_found_decides_how_an_exchange_opens() {
    use Finding::*;
    let outcome = |form, finding, now| match opened(form, finding, now) {
        Opened::AwaitingConsent(exchange) if exchange.state().holds => "asked",
        Opened::AwaitingConsent(_) => "asked in vain",
        Opened::Ready(_) => "ready",
        Opened::Closed(exchange) => match exchange.state().silence {
            Silence::Unknown => "unknown",
            Silence::Unsatisfied => "unsatisfied",
            Silence::OverBudget => "over budget",
            Silence::Expired => "expired",
            other => panic!("{other:?}"),
        },
    };
    let table = [
        (Holds, "asked", "ready"),
        (Fails, "asked in vain", "unsatisfied"),
        (NoRecord, "unknown", "unknown"),
        (NoKey, "unknown", "unknown"),
        (OverBudget, "over budget", "over budget"),
    ];
    for (finding, consent, statutory) in table {
        assert_eq!(outcome(Form::Identified, finding, EXPIRES), consent);
        assert_eq!(outcome(Form::Pseudonymous, finding, EXPIRES), consent);
        assert_eq!(outcome(Form::Statutory, finding, EXPIRES), statutory);
    }
    for (form, finding) in Form::ALL.into_iter().flat_map(|form| FINDINGS.map(|it| (form, it))) {
        assert_eq!(outcome(form, finding, EXPIRES + 1), "expired");
    }
}

#[test]
fn a_consent_is_recorded_under_a_salt_with_its_lock() {
    let exchange = consented(Form::Identified);
    let document = ConsentRecord {
        version: VERSION,
        request: *Form::Identified.request().digest(),
        signature: Form::Identified.signature(),
        given: EXPIRES,
    };
    let record = salted_entry(Kind::Consent, &salted(1)(document));
    let content = Content::Consent { record, lock: withdrawal_lock(&W), request: id("request") };
    assert_eq!(exchange.content(), content);
    assert_eq!(exchange.content(), content, "twice is once");
    assert_eq!(restored(&exchange).content(), content, "after a stop too");
    let ground = Ground::Consent { entry: id("consent"), signature: Form::Identified.signature() };
    assert_eq!(restored(&exchange).recorded(id("consent")).state().ground, ground);
    assert_eq!(exchange.recorded(id("consent")).state().ground, ground);
}

#[test]
fn only_the_citizens_key_consents_and_only_to_this_question() {
    let message = Form::Identified.request().consent_message();
    let other = Form::Identified.ask([4; 16]).consent_message();
    let stranger = PrivateKey::from_bytes(&[6; 32]);
    let refused = [(&stranger, message), (&citizen(), other)];
    for (key, message) in refused {
        // Also where there is nothing to prove: else a stranger could close the exchange.
        for finding in [Finding::Holds, Finding::Fails] {
            let before = asked(Form::Identified, finding);
            let (after, error) =
                consent(before.clone(), key, message, EXPIRES).map(drop).unwrap_err();
            assert_eq!(error, ConsentError::Signature);
            assert_eq!(after.state(), before.state(), "the citizen is still asked");
        }
    }
    // The same exchange takes the citizen's own.
    consented(Form::Identified);
}

#[test]
fn a_consent_counts_until_the_last_second() {
    let message = Form::Identified.request().consent_message();
    let late = asked(Form::Identified, Finding::Holds);
    let (late, error) = consent(late, &citizen(), message, EXPIRES + 1).map(drop).unwrap_err();
    assert_eq!(error, ConsentError::Expired);
    let taken = consent(late, &citizen(), message, EXPIRES).unwrap();
    assert!(matches!(taken, Taken::Consented(_)));
}

#[test]
fn a_consent_to_what_does_not_hold_leaves_no_trace() {
    let exchange = asked(Form::Identified, Finding::Fails);
    let signature = citizen().sign(exchange.request().consent_message());
    let salted = |_| panic!("nothing is to be recorded");
    let key = citizen().public_key();
    match exchange.consent(&signature, withdrawal_lock(&W), &key, salted, EXPIRES) {
        Ok(Taken::Closed(closed)) => assert_eq!(closed.state().silence, Silence::Unsatisfied),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_way_to_silence_has_its_reason() {
    let late = EXPIRES + 1;
    let closed = [
        (asked(Form::Identified, Finding::Holds).refuse(), Silence::Refused),
        (asked(Form::Identified, Finding::Fails).refuse(), Silence::Refused),
        (asked(Form::Identified, Finding::Holds).expire(late).unwrap(), Silence::Expired),
        (ready(Form::Identified).expire(late).unwrap(), Silence::Expired),
        (ready(Form::Identified).withdrawn(), Silence::Withdrawn),
        (proved(Form::Identified).withdrawn(), Silence::Withdrawn),
    ];
    for (exchange, silence) in closed {
        assert_eq!(exchange.state().silence, silence);
        assert_eq!(exchange.entry(), &id("request"));
        assert_eq!(restored(&exchange).state(), exchange.state());
    }
}

#[test]
fn nothing_expires_in_the_last_second() {
    let before = asked(Form::Identified, Finding::Holds);
    assert_eq!(before.clone().expire(EXPIRES).unwrap_err().state(), before.state());
    let before = ready(Form::Identified);
    assert_eq!(before.clone().expire(EXPIRES).unwrap_err().state(), before.state());
}

#[test]
fn a_withdrawal_opens_its_consents_lock_and_no_other() {
    let lock = withdrawal_lock(&W);
    let content = Content::Withdrawal { w: W, consent: id("consent") };
    assert_eq!(withdrawal(W, &lock, id("consent")), Ok(content));
    let other = Digest::from_bytes([9; 32]);
    assert_eq!(withdrawal(other, &lock, id("consent")), Err(ConsentError::Lock));
    // The lock is not its own key.
    assert_eq!(withdrawal(lock, &lock, id("consent")), Err(ConsentError::Lock));
}

#[test]
fn a_proof_is_recorded_on_its_ground_and_under_a_salt() {
    for form in Form::ALL {
        let proven = form.proven(&Chain::new());
        let document = ProofRecord {
            version: VERSION,
            key: proven.key,
            inputs: proven.inputs.iter().copied().map(ElementHex).collect(),
            proof: Digest::of(&proven.proof.to_bytes()),
        };
        let content = Content::Proof {
            record: salted_entry(Kind::Proof, &salted(2)(document)),
            request: id("request"),
            basis: if form == Form::Statutory { scene().service } else { id("consent") },
            records: proven.records,
        };
        let exchange = proved(form);
        assert_eq!(exchange.content(), content);
        assert_eq!(exchange.content(), content, "twice is once");
        assert_eq!(restored(&exchange).content(), content, "after a stop too");
        assert_eq!(exchange.state().ground(), &ready(form).state().ground);
    }
}

#[test]
fn an_answer_is_whole_and_the_same_every_time() {
    for form in Form::ALL {
        let proven = form.proven(&Chain::new());
        let exchange = proved(form).recorded(id("proof"));
        let answer = Answer {
            version: VERSION,
            request: *form.request().digest(),
            proof: hex::encode(proven.proof.to_bytes()),
            key: proven.key,
            records: proven.records,
            evidence: proven.evidence,
            consent_entry: (form != Form::Statutory).then(|| id("consent")),
            proof_entry: id("proof"),
            proof_salt: salted(2)(()).salt,
        };
        let bytes = exchange.answer_bytes();
        assert_eq!(canonical::from_slice::<Answer>(&bytes).unwrap(), answer);
        assert_eq!(exchange.answer_bytes(), bytes, "twice is once");
        assert_eq!(restored(&exchange).answer_bytes(), bytes, "after a stop too");
        // A stop before the answer was stored leads to the same answer.
        assert_eq!(restored(&proved(form)).recorded(id("proof")).answer_bytes(), bytes);
    }
}

#[test]
fn a_stop_between_any_two_steps_changes_no_effect() {
    let message = Form::Identified.request().consent_message();
    let asked = restored(&asked(Form::Identified, Finding::Holds));
    let Ok(Taken::Consented(taken)) = consent(asked, &citizen(), message, EXPIRES) else {
        panic!("the consent was good")
    };
    assert_eq!(taken.content(), consented(Form::Identified).content());
    let ready = restored(&restored(&taken).recorded(id("consent")));
    let proven = Form::Identified.proven(&Chain::new());
    let proved_again = restored(&ready.proved(proven, salted(2)));
    assert_eq!(proved_again.content(), proved(Form::Identified).content());
    let answered = restored(&proved_again.recorded(id("proof")));
    let expected = proved(Form::Identified).recorded(id("proof")).answer_bytes();
    assert_eq!(answered.answer_bytes(), expected);
}

#[test]
fn a_refused_step_names_its_check() {
    let codes = [ConsentError::Expired, ConsentError::Signature, ConsentError::Lock];
    assert_eq!(
        codes.map(|error| error.code()),
        ["consent-expired", "consent-signature", "withdrawal-lock"]
    );
}
