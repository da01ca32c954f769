//! The roll: which departments there are by the genesis file and the bundle, and since where in the log.

use std::collections::{BTreeMap, BTreeSet};

use chain::department::Department;
use chain::entry::Content;
use chain::genesis::Genesis;
use chain::identifier::{DepartmentId, EntryId, NetworkId};
use chain::receipt::Verified;
use crypto::{VerifyingKey, canonical};

use super::parts::ShownAdmission;
use super::{BundleError, Part};

/// Departments, each with the documents that counted one after the other.
#[derive(Debug)]
pub(super) struct Roll {
    network: NetworkId,
    members: BTreeMap<DepartmentId, Vec<Standing>>,
}

/// A document that counted from some place in the log on.
#[derive(Debug)]
struct Standing {
    /// Index of the approval that made it count; none for a founding document.
    since: Option<u64>,
    /// The `department` entry; none for a founding document.
    entry: Option<EntryId>,
    document: Department,
}

impl Roll {
    /// The founding departments, and those that `admissions` show, which must be in the order of their
    /// approval.
    pub(super) fn new(
        genesis: &Genesis,
        admissions: &[ShownAdmission<'_>],
    ) -> Result<Self, BundleError> {
        let founding = genesis.facts().departments.iter().map(|document| {
            let document = document.clone();
            (document.id, vec![Standing { since: None, entry: None, document }])
        });
        let mut roll = Self { network: *genesis.network(), members: founding.collect() };
        for admission in admissions {
            roll.admit(admission)?;
        }
        Ok(roll)
    }

    fn admit(&mut self, admission: &ShownAdmission<'_>) -> Result<(), BundleError> {
        let ShownAdmission { document, shown, approvals } = admission;
        let id = document.id;
        let part = Part::Department(id);
        let Content::Department { document: digest, replaces } = *shown.entry.content() else {
            return Err(BundleError::Kind { part, got: shown.entry.kind() });
        };
        if canonical::digest(document).ok() != Some(digest) {
            return Err(BundleError::Document { part });
        }
        self.signed(part, shown)?;
        let current = self.members.get(&id).and_then(|documents| documents.last());
        if replaces != current.and_then(|standing| standing.entry) {
            return Err(BundleError::Replaces { part });
        }
        let by = |by| Part::DepartmentApproval { department: id, by };
        let Ballot { approved, approvals, departments } =
            self.approved((part, shown), approvals, by)?;
        let unapproved = BundleError::Unapproved { part, approvals, departments };
        let at = approved.ok_or(unapproved)?;
        // In the order of approval: each is counted among the departments that there were.
        if self.newest() >= Some(at) {
            return Err(BundleError::Order { part, before: part.name() });
        }
        let standing =
            Standing { since: Some(at), entry: Some(shown.id), document: (*document).clone() };
        self.members.entry(id).or_default().push(standing);
        Ok(())
    }

    /// Index of the approval that made the newest document count.
    fn newest(&self) -> Option<u64> {
        self.members.values().flatten().filter_map(|standing| standing.since).max()
    }

    /// The document of a department that counted at `index` in the log.
    pub(super) fn department(&self, id: &DepartmentId, index: u64) -> Option<&Department> {
        let documents = self.members.get(id)?.iter().rev();
        let mut counted = documents.filter(|it| it.since.is_none_or(|since| since < index));
        counted.next().map(|standing| &standing.document)
    }

    /// The keys that a department had, one after the other.
    pub(super) fn signing_keys(&self, id: &DepartmentId) -> impl Iterator<Item = &VerifyingKey> {
        let documents = self.members.get(id).map_or(&[][..], Vec::as_slice);
        documents.iter().map(|standing| &standing.document.signing_key)
    }

    /// How many departments there were at `index` in the log.
    fn count(&self, index: u64) -> usize {
        let was = |id: &&DepartmentId| self.department(id, index).is_some();
        self.members.keys().filter(was).count()
    }

    /// The entry's author was a department, and signed it.
    pub(super) fn signed(&self, part: Part, shown: &Verified) -> Result<(), BundleError> {
        let author = *shown.entry.author();
        let unknown = BundleError::AuthorUnknown { part, author };
        let key = self.department(&author, shown.index).ok_or(unknown)?.signing_key;
        shown
            .entry
            .verify(&self.network, key)
            .map(drop)
            .map_err(|_| BundleError::EntrySignature { part, author })
    }

    /// Counts the approvals of `subject`, as the chain does: in the log's order, among the departments that
    /// there were.
    pub(super) fn approved(
        &self,
        subject: (Part, &Verified),
        approvals: &[Verified],
        by: impl Fn(DepartmentId) -> Part,
    ) -> Result<Ballot, BundleError> {
        let (subject_part, subject) = subject;
        let mut ordered: Vec<_> = approvals.iter().collect();
        ordered.sort_by_key(|shown| shown.index);
        let (mut approved, mut seen) = (None, BTreeSet::new());
        let mut departments = self.count(subject.index);
        for shown in ordered {
            let author = *shown.entry.author();
            let part = by(author);
            match *shown.entry.content() {
                Content::Approval { entry } if entry == subject.id => {}
                Content::Approval { .. } => return Err(BundleError::OtherEntry { part }),
                _ => return Err(BundleError::Kind { part, got: shown.entry.kind() }),
            }
            self.signed(part, shown)?;
            if shown.index <= subject.index {
                return Err(BundleError::Order { part: subject_part, before: part.name() });
            }
            if !seen.insert(author) {
                return Err(BundleError::Repeated { part });
            }
            departments = self.count(shown.index);
            if approved.is_none() && 3 * seen.len() > 2 * departments {
                approved = Some(shown.index);
            }
        }
        Ok(Ballot { approved, approvals: seen.len(), departments })
    }
}

/// How an approval stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ballot {
    /// Index of the approval with which more than two thirds of the departments had approved.
    pub(super) approved: Option<u64>,
    /// How many departments approved.
    pub(super) approvals: usize,
    /// How many there were at the last approval.
    pub(super) departments: usize,
}
