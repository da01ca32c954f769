//! The command line.

mod audit;
mod circuits;
mod consent;
mod demo;
pub mod exit;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::exit::Exit;

/// A gateway through which departments prove attributes of citizen records to each other.
#[derive(Debug, Parser)]
#[command(name = "proofgate", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play the main job on 2,000 sample citizens of four departments, and audit what it left.
    #[command(after_help = "Example: proofgate demo --dir ./network --exit --json > facts.json")]
    Demo(demo::Arguments),
    /// Re-verify a chain folder against a genesis file, offline, trusting nothing else.
    #[command(
        after_help = "Example: proofgate audit --genesis genesis.json --chain ./network/chain \
        --checkpoint kept.txt"
    )]
    Audit {
        /// The genesis file: the only thing that is believed.
        #[arg(long)]
        genesis: PathBuf,
        /// The chain folder. No gateway may have it open.
        #[arg(long)]
        chain: PathBuf,
        /// A checkpoint that you kept, as the gateway's /checkpoint served it; as often as you like.
        #[arg(long)]
        checkpoint: Vec<PathBuf>,
        /// Print the findings as JSON on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Show the circuits of this build.
    #[command(after_help = "Example: proofgate circuits --json")]
    Circuits {
        /// Print them as JSON on standard output.
        #[arg(long)]
        json: bool,
    },
    /// The citizen's wallet: see who asks what, consent or refuse, withdraw.
    ///
    /// Exit status: 0 done, 1 declined at the terminal, 64 bad usage, 65 bad data or refused,
    /// 66 a file is missing, 69 a gateway is not available, 77 others can look into the wallet.
    #[command(after_help = "Example: proofgate consent --wallet ~/wallet list")]
    Consent(consent::Arguments),
}

/// Prints on standard output; a reader that went away is no error.
fn say(text: impl std::fmt::Display) {
    let _: io::Result<()> = writeln!(io::stdout(), "{text}");
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no failure; where nobody reads them any more, nor is that.
            let _: std::io::Result<()> = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    let outcome = match arguments.command {
        Command::Demo(arguments) => demo::run(arguments),
        Command::Audit { genesis, chain, checkpoint, json } => {
            audit::run(&genesis, &chain, &checkpoint, json)
        }
        Command::Circuits { json } => {
            circuits::run(json);
            Ok(())
        }
        Command::Consent(arguments) => return consent::run(arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("proofgate: {message}");
            Exit::Failed.into()
        }
    }
}
