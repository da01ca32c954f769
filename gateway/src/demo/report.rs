//! What the demo tells: a narration for people on standard error, the facts as one JSON object.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value as Json, json};

/// Narrates and collects.
#[derive(Debug)]
pub(super) struct Report {
    exchanges: Vec<Json>,
    times_ms: BTreeMap<&'static str, f64>,
    chain: Json,
    circuits: Json,
}

impl Report {
    pub(super) fn new() -> Self {
        Self {
            exchanges: Vec::new(),
            times_ms: BTreeMap::new(),
            chain: json!({}),
            circuits: json!({}),
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
    pub(super) fn timed<T>(&mut self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.spent(name, start);
        result
    }

    /// Adds the time since `start` to the total under `name`.
    pub(super) fn spent(&mut self, name: &'static str, start: Instant) {
        *self.times_ms.entry(name).or_default() += start.elapsed().as_secs_f64() * 1_000.0;
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
            self.say(
                "one validator certifies this chain: its operator could have rewritten it before",
            );
            self.say("anybody else kept a checkpoint");
        }
        self.chain = json!({
            "height": audit.height, "entries": entries, "log_root": audit.log_root, "audit": "ok"
        });
    }

    /// The facts; tells the times.
    pub(super) fn finish(self, messages: usize) -> Json {
        eprintln!("\n== Times");
        for (name, milliseconds) in &self.times_ms {
            eprintln!("   {milliseconds:>10.1} ms  {name}");
        }
        json!({
            "exchanges": self.exchanges, "chain": self.chain, "circuits": self.circuits,
            "times_ms": self.times_ms, "sealed_messages": messages
        })
    }
}
