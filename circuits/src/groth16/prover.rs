//! Proving.

use ark_ff::UniformRand;
use ark_relations::gr1cs::{
    ConstraintSynthesizer, ConstraintSystem, SynthesisError, SynthesisMode,
};
use ark_std::rand::{CryptoRng, RngCore};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use super::{Engine, Proof, ProvingKey, R1cs};
use crate::Fr;

/// Why there is no proof.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProveError {
    /// The circuit could not be assigned.
    #[error("the circuit could not be assigned: {0}")]
    Synthesis(#[from] SynthesisError),
    /// The circuit is not the one the key was made for.
    #[error("the key's circuit has {expected} variables, this one {got}")]
    OtherCircuit {
        /// Variables of the key's circuit.
        expected: usize,
        /// Variables of the circuit given.
        got: usize,
    },
    /// The witness does not satisfy the statement.
    #[error("constraint {row} does not hold")]
    Unsatisfied {
        /// The first row of the matrices that does not hold.
        row: usize,
    },
}

/// `z` = 1, public inputs, private wires: it holds the record, so `Debug` shows nothing of it, and it
/// is wiped when dropped.
#[derive(Clone)]
pub struct Assignment {
    z: Zeroizing<Vec<Fr>>,
    public_inputs: usize,
}

impl Assignment {
    /// What the circuit's wires are for its statement and witness.
    ///
    /// # Errors
    /// [`ProveError`] if the circuit has no full assignment or is not the one of the matrices. Whether it
    /// satisfies them is not looked at.
    pub fn of(r1cs: &R1cs, circuit: impl ConstraintSynthesizer<Fr>) -> Result<Self, ProveError> {
        Ok(Self { z: assign(r1cs, circuit)?, public_inputs: r1cs.public_inputs() })
    }

    /// All of `z`.
    pub fn elements(&self) -> &[Fr] {
        &self.z
    }

    /// The public inputs.
    pub fn public_inputs(&self) -> &[Fr] {
        &self.z[1..=self.public_inputs]
    }
}

impl std::fmt::Debug for Assignment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Assignment")
    }
}

/// A proof of the circuit's statement.
///
/// The circuit is only assigned; its matrices come from the key. `A·B = C` is checked on every row
/// first: ark-groth16 makes a worthless proof from a bad witness without a word.
///
/// # Errors
/// [`ProveError`] if the circuit has no full assignment, is not the key's, or does not hold.
pub fn prove(
    key: &ProvingKey,
    circuit: impl ConstraintSynthesizer<Fr>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Proof, ProveError> {
    create(key, &satisfying(key.r1cs(), circuit)?, rng)
}

/// A proof of what is assigned already, checked as [`prove`] does.
///
/// # Errors
/// [`ProveError`] if the assignment is not of the key's circuit, or does not satisfy it.
pub fn prove_assignment(
    key: &ProvingKey,
    assignment: &Assignment,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Proof, ProveError> {
    let (expected, got) = (key.r1cs().variables(), assignment.z.len());
    if expected != got || key.r1cs().public_inputs() != assignment.public_inputs {
        return Err(ProveError::OtherCircuit { expected, got });
    }
    match key.r1cs().first_unsatisfied(&assignment.z) {
        Some(row) => Err(ProveError::Unsatisfied { row }),
        None => create(key, &assignment.z, rng),
    }
}

/// Whether [`prove`] would find the circuit satisfied; costs a hundredth of a proof.
///
/// # Errors
/// What [`prove`] would fail with.
pub fn check(key: &ProvingKey, circuit: impl ConstraintSynthesizer<Fr>) -> Result<(), ProveError> {
    satisfying(key.r1cs(), circuit).map(drop)
}

/// What [`prove`] would return, even where the witness does not satisfy the statement.
///
/// Only for tests and for demonstrations of attacks: a dishonest prover would take out its own check,
/// and the verifier must not rely on it. Such a proof does not verify.
///
/// # Errors
/// [`ProveError`] if the circuit has no full assignment or is not the key's.
pub fn prove_without_satisfaction_check(
    key: &ProvingKey,
    circuit: impl ConstraintSynthesizer<Fr>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Proof, ProveError> {
    create(key, &assign(key.r1cs(), circuit)?, rng)
}

/// The assignment, with `A·B = C` checked on every row.
fn satisfying(
    r1cs: &R1cs,
    circuit: impl ConstraintSynthesizer<Fr>,
) -> Result<Zeroizing<Vec<Fr>>, ProveError> {
    let assignment = assign(r1cs, circuit)?;
    match r1cs.first_unsatisfied(&assignment) {
        Some(row) => Err(ProveError::Unsatisfied { row }),
        None => Ok(assignment),
    }
}

/// `z` = 1, public inputs, witness variables; wiped when dropped.
fn assign(
    r1cs: &R1cs,
    circuit: impl ConstraintSynthesizer<Fr>,
) -> Result<Zeroizing<Vec<Fr>>, ProveError> {
    let cs = ConstraintSystem::new_ref();
    cs.set_mode(SynthesisMode::Prove { construct_matrices: false, generate_lc_assignments: false });
    circuit.generate_constraints(cs.clone())?;
    let mut cs = cs.borrow_mut().ok_or(SynthesisError::MissingCS)?;
    let mut assignment = Zeroizing::new(Vec::with_capacity(r1cs.variables()));
    assignment.extend_from_slice(&cs.assignments.instance_assignment);
    assignment.extend_from_slice(&cs.assignments.witness_assignment);
    cs.assignments.witness_assignment.zeroize();
    if cs.num_instance_variables() != r1cs.instance_variables()
        || assignment.len() != r1cs.variables()
    {
        return Err(ProveError::OtherCircuit { expected: r1cs.variables(), got: assignment.len() });
    }
    Ok(assignment)
}

fn create(
    key: &ProvingKey,
    assignment: &[Fr],
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Proof, ProveError> {
    let r1cs = key.r1cs();
    let proof = Engine::create_proof_with_reduction_and_matrices(
        key.points(),
        Fr::rand(rng),
        Fr::rand(rng),
        r1cs.matrices(),
        r1cs.instance_variables(),
        r1cs.constraints(),
        assignment,
    )?;
    Ok(Proof(proof))
}
