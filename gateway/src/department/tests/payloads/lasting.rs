//! Large documents, and many of them, for years: memory, stops, retries, cleaning.

use std::time::Duration;

use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};

use super::super::super::payloads::{Chunks, Cleaned, PayloadRetention};
use super::*;
use crate::document::payload::Completion;

/// Plaintext of a whole part.
const PART: usize = 63 * CHUNK_BYTES;
const PARTS: usize = 10;
const WEEK: u64 = 7 * 24 * 60 * 60;

impl Network {
    /// Hands parts and manifest of a document over as they are; the payload, its parts, its manifest.
    async fn parts_of(&self, request: &Digest, bytes: usize) -> (PayloadId, Vec<Bytes>, Vec<u8>) {
        let kept = self.keep();
        let payload = self.send("tax", request, &document(bytes)).await.unwrap().id;
        self.let_pass();
        let mut kept = in_order(&kept);
        let manifest = kept.pop().unwrap();
        (payload, kept.into_iter().map(Bytes::from).collect(), manifest)
    }

    async fn give(&self, request: &Digest, payload: &PayloadId, parts: &[Bytes]) {
        for (number, part) in (0..).zip(parts) {
            let welfare = self.department("welfare");
            welfare.peer_part(&id("tax"), request, payload, number, part.clone()).await.unwrap();
        }
    }

