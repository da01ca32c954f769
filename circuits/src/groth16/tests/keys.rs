//! Keys from bytes.

use super::*;

fn verifying() -> ark_groth16::VerifyingKey<ark_bn254::Bn254> {
    key().verifying_key().points().clone()
}

fn compressed(points: &impl CanonicalSerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    points.serialize_compressed(&mut bytes).unwrap();
    bytes
}

fn uncompressed(points: &impl CanonicalSerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    points.serialize_uncompressed(&mut bytes).unwrap();
    bytes
}

#[test]
fn keys_survive_their_bytes() {
    let bytes = key().verifying_key().to_bytes();
    let read = VerifyingKey::from_bytes(&bytes, 3).unwrap();
    assert_eq!(&read, key().verifying_key());
    assert_eq!(read.public_inputs(), 3);

    let proving = ProvingKey::from_bytes(key().r1cs().clone(), &key().to_bytes()).unwrap();
    assert_eq!(proving.verifying_key().id(), read.id());
    let proof = prove(&proving, Cubic::of(5), &mut rng()).unwrap();
    assert_eq!(verify(&prepared(), &Cubic::of(5).public(), &proof), Ok(()));
}

#[test]
fn the_id_is_the_hash_of_the_bytes() {
    use sha2::Digest as _;
    let bytes = key().verifying_key().to_bytes();
    let id = key().verifying_key().id();
    assert_eq!(id.as_bytes()[..], sha2::Sha256::digest(&bytes)[..]);
    assert_eq!(id.to_string(), hex::encode(id.as_bytes()));
    assert_eq!(KeyId::from_bytes(*id.as_bytes()), id);
    assert_eq!(prepared().id(), id);
}

#[test]
fn wrong_lengths_and_input_counts_are_refused() {
    let bytes = key().verifying_key().to_bytes();
    let expected = bytes.len();
    for wrong in [&bytes[..expected - 1], &[bytes.as_slice(), &[0]].concat()[..], &[]] {
        assert_eq!(
            VerifyingKey::from_bytes(wrong, 3),
            Err(KeyError::Length { expected, got: wrong.len() })
        );
    }
    assert_eq!(
        VerifyingKey::from_bytes(&bytes, 4),
        Err(KeyError::Length { expected: expected + 32, got: expected })
    );
    // The right length, but a count that says otherwise.
    let mut miscounted = bytes;
    miscounted[32 + 3 * 64] -= 1;
    assert_eq!(VerifyingKey::from_bytes(&miscounted, 3), Err(KeyError::NotCanonical));
    miscounted[32 + 3 * 64] += 2;
    assert_eq!(VerifyingKey::from_bytes(&miscounted, 3), Err(KeyError::Point));

    let bytes = key().to_bytes();
    for wrong in [&bytes[..bytes.len() - 1], &[bytes.as_slice(), &[0]].concat()[..]] {
        let outcome = ProvingKey::from_bytes(key().r1cs().clone(), wrong);
        let (expected, got) = (bytes.len(), wrong.len());
        assert_eq!(outcome.err(), Some(KeyError::Length { expected, got }));
    }
}

/// A change to a verifying key, and what it is refused for.
type Case = (fn(&mut ark_groth16::VerifyingKey<ark_bn254::Bn254>), KeyError);

#[test]
fn keys_under_which_anybody_could_forge_are_refused() {
    let identity = |element| KeyError::Identity { element };
    let generator = |element| KeyError::Generator { element };
    let cases: [Case; 12] = [
        (|key| key.alpha_g1 = G1Affine::identity(), identity(KeyElement::Alpha)),
        (|key| key.beta_g2 = G2Affine::identity(), identity(KeyElement::Beta)),
        (|key| key.gamma_g2 = G2Affine::identity(), identity(KeyElement::Gamma)),
        (|key| key.delta_g2 = G2Affine::identity(), identity(KeyElement::Delta)),
        (|key| key.gamma_abc_g1[1] = G1Affine::identity(), identity(KeyElement::Input(0))),
        (|key| key.gamma_abc_g1[3] = G1Affine::identity(), identity(KeyElement::Input(2))),
        (|key| key.alpha_g1 = G1Affine::generator(), generator(KeyElement::Alpha)),
        (|key| key.beta_g2 = G2Affine::generator(), generator(KeyElement::Beta)),
        (|key| key.delta_g2 = G2Affine::generator(), generator(KeyElement::Delta)),
        (|key| key.delta_g2 = -G2Affine::generator(), generator(KeyElement::Delta)),
        (|key| key.delta_g2 = key.gamma_g2, KeyError::GammaEqualsDelta),
        (|key| key.delta_g2 = -key.gamma_g2, KeyError::GammaEqualsDelta),
    ];
    for (change, error) in cases {
        let mut points = verifying();
        change(&mut points);
        assert_eq!(VerifyingKey::from_bytes(&compressed(&points), 3), Err(error));
    }
    assert!(VerifyingKey::from_bytes(&compressed(&verifying()), 3).is_ok());
}

