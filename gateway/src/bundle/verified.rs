//! Verifying a bundle: its receipts, its parts against each other, and the verifier's duties.

use chain::department::Department;
use chain::entry::{Content, Kind, request_digest};
use chain::genesis::Genesis;
use chain::identifier::{DepartmentId, EntryId};
use chain::receipt::Verified;
use chain::time::Timestamp;
use crypto::canonical;

use super::facts::{ReceiptFacts, same_dataset};
use super::parts::Parts;
use super::roll::{Ballot, Roll};
use super::unproven::UnprovenBundle;
use super::{Bundle, BundleError, Part};
use crate::document::request::LegalBasis;
use crate::document::{CheckedRequest, KeyCard, Service};
use crate::exchange::verification::{Question, Strictness, Unproven, VerifiedAnswer};
use crate::records::schema_digest;
use crate::subject::Subject;

/// A bundle that passed every check. Only [`Bundle::verify`] and [`verify_many`](super::verify_many) make one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VerifiedBundle {
    /// The question.
    pub request: CheckedRequest,
    /// Who it is about; absent in a pseudonymous one.
    pub subject: Option<Subject>,
    /// The service that was asked.
    pub service: Service,
    /// Who asked, as the document that stood then says.
    pub requester: Department,
    /// Who answered, as the document that stood then says.
    pub issuer: Department,
    /// Who enrolled the citizen's key, where the request names a card.
    pub registrar: Option<DepartmentId>,
    /// What holds, verified as of the block of the proof; with every note.
    pub answer: VerifiedAnswer,
    /// Where each part stands, in the order of the log.
    pub recorded: Vec<Recorded>,
    /// How many departments approved the circuit.
    pub approvals: usize,
    /// Of how many, by the genesis file and the bundle.
    pub departments: usize,
}

/// Where a part stands on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The part.
    pub part: Part,
    /// Its entry.
    pub entry: EntryId,
    /// Who wrote it.
    pub author: DepartmentId,
    /// Height of its block.
    pub height: u64,
    /// Its index in the log.
    pub index: u64,
    /// Time of its block.
    pub time: Timestamp,
}

impl Bundle {
    /// Verifies the bundle with nothing but the genesis. The time for which the answer is judged is that of
    /// the block in which the proof stands.
    ///
    /// # Errors
    /// [`BundleError`] names the first part and check that failed.
    pub fn verify(
        &self,
        genesis: &Genesis,
        strictness: Strictness,
    ) -> Result<VerifiedBundle, BundleError> {
        self.check(genesis, strictness)?.verify()
    }

    /// Everything of [`Bundle::verify`] but the proof's equation, so that many can be verified at once.
    ///
    /// # Errors
    /// [`BundleError`] names the first part and check that failed.
    pub fn check(
        &self,
        genesis: &Genesis,
        strictness: Strictness,
    ) -> Result<UnprovenBundle, BundleError> {
        for (part, network) in
            [(Part::Bundle, &self.network), (Part::Request, &self.request.network)]
        {
            if network != genesis.network() {
                return Err(BundleError::Network { part });
            }
        }
        self.complete()?;
        let parts = Parts::verify(self, genesis)?;
        let roll = Roll::new(genesis, &parts.admissions)?;
        self.documents(&parts)?;
        self.entries(&parts, &roll)?;
        self.service.check()?;
        let schema = &self.service.schema;
        let request = CheckedRequest::check(self.request.clone(), schema, &schema_digest(schema))?;
        let card = self.card(&parts, &roll, genesis)?;
        let by = Part::CircuitApproval;
        let ballot = roll.approved((Part::Circuit, &parts.circuit), &parts.approvals, by)?;
        in_order(&parts)?;
        let Ballot { approved, approvals, departments } = ballot;
        if approved.is_some_and(|approved| approved >= parts.proof.index) {
            let (part, before) = (Part::Circuit, Part::Proof.name());
            return Err(BundleError::ApprovedLate { part, before });
        }
        let facts = ReceiptFacts {
            bundle: self,
            parts: &parts,
            roll: &roll,
            approved: approved.is_some(),
            same_dataset: same_dataset(&parts),
        };
        let entry = &parts.request.id;
        let question = Question { request: &request, entry, subject: self.subject, card };
        let answer = canonical::to_vec(&self.answer).expect("an answer has string keys");
        let now = parts.proof.time.unix_seconds();
        let answer = Unproven::check(&answer, question, &facts, strictness, now)?;
        let department = |id, part, at: &Verified| {
            let unknown = BundleError::AuthorUnknown { part, author: id };
            roll.department(&id, at.index).cloned().ok_or(unknown)
        };
        Ok(UnprovenBundle {
            subject: self.subject,
            service: self.service.clone(),
            requester: department(self.request.requester, Part::Request, &parts.request)?,
            issuer: department(self.request.issuer, Part::Proof, &parts.proof)?,
            registrar: card.map(|card| card.registrar),
            answer,
            single_operator: parts.single_operator,
            recorded: recorded(&parts),
            approvals,
            departments,
            request,
        })
    }

