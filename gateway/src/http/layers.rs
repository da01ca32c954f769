//! What happens to every request around its handler.

use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ::http::header::X_CONTENT_TYPE_OPTIONS;
use ::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use http_body_util::Full;
use hyper::body::Bytes;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower_http::request_id::{MakeRequestId as _, MakeRequestUuid};
use tracing::{Instrument as _, Span};

use super::limits::Limits;
use super::problem::{Code, Problem, within};
use crate::measure;

/// Names a request in its answer and in the log.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Whom a route is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    Local,
    Peer,
    Citizen,
    Public,
    Health,
}

impl Surface {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Peer => "peer",
            Self::Citizen => "citizen",
            Self::Public => "public",
            Self::Health => "health",
        }
    }
}

/// The surface of a request's route: written on the way in, and so there too when a handler panics.
#[derive(Clone, Debug, Default)]
struct SurfaceOf(Arc<OnceLock<Surface>>);

impl SurfaceOf {
    fn write(request: &Request<Body>, surface: Surface) {
        if let Some(Self(place)) = request.extensions().get() {
            let _: &Surface = place.get_or_init(|| surface);
        }
    }

    fn name(&self) -> &'static str {
        self.0.get().map_or("none", |surface| surface.name())
    }
}

/// What is said and counted of a request: nothing that its client chose.
struct Account {
    surface: SurfaceOf,
    method: &'static str,
    route: String,
    started: Instant,
    span: Span,
    closed: bool,
}

impl Account {
    fn close(&mut self, status: &'static str) -> u128 {
        self.closed = true;
        let (surface, time) = (self.surface.name(), self.started.elapsed());
        let (method, route) = (self.method, std::mem::take(&mut self.route));
        measure::request(measure::Request { surface, method, route }, status, time);
        time.as_millis()
    }
}

/// A request is given up when its client goes away or the time to drain is over.
impl Drop for Account {
    fn drop(&mut self) {
        if !self.closed {
            let milliseconds = self.close("cut");
            let surface = self.surface.name();
            self.span.in_scope(|| tracing::info!(surface, milliseconds, "cut"));
        }
    }
}

/// Gives the request an id and a span, and logs and counts how it ended.
///
/// A client's own id is not taken. The span has the route's template and neither path nor query,
/// which name subjects and requests.
pub(super) async fn identify(mut request: Request<Body>, next: Next) -> Response<Body> {
    let id = MakeRequestUuid.make_request_id(&request).map(|id| id.into_header_value());
    let id = id.unwrap_or_else(|| HeaderValue::from_static("none"));
    let text = id.to_str().unwrap_or("none");
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    let (route, method) = (route.to_owned(), standard(request.method()));
    let span = tracing::info_span!("http", id = text, method, route);
    let (surface, started) = (SurfaceOf::default(), Instant::now());
    request.extensions_mut().insert(surface.clone());
    let span_of = span.clone();
    let mut account = Account { surface, method, route, started, span: span_of, closed: false };
    let instance = format!("urn:uuid:{text}");
    let answered = async {
        let response = next.run(request).await;
        let status = response.status();
        let code = response.extensions().get::<Code>().map(|code| code.0);
        let milliseconds = account.close(class(status));
        let (surface, status) = (account.surface.name(), status.as_u16());
        tracing::info!(surface, status, code, milliseconds, "answered");
        response
    };
    let mut response = within(instance, answered.instrument(span)).await;
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A method's name, unless the client made it up.
fn standard(method: &Method) -> &'static str {
    const KNOWN: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// A status's class (RFC 9110, section 15).
fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
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

/// Writes down the surface of routes that always have room.
pub(super) async fn name_surface(
    State(surface): State<Surface>,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    SurfaceOf::write(&request, surface);
    next.run(request).await
}

/// How many requests a surface answers at once.
#[derive(Clone, Debug)]
pub(super) struct Room {
    pub(super) surface: Surface,
    pub(super) places: Arc<Semaphore>,
}

/// Refuses what there is no room for.
pub(super) async fn shed(
    State(Room { surface, places }): State<Room>,
    request: Request<Body>,
    next: Next,
) -> Response<Body> {
    SurfaceOf::write(&request, surface);
    match places.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => {
            measure::shed(surface.name());
            Problem::new("overloaded", "too many requests at once").into_response()
        }
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
