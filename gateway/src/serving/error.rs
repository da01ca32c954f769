//! Why a gateway does not run.

use std::io;
use std::net::SocketAddr;

use chain::ledger::OpenLedgerError;
use chain::store::OpenError;
use thiserror::Error;

use crate::folder::{FileError, GenesisFileError, LockError, ProvingKeyError};
use crate::following::{PeerCopyError, RememberedError};
use crate::hosting::HostError;
use crate::http::tls::TlsError;
use crate::key_file::KeyFileError;
use crate::measure::BeginError;
use crate::payload::PayloadError;
use crate::store::StoreError;

/// Why a gateway does not run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Another process works on the folder.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The genesis file is not used.
    #[error(transparent)]
    Genesis(#[from] GenesisFileError),
    /// A key file is not used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A proving key is not used.
    #[error(transparent)]
    ProvingKey(#[from] ProvingKeyError),
    /// The only keys there are were made by one party.
    #[error(
        "the proving keys of this gateway are development keys, which production mode refuses: take part in a \
         ceremony and import its keys (proofgate setup --help); `production = false` in proofgate.toml runs \
         on development keys"
    )]
    DevelopmentKeys,
    /// A certificate or its key is not used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The process measures itself already.
    #[error(transparent)]
    Measure(#[from] BeginError),
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {error}; `listen` and `metrics` in proofgate.toml say where"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        error: io::Error,
    },
    /// The copy of the chain does not open.
    #[error("the chain: {0} [{code}]{hint}", code = .0.code(), hint = hint(.0))]
    Chain(#[from] OpenLedgerError),
    /// Another department's copy of the chain shows that this one is not the newest.
    #[error("the chain: {0}")]
    Peers(#[from] Box<PeerCopyError>),
    /// The copy of the chain is not the one that was served from the folder.
    #[error("the chain: {0}")]
    Remembered(#[from] Box<RememberedError>),
    /// A department's store does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A department's payloads do not open.
    #[error(transparent)]
    Payloads(#[from] PayloadError),
    /// A department cannot be hosted.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl ServeError {
    pub(super) fn listening(address: SocketAddr) -> impl FnOnce(io::Error) -> Self + use<> {
        move |error| Self::Listen { address, error }
    }
}

/// What to do about a chain that does not open.
const fn hint(error: &OpenLedgerError) -> &'static str {
    match error {
        OpenLedgerError::NotTheValidator { .. } => {
            "; `validator` in proofgate.toml must be the one of the genesis file whose key validator.key is"
        }
        OpenLedgerError::Store(
            OpenError::File { .. }
            | OpenError::Locked { .. }
            | OpenError::Format { .. }
            | OpenError::Network,
        )
        | OpenLedgerError::Thread { .. } => "",
        _ => {
            "; nothing is signed. Make the copy anew from another gateway of the network: \
             proofgate --dir DIR rebuild --from URL"
        }
    }
}
