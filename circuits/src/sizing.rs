//! Circuits of other sizes, to show what a size costs. **For measurement only.**
//!
//! They are made of the same parts as the two statements, for fewer fields, clauses or levels. They are other
//! circuits, without a name: no document can name a key of theirs, so no verifier takes their proofs.
//!
//! - **Fields.** The values of the other fields are the constant *absent*, which costs nothing; the record's
//!   two hashes take only the fields that there are.
//! - **Clauses.** The query has only so many, and its header is packed from them; the operands stay 16.
//! - **Capacity.** The path has only the levels that an index of so many bits needs.

mod sample;

use ark_r1cs_std::{GR1CSVar, alloc::AllocVar, eq::EqGadget, fields::fp::FpVar};
use ark_relations::gr1cs::{
    ConstraintSynthesizer, ConstraintSystem, ConstraintSystemRef, SynthesisError,
};

use crate::{
    Fr,
    babyjubjub::constraints::PointVar,
    eddsa::{
        Signature, consent_message,
        constraints::{SignatureVar, enforce_signature},
    },
    encoding::ABSENT,
    poseidon::{
        Tag,
        constraints::{tagged, tagged_with_fewer},
    },
    query::{
        Basis, CLAUSES, CompiledQuery, Mode,
        constraints::{QueryVar, QueryWitness, enforce_query},
    },
    record::{INNER_FIELDS, Opening, constraints::OpeningVar},
    schema::FIELDS,
    statement::{identified, pseudonymous},
    tree::{Path, constraints::climb, levels_for},
};
pub use sample::{identified_sample, pseudonymous_sample};

/// A circuit's sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Fields of the record, 2 to [`FIELDS`].
    pub fields: usize,
    /// Clauses of the query, 1 to [`CLAUSES`].
    pub clauses: usize,
    /// Bits of a record's index: the tree holds 2 to the power of it.
    pub index_bits: u32,
}

impl Size {
    /// The sizes that are proved with.
    pub const IN_USE: Self = Self { fields: FIELDS, clauses: CLAUSES, index_bits: u32::BITS };

    fn check(self) {
        let Self { fields, clauses, index_bits } = self;
        assert!((2..=FIELDS).contains(&fields), "2 to {FIELDS} fields");
        assert!((1..=CLAUSES).contains(&clauses), "1 to {CLAUSES} clauses");
        assert!((1..=u32::BITS).contains(&index_bits), "1 to {} bits", u32::BITS);
    }
}

/// A circuit of some size, with a sample's values or blank.
#[derive(Clone, Debug)]
pub struct SizedCircuit {
    size: Size,
    sample: Sample,
}

#[derive(Clone, Debug)]
enum Sample {
    Identified(Option<Box<(identified::Statement, identified::Witness)>>),
    Pseudonymous(Option<Box<(pseudonymous::Statement, pseudonymous::Witness)>>),
}

impl SizedCircuit {
    /// Like `identified/v1` or `pseudonymous/v1`, by the mode; with a sample's values.
    ///
    /// # Panics
    /// If a size is out of range.
    pub fn sample(mode: Mode, size: Size) -> Self {
        size.check();
        let sample = match mode {
            Mode::Identified => Sample::Identified(Some(Box::new(sample::identified_of(size)))),
            Mode::Pseudonymous => {
                Sample::Pseudonymous(Some(Box::new(sample::pseudonymous_of(size))))
            }
        };
        Self { size, sample }
    }

    /// The same without values, for making a key.
    pub const fn blank(&self) -> Self {
        let sample = match self.sample {
            Sample::Identified(_) => Sample::Identified(None),
            Sample::Pseudonymous(_) => Sample::Pseudonymous(None),
        };
        Self { size: self.size, sample }
    }

    /// The sample's public inputs.
    ///
    /// # Errors
    /// If the circuit cannot be assigned.
    pub fn public_inputs(&self) -> Result<Vec<Fr>, SynthesisError> {
        let cs = ConstraintSystem::new_ref();
        self.clone().generate_constraints(cs.clone())?;
        let cs = cs.borrow().ok_or(SynthesisError::MissingCS)?;
        Ok(cs.instance_assignment()?[1..].to_vec())
    }
}

/// What both modes have.
#[derive(Clone, Copy)]
struct Common<'a> {
    schema: Fr,
    /// Nonce or scope.
    context: Fr,
    opening: &'a Opening,
    query: &'a CompiledQuery,
}

