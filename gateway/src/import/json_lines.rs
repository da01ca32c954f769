//! JSON Lines: one object a line, with the schema's fields as members, in any order.
//!
//! A member that is `null` or missing is absent. Empty lines are passed over, as a CSV reader does.

use std::fmt;
use std::io::{BufRead as _, BufReader, Read};

use circuits::encoding::Value;
use circuits::schema::Schema;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};

use super::{FileError, MAX_LINE_BYTES, RowFault};

/// The byte order mark, which some programs write before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[derive(Debug)]
pub(super) struct JsonLines<R> {
    reader: BufReader<R>,
    /// The current line, without its end.
    raw: Vec<u8>,
    line: u64,
    bytes: u64,
}

impl<R: Read> JsonLines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { reader: BufReader::new(input), raw: Vec::new(), line: 0, bytes: 0 }
    }

    /// The number of the next line with something in it; none at the end.
    pub(super) fn advance(&mut self) -> Result<Option<u64>, FileError> {
        let limit = u64::try_from(MAX_LINE_BYTES).expect("lengths fit 64 bits") + 1;
        loop {
            self.raw.clear();
            let mut line = self.reader.by_ref().take(limit);
            let read = line.read_until(b'\n', &mut self.raw).map_err(FileError::Read)?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            self.bytes += u64::try_from(read).expect("lengths fit 64 bits");
            if read > MAX_LINE_BYTES {
                return Err(FileError::LineTooLong { line: self.line });
            }
            if self.raw.ends_with(b"\n") {
                self.raw.pop(); // else a place in the line would be one after it
            }
            if self.line == 1 && self.raw.starts_with(BYTE_ORDER_MARK) {
                self.raw.drain(..BYTE_ORDER_MARK.len());
            }
            if !self.raw.trim_ascii().is_empty() {
                return Ok(Some(self.line));
            }
        }
    }

    /// The values of the line.
    pub(super) fn values(&self, schema: &Schema) -> Result<Vec<Value>, RowFault> {
        let mut values = vec![None; schema.fields().len()];
        let mut fault = None;
        let mut json = serde_json::Deserializer::from_slice(&self.raw);
        let object = Object { schema, values: &mut values, fault: &mut fault };
        let read = object.deserialize(&mut json).and_then(|()| json.end());
        if let Err(error) = read {
            // serde's text may repeat what stands there.
            return Err(fault.unwrap_or(RowFault::NotAnObject { column: error.column() }));
        }
        let fields = schema.fields().iter().zip(values);
        fields
            .map(|(field, value)| match value {
                Some(value) => Ok(value),
                None => field
                    .parse_json(&serde_json::Value::Null)
                    .map_err(|error| RowFault::Value { field: field.name().to_owned(), error }),
            })
            .collect()
    }

    pub(super) fn position(&self) -> u64 {
        self.bytes
    }
}

/// Reads one object into the values of its members; what is wrong with them goes into `fault`.
struct Object<'a> {
    schema: &'a Schema,
    values: &'a mut [Option<Value>],
    fault: &'a mut Option<RowFault>,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut number = 0;
        while let Some(position) = members.next_key_seed(MemberName(self.schema))? {
            number += 1;
            let fault = match position {
                None => RowFault::UnknownMember { number },
                Some(position) => {
                    let field = &self.schema.fields()[position];
                    let json: serde_json::Value = members.next_value()?;
                    let name = || field.name().to_owned();
                    match field.parse_json(&json) {
                        Ok(_) if self.values[position].is_some() => {
                            RowFault::RepeatedMember { field: name() }
                        }
                        Ok(value) => {
                            self.values[position] = Some(value);
                            continue;
                        }
                        Err(error) => RowFault::Value { field: name(), error },
                    }
                }
            };
            *self.fault = Some(fault);
            return Err(A::Error::custom("a member is not as the schema says"));
        }
        Ok(())
    }
}

/// The position in the schema of the field that a member names.
struct MemberName<'a>(&'a Schema);

impl<'de> DeserializeSeed<'de> for MemberName<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Option<usize>, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for MemberName<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<usize>, E> {
        Ok(self.0.field(name).map(|(position, _)| position))
    }
}
