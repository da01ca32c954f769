//! The request document: one question, to one issuer, for one purpose.
//!
//! Its digest is what the citizen signs, what the proof is bound to and what the chain records. The
//! subject is not in it: who the question is about travels beside it, sealed, and binds through the
//! subject tag.

use chain::identifier::{DepartmentId, EntryId, NetworkId};
use circuits::Fr;
use circuits::encoding::Date;
use circuits::poseidon::digest_element;
use circuits::query::{CompiledQuery, Mode, Query, QueryError};
use circuits::schema::Schema;
use circuits::statement::{self, CircuitId};
use crypto::{Digest, canonical};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::VERSION;

/// The longest a request may wait for its answer: 31 days.
pub const MAX_LIFETIME_SECONDS: u64 = 31 * 24 * 60 * 60;
/// The longest purpose, in bytes.
pub const MAX_PURPOSE_BYTES: usize = 64;
/// The longest reference to a law, in bytes.
pub const MAX_REFERENCE_BYTES: usize = 256;

/// 128 random bits, 32 lower-case hexadecimal digits in documents.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// The nonce whose bytes these are.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The nonce's bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The nonce as a field element, big-endian.
    pub fn element(&self) -> Fr {
        let mut bytes = [0; 32];
        bytes[16..].copy_from_slice(&self.0);
        circuits::field::from_be_bytes(&bytes).expect("128 bits are below the modulus")
    }
}

impl From<Nonce> for String {
    fn from(nonce: Nonce) -> Self {
        hex::encode(nonce.0)
    }
}

/// A nonce is not 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("expected 32 lower-case hexadecimal digits")]
pub struct ParseNonceError;

impl TryFrom<String> for Nonce {
    type Error = ParseNonceError;

    fn try_from(text: String) -> Result<Self, ParseNonceError> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(&text, &mut bytes).map_err(|_| ParseNonceError)?;
        if hex::encode(bytes) == text { Ok(Self(bytes)) } else { Err(ParseNonceError) }
    }
}

/// On what ground the question is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LegalBasis {
    /// The citizen consents to exactly this question.
    Consent {
        /// Digest of the key card whose key signs the consent; absent where the key is inside the
        /// record (`pseudonymous/v1`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key_card: Option<Digest>,
    },
    /// A law that the service document names; no signature, visibly.
    Statutory {
        /// The law, as the service document spells it.
        reference: String,
    },
}

impl LegalBasis {
    /// The basis as the query commitment encodes it.
    pub fn code(&self) -> circuits::query::Basis {
        match self {
            Self::Consent { .. } => circuits::query::Basis::Consent,
            Self::Statutory { .. } => circuits::query::Basis::Statutory,
        }
    }
}

/// A question as the requester writes it; trusted only as a [`CheckedRequest`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Format version, 1.
    pub version: u32,
    /// The network whose chain records it.
    pub network: NetworkId,
    /// The circuit that is to prove the answer.
    pub circuit: CircuitId,
    /// Who asks.
    pub requester: DepartmentId,
    /// Who is asked.
    pub issuer: DepartmentId,
    /// Id of the chain entry of the service asked: dataset, schema and what may be asked of it.
    pub service: EntryId,
    /// Digest of the schema the query is written against.
    pub schema: Digest,
    /// The query in its rewritten form.
    pub query: serde_json::Value,
    /// The date that ages are counted at.
    pub as_of: Date,
    /// What the answer is for; part of a pseudonym's scope.
    pub purpose: String,
    /// On what ground.
    pub legal_basis: LegalBasis,
    /// Equal over a declared set of requests about one subject, else fresh.
    pub nonce: Nonce,
    /// When it was written, Unix seconds.
    pub created: u64,
    /// After this Unix second no answer counts.
    pub expires: u64,
}

/// What an issuer says when it takes a question: `{"places":3}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// Further questions that it would take at this moment.
    pub places: usize,
}

/// A request that is well-formed under its schema, with everything that follows from it.
///
/// Requester, issuer, wallet and auditor all obtain `r`, `q` and the context here and nowhere else.
#[derive(Clone, Debug)]
pub struct CheckedRequest {
    request: Request,
    digest: Digest,
    query: Query,
    compiled: CompiledQuery,
    schema_element: Fr,
    context: Fr,
    query_commitment: Fr,
}

