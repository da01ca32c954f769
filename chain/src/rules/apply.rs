//! The rule of each kind: every check first, then the change.

use std::sync::Arc;

use crypto::Digest;
use rpds::{HashTrieMapSync, HashTrieSetSync};

use super::{
    Ballot, Consent, ConsentKey, Dataset, Member, Payload, Position, ProofEntry, Records, Request,
    RuleError, Service, State, Subject,
};
use crate::department::Department;
use crate::document::Document;
use crate::entry::{Content, Entry, SignedEntry, withdrawal_lock};
use crate::identifier::{DepartmentId, EntryId};
use crate::validators::{ValidatorSet, exceeds_two_thirds};

/// The entry under judgement.
#[derive(Clone, Copy)]
struct Act {
    id: EntryId,
    author: DepartmentId,
    at: Position,
}

impl State {
    /// Applies `entry` at `position`; `document` is the public document behind its digest, for the kinds
    /// that have one.
    ///
    /// # Errors
    /// [`RuleError`], naming the broken rule; the state is then as before.
    pub fn apply(
        &mut self,
        entry: &Entry,
        position: Position,
        document: Option<&Document>,
    ) -> Result<EntryId, RuleError> {
        let key = self.author(entry.author())?.signing_key;
        let signed = entry.verify(&self.network, key)?;
        self.apply_signed(&signed, position, document)
    }

    /// As [`State::apply`], for an entry whose signature was checked before, perhaps elsewhere. It is checked
    /// again if that was under another key than the author has now.
    ///
    /// # Errors
    /// As [`State::apply`].
    pub fn apply_signed(
        &mut self,
        signed: &SignedEntry,
        position: Position,
        document: Option<&Document>,
    ) -> Result<EntryId, RuleError> {
        let entry = signed.entry();
        let key = self.author(entry.author())?.signing_key;
        if key != *signed.key() {
            entry.verify(&self.network, key)?;
        }
        let act = Act { id: entry.id(&self.network), author: *entry.author(), at: position };
        if self.entries.contains_key(&act.id) {
            return Err(RuleError::Duplicate { id: act.id });
        }
        self.judge(act, entry.content(), document)?;
        self.entries.insert_mut(act.id, position);
        let place = usize::from(entry.kind().byte()) - 1;
        self.counts[place] += 1;
        Ok(act.id)
    }

    fn author(&self, author: &DepartmentId) -> Result<&Department, RuleError> {
        self.department(author).ok_or(RuleError::AuthorUnknown { author: *author })
    }

    fn judge(
        &mut self,
        act: Act,
        content: &Content,
        document: Option<&Document>,
    ) -> Result<(), RuleError> {
        match *content {
            Content::Department { document: digest, replaces } => {
                let document = named(&digest, document)?;
                self.department_proposed(act, document, replaces)
            }
            Content::Circuit { document: digest } => {
                named(&digest, document)?;
                self.ballots.insert_mut(act.id, Ballot::open(act, digest, Subject::Circuit));
                Ok(())
            }
            Content::Validators { document: digest } => {
                let document = named(&digest, document)?;
                self.validators_proposed(act, document)
            }
            Content::Approval { entry } => self.approved(act, entry),
            Content::Service { document: digest, replaces } => {
                named(&digest, document)?;
                self.service_offered(act, digest, replaces)
            }
            Content::ConsentKey { card, replaces } => self.key_enrolled(act, card, replaces),
            Content::Records { root, service, previous } => {
                self.records_published(act, root, service, previous)
            }
            Content::Request { request } => self.requested(act, request),
            Content::Consent { lock, request, .. } => self.consented(act, lock, request),
            Content::Withdrawal { w, consent } => self.withdrawn(act, w, consent),
            Content::Proof { record, request, basis, records } => {
                self.proved(act, record, request, basis, records)
            }
            Content::PayloadSent { commitment, proof } => self.sent(act, commitment, proof),
            Content::PayloadReceived { commitment, sent } => self.received(act, commitment, sent),
        }
    }

