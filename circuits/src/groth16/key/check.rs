//! What makes a key acceptable.

use ark_bn254::{Bn254, G1Affine, G2Affine};
use ark_ec::{AffineRepr, pairing::Pairing};
use ark_groth16::{ProvingKey, VerifyingKey};
use thiserror::Error;

use crate::groth16::R1cs;

const G1_COMPRESSED: usize = 32;
const G2_COMPRESSED: usize = 64;
const G1_UNCOMPRESSED: usize = 64;
const G2_UNCOMPRESSED: usize = 128;
const COUNT: usize = 8;

/// Why bytes are not a key to use.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// Too short or too long for the circuit.
    #[error("the circuit's key has {expected} bytes, got {got}")]
    Length {
        /// What the circuit's key has.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// A point is off its curve or out of its subgroup, or a count is wrong.
    #[error("a point of the key is malformed")]
    Point,
    /// The points are valid but spelled another way than the canonical one.
    #[error("the key is not in canonical form")]
    NotCanonical,
    /// The key is for another number of public inputs.
    #[error("the circuit has {expected} public inputs, the key takes {got}")]
    InputCount {
        /// What the circuit has.
        expected: usize,
        /// What the key takes.
        got: usize,
    },
    /// A query is of another length than the circuit's.
    #[error("the {query:?} query has {got} points, the circuit's has {expected}")]
    QueryLength {
        /// Which query.
        query: Query,
        /// What the circuit's has.
        expected: usize,
        /// What the key's has.
        got: usize,
    },
    /// The element is the identity: what it should bind is bound by nothing.
    #[error("{element:?} is the identity")]
    Identity {
        /// Which element.
        element: KeyElement,
    },
    /// The element's secret is 1 or −1: nobody contributed to it.
    #[error("{element:?} is the generator: its secret is known")]
    Generator {
        /// Which element.
        element: KeyElement,
    },
    /// γ = ±δ: `A = α, B = β, C = ∓(IC₀ + Σ inputᵢ·ICᵢ)` verifies for any inputs.
    #[error("gamma equals delta: anybody can forge a proof of anything")]
    GammaEqualsDelta,
    /// The element in the first group has another secret than its twin in the second.
    #[error("{element:?} differs between the groups")]
    Inconsistent {
        /// Which element.
        element: KeyElement,
    },
}

/// A named element of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyElement {
    /// α
    Alpha,
    /// β
    Beta,
    /// γ
    Gamma,
    /// δ
    Delta,
    /// The element of the public input with this index, from 0.
    Input(usize),
}

/// A list of points in a proving key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Query {
    /// `A` in the first group.
    A,
    /// `B` in the first group.
    B1,
    /// `B` in the second group.
    B2,
    /// `h`
    H,
    /// The witness part of `C`.
    L,
}

/// Bytes of a compressed verifying key.
pub(super) const fn verifying_key_bytes(public_inputs: usize) -> usize {
    G1_COMPRESSED + 3 * G2_COMPRESSED + COUNT + (public_inputs + 1) * G1_COMPRESSED
}

/// Bytes of an uncompressed proving key.
pub(super) const fn proving_key_bytes(r1cs: &R1cs) -> usize {
    let verifying_key =
        G1_UNCOMPRESSED + 3 * G2_UNCOMPRESSED + COUNT + r1cs.instance_variables() * G1_UNCOMPRESSED;
    let first_group = 2 + 2 * r1cs.variables() + r1cs.domain_size() + r1cs.witness_variables();
    verifying_key + first_group * G1_UNCOMPRESSED + r1cs.variables() * G2_UNCOMPRESSED + 5 * COUNT
}

pub(super) fn verifying_key(
    key: &VerifyingKey<Bn254>,
    public_inputs: usize,
) -> Result<(), KeyError> {
    if key.gamma_abc_g1.len() != public_inputs + 1 {
        return Err(KeyError::InputCount {
            expected: public_inputs,
            got: key.gamma_abc_g1.len().saturating_sub(1),
        });
    }
    let identities = [
        (KeyElement::Alpha, key.alpha_g1.is_zero()),
        (KeyElement::Beta, key.beta_g2.is_zero()),
        (KeyElement::Gamma, key.gamma_g2.is_zero()),
        (KeyElement::Delta, key.delta_g2.is_zero()),
    ];
    let inputs = key.gamma_abc_g1.iter().skip(1).enumerate();
    let inputs = inputs.map(|(input, point)| (KeyElement::Input(input), point.is_zero()));
    if let Some((element, _)) = identities.into_iter().chain(inputs).find(|(_, is)| *is) {
        return Err(KeyError::Identity { element });
    }
    // Equal x means equal or opposite. γ may be the generator: snarkjs fixes it so, and it hides nothing.
    if key.gamma_g2.x == key.delta_g2.x {
        return Err(KeyError::GammaEqualsDelta);
    }
    let generators = [
        (KeyElement::Alpha, key.alpha_g1.x == G1Affine::generator().x),
        (KeyElement::Beta, key.beta_g2.x == G2Affine::generator().x),
        (KeyElement::Delta, key.delta_g2.x == G2Affine::generator().x),
    ];
    match generators.into_iter().find(|(_, is)| *is) {
        Some((element, _)) => Err(KeyError::Generator { element }),
        None => Ok(()),
    }
}

/// What a proving key must fulfil beyond its verifying key.
pub(super) fn proving_key(key: &ProvingKey<Bn254>, r1cs: &R1cs) -> Result<(), KeyError> {
    let lengths = [
        (Query::A, key.a_query.len(), r1cs.variables()),
        (Query::B1, key.b_g1_query.len(), r1cs.variables()),
        (Query::B2, key.b_g2_query.len(), r1cs.variables()),
        (Query::H, key.h_query.len(), r1cs.domain_size()),
        (Query::L, key.l_query.len(), r1cs.witness_variables()),
    ];
    for (query, got, expected) in lengths {
        if got != expected {
            return Err(KeyError::QueryLength { query, expected, got });
        }
    }
    let twins = [
        (KeyElement::Beta, key.beta_g1, key.vk.beta_g2),
        (KeyElement::Delta, key.delta_g1, key.vk.delta_g2),
    ];
    for (element, first, second) in twins {
        let left = Bn254::pairing(first, G2Affine::generator());
        if left != Bn254::pairing(G1Affine::generator(), second) {
            return Err(KeyError::Inconsistent { element });
        }
    }
    Ok(())
}
