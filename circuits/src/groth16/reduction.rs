//! circom's reduction from R1CS to a quadratic arithmetic program.
//!
//! It differs from libsnark's in `h`: with `P = A·B − C`, which vanishes on the domain of `n` roots of
//! unity, `P(τ)` is interpolated from its values at the odd powers of a `2n`-th root. So the key's
//! `h` query is `L(2i+1)(τ)/δ` of the doubled domain, and the prover's `h` is `P` at those points.
//!
//! Source: snarkjs `groth16_prove.js` and `zkey_new.js`.

use ark_ff::PrimeField;
use ark_groth16::r1cs_to_qap::{LibsnarkReduction, R1CSToQAP};
use ark_poly::EvaluationDomain;
use ark_relations::gr1cs::{ConstraintSystemRef, Matrix, SynthesisError};

use super::r1cs::row_value;

#[derive(Debug)]
pub(super) struct CircomReduction;

/// `P` is at most `2n − 2`, so its values at `2n` points fix it.
fn doubled<F: PrimeField, D: EvaluationDomain<F>>(size: usize) -> Result<D, SynthesisError> {
    D::new(2 * size).ok_or(SynthesisError::PolynomialDegreeTooLarge)
}

impl R1CSToQAP for CircomReduction {
    fn instance_map_with_evaluation<F: PrimeField, D: EvaluationDomain<F>>(
        cs: ConstraintSystemRef<F>,
        t: &F,
    ) -> Result<(Vec<F>, Vec<F>, Vec<F>, F, usize, usize), SynthesisError> {
        LibsnarkReduction::instance_map_with_evaluation::<F, D>(cs, t)
    }

    fn witness_map_from_matrices<F: PrimeField, D: EvaluationDomain<F>>(
        matrices: &[Matrix<F>],
        num_inputs: usize,
        num_constraints: usize,
        full_assignment: &[F],
    ) -> Result<Vec<F>, SynthesisError> {
        let domain =
            D::new(num_constraints + num_inputs).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
        let shift = doubled::<F, D>(domain.size())?.group_gen();
        let evaluate = |matrix: &Matrix<F>| {
            let mut values: Vec<F> =
                matrix.iter().map(|row| row_value(row, full_assignment)).collect();
            values.resize(domain.size(), F::zero());
            values
        };
        let mut a = evaluate(&matrices[0]);
        let mut b = evaluate(&matrices[1]);
        // One more row an input, `input · 0 = 0`: it keeps the inputs' polynomials independent.
        a[num_constraints..num_constraints + num_inputs]
            .copy_from_slice(&full_assignment[..num_inputs]);
        // On the domain C = A·B, so the C matrix is not needed.
        let mut c: Vec<F> = a.iter().zip(&b).map(|(a, b)| *a * b).collect();
        for values in [&mut a, &mut b, &mut c] {
            domain.ifft_in_place(values);
            D::distribute_powers(values, shift);
            domain.fft_in_place(values);
        }
        Ok(a.into_iter().zip(b).zip(c).map(|((a, b), c)| a * b - c).collect())
    }

    fn h_query_scalars<F: PrimeField, D: EvaluationDomain<F>>(
        max_power: usize,
        t: F,
        _: F,
        delta_inverse: F,
    ) -> Result<Vec<F>, SynthesisError> {
        let lagrange = doubled::<F, D>(max_power + 1)?.evaluate_all_lagrange_coefficients(t);
        Ok(lagrange.into_iter().skip(1).step_by(2).map(|value| value * delta_inverse).collect())
    }
}
