//! `proofgate setup contribute` and `beacon`

use ::circuits::snarkjs::zkey::Unfinished;
use ::circuits::statement::CircuitId;
use chain::identifier::DepartmentId;
use clap::Args;
use crypto::{Digest, SigningKey};
use getrandom::SysRng;
use rand_core::{Rng as _, UnwrapErr};
use zeroize::Zeroizing;

use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::operator::{hosted, signing_keys};
use super::super::snarkjs::Snarkjs;
use super::work::{Work, check_writable, place};
use super::{PhaseOne, Place, Tool, tell};
use crate::ceremony::{CeremonyFault, CeremonyFolder, Progress, check_beacon};
use crate::document::ceremony::{MIN_BEACON_BYTES, MIN_BEACON_ITERATIONS_EXPONENT};
use crate::folder::Folder;

/// The longest randomness of a beacon that a file can say, in bytes.
const MAX_BEACON_BYTES: usize = 255;
const MAX_ITERATIONS: i64 = ::circuits::snarkjs::contribution::MAX_ITERATIONS_EXPONENT as i64;

/// Arguments of `proofgate setup contribute`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    phase_one: PhaseOne,
    #[command(flatten)]
    tool: Tool,
    /// The department that contributes, where the gateway hosts several.
    #[arg(long)]
    department: Option<DepartmentId>,
    /// Print how it stands as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Arguments of `proofgate setup beacon`.
#[derive(Args, Debug)]
pub(in crate::cli) struct BeaconArguments {
    #[command(flatten)]
    place: Place,
    /// The public randomness, 16 to 255 bytes in hexadecimal digits: of a source that was announced before the
    /// last contribution, and has spoken after it.
    #[arg(long, value_name = "HEX")]
    randomness: String,
    /// SHA-256 is applied to it 2^N times.
    #[arg(long, value_name = "N", default_value_t = MIN_BEACON_ITERATIONS_EXPONENT,
        value_parser = clap::value_parser!(u8).range(MIN_BEACON_ITERATIONS_EXPONENT as i64..=MAX_ITERATIONS))]
    iterations: u8,
    #[command(flatten)]
    phase_one: PhaseOne,
    #[command(flatten)]
    tool: Tool,
    /// The department whose copy of the chain is asked, where the gateway hosts several.
    #[arg(long)]
    department: Option<DepartmentId>,
    /// Print how it stands as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// A circuit's key to which the next contribution is made.
struct Step<'a> {
    ceremony: &'a CeremonyFolder,
    circuit: CircuitId,
    /// Of the participant who contributes.
    index: usize,
    /// The key that the others have contributed to so far, each of whom has attested that.
    before: Vec<u8>,
    /// What is known of it.
    known: Unfinished,
}

/// The names of a circuit's key before and after a contribution, where snarkjs works.
fn names(circuit: CircuitId) -> [String; 2] {
    ["before", "after"].map(|it| format!("{}-{it}.zkey", circuit.name().replace('/', "-")))
}

/// Contributes to every circuit, and attests it.
pub(in crate::cli) async fn run(folder: &Folder, arguments: Arguments) -> Result<(), Failure> {
    let Arguments { place: at, phase_one, tool, department, json } = arguments;
    let snarkjs = Snarkjs::require(tool.snarkjs.as_deref())?;
    let ceremony = at.open(folder)?;
    let id = hosted(&folder.config()?, department)?;
    let index = ceremony.turn_of(&id)?;
    let signing = folder.department(&id).secrets()?.keys.signing;
    let (phase_one, _) = phase_one.read(&ceremony)?;
    let keys = signing_keys(folder, department).await?;
    let mut steps = Vec::new();
    for circuit in ceremony.plan().circuits() {
        // After an interruption some circuits are done.
        if !ceremony.has_contributed(circuit, index) {
            // What takes seconds comes before what takes minutes.
            check_writable(&ceremony.circuit(circuit))?;
            let unattested = ceremony.key_after(circuit, index);
            if unattested.exists() {
                eprintln!(
                    "{}: no attestation is beside it, so this contribution does not count, and is made anew",
                    unattested.display()
                );
            }
            let (before, known) = ceremony.attested_key(circuit, index, &keys)?;
            steps.push(Step { ceremony: &ceremony, circuit, index, before, known });
        }
    }
    let work = Work::new(folder, &snarkjs)?;
    work.verify_phase_one(&phase_one).await?;
    for step in steps {
        step.contribute(&work, &signing).await?;
    }
    tell(folder, &ceremony, json);
    Ok(())
}

