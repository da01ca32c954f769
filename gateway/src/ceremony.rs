//! The folder of a ceremony, which goes from one department to the next.
//!
//! ```text
//! ceremony.json    what it is about; written first and never changed
//! phase1.ptau      the first phase, prepared for a second one
//! identified/      circuit.r1cs   0.zkey   1-tax.zkey   1-tax.json   2-welfare.zkey   …   final.zkey
//! pseudonymous/    the same
//! ```
//! `0.zkey` is the key before anybody has contributed, `N-ID.zkey` the one after the N-th department has, with
//! its attestation beside it, and `final.zkey` the one after the beacon. Nothing here is secret, and nothing is
//! believed: everybody who uses the outcome verifies all of it, against constraints of a build of its own and
//! departments' keys from the chain.

mod error;
mod transcript;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use chain::identifier::{DepartmentId, NetworkId};
use circuits::snarkjs::ptau::{self, Contributor};
use circuits::snarkjs::zkey::{self, Unfinished};
use circuits::statement::CircuitId;
use crypto::Digest;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::document::ceremony::{Attestation, Attested, MAX_DEPARTMENTS, MIN_DEPARTMENTS};
use crate::folder::{FileError, write_new};

pub use error::CeremonyFault;
pub use transcript::{Keys, Outcome};

/// The format this version writes and reads.
pub const CEREMONY_FORMAT: &str = "proofgate/ceremony/v1";

const PLAN_FILE: &str = "ceremony.json";
const PHASE_ONE_FILE: &str = "phase1.ptau";

/// What a ceremony is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`CEREMONY_FORMAT`].
    pub format: String,
    /// The network whose departments contribute.
    pub network: NetworkId,
    /// SHA-256 of the first phase.
    pub phase_one: Digest,
    /// Who contributes, in this order.
    pub participants: Vec<DepartmentId>,
    /// SHA-256 of each circuit's `.r1cs`.
    pub circuits: BTreeMap<CircuitId, Digest>,
}

/// A ceremony's folder, whose plan has been read.
#[derive(Clone, Debug)]
pub struct CeremonyFolder {
    root: PathBuf,
    plan: Plan,
}

/// How far a ceremony has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// So many have contributed, and it is this department's turn.
    Turn(usize, &'a DepartmentId),
    /// All have contributed; the beacon is missing.
    Beacon,
    /// It has ended.
    Ended,
}

impl Plan {
    /// The plan of a ceremony about circuits of this build.
    ///
    /// # Errors
    /// [`CeremonyFault`] if too few departments are to contribute, or one twice.
    pub fn new(
        network: NetworkId,
        phase_one: Digest,
        participants: Vec<DepartmentId>,
        circuits: &[CircuitId],
    ) -> Result<Self, CeremonyFault> {
        let digest = |id: &CircuitId| (*id, Digest::from_bytes(id.r1cs().digest()));
        let circuits = circuits.iter().map(digest).collect();
        let format = CEREMONY_FORMAT.to_owned();
        let plan = Self { format, network, phase_one, participants, circuits };
        plan.check()?;
        Ok(plan)
    }

    fn check(&self) -> Result<(), CeremonyFault> {
        if self.format != CEREMONY_FORMAT {
            return Err(CeremonyFault::Format);
        }
        let got = self.participants.len();
        if got < MIN_DEPARTMENTS {
            return Err(CeremonyFault::TooFew { got });
        }
        if got > MAX_DEPARTMENTS {
            return Err(CeremonyFault::TooMany { got });
        }
        let mut ids = self.participants.clone();
        ids.sort_unstable();
        match ids.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(CeremonyFault::Twice { department: pair[0] }),
            None if self.circuits.is_empty() => Err(CeremonyFault::NoCircuit),
            None => Ok(()),
        }
    }

    /// The circuits.
    pub fn circuits(&self) -> impl Iterator<Item = CircuitId> {
        self.circuits.keys().copied()
    }
}