impl ConstraintSynthesizer<Fr> for SizedCircuit {
    fn generate_constraints(self, cs: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        let Self { size, sample } = self;
        match sample {
            Sample::Identified(sample) => {
                let sample = sample.as_deref();
                let common = sample.map(|(_, witness)| Common {
                    schema: witness.schema,
                    context: witness.nonce,
                    opening: &witness.opening,
                    query: &witness.query,
                });
                let request = sample.map(|(statement, _)| statement.request);
                let parts = parts(&cs, size, Mode::Identified, common)?;
                public(&cs, &parts.commitment)?;
                let missing = SynthesisError::AssignmentMissing;
                let request = FpVar::new_input(cs.clone(), || request.ok_or(missing))?;
                public(&cs, &parts.query)?;
                let subject = parts.opening.values[0].clone();
                public(&cs, &tagged(Tag::Subject, &[subject, parts.context])?)?;
                bind(&request)
            }
            Sample::Pseudonymous(sample) => {
                let sample = sample.as_deref();
                let common = sample.map(|(_, witness)| Common {
                    schema: witness.schema,
                    context: witness.scope,
                    opening: &witness.opening,
                    query: &witness.query,
                });
                let signed = sample.map(|(statement, witness)| {
                    (consent_message(statement.request, statement.query), witness.signature)
                });
                let path = sample.map(|(_, witness)| &witness.path);
                let parts = parts(&cs, size, Mode::Pseudonymous, common)?;
                public(&cs, &root(size, &parts.commitment, path)?)?;
                enforce_consent(&cs, &parts.opening, signed)?;
                public(&cs, &parts.query)?;
                let key = parts.opening.pseudonym_key;
                public(&cs, &tagged(Tag::Pseudonym, &[key, parts.context])?)
            }
        }
    }
}

/// The wires that both modes have, with the query's constraints.
struct Parts {
    opening: OpeningVar,
    context: FpVar<Fr>,
    commitment: FpVar<Fr>,
    query: FpVar<Fr>,
}

fn parts(
    cs: &ConstraintSystemRef<Fr>,
    size: Size,
    mode: Mode,
    common: Option<Common<'_>>,
) -> Result<Parts, SynthesisError> {
    let assigned = common.ok_or(SynthesisError::AssignmentMissing);
    let wire = |of: fn(Common<'_>) -> Fr| FpVar::new_witness(cs.clone(), || assigned.map(of));
    let (schema, context) = (wire(|it| it.schema)?, wire(|it| it.context)?);
    let mut values = std::array::from_fn(|_| FpVar::Constant(ABSENT));
    for (field, value) in values.iter_mut().enumerate().take(size.fields) {
        *value = FpVar::new_witness(cs.clone(), || assigned.map(|it| it.opening.values[field]))?;
    }
    let public_key = (wire(|it| it.opening.public_key.0)?, wire(|it| it.opening.public_key.1)?);
    let pseudonym_key = wire(|it| it.opening.pseudonym_key)?;
    let blinding = wire(|it| it.opening.blinding)?;
    let opening = OpeningVar { values, public_key, pseudonym_key, blinding };

    let witness = common.map(|it| QueryWitness::new(it.query, Basis::Consent, &it.opening.values));
    let query = QueryVar::of_clauses(cs.clone(), witness.as_ref(), mode, size.clauses)?;
    enforce_query(&opening.values, &query)?;
    let commitment = commitment(&schema, &opening.values[..size.fields], &opening)?;
    let query = query.commitment(&schema, &context)?;
    Ok(Parts { opening, context, commitment, query })
}

/// The record commitment to only these values.
fn commitment(
    schema: &FpVar<Fr>,
    values: &[FpVar<Fr>],
    opening: &OpeningVar,
) -> Result<FpVar<Fr>, SynthesisError> {
    let (inner_values, outer_values) = values.split_at(INNER_FIELDS.min(values.len()));
    let inner = [std::slice::from_ref(schema), inner_values].concat();
    let inner = tagged_with_fewer(Tag::RecordInner, &inner)?;
    let (x, y) = opening.public_key.clone();
    let rest = [x, y, opening.pseudonym_key.clone(), opening.blinding.clone()];
    tagged_with_fewer(Tag::Record, &[&[inner], outer_values, &rest].concat())
}

fn root(size: Size, leaf: &FpVar<Fr>, path: Option<&Path>) -> Result<FpVar<Fr>, SynthesisError> {
    climb(levels_for(size.index_bits), leaf, path)
}

/// A public input that is the wire's value.
fn public(cs: &ConstraintSystemRef<Fr>, wire: &FpVar<Fr>) -> Result<(), SynthesisError> {
    FpVar::new_input(cs.clone(), || wire.value())?.enforce_equal(wire)
}

/// As `identified/v1` binds its proof to the request.
fn bind(request: &FpVar<Fr>) -> Result<(), SynthesisError> {
    use ark_r1cs_std::fields::FieldVar as _;
    request.square().map(drop)
}

/// The signature over a public message, as in `pseudonymous/v1`.
fn enforce_consent(
    cs: &ConstraintSystemRef<Fr>,
    opening: &OpeningVar,
    signed: Option<(Fr, Signature)>,
) -> Result<(), SynthesisError> {
    let signed = signed.ok_or(SynthesisError::AssignmentMissing);
    let message = FpVar::new_input(cs.clone(), || signed.map(|(message, _)| message))?;
    let signature = SignatureVar::new_witness(cs.clone(), || signed.map(|(_, it)| it))?;
    let (x, y) = opening.public_key.clone();
    enforce_signature(&PointVar { x, y }, &message, &signature)
}

#[cfg(test)]
mod tests;
