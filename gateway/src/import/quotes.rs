//! Where a CSV file's records end, before the reader looks at them.
//!
//! A CSV reader takes the end of the file for the end of an open quoted field, and so turns the
//! rest of a damaged file into one value, however long. This follows the reader's own states: a quotation
//! mark opens a field at its start and nowhere else, and within a quoted field two of them are one that is
//! meant (RFC 4180, section 2). Counting marks modulo two is not enough: one in the middle of a field
//! would turn "open" and "closed" round for the rest of the file.

use std::collections::VecDeque;
use std::io::{self, Read};

use super::MAX_LINE_BYTES;

/// What a CSV reader drops at the start of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where in a record the last byte was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a record; empty lines are none.
    BeforeRecord,
    /// Before a field that another one precedes.
    BeforeField,
    Unquoted,
    Quoted,
    /// After a mark in a quoted field, which ends the field unless another one follows.
    Mark,
}

/// Passes bytes through, follows where records end, and fails after a record that is too long.
#[derive(Debug)]
pub(super) struct QuoteGuard<R> {
    inner: R,
    state: State,
    /// Bytes of the file's byte order mark so far; none once another byte was read.
    byte_order_mark: Option<usize>,
    /// Line breaks so far.
    breaks: u64,
    /// The line on which the current record begins.
    line: u64,
    /// Bytes of the current record so far.
    bytes: usize,
    /// Records that have begun.
    records: u64,
    /// Records, from 1, with a mark where RFC 4180 has none, that the reader has not asked for yet: it is
    /// behind by one buffer at most.
    misquoted: VecDeque<u64>,
}

/// A record is longer than [`MAX_LINE_BYTES`].
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("line {line}: too long")]
pub(super) struct TooLong {
    pub(super) line: u64,
}

impl<R> QuoteGuard<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            state: State::BeforeRecord,
            byte_order_mark: Some(0),
            breaks: 0,
            line: 1,
            bytes: 0,
            records: 0,
            misquoted: VecDeque::new(),
        }
    }

    /// Whether the last byte was within a quoted field.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Quoted
    }

    /// Records that have begun so far.
    #[cfg(test)]
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// Whether a mark stands where RFC 4180 has none in this record, from 1. Forgets the records before.
    pub(super) fn is_misquoted(&mut self, record: u64) -> bool {
        while self.misquoted.front().is_some_and(|&it| it < record) {
            self.misquoted.pop_front();
        }
        self.misquoted.front() == Some(&record)
    }

    fn follow(&mut self, byte: u8) {
        use State::{BeforeField, BeforeRecord, Mark, Quoted, Unquoted};
        if let Some(there) = self.byte_order_mark {
            if BYTE_ORDER_MARK.get(there) == Some(&byte) {
                self.byte_order_mark = Some(there + 1);
                return;
            }
            self.byte_order_mark = None;
            if (1..BYTE_ORDER_MARK.len()).contains(&there) {
                self.begin(Unquoted);
            }
        }
        let next = match (self.state, byte) {
            (Quoted, b'"') => Mark,
            (Quoted, _) => Quoted,
            (_, b'\n' | b'\r') => BeforeRecord,
            (_, b',') => BeforeField,
            (BeforeRecord | BeforeField, b'"') | (Mark, b'"') => Quoted,
            (Unquoted, b'"') | (Mark, _) => {
                if self.misquoted.back() != Some(&self.records) {
                    self.misquoted.push_back(self.records);
                }
                Unquoted
            }
            (BeforeRecord | BeforeField | Unquoted, _) => Unquoted,
        };
        self.begin(next);
    }

    /// Takes the next state, which may be the first of a record.
    fn begin(&mut self, next: State) {
        let begins = self.state == State::BeforeRecord && next != State::BeforeRecord;
        self.records += u64::from(begins);
        self.state = next;
    }
}

impl<R: Read> Read for QuoteGuard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut read = self.inner.read(buffer)?;
        // The reader drops a byte order mark only if it gets the whole of it at once, and takes one with
        // nothing behind it for the end.
        while self.byte_order_mark == Some(0) && (1..=BYTE_ORDER_MARK.len()).contains(&read) {
            match self.inner.read(&mut buffer[read..])? {
                0 => break,
                more => read += more,
            }
        }
        for &byte in &buffer[..read] {
            self.follow(byte);
            self.breaks += u64::from(byte == b'\n');
            self.bytes += 1;
            if self.state == State::BeforeRecord && matches!(byte, b'\n' | b'\r') {
                (self.line, self.bytes) = (self.breaks + 1, 0);
            } else if self.bytes > MAX_LINE_BYTES {
                return Err(io::Error::other(TooLong { line: self.line }));
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use csv::{ByteRecord, ReaderBuilder};
    use proptest::prelude::*;

    fn reader<R: Read>(input: R) -> csv::Reader<QuoteGuard<R>> {
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true).from_reader(QuoteGuard::new(input))
    }

    /// Gives so many bytes at a time.
    struct Slowly<'a>(&'a [u8], usize);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let some = self.1.min(buffer.len());
            self.0.by_ref().take(some as u64).read(buffer)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn the_guard_sees_the_records_that_the_reader_reads(
            text in prop::collection::vec(prop::sample::select(&b"aa,,\"\"\"\"\n\r"[..]), 0..60),
            marked in any::<bool>(),
            step in 1usize..9,
        ) {
            let mut file = if marked { BYTE_ORDER_MARK.to_vec() } else { Vec::new() };
            file.extend(&text);
            let mut reader = reader(Slowly(&file, step));
            let (mut record, mut read) = (ByteRecord::new(), 0);
            while reader.read_byte_record(&mut record).unwrap() {
                read += 1;
            }
            prop_assert_eq!(reader.get_ref().records(), read);
            // In an open field one more mark changes nothing but its end; elsewhere a line more is a record.
            let open = reader.get_ref().is_open();
            let longer = [&file, &b"\nb\nb"[..]].concat();
            let more = self::reader(&longer[..]).into_byte_records().count() as u64;
            prop_assert_eq!(more - read, if open { 0 } else { 2 });
        }
    }

    #[test]
    fn records_with_a_mark_out_of_place_are_told_and_others_are_not() {
        let file = b"a,b\n\"a\",\"b\"\"c\"\nx\",b\n\"a\"b,c\n\"\",\"\n\"\n";
        let mut reader = reader(&file[..]);
        let mut record = ByteRecord::new();
        let mut told = Vec::new();
        for number in 1.. {
            if !reader.read_byte_record(&mut record).unwrap() {
                break;
            }
            told.push(reader.get_mut().is_misquoted(number));
        }
        assert_eq!(told, [false, false, true, true, false]);
    }
}
