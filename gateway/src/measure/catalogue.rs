//! The names of all measurements, and what each means.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Making a proof, by circuit.
pub const PROVE: &str = "proofgate_prove_seconds";
/// Verifying an answer, by circuit: everything from its encoding to the pairing.
pub const VERIFY: &str = "proofgate_verify_seconds";
/// Sealing a document for another department.
pub const SEAL: &str = "proofgate_seal_seconds";
/// Putting an entry on the chain, until it is durable.
pub const APPEND: &str = "proofgate_append_seconds";
/// Requests and how they ended.
pub const HTTP_REQUESTS: &str = "proofgate_http_requests_total";
/// The time of requests.
pub const HTTP_REQUEST: &str = "proofgate_http_request_seconds";
/// Requests without room.
pub const HTTP_SHED: &str = "proofgate_http_shed_total";
/// Open connections.
pub const HTTP_CONNECTIONS: &str = "proofgate_http_connections";
/// Connections that were not taken.
pub const HTTP_CONNECTIONS_REFUSED: &str = "proofgate_http_connections_refused_total";
/// Free places of the prover.
pub const PROVER_FREE: &str = "proofgate_prover_places_free";
/// Waiting proofs and verifications.
pub const PROVER_QUEUED: &str = "proofgate_prover_queued";
/// Running proofs and verifications.
pub const PROVER_RUNNING: &str = "proofgate_prover_running";
/// Refused proofs and verifications.
pub const PROVER_REFUSED: &str = "proofgate_prover_refused_total";
/// The chain's height.
pub const CHAIN_HEIGHT: &str = "proofgate_chain_height";
/// The log's size.
pub const CHAIN_ENTRIES: &str = "proofgate_chain_entries";
/// Entries on their way.
pub const LEDGER_PENDING: &str = "proofgate_ledger_pending_entries";
/// Waits for the disk.
pub const LEDGER_SYNCS: &str = "proofgate_ledger_syncs_total";
/// Whether the ledger has stopped.
pub const LEDGER_STOPPED: &str = "proofgate_ledger_stopped";
/// The worker's queue.
pub const WORKER_QUEUED: &str = "proofgate_worker_queued";
/// Departments that were not reached.
pub const PEERS_UNREACHED: &str = "proofgate_peers_unreached_total";
/// Signed requests of other gateways.
pub const PEER_REQUESTS: &str = "proofgate_peer_signed_requests_total";
/// Bytes of payloads.
pub const PAYLOAD_BYTES: &str = "proofgate_payload_bytes_total";
/// Imported records.
pub const RECORDS_IMPORTED: &str = "proofgate_records_imported_total";
/// Readiness.
pub const READY: &str = "proofgate_ready";
/// This software.
pub const BUILD_INFO: &str = "proofgate_build_info";

/// How a measurement is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Times, in seconds.
    Seconds,
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub struct Measurement {
    /// Its name.
    pub name: &'static str,
    /// How it is taken.
    pub kind: Kind,
    /// What it means.
    pub help: &'static str,
}

const fn measurement(name: &'static str, kind: Kind, help: &'static str) -> Measurement {
    Measurement { name, kind, help }
}

/// Every measurement.
pub const ALL: [Measurement; 25] = {
    use Kind::{Counter, Gauge, Seconds};
    [
        measurement(PROVE, Seconds, "Making a proof, by circuit."),
        measurement(
            VERIFY,
            Seconds,
            "Verifying an answer, from its encoding to the pairing, by circuit.",
        ),
        measurement(SEAL, Seconds, "Sealing a document for another department."),
        measurement(APPEND, Seconds, "Putting an entry on the chain, until it is durable."),
        measurement(
            HTTP_REQUESTS,
            Counter,
            "Requests by surface, method, template of the route and class of the status; \"cut\" if the client went away before its answer.",
        ),
        measurement(
            HTTP_REQUEST,
            Seconds,
            "Time from a request's header to the beginning of its answer, by surface, method and template of the route.",
        ),
        measurement(HTTP_SHED, Counter, "Requests that were refused for lack of room, by surface."),
        measurement(HTTP_CONNECTIONS, Gauge, "Open connections, by server."),
        measurement(
            HTTP_CONNECTIONS_REFUSED,
            Counter,
            "Connections that were closed at once because their address had its share, or whose TLS handshake failed, by server.",
        ),
        measurement(PROVER_FREE, Gauge, "Exchanges that could be taken up to be proved."),
        measurement(PROVER_QUEUED, Gauge, "Proofs and verifications that wait for a worker."),
        measurement(PROVER_RUNNING, Gauge, "Proofs and verifications that are being made."),
        measurement(PROVER_REFUSED, Counter, "What was to be proved or asked and found no place."),
        measurement(CHAIN_HEIGHT, Gauge, "Height of the last durable block."),
        measurement(CHAIN_ENTRIES, Gauge, "Entries in the chain's log."),
        measurement(LEDGER_PENDING, Gauge, "Entries on their way to the chain."),
        measurement(LEDGER_SYNCS, Counter, "Times an append waited for the disk."),
        measurement(LEDGER_STOPPED, Gauge, "1 if the chain takes no entries any more."),
        measurement(WORKER_QUEUED, Gauge, "Exchanges that wait to be moved on."),
        measurement(
            PEERS_UNREACHED,
            Counter,
            "Messages that a department's gateway did not answer in its own name, by department.",
        ),
        measurement(PEER_REQUESTS, Counter, "Requests of other gateways with a valid signature."),
        measurement(
            PAYLOAD_BYTES,
            Counter,
            "Bytes of sealed payloads that came in from other gateways or went out to them.",
        ),
        measurement(RECORDS_IMPORTED, Counter, "Records that imports put into datasets."),
        measurement(READY, Gauge, "1 if the gateway is ready in that respect."),
        measurement(BUILD_INFO, Gauge, "1; the label says which version of the software runs."),
    ]
};

/// Tells the recorder what every measurement means.
pub(super) fn describe() {
    for Measurement { name, kind, help } in ALL {
        match kind {
            Kind::Counter => describe_counter!(name, help),
            Kind::Gauge => describe_gauge!(name, help),
            Kind::Seconds => describe_histogram!(name, Unit::Seconds, help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_measurements_name_says_how_it_is_taken() {
        let names: BTreeSet<_> = ALL.iter().map(|it| it.name).collect();
        assert_eq!(names.len(), ALL.len());
        for Measurement { name, kind, help } in ALL {
            assert!(name.starts_with("proofgate_"), "{name}");
            assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
            assert_eq!(name.ends_with("_seconds"), kind == Kind::Seconds, "{name}");
            assert!(help.ends_with('.'), "{name}: {help}");
            assert!(!help.contains('\n'), "{name}");
        }
    }

    #[test]
    fn every_name_has_its_row() {
        let source = include_str!("catalogue.rs");
        let names = source.split("pub const ").skip(1).filter_map(|text| {
            text.split_once(": &str = \"")?.1.split_once('"').map(|(name, _)| name)
        });
        let names: BTreeSet<_> = names.collect();
        let rows: BTreeSet<_> = ALL.iter().map(|it| it.name).collect();
        assert_eq!(names, rows);
    }
}
