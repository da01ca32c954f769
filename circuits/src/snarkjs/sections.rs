//! iden3's container: four letters, a version, and sections of `kind (u32) ‖ length (u64) ‖ bytes`, all
//! little-endian.

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, BigInt, BigInteger, PrimeField, Zero};

use super::FormatError;

/// Bytes of a field element.
pub(super) const ELEMENT: usize = 32;
/// Bytes of a point of the first group.
pub(super) const G1: usize = 2 * ELEMENT;
/// Bytes of a point of the second group.
pub(super) const G2: usize = 4 * ELEMENT;

/// The sections of one file.
#[derive(Debug)]
pub(super) struct Sections<'a> {
    /// Kind, content.
    sections: Vec<(u32, Reader<'a>)>,
}

impl<'a> Sections<'a> {
    /// Cuts a file into its sections, each of another of the `known` kinds.
    pub(super) fn read(
        bytes: &'a [u8],
        magic: &'static str,
        version: u32,
        known: &[u32],
    ) -> Result<Self, FormatError> {
        let mut file = Reader::new(bytes);
        if !bytes.starts_with(magic.as_bytes()) {
            return Err(FormatError::Magic { expected: magic });
        }
        file.take(magic.len())?;
        let got = file.u32()?;
        if got != version {
            return Err(FormatError::Version { expected: version, got });
        }
        let count = file.u32()?;
        let mut sections: Vec<(u32, Reader<'a>)> = Vec::new();
        for _ in 0..count {
            let offset = file.offset();
            let kind = file.u32()?;
            if !known.contains(&kind) {
                return Err(FormatError::UnknownSection { offset, kind });
            }
            if sections.iter().any(|(other, _)| *other == kind) {
                return Err(FormatError::RepeatedSection { offset, kind });
            }
            let length = file.u64()?;
            let content = Reader { offset: file.offset(), bytes: file.take_long(length)? };
            sections.push((kind, content));
        }
        file.end()?;
        Ok(Self { sections })
    }

    /// The content of a section.
    pub(super) fn get(&self, kind: u32) -> Result<Reader<'a>, FormatError> {
        self.sections
            .iter()
            .find(|(other, _)| *other == kind)
            .map(|(_, content)| content.clone())
            .ok_or(FormatError::MissingSection { kind })
    }
}

/// Bytes of a file, from an offset on.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    /// Of the next byte, in the file.
    offset: u64,
}

impl<'a> Reader<'a> {
    /// Of bytes that are no part of a file.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Where the next byte stands in the file.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes are left.
    pub(super) const fn left(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], FormatError> {
        self.take_long(length as u64)
    }

