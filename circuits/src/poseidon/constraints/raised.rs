//! A tree node whose children are hashed here and used nowhere else.
//!
//! Poseidon first adds a constant to each lane and raises it to the fifth power. `x ↦ x⁵` permutes the
//! field, and so does `x ↦ (x + k)⁵`: whoever gives any elements for the outcomes has given children, one
//! for each, and no constraint is needed to say so. Three are saved for each child.
//!
//! Only for wires that nothing else is enforced on: the child itself is not a wire any more.

use ark_ff::{Field, PrimeField};
use ark_r1cs_std::{
    GR1CSVar,
    fields::{FieldVar, fp::FpVar},
};
use ark_relations::gr1cs::SynthesisError;

use super::{State, parameters, run};
use crate::{Fr, poseidon::NODE_ARITY};

// The fifth power permutes the field if 5 does not divide p − 1. As 2^64 is 1 modulo 5, p is the sum of its
// limbs modulo 5.
const _: () = {
    let limbs = Fr::MODULUS.0;
    let sum = limbs[0] % 5 + limbs[1] % 5 + limbs[2] % 5 + limbs[3] % 5;
    assert!(sum % 5 != 1, "two children would have one fifth power");
};

/// What Poseidon adds to the child in `slot` before the first S-box.
pub(crate) fn child_constant(slot: usize) -> Fr {
    parameters(NODE_ARITY + 1).ark[slot + 1]
}

/// `(child + k)⁵` for each child of a node, with `k` the [constant](child_constant) of its slot.
pub(crate) fn raised(children: [Fr; NODE_ARITY]) -> [Fr; NODE_ARITY] {
    std::array::from_fn(|slot| fifth_power(children[slot] + child_constant(slot)))
}

/// `sum⁵`, for the sum of a child and its constant. Three constraints.
pub(crate) fn raise(sum: &FpVar<Fr>) -> Result<FpVar<Fr>, SynthesisError> {
    Ok(sum.square()?.square()? * sum)
}

/// [`node`](crate::poseidon::node) of the children that were [`raised`]. 378 constraints.
///
/// # Errors
/// If an assignment is missing outside setup.
#[tracing::instrument(target = "gr1cs", name = "poseidon", skip_all)]
pub(crate) fn node(raised: &[FpVar<Fr>; NODE_ARITY]) -> Result<FpVar<Fr>, SynthesisError> {
    let parameters = parameters(NODE_ARITY + 1);
    let mut lanes = vec![FpVar::Constant(fifth_power(parameters.ark[0]))];
    lanes.extend_from_slice(raised);
    let mut state = State::new(raised.cs(), &lanes);
    state.mix(&parameters.mds);
    run(state, parameters, 1)
}

fn fifth_power(sum: Fr) -> Fr {
    sum.square().square() * sum
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ark_ff::{AdditiveGroup, BigInt};
    use ark_r1cs_std::alloc::AllocVar;
    use ark_relations::gr1cs::ConstraintSystem;
    use ark_std::{UniformRand, test_rng};

    /// `x` with `x⁵ = power`: `x = power^e` for `5·e = 4(p − 1) + 1`.
    pub(crate) fn fifth_root(power: Fr) -> Fr {
        let mut rest = (-Fr::ONE).into_bigint();
        rest <<= 2;
        rest.0[0] += 1;
        let mut exponent = BigInt::<4>::default();
        let mut carry = 0u128;
        for (digit, limb) in exponent.0.iter_mut().zip(rest.0).rev() {
            let whole = carry << 64 | u128::from(limb);
            *digit = u64::try_from(whole / 5).unwrap();
            carry = whole % 5;
        }
        assert_eq!(carry, 0);
        power.pow(exponent)
    }

    #[test]
    fn every_element_is_the_fifth_power_of_one() {
        let rng = &mut test_rng();
        let edges = [Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::from(2)];
        for element in edges.into_iter().chain((0..100).map(|_| Fr::rand(rng))) {
            assert_eq!(fifth_power(fifth_root(element)), element);
            assert_eq!(fifth_root(fifth_power(element)), element);
        }
    }

    #[test]
    fn any_eight_elements_are_a_node_s_raised_children() {
        let rng = &mut test_rng();
        for _ in 0..8 {
            let cs = ConstraintSystem::new_ref();
            let wires: [Fr; NODE_ARITY] = std::array::from_fn(|_| Fr::rand(rng));
            let children =
                std::array::from_fn(|slot| fifth_root(wires[slot]) - child_constant(slot));
            assert_eq!(raised(children), wires);
            let wires = wires.map(|wire| FpVar::new_witness(cs.clone(), || Ok(wire)).unwrap());
            let output = node(&wires).unwrap();
            assert_eq!(output.value().unwrap(), crate::poseidon::node(children));
            assert_eq!(cs.num_constraints(), 402 - 3 * NODE_ARITY);
            cs.finalize();
            assert!(cs.is_satisfied().unwrap());
        }
    }

    #[test]
    fn a_child_is_raised_at_the_price_of_an_s_box() {
        let cs = ConstraintSystem::new_ref();
        let sum = FpVar::new_witness(cs.clone(), || Ok(Fr::from(3))).unwrap();
        assert_eq!(raise(&sum).unwrap().value().unwrap(), Fr::from(243));
        assert_eq!(cs.num_constraints(), 3);
        for wire in 0..cs.num_witness_variables() {
            let original = cs.witness_assignment().unwrap()[wire];
            cs.borrow_mut().unwrap().assignments.witness_assignment[wire] = original + Fr::ONE;
            assert!(!cs.is_satisfied().unwrap(), "wire {wire} moves freely");
            cs.borrow_mut().unwrap().assignments.witness_assignment[wire] = original;
        }
    }
}
