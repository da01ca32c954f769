//! Attacks, each with the check that caught it.
//!
//! Each is tried at the victim's own gateway, over HTTP and with a good signature; what caught it is the
//! code in the gateway's signed reply. Each is made from an honest answer, which is believed afterwards,
//! so that nothing else was wrong.

mod forgery;
pub(super) mod payload;
pub(super) mod rewriting;

use circuits::eddsa::PrivateKey;
use circuits::groth16;
use circuits::statement::CircuitId;
use crypto::canonical;
use crypto::envelope::{Message, Sealed};
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;

use super::chapters::Play;
use super::citizen::Citizen;
use super::founding::development_key;
use super::sample::{TAX, WELFARE};
use super::{DemoError, outcome};
use crate::department::{Department, PeerMessage, PeerPath, PeerReply};
use crate::document::CircuitDocument;
use crate::document::answer::{Answer, Evidence};
use crate::exchange::proving;
use crate::http::local::{Asked, AskedStatus};

/// An honest answer that did not arrive yet.
struct Held {
    asked: Asked,
    sealed: Vec<u8>,
    answer: Answer,
}

/// Plays all of them.
pub(super) async fn play(play: &mut Play<'_>) -> Result<(), DemoError> {
    play.report.chapter("Attacks: what welfare's gateway says to what is not right");
    // From here on, nothing that tax's gateway sends by itself arrives.
    let mut answers = play.network.wire(TAX).hold_answers();
    let first = hold(play, &mut answers, true).await?;
    let second = hold(play, &mut answers, true).await?;
    let third = hold(play, &mut answers, false).await?;

    let sealed = tampered_ciphertext(&first);
    caught(play, "a byte of the ciphertext changed on the way", sealed).await?;
    let sealed = seal(play, &tampered_proof(&first), &first.asked)?;
    caught(play, "a byte of the proof changed by the issuer", sealed).await?;
    let sealed = seal(play, &foreign_signature(play, &first).await?, &first.asked)?;
    caught(play, "a consent signed by the issuer instead of the citizen", sealed).await?;
    let sealed = seal(play, &unapproved_key(play, &first).await?, &first.asked)?;
    caught(play, "a proof under a key that nobody else approved", sealed).await?;
    let sealed = seal(play, &second.answer, &first.asked)?;
    caught(play, "the answer to another question", sealed).await?;
    believed(play, &first).await?;
    caught(play, "the same answer again", first.sealed.clone()).await?;

    forgery::attempt(play, &third).await?;
    believed(play, &third).await?;

    payload::play(play).await?;
    stale_root(play, &second).await?;
    play.network.wire(TAX).repair();
    Ok(())
}

/// Has a question about wages answered, and keeps the answer from arriving.
async fn hold(
    play: &mut Play<'_>,
    answers: &mut UnboundedReceiver<Vec<u8>>,
    identified: bool,
) -> Result<Held, DemoError> {
    let (subject, query) = (play.eligible.subject, play.fresh_wages());
    let asked = play
        .ask(WELFARE, |ask| {
            ask["query"] = query;
            if identified {
                ask["subject"] = json!(subject);
            } else {
                ask["pseudonymous"] = json!(true);
            }
        })
        .await?;
    if identified {
        play.eligible.consent(TAX, &asked, play.report).await?;
    } else {
        let offer = play.network.system(WELFARE).offer(&asked.request).await?;
        play.eligible.take_offer(offer, play.report).await?;
    }
    loop {
        let sealed = answers.recv().await;
        let sealed = sealed.ok_or_else(|| outcome("attacks", "an answer on its way", "none"))?;
        // Answers that were held before are sent again and again.
        let header = Sealed::decode(&sealed).map(|it| it.header().request);
        if header.is_ok_and(|request| request == asked.request)
            && let Some(answer) = tax(play).own_answer(&asked.request)?
        {
            return Ok(Held { asked, sealed, answer });
        }
    }
}

fn tax<'n>(play: &Play<'n>) -> &'n Department {
    play.network.department(TAX)
}

/// Delivers an answer in the name of tax; the code of welfare's refusal.
async fn deliver(play: &Play<'_>, sealed: Vec<u8>) -> Result<Option<String>, DemoError> {
    let welfare = tax(play).peer(play.network.department(WELFARE).id())?;
    let message = PeerMessage { path: PeerPath::Answers, body: sealed.into() };
    match play.network.wire(TAX).pass(tax(play), &welfare, message).await {
        Ok(PeerReply::Taken(_)) => Ok(None),
        Ok(PeerReply::Refused { code }) => Ok(Some(code)),
        Err(error) => Err(outcome("attacks", "a signed reply", &error.to_string())),
    }
}

