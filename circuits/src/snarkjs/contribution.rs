//! What each participant of a second phase left in the `.zkey`, and the check that it is a chain.
//!
//! A contribution multiplies δ by a secret `x`. Its public half is `(s, x·s)` in the first group and
//! `x·h` in the second, where `h` is a hash of everything before and of the first two: so it was made
//! after the ones before it, by somebody who knew `x`. Whoever knows all of them can forge; one who
//! forgets his is enough.
//!
//! Source: Bowe, Gabizon, Miers, ePrint 2017/1050, as snarkjs 0.7 does it (`zkey_contribute.js`,
//! `zkey_verify_frominit.js`, `keypair.js`).

use ark_bn254::{Bn254, Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{BigInt, BigInteger, Field, PrimeField, Zero};
use ark_std::rand::{RngCore, SeedableRng};
use blake2::{Blake2b512, Digest};
use rand_chacha::ChaCha20Rng;
use sha2::Sha256;
use thiserror::Error;

use super::FormatError;
use super::sections::{self, Reader};
use crate::groth16::VerifyingKey;

/// Bytes of a transcript or contribution hash.
pub const HASH_BYTES: usize = 64;

/// A fraction of a second. A file that asks for more would keep its reader busy for years.
pub const MAX_ITERATIONS_EXPONENT: u8 = 20;

/// More than any ceremony of departments has; each takes milliseconds to check.
pub const MAX_CONTRIBUTIONS: u32 = 64;

/// One participant's contribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contribution {
    /// The name that the participant gave, at most 64 bytes.
    pub name: Option<String>,
    /// If it is a beacon: public randomness, which nobody chose.
    pub beacon: Option<Beacon>,
    pub(super) delta: G1Affine,
    pub(super) s: G1Affine,
    pub(super) sx: G1Affine,
    pub(super) spx: G2Affine,
    pub(super) transcript: [u8; HASH_BYTES],
}

/// Public randomness, hashed so often that nobody could try many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// The randomness.
    pub hash: Vec<u8>,
    /// SHA-256 is applied `2^iterations_exponent` times.
    pub iterations_exponent: u8,
}

/// All contributions of a key, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contributions {
    /// BLAKE2b-512 of the circuit and the first phase, as snarkjs computes it when a ceremony begins.
    pub circuit: [u8; HASH_BYTES],
    /// The contributions.
    pub list: Vec<Contribution>,
}

/// The contribution at fault, and what is wrong with it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContributionError {
    /// It does not refer to what came before it.
    #[error("contribution {number} does not follow the ones before it")]
    Transcript {
        /// From 1.
        number: usize,
    },
    /// Its maker did not show to know its secret.
    #[error("contribution {number} does not prove that its secret is known")]
    Knowledge {
        /// From 1.
        number: usize,
    },
    /// δ was not multiplied by its secret.
    #[error("contribution {number} did not turn the delta before it into the one after it")]
    Delta {
        /// From 1.
        number: usize,
    },
    /// The beacon's secret is not what its randomness gives.
    #[error("contribution {number} is not what its beacon gives")]
    Beacon {
        /// From 1.
        number: usize,
    },
    /// The key's δ is not the one after the last contribution.
    #[error("the key's delta is not the one after the last contribution")]
    KeyDelta,
}

impl Contribution {
    /// BLAKE2b-512 of the public half: what snarkjs prints as the contribution hash.
    pub fn hash(&self) -> [u8; HASH_BYTES] {
        let mut hasher = Blake2b512::new();
        self.absorb(&mut hasher);
        hasher.finalize().into()
    }

    pub(super) fn absorb(&self, hasher: &mut Blake2b512) {
        for point in [self.delta, self.s, self.sx] {
            absorb_g1(hasher, point);
        }
        absorb_g2(hasher, self.spx);
        hasher.update(self.transcript);
    }

