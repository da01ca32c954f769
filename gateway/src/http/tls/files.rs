//! Certificates and keys in PEM files (RFC 7468).

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error as RustlsError, InconsistentKeys};
use zeroize::Zeroizing;

/// Permission bits of group and others.
const OTHERS: u32 = 0o077;
/// The longest file that is read: a hundred certificates and more.
const MAX_BYTES: u64 = 1024 * 1024;

/// Why a file for TLS is not used.
#[derive(Debug, Error)]
#[error("{}: {fault}", path.display())]
pub struct TlsError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: TlsFault,
}

/// What is wrong with a file for TLS.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsFault {
    /// It cannot be read.
    #[error("{0}")]
    Io(io::Error),
    /// Somebody else may read the private key.
    #[error(
        "permissions {mode:o}: others may read this key; run chmod 600 on it, or get a new key if they might have"
    )]
    Readable {
        /// The permission bits.
        mode: u32,
    },
    /// It is longer than any such file.
    #[error("expected at most {MAX_BYTES} bytes")]
    TooLong,
    /// A PEM block is broken.
    #[error("not PEM: a block between BEGIN and END lines is broken")]
    Pem,
    /// There is no certificate.
    #[error("expected a PEM block BEGIN CERTIFICATE")]
    NoCertificate,
    /// A certificate is none.
    #[error("certificate {number} is no X.509 certificate that this software can read")]
    Certificate {
        /// Which one, from 1.
        number: usize,
    },
    /// There is no private key.
    #[error(
        "expected one PEM block BEGIN PRIVATE KEY, BEGIN RSA PRIVATE KEY or BEGIN EC PRIVATE KEY; an encrypted key has to be decrypted first"
    )]
    NoKey,
    /// The private key is of a kind that this software does not have.
    #[error(
        "expected an RSA key of at least 2,048 bits, an ECDSA key (P-256, P-384) or an Ed25519 key"
    )]
    Key,
    /// The private key is not the certificate's.
    #[error("this key is not the one of the first certificate in {}", chain_file.display())]
    OtherKey {
        /// The certificate's file.
        chain_file: PathBuf,
    },
}

impl TlsError {
    fn at(path: &Path, fault: TlsFault) -> Self {
        Self { path: path.to_owned(), fault }
    }
}

/// The bytes of a file; of a private one only if nobody but its owner can read it.
fn read(path: &Path, private: bool) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let fail = |fault| TlsError::at(path, fault);
    let io = |error| fail(TlsFault::Io(error));
    let file = File::open(path).map_err(io)?;
    // Of the open file, not of the path: the path may be replaced between the two looks.
    let metadata = file.metadata().map_err(io)?;
    if private && metadata.mode() & OTHERS != 0 {
        return Err(fail(TlsFault::Readable { mode: metadata.mode() & 0o777 }));
    }
    if metadata.len() > MAX_BYTES {
        return Err(fail(TlsFault::TooLong));
    }
    // Room for all of it from the start, so that no copy of a key is left behind.
    let length = usize::try_from(metadata.len()).map_err(|_| fail(TlsFault::TooLong))?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(length + 1));
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

/// The certificates of a PEM file, in order, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path, false)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = certificates.map_err(|_| TlsError::at(path, TlsFault::Pem))?;
    if certificates.is_empty() {
        return Err(TlsError::at(path, TlsFault::NoCertificate));
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    use tokio_rustls::rustls::pki_types::pem::Error as PemError;
    let bytes = read(path, true)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        let missing = matches!(error, PemError::NoItemsFound);
        TlsError::at(path, if missing { TlsFault::NoKey } else { TlsFault::Pem })
    })
}

/// A certificate chain with the key that belongs to it.
pub(super) fn certified(
    chain_file: &Path,
    key_file: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(chain_file)?;
    let key = provider
        .key_provider
        .load_private_key(private_key(key_file)?)
        .map_err(|_| TlsError::at(key_file, TlsFault::Key))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(RustlsError::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            let chain_file = chain_file.to_owned();
            Err(TlsError::at(key_file, TlsFault::OtherKey { chain_file }))
        }
        // Of this kind of key the provider cannot tell. A handshake would.
        Err(RustlsError::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(_) => Err(TlsError::at(chain_file, TlsFault::Certificate { number: 1 })),
    }
}
