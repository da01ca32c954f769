//! The citizen's consent signature: EdDSA on BabyJubJub with Poseidon, as circomlib and npm
//! `@zk-kit/eddsa-poseidon` (its BLAKE-512 variant) make it, and with every check that they leave
//! out.
//!
//! `S · BASE8 = R8 + 8h · A` with `h = Poseidon(R8.x, R8.y, A.x, A.y, M)`.
//!
//! Arithmetic is arkworks', which does not promise constant time in all of it. A citizen signs on a
//! device of their own, where nobody else measures.
//!
//! Source: circomlib `eddsaposeidon.circom`; ERC-2494; RFC 8032 for the shape.

pub mod constraints;
#[cfg(test)]
mod tests;

use std::fmt;

use ark_ec::AffineRepr;
use ark_ff::{BigInteger, PrimeField};
use blake_hash::{Blake512, Digest as _};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    Fr,
    babyjubjub::{
        self, BASE8, POINT_BYTES, PointError, SCALAR_BYTES, Scalar, ScalarError, SubgroupPoint,
    },
    poseidon::{self, Tag},
};

/// Length of a private key.
pub const PRIVATE_KEY_BYTES: usize = 32;
/// Length of an encoded public key.
pub const PUBLIC_KEY_BYTES: usize = POINT_BYTES;
/// Length of an encoded signature.
pub const SIGNATURE_BYTES: usize = POINT_BYTES + SCALAR_BYTES;

/// `M = Poseidon(T_consent, r, q)`: what a citizen signs to consent to the query behind `q` in the
/// request behind `r`.
pub fn consent_message(request: Fr, query: Fr) -> Fr {
    poseidon::tagged(Tag::Consent, &[request, query])
}

/// A private key: 32 random bytes, wiped on drop, shown to nobody.
#[derive(Clone)]
pub struct PrivateKey(Zeroizing<[u8; PRIVATE_KEY_BYTES]>);

impl PrivateKey {
    /// The key that these bytes are; they should be random.
    pub fn from_bytes(bytes: &[u8; PRIVATE_KEY_BYTES]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// The bytes, to be stored.
    pub fn expose(&self) -> &[u8; PRIVATE_KEY_BYTES] {
        &self.0
    }

    /// `A = (s / 8) · BASE8` with `s` the pruned first half of `BLAKE-512(private key)`.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(SubgroupPoint::from_scalar(*self.expand().secret_eighth()))
    }

    /// `R8 = r · BASE8`, `S = r + h · s` with `r = BLAKE-512(prefix ‖ M) mod l`, `prefix` the second
    /// half of `BLAKE-512(private key)` and `M` as 32 bytes, little-endian.
    ///
    /// The same key and message give the same signature.
    pub fn sign(&self, message: Fr) -> Signature {
        let expanded = self.expand();
        let secret_eighth = expanded.secret_eighth();
        let public_key = SubgroupPoint::from_scalar(*secret_eighth);
        let nonce = expanded.nonce(message);
        let r8 = SubgroupPoint::from_scalar(*nonce);
        let challenge = babyjubjub::reduce(challenge(&r8, &public_key, message));
        let secret = Zeroizing::new(*secret_eighth * Scalar::from(8));
        Signature { r8, s: *nonce + challenge * *secret }
    }

