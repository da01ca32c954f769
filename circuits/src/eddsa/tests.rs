use ark_ec::{AffineRepr, CurveGroup, PrimeGroup};
use ark_ff::{BigInteger, Field, One, Zero};
use serde::Deserialize;

use super::*;
use crate::{
    babyjubjub::{Point, tests::order_eight},
    field,
};

/// One signature made by npm `@zk-kit/eddsa-poseidon`; see `vectors/eddsa.README.md`.
pub(super) struct Vector {
    pub(super) private_key: PrivateKey,
    pub(super) message: Fr,
    pub(super) public_key: PublicKey,
    pub(super) signature: Signature,
}

pub(super) fn vectors() -> Vec<Vector> {
    #[derive(Deserialize)]
    struct Text {
        seed: String,
        message: String,
        public_key: String,
        signature: String,
    }
    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }
    let texts: Vec<Text> = serde_json::from_str(include_str!("../../vectors/eddsa.json")).unwrap();
    texts
        .iter()
        .map(|text| Vector {
            private_key: PrivateKey::from_bytes(&bytes(&text.seed)),
            message: field::from_be_bytes(&bytes(&text.message)).unwrap(),
            public_key: PublicKey::from_bytes(&bytes(&text.public_key)).unwrap(),
            signature: Signature::from_bytes(&bytes(&text.signature)).unwrap(),
        })
        .collect()
}

/// A signature that only the cofactor makes: `A = a · BASE8 + torsion`, `S = r + 8h · a`.
pub(super) fn sign_with_torsion(secret: Scalar, torsion: Point, message: Fr) -> (Point, Signature) {
    let public_key = (BASE8 * secret + torsion).into_affine();
    let nonce = Scalar::from(0x1234_5678);
    let r8 = SubgroupPoint::from_scalar(nonce);
    let hash = poseidon::challenge([r8.x(), r8.y(), public_key.x, public_key.y, message]);
    let s = nonce + babyjubjub::reduce(hash) * Scalar::from(8) * secret;
    (public_key, Signature { r8, s })
}

fn signed() -> Vector {
    vectors().swap_remove(7)
}

#[test]
fn zk_kits_signatures_verify_and_are_reproduced() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 24);
    for vector in &vectors {
        assert_eq!(vector.private_key.public_key(), vector.public_key);
        assert_eq!(vector.private_key.sign(vector.message).to_bytes(), vector.signature.to_bytes());
        assert_eq!(vector.public_key.verify(vector.message, &vector.signature), Ok(()));
    }
}

#[test]
fn another_message_or_key_is_refused() {
    let Vector { message, public_key, signature, .. } = signed();
    assert_eq!(public_key.verify(message, &signature), Ok(()));
    assert_eq!(public_key.verify(message + Fr::one(), &signature), Err(VerifyError));
    let other = vectors().swap_remove(8).public_key;
    assert_eq!(other.verify(message, &signature), Err(VerifyError));
    let negated = PublicKey::from_coordinates(-public_key.x(), public_key.y()).unwrap();
    assert_eq!(negated.verify(message, &signature), Err(VerifyError));
}

#[test]
fn another_r8_or_s_is_refused() {
    let Vector { message, public_key, signature, .. } = signed();
    let moved = Signature { s: signature.s + Scalar::one(), ..signature };
    assert_eq!(public_key.verify(message, &moved), Err(VerifyError));
    let negated = SubgroupPoint::from_coordinates(-signature.r8.x(), signature.r8.y()).unwrap();
    assert_eq!(
        public_key.verify(message, &Signature { r8: negated, ..signature }),
        Err(VerifyError)
    );
}

#[test]
fn a_second_spelling_of_s_is_refused() {
    let mut bytes = signed().signature.to_bytes();
    let mut s = signed().signature.s.into_bigint();
    assert!(!s.add_with_carry(&Scalar::MODULUS));
    bytes[POINT_BYTES..].copy_from_slice(&s.to_bytes_be());
    assert_eq!(Signature::from_bytes(&bytes), Err(SignatureError::Scalar(ScalarError)));
}

#[test]
fn r8_is_checked() {
    let Vector { message, signature, public_key, .. } = signed();
    let with_r8 = |point: Point| {
        let mut bytes = signature.to_bytes();
        bytes[..32].copy_from_slice(&field::to_be_bytes(point.x));
        bytes[32..64].copy_from_slice(&field::to_be_bytes(point.y));
        Signature::from_bytes(&bytes)
    };
    let r8 = signature.r8.point();
    let refused = |error| Err(SignatureError::Point(error));
    assert_eq!(
        with_r8(Point::new_unchecked(r8.x + Fr::one(), r8.y)),
        refused(PointError::NotOnCurve)
    );
    assert_eq!(with_r8(Point::new_unchecked(r8.y, r8.x)), refused(PointError::NotOnCurve));
    assert_eq!(with_r8((r8 + order_eight()).into_affine()), refused(PointError::NotInSubgroup));

    let mut bytes = signature.to_bytes();
    let mut x = r8.x.into_bigint();
    assert!(!x.add_with_carry(&Fr::MODULUS));
    bytes[..32].copy_from_slice(&x.to_bytes_be());
    assert_eq!(Signature::from_bytes(&bytes), refused(PointError::NotCanonical));

    assert_eq!(public_key.verify(message, &with_r8(r8).unwrap()), Ok(()));
}

