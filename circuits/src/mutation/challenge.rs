//! Signing again: what follows from the challenge goes into `R8`, which goes into the challenge, so that
//! nothing but the secret key makes them fit.

use std::ops::Range;

use ark_ff::{Field as _, One, PrimeField as _};
use ark_r1cs_std::{alloc::AllocVar, fields::fp::FpVar};
use ark_relations::gr1cs::{ConstraintSystem, SynthesisMode};

use super::{
    bases::{Base, Signer},
    forgery::Forgery,
    ladder::Ladder,
    system::System,
};
use crate::{
    Fr,
    babyjubjub::{
        Scalar,
        constraints::{PointVar, variable_base},
    },
    eddsa::{
        Signature,
        constraints::{SignatureVar, enforce_for_challenge},
    },
    poseidon,
};

/// Where the challenge `h` and what follows from it stand in a circuit.
pub(super) struct Challenge {
    /// The first row about the key.
    first_row: usize,
    /// The rows of its hash.
    rows: Range<usize>,
    /// The rows of the signature after them.
    signature: Range<usize>,
    /// The wires of R8, A and M.
    inputs: [usize; 5],
    /// The first wire after those of the hash.
    first_wire: usize,
    /// The row `g − δ + k·l = h`.
    recoded: usize,
    ladder: Ladder,
}

impl Challenge {
    /// None if the circuit looks at no signature.
    pub(super) fn find(system: &System, functions: &[Vec<String>]) -> Option<Self> {
        let is_in = |row: usize, name: &str| {
            functions[row].iter().any(|function| function.ends_with(&format!("::{name}")))
        };
        let all = || (0..system.rows()).filter(|row| is_in(*row, "enforce_signature"));
        let of_hash = || all().filter(|row| is_in(*row, "poseidon"));
        let (first, last) = (of_hash().next()?, of_hash().next_back()?);
        // An input is raised to the fifth power: three rows, of which the first is its square.
        let input = |lane: usize| system.wires_in(first + 3 * lane).min();
        let inputs = [input(0)?, input(1)?, input(2)?, input(3)?, input(4)?];
        let recoded = system
            .rows_of(system.computes(last)?)
            .iter()
            .find(|row| is_in(**row, "enforce_recoded"))?;
        let signature = last + 1..all().next_back()? + 1;
        Some(Self {
            ladder: Ladder::find(system, signature.clone(), functions)?,
            first_row: all().next()?,
            rows: first..last + 1,
            signature,
            inputs,
            first_wire: system.computes(last)? + 1,
            recoded: *recoded,
        })
    }

    /// The last row of the hash. With it open any element is a challenge.
    pub(super) const fn last_row(&self) -> usize {
        self.rows.end - 1
    }

    /// The rows that the challenge decides.
    pub(super) fn signature(&self) -> Range<usize> {
        self.signature.clone()
    }

    /// Whether the row is of the signature, its key or its challenge.
    pub(super) const fn is_of_signature(&self, row: usize) -> bool {
        self.first_row <= row && row < self.signature.end
    }

    /// Whether the challenge decides about the row, and not the row about the challenge.
    pub(super) fn decides(&self, row: usize) -> bool {
        self.signature.contains(&row)
    }

    /// The challenge that the wires of the hash make, if those of the signature are of the challenge
    /// `signed`.
    fn now(&self, system: &System, z: &[Fr], signed: Fr) -> Fr {
        signed - system.residual(self.recoded, z)
    }

    fn hashed(&self, z: &[Fr]) -> Fr {
        poseidon::challenge(self.inputs.map(|wire| z[wire]))
    }

    /// Signs anew for the key and the challenge that the wires have now, `base` being what they had when it
    /// was signed; the key is the signer's, its negative, or either with a component of order 2.
    pub(super) fn sign_again(
        &self,
        system: &System,
        base: &Base,
        z: &[Fr],
    ) -> impl Iterator<Item = Vec<Fr>> {
        let challenge = self.now(system, z, self.hashed(&base.z));
        base.signer.into_iter().flat_map(|signer| [signer, signer.negated()]).map(move |signer| {
            let mut z = z.to_vec();
            self.put(&mut z, challenge, &signer);
            z
        })
    }