#[test]
fn gamma_may_be_the_generator_as_in_every_snarkjs_key() {
    let mut points = verifying();
    points.gamma_g2 = G2Affine::generator();
    assert!(VerifyingKey::from_bytes(&compressed(&points), 3).is_ok());
}

#[test]
fn with_gamma_equal_to_delta_a_proof_of_anything_needs_no_witness() {
    let mut points = verifying();
    points.delta_g2 = points.gamma_g2;
    let inputs = [Fr::from(1), Fr::from(2), Fr::from(3)];
    let statement = Engine::prepare_inputs(&points.clone().into(), &inputs).unwrap();
    let forged =
        ark_groth16::Proof { a: points.alpha_g1, b: points.beta_g2, c: (-statement).into_affine() };
    assert_eq!(Engine::verify_proof(&points.clone().into(), &forged, &inputs), Ok(true));
    assert_eq!(VerifyingKey::from_bytes(&compressed(&points), 3), Err(KeyError::GammaEqualsDelta));
    assert_eq!(verify(&prepared(), &inputs, &Proof(forged)), Err(VerifyError::Refused));
}

/// A change to a verifying key; and, from its points and a statement's `IC₀ + Σ inputᵢ·ICᵢ`, a proof made
/// without a witness, with what the key is refused for.
type Forgery = (
    &'static str,
    fn(&mut ark_groth16::VerifyingKey<ark_bn254::Bn254>),
    fn(&ark_groth16::VerifyingKey<ark_bn254::Bn254>, G1Affine) -> (G1Affine, G2Affine, G1Affine),
    KeyError,
);

#[test]
fn under_each_refused_key_a_forged_proof_would_verify() {
    let cases: [Forgery; 6] = [
        (
            "gamma = delta",
            |key| key.delta_g2 = key.gamma_g2,
            |key, statement| (key.alpha_g1, key.beta_g2, -statement),
            KeyError::GammaEqualsDelta,
        ),
        (
            "gamma = -delta",
            |key| key.delta_g2 = -key.gamma_g2,
            |key, statement| (key.alpha_g1, key.beta_g2, statement),
            KeyError::GammaEqualsDelta,
        ),
        (
            "gamma is 7, and delta 1: both are known",
            |key| {
                key.delta_g2 = G2Affine::generator();
                key.gamma_g2 = (key.delta_g2 * Fr::from(7)).into_affine();
            },
            |key, statement| (key.alpha_g1, key.beta_g2, (statement * -Fr::from(7)).into_affine()),
            KeyError::Generator { element: KeyElement::Delta },
        ),
        (
            "gamma is the identity: no input counts",
            |key| key.gamma_g2 = G2Affine::identity(),
            |key, _| (key.alpha_g1, key.beta_g2, G1Affine::identity()),
            KeyError::Identity { element: KeyElement::Gamma },
        ),
        (
            "alpha is the identity",
            |key| key.alpha_g1 = G1Affine::identity(),
            |key, statement| (statement, key.gamma_g2, G1Affine::identity()),
            KeyError::Identity { element: KeyElement::Alpha },
        ),
        (
            "beta is the identity",
            |key| key.beta_g2 = G2Affine::identity(),
            |key, statement| (statement, key.gamma_g2, G1Affine::identity()),
            KeyError::Identity { element: KeyElement::Beta },
        ),
    ];
    // Of no x: 9 is no cube plus itself plus 5 whose x has 2 for a square.
    let inputs = [Fr::from(9), Fr::from(2), Fr::from(3)];
    for (name, change, forge, error) in cases {
        let mut points = verifying();
        change(&mut points);
        let statement = Engine::prepare_inputs(&points.clone().into(), &inputs).unwrap();
        let (a, b, c) = forge(&points, statement.into_affine());
        let forged = Proof(ark_groth16::Proof { a, b, c });
        // Its bytes are those of a proof.
        let forged = Proof::from_bytes(&forged.to_bytes()).unwrap();
        let outcome = Engine::verify_proof(&points.clone().into(), &forged.0, &inputs);
        assert_eq!(outcome, Ok(true), "{name}");
        assert_eq!(VerifyingKey::from_bytes(&compressed(&points), 3), Err(error), "{name}");
        assert_eq!(verify(&prepared(), &inputs, &forged), Err(VerifyError::Refused), "{name}");
    }
}

