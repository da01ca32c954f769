//! Membership in the record tree as constraints: 393 a level, 387 on the last, and one for the root.

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
    poseidon::{
        NODE_ARITY,
        constraints::raised::{self, child_constant, raise, raised},
    },
};

/// Enforces that `leaf` stands in the tree under `root`.
///
/// The path is advice and hidden, the index included: a member may stand anywhere. At each level the
/// prover gives eight children and the bits of the node's position; `children[position] = node` is
/// enforced (placing siblings around the node would be more), and the next node is the children's hash. Of
/// the root's children, only those that an index of 32 bits reaches are selected from, so that the
/// relation is that of [`Path`].
///
/// **Children are given raised.** A child is hashed here and used nowhere else, so the wires are
/// what Poseidon's first S-boxes make of the children, any elements there are. Each is one child's, because
/// the S-box is a permutation of the field. Of the eight, only the node's own is computed:
/// `(node + k)^5`, with the constant `k` of the lane in which it stands, is the selected wire.
///
/// **The bits must be boolean.** With others the wire and the constant are free linear combinations, and
/// any leaf is a member.
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
    climb(LEVELS, leaf, path)?.enforce_equal(root)
}

/// The node so many levels above `leaf`; fewer than [`LEVELS`] only where sizes are measured.
pub(crate) fn climb(
    levels: usize,
    leaf: &FpVar<Fr>,
    path: Option<&Path>,
) -> Result<FpVar<Fr>, SynthesisError> {
    let mut node = leaf.clone();
    for level in 0..levels {
        node = enforce_level(&node, level, path)?;
    }
    Ok(node)
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
    let values = path.and_then(|path| Ok(raised(path.children(level, node.value()?))));
    let child = |slot: usize| FpVar::new_witness(cs.clone(), || values.map(|values| values[slot]));
    let children: [FpVar<Fr>; NODE_ARITY] =
        [child(0)?, child(1)?, child(2)?, child(3)?, child(4)?, child(5)?, child(6)?, child(7)?];
    let constants: [Fr; NODE_ARITY] = std::array::from_fn(child_constant);
    let own = raise(&(node + constant_at(&constants, &position)?))?;
    enforce_selected(&own, &children, &position)?;
    raised::node(&children)
}

/// `constants[position]`, the position's lowest bit first. Two constraints, or one for two bits.
fn constant_at(
    constants: &[Fr; NODE_ARITY],
    position: &[FpVar<Fr>],
) -> Result<FpVar<Fr>, SynthesisError> {
    let [low, middle, highest @ ..] = position else { unreachable!("two bits or three") };
    let both = low * middle;
    let (fours, _) = constants.as_chunks::<4>();
    let in_four = |[a, b, c, d]: [Fr; 4]| {
        low * (b - a) + middle * (c - a) + &both * (a - b - c + d) + FpVar::Constant(a)
    };
    let first = in_four(fours[0]);
    match highest {
        [] => Ok(first),
        [high, ..] => Ok(&first + high * (in_four(fours[1]) - &first)),
    }
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
