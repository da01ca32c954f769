//! `proofgate circuits bench`

mod machine;
mod measure;
mod sizes;
mod snarkjs;

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use ::circuits::groth16::rng_from_seed;
use ::circuits::sizing;
use ::circuits::statement::CircuitId;
use clap::Args;
use getrandom::SysRng;
use indicatif::{ProgressBar, ProgressStyle};
use rand_core::TryRng as _;

use self::measure::{Measuring, Repetitions};
use self::snarkjs::Tool;
use crate::circuit_report::{Comparison, FORMAT, MAX_REPORT_BYTES, Report};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::say;

/// Arguments of `proofgate circuits bench`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The folder for report.json, report.md and report.html; what it has of these is replaced.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The report.json of an earlier run, to be compared with.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// snarkjs, to measure on the same key and witness. Without it the one on PATH, if there is one.
    #[arg(long, value_name = "PROGRAM")]
    snarkjs: Option<PathBuf>,
    /// Few repetitions: to see that it works, not to cite.
    #[arg(long)]
    quick: bool,
    /// The commit that the report names. Without it, that of the checkout this program was built in, if it is
    /// still there.
    #[arg(long, value_name = "COMMIT")]
    commit: Option<String>,
}

/// Measures this build on this machine, and writes the reports.
pub(in crate::cli) fn run(arguments: &Arguments) -> Result<(), Failure> {
    // What is wrong with the arguments is said now and not after minutes.
    let baseline = arguments.baseline.as_deref().map(read).transpose()?;
    let tool = Tool::find(arguments.snarkjs.as_deref())?;
    fs::create_dir_all(&arguments.out).map_err(Failure::writing(&arguments.out))?;
    let repetitions = if arguments.quick { Repetitions::QUICK } else { Repetitions::FULL };
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).map_err(|error| {
        Failure::new(Exit::OsErr, format_args!("no random bytes to measure with: {error}"))
    })?;
    let made = jiff::Timestamp::now();
    let series = sizes::all(arguments.quick);
    let others = series.iter().map(|series| series.others.len() as u64).sum::<u64>();
    let steps = repetitions.steps(tool.is_some()) * CircuitId::ALL.len() as u64;
    let bar = progress(steps + repetitions.steps_of_size() * others);
    let version = tool.as_ref().map(|tool| ("snarkjs".to_owned(), tool.version.clone()));
    let mut measuring = Measuring::new(repetitions, rng_from_seed(seed), tool, &bar)?;
    let mut circuits = Vec::new();
    for id in CircuitId::ALL {
        let measured = match id {
            CircuitId::IdentifiedV1 => measuring.circuit(id, sizing::identified_sample()),
            CircuitId::PseudonymousV1 => measuring.circuit(id, sizing::pseudonymous_sample()),
            other => return Err(Failure::new(Exit::Failed, format_args!("no sample of {other}"))),
        };
        circuits.push(measured?);
    }
    let mut variants = Vec::new();
    for series in &series {
        let mut points = Vec::new();
        for (name, size) in &series.others {
            points.push(measuring.size(series.mode, *size, name)?);
        }
        variants.push(series.with(points, &circuits));
    }
    bar.finish_and_clear();
    let mut report = Report {
        format: FORMAT.to_owned(),
        made: made.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        command: std::env::args_os().map(|it| it.to_string_lossy().into_owned()).collect(),
        quick: arguments.quick,
        commit: arguments.commit.clone().or_else(commit),
        versions: machine::versions().into_iter().chain(version).collect(),
        machine: machine::this(),
        circuits,
        variants,
        notes: machine::notes(),
        comparison: None,
    };
    report.comparison = baseline.map(|baseline| Comparison::of(&report, &baseline));
    let written = [
        ("report.json", report.to_json()),
        ("report.md", report.to_markdown()),
        ("report.html", report.to_html()),
    ];
    for (name, text) in written {
        let path = arguments.out.join(name);
        write(&path, &text).map_err(Failure::writing(&path))?;
        say(path.display());
    }
    Ok(())
}

/// An earlier report, and no more of the file than a report has.
fn read(path: &Path) -> Result<Report, Failure> {
    let most = MAX_REPORT_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .map_err(Failure::reading(path))?;
    Report::from_slice(&bytes)
        .map_err(|error| Failure::new(Exit::DataErr, format_args!("{}: {error}", path.display())))
}

/// The whole file, or none of it.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let partial = path.with_extension("partial");
    fs::write(&partial, text)?;
    fs::rename(&partial, path)
}

/// The commit of the checkout that this program was built in, as it stands now.
fn commit() -> Option<String> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("git")
        .arg("-C")
        .arg(checkout)
        .args(["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"])
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let commit = String::from_utf8(output.stdout).ok()?;
    Some(commit.trim().to_owned()).filter(|commit| !commit.is_empty())
}

fn progress(steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {elapsed_precise} {msg}");
    let bar = ProgressBar::new(steps);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