    async fn clean(&self, name: &str, retention: &PayloadRetention) -> Cleaned {
        let department = self.department(name);
        department.clean_payloads(department.now(), retention).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_is_taken_at_once_and_checked_later_also_after_a_stop() {
    let (mut network, request) = answered().await;
    let (payload, parts, manifest) = network.parts_of(&request, LONG).await;
    network.give(&request, &payload, &parts).await;
    for _ in 0..2 {
        let tax = id("tax");
        let told =
            network.department("welfare").peer_complete(&tax, &request, &payload, &manifest).await;
        assert_eq!(told.unwrap(), Completion::Checking);
        assert!(network.read("welfare", &payload).await.is_none(), "nothing is believed yet");
        network.start("welfare");
    }
    network.resume("welfare").await;
    assert!(network.read("welfare", &payload).await.unwrap() == document(LONG));
    network.complete(&request, &payload, &manifest).await.unwrap();
    assert_eq!(network.counts()["payload-received"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_were_dropped_before_a_stop_are_named_as_missing_and_taken_again() {
    let (mut network, request) = answered().await;
    let (payload, parts, manifest) = network.parts_of(&request, SHORT).await;
    network.give(&request, &payload, &parts).await;
    let (welfare, tax) = (network.department("welfare"), id("tax"));
    welfare.peer_complete(&tax, &request, &payload, &manifest).await.unwrap();
    let folder = network.folder.path().join("welfare/payloads").join(request.to_string());
    std::fs::remove_dir_all(folder).unwrap();
    network.start("welfare");
    for _ in 0..2 {
        let told = network.complete(&request, &payload, &manifest).await;
        assert_eq!(code(told), "payload-part-missing");
    }
    network.give(&request, &payload, &parts).await;
    network.complete(&request, &payload, &manifest).await.unwrap();
    assert!(network.read("welfare", &payload).await.unwrap() == document(SHORT));
}

/// A long document, and how far it was ahead of what is stored.
struct Ahead {
    store: PayloadStore,
    left: usize,
    given: usize,
    most: usize,
}

impl Chunks for &mut Ahead {
    type Error = Infallible;

    async fn next(&mut self) -> Result<Option<Bytes>, Infallible> {
        let mut stored = 0;
        for (request, payload) in self.store.payloads().await.unwrap() {
            stored += place(self.store.parts(&request, &payload).await.unwrap().len());
        }
        self.most = self.most.max(self.given - (stored * PART).min(self.given));
        let length = self.left.min(CHUNK_BYTES);
        self.left -= length;
        self.given += length;
        Ok((length > 0).then(|| vec![7; length].into()))
    }
}

/// Counts the parts that are on their way at once.
struct InFlight<'n> {
    peers: &'n Direct,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Peers for InFlight<'_> {
    async fn send(
        &self,
        sender: &Department,
        recipient: &chain::department::Department,
        message: PeerMessage,
    ) -> Result<PeerReply, Unreached> {
        let part = usize::from(matches!(message.path, PeerPath::Part { .. }));
        let now = self.now.fetch_add(part, Ordering::SeqCst) + part;
        self.most.fetch_max(now, Ordering::SeqCst);
        let reply = self.peers.send(sender, recipient, message).await;
        self.now.fetch_sub(part, Ordering::SeqCst);
        reply
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_parts_are_in_memory_at_once_however_long_the_document_is() {
    let (mut network, request) = answered().await;
    // A disk that is slower than the document comes in.
    let slow = ThrottleConfig {
        wait_put_per_call: Duration::from_millis(50),
        ..ThrottleConfig::default()
    };
    let store = PayloadStore::new(Arc::new(ThrottledStore::new(InMemory::new(), slow)));
    network.start_with("tax", |_| store.clone());
    let mut source = Ahead { store, left: PARTS * PART + 1, given: 0, most: 0 };
    let peers =
        InFlight { peers: &network.peers, now: AtomicUsize::new(0), most: AtomicUsize::new(0) };
    let sent =
        network.department("tax").send_payload(&request, "decision.pdf", &mut source, &peers);
    let sent = sent.await.unwrap();
    assert_eq!((sent.bytes, sent.delivery), ((PARTS * PART + 1) as u64, Delivery::Delivered));
    // Four are stored, one waits, one is being filled or waits too, besides a few chunks.
    assert!((PART..7 * PART).contains(&source.most), "{} bytes ahead", source.most);
    assert_eq!(peers.most.into_inner(), 4, "parts on their way");

    // Nor are they read long before they are wanted: what is gone by then is missed.
    let mut reader = network.department("welfare").open_payload(&sent.id).unwrap().unwrap();
    let mut read = reader.next().await.unwrap().unwrap().len();
    let folder = network.folder.path().join("welfare/payloads").join(request.to_string());
    for number in 4..=PARTS {
        std::fs::remove_file(folder.join(sent.id.to_string()).join(format!("{number:05}")))
            .unwrap();
    }
    let error = loop {
        match reader.next().await {
            Ok(piece) => read += piece.expect("it is not all there").len(),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Internal::Payload(_)), "{error}");
    assert!((4 * PART..=6 * PART).contains(&(read + CHUNK_BYTES)), "{read} bytes read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_read_from_any_place_on() {
    let (network, request) = answered().await;
    let sent = network.send("tax", &request, &document(LONG)).await.unwrap();
    let welfare = network.department("welfare");
    let places = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, PART - 1, PART + 1, 2 * PART, LONG - 1, LONG];
    for from in places.into_iter().chain([LONG + 1]) {
        let mut reader = welfare.open_payload_from(&sent.id, from as u64).unwrap().unwrap();
        let mut read = Vec::new();
        while let Some(piece) = reader.next().await.unwrap() {
            read.extend_from_slice(&piece);
        }
        assert!(read == document(LONG)[from.min(LONG)..], "{from}");
        assert!(reader.next().await.unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_that_is_not_reached_is_tried_later_and_later() {
    let (mut network, request) = answered().await;
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    network.peers.intercept(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Some(Err(Unreached {
            department: id("welfare"),
            reason: "the line is cut".to_owned(),
            retry_after: None,
        }))
    });
    let sent = network.send("tax", &request, &document(1)).await.unwrap();
    // Seconds to wait, and the tries after the next look.
    for (seconds, expected) in [(0, 2), (0, 2), (14, 2), (1, 3), (29, 3), (1, 4), (59, 4), (1, 5)] {
        network.clock.advance(seconds);
        network.resume("tax").await;
        assert_eq!(tries.load(Ordering::SeqCst), expected, "after {seconds} s");
    }
    // After a start at once.
    network.start("tax");
    network.resume("tax").await;
    assert_eq!(tries.load(Ordering::SeqCst), 6);
    network.let_pass();
    network.resume("tax").await;
    assert_eq!(network.delivery("tax", &sent.id), Delivery::Delivered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_whose_parts_are_gone_is_given_up_and_says_so() {
    let (network, request) = answered().await;
    network.peers.down.lock().unwrap().push(id("welfare"));
    let sent = network.send("tax", &request, &document(LONG)).await.unwrap();
    assert_eq!(sent.delivery, Delivery::Underway);
    network.peers.down.lock().unwrap().clear();
    let folder = network.folder.path().join("tax/payloads").join(request.to_string());
    std::fs::remove_file(folder.join(sent.id.to_string()).join("00001")).unwrap();
    for _ in 0..2 {
        network.resume("tax").await;
        let code = "payload-lost".to_owned();
        assert_eq!(network.delivery("tax", &sent.id), Delivery::Refused { code });
    }
    assert!(network.stored("tax").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_finishes_is_removed_a_week_after_its_first_part_whatever_came_since() {
    let (mut network, request) = answered().await;
    let retention = PayloadRetention::default();
    let (payload, parts, manifest) = network.parts_of(&request, LONG).await;
    network.give(&request, &payload, &parts[..1]).await;
    network.clock.advance(WEEK - 1);
    network.give(&request, &payload, &parts[..2]).await;
    network.start("welfare");
    assert_eq!(network.clean("welfare", &retention).await, Cleaned::default());
    assert_eq!(network.stored("welfare"), ["00000", "00001"]);
    network.clock.advance(1);
    network.give(&request, &payload, &parts[..2]).await;
    let cleaned = Cleaned { unfinished: 1, ..Cleaned::default() };
    assert_eq!(network.clean("welfare", &retention).await, cleaned);
    assert!(network.stored("welfare").is_empty());
    assert!(network.department("welfare").received_payloads(None, ALL).unwrap().is_empty());
    // Its sender can begin anew.
    network.give(&request, &payload, &parts).await;
    network.complete(&request, &payload, &manifest).await.unwrap();
    network.clock.advance(100 * WEEK);
    assert_eq!(network.clean("welfare", &retention).await, Cleaned::default());
    assert!(network.read("welfare", &payload).await.unwrap() == document(LONG));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_has_no_more_lying_here_than_it_may_and_keeps_what_waits_for_room() {
    let (mut network, request) = answered().await;
    let (payload, parts, manifest) = network.parts_of(&request, LONG).await;
    // Room for this one, whose last part is short and counts for 64 KiB, and for nothing besides.
    let room = parts.iter().map(|part| part.len().max(64 * 1024) as u64).sum();
    network.start_with_room("welfare", room);
    for _ in 0..3 {
        network.give(&request, &payload, &parts[..2]).await; // the same again counts once
    }
    let sent = network.send("tax", &request, &document(SHORT)).await.unwrap();
    for _ in 0..10 {
        assert_eq!(network.delivery("tax", &sent.id), Delivery::Underway);
        network.resume("tax").await; // it is not tried at once again
        network.clock.advance(5 * 60);
        network.resume("tax").await;
        network.start_with_room("welfare", room); // what lies there still counts
    }
    assert_eq!(*network.peers.refusals.lock().unwrap(), ["payload-no-room"; 11]);
    assert_eq!(network.stored("welfare"), ["00000", "00001"]);
    network.give(&request, &payload, &parts).await;
    network.complete(&request, &payload, &manifest).await.unwrap();
    // What is complete does not count.
    network.clock.advance(5 * 60);
    network.resume("tax").await;
    assert_eq!(network.delivery("tax", &sent.id), Delivery::Delivered);
    assert!(network.read("welfare", &sent.id).await.unwrap() == document(SHORT));
    assert!(network.read("welfare", &payload).await.unwrap() == document(LONG));
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_kept_as_long_as_is_said_and_the_chain_keeps_what_it_says() {
    let (network, request) = answered().await;
    let sent = network.send("tax", &request, &document(SHORT)).await.unwrap();
    let day = Some(Duration::from_secs(24 * 60 * 60));
    let retention = |received, sent| PayloadRetention { received, sent, ..Default::default() };
    network.clock.advance(24 * 60 * 60 - 1);
    for name in ["tax", "welfare"] {
        assert_eq!(network.clean(name, &retention(day, day)).await, Cleaned::default());
    }
    network.clock.advance(1);
    assert_eq!(network.clean("welfare", &retention(None, day)).await, Cleaned::default());
    assert_eq!(network.clean("tax", &retention(day, None)).await, Cleaned::default());
    assert!(network.read("welfare", &sent.id).await.is_some());
    let cleaned = network.clean("welfare", &retention(day, None)).await;
    assert_eq!(cleaned, Cleaned { received: 1, ..Cleaned::default() });
    let cleaned = network.clean("tax", &retention(None, day)).await;
    assert_eq!(cleaned, Cleaned { sent: 1, ..Cleaned::default() });
    assert!(network.stored("welfare").is_empty());
    assert!(network.read("welfare", &sent.id).await.is_none());
    assert!(network.department("tax").sent_payload(&sent.id).unwrap().is_none());
    assert_eq!(network.counts()["payload-received"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_no_row_names_are_removed_and_the_others_stay() {
    let (network, request) = answered().await;
    let sent = network.send("tax", &request, &document(SHORT)).await.unwrap();
    let payloads = network.folder.path().join("welfare/payloads");
    let ghost = "ab".repeat(16);
    // Of nobody, and of a known payload under another request.
    for folder in [format!("{request}/{ghost}"), format!("{}/{}", "cd".repeat(32), sent.id)] {
        std::fs::create_dir_all(payloads.join(&folder)).unwrap();
        std::fs::write(payloads.join(folder).join("00000"), b"a").unwrap();
    }
    let welfare = network.department("welfare");
    assert_eq!(welfare.remove_stray_parts().await.unwrap(), 2);
    assert_eq!(welfare.remove_stray_parts().await.unwrap(), 0);
    assert_eq!(network.stored("welfare"), ["00000"]);
    assert!(network.read("welfare", &sent.id).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages_that_together_are_all() {
    let (network, request) = answered().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(network.send("tax", &request, &document(1)).await.unwrap().id);
        // The other side's are not in between.
        network.send("welfare", &request, &document(1)).await.unwrap();
    }
    ids.sort_unstable();
    let (tax, welfare) = (network.department("tax"), network.department("welfare"));
    type List<'a> = &'a dyn Fn(Option<&PayloadId>) -> Vec<PayloadId>;
    let lists: [List<'_>; 2] = [
        &|after| tax.sent_payloads(after, 2).unwrap().iter().map(|it| it.id).collect(),
        &|after| welfare.received_payloads(after, 2).unwrap().iter().map(|it| it.id).collect(),
    ];
    for list in lists {
        let mut found: Vec<PayloadId> = Vec::new();
        for expected in [2, 2, 1, 0] {
            let page = list(found.last());
            assert_eq!(page.len(), expected);
            found.extend(page);
        }
        found.sort_unstable();
        assert_eq!(found, ids);
    }
    let questions = network.department("tax").received_exchanges(None, 1).unwrap();
    assert_eq!(questions.len(), 1);
    let after = Some(&questions[0].request);
    assert_eq!(network.department("tax").received_exchanges(after, 1).unwrap(), []);
}
