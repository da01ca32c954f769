//! The last duty, for one answer or for many at once: the proof's equation.

use std::collections::BTreeMap;

use ark_std::rand::{CryptoRng, RngCore};
use circuits::Fr;
use circuits::groth16::{
    self, Claim, PreparedVerifyingKey, Proof, VerifyError, VerifyingKey, verify_batch,
};

use super::{
    ChainFacts, Question, Refusal, Strictness, VerifiedAnswer, approved_key, decode, notes, proof,
    public_inputs, recorded, usable_root,
};
use crate::document::answer::ElementHex;

/// An answer of which everything was checked but the proof's equation.
///
/// It says nothing until that holds too: [`Unproven::verify`] and [`verify_many`] are the only ways on.
#[derive(Debug)]
pub struct Unproven {
    key: VerifyingKey,
    inputs: Vec<Fr>,
    proof: Proof,
    /// Whether the issuer recorded this proof: told only of one that holds, as its check comes after.
    recorded: Result<(), Refusal>,
    answer: VerifiedAnswer,
}

impl Unproven {
    /// Every duty of [`super::verify`] that costs no pairing.
    ///
    /// # Errors
    /// [`Refusal`] names the first duty that failed.
    pub fn check(
        bytes: &[u8],
        question: Question<'_>,
        facts: &impl ChainFacts,
        strictness: Strictness,
        now: u64,
    ) -> Result<Self, Refusal> {
        let answer = decode(bytes)?;
        if answer.request != *question.request.digest() {
            return Err(Refusal::OtherRequest);
        }
        if now > question.request.request().expires {
            return Err(Refusal::Expired);
        }
        let (key, provenance) = approved_key(&answer, question, facts, strictness)?;
        let root = usable_root(&answer, question, facts)?;
        let (inputs, tag) = public_inputs(&answer, question, root)?;
        let proof = proof(&answer)?;
        let recorded = recorded(&answer, question, facts, &inputs, &proof);
        let answer = VerifiedAnswer {
            request: answer.request,
            tag: ElementHex(tag),
            key: answer.key,
            records: answer.records,
            proof_entry: answer.proof_entry,
            verified: now,
            notes: notes(question, &provenance),
        };
        Ok(Self { key, inputs, proof, recorded, answer })
    }

    /// Verifies the proof.
    ///
    /// # Errors
    /// [`Refusal::Proof`], or what was wrong with the entry of a proof that holds.
    pub fn verify(self) -> Result<VerifiedAnswer, Refusal> {
        let key = PreparedVerifyingKey::from(&self.key);
        let outcome = groth16::verify(&key, &self.inputs, &self.proof);
        self.proven(outcome)
    }

    fn proven(self, outcome: Result<(), VerifyError>) -> Result<VerifiedAnswer, Refusal> {
        outcome.map_err(Refusal::Proof)?;
        self.recorded?;
        Ok(self.answer)
    }
}

/// [`Unproven::verify`] of each, with the proofs of one key verified as one batch.
///
/// `rng` is the verifier's own, as [`verify_batch`] says.
pub fn verify_many(
    answers: Vec<Unproven>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Vec<Result<VerifiedAnswer, Refusal>> {
    let mut places = BTreeMap::<_, Vec<usize>>::new();
    for (place, answer) in answers.iter().enumerate() {
        places.entry(answer.key.id()).or_default().push(place);
    }
    let mut outcomes = vec![Ok(()); answers.len()];
    for places in places.into_values() {
        let key = PreparedVerifyingKey::from(&answers[places[0]].key);
        let claims = places.iter().map(|place| {
            let Unproven { inputs, proof, .. } = &answers[*place];
            Claim { inputs, proof }
        });
        let claims: Vec<_> = claims.collect();
        if let Err(error) = verify_batch(&key, &claims, rng) {
            for refused in error.refused {
                outcomes[places[refused.index]] = Err(refused.error);
            }
        }
    }
    answers.into_iter().zip(outcomes).map(|(answer, outcome)| answer.proven(outcome)).collect()
}
