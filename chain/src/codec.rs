//! Fixed-width binary encodings: big-endian integers and byte arrays, in order, nothing between.
//!
//! Decoding takes exactly the bytes of a value: one too few or one too many is an error.

use thiserror::Error;

/// Why bytes are not the encoding of a value.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not as many bytes as the format fixes.
    #[error("expected {expected} bytes, got {got}")]
    Length {
        /// The length the format fixes.
        expected: usize,
        /// The length of the bytes.
        got: usize,
    },
    /// A field holds a value that the format does not know.
    #[error("field {field} holds no valid value")]
    Field {
        /// The field's name.
        field: &'static str,
    },
    /// A reference that the kind does not use is not zero.
    #[error("reference {place} must be zero for this kind")]
    UnusedReference {
        /// The reference's place, from 0.
        place: usize,
    },
    /// A reference that the kind requires is zero.
    #[error("reference {place} is required for this kind")]
    MissingReference {
        /// The reference's place, from 0.
        place: usize,
    },
}

impl DecodeError {
    /// The stable name of the failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Length { .. } => "encoding-length",
            Self::Field { .. } => "encoding-field",
            Self::UnusedReference { .. } => "encoding-unused-reference",
            Self::MissingReference { .. } => "encoding-missing-reference",
        }
    }
}

/// Reads a value's fields from bytes whose length has been checked against the format.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// A reader over exactly `expected` bytes.
    pub(crate) fn exact(bytes: &'a [u8], expected: usize) -> Result<Self, DecodeError> {
        if bytes.len() != expected {
            return Err(DecodeError::Length { expected, got: bytes.len() });
        }
        Ok(Self(bytes))
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((head, tail)) = self.0.split_first_chunk::<N>() else {
            return Err(DecodeError::Length { expected: N, got: self.0.len() });
        };
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_big_endian_fields_in_order() {
        let mut reader = Reader::exact(&[1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4], 15).unwrap();
        assert_eq!((reader.u8(), reader.u16()), (Ok(1), Ok(2)));
        assert_eq!((reader.u32(), reader.u64()), (Ok(3), Ok(4)));
        assert_eq!(reader.u8(), Err(DecodeError::Length { expected: 1, got: 0 }));
    }

    #[test]
    fn refuses_another_length() {
        assert!(Reader::exact(&[0; 3], 3).is_ok());
        assert!(Reader::exact(&[0; 2], 3).is_err());
        assert!(Reader::exact(&[0; 4], 3).is_err());
    }
}
