//! BabyJubJub, the curve over BN254's scalar field that consent keys and signatures live on.
//!
//! `168700·x² + y² = 1 + 168696·x²·y²`, of order `8·l` with `l` prime. Points that come from outside
//! become a [`SubgroupPoint`], which is checked, or nothing.
//!
//! Source: ERC-2494; circomlib `babyjub.circom`.

pub mod constraints;

use ark_ff::{BigInt, BigInteger, MontFp, PrimeField};
use taceo_ark_babyjubjub::EdwardsAffine;
/// The integers modulo `l`, the prime order of the subgroup.
pub use taceo_ark_babyjubjub::Fr as Scalar;
use thiserror::Error;

use crate::{
    Fr,
    field::{self, FR_BYTES},
};

/// A point with any coordinates; checked by nobody yet.
pub(crate) type Point = EdwardsAffine;

/// Length of an encoded point.
pub const POINT_BYTES: usize = 2 * FR_BYTES;
/// Length of an encoded scalar.
pub const SCALAR_BYTES: usize = 32;

/// circomlib's `Base8`, the generator of the subgroup of order `l`.
pub(crate) const BASE8: Point = Point::new_unchecked(
    MontFp!("5299619240641551281634865583518297030282874472190772894086521144482721001553"),
    MontFp!("16950150798460657717958625567821834550301663161624707787222815936182638968203"),
);

/// A point of the subgroup of prime order `l`, possibly the identity `(0, 1)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubgroupPoint(Point);

impl SubgroupPoint {
    /// The point `(x, y)`.
    ///
    /// # Errors
    /// [`PointError`] if it is not on the curve, or not in the subgroup: a component of order 2, 4
    /// or 8 gives one signature several spellings, and a point of low order signs for anybody.
    pub fn from_coordinates(x: Fr, y: Fr) -> Result<Self, PointError> {
        let point = Point::new_unchecked(x, y);
        if !point.is_on_curve() {
            return Err(PointError::NotOnCurve);
        }
        if !point.is_in_correct_subgroup_assuming_on_curve() {
            return Err(PointError::NotInSubgroup);
        }
        Ok(Self(point))
    }

    /// `x ‖ y`, 32 bytes each, big-endian.
    ///
    /// # Errors
    /// [`PointError::NotCanonical`] if a coordinate is the modulus or more; else as
    /// [`Self::from_coordinates`].
    pub fn from_bytes(bytes: &[u8; POINT_BYTES]) -> Result<Self, PointError> {
        let coordinate = |half: &[u8]| {
            let half = half.try_into().expect("half of 64 bytes is 32");
            field::from_be_bytes(half).map_err(|_| PointError::NotCanonical)
        };
        let (x, y) = bytes.split_at(FR_BYTES);
        Self::from_coordinates(coordinate(x)?, coordinate(y)?)
    }

    /// The encoding that [`Self::from_bytes`] reads.
    pub fn to_bytes(&self) -> [u8; POINT_BYTES] {
        let mut bytes = [0; POINT_BYTES];
        bytes[..FR_BYTES].copy_from_slice(&field::to_be_bytes(self.0.x));
        bytes[FR_BYTES..].copy_from_slice(&field::to_be_bytes(self.0.y));
        bytes
    }

    /// The first coordinate.
    pub const fn x(&self) -> Fr {
        self.0.x
    }

    /// The second coordinate.
    pub const fn y(&self) -> Fr {
        self.0.y
    }

    /// `scalar · BASE8`
    pub(crate) fn from_scalar(scalar: Scalar) -> Self {
        Self((BASE8 * scalar).into())
    }

    pub(crate) const fn point(&self) -> Point {
        self.0
    }
}

/// Why coordinates are not a point of the subgroup.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PointError {
    /// A coordinate is the field's modulus or more.
    #[error("a coordinate is not below the modulus of the BN254 scalar field")]
    NotCanonical,
    /// The coordinates do not satisfy the curve's equation.
    #[error("not a point of BabyJubJub")]
    NotOnCurve,
    /// The point has a component of order 2, 4 or 8.
    #[error("not in BabyJubJub's subgroup of prime order")]
    NotInSubgroup,
    /// The point is `(0, 1)`, where a key is expected.
    #[error("the identity is no public key")]
    Identity,
}

/// Why 32 bytes are not a scalar.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not below the order of BabyJubJub's subgroup")]
pub struct ScalarError;

/// The big-endian integer `bytes` as a scalar.
///
/// # Errors
/// [`ScalarError`] if it is not below `l`.
pub(crate) fn scalar_from_be_bytes(bytes: &[u8; SCALAR_BYTES]) -> Result<Scalar, ScalarError> {
    let mut limbs = [0u64; 4];
    for (limb, chunk) in limbs.iter_mut().rev().zip(bytes.chunks_exact(8)) {
        *limb = u64::from_be_bytes(chunk.try_into().expect("chunks_exact(8) yields 8 bytes"));
    }
    Scalar::from_bigint(BigInt(limbs)).ok_or(ScalarError)
}

