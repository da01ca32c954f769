//! The table of domain tags: who may hash what.

use super::{CHALLENGE_ARITY, NODE_ARITY};
use crate::{Fr, field};

/// First input of every Poseidon hash that is neither a tree node nor an EdDSA challenge.
///
/// A tag's element is its label's ASCII bytes as a big-endian integer, so two labels are two elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tag {
    /// `F(d)`: field form of a digest.
    Digest,
    /// One link of a string's chain.
    String,
    /// Outer half of a record commitment.
    Record,
    /// Inner half of a record commitment.
    RecordInner,
    /// Subject tag `t` of `identified/v1`.
    Subject,
    /// The message `M` that a citizen signs.
    Consent,
    /// Pseudonym `p` of `pseudonymous/v1`.
    Pseudonym,
    /// Scope of a pseudonym: requester and purpose.
    Scope,
    /// Outer half of a query commitment.
    Query,
    /// Inner half of a query commitment.
    QueryInner,
}

impl Tag {
    /// Every tag.
    pub const ALL: [Self; 10] = [
        Self::Digest,
        Self::String,
        Self::Record,
        Self::RecordInner,
        Self::Subject,
        Self::Consent,
        Self::Pseudonym,
        Self::Scope,
        Self::Query,
        Self::QueryInner,
    ];

    /// The label, and the number of inputs including the tag.
    const fn entry(self) -> (&'static str, usize) {
        match self {
            Self::Digest => ("proofgate/v1/digest", 3),
            Self::String => ("proofgate/v1/string", 3),
            Self::Record => ("proofgate/v1/record", 12),
            Self::RecordInner => ("proofgate/v1/record-inner", 12),
            Self::Subject => ("proofgate/v1/subject", 3),
            Self::Consent => ("proofgate/v1/consent", 3),
            Self::Pseudonym => ("proofgate/v1/pseudonym", 3),
            Self::Scope => ("proofgate/v1/scope", 3),
            Self::Query => ("proofgate/v1/query", 10),
            Self::QueryInner => ("proofgate/v1/query-inner", 12),
        }
    }

    /// The number of inputs of a hash under this tag, the tag included.
    pub const fn arity(self) -> usize {
        self.entry().1
    }

    /// The tag as the hash's first input.
    pub fn element(self) -> Fr {
        field::from_short_be_bytes(self.entry().0.as_bytes())
    }
}

// Arities 5 and 8 are untagged; a tagged hash of that width could equal a node or a challenge.
const _: () = {
    let mut i = 0;
    assert!(NODE_ARITY != CHALLENGE_ARITY);
    while i < Tag::ALL.len() {
        let arity = Tag::ALL[i].arity();
        assert!(arity != NODE_ARITY && arity != CHALLENGE_ARITY);
        i += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_uses_share_a_tag() {
        for (i, left) in Tag::ALL.iter().enumerate() {
            for right in &Tag::ALL[i + 1..] {
                assert_ne!(left.element(), right.element());
            }
        }
    }
}
