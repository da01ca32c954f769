//! The local surface of a hosted department.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use circuits::encoding::Date;
use circuits::query::Mode;
use crypto::Digest;
use crypto::envelope::PayloadId;
use tokio::sync::mpsc;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::{Hosted, note_name, to_the_end};
use crate::department::answering::ReceivedExchange;
use crate::department::asking::{self, Idempotency as Once};
use crate::department::payloads::{self, Chunks, ReceivedPayload, SentPayload};
use crate::department::{Internal, Peers};
use crate::document::request::Nonce;
use crate::exchange::requester::Status;
use crate::http::local::{
    About, Ask, Asked, AskedBasis, AskedQuestion, AskedStatus, CompletePayload, Delivery,
    EnrolmentCode, Idempotency, LocalApi, NonceText, Page, PayloadReceived, PayloadSent, Received,
    SentApi as _, SubjectText,
};
use crate::http::{Download, Problem, Upload};
use crate::subject::Subject;

/// Pieces of a payload that wait for the client.
const PIECES: usize = 1;
/// How long whoever sends a document waits for its delivery: 10 s.
const SEND_WAIT: Duration = Duration::from_secs(10);

impl<P: Peers + 'static> LocalApi for Hosted<P> {
    async fn ask(&self, ask: Ask, idempotency: Option<Idempotency>) -> Result<Asked, Problem> {
        // Its answer has to be verified here.
        drop(self.place_to_prove()?);
        let ask = read(ask)?;
        let once = idempotency.map(|Idempotency { key, body }| Once { key, body });
        let (department, peers) = (Arc::clone(&self.department), Arc::clone(&self.peers));
        let asked = async move { department.ask_once(ask, once.as_ref(), peers.as_ref()).await };
        Ok(view(to_the_end(asked).await?))
    }

    async fn asked(&self, request: Digest, wait: Duration) -> Result<Asked, Problem> {
        let until = Instant::now() + wait;
        let mut changes = self.department.watch_asked();
        loop {
            changes.mark_unchanged();
            let asked = self.department.asked(&request).await?;
            let asked = asked.ok_or_else(unknown_request)?;
            if asked.status != Status::Sent || Instant::now() >= until {
                return Ok(view(asked));
            }
            // A question also changes by the mere passing of its time. One that was never sent does
            // not, so that there is no use in looking again at once.
            let left = asked.expires.saturating_add(1).saturating_sub(self.department.now());
            let longest = wait.as_secs().max(1);
            let expiry = Instant::now() + Duration::from_secs(left.clamp(1, longest));
            tokio::select! {
                _ = timeout_at(until, changes.changed()) => {}
                () = sleep_until(expiry) => {}
            }
        }
    }

    async fn questions(&self, page: Page<Digest>) -> Result<Vec<AskedQuestion>, Problem> {
        let asked = self.department.asked_questions(page.after.as_ref(), page.limit).await?;
        Ok(asked.into_iter().map(question).collect())
    }

    async fn offer(&self, request: Digest) -> Result<serde_json::Value, Problem> {
        let unknown = || Problem::new("offer-unknown", "no pseudonymous question has this digest");
        let offer = self.department.offer(&request).await?.ok_or_else(unknown)?;
        serde_json::to_value(offer).map_err(|error| Problem::internal(&error))
    }

    async fn received(&self, page: Page<Digest>) -> Result<Vec<Received>, Problem> {
        let exchanges = self.department.received_exchanges(page.after.as_ref(), page.limit)?;
        Ok(exchanges.into_iter().map(received).collect())
    }

    async fn enrolment_code(&self, subject: SubjectText) -> Result<EnrolmentCode, Problem> {
        let (department, subject) = (Arc::clone(&self.department), subject_of(&subject)?);
        let code = to_the_end(async move { department.enrolment_code(subject).await }).await?;
        Ok(EnrolmentCode { code: code.code.into(), expires: code.expires })
    }

    async fn send_payload(
        &self,
        request: Digest,
        name: String,
        payload: Upload,
    ) -> Result<PayloadSent, Problem> {
        let id = self.department.seal_payload(&request, &name, payload).await?;
        // Of a long one the caller learns only that it is underway. It goes on, also after a stop.
        let _: Result<(), Elapsed> = timeout(SEND_WAIT, self.moved(id)).await;
        self.sent_payload(id).await
    }

    async fn payloads(&self, page: Page<PayloadId>) -> Result<Vec<PayloadReceived>, Problem> {
        let received = self.department.received_payloads(page.after.as_ref(), page.limit)?;
        Ok(received.into_iter().map(received_payload).collect())
    }

    async fn payload(&self, id: PayloadId, from: u64) -> Result<Download, Problem> {
        let unknown = || Problem::new("payload-unknown", "no complete payload has this id");
        let mut reader = self.department.open_payload_from(&id, from)?.ok_or_else(unknown)?;
        let bytes = reader.bytes();
        if from > 0 && from >= bytes {
            let expected = format_args!("the document has {bytes} bytes");
            return Err(Problem::new("payload-range", expected));
        }
        let (sender, chunks) = mpsc::channel(PIECES);
        tokio::spawn(async move {
            let pieces = async {
                while let Some(piece) = reader.next().await? {
                    if sender.send(Bytes::from_owner(piece)).await.is_err() {
                        break; // the client is gone
                    }
                }
                Ok::<(), Internal>(())
            };
            if let Err(error) = pieces.await {
                // The response ends before its announced length, which the client sees.
                tracing::error!(payload = %id, %error, "a payload cannot be opened");
            }
        });
        Ok(Download { bytes, from, chunks })
    }
}

