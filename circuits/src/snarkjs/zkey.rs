//! `.zkey`: the proving key that a ceremony ends with.
//!
//! Every point is checked, and that the key's A and B are this circuit's. Whether the rest of it is
//! right cannot be seen from the file alone: `snarkjs zkey verify` compares it with the first phase.
//!
//! Source: snarkjs `zkey_utils.js`, `zkey_new.js`; format version 1.

use ark_bn254::{Fq, G1Affine};
use ark_ff::{One, PrimeField};
use thiserror::Error;

use super::FormatError;
use super::contribution::{self, ContributionError, Contributions};
use super::sections::{self, ELEMENT, G1, Reader, Sections};
use crate::Fr;
use crate::groth16::{KeyError, ProvingKey, R1cs, fixed_digest};

const MAGIC: &str = "zkey";
const VERSION: u32 = 1;
const KIND: u32 = 1;
const HEADER: u32 = 2;
const IC: u32 = 3;
const COEFFICIENTS: u32 = 4;
const A: u32 = 5;
const B1: u32 = 6;
const B2: u32 = 7;
const L: u32 = 8;
const H: u32 = 9;
const CONTRIBUTIONS: u32 = 10;
const GROTH16: usize = 1;

/// Why a `.zkey` is not a key to use.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ZkeyError {
    /// The file is malformed, or of a circuit of another size.
    #[error("{0}")]
    Format(#[from] FormatError),
    /// The key is of another circuit.
    #[error(
        "byte {offset}: the key is of another circuit, whose matrix {matrix} differs in row {row}"
    )]
    OtherCircuit {
        /// Of the coefficients.
        offset: u64,
        /// `A` or `B`.
        matrix: char,
        /// The first row that differs, from 0.
        row: usize,
    },
    /// Anybody could forge under it.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// A contribution is not what it should be.
    #[error("{0}")]
    Contribution(#[from] ContributionError),
}

/// A ceremony's key, and who contributed to it.
#[derive(Clone, Debug)]
pub struct Zkey {
    /// The key.
    pub key: ProvingKey,
    /// Who contributed.
    pub contributions: Contributions,
}

/// What is known of a key that may not be finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Who contributed so far; the chain of contributions leads to the key's δ.
    pub contributions: Contributions,
    /// [`VerifyingKey::fixed_digest`](crate::groth16::VerifyingKey::fixed_digest) of the key, which
    /// contributions do not change.
    pub fixed: [u8; 32],
}

/// Reads what is known of a key of so many public inputs that may not be finished. The points of its
/// queries are not looked at.
///
/// # Errors
/// [`ZkeyError`] names the byte or contribution at fault.
pub fn unfinished(bytes: &[u8], public_inputs: usize) -> Result<Unfinished, ZkeyError> {
    let known: Vec<u32> = (KIND..=CONTRIBUTIONS).collect();
    let sections = Sections::read(bytes, MAGIC, VERSION, &known)?;
    let mut header = sections.get(HEADER)?;
    header.modulus(Fq::MODULUS)?;
    header.modulus(Fr::MODULUS)?;
    header.take(4)?; // wires
    header.expect("public inputs", public_inputs)?;
    header.take(4)?; // size of the domain
    let alpha_g1 = header.g1()?;
    header.take(G1)?; // β
    let (beta_g2, gamma_g2) = (header.g2()?, header.g2()?);
    let delta = header.g1()?;
    let delta_g2 = header.g2()?;
    let gamma_abc_g1 = sections.get(IC)?.g1s("bytes of input points", public_inputs + 1)?;
    let contributions = Contributions::read(sections.get(CONTRIBUTIONS)?)?;
    contributions.verify(delta)?;
    let key = ark_groth16::VerifyingKey { alpha_g1, beta_g2, gamma_g2, delta_g2, gamma_abc_g1 };
    Ok(Unfinished { contributions, fixed: fixed_digest(&key) })
}

/// Reads the key of the circuit whose matrices these are.
///
/// # Errors
/// [`ZkeyError`] names the byte or contribution at fault.
pub fn read(r1cs: R1cs, bytes: &[u8]) -> Result<Zkey, ZkeyError> {
    let known: Vec<u32> = (KIND..=CONTRIBUTIONS).collect();
    let sections = Sections::read(bytes, MAGIC, VERSION, &known)?;
    let mut kind = sections.get(KIND)?;
    kind.expect("proof system", GROTH16)?;
    kind.end()?;
    let mut header = sections.get(HEADER)?;
    header.modulus(Fq::MODULUS)?;
    header.modulus(Fr::MODULUS)?;
    header.expect("wires", r1cs.variables())?;
    header.expect("public inputs", r1cs.public_inputs())?;
    header.expect("size of the domain", r1cs.domain_size())?;
    let alpha_g1 = header.g1()?;
    let beta_g1 = header.g1()?;
    let beta_g2 = header.g2()?;
    let gamma_g2 = header.g2()?;
    let delta_g1 = header.g1()?;
    let delta_g2 = header.g2()?;
    header.end()?;
    coefficients(&r1cs, sections.get(COEFFICIENTS)?)?;
    let contributions = Contributions::read(sections.get(CONTRIBUTIONS)?)?;
    let wires = r1cs.variables();
    let first_group = |kind, what, count| -> Result<Vec<G1Affine>, FormatError> {
        sections.get(kind)?.g1s(what, count)
    };
    let points = ark_groth16::ProvingKey {
        vk: ark_groth16::VerifyingKey {
            alpha_g1,
            beta_g2,
            gamma_g2,
            delta_g2,
            gamma_abc_g1: first_group(IC, "bytes of input points", r1cs.instance_variables())?,
        },
        beta_g1,
        delta_g1,
        a_query: first_group(A, "bytes of A points", wires)?,
        b_g1_query: first_group(B1, "bytes of B points in the first group", wires)?,
        b_g2_query: sections.get(B2)?.g2s("bytes of B points in the second group", wires)?,
        h_query: first_group(H, "bytes of h points", r1cs.domain_size())?,
        l_query: first_group(L, "bytes of C points", r1cs.witness_variables())?,
    };
    let key = ProvingKey::checked(r1cs, points)?;
    contributions.verify(delta_g1)?;
    Ok(Zkey { key, contributions })
}

