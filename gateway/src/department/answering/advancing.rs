//! Moving an exchange on: consent onto the chain, proof, proof onto the chain, answer.

use std::sync::Arc;
use std::time::Instant;

use chain::ledger::SubmitError;
use chain::rules::RuleError;
use circuits::groth16;
use circuits::statement::CircuitId;
use crypto::Digest;
use crypto::commitment::Salted;
use crypto::envelope::Message;

use super::{ReceivedRow, Stage};
use crate::department::{Department, Internal, PeerMessage, PeerPath, PeerReply, Peers};
use crate::document::Request;
use crate::exchange::Exchange;
use crate::exchange::issuer::{Answered, Closed, Consented, Proved, Ready, Silence};
use crate::exchange::proving::{self, ProvingError, Standing};
use crate::measure;
use crate::proving_keys::KeyRing;
use crate::records::{Dataset, Record};

impl Department {
    /// Moves an exchange on as far as it goes without the citizen.
    ///
    /// Effects happen without the lock, so that nothing waits for a peer or a proof; whoever stores
    /// the next stage first decides, and the effect of anybody else is dropped.
    ///
    /// # Errors
    /// [`Internal`] if our own side failed; the exchange stays where it is and can be moved again.
    pub async fn advance(&self, digest: &Digest, peers: &impl Peers) -> Result<(), Internal> {
        self.advance_while(digest, peers, |_| true).await
    }

    /// As [`Self::advance`], up to the answer, which is not sent.
    ///
    /// # Errors
    /// As [`Self::advance`].
    pub async fn conclude(&self, digest: &Digest, peers: &impl Peers) -> Result<(), Internal> {
        let is_open = |stage: &Stage| !matches!(stage, Stage::Answered { .. });
        self.advance_while(digest, peers, is_open).await
    }

    async fn advance_while(
        &self,
        digest: &Digest,
        peers: &impl Peers,
        wanted: impl Fn(&Stage) -> bool,
    ) -> Result<(), Internal> {
        let _mover = self.mover(*digest);
        while let Some(row) = self.received(digest)?.filter(|row| wanted(&row.stage)) {
            self.settled().await?;
            let Some(next) = self.next_stage(&row, peers).await? else { break };
            self.replace_stage(digest, &row.stage, next).await?;
        }
        Ok(())
    }

    /// Puts a consent that was given on the chain, and goes no further: until the proof is made, the
    /// citizen can still withdraw.
    ///
    /// # Errors
    /// [`Internal`] if our own side failed; the exchange stays where it is and can be moved again.
    pub async fn record_consent(&self, digest: &Digest) -> Result<(), Internal> {
        let Some(row) = self.received(digest)? else { return Ok(()) };
        let Stage::Consented(state) = row.stage.clone() else { return Ok(()) };
        self.settled().await?;
        let request = self.restore_request(&row.request).await?;
        let next = self.put_consent(Exchange::restore(request, row.entry, state)).await?;
        self.replace_stage(digest, &row.stage, next).await
    }

    /// What follows a stage, once its effect has happened; `None` while somebody else has to act.
    pub(in crate::department) async fn next_stage(
        &self,
        row: &ReceivedRow,
        peers: &impl Peers,
    ) -> Result<Option<Stage>, Internal> {
        let request = self.restore_request(&row.request).await?;
        Ok(match row.stage.clone() {
            Stage::Taken { over_budget } => Some(self.open_exchange(row, over_budget).await?),
            Stage::AwaitingConsent(state) => {
                let exchange = Exchange::restore(request, row.entry, state);
                exchange.expire(self.now()).ok().map(|closed| Stage::Closed(*closed.state()))
            }
            Stage::Consented(state) => {
                Some(self.put_consent(Exchange::restore(request, row.entry, state)).await?)
            }
            Stage::Ready(state) => {
                Some(self.prove(row, Exchange::restore(request, row.entry, state)).await?)
            }
            Stage::Proved(state) => {
                Some(self.record_proof(Exchange::restore(request, row.entry, state)).await?)
            }
            // Too late for the requester to take it: nobody needs it any more.
            Stage::Answered { answered, delivered: false } if self.now() > row.request.expires => {
                Some(Stage::Answered { answered, delivered: true })
            }
            Stage::Answered { answered, delivered: false } => {
                let exchange = Exchange::restore(request, row.entry, answered.clone());
                let delivered = self.deliver(&exchange, peers).await?;
                delivered.then_some(Stage::Answered { answered, delivered })
            }
            Stage::Answered { delivered: true, .. } | Stage::Closed(_) => None,
        })
    }

    /// Stores `next` if the exchange is still where it was.
    pub(in crate::department) async fn replace_stage(
        &self,
        digest: &Digest,
        before: &Stage,
        next: Stage,
    ) -> Result<(), Internal> {
        let _changing = self.changing.lock().await;
        match self.received(digest)? {
            Some(mut row) if row.stage == *before => {
                row.stage = next;
                self.put_received(digest, &row).await
            }
            _ => Ok(()),
        }
    }

