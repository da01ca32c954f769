//! What a gateway measures of itself.
//!
//! Names follow Prometheus, and [`catalogue`] says of each what it means. Labels have few values, all
//! known beforehand: a surface, a route's template, a circuit, a registered department. Nothing is said
//! about anybody, and nothing that a client chose.

pub mod catalogue;
mod prometheus;

pub use prometheus::{BeginError, Exporter};

use std::time::{Duration, Instant};

pub use catalogue::{APPEND, PROVE, SEAL, VERIFY};
use chain::identifier::DepartmentId;

/// The gateway's own steps, whose times the demo tells.
const STEPS: [&str; 4] = [PROVE, VERIFY, SEAL, APPEND];

/// The short name of a measured step.
pub fn name(measurement: &str) -> Option<&str> {
    let step = STEPS.into_iter().find(|step| *step == measurement)?;
    step.strip_prefix("proofgate_")?.strip_suffix("_seconds")
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

/// Counts a proof or a verification that found no place.
pub fn prover_refused() {
    metrics::counter!(catalogue::PROVER_REFUSED).increment(1);
}

/// Counts a message to a department that was not reached.
pub fn peer_unreached(department: &DepartmentId) {
    metrics::counter!(catalogue::PEERS_UNREACHED, "department" => department.to_string())
        .increment(1);
}

/// Counts bytes of sealed payloads that came in from another department's gateway.
pub fn payload_received(bytes: usize) {
    payload("in", bytes);
}

/// Counts bytes of sealed payloads that another department's gateway has taken.
pub fn payload_sent(bytes: usize) {
    payload("out", bytes);
}

fn payload(direction: &'static str, bytes: usize) {
    let bytes = u64::try_from(bytes).expect("lengths fit 64 bits");
    metrics::counter!(catalogue::PAYLOAD_BYTES, "direction" => direction).increment(bytes);
}

/// Counts records that an import put into a dataset.
pub fn records_imported(records: u64) {
    metrics::counter!(catalogue::RECORDS_IMPORTED).increment(records);
}

/// One request as it is counted: all of it from the gateway's own words.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whom the route is for.
    pub surface: &'static str,
    /// The method, unless the client made it up.
    pub method: &'static str,
    /// The route's template.
    pub route: String,
}

/// Counts a request and the time until its answer began; `status` is a class of statuses, or how it
/// ended without one.
pub fn request(request: Request, status: &'static str, time: Duration) {
    let Request { surface, method, route } = request;
    metrics::histogram!(
        catalogue::HTTP_REQUEST, "surface" => surface, "method" => method, "route" => route.clone()
    )
    .record(time);
    metrics::counter!(
        catalogue::HTTP_REQUESTS,
        "surface" => surface, "method" => method, "route" => route, "status" => status
    )
    .increment(1);
}

/// Counts a request for which there was no room.
pub fn shed(surface: &'static str) {
    metrics::counter!(catalogue::HTTP_SHED, "surface" => surface).increment(1);
}

/// Counts a connection that was not taken, and why.
pub fn connection_refused(server: &'static str, reason: &'static str) {
    metrics::counter!(
        catalogue::HTTP_CONNECTIONS_REFUSED, "server" => server, "reason" => reason
    )
    .increment(1);
}

/// One open connection of a server, for as long as it lives.
#[derive(Debug)]
pub struct OpenConnection(&'static str);

impl OpenConnection {
    /// Counts a connection.
    pub fn new(server: &'static str) -> Self {
        metrics::gauge!(catalogue::HTTP_CONNECTIONS, "server" => server).increment(1);
        Self(server)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        metrics::gauge!(catalogue::HTTP_CONNECTIONS, "server" => self.0).decrement(1);
    }
}

/// Sets what was counted or found elsewhere.
pub fn gauge(measurement: &'static str, value: u64) {
    #[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers")]
    metrics::gauge!(measurement).set(value as f64);
}

/// Sets how often something has happened, as counted elsewhere.
pub fn total(measurement: &'static str, value: u64) {
    metrics::counter!(measurement).absolute(value);
}

/// Sets whether the gateway is ready, by what was checked.
pub fn ready(check: &'static str, ok: bool) {
    metrics::gauge!(catalogue::READY, "check" => check).set(f64::from(u8::from(ok)));
}
