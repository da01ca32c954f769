//! `proofgate audit`

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain::audit::{AuditError, Place, Progress, Report, audit_folder, audit_upstream};
use chain::checkpoint::{Checkpoint, CheckpointError, NoteKey, SignedCheckpoint};
use chain::genesis::Genesis;
use chain::identifier::NetworkId;
use chain::ledger::UpstreamError;
use chain::store::OpenError;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::exit::Exit;
use super::failure::Failure;
use super::request::print_json;
use super::say;
use super::text::plain;
use crate::folder::{Folder, read_genesis};
use crate::following::Remembered;
use crate::http::chain_client::ChainClient;
use crate::http::{BaseUrl, ClientLimits};

/// Arguments of `proofgate audit`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The chain folder, which no gateway may have open; without it, that of the gateway's folder.
    #[arg(value_name = "CHAIN", conflicts_with_all = ["chain", "url"])]
    folder: Option<PathBuf>,
    /// As CHAIN.
    #[arg(long, value_name = "CHAIN", conflicts_with = "url")]
    chain: Option<PathBuf>,
    /// A running gateway, whose copy is fetched and checked: http://host:port.
    #[arg(long)]
    url: Option<BaseUrl>,
    /// The genesis file: the only thing that is believed; without it, that of the gateway's folder.
    #[arg(long, conflicts_with = "network")]
    genesis: Option<PathBuf>,
    /// The network's id, where there is no genesis file at hand: the gateway's is taken if it has this id.
    #[arg(long, requires = "url")]
    network: Option<NetworkId>,
    /// A checkpoint that you kept, as the gateway's /checkpoint served it; as often as you like.
    #[arg(long)]
    checkpoint: Vec<PathBuf>,
    /// Print a JSON object on standard output, also if something is wrong.
    #[arg(long)]
    json: bool,
}

/// What is wrong, with its code and place if it is the chain.
struct Fault {
    failure: Failure,
    code: Option<&'static str>,
    place: Place,
}

impl<E: Into<Failure>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self { failure: error.into(), code: None, place: Place::default() }
    }
}

impl Fault {
    fn of_audit(of: impl std::fmt::Display, error: &AuditError) -> Self {
        let exit = match error {
            AuditError::Folder(OpenError::Locked { .. }) => Exit::TempFail,
            AuditError::Folder(OpenError::File { .. }) => Exit::NoInput,
            AuditError::Upstream(UpstreamError::Content { .. }) => Exit::DataErr,
            AuditError::Upstream(_) => Exit::Unavailable,
            _ => Exit::DataErr,
        };
        let (code, place) = (error.code(), error.place());
        let hint = match error {
            AuditError::Folder(OpenError::Locked { .. }) => {
                "; a running gateway's is audited by --url"
            }
            _ => "",
        };
        // A gateway's own words are among it.
        let message = plain(&format!("{of}: {error} [{code}]{hint}"));
        Self { failure: Failure::new(exit, message), code: Some(code), place }
    }
}

/// Audits a chain, also against checkpoints that were kept, and prints what was found.
pub(super) async fn run(folder: &Folder, arguments: Arguments) -> Result<(), Failure> {
    let json = arguments.json;
    let outcome = audit(folder, arguments).await;
    match outcome {
        Ok((report, served)) if json => {
            let mut found = serde_json::to_value(&report).expect("a report has a JSON form");
            found["ok"] = json!(true);
            if let Some(served) = served {
                found["served_checkpoint"] = json!(served.as_str());
            }
            print_json(&found);
            Ok(())
        }
        Ok((report, served)) => {
            tell(&report, served.as_ref());
            Ok(())
        }
        Err(Fault { failure, code, place }) => {
            if json {
                let message = &failure.message;
                print_json(
                    &json!({ "ok": false, "code": code, "place": place, "message": message }),
                );
            }
            Err(failure)
        }
    }
}

