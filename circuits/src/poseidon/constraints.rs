//! Poseidon as constraints, on raw linear combinations.
//!
//! The state is kept as a dense matrix over a small basis of variables. A full round replaces the
//! basis by its S-box outputs; a partial round adds one. So only the S-boxes cost constraints, three
//! each, and nothing is built at all in an assignment-only pass.

pub(crate) mod raised;

use std::sync::OnceLock;

use ark_ff::{Field, One, Zero};
use ark_r1cs_std::{
    GR1CSVar,
    fields::fp::{AllocatedFp, FpVar},
};
use ark_relations::gr1cs::{ConstraintSystemRef, LinearCombination, SynthesisError, Variable};
use light_poseidon::{PoseidonParameters, parameters::bn254_x5::get_poseidon_parameters};

use super::{CHALLENGE_ARITY, MAX_ARITY, Tag};
use crate::Fr;

/// Circuit twin of [`super::tagged`].
///
/// # Errors
/// If an assignment is missing outside setup.
///
/// # Panics
/// If the number of inputs is not the one the tag is registered with.
pub fn tagged(tag: Tag, inputs: &[FpVar<Fr>]) -> Result<FpVar<Fr>, SynthesisError> {
    let mut all = Vec::with_capacity(tag.arity());
    all.push(FpVar::Constant(tag.element()));
    all.extend_from_slice(inputs);
    assert_eq!(all.len(), tag.arity(), "inputs of {tag:?}");
    permute(&all)
}

/// [`tagged`] with fewer inputs than the tag is registered with: only to measure what an input costs, since
/// nothing keeps such hashes apart from others.
///
/// # Errors
/// If an assignment is missing outside setup.
pub(crate) fn tagged_with_fewer(
    tag: Tag,
    inputs: &[FpVar<Fr>],
) -> Result<FpVar<Fr>, SynthesisError> {
    let all = [&[FpVar::Constant(tag.element())], inputs].concat();
    assert!(all.len() <= tag.arity(), "inputs of {tag:?}");
    permute(&all)
}

/// Circuit twin of [`super::challenge`].
///
/// # Errors
/// If an assignment is missing outside setup.
pub fn challenge(inputs: &[FpVar<Fr>; CHALLENGE_ARITY]) -> Result<FpVar<Fr>, SynthesisError> {
    permute(inputs)
}

/// circomlib's parameters for `width` lanes, converted once.
fn parameters(width: usize) -> &'static PoseidonParameters<Fr> {
    static PARAMETERS: [OnceLock<PoseidonParameters<Fr>>; MAX_ARITY + 2] =
        [const { OnceLock::new() }; MAX_ARITY + 2];
    PARAMETERS[width].get_or_init(|| {
        let width = u8::try_from(width).expect("at most 13 lanes");
        get_poseidon_parameters(width).expect("circomlib has 2 to 13 lanes")
    })
}

#[tracing::instrument(target = "gr1cs", name = "poseidon", skip_all)]
fn permute(inputs: &[FpVar<Fr>]) -> Result<FpVar<Fr>, SynthesisError> {
    let cs = inputs.cs();
    if cs.is_none() {
        let values: Vec<Fr> = inputs.iter().map(GR1CSVar::value).collect::<Result<_, _>>()?;
        return Ok(FpVar::Constant(super::permute(&values)));
    }
    let mut lanes = vec![FpVar::Constant(Fr::zero())];
    lanes.extend_from_slice(inputs);
    run(State::new(cs, &lanes), parameters(lanes.len()), 0)
}

/// The first lane after the rounds from `first`, which is 0 for all.
fn run(
    mut state: State,
    parameters: &PoseidonParameters<Fr>,
    first: usize,
) -> Result<FpVar<Fr>, SynthesisError> {
    let half = parameters.full_rounds / 2;
    let rounds = parameters.ark.chunks_exact(parameters.width).enumerate();
    for (round, constants) in rounds.skip(first) {
        state.add_constants(constants);
        if round < half || round >= half + parameters.partial_rounds {
            state.full_round()?;
        } else {
            state.partial_round()?;
        }
        state.mix(&parameters.mds);
    }
    state.into_first_lane()
}

