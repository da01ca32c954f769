use super::*;
use ark_bn254::G1Projective;
use ark_ec::PrimeGroup;
use proptest::prelude::{ProptestConfig, prop, prop_assert_eq, proptest};

/// `n` claims that hold, of as many statements.
fn good(n: u64) -> Vec<([Fr; 3], Proof)> {
    let mut rng = rng();
    let prove = |x| {
        let circuit = Cubic::of(x);
        (circuit.public(), prove(key(), circuit, &mut rng).unwrap())
    };
    (1..=n).map(prove).collect()
}

fn claims(of: &[([Fr; 3], Proof)]) -> Vec<Claim<'_>> {
    of.iter().map(|(inputs, proof)| Claim { inputs, proof }).collect()
}

fn batch(of: &[([Fr; 3], Proof)]) -> Result<(), BatchError> {
    verify_batch(&prepared(), &claims(of), &mut rng())
}

/// The error that lists these as refused.
fn refused(claims: usize, places: impl IntoIterator<Item = usize>) -> BatchError {
    let refused = |index| RefusedClaim { index, error: VerifyError::Refused };
    BatchError { claims, refused: places.into_iter().map(refused).collect() }
}

fn shifted(point: G1Affine, by: G1Projective) -> G1Affine {
    (point + by).into_affine()
}

#[test]
fn batches_of_good_proofs_pass_and_an_empty_one_too() {
    let members = good(9);
    for n in 0..=members.len() {
        assert_eq!(batch(&members[..n]), Ok(()), "{n} proofs");
    }
    let twice = [members[0].clone(), members[0].clone()];
    assert_eq!(batch(&twice), Ok(()));
}

#[test]
fn one_bad_input_is_rejected_and_found_wherever_it_is() {
    let members = good(5);
    for place in 0..members.len() {
        for input in 0..3 {
            let mut bad = members.clone();
            bad[place].0[input] += Fr::ONE;
            assert_eq!(batch(&bad), Err(refused(5, [place])), "input {input}");
        }
    }
}

#[test]
fn one_bad_proof_is_rejected_and_found_wherever_it_is() {
    let members = good(5);
    for place in 0..members.len() {
        let (mut a, mut b, mut c) = (members.clone(), members.clone(), members.clone());
        a[place].1.0.a = shifted(members[place].1.0.a, G1Projective::generator());
        b[place].1.0.b = members[(place + 1) % 5].1.0.b;
        c[place].1.0.c = shifted(members[place].1.0.c, G1Projective::generator());
        for bad in [a, b, c] {
            assert_eq!(batch(&bad), Err(refused(5, [place])));
        }
    }
}

#[test]
fn the_identity_in_any_place_is_rejected() {
    let members = good(3);
    let (mut a, mut b, mut c) = (members.clone(), members.clone(), members.clone());
    a[1].1.0.a = G1Affine::zero();
    b[1].1.0.b = G2Affine::zero();
    c[1].1.0.c = G1Affine::zero();
    for bad in [a, b, c] {
        assert_eq!(batch(&bad), Err(refused(3, [1])));
    }
}

#[test]
fn errors_that_cancel_out_are_rejected() {
    let members = good(4);
    let shift = G1Projective::generator() * Fr::from(12_345);
    let mut opposite = members.clone();
    opposite[1].1.0.c = shifted(members[1].1.0.c, shift);
    opposite[2].1.0.c = shifted(members[2].1.0.c, -shift);
    // The sum over the batch is that of the good proofs: without coefficients it would pass.
    let sum = |members: &[([Fr; 3], Proof)]| -> G1Projective {
        members.iter().map(|(_, proof)| G1Projective::from(proof.0.c)).sum()
    };
    assert_eq!(sum(&opposite), sum(&members));
    assert_eq!(batch(&opposite), Err(refused(4, [1, 2])));

    let mut swapped = members.clone();
    (swapped[0].0, swapped[3].0) = (members[3].0, members[0].0);
    assert_eq!(batch(&swapped), Err(refused(4, [0, 3])));

    let mut inputs = members.clone();
    inputs[0].0[1] += Fr::ONE;
    inputs[3].0[1] -= Fr::ONE;
    assert_eq!(batch(&inputs), Err(refused(4, [0, 3])));
    assert_eq!(batch(&members), Ok(()));
}

