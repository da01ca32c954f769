//! The issuer's half: from a permitted question to an answer, or to silence.
//!
//! ```text
//! open ─┬─ AwaitingConsent ─ Consented ─┐
//!       ├───────────────────────────── Ready ─ Proved ─ Answered
//!       └─ Closed   (every way to silence, with the reason that only issuer and citizen see)
//! ```

use chain::entry::{Content, Kind, withdrawal_lock};
use chain::identifier::EntryId;
use circuits::eddsa::{PublicKey, Signature};
use circuits::groth16::{KeyId, Proof};
use crypto::commitment::Salted;
use crypto::{Digest, canonical};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Exchange, salted_entry};
use crate::document::answer::{Answer, ElementHex, Evidence, ProofRecord};
use crate::document::request::LegalBasis;
use crate::document::{CheckedRequest, VERSION};

/// What the issuer found when it looked. Known only to the issuer and, once they ask, the citizen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// The record meets the condition.
    Holds,
    /// The record does not meet the condition.
    Fails,
    /// There is no record of the subject.
    NoRecord,
    /// The record has no consent key, or another one than the request's key card.
    NoKey,
    /// The issuer-wide budget for this subject and datum is spent.
    OverBudget,
}

/// Why an exchange ended in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Silence {
    /// There is no record of the subject, or none that the citizen could consent with.
    Unknown,
    /// The record does not meet the condition.
    Unsatisfied,
    /// The citizen refused.
    Refused,
    /// The citizen withdrew before the proof.
    Withdrawn,
    /// The issuer-wide budget is spent.
    OverBudget,
    /// Nobody answered in time.
    Expired,
    /// The chain refused the consent or the proof, for instance because this department's service was
    /// replaced, or because it had answered the request before and lost its memory of that.
    Unrecordable,
}

/// The citizen is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitingConsent {
    /// Whether a consent would lead to an answer. The citizen is told.
    pub holds: bool,
}

/// The citizen consented; the consent is to be put on the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Consented {
    consent: Salted<ConsentRecord>,
    lock: Digest,
}

/// Everything that a proof needs is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ready {
    /// What the `proof` entry refers to as its ground.
    pub ground: Ground,
}

/// The proof is made; it is to be put on the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proved {
    ground: Ground,
    proof: String,
    records: EntryId,
    evidence: Evidence,
    record: Salted<ProofRecord>,
}

/// The answer is complete and is sent until the requester acknowledges it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// What is sealed to the requester.
    pub answer: Answer,
}

/// The exchange ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// Why.
    pub silence: Silence,
}

/// On what ground a question is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Ground {
    /// The citizen's consent.
    Consent {
        /// Id of the `consent` entry.
        entry: EntryId,
        /// The citizen's signature over `M`, lower-case hexadecimal.
        signature: String,
    },
    /// A law that the service document names.
    Statutory {
        /// Id of the `service` entry.
        service: EntryId,
    },
}

/// The digest behind a `consent` entry is a salted commitment to this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentRecord {
    /// Format version, 1.
    pub version: u32,
    /// Digest of the request.
    pub request: Digest,
    /// The citizen's signature over `M`, lower-case hexadecimal.
    pub signature: String,
    /// When it reached the issuer, Unix seconds.
    pub given: u64,
}

/// How an exchange opens.
#[derive(Clone, Debug)]
pub enum Opened {
    /// The citizen is asked.
    AwaitingConsent(Exchange<AwaitingConsent>),
    /// A law is ground enough.
    Ready(Exchange<Ready>),
    /// Nothing will happen.
    Closed(Exchange<Closed>),
}

/// Why a citizen's step was not taken. The exchange is as it was.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsentError {
    /// The request's time is over.
    #[error("the request has expired")]
    Expired,
    /// The signature is not the record's key's over this request.
    #[error("the signature is not of the enrolled consent key over this request")]
    Signature,
    /// The bytes do not open the consent's lock.
    #[error("these bytes do not open the consent's withdrawal lock")]
    Lock,
}

