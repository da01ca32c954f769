//! The envelope and payloads: `cargo bench --bench crypto`.
//!
//! What is timed is first shown to work.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crypto::Digest;
use crypto::envelope::stream::{Part, PayloadOpener, PayloadSealer, SealedPayload};
use crypto::envelope::{
    Expected, Message, Name, PayloadId, RecipientKey, RecipientPublicKey, Route, open, seal,
};
use crypto::rand_core::UnwrapErr;
use getrandom::SysRng;

const PAYLOAD_BYTES: usize = 8 * 1024 * 1024;
const REQUEST_BYTES: usize = 1024;

fn route(message: Message) -> Route {
    let name = |text| Name::new(text).expect("a plain word is a name");
    Route {
        message,
        network: name("net"),
        sender: name("tax"),
        recipient: name("welfare"),
        request: Digest::of(b"request"),
    }
}

fn expected(message: Message) -> Expected {
    let Route { message, network, sender, recipient, request } = route(message);
    Expected { message, network, sender, recipient, request: Some(request) }
}

fn payload() -> Message {
    Message::Payload(PayloadId::from_bytes([1; 16]))
}

fn seal_payload(key: &RecipientPublicKey, plaintext: &[u8]) -> (Vec<Part>, SealedPayload) {
    let rng = &mut UnwrapErr(SysRng);
    let mut sealer =
        PayloadSealer::new(&route(payload()), key, rng).expect("the route is a payload's");
    let parts = sealer.push(plaintext).expect("8 MiB are below the limit");
    (parts, sealer.finish().expect("8 MiB are below the limit"))
}

/// Opens a payload and hands what it opens to `take`.
fn open_payload(key: &RecipientKey, parts: &[Part], mut take: impl FnMut(&[u8])) {
    let mut opener = PayloadOpener::new(key, expected(payload()));
    for part in parts {
        take(&opener.push(&part.bytes).expect("the parts are in order"));
    }
    take(opener.finish().expect("all parts are there").rest());
}

fn envelope(criterion: &mut Criterion) {
    let key = RecipientKey::generate(&mut UnwrapErr(SysRng));
    let mut group = criterion.benchmark_group("envelope");

    let request = vec![7; REQUEST_BYTES];
    let seal_request = || {
        seal(&route(Message::Request), key.public_key(), &request, &mut UnwrapErr(SysRng))
            .expect("a request can be sealed")
    };
    let sealed = seal_request();
    let expected_request = expected(Message::Request);
    let opened = open(&key, &expected_request, &sealed).expect("what is sealed opens");
    assert_eq!(opened.plaintext(), request);
    group.bench_function("seal/bytes=1024", |bencher| bencher.iter(seal_request));
    group.bench_function("open/bytes=1024", |bencher| {
        bencher.iter(|| open(&key, &expected_request, black_box(&sealed)));
    });
    group.finish();
}

fn payloads(criterion: &mut Criterion) {
    let key = RecipientKey::generate(&mut UnwrapErr(SysRng));
    let mut group = criterion.benchmark_group("payload");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(PAYLOAD_BYTES as u64));

    let plaintext: Vec<u8> = (0..PAYLOAD_BYTES).map(|at| at.to_le_bytes()[1]).collect();
    let (mut parts, sealed) = seal_payload(key.public_key(), &plaintext);
    parts.push(sealed.last_part);
    let mut opened = Vec::new();
    open_payload(&key, &parts, |piece| opened.extend_from_slice(piece));
    assert!(opened == plaintext, "what is sealed opens");
    group.bench_function("seal/mib=8", |bencher| {
        bencher.iter(|| seal_payload(key.public_key(), black_box(&plaintext)));
    });
    group.bench_function("open/mib=8", |bencher| {
        bencher.iter(|| {
            open_payload(&key, black_box(&parts), |piece| {
                black_box(piece);
            });
        });
    });
    group.finish();
}

criterion_group!(benches, envelope, payloads);
criterion_main!(benches);
