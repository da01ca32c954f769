//! What importing costs per record as datasets grow, and what one changed record costs in each of them.
//!
//! `cargo bench --bench import`. `PROOFGATE_IMPORT_RECORDS=10000,100000,1000000` says how long the files
//! are; without it they have 10,000 and 100,000 records. Each file is generated while it is read, from the
//! seed that is printed, so that none is in memory; the peak of resident memory is printed beside it.

use std::env;
use std::fs;
use std::hint::black_box;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use circuits::encoding::Value;
use circuits::schema::Schema;
use circuits::tree::LEVELS;
use criterion::{BenchmarkId, Criterion};
use crypto::Secret;
use gateway::import::{Format, Row, Rows};
use gateway::records::{Records, Staging};
use gateway::store::Store;
use gateway::subject::Subject;
use getrandom::SysRng;
use rand_core::UnwrapErr;
use tempfile::TempDir;

const SCHEMA: &str = include_str!("../gateway/data/tax.schema.json");
const DATASET: &str = "tax";
/// Of the generated values.
const SEED: u64 = 0x70_72_6f_6f_66;
const SIZES: &str = "PROOFGATE_IMPORT_RECORDS";
/// The field that a change is made in.
const WAGES: usize = 3;

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// A CSV file of that many records, made as it is read.
struct Generated {
    records: u64,
    next: u64,
    line: Vec<u8>,
    read: usize,
}

impl Generated {
    fn new(records: u64) -> Self {
        let header = "citizen_id,tax_year,employer_count,w2_wages_cents,form_1099_cents,\
                      total_wages_cents,filed_1040,filing_role,spouse_citizen_id,\
                      claimed_as_dependent,dependents_claimed\n";
        Self { records, next: 0, line: header.as_bytes().to_vec(), read: 0 }
    }
}

impl Read for Generated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.line.len() && self.next < self.records {
            self.line = line(self.next).into_bytes();
            (self.next, self.read) = (self.next + 1, 0);
        }
        let length = buffer.len().min(self.line.len() - self.read);
        buffer[..length].copy_from_slice(&self.line[self.read..self.read + length]);
        self.read += length;
        Ok(length)
    }
}

fn line(number: u64) -> String {
    let drawn = mix(SEED.wrapping_add(number));
    let (w2, other) = (drawn % 10_000_000, drawn % 77_777);
    let role = ["none", "sole", "joint_primary", "joint_spouse"][(drawn >> 32) as usize % 4];
    let spouse =
        if role.starts_with("joint") { citizen(number ^ 1).to_string() } else { String::new() };
    let (employers, total, filed) = (drawn % 4, w2 + other, role != "none");
    let (id, claimed, dependents) = (citizen(number), drawn.is_multiple_of(7), drawn % 5);
    format!(
        "{id},2024,{employers},{w2},{other},{total},{filed},{role},{spouse},{claimed},{dependents}\n"
    )
}

/// splitmix64 (Steele, Lea and Flood, OOPSLA 2014).
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The citizen number of that number, with its check digit (ISO 7064 MOD 11,10).
fn citizen(number: u64) -> u64 {
    const BODIES: u64 = 90_000_000_000;
    let body = 10_000_000_000 + number * 7_919 % BODIES;
    let product = body.to_string().bytes().fold(10, |product, digit| {
        let sum = (product + u64::from(digit - b'0')) % 10;
        2 * if sum == 0 { 10 } else { sum } % 11
    });
    10 * body + (11 - product) % 10
}

/// What `/proc` says of this process, in MiB.
fn memory(what: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kib: Option<u64> = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    kib.unwrap_or(0) / 1024
}

struct Imported {
    _folder: TempDir,
    store: Store,
    schema: Schema,
    records: u64,
}

