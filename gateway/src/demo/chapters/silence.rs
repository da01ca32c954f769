//! Not proven: three reasons, one silence.

use chain::entry::Kind;
use serde_json::json;

use super::{BRIEF_SECONDS, Play};
use crate::demo::people::{STEP, wages_below};
use crate::demo::sample::{TAX, WELFARE};
use crate::demo::{DemoError, outcome};
use crate::http::local::Asked;
use crate::subject::Subject;

pub(super) async fn play(play: &mut Play<'_>) -> Result<(), DemoError> {
    play.report.chapter("Not proven: a condition not met, a refusal, an unknown citizen");
    let before = proofs_and_consents(play);
    let (earner, eligible, unknown) =
        (play.earner.subject, play.eligible.subject, play.cast.unknown);
    let unmet = brief(play, &earner, wages_below(play.cast.threshold)).await?;
    play.earner.consent(TAX, &unmet, play.report).await?;
    let at_most = play.cast.threshold * STEP;
    let at_most = json!([{"path": ["total_wages_cents"], "predicate": {"$lte": at_most}}]);
    let refused = brief(play, &eligible, at_most).await?;
    play.eligible.refuse(TAX, &refused).await?;
    let unknown = brief(play, &unknown, wages_below(play.cast.threshold)).await?;
    play.report.say("waiting for the questions' time to run out");
    let mut views = Vec::new();
    for (name, reason, asked) in [
        ("not proven: not met", "the condition is not met", &unmet),
        ("not proven: refused", "the citizen refused", &refused),
        ("not proven: unknown", "tax has no record of them", &unknown),
    ] {
        let end = play.not_proven(name, WELFARE, asked).await?;
        play.report
            .say(format_args!("welfare sees: not proven   (what it does not see: {reason})"));
        // What differs between any two questions is put aside.
        views.push(Asked { request: asked.request, nonce: asked.nonce, entry: None, ..end });
    }
    let different =
        |view: &Asked| Asked { request: views[0].request, nonce: views[0].nonce, ..view.clone() };
    if views.iter().any(|view| different(view) != views[0]) {
        return Err(outcome("not proven", "three equal views", "different ones"));
    }
    if proofs_and_consents(play) != before {
        return Err(outcome("not proven", "no consent and no proof on the chain", "some"));
    }
    play.report
        .say("three equal silences, for welfare and on the chain; the citizens see the reason:");
    play.earner.history(TAX, &unmet.request, play.report).await?;
    play.eligible.history(TAX, &refused.request, play.report).await?;
    Ok(())
}

/// A question that nobody has long to answer.
async fn brief(
    play: &mut Play<'_>,
    subject: &Subject,
    query: serde_json::Value,
) -> Result<Asked, DemoError> {
    play.ask(WELFARE, |ask| {
        ask["subject"] = json!(subject);
        ask["expires_in"] = json!(BRIEF_SECONDS);
        ask["query"] = query;
    })
    .await
}

fn proofs_and_consents(play: &Play<'_>) -> u64 {
    let replica = play.network.shared.ledger.snapshot();
    let counts = replica.state().counts();
    counts
        .filter(|(kind, _)| matches!(kind, Kind::Proof | Kind::Consent))
        .map(|(_, count)| count)
        .sum()
}