impl ConsentError {
    /// A stable name of the failed check.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Expired => "consent-expired",
            Self::Signature => "consent-signature",
            Self::Lock => "withdrawal-lock",
        }
    }
}

/// Opens an exchange on a request that policy permits, with what the issuer found.
pub fn open(
    request: std::sync::Arc<CheckedRequest>,
    entry: EntryId,
    finding: Finding,
    now: u64,
) -> Opened {
    let statutory = matches!(request.request().legal_basis, LegalBasis::Statutory { .. });
    let service = request.request().service;
    let exchange = Exchange { request, entry, state: () };
    let closed =
        |exchange: Exchange<()>, silence| Opened::Closed(exchange.map(|()| Closed { silence }));
    if exchange.expired(now) {
        return closed(exchange, Silence::Expired);
    }
    match finding {
        Finding::OverBudget => closed(exchange, Silence::OverBudget),
        Finding::NoRecord => closed(exchange, Silence::Unknown),
        Finding::Fails if statutory => closed(exchange, Silence::Unsatisfied),
        Finding::Holds if statutory => {
            Opened::Ready(exchange.map(|()| Ready { ground: Ground::Statutory { service } }))
        }
        Finding::NoKey => closed(exchange, Silence::Unknown),
        Finding::Holds | Finding::Fails => Opened::AwaitingConsent(
            exchange.map(|()| AwaitingConsent { holds: finding == Finding::Holds }),
        ),
    }
}

/// A consent taken: to be recorded, or without effect because the condition is not met.
#[derive(Clone, Debug)]
pub enum Taken {
    /// To be put on the chain.
    Consented(Exchange<Consented>),
    /// The citizen agreed, but there is nothing to prove.
    Closed(Exchange<Closed>),
}

impl Exchange<AwaitingConsent> {
    /// Takes the citizen's signature over `M` and the lock that a withdrawal will open.
    ///
    /// # Errors
    /// [`ConsentError`]; then the citizen is still asked.
    pub fn consent(
        self,
        signature: &Signature,
        lock: Digest,
        key: &PublicKey,
        salted: impl FnOnce(ConsentRecord) -> Salted<ConsentRecord>,
        now: u64,
    ) -> Result<Taken, (Self, ConsentError)> {
        if self.expired(now) {
            return Err((self, ConsentError::Expired));
        }
        if key.verify(self.request.consent_message(), signature).is_err() {
            return Err((self, ConsentError::Signature));
        }
        if !self.state.holds {
            return Ok(Taken::Closed(self.map(|_| Closed { silence: Silence::Unsatisfied })));
        }
        let record = ConsentRecord {
            version: VERSION,
            request: *self.request.digest(),
            signature: hex::encode(signature.to_bytes()),
            given: now,
        };
        Ok(Taken::Consented(self.map(|_| Consented { consent: salted(record), lock })))
    }

    /// The citizen refuses. Nobody but issuer and citizen learns it.
    pub fn refuse(self) -> Exchange<Closed> {
        self.map(|_| Closed { silence: Silence::Refused })
    }

    /// Closes the exchange if its time is over.
    ///
    /// # Errors
    /// The exchange as it was, if there is time left.
    pub fn expire(self, now: u64) -> Result<Exchange<Closed>, Self> {
        if self.expired(now) {
            Ok(self.map(|_| Closed { silence: Silence::Expired }))
        } else {
            Err(self)
        }
    }
}

impl Exchange<Consented> {
    /// What the `consent` entry says.
    pub fn content(&self) -> Content {
        let record = salted_entry(Kind::Consent, &self.state.consent);
        Content::Consent { record, lock: self.state.lock, request: self.entry }
    }

    /// The consent is on the chain.
    pub fn recorded(self, entry: EntryId) -> Exchange<Ready> {
        self.map(|state| Ready {
            ground: Ground::Consent { entry, signature: state.consent.document.signature },
        })
    }
}

