//! Payloads against the cipher alone: `cargo bench --bench payload`.
//!
//! Everything is measured in one run over the same bytes, in turns, so that what else the machine does
//! meets all of them: AES-256-GCM alone, SHA-256 alone, the disk alone (files as long as parts, each with
//! fsync, as many at once as a gateway stores), loopback alone, the seal stream and the open stream (chunks
//! sealed or opened on one thread, parts hashed on another, as a gateway does it), and the whole way
//! between two gateways, each a process of its own: upload, sealing, HTTP, disk on both sides, checking,
//! opening, download. What is timed is first shown to work. The lines are medians and their ratio to the
//! cipher.
//!
//! The whole way has a floor of its own, which is printed from what the same run measured alone. Three
//! steps follow one another: nothing is sent of a document before all of it is sealed, stored and recorded
//! on the chain, and nothing is given out before all of it has been checked.
//!
//! | step | cipher | SHA-256 | disk | loopback |
//! | --- | --- | --- | --- | --- |
//! | upload and seal | 1 | 1, the commitment | 1 | 1 |
//! | send | | 2, a part's content digest on either side | 1 | 1 |
//! | check | 1 | 2, commitment and document | | |
//! | open and download | 1 | | | 1 |
//!
//! A step takes as long as its disk, or as its passes on all cores, whichever is more. Copies between
//! buffers and into the page cache, HTTP and the chain are not in the floor.

#![expect(clippy::unwrap_used, reason = "every function here is part of a bench")]

#[path = "../tests/running/gateway.rs"]
#[expect(dead_code, reason = "shared with tests that use all of it")]
mod gateway;
#[path = "../tests/running/pair.rs"]
#[expect(dead_code, reason = "shared with tests that use all of it")]
mod pair;

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Cursor, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, mpsc};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use ::gateway::http::local::Delivery;
use ::gateway::http::local_client::LocalClient;
use ::gateway::http::{BaseUrl, ClientLimits};
use aes_gcm::aead::AeadInOut as _;
use aes_gcm::{Aes256Gcm, KeyInit as _};
use crypto::Digest;
use crypto::envelope::stream::{
    CHUNK_BYTES, CiphertextDigest, CiphertextHasher, MAX_PART_BYTES, Part, PayloadOpener,
    PayloadSealer,
};
use crypto::envelope::{Expected, Message, Name, PayloadId, RecipientKey, Route};
use crypto::rand_core::UnwrapErr;
use getrandom::SysRng;
use serde_json::Value;
use tokio::io::{AsyncRead, ReadBuf};
use zeroize::Zeroizing;

use gateway::{Gateway, done, proofgate};
use pair::{LAW, Pair};

/// 256 MiB; with `--test`, as `cargo test --benches` runs it, 16 MiB.
const BYTES: usize = 256 << 20;
const SHORT: usize = 16 << 20;
const ROUNDS: usize = 5;
const SUBJECT: &str = "101146789348";
/// Bytes that go into a socket at once.
const PIECE: usize = 128 << 10;
/// Time between two looks whether a document is delivered.
const LOOK: Duration = Duration::from_millis(5);
/// Parts that a gateway stores at once.
const STORING: usize = 4;

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
        for piece in document.chunks(PIECE) {
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

/// Writes the bytes to files as long as parts, some at once, each with its fsync and that of its folder.
fn disk(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let parts: Vec<_> = bytes.chunks(MAX_PART_BYTES).zip(0..).collect();
    let (folder, parts) = (folder.path(), &parts);
    thread::scope(|scope| {
        for first in 0..STORING {
            scope.spawn(move || {
                for (part, number) in parts.iter().skip(first).step_by(STORING) {
                    let mut file = File::create(folder.join(format!("{number}"))).unwrap();
                    file.write_all(part).unwrap();
                    file.sync_all().unwrap();
                    File::open(folder).unwrap().sync_all().unwrap();
                }
            });
        }
    });
}

/// Sends the bytes over loopback in pieces; reads and forgets them on another thread.
fn loopback(bytes: &[u8]) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            bytes.chunks(PIECE).for_each(|piece| stream.write_all(piece).unwrap());
        });
        let (mut stream, mut piece) = (listener.accept().unwrap().0, vec![0; PIECE]);
        let mut left = bytes.len();
        while left > 0 {
            left -= stream.read(black_box(&mut piece)).unwrap();
        }
    });
}

