//! Attacks on answers, each with the check that caught it.
//!
//! Each is tried at the requester's own entry for messages; what caught it is the code of the error
//! that came back. Afterwards the honest answer is taken, so that nothing else was wrong.

use circuits::eddsa::PrivateKey;
use crypto::canonical;
use crypto::envelope::Message;
use serde_json::json;

use super::DemoError;
use super::exchanges::{Exchanges, outcome};
use super::network::Wallet;
use crate::department::asking::Asked;
use crate::department::{Department, PeerMessage, PeerPath};
use crate::document::answer::{Answer, Evidence};

/// Plays attacks on the exchanges between tax and welfare.
pub(super) struct Attacks<'p, 'n> {
    play: &'p mut Exchanges<'n>,
}

/// An honest answer that did not arrive yet.
struct Held {
    asked: Asked,
    sealed: Vec<u8>,
    answer: Answer,
}

impl<'p, 'n> Attacks<'p, 'n> {
    /// Plays all of them.
    pub(super) async fn play(
        play: &'p mut Exchanges<'n>,
        wallet: &Wallet,
    ) -> Result<(), DemoError> {
        play.report.chapter("Attacks: what welfare's gateway says to answers that are not right");
        let mut attacks = Self { play };
        let held = attacks.hold(wallet, 24).await?;
        let other = attacks.hold(wallet, 25).await?;
        attacks.tampered_ciphertext(&held).await?;
        attacks.tampered_proof(&held).await?;
        attacks.foreign_signature(&held).await?;
        attacks.answer_another_request(&held, &other).await?;
        attacks.deliver_and_replay(&held).await?;
        attacks.stale_root(&other).await
    }

    /// Has a question answered, and keeps the answer from arriving.
    async fn hold(&mut self, wallet: &Wallet, thousands: u64) -> Result<Held, DemoError> {
        let asked = self
            .play
            .ask("welfare", |ask| {
                ask["subject"] = json!(wallet.subject);
                ask["query"][0]["predicate"] = json!({"$lt": thousands * 100_000});
            })
            .await?;
        self.play.consent("tax", wallet, &asked).await?;
        self.play.network.peers.hold_answers();
        self.play.prove("tax", &asked).await?;
        let sealed = self.play.network.peers.release().pop();
        let sealed = sealed.ok_or_else(|| outcome("attacks", "an answer on its way", "none"))?.body;
        let opened = self
            .welfare()
            .open(Message::Answer, self.tax().id(), Some(asked.request), &sealed)
            .map_err(|error| outcome("attacks", "an envelope that opens", error.code()))?;
        let answer = canonical::from_slice(opened.plaintext())
            .map_err(|error| outcome("attacks", "an answer", &error.to_string()))?;
        Ok(Held { asked, sealed, answer })
    }

    fn welfare(&self) -> &'n Department {
        self.play.network.department("welfare")
    }

    fn tax(&self) -> &'n Department {
        self.play.network.department("tax")
    }

    /// What welfare says to a message that claims to be from tax.
    async fn deliver(&self, sealed: Vec<u8>) -> Result<(), String> {
        let message = PeerMessage { path: PeerPath::Answers, body: sealed };
        let outcome = self.welfare().peer_message(self.tax().id(), message).await;
        outcome.map(drop).map_err(|error| error.code().to_owned())
    }

    async fn caught(&mut self, name: &str, sealed: Vec<u8>) -> Result<(), DemoError> {
        match self.deliver(sealed).await {
            Ok(()) => Err(outcome("attacks", "a refusal", &format!("{name} was believed"))),
            Err(code) => {
                self.play.report.say(format_args!("{name}: caught by {code}"));
                self.play.report.exchange(&format!("attack: {name}"), "refused", Some(&code));
                Ok(())
            }
        }
    }

    /// What a dishonest operator of tax seals, with all of tax's keys.
    fn seal(&self, answer: &Answer, request: &Asked) -> Result<Vec<u8>, DemoError> {
        let bytes = canonical::to_vec(answer)
            .map_err(|error| outcome("attacks", "an answer", &error.to_string()))?;
        let welfare = self.tax().peer(self.welfare().id())?;
        Ok(self.tax().seal(Message::Answer, &welfare, request.request, &bytes)?)
    }

    async fn tampered_ciphertext(&mut self, held: &Held) -> Result<(), DemoError> {
        let mut sealed = held.sealed.clone();
        if let Some(last) = sealed.last_mut() {
            *last ^= 1;
        }
        self.caught("a byte of the ciphertext changed on the way", sealed).await
    }

    async fn tampered_proof(&mut self, held: &Held) -> Result<(), DemoError> {
        let mut answer = held.answer.clone();
        let digit = if answer.proof.starts_with('0') { "1" } else { "0" };
        answer.proof.replace_range(..1, digit);
        let sealed = self.seal(&answer, &held.asked)?;
        self.caught("a byte of the proof changed by the issuer", sealed).await
    }

    async fn foreign_signature(&mut self, held: &Held) -> Result<(), DemoError> {
        let mut answer = held.answer.clone();
        let Evidence::Identified { signature, .. } = &mut answer.evidence else {
            return Err(outcome("attacks", "an identified answer", "another"));
        };
        // The issuer signs with a key of its own, over the same message.
        let forged = PrivateKey::from_bytes(&[1; 32]);
        let message = self.tax().consent_message(&held.asked.request).await?;
        *signature = Some(hex::encode(forged.sign(message).to_bytes()));
        let sealed = self.seal(&answer, &held.asked)?;
        self.caught("a consent signed by the issuer instead of the citizen", sealed).await
    }

    async fn answer_another_request(&mut self, held: &Held, other: &Held) -> Result<(), DemoError> {
        let sealed = self.seal(&other.answer, &held.asked)?;
        self.caught("the answer to another question", sealed).await
    }

    async fn deliver_and_replay(&mut self, held: &Held) -> Result<(), DemoError> {
        if let Err(code) = self.deliver(held.sealed.clone()).await {
            return Err(outcome("attacks", "the honest answer taken", &code));
        }
        self.play.report.say("the honest answer, which each of these was made from: verified");
        self.caught("the same answer again", held.sealed.clone()).await
    }

    async fn stale_root(&mut self, held: &Held) -> Result<(), DemoError> {
        // Somebody else's new key changes the dataset's root, and this network grants no grace.
        let subject = self.play.another_citizen;
        self.play.network.wallet(subject).await?;
        self.caught("an answer from a root that was replaced", held.sealed.clone()).await
    }
}
