//! `proofgate setup verify` and `import`

use std::path::Path;

use ::circuits::statement::CircuitId;
use chain::identifier::DepartmentId;
use clap::Args;
use serde_json::json;

use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::operator::signing_keys;
use super::super::request::print_json;
use super::super::say;
use super::super::snarkjs::Snarkjs;
use super::work::Work;
use super::{PhaseOne, Place, Tool, Waiting, next};
use crate::ceremony::{CeremonyFolder, Outcome, check_beacon};
use crate::folder::Folder;

/// Arguments of `proofgate setup verify` and `import`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// One circuit of the ceremony, as often as needed; without it all.
    #[arg(long, value_name = "CIRCUIT")]
    circuit: Vec<CircuitId>,
    #[command(flatten)]
    phase_one: PhaseOne,
    #[command(flatten)]
    tool: Tool,
    /// The department, where the gateway hosts several.
    #[arg(long)]
    department: Option<DepartmentId>,
    /// Print what was found as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Verifies a ceremony, and takes its keys if they are wanted.
pub(in crate::cli) async fn run(
    folder: &Folder,
    arguments: &Arguments,
    import: bool,
) -> Result<(), Failure> {
    let Arguments { place, circuit, phase_one, tool, department, json } = arguments;
    let ceremony = place.open(folder)?;
    if let Some(other) = circuit.iter().find(|it| !ceremony.plan().circuits.contains_key(it)) {
        let told = format_args!("the ceremony is not about {other}");
        return Err(Failure::new(Exit::Usage, told));
    }
    let wanted = |id: &CircuitId| circuit.is_empty() || circuit.contains(id);
    let wanted: Vec<_> = ceremony.plan().circuits().filter(wanted).collect();
    if import {
        not_imported(folder, &wanted)?;
    }
    let snarkjs = Snarkjs::require(tool.snarkjs.as_deref())?;
    let keys = signing_keys(folder, *department).await?;
    // What takes seconds comes before what takes minutes.
    let (phase_one, contributors) = phase_one.read(&ceremony)?;
    let mut outcomes = Vec::new();
    for id in wanted {
        let _shown = Waiting::shown(format!("checking every point of {id}"));
        outcomes.push(ceremony.outcome(id, &keys)?);
    }
    for outcome in &outcomes {
        check_beacon(&contributors, &outcome.beacon.hash)
            .map_err(|fault| Failure::new(Exit::DataErr, fault))?;
    }
    with_snarkjs(&Work::new(folder, &snarkjs)?, &phase_one, &outcomes).await?;
    let taken = import.then(|| {
        let keys: Vec<_> =
            outcomes.iter().map(|it| (it.document.clone(), it.key.clone())).collect();
        folder.write_ceremony_keys(&keys)
    });
    tell(folder, &ceremony, &outcomes, taken.transpose()?.as_deref(), *json)
}

/// None of the circuits has a key of a ceremony yet: one that is used is not replaced unseen.
fn not_imported(folder: &Folder, wanted: &[CircuitId]) -> Result<(), Failure> {
    for id in wanted {
        let Some(there) = folder.imported(*id)? else { continue };
        let mut others = String::new();
        for other in CircuitId::ALL.into_iter().filter(|other| other != id) {
            if folder.imported(other)?.as_ref() == Some(&there) {
                others = format!(" (which has the key of {other} too)");
            }
        }
        let imports = folder.imports();
        let told = format_args!(
            "{}: a key of {id} from a ceremony is there already: to take another, move this folder{others} out of \
             {}; to take something else of this ceremony, name it with --circuit",
            there.display(),
            imports.display()
        );
        return Err(Failure::new(Exit::CantCreat, told));
    }
    Ok(())
}

/// What only the first phase shows: that it is sound, and that each key began with it and this build's
/// constraints.
async fn with_snarkjs(
    work: &Work<'_>,
    phase_one: &[u8],
    outcomes: &[Outcome],
) -> Result<(), Failure> {
    work.verify_phase_one(phase_one).await?;
    for Outcome { document, zkey, .. } in outcomes {
        let name = format!("{}.zkey", document.circuit.name().replace('/', "-"));
        work.put(&name, zkey)?;
        let constraints = work.put_constraints(document.circuit)?;
        work.verify_key(document.circuit, &constraints, &name).await?;
    }
    Ok(())
}

fn tell(
    folder: &Folder,
    ceremony: &CeremonyFolder,
    outcomes: &[Outcome],
    imported: Option<&Path>,
    json: bool,
) -> Result<(), Failure> {
    let plan = ceremony.plan();
    if json {
        let circuits: Vec<_> = outcomes
            .iter()
            .map(|Outcome { document, key, beacon, .. }| {
                json!({
                    "circuit": document.circuit, "constraints_sha256": document.constraints,
                    "key": key.verifying_key().id(), "document": document.digest(),
                    "beacon": hex::encode(&beacon.hash),
                    "beacon_iterations": beacon.iterations_exponent,
                })
            })
            .collect();
        print_json(&json!({
            "ok": true, "imported": imported.is_some(), "network": plan.network, "phase_one": plan.phase_one,
            "participants": plan.participants, "circuits": circuits,
        }));
        return Ok(());
    }
    let names: Vec<_> = plan.participants.iter().map(DepartmentId::as_str).collect();
    say(format_args!("first phase  verified, sha256 {}", plan.phase_one));
    say(format_args!("contributed  {}, each attested, and a beacon", names.join(", ")));
    for Outcome { document, key, beacon, .. } in outcomes {
        let id = document.circuit;
        say(format_args!("{id}  verified from this build's constraints to its last contribution"));
        say(format_args!("        r1cs  sha256 {}", document.constraints));
        say(format_args!("         key  {}", key.verifying_key().id()));
        say(format_args!("    document  {}", document.digest()));
        let exponent = beacon.iterations_exponent;
        say(format_args!("      beacon  {}, hashed 2^{exponent} times", hex::encode(&beacon.hash)));
    }
    if let Some(place) = imported {
        say(format_args!("\n{}: taken", place.display()));
        say(format_args!("\nnext: {}", next::after_import(folder, &folder.config()?)));
    }
    Ok(())
}