/// Why a request is not well-formed.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum RequestError {
    /// Another format version.
    #[error("version {got}; this software reads version {VERSION}")]
    Version {
        /// The version that the document has.
        got: u32,
    },
    /// The schema at hand is not the one the request names.
    #[error("written against schema {named}, not {at_hand}")]
    Schema {
        /// In the request.
        named: Digest,
        /// Of the service.
        at_hand: Digest,
    },
    /// The query is not one of the schema.
    #[error("query: {0}")]
    Query(#[from] QueryError),
    /// The query is not in the one spelling that is signed, shown and committed.
    #[error("query: not in its rewritten form")]
    QuerySpelling,
    /// The purpose is empty, too long or not a slug.
    #[error(
        "purpose {purpose:?}: expected 1 to {MAX_PURPOSE_BYTES} of a-z, 0-9 and '-', beginning with a letter"
    )]
    Purpose {
        /// As given.
        purpose: String,
    },
    /// The law's reference is empty or too long.
    #[error("legal basis: a reference of 1 to {MAX_REFERENCE_BYTES} bytes is needed")]
    Reference,
    /// `identified/v1` with consent names no key card, or a request that has no use for one does.
    #[error("legal basis: {circuit} with this basis {} a key card", if *.needed { "needs" } else { "takes no" })]
    KeyCard {
        /// The circuit.
        circuit: CircuitId,
        /// Whether a card is needed.
        needed: bool,
    },
    /// `pseudonymous/v1` proves the citizen's signature, so it has no statutory form.
    #[error("legal basis: {0} always needs the citizen's consent")]
    StatutoryPseudonym(CircuitId),
    /// Requester and issuer are one.
    #[error("requester and issuer are both {0}")]
    SelfRequest(DepartmentId),
    /// The lifetime is empty or too long.
    #[error(
        "expires {expires} must be 1 to {MAX_LIFETIME_SECONDS} seconds after created {created}"
    )]
    Lifetime {
        /// Unix seconds.
        created: u64,
        /// Unix seconds.
        expires: u64,
    },
}

impl RequestError {
    /// A stable name of the failed check.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Version { .. } => "request-version",
            Self::Schema { .. } => "request-schema",
            Self::Query(_) => "request-query",
            Self::QuerySpelling => "request-query-spelling",
            Self::Purpose { .. } => "request-purpose",
            Self::Reference => "request-legal-reference",
            Self::KeyCard { .. } => "request-key-card",
            Self::StatutoryPseudonym(_) => "request-statutory-pseudonym",
            Self::SelfRequest(_) => "request-to-oneself",
            Self::Lifetime { .. } => "request-lifetime",
        }
    }
}

impl CheckedRequest {
    /// Checks `request` against the schema it names.
    ///
    /// # Errors
    /// [`RequestError`] names the first thing that does not hold.
    pub fn check(
        request: Request,
        schema: &Schema,
        schema_digest: &Digest,
    ) -> Result<Self, RequestError> {
        if request.version != VERSION {
            return Err(RequestError::Version { got: request.version });
        }
        if request.schema != *schema_digest {
            return Err(RequestError::Schema { named: request.schema, at_hand: *schema_digest });
        }
        if request.requester == request.issuer {
            return Err(RequestError::SelfRequest(request.issuer));
        }
        check_purpose(&request.purpose)?;
        check_basis(&request)?;
        let lifetime = request.expires.checked_sub(request.created);
        if !lifetime.is_some_and(|seconds| (1..=MAX_LIFETIME_SECONDS).contains(&seconds)) {
            return Err(RequestError::Lifetime {
                created: request.created,
                expires: request.expires,
            });
        }
        let query = Query::parse(&request.query, schema, request.as_of)?;
        if query.to_json() != request.query {
            return Err(RequestError::QuerySpelling);
        }
        let digest =
            canonical::digest(&request).expect("a request has string keys and integers only");
        let compiled = query.compile();
        let schema_element = digest_element(schema_digest.as_bytes());
        let mode = request.circuit.mode();
        let context = match mode {
            Mode::Identified => request.nonce.element(),
            Mode::Pseudonymous => scope(&request.requester, &request.purpose),
        };
        let query_commitment =
            compiled.commitment(mode, request.legal_basis.code(), schema_element, context);
        Ok(Self { request, digest, query, compiled, schema_element, context, query_commitment })
    }

    /// The document.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// SHA-256 of the canonical document.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// `r = F(digest)`
    pub fn element(&self) -> Fr {
        digest_element(self.digest.as_bytes())
    }

    /// The query as it is shown.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The query as it is committed.
    pub fn compiled(&self) -> &CompiledQuery {
        &self.compiled
    }

    /// `F(schema digest)`
    pub fn schema_element(&self) -> Fr {
        self.schema_element
    }

    /// What `q` binds besides the query: the nonce (`identified/v1`) or the scope (`pseudonymous/v1`).
    pub fn context(&self) -> Fr {
        self.context
    }

    /// `q`
    pub fn query_commitment(&self) -> Fr {
        self.query_commitment
    }

    /// `M = Poseidon(T_consent, r, q)`: what the citizen signs.
    pub fn consent_message(&self) -> Fr {
        circuits::eddsa::consent_message(self.element(), self.query_commitment)
    }

    /// What the request's entry on the chain holds.
    pub fn entry_digest(&self) -> Digest {
        chain::entry::request_digest(&self.digest)
    }
}

