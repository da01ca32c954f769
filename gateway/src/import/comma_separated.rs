//! CSV (RFC 4180): a header that names the schema's fields, in any order, then one record a row.

use std::io::Read;

use circuits::encoding::Value;
use circuits::schema::Schema;
use csv::{ByteRecord, ReaderBuilder};

use super::quotes::{QuoteGuard, TooLong};
use super::{FileError, RowFault};

/// The longest name of an unknown column that is repeated.
const MAX_NAME_BYTES: usize = 64;

#[derive(Debug)]
pub(super) struct CommaSeparated<R> {
    reader: csv::Reader<QuoteGuard<R>>,
    /// Position in the schema of each column of the file.
    columns: Vec<usize>,
    raw: ByteRecord,
    /// Records read so far, with the header.
    records: u64,
    /// Whether a quotation mark of the record stands where RFC 4180 has none.
    misquoted: bool,
}

impl<R: Read> CommaSeparated<R> {
    /// Reads the header.
    pub(super) fn new(schema: &Schema, input: R) -> Result<Self, FileError> {
        let mut reader = ReaderBuilder::new()
            .has_headers(true)
            .flexible(true)
            .from_reader(QuoteGuard::new(input));
        let header = reader.byte_headers().map_err(unread)?.clone();
        let mut columns = Vec::with_capacity(header.len());
        for (number, name) in (1..).zip(header.iter()) {
            let name = std::str::from_utf8(name).map_err(|_| FileError::HeaderNotUtf8)?;
            let found = schema.field(name.trim_matches(' '));
            let (position, field) = found.ok_or_else(|| FileError::UnknownField {
                column: number,
                name: column_name(schema, &header, name),
                schema: schema.name().to_owned(),
                expected: names(schema),
            })?;
            if columns.contains(&position) {
                return Err(FileError::RepeatedField { name: field.name().to_owned() });
            }
            columns.push(position);
        }
        if let Some(missing) = (0..schema.fields().len()).find(|field| !columns.contains(field)) {
            let name = schema.fields()[missing].name().to_owned();
            return Err(FileError::MissingField { name });
        }
        let raw = ByteRecord::new();
        Ok(Self { reader, columns, raw, records: 1, misquoted: false })
    }

    /// The next record's line; none at the end.
    pub(super) fn advance(&mut self) -> Result<Option<u64>, FileError> {
        if self.reader.read_byte_record(&mut self.raw).map_err(unread)? {
            self.records += 1;
            self.misquoted = self.reader.get_mut().is_misquoted(self.records);
            return Ok(Some(self.raw.position().map_or(0, csv::Position::line)));
        }
        if self.reader.get_ref().is_open() { Err(FileError::UnclosedQuote) } else { Ok(None) }
    }

    /// The values of the record.
    pub(super) fn values(&self, schema: &Schema) -> Result<Vec<Value>, RowFault> {
        if self.misquoted {
            return Err(RowFault::Misquoted);
        }
        if self.raw.len() != self.columns.len() {
            return Err(RowFault::FieldCount { expected: self.columns.len(), got: self.raw.len() });
        }
        let fields = schema.fields();
        let mut values = vec![Value::Absent; fields.len()];
        for (bytes, &position) in self.raw.iter().zip(&self.columns) {
            let field = &fields[position];
            let name = || field.name().to_owned();
            let text =
                std::str::from_utf8(bytes).map_err(|_| RowFault::NotUtf8 { field: name() })?;
            values[position] =
                field.parse_text(text).map_err(|error| RowFault::Value { field: name(), error })?;
        }
        Ok(values)
    }

    pub(super) fn position(&self) -> u64 {
        self.reader.position().byte()
    }
}

/// A column's name, if it can be no value of a record: line 1 is a header, for it names a field of the
/// schema, and what stands there is spelled as names are.
fn column_name(schema: &Schema, header: &ByteRecord, name: &str) -> Option<String> {
    let is_field = |name: &[u8]| {
        std::str::from_utf8(name).is_ok_and(|name| schema.field(name.trim_matches(' ')).is_some())
    };
    let name = name.trim_matches(' ');
    let spelled = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.len() <= MAX_NAME_BYTES
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-' | b' '));
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    (header.iter().any(is_field) && spelled && digits < 5).then(|| name.to_owned())
}

fn names(schema: &Schema) -> String {
    schema.fields().iter().map(|field| field.name()).collect::<Vec<_>>().join(", ")
}

fn unread(error: csv::Error) -> FileError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => match error.get_ref().and_then(|it| it.downcast_ref()) {
            Some(TooLong { line }) => FileError::LineTooLong { line: *line },
            None => FileError::Read(error),
        },
        // A reader of bytes that may differ in length has no other errors.
        kind => FileError::Read(std::io::Error::other(format!("{kind:?}"))),
    }
}
