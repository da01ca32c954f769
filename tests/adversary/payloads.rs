//! Documents from somebody who is no party, and from a party that does not keep to what it said.

use crypto::commitment::Salt;
use crypto::envelope::stream::{MAX_PART_BYTES, MAX_PARTS, PayloadSealer, SealedPayload};
use crypto::envelope::{Message, PayloadId, Route};
use crypto::{Digest, canonical};
use gateway::http::local::Delivery;
use gateway::http::peer::{PartName, PayloadName, PeerCall};
use hyper::Request;
use hyper::body::Bytes;
use serde_json::json;

use crate::world::{Insider, Refused, World, name, now, random_digest, refused, rng};

fn part(payload: PayloadName, number: u64) -> PeerCall {
    PeerCall::Part(PartName { payload, number })
}

fn fresh(request: Digest) -> PayloadName {
    PayloadName { request, payload: PayloadId::random(&mut rng()) }
}

/// A short document, sealed by `sender` to welfare.
fn sealed(world: &World, sender: &str, payload: PayloadName) -> SealedPayload {
    let route = Route {
        message: Message::Payload(payload.payload),
        network: world.network_name(),
        sender: name(sender),
        recipient: name("welfare"),
        request: payload.request,
    };
    let key = world.recipient_key("welfare");
    let mut sealer = PayloadSealer::new(&route, &key, &mut rng()).unwrap();
    sealer.push(b"a decision").unwrap();
    sealer.finish().unwrap()
}

