//! A department's datasets: records, their commitments, and the tree whose root is published.
//!
//! Records and tree tiles have versions, each of a *generation*, and one number a dataset says which
//! generation is read. An import of any length writes a generation that nobody reads yet, and then
//! changes that number in one small commit ([`Staging`]): whoever looks sees the old records under the
//! old root or the new ones under the new root, and nothing in between, also after a kill at any moment.
//! A record that an import does not change is not written, and keeps its commitment. A single record's
//! consent key is changed in place, in one commit too.

mod clearing;
mod cores;
mod places;
mod staging;

pub use staging::Staging;

use std::collections::BTreeSet;

use circuits::Fr;
use circuits::encoding::{Value, ValueError};
use circuits::poseidon::digest_element;
use circuits::record::{self, NO_CONSENT_KEY, Opening};
use circuits::schema::Schema;
use circuits::tree::{self, LEVELS, Leaf, Path, Position};
use crypto::{Digest, canonical};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::document::answer::ElementHex;
use crate::document::key_card::ConsentKey;
use crate::import::{Rejected, Row};
use crate::store::versions::Place;
use crate::store::{Batch, Store, StoreError, Table};
use crate::subject::{ParseSubjectError, Subject};

/// Why records were not changed or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordsError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The department has no such dataset.
    #[error("no dataset {0:?}")]
    UnknownDataset(String),
    /// The dataset exists with another schema.
    #[error("dataset {dataset:?} has schema {has}, not {got}")]
    OtherSchema {
        /// The dataset.
        dataset: String,
        /// Digest of its schema.
        has: Digest,
        /// Digest of the schema at hand.
        got: Digest,
    },
    /// A row cannot be a record of this dataset, or is the second about its subject.
    #[error(transparent)]
    Row(Rejected),
    /// The tree has no room for more records.
    #[error("dataset {0:?} is full: a tree has room for 2^32 records")]
    Full(String),
    /// A stored value is not one of its field: the store holds another schema's records.
    #[error("a stored record does not fit its schema: {0}")]
    Stored(#[from] ValueError),
    /// A record that the store refers to is not there: it was changed from outside.
    #[error("dataset {0:?}: a record is missing in the store")]
    Missing(String),
}

/// What a change of a dataset did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Records that were not there before.
    pub added: usize,
    /// Records whose values were others before.
    pub updated: usize,
    /// Records left as they were.
    pub unchanged: usize,
    /// The root that is to be published; as before if nothing changed.
    pub root: Fr,
    /// Tree nodes written, leaves included.
    pub nodes_written: usize,
}

/// A dataset as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct DatasetRow {
    name: String,
    schema: Schema,
}

/// How far a dataset is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// Records, and so the next index. An index is never given out twice.
    records: u64,
    /// The generation that is read.
    generation: u64,
    /// The last generation that was given to an import. None is given out twice.
    given: u64,
    /// An import that was begun and not applied: what it wrote counts for nothing and is to be removed.
    staging: Option<Mark>,
    /// An import that was applied: the versions that it replaced are to be removed.
    collecting: Option<Mark>,
}

/// What an import wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// Its generation.
    generation: u64,
    /// Records before it: indices from here on are its own.
    base: u64,
}

/// A record as stored.
#[derive(Clone, Serialize, Deserialize)]
struct RecordRow {
    subject: Subject,
    index: u32,
    values: Vec<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<ConsentKey>,
    pseudonym_key: ElementHex,
    blinding: ElementHex,
}

/// One citizen's record with what opens its commitment.
pub struct Record {
    /// Who it is about.
    pub subject: Subject,
    /// Its place in the tree.
    pub index: u32,
    /// One value a field, in the schema's order.
    pub values: Vec<Value>,
    /// The citizen's consent key, if one is enrolled.
    pub key: Option<ConsentKey>,
    /// What its commitment commits to.
    pub opening: Opening,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Record")
    }
}

/// A dataset of a department.
#[derive(Clone, Debug)]
pub struct Dataset {
    row: DatasetRow,
    schema_digest: Digest,
    state: State,
}

impl Dataset {
    /// Its name, unique within the department.
    pub fn name(&self) -> &str {
        &self.row.name
    }

    /// Its schema.
    pub fn schema(&self) -> &Schema {
        &self.row.schema
    }

    /// SHA-256 of the canonical schema.
    pub fn schema_digest(&self) -> &Digest {
        &self.schema_digest
    }

    /// Its records, when it was looked up.
    pub fn len(&self) -> u64 {
        self.state.records
    }

    /// Whether no record was ever added.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether no import left anything in it that is to be removed, or is under way.
    pub fn is_clear(&self) -> bool {
        self.state.staging.or(self.state.collecting).is_none()
    }

    /// `F(schema digest)`
    pub fn schema_element(&self) -> Fr {
        digest_element(self.schema_digest.as_bytes())
    }

    /// What its records and tiles are stored under.
    fn series(&self) -> Digest {
        Digest::labelled("proofgate/v1/store/tree", &[self.row.name.as_bytes()])
    }

