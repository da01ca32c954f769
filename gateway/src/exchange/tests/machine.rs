//! The play: the machine's own transitions, with their effects on a chain.

use std::fmt::Debug;
use std::sync::Arc;

use chain::entry::withdrawal_lock;
use chain::identifier::EntryId;
use chain::rules::RuleError;
use circuits::eddsa::PrivateKey;
use crypto::{Digest, canonical};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::fixture::{Chain, Form, checked, citizen, salted};
use super::super::issuer::{
    self, Answered, AwaitingConsent, Closed, Consented, Finding, Ground, Opened, Proved, Ready,
    Taken,
};
use super::super::requester::{Draft, Lapsed, Recorded, Sent, Status, Verified};
use super::super::verification::{Refusal, VerifiedAnswer};
use super::super::{Exchange, RequestMessage};
use super::model::{Answering, Asking};
use super::{Event, Signer, Tampering};
use crate::document::{Answer, CheckedRequest};

/// Opens the lock of the play's consent.
const W: Digest = Digest::from_bytes([8; 32]);

/// The issuer's half.
#[derive(Clone, Debug)]
enum Issuer {
    Unasked,
    Asked(Exchange<AwaitingConsent>),
    Consented(Exchange<Consented>),
    Ready(Exchange<Ready>),
    Proved(Exchange<Proved>),
    Answered(Exchange<Answered>),
    Closed(Exchange<Closed>),
}

/// The requester's half.
#[derive(Clone, Debug)]
enum Requester {
    Draft(Draft),
    Recorded(Exchange<Recorded>),
    Sent(Exchange<Sent>),
    Verified(Exchange<Verified>),
    Lapsed(Exchange<Lapsed>),
}

/// One exchange as it goes on.
pub(super) struct Play {
    pub(super) chain: Chain,
    /// So often a good answer was taken.
    pub(super) verified: usize,
    form: Form,
    finding: Finding,
    issuer: Issuer,
    requester: Requester,
    /// Salts are told apart by their number.
    salts: u8,
}

impl Play {
    pub(super) fn new(form: Form, finding: Finding) -> Self {
        Self {
            chain: Chain::new(),
            verified: 0,
            form,
            finding,
            issuer: Issuer::Unasked,
            requester: Requester::Draft(Draft::new(form.request(), form.subject())),
            salts: 0,
        }
    }

    pub(super) fn phases(&self) -> (Answering, Asking) {
        let answering = match &self.issuer {
            Issuer::Unasked => Answering::Unasked,
            Issuer::Asked(_) => Answering::Asked,
            Issuer::Consented(_) => Answering::Consented,
            Issuer::Ready(_) => Answering::Ready,
            Issuer::Proved(_) => Answering::Proved,
            Issuer::Answered(_) => Answering::Answered,
            Issuer::Closed(exchange) => Answering::Silent(exchange.state().silence),
        };
        let asking = match &self.requester {
            Requester::Draft(_) => Asking::Draft,
            Requester::Recorded(_) => Asking::Recorded,
            Requester::Sent(exchange) => {
                assert_eq!(exchange.status(), Status::Sent);
                Asking::Sent(exchange.state().rejected.as_deref().map(known))
            }
            Requester::Verified(exchange) => {
                assert_eq!(exchange.status(), Status::Verified);
                Asking::Verified
            }
            Requester::Lapsed(exchange) => match exchange.status() {
                Status::NotProven => Asking::NotProven,
                Status::Rejected { code } => Asking::Rejected(known(&code)),
                other => panic!("{other:?} of what is over"),
            },
        };
        (answering, asking)
    }

    /// All that the requester has of the exchange.
    pub(super) fn requesters_view(&self) -> (Asking, String) {
        let state = match &self.requester {
            Requester::Draft(_) => String::new(),
            Requester::Recorded(exchange) => stored(exchange),
            Requester::Sent(exchange) => stored(exchange),
            Requester::Verified(exchange) => stored(exchange),
            Requester::Lapsed(exchange) => stored(exchange),
        };
        (self.phases().1, state)
    }