/// What a `withdrawal` entry says, if `w` opens the consent's lock.
///
/// # Errors
/// [`ConsentError::Lock`] if it does not.
pub fn withdrawal(w: Digest, lock: &Digest, consent: EntryId) -> Result<Content, ConsentError> {
    if withdrawal_lock(&w).ct_eq(lock) {
        Ok(Content::Withdrawal { w, consent })
    } else {
        Err(ConsentError::Lock)
    }
}

/// A proof that the issuer made and verified itself.
#[derive(Clone, Debug)]
pub struct Proven {
    /// The proof.
    pub proof: Proof,
    /// The key it was made and verified with.
    pub key: KeyId,
    /// Its public inputs, in the statement's order.
    pub inputs: Vec<circuits::Fr>,
    /// Id of the `records` entry whose root it was made under.
    pub records: EntryId,
    /// What the requester needs to recompute the inputs.
    pub evidence: Evidence,
}

impl Exchange<Ready> {
    /// Takes the proof.
    pub fn proved(
        self,
        proven: Proven,
        salted: impl FnOnce(ProofRecord) -> Salted<ProofRecord>,
    ) -> Exchange<Proved> {
        let bytes = proven.proof.to_bytes();
        let record = salted(ProofRecord {
            version: VERSION,
            key: proven.key,
            inputs: proven.inputs.into_iter().map(ElementHex).collect(),
            proof: Digest::of(&bytes),
        });
        self.map(|state| Proved {
            ground: state.ground,
            proof: hex::encode(bytes),
            records: proven.records,
            evidence: proven.evidence,
            record,
        })
    }

    /// A withdrawal came first on the chain.
    pub fn withdrawn(self) -> Exchange<Closed> {
        self.map(|_| Closed { silence: Silence::Withdrawn })
    }

    /// Closes the exchange if its time is over.
    ///
    /// # Errors
    /// The exchange as it was, if there is time left.
    pub fn expire(self, now: u64) -> Result<Exchange<Closed>, Self> {
        if self.expired(now) {
            Ok(self.map(|_| Closed { silence: Silence::Expired }))
        } else {
            Err(self)
        }
    }
}

impl Proved {
    /// On what ground the question is answered.
    pub fn ground(&self) -> &Ground {
        &self.ground
    }
}

impl Exchange<Proved> {
    /// What the `proof` entry says.
    pub fn content(&self) -> Content {
        let record = salted_entry(Kind::Proof, &self.state.record);
        let basis = match &self.state.ground {
            Ground::Consent { entry, .. } => *entry,
            Ground::Statutory { service } => *service,
        };
        Content::Proof { record, request: self.entry, basis, records: self.state.records }
    }

    /// The proof is on the chain: the answer is complete.
    pub fn recorded(self, proof_entry: EntryId) -> Exchange<Answered> {
        let request = *self.request.digest();
        self.map(|state| {
            let consent_entry = match state.ground {
                Ground::Consent { entry, .. } => Some(entry),
                Ground::Statutory { .. } => None,
            };
            Answered {
                answer: Answer {
                    version: VERSION,
                    request,
                    proof: state.proof,
                    key: state.record.document.key,
                    records: state.records,
                    evidence: state.evidence,
                    consent_entry,
                    proof_entry,
                    proof_salt: state.record.salt,
                },
            }
        })
    }

    /// The chain refused the proof because a withdrawal came first.
    pub fn withdrawn(self) -> Exchange<Closed> {
        self.map(|_| Closed { silence: Silence::Withdrawn })
    }
}

impl Exchange<Answered> {
    /// The canonical answer that is sealed to the requester.
    pub fn answer_bytes(&self) -> Vec<u8> {
        canonical::to_vec(&self.state.answer).expect("an answer has string keys and integers only")
    }
}

#[cfg(test)]
mod tests;