/// Checks that a first phase serves these circuits: large enough, of several contributors, and prepared, which
/// takes minutes and is said last. Who they say they are.
///
/// # Errors
/// [`CeremonyFault`]
pub fn check_phase_one(
    path: &Path,
    bytes: &[u8],
    circuits: &[CircuitId],
) -> Result<Vec<Contributor>, CeremonyFault> {
    let read = ptau::read(bytes).map_err(CeremonyFault::format_at(path))?;
    let path = || path.to_owned();
    let needed = circuits.iter().map(|id| id.r1cs().domain_size().ilog2()).max().unwrap_or(0);
    if read.power < needed {
        return Err(CeremonyFault::Small { path: path(), got: read.power, needed });
    }
    // One alone knows its secrets, and a beacon's are known to everybody.
    let got = read.contributors.iter().filter(|it| it.beacon.is_none()).count();
    if got < MIN_DEPARTMENTS {
        return Err(CeremonyFault::Alone { path: path(), got });
    }
    if !read.prepared {
        return Err(CeremonyFault::Unprepared { path: path() });
    }
    Ok(read.contributors)
}

/// That the randomness of a beacon is not that of the first phase, which was known to everybody who contributed.
///
/// # Errors
/// [`CeremonyFault::SpentBeacon`]
pub fn check_beacon(phase_one: &[Contributor], randomness: &[u8]) -> Result<(), CeremonyFault> {
    let mut beacons = phase_one.iter().filter_map(|it| it.beacon.as_ref());
    match beacons.any(|it| it.hash == randomness) {
        true => Err(CeremonyFault::SpentBeacon),
        false => Ok(()),
    }
}

impl CeremonyFolder {
    /// Lays out a new ceremony in a folder that is empty: its plan, the first phase and the constraints. The
    /// initial keys are to be made by [`CeremonyFolder::initial_key`]'s names.
    ///
    /// # Errors
    /// [`CeremonyFault`]
    pub fn lay_out(root: &Path, plan: Plan, phase_one: &[u8]) -> Result<Self, CeremonyFault> {
        // Nothing here is secret, and others are to read it: as the operator's umask has it.
        let make = |folder: &Path| {
            let made = std::fs::create_dir_all(folder);
            made.map_err(|error| FileError { path: folder.to_owned(), error })
        };
        make(root)?;
        let folder = Self { root: root.to_owned(), plan };
        write_new(&folder.phase_one(), phase_one)?;
        for id in folder.plan.circuits() {
            make(&folder.circuit(id))?;
            write_new(&folder.constraints(id), &id.r1cs().to_file())?;
        }
        let mut plan = serde_json::to_vec_pretty(&folder.plan).expect("a plan has string keys");
        plan.push(b'\n');
        write_new(&folder.root.join(PLAN_FILE), &plan)?;
        Ok(folder)
    }

