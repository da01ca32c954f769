//! Stops, sources that end early and refusals, in the middle of a payload.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_a_stop_interrupted_goes_on_where_it_was() {
    let (mut network, request) = answered().await;
    network.peers.down.lock().unwrap().push(id("welfare"));
    let sent = network.send("tax", &request, &document(LONG)).await.unwrap();
    assert_eq!(sent.delivery, Delivery::Underway);
    network.peers.down.lock().unwrap().clear();

    let numbers = Arc::new(Mutex::new(Vec::new()));
    // All three are on their way at once.
    for unreached in [&[1, 2][..], &[2], &[]] {
        let sent_numbers = Arc::clone(&numbers);
        network.peers.intercept(move |message| {
            let number = match message.path {
                PeerPath::Part { number, .. } => number,
                PeerPath::Parts { .. } => return None,
                _ => 9,
            };
            if unreached.contains(&number) {
                let reason = "the line is cut".to_owned();
                return Some(Err(Unreached {
                    department: id("welfare"),
                    reason,
                    retry_after: None,
                }));
            }
            sent_numbers.lock().unwrap().push(number);
            None
        });
        for name in ["tax", "welfare"] {
            network.start(name);
        }
        assert!(network.read("welfare", &sent.id).await.is_none());
        network.resume("tax").await;
    }
    let mut numbers = numbers.lock().unwrap().clone();
    assert_eq!(numbers.last(), Some(&9));
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 9], "every part once, then the manifest");
    network.start("welfare");
    assert!(network.read("welfare", &sent.id).await.unwrap() == document(LONG));
    network.resume("tax").await;
    network.resume("welfare").await;
    let counts = network.counts();
    assert_eq!((counts["payload-sent"], counts["payload-received"]), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_remains_of_a_document_that_was_not_read_to_its_end() {
    let (mut network, request) = answered().await;
    let tax = network.department("tax");
    let broken = Broken { given: false, stuck: None };
    let outcome = tax.send_payload(&request, "a", broken, &network.peers).await;
    assert!(matches!(outcome, Err(SendPayloadError::Source("broken off"))));
    assert!(network.stored("tax").is_empty());

    let stuck = Arc::new(Notify::new());
    let broken = Broken { given: false, stuck: Some(Arc::clone(&stuck)) };
    {
        let sending = sendable(tax.send_payload(&request, "a", broken, &network.peers));
        tokio::pin!(sending);
        let stored = async {
            stuck.notified().await;
            while network.stored("tax") != ["00000", "00001"] {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = &mut sending => panic!("it cannot end"),
            () = stored => {}
        }
        network.resume("tax").await;
        assert_eq!(network.stored("tax"), ["00000", "00001"], "it is still being sealed");
    }
    network.start("tax");
    network.resume("tax").await;
    assert!(network.stored("tax").is_empty());
    assert!(network.department("tax").sent_payloads(None, ALL).unwrap().is_empty());
    assert_eq!(network.counts()["payload-sent"], 0);
}

/// A surface runs it on any thread.
fn sendable<F: Future + Send>(future: F) -> F {
    future
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_of_unknown_fate_is_submitted_again_and_is_one_entry() {
    let (mut network, request) = answered().await;
    let faulty = network.faulty();
    for name in ["tax", "welfare"] {
        network.start(name);
    }
    faulty.lost.store(1, Ordering::SeqCst);
    let outcome = network.send("tax", &request, &document(SHORT)).await;
    assert!(matches!(outcome, Err(SendPayloadError::Internal(_))));
    let sent = network.department("tax").sent_payloads(None, ALL).unwrap().remove(0);
    assert_eq!((sent.sent_entry, sent.delivery), (None, Delivery::Underway));

    // Now the first word is heard, and the recipient does not hear the second.
    network.start("tax");
    let tripped = Arc::clone(&faulty);
    network.peers.intercept(move |message| {
        if matches!(message.path, PeerPath::Complete { .. }) {
            tripped.lost.store(1, Ordering::SeqCst);
        }
        None
    });
    network.resume("tax").await;
    network.let_pass();
    assert_eq!(network.delivery("tax", &sent.id), Delivery::Underway);
    assert!(network.read("welfare", &sent.id).await.is_none());

    network.start("welfare");
    network.resume("welfare").await;
    assert!(network.read("welfare", &sent.id).await.unwrap() == document(SHORT));
    network.resume("tax").await;
    assert_eq!(network.delivery("tax", &sent.id), Delivery::Delivered);
    let counts = network.counts();
    assert_eq!((counts["payload-sent"], counts["payload-received"]), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_is_refused_again_and_again_is_given_up() {
    let (network, request) = answered().await;
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    network.peers.intercept(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Some(Ok(PeerReply::Refused { code: "payload-entry".to_owned() }))
    });
    let sent = network.send("tax", &request, &document(1)).await.unwrap();
    for _ in 0..6 {
        network.resume("tax").await;
        assert_eq!(network.delivery("tax", &sent.id), Delivery::Underway);
    }
    for _ in 0..2 {
        network.resume("tax").await;
        let code = "payload-entry".to_owned();
        assert_eq!(network.delivery("tax", &sent.id), Delivery::Refused { code });
    }
    assert_eq!(tries.load(Ordering::SeqCst), 8);
    assert!(network.stored("tax").is_empty());
}
