//! `proofgate rebuild`

use std::path::PathBuf;
use std::sync::Arc;

use chain::ledger::Upstream;
use chain::rebuild::{FolderUpstream, RebuildError, Rebuilt, Wanted, rebuild};
use chain::store::OpenError;
use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;

use super::exit::Exit;
use super::failure::Failure;
use super::request::print_json;
use super::say;
use crate::config::ChainRole;
use crate::folder::Folder;
use crate::following::{self, Remembered};
use crate::http::chain_client::ChainClient;
use crate::http::tls::Trust;
use crate::http::{BaseUrl, ClientLimits};
use crate::serving::ServeError;

/// Arguments of `proofgate rebuild`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where another copy is: the http:// or https:// address of another gateway of the network, or a
    /// chain folder that no gateway has open. Nothing in it is believed.
    #[arg(long)]
    from: String,
    /// Take the other copy also if it has other certified blocks than the copy here, or lacks some that this
    /// gateway served: they are given up. First make sure that the network goes on with the other copy.
    #[arg(long)]
    replace_fork: bool,
    /// Print JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Builds the folder's copy of the chain anew.
pub(super) async fn run(folder: &Folder, arguments: Arguments) -> Result<(), Failure> {
    let config = folder.config()?;
    let _lock = folder.lock().map_err(ServeError::from)?;
    let genesis = folder.genesis()?;
    let upstream: Arc<dyn Upstream> = if arguments.from.contains("://") {
        let base: BaseUrl = arguments
            .from
            .parse()
            .map_err(|error| Failure::new(Exit::Usage, format_args!("--from: {error}")))?;
        let trust = Trust::with_roots(&config.authorities).map_err(ServeError::from)?;
        Arc::new(ChainClient::new(base, ClientLimits::default()).trusting(trust))
    } else {
        Arc::new(FolderUpstream::open(&PathBuf::from(&arguments.from)).map_err(opening)?)
    };
    let network = *genesis.network();
    let remembered = Remembered::read(folder, &network);
    let remembered = remembered.map_err(|error| ServeError::from(Box::new(error)))?;
    let wanted = Wanted {
        acknowledged: remembered.as_ref().map(Remembered::acknowledged),
        replace_fork: arguments.replace_fork,
    };
    // Else the next start would ask for blocks that were given up, or for the file.
    let is_replaced = match remembered {
        Some(_) => arguments.replace_fork,
        None => matches!(config.chain, ChainRole::Validator(_)),
    };
    let remember = |height, block| match is_replaced {
        true => following::replace(folder, &network, height, block).map_err(Box::new),
        false => Ok(()),
    };
    let bar = ProgressBar::new_spinner();
    let rebuilt = rebuild(&folder.chain(), genesis, &*upstream, wanted, |tip| {
        bar.set_message(format!("height {}, {} entries checked", tip.height, tip.log_size));
        bar.tick();
    })
    .await;
    bar.finish_and_clear();
    let Rebuilt { tip, damage, kept } = match rebuilt {
        Ok(rebuilt) => rebuilt,
        Err(error @ RebuildError::NotNeeded { ours, block, theirs }) => {
            let served = wanted.acknowledged.map_or(0, |it| it.height);
            if served > ours && !arguments.replace_fork {
                return Err(failed(RebuildError::BehindMark { theirs, marked: served }));
            }
            remember(ours, block).map_err(ServeError::from)?;
            if arguments.json {
                print_json(&json!({ "rebuilt": false, "height": ours }));
            } else {
                say(format_args!("nothing to do: {error}"));
            }
            return Ok(());
        }
        Err(error) => return Err(failed(error)),
    };
    remember(tip.height, tip.block).map_err(ServeError::from)?;
    if arguments.json {
        print_json(&json!({
            "rebuilt": true, "height": tip.height, "entries": tip.log_size, "log_root": tip.log_root,
            "damage": damage.map(|error| error.to_string()), "kept": kept,
        }));
        return Ok(());
    }
    say(format_args!(
        "rebuilt up to height {}, {} entries, every rule checked",
        tip.height, tip.log_size
    ));
    if let Some(damage) = damage {
        say(format_args!("what was wrong: {damage}"));
    }
    if let Some(kept) = kept {
        say(format_args!("what was there before is kept in {}", kept.display()));
    }
    Ok(())
}

fn opening(error: OpenError) -> Failure {
    let exit = match &error {
        OpenError::Locked { .. } => Exit::TempFail,
        _ => Exit::NoInput,
    };
    Failure::new(exit, format_args!("--from: {error} [{}]", error.code()))
}

fn failed(error: RebuildError) -> Failure {
    let exit = match &error {
        RebuildError::Folder(OpenError::Locked { .. }) => Exit::TempFail,
        RebuildError::Upstream(_) => Exit::Unavailable,
        RebuildError::Folder(_) | RebuildError::Store(_) => Exit::IoErr,
        _ => Exit::DataErr,
    };
    Failure::new(exit, format_args!("{error} [{}]", error.code()))
}
