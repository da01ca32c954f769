//! `proofgate circuits export`

use std::path::{Path, PathBuf};

use ::circuits::groth16::{Assignment, ProvingKey, prove_assignment, rng_from_seed};
use ::circuits::statement::CircuitId;
use ::circuits::{sample, snarkjs};
use chain::identifier::DepartmentId;
use clap::Args;
use crypto::Digest;
use getrandom::SysRng;
use indicatif::{ProgressBar, ProgressStyle};
use rand_core::{Rng as _, UnwrapErr};

use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::operator::hosted;
use super::super::say;
use crate::folder::{Folder, make, write_new, write_private};
use crate::serving::Serving;

/// Arguments of `proofgate circuits export`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The folder to write to: one subfolder a circuit, `identified` and `pseudonymous`.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Export the statement of a made-up record too, with its witness, the development key that is made for
    /// it, and a proof.
    #[arg(long, conflicts_with = "request")]
    sample: bool,
    /// Export the statement that answers this received question too, with its witness and a proof under
    /// this gateway's key. The gateway must not be running.
    #[arg(long, value_name = "DIGEST")]
    request: Option<Digest>,
    /// The department that received the question, where the gateway hosts several.
    #[arg(long, requires = "request")]
    department: Option<DepartmentId>,
}

/// What goes with a circuit's constraints.
struct Exported {
    assignment: Assignment,
    key: ProvingKey,
}

/// Writes the circuits in iden3's formats.
pub(in crate::cli) async fn run(folder: &Folder, arguments: Arguments) -> Result<(), Failure> {
    let Arguments { out, sample, request, department } = arguments;
    make(&out)?;
    if let Some(request) = request {
        let (circuit, exported) = of_request(folder, department, &request).await?;
        write(&out, circuit, Some(&exported))?;
        eprintln!(
            "proofgate: {}/circuit.wtns holds the citizen's whole record and signature: whoever reads it \
             knows what the proof hides. Delete it after use.",
            subfolder(&out, circuit).display()
        );
        return Ok(());
    }
    // Before anything is made that takes seconds.
    for circuit in CircuitId::ALL {
        let there = subfolder(&out, circuit);
        if there.exists() {
            let told = format_args!(
                "{}: it is there already; --out names a folder without it",
                there.display()
            );
            return Err(Failure::new(Exit::CantCreat, told));
        }
    }
    for circuit in CircuitId::ALL {
        let exported = sample.then(|| of_sample(circuit));
        write(&out, circuit, exported.as_ref())?;
    }
    Ok(())
}

fn of_sample(circuit: CircuitId) -> Exported {
    let waiting = ProgressBar::new_spinner().with_message(format!("a key for {circuit}"));
    waiting
        .set_style(ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("a template"));
    waiting.enable_steady_tick(std::time::Duration::from_millis(200));
    let rng = &mut rng_from_seed(seed());
    let key = circuit.development_key(rng);
    let assignment = sample::assignment(circuit, key.r1cs(), rng);
    waiting.finish_and_clear();
    Exported { assignment, key }
}

async fn of_request(
    folder: &Folder,
    department: Option<DepartmentId>,
    request: &Digest,
) -> Result<(CircuitId, Exported), Failure> {
    let config = folder.config()?;
    let id = hosted(&config, department)?;
    let mut keys = folder.proving_keys(&folder.imported_keys()?, config.production)?;
    let serving = Serving::open(folder, config).await?;
    let department =
        serving.department(&id).ok_or_else(|| super::super::operator::not_admitted(folder, &id))?;
    let assigned = department.own_assignment(request).await;
    let assigned = assigned.map_err(|error| {
        Failure::new(Exit::DataErr, format_args!("question {request}: {error}"))
    })?;
    let (circuit, assignment) = assigned.map_err(|error| {
        let told = format_args!(
            "question {request} has no statement to export: {error} (a pseudonymous one is exported \
             between the citizen's consent and the answer)"
        );
        Failure::new(Exit::DataErr, told)
    })?;
    let key = keys.remove(&circuit).ok_or_else(|| {
        let told =
            format_args!("question {request}: this gateway has no key of a ceremony to {circuit}");
        Failure::new(Exit::Config, told)
    })?;
    Ok((circuit, Exported { assignment, key }))
}

/// `DIR/identified` for `identified/v1`.
fn subfolder(out: &Path, circuit: CircuitId) -> PathBuf {
    let name = circuit.name();
    out.join(name.split_once('/').map_or(name, |(name, _)| name))
}

fn write(out: &Path, circuit: CircuitId, exported: Option<&Exported>) -> Result<(), Failure> {
    let folder = subfolder(out, circuit);
    make(&folder)?;
    let constraints = circuit.r1cs();
    write_new(&folder.join("circuit.r1cs"), &constraints.to_file())?;
    if let Some(Exported { assignment, key }) = exported {
        let proof = prove_assignment(key, assignment, &mut rng_from_seed(seed()));
        let proof = proof
            .map_err(|error| Failure::new(Exit::DataErr, format_args!("{circuit}: {error}")))?;
        write_private(&folder.join("circuit.wtns"), &snarkjs::wtns::write(assignment.elements()))?;
        write_new(&folder.join("circuit.zkey"), &snarkjs::zkey::write(key))?;
        let files = [
            ("verification_key.json", snarkjs::json::verifying_key(key.verifying_key())),
            ("proof.json", snarkjs::json::proof(&proof)),
            ("public.json", snarkjs::json::public_inputs(assignment.public_inputs())),
        ];
        for (name, text) in files {
            write_new(&folder.join(name), text.as_bytes())?;
        }
    }
    say(format_args!(
        "{}: {circuit}, {} constraints, r1cs sha256 {}",
        folder.display(),
        constraints.constraints(),
        Digest::from_bytes(constraints.digest())
    ));
    Ok(())
}

fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    UnwrapErr(SysRng).fill_bytes(&mut seed);
    seed
}
