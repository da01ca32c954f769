//! Where a CSV file's records end, before the reader looks at them.
//!
//! A CSV reader takes the end of the file for the end of an open quoted field, and so turns the
//! rest of a damaged file into one value, however long. In RFC 4180 every quoted field has two marks
//! and every escaped mark is doubled, so a whole file has an even number of them, and a line break after
//! an even number of them ends a record.

use std::io::{self, Read};

use super::MAX_LINE_BYTES;

/// Passes bytes through, counts quotation marks modulo two, and fails after a record that is too long.
#[derive(Debug)]
pub(super) struct QuoteGuard<R> {
    inner: R,
    open: bool,
    /// Line breaks so far.
    breaks: u64,
    /// The line on which the current record begins.
    line: u64,
    /// Bytes of the current record so far.
    bytes: usize,
}

/// A record is longer than [`MAX_LINE_BYTES`].
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("line {line}: too long")]
pub(super) struct TooLong {
    pub(super) line: u64,
}

impl<R> QuoteGuard<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, open: false, breaks: 0, line: 1, bytes: 0 }
    }

    /// Whether an odd number of quotation marks has been read.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }
}

impl<R: Read> Read for QuoteGuard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        for &byte in &buffer[..read] {
            self.open ^= byte == b'"';
            self.breaks += u64::from(byte == b'\n');
            self.bytes += 1;
            if !self.open && matches!(byte, b'\n' | b'\r') {
                (self.line, self.bytes) = (self.breaks + 1, 0);
            } else if self.bytes > MAX_LINE_BYTES {
                return Err(io::Error::other(TooLong { line: self.line }));
            }
        }
        Ok(read)
    }
}