    /// `base` with another challenge, signed: only the last row of the hash does not hold.
    pub(super) fn given(&self, system: &System, base: &Base, challenge: Fr) -> Option<Base> {
        let mut z = base.z.clone();
        let wire = system.computes(self.last_row())?;
        let before = self.now(system, &z, Fr::from(0));
        z[wire] += Fr::one();
        let slope = self.now(system, &z, Fr::from(0)) - before;
        z[wire] += (challenge - self.hashed(&base.z)) / slope - Fr::one();
        self.put(&mut z, challenge, &base.signer?);
        debug_assert!(system.unsatisfied(&z, 2).iter().all(|row| *row == self.last_row()));
        Some(Base { z, signer: None })
    }

    /// [`Self::given`] for challenges that hashes are rarely: such that chunks of `g` are 0, or equal to those
    /// of the bound that `g` is compared with.
    pub(super) fn given_cases(&self, system: &System, bases: &[Base]) -> Vec<Base> {
        let power = |bit: u64| Fr::from(2).pow([bit]);
        let delta = -Fr::from(variable_base::OFFSET);
        // k = 0: g = δ + h, and the first chunk in which it is not δ − 1 is each once.
        let mut challenges: Vec<Fr> = vec![Fr::from(5)];
        let lowest_bit = |chunk: u64| power((3 + 31 * 7u64).saturating_sub(31 * chunk));
        challenges.extend((0..8).map(|chunk| lowest_bit(chunk) + lowest_bit(chunk + 1)));
        // k = 3, and g has bits in the first chunk only.
        let order = Fr::from(Scalar::MODULUS);
        challenges.push(power(249) + delta + order * Fr::from(3));
        // Whatever the hash is.
        let hashed = bases.iter().map(|base| self.hashed(&base.z));
        challenges.extend(hashed);
        challenges
            .iter()
            .zip(bases.iter().cycle())
            .filter_map(|(challenge, base)| self.given(system, base, *challenge))
            .collect()
    }

    /// `base` with a row of the multiplication broken in the way that is known for it, and signed with what makes
    /// up for that; none for other rows.
    pub(super) fn signed_around(
        &self,
        system: &System,
        base: &Base,
        row: usize,
    ) -> Option<Vec<Fr>> {
        let fault = self.ladder.fault(system, &base.z, row)?;
        let mut forgery = Forgery::new(system, &base.z, vec![row]);
        forgery.set(fault.wire, fault.value);
        forgery.fix(fault.wire);
        // S·BASE8 = R8 − P + multiple·P, with P = 4A
        let signer = base.signer?;
        let fourfold = Scalar::from(4) * signer.secret;
        let s = signer.nonce + (fault.multiple - Scalar::one()) * fourfold;
        let challenge = self.hashed(&base.z);
        let wires = self.signed(&base.z, challenge, Signature::new(signer.r8(), s));
        for (wire, value) in (self.first_wire..).zip(wires) {
            if wire >= self.ladder.first_wire {
                forgery.set(wire, value);
            }
        }
        forgery.compute();
        Some(forgery.assignment().to_vec())
    }

    fn put(&self, z: &mut [Fr], challenge: Fr, signer: &Signer) {
        let signature = Signature::new(signer.r8(), signer.s(challenge));
        let wires = self.signed(z, challenge, signature);
        z[self.first_wire..][..wires.len()].copy_from_slice(&wires);
    }

    /// The wires of the signature.
    fn signed(&self, z: &[Fr], challenge: Fr, signature: Signature) -> Vec<Fr> {
        let cs = ConstraintSystem::new_ref();
        cs.set_mode(SynthesisMode::Prove {
            construct_matrices: false,
            generate_lc_assignments: false,
        });
        let wire =
            |value: Fr| FpVar::new_witness(cs.clone(), || Ok(value)).expect("a value is handed in");
        let key = PointVar { x: wire(z[self.inputs[2]]), y: wire(z[self.inputs[3]]) };
        let h = wire(challenge);
        let signature = SignatureVar::new_witness(cs.clone(), || Ok(signature))
            .expect("a signature is handed in");
        enforce_for_challenge(&key, &h, &signature).expect("all values are handed in");
        // After the five wires that were handed in.
        cs.witness_assignment().expect("all values are there").split_off(5)
    }
}
