//! What is proved: the statements, each a named circuit with its own key.
//!
//! | circuit | public inputs, in this order | shows |
//! | --- | --- | --- |
//! | `identified/v1` | `C`, `r`, `q`, `t` | the record in `C` is the subject's behind `t`, and the query in `q` holds |
//! | `pseudonymous/v1` | `root`, `M`, `q`, `p` | some record under `root`, whose citizen signed `M` and is `p` here, meets the query in `q` |
//!
//! `r` is the request, `q` the query commitment, `M` the hash of both. A statement's `check` is the relation in plain Rust;
//! its circuit has one `enforce_*` function a clause. A verifier computes every input from what it
//! asked and looked up itself, never from what came with the proof.

mod clauses;
pub mod identified;
pub mod pseudonymous;
#[cfg(test)]
mod testing;

use std::{fmt, str::FromStr};

use ark_r1cs_std::{alloc::AllocVar, eq::EqGadget, fields::fp::FpVar};
use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};
use ark_std::rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use crate::eddsa::consent_message;
use crate::{
    Fr,
    groth16::{self, ProvingKey, R1cs},
    poseidon::{self, Tag},
    query::{
        Mode,
        constraints::{QueryVar, enforce_query},
    },
    schema::FIELDS,
};

/// Public inputs of every statement.
pub const PUBLIC_INPUTS: usize = 4;

/// A circuit's name. Any change of its constraints is another circuit with another name.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CircuitId {
    /// [`identified`]
    #[serde(rename = "identified/v1")]
    IdentifiedV1,
    /// [`pseudonymous`]
    #[serde(rename = "pseudonymous/v1")]
    PseudonymousV1,
}

/// No circuit has this name.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not the name of a circuit; there are identified/v1 and pseudonymous/v1")]
pub struct UnknownCircuit;

impl CircuitId {
    /// Every circuit.
    pub const ALL: [Self; 2] = [Self::IdentifiedV1, Self::PseudonymousV1];

    /// The name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IdentifiedV1 => "identified/v1",
            Self::PseudonymousV1 => "pseudonymous/v1",
        }
    }

    /// The circuit that answers queries of this mode.
    pub const fn of(mode: Mode) -> Self {
        match mode {
            Mode::Identified => Self::IdentifiedV1,
            Mode::Pseudonymous => Self::PseudonymousV1,
        }
    }

    /// The mode that the circuit's queries commit to.
    pub const fn mode(self) -> Mode {
        match self {
            Self::IdentifiedV1 => Mode::Identified,
            Self::PseudonymousV1 => Mode::Pseudonymous,
        }
    }

    /// How many public inputs its key takes.
    pub const fn public_inputs(self) -> usize {
        PUBLIC_INPUTS
    }

    /// The circuit's matrices, for loading a key or exporting them to a ceremony.
    pub fn r1cs(self) -> R1cs {
        match self {
            Self::IdentifiedV1 => R1cs::of(identified::Circuit::blank()),
            Self::PseudonymousV1 => R1cs::of(pseudonymous::Circuit::blank()),
        }
        .expect(BLANK)
    }

    /// A **development** key of the circuit, see [`groth16::setup`].
    pub fn development_key(self, rng: &mut (impl RngCore + CryptoRng)) -> ProvingKey {
        match self {
            Self::IdentifiedV1 => groth16::setup(&identified::Circuit::blank(), rng),
            Self::PseudonymousV1 => groth16::setup(&pseudonymous::Circuit::blank(), rng),
        }
        .expect(BLANK)
    }

    /// A key as of a ceremony, whose γ is 1, with a δ that is known.
    #[cfg(any(test, feature = "trial-ceremony"))]
    pub(crate) fn key_of_delta(
        self,
        delta: Fr,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> ProvingKey {
        match self {
            Self::IdentifiedV1 => {
                groth16::setup_of(&identified::Circuit::blank(), Fr::from(1), delta, rng)
            }
            Self::PseudonymousV1 => {
                groth16::setup_of(&pseudonymous::Circuit::blank(), Fr::from(1), delta, rng)
            }
        }
        .expect(BLANK)
    }
}

/// Why synthesising a blank circuit does not fail.
const BLANK: &str =
    "a blank circuit asks for no values, and has far fewer rows than the largest domain";

impl fmt::Display for CircuitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for CircuitId {
    type Err = UnknownCircuit;

