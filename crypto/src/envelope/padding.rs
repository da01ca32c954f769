//! Padding inside the seal, so that a ciphertext's length tells only how many blocks there are.
//!
//! `padded = plaintext ‖ 0x80 ‖ 0x00…` up to the next multiple of the block (ISO/IEC 7816-4). At
//! least one byte is added and at most a block, so each plaintext has exactly one padded form.

use thiserror::Error;
use zeroize::Zeroizing;

/// The block to whose multiples answers are padded.
pub const BLOCK_BYTES: usize = 8 * 1024;
/// Ends the plaintext.
const MARK: u8 = 0x80;

/// The bytes do not end in the padding that [`pad`] makes.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("padding is not well formed")]
pub struct PaddingError;

/// `plaintext ‖ 0x80 ‖ 0x00…`, a multiple of [`BLOCK_BYTES`].
pub fn pad(plaintext: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = (plaintext.len() / BLOCK_BYTES + 1) * BLOCK_BYTES;
    let mut padded = Zeroizing::new(Vec::with_capacity(length));
    padded.extend_from_slice(plaintext);
    padded.push(MARK);
    padded.resize(length, 0);
    padded
}

/// The plaintext that [`pad`] makes `padded` from.
///
/// # Errors
/// [`PaddingError`] if there is none.
pub fn unpad(padded: &[u8]) -> Result<&[u8], PaddingError> {
    if padded.is_empty() || !padded.len().is_multiple_of(BLOCK_BYTES) {
        return Err(PaddingError);
    }
    let last_block = padded.len() - BLOCK_BYTES;
    let mark = padded.iter().rposition(|&byte| byte != 0).ok_or(PaddingError)?;
    if mark < last_block || padded[mark] != MARK {
        return Err(PaddingError);
    }
    Ok(&padded[..mark])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn unpad_inverts_pad(length in 0..3 * BLOCK_BYTES, byte: u8) {
            let plaintext = vec![byte; length];
            let padded = pad(&plaintext);
            prop_assert!(padded.len().is_multiple_of(BLOCK_BYTES));
            prop_assert!(padded.len() > length && padded.len() <= length + BLOCK_BYTES);
            prop_assert_eq!(unpad(&padded), Ok(&plaintext[..]));
        }
    }

    #[test]
    fn lengths_at_the_block_edges_are_as_small_as_they_can_be() {
        for (length, blocks) in [
            (0, 1),
            (BLOCK_BYTES - 1, 1),
            (BLOCK_BYTES, 2),
            (2 * BLOCK_BYTES - 1, 2),
            (2 * BLOCK_BYTES, 3),
        ] {
            assert_eq!(pad(&vec![1; length]).len(), blocks * BLOCK_BYTES, "{length}");
        }
    }

    #[test]
    fn plaintexts_that_end_like_padding_stay_apart() {
        for plaintext in [&b""[..], b"\x80", b"\x80\0", b"\0", b"\x80\x80"] {
            assert_eq!(unpad(&pad(plaintext)), Ok(plaintext));
        }
    }

    #[test]
    fn what_pad_does_not_make_is_refused() {
        assert_eq!(unpad(b""), Err(PaddingError));
        let mut padded = pad(b"answer");
        assert_eq!(unpad(&padded[1..]), Err(PaddingError));
        padded.push(0);
        assert_eq!(unpad(&padded), Err(PaddingError));
        assert_eq!(unpad(&[0; BLOCK_BYTES]), Err(PaddingError));
        let mut marked = [0; 2 * BLOCK_BYTES];
        marked[BLOCK_BYTES - 1] = MARK; // a whole block more than needed
        assert_eq!(unpad(&marked), Err(PaddingError));
        marked[BLOCK_BYTES] = MARK;
        assert_eq!(unpad(&marked), Ok(&marked[..BLOCK_BYTES]));
        marked[2 * BLOCK_BYTES - 1] = 1;
        assert_eq!(unpad(&marked), Err(PaddingError));
    }
}
