use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{One, UniformRand, Zero};
use ark_r1cs_std::alloc::AllocVar;
use ark_relations::gr1cs::{ConstraintSystem, ConstraintSystemRef, SynthesisMode};
use ark_std::{rand::RngCore, test_rng};

use super::*;
use crate::{
    babyjubjub::{
        BASE8, Point, SubgroupPoint,
        constraints::tests::{Rows, broken_clause, point, wire},
        tests::order_eight,
    },
    eddsa::{
        PrivateKey,
        tests::{Vector, sign_with_torsion, vectors},
    },
};

fn synthesise(
    cs: &ConstraintSystemRef<Fr>,
    public_key: Point,
    message: Fr,
    signature: Signature,
) -> Result<(), SynthesisError> {
    let public_key = point(cs, public_key);
    let message = wire(cs, message);
    let signature = SignatureVar::new_witness(cs.clone(), || Ok(signature))?;
    enforce_signature(&public_key, &message, &signature)
}

fn broken(public_key: Point, message: Fr, signature: Signature) -> Option<String> {
    broken_clause(|cs| synthesise(&cs, public_key, message, signature))
}

fn signed() -> (Point, Fr, Signature) {
    let Vector { public_key, message, signature, .. } = vectors().swap_remove(9);
    (public_key.0.point(), message, signature)
}

#[test]
fn zk_kits_signatures_are_accepted() {
    for Vector { public_key, message, signature, .. } in vectors() {
        let cs = ConstraintSystem::new_ref();
        synthesise(&cs, public_key.0.point(), message, signature).unwrap();
        assert!(cs.is_satisfied().unwrap());
    }
}

#[test]
fn agrees_with_the_native_check_at_random() {
    let rng = &mut test_rng();
    for round in 0..6 {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let key = PrivateKey::from_bytes(&seed);
        let message = Fr::rand(rng);
        let mut signature = key.sign(message);
        if round % 2 == 1 {
            signature.s += Scalar::one();
        }
        let expected = key.public_key().verify(message, &signature).is_ok();
        assert_eq!(expected, round % 2 == 0);
        let broken = broken(key.public_key().0.point(), message, signature);
        assert_eq!(broken.is_none(), expected);
    }
}

#[test]
fn another_message_key_r8_or_s_breaks_the_equation() {
    let (public_key, message, signature) = signed();
    assert_eq!(broken(public_key, message, signature), None);
    let equation = Some("enforce_equation".to_owned());
    assert_eq!(broken(public_key, message + Fr::one(), signature), equation);
    assert_eq!(broken(-public_key, message, signature), equation);
    let s = signature.s + Scalar::one();
    assert_eq!(broken(public_key, message, Signature { s, ..signature }), equation);
    let r8 = -signature.r8.point();
    let r8 = SubgroupPoint::from_coordinates(r8.x, r8.y).unwrap();
    assert_eq!(broken(public_key, message, Signature { r8, ..signature }), equation);
}

/// `R8` as any wires: they are no checked type inside.
fn broken_with_r8(public_key: Point, message: Fr, r8: Point, s: Scalar) -> Option<String> {
    broken_clause(|cs| {
        let public_key = point(&cs, public_key);
        let message = wire(&cs, message);
        let signature = SignatureVar { r8: point(&cs, r8), s: Some(s) };
        enforce_signature(&public_key, &message, &signature)
    })
}

#[test]
fn r8_off_the_curve_or_outside_the_subgroup_breaks_the_equation() {
    let (public_key, message, signature) = signed();
    let r8 = signature.r8.point();
    assert_eq!(broken_with_r8(public_key, message, r8, signature.s), None);
    let equation = Some("enforce_equation".to_owned());
    let off = Point::new_unchecked(r8.x + Fr::one(), r8.y);
    assert_eq!(broken_with_r8(public_key, message, off, signature.s), equation);

    // The signer of a component of low order: all but that component fits.
    let secret = Scalar::from(31);
    let public_key = (BASE8 * secret).into_affine();
    let nonce = Scalar::from(1_000);
    let sign = |torsion: Point| {
        let r8 = (BASE8 * nonce + torsion).into_affine();
        let inputs = [r8.x, r8.y, public_key.x, public_key.y, message];
        let challenge = crate::babyjubjub::reduce(crate::poseidon::challenge(inputs));
        (r8, nonce + challenge * Scalar::from(8) * secret)
    };
    for multiple in 1u64..8 {
        let (r8, s) = sign(order_eight().mul_bigint([multiple]).into_affine());
        assert_eq!(broken_with_r8(public_key, message, r8, s), equation);
    }
    let (r8, s) = sign(Point::zero());
    assert_eq!(broken_with_r8(public_key, message, r8, s), None);
}

