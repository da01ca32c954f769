//! The consent signature as constraints.
//!
//! The relation is exactly that of [`PublicKey::verify`](super::PublicKey::verify) on checked
//! types: `A` in the subgroup of prime order and not the identity, `R8` in the subgroup, the
//! challenge taken as the one integer below the modulus, the equation without a cofactor.

use ark_r1cs_std::fields::fp::FpVar;
use ark_relations::gr1cs::{Namespace, SynthesisError};

use super::Signature;
use crate::{
    Fr,
    babyjubjub::{
        Scalar,
        constraints::{PointVar, fixed_base, variable_base},
    },
    poseidon::constraints as poseidon,
};

/// A signature: `R8` as private wires, and `S` as a hint.
///
/// `S` is no wire. [`enforce_signature`] allocates digits of it, and does not check that they are
/// below `l`: since nobody sees them, there are digits that satisfy it if and only if there is a
/// signature with a canonical `S`.
#[derive(Clone, Debug)]
pub struct SignatureVar {
    r8: PointVar,
    s: Option<Scalar>,
}

impl SignatureVar {
    /// New private wires. In setup `signature` is not called.
    ///
    /// # Errors
    /// What `signature` returns.
    pub fn new_witness(
        cs: impl Into<Namespace<Fr>>,
        signature: impl FnOnce() -> Result<Signature, SynthesisError>,
    ) -> Result<Self, SynthesisError> {
        let namespace = cs.into();
        let cs = namespace.cs();
        let signature = if cs.is_in_setup_mode() { None } else { Some(signature()?) };
        let r8 = PointVar::new_witness(&cs, signature.map(|signature| signature.r8.point()))?;
        Ok(Self { r8, s: signature.map(|signature| signature.s) })
    }
}

/// `S · BASE8 = R8 + 8h · A` with `h = Poseidon(R8.x, R8.y, A.x, A.y, M)`, `A` in the subgroup of
/// prime order and not the identity. 2,476 constraints.
///
/// `A` and `M` are wires, `R8` and `S` private. `R8` is not checked: the equation makes it equal to a
/// sum of points of the subgroup.
///
/// Without it, the issuer answers without the citizen's consent.
///
/// # Errors
/// If an assignment is missing outside setup.
#[tracing::instrument(target = "gr1cs", skip_all)]
pub fn enforce_signature(
    public_key: &PointVar,
    message: &FpVar<Fr>,
    signature: &SignatureVar,
) -> Result<(), SynthesisError> {
    let r8 = &signature.r8;
    public_key.enforce_in_subgroup()?;
    let challenge = poseidon::challenge(&[
        r8.x.clone(),
        r8.y.clone(),
        public_key.x.clone(),
        public_key.y.clone(),
        message.clone(),
    ])?;
    enforce_for_challenge(public_key, &challenge, signature)
}

/// [`enforce_signature`] after the key is checked and the challenge `h` is hashed.
pub(crate) fn enforce_for_challenge(
    public_key: &PointVar,
    challenge: &FpVar<Fr>,
    signature: &SignatureVar,
) -> Result<(), SynthesisError> {
    let r8 = &signature.r8;
    let fourfold = public_key.double()?.double()?;
    // (2h + 1)·4A = 8h·A + 4A
    let multiple = variable_base::odd_multiple(&fourfold, challenge)?;
    let base = fixed_base::multiple(&r8.cs(), signature.s)?;
    enforce_equation(r8, &base, &fourfold, &multiple)
}

/// `R8 = S·BASE8 + 4A − (8h·A + 4A)`. Twelve constraints.
///
/// All of the right side is in the subgroup, and so then is `R8`. Without it, any signature.
#[tracing::instrument(target = "gr1cs", skip_all)]
fn enforce_equation(
    r8: &PointVar,
    base: &PointVar,
    fourfold: &PointVar,
    multiple: &PointVar,
) -> Result<(), SynthesisError> {
    r8.enforce_equal_sum(&base.add(fourfold)?, &multiple.negate()?)
}

#[cfg(test)]
mod tests;
