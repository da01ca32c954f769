//! What a run of `proofgate circuits bench` measured, and its three spellings: `report.json` for programs and
//! later comparisons, `report.md` and `report.html` for people.
//!
//! Nothing here measures, reads a clock or touches a file.

mod before;
mod comparison;
mod contents;
mod html;
mod markdown;
mod number;
mod plot;
#[cfg(test)]
mod tests;
mod timing;

use std::collections::BTreeMap;

use circuits::statement::CircuitId;
use crypto::Digest;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use before::ClauseFigure;
pub use comparison::{Comparison, Difference, Unit};
pub use timing::Timing;

/// The report format this version writes and reads.
pub const FORMAT: &str = "proofgate/circuit-report/v1";
/// The longest report that is read, in bytes: 4 MiB, a hundred times an ordinary one.
pub const MAX_REPORT_BYTES: usize = 4 * 1024 * 1024;

/// A run's figures and where they come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`FORMAT`].
    pub format: String,
    /// When the run began: RFC 3339, UTC.
    pub made: String,
    /// The command line, word by word.
    pub command: Vec<String>,
    /// Fewer repetitions than a report that is to be cited.
    pub quick: bool,
    /// The source's commit, if it is known.
    pub commit: Option<String>,
    /// Versions of the software, by name.
    pub versions: BTreeMap<String, String>,
    /// The machine.
    pub machine: Machine,
    /// Each circuit that is proved with.
    pub circuits: Vec<CircuitFigures>,
    /// Circuits of other sizes, which nobody proves with.
    pub variants: Vec<Variants>,
    /// What a reader must know of how this was measured, or was not.
    pub notes: Vec<String>,
    /// Against an earlier report.
    pub comparison: Option<Comparison>,
}

/// What the figures were measured on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Logical processors that this process may use.
    pub threads: usize,
    /// Installed memory.
    pub memory_bytes: Option<u64>,
    /// The operating system and its version.
    pub system: String,
    /// The instruction set.
    pub architecture: String,
}

/// The figures of one circuit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CircuitFigures {
    /// The circuit.
    pub circuit: CircuitId,
    /// SHA-256 of its `.r1cs` file.
    pub r1cs_sha256: Digest,
    /// Constraints.
    pub constraints: u64,
    /// Private wires.
    pub private_wires: u64,
    /// Public inputs.
    pub public_inputs: u64,
    /// Constraints by clause, and what they were in the first complete version.
    pub clauses: Vec<ClauseFigure>,
    /// Lengths of the files.
    pub bytes: FileSizes,
    /// Making a development key.
    pub setup: Timing,
    /// Assigning all wires and checking every constraint.
    pub witness: Timing,
    /// Proving on one thread, the witness included.
    pub prove_one_thread: Timing,
    /// Proving on all threads, the witness included.
    pub prove_all_threads: Timing,
    /// Verifying one proof, on one thread.
    pub verify: Timing,
    /// Verifying many at once.
    pub batches: Vec<BatchFigure>,
    /// Memory of the process while it proves, where the system tells.
    pub prove_memory: Option<Memory>,
    /// snarkjs on the same key, constraints and witness.
    pub snarkjs: Snarkjs,
}

/// Lengths of a circuit's files, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSizes {
    /// A proof, compressed.
    pub proof: u64,
    /// The verifying key, compressed.
    pub verifying_key: u64,
    /// The proving key, uncompressed.
    pub proving_key: u64,
    /// The `.r1cs` file.
    pub r1cs: u64,
}

/// One proof's share of verifying a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchFigure {
    /// Proofs in the batch.
    pub proofs: u64,
    /// The whole batch's time on one thread over the number of proofs: what a proof costs.
    pub per_proof: Timing,
    /// The same on all threads: how long it takes.
    pub per_proof_all_threads: Timing,
}

/// Resident memory of the process around a phase, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Before the phase: the program, keys, matrices.
    pub before: u64,
    /// The most during the phase.
    pub peak: u64,
}

/// What another implementation took in the same run, or why there is nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Snarkjs {
    /// Its command line, with the same key and witness as files of its own forms.
    Measured {
        /// `groth16 prove`, the start of Node.js included, as one has to.
        prove: Timing,
        /// `groth16 verify`, likewise.
        verify: Timing,
        /// Starting it to do nothing, to be subtracted by whoever keeps it running.
        start: Timing,
    },
    /// It was not run.
    NotMeasured {
        /// Why.
        reason: String,
    },
}

/// Circuits that differ in one size, made from the same parts, for measurement only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variants {
    /// What differs.
    pub by: String,
    /// What exactly was built.
    pub what: String,
    /// One for each size.
    pub points: Vec<Variant>,
}

/// One such circuit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Its size.
    pub size: String,
    /// Of the size that is proved with.
    pub in_use: bool,
    /// Constraints.
    pub constraints: u64,
    /// Proving on all threads.
    pub prove: Timing,
}

/// A file is not a report.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReportError {
    /// More bytes than a report has.
    #[error("a report has at most {MAX_REPORT_BYTES} bytes, got {got}")]
    TooLong {
        /// The length of the bytes.
        got: usize,
    },
    /// Not JSON of the report's shape.
    #[error("not a report: {reason}")]
    Malformed {
        /// What is wrong, with line and column.
        reason: String,
    },
    /// A format that this version does not read.
    #[error("expected format {FORMAT:?}")]
    Format,
}

impl Report {
    /// Reads `report.json`.
    ///
    /// # Errors
    /// [`ReportError`] if the bytes are anything else.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, ReportError> {
        /// What can be read of any version's.
        #[derive(Deserialize)]
        struct Head {
            format: String,
        }
        if bytes.len() > MAX_REPORT_BYTES {
            return Err(ReportError::TooLong { got: bytes.len() });
        }
        let malformed =
            |error: serde_json::Error| ReportError::Malformed { reason: error.to_string() };
        let head: Head = serde_json::from_slice(bytes).map_err(malformed)?;
        if head.format != FORMAT {
            return Err(ReportError::Format);
        }
        serde_json::from_slice(bytes).map_err(malformed)
    }

    /// `report.json`
    pub fn to_json(&self) -> String {
        let mut json =
            serde_json::to_string_pretty(self).expect("a report has string keys and no NaN");
        json.push('\n');
        json
    }

    /// `report.md`
    pub fn to_markdown(&self) -> String {
        markdown::render(&contents::of(self))
    }

    /// `report.html`: one file that needs no other.
    pub fn to_html(&self) -> String {
        html::render(&contents::of(self))
    }
}
