//! Pseudonymous: requesters who do not learn who answers.

use serde_json::json;

use super::Play;
use crate::demo::report::short;
use crate::demo::sample::{SOCIAL_SECURITY, WELFARE};
use crate::demo::{DemoError, outcome};

pub(super) async fn play(play: &mut Play<'_>) -> Result<(), DemoError> {
    play.report.chapter("Pseudonymous: two departments ask without learning who answers");
    let mut pseudonyms = Vec::new();
    for requester in [WELFARE, SOCIAL_SECURITY, WELFARE] {
        let query = play.fresh_wages();
        let asked = play
            .ask(requester, |ask| {
                ask["pseudonymous"] = json!(true);
                ask["query"] = query;
            })
            .await?;
        // A link or a QR code on the requester's page.
        let offer = play.network.system(requester).offer(&asked.request).await?;
        play.eligible.take_offer(offer, play.report).await?;
        let answer = play.verified("pseudonymous", requester, &asked).await?;
        let pseudonym = answer.pseudonym;
        let pseudonym = pseudonym.ok_or_else(|| outcome("pseudonymous", "a pseudonym", "none"))?;
        play.report.say(format_args!("{requester} sees pseudonym {}…", short(&pseudonym)));
        pseudonyms.push(pseudonym);
    }
    if pseudonyms[0] == pseudonyms[1] || pseudonyms[0] != pseudonyms[2] {
        return Err(outcome("pseudonymous", "one pseudonym a requester", "something else"));
    }
    play.report.say("welfare met the same citizen twice; the two departments' views do not match");
    Ok(())
}
