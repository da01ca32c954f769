//! Documents between the two sides of an answered question.

mod interrupted;
mod lasting;
mod source;

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use crypto::commitment::Salt;
use crypto::envelope::stream::{
    CHUNK_BYTES, CHUNKS_PER_PART, MAX_PART_BYTES, MAX_PARTS, part_count,
};
use tokio::sync::Notify;

use super::super::payloads::{Delivery, PayloadRefusal, SendPayloadError, SentPayload};
use super::super::peer::PeerError;
use super::*;
use crate::document::PayloadManifest;
use source::Broken;

/// As long a page as there is.
const ALL: usize = usize::MAX;
const SHORT: usize = 300 * 1024;
/// Two whole parts and a third with one short chunk.
const LONG: usize = 2 * 63 * CHUNK_BYTES + 1_000;
const _: () = assert!(part_count(LONG as u64) == 3 && CHUNKS_PER_PART == 63);

fn document(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|place| u8::try_from(place * 31 % 251).unwrap()).collect()
}

/// A question of welfare's that the tax office answered.
async fn answered() -> (Network, Digest) {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let asked = network.ask(ask(|_| ())).await.unwrap();
    let asked = network.answer("tax", &citizen, &asked).await;
    assert_eq!(asked.status, Status::Verified);
    (network, asked.request)
}

/// Messages with where they were to go.
type Kept = Arc<Mutex<Vec<(PeerPath, Vec<u8>)>>>;

impl Network {
    async fn send(
        &self,
        from: &str,
        request: &Digest,
        bytes: &[u8],
    ) -> Result<SentPayload, SendPayloadError<Infallible>> {
        self.department(from).send_payload(request, "decision.pdf", bytes, &self.peers).await
    }

    async fn resume(&self, name: &str) {
        self.department(name).resume(&self.peers).await.unwrap();
    }

    fn delivery(&self, from: &str, id: &PayloadId) -> Delivery {
        self.department(from).sent_payload(id).unwrap().unwrap().delivery
    }

    /// The document, if it is complete.
    async fn read(&self, at: &str, id: &PayloadId) -> Option<Vec<u8>> {
        let department = self.department(at);
        let view = department.received_payloads(None, ALL).unwrap();
        let complete = view.iter().any(|it| it.id == *id && it.complete.is_some());
        let reader = department.open_payload(id).unwrap();
        assert_eq!(complete, reader.is_some());
        let mut reader = reader?;
        assert_eq!(reader.name().as_str(), "decision.pdf");
        let mut document = Vec::new();
        while let Some(piece) = reader.next().await.unwrap() {
            document.extend_from_slice(&piece);
        }
        assert_eq!(reader.bytes(), document.len() as u64);
        Some(document)
    }

    /// Keeps all messages, which their senders believe to be taken.
    fn keep(&self) -> Kept {
        let kept = Kept::default();
        let keep = Arc::clone(&kept);
        self.peers.intercept(move |message| {
            let reply: &[u8] = match message.path {
                PeerPath::Parts { .. } => return Some(Ok(PeerReply::Taken(b"\"\"".to_vec()))),
                PeerPath::Complete { .. } => b"{\"state\":\"complete\"}",
                _ => b"",
            };
            keep.lock().unwrap().push((message.path, message.body.to_vec()));
            Some(Ok(PeerReply::Taken(reply.to_vec())))
        });
        kept
    }

    /// Hands a manifest over, and has the payload checked.
    async fn complete(
        &self,
        request: &Digest,
        payload: &PayloadId,
        manifest: &[u8],
    ) -> Result<(), PeerError> {
        let path = PeerPath::Complete { request: *request, payload: *payload };
        let message = PeerMessage { path, body: Bytes::copy_from_slice(manifest) };
        let reply = self.department("welfare").peer_message(&id("tax"), message).await?;
        assert_eq!(reply, b"{\"state\":\"complete\"}");
        Ok(())
    }

    fn let_pass(&self) {
        self.peers.intercept(|_| None);
    }