    async fn put_consent(&self, exchange: Exchange<Consented>) -> Result<Stage, Internal> {
        match self.append(exchange.content(), None).await {
            Ok(entry) => Ok(Stage::Ready(exchange.recorded(entry).state().clone())),
            Err(SubmitError::Refused(rule)) => Ok(unrecordable(exchange.request().digest(), &rule)),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the proof, or closes the exchange.
    async fn prove(&self, row: &ReceivedRow, exchange: Exchange<Ready>) -> Result<Stage, Internal> {
        let exchange = match exchange.expire(self.now()) {
            Ok(closed) => return Ok(Stage::Closed(*closed.state())),
            Err(exchange) => exchange,
        };
        self.publish_stored_root(&row.dataset).await?;
        let (record, standing) = {
            // Record, path and published root are of one state.
            let _changing = self.changing.lock().await;
            let (dataset, record) = self.subject_record(row)?;
            let Some(record) = record else {
                return Ok(Stage::Closed(Closed { silence: Silence::Unknown }));
            };
            let standing = self.standing(&dataset, &record, exchange.request().request())?;
            (record, standing)
        };
        let request = Arc::clone(exchange.request());
        let ground = exchange.state().ground.clone();
        let circuit = request.request().circuit;
        let keys = self.approved_key(circuit).await?;
        let mut seed = [0; 32];
        self.random(|rng| rng.fill_bytes(&mut seed));
        let proven = self
            .shared
            .prover
            .run(move || {
                let key = keys.get(&circuit).ok_or(Internal::NoProvingKey(circuit))?;
                let mut rng = groth16::rng_from_seed(seed);
                let start = Instant::now();
                let proven = proving::prove(&request, &record, standing, &ground, key, &mut rng);
                measure::since_of(start, measure::PROVE, circuit.name());
                Ok::<_, Internal>(proven)
            })
            .await??;
        match proven {
            Ok(proven) => {
                let salted = |record| self.random(|rng| Salted::new(record, &mut { rng }));
                Ok(Stage::Proved(exchange.proved(proven, salted).state().clone()))
            }
            // The record changed since it was evaluated.
            Err(ProvingError::Unsatisfied(_)) => {
                Ok(Stage::Closed(Closed { silence: Silence::Unsatisfied }))
            }
            Err(error) => Err(Internal::Damaged(error.to_string())),
        }
    }

    /// The keys, once they are there, if the circuit's is one that the departments have approved: an answer under
    /// another would be refused, and the question be over, though the approval may come.
    async fn approved_key(&self, circuit: CircuitId) -> Result<KeyRing, Internal> {
        let keys = self.shared.proving_keys.wait().await.unwrap_or_default();
        let key = keys.get(&circuit).ok_or(Internal::NoProvingKey(circuit))?;
        let ours = hex::encode(key.verifying_key().to_bytes());
        let approved = self.approved_circuits().await?;
        match approved.iter().any(|it| it.circuit == circuit && it.verifying_key == ours) {
            true => Ok(keys),
            false => Err(Internal::UnapprovedKey(circuit)),
        }
    }

    /// Puts the proof on the chain.
    async fn record_proof(&self, exchange: Exchange<Proved>) -> Result<Stage, Internal> {
        match self.append(exchange.content(), None).await {
            Ok(entry) => {
                let answered = exchange.recorded(entry).state().clone();
                Ok(Stage::Answered { answered, delivered: false })
            }
            Err(SubmitError::Refused(RuleError::ConsentWithdrawn { .. })) => {
                Ok(Stage::Closed(*exchange.withdrawn().state()))
            }
            // The root was replaced between proof and entry: prove again under the new one.
            Err(SubmitError::Refused(RuleError::RecordsSuperseded { .. })) => {
                Ok(Stage::Ready(Ready { ground: exchange.state().ground().clone() }))
            }
            Err(SubmitError::Refused(rule)) => Ok(unrecordable(exchange.request().digest(), &rule)),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends the answer; whether the requester took it.
    async fn deliver(
        &self,
        exchange: &Exchange<Answered>,
        peers: &impl Peers,
    ) -> Result<bool, Internal> {
        let requester = self.peer(&exchange.request().request().requester)?;
        let digest = *exchange.request().digest();
        let body = self.seal(Message::Answer, &requester, digest, &exchange.answer_bytes())?;
        match peers
            .send(self, &requester, PeerMessage { path: PeerPath::Answers, body: body.into() })
            .await
        {
            Ok(PeerReply::Taken(_)) => Ok(true),
            Ok(PeerReply::Refused { code }) => {
                tracing::warn!(request = %digest, code, "the requester refused our answer");
                Ok(true)
            }
            Err(error) => {
                tracing::info!(request = %digest, %error, "the answer waits");
                Ok(false)
            }
        }
    }

    pub(super) fn subject_record(
        &self,
        row: &ReceivedRow,
    ) -> Result<(Dataset, Option<Record>), Internal> {
        let dataset = self.records().dataset(&row.dataset)?;
        let record = match row.subject {
            Some(subject) => self.records().record(&dataset, subject)?,
            None => None,
        };
        Ok((dataset, record))
    }

    /// Where a record stands in the published tree.
    pub(super) fn standing(
        &self,
        dataset: &Dataset,
        record: &Record,
        request: &Request,
    ) -> Result<Standing, Internal> {
        let replica = self.chain();
        let chain = replica.state();
        let published = chain
            .dataset_of(&request.service)
            .and_then(|dataset| dataset.records)
            .and_then(|entry| chain.records(&entry).map(|fact| (entry, fact.root)));
        let (records, root) = published
            .ok_or_else(|| Internal::Damaged("its dataset has no published root".to_owned()))?;
        // The chain's root, not the store's: between the two a change may be on its way.
        let root = circuits::field::from_be_bytes(root.as_bytes())
            .map_err(|error| Internal::Damaged(error.to_string()))?;
        Ok(Standing { path: self.records().path(dataset, record)?, root, records })
    }
}

/// The chain refused what had to be recorded, and will refuse it again.
fn unrecordable(request: &Digest, rule: &RuleError) -> Stage {
    tracing::warn!(%request, rule = rule.code(), "the chain refused an exchange's entry");
    Stage::Closed(Closed { silence: Silence::Unrecordable })
}
