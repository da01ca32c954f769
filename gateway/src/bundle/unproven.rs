//! The last check of a bundle, for one or for many at once: the proof's equation.

use ark_std::rand::{CryptoRng, RngCore};
use chain::department::Department;
use chain::identifier::DepartmentId;

use super::{BundleError, Recorded, VerifiedBundle};
use crate::document::{CheckedRequest, Service};
use crate::exchange::verification::{self, Note, Unproven, VerifiedAnswer};
use crate::subject::Subject;

/// A bundle of which everything was checked but the proof's equation. Only
/// [`Bundle::check`](super::Bundle::check) makes one.
///
/// It says nothing until that holds too: [`UnprovenBundle::verify`] and [`verify_many`] are the only ways on.
#[derive(Debug)]
pub struct UnprovenBundle {
    pub(super) request: CheckedRequest,
    pub(super) subject: Option<Subject>,
    pub(super) service: Service,
    pub(super) requester: Department,
    pub(super) issuer: Department,
    pub(super) registrar: Option<DepartmentId>,
    pub(super) answer: Unproven,
    pub(super) single_operator: bool,
    pub(super) recorded: Vec<Recorded>,
    pub(super) approvals: usize,
    pub(super) departments: usize,
}

impl UnprovenBundle {
    /// Verifies the proof.
    ///
    /// # Errors
    /// [`BundleError::Answer`]
    pub fn verify(self) -> Result<VerifiedBundle, BundleError> {
        let (answer, rest) = self.split();
        Ok(rest(answer.verify()?))
    }

    /// The answer, and what becomes of the bundle once that is verified.
    fn split(self) -> (Unproven, impl FnOnce(VerifiedAnswer) -> VerifiedBundle) {
        let Self { request, subject, service, requester, issuer, registrar, .. } = self;
        let Self { answer, single_operator, recorded, approvals, departments, .. } = self;
        let rest = move |mut answer: VerifiedAnswer| {
            if single_operator {
                answer.notes.push(Note::SingleOperator);
            }
            VerifiedBundle {
                request,
                subject,
                service,
                requester,
                issuer,
                registrar,
                answer,
                recorded,
                approvals,
                departments,
            }
        };
        (answer, rest)
    }
}

/// [`UnprovenBundle::verify`] of each, with the proofs of one key verified as one batch.
///
/// `rng` is the verifier's own, and unpredictable to whoever made the bundles; see
/// [`circuits::groth16::verify_batch`].
pub fn verify_many(
    bundles: Vec<UnprovenBundle>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Vec<Result<VerifiedBundle, BundleError>> {
    let (answers, rests): (Vec<_>, Vec<_>) = bundles.into_iter().map(UnprovenBundle::split).unzip();
    let verified = verification::verify_many(answers, rng).into_iter().zip(rests);
    verified.map(|(answer, rest)| Ok(rest(answer?))).collect()
}