    /// Each half as it is stored, if it has ended.
    pub(super) fn ended(&self) -> [Option<String>; 2] {
        let issuer = match &self.issuer {
            Issuer::Answered(exchange) => Some(stored(exchange)),
            Issuer::Closed(exchange) => Some(stored(exchange)),
            _ => None,
        };
        let requester = match &self.requester {
            Requester::Verified(_) | Requester::Lapsed(_) => Some(self.requesters_view().1),
            _ => None,
        };
        [issuer, requester]
    }

    /// Either half has the same effects when it is read back.
    pub(super) fn would_survive_a_stop(&self) {
        let request = self.form.request();
        assert_eq!(self.issuer.restored(&request).effects(), self.issuer.effects());
        let requester = self.requester.restored(&request, self.form);
        assert_eq!(requester.effects(), self.requester.effects());
    }

    pub(super) fn happens(&mut self, event: Event) {
        match event {
            Event::Next => panic!("the model says what is next"),
            Event::Record => {
                if let Requester::Draft(draft) = &self.requester {
                    let entry = self.chain.append(draft.content()).unwrap();
                    self.requester = Requester::Recorded(draft.clone().recorded(entry));
                }
            }
            Event::Ask { acknowledged } => self.asks(acknowledged),
            Event::Consent(signer) => self.consents(signer),
            Event::Refuse => {
                if let Issuer::Asked(exchange) = &self.issuer {
                    self.issuer = Issuer::Closed(exchange.clone().refuse());
                }
            }
            Event::Withdraw { right, noticed } => self.withdraws(right, noticed),
            Event::RecordConsent => {
                if let Issuer::Consented(exchange) = &self.issuer {
                    let entry = self.chain.append(exchange.content()).unwrap();
                    self.issuer = Issuer::Ready(exchange.clone().recorded(entry));
                }
            }
            Event::Prove => self.proves(),
            Event::RecordProof => self.records_proof(),
            Event::Publish => self.chain.publish(),
            Event::Deliver { arrives } => {
                if let (Issuer::Answered(exchange), true) = (&self.issuer, arrives) {
                    let bytes = exchange.answer_bytes();
                    self.answered(&bytes);
                }
            }
            Event::Tamper(tampering) => self.tampers(tampering),
            Event::Wait(seconds) => self.chain.now += seconds,
            Event::IssuerLooks => self.issuer_looks(),
            Event::RequesterLooks => {
                if let Requester::Sent(exchange) = &self.requester
                    && let Ok(lapsed) = exchange.clone().expire(self.chain.now)
                {
                    self.requester = Requester::Lapsed(lapsed);
                }
            }
            Event::IssuerStops => self.issuer = self.issuer.restored(&self.read_back()),
            Event::RequesterStops => {
                self.requester = self.requester.restored(&self.read_back(), self.form);
            }
        }
    }

    /// The question as it is read back and checked after a stop.
    fn read_back(&self) -> Arc<CheckedRequest> {
        let document = serde_json::to_value(self.form.request().request()).unwrap();
        Arc::new(checked(&document))
    }

    fn salt(&mut self) -> u8 {
        self.salts += 1;
        self.salts
    }

    fn asks(&mut self, acknowledged: bool) {
        let message = match &self.requester {
            Requester::Draft(_) => return,
            Requester::Recorded(exchange) => exchange.message(),
            // Somebody on the way sends it again.
            _ => RequestMessage {
                request: self.form.request().request().clone(),
                entry: self.chain.log[0].0,
                subject: self.form.subject(),
            },
        };
        assert_eq!(message.subject, self.form.subject());
        if let Issuer::Unasked = &self.issuer {
            let request = Arc::new(checked(&serde_json::to_value(&message.request).unwrap()));
            self.issuer = match issuer::open(request, message.entry, self.finding, self.chain.now) {
                Opened::AwaitingConsent(exchange) => Issuer::Asked(exchange),
                Opened::Ready(exchange) => Issuer::Ready(exchange),
                Opened::Closed(exchange) => Issuer::Closed(exchange),
            };
        }
        if let (Requester::Recorded(exchange), true) = (&self.requester, acknowledged) {
            self.requester = Requester::Sent(exchange.clone().sent());
        }
    }

