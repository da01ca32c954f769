//! How a route is described.

use std::collections::BTreeMap;

use ::http::StatusCode;
use serde_json::Value as Json;
use utoipa::ToSchema;
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{
    ArrayBuilder, ContentBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
};

use super::schemas;
use crate::http::body::JSON;
use crate::http::problem::{PROBLEM_JSON, ProblemDocument, status_of};

/// The local surface's security scheme.
pub(super) const TOKEN: &str = "token";
/// The peer surface's.
pub(super) const MESSAGE_SIGNATURE: &str = "message-signature";
/// The citizen surface's.
pub(super) const WALLET: &str = "wallet";

/// Codes that every request can get.
const ALWAYS: &[&str] = &["header-too-large", "internal"];
/// Codes of requests that need room and time.
const ROOMY: &[&str] = &["overloaded", "timeout", "not-stored"];
/// Codes of JSON bodies.
const BODY: &[&str] = &["json", "content-type", "body-too-large", "body-unread", "request-timeout"];
/// Codes of bodies that are bytes.
const BYTES: &[&str] = &["content-type", "body-too-large", "body-unread", "request-timeout"];
const SIGNED: &[&str] = &[
    "department-unknown",
    "signature-header-missing",
    "signature-header-repeated",
    "signature-malformed",
    "signature-labels",
    "signature-component-missing",
    "signature-tag",
    "signature-algorithm",
    "signature-created-missing",
    "signature-expires-missing",
    "signature-lifetime",
    "signature-future",
    "signature-stale",
    "signature-expired",
    "signature-keyid",
    "signature-nonce",
    "signature-target",
    "signature-key-unknown",
    "signature-sender",
    "signature-invalid",
    "signature-replayed",
    "signature-before-start",
    "content-digest-mismatch",
    "nonce-store-full",
];
const CREDENTIAL: &[&str] = &[
    "department-unknown",
    "citizen-header",
    "citizen-stale",
    "citizen-future",
    "citizen-signature",
    "citizen-replayed",
    "nonce-store-full",
];

/// One route and method.
#[derive(Clone)]
pub(super) struct Operation {
    method: HttpMethod,
    path: &'static str,
    surface: &'static str,
    summary: &'static str,
    description: Option<&'static str>,
    parameters: Vec<Parameter>,
    body: Option<RequestBody>,
    answers: BTreeMap<u16, Response>,
    codes: Vec<&'static str>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Operation {
    /// `GET path` of a surface.
    pub(super) fn get(surface: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self::new(HttpMethod::Get, surface, path, summary)
    }

    /// `POST path` of a surface.
    pub(super) fn post(surface: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self::new(HttpMethod::Post, surface, path, summary)
    }

    /// `PUT path` of a surface.
    pub(super) fn put(surface: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self::new(HttpMethod::Put, surface, path, summary)
    }

    fn new(
        method: HttpMethod,
        surface: &'static str,
        path: &'static str,
        summary: &'static str,
    ) -> Self {
        let described = Self {
            method,
            path,
            surface,
            summary,
            description: None,
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            codes: Vec::new(),
            schemas: Vec::new(),
        };
        let described =
            variables(path).fold(described, |it, name| it.parameter(name, ParameterIn::Path));
        let described = if path.contains('{') { described.refuses(&["path"]) } else { described };
        described.refuses(ALWAYS).refuses(match surface {
            "local" => &["token"],
            "peer" => SIGNED,
            "citizen" => CREDENTIAL,
            _ => &[],
        })
    }