    fn expand(&self) -> Expanded {
        let mut expanded = Expanded(blake512(&[self.0.as_slice()]));
        // RFC 8032, section 5.1.5: a multiple of 8, with the highest bit fixed.
        expanded.0[0] &= 0xf8;
        expanded.0[31] &= 0x7f;
        expanded.0[31] |= 0x40;
        expanded
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

/// `BLAKE-512(private key)`, its first half pruned: the secret scalar and the nonce's prefix.
struct Expanded(Zeroizing<[u8; 64]>);

impl Expanded {
    /// `(s / 8) mod l`; `s` is a multiple of 8.
    fn secret_eighth(&self) -> Zeroizing<Scalar> {
        let mut eighth = Zeroizing::new([0u8; 32]);
        for (i, byte) in eighth.iter_mut().enumerate() {
            let above = if i == 31 { 0 } else { self.0[i + 1] };
            *byte = self.0[i] >> 3 | above << 5;
        }
        Zeroizing::new(Scalar::from_le_bytes_mod_order(eighth.as_slice()))
    }

    fn nonce(&self, message: Fr) -> Zeroizing<Scalar> {
        let message = message.into_bigint().to_bytes_le();
        let hash = blake512(&[&self.0[32..], &message]);
        Zeroizing::new(Scalar::from_le_bytes_mod_order(hash.as_slice()))
    }
}

fn blake512(parts: &[&[u8]]) -> Zeroizing<[u8; 64]> {
    let mut hash = Blake512::new();
    for part in parts {
        hash.update(part);
    }
    let mut output = Zeroizing::new([0; 64]);
    output.copy_from_slice(&hash.finalize());
    output
}

/// `h = Poseidon(R8.x, R8.y, A.x, A.y, M)`
fn challenge(r8: &SubgroupPoint, public_key: &SubgroupPoint, message: Fr) -> Fr {
    poseidon::challenge([r8.x(), r8.y(), public_key.x(), public_key.y(), message])
}

/// A public key `A`: a point of the subgroup of prime order, and not the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(SubgroupPoint);

impl PublicKey {
    /// The key `(x, y)`.
    ///
    /// # Errors
    /// [`PointError`] if that is not a point of the subgroup, or the identity, under which anybody
    /// could sign.
    pub fn from_coordinates(x: Fr, y: Fr) -> Result<Self, PointError> {
        Self::from_point(SubgroupPoint::from_coordinates(x, y)?)
    }

    /// `A.x ‖ A.y`, 32 bytes each, big-endian.
    ///
    /// # Errors
    /// [`PointError::NotCanonical`] if a coordinate is the modulus or more; else as
    /// [`Self::from_coordinates`].
    pub fn from_bytes(bytes: &[u8; PUBLIC_KEY_BYTES]) -> Result<Self, PointError> {
        Self::from_point(SubgroupPoint::from_bytes(bytes)?)
    }

    fn from_point(point: SubgroupPoint) -> Result<Self, PointError> {
        if point.point().is_zero() {
            return Err(PointError::Identity);
        }
        Ok(Self(point))
    }

    /// The encoding that [`Self::from_bytes`] reads.
    pub fn to_bytes(&self) -> [u8; PUBLIC_KEY_BYTES] {
        self.0.to_bytes()
    }

    /// `A.x`
    pub const fn x(&self) -> Fr {
        self.0.x()
    }

    /// `A.y`
    pub const fn y(&self) -> Fr {
        self.0.y()
    }

    /// Checks `S · BASE8 = R8 + 8h · A`.
    ///
    /// # Errors
    /// [`VerifyError`] if `signature` is not this key's signature of `message`.
    pub fn verify(&self, message: Fr, signature: &Signature) -> Result<(), VerifyError> {
        let challenge = babyjubjub::reduce(challenge(&signature.r8, &self.0, message));
        let left = BASE8 * signature.s;
        let right = self.0.point() * (challenge * Scalar::from(8)) + signature.r8.point();
        if left == right { Ok(()) } else { Err(VerifyError) }
    }
}

/// The signature is not the key's signature of the message.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not this key's signature of this message")]
pub struct VerifyError;

/// A signature `(R8, S)`: a point of the subgroup and a scalar below `l`. Not yet verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    r8: SubgroupPoint,
    s: Scalar,
}

impl Signature {
    /// Of its parts, whether or not anybody signed.
    pub(crate) const fn new(r8: SubgroupPoint, s: Scalar) -> Self {
        Self { r8, s }
    }

    /// `R8.x ‖ R8.y ‖ S`, 32 bytes each, big-endian.
    ///
    /// # Errors
    /// [`SignatureError`] if `R8` is no point of the subgroup or `S` not below `l`: `S` and `S + l`
    /// would be two spellings of one signature.
    pub fn from_bytes(bytes: &[u8; SIGNATURE_BYTES]) -> Result<Self, SignatureError> {
        let (r8, s) = bytes.split_at(POINT_BYTES);
        let r8 = r8.try_into().expect("split at 64 bytes");
        let s = s.try_into().expect("96 less 64 bytes are 32");
        Ok(Self { r8: SubgroupPoint::from_bytes(r8)?, s: babyjubjub::scalar_from_be_bytes(s)? })
    }

    /// The encoding that [`Self::from_bytes`] reads.
    pub fn to_bytes(&self) -> [u8; SIGNATURE_BYTES] {
        let mut bytes = [0; SIGNATURE_BYTES];
        bytes[..POINT_BYTES].copy_from_slice(&self.r8.to_bytes());
        bytes[POINT_BYTES..].copy_from_slice(&babyjubjub::scalar_to_be_bytes(self.s));
        bytes
    }

    /// The point `R8`.
    pub const fn r8(&self) -> &SubgroupPoint {
        &self.r8
    }

    /// The scalar `S`.
    pub const fn s(&self) -> Scalar {
        self.s
    }
}

/// Why bytes are not a signature.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureError {
    /// `R8` is not a point of the subgroup.
    #[error("R8: {0}")]
    Point(#[from] PointError),
    /// `S` is not a scalar.
    #[error("S: {0}")]
    Scalar(#[from] ScalarError),
}
