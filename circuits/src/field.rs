//! The scalar field of BN254, and the only ways bytes become its elements.
//!
//! Bytes at or above the modulus are refused, never reduced: `x` and `x + p` would otherwise be two
//! spellings of one public input.

pub use ark_bn254::Fr;
use ark_ff::{BigInteger, PrimeField};
use thiserror::Error;

/// Length of an encoded field element.
pub const FR_BYTES: usize = 32;

/// Why 32 bytes are not a field element.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldError {
    /// The integer is the modulus or more.
    #[error("not below the modulus of the BN254 scalar field")]
    NotCanonical,
}

/// The big-endian integer `bytes` as an element.
///
/// # Errors
/// [`FieldError::NotCanonical`] if the integer is not below the modulus.
pub fn from_be_bytes(bytes: &[u8; FR_BYTES]) -> Result<Fr, FieldError> {
    let mut limbs = [0u64; 4];
    for (limb, chunk) in limbs.iter_mut().rev().zip(bytes.chunks_exact(8)) {
        *limb = u64::from_be_bytes(chunk.try_into().expect("chunks_exact(8) yields 8 bytes"));
    }
    Fr::from_bigint(ark_ff::BigInt(limbs)).ok_or(FieldError::NotCanonical)
}

/// The canonical big-endian encoding of `element`.
pub fn to_be_bytes(element: Fr) -> [u8; FR_BYTES] {
    element
        .into_bigint()
        .to_bytes_be()
        .try_into()
        .expect("BN254's scalar field has four 64-bit limbs")
}

/// The big-endian integer `bytes`, of which there are at most 31: always below the modulus.
pub(crate) fn from_short_be_bytes(bytes: &[u8]) -> Fr {
    assert!(bytes.len() < FR_BYTES, "32 bytes may reach the modulus");
    let mut padded = [0u8; FR_BYTES];
    padded[FR_BYTES - bytes.len()..].copy_from_slice(bytes);
    from_be_bytes(&padded).expect("248 bits are below the modulus")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::{One, Zero};
    use proptest::prelude::*;

    fn modulus() -> [u8; 32] {
        Fr::MODULUS.to_bytes_be().try_into().unwrap()
    }

    #[test]
    fn the_modulus_and_above_are_refused() {
        let mut bytes = modulus();
        assert_eq!(from_be_bytes(&bytes), Err(FieldError::NotCanonical));
        bytes[31] += 1;
        assert_eq!(from_be_bytes(&bytes), Err(FieldError::NotCanonical));
        assert_eq!(from_be_bytes(&[0xff; 32]), Err(FieldError::NotCanonical));
        bytes[31] -= 2;
        assert_eq!(from_be_bytes(&bytes), Ok(-Fr::one()));
    }

    #[test]
    fn short_bytes_are_big_endian() {
        assert_eq!(from_short_be_bytes(&[]), Fr::zero());
        assert_eq!(from_short_be_bytes(&[1, 0]), Fr::from(256));
    }

    proptest! {
        #[test]
        fn decoding_inverts_encoding(bytes: [u8; 32]) {
            if let Ok(element) = from_be_bytes(&bytes) {
                prop_assert_eq!(to_be_bytes(element), bytes);
            } else {
                prop_assert!(bytes >= modulus());
            }
        }
    }
}