impl Step<'_> {
    async fn contribute(&self, work: &Work<'_>, signing: &SigningKey) -> Result<(), Failure> {
        let Self { ceremony, circuit, index, before, known } = self;
        let (circuit, index) = (*circuit, *index);
        let department = ceremony.plan().participants[index];
        let [from, to] = names(circuit);
        // From the constraints of this build on: who signs for the key, signs for that.
        work.put(&from, before)?;
        let constraints = work.put_constraints(circuit)?;
        work.verify_key(circuit, &constraints, &from).await?;
        let name = format!("--name={department}");
        let arguments = ["zkey", "contribute", &from, &to, &name];
        work.run(format!("{department} contributes to {circuit}"), &arguments, &entropy()).await?;
        let (after, path) = (work.get(&to)?, ceremony.key_after(circuit, index));
        let made = ceremony.unfinished(&path, &after, circuit, index + 1)?;
        let broken = || CeremonyFault::Broken { path: path.clone() };
        let contribution = made.contributions.after(&known.contributions).ok_or_else(broken)?;
        if made.fixed != known.fixed {
            return Err(broken().into());
        }
        let fixed = Digest::from_bytes(made.fixed);
        let attestation = ceremony.attested(circuit, index, &fixed).sign(contribution, signing);
        let mut text = serde_json::to_vec_pretty(&attestation).expect("texts have a JSON form");
        text.push(b'\n');
        // The attestation last: without it the contribution does not count, and is made anew.
        place(&path, &after)?;
        place(&ceremony.attestation(circuit, index), &text)
    }
}

/// A line of randomness for snarkjs, which adds its own. Never an argument: others could read it.
fn entropy() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 64]);
    UnwrapErr(SysRng).fill_bytes(bytes.as_mut());
    let mut line = Zeroizing::new(hex::encode(bytes.as_ref()));
    line.push('\n');
    line
}

/// Ends a ceremony.
pub(in crate::cli) async fn beacon(
    folder: &Folder,
    arguments: &BeaconArguments,
) -> Result<(), Failure> {
    let BeaconArguments { place: at, randomness, iterations, phase_one, tool, department, json } =
        arguments;
    // As the source writes it.
    let digits = randomness.strip_prefix("0x").unwrap_or(randomness);
    let bytes = hex::decode(digits).unwrap_or_default();
    if !(MIN_BEACON_BYTES..=MAX_BEACON_BYTES).contains(&bytes.len()) {
        let told = format_args!(
            "--randomness: expected {MIN_BEACON_BYTES} to {MAX_BEACON_BYTES} bytes as hexadecimal digits, two for \
             each"
        );
        return Err(Failure::new(Exit::Usage, told));
    }
    let snarkjs = Snarkjs::require(tool.snarkjs.as_deref())?;
    let ceremony = at.open(folder)?;
    match ceremony.progress() {
        Progress::Turn(_, whose) => return Err(CeremonyFault::Unfinished { whose: *whose }.into()),
        Progress::Beacon => {}
        Progress::Ended => return Err(CeremonyFault::Ended.into()),
    }
    let (_, contributors) = phase_one.read(&ceremony)?;
    check_beacon(&contributors, &bytes)?;
    let keys = signing_keys(folder, *department).await?;
    let contributed = ceremony.plan().participants.len();
    for circuit in ceremony.plan().circuits() {
        let path = ceremony.final_key(circuit);
        if path.exists() {
            continue;
        }
        // Whoever takes the outcome verifies it from its beginning.
        let (before, known) = ceremony.attested_key(circuit, contributed, &keys)?;
        let work = Work::new(folder, &snarkjs)?;
        let [from, to] = names(circuit);
        work.put(&from, &before)?;
        let exponent = iterations.to_string();
        let digits = hex::encode(&bytes);
        let arguments = ["zkey", "beacon", &from, &to, &digits, &exponent, "--name=beacon"];
        work.run(format!("the beacon ends the ceremony of {circuit}"), &arguments, "").await?;
        let after = work.get(&to)?;
        let made = ::circuits::snarkjs::zkey::unfinished(&after, circuit.public_inputs())
            .map_err(|error| CeremonyFault::Zkey { path: path.clone(), error })?;
        let last = made.contributions.after(&known.contributions);
        let drawn = last.and_then(|it| it.beacon.as_ref()).is_some_and(|it| it.hash == bytes);
        if !drawn || made.fixed != known.fixed {
            return Err(CeremonyFault::Broken { path }.into());
        }
        place(&path, &after)?;
    }
    tell(folder, &ceremony, *json);
    Ok(())
}
