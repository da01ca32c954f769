//! An import under way: rows are compared with what is stored and written beside it, and take its place
//! in one commit.
//!
//! ```text
//! begin ─ push … push ─ grow ─ apply ─ collect
//!         │             │      └ the generation that is read becomes this one: one commit
//!         │             └ tiles above the changed leaves; then one sync
//!         └ records, leaves, subjects' indices, what they replace; before the first, the mark: one commit
//! ```
//! Whoever is killed before `apply` leaves what counts for nothing, and after it what is no longer read;
//! the mark says which, and the next [`Records::begin`](super::Records::begin) or
//! [`Records::clear`](super::Records::clear) removes it.
//!
//! In memory are the rows at hand and three bits a record.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use circuits::Fr;
use circuits::tree::{self, Leaf, Position};
use rand_core::CryptoRng;

use super::places::Places;
use super::{
    Changed, Dataset, Mark, RecordRow, Records, RecordsError, State, TOP, cores, leaf,
    random_element, subject,
};
use crate::import::{Rejected, Row, RowFault};
use crate::store::{Batch, StoreError, Table};
use crate::subject::Subject;

/// Levels of the subtrees that are hashed apart from each other.
const SUBTREE_LEVELS: u8 = 4;
/// Bits of an index below such a subtree.
const SUBTREE_BITS: u32 = 3 * SUBTREE_LEVELS as u32;

/// An import under way. Dropped before it is applied, it leaves nothing.
#[derive(Debug)]
pub struct Staging<'s> {
    pub(super) records: Records<'s>,
    pub(super) dataset: Dataset,
    /// What it wrote, once it wrote anything.
    pub(super) mark: Option<Mark>,
    next_index: u64,
    /// Indices of the rows that were pushed.
    seen: Places,
    /// Indices of the records that are written.
    pub(super) changed: Places,
    /// Rows of the journal.
    journal: u32,
    unchanged: usize,
    nodes_written: usize,
    /// A row was rejected and the caller takes all or nothing: nothing more is hashed.
    doomed: bool,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Staging,
    Grown,
    Applied,
}

/// A row, compared with what is stored.
enum Compared {
    NoSubject(Rejected),
    New(Subject),
    /// This import has added the subject.
    Again,
    Known {
        index: u32,
        /// What to write, without a new blinding; nothing if it is as stored.
        row: Option<Box<RecordRow>>,
    },
}

impl<'s> Staging<'s> {
    /// Rows that are worth pushing at once: enough to keep all cores busy, and few in memory.
    pub const ROWS: usize = 1_024;

    pub(super) fn new(records: Records<'s>, dataset: Dataset) -> Self {
        Self {
            records,
            next_index: dataset.state.records,
            dataset,
            mark: None,
            seen: Places::default(),
            changed: Places::default(),
            journal: 0,
            unchanged: 0,
            nodes_written: 0,
            doomed: false,
            stage: Stage::Staging,
        }
    }

    /// The dataset as it was when the import began.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// From now on rows are only checked: the caller will not apply the import.
    pub fn doom(&mut self) {
        self.doomed = true;
    }

