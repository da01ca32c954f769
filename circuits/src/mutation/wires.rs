//! Which private wires may move freely.

use std::collections::{BTreeMap, BTreeSet};

use ark_ff::{AdditiveGroup as _, Field as _, UniformRand as _};
use ark_std::rand::{SeedableRng as _, rngs::StdRng};

use super::{bases::bases, system::System};
use crate::{Fr, statement::CircuitId};

/// The private wires that satisfy every constraint with another value too, in some of several satisfied
/// assignments, counted by the innermost `enforce_*` functions around the constraints they stand in.
///
/// Each wire is changed alone: to 0, 1 and −1, by 1 and −1, and to a random element. A wire that nothing binds is
/// the usual way for a circuit to be unsound; those in [`FREE_WIRES`](super::FREE_WIRES) are harmless.
pub fn free_wires(circuit: CircuitId, seed: [u8; 32]) -> BTreeMap<String, usize> {
    let rng = &mut StdRng::from_seed(seed);
    let r1cs = circuit.r1cs();
    let mut assignments: Vec<Vec<Fr>> =
        bases(circuit, &r1cs, rng).into_iter().map(|base| base.z).collect();
    let first_private = r1cs.instance_variables();
    let system = System::new(r1cs);
    let mut free = BTreeSet::new();
    for z in &mut assignments {
        for wire in first_private..z.len() {
            let honest = z[wire];
            let others =
                [Fr::ZERO, Fr::ONE, -Fr::ONE, honest + Fr::ONE, honest - Fr::ONE, Fr::rand(rng)];
            if is_free(&system, z, wire, &others) {
                free.insert(wire);
            }
        }
    }
    let functions = circuit.functions_by_row();
    let mut counts = BTreeMap::new();
    for wire in free {
        let names = system.rows_of(wire).iter().filter_map(|row| {
            functions[*row].iter().rev().find(|name| name.contains("::enforce_")).cloned()
        });
        let names: BTreeSet<_> = names.collect();
        *counts.entry(Vec::from_iter(names).join(", ")).or_default() += 1;
    }
    counts
}

/// Whether every row holds with another of these values in the wire's place.
pub(super) fn is_free(system: &System, z: &mut [Fr], wire: usize, others: &[Fr]) -> bool {
    let honest = z[wire];
    let is_free = others.iter().filter(|other| **other != honest).any(|other| {
        z[wire] = *other;
        system.rows_of(wire).iter().all(|row| system.residual(*row, z) == Fr::ZERO)
    });
    z[wire] = honest;
    is_free
}
