//! Documents: sealed, sent, checked and read.

use super::super::super::payloads::Delivery;
use super::*;

const BYTES: usize = 300 * 1024;

/// A document of a name that no other has.
struct Document {
    request: Digest,
    name: String,
    bytes: Vec<u8>,
    /// Entries on the chain before.
    before: [u64; 2],
}

fn entries(at: &Breaking) -> [u64; 2] {
    let counts = at.network.counts();
    ["payload-sent", "payload-received"].map(|kind| counts[kind])
}

impl Document {
    fn new(at: &Breaking, request: Digest, plan: Plan) -> Self {
        let Plan { good, fault, power_cut } = plan;
        let bytes = (0..BYTES).map(|place| u8::try_from((place + good) % 251).unwrap()).collect();
        let name = format!("{good}-{fault:?}-{power_cut}.pdf");
        Self { request, name, bytes, before: entries(at) }
    }

    /// The document's payload, if the sender knows of one.
    fn sent(&self, at: &Breaking) -> Result<Option<(PayloadId, Delivery)>, String> {
        let sent = at.network.department("tax").sent_payloads(None, usize::MAX);
        let mut sent = sent.map_err(|error| error.to_string())?;
        sent.retain(|it| it.name.as_str() == self.name);
        assert!(sent.len() <= 1, "it is sent once");
        Ok(sent.pop().map(|it| (it.id, it.delivery)))
    }
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Upload,
    Move,
}

impl Calls for Document {
    type Call = Call;

    const CALLS: &'static [(Call, &'static str)] = &[(Call::Upload, "tax"), (Call::Move, "tax")];

    async fn make(&mut self, at: &Breaking, call: Call) -> Result<(), String> {
        let (tax, known) = (at.network.department("tax"), self.sent(at)?);
        match (call, known) {
            (Call::Upload, None) => {
                let sealed = tax.seal_payload(&self.request, &self.name, &self.bytes[..]).await;
                sealed.map(drop).map_err(|error| error.to_string())
            }
            // Whoever was told that it failed looks whether it did.
            (Call::Upload, Some(_)) => Ok(()),
            (Call::Move, known) => {
                let (id, _) = known.ok_or("an acknowledged upload is gone")?;
                tax.move_payload(&id, &at.network.peers).await.map_err(|error| error.to_string())
            }
        }
    }

    async fn check(self, at: &Breaking, plan: Plan) {
        let (id, delivery) = self.sent(at).unwrap().expect("it was sent");
        assert_eq!(delivery, Delivery::Delivered, "{plan:?}");
        assert_eq!(entries(at), self.before.map(|count| count + 1), "{plan:?}");
        let welfare = at.network.department("welfare");
        let received = welfare.received_payloads(None, usize::MAX).unwrap();
        assert!(received.iter().all(|it| it.complete.is_some()), "{plan:?}: nothing half done");
        let named = received.iter().filter_map(|it| it.complete.as_ref());
        let named = named.filter(|it| it.name.as_str() == self.name).count();
        assert_eq!(named, 1, "{plan:?}: it is received once");
        let mut reader = welfare.open_payload(&id).unwrap().expect("it is complete");
        let mut read = Vec::new();
        while let Some(piece) = reader.next().await.unwrap() {
            read.extend_from_slice(&piece);
        }
        assert!(read == self.bytes, "{plan:?}: the right bytes");
        // The sender keeps no parts, also none of an upload that failed.
        let tax = at.network.department("tax");
        assert_eq!(tax.remove_stray_parts().await.unwrap(), 0, "{plan:?}");
        assert_eq!(at.payloads("tax").payloads().await.unwrap(), [], "{plan:?}");
        for department in [tax, welfare] {
            assert!(department.open_payloads().unwrap().is_empty(), "{plan:?}");
        }
        assert_eq!(*at.network.peers.refusals.lock().unwrap(), Vec::<String>::new());
    }
}

impl Breaking {
    /// A question of welfare's that the tax office has answered.
    async fn answered(&self) -> Digest {
        let asked = self.network.ask(ask(|_| ())).await.unwrap();
        let asked = self.network.answer("tax", &self.citizen, &asked).await;
        assert_eq!(asked.status, Status::Verified);
        asked.request
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_whose_store_fails_at_any_call_sends_a_document_once() {
    let mut breaking = Breaking::new("tax").await;
    let request = breaking.answered().await;
    let calls = breaking.break_each(|at, plan| Document::new(at, request, plan)).await;
    // Begun, sealed, recorded, parts sent, delivered.
    assert_eq!(calls, 5 * 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_whose_store_fails_at_any_call_receives_a_document_once() {
    let mut breaking = Breaking::new("welfare").await;
    let request = breaking.answered().await;
    let calls = breaking.break_each(|at, plan| Document::new(at, request, plan)).await;
    // Begun, all there, checked, complete.
    assert_eq!(calls, 4 * 3);
}
