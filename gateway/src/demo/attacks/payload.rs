//! Somebody between registry and welfare changes a document's ciphertext.

use std::sync::Arc;
use std::time::Duration;

use crypto::envelope::PayloadId;
use crypto::envelope::stream::SEALED_CHUNK_BYTES;

use super::note;
use crate::demo::chapters::{Play, payload};
use crate::demo::sample::{REGISTRY, WELFARE};
use crate::demo::wire::Pass;
use crate::demo::{DemoError, outcome};
use crate::department::PeerPath;
use crate::http::local::Delivery;

/// Length of the document: two parts.
const BYTES: usize = 5 << 20;
/// The part that is changed: it has chunks and nothing before them.
const PART: u64 = 1;
/// So often it is sent again, at most.
const ATTEMPTS: u32 = 100;
/// Time between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// What somebody on the wire does to a part.
type Change = fn(&mut [u8]);

/// Sends a document twice over a wire on which somebody sits, and each time once more without them.
pub(in crate::demo) async fn play(play: &mut Play<'_>) -> Result<(), DemoError> {
    let asked = payload::answered(play).await?;
    let changes: [(&str, Change); 2] = [
        ("a byte of a document's ciphertext changed", |part| part[0] ^= 1),
        ("two chunks of a document's ciphertext exchanged", |part| {
            let (first, rest) = part.split_at_mut(SEALED_CHUNK_BYTES);
            first.swap_with_slice(&mut rest[..SEALED_CHUNK_BYTES]);
        }),
    ];
    for (name, change) in changes {
        let document: Vec<u8> = (0..BYTES).map(|index| index.to_le_bytes()[0]).collect();
        let wire = Arc::clone(play.network.wire(REGISTRY));
        wire.refusals();
        wire.tamper(move |message| {
            if let PeerPath::Part { number: PART, .. } = message.path {
                let mut part = message.body.to_vec();
                change(&mut part);
                message.body = part.into();
            }
            Pass::On
        });
        let system = play.network.system(REGISTRY);
        let sent = system.send_payload(&asked.request, "a.bin", document.clone().into()).await?;
        wire.repair();
        let code = wire.refusals().pop();
        let code = code.filter(|_| sent.delivery != Delivery::Delivered);
        let code =
            code.ok_or_else(|| outcome("attacks", "a refusal", &format!("{name} was taken")))?;
        note(play, name, &code);
        arrive(play, &sent.id).await?;
        if payload::open(play, &sent.id).await? != document {
            return Err(outcome("attacks", "the document as it was sent", "another one"));
        }
        play.report.say(format_args!("sent again without them: {WELFARE} opened the document"));
    }
    Ok(())
}

/// The registry's gateway sends a refused document again by itself, some time; here it does so at once.
async fn arrive(play: &Play<'_>, id: &PayloadId) -> Result<(), DemoError> {
    for _ in 0..ATTEMPTS {
        let wire = play.network.wire(REGISTRY);
        play.network.department(REGISTRY).resume(wire.as_ref()).await?;
        if payload::received(play, id).await?.complete.is_some() {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await; // the gateway itself is sending it
    }
    Err(outcome("attacks", "the document at last", "nothing"))
}