/// The canonical big-endian encoding of `scalar`.
pub(crate) fn scalar_to_be_bytes(scalar: Scalar) -> [u8; SCALAR_BYTES] {
    scalar.into_bigint().to_bytes_be().try_into().expect("a scalar has four 64-bit limbs")
}

/// `element mod l`, for an element that serves as an integer.
pub(crate) fn reduce(element: Fr) -> Scalar {
    Scalar::from_le_bytes_mod_order(&element.into_bigint().to_bytes_le())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ark_ec::{AffineRepr, CurveGroup};
    use ark_ff::{AdditiveGroup, Field, One, UniformRand, Zero};
    use proptest::prelude::*;

    /// A point of order 8: a generator of the curve times `l`.
    pub(crate) fn order_eight() -> Point {
        let rng = &mut ark_std::test_rng();
        loop {
            let Some(any) = Point::get_point_from_y_unchecked(Fr::rand(rng), true) else {
                continue;
            };
            let torsion = any.mul_bigint(Scalar::MODULUS).into_affine();
            if !torsion.mul_bigint([4u64]).is_zero() {
                return torsion;
            }
        }
    }

    #[test]
    fn the_generator_is_circomlibs_and_the_crates() {
        assert_eq!(BASE8, Point::GENERATOR);
        assert!(BASE8.is_on_curve());
        assert!(BASE8.is_in_correct_subgroup_assuming_on_curve());
        // ERC-2494: Base8 = 8 · Generator.
        let generator = Point::new_unchecked(
            MontFp!("995203441582195749578291179787384436505546430278305826713579947235728471134"),
            MontFp!("5472060717959818805561601436314318772137091100104008585924551046643952123905"),
        );
        assert_eq!(generator.mul_bigint([8u64]).into_affine(), BASE8);
    }

    #[test]
    fn the_curve_is_ercs() {
        use ark_ec::twisted_edwards::TECurveConfig;
        use taceo_ark_babyjubjub::EdwardsConfig;
        assert_eq!(EdwardsConfig::COEFF_A, Fr::from(168_700));
        assert_eq!(EdwardsConfig::COEFF_D, Fr::from(168_696));
    }

    #[test]
    fn points_off_the_curve_are_refused() {
        assert_eq!(
            SubgroupPoint::from_coordinates(BASE8.x, BASE8.y + Fr::one()),
            Err(PointError::NotOnCurve)
        );
        assert_eq!(SubgroupPoint::from_coordinates(BASE8.y, BASE8.x), Err(PointError::NotOnCurve));
        assert_eq!(
            SubgroupPoint::from_coordinates(Fr::ZERO, Fr::ZERO),
            Err(PointError::NotOnCurve)
        );
    }

    #[test]
    fn points_outside_the_subgroup_are_refused() {
        let torsion = order_eight();
        for multiple in 1u64..8 {
            let low = torsion.mul_bigint([multiple]).into_affine();
            let mixed = (low + BASE8).into_affine();
            for point in [low, mixed] {
                assert!(point.is_on_curve());
                assert_eq!(
                    SubgroupPoint::from_coordinates(point.x, point.y),
                    Err(PointError::NotInSubgroup)
                );
            }
        }
        assert_eq!(torsion.mul_bigint([8u64]).into_affine(), Point::zero());
    }

    #[test]
    fn coordinates_at_or_above_the_modulus_are_refused() {
        let identity = SubgroupPoint::from_coordinates(Fr::zero(), Fr::one()).unwrap();
        let mut bytes = identity.to_bytes();
        assert_eq!(SubgroupPoint::from_bytes(&bytes), Ok(identity));
        bytes[..32].copy_from_slice(&Fr::MODULUS.to_bytes_be()); // 0 + p
        assert_eq!(SubgroupPoint::from_bytes(&bytes), Err(PointError::NotCanonical));
    }

    #[test]
    fn the_order_and_above_are_no_scalars() {
        let mut bytes: [u8; 32] = Scalar::MODULUS.to_bytes_be().try_into().unwrap();
        assert_eq!(scalar_from_be_bytes(&bytes), Err(ScalarError));
        assert_eq!(scalar_from_be_bytes(&[0xff; 32]), Err(ScalarError));
        bytes[31] -= 1;
        assert_eq!(scalar_from_be_bytes(&bytes), Ok(-Scalar::one()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn point_encodings_round_trip(seed: u64) {
            let point = SubgroupPoint::from_scalar(Scalar::from(seed).square());
            prop_assert_eq!(SubgroupPoint::from_bytes(&point.to_bytes()), Ok(point));
        }

        #[test]
        fn scalar_encodings_round_trip(bytes: [u8; 32]) {
            if let Ok(scalar) = scalar_from_be_bytes(&bytes) {
                prop_assert_eq!(scalar_to_be_bytes(scalar), bytes);
            } else {
                prop_assert!(bytes.as_slice() >= Scalar::MODULUS.to_bytes_be().as_slice());
            }
        }
    }
}
