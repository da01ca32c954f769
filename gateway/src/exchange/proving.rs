//! Making the proof that answers a question.
//!
//! The relation is checked in plain Rust first, which names the clause that does not hold, and the
//! finished proof is verified under the key's public half before anybody records it.

use ark_std::rand::{CryptoRng, RngCore};
use chain::identifier::EntryId;
use circuits::Fr;
use circuits::eddsa::Signature;
use circuits::groth16::{
    self, Assignment, PreparedVerifyingKey, ProveError, ProvingKey, R1cs, VerifyError,
};
use circuits::query::Mode;
use circuits::record;
use circuits::statement::{Unsatisfied, identified, pseudonym, pseudonymous, subject_tag};
use circuits::tree::Path;
use thiserror::Error;

use super::issuer::{Ground, Proven};
use crate::document::CheckedRequest;
use crate::document::answer::{ElementHex, Evidence};
use crate::records::Record;

/// Where a record stands in the published tree.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The path from the record's commitment.
    pub path: Path,
    /// The published root.
    pub root: Fr,
    /// Id of the `records` entry that published it.
    pub records: EntryId,
}

/// Why there is no proof.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum ProvingError {
    /// A clause of the statement does not hold.
    #[error("{0}")]
    Unsatisfied(#[from] Unsatisfied),
    /// The record does not stand under the published root.
    #[error("the record does not stand under the published root")]
    NotPublished,
    /// The circuit proves the citizen's signature, and there is none.
    #[error("this circuit needs the citizen's signature")]
    NoSignature,
    /// The prover failed.
    #[error("the prover failed: {0}")]
    Prove(#[from] ProveError),
    /// The prover's own proof does not verify: the proving key is damaged.
    #[error("the proof does not verify under its own key: {0}")]
    OwnProof(#[from] VerifyError),
}

/// Proves that the record meets the request's condition, on the given ground.
///
/// # Errors
/// [`ProvingError`] names the clause that does not hold; then there is nothing to prove.
pub fn prove(
    request: &CheckedRequest,
    record: &Record,
    standing: Standing,
    ground: &Ground,
    key: &ProvingKey,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Proven, ProvingError> {
    let signature = signature(ground);
    let Standing { path, root, records } = standing;
    let (proof, inputs, evidence) = match request.request().circuit.mode() {
        Mode::Identified => {
            let (statement, witness) = identified_statement(request, record);
            identified::check(&statement, &witness)?;
            let leaf = circuits::tree::Leaf::record(statement.commitment)
                .map_err(|_| ProvingError::NotPublished)?;
            if path.root(leaf) != root {
                return Err(ProvingError::NotPublished);
            }
            let circuit = identified::Circuit::new(statement, witness);
            let evidence = Evidence::Identified {
                commitment: ElementHex(statement.commitment),
                path: hex::encode(path.to_bytes()),
                signature: signature.map(|signature| hex::encode(signature.to_bytes())),
            };
            (groth16::prove(key, circuit, rng)?, statement.to_public_inputs(), evidence)
        }
        Mode::Pseudonymous => {
            let signature = signature.ok_or(ProvingError::NoSignature)?;
            let (statement, witness) =
                pseudonymous_statement(request, record, path, root, signature);
            pseudonymous::check(&statement, &witness)?;
            let circuit = pseudonymous::Circuit::new(statement, witness);
            let evidence = Evidence::Pseudonymous { pseudonym: ElementHex(statement.pseudonym) };
            (groth16::prove(key, circuit, rng)?, statement.to_public_inputs(), evidence)
        }
    };
    groth16::verify(&PreparedVerifyingKey::from(key.verifying_key()), &inputs, &proof)?;
    let key = key.verifying_key().id();
    Ok(Proven { proof, key, inputs: inputs.to_vec(), records, evidence })
}

/// The wires of the statement that [`prove`] would prove, for other people's provers: it holds the
/// record.
///
/// # Errors
/// [`ProvingError`] names the clause that does not hold.
pub fn assignment(
    request: &CheckedRequest,
    record: &Record,
    standing: Standing,
    signature: Option<Signature>,
    r1cs: &R1cs,
) -> Result<Assignment, ProvingError> {
    Ok(match request.request().circuit.mode() {
        Mode::Identified => {
            let (statement, witness) = identified_statement(request, record);
            identified::check(&statement, &witness)?;
            Assignment::of(r1cs, identified::Circuit::new(statement, witness))?
        }
        Mode::Pseudonymous => {
            let signature = signature.ok_or(ProvingError::NoSignature)?;
            let Standing { path, root, .. } = standing;
            let (statement, witness) =
                pseudonymous_statement(request, record, path, root, signature);
            pseudonymous::check(&statement, &witness)?;
            Assignment::of(r1cs, pseudonymous::Circuit::new(statement, witness))?
        }
    })
}

/// `identified/v1` for this request and record.
pub fn identified_statement(
    request: &CheckedRequest,
    record: &Record,
) -> (identified::Statement, identified::Witness) {
    let schema = request.schema_element();
    let nonce = request.context();
    let statement = identified::Statement {
        commitment: record::commitment(schema, &record.opening),
        request: request.element(),
        query: request.query_commitment(),
        subject_tag: subject_tag(record.opening.values[0], nonce),
    };
    let witness = identified::Witness {
        schema,
        opening: record.opening.clone(),
        nonce,
        query: request.compiled().clone(),
        basis: request.request().legal_basis.code(),
    };
    (statement, witness)
}

/// `pseudonymous/v1` for this request, record, path and signature.
pub fn pseudonymous_statement(
    request: &CheckedRequest,
    record: &Record,
    path: Path,
    root: Fr,
    signature: Signature,
) -> (pseudonymous::Statement, pseudonymous::Witness) {
    let scope = request.context();
    let statement = pseudonymous::Statement {
        records_root: root,
        request: request.element(),
        query: request.query_commitment(),
        pseudonym: pseudonym(record.opening.pseudonym_key, scope),
    };
    let witness = pseudonymous::Witness {
        schema: request.schema_element(),
        opening: record.opening.clone(),
        scope,
        query: request.compiled().clone(),
        path,
        signature,
    };
    (statement, witness)
}

/// The citizen's signature, where a consent is the ground.
pub fn signature(ground: &Ground) -> Option<Signature> {
    let Ground::Consent { signature, .. } = ground else { return None };
    let bytes = hex::decode(signature).ok()?;
    Signature::from_bytes(&bytes.try_into().ok()?).ok()
}