    fn from_str(name: &str) -> Result<Self, UnknownCircuit> {
        Self::ALL.into_iter().find(|id| id.name() == name).ok_or(UnknownCircuit)
    }
}

/// The clause of a statement that its witness does not satisfy.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsatisfied {
    /// The record commitment does not open to the values.
    #[error("the record commitment does not open to the record")]
    Commitment,
    /// The record commitment does not stand under the root.
    #[error("the record does not stand in the tree under the root")]
    Membership,
    /// The subject tag is of another subject or nonce.
    #[error("the subject tag is not the record's under the nonce")]
    SubjectTag,
    /// The query commitment is of another query, schema, basis, mode or context.
    #[error("the query commitment does not open to the query")]
    QueryCommitment,
    /// The record does not meet the query.
    #[error("the query does not hold for the record")]
    Query,
    /// There is no valid signature of the citizen over this request and query.
    #[error("the consent signature does not verify under the key in the record")]
    Consent,
    /// The pseudonym is of another citizen or scope.
    #[error("the pseudonym is not the record's in the scope")]
    Pseudonym,
}

/// `t = Poseidon(T_subject, v0, nonce)`
///
/// Equal for one subject and one nonce, whatever the department: so conditions over several
/// departments are tied to one person. Without the nonce nobody can test a guess at the subject.
pub fn subject_tag(subject: Fr, nonce: Fr) -> Fr {
    poseidon::tagged(Tag::Subject, &[subject, nonce])
}

/// `scope = Poseidon(T_scope, requester, purpose)`: where a pseudonym is the same.
///
/// Both are the elements of digests.
pub fn scope(requester: Fr, purpose: Fr) -> Fr {
    poseidon::tagged(Tag::Scope, &[requester, purpose])
}

/// `p = Poseidon(T_pseudonym, pseudonym_key, scope)`: one for each citizen, issuer and scope;
/// unlinkable between scopes without the key.
pub fn pseudonym(pseudonym_key: Fr, scope: Fr) -> Fr {
    poseidon::tagged(Tag::Pseudonym, &[pseudonym_key, scope])
}

/// The public inputs as variables, in the order that the statement fixes.
fn public_inputs(
    cs: &ConstraintSystemRef<Fr>,
    inputs: Option<[Fr; PUBLIC_INPUTS]>,
) -> Result<[FpVar<Fr>; PUBLIC_INPUTS], SynthesisError> {
    let input = |offset: usize| {
        let value = inputs.map(|inputs| inputs[offset]).ok_or(SynthesisError::AssignmentMissing);
        FpVar::new_input(cs.clone(), || value)
    };
    Ok([input(0)?, input(1)?, input(2)?, input(3)?])
}

/// Clause 3, first half: `q` is the commitment to the query, under the record's schema and the
/// statement's nonce or scope. Without it the prover answers a question of its own.
#[tracing::instrument(target = "gr1cs", skip_all)]
fn enforce_query_commitment(
    public: &FpVar<Fr>,
    query: &QueryVar,
    schema: &FpVar<Fr>,
    context: &FpVar<Fr>,
) -> Result<(), SynthesisError> {
    query.commitment(schema, context)?.enforce_equal(public)
}

/// Clause 3, second half: the query holds. Without it every answer is yes.
#[tracing::instrument(target = "gr1cs", skip_all)]
fn enforce_query_holds(
    query: &QueryVar,
    values: &[FpVar<Fr>; FIELDS],
) -> Result<(), SynthesisError> {
    enforce_query(values, query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_of_circuits_and_nothing_else_is() {
        for id in CircuitId::ALL {
            assert_eq!(id.name().parse(), Ok(id));
            assert_eq!(serde_json::to_value(id).unwrap(), id.name());
            assert_eq!(CircuitId::of(id.mode()), id);
            assert_eq!(id.r1cs().public_inputs(), id.public_inputs());
        }
        assert_eq!("identified/v2".parse::<CircuitId>(), Err(UnknownCircuit));
    }

    #[test]
    fn the_four_hashes_of_a_statement_differ_on_equal_inputs() {
        let (a, b) = (Fr::from(1), Fr::from(2));
        let hashes = [subject_tag(a, b), consent_message(a, b), scope(a, b), pseudonym(a, b)];
        for (i, left) in hashes.iter().enumerate() {
            assert!(hashes[i + 1..].iter().all(|right| left != right));
        }
        assert_ne!(scope(a, b), scope(b, a));
    }
}
