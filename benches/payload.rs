//! Payloads against the cipher alone: `cargo bench --bench payload`.
//!
//! Everything is measured in one run over the same bytes, in turns, so that what else the machine does
//! meets all of them: AES-256-GCM alone, SHA-256 alone, the seal stream and the open stream (chunks sealed
//! or opened on one thread, parts hashed on another, as a gateway does it), and the whole way between two
//! gateways, each a process of its own: upload, sealing, HTTP, disk on both sides, checking, opening,
//! download. What is timed is first shown to work. The last lines are medians and their ratio to the
//! cipher.
//!
//! The whole way has a floor of its own: every byte is three times through the cipher (sealed, checked,
//! read) and four times through SHA-256 (commitment and content digest, on either side), twice to a disk
//! with fsync, and three times over loopback.

#![expect(clippy::unwrap_used, reason = "every function here is part of a bench")]

#[path = "../tests/running/gateway.rs"]
#[expect(dead_code, reason = "shared with tests that use all of it")]
mod gateway;
#[path = "../tests/running/pair.rs"]
#[expect(dead_code, reason = "shared with tests that use all of it")]
mod pair;

use std::hint::black_box;
use std::io::Cursor;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ::gateway::http::local::Delivery;
use ::gateway::http::local_client::LocalClient;
use ::gateway::http::{BaseUrl, ClientLimits};
use aes_gcm::aead::AeadInOut as _;
use aes_gcm::{Aes256Gcm, KeyInit as _};
use crypto::Digest;
use crypto::envelope::stream::{
    CHUNK_BYTES, CiphertextDigest, CiphertextHasher, Part, PayloadOpener, PayloadSealer,
};
use crypto::envelope::{Expected, Message, Name, PayloadId, RecipientKey, Route};
use crypto::rand_core::UnwrapErr;
use getrandom::SysRng;
use serde_json::Value;
use zeroize::Zeroizing;

use gateway::{Gateway, done, proofgate};
use pair::{LAW, Pair};

/// 256 MiB; with `--test`, as `cargo test --benches` runs it, 16 MiB.
const BYTES: usize = 256 << 20;
const SHORT: usize = 16 << 20;
const ROUNDS: usize = 5;
const SUBJECT: &str = "101146789348";

/// AES-256-GCM in place, in chunks as long as a payload's.
fn cipher(bytes: &mut [u8]) {
    let cipher = Aes256Gcm::new(&[7; 32].into());
    for (chunk, number) in bytes.chunks_mut(CHUNK_BYTES).zip(0u32..) {
        let mut nonce = [0; 12];
        nonce[8..].copy_from_slice(&number.to_be_bytes());
        black_box(cipher.encrypt_inout_detached(&nonce.into(), &[], chunk.into()).unwrap());
    }
}

fn route() -> Route {
    let name = |text| Name::new(text).unwrap();
    Route {
        message: Message::Payload(PayloadId::from_bytes([1; 16])),
        network: name("net"),
        sender: name("tax"),
        recipient: name("welfare"),
        request: Digest::of(b"request"),
    }
}

/// Seals a document in pieces as they come from a socket, and hands on its parts; what a commitment is to.
fn seal(
    key: &RecipientKey,
    document: &[u8],
    mut take: impl FnMut(&Part) + Send,
) -> CiphertextDigest {
    let sealer = PayloadSealer::new(&route(), key.public_key(), &mut UnwrapErr(SysRng));
    let (back, buffers) = mpsc::channel::<Vec<u8>>();
    let fresh = move || buffers.try_recv().unwrap_or_else(|_| Vec::with_capacity(4 << 20));
    let mut sealer = sealer.unwrap().with_buffers(fresh).unhashed();
    let (filled, parts) = mpsc::sync_channel::<Part>(1);
    thread::scope(|scope| {
        let hashing = scope.spawn(move || {
            let mut hasher = CiphertextHasher::default();
            for mut part in parts {
                hasher.update(&part.bytes);
                take(&part);
                part.bytes.clear();
                // The sealer may be at its end.
                let _: Result<(), mpsc::SendError<_>> = back.send(part.bytes);
            }
            hasher.finish()
        });
        for piece in document.chunks(128 << 10) {
            sealer.push(piece).unwrap().into_iter().for_each(|part| filled.send(part).unwrap());
        }
        filled.send(sealer.finish().unwrap().0).unwrap();
        drop(filled);
        hashing.join().unwrap()
    })
}