#[test]
fn an_r8_of_low_order_is_refused_and_the_identity_is_no_shortcut() {
    let Vector { message, signature, public_key, .. } = signed();
    let with = |r8: Point, s: Scalar| {
        let mut bytes = signature.to_bytes();
        bytes[..32].copy_from_slice(&field::to_be_bytes(r8.x));
        bytes[32..64].copy_from_slice(&field::to_be_bytes(r8.y));
        bytes[64..].copy_from_slice(&babyjubjub::scalar_to_be_bytes(s));
        Signature::from_bytes(&bytes)
    };
    for multiple in 1u64..8 {
        let low = order_eight().mul_bigint([multiple]).into_affine();
        assert_eq!(
            with(low, signature.s),
            Err(SignatureError::Point(PointError::NotInSubgroup)),
            "{multiple}"
        );
    }
    // The identity is a point of the subgroup, and what a signer has who draws 0 for a nonce.
    for s in [Scalar::zero(), Scalar::one(), signature.s] {
        let forged = with(Point::zero(), s).unwrap();
        assert_eq!(public_key.verify(message, &forged), Err(VerifyError));
    }
    let secret = Scalar::from(31);
    let public_key = PublicKey(SubgroupPoint::from_scalar(secret));
    let nothing = SubgroupPoint::from_scalar(Scalar::zero());
    let hash = babyjubjub::reduce(challenge(&nothing, &public_key.0, message));
    let signed = with(Point::zero(), hash * Scalar::from(8) * secret).unwrap();
    assert_eq!(public_key.verify(message, &signed), Ok(()));
}

#[test]
fn keys_of_low_order_are_refused_though_they_would_sign_for_anybody() {
    let message = Fr::from(42);
    for multiple in 0u64..8 {
        let low = order_eight().mul_bigint([multiple]).into_affine();
        let (public_key, signature) = sign_with_torsion(Scalar::zero(), low, message);
        // The equation alone holds: that is why the key has to be checked.
        let hash = poseidon::challenge([
            signature.r8.x(),
            signature.r8.y(),
            public_key.x,
            public_key.y,
            message,
        ]);
        let eightfold = public_key.mul_bigint([8u64]).mul_bigint(hash.into_bigint());
        assert_eq!(BASE8 * signature.s, eightfold + signature.r8.point());

        let expected = if multiple == 0 { PointError::Identity } else { PointError::NotInSubgroup };
        assert_eq!(PublicKey::from_coordinates(public_key.x, public_key.y), Err(expected));
    }
}

#[test]
fn keys_with_a_component_of_low_order_are_refused() {
    let secret = Scalar::from(77).pow([5u64]);
    let (public_key, _) = sign_with_torsion(secret, order_eight(), Fr::from(1));
    assert_eq!(
        PublicKey::from_coordinates(public_key.x, public_key.y),
        Err(PointError::NotInSubgroup)
    );
    let (public_key, signature) = sign_with_torsion(secret, Point::zero(), Fr::from(1));
    let public_key = PublicKey::from_coordinates(public_key.x, public_key.y).unwrap();
    assert_eq!(public_key.verify(Fr::from(1), &signature), Ok(()));
}

#[test]
fn public_keys_have_one_encoding() {
    let public_key = signed().public_key;
    let bytes = public_key.to_bytes();
    assert_eq!(PublicKey::from_bytes(&bytes), Ok(public_key));
    assert_eq!(PublicKey::from_coordinates(public_key.x(), public_key.y()), Ok(public_key));

    let mut swapped = bytes;
    swapped.rotate_left(32);
    assert_eq!(PublicKey::from_bytes(&swapped), Err(PointError::NotOnCurve));

    let mut lifted = bytes;
    let mut y = public_key.y().into_bigint();
    assert!(!y.add_with_carry(&Fr::MODULUS));
    lifted[32..].copy_from_slice(&y.to_bytes_be());
    assert_eq!(PublicKey::from_bytes(&lifted), Err(PointError::NotCanonical));
}

#[test]
fn the_consent_message_is_tagged_and_ordered() {
    let (request, query) = (Fr::from(1), Fr::from(2));
    let expected = poseidon::tagged(Tag::Consent, &[request, query]);
    assert_eq!(consent_message(request, query), expected);
    assert_ne!(consent_message(request, query), consent_message(query, request));
}

#[test]
fn a_private_key_is_not_printed() {
    let key = PrivateKey::from_bytes(&[0xab; 32]);
    assert_eq!(format!("{key:?}"), "PrivateKey");
    assert_eq!(key.expose(), &[0xab; 32]);
}
