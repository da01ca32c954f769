//! Encryption at rest: the sealed form of what a gateway's store keeps.
//!
//! ```text
//! table key = HKDF-SHA256(ikm = storage key, salt = none, info = len(label) ‖ label ‖ len(table) ‖ table)
//! sealed    = version (0x01) ‖ nonce (12) ‖ AES-256-GCM(table key, nonce, plaintext, aad)
//! aad       = version ‖ len(table) ‖ table ‖ len(record key) ‖ record key        lengths as big-endian u64
//! ```
//! A sealed value opens only in the table and under the record key it was sealed for. It does not
//! say how old it is: a store that must notice an old value put back has to keep a counter itself.
//!
//! Record keys themselves can be hidden by a keyed hash ([`TableKey::hide`]), under a second key:
//! ```text
//! hiding key = HKDF-SHA256(ikm = storage key, salt = none, info = len(label') ‖ label' ‖ len(table) ‖ table)
//! hidden     = HMAC-SHA256(hiding key, record key)
//! ```
//!
//! Nonces are 96 random bits, so one key may seal at most 2^32 messages (NIST SP 800-38D, section
//! 8.3). Each table has a key of its own so that this is a limit per table, rewritten records
//! included; a table that nears it needs a new storage key.

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use rand_core::CryptoRng;
use sha2::Sha256;
use thiserror::Error;
use zeroize::{Zeroize as _, Zeroizing};

use crate::Secret;

/// The format's only version so far; the first byte of every sealed value.
const VERSION: u8 = 1;
/// Length of a GCM nonce (NIST SP 800-38D, section 5.2.1.1).
const NONCE_BYTES: usize = 12;
/// Length of a GCM tag.
const TAG_BYTES: usize = 16;
/// By how much a sealed value is longer than its plaintext.
pub const OVERHEAD_BYTES: usize = 1 + NONCE_BYTES + TAG_BYTES;
/// Separates table keys from every other use of a storage key.
const TABLE_KEY_LABEL: &str = "proofgate/v1/at-rest";
/// Separates hiding keys from every other use of a storage key.
const HIDING_KEY_LABEL: &str = "proofgate/v1/at-rest/hide";

/// The key of one table of one department's store.
pub struct TableKey {
    cipher: Aes256Gcm,
    hiding_key: Secret<32>,
    table: String,
}

impl TableKey {
    /// Derives the key of `table` from a department's storage key.
    pub fn derive(storage_key: &Secret<32>, table: &str) -> Self {
        let mut key = expand(storage_key, TABLE_KEY_LABEL, table);
        let cipher = Aes256Gcm::new(&(*key).into());
        key.zeroize();
        let hiding_key = Secret::new(*expand(storage_key, HIDING_KEY_LABEL, table));
        Self { cipher, hiding_key, table: table.to_owned() }
    }

    /// `HMAC-SHA256(hiding key, record_key)`: equal keys meet, and the store's file names nobody.
    ///
    /// Source: RFC 2104.
    pub fn hide(&self, record_key: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.hiding_key.expose())
            .expect("HMAC takes keys of any length");
        mac.update(record_key);
        mac.finalize().into_bytes().into()
    }

    /// Seals `plaintext` as the value of `record_key`.
    ///
    /// # Errors
    /// [`SealError`] if the plaintext is longer than GCM allows (64 GiB).
    pub fn seal(
        &self,
        record_key: &[u8],
        plaintext: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        rng.fill_bytes(&mut nonce);
        let payload = Payload { msg: plaintext, aad: &self.aad(record_key) };
        let ciphertext = self.cipher.encrypt(&nonce.into(), payload).map_err(|_| SealError)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_BYTES + ciphertext.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    /// Opens the value of `record_key`.
    ///
    /// # Errors
    /// [`OpenError`] if the value is cut, of another version, altered, or was sealed under another
    /// storage key, table or record key.
    pub fn open(&self, record_key: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (&version, rest) = sealed.split_first().ok_or(OpenError::Truncated)?;
        if version != VERSION {
            return Err(OpenError::Version { got: version });
        }
        let (nonce, ciphertext) =
            rest.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Truncated)?;
        if ciphertext.len() < TAG_BYTES {
            return Err(OpenError::Truncated);
        }
        let payload = Payload { msg: ciphertext, aad: &self.aad(record_key) };
        let plaintext = self.cipher.decrypt(&(*nonce).into(), payload);
        Ok(Zeroizing::new(plaintext.map_err(|_| OpenError::Authentication)?))
    }

    fn aad(&self, record_key: &[u8]) -> Vec<u8> {
        let mut aad = vec![VERSION];
        aad.extend(framed(self.table.as_bytes()));
        aad.extend(framed(record_key));
        aad
    }
}

impl std::fmt::Debug for TableKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TableKey({})", self.table)
    }
}

/// `len(bytes) ‖ bytes`, the length as big-endian `u64`.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = u64::try_from(bytes.len()).expect("lengths fit 64 bits");
    [&length.to_be_bytes(), bytes].concat()
}

