//! Schemas of what is no type of this crate, and what parameters mean.

use serde_json::{Value as Json, json};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::http::problem::{ProblemDocument, title_of};

/// A digest, as examples have it.
pub(super) const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
/// A 128-bit id, as examples have it.
pub(super) const ID: &str = "5eb63bbbe01eeed093cb22bb8f5acdc3";

fn digits(pattern: String, text: String) -> Schema {
    let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
    schema.description(Some(text)).build().into()
}

/// SHA-256 digests and what is named by one: [`crypto::Digest`] in documents.
#[derive(Debug)]
pub(in crate::http) struct DigestText;

impl PartialSchema for DigestText {
    fn schema() -> RefOr<Schema> {
        let text = "A SHA-256 digest, in lower-case hexadecimal digits.";
        digits("^[0-9a-f]{64}$".to_owned(), text.to_owned()).into()
    }
}

impl ToSchema for DigestText {
    fn name() -> std::borrow::Cow<'static, str> {
        "Digest".into()
    }
}

/// [`crypto::envelope::PayloadId`] in documents.
#[derive(Debug)]
pub(in crate::http) struct PayloadIdText;

impl PartialSchema for PayloadIdText {
    fn schema() -> RefOr<Schema> {
        let text = "128 random bits, in lower-case hexadecimal digits.";
        digits("^[0-9a-f]{32}$".to_owned(), text.to_owned()).into()
    }
}

impl ToSchema for PayloadIdText {
    fn name() -> std::borrow::Cow<'static, str> {
        "PayloadId".into()
    }
}

/// Bytes that no schema says more about.
pub(super) fn bytes() -> Schema {
    let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
    ObjectBuilder::new().schema_type(Type::String).format(Some(format)).build().into()
}

/// Text that no schema says more about.
pub(super) fn text() -> Schema {
    ObjectBuilder::new().schema_type(Type::String).build().into()
}

/// A document that is read member by member elsewhere, with the members that it must have.
fn object(text: &str, members: &[&str]) -> Schema {
    let object = ObjectBuilder::new().schema_type(Type::Object).description(Some(text));
    members.iter().fold(object, |object, member| object.required(*member)).build().into()
}

/// Schemas of documents whose types belong to other parts.
pub(super) fn all() -> Vec<(String, RefOr<Schema>)> {
    let named = |name: &str, schema: Schema| (name.to_owned(), schema.into());
    let mut all = vec![
        (ProblemDocument::name().into_owned(), ProblemDocument::schema()),
        (DigestText::name().into_owned(), DigestText::schema()),
        (PayloadIdText::name().into_owned(), PayloadIdText::schema()),
        named(
            "Service",
            object(
                "A service document: a dataset, its schema, and who may ask what. Its digest is the `service` entry on the chain.",
                &[
                    "version",
                    "issuer",
                    "dataset",
                    "title",
                    "schema",
                    "registrar",
                    "as_of",
                    "rules",
                    "budget",
                ],
            ),
        ),
        named(
            "Department",
            object(
                "A department document: its id, name, URL, keys and roles.",
                &["id", "name", "url", "signing_key", "hpke_key", "roles"],
            ),
        ),
        named(
            "SignedKeyCard",
            object("A registrar's word on whose a consent key is.", &["card", "signature"]),
        ),
        named(
            "Offer",
            object(
                "A pseudonymous question, signed by its requester, for the citizen to take to the issuer.",
                &["request", "schema", "entry", "signature"],
            ),
        ),
        named(
            "Genesis",
            object(
                "The network's facts, in canonical JSON. All else is checked against them.",
                &[],
            ),
        ),
        named(
            "Receipt",
            object(
                "An entry, its place in the log and the validators' certificate: verifiable offline with the genesis file.",
                &[],
            ),
        ),
        named(
            "Bundle",
            object("Everything that a verified answer rests on, verifiable offline with the genesis file.", &[]),
        ),
        named(
            "PartSet",
            ObjectBuilder::new()
                .schema_type(Type::String)
                .description(Some("A bitmap of parts, the first in the lowest bit of the first byte, in lower-case hexadecimal digits."))
                .build()
                .into(),
        ),
        named("Taken", object("How many further questions the issuer would take at this moment.", &["places"])),
        named("Completion", object("Whether all of a payload has been checked: `checking` or `complete`.", &["state"])),
        named("Document", object("A public document, in canonical JSON.", &[])),
        named(
            "Circuits",
            Schema::Array(
                utoipa::openapi::ArrayBuilder::new()
                    .items(RefOr::T(object(
                        "A circuit on the chain.",
                        &[
                            "document",
                            "circuit",
                            "constraints_sha256",
                            "provenance",
                            "proposed_by",
                            "approvals",
                            "approved",
                        ],
                    )))
                    .build(),
            ),
        ),
        named(
            "Departments",
            Schema::Array(
                utoipa::openapi::ArrayBuilder::new()
                    .items(utoipa::openapi::Ref::from_schema_name("Department"))
                    .build(),
            ),
        ),
    ];
    ProblemDocument::schemas(&mut all);
    all
}

