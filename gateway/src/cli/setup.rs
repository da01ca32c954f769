//! `proofgate setup`

mod begin;
mod contribute;
mod next;
mod verify;
mod work;

use std::path::PathBuf;
use std::time::Duration;

use ::circuits::snarkjs::ptau::Contributor;
use ::circuits::statement::CircuitId;
use chain::identifier::DepartmentId;
use clap::{Args, Subcommand};
use crypto::Digest;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::exit::Exit;
use super::failure::Failure;
use super::request::print_json;
use super::say;
use super::signals::stopping;
use super::text::plain;
use crate::ceremony::{CeremonyFolder, Progress};
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

/// What the first phase must be.
#[derive(Args, Debug)]
pub(super) struct PhaseOne {
    /// SHA-256 of the first phase, as you know it from elsewhere than the ceremony's folder.
    #[arg(long, value_name = "SHA256")]
    phase_one: Option<Digest>,
}

impl PhaseOne {
    /// The first phase of a ceremony, which is the one that is meant, and whose it is.
    fn read(&self, ceremony: &CeremonyFolder) -> Result<(Vec<u8>, Vec<Contributor>), Failure> {
        let got = ceremony.plan().phase_one;
        if let Some(expected) = self.phase_one.filter(|it| *it != got) {
            let told = format_args!(
                "the ceremony's first phase is {got}, and not {expected}: it is not the ceremony that was agreed on"
            );
            return Err(Failure::new(Exit::DataErr, told));
        }
        let (bytes, contributors) = ceremony.read_phase_one()?;
        tell_phase_one(&contributors);
        Ok((bytes, contributors))
    }
}

/// What does the ceremony's cryptography.
#[derive(Args, Debug)]
pub(super) struct Tool {
    /// snarkjs 0.7; without this the one on PATH.
    #[arg(long, value_name = "PROGRAM")]
    snarkjs: Option<PathBuf>,
}

/// Runs a step, until it is done or somebody stops it. What is being put on the chain is not stopped by the first
/// signal.
pub(super) async fn run(folder: &Folder, step: Step) -> Result<(), Failure> {
    let stopping = stopping()?;
    if matches!(step, Step::Publish { .. }) {
        return run_step(folder, step).await;
    }
    tokio::select! {
        biased;
        // With the step snarkjs ends, and what it worked on is removed.
        _ = stopping => Err(Failure::new(Exit::Failed, "stopped: run the same command again")),
        done = run_step(folder, step) => done,
    }
}

async fn publish(
    folder: &Folder,
    department: Option<DepartmentId>,
    json: bool,
) -> Result<(), Failure> {
    if folder.imported_keys()?.is_empty() {
        let told = "this gateway has no keys of a ceremony: proofgate setup import takes them";
        return Err(Failure::new(Exit::NoInput, told));
    }
    super::circuits::propose(folder, department, true, json).await
}

async fn run_step(folder: &Folder, step: Step) -> Result<(), Failure> {
    match step {
        Step::Begin(arguments) => begin::run(folder, arguments).await,
        Step::Status { place, json } => {
            tell(folder, &place.open(folder)?, json);
            Ok(())
        }
        Step::Contribute(arguments) => contribute::run(folder, arguments).await,
        Step::Beacon(arguments) => contribute::beacon(folder, &arguments).await,
        Step::Verify(arguments) => verify::run(folder, &arguments, false).await,
        Step::Import(arguments) => verify::run(folder, &arguments, true).await,
        Step::Publish { department, json } => publish(folder, department, json).await,
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
    say(format_args!("\nnext: {}", next::step(folder, ceremony)));
}

/// Says whose first phase it is: who takes part has to believe one of them.
fn tell_phase_one(contributors: &[Contributor]) {
    let name = |it: &Contributor| match (&it.name, &it.beacon) {
        (_, Some(_)) => "a beacon".to_owned(),
        (Some(name), None) => plain(name),
        (None, None) => "somebody without a name".to_owned(),
    };
    let names: Vec<_> = contributors.iter().map(name).collect();
    eprintln!("first phase: by its own word of {}", names.join(", "));
}

/// Shows, until it is dropped, that something is being done which takes a while.
pub(super) struct Waiting(ProgressBar);

impl Waiting {
    pub(super) fn shown(what: String) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what);
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
        bar.set_style(style.expect("a template"));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
