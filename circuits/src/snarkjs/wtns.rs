//! `.wtns`: an assignment, `z` = 1, public inputs, private wires.
//!
//! **It holds the record.** Whoever reads such a file knows what the proof hides.
//!
//! Source: snarkjs `wtns_utils.js`; format version 2.

use ark_ff::{BigInteger, PrimeField};
use zeroize::Zeroizing;

use super::sections::{ELEMENT, Sections};
use super::{FormatError, sections};
use crate::Fr;

const MAGIC: &str = "wtns";
const VERSION: u32 = 2;
const HEADER: u32 = 1;
const VALUES: u32 = 2;

/// The file of an assignment's elements.
///
/// # Panics
/// If there are 2³² wires.
pub fn write(z: &[Fr]) -> Zeroizing<Vec<u8>> {
    let mut header = sections::modulus(Fr::MODULUS);
    let count = u32::try_from(z.len()).expect("circuits are far below 2^32 wires");
    header.extend(count.to_le_bytes());
    let mut values = Vec::with_capacity(z.len() * ELEMENT);
    for element in z {
        values.extend(element.into_bigint().to_bytes_le());
    }
    Zeroizing::new(sections::write(MAGIC, VERSION, &[(HEADER, header), (VALUES, values)]))
}

/// The values in a file, of any circuit.
///
/// # Errors
/// [`FormatError`] names the byte at fault.
pub fn read(bytes: &[u8]) -> Result<Zeroizing<Vec<Fr>>, FormatError> {
    let sections = Sections::read(bytes, MAGIC, VERSION, &[HEADER, VALUES])?;
    let mut header = sections.get(HEADER)?;
    header.modulus(Fr::MODULUS)?;
    let count = header.u32()? as usize;
    header.end()?;
    let mut values = sections.get(VALUES)?;
    values.expect_left("bytes of values", count.saturating_mul(ELEMENT))?;
    let mut z = Zeroizing::new(Vec::with_capacity(count));
    for _ in 0..count {
        z.push(values.scalar()?);
    }
    Ok(z)
}
