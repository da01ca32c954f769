use std::collections::BTreeMap;

use super::*;
use crate::tree::{Leaf, path, root, update_many};
use ark_ff::{AdditiveGroup, Field};
use ark_relations::gr1cs::{ConstraintSystem, ConstraintSystemRef, SynthesisMode};

/// The last record of a tree whose other records fill the first places.
fn member(index: u32) -> (Fr, Path, Fr) {
    let mut leaves: BTreeMap<_, _> =
        (0..30).map(|i| (i, Leaf::record(Fr::from(i + 1)).unwrap())).collect();
    let leaf = Fr::from(1234);
    leaves.insert(index, Leaf::record(leaf).unwrap());
    let mut store = BTreeMap::new();
    store.extend(update_many(&store, &leaves).unwrap().writes);
    (leaf, path(&store, index).unwrap(), root(&store).unwrap())
}

fn synthesize(leaf: Fr, path: &Path, root: Fr) -> ConstraintSystemRef<Fr> {
    let cs = ConstraintSystem::new_ref();
    let leaf = FpVar::new_witness(cs.clone(), || Ok(leaf)).unwrap();
    let root = FpVar::new_input(cs.clone(), || Ok(root)).unwrap();
    enforce_membership(&leaf, Some(path), &root).unwrap();
    cs
}

#[test]
fn accepts_members_at_every_kind_of_position() {
    for index in [0, 1, 2, 3, 4, 5, 6, 7, 29, 0o76_543_210, 1 << 30, 1 << 31, u32::MAX] {
        let (leaf, path, root) = member(index);
        assert_eq!(path.root(Leaf::record(leaf).unwrap()), root);
        let cs = synthesize(leaf, &path, root);
        assert!(cs.is_satisfied().unwrap(), "index {index}");
        assert_eq!(cs.num_constraints(), 10 * 412 + 407 + 1);
    }
}

#[test]
fn rejects_another_leaf_root_sibling_or_index() {
    let (leaf, path, root) = member(29);
    assert!(!synthesize(leaf + Fr::ONE, &path, root).is_satisfied().unwrap());
    assert!(!synthesize(leaf, &path, root + Fr::ONE).is_satisfied().unwrap());
    for level in 0..LEVELS {
        let mut changed = path.clone();
        changed.siblings[level][1] += Fr::ONE;
        assert!(!synthesize(leaf, &changed, root).is_satisfied().unwrap());
        let mut changed = path.clone();
        changed.index ^= 1 << (3 * level);
        assert!(!synthesize(leaf, &changed, root).is_satisfied().unwrap());
    }
}

#[test]
fn blank_and_assigned_shapes_are_equal() {
    let blank = ConstraintSystem::<Fr>::new_ref();
    blank.set_mode(SynthesisMode::Setup);
    let none = || Err::<Fr, _>(SynthesisError::AssignmentMissing);
    let leaf = FpVar::new_witness(blank.clone(), none).unwrap();
    let root = FpVar::new_input(blank.clone(), none).unwrap();
    enforce_membership(&leaf, None, &root).unwrap();
    let (leaf, path, root) = member(29);
    let assigned = synthesize(leaf, &path, root);
    assert_eq!(blank.num_witness_variables(), assigned.num_witness_variables());
    assert_eq!(blank.num_constraints(), assigned.num_constraints());
    blank.finalize();
    assigned.finalize();
    assert_eq!(blank.to_matrices().unwrap(), assigned.to_matrices().unwrap());
}

/// Wires of the first level: after the leaf come three bits, eight children, and six products.
const LOW: usize = 1;
const CHILDREN: usize = 4;
const PRODUCTS: usize = 12;

#[test]
fn only_the_boolean_constraint_stops_a_fractional_position() {
    let (leaf, path, root) = member(29);
    let stranger = Fr::from(777);
    let cs = synthesize(leaf, &path, root);
    let children = path.children(0, leaf);
    {
        // Between two real children x0 and x1, "position" (s − x0)/(x1 − x0) selects any s.
        let mut cs = cs.borrow_mut().unwrap();
        let wires = &mut cs.assignments.witness_assignment;
        assert_eq!(wires[CHILDREN..CHILDREN + 8], children);
        let low = (stranger - children[0]) / (children[1] - children[0]);
        wires[0] = stranger;
        wires[LOW] = low;
        wires[LOW + 1] = Fr::ZERO;
        wires[LOW + 2] = Fr::ZERO;
        for pair in 0..4 {
            wires[PRODUCTS + pair] = low * (children[2 * pair + 1] - children[2 * pair]);
        }
        wires[PRODUCTS + 4] = Fr::ZERO;
        wires[PRODUCTS + 5] = Fr::ZERO;
    }
    assert_eq!(unsatisfied(&cs), [0]);
}

#[test]
fn a_child_cannot_be_left_out() {
    let (leaf, path, root) = member(29);
    let cs = synthesize(leaf, &path, root);
    cs.borrow_mut().unwrap().assignments.witness_assignment[0] += Fr::ONE;
    // Three bits, six products: constraint 9 is `children[position] = node`.
    assert_eq!(unsatisfied(&cs), [9]);
}

/// The rows that do not hold for the assignment as it stands.
fn unsatisfied(cs: &ConstraintSystemRef<Fr>) -> Vec<usize> {
    cs.finalize();
    let wires = [cs.instance_assignment().unwrap(), cs.witness_assignment().unwrap()].concat();
    let matrices = &cs.to_matrices().unwrap()["R1CS"];
    let value = |matrix: usize, row: usize| -> Fr {
        matrices[matrix][row].iter().map(|(factor, wire)| *factor * wires[*wire]).sum()
    };
    (0..cs.num_constraints())
        .filter(|row| value(0, *row) * value(1, *row) != value(2, *row))
        .collect()
}