#[test]
fn r8_of_low_order_breaks_the_equation_and_the_identity_does_as_natively() {
    let secret = Scalar::from(31);
    let public_key = (BASE8 * secret).into_affine();
    let message = Fr::from(3);
    // All that fits, with nothing but a component of low order for a nonce.
    let s = |r8: Point| {
        let inputs = [r8.x, r8.y, public_key.x, public_key.y, message];
        let challenge = crate::babyjubjub::reduce(crate::poseidon::challenge(inputs));
        challenge * Scalar::from(8) * secret
    };
    let equation = Some("enforce_equation".to_owned());
    for multiple in 1u64..8 {
        let r8 = order_eight().mul_bigint([multiple]).into_affine();
        assert_eq!(broken_with_r8(public_key, message, r8, s(r8)), equation, "{multiple}");
    }
    let identity = Point::zero();
    assert_eq!(broken_with_r8(public_key, message, identity, Scalar::zero()), equation);
    assert_eq!(broken_with_r8(public_key, message, identity, s(identity)), None);
    // Coordinates (0, 0) are on no curve.
    let nothing = Point::new_unchecked(Fr::zero(), Fr::zero());
    assert_eq!(broken_with_r8(public_key, message, nothing, s(nothing)), equation);
}

#[test]
fn a_key_outside_the_subgroup_is_refused_though_the_equation_holds() {
    let message = Fr::from(3);
    for secret in [Scalar::zero(), Scalar::from(1_234_567)] {
        for multiple in 1u64..8 {
            let torsion = order_eight().mul_bigint([multiple]).into_affine();
            let (public_key, signature) = sign_with_torsion(secret, torsion, message);
            assert_eq!(
                broken(public_key, message, signature).as_deref(),
                Some("enforce_in_subgroup")
            );
        }
    }
    let (public_key, signature) = sign_with_torsion(Scalar::from(9), Point::zero(), message);
    assert_eq!(broken(public_key, message, signature), None);
}

#[test]
fn a_key_off_the_curve_is_refused() {
    let (public_key, message, signature) = signed();
    let moved = Point::new_unchecked(public_key.x, public_key.y + Fr::one());
    assert_eq!(broken(moved, message, signature).as_deref(), Some("enforce_in_subgroup"));
    let swapped = Point::new_unchecked(public_key.y, public_key.x);
    assert_eq!(broken(swapped, message, signature).as_deref(), Some("enforce_in_subgroup"));
}

#[test]
fn the_identity_is_no_key_though_the_equation_holds() {
    let message = Fr::from(3);
    let (public_key, signature) = sign_with_torsion(Scalar::zero(), Point::zero(), message);
    assert!(public_key.is_zero());
    assert_eq!(broken(public_key, message, signature).as_deref(), Some("enforce_not_identity"));
}

#[test]
fn the_size_is_pinned() {
    let (public_key, message, signature) = signed();
    let cs = ConstraintSystem::new_ref();
    synthesise(&cs, public_key, message, signature).unwrap();
    let parts = 16 + 321 + 10 + 1_612 + 505 + 12;
    assert_eq!(cs.num_constraints(), parts);
    assert_eq!(cs.num_constraints(), 2_476);
}

#[test]
fn setup_needs_no_signature_and_gives_the_same_matrices() {
    let setup = ConstraintSystem::new_ref();
    setup.set_mode(SynthesisMode::Setup);
    let missing = || -> Result<Fr, SynthesisError> { panic!("called in setup") };
    let public_key = PointVar {
        x: FpVar::new_witness(setup.clone(), missing).unwrap(),
        y: FpVar::new_witness(setup.clone(), missing).unwrap(),
    };
    let message = FpVar::new_witness(setup.clone(), missing).unwrap();
    let signature = SignatureVar::new_witness(setup.clone(), || panic!("called in setup")).unwrap();
    enforce_signature(&public_key, &message, &signature).unwrap();
    setup.finalize();

    let (public_key, message, signature) = signed();
    let prove = ConstraintSystem::new_ref();
    synthesise(&prove, public_key, message, signature).unwrap();
    prove.finalize();
    assert_eq!(setup.num_witness_variables(), prove.num_witness_variables());
    assert_eq!(setup.to_matrices().unwrap(), prove.to_matrices().unwrap());
}

#[test]
fn an_assignment_only_pass_gives_the_same_assignment() {
    let (public_key, message, signature) = signed();
    let assignment = |symbolic| {
        let cs = ConstraintSystem::new_ref();
        cs.set_mode(SynthesisMode::Prove {
            construct_matrices: symbolic,
            generate_lc_assignments: symbolic,
        });
        synthesise(&cs, public_key, message, signature).unwrap();
        cs.witness_assignment().unwrap()
    };
    assert_eq!(assignment(true), assignment(false));
}

/// Each private wire alone, moved by 1 and −1 and set to 0, 1 and a random value, breaks a
/// constraint it is in. There are no exceptions.
#[test]
fn every_wire_is_pinned() {
    let rng = &mut test_rng();
    let (public_key, message, signature) = signed();
    let cs = ConstraintSystem::new_ref();
    synthesise(&cs, public_key, message, signature).unwrap();
    let mut rows = Rows::new(&cs);
    assert!(rows.all_hold());
    let by_wire = rows.by_wire();

    for (wire, its_rows) in by_wire.iter().enumerate().skip(rows.first_private) {
        let honest = rows.values[wire];
        let moved = [honest + Fr::one(), honest - Fr::one(), Fr::zero(), Fr::one(), Fr::rand(rng)];
        for value in moved.into_iter().filter(|value| *value != honest) {
            rows.values[wire] = value;
            let broken = its_rows.iter().any(|row| !rows.holds(*row));
            assert!(broken, "wire {wire} moves to {value}");
        }
        rows.values[wire] = honest;
    }
}
