//! What an issuer commits to: one citizen's record, opened only inside a proof.

pub mod constraints;

use ark_ff::{AdditiveGroup, Field};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{
    Fr,
    poseidon::{self, Tag},
    schema::FIELDS,
};

/// Values hashed in the inner half of a commitment; the rest are in the outer half.
pub(crate) const INNER_FIELDS: usize = 10;

/// The consent key `(x, y)` of a record whose citizen has none: the neutral element of BabyJubJub,
/// under which no signature is accepted.
pub const NO_CONSENT_KEY: (Fr, Fr) = (Fr::ZERO, Fr::ONE);

/// What a record commitment commits to, apart from the schema.
///
/// Wiped on drop; its `Debug` shows nothing.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Opening {
    /// The encoded fields `v0…v15`; `v0` is the subject identifier.
    pub values: [Fr; FIELDS],
    /// The citizen's consent key `(Ax, Ay)`; [`NO_CONSENT_KEY`] if none.
    pub public_key: (Fr, Fr),
    /// Random; kept when the record is imported again, so that pseudonyms last.
    pub pseudonym_key: Fr,
    /// Random; fresh at every import, so that commitments of equal records differ.
    pub blinding: Fr,
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opening")
    }
}

/// `C = Poseidon(T_rec, Poseidon(T_recA, schema, v0…v9), v10…v15, Ax, Ay, pseudonym_key, blinding)`
///
/// Binds a record to its schema; hides it as long as `blinding` is unknown.
/// Circuit twin: [`constraints::commitment`].
pub fn commitment(schema: Fr, opening: &Opening) -> Fr {
    let (inner_values, outer_values) = opening.values.split_at(INNER_FIELDS);
    let mut inputs = Vec::with_capacity(poseidon::MAX_ARITY);
    inputs.push(schema);
    inputs.extend_from_slice(inner_values);
    let inner = poseidon::tagged(Tag::RecordInner, &inputs);
    inputs.zeroize();
    inputs.push(inner);
    inputs.extend_from_slice(outer_values);
    inputs.extend([
        opening.public_key.0,
        opening.public_key.1,
        opening.pseudonym_key,
        opening.blinding,
    ]);
    let commitment = poseidon::tagged(Tag::Record, &inputs);
    inputs.zeroize();
    commitment
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_std::{UniformRand, test_rng};

    fn opening() -> Opening {
        let rng = &mut test_rng();
        Opening {
            values: std::array::from_fn(|_| Fr::rand(rng)),
            public_key: (Fr::rand(rng), Fr::rand(rng)),
            pseudonym_key: Fr::rand(rng),
            blinding: Fr::rand(rng),
        }
    }

    #[test]
    fn every_part_is_bound() {
        let schema = Fr::from(7);
        let valid = opening();
        let mut commitments = vec![commitment(schema, &valid), commitment(Fr::from(8), &valid)];
        for field in 0..FIELDS {
            let mut changed = valid.clone();
            changed.values[field] += Fr::ONE;
            commitments.push(commitment(schema, &changed));
        }
        let parts: [fn(&mut Opening) -> &mut Fr; 4] = [
            |opening| &mut opening.public_key.0,
            |opening| &mut opening.public_key.1,
            |opening| &mut opening.pseudonym_key,
            |opening| &mut opening.blinding,
        ];
        for part in parts {
            let mut changed = valid.clone();
            *part(&mut changed) += Fr::ONE;
            commitments.push(commitment(schema, &changed));
        }
        for (i, left) in commitments.iter().enumerate() {
            assert!(commitments[i + 1..].iter().all(|right| left != right));
        }
        assert_eq!(commitments.len(), 2 + FIELDS + 4);
    }

    #[test]
    fn swapping_two_values_is_another_record() {
        let valid = opening();
        let mut swapped = valid.clone();
        swapped.values.swap(9, 10);
        assert_ne!(commitment(Fr::ONE, &valid), commitment(Fr::ONE, &swapped));
    }

    #[test]
    fn the_halves_a_node_and_a_commitment_differ_on_equal_inputs() {
        let inputs = [Fr::from(3); 11];
        let hashes = [
            poseidon::tagged(Tag::Record, &inputs),
            poseidon::tagged(Tag::RecordInner, &inputs),
            poseidon::tagged(Tag::QueryInner, &inputs),
            poseidon::node([Fr::from(3); poseidon::NODE_ARITY]),
        ];
        for (i, left) in hashes.iter().enumerate() {
            assert!(hashes[i + 1..].iter().all(|right| left != right));
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", opening()), "Opening");
    }
}