/// What a parameter means.
pub(super) struct Explained {
    pub(super) text: &'static str,
    pub(super) schema: Schema,
    pub(super) required: bool,
    pub(super) example: Json,
}

/// What the parameter of that name means, wherever it is.
pub(super) fn parameter(name: &str) -> Explained {
    let explained = |text, schema, required, example| Explained { text, schema, required, example };
    let digest = || digits("^[0-9a-f]{64}$".to_owned(), "64 digits.".to_owned());
    let id = || digits("^[0-9a-f]{32}$".to_owned(), "32 digits.".to_owned());
    let number = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).build().into();
    match name {
        "dataset" => explained("A dataset's name.", text(), true, json!("income")),
        "format" => explained(
            "How the file spells its rows: `csv`, which is the default, or `json-lines`.",
            text(),
            false,
            json!("csv"),
        ),
        "skip_bad" => explained(
            "Import the good rows of a file that has bad ones, and not nothing.",
            ObjectBuilder::new().schema_type(Type::Boolean).build().into(),
            false,
            json!(true),
        ),
        "from" => explained("Height of the first block.", number(), true, json!(1)),

        "path" => {
            explained("Level, index and width, with slashes between.", text(), true, json!("0/000"))
        }
        "department" => explained("A hosted department's id.", text(), true, json!("tax")),
        "digest" => explained("Digest of a request or a document.", digest(), true, json!(DIGEST)),
        "entry" => explained("Id of an entry.", digest(), true, json!(DIGEST)),
        "height" => explained("Height of a block, from 1.", number(), true, json!(7)),
        "id" | "payload" => explained("Id of a payload.", id(), true, json!(ID)),
        "name" => explained("The document's name.", text(), true, json!("letter.pdf")),
        "number" => explained("Number of a part, from 0.", number(), true, json!(0)),
        "request" => explained("Digest of a request.", digest(), true, json!(DIGEST)),
        "after" => {
            explained("The id of the last row of the page before.", text(), false, json!(DIGEST))
        }
        "limit" => explained(
            "At most so many: rows, up to 1,000 (a shorter page is the last one), or blocks, up to 256.",
            number(),
            false,
            json!(1_000),
        ),
        "Range" => explained(
            "`bytes=N-`: from byte N on. Other ranges are ignored.",
            text(),
            false,
            json!("bytes=1048576-"),
        ),
        "wait" => explained(
            "Seconds to wait for a change; no longer than half of a request's time.",
            number(),
            false,
            json!(10),
        ),
        "Idempotency-Key" => explained(
            "1 to 64 visible ASCII characters: the same request under the same key is one request.",
            text(),
            false,
            json!("case-4711"),
        ),
        _ => explained("See the description.", text(), false, json!("")),
    }
}

/// A problem document of that code, as an example.
pub(super) fn problem(code: &str, status: u16) -> Json {
    let title = title_of(code).unwrap_or_default();
    json!({
        "type": format!("urn:proofgate:problem:{code}"),
        "title": title,
        "status": status,
        "detail": "what is wrong in this case",
        "code": code,
        "instance": "urn:uuid:0d9ff3c1-5ad8-4b93-9f0a-6f6e4a3f0d6e",
    })
}
