//! Long documents between two real gateways, each a process of its own.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::gateway::{Gateway, done, free_port, proofgate};
use crate::pair::{LAW, Pair};

const MIB: u64 = 1 << 20;
/// Length of the long document.
const BYTES: u64 = 1024 * MIB;
/// Length of the one in whose middle the recipient is killed.
const CUT_BYTES: u64 = 192 * MIB;
/// Most that either process may grow.
const GROWTH: u64 = 64 * MIB;
/// Longest part of a sealed payload.
const PART_BYTES: u64 = 4 * MIB;
const SUBJECT: &str = "101146789348";
/// Seconds that a command waits for what it asked for.
const PATIENCE: &str = "900";
const PIECE: usize = 1 << 20;

/// A file of bytes that do not repeat themselves: each 8 of them are a number that was not there before.
fn write_document(path: &Path, bytes: u64) {
    let mut file = BufWriter::with_capacity(PIECE, File::create(path).unwrap());
    for number in 0..bytes / 8 {
        let scrambled = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        file.write_all(&scrambled.to_le_bytes()).unwrap();
    }
    file.into_inner().unwrap().sync_all().unwrap();
}

fn same(left: &Path, right: &Path) -> bool {
    let open = |path| BufReader::with_capacity(PIECE, File::open(path).unwrap());
    let (mut left, mut right) = (open(left), open(right));
    let (mut a, mut b) = (vec![0; PIECE], vec![0; PIECE]);
    loop {
        let read = left.read(&mut a).unwrap();
        if read == 0 {
            return right.read(&mut b).unwrap() == 0;
        }
        if right.read_exact(&mut b[..read]).is_err() || a[..read] != b[..read] {
            return false;
        }
    }
}

/// A file of what the system knows of a folder's gateway.
fn proc(gateway: &Gateway, file: &str) -> String {
    let lock = std::fs::read_to_string(gateway.folder.join("gateway.lock")).unwrap();
    let holder: Value = serde_json::from_str(&lock).unwrap();
    format!("/proc/{}/{file}", holder["process"])
}

/// A line of `/proc/PID/status` that is in KiB, in bytes.
fn memory(gateway: &Gateway, line: &str) -> u64 {
    let status = std::fs::read_to_string(proc(gateway, "status")).unwrap();
    let found = status.lines().find_map(|it| it.strip_prefix(line)?.strip_prefix(':'));
    let number = found.unwrap().trim().strip_suffix(" kB").unwrap();
    number.parse::<u64>().unwrap() * 1024
}

/// Resident memory, once what is done after a start has been done, and the peak begins there.
fn baseline(gateway: &Gateway) -> u64 {
    let (mut before, mut steady) = (0, 0);
    while steady < 5 {
        sleep(Duration::from_secs(1));
        let now = memory(gateway, "VmRSS");
        steady = if now.abs_diff(before) < MIB { steady + 1 } else { 0 };
        before = now;
    }
    std::fs::write(proc(gateway, "clear_refs"), "5").unwrap();
    memory(gateway, "VmRSS")
}

fn growth(gateway: &Gateway, baseline: u64) -> u64 {
    memory(gateway, "VmHWM").saturating_sub(baseline)
}

/// Part files below a department's folder.
fn parts(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for entry in entries.map(Result::unwrap) {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(parts(&entry.path())),
            _ => found.push(entry.path()),
        }
    }
    found
}

/// What a metrics listener counts under a name that begins so.
fn counted(port: u16, name: &str) -> u64 {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn send(pair: &Pair, request: &str, file: &Path, wait: &str) -> Value {
    let file = file.to_str().unwrap();
    let send = ["payload", "send", "--json", "--request", request, "--wait", wait, file];
    serde_json::from_str(&done(proofgate(&pair.tax(), &send))).unwrap()
}

/// Receives it in the place of what is at `out`.
fn receive(pair: &Pair, sent: &Value, out: &Path) {
    std::fs::remove_file(out).unwrap();
    let (id, out) = (sent["id"].as_str().unwrap(), out.to_str().unwrap());
    done(proofgate(&pair.welfare(), &["payload", "receive", id, "--out", out, "--wait", PATIENCE]));
}

#[test]
fn a_gibibyte_moves_in_bounded_memory_and_a_cut_one_goes_on_where_it_was() {
    let pair = Pair::init();
    let metrics = free_port();
    let config = pair.tax().join("proofgate.toml");
    let settings = std::fs::read_to_string(&config).unwrap();
    let line = "# metrics = \"127.0.0.1:9464\"";
    assert!(settings.contains(line), "{settings}");
    let settings = settings.replace(line, &format!("metrics = \"127.0.0.1:{metrics}\""));
    std::fs::write(&config, settings).unwrap();
    let (tax, welfare) = pair.run();
    let request = pair.ask(SUBJECT, 100_000_000_000, &["--law", LAW]);
    let show = ["request", "show", "--json", "--wait", PATIENCE, &request];
    let answer: Value = serde_json::from_str(&done(proofgate(&pair.welfare(), &show))).unwrap();
    assert_eq!(answer["status"], "verified");

    // Again from a start, so that nothing that the proof needed is counted for the payload.
    assert!(tax.stop().0.success() && welfare.stop().0.success());
    let tax = Gateway::serving(&pair.tax());
    let welfare = Gateway::serving(&pair.welfare());
    let (document, copy) = (pair.file("document", ""), pair.file("copy", ""));
    write_document(&document, BYTES);
    let (tax_before, welfare_before) = (baseline(&tax), baseline(&welfare));
    let sent = send(&pair, &request, &document, PATIENCE);
    assert_eq!((&sent["delivery"], &sent["bytes"]), (&"delivered".into(), &BYTES.into()));
    receive(&pair, &sent, &copy);
    assert!(same(&document, &copy));
    let grown = [growth(&tax, tax_before), growth(&welfare, welfare_before)];
    eprintln!("{BYTES} bytes; before {tax_before}, {welfare_before}; grown by {grown:?}");
    assert!(grown.iter().all(|&grown| grown < GROWTH), "grown by {grown:?} bytes");

    // The recipient is killed in the middle of another one.
    let sent_before = counted(metrics, "proofgate_payload_bytes_total{direction=\"out\"}");
    write_document(&document, CUT_BYTES);
    let received = pair.welfare().join("welfare");
    let before = parts(&received).len();
    let sent = std::thread::scope(|scope| {
        let sending = scope.spawn(|| send(&pair, &request, &document, "0"));
        while parts(&received).len() < before + 8 {
            sleep(Duration::from_millis(5));
        }
        welfare.kill();
        sending.join().unwrap()
    });
    assert_eq!(sent["delivery"], "underway", "{sent}");
    let _welfare = Gateway::serving(&pair.welfare());
    receive(&pair, &sent, &copy);
    assert!(same(&document, &copy));
    let sent = counted(metrics, "proofgate_payload_bytes_total{direction=\"out\"}") - sent_before;
    // Four may have arrived without their acknowledgement.
    assert!(sent < CUT_BYTES + 4 * PART_BYTES, "{sent} bytes sent of {CUT_BYTES}");
}