    /// What the question needs is there, and nothing that it has no use for.
    fn complete(&self) -> Result<(), BundleError> {
        let (consented, named) = match &self.request.legal_basis {
            LegalBasis::Consent { key_card } => (true, key_card.is_some()),
            LegalBasis::Statutory { .. } => (false, false),
        };
        let identified = self.request.circuit.mode() == circuits::query::Mode::Identified;
        let there = [
            (Part::Subject, identified, self.subject.is_some()),
            (Part::KeyCard, named, self.card.is_some()),
            (Part::KeyCard, named, self.receipts.consent_key.is_some()),
            (Part::Consent, consented, self.receipts.consent.is_some()),
        ];
        for (part, wanted, there) in there {
            match (wanted, there) {
                (true, false) => return Err(BundleError::Missing { part }),
                (false, true) => return Err(BundleError::Superfluous { part }),
                _ => {}
            }
        }
        Ok(())
    }

    /// Each document is the one behind its entry, and each entry the one that is named.
    fn documents(&self, parts: &Parts<'_>) -> Result<(), BundleError> {
        let of = |part, shown: &Verified, kind, digest| {
            if shown.entry.kind() != kind {
                return Err(BundleError::Kind { part, got: shown.entry.kind() });
            }
            let same = *shown.entry.content().digest() == digest;
            if same { Ok(()) } else { Err(BundleError::Document { part }) }
        };
        let named = |part, shown: &Verified, id: EntryId| {
            if shown.id == id { Ok(()) } else { Err(BundleError::OtherEntry { part }) }
        };
        let digest = canonical::digest(&self.request).expect("a request has string keys");
        of(Part::Request, &parts.request, Kind::Request, request_digest(&digest))?;
        of(Part::Service, &parts.service, Kind::Service, self.service.digest())?;
        named(Part::Service, &parts.service, self.request.service)?;
        of(Part::Circuit, &parts.circuit, Kind::Circuit, self.circuit.digest())?;
        named(Part::Records, &parts.records, self.answer.records)?;
        named(Part::Proof, &parts.proof, self.answer.proof_entry)?;
        let Some(consent) = &parts.consent else { return Ok(()) };
        let to_it = matches!(consent.entry.content(),
            Content::Consent { request, .. } if *request == parts.request.id);
        match self.answer.consent_entry {
            Some(id) if to_it => named(Part::Consent, consent, id),
            _ => Err(BundleError::OtherEntry { part: Part::Consent }),
        }
    }