#[test]
fn coefficients_that_are_known_beforehand_let_false_claims_pass() {
    /// Hands out the coefficients 1 and 2, which a prover is told.
    struct Predictable(u64, bool);
    impl RngCore for Predictable {
        fn next_u32(&mut self) -> u32 {
            unreachable!("coefficients are drawn by 64 bits")
        }
        fn next_u64(&mut self) -> u64 {
            self.1 = !self.1;
            if !self.1 {
                return 0;
            }
            self.0 += 1;
            self.0
        }
        fn fill_bytes(&mut self, _: &mut [u8]) {
            unreachable!("coefficients are drawn by 64 bits")
        }
        fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), ark_std::rand::Error> {
            unreachable!("coefficients are drawn by 64 bits")
        }
    }
    impl CryptoRng for Predictable {}

    // 1 · 2D − 2 · D = 0.
    let mut members = good(2);
    let shift = G1Projective::generator();
    members[0].1.0.c = shifted(members[0].1.0.c, shift.double());
    members[1].1.0.c = shifted(members[1].1.0.c, -shift);
    let known = verify_batch(&prepared(), &claims(&members), &mut Predictable(0, false));
    assert_eq!(known, Ok(()));
    assert_eq!(batch(&members), Err(refused(2, [0, 1])));
}

#[test]
fn a_coefficient_of_zero_is_drawn_again() {
    /// Zeros first, then what a real generator says.
    struct ZerosFirst(u32, StdRng);
    impl RngCore for ZerosFirst {
        fn next_u32(&mut self) -> u32 {
            self.1.next_u32()
        }
        fn next_u64(&mut self) -> u64 {
            match self.0 {
                0 => self.1.next_u64(),
                _ => {
                    self.0 -= 1;
                    0
                }
            }
        }
        fn fill_bytes(&mut self, bytes: &mut [u8]) {
            self.1.fill_bytes(bytes);
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), ark_std::rand::Error> {
            self.1.try_fill_bytes(bytes)
        }
    }
    impl CryptoRng for ZerosFirst {}

    let mut members = good(2);
    members[0].0[0] += Fr::ONE;
    let outcome = verify_batch(&prepared(), &claims(&members), &mut ZerosFirst(6, rng()));
    assert_eq!(outcome, Err(refused(2, [0])));
}

#[test]
fn claims_with_extra_and_missing_inputs_are_refused_and_the_others_judged() {
    let mut members = good(4);
    members[3].0[0] += Fr::ONE;
    let extra = [members[1].0.as_slice(), &[Fr::ZERO]].concat();
    let mut claims = claims(&members);
    claims[1].inputs = &extra;
    claims[2].inputs = &members[2].0[..2];
    let error = verify_batch(&prepared(), &claims, &mut rng()).unwrap_err();
    let count =
        |index, got| RefusedClaim { index, error: VerifyError::InputCount { expected: 3, got } };
    let last = RefusedClaim { index: 3, error: VerifyError::Refused };
    assert_eq!(error, BatchError { claims: 4, refused: vec![count(1, 4), count(2, 2), last] });
    assert_eq!(error.to_string(), "3 of 4 proofs of the batch are not accepted");
}

#[test]
fn rerandomised_proofs_pass_and_those_of_another_key_do_not() {
    let mut members = good(3);
    members[1].1 = members[1].1.rerandomised(key().verifying_key(), &mut rng());
    assert_eq!(batch(&members), Ok(()));
    let other = setup(&Cubic::default(), &mut StdRng::from_seed([8; 32])).unwrap();
    members[2].1 = prove(&other, Cubic::of(3), &mut rng()).unwrap();
    assert_eq!(batch(&members), Err(refused(3, [2])));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What can be wrong with a claim, and that nothing is, at random places of a batch.
    #[test]
    fn a_batch_says_what_verify_says_of_each(
        faults in prop::collection::vec(0_u8..8, 0..7),
        seed: [u8; 32],
    ) {
        let mut members = good(faults.len() as u64);
        for (member, fault) in members.iter_mut().zip(&faults) {
            match fault {
                0 => member.0[1] += Fr::ONE,
                1 => member.1.0.a = -member.1.0.a,
                2 => member.1.0.c = shifted(member.1.0.c, G1Projective::generator()),
                _ => {}
            }
        }
        let alone: Vec<_> = members
            .iter()
            .enumerate()
            .filter_map(|(index, (inputs, proof))| {
                let error = verify(&prepared(), inputs, proof).err()?;
                Some(RefusedClaim { index, error })
            })
            .collect();
        prop_assert_eq!(alone.len(), faults.iter().filter(|fault| **fault < 3).count());
        let outcome = verify_batch(&prepared(), &claims(&members), &mut StdRng::from_seed(seed));
        let refused = outcome.map_or_else(|error| error.refused, |()| Vec::new());
        prop_assert_eq!(refused, alone);
    }
}
