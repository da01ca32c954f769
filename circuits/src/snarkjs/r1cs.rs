//! `.r1cs`: constraint matrices. Written by [`R1cs::to_file`].
//!
//! Source: iden3 `r1csfile` `doc/r1cs_bin_format.md`, version 1.

use ark_ff::PrimeField;
use ark_relations::gr1cs::Matrix;

use super::FormatError;
use super::sections::{Reader, Sections};
use crate::Fr;
use crate::groth16::R1cs;

const MAGIC: &str = "r1cs";
const VERSION: u32 = 1;
const HEADER: u32 = 1;
const CONSTRAINTS: u32 = 2;
const LABELS: u32 = 3;

/// Reads matrices. Terms of a row are in increasing order of their wires, as [`R1cs::to_file`] writes
/// them, so that one circuit has one file. Labels are looked at for their number only.
///
/// # Errors
/// [`FormatError`] names the byte at fault.
pub fn read(bytes: &[u8]) -> Result<R1cs, FormatError> {
    let sections = Sections::read(bytes, MAGIC, VERSION, &[HEADER, CONSTRAINTS, LABELS])?;
    let mut header = sections.get(HEADER)?;
    header.modulus(Fr::MODULUS)?;
    let offset = header.offset();
    let wires = header.u32()? as usize;
    header.expect("public outputs", 0)?;
    let public_inputs = header.u32()? as usize;
    let private = header.u32()? as usize;
    let expected = (1 + public_inputs as u64) + private as u64;
    if expected != wires as u64 {
        let got = wires as u64;
        return Err(FormatError::Count { offset, what: "wires", expected, got });
    }
    let offset = header.offset();
    let labels = header.u64()?;
    if labels != wires as u64 {
        let expected = wires as u64;
        return Err(FormatError::Count { offset, what: "labels", expected, got: labels });
    }
    let count = header.u32()? as usize;
    header.end()?;
    sections.get(LABELS)?.expect_left("bytes of labels", wires.saturating_mul(8))?;

    let mut rows = sections.get(CONSTRAINTS)?;
    // A row has twelve bytes at least: what is not there is not allocated.
    let capacity = count.min(rows.left() / 12);
    let mut matrices: [Matrix<Fr>; 3] = std::array::from_fn(|_| Vec::with_capacity(capacity));
    for _ in 0..count {
        for matrix in &mut matrices {
            matrix.push(row(&mut rows, wires)?);
        }
    }
    rows.end()?;
    Ok(R1cs::from_matrices(matrices, public_inputs + 1, private))
}

fn row(rows: &mut Reader<'_>, wires: usize) -> Result<Vec<(Fr, usize)>, FormatError> {
    let terms = rows.u32()?;
    let mut row: Vec<(Fr, usize)> = Vec::new();
    for _ in 0..terms {
        let offset = rows.offset();
        let wire = rows.u32()? as usize;
        if wire >= wires {
            return Err(FormatError::OutOfRange { offset, what: "wire", got: wire as u64 });
        }
        if row.last().is_some_and(|(_, last)| *last >= wire) {
            return Err(FormatError::Order { offset, what: "wires of a row" });
        }
        row.push((rows.scalar()?, wire));
    }
    Ok(row)
}
