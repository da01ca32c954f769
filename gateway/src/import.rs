//! Reading a department's records from a CSV file (RFC 4180) under a schema.
//!
//! A row is accepted or rejected as a whole, with its line, its field and the reason. Nothing is
//! stored here: whoever stores decides what a rejected row means, and by default it means that
//! nothing of the file is imported ([`all_or_nothing`]).

mod quotes;

use std::collections::HashMap;
use std::io::Read;

use circuits::encoding::{Value, ValueError};
use circuits::schema::Schema;
use csv::{ByteRecord, ReaderBuilder};
use thiserror::Error;

use quotes::QuoteParity;

/// A row that meets its schema. `Debug` shows its line only: it is somebody's record.
#[derive(Clone, PartialEq)]
pub struct Row {
    /// Line of the file on which the row begins, from 1.
    pub line: u64,
    /// One value a field, in the schema's order.
    pub values: Vec<Value>,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row(line {})", self.line)
    }
}

/// A row that does not.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("line {line}: {fault}")]
pub struct Rejected {
    /// Line of the file on which the row begins, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub fault: RowFault,
}

/// Why a row is rejected. The first fault in column order is the one reported.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum RowFault {
    /// More or fewer fields than the header.
    #[error("{got} fields where the header has {expected}")]
    FieldCount {
        /// Fields in the header.
        expected: usize,
        /// Fields in the row.
        got: usize,
    },
    /// The bytes of a field are not UTF-8.
    #[error("{field}: not UTF-8")]
    NotUtf8 {
        /// The field's name.
        field: String,
    },
    /// A field's text is not a value of its type.
    #[error("{field}: {error}")]
    Value {
        /// The field's name.
        field: String,
        /// What the type expects.
        error: ValueError,
    },
    /// The primary key was accepted on an earlier line.
    #[error("{field}: already on line {first}")]
    Duplicate {
        /// The primary key's name.
        field: String,
        /// The line that was accepted.
        first: u64,
    },
}

impl RowFault {
    /// The field at fault, if one is.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::FieldCount { .. } => None,
            Self::NotUtf8 { field } | Self::Value { field, .. } | Self::Duplicate { field, .. } => {
                Some(field)
            }
        }
    }
}

/// Why a file cannot be read to its end. No row of such a file is to be trusted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// The header names a field that the schema does not have.
    #[error("line 1: unknown field {name:?}; the schema {schema} has {expected}")]
    UnknownField {
        /// The name in the header.
        name: String,
        /// The schema's name.
        schema: String,
        /// The schema's fields.
        expected: String,
    },
    /// The header names a field twice.
    #[error("line 1: field {name:?} stands twice")]
    RepeatedField {
        /// The name in the header.
        name: String,
    },
    /// The header lacks a field.
    #[error("line 1: field {name:?} is missing")]
    MissingField {
        /// The name in the schema.
        name: String,
    },
    /// The header is not UTF-8.
    #[error("line 1: the header is not UTF-8")]
    HeaderNotUtf8,
    /// A quotation mark is never closed.
    #[error("a quoted field is never closed; it may have swallowed the rest of the file")]
    UnclosedQuote,
    /// The file could not be read.
    #[error("cannot read the file: {0}")]
    Read(#[from] csv::Error),
}

/// The rows of one file. Stops for good after the first [`FileError`].
#[derive(Debug)]
pub struct Rows<'s, R> {
    schema: &'s Schema,
    reader: csv::Reader<QuoteParity<R>>,
    /// Position in the schema of each column of the file.
    columns: Vec<usize>,
    /// Primary keys accepted so far, with their lines.
    seen: HashMap<Vec<u8>, u64>,
    raw: ByteRecord,
    done: bool,
}

