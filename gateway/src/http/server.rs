//! The server: one router for all surfaces.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use super::connections::{self, Closing};
use super::hosting::{Hosting, Site};
use super::layers::{Room, Surface};
use super::limits::Limits;
use super::problem::Problem;
use super::{chain, citizen, layers, local, peer, public};

pub use super::connections::{Drained, Listening};

/// Serves all surfaces until `shutdown`, and then finishes what is open.
pub async fn serve<H: Hosting>(
    listening: impl Into<Listening>,
    hosting: Arc<H>,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send,
) -> Drained {
    let (begin, closing) = Closing::channel();
    let router = router(hosting, &limits, closing.clone());
    let listening = listening.into();
    connections::run("gateway", listening, router, &limits, (begin, closing), shutdown).await
}

/// Tells until `shutdown` that the gateway lives and is not ready, and nothing else.
pub async fn serve_waiting(
    listening: impl Into<Listening>,
    limits: &Limits,
    shutdown: impl Future<Output = ()> + Send,
) -> Drained {
    let router = public::waiting_routes()
        .layer(from_fn_with_state(Surface::Health, layers::name_surface))
        .layer(from_fn_with_state(Arc::new(limits.clone()), layers::limit_header))
        .layer(CatchPanicLayer::custom(layers::panicked))
        .layer(from_fn(layers::identify));
    connections::run("gateway", listening.into(), router, limits, Closing::channel(), shutdown)
        .await
}

/// All surfaces of a gateway under its limits.
fn router<H: Hosting>(hosting: Arc<H>, limits: &Limits, closing: Closing) -> Router {
    let limits = Arc::new(limits.clone());
    let timed = |routes: Router<Site<H>>| {
        routes.layer(from_fn_with_state(limits.request_time, layers::limit_time))
    };
    // Each surface has room of its own: whoever fills one, and anybody can fill the citizens', leaves
    // the others alone.
    let room_for = |surface: Surface, places: usize, routes: Router<Site<H>>| {
        let room = Room { surface, places: Arc::new(Semaphore::new(places)) };
        routes.layer(from_fn_with_state(room, layers::shed))
    };
    let roomy = |surface, routes| room_for(surface, limits.requests, routes);
    // Whoever waits for blocks, and anybody can, holds a place for long: these leave the entries and
    // cosignatures of others alone, and those who do not wait.
    let waits = limits.waits();
    let blocks = room_for(Surface::Public, limits.requests + waits, timed(chain::block_routes()));
    // Health is told however full the gateway is.
    let health = public::health_routes();
    let health = health.layer(from_fn_with_state(Surface::Health, layers::name_surface));
    Router::new()
        .merge(roomy(Surface::Local, timed(local::routes())))
        .merge(roomy(Surface::Local, local::streaming_routes()))
        .merge(roomy(Surface::Peer, timed(peer::routes())))
        .merge(roomy(Surface::Citizen, timed(citizen::routes())))
        .merge(roomy(Surface::Public, timed(public::routes())))
        .merge(roomy(Surface::Public, timed(chain::routes())))
        .merge(blocks)
        .merge(health)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(&limits), layers::limit_header))
        .layer(CatchPanicLayer::custom(layers::panicked))
        .layer(from_fn(layers::identify))
        .with_state(Site { hosting, limits, closing, waits: Arc::new(Semaphore::new(waits)) })
}

pub(super) async fn not_found() -> Result<Infallible, Problem> {
    Err(Problem::new("not-found", "nothing is served at this path"))
}

pub(super) async fn method_not_allowed() -> Result<Infallible, Problem> {
    Err(Problem::new("method-not-allowed", "the Allow header names the methods of this path"))
}

#[cfg(test)]
mod tests;
