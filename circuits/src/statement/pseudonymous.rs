//! `pseudonymous/v1`: the requester must not learn who the citizen is.
//!
//! A proof shows that some record, query, path and signature exist such that
//! 1. a commitment opens to the record under the query's schema, and
//! 4. stands in the tree under `root`,
//! 3. `q` opens to the query, with that schema, the basis consent and the scope as context, and the
//!    query holds,
//! 5. the signature over `M` verifies under the key inside the record,
//! 6. `p = Poseidon(T_pseudonym, pseudonym_key, scope)`.
//!
//! Clauses are numbered as they are for both statements. The issuer chose the key in the record: here
//! consent binds everyone but the issuer. The verifier computes `q` with the scope of its own request,
//! so the scope in 6 is that one.
//!
//! `M = Poseidon(T_consent, r, q)` is a public input in place of `r`. Both sides know `r` and `q`, so
//! hashing them in the circuit would show nothing; [`Statement::to_public_inputs`] does it, and nobody
//! hands in an `M` of their own. A proof for one `M` is for one `r` and one `q`, unless Poseidon collides.

use std::fmt;

use ark_r1cs_std::{GR1CSVar, alloc::AllocVar, eq::EqGadget, fields::fp::FpVar};
use ark_relations::gr1cs::{ConstraintSynthesizer, ConstraintSystemRef, SynthesisError};

use super::{
    CircuitId, PUBLIC_INPUTS, Unsatisfied, consent_message, enforce_query_commitment,
    enforce_query_holds, pseudonym, public_inputs,
};
use crate::{
    Fr,
    babyjubjub::constraints::PointVar,
    eddsa::{
        PublicKey, Signature,
        constraints::{SignatureVar, enforce_signature},
    },
    poseidon::{self, Tag},
    query::{
        Basis, CompiledQuery, Mode,
        constraints::{QueryVar, QueryWitness},
    },
    record::{self, Opening, constraints::OpeningVar},
    tree::{self, Leaf, Path},
};

/// The circuit's name.
pub const ID: CircuitId = CircuitId::PseudonymousV1;

/// Offset of `root` in the public inputs.
pub const ROOT: usize = 0;
/// Offset of `M`.
pub const MESSAGE: usize = 1;
/// Offset of `q`.
pub const QUERY: usize = 2;
/// Offset of `p`.
pub const PSEUDONYM: usize = 3;

/// What is proved, as both sides know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// `root`: the records root.
    pub records_root: Fr,
    /// `r`: the request's digest as an element.
    pub request: Fr,
    /// `q`: the query commitment.
    pub query: Fr,
    /// `p`: the pseudonym.
    pub pseudonym: Fr,
}

impl Statement {
    /// `M`: what the citizen signs, computed from `r` and `q` and never handed in.
    pub fn message(&self) -> Fr {
        consent_message(self.request, self.query)
    }

    /// The public inputs; the one place that fixes their order.
    pub fn to_public_inputs(&self) -> [Fr; PUBLIC_INPUTS] {
        let mut inputs = [Fr::from(0u8); PUBLIC_INPUTS];
        inputs[ROOT] = self.records_root;
        inputs[MESSAGE] = self.message();
        inputs[QUERY] = self.query;
        inputs[PSEUDONYM] = self.pseudonym;
        inputs
    }
}

/// What only the issuer knows, and the query and scope, for which `q` stands.
///
/// `Debug` shows nothing.
#[derive(Clone)]
pub struct Witness {
    /// The element of the schema's digest.
    pub schema: Fr,
    /// The record.
    pub opening: Opening,
    /// The requester's and purpose's scope.
    pub scope: Fr,
    /// The query.
    pub query: CompiledQuery,
    /// From the record's commitment to the root.
    pub path: Path,
    /// The citizen's signature over `M`.
    pub signature: Signature,
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
    let Witness { schema, opening, scope, query, path, signature } = witness;
    let q = query.commitment(Mode::Pseudonymous, Basis::Consent, *schema, *scope);
    let leaf = Leaf::record(record::commitment(*schema, opening));
    let message = statement.message();
    let (x, y) = opening.public_key;
    let clauses = [
        (Unsatisfied::Membership, leaf.is_ok_and(|leaf| path.root(leaf) == statement.records_root)),
        (Unsatisfied::QueryCommitment, q == statement.query),
        (Unsatisfied::Query, query.evaluate(&opening.values)),
        (
            Unsatisfied::Consent,
            PublicKey::from_coordinates(x, y)
                .is_ok_and(|key| key.verify(message, signature).is_ok()),
        ),
        (Unsatisfied::Pseudonym, pseudonym(opening.pseudonym_key, *scope) == statement.pseudonym),
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
        let query =
            witness.map(|it| QueryWitness::new(&it.query, Basis::Consent, &it.opening.values));
        let assigned = witness.ok_or(SynthesisError::AssignmentMissing);
        let schema = FpVar::new_witness(cs.clone(), || assigned.map(|it| it.schema))?;
        let scope = FpVar::new_witness(cs.clone(), || assigned.map(|it| it.scope))?;
        let opening = OpeningVar::new_witness(cs.clone(), || assigned.map(|it| &it.opening))?;
        let query = QueryVar::new_witness(cs, query.as_ref(), Mode::Pseudonymous)?;
        enforce_membership(&inputs[ROOT], &schema, &opening, witness.map(|it| &it.path))?;
        enforce_query_commitment(&inputs[QUERY], &query, &schema, &scope)?;
        enforce_query_holds(&query, &opening.values)?;
        enforce_consent(&inputs[MESSAGE], &opening, witness.map(|it| &it.signature))?;
        enforce_pseudonym(&inputs[PSEUDONYM], &opening.pseudonym_key, &scope)
    }
}

/// Clauses 1 and 4: the record's commitment under the schema stands in the tree under `root`. Without
/// it the record is free.
#[tracing::instrument(target = "gr1cs", skip_all)]
fn enforce_membership(
    root: &FpVar<Fr>,
    schema: &FpVar<Fr>,
    opening: &OpeningVar,
    path: Option<&Path>,
) -> Result<(), SynthesisError> {
    let leaf = record::constraints::commitment(schema, opening)?;
    tree::constraints::enforce_membership(&leaf, path, root)
}

/// Clause 5: the citizen whose key is in the record signed `M`, so for this request and this query.
/// Without it the issuer's operator could answer about anyone. It also binds the proof to `M`, and so
/// to `r`: no other clause mentions either.
#[tracing::instrument(target = "gr1cs", skip_all)]
fn enforce_consent(
    message: &FpVar<Fr>,
    opening: &OpeningVar,
    signature: Option<&Signature>,
) -> Result<(), SynthesisError> {
    let (x, y) = opening.public_key.clone();
    let missing = SynthesisError::AssignmentMissing;
    let signature = SignatureVar::new_witness(message.cs(), || signature.copied().ok_or(missing))?;
    enforce_signature(&PointVar { x, y }, message, &signature)
}

/// Clause 6: `p` is the record's pseudonym in the scope. Without it one citizen could be many.
#[tracing::instrument(target = "gr1cs", skip_all)]
fn enforce_pseudonym(
    public: &FpVar<Fr>,
    pseudonym_key: &FpVar<Fr>,
    scope: &FpVar<Fr>,
) -> Result<(), SynthesisError> {
    poseidon::constraints::tagged(Tag::Pseudonym, &[pseudonym_key.clone(), scope.clone()])?
        .enforce_equal(public)
}

#[cfg(test)]
mod tests;