    fn department_proposed(
        &mut self,
        act: Act,
        document: &Document,
        replaces: Option<EntryId>,
    ) -> Result<(), RuleError> {
        let department: Department = document.parse().map_err(RuleError::DepartmentDocument)?;
        self.check_replaces_department(&department.id, replaces)?;
        let mut validators =
            self.validators.validators().iter().chain(self.next_validators.validators());
        if validators.any(|validator| validator.key == department.signing_key) {
            return Err(RuleError::SharedKey);
        }
        let department = Arc::new(department);
        let subject = Subject::Department { department, replaces };
        self.ballots.insert_mut(act.id, Ballot::open(act, *document.digest(), subject));
        Ok(())
    }

    fn check_replaces_department(
        &self,
        id: &DepartmentId,
        replaces: Option<EntryId>,
    ) -> Result<(), RuleError> {
        let current = self.members.get(id).and_then(|member| member.entry);
        if replaces != current {
            return Err(RuleError::ReplacedNotCurrent);
        }
        Ok(())
    }

    fn validators_proposed(&mut self, act: Act, document: &Document) -> Result<(), RuleError> {
        let set = ValidatorSet::from_document(document).map_err(RuleError::ValidatorsDocument)?;
        for validator in set.validators() {
            if self.members().any(|member| member.department.signing_key == validator.key) {
                return Err(RuleError::SharedKey);
            }
        }
        let subject = Subject::Validators { set: Arc::new(set), follows: self.newest_validators() };
        self.ballots.insert_mut(act.id, Ballot::open(act, *document.digest(), subject));
        Ok(())
    }

    /// The set elected last, in force or not.
    fn newest_validators(&self) -> Arc<ValidatorSet> {
        Arc::clone(self.elected.as_ref().unwrap_or(&self.next_validators))
    }

    /// A department's second approval of an entry is its first: it has the same id, and was refused for that.
    fn approved(&mut self, act: Act, entry: EntryId) -> Result<(), RuleError> {
        let ballot = self.ballots.get(&entry).ok_or(RuleError::ApprovedUnknown { entry })?;
        let mut ballot = ballot.clone();
        ballot.approvals.insert_mut(act.author);
        let enough = exceeds_two_thirds(ballot.approvals.size(), self.members.size());
        if ballot.approved.is_none() && enough {
            match &ballot.subject {
                Subject::Department { department, replaces } => {
                    self.check_replaces_department(&department.id, *replaces)?;
                    let department = Arc::clone(department);
                    let id = department.id;
                    self.retire_key(&id);
                    self.members.insert_mut(id, Member { department, entry: Some(entry) });
                }
                Subject::Circuit => {
                    if !self.circuits.contains_key(&ballot.document) {
                        self.circuits.insert_mut(ballot.document, entry);
                    }
                }
                Subject::Validators { set, follows } => {
                    // An old proposal must not bring retired keys back with its last missing approval.
                    if *self.newest_validators() != **follows {
                        return Err(RuleError::ReplacedNotCurrent);
                    }
                    self.elected = Some(Arc::clone(set));
                }
            }
            ballot.approved = Some(act.at);
        }
        self.ballots.insert_mut(entry, ballot);
        Ok(())
    }

    /// Keeps a department's key among its former ones, before another document takes its place.
    fn retire_key(&mut self, id: &DepartmentId) {
        let Some(key) = self.department(id).map(|department| department.signing_key) else {
            return;
        };
        let former = self.former_keys.get(id).map_or(&[][..], |keys| keys);
        if !former.contains(&key) {
            let keys = former.iter().copied().chain([key]).collect();
            self.former_keys.insert_mut(*id, keys);
        }
    }

    fn service_offered(
        &mut self,
        act: Act,
        document: Digest,
        replaces: Option<EntryId>,
    ) -> Result<(), RuleError> {
        let dataset = match replaces {
            None => act.id,
            Some(replaced) => {
                let service = self.services.get(&replaced);
                let dataset =
                    service.ok_or(RuleError::ServiceUnknown { service: replaced })?.dataset;
                let current = self.known_dataset(&dataset);
                if current.issuer != act.author {
                    return Err(RuleError::ReplacedByAnother);
                }
                if current.service != replaced {
                    return Err(RuleError::ReplacedNotCurrent);
                }
                dataset
            }
        };
        let records = self.datasets.get(&dataset).and_then(|dataset| dataset.records);
        let current = Dataset { issuer: act.author, service: act.id, records };
        self.datasets.insert_mut(dataset, current);
        self.services.insert_mut(act.id, Service { dataset, document });
        Ok(())
    }

