//! The README's table of figures: `cargo bench --bench figures`.
//!
//! It runs the other benches one after another, each in a process of its own, and prints as Markdown what they
//! measured, under the machine, the commit and the command. What is timed is shown to work by the bench that
//! times it. The importing of a million records makes it take about half an hour, and
//! `PROOFGATE_IMPORT_RECORDS=10000,100000` leaves it out; nothing else should run meanwhile.

#![expect(clippy::unwrap_used, reason = "every function here is part of a bench")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use serde_json::Value;

/// Benches whose figures criterion keeps, and which of their figures stand in the table: name, and what it
/// is the time of. Those of the others are the Markdown rows that they print.
const CRITERION: &[(&str, &[(&str, &str)])] = &[
    (
        "circuits",
        &[
            ("identified/v1/prove", "prove `identified/v1`"),
            ("identified/v1/verify", "verify `identified/v1`"),
            ("identified/v1/witness", "check a witness of `identified/v1`"),
            ("identified/v1/load_proving_key", "load and check its proving key"),
            ("pseudonymous/v1/prove", "prove `pseudonymous/v1`"),
            ("pseudonymous/v1/verify", "verify `pseudonymous/v1`"),
            ("pseudonymous/v1/witness", "check a witness of `pseudonymous/v1`"),
            ("pseudonymous/v1/load_proving_key", "load and check its proving key"),
        ],
    ),
    (
        "chain",
        &[
            ("append/entry/submitters=1", "append an entry durably, one submitter"),
            ("append/entry/submitters=64", "the same, 64 at a time"),
            ("append/entry/submitters=256", "the same, 256 at a time"),
            ("receipt/verify/log=1024", "verify a receipt"),
            ("audit/entries=1024", "audit a chain, an entry"),
        ],
    ),
    (
        "crypto",
        &[
            ("envelope/seal/bytes=1024", "seal a message of 1 KiB"),
            ("envelope/open/bytes=1024", "open it"),
        ],
    ),
    (
        "gateway",
        &[
            ("signed request/sign/1024", "sign a request of 1 KiB"),
            ("signed request/verify/1024", "verify it"),
        ],
    ),
    (
        "import",
        &[
            ("import/one changed of/10000", "change one record of 10,000, durably"),
            ("import/one changed of/100000", "one of 100,000"),
            ("import/one changed of/1000000", "one of 1,000,000"),
        ],
    ),
];
/// Benches without criterion.
const OTHERS: &[&str] = &["payload", "overload"];
/// How many records are imported: this variable says so, or what follows.
const SIZES: &str = "PROOFGATE_IMPORT_RECORDS";
const RECORDS: &str = "10000,100000,1000000";

/// Runs a bench; what it printed that is a row of a table. All that it says is passed on to standard error.
fn rows_of(bench: &str) -> Vec<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    // What cargo tells this bench about its package makes build scripts run again, and with them the builds.
    for (name, _) in std::env::vars_os() {
        let ours = name.to_string_lossy();
        if ours.starts_with("CARGO_PKG_") || ours.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    let mut child = command
        .args(["bench", "--bench", bench])
        .env(SIZES, std::env::var(SIZES).unwrap_or_else(|_| RECORDS.to_owned()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut rows = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        eprintln!("{line}");
        if line.starts_with("| ") {
            rows.push(line);
        }
    }
    assert!(child.wait().unwrap().success(), "{bench} failed");
    rows
}

/// What criterion measured last: nanoseconds by name, an element where there are several.
fn measured(folder: &Path, found: &mut BTreeMap<String, f64>) {
    for file in fs::read_dir(folder).into_iter().flatten() {
        let path = file.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        if path.ends_with("new") {
            let read = |name| -> Value {
                serde_json::from_slice(&fs::read(path.join(name)).unwrap()).unwrap()
            };
            let (benchmark, estimates) = (read("benchmark.json"), read("estimates.json"));
            let time = estimates["median"]["point_estimate"].as_f64().unwrap();
            let elements = benchmark["throughput"]["Elements"].as_f64().unwrap_or(1.0);
            found.insert(benchmark["full_id"].as_str().unwrap().to_owned(), time / elements);
        } else {
            measured(&path, found);
        }
    }
}

/// Three digits, in the unit that suits them.
fn time(nanoseconds: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    let (scale, unit) = units.into_iter().find(|it| nanoseconds >= it.0).unwrap_or((1.0, "ns"));
    let value = nanoseconds / scale;
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

/// What a command prints.
fn said(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output();
    let text = output.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned());
    text.unwrap_or_else(|error| format!("({command}: {error})"))
}

/// The line of a file of the system that begins so.
fn told(file: &str, beginning: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(beginning));
    line.map_or_else(String::new, |line| line.trim_start_matches([' ', '\t', ':']).to_owned())
}

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return; // the benches that it would run are tested by themselves
    }
    let mut table = String::from("| what | measured |\n| --- | --- |\n");
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    for (bench, figures) in CRITERION {
        let rows = rows_of(bench);
        let mut found = BTreeMap::new();
        measured(&target.join("criterion"), &mut found);
        for (name, what) in *figures {
            match found.get(*name) {
                Some(nanoseconds) => {
                    writeln!(table, "| {what} | {} |", time(*nanoseconds)).unwrap();
                }
                None => assert!(name.starts_with("import/"), "no {name}: {found:?}"),
            }
        }
        rows.iter().for_each(|row| writeln!(table, "{row}").unwrap());
    }
    for row in OTHERS.iter().flat_map(|bench| rows_of(bench)) {
        writeln!(table, "{row}").unwrap();
    }
    let changed = !said("git", &["status", "--porcelain"]).is_empty();
    let (cores, changed) =
        (available_parallelism().unwrap(), if changed { ", changed" } else { "" });
    let processor = told("/proc/cpuinfo", "model name");
    let memory = told("/proc/meminfo", "MemTotal");
    let (system, rustc) = (said("uname", &["-sr"]), said("rustc", &["-V"]));
    let commit = said("git", &["rev-parse", "--short=12", "HEAD"]);
    println!("{processor}, {cores} cores, {memory}; {system}; {rustc}; commit {commit}{changed}.");
    println!("Made by `cargo bench --bench figures`.\n\n{table}");
}
