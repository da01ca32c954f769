//! `identified/v1`: the requester knows who the citizen is.
//!
//! A proof shows that some record and query exist such that
//! 1. `C` opens to the record under the query's schema,
//! 2. `t = Poseidon(T_subject, v0, nonce)`,
//! 3. `q` opens to the query, with that schema and the nonce as context, and the query holds,
//!
//! and it is bound to the request `r`. Outside the proof the verifier checks the path from `C` to the
//! issuer's root and, on the basis of consent, the citizen's signature over `M = Poseidon(T_consent, r,
//! q)`: there is nothing to hide in them from someone who knows the citizen.

use std::fmt;

use ark_r1cs_std::{
    alloc::AllocVar,
    eq::EqGadget,
    fields::{FieldVar, fp::FpVar},
};
use ark_relations::gr1cs::{ConstraintSynthesizer, ConstraintSystemRef, SynthesisError};

use super::{
    CircuitId, PUBLIC_INPUTS, Unsatisfied, enforce_query_commitment, enforce_query_holds,
    public_inputs, subject_tag,
};
use crate::{
    Fr,
    poseidon::{self, Tag},
    query::{
        Basis, CompiledQuery, Mode,
        constraints::{QueryVar, QueryWitness},
    },
    record::{
        self, Opening,
        constraints::{OpeningVar, commitment},
    },
};

/// The circuit's name.
pub const ID: CircuitId = CircuitId::IdentifiedV1;

/// Offset of `C` in the public inputs.
pub const COMMITMENT: usize = 0;
/// Offset of `r`.
pub const REQUEST: usize = 1;
/// Offset of `q`.
pub const QUERY: usize = 2;
/// Offset of `t`.
pub const SUBJECT_TAG: usize = 3;

/// What is proved, as both sides know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// `C`: the record commitment.
    pub commitment: Fr,
    /// `r`: the request's digest as an element.
    pub request: Fr,
    /// `q`: the query commitment.
    pub query: Fr,
    /// `t`: the subject tag.
    pub subject_tag: Fr,
}

impl Statement {
    /// The public inputs; the one place that fixes their order.
    pub fn to_public_inputs(&self) -> [Fr; PUBLIC_INPUTS] {
        let mut inputs = [Fr::from(0u8); PUBLIC_INPUTS];
        inputs[COMMITMENT] = self.commitment;
        inputs[REQUEST] = self.request;
        inputs[QUERY] = self.query;
        inputs[SUBJECT_TAG] = self.subject_tag;
        inputs
    }
}

/// What only the issuer knows, and the query, which both do but `q` stands for.
///
/// `Debug` shows nothing.
#[derive(Clone)]
pub struct Witness {
    /// The element of the schema's digest.
    pub schema: Fr,
    /// The record.
    pub opening: Opening,
    /// The request's nonce.
    pub nonce: Fr,
    /// The query.
    pub query: CompiledQuery,
    /// The basis that the query is asked on.
    pub basis: Basis,
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness")
    }
}

/// The relation in plain Rust; [`Circuit`] agrees with it.
///
/// # Errors
/// [`Unsatisfied`] names the first clause that does not hold.
pub fn check(statement: &Statement, witness: &Witness) -> Result<(), Unsatisfied> {
    let Witness { schema, opening, nonce, query, basis } = witness;
    let clauses = [
        (Unsatisfied::Commitment, record::commitment(*schema, opening) == statement.commitment),
        (Unsatisfied::SubjectTag, subject_tag(opening.values[0], *nonce) == statement.subject_tag),
        (
            Unsatisfied::QueryCommitment,
            query.commitment(Mode::Identified, *basis, *schema, *nonce) == statement.query,
        ),
        (Unsatisfied::Query, query.evaluate(&opening.values)),
    ];
    match clauses.into_iter().find(|(_, holds)| !holds) {
        Some((clause, _)) => Err(clause),
        None => Ok(()),
    }
}

/// The relation as constraints.
#[derive(Clone, Debug)]
pub struct Circuit {
    statement: Option<Statement>,
    witness: Option<Witness>,
}

impl Circuit {
    /// To prove the statement with the witness.
    pub const fn new(statement: Statement, witness: Witness) -> Self {
        Self { statement: Some(statement), witness: Some(witness) }
    }

    /// Without values, for making a key.
    pub const fn blank() -> Self {
        Self { statement: None, witness: None }
    }
}

impl ConstraintSynthesizer<Fr> for Circuit {
    fn generate_constraints(self, cs: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        let inputs = public_inputs(&cs, self.statement.map(|it| it.to_public_inputs()))?;
        let witness = self.witness.as_ref();
        let query = witness.map(|it| QueryWitness::new(&it.query, it.basis, &it.opening.values));
        let assigned = witness.ok_or(SynthesisError::AssignmentMissing);
        let schema = FpVar::new_witness(cs.clone(), || assigned.map(|it| it.schema))?;
        let nonce = FpVar::new_witness(cs.clone(), || assigned.map(|it| it.nonce))?;
        let opening = OpeningVar::new_witness(cs.clone(), || assigned.map(|it| &it.opening))?;
        let query = QueryVar::new_witness(cs, query.as_ref(), Mode::Identified)?;
        enforce_commitment(&inputs[COMMITMENT], &schema, &opening)?;
        enforce_subject_tag(&inputs[SUBJECT_TAG], &opening.values[0], &nonce)?;
        enforce_query_commitment(&inputs[QUERY], &query, &schema, &nonce)?;
        enforce_query_holds(&query, &opening.values)?;
        enforce_request(&inputs[REQUEST])
    }
}

/// Clause 1: `C` is the commitment to the record under the schema. Without it the values are free.
#[tracing::instrument(target = "gr1cs", skip_all)]
fn enforce_commitment(
    public: &FpVar<Fr>,
    schema: &FpVar<Fr>,
    opening: &OpeningVar,
) -> Result<(), SynthesisError> {
    commitment(schema, opening)?.enforce_equal(public)
}

/// Clause 2: `t` is of the record's subject. Without it the record of someone else could answer.
#[tracing::instrument(target = "gr1cs", skip_all)]
fn enforce_subject_tag(
    public: &FpVar<Fr>,
    subject: &FpVar<Fr>,
    nonce: &FpVar<Fr>,
) -> Result<(), SynthesisError> {
    poseidon::constraints::tagged(Tag::Subject, &[subject.clone(), nonce.clone()])?
        .enforce_equal(public)
}

/// Binds the proof to the request: `r · r = w` for a variable `w` of its own.
///
/// No other constraint mentions `r`. The setup's extra row for each input already gives `r` an
/// polynomial of its own, so that a proof cannot be moved to another `r` without the witness (ePrint
/// 2020/811); but that is a property of how keys are made. A setup without these rows would give `r`
/// the identity in the verifying key, and any `r` would verify. With this row `r` takes part in the
/// relation itself, and another `r` needs another assignment.
#[tracing::instrument(target = "gr1cs", skip_all)]
fn enforce_request(public: &FpVar<Fr>) -> Result<(), SynthesisError> {
    public.square().map(drop)
}

#[cfg(test)]
mod tests;