/// Opens parts; the length of what they say, and what a commitment is to.
fn open(key: &RecipientKey, parts: &[Part]) -> (u64, CiphertextDigest) {
    let Route { message, network, sender, recipient, request } = route();
    let expected = Expected { message, network, sender, recipient, request: Some(request) };
    let mut opener = PayloadOpener::new(key, expected).unhashed();
    thread::scope(|scope| {
        let hashing = scope.spawn(|| {
            let mut hasher = CiphertextHasher::default();
            parts.iter().for_each(|part| hasher.update(&part.bytes));
            hasher.finish()
        });
        for part in parts {
            for slice in part.bytes.chunks(256 << 10) {
                black_box(opener.push(slice).unwrap());
            }
        }
        (opener.finish().unwrap().plaintext_bytes(), hashing.join().unwrap())
    })
}

/// Two gateways with an answered question between them.
struct Way {
    _gateways: (Gateway, Gateway),
    _pair: Pair,
    runtime: tokio::runtime::Runtime,
    tax: LocalClient,
    welfare: LocalClient,
    request: Digest,
}

impl Way {
    fn new() -> Self {
        let pair = Pair::init();
        let gateways = pair.run();
        let request = pair.ask(SUBJECT, 100_000_000_000, &["--law", LAW]);
        let show = ["request", "show", "--json", "--wait", "300", &request];
        let answer: Value = serde_json::from_str(&done(proofgate(&pair.welfare(), &show))).unwrap();
        assert_eq!(answer["status"], "verified");
        let client = |folder: &Path, port: u16| {
            let base: BaseUrl = format!("http://127.0.0.1:{port}").parse().unwrap();
            let token = std::fs::read_to_string(folder.join("local.token")).unwrap();
            let token = Zeroizing::new(token.trim().to_owned());
            LocalClient::new(base, token, ClientLimits::default())
        };
        let tax = client(&pair.tax().join("tax"), pair.ports.0);
        let welfare = client(&pair.welfare().join("welfare"), pair.ports.1);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let request = request.parse().unwrap();
        Self { _gateways: gateways, _pair: pair, runtime, tax, welfare, request }
    }

    /// Sends a document and receives it; how long that took, and what came.
    fn take(&self, document: &[u8]) -> (Duration, Vec<u8>) {
        let mut received = Vec::with_capacity(document.len());
        let source = Cursor::new(document.to_vec());
        let length = u64::try_from(document.len()).unwrap();
        let start = Instant::now();
        self.runtime.block_on(async {
            let sent = self.tax.send_payload_from(&self.request, "a", source, length).await;
            let mut sent = sent.unwrap();
            while sent.delivery == Delivery::Underway {
                tokio::time::sleep(Duration::from_millis(20)).await;
                sent = self.tax.sent_payload(&sent.id).await.unwrap();
            }
            assert_eq!(sent.delivery, Delivery::Delivered);
            let read = self.welfare.payload_to(&sent.id, 0, &mut received).await.unwrap();
            assert_eq!(read, length);
        });
        (start.elapsed(), received)
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let (bytes, rounds) = if is_test { (SHORT, 1) } else { (BYTES, ROUNDS) };
    let document: Vec<u8> = (0..bytes / 8)
        .flat_map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
        .collect();
    let key = RecipientKey::generate(&mut UnwrapErr(SysRng));
    let mut parts = Vec::new();
    let sealed = seal(&key, &document, |part| parts.push(part.clone()));
    assert_eq!(open(&key, &parts), (u64::try_from(bytes).unwrap(), sealed));
    let way = Way::new();
    assert!(way.take(&document).1 == document, "what was sent is received");

    let names = [
        "AES-256-GCM alone",
        "SHA-256 alone",
        "seal a payload",
        "open it",
        "a payload between two gateways",
    ];
    let mut times: [Vec<Duration>; 5] = Default::default();
    let mut buffer = document.clone();
    for _ in 0..rounds {
        let round = [
            timed(|| cipher(&mut buffer)),
            timed(|| {
                black_box(Digest::of(&document));
            }),
            timed(|| {
                black_box(seal(&key, &document, |_| ()));
            }),
            timed(|| {
                black_box(open(&key, &parts));
            }),
            way.take(&document).0,
        ];
        times.iter_mut().zip(round).for_each(|(times, time)| times.push(time));
    }
    let times = times.map(median);
    println!("median of {rounds} rounds");
    for (name, time) in names.into_iter().zip(times) {
        let rate = bytes as f64 / time.as_secs_f64() / f64::from(1 << 20);
        let ratio = times[0].as_secs_f64() / time.as_secs_f64();
        let mib = bytes >> 20;
        println!("| {name}, {mib} MiB | {rate:.0} MiB/s, {ratio:.2} of the cipher alone |");
    }
}
