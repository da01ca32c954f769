//! `proofgate setup begin`

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ::circuits::statement::CircuitId;
use chain::identifier::DepartmentId;
use clap::Args;
use crypto::Digest;
use tempfile::TempDir;

use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::operator::signing_keys;
use super::super::snarkjs::Snarkjs;
use super::work::{PHASE_ONE, Work};
use super::{Place, Tool, tell, tell_phase_one};
use crate::ceremony::{CeremonyFolder, Plan, check_phase_one};
use crate::folder::{Folder, write_new};

/// Arguments of `proofgate setup begin`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The first phase, prepared for a second one: a file of snarkjs, powersoftau prepare phase2. Everybody
    /// who takes part has to believe that one of its contributors was honest.
    #[arg(long, value_name = "FILE")]
    ptau: PathBuf,
    /// Who contributes, in this order; without it all departments on the chain.
    #[arg(long, value_delimiter = ',', value_name = "IDS")]
    participants: Vec<DepartmentId>,
    /// A circuit, as often as needed; without it all of this build.
    #[arg(long, value_name = "CIRCUIT")]
    circuit: Vec<CircuitId>,
    #[command(flatten)]
    tool: Tool,
    /// The department, where the gateway hosts several.
    #[arg(long)]
    department: Option<DepartmentId>,
    /// Print how it stands as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Begins a ceremony; after an error there is none.
pub(in crate::cli) async fn run(folder: &Folder, arguments: Arguments) -> Result<(), Failure> {
    let Arguments { place, ptau, participants, circuit, tool, department, json } = arguments;
    let snarkjs = Snarkjs::require(tool.snarkjs.as_deref())?;
    let root = &place.ceremony;
    if root.exists() {
        let told = format_args!(
            "{}: it is there already; a ceremony begins in a new folder",
            root.display()
        );
        return Err(Failure::new(Exit::CantCreat, told));
    }
    let staging = staging(root)?;
    let circuits = if circuit.is_empty() { CircuitId::ALL.to_vec() } else { circuit };
    // What takes seconds comes before what takes minutes, and who takes part before what costs them minutes to
    // make.
    let participants = taking_part(folder, department, participants).await?;
    let phase_one = std::fs::read(&ptau).map_err(Failure::reading(&ptau))?;
    let network = *folder.genesis()?.network();
    let plan = Plan::new(network, Digest::of(&phase_one), participants, &circuits)?;
    tell_phase_one(&check_phase_one(&ptau, &phase_one, &circuits)?);
    let work = Work::new(folder, &snarkjs)?;
    work.verify_phase_one(&phase_one).await?;
    let mut initial = Vec::new();
    for id in plan.circuits() {
        let (constraints, zkey) = (work.put_constraints(id)?, "initial.zkey");
        let setup = ["groth16", "setup", &constraints, PHASE_ONE, zkey];
        work.run(
            format!("snarkjs makes the key of {id} that nobody has contributed to"),
            &setup,
            "",
        )
        .await?;
        initial.push((id, work.get(zkey)?));
        std::fs::remove_file(work.path(zkey)).map_err(Failure::writing(&work.path(zkey)))?;
    }
    laid_out(staging.path(), plan, &phase_one, &initial)?;
    std::fs::rename(staging.path(), root).map_err(Failure::writing(root))?;
    tell(folder, &place.open(folder)?, json);
    Ok(())
}

/// Who contributes, all of whom are departments of the network.
async fn taking_part(
    folder: &Folder,
    department: Option<DepartmentId>,
    named: Vec<DepartmentId>,
) -> Result<Vec<DepartmentId>, Failure> {
    let known = signing_keys(folder, department).await?;
    let mut all: Vec<_> = known.keys().copied().collect();
    all.sort_unstable();
    if named.is_empty() {
        return Ok(all);
    }
    if let Some(unknown) = named.iter().find(|it| !known.contains_key(it)) {
        let all: Vec<_> = all.iter().map(DepartmentId::as_str).collect();
        let told = format_args!(
            "--participants: {unknown} is not a department of this network; these are: {}",
            all.join(", ")
        );
        return Err(Failure::new(Exit::NoHost, told));
    }
    Ok(named)
}

/// A new folder beside the one to be, which is gone after an error: what is half made is no ceremony.
fn staging(root: &Path) -> Result<TempDir, Failure> {
    let beside = root.parent().filter(|it| *it != Path::new("")).unwrap_or(Path::new("."));
    let mut making = tempfile::Builder::new();
    // Nothing in it is secret, and others are to read it: as the operator's umask has it.
    making.prefix(".ceremony.").permissions(Permissions::from_mode(0o777));
    making.tempdir_in(beside).map_err(Failure::writing(beside))
}

fn laid_out(
    root: &Path,
    plan: Plan,
    phase_one: &[u8],
    initial: &[(CircuitId, Vec<u8>)],
) -> Result<(), Failure> {
    let ceremony = CeremonyFolder::lay_out(root, plan, phase_one)?;
    for (id, zkey) in initial {
        let path = ceremony.initial_key(*id);
        ceremony.unfinished(&path, zkey, *id, 0)?;
        write_new(&path, zkey)?;
    }
    Ok(())
}