    /// Opens a ceremony of this network, about circuits as this build has them.
    ///
    /// # Errors
    /// [`CeremonyFault`]
    pub fn open(root: &Path, network: &NetworkId) -> Result<Self, CeremonyFault> {
        let path = root.join(PLAN_FILE);
        let bytes = read(&path).map_err(|fault| match fault {
            CeremonyFault::Missing { path } => CeremonyFault::NoPlan { path },
            fault => fault,
        })?;
        let plan: Plan = serde_json::from_slice(&bytes)
            .map_err(|error| CeremonyFault::Plan { path: path.clone(), error })?;
        plan.check()?;
        if plan.network != *network {
            return Err(CeremonyFault::Network { named: plan.network });
        }
        for (id, named) in &plan.circuits {
            let ours = Digest::from_bytes(id.r1cs().digest());
            if *named != ours {
                return Err(CeremonyFault::Constraints { circuit: *id, named: *named, ours });
            }
        }
        Ok(Self { root: root.to_owned(), plan })
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What it is about.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The first phase.
    pub fn phase_one(&self) -> PathBuf {
        self.root.join(PHASE_ONE_FILE)
    }

    /// The first phase's bytes, which are the ones that the plan names, and who made it by its own word.
    ///
    /// # Errors
    /// [`CeremonyFault`]
    pub fn read_phase_one(&self) -> Result<(Vec<u8>, Vec<Contributor>), CeremonyFault> {
        let path = self.phase_one();
        let bytes = read(&path)?;
        if Digest::of(&bytes) != self.plan.phase_one {
            return Err(CeremonyFault::PhaseOne { path });
        }
        let circuits: Vec<_> = self.plan.circuits().collect();
        let contributors = check_phase_one(&path, &bytes, &circuits)?;
        Ok((bytes, contributors))
    }

    /// Where a circuit's files are: `identified` for `identified/v1`.
    pub fn circuit(&self, circuit: CircuitId) -> PathBuf {
        let name = circuit.name();
        self.root.join(name.split_once('/').map_or(name, |(name, _)| name))
    }

    /// A circuit's `.r1cs`.
    pub fn constraints(&self, circuit: CircuitId) -> PathBuf {
        self.circuit(circuit).join("circuit.r1cs")
    }

    /// A circuit's key before anybody has contributed.
    pub fn initial_key(&self, circuit: CircuitId) -> PathBuf {
        self.circuit(circuit).join("0.zkey")
    }

    /// A circuit's key after the participant at `index` has contributed.
    pub fn key_after(&self, circuit: CircuitId, index: usize) -> PathBuf {
        self.step(circuit, index, "zkey")
    }

    /// A circuit's key after so many have contributed.
    pub fn key_of(&self, circuit: CircuitId, contributed: usize) -> PathBuf {
        match contributed.checked_sub(1) {
            None => self.initial_key(circuit),
            Some(index) => self.key_after(circuit, index),
        }
    }

    /// The attestation of the participant at `index`.
    pub fn attestation(&self, circuit: CircuitId, index: usize) -> PathBuf {
        self.step(circuit, index, "json")
    }

    /// The key that the ceremony ends with.
    pub fn final_key(&self, circuit: CircuitId) -> PathBuf {
        self.circuit(circuit).join("final.zkey")
    }

    fn step(&self, circuit: CircuitId, index: usize, extension: &str) -> PathBuf {
        let department = &self.plan.participants[index];
        self.circuit(circuit).join(format!("{}-{department}.{extension}", index + 1))
    }

    /// How far it has come: a step is done when it is for every circuit.
    pub fn progress(&self) -> Progress<'_> {
        let all = |done: &dyn Fn(CircuitId) -> bool| self.plan.circuits().all(done);
        for (index, department) in self.plan.participants.iter().enumerate() {
            if !all(&|id| self.has_contributed(id, index)) {
                return Progress::Turn(index, department);
            }
        }
        if all(&|id| self.final_key(id).exists()) { Progress::Ended } else { Progress::Beacon }
    }

    /// Whether the participant at `index` is done with a circuit.
    pub fn has_contributed(&self, circuit: CircuitId, index: usize) -> bool {
        self.key_after(circuit, index).exists() && self.attestation(circuit, index).exists()
    }

    /// Which participant a department is, whose turn it must be.
    ///
    /// # Errors
    /// [`CeremonyFault`] tells whose turn it is, or that the department does not take part.
    pub fn turn_of(&self, department: &DepartmentId) -> Result<usize, CeremonyFault> {
        let index = self.plan.participants.iter().position(|it| it == department);
        let index = index.ok_or(CeremonyFault::NoParticipant { department: *department })?;
        match self.progress() {
            Progress::Turn(turn, _) if turn == index => Ok(index),
            Progress::Turn(turn, whose) if turn < index => {
                Err(CeremonyFault::Turn { department: *department, whose: *whose })
            }
            _ => Err(CeremonyFault::Contributed { department: *department }),
        }
    }

