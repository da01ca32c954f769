//! The model: two enums and a table.

use super::super::fixture::Form;
use super::super::issuer::{Finding, Silence};
use super::{Event, LIFETIME, Signer, Tampering};

/// How far the issuer's half has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answering {
    Unasked,
    Asked,
    Consented,
    Ready,
    Proved,
    Answered,
    Silent(Silence),
}

/// How far the requester's half has come. With the code of the newest bad answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    Draft,
    Recorded,
    Sent(Option<&'static str>),
    Verified,
    NotProven,
    Rejected(&'static str),
}

/// An exchange as somebody would draw it on a board.
#[derive(Clone, Copy, Debug)]
pub(super) struct Model {
    statutory: bool,
    finding: Finding,
    answering: Answering,
    asking: Asking,
    /// Seconds since the question was written.
    age: u64,
    /// The consent on the chain was withdrawn before a proof.
    withdrawn: bool,
    /// The root that the newest proof is about is not the current one.
    stale: bool,
}

impl Model {
    pub(super) fn new(form: Form, finding: Finding) -> Self {
        Self {
            statutory: form == Form::Statutory,
            finding,
            answering: Answering::Unasked,
            asking: Asking::Draft,
            age: 0,
            withdrawn: false,
            stale: false,
        }
    }

    pub(super) fn phases(&self) -> (Answering, Asking) {
        (self.answering, self.asking)
    }

    /// The requester's gateway was never told that the question arrived.
    pub(super) fn unasked(&self) -> bool {
        matches!(self.asking, Asking::Draft | Asking::Recorded)
    }

    /// What leads on from here.
    pub(super) fn leads_on(&self) -> Event {
        match (self.asking, self.answering) {
            (Asking::Draft, _) => Event::Record,
            (Asking::Recorded, _) => Event::Ask { acknowledged: true },
            (_, Answering::Asked) => Event::Consent(Signer::Citizen),
            (_, Answering::Consented) => Event::RecordConsent,
            (_, Answering::Ready) => Event::Prove,
            (_, Answering::Proved) => Event::RecordProof,
            (_, Answering::Answered) => Event::Deliver { arrives: true },
            (_, Answering::Unasked | Answering::Silent(_)) => Event::RequesterLooks,
        }
    }

    pub(super) fn happens(&mut self, event: Event) {
        let late = self.age > LIFETIME;
        self.asking = self.asks(event, late);
        self.answering = self.answers(event, late);
        if let Event::Wait(seconds) = event {
            self.age += seconds;
        }
    }

    fn asks(&self, event: Event, late: bool) -> Asking {
        let rejected = match self.asking {
            Asking::Sent(rejected) => rejected,
            _ => None,
        };
        match (self.asking, event) {
            (Asking::Draft, Event::Record) => Asking::Recorded,
            (Asking::Recorded, Event::Ask { acknowledged: true }) => Asking::Sent(None),
            (Asking::Recorded | Asking::Sent(_), Event::Deliver { arrives: true })
                if self.answering == Answering::Answered =>
            {
                match (late, self.stale) {
                    (true, _) => Asking::Sent(rejected),
                    (false, true) => Asking::Sent(Some("records-stale")),
                    (false, false) => Asking::Verified,
                }
            }
            (Asking::Recorded | Asking::Sent(_), Event::Tamper(tampering)) => {
                let answered = self.answering == Answering::Answered;
                let code = match (tampering, answered, self.stale) {
                    (Tampering::Garbage, ..) => "answer-encoding",
                    (_, false, _) => return self.asking,
                    (Tampering::OtherRequest, ..) => "answer-other-request",
                    (_, _, true) => "records-stale",
                    (Tampering::OtherProof, ..) => "proof-invalid",
                    (Tampering::OtherSalt, ..) => "proof-record",
                };
                Asking::Sent(if late { rejected } else { Some(code) })
            }
            (Asking::Sent(None), Event::RequesterLooks) if late => Asking::NotProven,
            (Asking::Sent(Some(code)), Event::RequesterLooks) if late => Asking::Rejected(code),
            (asking, _) => asking,
        }
    }

    fn answers(&mut self, event: Event, late: bool) -> Answering {
        use Answering::*;
        let holds = self.finding == Finding::Holds;
        match (self.answering, event) {
            (Unasked, Event::Ask { .. }) if self.asking == Asking::Draft => Unasked,
            (Unasked, Event::Ask { .. }) => self.opens(late),
            (Asked, Event::Consent(Signer::Citizen)) if !late => {
                if holds {
                    Consented
                } else {
                    Silent(Silence::Unsatisfied)
                }
            }
            (Asked, Event::Refuse) => Silent(Silence::Refused),
            (Asked | Ready, Event::IssuerLooks) if late => Silent(Silence::Expired),
            (Consented, Event::RecordConsent) => Ready,
            (Ready | Proved, Event::Withdraw { right: true, noticed }) if !self.statutory => {
                self.withdrawn = true;
                match self.answering {
                    Ready if noticed => Silent(Silence::Withdrawn),
                    answering => answering,
                }
            }
            (Ready, Event::Prove) if late => Silent(Silence::Expired),
            (Ready, Event::Prove) => {
                self.stale = false;
                Proved
            }
            (Proved, Event::RecordProof) => match (self.stale, self.withdrawn) {
                (true, _) => Ready,
                (false, true) => Silent(Silence::Withdrawn),
                (false, false) => Answered,
            },
            (Proved | Answered, Event::Publish) => {
                self.stale = true;
                self.answering
            }
            (answering, _) => answering,
        }
    }

    fn opens(&self, late: bool) -> Answering {
        match (late, self.finding, self.statutory) {
            (true, ..) => Answering::Silent(Silence::Expired),
            (_, Finding::OverBudget, _) => Answering::Silent(Silence::OverBudget),
            (_, Finding::NoRecord | Finding::NoKey, _) => Answering::Silent(Silence::Unknown),
            (_, Finding::Holds, true) => Answering::Ready,
            (_, Finding::Fails, true) => Answering::Silent(Silence::Unsatisfied),
            (_, Finding::Holds | Finding::Fails, false) => Answering::Asked,
        }
    }
}