    fn consents(&mut self, signer: Signer) {
        let Issuer::Asked(exchange) = &self.issuer else { return };
        let message = exchange.request().consent_message();
        let signature = match signer {
            Signer::Citizen => citizen().sign(message),
            Signer::Stranger => PrivateKey::from_bytes(&[6; 32]).sign(message),
            Signer::CitizenToAnotherQuestion => {
                citizen().sign(self.form.ask([4; 16]).consent_message())
            }
        };
        let exchange = exchange.clone();
        let (key, lock) = (citizen().public_key(), withdrawal_lock(&W));
        let salted = salted(self.salt());
        self.issuer = match exchange.consent(&signature, lock, &key, salted, self.chain.now) {
            Ok(Taken::Consented(exchange)) => Issuer::Consented(exchange),
            Ok(Taken::Closed(exchange)) => Issuer::Closed(exchange),
            Err((exchange, _)) => Issuer::Asked(exchange),
        };
    }

    /// The consent's entry, once it is on the chain.
    fn consent(&self) -> Option<EntryId> {
        let ground = match &self.issuer {
            Issuer::Ready(exchange) => &exchange.state().ground,
            Issuer::Proved(exchange) => exchange.state().ground(),
            Issuer::Answered(exchange) => return exchange.state().answer.consent_entry,
            _ => return None,
        };
        match ground {
            Ground::Consent { entry, .. } => Some(*entry),
            Ground::Statutory { .. } => None,
        }
    }

    fn withdraws(&mut self, right: bool, noticed: bool) {
        let Some(consent) = self.consent() else { return };
        let w = if right { W } else { Digest::from_bytes([9; 32]) };
        let content = issuer::withdrawal(w, &withdrawal_lock(&W), consent);
        assert_eq!(content.is_ok(), right);
        let Ok(content) = content else { return };
        self.chain.append(content).unwrap();
        if let (Issuer::Ready(exchange), true) = (&self.issuer, noticed) {
            self.issuer = Issuer::Closed(exchange.clone().withdrawn());
        }
    }

    fn proves(&mut self) {
        let Issuer::Ready(exchange) = self.issuer.clone() else { return };
        self.issuer = match exchange.expire(self.chain.now) {
            Ok(closed) => Issuer::Closed(closed),
            Err(exchange) => {
                let proven = self.form.proven(&self.chain);
                Issuer::Proved(exchange.proved(proven, salted(self.salt())))
            }
        };
    }

    fn records_proof(&mut self) {
        let Issuer::Proved(exchange) = self.issuer.clone() else { return };
        self.issuer = match self.chain.append(exchange.content()) {
            Ok(entry) => Issuer::Answered(exchange.recorded(entry)),
            Err(RuleError::ConsentWithdrawn { .. }) => Issuer::Closed(exchange.withdrawn()),
            Err(RuleError::RecordsSuperseded { .. }) => {
                let ground = exchange.state().ground().clone();
                let (request, entry) = (Arc::clone(exchange.request()), *exchange.entry());
                Issuer::Ready(Exchange::restore(request, entry, Ready { ground }))
            }
            Err(error) => panic!("{error}"),
        };
    }

    fn issuer_looks(&mut self) {
        let now = self.chain.now;
        let closed = match &self.issuer {
            Issuer::Asked(exchange) => exchange.clone().expire(now).ok(),
            Issuer::Ready(exchange) => exchange.clone().expire(now).ok(),
            _ => None,
        };
        if let Some(closed) = closed {
            self.issuer = Issuer::Closed(closed);
        }
    }

    fn tampers(&mut self, tampering: Tampering) {
        let bytes = match (tampering, &self.issuer) {
            (Tampering::Garbage, _) => b"{}".to_vec(),
            (_, Issuer::Answered(exchange)) => {
                let mut answer = exchange.state().answer.clone();
                self.change(&mut answer, tampering);
                canonical::to_vec(&answer).unwrap()
            }
            _ => return,
        };
        self.answered(&bytes);
    }

    fn change(&self, answer: &mut Answer, tampering: Tampering) {
        match tampering {
            Tampering::Garbage => {}
            Tampering::OtherRequest => answer.request = Digest::of(b"another"),
            Tampering::OtherProof => {
                let other =
                    if self.form == Form::Identified { Form::Statutory } else { Form::Identified };
                answer.proof = hex::encode(other.proven(&self.chain).proof.to_bytes());
            }
            Tampering::OtherSalt => answer.proof_salt = salted(0)(()).salt,
        }
    }

