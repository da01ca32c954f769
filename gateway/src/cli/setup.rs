//! `proofgate setup`

mod begin;
mod contribute;
mod verify;

use std::path::{Path, PathBuf};
use std::time::Duration;

use ::circuits::statement::CircuitId;
use chain::identifier::DepartmentId;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::exit::Exit;
use super::failure::Failure;
use super::operator::Operator;
use super::request::print_json;
use super::say;
use crate::ceremony::{CeremonyFault, CeremonyFolder, Keys, Progress};
use crate::folder::Folder;

/// Steps of `proofgate setup`.
#[derive(Debug, Subcommand)]
pub(super) enum Step {
    /// Begin a ceremony in a new folder: export the circuits, check the first phase, make the keys that
    /// nobody has contributed to yet.
    #[command(
        after_help = "Example: proofgate --dir tax setup begin --ceremony ceremony --ptau phase1.ptau \
        --participants tax,welfare,registry"
    )]
    Begin(begin::Arguments),
    /// Show how far a ceremony has come, and what comes next.
    #[command(after_help = "Example: proofgate --dir tax setup status --ceremony ceremony")]
    Status {
        #[command(flatten)]
        place: Place,
        /// Print JSON on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Contribute a secret that nobody ever sees, and attest that with the department's signing key.
    #[command(after_help = "Example: proofgate --dir welfare setup contribute --ceremony ceremony")]
    Contribute(contribute::Arguments),
    /// End a ceremony with public randomness that nobody could choose, announced before it was known.
    #[command(after_help = "Example: proofgate --dir tax setup beacon --ceremony ceremony \
        --randomness 7d3ef1b2c4a5968778695a4b3c2d1e0f7d3ef1b2c4a5968778695a4b3c2d1e0f")]
    Beacon(contribute::BeaconArguments),
    /// Verify all of a ceremony that has ended: first phase, contributions, attestations, every point.
    #[command(after_help = "Example: proofgate --dir tax setup verify --ceremony ceremony --json")]
    Verify(verify::Arguments),
    /// Verify a ceremony, and take its keys as this gateway's proving keys: all of them or none.
    #[command(after_help = "Example: proofgate --dir tax setup import --ceremony ceremony")]
    Import(verify::Arguments),
    /// Put this gateway's imported keys on the chain, or approve them if another department has; they prove
    /// once more than two thirds of the departments have.
    #[command(after_help = "Example: proofgate --dir tax setup publish")]
    Publish {
        /// The department that puts them forward, where the gateway hosts several.
        #[arg(long)]
        department: Option<DepartmentId>,
        /// Print JSON on standard output.
        #[arg(long)]
        json: bool,
    },
}

/// Which ceremony.
#[derive(Args, Debug)]
pub(super) struct Place {
    /// The ceremony's folder, which goes from one department to the next.
    #[arg(long, value_name = "DIR")]
    ceremony: PathBuf,
}

impl Place {
    fn open(&self, folder: &Folder) -> Result<CeremonyFolder, Failure> {
        Ok(CeremonyFolder::open(&self.ceremony, folder.genesis()?.network())?)
    }
}

/// What does the ceremony's cryptography.
#[derive(Args, Debug)]
pub(super) struct Tool {
    /// snarkjs 0.7; without this the one on PATH.
    #[arg(long, value_name = "PROGRAM")]
    snarkjs: Option<PathBuf>,
}

/// Runs a step.
pub(super) async fn run(folder: &Folder, step: Step) -> Result<(), Failure> {
    match step {
        Step::Begin(arguments) => begin::run(folder, arguments).await,
        Step::Status { place, json } => {
            tell(folder, &place.open(folder)?, json);
            Ok(())
        }
        Step::Contribute(arguments) => contribute::run(folder, arguments).await,
        Step::Beacon(arguments) => contribute::beacon(folder, &arguments),
        Step::Verify(arguments) => verify::run(folder, &arguments, false).await,
        Step::Import(arguments) => verify::run(folder, &arguments, true).await,
        Step::Publish { department, json } => {
            if folder.ceremony_documents()?.is_empty() {
                let told =
                    "this gateway has no keys of a ceremony: proofgate setup import takes them";
                return Err(Failure::new(Exit::NoInput, told));
            }
            super::circuits::propose(folder, department, json).await
        }
    }
}

