//! A question, as a department's system asks it.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A question, as a department's system asks it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "AskFields", into = "AskFields")]
pub struct Ask {
    /// Who is asked.
    pub issuer: String,
    /// About which of its datasets.
    pub dataset: String,
    /// About whom.
    pub about: About,
    /// The condition: clauses as JSON.
    pub query: serde_json::Value,
    /// What for.
    pub purpose: String,
    /// On what ground.
    pub legal_basis: AskedBasis,
    /// The date that ages are counted at, `YYYY-MM-DD`.
    pub as_of: String,
    /// How long to wait for an answer, in seconds.
    pub expires_in: u64,
    /// The nonce of a declared set of questions about one subject.
    pub nonce: Option<NonceText>,
}

/// About whom a question is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// About this citizen.
    Subject(SubjectText),
    /// About whoever takes the offer to the issuer.
    Whoever,
}

/// [`Ask`] with the members that its JSON has.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Ask, description = "A question, as a department's system asks it.")]
pub(in crate::http) struct AskFields {
    /// Who is asked.
    issuer: String,
    /// About which of its datasets.
    dataset: String,
    /// About which citizen; or else `pseudonymous`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<SubjectText>,
    /// About whoever takes the offer to the issuer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pseudonymous: bool,
    /// The condition: claims that must all hold; of the alternatives within `any_of`, one.
    query: serde_json::Value,
    /// What for.
    purpose: String,
    /// On what ground.
    legal_basis: AskedBasis,
    /// The date that ages are counted at, `YYYY-MM-DD`.
    #[schema(format = Date)]
    as_of: String,
    /// How long to wait for an answer, in seconds.
    expires_in: u64,
    /// The nonce of a declared set of questions about one subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = "^[0-9a-f]{32}$")]
    nonce: Option<NonceText>,
}

impl TryFrom<AskFields> for Ask {
    type Error = &'static str;

    fn try_from(fields: AskFields) -> Result<Self, &'static str> {
        let about = match (fields.subject, fields.pseudonymous) {
            (Some(subject), false) => About::Subject(subject),
            (None, true) => About::Whoever,
            _ => return Err("expected either `subject` or `pseudonymous`: true"),
        };
        let AskFields { issuer, dataset, query, purpose, legal_basis, as_of, .. } = fields;
        let (expires_in, nonce) = (fields.expires_in, fields.nonce);
        Ok(Self { issuer, dataset, about, query, purpose, legal_basis, as_of, expires_in, nonce })
    }
}

impl From<Ask> for AskFields {
    fn from(ask: Ask) -> Self {
        let Ask { issuer, dataset, about, query, purpose, legal_basis, as_of, .. } = ask;
        let (subject, pseudonymous) = match about {
            About::Subject(subject) => (Some(subject), false),
            About::Whoever => (None, true),
        };
        let (expires_in, nonce) = (ask.expires_in, ask.nonce);
        Self {
            issuer,
            dataset,
            subject,
            pseudonymous,
            query,
            purpose,
            legal_basis,
            as_of,
            expires_in,
            nonce,
        }
    }
}

/// On what ground a department's system asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AskedBasis {
    /// The citizen consents. (With braces: serde lets a unit variant have unknown members.)
    Consent {},
    /// A law.
    Statutory {
        /// The law, as the service document spells it.
        reference: String,
    },
}

/// A subject identifier as it was given, not yet checked. `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct SubjectText(pub String);

impl fmt::Debug for SubjectText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectText(…)")
    }
}

/// 16 bytes, 32 lower-case hexadecimal digits.
pub type NonceText = crate::http::hex_bytes::HexBytes<16>;