impl<'s, R: Read> Rows<'s, R> {
    /// Reads the header, which must name exactly the schema's fields, in any order.
    ///
    /// # Errors
    /// [`FileError`] if it does not, or if the file cannot be read.
    pub fn new(schema: &'s Schema, input: R) -> Result<Self, FileError> {
        let mut reader = ReaderBuilder::new()
            .has_headers(true)
            .flexible(true)
            .from_reader(QuoteParity::new(input));
        let header = reader.byte_headers()?.clone();
        let mut columns = Vec::with_capacity(header.len());
        for name in header.iter() {
            let name = std::str::from_utf8(name).map_err(|_| FileError::HeaderNotUtf8)?;
            let name = name.trim_matches(' ');
            let position = schema.field(name).map(|(position, _)| position).ok_or_else(|| {
                FileError::UnknownField {
                    name: name.to_owned(),
                    schema: schema.name().to_owned(),
                    expected: names(schema),
                }
            })?;
            if columns.contains(&position) {
                return Err(FileError::RepeatedField { name: name.to_owned() });
            }
            columns.push(position);
        }
        if let Some(missing) = (0..schema.fields().len()).find(|field| !columns.contains(field)) {
            let name = schema.fields()[missing].name().to_owned();
            return Err(FileError::MissingField { name });
        }
        Ok(Self {
            schema,
            reader,
            columns,
            seen: HashMap::new(),
            raw: ByteRecord::new(),
            done: false,
        })
    }

    /// Bytes read so far, for a progress bar.
    pub fn position(&self) -> u64 {
        self.reader.position().byte()
    }

    fn row(&mut self, line: u64) -> Result<Row, RowFault> {
        if self.raw.len() != self.columns.len() {
            return Err(RowFault::FieldCount { expected: self.columns.len(), got: self.raw.len() });
        }
        let fields = self.schema.fields();
        let mut values = vec![Value::Absent; fields.len()];
        for (bytes, &position) in self.raw.iter().zip(&self.columns) {
            let field = &fields[position];
            let name = || field.name().to_owned();
            let text =
                std::str::from_utf8(bytes).map_err(|_| RowFault::NotUtf8 { field: name() })?;
            values[position] =
                field.parse_text(text).map_err(|error| RowFault::Value { field: name(), error })?;
        }
        // The parsed key, not its spelling: trailing spaces do not make another citizen.
        let key = circuits::field::to_be_bytes(values[0].element()).to_vec();
        if let Some(&first) = self.seen.get(&key) {
            return Err(RowFault::Duplicate { field: fields[0].name().to_owned(), first });
        }
        self.seen.insert(key, line);
        Ok(Row { line, values })
    }
}

impl<R: Read> Iterator for Rows<'_, R> {
    type Item = Result<Result<Row, Rejected>, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        match self.reader.read_byte_record(&mut self.raw) {
            Ok(true) => {
                let line = self.raw.position().map_or(0, csv::Position::line);
                Some(Ok(self.row(line).map_err(|fault| Rejected { line, fault })))
            }
            Ok(false) => {
                self.done = true;
                self.reader.get_ref().is_open().then_some(Err(FileError::UnclosedQuote))
            }
            Err(error) => {
                self.done = true;
                Some(Err(error.into()))
            }
        }
    }
}

fn names(schema: &Schema) -> String {
    schema.fields().iter().map(|field| field.name()).collect::<Vec<_>>().join(", ")
}

/// Why a file is not imported at all.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read to its end.
    #[error(transparent)]
    File(#[from] FileError),
    /// Rows were rejected. All of them are listed.
    #[error("{} of {rows} rows rejected, so none is imported; the first: {}", rejected.len(), rejected[0])]
    Rejected {
        /// Rows in the file.
        rows: usize,
        /// The rejected ones, at least one.
        rejected: Vec<Rejected>,
    },
}

/// Every row of the file, or nothing.
///
/// `progress` is told the bytes read so far after each row.
///
/// # Errors
/// [`ImportError`] if the file cannot be read, or if any row is rejected; then with all rejected rows.
pub fn all_or_nothing<R: Read>(
    schema: &Schema,
    input: R,
    mut progress: impl FnMut(u64),
) -> Result<Vec<Row>, ImportError> {
    let mut rows = Rows::new(schema, input)?;
    let (mut accepted, mut rejected) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next() {
        match row? {
            Ok(row) => accepted.push(row),
            Err(fault) => rejected.push(fault),
        }
        progress(rows.position());
    }
    if rejected.is_empty() {
        Ok(accepted)
    } else {
        Err(ImportError::Rejected { rows: accepted.len() + rejected.len(), rejected })
    }
}

#[cfg(test)]
mod tests;