    /// As [`contribution`] reads it.
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(sections::g1s(&[self.delta, self.s, self.sx]));
        bytes.extend(sections::g2s(&[self.spx]));
        bytes.extend(self.transcript);
        bytes.extend(u32::from(self.beacon.is_some()).to_le_bytes());
        let mut parameters = Vec::new();
        let short = |bytes: &[u8]| u8::try_from(bytes.len()).expect("at most 255 bytes");
        if let Some(name) = &self.name {
            parameters.extend([1, short(name.as_bytes())]);
            parameters.extend(name.as_bytes());
        }
        if let Some(Beacon { hash, iterations_exponent }) = &self.beacon {
            parameters.extend([2, *iterations_exponent, 3, short(hash)]);
            parameters.extend(hash);
        }
        let length = u32::try_from(parameters.len()).expect("at most a few hundred bytes");
        bytes.extend(length.to_le_bytes());
        bytes.extend(parameters);
    }

    #[cfg(test)]
    pub(super) const fn set_delta(&mut self, delta: G1Affine) {
        self.delta = delta;
    }

    /// Makes the second group's half one of no known secret.
    #[cfg(test)]
    pub(super) fn forget_secret(&mut self) {
        self.spx = G2Affine::generator();
    }

    /// Whether the secret is the one that the beacon gives, to a base that it gives as well.
    fn is_of(&self, beacon: &Beacon) -> bool {
        let mut rng = beacon.generator();
        let secret: Fr = montgomery(&mut rng);
        let base = g1(&mut rng);
        base == self.s && (base * secret).into_affine() == self.sx
    }
}

impl Beacon {
    /// What secrets are drawn from.
    pub(super) fn generator(&self) -> ChaCha20Rng {
        let mut hash = self.hash.clone();
        for _ in 0..1u64 << self.iterations_exponent {
            hash = Sha256::digest(&hash).to_vec();
        }
        generator(&hash)
    }
}

impl Contributions {
    /// That each contribution follows from the one before it, from the generator to the key's δ.
    ///
    /// What it does not show: that δ is all that changed since the ceremony began. For that, the first
    /// phase is needed, and `snarkjs zkey verify`.
    ///
    /// # Errors
    /// [`ContributionError`] names the first contribution at fault.
    pub fn verify(&self, delta: G1Affine) -> Result<(), ContributionError> {
        let mut before = Blake2b512::new();
        before.update(self.circuit);
        let mut last = G1Affine::generator();
        for (contribution, number) in self.list.iter().zip(1..) {
            let mut hasher = before.clone();
            absorb_g1(&mut hasher, contribution.s);
            absorb_g1(&mut hasher, contribution.sx);
            if hasher.finalize()[..] != contribution.transcript {
                return Err(ContributionError::Transcript { number });
            }
            let challenge = g2(&mut generator(&contribution.transcript));
            let is_power = |base, power| same_ratio(base, power, challenge, contribution.spx);
            if !is_power(contribution.s, contribution.sx) {
                return Err(ContributionError::Knowledge { number });
            }
            if !is_power(last, contribution.delta) {
                return Err(ContributionError::Delta { number });
            }
            if contribution.beacon.as_ref().is_some_and(|beacon| !contribution.is_of(beacon)) {
                return Err(ContributionError::Beacon { number });
            }
            contribution.absorb(&mut before);
            last = contribution.delta;
        }
        if last == delta { Ok(()) } else { Err(ContributionError::KeyDelta) }
    }

    /// As [`Contributions::verify`], for a key whose δ is known in the second group alone:
    /// `e(δ₁, h) = e(g, δ₂)`.
    ///
    /// # Errors
    /// [`ContributionError`] names the first contribution at fault.
    pub fn verify_for(&self, key: &VerifyingKey) -> Result<(), ContributionError> {
        let last = self.list.last().ok_or(ContributionError::KeyDelta)?;
        self.verify(last.delta)?;
        let (one, other) = (G1Affine::generator(), G2Affine::generator());
        if same_ratio(one, last.delta, other, key.points().delta_g2) {
            Ok(())
        } else {
            Err(ContributionError::KeyDelta)
        }
    }

    /// The one contribution that there is besides `before`, if these are `before` and one more.
    pub fn after(&self, before: &Self) -> Option<&Contribution> {
        let (last, others) = self.list.split_last()?;
        (self.circuit == before.circuit && others == before.list).then_some(last)
    }

