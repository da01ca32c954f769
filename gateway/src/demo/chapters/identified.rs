//! Identified: one requester, two issuers, one citizen, one nonce.

use serde_json::json;

use super::Play;
use crate::demo::people::home_and_age;
use crate::demo::sample::{REGISTRY, TAX, WELFARE};
use crate::demo::{DemoError, outcome};

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
    let wages = play.verified("identified: wages", WELFARE, &wages).await?;
    let home = play.verified("identified: home and age", WELFARE, &home).await?;
    if wages.subject_tag.is_none() || wages.subject_tag != home.subject_tag {
        return Err(outcome("identified", "equal subject tags", "different ones"));
    }
    play.report.say("both answers bear the same subject tag: they are about one person");
    Ok(())
}