async fn audit(
    folder: &Folder,
    arguments: Arguments,
) -> Result<(Report, Option<SignedCheckpoint>), Fault> {
    let Arguments { folder: named, chain, url, genesis, network, checkpoint, .. } = arguments;
    let client = url.map(|url| ChainClient::new(url, ClientLimits::default()));
    let genesis = match (&client, network) {
        (Some(client), Some(network)) => fetched(client, network).await?,
        _ => match genesis {
            Some(path) => read_genesis(&path)?,
            None => read_genesis(&folder.genesis_file()).map_err(Failure::of_own_genesis)?,
        },
    };
    let kept: Result<Vec<_>, Failure> =
        checkpoint.iter().map(|path| kept(&genesis, path)).collect();
    let (kept, bar) = (kept?, bar());
    let progress = |step: Progress| {
        bar.set_length(step.total);
        bar.set_position(step.checked);
    };
    let outcome = if let Some(client) = client {
        let (audited, base) =
            (audit_upstream(genesis, &client, &kept, progress).await, client.base());
        audited
            .map(|(report, served)| (report, Some(served)))
            .map_err(|error| Fault::of_audit(base, &error))
    } else {
        let named = named.or(chain);
        let remembered = match &named {
            None => Remembered::read(folder, genesis.network())
                .map_err(|error| Failure::new(Exit::DataErr, error))?,
            Some(_) => None,
        };
        let chain = named.unwrap_or_else(|| folder.chain());
        fs::read_dir(&chain).map_err(Failure::reading(&chain))?;
        match audit_folder(genesis, &chain, &kept, progress) {
            Ok(report) => ends_where_it_was_served(&chain, &report, remembered.as_ref())
                .map(|()| (report, None))
                .map_err(Fault::from),
            Err(error) => Err(Fault::of_audit(chain.display(), &error)),
        }
    };
    bar.finish_and_clear();
    outcome
}

/// A chain that is in order and shorter than what its gateway served was lost, or is an old copy.
fn ends_where_it_was_served(
    chain: &Path,
    report: &Report,
    remembered: Option<&Remembered>,
) -> Result<(), Failure> {
    match remembered.filter(|it| it.height > report.height) {
        None => Ok(()),
        Some(it) => Err(Failure::new(
            Exit::DataErr,
            format_args!(
                "{}: in order, and ends at height {}; this gateway has served height {}: rebuild it",
                chain.display(),
                report.height,
                it.height
            ),
        )),
    }
}

/// The gateway's genesis file, if it is that of the network.
async fn fetched(client: &ChainClient, network: NetworkId) -> Result<Arc<Genesis>, Fault> {
    let fault = |error: UpstreamError| Fault::of_audit(client.base(), &error.into());
    let bytes = client.genesis().await.map_err(fault)?;
    let failure = |code, message: &dyn std::fmt::Display| Fault {
        failure: Failure::new(
            Exit::DataErr,
            plain(&format!("{}: {message} [{code}]", client.base())),
        ),
        code: Some(code),
        place: Place::default(),
    };
    let genesis = Genesis::from_slice(&bytes).map_err(|error| failure(error.code(), &error))?;
    if *genesis.network() != network {
        let message = format!("the gateway is of network {}", genesis.network());
        return Err(failure("block-network", &message));
    }
    Ok(Arc::new(genesis))
}

/// A checkpoint that somebody kept, as `/checkpoint` served it: signed by a validator of the genesis.
fn kept(genesis: &Genesis, path: &Path) -> Result<Checkpoint, Failure> {
    let fault = |error: CheckpointError| {
        let message = format!("{}: {error} [{}]", path.display(), error.code());
        Failure::new(Exit::DataErr, message)
    };
    let bytes = fs::read(path).map_err(Failure::reading(path))?;
    let note = String::from_utf8(bytes).map_err(|_| fault(CheckpointError::Malformed))?;
    let signed = SignedCheckpoint::parse(&note).map_err(fault)?;
    let (origin, validators) = (&genesis.facts().name, &genesis.facts().validators);
    let keys = validators.iter().map(|it| NoteKey::log(origin.clone(), it.key));
    let (checkpoint, _) = signed.verify(origin, &keys.collect::<Vec<_>>()).map_err(fault)?;
    Ok(checkpoint.clone())
}

/// Shown on a terminal only.
fn bar() -> ProgressBar {
    let template = "{spinner} [{bar:30}] {pos}/{len} entries checked, {eta} left";
    let style = ProgressStyle::with_template(template).expect("the template is well-formed");
    ProgressBar::new(0).with_style(style.progress_chars("=> "))
}

fn tell(report: &Report, served: Option<&SignedCheckpoint>) {
    say(format_args!("ok: {} blocks, {} entries re-verified", report.height, report.log_size));
    for (kind, count) in &report.entries {
        say(format_args!("{count:>8} {kind}"));
    }
    say(format_args!("network {}\n\n{}", report.network, report.checkpoint));
    if let Some(served) = served {
        let size = served.checkpoint().size;
        say(format_args!("the gateway's signed checkpoint over {size} entries is of this chain"));
    }
    match (report.known_checkpoints, report.single_operator) {
        (0, true) => say(
            "one validator certifies this chain: audit it with --checkpoint against one that you kept",
        ),
        (0, false) => {}
        (held, _) => say(format_args!("kept checkpoints that this chain continues: {held}")),
    }
}
