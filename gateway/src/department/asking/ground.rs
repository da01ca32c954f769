//! The ground of a question: the registrar's word on the citizen's key, or a law.

use chain::identifier::DepartmentId;
use crypto::envelope::Message;
use crypto::{Digest, canonical};

use super::{Ask, AskError, AskedBasis};
use crate::department::enrolment::CardQuery;
use crate::department::{Department, PeerMessage, PeerPath, PeerReply, Peers};
use crate::document::key_card::{KeyCard, SignedKeyCard};
use crate::document::request::{LegalBasis, Nonce};
use crate::document::service::Service;
use crate::subject::Subject;

impl Department {
    /// The legal basis, with the citizen's card where one is needed.
    pub(super) async fn ground(
        &self,
        ask: &Ask,
        service: &Service,
        peers: &impl Peers,
    ) -> Result<(LegalBasis, Option<SignedKeyCard>), AskError> {
        match (&ask.legal_basis, ask.subject) {
            (AskedBasis::Statutory { reference }, _) => {
                Ok((LegalBasis::Statutory { reference: reference.clone() }, None))
            }
            (AskedBasis::Consent, None) => Ok((LegalBasis::Consent { key_card: None }, None)),
            (AskedBasis::Consent, Some(subject)) => {
                let signed = self.fetch_card(&service.registrar, subject, peers).await?;
                // The registrar's copy of the chain has it; ours may be behind.
                let digest = signed.card.digest();
                self.wait_for_chain(|state| state.consent_key_of_card(&digest).is_some()).await;
                let key_card =
                    Some(self.check_card(&signed, &service.registrar, subject)?.digest());
                Ok((LegalBasis::Consent { key_card }, Some(signed)))
            }
        }
    }

    async fn fetch_card(
        &self,
        registrar: &DepartmentId,
        subject: Subject,
        peers: &impl Peers,
    ) -> Result<SignedKeyCard, AskError> {
        let peer = self.peer(registrar)?;
        let mut nonce = [0; 16];
        self.random(|rng| rng.fill_bytes(&mut nonce));
        let nonce = Nonce::from_bytes(nonce);
        let query = CardQuery { subject, nonce };
        let plaintext = canonical::to_vec(&query).expect("a card query has string keys");
        // No request exists yet: the digest of the query itself ties question and card together.
        let digest = Digest::of(&plaintext);
        let body = self.seal(Message::Document, &peer, digest, &plaintext)?;
        match peers
            .send(self, &peer, PeerMessage { path: PeerPath::KeyCards, body: body.into() })
            .await?
        {
            PeerReply::Refused { .. } => Err(AskError::NoKeyCard { registrar: *registrar }),
            PeerReply::Taken(body) => {
                let opened = self
                    .open(Message::Document, registrar, Some(digest), &body)
                    .map_err(|_| AskError::KeyCardNotCurrent)?;
                canonical::from_slice(opened.plaintext()).map_err(|_| AskError::KeyCardNotCurrent)
            }
        }
    }

    /// The card, if it is the registrar's current word about this citizen.
    pub(in crate::department) fn check_card<'c>(
        &self,
        signed: &'c SignedKeyCard,
        registrar: &DepartmentId,
        subject: Subject,
    ) -> Result<&'c KeyCard, AskError> {
        let peer = self.peer(registrar)?;
        let card = signed.verify(self.shared.genesis.network(), &peer.signing_key)?;
        let replica = self.chain();
        let chain = replica.state();
        let current = chain
            .consent_key_of_card(&card.digest())
            .and_then(|entry| chain.consent_key(entry))
            .is_some_and(|fact| fact.registrar == *registrar && fact.replaced_by.is_none());
        let registrar_still = peer.is_registrar() && card.registrar == *registrar;
        if current && registrar_still && card.subject == subject {
            Ok(card)
        } else {
            Err(AskError::KeyCardNotCurrent)
        }
    }
}
