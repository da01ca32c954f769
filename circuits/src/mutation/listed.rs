//! What is not bound or guarded as everything else is, and why that is harmless. Tests hold what is found to it.

/// Private wires that may move freely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeWires {
    /// The function in whose constraints the wires stand.
    pub function: &'static str,
    /// How many of a circuit's wires are free in some of the assignments that are looked at.
    pub count: usize,
    /// Why that is harmless.
    pub reason: &'static str,
}

/// The wires that move freely, the same in both circuits.
pub const FREE_WIRES: [FreeWires; 2] = [
    FreeWires {
        function: "circuits::query::constraints::clause::enforce_membership",
        count: 5,
        reason: "the inverse that shows a value to be in no set, where the value is in the set and nothing else is \
                 claimed: the row reads 0 · inverse = 0, and the inverse is in no other",
    },
    FreeWires {
        function: "circuits::query::constraints::clause::enforce_presence",
        count: 8,
        reason: "the inverse that shows a value not to be absent, where it is absent and nothing else is claimed: the \
                 row reads 0 · inverse = 0, and the inverse is in no other",
    },
];

const KEY: &str = "without it the key is another point than the secret key's, and nobody knows how to sign for \
                   it; with the challenge given, anybody does";

const SIGNATURE: &str = "what it computes goes into R8, R8 into the challenge, and the challenge into what it \
                         computes: a value that the secret key makes up for is not known here, and any other \
                         asks for a fixed point of the hash; with the challenge given, any is made up for";

/// Why a row is shown guarded only where the challenge is given, by the functions around it; none if it
/// has to be guarded without.
pub(super) fn reason(functions: &[String]) -> Option<&'static str> {
    let is_in = |name: &str| functions.iter().any(|it| it.ends_with(&format!("::{name}")));
    if !is_in("enforce_signature") || is_in("poseidon") {
        None
    } else if is_in("enforce_in_subgroup") {
        Some(KEY)
    } else {
        Some(SIGNATURE)
    }
}
