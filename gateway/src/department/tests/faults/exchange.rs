//! Questions: asked, consented to and answered; refused; withdrawn.

use std::collections::HashMap;

use super::super::super::asking::{Idempotency, request_digest};
use super::*;
use crate::exchange::requester::Status;
use circuits::eddsa::Signature;

/// The lock's opening.
fn w() -> Digest {
    Digest::of(b"w")
}

/// A question under one idempotency key.
struct Question {
    idempotency: Idempotency,
    /// Its digest, as soon as that was told.
    request: Option<Digest>,
    /// The citizen's, which the wallet keeps.
    signature: Option<Signature>,
    /// Entries on the chain before.
    before: HashMap<&'static str, u64>,
}

impl Question {
    fn new(at: &Breaking, plan: Plan) -> Self {
        let body = Digest::of(b"the question");
        let before = at.network.counts();
        let key = format!("{} {plan:?} {:?}", at.side, before.get("request"));
        let idempotency = Idempotency { key, body };
        Self { idempotency, request: None, signature: None, before }
    }

    fn request(&self) -> Result<Digest, String> {
        self.request.ok_or_else(|| "nothing was asked".to_owned())
    }

    async fn ask(&mut self, at: &Breaking) -> Result<(), String> {
        let (welfare, once) = (at.network.department("welfare"), Some(&self.idempotency));
        let asked = welfare.ask_once(ask(|_| ()), once, &at.network.peers).await;
        let asked = asked.map_err(|error| error.to_string())?;
        assert_eq!(*self.request.get_or_insert(asked.request), asked.request, "one question");
        Ok(())
    }

    async fn consent(&mut self, at: &Breaking) -> Result<(), String> {
        let (tax, key, request) = (at.network.department("tax"), at.citizen.key(), self.request()?);
        let pending = tax.pending(&key).await.map_err(|error| error.to_string())?;
        if pending.iter().any(|it| request_digest(&it.request) == request) {
            let message = tax.consent_message(&request).await.map_err(|error| error.to_string())?;
            self.signature = Some(at.citizen.private.sign(message));
        }
        let signature = self.signature.as_ref().ok_or("the citizen is not asked")?;
        let told = tax.consent(&key, &request, signature, withdrawal_lock(&w())).await;
        told.map(drop).map_err(|error| error.to_string())
    }

    async fn advance(&self, at: &Breaking) -> Result<(), String> {
        let (tax, request) = (at.network.department("tax"), self.request()?);
        tax.advance(&request, &at.network.peers).await.map_err(|error| error.to_string())
    }

    /// How the question stands on either side.
    async fn stands(&self, at: &Breaking) -> (Status, &'static str) {
        let request = self.request.unwrap();
        let asked = at.network.department("welfare").asked(&request).await.unwrap().unwrap();
        let row = at.network.department("tax").received(&request).unwrap().unwrap();
        (asked.status, row.stage.name())
    }

    /// Entries on the chain since it was begun: questions, consents, withdrawals and proofs.
    fn entries(&self, at: &Breaking) -> [u64; 4] {
        let (before, after) = (&self.before, at.network.counts());
        ["request", "consent", "withdrawal", "proof"].map(|kind| after[kind] - before[kind])
    }

    /// Nobody has anything left to do.
    fn rests(&self, at: &Breaking) {
        assert_eq!(at.network.department("welfare").unsent_digests().unwrap(), []);
        assert_eq!(at.network.department("tax").unfinished_digests().unwrap(), []);
    }
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Ask,
    Consent,
    Refuse,
    Withdraw,
    Advance,
}

struct Answered(Question);

impl Calls for Answered {
    type Call = Call;

    const CALLS: &'static [(Call, &'static str)] =
        &[(Call::Ask, "welfare"), (Call::Consent, "tax"), (Call::Advance, "tax")];

    fn ways(good: usize) -> Vec<Way> {
        // Up to the consent, every way is another test's, which need not prove each time.
        if good < 3 * 3 { vec![every_way()[good % 6]] } else { every_fault(good) }
    }

    async fn make(&mut self, at: &Breaking, call: Call) -> Result<(), String> {
        match call {
            Call::Ask => self.0.ask(at).await,
            Call::Consent => self.0.consent(at).await,
            _ => self.0.advance(at).await,
        }
    }

    async fn check(self, at: &Breaking, plan: Plan) {
        assert_eq!(self.0.stands(at).await, (Status::Verified, "answered"), "{plan:?}");
        assert_eq!(self.0.entries(at), [1, 1, 0, 1], "{plan:?}");
        self.0.rests(at);
        // An answer that was sent twice, because nobody knew that it was taken, counts once.
        let refusals = std::mem::take(&mut *at.network.peers.refusals.lock().unwrap());
        assert!(refusals.iter().all(|code| code == "answer-replayed"), "{refusals:?}");
    }
}

struct Refused(Question);

impl Calls for Refused {
    type Call = Call;

