//! `proofgate setup verify` and `import`

use ::circuits::statement::CircuitId;
use chain::identifier::DepartmentId;
use clap::Args;
use serde_json::json;

use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::request::print_json;
use super::super::say;
use super::super::snarkjs::Snarkjs;
use super::work::Work;
use super::{PhaseOne, Place, Tool, keys, waiting};
use crate::ceremony::{CeremonyFolder, Outcome};
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
    let there = folder.ceremony_keys();
    if import && there.exists() {
        let told = "keys of a ceremony are there already; move them away to take others";
        return Err(Failure::new(Exit::CantCreat, format_args!("{}: {told}", there.display())));
    }
    let snarkjs = Snarkjs::require(tool.snarkjs.as_deref())?;
    let keys = keys(folder, *department).await?;
    // What takes seconds comes before what takes minutes.
    let phase_one = phase_one.read(&ceremony)?;
    let wanted = |id: &CircuitId| circuit.is_empty() || circuit.contains(id);
    let mut outcomes = Vec::new();
    for id in ceremony.plan().circuits().filter(wanted) {
        outcomes.push(waiting(format!("checking every point of {id}"), || {
            ceremony.outcome(id, &keys)
        })?);
    }
    with_snarkjs(&Work::new(folder, &snarkjs)?, &phase_one, &outcomes)?;
    if import {
        let taken: Vec<_> =
            outcomes.iter().map(|it| (it.document.clone(), it.key.clone())).collect();
        folder.write_ceremony_keys(&taken)?;
    }
    tell(folder, &ceremony, &outcomes, import, *json);
    Ok(())
}

/// What only the first phase shows: that it is sound, and that each key began with it and this build's
/// constraints.
fn with_snarkjs(work: &Work<'_>, phase_one: &[u8], outcomes: &[Outcome]) -> Result<(), Failure> {
    work.verify_phase_one(phase_one)?;
    for Outcome { document, zkey, .. } in outcomes {
        let name = format!("{}.zkey", document.circuit.name().replace('/', "-"));
        work.put(&name, zkey)?;
        let constraints = work.put_constraints(document.circuit)?;
        work.verify_key(document.circuit, &constraints, &name)?;
    }
    Ok(())
}

fn tell(
    folder: &Folder,
    ceremony: &CeremonyFolder,
    outcomes: &[Outcome],
    imported: bool,
    json: bool,
) {
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
            "ok": true, "imported": imported, "network": plan.network, "phase_one": plan.phase_one,
            "participants": plan.participants, "circuits": circuits,
        }));
        return;
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
    if imported {
        let dir = folder.root().display();
        say(format_args!(
            "\nnext: {} holds them. Start the gateway again, and run\nproofgate --dir {dir} setup publish",
            folder.ceremony_keys().display()
        ));
    }
}
