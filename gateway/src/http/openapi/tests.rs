use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use ::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use ::http::{Method, Request};
use serde_json::{Value as Json, json};

use super::*;
use crate::http::fixture::{ID, PAYLOAD, Running, local_request, start};
use crate::http::limits::Limits;
use crate::http::problem::{PROBLEM_JSON, status_of};

/// Methods that routes can have, as axum calls them.
const METHODS: [&str; 5] = ["get", "post", "put", "delete", "patch"];

/// The described operations: method, path, and what is said.
fn described() -> BTreeMap<(String, String), Json> {
    let document: Json = serde_json::from_slice(&DOCUMENT).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap();
        methods.iter().map(|(method, it)| ((method.clone(), path.clone()), it.clone()))
    });
    operations.collect()
}

/// The routes in the sources of the four surfaces.
fn routes(folder: &Path, found: &mut BTreeSet<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        // Tests, and the listener of Prometheus, which is another server.
        if ["tests", "fixture", "metrics"].contains(&name) {
            continue;
        }
        if path.is_dir() {
            routes(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("\nmod tests {").next().unwrap();
        for after in text.split(".route(").skip(1) {
            let literal = after.trim_start().strip_prefix('"');
            let (route, rest) = literal.and_then(|it| it.split_once('"')).unwrap_or_else(|| {
                panic!("{}: a route's path is written out, so that it is seen here", path.display())
            });
            for method in METHODS.into_iter().filter(|it| handles(arguments(rest), it)) {
                // A variable part with slashes in it is one all the same.
                found.insert((method.to_owned(), route.replace("{*", "{")));
            }
        }
    }
}

/// Up to the parenthesis that closes what was open.
fn arguments(text: &str) -> &str {
    let mut depth = 1;
    let end = text.find(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth == 0
    });
    &text[..end.unwrap()]
}