/// One lane: `constant + Σ coefficients[i] · basis[i]`, and its value where one is assigned.
struct Lane {
    constant: Fr,
    /// As long as the basis; empty in an assignment-only pass.
    coefficients: Vec<Fr>,
    value: Option<Fr>,
    /// Known at synthesis in every mode, so an S-box on it is free.
    is_constant: bool,
}

struct State {
    cs: ConstraintSystemRef<Fr>,
    /// False in an assignment-only pass, where linear combinations are never looked at.
    symbolic: bool,
    basis: Vec<Variable>,
    lanes: Vec<Lane>,
}

impl State {
    fn new(cs: ConstraintSystemRef<Fr>, lanes: &[FpVar<Fr>]) -> Self {
        let symbolic = cs.should_construct_matrices();
        let basis: Vec<Variable> = lanes
            .iter()
            .filter_map(|lane| match lane {
                FpVar::Constant(_) => None,
                FpVar::Var(allocated) => Some(allocated.variable),
            })
            .collect();
        let width = if symbolic { basis.len() } else { 0 };
        let constant = |constant| Lane {
            constant,
            coefficients: vec![Fr::zero(); width],
            value: Some(constant),
            is_constant: true,
        };
        let mut next = 0;
        let lanes = lanes
            .iter()
            .map(|lane| match lane {
                FpVar::Constant(value) => constant(*value),
                FpVar::Var(allocated) => {
                    let mut coefficients = vec![Fr::zero(); width];
                    if symbolic {
                        coefficients[next] = Fr::one();
                    }
                    next += 1;
                    Lane {
                        constant: Fr::zero(),
                        coefficients,
                        value: allocated.value().ok(),
                        is_constant: false,
                    }
                }
            })
            .collect();
        Self { cs, symbolic, basis, lanes }
    }

    fn add_constants(&mut self, constants: &[Fr]) {
        for (lane, constant) in self.lanes.iter_mut().zip(constants) {
            lane.constant += constant;
            lane.value = lane.value.map(|value| value + constant);
        }
    }

    /// S-box on every lane; its outputs are the new basis.
    fn full_round(&mut self) -> Result<(), SynthesisError> {
        let mut basis = Vec::with_capacity(self.lanes.len());
        let mut outputs = Vec::with_capacity(self.lanes.len());
        for lane in &self.lanes {
            let output = self.sbox(lane)?;
            if let SboxOutput::Variable(variable, _) = output {
                basis.push(variable);
            }
            outputs.push(output);
        }
        let width = if self.symbolic { basis.len() } else { 0 };
        let mut next = 0;
        for (lane, output) in self.lanes.iter_mut().zip(outputs) {
            lane.coefficients.clear();
            lane.coefficients.resize(width, Fr::zero());
            match output {
                SboxOutput::Constant(value) => {
                    lane.constant = value;
                    lane.value = Some(value);
                }
                SboxOutput::Variable(_, value) => {
                    if self.symbolic {
                        lane.coefficients[next] = Fr::one();
                    }
                    next += 1;
                    lane.constant = Fr::zero();
                    lane.value = value;
                }
            }
        }
        self.basis = basis;
        Ok(())
    }

    /// S-box on the first lane; its output joins the basis.
    fn partial_round(&mut self) -> Result<(), SynthesisError> {
        match self.sbox(&self.lanes[0])? {
            SboxOutput::Constant(value) => {
                self.lanes[0].constant = value;
                self.lanes[0].value = Some(value);
            }
            SboxOutput::Variable(variable, value) => {
                self.basis.push(variable);
                let first = &mut self.lanes[0];
                first.constant = Fr::zero();
                first.value = value;
                if self.symbolic {
                    first.coefficients.fill(Fr::zero());
                    for lane in &mut self.lanes {
                        lane.coefficients.push(Fr::zero());
                    }
                    *self.lanes[0].coefficients.last_mut().expect("just pushed") = Fr::one();
                }
            }
        }
        Ok(())
    }

