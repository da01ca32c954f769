use super::*;
use crate::Fr;
use ark_bn254::{Fq, G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, BigInteger, Field, PrimeField, UniformRand};
use ark_r1cs_std::{
    alloc::AllocVar,
    eq::EqGadget,
    fields::{FieldVar, fp::FpVar},
};
use ark_relations::gr1cs::{ConstraintSynthesizer, ConstraintSystemRef, SynthesisError};
use ark_serialize::CanonicalSerialize;
use ark_std::rand::{RngCore, rngs::StdRng};

mod batch;
mod keys;

/// Knows `x` with `x³ + x + 5 = y` and `x² = z`; the inputs are `y`, `z` and an unused one.
#[derive(Clone, Default)]
pub(crate) struct Cubic {
    x: Option<Fr>,
    inputs: Option<[Fr; 3]>,
}

impl Cubic {
    pub(crate) fn of(x: u64) -> Self {
        let x = Fr::from(x);
        let inputs = [x * x * x + x + Fr::from(5), x * x, Fr::from(99)];
        Self { x: Some(x), inputs: Some(inputs) }
    }

    pub(crate) fn public(&self) -> [Fr; 3] {
        self.inputs.unwrap()
    }
}

impl ConstraintSynthesizer<Fr> for Cubic {
    fn generate_constraints(self, cs: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        let missing = SynthesisError::AssignmentMissing;
        let input = |i: usize| {
            FpVar::new_input(cs.clone(), || self.inputs.map(|inputs| inputs[i]).ok_or(missing))
        };
        let [y, z, _] = [input(0)?, input(1)?, input(2)?];
        let x = FpVar::new_witness(cs.clone(), || self.x.ok_or(missing))?;
        let square = x.square()?;
        square.enforce_equal(&z)?;
        (square * &x + &x + Fr::from(5)).enforce_equal(&y)
    }
}

fn rng() -> StdRng {
    StdRng::from_seed([7; 32])
}

fn key() -> &'static ProvingKey {
    static KEY: std::sync::OnceLock<ProvingKey> = std::sync::OnceLock::new();
    KEY.get_or_init(|| setup(&Cubic::default(), &mut rng()).unwrap())
}

fn prepared() -> PreparedVerifyingKey {
    key().verifying_key().into()
}

fn valid() -> ([Fr; 3], Proof) {
    let circuit = Cubic::of(3);
    (circuit.public(), prove(key(), circuit, &mut rng()).unwrap())
}

#[test]
fn a_proof_verifies_for_its_own_statement_only() {
    let (inputs, proof) = valid();
    assert_eq!(verify(&prepared(), &inputs, &proof), Ok(()));
    for i in 0..inputs.len() {
        let mut other = inputs;
        other[i] += Fr::ONE;
        assert_eq!(verify(&prepared(), &other, &proof), Err(VerifyError::Refused), "input {i}");
    }
    let swapped = [inputs[1], inputs[0], inputs[2]];
    assert_eq!(verify(&prepared(), &swapped, &proof), Err(VerifyError::Refused));
    let other_key = setup(&Cubic::default(), &mut StdRng::from_seed([8; 32])).unwrap();
    let other_key = PreparedVerifyingKey::from(other_key.verifying_key());
    assert_eq!(verify(&other_key, &inputs, &proof), Err(VerifyError::Refused));
}

#[test]
fn extra_and_missing_inputs_are_refused() {
    let circuit = Cubic { inputs: Some([Fr::from(35), Fr::from(9), Fr::ZERO]), ..Cubic::of(3) };
    let inputs = circuit.public();
    let proof = prove(key(), circuit, &mut rng()).unwrap();
    let extra = [inputs.as_slice(), &[Fr::from(1)]].concat();
    // The library alone accepts both, the second one because the missing input is zero.
    for (wrong, got) in [(extra.as_slice(), 4), (&inputs[..2], 2)] {
        let points = ark_groth16::prepare_verifying_key(key().verifying_key().points());
        assert_eq!(Engine::verify_proof(&points, &proof.0, wrong), Ok(true));
        assert_eq!(
            verify(&prepared(), wrong, &proof),
            Err(VerifyError::InputCount { expected: 3, got })
        );
    }
    assert_eq!(verify(&prepared(), &inputs, &proof), Ok(()));
}