async fn complete(
    world: &World,
    from: &Insider,
    payload: PayloadName,
    sent: Digest,
) -> Result<Bytes, Refused> {
    let manifest = json!({
        "version": 1, "name": "decision.txt", "bytes": 10, "salt": Salt::random(&mut rng()),
        "sent": sent,
    });
    let plaintext = canonical::to_vec(&manifest).unwrap();
    let message = Message::PayloadManifest(payload.payload);
    let sealed = world.seal(message, (from.id, "welfare"), payload.request, &plaintext);
    loop {
        let told = world.call(from, "welfare", &PeerCall::Complete(payload), sealed.clone()).await;
        // Until it has been checked.
        if !matches!(&told, Ok(state) if *state == "{\"state\":\"checking\"}") {
            return told;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_other_side_of_an_answered_question_sends_documents() {
    let world = World::get().await;
    let request = world.answered(world.citizen(0)).await;
    let (tax, thief) = (world.insider("tax"), world.insider("social-security"));
    let payload = fresh(request);
    let document = Bytes::from(sealed(world, "tax", payload).last_part.bytes);
    let put = async |from: &Insider, payload, bytes: &Bytes| {
        world.call(from, "welfare", &part(payload, 0), bytes.clone()).await.map(drop)
    };
    assert_eq!(put(&thief, payload, &document).await, Err(refused(409, "payload-unanswered")));
    // Of the same department under a question that was never asked.
    let elsewhere = fresh(random_digest());
    assert_eq!(put(&tax, elsewhere, &document).await, Err(refused(409, "payload-unanswered")));
    let told = complete(world, &thief, payload, random_digest()).await;
    assert_eq!(told.unwrap_err(), refused(409, "payload-unanswered"));
    // Nor does welfare send to itself, with its own good key.
    let welfare = world.insider("welfare");
    assert_eq!(put(&welfare, payload, &document).await, Err(refused(409, "payload-unanswered")));
    put(&tax, payload, &document).await.unwrap();
    // The thief does not get at it afterwards either.
    assert_eq!(put(&thief, payload, &document).await, Err(refused(409, "payload-unanswered")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_has_a_number_a_length_and_one_content() {
    let world = World::get().await;
    let request = world.answered(world.citizen(0)).await;
    let tax = world.insider("tax");
    let payload = fresh(request);
    let put = async |number, bytes: Bytes| {
        world.call(&tax, "welfare", &part(payload, number), bytes).await.map(drop)
    };
    let document = Bytes::from(sealed(world, "tax", payload).last_part.bytes);
    for number in [MAX_PARTS, u64::MAX] {
        let told = put(number, document.clone()).await;
        assert_eq!(told, Err(refused(422, "payload-part-number")), "{number}");
    }
    assert_eq!(put(0, Bytes::new()).await, Err(refused(422, "payload-part-size")));
    // Nobody has verified whose it is when it is cut, so the reply is not signed.
    let long = Request::put(world.url(&format!("/v1/peer/welfare/{}", part(payload, 0))));
    let long = long.header("content-type", "application/octet-stream");
    let long = long.body(vec![0; MAX_PART_BYTES + 1].into()).unwrap();
    let long = tax.signer.sign_request(long, now(), &mut rng()).unwrap().to_request();
    assert_eq!(world.refusal(long).await, refused(413, "body-too-large"));
    put(0, document.clone()).await.unwrap();
    put(0, document.clone()).await.unwrap();
    let other = document.slice(1..);
    assert_eq!(put(0, other).await, Err(refused(409, "payload-part-conflict")));
    put(1, vec![0; MAX_PART_BYTES].into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_counts_with_its_senders_own_entry_only() {
    let world = World::get().await;
    let request = world.answered(world.citizen(0)).await;
    let tax = world.insider("tax");
    let (system, welfare) = (world.network.system("tax"), world.network.system("welfare"));
    let document = Bytes::from_static(b"a decision");
    let theirs = welfare.send_payload(&request, "theirs.txt", document.clone()).await.unwrap();
    let own = system.send_payload(&request, "own.txt", document).await.unwrap();
    assert_eq!((theirs.delivery, own.delivery), (Delivery::Delivered, Delivery::Delivered));
    // What welfare sends itself is not what it receives.
    let taken = PayloadName { request, payload: theirs.id };
    let told = world.call(&tax, "welfare", &part(taken, 0), Bytes::from_static(b"a")).await;
    assert_eq!(told.unwrap_err(), refused(409, "payload-other"));
    let (theirs, own) = (theirs.sent_entry.unwrap(), own.sent_entry.unwrap());

    let payload = fresh(request);
    for entry in [random_digest(), theirs] {
        let told = complete(world, &tax, payload, entry).await;
        assert_eq!(told.unwrap_err(), refused(422, "payload-entry"));
    }
    // Its own entry is of another document.
    let told = complete(world, &tax, payload, own).await;
    assert_eq!(told.unwrap_err(), refused(409, "payload-part-missing"));
    let bytes = Bytes::from(sealed(world, "tax", payload).last_part.bytes);
    world.call(&tax, "welfare", &part(payload, 0), bytes).await.unwrap();
    let told = complete(world, &tax, payload, own).await;
    assert_eq!(told.unwrap_err(), refused(422, "payload-commitment"));
    let garbage = Bytes::from_static(&[7; 4_000]);
    world.call(&tax, "welfare", &part(payload, 0), garbage).await.unwrap();
    let told = complete(world, &tax, payload, own).await;
    assert_eq!(told.unwrap_err(), refused(422, "envelope-header"));
    let received = welfare.payloads().await.unwrap();
    let received = received.iter().find(|it| it.id == payload.payload).unwrap();
    assert_eq!(received.complete, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_party_cannot_begin_documents_without_end() {
    let world = World::get().await;
    let request = world.answered(world.citizen(3)).await;
    let tax = world.insider("tax");
    let begin = async || {
        world.call(&tax, "welfare", &part(fresh(request), 0), Bytes::from_static(b"a")).await
    };
    for _ in 0..16 {
        begin().await.unwrap();
    }
    assert_eq!(begin().await.unwrap_err(), refused(429, "payload-too-many"));
    // Under another question there is room.
    let other = world.answered(world.citizen(3)).await;
    let system = world.network.system("tax");
    let sent = system.send_payload(&other, "a.txt", Bytes::from_static(b"a")).await.unwrap();
    assert_eq!(sent.delivery, Delivery::Delivered);
}