    /// `lanes ← MDS · lanes`
    fn mix(&mut self, mds: &[Vec<Fr>]) {
        let width = if self.symbolic { self.basis.len() } else { 0 };
        let all_constant = self.lanes.iter().all(|lane| lane.is_constant);
        self.lanes = mds
            .iter()
            .map(|row| {
                let mut mixed = Lane {
                    constant: Fr::zero(),
                    coefficients: vec![Fr::zero(); width],
                    value: Some(Fr::zero()),
                    is_constant: all_constant,
                };
                for (factor, lane) in row.iter().zip(&self.lanes) {
                    mixed.constant += *factor * lane.constant;
                    for (sum, coefficient) in mixed.coefficients.iter_mut().zip(&lane.coefficients)
                    {
                        *sum += *factor * coefficient;
                    }
                    mixed.value =
                        mixed.value.zip(lane.value).map(|(sum, value)| sum + *factor * value);
                }
                mixed
            })
            .collect();
    }

    /// `x⁵` as `x·x`, `x²·x²`, `x⁴·x`: `x⁴` never stands on the right, which keeps the prover's
    /// second-group query short.
    fn sbox(&self, lane: &Lane) -> Result<SboxOutput, SynthesisError> {
        if lane.is_constant {
            return Ok(SboxOutput::Constant(lane.constant.pow([5u64])));
        }
        let cs = &self.cs;
        let assigned = |value: Option<Fr>| move || value.ok_or(SynthesisError::AssignmentMissing);
        let square = lane.value.map(|value| value.square());
        let fourth = square.map(|value| value.square());
        let fifth = fourth.zip(lane.value).map(|(fourth, value)| fourth * value);
        let square_variable = cs.new_witness_variable(assigned(square))?;
        let fourth_variable = cs.new_witness_variable(assigned(fourth))?;
        let fifth_variable = cs.new_witness_variable(assigned(fifth))?;
        let input = || self.linear_combination(lane);
        let single = |variable| move || LinearCombination(vec![(Fr::one(), variable)]);
        cs.enforce_r1cs_constraint(input, input, single(square_variable))?;
        cs.enforce_r1cs_constraint(
            single(square_variable),
            single(square_variable),
            single(fourth_variable),
        )?;
        cs.enforce_r1cs_constraint(single(fourth_variable), input, single(fifth_variable))?;
        Ok(SboxOutput::Variable(fifth_variable, fifth))
    }

    fn linear_combination(&self, lane: &Lane) -> LinearCombination<Fr> {
        let mut terms = Vec::with_capacity(lane.coefficients.len() + 1);
        terms.push((lane.constant, Variable::One));
        terms.extend(lane.coefficients.iter().copied().zip(self.basis.iter().copied()));
        terms.retain(|(coefficient, _)| !coefficient.is_zero());
        // Two inputs may be the same variable, and a variable may be a linear combination itself.
        LinearCombination::from_sum_coeff_vars(&terms)
    }

    fn into_first_lane(self) -> Result<FpVar<Fr>, SynthesisError> {
        let first = &self.lanes[0];
        let variable = self.cs.new_lc(|| self.linear_combination(first))?;
        Ok(FpVar::Var(AllocatedFp::new(first.value, variable, self.cs.clone())))
    }
}

