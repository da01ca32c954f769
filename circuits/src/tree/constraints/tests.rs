use std::collections::BTreeMap;

use super::*;
use crate::{
    poseidon::{self, constraints::raised::tests::fifth_root},
    tree::{Leaf, path, root, update_many},
};
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
        assert_eq!(cs.num_constraints(), 10 * 393 + 387 + 1);
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

/// Wires of the first level: the leaf, three bits, eight raised children, two products for the constant, the
/// powers of the leaf and its constant, and six products of the selection.
const CONSTANT: usize = 12;
const POWERS: usize = 14;
const WIRES: usize = 23;
/// Rows of the first level: three bits, two products, three powers, six products, and this.
const SELECTED: usize = 14;

/// The leaf that a position leads to, boolean or not, and what a prover fills in for it.
fn advice(position: [Fr; 3], raised: [Fr; 8]) -> Vec<Fr> {
    let [low, middle, high] = position;
    let both = low * middle;
    let constant = |four: usize| {
        let [a, b, c, d] = [0, 1, 2, 3].map(|slot| child_constant(4 * four + slot));
        a + low * (b - a) + middle * (c - a) + both * (a - b - c + d)
    };
    let product = high * (constant(1) - constant(0));
    let mut products = Vec::new();
    let mut halve = |bit: Fr, candidates: &[Fr]| -> Vec<Fr> {
        let (pairs, _) = candidates.as_chunks::<2>();
        products.extend(pairs.iter().map(|[even, odd]| bit * (odd - even)));
        pairs.iter().map(|[even, odd]| *even + bit * (odd - even)).collect()
    };
    let quarters = halve(low, &raised);
    let halves = halve(middle, &quarters);
    let selected = halves[0] + high * (halves[1] - halves[0]);
    let sum = fifth_root(selected);
    let leaf = sum - constant(0) - product;
    let mut wires = vec![leaf, low, middle, high];
    wires.extend(raised);
    wires.extend([both, product, sum.square(), sum.square().square(), selected]);
    wires.extend(products);
    wires
}

fn position(index: u32) -> [Fr; 3] {
    [0, 1, 2].map(|bit| Fr::from(index >> bit & 1))
}

/// The rows that do not hold if the first wires are changed.
fn broken_by(index: u32, change: impl FnOnce(&mut [Fr])) -> Vec<usize> {
    let (leaf, path, root) = member(index);
    let cs = synthesize(leaf, &path, root);
    change(&mut cs.borrow_mut().unwrap().assignments.witness_assignment[..WIRES]);
    unsatisfied(&cs)
}

#[test]
fn only_the_boolean_constraint_stops_a_fractional_position() {
    for index in 0..8 {
        let (leaf, path, _) = member(index);
        let raised = raised(path.children(0, leaf));
        let honest = advice(position(index), raised);
        let broken = broken_by(index, |wires| {
            assert_eq!(wires, honest);
            wires.copy_from_slice(&honest);
        });
        assert!(broken.is_empty(), "{broken:?}");
        for bit in 0..3 {
            // Any element in the place of a bit selects some stranger.
            let mut fractional = position(index);
            fractional[bit] = Fr::from(777);
            let forged = advice(fractional, raised);
            assert!(!path.children(0, leaf).contains(&forged[0]));
            assert_eq!(broken_by(index, |wires| wires.copy_from_slice(&forged)), [bit]);
        }
    }
}

