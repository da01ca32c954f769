//! Membership in the record tree as constraints: 302 a level and one for the root.

use ark_r1cs_std::{
    GR1CSVar,
    alloc::AllocVar,
    boolean::Boolean,
    eq::EqGadget,
    fields::{FieldVar, fp::FpVar},
};
use ark_relations::gr1cs::SynthesisError;

use super::{LEVELS, Path};
use crate::{
    Fr,
    poseidon::{self, NODE_ARITY},
};

/// Enforces that `leaf` stands in the tree under `root`.
///
/// The path is advice and hidden, the index included. At each level the prover gives four children
/// and the two bits of the node's position; `children[position] = node` is three multiplications
/// (placing siblings around the node would be more), and the next node is the children's hash.
/// The bits must be boolean: with others the selection is a free linear combination of the children,
/// and any leaf is a member.
///
/// The empty leaf is a member of every tree that is not full: `leaf` must be a hash, which no one can
/// make zero. Native twin: [`Path::root`].
///
/// # Errors
/// If an assignment is missing outside setup.
#[tracing::instrument(target = "gr1cs", skip_all)]
pub fn enforce_membership(
    leaf: &FpVar<Fr>,
    path: Option<&Path>,
    root: &FpVar<Fr>,
) -> Result<(), SynthesisError> {
    let mut node = leaf.clone();
    for level in 0..LEVELS {
        node = enforce_level(&node, level, path)?;
    }
    node.enforce_equal(root)
}

#[tracing::instrument(target = "gr1cs", skip_all)]
fn enforce_level(
    node: &FpVar<Fr>,
    level: usize,
    path: Option<&Path>,
) -> Result<FpVar<Fr>, SynthesisError> {
    let cs = node.cs();
    let path = path.ok_or(SynthesisError::AssignmentMissing);
    let bit = |bit: usize| {
        Boolean::new_witness(cs.clone(), || path.map(|path| path.slot(level) >> bit & 1 == 1))
    };
    let (low, high) = (FpVar::from(bit(0)?), FpVar::from(bit(1)?));
    let values = path.and_then(|path| Ok(path.children(level, node.value()?)));
    let child = |slot: usize| FpVar::new_witness(cs.clone(), || values.map(|values| values[slot]));
    let children: [FpVar<Fr>; NODE_ARITY] = [child(0)?, child(1)?, child(2)?, child(3)?];

    let left = &children[0] + &low * (&children[1] - &children[0]);
    let right = &children[2] + &low * (&children[3] - &children[2]);
    // node = left + high · (right − left)
    high.mul_equals(&(right - &left), &(node - left))?;
    poseidon::constraints::node(&children)
}

#[cfg(test)]
mod tests;