    /// The dataset that a service on the chain belongs to.
    fn known_dataset(&self, dataset: &EntryId) -> Dataset {
        *self.datasets.get(dataset).expect("every service on the chain is of a dataset")
    }

    /// The dataset of `service`, which must be its current one and the author's.
    fn current_dataset(&self, act: Act, service: EntryId) -> Result<(EntryId, Dataset), RuleError> {
        let name =
            self.services.get(&service).ok_or(RuleError::ServiceUnknown { service })?.dataset;
        let dataset = self.known_dataset(&name);
        if dataset.issuer != act.author {
            return Err(RuleError::NotTheIssuer);
        }
        if dataset.service != service {
            return Err(RuleError::ServiceReplaced { service });
        }
        Ok((name, dataset))
    }

    fn key_enrolled(
        &mut self,
        act: Act,
        card: Digest,
        replaces: Option<EntryId>,
    ) -> Result<(), RuleError> {
        if !self.author(&act.author)?.is_registrar() {
            return Err(RuleError::NotARegistrar { author: act.author });
        }
        if self.cards.contains_key(&card) {
            return Err(RuleError::CardRepeated);
        }
        if let Some(replaced) = replaces {
            let old = self.consent_keys.get(&replaced).ok_or(RuleError::ReplacedNotCurrent)?;
            if old.registrar != act.author {
                return Err(RuleError::ReplacedByAnother);
            }
            if old.replaced_by.is_some() {
                return Err(RuleError::ReplacedNotCurrent);
            }
            update(&mut self.consent_keys, replaced, |old| old.replaced_by = Some(act.id));
        }
        let key = ConsentKey { registrar: act.author, card, replaced_by: None };
        self.consent_keys.insert_mut(act.id, key);
        self.cards.insert_mut(card, act.id);
        Ok(())
    }

    fn records_published(
        &mut self,
        act: Act,
        root: Digest,
        service: EntryId,
        previous: Option<EntryId>,
    ) -> Result<(), RuleError> {
        let (name, dataset) = self.current_dataset(act, service)?;
        if dataset.records != previous {
            return Err(RuleError::PreviousNotCurrent);
        }
        if let Some(previous) = previous {
            update(&mut self.records, previous, |old| old.superseded = Some(act.at.time));
        }
        update(&mut self.datasets, name, |dataset| dataset.records = Some(act.id));
        let records = Records { dataset: name, issuer: act.author, root, superseded: None };
        self.records.insert_mut(act.id, records);
        Ok(())
    }

    fn requested(&mut self, act: Act, digest: Digest) -> Result<(), RuleError> {
        if self.request_digests.contains_key(&digest) {
            return Err(RuleError::RequestRepeated);
        }
        self.request_digests.insert_mut(digest, act.id);
        self.requests.insert_mut(act.id, Request { requester: act.author });
        Ok(())
    }

    /// The request is on the chain, and the author has not answered it. Whether others have is nothing to
    /// it: they could otherwise keep the issuer from answering.
    fn unanswered(&self, act: Act, request: EntryId) -> Result<(), RuleError> {
        if !self.requests.contains_key(&request) {
            return Err(RuleError::RequestUnknown { request });
        }
        match self.answer(&request, &act.author) {
            None => Ok(()),
            Some(_) => Err(RuleError::RequestAnswered { request }),
        }
    }

    fn consented(&mut self, act: Act, lock: Digest, request: EntryId) -> Result<(), RuleError> {
        self.unanswered(act, request)?;
        if let Some(consent) = self.granted.get(&(request, act.author)) {
            return Err(RuleError::ConsentRepeated { consent: *consent });
        }
        self.granted.insert_mut((request, act.author), act.id);
        let consent = Consent { issuer: act.author, request, lock, withdrawn: None };
        self.consents.insert_mut(act.id, consent);
        Ok(())
    }