    /// More than fits the summary.
    pub(super) fn about(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    /// It needs room on its surface, and has the usual time.
    pub(super) fn within_limits(self) -> Self {
        self.refuses(ROOMY)
    }

    /// It takes this parameter in its query; which [`schemas::parameter`] explains.
    pub(super) fn query(self, name: &'static str) -> Self {
        self.parameter(name, ParameterIn::Query).refuses(&["query-string"])
    }

    /// It answers with a list, a page at a time.
    pub(super) fn pages(self) -> Self {
        self.query("after").query("limit")
    }

    /// It takes this header, and ignores what it does not understand in it.
    pub(super) fn optional_header(self, name: &'static str) -> Self {
        self.parameter(name, ParameterIn::Header)
    }

    /// It takes this header; which [`schemas::parameter`] explains.
    pub(super) fn header(self, name: &'static str) -> Self {
        self.parameter(name, ParameterIn::Header).refuses(&["header"])
    }

    fn parameter(mut self, name: &str, place: ParameterIn) -> Self {
        let schemas::Explained { text, schema, required, example } = schemas::parameter(name);
        let required = required || place == ParameterIn::Path;
        self.parameters.push(
            ParameterBuilder::new()
                .name(name)
                .parameter_in(place)
                .required(if required { Required::True } else { Required::False })
                .description(Some(text))
                .schema(Some(schema))
                .example(Some(example))
                .build(),
        );
        self
    }

    /// It reads a JSON document.
    pub(super) fn reads<T: ToSchema>(self, example: Json) -> Self {
        let (operation, schema) = self.with_schema::<T>();
        operation.reads_as(schema, example)
    }

    /// It reads a JSON document that has a schema by name in [`schemas::all`].
    pub(super) fn reads_named(self, name: &str, example: Json) -> Self {
        self.reads_as(Ref::from_schema_name(name).into(), example)
    }

    fn reads_as(mut self, schema: RefOr<Schema>, example: Json) -> Self {
        let content = ContentBuilder::new().schema(Some(schema)).example(Some(example)).build();
        let body = RequestBodyBuilder::new().required(Some(Required::True)).content(JSON, content);
        self.body = Some(body.build());
        self.refuses(BODY)
    }

    /// It reads bytes.
    pub(super) fn reads_bytes(mut self, content_type: &'static str, text: &'static str) -> Self {
        let content = ContentBuilder::new().schema(Some(schemas::bytes())).build();
        let body = RequestBodyBuilder::new().required(Some(Required::True)).description(Some(text));
        self.body = Some(body.content(content_type, content).build());
        self.refuses(BYTES)
    }

    /// It reads bytes of this type too.
    pub(super) fn also_reads_bytes(mut self, content_type: &'static str) -> Self {
        if let Some(body) = &mut self.body {
            let content = ContentBuilder::new().schema(Some(schemas::bytes())).build();
            body.content.insert(content_type.to_owned(), content.into());
        }
        self
    }

    /// It answers with a JSON document.
    pub(super) fn answers<T: ToSchema>(self, status: u16, text: &str, example: Json) -> Self {
        let (operation, schema) = self.with_schema::<T>();
        operation.answers_as(status, text, schema, example)
    }

    /// It answers with a list of JSON documents.
    pub(super) fn lists<T: ToSchema>(self, status: u16, text: &str, example: Json) -> Self {
        let (operation, items) = self.with_schema::<T>();
        let list = ArrayBuilder::new().items(items).build();
        operation.answers_as(status, text, list.into(), example)
    }

    /// It answers with a JSON document that has a schema by name in [`schemas::all`].
    pub(super) fn answers_named(self, status: u16, text: &str, name: &str, example: Json) -> Self {
        self.answers_as(status, text, Ref::from_schema_name(name).into(), example)
    }

    fn answers_as(mut self, status: u16, text: &str, schema: RefOr<Schema>, example: Json) -> Self {
        let content = ContentBuilder::new().schema(Some(schema)).example(Some(example)).build();
        let response = ResponseBuilder::new().description(text).content(JSON, content).build();
        self.answers.insert(status, response);
        self
    }

    /// It answers with something that is not JSON.
    pub(super) fn answers_bytes(
        mut self,
        status: u16,
        text: &str,
        content_type: &'static str,
        schema: Schema,
    ) -> Self {
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response =
            ResponseBuilder::new().description(text).content(content_type, content).build();
        self.answers.insert(status, response);
        self
    }

    /// It answers with nothing but a status.
    pub(super) fn answers_empty(mut self, status: u16, text: &str) -> Self {
        self.answers.insert(status, ResponseBuilder::new().description(text).build());
        self
    }

    /// It can refuse with these codes.
    pub(super) fn refuses(mut self, codes: &[&'static str]) -> Self {
        self.codes.extend(
            codes.iter().filter(|code| !self.codes.contains(*code)).copied().collect::<Vec<_>>(),
        );
        self
    }

    fn with_schema<T: ToSchema>(mut self) -> (Self, RefOr<Schema>) {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        (self, Ref::from_schema_name(T::name()).into())
    }

    /// The path, as routes have it.
    pub(super) const fn path(&self) -> &'static str {
        self.path
    }

    /// The schemas that it mentions.
    pub(super) fn schemas(&self) -> Vec<(String, RefOr<Schema>)> {
        self.schemas.clone()
    }

    #[cfg(test)]
    pub(super) fn codes(&self) -> &[&'static str] {
        &self.codes
    }

    pub(super) fn into_item(self) -> PathItem {
        let mut operation = OperationBuilder::new()
            .tag(self.surface)
            .summary(Some(self.summary))
            .description(self.description)
            .operation_id(Some(operation_id(&self.method, self.path)))
            .parameters(Some(self.parameters))
            .request_body(self.body);
        for (status, response) in self.answers {
            operation = operation.response(status.to_string(), response);
        }
        for (status, response) in problems(&self.codes) {
            operation = operation.response(status, response);
        }
        let scheme = match self.surface {
            "local" => Some(TOKEN),
            "peer" => Some(MESSAGE_SIGNATURE),
            "citizen" => Some(WALLET),
            _ => None,
        };
        if let Some(scheme) = scheme {
            operation = operation.security(SecurityRequirement::new(scheme, [""; 0]));
        }
        PathItem::new(self.method, operation)
    }
}

/// The names in a path's braces.
pub(super) fn variables(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

/// `get-v1-requests-digest`: stable, and unique because a path and a method are.
fn operation_id(method: &HttpMethod, path: &str) -> String {
    let method = match method {
        HttpMethod::Post => "post",
        HttpMethod::Put => "put",
        _ => "get",
    };
    let words = path.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| !word.is_empty()).fold(method.to_owned(), |id, word| format!("{id}-{word}"))
}

/// A response for each status that `codes` have, with an example.
fn problems(codes: &[&'static str]) -> BTreeMap<String, Response> {
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for code in codes {
        let status = status_of(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        by_status.entry(status.as_u16()).or_default().push(code);
    }
    let response = |(status, codes): (u16, Vec<&str>)| {
        let text = codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ");
        let schema = Ref::from_schema_name(ProblemDocument::name());
        let example = schemas::problem(codes[0], status);
        let content = ContentBuilder::new().schema(Some(schema)).example(Some(example)).build();
        let response = ResponseBuilder::new().description(text).content(PROBLEM_JSON, content);
        (status.to_string(), response.build())
    };
    by_status.into_iter().map(response).collect()
}