async fn caught(play: &mut Play<'_>, name: &str, sealed: Vec<u8>) -> Result<(), DemoError> {
    let code = deliver(play, sealed).await?;
    let believed = || outcome("attacks", "a refusal", &format!("{name} was believed"));
    note(play, name, &code.ok_or_else(believed)?);
    Ok(())
}

/// Tells what caught an attack.
fn note(play: &mut Play<'_>, name: &str, code: &str) {
    play.report.say(format_args!("{name}: caught by {code}"));
    play.report.exchange(&format!("attack: {name}"), "refused", Some(code));
}

/// The honest answer must be taken: then nothing else was wrong with what was made from it.
async fn believed(play: &mut Play<'_>, held: &Held) -> Result<(), DemoError> {
    if let Some(code) = deliver(play, held.sealed.clone()).await? {
        return Err(outcome("attacks", "the honest answer taken", &code));
    }
    let now = play.network.outcome(WELFARE, &held.asked).await?;
    if now.status != AskedStatus::Verified {
        return Err(outcome("attacks", "verified", &format!("{:?}", now.status)));
    }
    play.report.say("the honest answer that these were made from: verified");
    Ok(())
}

/// What a dishonest operator of tax seals, with all of tax's keys.
fn seal(play: &Play<'_>, answer: &Answer, request: &Asked) -> Result<Vec<u8>, DemoError> {
    let bytes = canonical::to_vec(answer)
        .map_err(|error| outcome("attacks", "an answer", &error.to_string()))?;
    let welfare = tax(play).peer(play.network.department(WELFARE).id())?;
    Ok(tax(play).seal(Message::Answer, &welfare, request.request, &bytes)?)
}

fn tampered_ciphertext(held: &Held) -> Vec<u8> {
    let mut sealed = held.sealed.clone();
    if let Some(last) = sealed.last_mut() {
        *last ^= 1;
    }
    sealed
}

fn tampered_proof(held: &Held) -> Answer {
    let mut answer = held.answer.clone();
    let digit = if answer.proof.starts_with('0') { "1" } else { "0" };
    answer.proof.replace_range(..1, digit);
    answer
}

/// The issuer signs with a key of its own, over the same message.
async fn foreign_signature(play: &Play<'_>, held: &Held) -> Result<Answer, DemoError> {
    let mut answer = held.answer.clone();
    let Evidence::Identified { signature, .. } = &mut answer.evidence else {
        return Err(outcome("attacks", "an identified answer", "another"));
    };
    let message = tax(play).consent_message(&held.asked.request).await?;
    *signature = Some(hex::encode(issuers_own_key().sign(message).to_bytes()));
    Ok(answer)
}

/// A consent key that is no citizen's.
fn issuers_own_key() -> PrivateKey {
    PrivateKey::from_bytes(&[1; 32])
}

/// The issuer makes a key alone, puts it on the chain, and proves the same statement under it.
async fn unapproved_key(play: &Play<'_>, held: &Held) -> Result<Answer, DemoError> {
    let id = CircuitId::IdentifiedV1;
    let key = tokio::task::block_in_place(|| development_key(id));
    tax(play).propose_circuit(&CircuitDocument::development(id, &key)).await?;
    let (request, record, _) = tax(play).own_question(&held.asked.request).await?;
    let (statement, witness) = proving::identified_statement(&request, &record);
    let circuit = circuits::statement::identified::Circuit::new(statement, witness);
    let rng = &mut groth16::rng_from_seed([7; 32]);
    let proof = tokio::task::block_in_place(|| groth16::prove(&key, circuit, rng))
        .map_err(|error| outcome("attacks", "a proof", &error.to_string()))?;
    let mut answer = held.answer.clone();
    answer.key = key.verifying_key().id();
    answer.proof = hex::encode(proof.to_bytes());
    Ok(answer)
}

/// Somebody else's new key changes the dataset's root, and this network grants no grace.
async fn stale_root(play: &mut Play<'_>, held: &Held) -> Result<(), DemoError> {
    let subject = play.cast.bystander;
    play.report.say("somebody else gets a wallet: their key in the record changes tax's root");
    Citizen::enrol("bystander", subject, play.founded, play.network, play.base).await?;
    caught(play, "an answer from a root that was replaced", held.sealed.clone()).await
}
