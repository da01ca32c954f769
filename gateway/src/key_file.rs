//! Secret keys in files: 64 lower-case hexadecimal digits and a newline, readable by the owner only.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crypto::Secret;
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

/// Permission bits of group and others.
const OTHERS: u32 = 0o077;
/// Hexadecimal digits of a key, and the newline.
const FILE_BYTES: usize = 65;

/// Why a key file is not used.
#[derive(Debug, Error)]
#[error("{}: {fault}", path.display())]
pub struct KeyFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: KeyFileFault,
}

/// What is wrong with a key file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyFileFault {
    /// The file cannot be read or made.
    #[error("{0}")]
    Io(io::Error),
    /// Somebody else may read it.
    #[error(
        "permissions {mode:o}: others may read this key; run chmod 600 on it, or make a new key if they might have"
    )]
    Readable {
        /// The permission bits.
        mode: u32,
    },
    /// Not of the form of a key.
    #[error("not a key: expected 64 lower-case hexadecimal digits and a newline")]
    Form,
}

/// Makes a new key in a new file that only the owner can read.
///
/// # Errors
/// [`KeyFileError`]; an existing file is never overwritten.
pub fn create(path: &Path, rng: &mut impl CryptoRng) -> Result<Secret<32>, KeyFileError> {
    let at = |error| KeyFileError { path: path.to_owned(), fault: KeyFileFault::Io(error) };
    let mut bytes = Zeroizing::new([0; 32]);
    rng.fill_bytes(bytes.as_mut());
    let mut text = Zeroizing::new([0; FILE_BYTES]);
    hex::encode_to_slice(bytes.as_ref(), &mut text[..FILE_BYTES - 1])
        .expect("64 digits hold 32 bytes");
    text[FILE_BYTES - 1] = b'\n';
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(at)?;
    file.write_all(text.as_ref()).and_then(|()| file.sync_all()).map_err(at)?;
    Ok(Secret::new(*bytes))
}

/// Reads a key that only the owner can read.
///
/// # Errors
/// [`KeyFileError`] if it cannot be read, others can read it, or it is not of a key's form.
pub fn read(path: &Path) -> Result<Secret<32>, KeyFileError> {
    let fail = |fault| KeyFileError { path: path.to_owned(), fault };
    let mut file = File::open(path).map_err(|error| fail(KeyFileFault::Io(error)))?;
    // Of the open file, not of the path: the path may be replaced between the two looks.
    let metadata = file.metadata().map_err(|error| fail(KeyFileFault::Io(error)))?;
    if metadata.mode() & OTHERS != 0 {
        return Err(fail(KeyFileFault::Readable { mode: metadata.mode() & 0o777 }));
    }
    let mut text = Zeroizing::new([0; FILE_BYTES + 1]);
    let mut length = 0;
    while length < text.len() {
        match file.read(&mut text[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fail(KeyFileFault::Io(error))),
        }
    }
    if length != FILE_BYTES || text[FILE_BYTES - 1] != b'\n' {
        return Err(fail(KeyFileFault::Form));
    }
    let digits = &text[..FILE_BYTES - 1];
    if digits.iter().any(u8::is_ascii_uppercase) {
        return Err(fail(KeyFileFault::Form));
    }
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(digits, bytes.as_mut()).map_err(|_| fail(KeyFileFault::Form))?;
    Ok(Secret::new(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use getrandom::SysRng;
    use rand_core::UnwrapErr;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use tempfile::TempDir;

    fn fault(path: &Path) -> KeyFileFault {
        let error = read(path).unwrap_err();
        assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
        error.fault
    }

    #[test]
    fn a_new_key_reads_back_and_is_the_owners_alone() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("signing.key");
        let key = create(&path, &mut UnwrapErr(SysRng)).unwrap();
        assert!(read(&path).unwrap() == key);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_existing_file_is_never_overwritten() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("signing.key");
        let key = create(&path, &mut UnwrapErr(SysRng)).unwrap();
        let error = create(&path, &mut UnwrapErr(SysRng)).unwrap_err();
        assert!(
            matches!(error.fault, KeyFileFault::Io(e) if e.kind() == io::ErrorKind::AlreadyExists)
        );
        assert!(read(&path).unwrap() == key);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_until_they_cannot() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("signing.key");
        create(&path, &mut UnwrapErr(SysRng)).unwrap();
        for mode in [0o644, 0o640, 0o604, 0o660, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(fault(&path), KeyFileFault::Readable { mode: m } if m == mode));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(read(&path).is_ok());
    }

    #[test]
    fn anything_but_a_key_is_refused() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("signing.key");
        let good = format!("{}\n", "0a".repeat(32));
        let bad = [
            String::new(),
            "0a".repeat(32),
            format!("{good}\n"),
            good.to_uppercase(),
            good.replacen('0', "g", 1),
            format!(" {}", &good[1..]),
        ];
        for text in &bad {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(fault(&path), KeyFileFault::Form), "{text:?}");
        }
        fs::write(&path, good).unwrap();
        assert!(read(&path).is_ok());
        assert!(matches!(fault(&folder.path().join("none")), KeyFileFault::Io(_)));
    }
}