#[test]
fn an_input_at_the_identity_would_be_any_input() {
    let circuit = Cubic { inputs: Some([Fr::from(35), Fr::from(9), Fr::ZERO]), ..Cubic::of(3) };
    let inputs = circuit.public();
    let proof = prove(key(), circuit, &mut rng()).unwrap();
    let mut points = verifying();
    points.gamma_abc_g1[3] = G1Affine::identity();
    for third in [Fr::ZERO, Fr::ONE, -Fr::ONE] {
        let inputs = [inputs[0], inputs[1], third];
        assert_eq!(Engine::verify_proof(&points.clone().into(), &proof.0, &inputs), Ok(true));
        assert_eq!(verify(&prepared(), &inputs, &proof).is_ok(), third == Fr::ZERO);
    }
    let element = KeyElement::Input(2);
    let refused = VerifyingKey::from_bytes(&compressed(&points), 3);
    assert_eq!(refused, Err(KeyError::Identity { element }));
}

#[test]
fn every_point_of_a_proving_key_is_checked() {
    let stray = (0u64..)
        .filter_map(|x| G2Affine::get_point_from_x_unchecked(ark_bn254::Fq2::from(x), false))
        .find(|point| !point.is_in_correct_subgroup_assuming_on_curve())
        .unwrap();
    let off_curve = G1Affine::new_unchecked(Fq::from(1), Fq::from(1));
    let read = |points: &_| ProvingKey::from_bytes(key().r1cs().clone(), &uncompressed(points));
    let valid = key().points();
    assert!(read(valid).is_ok());
    let changes: [fn(&mut ark_groth16::ProvingKey<_>, G1Affine, G2Affine); 8] = [
        |key, g1, _| key.a_query[2] = g1,
        |key, g1, _| key.b_g1_query[2] = g1,
        |key, g1, _| key.h_query[2] = g1,
        |key, g1, _| key.l_query[1] = g1,
        |key, g1, _| key.beta_g1 = g1,
        |key, g1, _| key.delta_g1 = g1,
        |key, _, g2| key.b_g2_query[2] = g2,
        |key, _, g2| key.vk.gamma_g2 = g2,
    ];
    for change in changes {
        let mut points = valid.clone();
        change(&mut points, off_curve, stray);
        assert_eq!(read(&points).err(), Some(KeyError::Point));
    }
}

#[test]
fn a_proving_key_that_contradicts_itself_is_refused() {
    let read = |points: &_| ProvingKey::from_bytes(key().r1cs().clone(), &uncompressed(points));
    let mut points = key().points().clone();
    points.delta_g1 = points.beta_g1;
    let element = KeyElement::Delta;
    assert_eq!(read(&points).err(), Some(KeyError::Inconsistent { element }));
    let mut points = key().points().clone();
    points.beta_g1 = G1Affine::identity();
    let element = KeyElement::Beta;
    assert_eq!(read(&points).err(), Some(KeyError::Inconsistent { element }));
    // One point moved from one query to another of the same kind: the length is right in all.
    let mut points = key().points().clone();
    let moved = points.a_query.pop().unwrap();
    points.b_g1_query.push(moved);
    let (expected, got) = (points.a_query.len() + 1, points.a_query.len());
    assert_eq!(read(&points).err(), Some(KeyError::QueryLength { query: Query::A, expected, got }));
}

#[test]
fn a_key_with_foreign_queries_makes_proofs_that_do_not_verify() {
    let mut points = key().points().clone();
    points.l_query[0] = points.a_query[1];
    let foreign = ProvingKey::from_bytes(key().r1cs().clone(), &uncompressed(&points)).unwrap();
    let circuit = Cubic::of(3);
    let inputs = circuit.public();
    let proof = prove(&foreign, circuit, &mut rng()).unwrap();
    assert_eq!(verify(&prepared(), &inputs, &proof), Err(VerifyError::Refused));
}

#[test]
fn libsnark_keys_are_of_another_shape() {
    type Libsnark = ark_groth16::Groth16<ark_bn254::Bn254>;
    let [alpha, beta, gamma, delta] = std::array::from_fn(|_| Fr::rand(&mut rng()));
    let points = Libsnark::generate_parameters_with_qap(
        Cubic::default(),
        alpha,
        beta * Fr::from(2),
        gamma * Fr::from(3),
        delta * Fr::from(5),
        G1Affine::generator().into(),
        G2Affine::generator().into(),
        &mut rng(),
    )
    .unwrap();
    let bytes = uncompressed(&points);
    let expected = bytes.len() + 64;
    assert_eq!(
        ProvingKey::from_bytes(key().r1cs().clone(), &bytes).err(),
        Some(KeyError::Length { expected, got: bytes.len() })
    );
}