#[test]
fn only_the_boolean_constraint_stops_a_fractional_position_below_the_root() {
    // Two bits, one product, and two products of the selection: the root's level has a shape of its own.
    let last = LEVELS - 1;
    for slot in 0..4u32 {
        let path = Path { index: slot << (3 * last), ..member(29).1 };
        let honest = Fr::from(1234);
        let raised = raised(path.children(last, honest));
        let constant = |[low, high]: [Fr; 2]| {
            let [a, b, c, d] = [0, 1, 2, 3].map(child_constant);
            a + low * (b - a) + high * (c - a) + low * high * (a - b - c + d)
        };
        let advice = |bits: [Fr; 2]| {
            let [low, high] = bits;
            let products = [low * (raised[1] - raised[0]), low * (raised[3] - raised[2])];
            let halves = [raised[0] + products[0], raised[2] + products[1]];
            let selected = halves[0] + high * (halves[1] - halves[0]);
            let sum = fifth_root(selected);
            let mut wires = vec![sum - constant(bits), low, high];
            wires.extend(raised);
            wires.extend([low * high, sum.square(), sum.square().square(), selected]);
            wires.extend(products);
            wires
        };
        let broken_by = |wires: &[Fr]| {
            let cs = ConstraintSystem::new_ref();
            let node = FpVar::new_witness(cs.clone(), || Ok(honest)).unwrap();
            let _ = enforce_level(&node, last, Some(&path)).unwrap();
            cs.borrow_mut().unwrap().assignments.witness_assignment[..wires.len()]
                .copy_from_slice(wires);
            unsatisfied(&cs)
        };
        let bits = [Fr::from(slot & 1), Fr::from(slot >> 1)];
        assert_eq!(advice(bits)[0], honest);
        assert!(broken_by(&advice(bits)).is_empty());
        for bit in 0..2 {
            let mut fractional = bits;
            fractional[bit] = Fr::from(777);
            let forged = advice(fractional);
            assert!(!path.children(last, honest).contains(&forged[0]));
            assert_eq!(broken_by(&forged), [bit]);
        }
    }
}

#[test]
fn a_node_is_no_leaf_and_a_leaf_no_node() {
    let (leaf, path, root) = member(29);
    let root_row = synthesize(leaf, &path, root).num_constraints() - 1;
    let refused = |leaf: Fr, path: &Path| {
        assert_ne!(path.root(Leaf::record(leaf).unwrap()), root);
        assert_eq!(unsatisfied(&synthesize(leaf, path, root)), [root_row]);
    };
    let mut node = leaf;
    for level in 1..=LEVELS {
        // The node so many levels up for a leaf: of what stands above it, too little is left, and the rest is
        // made up.
        node = poseidon::node(path.children(level - 1, node));
        let above = path.siblings[level..].to_vec();
        let index = path.index.checked_shr(3 * u32::try_from(level).unwrap()).unwrap_or(0);
        for rest in [[Fr::ZERO; NODE_ARITY - 1], path.siblings[0], path.siblings[LEVELS - 1]] {
            let mut siblings = above.clone();
            siblings.resize(LEVELS, rest);
            refused(node, &Path { index, siblings: siblings.try_into().unwrap() });
        }
        // A stranger so many levels below the leaf, as if the leaf were a node: what stands at the top is too
        // much.
        let mut siblings = vec![path.siblings[0]; level];
        siblings.extend(&path.siblings[..LEVELS - level]);
        let index = path.index.checked_shl(3 * u32::try_from(level).unwrap()).unwrap_or(0);
        refused(Fr::from(666), &Path { index, siblings: siblings.try_into().unwrap() });
    }
    assert_eq!(node, root);
}

#[test]
fn a_child_cannot_be_left_out() {
    // Another leaf, raised as it should be.
    let broken = broken_by(29, |wires| {
        wires[0] += Fr::ONE;
        let sum = fifth_root(wires[POWERS + 2]) + Fr::ONE;
        wires[POWERS] = sum.square();
        wires[POWERS + 1] = sum.square().square();
        wires[POWERS + 2] = sum.pow([5u64]);
    });
    assert_eq!(broken, [SELECTED]);
}

#[test]
fn a_child_s_lane_has_no_other_constant() {
    // The leaf takes what is left of the sum; the highest bit is 0, so one product stands alone.
    let weight = child_constant(0) - child_constant(1) - child_constant(2) + child_constant(3);
    let broken = broken_by(26, |wires| {
        wires[CONSTANT] += Fr::ONE;
        wires[0] -= weight;
    });
    assert_eq!(broken, [3]);
    let broken = broken_by(26, |wires| {
        wires[CONSTANT + 1] += Fr::ONE;
        wires[0] -= Fr::ONE;
    });
    assert_eq!(broken, [4]);
}

#[test]
fn a_leaf_is_raised_to_the_fifth_power() {
    assert_eq!(broken_by(29, |wires| wires[0] += Fr::ONE), [5, 7]);
    assert_eq!(broken_by(29, |wires| wires[POWERS] += Fr::ONE), [5, 6]);
    assert_eq!(broken_by(29, |wires| wires[POWERS + 1] += Fr::ONE), [6, 7]);
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
