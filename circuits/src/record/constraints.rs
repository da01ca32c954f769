//! The record commitment as constraints.

use std::borrow::Borrow;

use ark_r1cs_std::{
    alloc::{AllocVar, AllocationMode},
    fields::fp::FpVar,
};
use ark_relations::gr1cs::{Namespace, SynthesisError};

use super::{INNER_FIELDS, Opening};
use crate::{
    Fr,
    poseidon::{self, Tag},
    schema::FIELDS,
};

/// Circuit twin of [`Opening`]; its `Debug` shows nothing either.
#[derive(Clone)]
pub struct OpeningVar {
    /// `v0…v15`
    pub values: [FpVar<Fr>; FIELDS],
    /// `(Ax, Ay)`
    pub public_key: (FpVar<Fr>, FpVar<Fr>),
    /// The pseudonym key.
    pub pseudonym_key: FpVar<Fr>,
    /// The blinding.
    pub blinding: FpVar<Fr>,
}

impl std::fmt::Debug for OpeningVar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpeningVar")
    }
}

impl AllocVar<Opening, Fr> for OpeningVar {
    fn new_variable<T: Borrow<Opening>>(
        cs: impl Into<Namespace<Fr>>,
        f: impl FnOnce() -> Result<T, SynthesisError>,
        mode: AllocationMode,
    ) -> Result<Self, SynthesisError> {
        let cs = cs.into().cs();
        let opening = f();
        let opening = opening.as_ref().map(Borrow::borrow).map_err(|error| *error);
        let variable =
            |value: Result<Fr, SynthesisError>| FpVar::new_variable(cs.clone(), || value, mode);
        let values = (0..FIELDS)
            .map(|field| variable(opening.map(|opening| opening.values[field])))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            values: values.try_into().expect("one variable a field"),
            public_key: (
                variable(opening.map(|opening| opening.public_key.0))?,
                variable(opening.map(|opening| opening.public_key.1))?,
            ),
            pseudonym_key: variable(opening.map(|opening| opening.pseudonym_key))?,
            blinding: variable(opening.map(|opening| opening.blinding))?,
        })
    }
}

/// Circuit twin of [`super::commitment`].
///
/// # Errors
/// If an assignment is missing outside setup.
#[tracing::instrument(target = "gr1cs", name = "record_commitment", skip_all)]
pub fn commitment(schema: &FpVar<Fr>, opening: &OpeningVar) -> Result<FpVar<Fr>, SynthesisError> {
    let (inner_values, outer_values) = opening.values.split_at(INNER_FIELDS);
    let mut inputs = vec![schema.clone()];
    inputs.extend_from_slice(inner_values);
    let mut outer = vec![poseidon::constraints::tagged(Tag::RecordInner, &inputs)?];
    outer.extend_from_slice(outer_values);
    outer.extend([
        opening.public_key.0.clone(),
        opening.public_key.1.clone(),
        opening.pseudonym_key.clone(),
        opening.blinding.clone(),
    ]);
    poseidon::constraints::tagged(Tag::Record, &outer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_r1cs_std::GR1CSVar;
    use ark_relations::gr1cs::{ConstraintSystem, ConstraintSystemRef, SynthesisMode};
    use ark_std::{UniformRand, test_rng};

    fn random() -> (Fr, Opening) {
        let rng = &mut test_rng();
        let opening = Opening {
            values: std::array::from_fn(|_| Fr::rand(rng)),
            public_key: (Fr::rand(rng), Fr::rand(rng)),
            pseudonym_key: Fr::rand(rng),
            blinding: Fr::rand(rng),
        };
        (Fr::rand(rng), opening)
    }

    #[test]
    fn agrees_with_the_native_commitment_in_every_mode() {
        let (schema, opening) = random();
        let expected = super::super::commitment(schema, &opening);
        for mode in [AllocationMode::Constant, AllocationMode::Input, AllocationMode::Witness] {
            let cs = ConstraintSystem::<Fr>::new_ref();
            let schema = FpVar::new_variable(cs.clone(), || Ok(schema), mode).unwrap();
            let opening = OpeningVar::new_variable(cs.clone(), || Ok(&opening), mode).unwrap();
            let output = commitment(&schema, &opening).unwrap();
            assert_eq!(output.value().unwrap(), expected);
            cs.finalize();
            assert!(cs.is_satisfied().unwrap());
        }
    }

    #[test]
    fn costs_two_hashes_and_needs_no_values_at_setup() {
        let synthesize = |cs: ConstraintSystemRef<Fr>, values: Option<(Fr, Opening)>| {
            let values = values.as_ref().ok_or(SynthesisError::AssignmentMissing);
            let schema = FpVar::new_witness(cs.clone(), || values.map(|(schema, _)| *schema));
            let opening =
                OpeningVar::new_witness(cs.clone(), || values.map(|(_, opening)| opening));
            let _ = commitment(&schema.unwrap(), &opening.unwrap()).unwrap();
            (cs.num_constraints(), cs.num_witness_variables())
        };
        let blank = ConstraintSystem::new_ref();
        blank.set_mode(SynthesisMode::Setup);
        let counts = synthesize(blank, None);
        assert_eq!(counts, synthesize(ConstraintSystem::new_ref(), Some(random())));
        // 2 × 504, less the S-box on each constant tag.
        assert_eq!(counts.0, 1002);
    }
}