/// A document that notes when the last of it is read.
struct Source {
    document: Cursor<Vec<u8>>,
    end: Arc<OnceLock<Instant>>,
}

impl AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.document).poll_read(context, buffer);
        if self.document.position() == self.document.get_ref().len() as u64 {
            self.end.get_or_init(Instant::now);
        }
        read
    }
}

/// How long each step of the whole way took.
struct Steps {
    /// Until the sender's gateway has taken all of it, and with it sealed and stored all but the last parts.
    taken: Duration,
    /// Until the recipient has checked and acknowledged it.
    delivered: Duration,
    /// Until it was read.
    received: Duration,
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

    /// Sends a document and receives it; how long the steps took, and what came.
    fn take(&self, document: &[u8]) -> (Steps, Vec<u8>) {
        let mut received = Vec::with_capacity(document.len());
        let end = Arc::new(OnceLock::new());
        let source = Source { document: Cursor::new(document.to_vec()), end: Arc::clone(&end) };
        let length = u64::try_from(document.len()).unwrap();
        let steps = self.runtime.block_on(async {
            let start = Instant::now();
            let sent = self.tax.send_payload_from(&self.request, "a", source, length).await;
            let mut sent = sent.unwrap();
            while sent.delivery == Delivery::Underway {
                tokio::time::sleep(LOOK).await;
                sent = self.tax.sent_payload(&sent.id).await.unwrap();
            }
            assert_eq!(sent.delivery, Delivery::Delivered);
            let taken = end.get().unwrap().duration_since(start);
            let delivered = start.elapsed() - taken;
            let read = self.welfare.payload_to(&sent.id, 0, &mut received).await.unwrap();
            assert_eq!(read, length);
            Steps { taken, delivered, received: start.elapsed() - taken - delivered }
        });
        (steps, received)
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

    let mut times: [Vec<Duration>; 10] = Default::default();
    let mut buffer = document.clone();
    for _ in 0..rounds {
        let alone = [
            timed(|| cipher(&mut buffer)),
            timed(|| {
                black_box(Digest::of(&document));
            }),
            timed(|| disk(&document)),
            timed(|| loopback(&document)),
            timed(|| {
                black_box(seal(&key, &document, |_| ()));
            }),
            timed(|| {
                black_box(open(&key, &parts));
            }),
        ];
        let Steps { taken, delivered, received } = way.take(&document).0;
        let way = [taken + delivered + received, taken, delivered, received];
        times.iter_mut().zip(alone.into_iter().chain(way)).for_each(|(all, it)| all.push(it));
    }
    let times = times.map(median);
    let [cipher, sha256, disk, loopback, ..] = times;
    let cores = u32::try_from(thread::available_parallelism().unwrap().get()).unwrap();
    // Loopback keeps two cores busy, the sender's and the recipient's.
    let copied = 2 * loopback;
    let floors = [
        disk.max((cipher + sha256 + copied) / cores),
        disk.max((2 * sha256 + copied) / cores) + (cipher + 2 * sha256) / cores,
        (cipher + copied) / cores,
    ];
    let rate = |time: Duration| bytes as f64 / time.as_secs_f64() / f64::from(1 << 20);
    let ratio = |time: Duration| cipher.as_secs_f64() / time.as_secs_f64();
    let mib = bytes >> 20;
    println!("median of {rounds} rounds, {cores} cores");
    let row = |name: &str, time: Duration| {
        let (rate, ratio) = (rate(time), ratio(time));
        println!("| {name}, {mib} MiB | {rate:.0} MiB/s, {ratio:.2} of the cipher alone |");
    };
    NAMES.into_iter().zip(times).for_each(|(name, time)| row(name, time));
    row("the floor of that way, from what these do alone", floors.into_iter().sum());
    for ((name, took), floor) in STEPS.into_iter().zip(&times[7..]).zip(floors) {
        println!("  {name}: {} ms, floor {} ms", took.as_millis(), floor.as_millis());
    }
    println!("  of the floor, the disk under both gateways: {} ms", (2 * disk).as_millis());
}

const NAMES: [&str; 7] = [
    "AES-256-GCM alone",
    "SHA-256 alone",
    "files of 4 MiB with fsync alone",
    "loopback alone",
    "seal a payload",
    "open it",
    "a payload between two gateways",
];

const STEPS: [&str; 3] = ["upload and seal", "send and check", "open and download"];