    /// Where a subject's index is.
    fn subject_key(&self, subject: Subject) -> Vec<u8> {
        let mut key = self.row.name.as_bytes().to_vec();
        key.push(0); // no dataset's name holds it, so no two pairs meet
        key.extend(subject.as_integer().to_be_bytes());
        key
    }

    /// Where a record is.
    fn place(&self, index: u32) -> Place {
        Place::row(Table::Records, &self.series(), index)
    }
}

/// SHA-256 of a schema's canonical form.
pub fn schema_digest(schema: &Schema) -> Digest {
    canonical::digest(schema).expect("a schema has string keys and no floats")
}

/// A department's datasets in its store. Borrowed by one writer at a time.
#[derive(Clone, Copy, Debug)]
pub struct Records<'s> {
    store: &'s Store,
}

impl<'s> Records<'s> {
    /// The datasets in `store`.
    pub fn new(store: &'s Store) -> Self {
        Self { store }
    }

    /// The dataset of that name.
    ///
    /// # Errors
    /// [`RecordsError::UnknownDataset`], or if the store fails.
    pub fn dataset(&self, name: &str) -> Result<Dataset, RecordsError> {
        let row: DatasetRow = self
            .store
            .get(Table::Datasets, name.as_bytes())?
            .ok_or_else(|| RecordsError::UnknownDataset(name.to_owned()))?;
        let state = self.state(name)?;
        Ok(Dataset { schema_digest: schema_digest(&row.schema), row, state })
    }

    /// All datasets, by name.
    ///
    /// # Errors
    /// If the store fails.
    pub fn datasets(&self) -> Result<Vec<Dataset>, RecordsError> {
        let rows: Result<Vec<DatasetRow>, _> = self.store.scan(Table::Datasets).collect();
        let mut names: Vec<_> = rows?.into_iter().map(|row| row.name).collect();
        names.sort();
        names.iter().map(|name| self.dataset(name)).collect()
    }

    fn state(&self, name: &str) -> Result<State, RecordsError> {
        Ok(self.store.get(Table::DatasetStates, name.as_bytes())?.unwrap_or_default())
    }

    /// The dataset of that name, made if it is not there.
    ///
    /// # Errors
    /// [`RecordsError::OtherSchema`] if it is there under another schema.
    pub fn create(&self, name: &str, schema: &Schema) -> Result<Dataset, RecordsError> {
        let got = schema_digest(schema);
        match self.dataset(name) {
            Ok(dataset) if dataset.schema_digest == got => Ok(dataset),
            Ok(dataset) => Err(RecordsError::OtherSchema {
                dataset: name.to_owned(),
                has: dataset.schema_digest,
                got,
            }),
            Err(RecordsError::UnknownDataset(_)) => {
                let row = DatasetRow { name: name.to_owned(), schema: schema.clone() };
                let mut batch = Batch::default();
                batch.put(Table::Datasets, name.as_bytes(), &row);
                self.store.commit(batch)?;
                Ok(Dataset { row, schema_digest: got, state: State::default() })
            }
            Err(error) => Err(error),
        }
    }

    /// The root as stored.
    ///
    /// # Errors
    /// If the store fails.
    pub fn root(&self, dataset: &Dataset) -> Result<Fr, RecordsError> {
        self.settled(dataset, |state| {
            Ok(tree::root(&self.store.nodes(dataset.series(), state.generation))?)
        })
    }

    /// The record of a subject.
    ///
    /// # Errors
    /// If the store fails or the record does not fit the schema.
    pub fn record(
        &self,
        dataset: &Dataset,
        subject: Subject,
    ) -> Result<Option<Record>, RecordsError> {
        let row = self.settled(dataset, |state| self.row(dataset, state, subject))?;
        row.map(|(_, row)| record(dataset, row)).transpose()
    }

    /// The path from a record to the dataset's root.
    ///
    /// # Errors
    /// If the store fails.
    pub fn path(&self, dataset: &Dataset, record: &Record) -> Result<Path, RecordsError> {
        self.settled(dataset, |state| {
            Ok(tree::path(&self.store.nodes(dataset.series(), state.generation), record.index)?)
        })
    }

    /// What `read` finds in the generation that is read now. An import may be applied at any time, and
    /// what it replaced be removed; then another look is taken.
    fn settled<T>(
        &self,
        dataset: &Dataset,
        read: impl Fn(&State) -> Result<T, RecordsError>,
    ) -> Result<T, RecordsError> {
        let mut state = self.state(dataset.name())?;
        loop {
            let found = read(&state);
            let now = self.state(dataset.name())?;
            if now.generation == state.generation {
                return found;
            }
            state = now;
        }
    }

    /// The row of a subject and its generation.
    fn row(
        &self,
        dataset: &Dataset,
        state: &State,
        subject: Subject,
    ) -> Result<Option<(u64, RecordRow)>, RecordsError> {
        let index: Option<u32> = self.store.get(Table::Subjects, &dataset.subject_key(subject))?;
        // Those from here on are of an import that is not applied.
        let index = index.filter(|index| u64::from(*index) < state.records);
        index.map(|index| self.row_at(dataset, index, state.generation)).transpose()
    }