/// The scope of pseudonyms for this requester and purpose.
fn scope(requester: &DepartmentId, purpose: &str) -> Fr {
    let element =
        |label, text: &str| digest_element(Digest::labelled(label, &[text.as_bytes()]).as_bytes());
    statement::scope(
        element("proofgate/v1/scope/requester", requester.as_str()),
        element("proofgate/v1/scope/purpose", purpose),
    )
}

fn check_purpose(purpose: &str) -> Result<(), RequestError> {
    let slug = purpose.starts_with(|first: char| first.is_ascii_lowercase())
        && purpose.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if slug && purpose.len() <= MAX_PURPOSE_BYTES {
        Ok(())
    } else {
        Err(RequestError::Purpose { purpose: purpose.to_owned() })
    }
}

fn check_basis(request: &Request) -> Result<(), RequestError> {
    let circuit = request.circuit;
    match (&request.legal_basis, circuit.mode()) {
        (LegalBasis::Consent { key_card }, mode) => {
            let needed = mode == Mode::Identified;
            if key_card.is_some() != needed {
                return Err(RequestError::KeyCard { circuit, needed });
            }
        }
        (LegalBasis::Statutory { .. }, Mode::Pseudonymous) => {
            return Err(RequestError::StatutoryPseudonym(circuit));
        }
        (LegalBasis::Statutory { reference }, Mode::Identified) => {
            if reference.is_empty() || reference.len() > MAX_REFERENCE_BYTES {
                return Err(RequestError::Reference);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::schema_digest;
    use serde_json::{Value, json};

    fn code(change: impl FnOnce(&mut Value)) -> &'static str {
        let schema = Schema::parse(include_str!("../../data/tax.schema.json")).unwrap();
        let digest = schema_digest(&schema);
        let mut json = json!({
            "version": 1, "network": "00".repeat(32), "circuit": "identified/v1",
            "requester": "welfare", "issuer": "tax", "service": "11".repeat(32), "schema": digest,
            "query": [{"path": ["filing_role"], "predicate": {"$in": ["none", "sole"]}}],
            "as_of": "2024-12-31", "purpose": "benefit-eligibility",
            "legal_basis": {"kind": "consent", "key_card": "22".repeat(32)},
            "nonce": "33".repeat(16), "created": 1_000, "expires": 2_000
        });
        change(&mut json);
        let request: Request = serde_json::from_value(json).unwrap();
        CheckedRequest::check(request, &schema, &digest).map_or_else(|error| error.code(), |_| "ok")
    }

    #[test]
    fn each_fault_of_a_request_is_refused_alone() {
        assert_eq!(code(|_| ()), "ok");
        assert_eq!(code(|json| json["version"] = json!(2)), "request-version");
        assert_eq!(code(|json| json["schema"] = json!("44".repeat(32))), "request-schema");
        assert_eq!(code(|json| json["requester"] = json!("tax")), "request-to-oneself");
        assert_eq!(code(|json| json["query"] = json!([])), "request-query");
        assert_eq!(
            code(|json| json["query"][0]["predicate"]["$in"] = json!(["sole", "none"])),
            "request-query-spelling"
        );
        for purpose in ["", "Benefit", "1st", "two words", &"a".repeat(MAX_PURPOSE_BYTES + 1)] {
            assert_eq!(code(|json| json["purpose"] = json!(purpose)), "request-purpose");
        }
    }

    #[test]
    fn a_lifetime_is_one_second_to_31_days() {
        let expires = |at: u64| code(|json| json["expires"] = json!(at));
        assert_eq!(expires(999), "request-lifetime");
        assert_eq!(expires(1_000), "request-lifetime");
        assert_eq!(expires(1_001), "ok");
        assert_eq!(expires(1_000 + MAX_LIFETIME_SECONDS), "ok");
        assert_eq!(expires(1_001 + MAX_LIFETIME_SECONDS), "request-lifetime");
    }

    #[test]
    fn a_key_card_is_named_where_its_key_signs_and_nowhere_else() {
        let basis = |circuit: &str, basis: Value| {
            code(|json| {
                json["circuit"] = json!(circuit);
                json["legal_basis"] = basis;
            })
        };
        let card = json!({"kind": "consent", "key_card": "22".repeat(32)});
        let none = json!({"kind": "consent"});
        let law = |reference: &str| json!({"kind": "statutory", "reference": reference});
        assert_eq!(basis("identified/v1", none.clone()), "request-key-card");
        assert_eq!(basis("pseudonymous/v1", card), "request-key-card");
        assert_eq!(basis("pseudonymous/v1", none), "ok");
        assert_eq!(basis("pseudonymous/v1", law("Act")), "request-statutory-pseudonym");
        assert_eq!(basis("identified/v1", law("Act")), "ok");
        assert_eq!(basis("identified/v1", law("")), "request-legal-reference");
        let long = "x".repeat(MAX_REFERENCE_BYTES + 1);
        assert_eq!(basis("identified/v1", law(&long)), "request-legal-reference");
    }
}
