//! The files of iden3's tools, so that what is claimed here can be recomputed with software that nobody
//! here wrote: `.r1cs` ([`R1cs::to_file`](crate::groth16::R1cs::to_file)), `.wtns` ([`wtns`]), verifying
//! keys, proofs and public inputs as JSON ([`json`]), `.ptau` ([`ptau`]), and the `.zkey` of a ceremony
//! ([`zkey`], [`contribution`]).
//!
//! The binary formats share one container (`sections.rs`). Every reader checks lengths, counts, canonical
//! integers and points, and names the byte at fault; what follows the end is a fault too.
//!
//! Source: iden3 `r1csfile` and `binfileutils`; snarkjs 0.7 `zkey_utils.js`, `powersoftau_utils.js`.

pub mod contribution;
pub mod json;
#[cfg(any(test, feature = "trial-ceremony"))]
pub mod known_phase_one;
pub mod ptau;
pub mod r1cs;
mod sections;
#[cfg(any(test, feature = "trial-ceremony"))]
pub mod trial_ceremony;
pub mod wtns;
pub mod zkey;

use thiserror::Error;

/// Why a binary file is not read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormatError {
    /// It begins like a file of another kind.
    #[error("byte 0: not a .{expected} file, which begins with `{expected}`")]
    Magic {
        /// The kind expected.
        expected: &'static str,
    },
    /// Another version of the format.
    #[error("byte 4: format version {got}; version {expected} is read")]
    Version {
        /// The version that is read.
        expected: u32,
        /// The file's.
        got: u32,
    },
    /// The file ends too early.
    #[error("byte {offset}: the file or section ends where {wanted} more bytes belong")]
    Truncated {
        /// Where reading began.
        offset: u64,
        /// How many bytes are missing there.
        wanted: u64,
    },
    /// There is more than there should be.
    #[error("byte {offset}: bytes after the end of the file or section")]
    Trailing {
        /// The first byte too many.
        offset: u64,
    },
    /// A section of no known kind.
    #[error("byte {offset}: section {kind} does not belong in such a file")]
    UnknownSection {
        /// Where it begins.
        offset: u64,
        /// Its number.
        kind: u32,
    },
    /// A section is there twice.
    #[error("byte {offset}: section {kind} for the second time")]
    RepeatedSection {
        /// Where the second one begins.
        offset: u64,
        /// Its number.
        kind: u32,
    },
    /// A section is missing.
    #[error("section {kind} is missing")]
    MissingSection {
        /// Its number.
        kind: u32,
    },
    /// A field that the format names is not BN254's.
    #[error("byte {offset}: not a modulus of BN254")]
    Field {
        /// Where the modulus stands.
        offset: u64,
    },
    /// An integer is not below the modulus.
    #[error("byte {offset}: an integer that is not below the modulus")]
    NotCanonical {
        /// Where it stands.
        offset: u64,
    },
    /// Coordinates of no point of the curve, or of one outside the group.
    #[error("byte {offset}: not a point of the group")]
    Point {
        /// Where it stands.
        offset: u64,
    },
    /// A number is not the one that it must be.
    #[error("byte {offset}: {what}: {got}, expected {expected}")]
    Count {
        /// Where it stands.
        offset: u64,
        /// What is counted.
        what: &'static str,
        /// What it must be.
        expected: u64,
        /// What it is.
        got: u64,
    },
    /// A wire, row or matrix that the circuit does not have.
    #[error("byte {offset}: {what} {got} is beyond the last one")]
    OutOfRange {
        /// Where it stands.
        offset: u64,
        /// What is numbered.
        what: &'static str,
        /// The number.
        got: u64,
    },
    /// What should be in increasing order is not.
    #[error("byte {offset}: {what} out of order")]
    Order {
        /// Where it stands.
        offset: u64,
        /// What is ordered.
        what: &'static str,
    },
    /// A name is not UTF-8.
    #[error("byte {offset}: a name that is not UTF-8")]
    Name {
        /// Where it stands.
        offset: u64,
    },
}

#[cfg(test)]
mod tests;
