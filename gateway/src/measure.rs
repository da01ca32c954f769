//! What a gateway measures of itself: how long its costly steps take.
//!
//! Names follow Prometheus. Labels name circuits and nothing about anybody.

use std::time::{Duration, Instant};

/// Making a proof, by circuit.
pub const PROVE: &str = "proofgate_prove_seconds";
/// Verifying an answer, by circuit: everything from its encoding to the pairing.
pub const VERIFY: &str = "proofgate_verify_seconds";
/// Sealing a document for another department.
pub const SEAL: &str = "proofgate_seal_seconds";
/// Putting an entry on the chain, until it is durable.
pub const APPEND: &str = "proofgate_append_seconds";

/// The short name of a measurement.
pub fn name(measurement: &str) -> Option<&str> {
    measurement.strip_prefix("proofgate_")?.strip_suffix("_seconds")
}

/// Records the time since `start`.
pub fn since(start: Instant, measurement: &'static str) {
    took(start.elapsed(), measurement);
}

/// Records a time.
pub fn took(time: Duration, measurement: &'static str) {
    metrics::histogram!(measurement).record(time);
}

/// Records the time since `start` for one circuit.
pub fn since_of(start: Instant, measurement: &'static str, circuit: &'static str) {
    metrics::histogram!(measurement, "circuit" => circuit).record(start.elapsed());
}