    /// As the section of a `.zkey` has them: circuit hash, count, contributions.
    ///
    /// # Panics
    /// If a name or the randomness of a beacon is longer than 255 bytes, which no file can say.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.circuit.to_vec();
        let count = u32::try_from(self.list.len()).expect("each has hundreds of bytes");
        bytes.extend(count.to_le_bytes());
        self.list.iter().for_each(|it| it.write(&mut bytes));
        bytes
    }

    /// Reads what [`Contributions::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`FormatError`] names the byte at fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        Self::read(Reader::new(bytes))
    }

    /// Reads the section of a `.zkey`.
    pub(super) fn read(mut section: Reader<'_>) -> Result<Self, FormatError> {
        let circuit = hash(&mut section)?;
        let offset = section.offset();
        let count = section.u32()?;
        if count > MAX_CONTRIBUTIONS {
            let got = count.into();
            return Err(FormatError::OutOfRange { offset, what: "number of contributions", got });
        }
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(contribution(&mut section)?);
        }
        section.end()?;
        Ok(Self { circuit, list })
    }
}

fn contribution(section: &mut Reader<'_>) -> Result<Contribution, FormatError> {
    let [delta, s, sx] = [section.g1()?, section.g1()?, section.g1()?];
    let spx = section.g2()?;
    let transcript = hash(section)?;
    let (name, beacon) = made_by(section, MAX_ITERATIONS_EXPONENT)?;
    Ok(Contribution { name, beacon, delta, s, sx, spx, transcript })
}

/// Who made a contribution, of either phase: a name, if one was given, and the beacon, if it is of one.
pub(super) fn made_by(
    section: &mut Reader<'_>,
    most_iterations: u8,
) -> Result<(Option<String>, Option<Beacon>), FormatError> {
    let kind_offset = section.offset();
    let kind = section.u32()?;
    let length = section.u32()? as usize;
    let end = section.offset() + length as u64;
    let (mut name, mut exponent, mut randomness) = (None, None, None);
    let mut last = 0;
    while section.offset() < end {
        let offset = section.offset();
        let parameter = section.u8()?;
        if parameter <= last {
            return Err(FormatError::Order { offset, what: "parameters of a contribution" });
        }
        last = parameter;
        match parameter {
            1 => {
                let length = section.u8()?;
                let offset = section.offset();
                let bytes = section.take(length.into())?;
                let text = std::str::from_utf8(bytes).map_err(|_| FormatError::Name { offset })?;
                name = Some(text.to_owned());
            }
            2 => {
                let offset = section.offset();
                let bits = section.u8()?;
                if bits > most_iterations {
                    let got = bits.into();
                    return Err(FormatError::OutOfRange { offset, what: "iterations", got });
                }
                exponent = Some(bits);
            }
            3 => {
                let length = section.u8()?;
                randomness = Some(section.take(length.into())?.to_vec());
            }
            _ => {
                let (what, got) = ("parameter", parameter.into());
                return Err(FormatError::OutOfRange { offset, what, got });
            }
        }
    }
    if section.offset() != end {
        return Err(FormatError::Trailing { offset: end });
    }
    let beacon = match (kind, exponent, randomness) {
        (0, None, None) => None,
        (1, Some(iterations_exponent), Some(hash)) => Some(Beacon { hash, iterations_exponent }),
        _ => {
            let (what, got) = ("contribution type", kind.into());
            return Err(FormatError::OutOfRange { offset: kind_offset, what, got });
        }
    };
    Ok((name, beacon))
}

fn hash(section: &mut Reader<'_>) -> Result<[u8; HASH_BYTES], FormatError> {
    Ok(section.take(HASH_BYTES)?.try_into().expect("as many bytes as were asked for"))
}

/// `log_base(power) = log_challenge(power')`, none of them the identity.
fn same_ratio(base: G1Affine, power: G1Affine, challenge: G2Affine, power2: G2Affine) -> bool {
    let identity = base.is_zero() || power.is_zero() || challenge.is_zero() || power2.is_zero();
    !identity && Bn254::multi_pairing([base, -power], [power2, challenge]).is_zero()
}

