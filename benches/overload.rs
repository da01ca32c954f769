//! A gateway under more load than it can carry: `cargo bench --bench overload`.
//!
//! Two gateways, each a process of its own, set up by commands alone; what asks them is this process, over
//! loopback and on the same cores. A question is timed from its `POST` until its answer has been verified
//! and read. First one question at a time; then as many at a time as bring the most answers a second, which
//! is the load that can be carried; then twice that load, which comes however long answers take; and then
//! one at a time again, so that what else the machine does meets both.
//!
//! Times are printed. What is counted is asserted: every question is either answered with 2xx or refused
//! with 503 and `Retry-After`; every one that was taken has exactly one verified answer; nothing that was
//! refused is on the chain; both chains audit clean; the issuer is ready again.

#![expect(clippy::unwrap_used, reason = "every function here is part of a bench")]

#[path = "../tests/running/gateway.rs"]
#[expect(dead_code, reason = "shared with tests that use all of it")]
mod gateway;
#[path = "../tests/running/pair.rs"]
#[expect(dead_code, reason = "shared with tests that use all of it")]
mod pair;

#[path = "overload/system.rs"]
mod system;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Runtime;

use gateway::{done, proofgate};
use pair::Pair;
use system::{Load, System};

/// How much is done: as a bench, and with `--test`, as `cargo test --benches` runs it.
struct Extent {
    /// Questions one at a time, before and after.
    alone: usize,
    /// Seconds for each number of questions at a time, and for twice the load.
    closed: u64,
    open: u64,
}

const BENCH: Extent = Extent { alone: 50, closed: 8, open: 45 };
const SHORT: Extent = Extent { alone: 5, closed: 2, open: 3 };
/// Questions at a time, of which the number with the most answers a second is the load that is carried.
const AT_A_TIME: [usize; 4] = [1, 2, 4, 8];

/// The time that so many of a hundred `times` do not exceed.
fn quantile(times: &[Duration], percent: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    let rank = (times.len() * percent).div_ceil(100);
    times[rank.clamp(1, times.len()) - 1]
}

fn milliseconds(times: &[Duration], percent: usize) -> f64 {
    quantile(times, percent).as_secs_f64() * 1e3
}

fn line(name: &str, load: &Load) {
    let (half, most) = (milliseconds(&load.times, 50), milliseconds(&load.times, 99));
    let answered = load.times.len();
    println!(
        "{name:28} {:7} {:7} {answered:7} {:10.1} {:8.0} {most:8.0} {:6}",
        load.offered,
        load.refused,
        load.rate(answered),
        half,
        load.under_way.iter().max().unwrap(),
    );
}

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let extent = if is_test { SHORT } else { BENCH };
    let pair = Pair::init();
    let (tax, welfare) = pair.run();
    let system = Arc::new(System::new(&pair));
    let runtime = Runtime::new().unwrap();
    let (closed, open) = (Duration::from_secs(extent.closed), Duration::from_secs(extent.open));

    println!(
        "questions                    offered refused answered  per second  p50 ms  p99 ms   most under way"
    );
    runtime.block_on(system.ready());
    let mut answered = runtime.block_on(system.alone(5)).times.len();
    let mut alone = runtime.block_on(system.alone(extent.alone));
    line("one after the other", &alone);
    let calm = runtime.block_on(system.looks(closed));
    let mut capacity = 0.0_f64;
    for at_a_time in AT_A_TIME {
        let load = runtime.block_on(system.closed(at_a_time, closed));
        line(&format!("{at_a_time} at a time"), &load);
        answered += load.times.len();
        capacity = capacity.max(load.rate(load.times.len()));
    }
    let (twice, busy) = runtime
        .block_on(async { tokio::join!(system.open(2.0 * capacity, open), system.looks(open)) });
    line("twice what can be carried", &twice);
    runtime.block_on(system.ready());
    alone.add(runtime.block_on(system.alone(extent.alone)));
    line("one after the other, in all", &alone);
    answered += alone.times.len() + twice.times.len();

    let unloaded = milliseconds(&alone.times, 99);
    let loaded = milliseconds(&twice.times, 99);
    println!(
        "| a question, from asking to its verified answer, one after the other | p50 {:.0} ms, p99 {unloaded:.0} ms |",
        milliseconds(&alone.times, 50),
    );
    println!("| the load that can be carried | {capacity:.1} answers a second |");
    println!(
        "| twice that load: {:.1} questions a second | {:.1} answers a second, the others refused; p99 \
         {loaded:.0} ms, {:.2} of unloaded |",
        twice.rate(twice.offered),
        twice.rate(twice.times.len()),
        loaded / unloaded,
    );
    println!(
        "GET /v1/chain/tip meanwhile: p50 {:.1} ms, p99 {:.1} ms; before {:.1} ms, {:.1} ms",
        milliseconds(&busy, 50),
        milliseconds(&busy, 99),
        milliseconds(&calm, 50),
        milliseconds(&calm, 99),
    );

    // Nothing is lost, nothing is answered twice, and what was refused has left nothing.
    for gateway in [tax, welfare] {
        let folder = gateway.folder.clone();
        let (status, log) = gateway.stop();
        assert!(status.success(), "{status}: {log}");
        let report = done(proofgate(&folder, &["audit", "--json"]));
        let report: Value = serde_json::from_str(&report).unwrap();
        for kind in ["request", "proof"] {
            assert_eq!(report["entries"][kind], answered, "{kind}: {report}");
        }
    }
    println!(
        "{answered} questions were taken; each has one verified answer, and both chains audit clean"
    );
}