    fn take_long(&mut self, length: u64) -> Result<&'a [u8], FormatError> {
        let split = usize::try_from(length).ok().and_then(|at| self.bytes.split_at_checked(at));
        let Some((taken, rest)) = split else {
            let wanted = length - self.bytes.len() as u64;
            return Err(FormatError::Truncated { offset: self.offset, wanted });
        };
        self.bytes = rest;
        self.offset += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        Ok(self.take(N)?.try_into().expect("as many bytes as were asked for"))
    }

    pub(super) fn u8(&mut self) -> Result<u8, FormatError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A `u32` that must have this value.
    pub(super) fn expect(
        &mut self,
        what: &'static str,
        expected: usize,
    ) -> Result<(), FormatError> {
        let offset = self.offset;
        let got = u64::from(self.u32()?);
        let expected = expected as u64;
        if got == expected {
            Ok(())
        } else {
            Err(FormatError::Count { offset, what, expected, got })
        }
    }

    /// That exactly so many bytes are left.
    pub(super) fn expect_left(
        &self,
        what: &'static str,
        expected: usize,
    ) -> Result<(), FormatError> {
        let (offset, got) = (self.offset, self.left() as u64);
        let expected = expected as u64;
        if got == expected {
            Ok(())
        } else {
            Err(FormatError::Count { offset, what, expected, got })
        }
    }

    /// That nothing is left.
    pub(super) const fn end(&self) -> Result<(), FormatError> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(FormatError::Trailing { offset: self.offset })
        }
    }

    /// `32 ‖ modulus`
    pub(super) fn modulus(&mut self, modulus: BigInt<4>) -> Result<(), FormatError> {
        self.expect("bytes of a field element", ELEMENT)?;
        let offset = self.offset;
        if self.limbs()? == modulus { Ok(()) } else { Err(FormatError::Field { offset }) }
    }

    pub(super) fn limbs(&mut self) -> Result<BigInt<4>, FormatError> {
        let bytes: [u8; ELEMENT] = self.array()?;
        let mut limbs = [0u64; 4];
        for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
            *limb = u64::from_le_bytes(chunk.try_into().expect("chunks_exact(8) yields 8 bytes"));
        }
        Ok(BigInt(limbs))
    }

    /// A scalar as the integer that it is.
    pub(super) fn scalar(&mut self) -> Result<Fr, FormatError> {
        let offset = self.offset;
        Fr::from_bigint(self.limbs()?).ok_or(FormatError::NotCanonical { offset })
    }

    /// A scalar `x` as the integer `x·2^512`, as `.zkey` files have their coefficients.
    pub(super) fn doubly_montgomery_scalar(&mut self) -> Result<Fr, FormatError> {
        let offset = self.offset;
        let limbs = self.limbs()?;
        if limbs >= Fr::MODULUS {
            return Err(FormatError::NotCanonical { offset });
        }
        // Taken as a Montgomery form, a canonical integer n is the element n·2^-256; 1 is 2^-256.
        Ok(Fr::new_unchecked(limbs) * Fr::new_unchecked(BigInt::one()))
    }

    /// A coordinate `x` as the integer `x·2^256`.
    fn coordinate(&mut self) -> Result<Fq, FormatError> {
        let offset = self.offset;
        let limbs = self.limbs()?;
        if limbs < Fq::MODULUS {
            // The integer is a Montgomery form, and was just seen to be canonical.
            Ok(Fq::new_unchecked(limbs))
        } else {
            Err(FormatError::NotCanonical { offset })
        }
    }

    /// A point of the first group, which has no other; the identity is all zeros.
    pub(super) fn g1(&mut self) -> Result<G1Affine, FormatError> {
        let offset = self.offset;
        let (x, y) = (self.coordinate()?, self.coordinate()?);
        if x.is_zero() && y.is_zero() {
            return Ok(G1Affine::identity());
        }
        let point = G1Affine::new_unchecked(x, y); // checked on the next line
        if point.is_on_curve() { Ok(point) } else { Err(FormatError::Point { offset }) }
    }

    /// A point of the second group; the identity is all zeros.
    pub(super) fn g2(&mut self) -> Result<G2Affine, FormatError> {
        let offset = self.offset;
        let x = Fq2::new(self.coordinate()?, self.coordinate()?);
        let y = Fq2::new(self.coordinate()?, self.coordinate()?);
        if x == Fq2::ZERO && y == Fq2::ZERO {
            return Ok(G2Affine::identity());
        }
        let point = G2Affine::new_unchecked(x, y); // checked on the next line
        if point.is_on_curve() && point.is_in_correct_subgroup_assuming_on_curve() {
            Ok(point)
        } else {
            Err(FormatError::Point { offset })
        }
    }

    /// The rest as points of the first group, of which there must be so many.
    pub(super) fn g1s(
        mut self,
        what: &'static str,
        count: usize,
    ) -> Result<Vec<G1Affine>, FormatError> {
        self.expect_left(what, count * G1)?;
        (0..count).map(|_| self.g1()).collect()
    }

    /// The rest as points of the second group, of which there must be so many.
    pub(super) fn g2s(
        mut self,
        what: &'static str,
        count: usize,
    ) -> Result<Vec<G2Affine>, FormatError> {
        self.expect_left(what, count * G2)?;
        (0..count).map(|_| self.g2()).collect()
    }
}

/// Writes a file.
pub(super) fn write(magic: &str, version: u32, sections: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut file = magic.as_bytes().to_vec();
    file.extend(version.to_le_bytes());
    let count = u32::try_from(sections.len()).expect("a handful of sections");
    file.extend(count.to_le_bytes());
    for (kind, content) in sections {
        file.extend(kind.to_le_bytes());
        file.extend((content.len() as u64).to_le_bytes());
        file.extend(content);
    }
    file
}

/// `32 ‖ modulus`, as headers have it.
pub(super) fn modulus(modulus: BigInt<4>) -> Vec<u8> {
    let mut bytes = 32u32.to_le_bytes().to_vec();
    bytes.extend(modulus.to_bytes_le());
    bytes
}

/// `x·2^512`, as `.zkey` files have their coefficients.
pub(super) fn doubly_montgomery_scalar(x: Fr) -> Vec<u8> {
    // R is 2^256 modulo the modulus, and the first field of an element its Montgomery form.
    (x * Fr::new(Fr::R)).0.to_bytes_le()
}

/// Points of the first group, in Montgomery form; the identity is all zeros.
pub(super) fn g1s(points: &[G1Affine]) -> Vec<u8> {
    let coordinates = points.iter().flat_map(|point| {
        let (x, y) = point.xy().unwrap_or_default();
        [x, y]
    });
    coordinates.flat_map(|it| it.0.to_bytes_le()).collect()
}

/// Points of the second group, in Montgomery form; the identity is all zeros.
pub(super) fn g2s(points: &[G2Affine]) -> Vec<u8> {
    let coordinates = points.iter().flat_map(|point| {
        let (x, y) = point.xy().unwrap_or_default();
        [x.c0, x.c1, y.c0, y.c1]
    });
    coordinates.flat_map(|it| it.0.to_bytes_le()).collect()
}