#[test]
fn a_bad_witness_is_refused_by_the_first_row_that_fails() {
    let mut circuit = Cubic::of(3);
    circuit.x = Some(Fr::from(4));
    // Row 0 defines x², row 1 compares it with z.
    assert_eq!(prove(key(), circuit.clone(), &mut rng()), Err(ProveError::Unsatisfied { row: 1 }));
    assert_eq!(check(key(), circuit.clone()), Err(ProveError::Unsatisfied { row: 1 }));
    assert_eq!(check(key(), Cubic::of(3)), Ok(()));
    circuit.inputs = Some([Fr::from(36), Fr::from(16), Fr::ZERO]);
    let last = key().r1cs().constraints() - 1;
    assert_eq!(prove(key(), circuit, &mut rng()), Err(ProveError::Unsatisfied { row: last }));
}

#[test]
fn without_the_check_a_bad_witness_gives_a_proof_that_does_not_verify() {
    let mut circuit = Cubic::of(3);
    circuit.x = Some(Fr::from(4));
    let inputs = circuit.public();
    let proof = prove_without_satisfaction_check(key(), circuit, &mut rng()).unwrap();
    assert_eq!(verify(&prepared(), &inputs, &proof), Err(VerifyError::Refused));
    let proof = prove_without_satisfaction_check(key(), Cubic::of(3), &mut rng()).unwrap();
    assert_eq!(verify(&prepared(), &inputs, &proof), Ok(()));
}

#[test]
fn another_circuit_or_a_missing_assignment_is_refused() {
    #[derive(Clone)]
    struct Wider(Cubic);
    impl ConstraintSynthesizer<Fr> for Wider {
        fn generate_constraints(self, cs: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
            let _ = FpVar::new_witness(cs.clone(), || Ok(Fr::ONE))?;
            self.0.generate_constraints(cs)
        }
    }
    let expected = key().r1cs().variables();
    assert_eq!(
        prove(key(), Wider(Cubic::of(3)), &mut rng()),
        Err(ProveError::OtherCircuit { expected, got: expected + 1 })
    );
    assert_eq!(
        prove(key(), Cubic::default(), &mut rng()),
        Err(ProveError::Synthesis(SynthesisError::AssignmentMissing))
    );
}

#[test]
fn a_rerandomised_proof_has_other_bytes_and_verifies() {
    let (inputs, proof) = valid();
    let other = proof.rerandomised(key().verifying_key(), &mut rng());
    assert_ne!(other.to_bytes(), proof.to_bytes());
    assert_eq!(verify(&prepared(), &inputs, &other), Ok(()));
}

#[test]
fn two_proofs_of_one_statement_differ() {
    let mut rng = rng();
    let first = prove(key(), Cubic::of(3), &mut rng).unwrap();
    assert_ne!(first, prove(key(), Cubic::of(3), &mut rng).unwrap());
}

#[test]
fn proof_bytes_are_exact() {
    let (_, proof) = valid();
    let bytes = proof.to_bytes();
    assert_eq!(Proof::from_bytes(&bytes), Ok(proof));
    let long = [bytes.as_slice(), &[0]].concat();
    assert_eq!(Proof::from_bytes(&long), Err(ProofError::Length { got: PROOF_BYTES + 1 }));
    assert_eq!(
        Proof::from_bytes(&bytes[..PROOF_BYTES - 1]),
        Err(ProofError::Length { got: PROOF_BYTES - 1 })
    );
    assert_eq!(Proof::from_bytes(&[]), Err(ProofError::Length { got: 0 }));
}

#[test]
fn no_flipped_bit_of_a_proof_is_accepted() {
    let (inputs, proof) = valid();
    let bytes = proof.to_bytes();
    let key = prepared();
    for position in 0..PROOF_BYTES {
        for bit in [0x01, 0x40, 0x80] {
            let mut flipped = bytes;
            flipped[position] ^= bit;
            if let Ok(proof) = Proof::from_bytes(&flipped) {
                let outcome = verify(&key, &inputs, &proof);
                assert_eq!(outcome, Err(VerifyError::Refused), "byte {position}, bit {bit:#x}");
            }
        }
    }
}