    /// Writes the rows that are new or changed beside what is stored; returns those that are about a
    /// subject of an earlier row, or about nobody.
    ///
    /// # Errors
    /// [`RecordsError`]; then the import can only be dropped.
    ///
    /// # Panics
    /// If [`Self::grow`] came before.
    pub fn push(
        &mut self,
        rows: &[Row],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<Rejected>, RecordsError> {
        assert_eq!(self.stage, Stage::Staging, "rows come before the tree");
        let compared = cores::map(rows, |row| self.compare(row));
        let (mut rejected, mut writes, mut replaced) = (Vec::new(), Vec::new(), Vec::new());
        let mut new = HashSet::new();
        for (row, compared) in rows.iter().zip(compared) {
            let write = match compared? {
                Compared::NoSubject(fault) => {
                    rejected.push(fault);
                    continue;
                }
                Compared::New(subject) if new.insert(subject) => self.added(row, subject, rng)?,
                Compared::Known { index, row } if self.seen.insert(index) => {
                    let Some(row) = row else {
                        self.unchanged += 1;
                        continue;
                    };
                    replaced.push(index);
                    RecordRow { blinding: random_element(rng), ..*row }
                }
                Compared::New(_) | Compared::Again | Compared::Known { .. } => {
                    let field = self.dataset.schema().fields()[0].name().to_owned();
                    rejected
                        .push(Rejected { line: row.line, fault: RowFault::Duplicate { field } });
                    continue;
                }
            };
            self.changed.insert(write.index);
            writes.push(write);
        }
        self.write(&writes, &replaced)?;
        Ok(rejected)
    }

    /// What is stored about a row's subject.
    fn compare(&self, row: &Row) -> Result<Compared, RecordsError> {
        let (dataset, fields) = (&self.dataset, self.dataset.schema().fields());
        let subject = match subject(&row.values[0]) {
            Ok(subject) => subject,
            Err(error) => {
                let field = fields[0].name().to_owned();
                let fault = RowFault::Subject { field, error };
                return Ok(Compared::NoSubject(Rejected { line: row.line, fault }));
            }
        };
        let store = self.records.store;
        let index: Option<u32> = store.get(Table::Subjects, &dataset.subject_key(subject))?;
        let Some(index) = index else { return Ok(Compared::New(subject)) };
        if u64::from(index) >= dataset.state.records {
            return Ok(Compared::Again);
        }
        let (_, stored) = self.records.row_at(dataset, index, dataset.state.generation)?;
        let values: Vec<_> =
            fields.iter().zip(&row.values).map(|(field, value)| field.to_json(value)).collect();
        let row = (stored.values != values).then(|| Box::new(RecordRow { values, ..stored }));
        Ok(Compared::Known { index, row })
    }

    fn added(
        &mut self,
        row: &Row,
        subject: Subject,
        rng: &mut impl CryptoRng,
    ) -> Result<RecordRow, RecordsError> {
        let index = u32::try_from(self.next_index)
            .map_err(|_| RecordsError::Full(self.dataset.row.name.clone()))?;
        self.next_index += 1;
        self.seen.insert(index);
        let fields = self.dataset.schema().fields().iter();
        Ok(RecordRow {
            subject,
            index,
            values: fields.zip(&row.values).map(|(field, value)| field.to_json(value)).collect(),
            key: None,
            pseudonym_key: random_element(rng),
            blinding: random_element(rng),
        })
    }

    /// Writes rows with their leaves, in one batch.
    fn write(&mut self, rows: &[RecordRow], replaced: &[u32]) -> Result<(), RecordsError> {
        if rows.is_empty() {
            return Ok(());
        }
        let Mark { generation, base } = self.marked()?;
        let (store, dataset) = (self.records.store, &self.dataset);
        let mut batch = Batch::default();
        if !replaced.is_empty() {
            batch.put(Table::Journal, &dataset.journal_key(self.journal), &replaced);
        }
        for row in rows {
            batch.put_version(Table::Records, &dataset.place(row.index), generation, row);
            if u64::from(row.index) >= base {
                batch.put(Table::Subjects, &dataset.subject_key(row.subject), &row.index);
            }
        }
        if !self.doomed {
            let leaves: Result<Vec<_>, RecordsError> = cores::map(rows, |row| {
                Ok((Position::leaf(row.index), leaf(dataset, row)?.element()))
            })
            .into_iter()
            .collect();
            store.nodes(dataset.series(), generation).put(&leaves?, generation, &mut batch)?;
        }
        store.stage(batch)?;
        self.journal += u32::from(!replaced.is_empty());
        Ok(())
    }

    /// The mark, which is durable before anything else is written.
    fn marked(&mut self) -> Result<Mark, RecordsError> {
        if let Some(mark) = self.mark {
            return Ok(mark);
        }
        let state = &mut self.dataset.state;
        let mark = Mark { generation: state.given + 1, base: state.records };
        let staging = State { given: mark.generation, staging: Some(mark), ..*state };
        self.records.put_state(&self.dataset.row.name, &staging)?;
        self.dataset.state = staging;
        self.mark = Some(mark);
        Ok(mark)
    }

    /// Hashes the nodes above all changed leaves, each once, and makes everything that was written so
    /// far durable. Returns the root that the dataset will have, unless a record changes before that.
    ///
    /// # Errors
    /// [`RecordsError`]; then the import can only be dropped.
    ///
    /// # Panics
    /// If the import was [doomed](Self::doom).
    pub fn grow(&mut self) -> Result<Fr, RecordsError> {
        assert!(!self.doomed, "the leaves of a doomed import are not there");
        let Some(Mark { generation, .. }) = self.mark else {
            self.stage = Stage::Grown;
            return self.records.root(&self.dataset);
        };
        let (store, series) = (self.records.store, self.dataset.series());
        let subtrees: Vec<u32> = self.changed.shifted(SUBTREE_BITS).collect();
        let mut tops = Vec::with_capacity(subtrees.len());
        for subtrees in subtrees.chunks(cores::count()) {
            for grown in cores::map(subtrees, |subtree| self.grow_subtree(*subtree, generation)) {
                let (top, nodes) = grown?;
                tops.push(top);
                self.nodes_written += nodes;
            }
        }
        let nodes = store.nodes(series, generation);
        let writes = tree::climb(&nodes, tops, TOP)?;
        let (_, root) = *writes.last().expect("what is marked has a changed record");
        let mut batch = Batch::default();
        nodes.put(&writes, generation, &mut batch)?;
        store.stage(batch)?;
        store.sync()?;
        self.nodes_written += writes.len();
        self.stage = Stage::Grown;
        Ok(root)
    }

    /// Writes the nodes of a subtree, leaves included; returns its top, which is not written yet, and
    /// how many are.
    fn grow_subtree(
        &self,
        subtree: u32,
        generation: u64,
    ) -> Result<((Position, Fr), usize), RecordsError> {
        let store = self.records.store;
        let nodes = store.nodes(self.dataset.series(), generation);
        let (first, last) =
            (subtree << SUBTREE_BITS, subtree << SUBTREE_BITS | !(!0 << SUBTREE_BITS));
        let leaves: Result<Vec<_>, StoreError> = self
            .changed
            .between(first, last)
            .map(Position::leaf)
            .map(|at| Ok((at, tree::NodeStore::node(&nodes, at)?.unwrap_or(Leaf::EMPTY.element()))))
            .collect();
        let mut writes = tree::climb(&nodes, leaves?, SUBTREE_LEVELS)?;
        let top = writes.pop().expect("a subtree with a changed leaf has a top");
        let mut batch = Batch::default();
        nodes.put(&writes, generation, &mut batch)?;
        store.stage(batch)?;
        Ok((top, writes.len()))
    }

    /// Puts the import in the place of what is stored, in one commit.
    ///
    /// `touched` are the subjects whose records were changed since the import began: what is stored about
    /// them stays as it is, apart from what the import says.
    ///
    /// # Errors
    /// [`RecordsError`]; then it is applied or not, which [`StoreError`] says as of any commit.
    ///
    /// # Panics
    /// If [`Self::grow`] did not come before.
    pub fn apply(
        &mut self,
        touched: &BTreeSet<Subject>,
        rng: &mut impl CryptoRng,
    ) -> Result<Changed, RecordsError> {
        assert_eq!(self.stage, Stage::Grown, "the tree comes before its records");
        if let Some(mark) = self.mark {
            let mut batch = Batch::default();
            self.reconcile(touched, mark, &mut batch, rng)?;
            let records = self.next_index;
            let (generation, given) = (mark.generation, mark.generation);
            let (staging, collecting) = (None, Some(mark));
            let state = State { records, generation, given, staging, collecting };
            self.records.add_state(&self.dataset.row.name, &state, &mut batch);
            // Whether it is applied is unknown if this fails: what is left is for the next to look at.
            self.stage = Stage::Applied;
            self.records.store.commit(batch)?;
            self.dataset.state = state;
        }
        self.stage = Stage::Applied;
        let base = self.mark.map_or(self.next_index, |mark| mark.base);
        let added = usize::try_from(self.next_index - base).expect("they were counted in memory");
        Ok(Changed {
            added,
            updated: self.changed.len() - added,
            unchanged: self.unchanged,
            root: self.records.root(&self.dataset)?,
            nodes_written: self.nodes_written,
        })
    }

    /// Brings what was changed in place since the import began into its generation.
    fn reconcile(
        &mut self,
        touched: &BTreeSet<Subject>,
        mark: Mark,
        batch: &mut Batch,
        rng: &mut impl CryptoRng,
    ) -> Result<(), RecordsError> {
        let (store, dataset) = (self.records.store, &self.dataset);
        let mut leaves = BTreeMap::new();
        for subject in touched {
            let Some((_, now)) = self.records.row(dataset, &dataset.state, *subject)? else {
                continue;
            };
            let (generation, staged) = self.records.row_at(dataset, now.index, mark.generation)?;
            let row = if generation == mark.generation && staged.key != now.key {
                let row = RecordRow { key: now.key, blinding: random_element(rng), ..staged };
                batch.put_version(Table::Records, &dataset.place(row.index), generation, &row);
                row
            } else {
                staged
            };
            leaves.insert(Position::leaf(row.index), leaf(dataset, &row)?.element());
        }
        if leaves.is_empty() {
            return Ok(());
        }
        let indices: Vec<u32> = leaves.keys().map(|leaf| leaf.index()).collect();
        batch.put(Table::Journal, &dataset.journal_key(self.journal), &indices);
        let nodes = store.nodes(dataset.series(), mark.generation);
        let writes = tree::climb(&nodes, leaves.into_iter().collect(), TOP)?;
        nodes.put(&writes, mark.generation, batch)?;
        self.nodes_written += writes.len();
        self.journal += 1;
        Ok(())
    }

    /// Removes what the import replaced. Nobody reads it any more.
    ///
    /// # Errors
    /// [`RecordsError`]; then it is removed before the next import.
    pub fn collect(self) -> Result<(), RecordsError> {
        match self.mark {
            Some(_) => self.records.clear(self.dataset.name()),
            None => Ok(()),
        }
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        if self.stage != Stage::Applied
            && self.mark.is_some()
            && let Err(error) = self.records.clear(self.dataset.name())
        {
            tracing::warn!(%error, "what an import left is removed before the next one");
        }
    }
}