/// Whether `method(…)` is in the handlers of a route.
fn handles(handlers: &str, method: &str) -> bool {
    let call = format!("{method}(");
    let own = |at: usize| !handlers[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    handlers.match_indices(&call).any(|(at, _)| own(at))
}

#[test]
fn routes_are_found_however_they_are_written() {
    let handlers = arguments(", get(a::<H>).post(b))\n.route(");
    assert_eq!(handlers, ", get(a::<H>).post(b)");
    assert!(handles(handlers, "get") && handles(handlers, "post"));
    assert!(!handles(handlers, "put") && !handles(", get(input(x))", "put"));
}

#[test]
fn every_route_is_described_and_every_description_is_a_route() {
    let mut routes_found = BTreeSet::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    routes(&folder, &mut routes_found);
    let described: BTreeSet<_> = described().into_keys().collect();
    let missing: Vec<_> = routes_found.difference(&described).collect();
    assert!(missing.is_empty(), "to be described in http/openapi: {missing:?}");
    let gone: Vec<_> = described.difference(&routes_found).collect();
    assert!(gone.is_empty(), "described, and no route: {gone:?}");
    assert!(described.len() >= 50, "{}", described.len());
}

/// What the fixture says where the chain is served.
const NO_CHAIN: &str = "this gateway serves no chain";

/// A path with the ids that the fixture knows.
fn known(path: &str) -> String {
    path.replace("{department}", "tax")
        .replace("{dataset}", "income")
        .replace("{path}", "0/000")
        .replace("{id}", &PAYLOAD.to_string())
        .replace("{payload}", &PAYLOAD.to_string())
        .replace("{height}", "7")
        .replace("{number}", "0")
        .replace("{digest}", &ID.to_string())
        .replace("{request}", &ID.to_string())
        .replace("{entry}", &ID.to_string())
}

#[tokio::test]
async fn every_description_is_served() {
    let running = start(Limits::default()).await;
    for (method, path) in described().into_keys() {
        let target = known(&path);
        assert!(!target.contains('{'), "{target}");
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let request = Request::builder().method(method).uri(&target).body(Bytes::new()).unwrap();
        let answer = running.send(request).await;
        if answer.headers.get(CONTENT_TYPE).is_some_and(|it| it == PROBLEM_JSON) {
            let problem = answer.problem();
            assert_ne!(problem.code, "method-not-allowed", "{target}");
            assert!(problem.code != "not-found" || problem.detail == NO_CHAIN, "{target}");
        }
    }
}

/// Whether `value` is what `schema` of the document says.
fn fits(document: &Json, schema: &Json, value: &Json) -> Result<(), String> {
    let whole = json!({ "allOf": [schema], "components": document["components"] });
    let validator = jsonschema::draft202012::new(&whole).unwrap();
    let faults = validator.iter_errors(value).map(|it| format!("{it} at {}", it.instance_path()));
    let faults: Vec<_> = faults.collect();
    if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
}

#[test]
fn the_document_holds_together() {
    let document: Json = serde_json::from_slice(&DOCUMENT).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let components = &document["components"];
    for (name, schema) in components["schemas"].as_object().unwrap() {
        assert!(jsonschema::draft202012::meta::is_valid(schema), "{name}: {schema}");
    }
    references(&document, &mut |reference| {
        let found = document.pointer(reference.strip_prefix('#').unwrap());
        assert!(found.is_some(), "{reference}");
    });
    let tags: Vec<_> = TAGS.iter().map(|(name, _)| json!([name])).collect();
    let mut ids = BTreeSet::new();
    for ((method, path), operation) in described() {
        assert!(ids.insert(operation["operationId"].to_string()), "{method} {path}");
        assert!(tags.contains(&operation["tags"]), "{method} {path}");
        assert!(!operation["summary"].as_str().unwrap().is_empty());
        let parameters = operation["parameters"].as_array();
        let parameters: Vec<_> = parameters.into_iter().flatten().collect();
        let declared = parameters.iter().filter(|it| it["in"] == "path");
        let declared: BTreeSet<_> = declared.map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(declared, operation::variables(&path).collect(), "{method} {path}");
        for parameter in &parameters {
            assert_ne!(parameter["description"], "See the description.", "{parameter}");
            fits(&document, &parameter["schema"], &parameter["example"]).unwrap();
        }
        for (scheme, _) in operation["security"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|it| it.as_object().unwrap())
        {
            assert!(components["securitySchemes"].get(scheme).is_some(), "{scheme}");
        }
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{method} {path}");
        let bodies = responses.values().chain([&operation["requestBody"]]);
        for content in bodies.filter_map(|it| it["content"].as_object()).flat_map(|it| it.values())
        {
            let Some(example) = content.get("example") else { continue };
            let fit = fits(&document, &content["schema"], example);
            assert_eq!(fit, Ok(()), "{method} {path}: {example}");
        }
    }
}

fn references(value: &Json, see: &mut impl FnMut(&str)) {
    match value {
        Json::Object(members) => {
            if let Some(Json::String(reference)) = members.get("$ref") {
                see(reference);
            }
            members.values().for_each(|it| references(it, see));
        }
        Json::Array(items) => items.iter().for_each(|it| references(it, see)),
        _ => {}
    }
}

#[test]
fn every_code_that_is_described_exists() {
    for operation in operations() {
        for code in operation.codes() {
            assert!(status_of(code).is_some(), "{code} of {}", operation.path());
        }
    }
}

async fn get(running: &Running, target: &str, with_token: bool) -> crate::http::fixture::Answer {
    let mut request = local_request(Method::GET, target, "");
    if !with_token {
        request.headers_mut().clear();
    }
    running.send(request).await
}

/// Documents in whose place the fixture says something short.
const MADE_UP: [&str; 3] = ["Departments", "Genesis", "Offer"];

fn reference(name: &str) -> Json {
    json!(format!("#/components/schemas/{name}"))
}

#[tokio::test]
async fn answers_are_what_the_document_says() {
    let running = start(Limits::default()).await;
    let document: Json = serde_json::from_slice(&DOCUMENT).unwrap();
    let mut compared = 0;
    for ((method, path), operation) in described() {
        let local = operation["tags"] == json!(["local"]);
        if method != "get" || !(local || operation["tags"] == json!(["public"])) {
            continue;
        }
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let mut target = known(&path);
        for needed in parameters.filter(|it| it["in"] == "query" && it["required"] == true) {
            target += &format!("?{}={}", needed["name"].as_str().unwrap(), needed["example"]);
        }
        let answer = get(&running, &target, local).await;
        if answer.headers[CONTENT_TYPE] == PROBLEM_JSON && answer.problem().detail == NO_CHAIN {
            continue;
        }
        let response = &operation["responses"][answer.status.to_string()];
        assert!(response.is_object(), "{path}: {answer:?}");
        assert!(answer.status == 200, "{path}: {answer:?}");
        let content_type = answer.headers[CONTENT_TYPE].to_str().unwrap();
        let content = &response["content"][content_type];
        assert!(content.is_object(), "{path}: {content_type}");
        if content_type == JSON && !MADE_UP.map(reference).contains(&content["schema"]["$ref"]) {
            let body: Json = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(fits(&document, &content["schema"], &body), Ok(()), "{path}: {body}");
            compared += 1;
        }
    }
    assert!(compared >= 10, "{compared}");
    // And what is said when something is wrong.
    running.gateway.notices.0.store(true, Ordering::Relaxed);
    let answer = get(&running, "/readyz", false).await;
    let problem: Json = serde_json::from_slice(&answer.body).unwrap();
    let schema = json!({ "$ref": reference("ProblemDocument") });
    assert_eq!(fits(&document, &schema, &problem), Ok(()));
    assert!(fits(&document, &schema, &json!({ "code": 5 })).is_err(), "not everything fits");
}

#[tokio::test]
async fn the_page_is_complete_and_loads_nothing_from_elsewhere() {
    let running = start(Limits::default()).await;
    let answer = get(&running, "/docs", false).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers[CONTENT_TYPE], HTML);
    assert_eq!(answer.headers[CONTENT_SECURITY_POLICY], POLICY);
    assert_eq!(answer.headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
    let page = std::str::from_utf8(&answer.body).unwrap();
    for operation in described().values() {
        let id = operation["operationId"].as_str().unwrap();
        assert!(page.contains(&format!("<details id=\"{id}\">")), "{id}");
    }
    for forbidden in ["<script", "<img", "<iframe", "<object", "<form", " style=", " on", "@import"]
    {
        let tags = page.split('<').filter_map(|tag| tag.split_once('>').map(|(tag, _)| tag));
        let found = tags.map(|tag| format!("<{tag}")).find(|tag| tag.contains(forbidden));
        assert_eq!(found, None, "{forbidden}");
    }
    let links = ["href=\"", "src=\""].map(|attribute| page.split(attribute).skip(1));
    let links: Vec<_> =
        links.into_iter().flatten().map(|it| it.split('"').next().unwrap()).collect();
    assert!(links.len() > 20, "{}", links.len());
    for link in links {
        let here = ["/docs/style.css", "/openapi.json"].contains(&link);
        let anchor = link.strip_prefix('#').map(|id| page.contains(&format!("id=\"{id}\"")));
        assert!(here || anchor == Some(true), "{link}");
    }
    let style = get(&running, "/docs/style.css", false).await;
    assert_eq!((style.status, &style.headers[CONTENT_TYPE]), (200, &HeaderValue::from_static(CSS)));
    let style = std::str::from_utf8(&style.body).unwrap();
    assert!(!style.contains("url(") && !style.contains("@import"));
    let document = get(&running, "/openapi.json", false).await;
    assert_eq!(document.json(), serde_json::from_slice::<Json>(&DOCUMENT).unwrap());
}