    /// The newest version up to generation `at` of the row at an index that was given out.
    fn row_at(
        &self,
        dataset: &Dataset,
        index: u32,
        at: u64,
    ) -> Result<(u64, RecordRow), RecordsError> {
        let row = self.store.version(Table::Records, &dataset.place(index), at)?;
        row.ok_or_else(|| RecordsError::Missing(dataset.row.name.clone()))
    }

    /// Begins an import, of which nothing counts before it is applied.
    ///
    /// There is one import at a time into a dataset: that is for the caller to see to.
    ///
    /// # Errors
    /// [`RecordsError`]
    pub fn begin(&self, dataset: &str) -> Result<Staging<'s>, RecordsError> {
        self.clear(dataset)?;
        Ok(Staging::new(*self, self.dataset(dataset)?))
    }

    /// Adds or updates the records of `rows`, all or none, and says what changed.
    ///
    /// A new record gets a new pseudonym key; an updated one keeps it. Both get a new blinding, so that
    /// an old and a new commitment of equal values differ.
    ///
    /// # Errors
    /// [`RecordsError`]; then nothing is changed.
    pub fn import(
        &self,
        dataset: &mut Dataset,
        rows: &[Row],
        rng: &mut impl CryptoRng,
    ) -> Result<Changed, RecordsError> {
        let mut staging = self.begin(dataset.name())?;
        for rows in rows.chunks(Staging::ROWS) {
            if let Some(rejected) = staging.push(rows, rng)?.into_iter().next() {
                return Err(RecordsError::Row(rejected));
            }
        }
        staging.grow()?;
        let changed = staging.apply(&BTreeSet::new(), rng)?;
        staging.collect()?;
        *dataset = self.dataset(dataset.name())?;
        Ok(changed)
    }

    /// Puts a citizen's consent key into the record, which gives it a new commitment.
    ///
    /// Returns the new root, or `None` if there is no record of the subject. An import that is under way
    /// is to be told of the subject when it is [applied](Staging::apply).
    ///
    /// # Errors
    /// [`RecordsError`]; then nothing is changed.
    pub fn set_key(
        &self,
        dataset: &Dataset,
        subject: Subject,
        key: Option<ConsentKey>,
        rng: &mut impl CryptoRng,
    ) -> Result<Option<Fr>, RecordsError> {
        let state = self.state(dataset.name())?;
        let Some((generation, row)) = self.row(dataset, &state, subject)? else { return Ok(None) };
        if row.key == key {
            return self.root(dataset).map(Some);
        }
        let row = RecordRow { key, blinding: random_element(rng), ..row };
        let nodes = self.store.nodes(dataset.series(), state.generation);
        let changed = (Position::leaf(row.index), leaf(dataset, &row)?.element());
        let writes = tree::climb(&nodes, vec![changed], TOP)?;
        let (_, root) = *writes.last().expect("a climb from a leaf ends with the root");
        let mut batch = Batch::default();
        batch.put_version(Table::Records, &dataset.place(row.index), generation, &row);
        nodes.put_in_place(&writes, &mut batch)?;
        self.store.commit(batch)?;
        Ok(Some(root))
    }
}

/// The root's level.
#[expect(clippy::cast_possible_truncation, reason = "a tree has 11 levels")]
const TOP: u8 = LEVELS as u8;

/// The subject identifier in a record's first field.
fn subject(value: &Value) -> Result<Subject, ParseSubjectError> {
    match value {
        Value::Integer(integer) => Subject::try_from(*integer),
        _ => Err(ParseSubjectError),
    }
}

/// 252 random bits: below the modulus, so without bias to speak of and without reduction.
fn random_element(rng: &mut impl CryptoRng) -> ElementHex {
    let mut bytes = Zeroizing::new([0; 32]);
    rng.fill_bytes(bytes.as_mut());
    bytes[0] &= 0x0f;
    ElementHex(circuits::field::from_be_bytes(&bytes).expect("252 bits are below the modulus"))
}

fn record(dataset: &Dataset, row: RecordRow) -> Result<Record, RecordsError> {
    let fields = dataset.row.schema.fields();
    let values: Vec<Value> = fields
        .iter()
        .zip(&row.values)
        .map(|(field, json)| field.parse_json(json))
        .collect::<Result<_, _>>()?;
    let opening = Opening {
        values: dataset.row.schema.elements(&values),
        public_key: row.key.as_ref().map_or(NO_CONSENT_KEY, |key| {
            let key = key.public_key();
            (key.x(), key.y())
        }),
        pseudonym_key: row.pseudonym_key.0,
        blinding: row.blinding.0,
    };
    Ok(Record { subject: row.subject, index: row.index, values, key: row.key, opening })
}

fn leaf(dataset: &Dataset, row: &RecordRow) -> Result<Leaf, RecordsError> {
    let record = record(dataset, row.clone())?;
    let commitment = record::commitment(dataset.schema_element(), &record.opening);
    Ok(Leaf::record(commitment).expect("a preimage of zero under Poseidon is not to be found"))
}

#[cfg(test)]
mod tests;