#[test]
fn other_spellings_and_foreign_points_are_refused() {
    let (_, valid) = valid();
    let bytes = valid.to_bytes();

    // A: x + q, of a proof whose A has an x so small that the sum leaves the two flag bits alone.
    let mut rng = rng();
    let (mut aliased, sum) = (0..100)
        .find_map(|_| {
            let other = valid.rerandomised(key().verifying_key(), &mut rng);
            let mut sum = other.0.a.x.into_bigint();
            assert!(!sum.add_with_carry(&Fq::MODULUS));
            (sum.num_bits() <= 254).then(|| (other.to_bytes(), sum))
        })
        .unwrap();
    let flags = aliased[31] & 0xc0;
    aliased[..32].copy_from_slice(&sum.to_bytes_le());
    aliased[31] |= flags;
    assert_eq!(Proof::from_bytes(&aliased), Err(ProofError::Point));

    // C: the identity with a coordinate left in place.
    let mut identity = bytes;
    identity[127] = identity[127] & 0x3f | 0x40;
    assert_eq!(Proof::from_bytes(&identity), Err(ProofError::NotCanonical));

    // A: no point has this x.
    let mut off_curve = bytes;
    let x = (0u64..).map(Fq::from).find(|x| (*x * x * x + Fq::from(3)).sqrt().is_none()).unwrap();
    x.serialize_compressed(&mut off_curve[..32]).unwrap();
    assert_eq!(Proof::from_bytes(&off_curve), Err(ProofError::Point));

    // B: on the curve but out of the subgroup.
    let mut out_of_subgroup = bytes;
    let stray = (0u64..)
        .filter_map(|x| G2Affine::get_point_from_x_unchecked(ark_bn254::Fq2::from(x), false))
        .find(|point| !point.is_in_correct_subgroup_assuming_on_curve())
        .unwrap();
    assert!(stray.is_on_curve());
    stray.serialize_compressed(&mut out_of_subgroup[32..96]).unwrap();
    assert_eq!(Proof::from_bytes(&out_of_subgroup), Err(ProofError::Point));
}

#[test]
fn the_identity_is_a_point_and_proves_nothing() {
    let (inputs, valid) = valid();
    let with_identity = |places: u32, mut proof: Proof| {
        if places & 1 != 0 {
            proof.0.a = G1Affine::identity();
        }
        if places & 2 != 0 {
            proof.0.b = G2Affine::identity();
        }
        if places & 4 != 0 {
            proof.0.c = G1Affine::identity();
        }
        proof
    };
    // In bytes it is the flag 0x40 and nothing else.
    let mut bytes = [0; PROOF_BYTES];
    (bytes[31], bytes[95], bytes[127]) = (0x40, 0x40, 0x40);
    assert_eq!(Proof::from_bytes(&bytes), Ok(with_identity(7, valid.clone())));
    for places in 1..8 {
        let proof = with_identity(places, valid.clone());
        let proof = Proof::from_bytes(&proof.to_bytes()).unwrap();
        for inputs in [inputs, [Fr::ZERO; 3]] {
            let outcome = verify(&prepared(), &inputs, &proof);
            assert_eq!(outcome, Err(VerifyError::Refused), "places {places:#b}");
        }
    }
    assert_eq!(verify(&prepared(), &inputs, &with_identity(0, valid)), Ok(()));
}

#[test]
fn random_bytes_are_refused_without_a_panic() {
    let mut rng = rng();
    for _ in 0..200 {
        let mut bytes = [0; PROOF_BYTES];
        rng.fill_bytes(&mut bytes);
        assert!(Proof::from_bytes(&bytes).is_err());
    }
}

#[test]
fn the_r1cs_file_has_the_documented_layout() {
    let r1cs = key().r1cs();
    let file = r1cs.to_file();
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    assert_eq!(&file[..4], b"r1cs");
    assert_eq!((word(4), word(8)), (1, 3));
    // Header section: kind, size, field size, prime, wires, outputs, inputs, private, labels, rows.
    assert_eq!((word(12), word(16), word(24)), (1, 64, 32));
    assert_eq!(file[28..60], Fr::MODULUS.to_bytes_le());
    let witness = u32::try_from(r1cs.witness_variables()).unwrap();
    assert_eq!((word(60), word(64), word(68), word(72)), (1 + 3 + witness, 0, 3, witness));
    assert_eq!(usize::try_from(word(84)).unwrap(), r1cs.constraints());
    // First row: x · x = square, each one term of coefficient 1; x is wire 4, its square wire 5.
    let row = 88 + 12;
    for (term, wire) in [(0, 4), (1, 4), (2, 5)] {
        let at = row + term * 40;
        assert_eq!((word(at), word(at + 4), word(at + 8)), (1, wire, 1));
    }
    assert_eq!(r1cs.digest(), R1cs::of(Cubic::default()).unwrap().digest());
}
