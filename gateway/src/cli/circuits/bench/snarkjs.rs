//! snarkjs, measured on the same key, constraints and witness.

use std::fs;

use circuits::groth16::{self, Assignment, PreparedVerifyingKey, ProvingKey};
use circuits::snarkjs::{json, wtns, zkey};
use circuits::statement::CircuitId;
use indicatif::ProgressBar;

use super::measure::{Repetitions, runs};
use crate::circuit_report::{Snarkjs, Timing};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
pub(super) use crate::cli::snarkjs::Snarkjs as Tool;

/// Its times on a circuit's key and witness. A proof's time counts if we verify the proof.
pub(super) fn measure(
    tool: &Tool,
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
        tool.start(folder, arguments, "")
            .map_err(|error| Failure::new(Exit::Failed, format_args!("snarkjs: {error}")))
    };
    let run = |arguments: &[&str]| tool.run(folder, arguments, "");
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
