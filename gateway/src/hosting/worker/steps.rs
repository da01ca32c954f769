//! What a worker does with what it finds.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::{Job, PayloadJob};
use crate::department::Peers;
use crate::department::payloads::PayloadRetention;
use crate::hosting::Hosted;

pub(super) async fn advance<P: Peers>(hosted: Arc<Hosted<P>>, job: Job, sending: Duration) {
    let Job { department, mover, mut place } = job;
    let (request, peers) = (mover.request(), hosted.peers.as_ref());
    let advanced = async {
        hosted.department.conclude(request, peers).await?;
        // Until the requester has its answer, it does not count on the place.
        let mut sent = std::pin::pin!(hosted.department.advance(request, peers));
        match timeout(sending, &mut sent).await {
            Ok(sent) => sent,
            Err(_) => {
                drop(place.take());
                sent.await
            }
        }
    };
    if let Err(error) = advanced.await {
        tracing::error!(%department, %request, %error, "an exchange waits");
    }
}

pub(super) async fn ask_again<P: Peers>(hosted: Arc<Hosted<P>>) {
    if let Err(error) = hosted.department.ask_again(hosted.peers.as_ref()).await {
        tracing::error!(department = %hosted.department.id(), %error, "questions wait");
    }
}

pub(super) async fn move_payload<P: Peers>(hosted: Arc<Hosted<P>>, job: PayloadJob) {
    let PayloadJob { department, payload, moved } = job;
    // Whoever works on it already goes on as far as it goes, and this place is for another payload.
    if !hosted.department.is_moving(&payload)
        && let Err(error) = hosted.department.move_payload(&payload, hosted.peers.as_ref()).await
    {
        tracing::error!(%department, %payload, %error, "a payload waits");
    }
    // Whoever left it may not wait for it any more.
    let _: Result<(), ()> = moved.send(());
}

pub(super) async fn look<P: Peers>(hosted: Arc<Hosted<P>>) {
    if let Err(error) = hosted.department.resume_exchanges(hosted.peers.as_ref()).await {
        tracing::error!(department = %hosted.department.id(), %error, "exchanges wait");
    }
}

pub(super) async fn look_at_payloads<P: Peers>(hosted: Arc<Hosted<P>>) {
    if let Err(error) = hosted.department.resume_payloads(hosted.peers.as_ref()).await {
        tracing::error!(department = %hosted.department.id(), %error, "payloads wait");
    }
}

pub(super) async fn clean<P: Peers>(hosted: Arc<Hosted<P>>, retention: PayloadRetention) {
    let department = &hosted.department;
    let strays = department.remove_stray_parts().await.map(drop);
    let cleaned = department.clean_payloads(department.now(), &retention).await.map(drop);
    if let Err(error) = strays.and(cleaned) {
        tracing::error!(department = %department.id(), %error, "payloads are not cleaned away");
    }
}
