//! A department's datasets: records, their commitments, and the tree whose root is published.
//!
//! A change is one batch: the records, the tree nodes above them and the new root become durable
//! together or not at all. A record that an import does not change is not written, and keeps its
//! commitment.

use std::collections::BTreeMap;

use circuits::Fr;
use circuits::encoding::{Value, ValueError};
use circuits::poseidon::digest_element;
use circuits::record::{self, NO_CONSENT_KEY, Opening};
use circuits::schema::Schema;
use circuits::tree::{self, Leaf, Path};
use crypto::{Digest, canonical};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::document::answer::ElementHex;
use crate::document::key_card::ConsentKey;
use crate::import::Row;
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
    /// A row's first field is not a subject identifier.
    #[error("line {line}: {error}")]
    Subject {
        /// The row's line.
        line: u64,
        /// What was expected.
        error: ParseSubjectError,
    },
    /// The tree has no room for more records.
    #[error("dataset {0:?} is full: a tree has room for 2^32 records")]
    Full(String),
    /// A stored value is not one of its field: the store holds another schema's records.
    #[error("a stored record does not fit its schema: {0}")]
    Stored(#[from] ValueError),
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
    /// Indexes given out so far. An index is never given out twice.
    next_index: u64,
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

    /// Whether no record was ever added.
    pub fn is_empty(&self) -> bool {
        self.row.next_index == 0
    }

    /// `F(schema digest)`
    pub fn schema_element(&self) -> Fr {
        digest_element(self.schema_digest.as_bytes())
    }

    fn tree(&self) -> Digest {
        Digest::labelled("proofgate/v1/store/tree", &[self.row.name.as_bytes()])
    }

    fn key(&self, subject: Subject) -> Vec<u8> {
        record_key(&self.row.name, subject)
    }
}

fn record_key(dataset: &str, subject: Subject) -> Vec<u8> {
    let mut key = dataset.as_bytes().to_vec();
    key.push(0); // no dataset's name holds it, so no two pairs meet
    key.extend(subject.as_integer().to_be_bytes());
    key
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
        Ok(Dataset { schema_digest: schema_digest(&row.schema), row })
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
                let row =
                    DatasetRow { name: name.to_owned(), schema: schema.clone(), next_index: 0 };
                let mut batch = Batch::default();
                batch.put(Table::Datasets, name.as_bytes(), &row);
                self.store.commit(batch)?;
                Ok(Dataset { row, schema_digest: got })
            }
            Err(error) => Err(error),
        }
    }

    /// The root as stored.
    ///
    /// # Errors
    /// If the store fails.
    pub fn root(&self, dataset: &Dataset) -> Result<Fr, RecordsError> {
        Ok(tree::root(&self.store.nodes(dataset.tree()))?)
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
        let row: Option<RecordRow> = self.store.get(Table::Records, &dataset.key(subject))?;
        row.map(|row| record(dataset, row)).transpose()
    }

    /// The path from a record to the dataset's root.
    ///
    /// # Errors
    /// If the store fails.
    pub fn path(&self, dataset: &Dataset, record: &Record) -> Result<Path, RecordsError> {
        Ok(tree::path(&self.store.nodes(dataset.tree()), record.index)?)
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
        let mut batch = Batch::default();
        let mut leaves = BTreeMap::new();
        let (mut added, mut updated, mut unchanged) = (0, 0, 0);
        let mut next_index = dataset.row.next_index;
        let fields = dataset.row.schema.fields();
        for row in rows {
            let subject = subject(&row.values[0])
                .map_err(|error| RecordsError::Subject { line: row.line, error })?;
            let key = dataset.key(subject);
            let values: Vec<_> =
                fields.iter().zip(&row.values).map(|(field, value)| field.to_json(value)).collect();
            let stored: Option<RecordRow> = self.store.get(Table::Records, &key)?;
            let row = match stored {
                Some(stored) if stored.values == values => {
                    unchanged += 1;
                    continue;
                }
                Some(stored) => {
                    updated += 1;
                    RecordRow { values, blinding: random_element(rng), ..stored }
                }
                None => {
                    added += 1;
                    let index = u32::try_from(next_index)
                        .map_err(|_| RecordsError::Full(dataset.row.name.clone()))?;
                    next_index += 1;
                    RecordRow {
                        subject,
                        index,
                        values,
                        key: None,
                        pseudonym_key: random_element(rng),
                        blinding: random_element(rng),
                    }
                }
            };
            leaves.insert(row.index, leaf(dataset, &row)?);
            batch.put(Table::Records, &key, &row);
        }
        let (root, nodes_written) = self.grow(dataset, &leaves, &mut batch)?;
        let row = DatasetRow { next_index, ..dataset.row.clone() };
        if next_index != dataset.row.next_index {
            batch.put(Table::Datasets, row.name.as_bytes(), &row);
        }
        self.store.commit(batch)?;
        dataset.row = row;
        Ok(Changed { added, updated, unchanged, root, nodes_written })
    }

    /// Puts a citizen's consent key into the record, which gives it a new commitment.
    ///
    /// Returns the new root, or `None` if there is no record of the subject.
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
        let Some(row) = self.store.get::<RecordRow>(Table::Records, &dataset.key(subject))? else {
            return Ok(None);
        };
        if row.key == key {
            return self.root(dataset).map(Some);
        }
        let row = RecordRow { key, blinding: random_element(rng), ..row };
        let mut batch = Batch::default();
        let leaves = BTreeMap::from([(row.index, leaf(dataset, &row)?)]);
        batch.put(Table::Records, &dataset.key(subject), &row);
        let (root, _) = self.grow(dataset, &leaves, &mut batch)?;
        self.store.commit(batch)?;
        Ok(Some(root))
    }

    /// Adds the tree nodes above `leaves` to the batch.
    fn grow(
        &self,
        dataset: &Dataset,
        leaves: &BTreeMap<u32, Leaf>,
        batch: &mut Batch,
    ) -> Result<(Fr, usize), RecordsError> {
        let name = dataset.tree();
        let update = tree::update_many(&self.store.nodes(name), leaves)?;
        for (position, node) in &update.writes {
            batch.put_node(&name, *position, *node);
        }
        Ok((update.root, update.writes.len()))
    }
}

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
