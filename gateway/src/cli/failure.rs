//! Why a command did not do what it was asked: a message for people, and an exit code for scripts.

use std::fmt;
use std::io;
use std::path::Path;

use super::exit::Exit;
use crate::config::{ConfigError, ConfigFault};
use crate::folder::{
    CreateError, DocumentError, FileError, GenesisFileError, InitError, LockError, ProvingKeyError,
    ProvingKeyFault, RESTORE,
};
use crate::http::local_client::LocalClientError;
use crate::key_file::{KeyFileError, KeyFileFault};
use crate::log::LogError;
use crate::serving::ServeError;

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: message.to_string() }
    }

    /// A file that cannot be read.
    pub(super) fn reading(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| {
            Self::new(Exit::of_reading(&error), format_args!("{}: {error}", path.display()))
        }
    }

    /// A file that cannot be written.
    pub(super) fn writing(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| {
            Self::new(Exit::of_writing(&error), format_args!("{}: {error}", path.display()))
        }
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::new(Exit::of_writing(&error.error), error)
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        Self::new(Exit::Usage, error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        match &error.fault {
            ConfigFault::Io(cause) if cause.kind() == io::ErrorKind::NotFound => Self::new(
                Exit::NoInput,
                format_args!(
                    "{error}; there is no gateway in this folder: name it with --dir, or make one with \
                     proofgate init"
                ),
            ),
            ConfigFault::Io(cause) => Self::new(Exit::of_reading(cause), error),
            _ => Self::new(Exit::Config, error),
        }
    }
}

impl From<GenesisFileError> for Failure {
    fn from(error: GenesisFileError) -> Self {
        let exit = match &error {
            GenesisFileError::File(error) => Exit::of_reading(&error.error),
            GenesisFileError::Genesis { .. } => Exit::DataErr,
        };
        Self::new(exit, error)
    }
}

impl Failure {
    /// The gateway's folder, which nobody had to name, has no genesis file.
    pub(super) fn of_own_genesis(error: GenesisFileError) -> Self {
        let missing = matches!(
            &error,
            GenesisFileError::File(file) if file.error.kind() == io::ErrorKind::NotFound
        );
        let Self { exit, message } = error.into();
        let hint = if missing { "; name the network's genesis file with --genesis" } else { "" };
        Self::new(exit, format_args!("{message}{hint}"))
    }
}

impl From<DocumentError> for Failure {
    fn from(error: DocumentError) -> Self {
        let exit = match &error {
            DocumentError::File(error) => Exit::of_reading(&error.error),
            DocumentError::Form { .. } => Exit::DataErr,
        };
        Self::new(exit, error)
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        let exit = match &error.fault {
            KeyFileFault::Io(cause) if cause.kind() == io::ErrorKind::NotFound => {
                let told = format_args!(
                    "{error}; put the key back from your copy, or correct proofgate.toml if it names what is \
                     not here"
                );
                return Self::new(Exit::NoInput, told);
            }
            KeyFileFault::Io(error) => Exit::of_reading(error),
            KeyFileFault::Readable { .. } => Exit::NoPerm,
            KeyFileFault::Form => Exit::DataErr,
        };
        Self::new(exit, error)
    }
}

impl From<CreateError> for Failure {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::File(error) => error.into(),
            CreateError::Key(error) => error.into(),
        }
    }
}

impl From<ProvingKeyError> for Failure {
    fn from(error: ProvingKeyError) -> Self {
        match &error.fault {
            ProvingKeyFault::Io(cause) if cause.kind() == io::ErrorKind::NotFound => {
                Self::new(Exit::NoInput, format_args!("{error}; {RESTORE}"))
            }
            ProvingKeyFault::Io(cause) => Self::new(Exit::of_reading(cause), error),
            _ => Self::new(Exit::DataErr, error),
        }
    }
}

impl From<InitError> for Failure {
    fn from(error: InitError) -> Self {
        match error {
            InitError::Exists { .. } | InitError::NotEmpty { .. } => {
                Self::new(Exit::CantCreat, error)
            }
            InitError::Department(_) | InitError::Genesis(_) => Self::new(Exit::DataErr, error),
            InitError::File(error) => error.into(),
            InitError::Key(error) => error.into(),
        }
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Lock(LockError::File(error)) | ServeError::File(error) => error.into(),
            ServeError::Lock(LockError::Held { .. }) => Self::new(Exit::TempFail, error),
            ServeError::Genesis(error) => error.into(),
            ServeError::Key(error) => error.into(),
            ServeError::ProvingKey(error) => error.into(),
            ServeError::DevelopmentKeys | ServeError::Tls(_) => Self::new(Exit::Config, error),
            ServeError::Listen { .. } => Self::new(Exit::OsErr, error),
            error => Self::new(Exit::DataErr, error),
        }
    }
}

impl From<LocalClientError> for Failure {
    fn from(error: LocalClientError) -> Self {
        let exit = match &error {
            LocalClientError::Address(_)
            | LocalClientError::Header { .. }
            | LocalClientError::Document => Exit::Usage,
            LocalClientError::Unreachable | LocalClientError::Timeout { .. } => Exit::Unavailable,
            LocalClientError::Body { .. } | LocalClientError::Unexpected { .. } => Exit::Protocol,
            LocalClientError::Source { .. } => Exit::IoErr,
            LocalClientError::Rejected { .. } => Exit::DataErr,
            LocalClientError::Problem(problem) => match problem.status {
                404 if problem.code == "department-unknown" => Exit::NoHost,
                401 | 403 => Exit::NoPerm,
                429 | 503 | 504 => Exit::TempFail,
                502 => Exit::Unavailable,
                500.. => Exit::Software,
                _ => Exit::DataErr,
            },
        };
        let hint = match &error {
            LocalClientError::Problem(problem) if problem.code.starts_with("policy-") => {
                "; proofgate service list says what may be asked"
            }
            LocalClientError::Problem(problem) if problem.code == "dataset-unknown" => {
                "; proofgate service list names those there are, service publish makes one"
            }
            LocalClientError::Problem(problem) if problem.code == "circuit-unapproved" => {
                ". proofgate circuits list shows this gateway's keys, and proofgate approve what is approved; \
                 proofgate setup publish puts the key of a ceremony forward (setup begin --circuit begins one), \
                 proofgate circuits propose one for development, which does not count in production"
            }
            _ => "",
        };
        Self::new(exit, format_args!("{error}{hint}"))
    }
}
