//! `proofgate setup contribute` and `beacon`

use std::path::Path;

use ::circuits::snarkjs::contribution::Contributions;
use ::circuits::statement::CircuitId;
use chain::identifier::DepartmentId;
use clap::Args;
use crypto::SigningKey;
use getrandom::SysRng;
use rand_core::{Rng as _, UnwrapErr};
use zeroize::Zeroizing;

use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::operator::hosted;
use super::super::snarkjs::Snarkjs;
use super::{Place, Tool, tell, waiting};
use crate::ceremony::{CeremonyFault, CeremonyFolder, Progress};
use crate::document::ceremony::MAX_BEACON_ITERATIONS_EXPONENT;
use crate::folder::{Folder, write_new};

/// Arguments of `proofgate setup contribute`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    place: Place,
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
    /// The public randomness, at most 255 bytes in hexadecimal digits: of a source that was announced before
    /// the last contribution, and has spoken after it.
    #[arg(long, value_name = "HEX")]
    randomness: String,
    /// SHA-256 is applied to it 2^N times.
    #[arg(long, value_name = "N", default_value_t = 10,
        value_parser = clap::value_parser!(u8).range(10..=i64::from(MAX_BEACON_ITERATIONS_EXPONENT)))]
    iterations: u8,
    #[command(flatten)]
    tool: Tool,
    /// Print how it stands as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Contributes to every circuit, and attests it.
pub(in crate::cli) async fn run(folder: &Folder, arguments: Arguments) -> Result<(), Failure> {
    let Arguments { place, tool, department, json } = arguments;
    let snarkjs = Snarkjs::require(tool.snarkjs.as_deref())?;
    let ceremony = place.open(folder)?;
    let department = hosted(&folder.config()?, department)?;
    let index = ceremony.turn_of(&department)?;
    let signing = folder.department(&department).secrets()?.keys.signing;
    ceremony.read_phase_one()?;
    for id in ceremony.plan().circuits() {
        // After an interruption some circuits are done.
        if !ceremony.has_contributed(id, index) {
            contribute(&snarkjs, &ceremony, id, index, &signing)?;
        }
    }
    tell(folder, &ceremony, json);
    Ok(())
}

fn contribute(
    snarkjs: &Snarkjs,
    ceremony: &CeremonyFolder,
    id: CircuitId,
    index: usize,
    signing: &SigningKey,
) -> Result<(), Failure> {
    let (before, after) = (ceremony.key_of(id, index), ceremony.key_after(id, index));
    let known = ceremony.contributions(&before, index)?;
    let department = ceremony.plan().participants[index];
    let name = format!("--name={department}");
    let next = Next::beside(&after)?;
    waiting(format!("{department} contributes to {id}"), || {
        let arguments = ["zkey", "contribute", name_of(&before), next.name(), &name];
        snarkjs.run(&ceremony.circuit(id), &arguments, &entropy())
    })?;
    let made = ceremony.contributions(&next.path, index + 1)?;
    let contribution = follows(&known, &made, &next.path)?;
    let attestation = ceremony.attested(id, index).sign(contribution, signing);
    let mut text = serde_json::to_vec_pretty(&attestation).expect("texts have a JSON form");
    text.push(b'\n');
    // The attestation last: without it the contribution does not count, and is made anew.
    next.takes(&after)?;
    let place = ceremony.attestation(id, index);
    let next = Next::beside(&place)?;
    write_new(&next.path, &text)?;
    next.takes(&place)
}

/// The one contribution that a key has more than the one before it.
fn follows<'a>(
    before: &Contributions,
    after: &'a Contributions,
    path: &Path,
) -> Result<&'a ::circuits::snarkjs::contribution::Contribution, Failure> {
    let (last, others) = after.list.split_last().ok_or_else(|| broken(path))?;
    if after.circuit == before.circuit && others == before.list {
        Ok(last)
    } else {
        Err(broken(path))
    }
}

fn broken(path: &Path) -> Failure {
    CeremonyFault::Broken { path: path.to_owned() }.into()
}

/// A line of randomness for snarkjs, which adds its own. Never an argument: others could read it.
fn entropy() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 64]);
    UnwrapErr(SysRng).fill_bytes(bytes.as_mut());
    let mut line = Zeroizing::new(hex::encode(bytes.as_ref()));
    line.push('\n');
    line
}

/// A file that is being made beside the one that it is to be.
struct Next {
    path: std::path::PathBuf,
}

impl Next {
    /// What an interruption left there is removed.
    fn beside(path: &Path) -> Result<Self, Failure> {
        let path = path.with_file_name(format!("{}.new", name_of(path)));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Failure::writing(&path)(error))
            }
            _ => Ok(Self { path }),
        }
    }

    fn name(&self) -> &str {
        name_of(&self.path)
    }

    /// Waits until it is on the disk, and gives it its name.
    fn takes(&self, place: &Path) -> Result<(), Failure> {
        let synced = std::fs::File::open(&self.path).and_then(|file| file.sync_all());
        synced.map_err(Failure::writing(&self.path))?;
        std::fs::rename(&self.path, place).map_err(Failure::writing(place))
    }
}

impl Drop for Next {
    fn drop(&mut self) {
        // It has its name, or is of no use.
        let _: std::io::Result<()> = std::fs::remove_file(&self.path);
    }
}

fn name_of(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .expect("files of a ceremony have names in ASCII")
}

/// Ends a ceremony.
pub(in crate::cli) fn beacon(folder: &Folder, arguments: &BeaconArguments) -> Result<(), Failure> {
    let BeaconArguments { place, randomness, iterations, tool, json } = arguments;
    let bytes = hex::decode(randomness).unwrap_or_default();
    if !(1..=255).contains(&bytes.len()) {
        let told = "--randomness: expected 1 to 255 bytes as hexadecimal digits";
        return Err(Failure::new(Exit::Usage, told));
    }
    let snarkjs = Snarkjs::require(tool.snarkjs.as_deref())?;
    let ceremony = place.open(folder)?;
    match ceremony.progress() {
        Progress::Turn(_, whose) => return Err(CeremonyFault::Unfinished { whose: *whose }.into()),
        Progress::Beacon => {}
        Progress::Ended => return Err(CeremonyFault::Ended.into()),
    }
    let contributed = ceremony.plan().participants.len();
    for id in ceremony.plan().circuits() {
        let (before, after) = (ceremony.key_of(id, contributed), ceremony.final_key(id));
        if after.exists() {
            continue;
        }
        let known = ceremony.contributions(&before, contributed)?;
        let next = Next::beside(&after)?;
        waiting(format!("the beacon ends the ceremony of {id}"), || {
            let exponent = iterations.to_string();
            let command = ["zkey", "beacon", name_of(&before), next.name()];
            let arguments = [&command[..], &[randomness, &exponent, "--name=beacon"]].concat();
            snarkjs.run(&ceremony.circuit(id), &arguments, "")
        })?;
        let made = std::fs::read(&next.path).map_err(Failure::reading(&next.path))?;
        let made = ::circuits::snarkjs::zkey::contributions(&made)
            .map_err(|error| CeremonyFault::Zkey { path: next.path.clone(), error })?;
        let last = follows(&known, &made, &next.path)?;
        if last.beacon.as_ref().is_none_or(|it| it.hash != bytes) {
            return Err(broken(&next.path));
        }
        next.takes(&after)?;
    }
    tell(folder, &ceremony, *json);
    Ok(())
}
