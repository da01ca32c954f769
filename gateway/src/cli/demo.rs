//! `proofgate demo`

use std::path::PathBuf;

use clap::Args;
use tracing::level_filters::LevelFilter;

use super::say;
use super::signals::stop;
use crate::demo::{self, Options};
use crate::log::{self, Format};

/// Arguments of `proofgate demo`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Play on the records in this folder: the same CSV and schema files, with other content.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Serve on this port of 127.0.0.1; 0 for any that is free.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// End after the audit, instead of serving until Ctrl-C.
    #[arg(long)]
    exit: bool,
    /// Print the facts as one JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// Plays the demo in a new folder that is kept, or in a temporary one, and serves what it left.
pub(super) fn run(dir: Option<PathBuf>, arguments: Arguments) -> Result<(), String> {
    // The narration tells what happens; the log only what should not.
    log::init(Format::Text, LevelFilter::ERROR).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    runtime.block_on(async {
        let Arguments { data, port, exit, json } = arguments;
        let options = Options { folder: dir, data, port };
        let stop = stop().map_err(|failure| failure.message)?;
        tokio::pin!(stop);
        let played = tokio::select! {
            played = demo::run(&options) => played.map_err(|error| error.to_string())?,
            () = &mut stop => return Err("stopped before the end".to_owned()),
        };
        if json {
            say(format_args!("{:#}", played.facts));
        }
        if exit { Ok(()) } else { played.serve(stop).await.map_err(|error| error.to_string()) }
    })
}
