//! Membership in the record tree as constraints: 412 a level, fewer on the last, and one for the root.

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
/// The path is advice and hidden, the index included: a member may stand anywhere. At each level the
/// prover gives eight children and the bits of the node's position; `children[position] = node` is seven
/// multiplications (placing siblings around the node would be more), and the next node is the children's
/// hash. The bits must be boolean: with others the selection is a free linear combination of the children,
/// and any leaf is a member. Of the root's children, only those that an index of 32 bits reaches are
/// selected from, so that the relation is that of [`Path`].
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
            .map(FpVar::from)
    };
    let position = (0..Path::slot_bits(level)).map(bit).collect::<Result<Vec<_>, _>>()?;
    let values = path.and_then(|path| Ok(path.children(level, node.value()?)));
    let child = |slot: usize| FpVar::new_witness(cs.clone(), || values.map(|values| values[slot]));
    let children: [FpVar<Fr>; NODE_ARITY] =
        [child(0)?, child(1)?, child(2)?, child(3)?, child(4)?, child(5)?, child(6)?, child(7)?];
    enforce_selected(node, &children, &position)?;
    poseidon::constraints::node(&children)
}

/// `candidates[position] = selected`, the position's lowest bit first. One constraint less than there are
/// candidates that the bits reach.
fn enforce_selected(
    selected: &FpVar<Fr>,
    candidates: &[FpVar<Fr>],
    position: &[FpVar<Fr>],
) -> Result<(), SynthesisError> {
    let (highest, lower) = position.split_last().expect("a position has bits");
    let mut candidates = candidates[..1 << position.len()].to_vec();
    for bit in lower {
        let (pairs, _) = candidates.as_chunks::<2>();
        candidates = pairs.iter().map(|[even, odd]| even + bit * (odd - even)).collect();
    }
    let [left, right] = &candidates[..] else { unreachable!("each lower bit halves them") };
    // selected = left + highest · (right − left)
    highest.mul_equals(&(right - left), &(selected - left))
}

#[cfg(test)]
mod tests;
