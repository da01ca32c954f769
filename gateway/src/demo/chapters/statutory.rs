//! Statutory: a law is the ground, and the citizen can see it.

use chain::identifier::EntryId;
use serde_json::json;

use super::Play;
use crate::demo::citizen::id;
use crate::demo::sample::{LAW, TAX, WELFARE};
use crate::demo::{DemoError, outcome};

pub(super) async fn play(play: &mut Play<'_>) -> Result<(), DemoError> {
    play.report.chapter("Statutory: a law is the ground, and nobody is asked");
    let (subject, query) = (play.eligible.subject, play.fresh_wages());
    let asked = play
        .ask(WELFARE, |ask| {
            ask["subject"] = json!(subject);
            ask["legal_basis"] = json!({"kind": "statutory", "reference": LAW});
            ask["query"] = query;
        })
        .await?;
    play.verified("statutory", WELFARE, &asked).await?;
    let end = play.eligible.history(TAX, &asked.request, play.report).await?;
    if end.is_none() {
        return Err(outcome("statutory", "the access in the citizen's history", "no trace"));
    }
    let request = asked.entry.map(EntryId::from_digest);
    let replica = play.network.shared.ledger.snapshot();
    let chain = replica.state();
    let proof = request.and_then(|request| chain.answer(&request, &id(TAX)));
    if !proof.and_then(|proof| chain.proof(proof)).is_some_and(|proof| proof.statutory) {
        return Err(outcome("statutory", "a proof on the chain that rests on a law", "none"));
    }
    play.report
        .say("visible to the citizen, and on the chain as a proof whose ground is a service");
    Ok(())
}
