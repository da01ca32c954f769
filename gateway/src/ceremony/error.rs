//! What is wrong with a ceremony.

use std::io;
use std::path::{Path, PathBuf};

use chain::identifier::{DepartmentId, NetworkId};
use circuits::snarkjs::FormatError;
use circuits::snarkjs::zkey::ZkeyError;
use circuits::statement::CircuitId;
use crypto::Digest;
use thiserror::Error;

use super::CEREMONY_FORMAT;
use crate::document::ceremony::{CeremonyError, MAX_DEPARTMENTS, MIN_DEPARTMENTS};
use crate::folder::FileError;

/// What is wrong with a ceremony.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CeremonyFault {
    /// A file cannot be made.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no plan.
    #[error(
        "{}: there is no ceremony in this folder; proofgate setup begin makes one", path.display()
    )]
    NoPlan {
        /// Where it should be.
        path: PathBuf,
    },
    /// A file that belongs to it is not there.
    #[error(
        "{}: missing: the ceremony's folder is not here as a whole, copy it again", path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// The plan is none.
    #[error(
        "{}: not a ceremony's plan: {error}; a file that was cut or damaged is to be copied again", path.display()
    )]
    Plan {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// The plan is of another format.
    #[error("not a ceremony of format {CEREMONY_FORMAT}")]
    Format,
    /// Too few are to contribute.
    #[error(
        "at least {MIN_DEPARTMENTS} departments must contribute, not {got}: one alone could forge"
    )]
    TooFew {
        /// How many.
        got: usize,
    },
    /// Too many are to contribute.
    #[error(
        "at most {MAX_DEPARTMENTS} departments can contribute, not {got}: a document of the chain holds the words \
         of no more"
    )]
    TooMany {
        /// How many.
        got: usize,
    },
    /// One is to contribute twice.
    #[error("{department} is named twice among those who contribute")]
    Twice {
        /// Who.
        department: DepartmentId,
    },
    /// There is no circuit to it.
    #[error("a ceremony is about one circuit at least")]
    NoCircuit,
    /// It is another network's.
    #[error("the ceremony is of another network, {named}")]
    Network {
        /// The network that the plan names.
        named: NetworkId,
    },
    /// A circuit is another one here.
    #[error("{circuit}: the ceremony is about constraints {named}, and this build has {ours}")]
    Constraints {
        /// The circuit.
        circuit: CircuitId,
        /// SHA-256 of the `.r1cs` in the plan.
        named: Digest,
        /// SHA-256 of this build's.
        ours: Digest,
    },
    /// The first phase is another one than the plan names.
    #[error(
        "{}: not the first phase whose digest ceremony.json has; a file that was cut or damaged is to be copied again",
        path.display()
    )]
    PhaseOne {
        /// The file.
        path: PathBuf,
    },
    /// The first phase is too small.
    #[error(
        "{}: a first phase of power {got}; these circuits need {needed} or more: snarkjs powersoftau new bn128 \
         {needed} begins one, and --circuit names those that need less", path.display()
    )]
    Small {
        /// The file.
        path: PathBuf,
        /// Its power of two.
        got: u32,
        /// That of the largest circuit.
        needed: u32,
    },
    /// The first phase lacks what a second one needs.
    #[error(
        "{}: not prepared for a second phase: snarkjs powersoftau prepare phase2 does that, in minutes",
        path.display()
    )]
    Unprepared {
        /// The file.
        path: PathBuf,
    },
    /// Too few have contributed to the first phase.
    #[error(
        "{}: {got} contributed to this first phase besides beacons, and at least {MIN_DEPARTMENTS} must: one \
         alone could forge. snarkjs powersoftau contribute adds another, before it is prepared", path.display()
    )]
    Alone {
        /// The file.
        path: PathBuf,
        /// How many.
        got: usize,
    },
    /// A file is malformed.
    #[error("{}: {error}; a file that was cut or damaged is to be copied again", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and at which byte.
        error: FormatError,
    },
    /// A key is none.
    #[error("{}: {error}; a file that was cut or damaged is to be copied again", path.display())]
    Zkey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        error: ZkeyError,
    },
    /// The department does not take part.
    #[error("{department} does not take part in this ceremony; ceremony.json says who does")]
    NoParticipant {
        /// The department.
        department: DepartmentId,
    },
    /// It is another department's turn.
    #[error(
        "it is the turn of {whose}, and not yet of {department}; if {whose} has contributed, this is an older \
         copy of the folder"
    )]
    Turn {
        /// Who came.
        department: DepartmentId,
        /// Whose turn it is.
        whose: DepartmentId,
    },
    /// The department has contributed.
    #[error("{department} has contributed already")]
    Contributed {
        /// The department.
        department: DepartmentId,
    },
    /// Not all have contributed.
    #[error("{whose} has yet to contribute; if it has, this is an older copy of the folder")]
    Unfinished {
        /// Whose turn it is.
        whose: DepartmentId,
    },
    /// All have contributed, and the beacon is missing.
    #[error(
        "the beacon is missing: proofgate setup beacon; if that was done, this is an older copy of the folder"
    )]
    NoBeacon,
    /// The beacon ended it already.
    #[error("this ceremony has ended")]
    Ended,
    /// The beacon's randomness was known before.
    #[error(
        "the first phase ended with this randomness, which was known before the last contribution: take new \
         randomness, of a source that spoke after it"
    )]
    SpentBeacon,
    /// A key has other contributions than it should have.
    #[error(
        "{}: expected the contributions of {}, in this order and under these names", path.display(),
        if expected.is_empty() { "nobody".to_owned() } else { names(expected) }
    )]
    OtherContributions {
        /// The file.
        path: PathBuf,
        /// Whose it should have.
        expected: Vec<DepartmentId>,
    },
    /// A key does not follow from the one before it.
    #[error("{}: its contributions are not those of the key before it and one more", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
    },
    /// An attestation is none.
    #[error("{}: not an attestation: {error}", path.display())]
    Attestation {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// An attestation is another's, or for something else.
    #[error("{}: {department} did not sign this for its contribution", path.display())]
    OtherAttestation {
        /// The file.
        path: PathBuf,
        /// Who should have.
        department: DepartmentId,
    },
    /// A circuit's transcript does not hold.
    #[error("{circuit}: {error}")]
    Transcript {
        /// The circuit.
        circuit: CircuitId,
        /// What does not hold.
        error: CeremonyError,
    },
}

fn names(departments: &[DepartmentId]) -> String {
    let names: Vec<_> = departments.iter().map(DepartmentId::as_str).collect();
    names.join(", ")
}

impl CeremonyFault {
    pub(super) fn format_at(path: &Path) -> impl FnOnce(FormatError) -> Self {
        move |error| Self::Malformed { path: path.to_owned(), error }
    }

    pub(super) fn zkey_at(path: &Path) -> impl FnOnce(ZkeyError) -> Self {
        move |error| Self::Zkey { path: path.to_owned(), error }
    }
}