    const CALLS: &'static [(Call, &'static str)] = &[(Call::Ask, "welfare"), (Call::Refuse, "tax")];

    async fn make(&mut self, at: &Breaking, call: Call) -> Result<(), String> {
        if let Call::Ask = call {
            return self.0.ask(at).await;
        }
        let (tax, request) = (at.network.department("tax"), self.0.request()?);
        tax.refuse(&at.citizen.key(), &request).await.map_err(|error| error.to_string())
    }

    async fn check(self, at: &Breaking, plan: Plan) {
        assert_eq!(self.0.stands(at).await, (Status::Sent, "refused"), "{plan:?}");
        assert_eq!(self.0.entries(at), [1, 0, 0, 0], "{plan:?}");
        self.0.rests(at);
    }
}

struct Withdrawn(Question);

impl Calls for Withdrawn {
    type Call = Call;

    const CALLS: &'static [(Call, &'static str)] =
        &[(Call::Ask, "welfare"), (Call::Consent, "tax"), (Call::Withdraw, "tax")];

    fn ways(good: usize) -> Vec<Way> {
        // After a consent the look for what is left may prove.
        if good < 2 * 3 { every_way() } else { every_fault(good) }
    }

    async fn make(&mut self, at: &Breaking, call: Call) -> Result<(), String> {
        match call {
            Call::Ask => return self.0.ask(at).await,
            Call::Consent => return self.0.consent(at).await,
            _ => {}
        }
        let (tax, request) = (at.network.department("tax"), self.0.request()?);
        let told = tax.withdraw(&at.citizen.key(), &request, w()).await;
        told.map(drop).map_err(|error| error.to_string())
    }

    async fn check(self, at: &Breaking, plan: Plan) {
        match self.0.stands(at).await {
            (Status::Sent, "withdrawn") => assert_eq!(self.0.entries(at), [1, 1, 1, 0], "{plan:?}"),
            // The look after the fault came first, and a proof before the withdrawal stands.
            (Status::Verified, "answered") => {
                assert_eq!(self.0.entries(at), [1, 1, 1, 1], "{plan:?}");
            }
            stands => panic!("{plan:?}: {stands:?}"),
        }
        self.0.rests(at);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requester_whose_store_fails_at_any_call_asks_once_and_loses_no_answer() {
    let mut breaking = Breaking::new("welfare").await;
    // Drafted, recorded, sent: each is applied, flushed and synced.
    let calls = breaking.break_each(|at, plan| Withdrawn(Question::new(at, plan))).await;
    assert_eq!(calls, 3 * 3);
    // And verified.
    let calls = breaking.break_each(|at, plan| Answered(Question::new(at, plan))).await;
    assert_eq!(calls, 4 * 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_whose_store_fails_at_any_call_answers_once_and_loses_no_consent() {
    let mut breaking = Breaking::new("tax").await;
    // Taken, looked at, consented, recorded, proved, answered, delivered.
    let calls = breaking.break_each(|at, plan| Answered(Question::new(at, plan))).await;
    assert_eq!(calls, 7 * 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_whose_store_fails_at_any_call_loses_no_refusal_and_no_withdrawal() {
    let mut breaking = Breaking::new("tax").await;
    // Taken, looked at, refused.
    let calls = breaking.break_each(|at, plan| Refused(Question::new(at, plan))).await;
    assert_eq!(calls, 3 * 3);
    // Taken, looked at, consented, recorded, withdrawn.
    let calls = breaking.break_each(|at, plan| Withdrawn(Question::new(at, plan))).await;
    assert_eq!(calls, 5 * 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_rests_on_a_consent_that_is_not_on_the_disk_yet() {
    let mut at = Breaking::new("tax").await;
    let gate = Arc::new(Gate::default());
    at.network.start_over("tax", at.payloads("tax"), gate.clone());
    let plan = Plan { good: 0, fault: Fault::CrashAfter, power_cut: true };
    let mut question = Question::new(&at, plan);
    question.ask(&at).await.unwrap();
    let request = question.request.unwrap();
    let closed = gate.close();
    let (told, moved) = {
        let mut consenting = std::pin::pin!(question.consent(&at));
        let waits = Arc::clone(&gate);
        tokio::select! {
            biased;
            told = &mut consenting => panic!("it was told before it was on the disk: {told:?}"),
            waits = tokio::task::spawn_blocking(move || waits.wait_for(1)) => waits.unwrap(),
        }
        // The look for what is left finds the consent, and would put it on the chain.
        let tax = at.network.department("tax");
        assert_eq!(tax.received(&request).unwrap().unwrap().stage.name(), "consented");
        let mut advancing = std::pin::pin!(tax.advance(&request, &at.network.peers));
        let another = ask(|ask| {
            ask["issuer"] = json!("civil-registry");
            ask["dataset"] = json!("residents");
            ask["query"] = json!([
                {"path": ["birth_date"], "predicate": {"$lt": "1990-01-01"}}
            ]);
        });
        tokio::select! {
            biased;
            moved = &mut advancing => panic!("it went on: {moved:?}"),
            asked = at.network.ask(another) => drop(asked.unwrap()),
        }
        assert_eq!(at.network.counts()["consent"], 0);
        drop(closed);
        tokio::join!(consenting, advancing)
    };
    told.unwrap();
    moved.unwrap();
    assert_eq!(question.stands(&at).await, (Status::Verified, "answered"));
}