/// Says how far a ceremony has come, and what comes next.
fn tell(folder: &Folder, ceremony: &CeremonyFolder, json: bool) {
    let plan = ceremony.plan();
    let progress = ceremony.progress();
    let contributed = match progress {
        Progress::Turn(contributed, _) => contributed,
        Progress::Beacon | Progress::Ended => plan.participants.len(),
    };
    if json {
        let turn = match progress {
            Progress::Turn(_, whose) => Some(whose),
            _ => None,
        };
        print_json(&json!({
            "plan": plan, "contributed": contributed, "turn": turn,
            "ended": progress == Progress::Ended,
        }));
        return;
    }
    let circuits: Vec<_> = plan.circuits().map(CircuitId::name).collect();
    say(format_args!("{}: {}", ceremony.root().display(), circuits.join(" and ")));
    say(format_args!("first phase  sha256 {}", plan.phase_one));
    for (index, department) in plan.participants.iter().enumerate() {
        let state = if index < contributed { "has contributed" } else { "has yet to contribute" };
        say(format_args!("{:>11}  {department} {state}", index + 1));
    }
    let ended = if progress == Progress::Ended { "has ended it" } else { "has yet to end it" };
    say(format_args!("     beacon  {ended}"));
    let (dir, root) = (folder.root().display(), ceremony.root().display());
    let next = match progress {
        Progress::Turn(_, whose) => format!(
            "give the folder to {whose}, who runs\nproofgate setup contribute --ceremony {root}"
        ),
        Progress::Beacon => format!(
            "take the randomness that was announced, and run\n\
             proofgate --dir {dir} setup beacon --ceremony {root} --randomness HEX"
        ),
        Progress::Ended => format!(
            "every department that is to rely on the keys runs\n\
             proofgate --dir {dir} setup import --ceremony {root}\nand after a restart\n\
             proofgate --dir {dir} setup publish"
        ),
    };
    say(format_args!("\nnext: {next}"));
}

/// The departments' signing keys, as this gateway's copy of the chain and its genesis have them.
async fn keys(folder: &Folder, department: Option<DepartmentId>) -> Result<Keys, Failure> {
    let operator = Operator::at(folder, department).await?;
    let departments = operator.client.departments().await;
    operator.close().await?;
    let genesis = folder.genesis()?;
    let mut keys = Keys::new();
    for it in departments?.iter().chain(&genesis.facts().departments) {
        keys.entry(it.id).or_default().push(it.signing_key);
    }
    Ok(keys)
}

/// Does something that takes a while, and shows that it does.
fn waiting<T>(what: String, work: impl FnOnce() -> T) -> T {
    let bar = ProgressBar::new_spinner().with_message(what);
    bar.set_style(ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("a template"));
    bar.enable_steady_tick(Duration::from_millis(200));
    let done = work();
    bar.finish_and_clear();
    done
}

/// A path as an argument of a program that runs in another folder.
fn absolute(path: &Path) -> Result<String, Failure> {
    let absolute = path.canonicalize().map_err(Failure::reading(path))?;
    let text = absolute.into_os_string().into_string();
    text.map_err(|_| {
        Failure::new(Exit::Usage, format_args!("{}: not a name in UTF-8", path.display()))
    })
}

impl From<CeremonyFault> for Failure {
    fn from(error: CeremonyFault) -> Self {
        match error {
            CeremonyFault::File(error) => error.into(),
            CeremonyFault::Read { error: ref cause, .. } => {
                Self::new(Exit::of_reading(cause), error)
            }
            CeremonyFault::Turn { .. }
            | CeremonyFault::Unfinished { .. }
            | CeremonyFault::NoBeacon => Self::new(Exit::TempFail, error),
            CeremonyFault::TooFew { .. }
            | CeremonyFault::Twice { .. }
            | CeremonyFault::NoCircuit => Self::new(Exit::Usage, error),
            error => Self::new(Exit::DataErr, error),
        }
    }
}
