//! `.ptau`: the powers of τ of a first phase, which any circuit can use. Only what says whether it is
//! the right file is read; the points are snarkjs' to check.
//!
//! Source: snarkjs `powersoftau_utils.js`, `powersoftau_preparephase2.js`; format version 1.

use ark_bn254::Fq;
use ark_ff::PrimeField;

use super::FormatError;
use super::contribution::{self, Beacon};
use super::sections::{G1, G2, Sections};

const MAGIC: &str = "ptau";
const VERSION: u32 = 1;
const HEADER: u32 = 1;
pub(super) const TAU_G1: u32 = 2;
const TAU_G2: u32 = 3;
const CONTRIBUTIONS: u32 = 7;
/// All sections of a file that is not prepared for a second phase.
#[cfg(any(test, feature = "trial-ceremony"))]
pub(super) const UNPREPARED: [u32; 7] = [HEADER, TAU_G1, TAU_G2, 4, 5, 6, CONTRIBUTIONS];
/// Lagrange forms of τ, in both groups, of α and of β: what a second phase needs.
pub(super) const LAGRANGE: [u32; 4] = [12, 13, 14, 15];
const KNOWN: [u32; 11] = [HEADER, TAU_G1, TAU_G2, 4, 5, 6, CONTRIBUTIONS, 12, 13, 14, 15];

/// Bytes of a contribution before who made it: the first powers after it, its public keys, the state of a hash
/// over the points, and the next challenge.
const CONTRIBUTION: usize = (3 * G1 + 2 * G2) + (6 * G1 + 3 * G2) + 216 + 64;

/// What a `.ptau` file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PowersOfTau {
    /// It serves circuits whose rows and inputs are at most `2^power`.
    pub power: u32,
    /// Who made its contributions, in their order.
    pub contributors: Vec<Contributor>,
    /// Whether it is prepared for a second phase.
    pub prepared: bool,
}

/// Who made a contribution to a first phase, by the file. Names are in none of its hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contributor {
    /// The name that was given.
    pub name: Option<String>,
    /// If it is a beacon: public randomness, which nobody chose.
    pub beacon: Option<Beacon>,
}

/// Reads a file's header, the lengths of its points, and who contributed.
///
/// # Errors
/// [`FormatError`] names the byte at fault.
pub fn read(bytes: &[u8]) -> Result<PowersOfTau, FormatError> {
    let sections = sections(bytes)?;
    let mut header = sections.get(HEADER)?;
    header.modulus(Fq::MODULUS)?;
    let offset = header.offset();
    let power = header.u32()?;
    header.u32()?; // of the ceremony that it was cut from
    header.end()?;
    if power > 28 {
        return Err(FormatError::OutOfRange { offset, what: "power", got: u64::from(power) });
    }
    let size = 1usize << power;
    sections.get(TAU_G1)?.expect_left("bytes of powers in the first group", (2 * size - 1) * G1)?;
    sections.get(TAU_G2)?.expect_left("bytes of powers in the second group", size * G2)?;
    let mut section = sections.get(CONTRIBUTIONS)?;
    let mut contributors = Vec::new();
    for _ in 0..section.u32()? {
        section.take(CONTRIBUTION)?;
        // The beacon's secrets are snarkjs' to draw.
        let (name, beacon) = contribution::made_by(&mut section, u8::MAX)?;
        contributors.push(Contributor { name, beacon });
    }
    section.end()?;
    let prepared = LAGRANGE.iter().all(|kind| sections.get(*kind).is_ok());
    Ok(PowersOfTau { power, contributors, prepared })
}

/// The file's sections.
pub(super) fn sections(bytes: &[u8]) -> Result<Sections<'_>, FormatError> {
    Sections::read(bytes, MAGIC, VERSION, &KNOWN)
}

/// A file of these sections.
#[cfg(any(test, feature = "trial-ceremony"))]
pub(super) fn write(sections: &[(u32, Vec<u8>)]) -> Vec<u8> {
    super::sections::write(MAGIC, VERSION, sections)
}