/// `HKDF-SHA256(ikm = storage key, salt = none, info = framed(label) ‖ framed(table))`, 32 bytes.
fn expand(storage_key: &Secret<32>, label: &str, table: &str) -> Zeroizing<[u8; 32]> {
    let mut info = framed(label.as_bytes());
    info.extend(framed(table.as_bytes()));
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, storage_key.expose())
        .expand(&info, key.as_mut())
        .expect("32 bytes are less than HKDF's limit of 255 hashes");
    key
}

/// The plaintext is longer than AES-GCM allows.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("too long for one AES-GCM message")]
pub struct SealError;

/// Why a stored value does not open.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// Shorter than the shortest sealed value.
    #[error("stored value is truncated")]
    Truncated,
    /// Written by a version that this program does not know.
    #[error("stored value has format version {got}, expected {VERSION}")]
    Version {
        /// The version found.
        got: u8,
    },
    /// Altered, moved from another place, or sealed under another key.
    #[error("stored value does not authenticate under this key and place")]
    Authentication,
}

#[cfg(test)]
mod tests {
    use super::*;
    use getrandom::SysRng;
    use proptest::prelude::*;
    use rand_core::UnwrapErr;

    fn table(name: &str) -> TableKey {
        TableKey::derive(&Secret::new([7; 32]), name)
    }

    fn sealed() -> Vec<u8> {
        table("records").seal(b"key", b"value", &mut UnwrapErr(SysRng)).unwrap()
    }

    fn open(key: &TableKey, record_key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        key.open(record_key, sealed).map(|plaintext| plaintext.to_vec())
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(record_key: Vec<u8>, plaintext: Vec<u8>) {
            let key = table("records");
            let sealed = key.seal(&record_key, &plaintext, &mut UnwrapErr(SysRng)).unwrap();
            prop_assert_eq!(sealed.len(), plaintext.len() + OVERHEAD_BYTES);
            prop_assert_eq!(open(&key, &record_key, &sealed), Ok(plaintext));
        }
    }

    /// Computed by Python's `cryptography` 48.0.0 from the formulas above: the format is frozen.
    #[test]
    fn a_value_sealed_elsewhere_opens() {
        let sealed = hex::decode(KNOWN_ANSWER).unwrap();
        assert_eq!(open(&table("records"), b"key", &sealed), Ok(b"value".to_vec()));
    }

    const KNOWN_ANSWER: &str =
        "01000102030405060708090a0b5a114835f3374d0a4bec21b80196e42e7e082fa925";

    /// Computed by Python's `hmac` and `hashlib` from the formulas above.
    #[test]
    fn hidden_keys_are_hmacs_under_a_key_per_table() {
        let expected = "1987ebcdb7363318e3c6df19bbe9f4fae228ddd2b367ccc4d9e950ea6a51bdb9";
        assert_eq!(hex::encode(table("records").hide(b"key")), expected);
        assert_ne!(hex::encode(table("other").hide(b"key")), expected);
        assert_ne!(hex::encode(table("records").hide(b"kez")), expected);
        let other = TableKey::derive(&Secret::new([8; 32]), "records");
        assert_ne!(hex::encode(other.hide(b"key")), expected);
    }

    #[test]
    fn another_key_table_or_record_key_does_not_open_it() {
        let sealed = sealed();
        let refused = Err(OpenError::Authentication);
        let other_key = TableKey::derive(&Secret::new([8; 32]), "records");
        assert_eq!(open(&other_key, b"key", &sealed), refused);
        assert_eq!(open(&table("budgets"), b"key", &sealed), refused);
        assert_eq!(open(&table("records"), b"kez", &sealed), refused);
        assert_eq!(open(&table("records"), b"key", &sealed), Ok(b"value".to_vec()));
    }

    #[test]
    fn the_table_is_authenticated_and_not_only_the_key() {
        let mut moved = table("records");
        moved.table = "budgets".to_owned();
        assert_eq!(open(&moved, b"key", &sealed()), Err(OpenError::Authentication));
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let sealed = sealed();
        for position in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[position] ^= 1;
            let expected = if position == 0 {
                OpenError::Version { got: 0 }
            } else {
                OpenError::Authentication
            };
            assert_eq!(open(&table("records"), b"key", &altered), Err(expected), "{position}");
        }
    }

    #[test]
    fn a_cut_or_lengthened_value_is_refused() {
        let mut sealed = sealed();
        for length in 0..OVERHEAD_BYTES {
            let cut = &sealed[..length];
            assert_eq!(open(&table("records"), b"key", cut), Err(OpenError::Truncated));
        }
        let cut = &sealed[..sealed.len() - 1];
        assert_eq!(open(&table("records"), b"key", cut), Err(OpenError::Authentication));
        sealed.push(0);
        assert_eq!(open(&table("records"), b"key", &sealed), Err(OpenError::Authentication));
    }

    #[test]
    fn nonces_are_drawn_afresh() {
        assert_ne!(sealed(), sealed());
    }
}
