//! The configuration file of a gateway: `proofgate.toml` in its folder.
//!
//! What is misspelt is refused with its line: a setting that nobody reads would be believed to hold.

mod template;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chain::identifier::{DepartmentId, ValidatorId};
use serde::Deserialize;
use thiserror::Error;

use crate::department::payloads::{PayloadRetention, UNFINISHED_BYTES};
use crate::http::BaseUrl;
use crate::log::Format;

pub use template::template;

/// A gateway's configuration, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The departments that the gateway hosts; at least one.
    pub departments: Vec<DepartmentId>,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it tells its measurements; nowhere if there is none.
    pub metrics: Option<SocketAddr>,
    /// Whether development keys are refused.
    pub production: bool,
    /// What it is to the chain.
    pub chain: ChainRole,
    /// How it proves.
    pub prover: ProverConfig,
    /// What its log looks like.
    pub log: Format,
    /// TLS; plain HTTP if there is none.
    pub tls: Option<TlsConfig>,
    /// PEM files of certificate authorities that other gateways' certificates may come from.
    pub authorities: Vec<PathBuf>,
    /// Limits that are not the defaults.
    pub limits: LimitsConfig,
    /// How much of others' documents lies here, and how long.
    pub payloads: PayloadsConfig,
}

/// What a gateway is to the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainRole {
    /// It certifies blocks, as this validator.
    Validator(ValidatorId),
    /// It follows the copy of the gateway at this address and submits through it.
    Follower(BaseUrl),
}

/// How a gateway proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProverConfig {
    /// Proofs at once; 0 for one a core.
    pub threads: usize,
    /// Exchanges that are taken up besides as many as are proved at once.
    pub waiting: usize,
}

impl Default for ProverConfig {
    fn default() -> Self {
        Self { threads: 0, waiting: 1 }
    }
}

/// The certificate that a gateway shows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM file of the certificate and those between it and the authority.
    pub certificate: PathBuf,
    /// PEM file of its private key, which only the owner may read.
    pub key: PathBuf,
}

/// Limits that an operator may set; what is absent has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Most connections at once.
    pub connections: Option<usize>,
    /// Most connections at once from one client's address.
    pub connections_per_address: Option<usize>,
    /// Most requests at once on each surface.
    pub requests: Option<usize>,
    /// Longest body of a document, in bytes.
    pub body_bytes: Option<usize>,
    /// Seconds that a client may take to send a header.
    pub header_seconds: Option<u64>,
    /// Seconds that a client may take to send a body.
    pub body_seconds: Option<u64>,
    /// Seconds that a request may take.
    pub request_seconds: Option<u64>,
    /// Seconds that a payload or an import may stand still.
    pub stall_seconds: Option<u64>,
    /// Seconds that open requests have to finish after a stop.
    pub drain_seconds: Option<u64>,
}

/// How much of others' documents lies here, and how long documents are kept; what is absent has its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayloadsConfig {
    /// Bytes of payloads that are not complete, which one sender may have at one department.
    pub unfinished_bytes: Option<u64>,
    /// Days after its first part in which a payload has to be completed.
    pub unfinished_days: Option<u32>,
    /// Days for which a document is kept that was received; for ever, if absent.
    pub received_days: Option<u32>,
    /// Days for which is kept what is known of a document that was sent; for ever, if absent.
    pub sent_days: Option<u32>,
}

/// Why a configuration is not used.
#[derive(Debug, Error)]
#[error("{}: {fault}", path.display())]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: ConfigFault,
}

/// What is wrong with a configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigFault {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It is no TOML, or has a setting that does not exist, or one of another type.
    #[error("{0}")]
    Form(toml::de::Error),
    /// A setting of the whole gateway stands in a section, where there is none of that name.
    #[error(
        "{}\n{name} is a setting of the whole gateway: it stands above the first [section]",
        error.to_string().trim_end()
    )]
    Misplaced {
        /// The setting.
        name: &'static str,
        /// Where it stands.
        error: Box<toml::de::Error>,
    },
    /// It hosts nobody.
    #[error("departments: expected at least one")]
    NoDepartment,
    /// It names a department twice.
    #[error("departments: {0} stands twice")]
    Repeated(DepartmentId),
    /// It is neither a validator nor a follower, or both.
    #[error("[chain]: expected either `validator` or `follow`")]
    ChainRole,
    /// The address to be followed is none.
    #[error("[chain] follow: {0}")]
    Follow(#[from] crate::http::BaseUrlError),
    /// A limit of nothing would refuse everybody.
    #[error("[{table}] {name}: expected at least 1")]
    Zero {
        /// The table that it is in.
        table: &'static str,
        /// The setting.
        name: &'static str,
    },
}