    fn withdrawn(&mut self, act: Act, w: Digest, consent: EntryId) -> Result<(), RuleError> {
        let known = self.consents.get(&consent).ok_or(RuleError::ConsentUnknown { consent })?;
        if withdrawal_lock(&w) != known.lock {
            return Err(RuleError::LockMismatch);
        }
        if known.withdrawn.is_some() {
            return Err(RuleError::ConsentWithdrawn { consent });
        }
        update(&mut self.consents, consent, |known| known.withdrawn = Some(act.id));
        Ok(())
    }

    fn proved(
        &mut self,
        act: Act,
        record: Digest,
        request: EntryId,
        basis: EntryId,
        records: EntryId,
    ) -> Result<(), RuleError> {
        self.unanswered(act, request)?;
        let about = *self.records.get(&records).ok_or(RuleError::RecordsUnknown { records })?;
        if about.issuer != act.author {
            return Err(RuleError::NotTheIssuer);
        }
        if !self.records_accepted(&records, act.at.time) {
            return Err(RuleError::RecordsSuperseded { records });
        }
        let statutory = if let Some(consent) = self.consents.get(&basis) {
            if consent.issuer != act.author || consent.request != request {
                return Err(RuleError::ConsentOfAnother { consent: basis });
            }
            if consent.withdrawn.is_some() {
                return Err(RuleError::ConsentWithdrawn { consent: basis });
            }
            false
        } else if self.services.contains_key(&basis) {
            let (dataset, _) = self.current_dataset(act, basis)?;
            if dataset != about.dataset {
                return Err(RuleError::DatasetMismatch);
            }
            true
        } else {
            return Err(RuleError::BasisUnknown { basis });
        };
        let issuer = act.author;
        let proof = ProofEntry { issuer, request, basis, statutory, records, record };
        self.proofs.insert_mut(act.id, proof);
        self.answers.insert_mut((request, act.author), act.id);
        Ok(())
    }

    fn sent(&mut self, act: Act, commitment: Digest, proof: EntryId) -> Result<(), RuleError> {
        let known = self.proofs.get(&proof).ok_or(RuleError::ProofUnknown { proof })?;
        let asked = self.requests.get(&known.request);
        let requester = asked.expect("every proof on the chain is to a request on it").requester;
        let recipient = if act.author == requester {
            known.issuer
        } else if act.author == known.issuer {
            requester
        } else {
            return Err(RuleError::NotAParty { author: act.author });
        };
        let sender = act.author;
        let payload = Payload { proof, sender, recipient, commitment, received: None };
        self.payloads.insert_mut(act.id, payload);
        Ok(())
    }

    /// A second receipt of a payload by its recipient has the same id, and was refused for that.
    fn received(&mut self, act: Act, commitment: Digest, sent: EntryId) -> Result<(), RuleError> {
        let payload = self.payloads.get(&sent).ok_or(RuleError::PayloadUnknown { sent })?;
        if payload.recipient != act.author {
            return Err(RuleError::NotTheRecipient { author: act.author });
        }
        if payload.commitment != commitment {
            return Err(RuleError::CommitmentMismatch);
        }
        update(&mut self.payloads, sent, |payload| payload.received = Some(act.id));
        Ok(())
    }
}

impl Ballot {
    fn open(act: Act, document: Digest, subject: Subject) -> Self {
        let approvals = HashTrieSetSync::default();
        Self { author: act.author, document, approvals, approved: None, subject }
    }
}

/// The document, if it is the one that `digest` names.
fn named<'a>(digest: &Digest, document: Option<&'a Document>) -> Result<&'a Document, RuleError> {
    let document = document.ok_or(RuleError::DocumentMissing)?;
    if document.digest() != digest {
        return Err(RuleError::DocumentMismatch);
    }
    Ok(document)
}

fn update<V: Clone>(
    map: &mut HashTrieMapSync<EntryId, V>,
    id: EntryId,
    change: impl FnOnce(&mut V),
) {
    change(map.get_mut(&id).expect("looked up just before"));
}
