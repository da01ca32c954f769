//! The document itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The longest `code` and `detail` that are taken from another gateway, in characters.
pub(super) const MAX_CODE: usize = 64;
pub(super) const MAX_DETAIL: usize = 1024;

/// A problem document (RFC 9457) as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemDocument {
    /// `urn:proofgate:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// What kind of problem it is.
    pub title: String,
    /// The response's status.
    pub status: u16,
    /// What is wrong in this case.
    pub detail: String,
    /// The problem's stable name.
    pub code: String,
    /// `urn:uuid:` and the request's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

impl ProblemDocument {
    /// The document in another gateway's response, if it is one.
    ///
    /// What is read ends up in logs and on screens: a code is a slug, and a detail is cut short and
    /// has no control characters.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let document: Self = serde_json::from_slice(bytes).ok()?;
        let slug = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let named =
            (1..=MAX_CODE).contains(&document.code.len()) && document.code.bytes().all(slug);
        let detail: String =
            document.detail.chars().filter(|c| !c.is_control()).take(MAX_DETAIL).collect();
        named.then_some(Self { detail, ..document })
    }
}
