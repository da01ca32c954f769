//! snarkjs, on the same key, constraints and witness, as a command.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use circuits::groth16::{self, Assignment, PreparedVerifyingKey, ProvingKey};
use circuits::snarkjs::{json, wtns, zkey};
use circuits::statement::CircuitId;
use indicatif::ProgressBar;

use super::measure::{Repetitions, runs};
use crate::circuit_report::{Snarkjs, Timing};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;

/// What is run where nothing is named.
const ON_PATH: &str = "snarkjs";

/// A program that says it is snarkjs.
pub(super) struct Tool {
    program: PathBuf,
    /// As it says.
    pub(super) version: String,
}

impl Tool {
    /// The named one, or that on PATH if there is one.
    ///
    /// # Errors
    /// If a named one does not run.
    pub(super) fn find(named: Option<&Path>) -> Result<Option<Self>, Failure> {
        let program = named.unwrap_or(Path::new(ON_PATH)).to_owned();
        let failed = |exit, reason: &dyn std::fmt::Display| {
            Failure::new(exit, format_args!("{}: {reason}", program.display()))
        };
        let output = match start(&program, Path::new("."), &["--version"]) {
            Ok(output) => output,
            Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {
                return Ok(None);
            }
            Err(error) => return Err(failed(Exit::of_reading(&error), &error)),
        };
        let said = String::from_utf8_lossy(&output.stdout);
        let version = said.lines().find_map(|line| line.trim().strip_prefix("snarkjs@"));
        match version.map(str::to_owned) {
            Some(version) => Ok(Some(Self { program, version })),
            None => Err(failed(Exit::DataErr, &"does not say that it is snarkjs")),
        }
    }

    /// Its times on a circuit's key and witness. A proof's time counts if we verify the proof.
    pub(super) fn measure(
        &self,
        id: CircuitId,
        key: &ProvingKey,
        assignment: &Assignment,
        repetitions: Repetitions,
        bar: &ProgressBar,
    ) -> Result<Snarkjs, Failure> {
        let folder = tempfile::tempdir().map_err(Failure::writing(&std::env::temp_dir()))?;
        let folder = folder.path();
        // The witness is a made-up one.
        let files = [
            ("key.zkey", zkey::write(key)),
            ("witness.wtns", wtns::write(assignment.elements()).to_vec()),
            ("key.json", json::verifying_key(key.verifying_key()).into_bytes()),
        ];
        for (name, bytes) in files {
            let path = folder.join(name);
            fs::write(&path, bytes).map_err(Failure::writing(&path))?;
        }
        let started = |arguments: &[&str]| {
            start(&self.program, folder, arguments).map_err(|error| {
                Failure::new(Exit::Failed, format_args!("{}: {error}", self.program.display()))
            })
        };
        let run = |arguments: &[&str]| {
            let output = started(arguments)?;
            if output.status.success() {
                return Ok(());
            }
            let said = String::from_utf8_lossy(&output.stdout);
            let last = said.lines().last().unwrap_or_default();
            let arguments = arguments.join(" ");
            Err(Failure::new(Exit::Failed, format_args!("{id}: snarkjs {arguments}: {last}")))
        };
        let Repetitions { snarkjs, .. } = repetitions;
        // It counts its own help and version as a failure.
        let start = runs(bar, &format!("{id}: snarkjs start"), snarkjs, 1, || {
            started(&["--version"]).map(drop)
        })?;
        let prepared = PreparedVerifyingKey::from(key.verifying_key());
        let proof = folder.join("proof.json");
        let mut made = Vec::new();
        let prove = runs(bar, &format!("{id}: snarkjs prove"), snarkjs, 1, || {
            run(&["groth16", "prove", "key.zkey", "witness.wtns", "proof.json", "public.json"])?;
            made.push(fs::read_to_string(&proof).map_err(Failure::reading(&proof))?);
            Ok(())
        })?;
        for proof in made {
            let wrong = |error: &dyn std::fmt::Display| {
                Failure::new(Exit::Failed, format_args!("{id}: a proof by snarkjs: {error}"))
            };
            let proof = json::read_proof(&proof).map_err(|error| wrong(&error))?;
            groth16::verify(&prepared, assignment.public_inputs(), &proof)
                .map_err(|error| wrong(&error))?;
        }
        let verify = runs(bar, &format!("{id}: snarkjs verify"), snarkjs, 1, || {
            run(&["groth16", "verify", "key.json", "public.json", "proof.json"])
        })?;
        let [prove, verify, start] = [prove, verify, start].map(|times| Timing::of(&times));
        Ok(Snarkjs::Measured { prove, verify, start })
    }
}

fn start(program: &Path, folder: &Path, arguments: &[&str]) -> io::Result<Output> {
    // A relative path is meant from here and not from the folder.
    let program = match program.parent() {
        Some(parent) if parent != Path::new("") => program.canonicalize()?.into_os_string(),
        _ => OsStr::to_owned(program.as_os_str()),
    };
    Command::new(program).args(arguments).current_dir(folder).stdin(Stdio::null()).output()
}