/// One import, as a gateway does it, with what each part of it took.
fn import(records: u64) -> Imported {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let key = Secret::new([1; 32]);
    let store = Store::open(folder.path(), &key, Box::new(rng())).expect("a new store opens");
    let schema = Schema::parse(SCHEMA).expect("the sample schema holds");
    Records::new(&store).create(DATASET, &schema).expect("a new dataset");
    // The peak so far is not this import's.
    let _elsewhere = fs::write("/proc/self/clear_refs", "5");
    let start = Instant::now();
    let mut staging = Records::new(&store).begin(DATASET).expect("the dataset is there");
    let mut rows =
        Rows::new(&schema, Format::Csv, Generated::new(records)).expect("the header is right");
    let mut batch = Vec::with_capacity(Staging::ROWS);
    while {
        batch.clear();
        let good = rows.by_ref().take(Staging::ROWS);
        batch.extend(good.map(|row| row.expect("it can be read").expect("a good row")));
        !batch.is_empty()
    } {
        assert_eq!(staging.push(&batch, &mut rng()).expect("the store works"), []);
    }
    let staged = start.elapsed();
    let root = staging.grow().expect("the store works");
    let grown = start.elapsed();
    let changed = staging.apply(&Default::default(), &mut rng()).expect("the store works");
    let applied = start.elapsed();
    staging.collect().expect("the store works");
    let done = start.elapsed();
    assert_eq!((changed.added as u64, changed.root), (records, root));
    let per = |time: Duration| time.as_secs_f64() * 1e6 / records as f64;
    println!(
        "{records} records: {:.1} s; rows {:.1} us each, tree {:.1} us each, switch {:.1} ms, clearing \
         {:.1} ms; memory now {} MiB, store {} MiB",
        done.as_secs_f64(),
        per(staged),
        per(grown - staged),
        (applied - grown).as_secs_f64() * 1e3,
        (done - applied).as_secs_f64() * 1e3,
        memory("VmRSS"),
        size(folder.path()),
    );
    let (each, peak) = (per(done), memory("VmHWM"));
    println!("| import {records} records | {each:.0} us a record, at most {peak} MiB of memory |");
    Imported { _folder: folder, store, schema, records }
}

/// A folder's size in MiB.
fn size(folder: &std::path::Path) -> u64 {
    let files = fs::read_dir(folder).expect("the folder is there").flatten();
    let bytes: u64 = files.filter_map(|file| Some(file.metadata().ok()?.len())).sum();
    bytes >> 20
}

/// The row of a citizen, parsed.
fn row(schema: &Schema, number: u64) -> Row {
    let mut header = Generated::new(0).line;
    header.extend(line(number).into_bytes());
    let mut rows = Rows::new(schema, Format::Csv, header.as_slice()).expect("the header is right");
    rows.next().expect("one row").expect("it can be read").expect("a good row")
}

fn one_changed(criterion: &mut Criterion, imported: &Imported) {
    let Imported { store, schema, records, .. } = imported;
    let mut row = row(schema, records / 2);
    let mut dataset = Records::new(store).dataset(DATASET).expect("the dataset is there");
    let mut wages = 1;
    let mut change = || {
        wages += 1;
        row.values[WAGES] = Value::Integer(wages);
        let rows = std::slice::from_ref(&row);
        let records = Records::new(store);
        let changed = records.import(&mut dataset, rows, &mut rng()).expect("the store works");
        assert_eq!((changed.updated, changed.nodes_written), (1, LEVELS + 1), "its path");
        changed.root
    };
    assert_ne!(change(), change());
    let subject = Subject::try_from(i64::try_from(citizen(records / 2)).expect("12 digits"));
    let subject = subject.expect("a citizen number");
    let dataset = Records::new(store).dataset(DATASET).expect("the dataset is there");
    let found = Records::new(store).record(&dataset, subject).expect("the store works");
    assert_eq!(found.expect("it was imported").values[WAGES], Value::Integer(3));
    let mut group = criterion.benchmark_group("import");
    group.sample_size(20).measurement_time(Duration::from_secs(5));
    group.bench_function(BenchmarkId::new("one changed of", records), |bencher| {
        bencher.iter(|| black_box(change()));
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let sizes = env::var(SIZES).unwrap_or_else(|_| "10000,100000".to_owned());
    println!("seed {SEED:#x}; {SIZES}={sizes}");
    for size in sizes.split(',') {
        let records = size.parse().expect("numbers of records, with commas between them");
        one_changed(&mut criterion, &import(records));
    }
    criterion.final_summary();
}
