//! Noticing a quotation mark that is never closed.
//!
//! A CSV reader takes the end of the file for the end of an open quoted field, and so turns the
//! rest of a damaged file into one value. In RFC 4180 every quoted field has two marks and every
//! escaped mark is doubled, so a whole file has an even number of them.

use std::io::{Read, Result};

/// Passes bytes through and counts quotation marks modulo two.
#[derive(Debug)]
pub(super) struct QuoteParity<R> {
    inner: R,
    open: bool,
}

impl<R> QuoteParity<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, open: false }
    }

    /// Whether an odd number of quotation marks has been read.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }
}

impl<R: Read> Read for QuoteParity<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.inner.read(buffer)?;
        let marks = buffer[..read].iter().filter(|&&byte| byte == b'"').count();
        self.open ^= marks % 2 == 1;
        Ok(read)
    }
}
