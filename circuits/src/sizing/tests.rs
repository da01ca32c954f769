use super::*;
use crate::{
    groth16::{self, PreparedVerifyingKey, R1cs},
    statement::CircuitId,
};

const MODES: [Mode; 2] = [Mode::Identified, Mode::Pseudonymous];

fn constraints(mode: Mode, size: Size) -> usize {
    R1cs::of(SizedCircuit::sample(mode, size).blank()).unwrap().constraints()
}

#[test]
fn the_samples_are_of_the_circuits_of_this_build() {
    let same = |sample: R1cs, id: CircuitId| assert_eq!(sample.digest(), id.r1cs().digest());
    same(R1cs::of(identified_sample().1).unwrap(), CircuitId::IdentifiedV1);
    same(R1cs::of(pseudonymous_sample().1).unwrap(), CircuitId::PseudonymousV1);
}

#[test]
fn in_the_sizes_in_use_they_cost_what_the_statements_cost() {
    for mode in MODES {
        let statement = CircuitId::of(mode).r1cs().constraints();
        assert_eq!(constraints(mode, Size::IN_USE), statement, "{mode:?}");
    }
}

#[test]
fn every_size_costs_less_than_the_next() {
    let grows = |mode, sizes: Vec<Size>| {
        let counts: Vec<_> = sizes.into_iter().map(|size| constraints(mode, size)).collect();
        assert!(counts.windows(2).all(|pair| pair[0] < pair[1]), "{mode:?}: {counts:?}");
    };
    let size = Size::IN_USE;
    for mode in MODES {
        grows(mode, [2, 4, 8, 10, 11, 16].map(|fields| Size { fields, ..size }).to_vec());
        grows(mode, (1..=CLAUSES).map(|clauses| Size { clauses, ..size }).collect());
    }
    let capacities = [8, 16, 24, 32].map(|index_bits| Size { index_bits, ..size });
    grows(Mode::Pseudonymous, capacities.to_vec());
    assert_eq!(
        constraints(Mode::Identified, Size { index_bits: 8, ..size }),
        constraints(Mode::Identified, size),
        "it has no path"
    );
}

#[test]
fn every_sample_is_satisfied_and_as_large_as_its_blank() {
    let size = Size::IN_USE;
    let sizes = [
        size,
        Size { fields: 2, clauses: 1, index_bits: 8 },
        Size { fields: 4, ..size },
        Size { clauses: 3, ..size },
        Size { index_bits: 16, ..size },
        Size { index_bits: 24, ..size },
    ];
    for size in sizes {
        for mode in MODES {
            let sample = SizedCircuit::sample(mode, size);
            let cs = ConstraintSystem::new_ref();
            sample.clone().generate_constraints(cs.clone()).unwrap();
            assert_eq!(cs.num_constraints(), constraints(mode, size));
            assert!(cs.is_satisfied().unwrap(), "{mode:?} {size:?}");
            assert_eq!(sample.public_inputs().unwrap().len(), 4);
        }
    }
}

#[test]
fn a_proof_of_a_small_one_verifies() {
    let sample =
        SizedCircuit::sample(Mode::Identified, Size { fields: 2, clauses: 1, index_bits: 8 });
    let rng = &mut groth16::rng_from_seed([3; 32]);
    let key = groth16::setup(&sample.blank(), rng).unwrap();
    let inputs = sample.public_inputs().unwrap();
    let proof = groth16::prove(&key, sample, rng).unwrap();
    let prepared = PreparedVerifyingKey::from(key.verifying_key());
    assert_eq!(groth16::verify(&prepared, &inputs, &proof), Ok(()));
}

#[test]
#[should_panic(expected = "1 to 8 clauses")]
fn a_size_out_of_range_is_refused() {
    let _ = SizedCircuit::sample(Mode::Identified, Size { clauses: 9, ..Size::IN_USE });
}
