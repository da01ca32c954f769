//! What the chain costs: durable appends, receipts, replay.
//!
//! `cargo bench --bench chain`. An append's figure is per entry, with everything between a signed entry and
//! an acknowledgement: signature check, rules, log, store and both syncs. How many entries shared a sync is
//! printed beside it.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chain::audit::audit;
use chain::block::CertifiedBlock;
use chain::contract::Network;
use chain::document::Documents;
use chain::entry::Entry;
use chain::ledger::{Ledger, LocalLedger, LocalLedgerOptions};
use chain::receipt::Receipt;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Submitters at a time: one, a few, and as many as share a block.
const SUBMITTERS: [usize; 3] = [1, 64, 256];

/// A ledger in a fresh folder, with requests that nobody made before.
struct Bench {
    network: Network,
    ledger: Arc<LocalLedger>,
    runtime: Runtime,
    made: usize,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let network = Network::new(4);
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let options = LocalLedgerOptions::new(
            folder.path().join("chain"),
            network.genesis(),
            Network::validator_id(),
            Network::validator_key(),
        );
        let ledger = LocalLedger::open(options).expect("a new chain folder opens");
        let runtime = Runtime::new().expect("a runtime starts");
        Self { network, ledger: Arc::new(ledger), runtime, made: 0, _folder: folder }
    }

    fn requests(&mut self, count: usize) -> Vec<Entry> {
        let names = self.made..self.made + count;
        self.made += count;
        names.map(|name| self.network.request(name % 4, &name.to_string())).collect()
    }

    /// Submits all at once, and waits for all.
    fn submit(&self, entries: Vec<Entry>) -> Vec<Receipt> {
        self.runtime.block_on(async {
            let mut together = JoinSet::new();
            for entry in entries {
                let ledger = Arc::clone(&self.ledger);
                together.spawn(async move { ledger.submit(entry.into()).await });
            }
            let receipts = together.join_all().await;
            receipts.into_iter().map(|receipt| receipt.expect("a new request stands")).collect()
        })
    }

    fn blocks(&self) -> Vec<CertifiedBlock> {
        let blocks = self.ledger.blocks_from(1, usize::MAX);
        self.runtime.block_on(blocks).expect("durable blocks are readable")
    }

    fn syncs(&self) -> u64 {
        self.runtime.block_on(self.ledger.health()).syncs
    }
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    for submitters in SUBMITTERS {
        let mut bench = Bench::new();
        let entries = bench.requests(submitters);
        for receipt in bench.submit(entries) {
            receipt.verify(&bench.network.genesis()).expect("a receipt verifies offline");
        }
        let (mut entries_timed, syncs_before) = (0, bench.syncs());
        group.throughput(Throughput::Elements(submitters as u64));
        group.bench_function(BenchmarkId::new("entry", format!("submitters={submitters}")), |b| {
            b.iter_custom(|rounds| {
                let mut elapsed = Duration::ZERO;
                for _ in 0..rounds {
                    let entries = bench.requests(submitters);
                    entries_timed += entries.len() as u64;
                    let start = Instant::now();
                    black_box(bench.submit(entries));
                    elapsed += start.elapsed();
                }
                elapsed
            });
        });
        let syncs = bench.syncs() - syncs_before;
        println!("append/entry/submitters={submitters}: {entries_timed} entries, {syncs} syncs");
        audit(bench.network.genesis(), bench.blocks(), &Documents::default(), &[])
            .expect("what was timed is in order");
    }
    group.finish();
}

fn check(criterion: &mut Criterion) {
    let mut bench = Bench::new();
    let entries = bench.requests(1_024);
    let receipts = bench.submit(entries);
    let (genesis, blocks) = (bench.network.genesis(), bench.blocks());
    receipts[0].verify(&genesis).expect("a receipt verifies offline");
    criterion.bench_function("receipt/verify/log=1024", |b| {
        b.iter(|| black_box(&receipts[0]).verify(&genesis));
    });
    let mut group = criterion.benchmark_group("audit");
    group.sample_size(10).throughput(Throughput::Elements(1_024));
    group.bench_function("entries=1024", |b| {
        b.iter(|| {
            let report = audit(Arc::clone(&genesis), blocks.clone(), &Documents::default(), &[]);
            report.expect("the chain is in order")
        });
    });
    group.finish();
}

criterion_group!(benches, append, check);
criterion_main!(benches);
