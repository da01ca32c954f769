//! What a gateway's own steps cost: records into the tree, one change, a signed request.
//!
//! `cargo bench --bench gateway`. Everything is checked before it is timed.

use std::hint::black_box;
use std::time::Duration;

use circuits::schema::Schema;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use crypto::envelope::Name;
use crypto::{Secret, SigningKey, VerifyingKey};
use gateway::document::key_card::ConsentKey;
use gateway::http::BaseUrl;
use gateway::http::signature::{KeyDirectory, KeyName, RecentNonces, Signer, Verifier};
use gateway::import::{Row, all_or_nothing};
use gateway::records::Records;
use gateway::store::Store;
use gateway::subject::Subject;
use getrandom::SysRng;
use http_body_util::Full;
use rand_core::UnwrapErr;
use tempfile::TempDir;

const CSV: &str = include_str!("../gateway/data/tax.csv");
const SCHEMA: &str = include_str!("../gateway/data/tax.schema.json");
const DATASET: &str = "tax";
const NOW: u64 = 1_735_646_400;
/// Lengths of bodies: a question, and a part of a payload.
const BODIES: [usize; 2] = [1 << 10, 4 << 20];

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

fn rows(schema: &Schema) -> Vec<Row> {
    all_or_nothing(schema, CSV.as_bytes(), |_| {}).expect("the sample records meet their schema")
}

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let key = Secret::new([1; 32]);
    let store = Store::open(folder.path(), &key, Box::new(rng())).expect("a new store opens");
    (folder, store)
}

fn import(criterion: &mut Criterion) {
    let schema = Schema::parse(SCHEMA).expect("the sample schema holds");
    let all = rows(&schema);
    assert_eq!(all.len(), 2_000);
    let mut group = criterion.benchmark_group("records");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    group.throughput(Throughput::Elements(all.len() as u64));
    group.bench_function("read CSV", |bencher| bencher.iter(|| rows(black_box(&schema))));
    group.bench_function("import", |bencher| {
        bencher.iter_batched(
            store,
            |(folder, store)| {
                let records = Records::new(&store);
                let mut dataset = records.create(DATASET, &schema).expect("a new dataset");
                let changed = records.import(&mut dataset, &all, &mut rng()).expect("good rows");
                assert_eq!(changed.added, 2_000);
                drop(store);
                folder
            },
            BatchSize::PerIteration,
        );
    });

    let (_folder, store) = store();
    let records = Records::new(&store);
    let mut dataset = records.create(DATASET, &schema).expect("a new dataset");
    records.import(&mut dataset, &all, &mut rng()).expect("good rows");
    let number = CSV.lines().nth(1).and_then(|line| line.split(',').next());
    let subject: Subject = number.and_then(|it| it.parse().ok()).expect("a citizen number");
    let keys = [[1; 32], [2; 32]]
        .map(|seed| ConsentKey::from(circuits::eddsa::PrivateKey::from_bytes(&seed).public_key()));
    let mut turn = 0;
    let mut change = || {
        turn += 1;
        let key = Some(keys[turn % 2].clone());
        records.set_key(&dataset, subject, key, &mut rng()).expect("a record of the subject")
    };
    let before = records.root(&dataset).expect("a root");
    assert_ne!(change(), Some(before));
    group.throughput(Throughput::Elements(1));
    group.bench_function("change one of 2,000, on disk", |bencher| bencher.iter(&mut change));
    group.finish();
}

/// One department's key.
struct Directory(KeyName, VerifyingKey);

impl KeyDirectory for Directory {
    fn verifying_key(&self, name: &KeyName) -> Option<VerifyingKey> {
        (*name == self.0).then_some(self.1)
    }
}

fn signed_request(criterion: &mut Criterion) {
    let key = SigningKey::from_seed(&Secret::new([2; 32]));
    let verifying_key = key.verifying_key();
    let signer = Signer::new(Name::new("welfare").expect("a short name"), key);
    let keys = Directory(signer.name().clone(), verifying_key);
    let base: BaseUrl = "http://tax.example".parse().expect("an address");
    let audience = base.audience().expect("an address of a gateway");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let mut group = criterion.benchmark_group("signed request");
    for length in BODIES {
        let nonces = RecentNonces::new(usize::MAX, 0);
        let body = bytes::Bytes::from(vec![7; length]);
        let sign = || {
            let request = http::Request::post("http://tax.example/v1/peer/tax/answers");
            let request = request.body(body.clone()).expect("a well-formed request");
            signer.sign_request(request, NOW, &mut rng()).expect("it can be signed")
        };
        let verify = |request: http::Request<bytes::Bytes>| {
            let verifier = Verifier { keys: &keys, now: NOW, body_limit: length };
            let request = request.map(Full::new);
            runtime.block_on(verifier.verify_request(request, &audience, &nonces))
        };
        let verified = verify(sign().to_request()).expect("a signed request verifies");
        assert_eq!(verified.sender().as_str(), "welfare");
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::new("sign", length), |bencher| bencher.iter(sign));
        group.bench_function(BenchmarkId::new("verify", length), |bencher| {
            bencher.iter_batched(
                || sign().to_request(),
                |request| verify(request).expect("a signed request verifies"),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, import, signed_request);
criterion_main!(benches);
