//! What the demo tells: a narration for people on standard error, the facts as one JSON object.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crypto::Digest;
use metrics_util::MetricKind;
use metrics_util::debugging::{DebugValue, Snapshotter};
use serde_json::{Value as Json, json};

use crate::measure;

/// Narrates and collects.
#[derive(Debug)]
pub(super) struct Report {
    exchanges: Vec<Json>,
    times_ms: BTreeMap<String, f64>,
    chain: Json,
    circuits: Json,
    signed_requests: u64,
}

impl Report {
    pub(super) fn new() -> Self {
        Self {
            exchanges: Vec::new(),
            times_ms: BTreeMap::new(),
            chain: json!({}),
            circuits: json!({}),
            signed_requests: 0,
        }
    }

    /// Begins a chapter.
    pub(super) fn chapter(&self, title: &str) {
        eprintln!("\n== {title}");
    }

    /// Tells one thing.
    pub(super) fn say(&self, text: impl std::fmt::Display) {
        eprintln!("   {text}");
    }

    /// Runs `work` and adds its time to the total under `name`.
    pub(super) fn timed<T>(&mut self, name: &str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.spent(name, start);
        result
    }

    /// Adds the time since `start` to the total under `name`.
    pub(super) fn spent(&mut self, name: &str, start: Instant) {
        *self.times_ms.entry(name.to_owned()).or_default() += milliseconds(start.elapsed());
    }

    /// Notes how an exchange ended.
    pub(super) fn exchange(&mut self, name: &str, result: &str, caught_by: Option<&str>) {
        let mut exchange = json!({"name": name, "result": result});
        if let Some(code) = caught_by {
            exchange["caught_by"] = json!(code);
        }
        self.exchanges.push(exchange);
    }

    /// Notes a circuit's size.
    pub(super) fn circuit(&mut self, name: &str, constraints: usize, public_inputs: usize) {
        self.circuits[name] = json!({"constraints": constraints, "public_inputs": public_inputs});
    }

    /// Notes how many signed requests went between departments.
    pub(super) fn requests(&mut self, signed: u64) {
        self.say(format_args!("{signed} signed and sealed requests went between departments"));
        self.signed_requests = signed;
    }

    /// Tells and notes what the audit found.
    pub(super) fn audited(&mut self, audit: &chain::audit::Report) {
        let entries: BTreeMap<&str, u64> =
            audit.entries.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
        self.say(format_args!(
            "ok: {} blocks, {} entries, every signature, rule, link, certificate and root re-verified",
            audit.height, audit.log_size
        ));
        for (kind, count) in entries.iter().filter(|(_, count)| **count > 0) {
            self.say(format_args!("   {count:>4} {kind}"));
        }
        self.say("checkpoint:");
        for line in audit.checkpoint.lines() {
            self.say(format_args!("   {line}"));
        }
        if audit.single_operator {
            self.say("one validator certifies this chain: its operator could have rewritten it");
            self.say("before anybody else kept a checkpoint");
        }
        self.chain = json!({
            "height": audit.height, "entries": entries, "log_root": audit.log_root, "audit": "ok"
        });
    }

    /// Takes over what the gateway measured of itself, as medians.
    pub(super) fn measured(&mut self, measurements: &Snapshotter) {
        for (key, _, _, value) in measurements.snapshot().into_vec() {
            let DebugValue::Histogram(mut seconds) = value else { continue };
            if key.kind() != MetricKind::Histogram || seconds.is_empty() {
                continue;
            }
            let Some(name) = measure::name(key.key().name()) else { continue };
            seconds.sort();
            let median = seconds[seconds.len() / 2].into_inner();
            let labels = key.key().labels().map(|label| format!(" {}", label.value()));
            let name = format!("{name}{}", labels.collect::<String>());
            self.times_ms.insert(name, median * 1_000.0);
        }
    }

    /// The facts; tells the times.
    pub(super) fn finish(self) -> Json {
        eprintln!("\n== Times (setup, import, audit: all of it; the rest: the median of each)");
        for (name, milliseconds) in &self.times_ms {
            eprintln!("   {milliseconds:>10.1} ms  {name}");
        }
        json!({
            "exchanges": self.exchanges, "chain": self.chain, "circuits": self.circuits,
            "times_ms": self.times_ms, "signed_requests": self.signed_requests
        })
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// The first eight digits of a digest, for people.
pub(super) fn short(digest: &Digest) -> String {
    digest.to_string().chars().take(8).collect()
}
