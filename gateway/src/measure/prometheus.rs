//! Prometheus' text format.

use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use thiserror::Error;

use super::catalogue;

/// Upper bounds of a time's buckets, in seconds: from a seal's tenth of a millisecond to a request's
/// longest time.
const BUCKETS: [f64; 16] = [
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    30.0,
];

/// Something in this process collects measurements already.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the process measures itself already")]
pub struct BeginError;

/// All that was measured, in Prometheus' text format. Clones show the same.
#[derive(Clone, Debug)]
pub struct Exporter(PrometheusHandle);

impl Exporter {
    /// Collects everything that this process measures from now on.
    ///
    /// # Errors
    /// [`BeginError`]
    pub fn begin() -> Result<Self, BeginError> {
        let recorder = recorder();
        let exporter = Self(recorder.handle());
        metrics::set_global_recorder(recorder).map_err(|_| BeginError)?;
        exporter.introduce();
        Ok(exporter)
    }

    /// The format's content type.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// All of it.
    pub fn text(&self) -> String {
        self.0.render()
    }

    /// Sums up times that nobody asked for yet, so that they take no more room. To be called every few
    /// seconds.
    pub fn tidy(&self) {
        self.0.run_upkeep();
    }

    /// Collects what the calling thread measures, while the guard lives.
    #[cfg(test)]
    pub(crate) fn of_this_thread() -> (metrics::LocalRecorderGuard<'static>, Self) {
        let recorder: &'static PrometheusRecorder = Box::leak(Box::new(recorder()));
        let exporter = Self(recorder.handle());
        let guard = metrics::set_default_local_recorder(recorder);
        exporter.introduce();
        (guard, exporter)
    }

    /// Says what everything means, and which software this is.
    fn introduce(&self) {
        catalogue::describe();
        let version = env!("CARGO_PKG_VERSION");
        metrics::gauge!(catalogue::BUILD_INFO, "version" => version).set(1);
    }
}

fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)
        .expect("there are buckets")
        .build_recorder()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{self, Request, catalogue::ALL};
    use std::collections::BTreeSet;
    use std::time::Duration;

    #[test]
    fn times_fall_into_buckets_and_everything_is_explained() {
        let (_guard, exporter) = Exporter::of_this_thread();
        let get = || Request { surface: "public", method: "GET", route: "/v1/{a}".to_owned() };
        measure::request(get(), "2xx", Duration::from_millis(3));
        measure::request(get(), "5xx", Duration::from_secs(60));
        measure::payload_sent(7);
        measure::payload_sent(5);
        measure::gauge(catalogue::CHAIN_HEIGHT, 12);
        exporter.tidy();
        let text = exporter.text();
        for line in [
            "# HELP proofgate_chain_height Height of the last durable block.",
            "# TYPE proofgate_http_request_seconds histogram",
            "proofgate_http_request_seconds_bucket{surface=\"public\",method=\"GET\",route=\"/v1/{a}\",le=\"0.0025\"} 0",
            "proofgate_http_request_seconds_bucket{surface=\"public\",method=\"GET\",route=\"/v1/{a}\",le=\"0.005\"} 1",
            "proofgate_http_request_seconds_bucket{surface=\"public\",method=\"GET\",route=\"/v1/{a}\",le=\"30\"} 1",
            "proofgate_http_request_seconds_bucket{surface=\"public\",method=\"GET\",route=\"/v1/{a}\",le=\"+Inf\"} 2",
            "proofgate_http_requests_total{surface=\"public\",method=\"GET\",route=\"/v1/{a}\",status=\"5xx\"} 1",
            "proofgate_payload_bytes_total{direction=\"out\"} 12",
            "proofgate_chain_height 12",
            concat!("proofgate_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn whatever_is_measured_is_in_the_catalogue() {
        let (_guard, exporter) = Exporter::of_this_thread();
        let department = "tax".parse().unwrap();
        measure::prover_refused();
        measure::peer_unreached(&department);
        measure::payload_received(1);
        measure::records_imported(1);
        measure::shed("local");
        measure::connection_refused("gateway", "address");
        let _open = measure::OpenConnection::new("gateway");
        measure::ready("prove", true);
        let text = exporter.text();
        let known: BTreeSet<_> = ALL.iter().map(|it| it.name).collect();
        let mut shown = 0;
        for line in text.lines().filter(|line| line.starts_with("# TYPE ")) {
            let name = line.split(' ').nth(2).unwrap();
            assert!(known.contains(name), "{name}");
            assert!(text.contains(&format!("# HELP {name} ")), "{name}");
            shown += 1;
        }
        assert_eq!(shown, 9, "{text}");
        assert!(text.contains("proofgate_http_connections{server=\"gateway\"} 1"), "{text}");
    }
}
