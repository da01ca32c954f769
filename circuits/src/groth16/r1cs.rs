//! A circuit's constraint matrices, and the file in which a ceremony gets them.

use ark_bn254::Fr;
use ark_ff::{BigInteger, PrimeField};
use ark_relations::gr1cs::{
    ConstraintSynthesizer, ConstraintSystem, Matrix, OptimizationGoal, R1CS_PREDICATE_LABEL,
    SynthesisError, SynthesisMode,
};
use sha2::{Digest, Sha256};

/// `⟨a, z⟩ · ⟨b, z⟩ = ⟨c, z⟩` for each row, where `z` = 1, public inputs, witness variables.
#[derive(Clone, PartialEq, Eq)]
pub struct R1cs {
    /// A, B, C.
    matrices: [Matrix<Fr>; 3],
    instance_variables: usize,
    witness_variables: usize,
}

impl std::fmt::Debug for R1cs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("R1cs")
            .field("constraints", &self.constraints())
            .field("public_inputs", &self.public_inputs())
            .field("witness_variables", &self.witness_variables)
            .finish()
    }
}

impl R1cs {
    /// The matrices of a blank circuit.
    ///
    /// # Errors
    /// If the circuit cannot be synthesised without an assignment.
    pub fn of(blank: impl ConstraintSynthesizer<Fr>) -> Result<Self, SynthesisError> {
        let cs = ConstraintSystem::new_ref();
        cs.set_optimization_goal(OptimizationGoal::Constraints);
        cs.set_mode(SynthesisMode::Setup);
        blank.generate_constraints(cs.clone())?;
        cs.finalize();
        let matrices = cs
            .to_matrices()?
            .remove(R1CS_PREDICATE_LABEL)
            .and_then(|matrices| matrices.try_into().ok())
            .ok_or(SynthesisError::PredicateNotFound)?;
        Ok(Self {
            matrices,
            instance_variables: cs.num_instance_variables(),
            witness_variables: cs.num_witness_variables(),
        })
    }

    /// Matrices as a file has them.
    pub(crate) const fn from_matrices(
        matrices: [Matrix<Fr>; 3],
        instance_variables: usize,
        witness_variables: usize,
    ) -> Self {
        Self { matrices, instance_variables, witness_variables }
    }

    /// Rows.
    pub const fn constraints(&self) -> usize {
        self.matrices[0].len()
    }

    /// Public inputs, the constant 1 not counted.
    pub const fn public_inputs(&self) -> usize {
        self.instance_variables - 1
    }

    /// Private variables.
    pub const fn witness_variables(&self) -> usize {
        self.witness_variables
    }

    /// The constant 1 and the public inputs.
    pub(crate) const fn instance_variables(&self) -> usize {
        self.instance_variables
    }

    /// Length of `z`.
    pub(crate) const fn variables(&self) -> usize {
        self.instance_variables + self.witness_variables
    }

    pub(crate) const fn matrices(&self) -> &[Matrix<Fr>; 3] {
        &self.matrices
    }

    /// Rows and the inputs' extra rows, rounded up to a power of two: as large as a ceremony's first phase
    /// must be.
    pub const fn domain_size(&self) -> usize {
        (self.constraints() + self.instance_variables).next_power_of_two()
    }

    /// The first row that does not hold for `z`, if any.
    pub(crate) fn first_unsatisfied(&self, z: &[Fr]) -> Option<usize> {
        let [a, b, c] = &self.matrices;
        (0..self.constraints())
            .find(|&row| row_value(&a[row], z) * row_value(&b[row], z) != row_value(&c[row], z))
    }

    /// The circuit as a `.r1cs` file, which snarkjs reads.
    ///
    /// Integers are little-endian; terms of a row are sorted by wire.
    /// Source: iden3 `r1csfile` `doc/r1cs_bin_format.md`, version 1.
    ///
    /// # Panics
    /// If the circuit has 2³² wires, rows or terms.
    pub fn to_file(&self) -> Vec<u8> {
        let small = |number: usize| {
            u32::try_from(number).expect("circuits are far below 2^32 wires").to_le_bytes()
        };
        let mut header = small(32).to_vec();
        header.extend(Fr::MODULUS.to_bytes_le());
        header.extend(small(self.variables()));
        header.extend(small(0)); // public outputs
        header.extend(small(self.public_inputs()));
        header.extend(small(self.witness_variables));
        header.extend((self.variables() as u64).to_le_bytes()); // labels
        header.extend(small(self.constraints()));

        let mut constraints = Vec::new();
        for row in 0..self.constraints() {
            for matrix in &self.matrices {
                let mut terms = matrix[row].clone();
                terms.sort_unstable_by_key(|(_, wire)| *wire);
                constraints.extend(small(terms.len()));
                for (factor, wire) in terms {
                    constraints.extend(small(wire));
                    constraints.extend(factor.into_bigint().to_bytes_le());
                }
            }
        }

        let labels: Vec<u8> = (0..self.variables() as u64).flat_map(u64::to_le_bytes).collect();

        let mut file = b"r1cs".to_vec();
        file.extend(small(1)); // version
        file.extend(small(3)); // sections
        for (kind, section) in [(1, header), (2, constraints), (3, labels)] {
            file.extend(small(kind));
            file.extend((section.len() as u64).to_le_bytes());
            file.extend(section);
        }
        file
    }

    /// `SHA-256` of [`R1cs::to_file`]: what two builds must agree on before they share a key.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.to_file()).into()
    }
}

/// `⟨row, z⟩`
pub(crate) fn row_value<F: PrimeField>(row: &[(F, usize)], z: &[F]) -> F {
    row.iter()
        .map(|(factor, wire)| if factor.is_one() { z[*wire] } else { *factor * z[*wire] })
        .sum()
}
