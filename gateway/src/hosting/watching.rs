//! What is measured of a gateway when somebody looks.

use super::Gateway;
use crate::department::Peers;
use crate::http::metrics::Gauges;
use crate::http::public::PublicApi as _;
use crate::measure::{self, catalogue};
use crate::prover::Load;

impl<P: Peers + 'static> Gauges for Gateway<P> {
    async fn read(&self) {
        let count = |number: usize| u64::try_from(number).expect("counts fit 64 bits");
        let health = self.shared.ledger.health().await;
        measure::gauge(catalogue::CHAIN_HEIGHT, health.tip.height);
        measure::gauge(catalogue::CHAIN_ENTRIES, health.tip.log_size);
        measure::gauge(catalogue::LEDGER_PENDING, count(health.pending));
        measure::total(catalogue::LEDGER_SYNCS, health.syncs);
        measure::gauge(catalogue::LEDGER_STOPPED, u64::from(health.stopped.is_some()));
        let Load { running, queued, free } = self.shared.prover.load();
        measure::gauge(catalogue::PROVER_RUNNING, count(running));
        measure::gauge(catalogue::PROVER_QUEUED, count(queued));
        measure::gauge(catalogue::PROVER_FREE, count(free));
        measure::gauge(catalogue::WORKER_QUEUED, count(self.work.queued()));
        measure::total(catalogue::PEER_REQUESTS, self.signed_requests());
        self.notices.ready().await; // which is measured where it is found out
    }
}
