//! Reading a department's records from a file, as CSV (RFC 4180) or JSON Lines, under a schema.
//!
//! A row is accepted or rejected as a whole, with its line, its field and the reason, which never
//! repeats what stands there: it may be about somebody. Nothing is stored here, and no more than one row
//! kept: whoever stores decides what a rejected row means, and by default it means that nothing of the
//! file is imported.

mod comma_separated;
mod json_lines;
mod quotes;

use std::collections::HashSet;
use std::io::{self, Read};

use circuits::encoding::{Value, ValueError};
use circuits::schema::Schema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::subject::ParseSubjectError;
use comma_separated::CommaSeparated;
use json_lines::JsonLines;

/// The longest row, in bytes. 1 MiB: 16 strings of 1,024 bytes, however they are escaped, and room.
pub const MAX_LINE_BYTES: usize = 1024 * 1024;

/// How a file spells its rows.
#[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Comma-separated values with a header.
    #[default]
    Csv,
    /// One JSON object a line.
    JsonLines,
}

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
    /// A quotation mark in a field that does not begin with one, or text after a quoted field's last one.
    #[error("a quotation mark within a field; quote the field, and write the mark twice")]
    Misquoted,
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
    /// The line is not one JSON object and nothing else.
    #[error("not one JSON object on a line of its own: column {column}")]
    NotAnObject {
        /// The byte of the line at which that shows, from 1; 0 if only its end shows it.
        column: usize,
    },
    /// An object has a member that is no field of the schema.
    #[error("member {number}: not a field of the schema")]
    UnknownMember {
        /// Which member of the object, from 1.
        number: usize,
    },
    /// An object has a member twice.
    #[error("{field}: there twice")]
    RepeatedMember {
        /// The field's name.
        field: String,
    },
    /// The primary key is nobody's in any network.
    #[error("{field}: {error}")]
    Subject {
        /// The primary key's name.
        field: String,
        /// What is expected.
        error: ParseSubjectError,
    },
    /// The primary key is that of an earlier row.
    #[error("{field}: already on an earlier line")]
    Duplicate {
        /// The primary key's name.
        field: String,
    },
}

impl RowFault {
    /// The field at fault, if one is.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::FieldCount { .. }
            | Self::Misquoted
            | Self::NotAnObject { .. }
            | Self::UnknownMember { .. } => None,
            Self::NotUtf8 { field }
            | Self::Value { field, .. }
            | Self::RepeatedMember { field }
            | Self::Subject { field, .. }
            | Self::Duplicate { field } => Some(field),
        }
    }

    /// What is wrong, without the field's name.
    pub fn reason(&self) -> String {
        let text = self.to_string();
        let named = self.field().and_then(|field| text.strip_prefix(field)?.strip_prefix(": "));
        named.unwrap_or(&text).to_owned()
    }
}

/// Why a file cannot be read to its end. No row of such a file is to be trusted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// The header names a field that the schema does not have.
    #[error(
        "line 1, column {column}: no field {}; the schema {schema} has {expected}",
        name.as_ref().map_or_else(|| "of this name".to_owned(), |name| format!("{name:?}"))
    )]
    UnknownField {
        /// Which column, from 1.
        column: usize,
        /// What the header calls it. None if line 1 may not be a header: then it is somebody's value, and
        /// so not repeated.
        name: Option<String>,
        /// The schema's name.
        schema: String,
        /// The schema's fields.
        expected: String,
    },
    /// The header names a field twice.
    #[error("line 1: field {name:?} stands twice")]
    RepeatedField {
        /// The field's name.
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
    /// A row is longer than any row of a schema can be.
    #[error(
        "line {line}: longer than {MAX_LINE_BYTES} bytes; a quotation mark or the line's end may be missing"
    )]
    LineTooLong {
        /// The line on which it begins, from 1.
        line: u64,
    },
    /// The file could not be read.
    #[error("cannot read the file: {0}")]
    Read(io::Error),
}

impl FileError {
    /// A stable name of what is wrong.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownField { .. }
            | Self::RepeatedField { .. }
            | Self::MissingField { .. }
            | Self::HeaderNotUtf8 => "import-header",
            Self::UnclosedQuote => "import-quote",
            Self::LineTooLong { .. } => "import-line-too-long",
            Self::Read(_) => "body-unread",
        }
    }
}

/// The rows of one file. Stops for good after the first [`FileError`].
///
/// Two rows about one subject are both accepted: finding them is for whoever keeps them.
#[derive(Debug)]
pub struct Rows<'s, R> {
    schema: &'s Schema,
    source: Source<R>,
    done: bool,
}

#[derive(Debug)]
enum Source<R> {
    Csv(CommaSeparated<R>),
    JsonLines(JsonLines<R>),
}

impl<'s, R: Read> Rows<'s, R> {
    /// Begins a file; a CSV file's header must name exactly the schema's fields, in any order.
    ///
    /// # Errors
    /// [`FileError`] if it does not, or if the file cannot be read.
    pub fn new(schema: &'s Schema, format: Format, input: R) -> Result<Self, FileError> {
        let source = match format {
            Format::Csv => Source::Csv(CommaSeparated::new(schema, input)?),
            Format::JsonLines => Source::JsonLines(JsonLines::new(input)),
        };
        Ok(Self { schema, source, done: false })
    }

    /// Bytes read so far, for a progress bar.
    pub fn position(&self) -> u64 {
        match &self.source {
            Source::Csv(rows) => rows.position(),
            Source::JsonLines(rows) => rows.position(),
        }
    }

    fn values(&self) -> Result<Vec<Value>, RowFault> {
        match &self.source {
            Source::Csv(rows) => rows.values(self.schema),
            Source::JsonLines(rows) => rows.values(self.schema),
        }
    }
}

impl<R: Read> Iterator for Rows<'_, R> {
    type Item = Result<Result<Row, Rejected>, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let advanced = match &mut self.source {
            Source::Csv(rows) => rows.advance(),
            Source::JsonLines(rows) => rows.advance(),
        };
        match advanced {
            Ok(Some(line)) => Some(Ok(match self.values() {
                Ok(values) => Ok(Row { line, values }),
                Err(fault) => Err(Rejected { line, fault }),
            })),
            Ok(None) => {
                self.done = true;
                None
            }
            Err(error) => {
                self.done = true;
                Some(Err(error))
            }
        }
    }
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

/// Every row of a CSV file that fits into memory, or nothing.
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
    let mut rows = Rows::new(schema, Format::Csv, input)?;
    let (mut accepted, mut rejected) = (Vec::new(), Vec::new());
    // The parsed key, not its spelling: trailing spaces do not make another citizen.
    let mut seen = HashSet::new();
    while let Some(row) = rows.next() {
        match row? {
            Ok(row) if seen.insert(circuits::field::to_be_bytes(row.values[0].element())) => {
                accepted.push(row);
            }
            Ok(Row { line, .. }) => {
                let field = schema.fields()[0].name().to_owned();
                rejected.push(Rejected { line, fault: RowFault::Duplicate { field } });
            }
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