enum SboxOutput {
    Constant(Fr),
    Variable(Variable, Option<Fr>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_r1cs_std::alloc::AllocVar;
    use ark_relations::gr1cs::{ConstraintSystem, SynthesisMode};
    use ark_std::{UniformRand, test_rng};

    /// (inputs, constraints with every input a variable), as circom `--O2` counts them.
    const CONSTRAINTS: [(usize, usize); 6] =
        [(2, 240), (3, 261), (4, 297), (5, 321), (8, 402), (12, 504)];

    #[test]
    fn agrees_with_the_native_hash_and_costs_what_circom_pays() {
        let rng = &mut test_rng();
        for (arity, constraints) in CONSTRAINTS {
            let cs = ConstraintSystem::<Fr>::new_ref();
            let values: Vec<Fr> = (0..arity).map(|_| Fr::rand(rng)).collect();
            let inputs: Vec<_> = values
                .iter()
                .map(|value| FpVar::new_witness(cs.clone(), || Ok(*value)).unwrap())
                .collect();
            let output = permute(&inputs).unwrap();
            assert_eq!(output.value().unwrap(), crate::poseidon::permute(&values));
            assert_eq!(cs.num_constraints(), constraints, "arity {arity}");
            cs.finalize();
            assert!(cs.is_satisfied().unwrap());
        }
    }

    #[test]
    fn constants_and_variables_mix() {
        let rng = &mut test_rng();
        for constants in 0..8u8 {
            let cs = ConstraintSystem::<Fr>::new_ref();
            let values: [Fr; 3] = std::array::from_fn(|_| Fr::rand(rng));
            let inputs: Vec<_> = values
                .iter()
                .enumerate()
                .map(|(i, value)| {
                    if constants >> i & 1 == 1 {
                        FpVar::Constant(*value)
                    } else {
                        FpVar::new_witness(cs.clone(), || Ok(*value)).unwrap()
                    }
                })
                .collect();
            let output = permute(&inputs).unwrap();
            assert_eq!(output.value().unwrap(), crate::poseidon::permute(&values));
            cs.finalize();
            assert!(cs.is_satisfied().unwrap());
        }
    }

    #[test]
    fn a_repeated_or_composed_input_is_one_linear_combination() {
        let cs = ConstraintSystem::<Fr>::new_ref();
        let a = FpVar::new_witness(cs.clone(), || Ok(Fr::from(3))).unwrap();
        let b = FpVar::new_witness(cs.clone(), || Ok(Fr::from(5))).unwrap();
        let output = permute(&[a.clone(), &a + &b, a.clone()]).unwrap();
        let expected = crate::poseidon::permute(&[Fr::from(3), Fr::from(8), Fr::from(3)]);
        assert_eq!(output.value().unwrap(), expected);
        cs.finalize();
        assert!(cs.is_satisfied().unwrap());
    }

    #[test]
    fn an_assignment_only_pass_gives_the_same_assignment() {
        let assignment = |mode| {
            let cs = ConstraintSystem::<Fr>::new_ref();
            cs.set_mode(mode);
            let inputs: Vec<_> = (1..=12u64)
                .map(|value| FpVar::new_witness(cs.clone(), || Ok(Fr::from(value))).unwrap())
                .collect();
            let _ = permute(&inputs).unwrap();
            cs.witness_assignment().unwrap()
        };
        let full = SynthesisMode::Prove { construct_matrices: true, generate_lc_assignments: true };
        let only =
            SynthesisMode::Prove { construct_matrices: false, generate_lc_assignments: false };
        assert_eq!(assignment(full), assignment(only));
    }

    #[test]
    fn every_wire_is_pinned() {
        let cs = ConstraintSystem::<Fr>::new_ref();
        let inputs: Vec<_> = (1..=3u64)
            .map(|value| FpVar::new_input(cs.clone(), || Ok(Fr::from(value))).unwrap())
            .collect();
        let _ = permute(&inputs).unwrap();
        for wire in 0..cs.num_witness_variables() {
            let original = cs.witness_assignment().unwrap()[wire];
            cs.borrow_mut().unwrap().assignments.witness_assignment[wire] = original + Fr::one();
            assert!(!cs.is_satisfied().unwrap(), "wire {wire} moves freely");
            cs.borrow_mut().unwrap().assignments.witness_assignment[wire] = original;
        }
        assert!(cs.is_satisfied().unwrap());
    }
}