/// A key as a `.zkey` without contributions: snarkjs proves with it. [`read`] refuses it, and so does a
/// ceremony, for nothing in it says where it comes from.
///
/// # Panics
/// If the circuit has 2³² wires, rows or terms.
pub fn write(key: &ProvingKey) -> Vec<u8> {
    with_contributions(key, vec![0; contribution::HASH_BYTES + 4])
}

/// A key as a `.zkey` with the contributions that lead to it.
///
/// # Panics
/// As [`write`].
#[cfg(any(test, feature = "trial-ceremony"))]
pub fn write_with(key: &ProvingKey, contributions: &Contributions) -> Vec<u8> {
    with_contributions(key, contributions.to_bytes())
}

fn with_contributions(key: &ProvingKey, contributions: Vec<u8>) -> Vec<u8> {
    let (r1cs, points) = (key.r1cs(), key.points());
    let small = |number: usize| {
        u32::try_from(number).expect("circuits are far below 2^32 wires").to_le_bytes()
    };
    let mut header = sections::modulus(Fq::MODULUS);
    header.extend(sections::modulus(Fr::MODULUS));
    for count in [r1cs.variables(), r1cs.public_inputs(), r1cs.domain_size()] {
        header.extend(small(count));
    }
    let vk = &points.vk;
    header.extend(sections::g1s(&[vk.alpha_g1, points.beta_g1]));
    header.extend(sections::g2s(&[vk.beta_g2, vk.gamma_g2]));
    header.extend(sections::g1s(&[points.delta_g1]));
    header.extend(sections::g2s(&[vk.delta_g2]));
    let entries = entries(r1cs);
    let mut coefficients = small(entries.len()).to_vec();
    for ((row, matrix, wire), value) in entries {
        for number in [matrix, row, wire] {
            coefficients.extend(small(number));
        }
        coefficients.extend(sections::doubly_montgomery_scalar(value));
    }
    let content = [
        (KIND, small(GROTH16).to_vec()),
        (HEADER, header),
        (IC, sections::g1s(&vk.gamma_abc_g1)),
        (COEFFICIENTS, coefficients),
        (A, sections::g1s(&points.a_query)),
        (B1, sections::g1s(&points.b_g1_query)),
        (B2, sections::g2s(&points.b_g2_query)),
        (L, sections::g1s(&points.l_query)),
        (H, sections::g1s(&points.h_query)),
        (CONTRIBUTIONS, contributions),
    ];
    sections::write(MAGIC, VERSION, &content)
}

/// One entry of A or B: row, matrix, wire.
type Place = (usize, usize, usize);

/// That A and B are the circuit's, with one row more for each input: `input · 0 = 0`.
fn coefficients(r1cs: &R1cs, mut section: Reader<'_>) -> Result<(), ZkeyError> {
    let start = section.offset();
    let count = section.u32()? as usize;
    section.expect_left("bytes of coefficients", count.saturating_mul(12 + ELEMENT))?;
    let mut got: Vec<(Place, Fr)> = Vec::with_capacity(count);
    for _ in 0..count {
        let mut number = |what, limit: usize| {
            let offset = section.offset();
            let got = section.u32()? as usize;
            let beyond = FormatError::OutOfRange { offset, what, got: got as u64 };
            if got < limit { Ok(got) } else { Err(beyond) }
        };
        let matrix = number("matrix", 2)?;
        let row = number("row", r1cs.constraints() + r1cs.instance_variables())?;
        let wire = number("wire", r1cs.variables())?;
        got.push(((row, matrix, wire), section.doubly_montgomery_scalar()?));
    }
    let expected = entries(r1cs);
    got.sort_unstable_by_key(|(place, _)| *place);
    if got == expected {
        return Ok(());
    }
    let differs = got.iter().zip(&expected).find(|(got, expected)| got != expected);
    let longer = || got.get(expected.len()).or_else(|| expected.get(got.len()));
    let place = differs
        .map(|(got, expected)| got.0.min(expected.0))
        .or_else(|| longer().map(|(place, _)| *place));
    let (row, matrix, _) = place.expect("they differ in an entry or in length");
    Err(ZkeyError::OtherCircuit { offset: start, matrix: ['A', 'B'][matrix], row })
}

/// The entries of A and B, and the inputs' rows, in order.
fn entries(r1cs: &R1cs) -> Vec<(Place, Fr)> {
    let rows = (0..2).flat_map(|matrix| {
        r1cs.matrices()[matrix].iter().enumerate().flat_map(move |(row, terms)| {
            terms.iter().map(move |(factor, wire)| ((row, matrix, *wire), *factor))
        })
    });
    let inputs =
        (0..r1cs.instance_variables()).map(|i| ((r1cs.constraints() + i, 0, i), Fr::one()));
    let mut entries: Vec<(Place, Fr)> = rows.chain(inputs).collect();
    entries.sort_unstable_by_key(|(place, _)| *place);
    entries
}