    /// What is known of a key of this ceremony that may not be finished: it has the contributions of the first
    /// `contributed` participants, under their names.
    ///
    /// # Errors
    /// [`CeremonyFault`] names the file, and the contribution at fault.
    pub fn unfinished(
        &self,
        path: &Path,
        bytes: &[u8],
        circuit: CircuitId,
        contributed: usize,
    ) -> Result<Unfinished, CeremonyFault> {
        let found = zkey::unfinished(bytes, circuit.public_inputs());
        let found = found.map_err(CeremonyFault::zkey_at(path))?;
        let names = found.contributions.list.iter().map(|it| it.name.as_deref());
        let expected = self.plan.participants[..contributed].iter().map(DepartmentId::as_str);
        if names.eq(expected.map(Some)) {
            return Ok(found);
        }
        let expected = self.plan.participants[..contributed].to_vec();
        Err(CeremonyFault::OtherContributions { path: path.to_owned(), expected })
    }

    /// Reads a key of this ceremony to which the first `contributed` participants have contributed, each of
    /// whom has attested it: its bytes, and what is known of it.
    ///
    /// # Errors
    /// [`CeremonyFault`] names the file, and the contribution or department at fault.
    pub fn attested_key(
        &self,
        circuit: CircuitId,
        contributed: usize,
        keys: &Keys,
    ) -> Result<(Vec<u8>, Unfinished), CeremonyFault> {
        let path = self.key_of(circuit, contributed);
        let bytes = read(&path)?;
        let found = self.unfinished(&path, &bytes, circuit, contributed)?;
        for index in 0..contributed {
            self.check_attestation(circuit, index, &found, keys)?;
        }
        Ok((bytes, found))
    }

    /// That the participant at `index` attests its contribution in a key.
    fn check_attestation(
        &self,
        circuit: CircuitId,
        index: usize,
        found: &Unfinished,
        keys: &Keys,
    ) -> Result<(), CeremonyFault> {
        let attestation = self.read_attestation(circuit, index)?;
        let department = self.plan.participants[index];
        let (fixed, contribution) =
            (Digest::from_bytes(found.fixed), &found.contributions.list[index]);
        let attested = self.attested(circuit, index, &fixed);
        let mut keys = keys.get(&department).into_iter();
        if keys.any(|key| attested.is_signed(&attestation, contribution, key)) {
            return Ok(());
        }
        let path = self.attestation(circuit, index);
        Err(CeremonyFault::OtherAttestation { path, department })
    }

    /// What the participant at `index` signs for a circuit, of whose key a part is fixed.
    pub fn attested<'a>(
        &'a self,
        circuit: CircuitId,
        index: usize,
        fixed: &'a Digest,
    ) -> Attested<'a> {
        let Plan { network, phase_one, participants, circuits, .. } = &self.plan;
        let (department, constraints) = (&participants[index], &circuits[&circuit]);
        Attested { network, department, circuit, constraints, phase_one, fixed }
    }

    /// Reads an attestation.
    fn read_attestation(
        &self,
        circuit: CircuitId,
        index: usize,
    ) -> Result<Attestation, CeremonyFault> {
        let path = self.attestation(circuit, index);
        let bytes = read(&path)?;
        serde_json::from_slice(&bytes).map_err(|error| CeremonyFault::Attestation { path, error })
    }
}

/// The longest file that is read: a first phase of power 20 is shorter.
const MAX_FILE_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Reads a file of a ceremony: whoever had the folder before may have put something else there.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CeremonyFault> {
    let path = || path.to_owned();
    read_file(&path()).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => CeremonyFault::Missing { path: path() },
        _ => CeremonyFault::Read { path: path(), error },
    })
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    // Not through a link, and without waiting for the other end of a pipe.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = flags.bits().try_into().expect("flags of open fit its type");
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no file, or too long for one"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
