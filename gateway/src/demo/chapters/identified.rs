//! Identified: one requester, two issuers, one citizen, one nonce.

use circuits::encoding::Value;
use serde_json::json;

use super::Play;
use crate::demo::people::home_and_age;
use crate::demo::sample::{REGISTRY, TAX, WELFARE};
use crate::demo::{DemoError, outcome};
use crate::http::local::Asked;

pub(super) async fn play(play: &mut Play<'_>) -> Result<(), DemoError> {
    play.report.chapter("Identified: welfare asks tax and the registry about one citizen");
    let subject = json!(play.eligible.subject);
    let wages = play.ask(WELFARE, |ask| ask["subject"] = subject.clone()).await?;
    let nonce = json!(wages.nonce);
    let condition = home_and_age(&play.cast.districts);
    let home = play
        .ask(WELFARE, |ask| {
            ask["subject"] = subject;
            ask["nonce"] = nonce;
            ask["issuer"] = json!(REGISTRY);
            ask["dataset"] = json!(REGISTRY);
            ask["query"] = condition;
        })
        .await?;
    play.eligible.consent(TAX, &wages, play.report).await?;
    play.eligible.consent(REGISTRY, &home, play.report).await?;
    for (issuer, asked) in [(TAX, &wages), (REGISTRY, &home)] {
        play.network.outcome(WELFARE, asked).await?;
        tells_no_value(play, issuer, asked)?;
    }
    play.report.say("what reached welfare contains no value of either record");
    let wages = play.verified("identified: wages", WELFARE, &wages).await?;
    let home = play.verified("identified: home and age", WELFARE, &home).await?;
    if wages.subject_tag.is_none() || wages.subject_tag != home.subject_tag {
        return Err(outcome("identified", "equal subject tags", "different ones"));
    }
    play.report.say("both answers bear the same subject tag: they are about one person");
    Ok(())
}

/// Looks for every value of the citizen's record in the answer, as text and as the circuit encodes it.
fn tells_no_value(play: &Play<'_>, issuer: &str, asked: &Asked) -> Result<(), DemoError> {
    let answer = play.network.department(issuer).own_answer(&asked.request)?;
    let answer = answer.ok_or_else(|| outcome("identified", "an answer", "none"))?;
    let answer = serde_json::to_string(&answer)
        .map_err(|error| outcome("identified", "an answer", &error.to_string()))?;
    let record = play.datasets[issuer].of(&play.eligible.subject);
    for value in record.into_iter().flatten() {
        let element = hex::encode(circuits::field::to_be_bytes(value.element()));
        let number = match value {
            // Smaller ones are also version numbers.
            Value::Integer(number) if *number > 999 => Some(number.to_string()),
            _ => None,
        };
        if answer.contains(&element) || number.is_some_and(|number| has_word(&answer, &number)) {
            return Err(outcome("identified", "no value of the record", "one"));
        }
    }
    Ok(())
}

/// Whether `text` has `word` with neither letter nor digit around it: a proof's digits are no words.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|character: char| !character.is_ascii_alphanumeric()).any(|it| it == word)
}
