//! Prometheus' listener: `GET /metrics`, on an address of its own that only the operator's network
//! reaches, and nothing else.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use ::http::{HeaderValue, Response, StatusCode};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tokio::time::{MissedTickBehavior, interval};
use tower_http::catch_panic::CatchPanicLayer;

use super::connections::{self, Closing, Drained, Listening};
use super::layers;
use super::limits::Limits;
use super::problem::Problem;
use super::server::method_not_allowed;
use crate::measure::Exporter;

/// Time between two summings-up of times that nobody asked for.
const TIDY: Duration = Duration::from_secs(5);
/// Connections at once: a Prometheus or two, and somebody who looks.
const CONNECTIONS: usize = 16;

/// What is measured only when somebody looks.
pub trait Gauges: Send + Sync + 'static {
    /// Measures it now.
    fn read(&self) -> impl Future<Output = ()> + Send;
}

/// What every handler gets.
struct Site<G> {
    exporter: Exporter,
    gauges: Arc<G>,
}

impl<G> Clone for Site<G> {
    fn clone(&self) -> Self {
        Self { exporter: self.exporter.clone(), gauges: Arc::clone(&self.gauges) }
    }
}

/// Serves `GET /metrics` until `shutdown`. Of `limits` those of headers and times count.
pub async fn serve_metrics<G: Gauges>(
    listening: impl Into<Listening>,
    exporter: Exporter,
    gauges: Arc<G>,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send,
) -> Drained {
    let limits =
        Limits { connections: CONNECTIONS, connections_per_address: CONNECTIONS, ..limits };
    let router = router(Site { exporter: exporter.clone(), gauges }, &limits);
    let served = connections::run(
        "metrics",
        listening.into(),
        router,
        &limits,
        Closing::channel(),
        shutdown,
    );
    let mut served = pin!(served);
    let mut tidy = interval(TIDY);
    tidy.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            drained = &mut served => return drained,
            _ = tidy.tick() => exporter.tidy(),
        }
    }
}

fn router<G: Gauges>(site: Site<G>, limits: &Limits) -> Router {
    let limits = Arc::new(limits.clone());
    Router::new()
        .route("/metrics", get(metrics::<G>))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(limits.request_time, layers::limit_time))
        .layer(from_fn_with_state(limits, layers::limit_header))
        .layer(CatchPanicLayer::custom(layers::panicked))
        .with_state(site)
}

fn not_found() -> impl Future<Output = Result<Infallible, Problem>> + Send {
    ready(Err(Problem::new("not-found", "only /metrics is served at this address")))
}

async fn metrics<G: Gauges>(State(site): State<Site<G>>) -> Response<Body> {
    site.gauges.read().await;
    let mut response = Response::new(Body::from(site.exporter.text()));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(Exporter::CONTENT_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests;
