//! What happens to every request around its handler.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::header::X_CONTENT_TYPE_OPTIONS;
use ::http::{HeaderName, HeaderValue, Method, Request, Response};
use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use http_body_util::Full;
use hyper::body::Bytes;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower_http::request_id::{MakeRequestId as _, MakeRequestUuid};
use tracing::Instrument as _;

use super::limits::Limits;
use super::problem::{Code, Problem, within};

/// Names a request in its answer and in the log.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request an id and a span, and logs how it ended.
///
/// A client's own id is not taken. The span has the route's template and neither path nor query,
/// which name subjects and requests.
pub(super) async fn identify(request: Request<Body>, next: Next) -> Response<Body> {
    let id = MakeRequestUuid.make_request_id(&request).map(|id| id.into_header_value());
    let id = id.unwrap_or_else(|| HeaderValue::from_static("none"));
    let text = id.to_str().unwrap_or("none");
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    let span = tracing::info_span!("http", id = text, method = standard(request.method()), route);
    let instance = format!("urn:uuid:{text}");
    let started = Instant::now();
    let answered = async {
        let response = next.run(request).await;
        let status = response.status().as_u16();
        let code = response.extensions().get::<Code>().map(|code| code.0);
        let milliseconds = started.elapsed().as_millis();
        tracing::info!(status, code, milliseconds, "answered");
        response
    };
    let mut response = within(instance, answered.instrument(span)).await;
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A method's name, unless the client made it up.
fn standard(method: &Method) -> &str {
    let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE];
    if known.contains(method) { method.as_str() } else { "other" }
}

/// Refuses headers above the limits.
///
/// hyper has limits of its own behind these, but answers without a document.
pub(super) async fn limit_header(
    State(limits): State<Arc<Limits>>,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    let fields = request.headers().len();
    let overhead = ": \r\n".len();
    let lines =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + overhead);
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let bytes = target + lines.sum::<usize>();
    if bytes > limits.header_bytes || fields > limits.header_fields {
        let (bytes, fields) = (limits.header_bytes, limits.header_fields);
        let expected = format_args!("expected at most {bytes} bytes in {fields} fields");
        return Problem::new("header-too-large", expected).into_response();
    }
    next.run(request).await
}

/// Refuses what there is no room for.
pub(super) async fn shed(
    State(room): State<Arc<Semaphore>>,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    match room.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => Problem::new("overloaded", "too many requests at once").into_response(),
    }
}

/// Gives up on a request after its time.
pub(super) async fn limit_time(
    State(time): State<Duration>,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    match timeout(time, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = "whether the request took effect is unknown: ask for its state";
            Problem::new("timeout", detail).into_response()
        }
    }
}

/// The answer of a handler that panicked. What it said may name anybody and is not logged here.
pub(super) fn panicked(_said: Box<dyn Any + Send>) -> Response<Full<Bytes>> {
    tracing::error!(code = "internal", "a handler panicked");
    Problem::hidden().to_response().map(Full::new)
}