/// Uncompressed, big-endian; never the identity, which [`same_ratio`] refuses.
pub(super) fn absorb_g1(hasher: &mut Blake2b512, point: G1Affine) {
    let (x, y) = point.xy().unwrap_or_default();
    for coordinate in [x, y] {
        hasher.update(coordinate.into_bigint().to_bytes_be());
    }
}

fn absorb_g2(hasher: &mut Blake2b512, point: G2Affine) {
    let (x, y) = point.xy().unwrap_or_default();
    for coordinate in [x.c1, x.c0, y.c1, y.c0] {
        hasher.update(coordinate.into_bigint().to_bytes_be());
    }
}

/// ChaCha20, keyed with the first 32 bytes as eight big-endian words.
pub(super) fn generator(hash: &[u8]) -> ChaCha20Rng {
    let mut key = [0; 32];
    for (word, bytes) in key.chunks_exact_mut(4).zip(hash.chunks_exact(4)) {
        word.copy_from_slice(bytes);
        word.reverse();
    }
    ChaCha20Rng::from_seed(key)
}

/// The next integer below the modulus, taken as a Montgomery form.
pub(super) fn montgomery<F: PrimeField<BigInt = BigInt<4>> + Montgomery>(
    rng: &mut ChaCha20Rng,
) -> F {
    loop {
        let mut limbs = [0u64; 4];
        for limb in &mut limbs {
            let high = u64::from(rng.next_u32());
            *limb = high << 32 | u64::from(rng.next_u32());
        }
        limbs[3] &= u64::MAX >> (256 - F::MODULUS_BIT_SIZE);
        let integer = BigInt(limbs);
        if integer < F::MODULUS {
            return F::from_montgomery_form(integer);
        }
    }
}

/// Fields whose elements are kept in Montgomery form.
pub(super) trait Montgomery {
    /// `integer · 2^-256`, for an integer below the modulus.
    fn from_montgomery_form(integer: BigInt<4>) -> Self;
}

impl Montgomery for Fq {
    fn from_montgomery_form(integer: BigInt<4>) -> Self {
        Self::new_unchecked(integer) // the caller saw that it is below the modulus
    }
}

impl Montgomery for Fr {
    fn from_montgomery_form(integer: BigInt<4>) -> Self {
        Self::new_unchecked(integer) // the caller saw that it is below the modulus
    }
}

/// A point whose discrete logarithm nobody knows.
pub(super) fn g1(rng: &mut ChaCha20Rng) -> G1Affine {
    loop {
        let x: Fq = montgomery(rng);
        let greatest = rng.next_u32() & 1 == 1;
        if let Some(point) = of_greater_y(x, greatest, is_greater) {
            return point;
        }
    }
}

/// A point of the subgroup whose discrete logarithm nobody knows.
pub(super) fn g2(rng: &mut ChaCha20Rng) -> G2Affine {
    loop {
        let c0 = montgomery(rng);
        let x = Fq2::new(c0, montgomery(rng));
        let greatest = rng.next_u32() & 1 == 1;
        let is_greater = |y: Fq2| is_greater(if y.c1.is_zero() { y.c0 } else { y.c1 });
        let point: Option<G2Affine> = of_greater_y(x, greatest, is_greater);
        if let Some(point) = point {
            return point.mul_by_cofactor();
        }
    }
}

/// The point at `x` with the greater `y`, or with the smaller one.
fn of_greater_y<P: ark_ec::short_weierstrass::SWCurveConfig>(
    x: P::BaseField,
    greatest: bool,
    is_greater: impl Fn(P::BaseField) -> bool,
) -> Option<ark_ec::short_weierstrass::Affine<P>> {
    let y = (x.square() * x + P::COEFF_B).sqrt()?;
    let y = if is_greater(y) == greatest { y } else { -y };
    // On the curve by how y was found; the caller brings it into the subgroup.
    Some(ark_ec::short_weierstrass::Affine::new_unchecked(x, y))
}

/// `y > (p − 1) / 2`
fn is_greater(y: Fq) -> bool {
    y.into_bigint() > Fq::MODULUS_MINUS_ONE_DIV_TWO
}
