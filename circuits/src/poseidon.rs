//! Poseidon with circomlib's BN254 parameters, so that JavaScript, circom and Solidity tools can
//! recompute every hash.
//!
//! Arity 8 belongs to tree nodes and to nothing else, arity 5 to EdDSA's challenge; every other use
//! begins with a [`Tag`]. Only [`tagged`], [`node`] and [`challenge`] are public, so no other use
//! can arise by accident.
//!
//! Source: Grassi et al., "Poseidon", USENIX Security 2021; parameters of circomlib `poseidon.circom`.

pub mod constraints;
mod permutation;
mod tag;

use crate::Fr;
use permutation::Permutation;
pub use tag::Tag;

/// Children of a tree node.
pub const NODE_ARITY: usize = 8;
/// Inputs of EdDSA's challenge hash.
pub const CHALLENGE_ARITY: usize = 5;
/// The most inputs circomlib's parameters are used with here.
pub const MAX_ARITY: usize = 12;

/// `Poseidon(tag, inputs…)`
///
/// # Panics
/// If the number of inputs is not the one the tag is registered with.
pub fn tagged(tag: Tag, inputs: &[Fr]) -> Fr {
    let mut all = Vec::with_capacity(tag.arity());
    all.push(tag.element());
    all.extend_from_slice(inputs);
    assert_eq!(all.len(), tag.arity(), "inputs of {tag:?}");
    permute(&all)
}

/// `Poseidon(c0, …, c7)`: a node of the record tree from its children.
pub fn node(children: [Fr; NODE_ARITY]) -> Fr {
    permute(&children)
}

/// `Poseidon(R8.x, R8.y, A.x, A.y, M)`: the challenge of circomlib's EdDSA.
pub fn challenge(inputs: [Fr; CHALLENGE_ARITY]) -> Fr {
    permute(&inputs)
}

/// `F(d) = Poseidon(T_digest, high 128 bits, low 128 bits)`, both halves big-endian: the field form
/// of a 32-byte digest.
pub fn digest_element(digest: &[u8; 32]) -> Fr {
    let (high, low) = digest.split_at(16);
    let half = crate::field::from_short_be_bytes;
    tagged(Tag::Digest, &[half(high), half(low)])
}

/// circomlib's `Poseidon(inputs)`, of 1 to [`MAX_ARITY`] inputs.
fn permute(inputs: &[Fr]) -> Fr {
    Permutation::of(inputs.len()).hash(inputs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    /// circomlib `test/poseidoncircuit.js` and `test/poseidonjs.js`; eight inputs by npm's `circomlibjs`
    /// 0.1.7 and `poseidon-lite` 0.3.0, which agree.
    const CIRCOMLIB: [(&[u64], &str); 5] = [
        (&[1, 2], "7853200120776062878684798364095072458815029376092732009249414926327459813530"),
        (&[3, 4], "14763215145315200506921711489642608356394854266165572616578112107564877678998"),
        (
            &[1, 2, 0, 0, 0],
            "1018317224307729531995786483840663576608797660851238720571059489595066344487",
        ),
        (
            &[1, 2, 3, 4, 5, 6],
            "20400040500897583745843009878988256314335038853985262692600694741116813247201",
        ),
        (
            &[1, 2, 3, 4, 5, 6, 7, 8],
            "18604317144381847857886385684060986177838410221561136253933256952257712543953",
        ),
    ];

    #[test]
    fn agrees_with_circomlib() {
        for (inputs, expected) in CIRCOMLIB {
            let inputs: Vec<Fr> = inputs.iter().copied().map(Fr::from).collect();
            assert_eq!(permute(&inputs), Fr::from_str(expected).unwrap());
        }
    }

    #[test]
    fn trailing_zeros_and_arities_do_not_collide() {
        let a = Fr::from(7);
        let zero = Fr::from(0);
        let hashes = [
            permute(&[a]),
            permute(&[a, zero]),
            permute(&[a, zero, zero]),
            permute(&[a, zero, zero, zero]),
            challenge([a, zero, zero, zero, zero]),
            node([a, zero, zero, zero, zero, zero, zero, zero]),
            tagged(Tag::Digest, &[a, zero]),
            tagged(Tag::Subject, &[a, zero]),
        ];
        for (i, left) in hashes.iter().enumerate() {
            assert!(hashes[i + 1..].iter().all(|right| left != right));
        }
    }

    #[test]
    #[should_panic(expected = "inputs of Digest")]
    fn a_tag_has_one_arity() {
        tagged(Tag::Digest, &[Fr::from(1)]);
    }
}