    /// The requester takes an answer, wherever it comes from.
    fn answered(&mut self, bytes: &[u8]) {
        let exchange = match self.requester.clone() {
            // The answer overtook the acknowledgement.
            Requester::Recorded(exchange) => exchange.sent(),
            Requester::Sent(exchange) => exchange,
            _ => return,
        };
        let outcome: Result<VerifiedAnswer, Refusal> =
            self.chain.verify(self.form, exchange.entry(), bytes);
        self.requester = match exchange.answered(outcome, self.chain.now) {
            Ok(exchange) => {
                self.verified += 1;
                Requester::Verified(exchange)
            }
            Err((exchange, _)) => Requester::Sent(exchange),
        };
    }
}

impl Issuer {
    fn restored(&self, request: &Arc<CheckedRequest>) -> Self {
        match self {
            Self::Unasked => Self::Unasked,
            Self::Asked(exchange) => Self::Asked(restored(exchange, request)),
            Self::Consented(exchange) => Self::Consented(restored(exchange, request)),
            Self::Ready(exchange) => Self::Ready(restored(exchange, request)),
            Self::Proved(exchange) => Self::Proved(restored(exchange, request)),
            Self::Answered(exchange) => Self::Answered(restored(exchange, request)),
            Self::Closed(exchange) => Self::Closed(restored(exchange, request)),
        }
    }

    /// What has to happen outside.
    fn effects(&self) -> String {
        match self {
            Self::Unasked => String::new(),
            Self::Asked(exchange) => shown(exchange, exchange.state()),
            Self::Consented(exchange) => shown(exchange, exchange.content()),
            Self::Ready(exchange) => shown(exchange, &exchange.state().ground),
            Self::Proved(exchange) => shown(exchange, exchange.content()),
            Self::Answered(exchange) => shown(exchange, exchange.answer_bytes()),
            Self::Closed(exchange) => shown(exchange, exchange.state()),
        }
    }
}

impl Requester {
    fn restored(&self, request: &Arc<CheckedRequest>, form: Form) -> Self {
        match self {
            Self::Draft(_) => Self::Draft(Draft::new(Arc::clone(request), form.subject())),
            Self::Recorded(exchange) => Self::Recorded(restored(exchange, request)),
            Self::Sent(exchange) => Self::Sent(restored(exchange, request)),
            Self::Verified(exchange) => Self::Verified(restored(exchange, request)),
            Self::Lapsed(exchange) => Self::Lapsed(restored(exchange, request)),
        }
    }

    /// What has to happen outside, and what the requester's own system is told.
    fn effects(&self) -> String {
        match self {
            Self::Draft(draft) => format!("{:?}", draft.content()),
            Self::Recorded(exchange) => {
                let message = canonical::to_vec(&exchange.message()).unwrap();
                shown(exchange, message)
            }
            Self::Sent(exchange) => {
                let subject = exchange.subject().map(String::from);
                shown(exchange, (exchange.status(), subject, &exchange.state().rejected))
            }
            Self::Verified(exchange) => shown(exchange, (exchange.status(), exchange.state())),
            Self::Lapsed(exchange) => shown(exchange, exchange.status()),
        }
    }
}

/// An effect of an exchange, with the question and the entry that it is about.
fn shown<S>(exchange: &Exchange<S>, effect: impl Debug) -> String {
    format!("{} {:?} {effect:?}", exchange.request().digest(), exchange.entry())
}

fn stored<S: Serialize>(exchange: &Exchange<S>) -> String {
    serde_json::to_string(exchange.state()).unwrap()
}

/// The exchange as it is read back after a stop.
fn restored<S: Serialize + DeserializeOwned>(
    exchange: &Exchange<S>,
    request: &Arc<CheckedRequest>,
) -> Exchange<S> {
    let state = serde_json::from_str(&stored(exchange)).unwrap();
    Exchange::restore(Arc::clone(request), *exchange.entry(), state)
}

/// The code that the model knows.
fn known(code: &str) -> &'static str {
    let codes = [
        "answer-encoding",
        "answer-other-request",
        "records-stale",
        "proof-invalid",
        "proof-record",
    ];
    codes.into_iter().find(|known| *known == code).unwrap_or_else(|| panic!("{code}"))
}
