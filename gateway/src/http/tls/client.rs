//! Whom a client trusts.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, DEFAULT_VERSIONS, RootCertStore};

use super::files::{TlsError, TlsFault, certificates};
use super::pinned::Pinned;
use super::{ALPN, provider};

/// Whom clients trust: certificate authorities, or one certificate.
#[derive(Clone)]
pub struct Trust {
    /// Whether the operating system's authorities count.
    system: bool,
    further: Arc<Vec<CertificateDer<'static>>>,
    /// The only certificate that counts, and then for any name and time.
    pinned: Option<CertificateDer<'static>>,
}

impl Default for Trust {
    fn default() -> Self {
        Self { system: true, further: Arc::default(), pinned: None }
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("system", &self.system)
            .field("further", &self.further.len())
            .field("pinned", &self.pinned.is_some())
            .finish()
    }
}

impl Trust {
    /// The operating system's authorities and those of PEM files.
    ///
    /// # Errors
    /// [`TlsError`] says which file is wrong, and what is wrong with it.
    pub fn with_roots(files: &[PathBuf]) -> Result<Self, TlsError> {
        Ok(Self { system: true, further: Arc::new(roots(files)?), pinned: None })
    }

    /// The authorities of PEM files and no others.
    ///
    /// # Errors
    /// As [`Self::with_roots`].
    pub fn only(files: &[PathBuf]) -> Result<Self, TlsError> {
        Ok(Self { system: false, further: Arc::new(roots(files)?), pinned: None })
    }

    /// The server that has the first certificate of a PEM file, and no other: for a command that calls its
    /// own gateway at a local address, which is not the name in the gateway's certificate.
    ///
    /// # Errors
    /// As [`Self::with_roots`].
    pub fn pinned(chain_file: &Path) -> Result<Self, TlsError> {
        let first = certificates(chain_file)?.into_iter().next();
        Ok(Self { system: false, further: Arc::default(), pinned: first })
    }

    /// A client's side of TLS. Reads the operating system's authorities, which takes a while.
    pub(in crate::http) fn client(&self) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(DEFAULT_VERSIONS)
            .expect("the provider has cipher suites for both versions");
        let builder = match &self.pinned {
            Some(certificate) => {
                builder.dangerous().with_custom_certificate_verifier(Pinned::new(certificate))
            }
            None => builder.with_root_certificates(self.authorities()),
        };
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        config
    }

    fn authorities(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        if self.system {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::warn!(%error, "an authority of the operating system cannot be read");
            }
            // Some systems have authorities of old forms among theirs, which count for nothing.
            store.add_parsable_certificates(found.certs);
        }
        store.add_parsable_certificates(self.further.iter().cloned());
        store
    }
}

/// The authorities of PEM files, each of a form that can be trusted.
fn roots(files: &[PathBuf]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let mut all = Vec::new();
    for path in files {
        for (index, certificate) in certificates(path)?.into_iter().enumerate() {
            let mut alone = RootCertStore::empty();
            alone.add(certificate.clone()).map_err(|_| TlsError {
                path: path.clone(),
                fault: TlsFault::Certificate { number: index + 1 },
            })?;
            all.push(certificate);
        }
    }
    Ok(all)
}