    /// Names of everything below a department's folder of payloads.
    fn stored(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().join(name).join("payloads")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    found.push(entry.file_name().into_string().unwrap());
                }
            }
        }
        found.sort();
        found
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

/// Parts in their order, and then the manifest.
fn in_order(kept: &Kept) -> Vec<Vec<u8>> {
    let mut kept = kept.lock().unwrap().clone();
    kept.sort_by_key(|(path, _)| match path {
        PeerPath::Part { number, .. } => *number,
        _ => u64::MAX,
    });
    kept.into_iter().map(|(_, body)| body).collect()
}

fn code<T: std::fmt::Debug>(outcome: Result<T, PeerError>) -> String {
    outcome.unwrap_err().code().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_go_both_ways_and_the_chain_says_so() {
    let (network, request) = answered().await;
    for (from, to, bytes) in
        [("tax", "welfare", SHORT), ("welfare", "tax", 0), ("welfare", "tax", LONG)]
    {
        let sent = network.send(from, &request, &document(bytes)).await.unwrap();
        assert_eq!(sent.delivery, Delivery::Delivered);
        assert_eq!((sent.bytes, sent.recipient), (bytes as u64, id(to)));
        assert!(network.read(to, &sent.id).await.unwrap() == document(bytes), "{from} {bytes}");
        assert!(network.read(from, &sent.id).await.is_none(), "the sender cannot open it");

        let received = network.department(to).received_payloads(None, ALL).unwrap();
        let received = received.into_iter().find(|it| it.id == sent.id).unwrap();
        let complete = received.complete.unwrap();
        assert_eq!((received.request, received.sender), (request, id(from)));
        assert_eq!(Some(complete.sent_entry), sent.sent_entry);
        let replica = network.department("civil-registry").chain();
        let fact = *replica.state().payload(&complete.sent_entry).unwrap();
        assert_eq!((fact.sender, fact.recipient), (id(from), id(to)));
        assert_eq!(
            (fact.commitment, fact.received),
            (sent.commitment, Some(complete.received_entry))
        );
    }
    let counts = network.counts();
    assert_eq!((counts["payload-sent"], counts["payload-received"]), (3, 3));
    assert_eq!(network.stored("tax"), ["00000", "00000", "00001", "00002"], "the received ones");
    assert_eq!(network.stored("welfare"), ["00000"]);
    assert_eq!(*network.peers.refusals.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_on_the_way_is_refused_and_sent_again() {
    let (network, request) = answered().await;
    let kept = network.keep();
    network.send("tax", &request, &document(LONG)).await.unwrap();
    let foreign = in_order(&kept).remove(0);
    network.let_pass();

    type Change = Box<dyn FnMut(&mut u64, &mut Vec<u8>) + Send>;
    let cases: [(&str, Change); 6] = [
        (
            "payload-authentication",
            Box::new(|number, body| {
                if *number == 1 {
                    body[100_000] ^= 1;
                }
            }),
        ),
        ("payload-authentication", Box::new(|number, _| *number = [0, 2, 1][place(*number)])),
        (
            "payload-truncated",
            Box::new(|number, body| {
                if *number == 2 {
                    body.truncate(0);
                    body.push(0);
                }
            }),
        ),
        (
            "payload-authentication",
            Box::new(|number, body| {
                if *number == 2 {
                    body.push(0);
                }
            }),
        ),
        (
            "envelope-message",
            Box::new(move |number, body| {
                if *number == 0 {
                    body.clone_from(&foreign);
                }
            }),
        ),
        ("payload-part-missing", Box::new(|number, _| *number = [0, 0, 2][place(*number)])),
    ];
    for (round, (expected, mut change)) in (1..).zip(cases) {
        network.peers.refusals.lock().unwrap().clear();
        network.peers.intercept(move |message| {
            if let PeerPath::Part { number, .. } = &mut message.path {
                let mut body = message.body.to_vec();
                change(number, &mut body);
                message.body = body.into();
            }
            None
        });
        let sent = network.send("tax", &request, &document(LONG)).await.unwrap();
        assert_eq!(sent.delivery, Delivery::Underway);
        assert_eq!(network.peers.refusals.lock().unwrap().last().unwrap(), expected);
        assert!(network.read("welfare", &sent.id).await.is_none());
        assert_eq!(network.counts()["payload-received"], round - 1);

        network.let_pass();
        // Two, where one part was sent twice and the wrong one may have been the first to come.
        for _ in 0..2 {
            network.resume("tax").await;
        }
        assert_eq!(network.delivery("tax", &sent.id), Delivery::Delivered);
        assert!(network.read("welfare", &sent.id).await.unwrap() == document(LONG));
        assert_eq!(network.counts()["payload-received"], round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_missing_parts_are_named_and_the_others_stay() {
    let (network, request) = answered().await;
    let kept = network.keep();
    let payload = network.send("tax", &request, &document(LONG)).await.unwrap().id;
    let kept = in_order(&kept);
    let (welfare, tax) = (network.department("welfare"), id("tax"));
    let missing = async || match welfare.peer_complete(&tax, &request, &payload, &kept[3]).await {
        Err(PeerError::Payload(PayloadRefusal::Missing { numbers })) => numbers,
        other => panic!("{other:?}"),
    };
    for (part, then) in [(1, vec![0, 1, 2]), (2, vec![0, 2]), (0, vec![0])] {
        assert_eq!(missing().await, then);
        let there = welfare.peer_parts(&tax, &request, &payload).await.unwrap();
        assert_eq!(there.missing(3).collect::<Vec<_>>(), then);
        let bytes = kept[part].clone().into();
        welfare.peer_part(&tax, &request, &payload, part as u64, bytes).await.unwrap();
    }
    assert_eq!(network.counts()["payload-received"], 0);
    network.complete(&request, &payload, &kept[3]).await.unwrap();
    assert_eq!(welfare.peer_parts(&tax, &request, &payload).await.unwrap().len(), 3);
    assert!(network.read("welfare", &payload).await.unwrap() == document(LONG));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_counts_once_and_only_with_its_own_entry_and_commitment() {
    let (network, request) = answered().await;
    let (welfare, tax) = (network.department("welfare"), id("tax"));
    let kept = network.keep();
    let other = network.send("tax", &request, &document(1)).await.unwrap();
    let sent = network.send("tax", &request, &document(SHORT)).await.unwrap();
    let payload = sent.id;
    let kept = kept.lock().unwrap().clone();
    let (part, manifest) = (Bytes::from(kept[2].1.clone()), &kept[3].1);

    let message = Message::PayloadManifest(payload);
    let opened = welfare.open(message, &tax, Some(request), manifest).unwrap();
    let good: PayloadManifest = crypto::canonical::from_slice(opened.plaintext()).unwrap();
    let resealed = |change: &dyn Fn(&mut PayloadManifest)| {
        let mut changed = good.clone();
        change(&mut changed);
        let plaintext = crypto::canonical::to_vec(&changed).unwrap();
        let tax = network.department("tax");
        tax.seal(message, &tax.peer(&id("welfare")).unwrap(), request, &plaintext).unwrap()
    };
    let complete = async |sealed: &[u8]| {
        welfare.peer_part(&tax, &request, &payload, 0, part.clone()).await?;
        network.complete(&request, &payload, sealed).await
    };
    type Change<'a> = &'a dyn Fn(&mut PayloadManifest);
    let changes: [(&str, Change<'_>); 5] = [
        ("payload-manifest-version", &|it| it.version = 2),
        ("payload-entry", &|it| it.sent = "ee".repeat(32).parse().unwrap()),
        ("payload-commitment", &|it| it.sent = other.sent_entry.unwrap()),
        ("payload-commitment", &|it| it.salt = Salt::from_bytes([0; 32])),
        ("payload-length", &|it| it.bytes += 1),
    ];
    for (expected, change) in changes {
        assert_eq!(code(complete(&resealed(change)).await), expected);
    }
    assert_eq!(code(complete(&kept[1].1).await), "envelope-message", "of another payload");
    assert_eq!(network.counts()["payload-received"], 0);
    assert!(network.read("welfare", &payload).await.is_none());

    for _ in 0..3 {
        complete(manifest).await.unwrap();
        assert_eq!(network.counts()["payload-received"], 1);
    }
    let renamed = resealed(&|it| it.name = "other.pdf".parse().unwrap());
    assert_eq!(code(complete(&renamed).await), "payload-manifest-conflict");
    let more = welfare.peer_part(&tax, &request, &payload, 1, part.clone()).await;
    assert_eq!(code(more), "payload-part-number", "it has one part");
    assert!(network.read("welfare", &payload).await.unwrap() == document(SHORT));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_but_from_the_other_side_of_an_answered_question() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let asked = network.ask(ask(|_| ())).await.unwrap();
    let request = asked.request;
    let welfare = network.department("welfare");
    let payload = PayloadId::from_bytes([1; 16]);
    let part = async |to: &str, from: &str, number: u64, bytes: usize| {
        let bytes = Bytes::from(vec![0; bytes]);
        network.department(to).peer_part(&id(from), &request, &payload, number, bytes).await
    };

    for name in ["tax", "welfare", "civil-registry"] {
        let refused = network.send(name, &request, &document(1)).await.unwrap_err();
        assert_eq!(refused.code(), "payload-unanswered");
    }
    assert_eq!(code(part("welfare", "tax", 0, 1).await), "payload-unanswered");
    assert_eq!(code(part("tax", "welfare", 0, 1).await), "payload-unanswered");

    network.answer("tax", &citizen, &asked).await;
    for (to, from) in [("welfare", "civil-registry"), ("civil-registry", "tax"), ("tax", "tax")] {
        assert_eq!(code(part(to, from, 0, 1).await), "payload-unanswered");
        let outcome =
            network.department(to).peer_complete(&id(from), &request, &payload, b"").await;
        assert_eq!(code(outcome), "payload-unanswered");
    }
    let refused = network.send("civil-registry", &request, &document(1)).await.unwrap_err();
    assert_eq!(refused.code(), "payload-unanswered");
    assert_eq!(code(part("welfare", "tax", MAX_PARTS, 1).await), "payload-part-number");
    for bytes in [0, MAX_PART_BYTES + 1] {
        assert_eq!(code(part("welfare", "tax", 0, bytes).await), "payload-part-size");
    }
    for name in ["tax", "welfare", "civil-registry"] {
        assert!(network.stored(name).is_empty());
        assert!(network.department(name).received_payloads(None, ALL).unwrap().is_empty());
    }

    // The same id in the other direction, or again with other bytes.
    let sent = network.send("tax", &request, &document(1)).await.unwrap();
    let back = network.department("tax");
    let outcome = back.peer_part(&id("welfare"), &request, &sent.id, 0, Bytes::from("a")).await;
    assert_eq!(code(outcome), "payload-other");
    let outcome = welfare.peer_part(&id("tax"), &request, &sent.id, 0, Bytes::from("a")).await;
    assert_eq!(code(outcome), "payload-part-conflict");

    for begun in 0..17 {
        let payload = PayloadId::from_bytes([begun; 16]);
        let outcome = welfare.peer_part(&id("tax"), &request, &payload, 0, Bytes::from("a")).await;
        match begun {
            16 => assert_eq!(code(outcome), "payload-too-many"),
            _ => outcome.unwrap(),
        }
    }
    assert_eq!(
        network.send("tax", &request, &document(1)).await.unwrap().delivery,
        Delivery::Underway
    );
    assert_eq!(network.send("welfare", &request, b"").await.unwrap().delivery, Delivery::Delivered);

    let named = network.department("tax");
    let refused = named.send_payload(&request, "../a", &b""[..], &network.peers).await.unwrap_err();
    assert_eq!(refused.code(), "payload-name");
}
