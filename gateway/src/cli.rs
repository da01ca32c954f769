//! The command line.

mod approve;
mod audit;
mod circuits;
mod consent;
mod demo;
mod enrolment;
pub mod exit;
mod failure;
mod import;
mod init;
mod operator;
mod output;
mod payload;
mod rebuild;
mod request;
mod serve;
mod service;
mod setup;
mod signals;
mod snarkjs;
mod text;
mod verify;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use tracing::level_filters::LevelFilter;

use self::exit::Exit;
use self::failure::Failure;
use self::output::say;
use crate::folder::Folder;
use crate::log::{self, Format};

/// A gateway through which departments prove attributes of citizen records to each other.
#[derive(Debug, Parser)]
#[command(
    name = "proofgate",
    version,
    after_help = "Exit status: 0 done, 1 declined or stopped, 64 bad usage, 65 bad data or refused, 66 a file is missing, \
    68 no such department, 69 a gateway or snarkjs is not available, 71 the system refused something, 73 a file cannot be made, 74 a file or standard output cannot be \
    written, 75 try again later, 77 permissions, 78 bad configuration."
)]
struct Arguments {
    /// The gateway's folder; the current one if this is not given.
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a gateway's folder: keys, configuration, a new network or a place in an existing one.
    #[command(
        after_help = "Example: proofgate --dir tax init --department tax --listen 127.0.0.1:8081 --registrar\n\
        Example: proofgate --dir welfare init --department welfare --listen 127.0.0.1:8082 \
        --genesis tax/genesis.json --follow http://127.0.0.1:8081"
    )]
    Init(init::Arguments),
    /// Run the gateway until Ctrl-C.
    #[command(after_help = "Example: proofgate --dir tax serve")]
    Serve,
    /// Approve what another department put on the chain, or let another department join.
    #[command(after_help = "Example: proofgate --dir tax approve welfare/welfare/department.json")]
    Approve(approve::Arguments),
    /// Say what may be asked of a dataset, by whom and for what.
    #[command(subcommand)]
    Service(service::Step),
    /// Import records: all of a file or nothing, published as one new root.
    #[command(after_help = "Example: proofgate --dir tax import --dataset wages wages.csv")]
    Import(import::Arguments),
    /// Ask other departments, and see what became of it.
    Request(request::Arguments),
    /// Send documents under an answered question, and receive them.
    Payload(payload::Arguments),
    /// Make the one-time code with which a citizen enrols a consent key; for registrars.
    #[command(after_help = "Example: proofgate --dir registry enrolment-code < subject.txt")]
    EnrolmentCode(enrolment::Arguments),
    /// Play the main job on 2,000 sample citizens of four departments, and audit what it left.
    ///
    /// `--dir` keeps its network in a folder, which must be new or empty.
    #[command(after_help = "Example: proofgate demo --dir ./network --exit --json > facts.json")]
    Demo(demo::Arguments),
    /// Verify filed answers offline, against a genesis file and nothing else.
    #[command(after_help = "Example: proofgate verify answer.json --genesis genesis.json\n\
        Example: proofgate verify filed/*.json --genesis genesis.json --json")]
    Verify(verify::Arguments),
    /// Build this gateway's copy of the chain anew from another copy, checking every rule.
    #[command(after_help = "Example: proofgate --dir tax rebuild --from http://127.0.0.1:8082")]
    Rebuild(rebuild::Arguments),
    /// Re-verify a chain against the genesis file, trusting nothing else: a folder, or a running gateway's.
    ///
    /// Exit status: 0 everything holds, 65 something does not, 66 a file is missing, 69 the gateway is not
    /// available, 75 a gateway has the folder open.
    #[command(after_help = "Example: proofgate --dir tax audit --checkpoint kept.txt\n\
        Example: proofgate audit network/chain --genesis genesis.json\n\
        Example: proofgate audit --url http://127.0.0.1:8081 --genesis genesis.json --json")]
    Audit(audit::Arguments),
    /// The circuits of this build, and this gateway's keys to them.
    #[command(subcommand)]
    Circuits(circuits::Step),
    /// Make proving keys that no single party can forge under: a ceremony among departments, with snarkjs.
    #[command(subcommand)]
    Setup(setup::Step),
    /// The citizen's wallet: see who asks what, consent or refuse, withdraw.
    ///
    /// Exit status: 0 done, 1 declined at the terminal, 64 bad usage, 65 bad data or refused,
    /// 66 a file is missing, 69 a gateway is not available, 77 others can look into the wallet.
    #[command(after_help = "Example: proofgate consent --wallet ~/wallet list")]
    Consent(consent::Arguments),
    /// Print a script that completes this command line in a shell.
    #[command(
        after_help = "Example: proofgate completions bash > ~/.local/share/bash-completion/completions/proofgate"
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no failure.
            if !error.use_stderr() {
                let text = error.render();
                let styled = io::stdout().is_terminal();
                let text = if styled { text.ansi().to_string() } else { text.to_string() };
                output::say_all(text.as_bytes());
                return ended(Ok(()));
            }
            let _: std::io::Result<()> = error.print(); // where nobody reads it any more, the code tells
            return Exit::Usage.into();
        }
    };
    let Arguments { dir, command } = arguments;
    let folder = || Folder::new(dir.clone().unwrap_or_else(|| PathBuf::from(".")));
    let outcome = match command {
        Command::Demo(arguments) => demo::run(dir, arguments).map_err(failed),
        Command::Init(arguments) => init::run(&folder(), arguments),
        Command::Serve => block_on(serve::run(&folder())),
        Command::Approve(arguments) => operate(approve::run(&folder(), arguments)),
        Command::Service(step) => operate(service::run(&folder(), step)),
        Command::Rebuild(arguments) => operate(rebuild::run(&folder(), arguments)),
        Command::Import(arguments) => operate(import::run(&folder(), arguments)),
        Command::Request(arguments) => operate(request::run(&folder(), arguments)),
        Command::Payload(arguments) => operate(payload::run(&folder(), arguments)),
        Command::EnrolmentCode(arguments) => operate(enrolment::run(&folder(), arguments)),
        Command::Verify(arguments) => verify::run(&folder(), &arguments),
        Command::Audit(arguments) => block_on(audit::run(&folder(), arguments)),
        Command::Circuits(circuits::Step::List { json }) => {
            let there = dir.is_some() || folder().config_file().exists();
            operate(circuits::list::run(there.then(folder).as_ref(), json))
        }
        Command::Circuits(circuits::Step::Bench(arguments)) => circuits::bench::run(&arguments),
        Command::Circuits(circuits::Step::Mutate(arguments)) => circuits::mutate::run(&arguments),
        Command::Circuits(circuits::Step::Propose { department, json }) => {
            operate(circuits::propose(&folder(), department, false, json))
        }
        Command::Circuits(circuits::Step::Export(arguments)) => {
            operate(circuits::export::run(&folder(), arguments))
        }
        Command::Setup(step) => operate(setup::run(&folder(), step)),
        Command::Consent(arguments) => match consent::run(arguments) {
            ExitCode::SUCCESS => Ok(()),
            code => return code,
        },
        Command::Completions { shell } => {
            let (mut command, name) = (Arguments::command(), "proofgate");
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, name, &mut script);
            output::say_all(&script);
            Ok(())
        }
    };
    ended(outcome)
}

fn ended(outcome: Result<(), Failure>) -> ExitCode {
    match outcome.and_then(|()| output::said()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { exit, message }) => {
            // Some of it may be of others: of a file, of a gateway.
            let lines: Vec<_> = message.lines().map(text::plain).collect();
            eprintln!("proofgate: {}", lines.join("\n"));
            exit.into()
        }
    }
}

fn failed(message: String) -> Failure {
    Failure::new(Exit::Failed, message)
}

/// Runs a command that works through a gateway; if it opens one, that logs only what should not be.
fn operate(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    log::init(Format::Text, LevelFilter::ERROR)?;
    block_on(command)
}

fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| {
        Failure::new(Exit::OsErr, format_args!("cannot start the runtime: {error}"))
    })?;
    let done = runtime.block_on(command);
    // A gateway that was open for a moment may still be reading its proving keys.
    runtime.shutdown_background();
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_does_something_shows_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let mut below =
                command.get_subcommands().filter(|it| it.get_name() != "help").peekable();
            if below.peek().is_none() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Example: proofgate "), "{path}");
            }
            below.for_each(|it| check(it, &path));
        }
        let command = Arguments::command();
        command.clone().debug_assert();
        check(&command, "");
    }
}