impl Chunks for Upload {
    type Error = Problem;

    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        Upload::next(self).await
    }
}

fn unknown_request() -> Problem {
    Problem::new("request-unknown", "this department asked no question of that digest")
}

/// The subject, without repeating what was given: it may name a person.
fn subject_of(text: &SubjectText) -> Result<Subject, Problem> {
    text.0.parse().map_err(|error| Problem::new("subject", error))
}

fn read(ask: Ask) -> Result<asking::Ask, Problem> {
    let Ask { issuer, dataset, about, query, purpose, legal_basis, as_of, expires_in, nonce } = ask;
    let subject = match about {
        About::Subject(text) => Some(subject_of(&text)?),
        About::Whoever => None,
    };
    let issuer = issuer
        .parse()
        .map_err(|_| Problem::new("request", "issuer: expected a department's id"))?;
    let as_of = as_of
        .parse::<Date>()
        .map_err(|error| Problem::new("request", format_args!("as_of: {error}")))?;
    let legal_basis = match legal_basis {
        AskedBasis::Consent {} => asking::AskedBasis::Consent,
        AskedBasis::Statutory { reference } => asking::AskedBasis::Statutory { reference },
    };
    let nonce = nonce.map(|nonce| Nonce::from_bytes(*nonce.as_bytes()));
    Ok(asking::Ask {
        issuer,
        dataset,
        subject,
        query,
        purpose,
        legal_basis,
        as_of,
        expires_in,
        nonce,
    })
}

fn status_of(status: Status) -> AskedStatus {
    match status {
        Status::Sent => AskedStatus::Sent,
        Status::Verified => AskedStatus::Verified,
        Status::NotProven => AskedStatus::NotProven,
        Status::Rejected { code } => AskedStatus::Rejected { code },
    }
}

fn question(asked: asking::AskedQuestion) -> AskedQuestion {
    let asking::AskedQuestion { request, issuer, purpose, created, expires, status } = asked;
    let (issuer, status) = (issuer.to_string(), status_of(status));
    AskedQuestion { request, issuer, purpose, created, expires, status }
}

fn view(asked: asking::Asked) -> Asked {
    let status = status_of(asked.status);
    let tag = asked
        .answer
        .as_ref()
        .map(|answer| Digest::from_bytes(circuits::field::to_be_bytes(answer.tag.0)));
    let (subject_tag, pseudonym) = match asked.mode {
        Mode::Identified => (tag, None),
        Mode::Pseudonymous => (None, tag),
    };
    let notes = asked.answer.as_ref().map(|answer| &answer.notes);
    let notes = notes.into_iter().flatten().copied().map(note_name).collect();
    Asked {
        request: asked.request,
        nonce: NonceText::from_bytes(*asked.nonce.as_bytes()),
        entry: asked.entry.map(|entry| *entry.as_digest()),
        status,
        rejected: asked.rejected,
        subject_tag,
        pseudonym,
        notes,
        receipts: asked.receipts.iter().map(|entry| *entry.as_digest()).collect(),
    }
}

fn received(exchange: ReceivedExchange) -> Received {
    let ReceivedExchange { request, requester, state, silent } = exchange;
    let silence = silent.then(|| state.to_owned());
    let state = if silent { "closed" } else { state }.to_owned();
    Received { request, requester: requester.to_string(), state, silence }
}

pub(super) fn sent(payload: SentPayload) -> PayloadSent {
    let SentPayload { id, request, recipient, name, bytes, commitment, sent_entry, delivery } =
        payload;
    let delivery = match delivery {
        payloads::Delivery::Underway => Delivery::Underway,
        payloads::Delivery::Delivered => Delivery::Delivered,
        payloads::Delivery::Refused { code } => Delivery::Refused { code },
    };
    PayloadSent {
        id,
        request,
        recipient: recipient.to_string(),
        name: name.to_string(),
        bytes,
        commitment,
        sent_entry: sent_entry.map(|entry| *entry.as_digest()),
        delivery,
    }
}

fn received_payload(payload: ReceivedPayload) -> PayloadReceived {
    let ReceivedPayload { id, request, sender, complete } = payload;
    let complete = complete.map(|document| CompletePayload {
        name: document.name.to_string(),
        bytes: document.bytes,
        sha256: document.sha256,
        sent_entry: *document.sent_entry.as_digest(),
        received_entry: *document.received_entry.as_digest(),
    });
    PayloadReceived { id, request, sender: sender.to_string(), complete }
}