    /// Each entry is of the kind it should be, by whom it should be, and signed.
    fn entries(&self, parts: &Parts<'_>, roll: &Roll) -> Result<(), BundleError> {
        let (requester, issuer) = (self.request.requester, self.request.issuer);
        let is = |part, shown: &Verified, kind, author| {
            if shown.entry.kind() != kind {
                return Err(BundleError::Kind { part, got: shown.entry.kind() });
            }
            if *shown.entry.author() != author {
                return Err(BundleError::Author { part, expected: author });
            }
            roll.signed(part, shown)
        };
        is(Part::Request, &parts.request, Kind::Request, requester)?;
        is(Part::Service, &parts.service, Kind::Service, issuer)?;
        for service in &parts.replaced {
            is(Part::ReplacedService, service, Kind::Service, issuer)?;
        }
        is(Part::Records, &parts.records, Kind::Records, issuer)?;
        if let Some(consent) = &parts.consent {
            is(Part::Consent, consent, Kind::Consent, issuer)?;
        }
        is(Part::Proof, &parts.proof, Kind::Proof, issuer)?;
        // Whoever proposed the circuit: the approvals count.
        roll.signed(Part::Circuit, &parts.circuit)
    }

    /// The card is the word of the service's registrar, and on the chain.
    fn card(
        &self,
        parts: &Parts<'_>,
        roll: &Roll,
        genesis: &Genesis,
    ) -> Result<Option<&KeyCard>, BundleError> {
        let (Some(signed), Some(shown)) = (&self.card, &parts.consent_key) else {
            return Ok(None);
        };
        let part = Part::KeyCard;
        let department = signed.card.registrar;
        let author = *shown.entry.author();
        let Content::ConsentKey { card: digest, .. } = *shown.entry.content() else {
            return Err(BundleError::Kind { part, got: shown.entry.kind() });
        };
        if author != department {
            return Err(BundleError::Author { part, expected: department });
        }
        roll.signed(part, shown)?;
        let document = roll.department(&department, shown.index);
        let registrar = document
            .filter(|document| document.is_registrar() && document.id == self.service.registrar)
            .ok_or(BundleError::NotTheRegistrar { part, department })?;
        let card = signed.verify(genesis.network(), &registrar.signing_key)?;
        let named = matches!(&self.request.legal_basis,
            LegalBasis::Consent { key_card } if *key_card == Some(digest));
        if card.digest() != digest || !named {
            return Err(BundleError::Document { part });
        }
        match self.subject == Some(card.subject) {
            true => Ok(Some(card)),
            false => Err(BundleError::OtherSubject),
        }
    }
}

/// What an entry rests on stands before it.
fn in_order(parts: &Parts<'_>) -> Result<(), BundleError> {
    let (request, proof) = ((Part::Request, &parts.request), (Part::Proof, &parts.proof));
    let mut pairs = vec![
        ((Part::Service, &parts.service), request),
        (request, proof),
        ((Part::Records, &parts.records), proof),
    ];
    if let Some(card) = &parts.consent_key {
        pairs.push(((Part::KeyCard, card), request));
    }
    if let Some(consent) = &parts.consent {
        pairs.push((request, (Part::Consent, consent)));
        pairs.push(((Part::Consent, consent), proof));
    }
    for ((part, first), (before, then)) in pairs {
        if first.index >= then.index {
            return Err(BundleError::Order { part, before: before.name() });
        }
    }
    Ok(())
}

fn recorded(parts: &Parts<'_>) -> Vec<Recorded> {
    let one = [
        (Part::Request, Some(&parts.request)),
        (Part::Service, Some(&parts.service)),
        (Part::Records, Some(&parts.records)),
        (Part::KeyCard, parts.consent_key.as_ref()),
        (Part::Consent, parts.consent.as_ref()),
        (Part::Circuit, Some(&parts.circuit)),
        (Part::Proof, Some(&parts.proof)),
    ];
    let one = one.into_iter().filter_map(|(part, shown)| Some((part, shown?)));
    let approvals = parts.approvals.iter();
    let approvals = approvals.map(|it| (Part::CircuitApproval(*it.entry.author()), it));
    let admissions = parts.admissions.iter();
    let admissions = admissions.map(|it| (Part::Department(it.document.id), &it.shown));
    let mut recorded: Vec<_> = one
        .chain(approvals)
        .chain(admissions)
        .map(|(part, shown)| Recorded {
            part,
            entry: shown.id,
            author: *shown.entry.author(),
            height: shown.height,
            index: shown.index,
            time: shown.time,
        })
        .collect();
    recorded.sort_by_key(|it| it.index);
    recorded
}
