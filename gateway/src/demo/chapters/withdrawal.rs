//! Withdrawal: log order decides between it and the proof.

use chain::entry::Kind;
use serde_json::json;

use super::{BRIEF_SECONDS, Play};
use crate::demo::sample::{TAX, WELFARE};
use crate::demo::{DemoError, outcome};

pub(super) async fn play(play: &mut Play<'_>) -> Result<(), DemoError> {
    play.report.chapter("Withdrawal: it reaches the chain before the proof");
    let (subject, query) = (play.eligible.subject, play.fresh_wages());
    let asked = play
        .ask(WELFARE, |ask| {
            ask["subject"] = json!(subject);
            ask["expires_in"] = json!(BRIEF_SECONDS);
            ask["query"] = query;
        })
        .await?;
    let before = proofs(play);
    let busy = play.network.keep_provers_busy().await?;
    play.report.say("the gateway's provers are busy with something else");
    play.eligible.consent(TAX, &asked, play.report).await?;
    let state = play.eligible.withdraw(&asked).await?;
    play.report.say(format_args!("wallet: withdrawn; tax says the question is {state}"));
    drop(busy);
    play.not_proven("withdrawn", WELFARE, &asked).await?;
    if proofs(play) != before {
        return Err(outcome("withdrawal", "no proof on the chain", "one"));
    }
    play.eligible.history(TAX, &asked.request, play.report).await?;
    play.report.say("no proof was recorded: the withdrawal came first in the log");
    Ok(())
}

fn proofs(play: &Play<'_>) -> u64 {
    let replica = play.network.shared.ledger.snapshot();
    let mut counts = replica.state().counts();
    counts.find(|(kind, _)| *kind == Kind::Proof).map_or(0, |(_, count)| count)
}