/// [`Config`] as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    departments: Vec<DepartmentId>,
    listen: SocketAddr,
    metrics: Option<SocketAddr>,
    #[serde(default)]
    production: bool,
    chain: WrittenChain,
    #[serde(default)]
    prover: WrittenProver,
    #[serde(default)]
    log: WrittenLog,
    tls: Option<TlsConfig>,
    #[serde(default)]
    peers: WrittenPeers,
    #[serde(default)]
    limits: LimitsConfig,
    #[serde(default)]
    payloads: PayloadsConfig,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenChain {
    validator: Option<ValidatorId>,
    follow: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenProver {
    threads: Option<usize>,
    waiting: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLog {
    #[serde(default)]
    format: WrittenFormat,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenFormat {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPeers {
    #[serde(default)]
    authorities: Vec<PathBuf>,
}

impl Config {
    /// Reads a configuration file. Paths in it are meant from the folder that it is in.
    ///
    /// # Errors
    /// [`ConfigError`], with the line for what is misspelt.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(ConfigFault::from);
        let folder = path.parent().unwrap_or(Path::new("."));
        text.and_then(|text| Self::parse(&text, folder))
            .map_err(|fault| ConfigError { path: path.to_owned(), fault })
    }

    /// Reads a configuration's text; paths in it are meant from `folder`.
    ///
    /// # Errors
    /// [`ConfigFault`]
    pub fn parse(text: &str, folder: &Path) -> Result<Self, ConfigFault> {
        let written: Written = toml::from_str(text).map_err(ConfigFault::of_form)?;
        if written.departments.is_empty() {
            return Err(ConfigFault::NoDepartment);
        }
        for (index, id) in written.departments.iter().enumerate() {
            if written.departments[..index].contains(id) {
                return Err(ConfigFault::Repeated(*id));
            }
        }
        let chain = match (written.chain.validator, written.chain.follow) {
            (Some(validator), None) => ChainRole::Validator(validator),
            (None, Some(url)) => ChainRole::Follower(url.parse()?),
            _ => return Err(ConfigFault::ChainRole),
        };
        written.limits.check()?;
        written.payloads.check()?;
        let default = ProverConfig::default();
        let prover = ProverConfig {
            threads: written.prover.threads.unwrap_or(default.threads),
            waiting: written.prover.waiting.unwrap_or(default.waiting),
        };
        let log = match written.log.format {
            WrittenFormat::Text => Format::Text,
            WrittenFormat::Json => Format::Json,
        };
        let tls = written.tls.map(|TlsConfig { certificate, key }| TlsConfig {
            certificate: folder.join(certificate),
            key: folder.join(key),
        });
        let authorities = written.peers.authorities.iter().map(|path| folder.join(path)).collect();
        Ok(Self {
            departments: written.departments,
            listen: written.listen,
            metrics: written.metrics,
            production: written.production,
            chain,
            prover,
            log,
            tls,
            authorities,
            limits: written.limits,
            payloads: written.payloads,
        })
    }
}

impl ConfigFault {
    fn of_form(error: toml::de::Error) -> Self {
        // Where such a setting may stand, it is known.
        let unknown =
            |name: &&&str| error.message().starts_with(&format!("unknown field `{name}`"));
        match ["departments", "listen", "metrics", "production"].iter().find(unknown) {
            Some(name) => Self::Misplaced { name, error: Box::new(error) },
            None => Self::Form(error),
        }
    }
}

impl LimitsConfig {
    fn check(&self) -> Result<(), ConfigFault> {
        let counts = [
            ("connections", self.connections),
            ("connections_per_address", self.connections_per_address),
            ("requests", self.requests),
            ("body_bytes", self.body_bytes),
        ];
        let times = [
            ("header_seconds", self.header_seconds),
            ("body_seconds", self.body_seconds),
            ("request_seconds", self.request_seconds),
            ("stall_seconds", self.stall_seconds),
            ("drain_seconds", self.drain_seconds),
        ];
        let zero = counts.iter().find(|(_, it)| *it == Some(0)).map(|(name, _)| *name);
        let zero = zero.or(times.iter().find(|(_, it)| *it == Some(0)).map(|(name, _)| *name));
        zero.map_or(Ok(()), |name| Err(ConfigFault::Zero { table: "limits", name }))
    }
}

impl PayloadsConfig {
    fn check(&self) -> Result<(), ConfigFault> {
        let days = [
            ("unfinished_days", self.unfinished_days),
            ("received_days", self.received_days),
            ("sent_days", self.sent_days),
        ];
        let zero = days.iter().find(|(_, it)| *it == Some(0)).map(|(name, _)| *name);
        let zero = zero.or((self.unfinished_bytes == Some(0)).then_some("unfinished_bytes"));
        zero.map_or(Ok(()), |name| Err(ConfigFault::Zero { table: "payloads", name }))
    }

    /// Bytes of payloads that are not complete, which one sender may have at one department.
    pub fn unfinished_bytes(&self) -> u64 {
        self.unfinished_bytes.unwrap_or(UNFINISHED_BYTES)
    }

    /// How long payloads are kept.
    pub fn retention(&self) -> PayloadRetention {
        let default = PayloadRetention::default();
        let days = |days: u32| Duration::from_secs(u64::from(days) * 24 * 60 * 60);
        PayloadRetention {
            unfinished: self.unfinished_days.map_or(default.unfinished, days),
            received: self.received_days.map(days).or(default.received),
            sent: self.sent_days.map(days).or(default.sent),
        }
    }
}

#[cfg(test)]
mod tests;
