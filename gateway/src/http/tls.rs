//! TLS 1.3 and 1.2 by rustls: a server's certificate, and whom a client trusts.
//!
//! The server's files are PEM: a chain that begins with the server's own certificate, and its key in a
//! file that only its owner can read. Clients trust what the operating system trusts, because that is
//! where an administrator says so once for all programs, and the authorities of further PEM files
//! besides, because a government's gateways often have one of their own. Nothing turns the check off.

mod client;
mod files;
mod pinned;

pub use client::Trust;
pub use files::{TlsError, TlsFault};

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{DEFAULT_VERSIONS, ServerConfig};

/// The only protocol that is spoken inside (RFC 7301).
const ALPN: &[u8] = b"http/1.1";

/// The cryptography: *ring*, which builds with a C compiler and nothing else.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// A server's side of TLS. Cheap to clone; clones share the certificate, also a [reloaded](Self::reload)
/// one.
#[derive(Clone)]
pub struct ServerTls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Current { chain_file, key_file, .. } = &*self.current;
        f.debug_struct("ServerTls")
            .field("chain_file", chain_file)
            .field("key_file", key_file)
            .finish_non_exhaustive()
    }
}

/// A server's side of TLS with the certificate chain and the private key of these PEM files.
///
/// # Errors
/// [`TlsError`] says which file is wrong, and what is wrong with it.
pub fn server(chain_file: &Path, key_file: &Path) -> Result<ServerTls, TlsError> {
    let provider = provider();
    let certified = files::certified(chain_file, key_file, &provider)?;
    let current = Arc::new(Current {
        chain_file: chain_file.to_owned(),
        key_file: key_file.to_owned(),
        provider: Arc::clone(&provider),
        certified: RwLock::new(Arc::new(certified)),
    });
    let resolver: Arc<dyn ResolvesServerCert> = Arc::<Current>::clone(&current);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(DEFAULT_VERSIONS)
        .expect("the provider has cipher suites for both versions")
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(ServerTls { acceptor: TlsAcceptor::from(Arc::new(config)), current })
}

impl ServerTls {
    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// Reads the two files again, for the handshakes from now on: a certificate lives for less time than
    /// a gateway runs. After an error the certificate stays what it was.
    ///
    /// # Errors
    /// [`TlsError`]
    pub fn reload(&self) -> Result<(), TlsError> {
        let Current { chain_file, key_file, provider, certified } = &*self.current;
        let new = files::certified(chain_file, key_file, provider)?;
        *certified.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        Ok(())
    }
}

/// The certificate that is shown now.
struct Current {
    chain_file: PathBuf,
    key_file: PathBuf,
    provider: Arc<CryptoProvider>,
    certified: RwLock<Arc<CertifiedKey>>,
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.certified.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

#[cfg(test)]
pub(super) mod tests;
