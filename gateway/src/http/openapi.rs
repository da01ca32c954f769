//! The OpenAPI 3.1 document of all surfaces at `/openapi.json`, and a page at `/docs` that shows it.
//!
//! Each surface describes its routes in a module of its own here, with schemas derived from the types
//! that the handlers read and write. A test holds the descriptions against the routes in the sources, so
//! that a route without description, and a description without route, fail it.
//!
//! The page is made here and has no script: nothing can run in it, so nothing can be loaded by it. Its
//! `Content-Security-Policy` allows its own style sheet and nothing else.

mod citizen;
mod local;
mod operation;
mod page;
mod peer;
mod public;
pub(super) mod schemas;

use std::sync::LazyLock;

use ::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use ::http::{HeaderValue, Response, StatusCode};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use hyper::body::Bytes;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, PathsBuilder,
};

use self::operation::{MESSAGE_SIGNATURE, Operation, TOKEN, WALLET};
use super::body::{JSON, typed};
use super::citizen::CREDENTIAL_HEADER;
use super::hosting::{Hosting, Site};

/// What a browser may do with the page: take its style sheet from here, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    let document = document().to_json();
    document.expect("the document's keys are strings").into()
});
static PAGE: LazyLock<Bytes> = LazyLock::new(|| {
    let document = serde_json::from_slice(&DOCUMENT);
    page::of(&document.expect("the document was written a moment ago")).into()
});

/// Routes that describe all the others.
pub(super) fn routes<H: Hosting>() -> Router<Site<H>> {
    Router::new()
        .route("/openapi.json", get(openapi))
        .route("/docs", get(docs))
        .route("/docs/style.css", get(style))
}

fn shown(content_type: &'static str, body: Bytes) -> Response<Body> {
    let mut response = typed(StatusCode::OK, content_type, Body::from(body));
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

async fn openapi() -> Response<Body> {
    shown(JSON, DOCUMENT.clone())
}

async fn docs() -> Response<Body> {
    shown(HTML, PAGE.clone())
}

async fn style() -> Response<Body> {
    shown(CSS, Bytes::from_static(include_bytes!("openapi/style.css")))
}

/// Every operation of every surface.
fn operations() -> Vec<Operation> {
    [local::operations(), peer::operations(), citizen::operations(), public::operations()].concat()
}

/// The document.
fn document() -> OpenApi {
    let mut components = ComponentsBuilder::new()
        .schemas_from_iter(schemas::all())
        .security_scheme(
            TOKEN,
            SecurityScheme::Http(
                HttpBuilder::new()
                    .scheme(HttpAuthScheme::Bearer)
                    .description(Some(
                        "The bearer token of one hosted department (RFC 6750), from its folder.",
                    ))
                    .build(),
            ),
        )
        .security_scheme(MESSAGE_SIGNATURE, header("Signature", SIGNATURE_TEXT))
        .security_scheme(WALLET, header(CREDENTIAL_HEADER, WALLET_TEXT));
    let mut paths = PathsBuilder::new();
    for operation in operations() {
        components = components.schemas_from_iter(operation.schemas());
        let path = operation.path();
        paths = paths.path(path, operation.into_item());
    }
    let info = InfoBuilder::new()
        .title("proofgate")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(INFO))
        .license(Some(
            LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build(),
        ))
        .build();
    let tags =
        TAGS.map(|(name, text)| TagBuilder::new().name(name).description(Some(text)).build());
    OpenApiBuilder::new()
        .info(info)
        .paths(paths.build())
        .components(Some(components.build()))
        .tags(Some(tags))
        .build()
}

fn header(name: &str, text: &str) -> SecurityScheme {
    SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, text)))
}

const INFO: &str = "One department asks whether a citizen meets a condition; the department that holds the record answers with a proof; the citizen has consented to exactly that question. \
Every error is a problem document (RFC 9457) whose `code` is stable. A 503 says in `Retry-After` when to come back. \
Every answer carries its request's id in `x-request-id`, under which the operator finds it in the log.";

const SIGNATURE_TEXT: &str = "An Ed25519 signature over the message (RFC 9421) under the key in the sender's registered document. \
`Signature-Input` has one label, covers `@method`, `@authority`, `@path`, `@query`, `content-type` and `content-digest`, and has the parameters `created`, `expires` (at most 60 seconds later), `nonce` (at least 128 random bits, used once), `keyid` (`department:key id`) and `tag` (`proofgate-v1`). \
`Content-Digest` (RFC 9530) is the body's SHA-256. Answers are signed in the same way over `@status`, `content-type`, `content-digest` and the request's signature.";

const WALLET_TEXT: &str = "The citizen's consent key, and its EdDSA-Poseidon signature over network, department, method, target, body, time and a nonce that is used once.";

/// The surfaces, in the order in which they are shown.
const TAGS: [(&str, &str); 4] = [
    ("local", "For a department's own systems and operator, in plain JSON."),
    ("peer", "For other departments' gateways, signed and sealed."),
    ("citizen", "For citizens' wallets, signed by the consent key."),
    ("public", "For everybody: the chain, circuits, documents and health."),
];

#[cfg(test)]
mod tests;
