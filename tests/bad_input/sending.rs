//! What is wrong in a row of [`super::wire`], put where it belongs.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use ::gateway::http::HexBytes;
use ::gateway::http::citizen::Consent;
use ::gateway::http::citizen_client::CitizenClientError;
use ::gateway::http::peer::{PartName, PayloadName, PeerCall};
use crypto::commitment::Salt;
use crypto::envelope::Message;
use crypto::envelope::stream::PayloadSealer;
use crypto::{Digest, canonical};
use hyper::Request;
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::parties::{Parties, Told, now, rng, send, told};

const MIB: usize = 1 << 20;
/// Longer than anything here may take.
const HANG: Duration = Duration::from_secs(60);

/// What is wrong, and where it is put.
pub(super) enum Sent {
    /// A question of welfare's own system, with one thing changed.
    Ask(fn(&mut Value)),
    /// The text of that question.
    Text(fn(String) -> String),
    /// A question document that welfare's gateway signs, seals and sends.
    Question(fn(&mut Value)),
    /// What is sealed in that message.
    Plaintext(fn(Vec<u8>) -> Vec<u8>),
    /// What is signed in that message.
    Sealed(fn(Vec<u8>) -> Vec<u8>),
    /// When it is signed, in seconds from now.
    SignedAt(i64),
    /// The message after it was signed.
    Message(fn(&mut Request<Bytes>)),
    /// The citizen's signature under that question: a point and a scalar.
    Consent(fn(&mut [u8; 96])),
    /// A proof in an answer of tax's gateway.
    Proof(fn() -> String),
    /// A document of three parts that tax's gateway sends, with its parts changed.
    Parts(fn(&mut Vec<Vec<u8>>)),
}

/// Sends what a row says.
pub(super) async fn send_row(parties: &Parties, sent: &Sent) -> Told {
    let question = || canonical::to_vec(&parties.question).unwrap();
    let post = |sealed| parties.message("welfare", &PeerCall::Request, sealed);
    let sign = |request| parties.signed("welfare", request, now());
    let request = match sent {
        Sent::Ask(change) => {
            let mut ask = Parties::ask();
            change(&mut ask);
            parties.local("welfare", "/v1/requests", ask.to_string())
        }
        Sent::Text(change) => {
            parties.local("welfare", "/v1/requests", change(Parties::ask().to_string()))
        }
        Sent::Question(change) => {
            let mut message = serde_json::to_value(&parties.question).unwrap();
            change(&mut message);
            let plaintext = canonical::to_vec(&message).unwrap();
            sign(post(parties.sealed_question(&plaintext)))
        }
        Sent::Plaintext(change) => sign(post(parties.sealed_question(&change(question())))),
        Sent::Sealed(change) => sign(post(change(parties.sealed_question(&question())))),
        Sent::SignedAt(seconds) => {
            let at = now().checked_add_signed(*seconds).unwrap();
            parties.signed("welfare", post(parties.sealed_question(&question())), at)
        }
        Sent::Message(change) => {
            let mut request = sign(post(parties.sealed_question(&question())));
            change(&mut request);
            request
        }
        Sent::Consent(change) => return consent(parties, *change).await,
        Sent::Proof(proof) => return answer(parties, proof()).await,
        Sent::Parts(change) => return payload(parties, *change).await,
    };
    told(&send(request).await)
}

pub(super) async fn consent(parties: &Parties, change: fn(&mut [u8; 96])) -> Told {
    let request = *parties.checked.digest();
    let mut signature = *parties.citizen.consent(&parties.checked).as_bytes();
    change(&mut signature);
    let consent =
        Consent { request, signature: HexBytes::from_bytes(signature), lock: Digest::of(b"lock") };
    let wallet = parties.wallet();
    match wallet.consent(parties.citizen.calls(&mut rng()), &consent).await {
        Ok(_) => Told { status: 200, code: String::new(), detail: String::new() },
        Err(CitizenClientError::Problem(it)) => {
            Told { status: it.status, code: it.code, detail: it.detail }
        }
        Err(other) => panic!("{other}"),
    }
}

async fn answer(parties: &Parties, proof: String) -> Told {
    let answer = json!({
        "version": 1, "request": parties.open, "proof": proof, "key": parties.key,
        "records": parties.records, "consent_entry": parties.records, "proof_entry": parties.records,
        "proof_salt": "44".repeat(32),
        "evidence": {"circuit": "pseudonymous/v1", "pseudonym": "02".repeat(32)},
    });
    let plaintext = canonical::to_vec(&answer).unwrap();
    let sealed = parties.seal(Message::Answer, "tax", parties.open, &plaintext);
    tax_says(parties, &PeerCall::Answer, sealed).await
}

async fn tax_says(parties: &Parties, call: &PeerCall, body: Vec<u8>) -> Told {
    let message = parties.message("tax", call, body);
    told(&send(parties.signed("tax", message, now())).await)
}

async fn payload(parties: &Parties, change: fn(&mut Vec<Vec<u8>>)) -> Told {
    let payload: PayloadName = parties.payload();
    let message = Message::Payload(payload.payload);
    let route = parties.route(message, "tax", payload.request);
    let key = parties.recipient_key("welfare");
    let mut sealer = PayloadSealer::new(&route, &key, &mut rng()).unwrap();
    let mut parts: Vec<_> = sealer.push(&vec![7; 9 * MIB]).unwrap();
    let sealed = sealer.finish().unwrap();
    parts.push(sealed.last_part);
    let mut parts: Vec<_> = parts.into_iter().map(|part| part.bytes).collect();
    assert_eq!(parts.len(), 3);
    change(&mut parts);
    for (number, part) in (0..).zip(parts) {
        let told = tax_says(parties, &PeerCall::Part(PartName { payload, number }), part).await;
        assert!(told.status < 300, "{told:?}");
    }
    let manifest = json!({
        "version": 1, "name": "letter.txt", "bytes": 9 * MIB, "salt": Salt::random(&mut rng()),
        "sent": parties.sent,
    });
    let plaintext = canonical::to_vec(&manifest).unwrap();
    let message = Message::PayloadManifest(payload.payload);
    loop {
        let sealed = parties.seal(message, "tax", payload.request, &plaintext);
        let told = tax_says(parties, &PeerCall::Complete(payload), sealed).await;
        // Until it has been checked.
        if told.status >= 300 {
            return told;
        }
    }
}

/// A body that stops in its middle is waited for as long as the configuration says.
pub(super) fn slow(parties: &Parties) {
    let request = parties.local("tax", "/v1/enrolments", String::new());
    let authority = parties.base("tax").replace("http://", "");
    let head = format!(
        "POST /v1/enrolments HTTP/1.1\r\nHost: {authority}\r\nAuthorization: {}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"subject\"",
        request.headers()["authorization"].to_str().unwrap()
    );
    let mut stream = TcpStream::connect(&authority).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request-timeout"), "{answer}");
}
