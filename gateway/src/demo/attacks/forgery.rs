//! Pseudonymous proofs of an issuer that has no signature of the citizen's.
//!
//! It takes its own prover's check out and proves from an assignment that does not satisfy the circuit.

use circuits::eddsa::Signature;
use circuits::groth16;
use circuits::statement::CircuitId;
use circuits::statement::pseudonymous::Circuit;

use super::{Held, caught, issuers_own_key, seal, tax};
use crate::demo::chapters::Play;
use crate::demo::{DemoError, outcome};
use crate::document::answer::Answer;
use crate::exchange::proving;

/// Plays both, against a question that the citizen did consent to.
pub(super) async fn attempt(play: &mut Play<'_>, held: &Held) -> Result<(), DemoError> {
    let sealed = seal(play, &forged(play, held, false).await?, &held.asked)?;
    caught(play, "a pseudonymous proof signed by the issuer, its own check skipped", sealed)
        .await?;
    let sealed = seal(play, &forged(play, held, true).await?, &held.asked)?;
    caught(play, "the same with the issuer's own key put into the record", sealed).await
}

/// A proof of the same statement with a signature of the issuer's.
async fn forged(play: &Play<'_>, held: &Held, own_key: bool) -> Result<Answer, DemoError> {
    let department = tax(play);
    let (request, mut record, standing) = department.own_question(&held.asked.request).await?;
    let signature: Signature = issuers_own_key().sign(request.consent_message());
    if own_key {
        // Not in the published tree: a new root would be on the chain for everybody to see.
        let key = issuers_own_key().public_key();
        record.opening.public_key = (key.x(), key.y());
    }
    let (statement, witness) =
        proving::pseudonymous_statement(&request, &record, standing.path, standing.root, signature);
    let key = &play.founded.proving_keys[&CircuitId::PseudonymousV1];
    let rng = &mut groth16::rng_from_seed([9; 32]);
    let proof = tokio::task::block_in_place(|| {
        groth16::prove_without_satisfaction_check(key, Circuit::new(statement, witness), rng)
    });
    let proof = proof.map_err(|error| outcome("attacks", "a proof", &error.to_string()))?;
    let mut answer = held.answer.clone();
    answer.proof = hex::encode(proof.to_bytes());
    Ok(answer)
}
