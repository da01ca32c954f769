//! Payload: a document under an answered question.

use std::time::Instant;

use chain::identifier::EntryId;
use crypto::envelope::PayloadId;
use getrandom::SysRng;
use rand_core::{Rng as _, UnwrapErr};
use serde_json::json;

use super::Play;
use crate::demo::people::home;
use crate::demo::report::short;
use crate::demo::sample::{REGISTRY, WELFARE};
use crate::demo::{DemoError, outcome};
use crate::http::local::{Asked, AskedStatus, Delivery, PayloadReceived};

/// Length of the document: 8 MiB.
const BYTES: usize = 8 << 20;

pub(super) async fn play(play: &mut Play<'_>) -> Result<(), DemoError> {
    play.report.chapter("Payload: the registry sends welfare a document of 8 MiB");
    let asked = answered(play).await?;
    play.report.exchange("payload: the question", "verified", None);
    let mut document = vec![0; BYTES];
    UnwrapErr(SysRng).fill_bytes(&mut document);
    let start = Instant::now();
    let sent = play
        .network
        .system(REGISTRY)
        .send_payload(&asked.request, "extract.pdf", document.clone().into())
        .await?;
    if sent.delivery != Delivery::Delivered {
        return Err(outcome("payload", "delivered", &format!("{:?}", sent.delivery)));
    }
    play.report.spent("payload", start);
    let received = received(play, &sent.id).await?;
    if open(play, &sent.id).await? != document {
        return Err(outcome("payload", "the document that was sent", "another one"));
    }
    let complete = received.complete;
    let complete = complete.ok_or_else(|| outcome("payload", "all of it", "a part"))?;
    play.report.say(format_args!(
        "welfare opened {} bytes of {}, the ones that were sent",
        complete.bytes, complete.name
    ));
    let replica = play.network.shared.ledger.snapshot();
    let entry = EntryId::from_digest(complete.sent_entry);
    let recorded = replica.state().payload(&entry);
    let receipt = recorded.and_then(|it| it.received).map(|entry| *entry.as_digest());
    if recorded.is_none_or(|it| it.commitment != sent.commitment)
        || receipt != Some(complete.received_entry)
    {
        return Err(outcome("payload", "commitment and receipt on the chain", "not both"));
    }
    play.report.say(format_args!(
        "on the chain: commitment {}…, receipt {}…",
        short(&sent.commitment),
        short(&complete.received_entry)
    ));
    play.report.exchange("payload", "received", None);
    Ok(())
}

/// A question of welfare's that the registry has answered: the ground on which documents are sent.
pub(in crate::demo) async fn answered(play: &mut Play<'_>) -> Result<Asked, DemoError> {
    let (subject, condition) = (play.eligible.subject, json!([home(&play.cast.districts)]));
    let asked = play
        .ask(WELFARE, |ask| {
            ask["subject"] = json!(subject);
            ask["issuer"] = json!(REGISTRY);
            ask["dataset"] = json!(REGISTRY);
            ask["query"] = condition;
        })
        .await?;
    play.eligible.consent(REGISTRY, &asked, play.report).await?;
    let now = play.network.outcome(WELFARE, &asked).await?;
    match now.status {
        AskedStatus::Verified => Ok(now),
        other => Err(outcome("payload: the question", "verified", &format!("{other:?}"))),
    }
}

/// What welfare's system sees of a payload.
pub(in crate::demo) async fn received(
    play: &Play<'_>,
    id: &PayloadId,
) -> Result<PayloadReceived, DemoError> {
    let payloads = play.network.system(WELFARE).payloads().await?;
    let found = payloads.into_iter().find(|payload| payload.id == *id);
    found.ok_or_else(|| outcome("payload", "a payload at welfare", "none"))
}

/// The document that welfare's system reads.
pub(in crate::demo) async fn open(play: &Play<'_>, id: &PayloadId) -> Result<Vec<u8>, DemoError> {
    let mut opened = play.network.system(WELFARE).payload(id).await?;
    let mut document = Vec::with_capacity(BYTES);
    while let Some(piece) = opened.next().await? {
        document.extend_from_slice(&piece);
    }
    Ok(document)
}
