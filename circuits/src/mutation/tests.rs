use ark_ff::{AdditiveGroup as _, Field as _};

use super::*;
use crate::{Fr, groth16::R1cs};

const SEED: [u8; 32] = [7; 32];

type Terms = Vec<(Fr, usize)>;

/// `Σ factor · wire`
fn sum(terms: &[(i64, usize)]) -> Terms {
    terms.iter().map(|(factor, wire)| (Fr::from(*factor), *wire)).collect()
}

/// A system of rows A, B, C, with one public input.
fn system(rows: &[[Terms; 3]], wires: usize) -> System {
    let matrices = [0, 1, 2].map(|matrix| rows.iter().map(|row| row[matrix].clone()).collect());
    System::new(R1cs::from_matrices(matrices, 2, wires - 2))
}

/// The rows for which nothing is found.
fn survivors(system: &System, z: &[u64]) -> Vec<usize> {
    let z: Vec<Fr> = z.iter().map(|value| Fr::from(*value)).collect();
    assert!(system.unsatisfied(&z, 1).is_empty());
    let bases = [Base { z, signer: None }];
    let survives = |row: &usize| {
        let rng = &mut StdRng::from_seed(SEED);
        let search = Search { system, row: *row };
        !search.finds(ROUNDS, &bases, &[], rng, |_, z| search.breaks(z, &[]))
    };
    (0..system.rows()).filter(survives).collect()
}

fn bit(wire: usize) -> [Terms; 3] {
    [sum(&[(1, wire)]), sum(&[(1, 0), (-1, wire)]), sum(&[])]
}

/// `x · x = s`, `s · x = y`, `y = public`
fn cube() -> Vec<[Terms; 3]> {
    let wire = |wire| sum(&[(1, wire)]);
    vec![[wire(2), wire(2), wire(3)], [wire(3), wire(2), wire(4)], [wire(4), wire(0), wire(1)]]
}

#[test]
fn each_row_of_a_computation_is_guarded() {
    assert_eq!(survivors(&system(&cube(), 5), &[1, 27, 3, 9, 27]), [0usize; 0]);
}

#[test]
fn a_row_that_stands_twice_survives_twice() {
    let mut rows = cube();
    rows.push(rows[1].clone());
    assert_eq!(survivors(&system(&rows, 5), &[1, 27, 3, 9, 27]), [1, 3]);
}

#[test]
fn rows_each_of_which_follows_from_two_others_survive() {
    // x · x = s − public + y
    let mut rows = cube();
    let wire = |wire| sum(&[(1, wire)]);
    rows.push([wire(2), wire(2), sum(&[(1, 3), (-1, 1), (1, 4)])]);
    assert_eq!(survivors(&system(&rows, 5), &[1, 27, 3, 9, 27]), [0, 2, 3]);
}

#[test]
fn a_bit_is_guarded_by_what_makes_up_for_it_in_a_sum() {
    // 5 = 1 + 4, from four bits: with another value of one bit, others still sum to 5.
    let mut rows: Vec<_> = (2..6).map(bit).collect();
    let weights = [(1, 2), (2, 3), (4, 4), (8, 5), (-5, 0)];
    rows.push([sum(&weights), sum(&[(1, 0)]), sum(&[])]);
    rows.push([sum(&[(1, 1)]), sum(&[(1, 1)]), sum(&[(1, 6)])]);
    assert_eq!(survivors(&system(&rows, 7), &[1, 3, 1, 0, 1, 0, 9]), [0usize; 0]);
}

#[test]
fn an_assignment_that_breaks_another_row_too_does_not_count() {
    let system = system(&cube(), 5);
    let search = Search { system: &system, row: 1 };
    let breaks = |values: [u64; 5]| search.breaks(&values.map(Fr::from), &[]);
    assert!(breaks([1, 28, 3, 9, 28]));
    assert!(!breaks([1, 27, 3, 9, 28]));
    assert!(!breaks([1, 27, 3, 9, 27]));
    assert!(search.breaks(&[1, 27, 3, 9, 28].map(Fr::from), &[2]));
}

#[test]
fn a_constraint_of_the_circuit_that_stands_twice_is_found_out() {
    let r1cs = CircuitId::IdentifiedV1.r1cs();
    let bases = bases(CircuitId::IdentifiedV1, &r1cs, &mut StdRng::from_seed(SEED));
    let (rows, wires) = (r1cs.constraints(), r1cs.witness_variables());
    let functions = CircuitId::IdentifiedV1.functions_by_row();
    let doubled = functions.iter().position(|it| it.last().unwrap().ends_with("enforce_bit"));
    let doubled = doubled.unwrap();
    let matrices = r1cs.matrices().clone().map(|mut matrix| {
        matrix.push(matrix[doubled].clone());
        matrix
    });
    let system = System::new(R1cs::from_matrices(matrices, r1cs.instance_variables(), wires));
    for (row, expected) in [(doubled, false), (rows, false), (doubled + 1, true)] {
        let search = Search { system: &system, row };
        let rng = &mut StdRng::from_seed(SEED);
        assert_eq!(search.finds(1, &bases, &[], rng, |_, z| search.breaks(z, &[])), expected);
    }
}

/// Some rows of each function; all of them are what `proofgate circuits mutate` runs over.
#[test]
fn each_constraint_of_a_sample_is_guarded_or_listed() {
    println!("seed {}", hex::encode(SEED));
    for circuit in CircuitId::ALL {
        let mutations = Mutations::of(circuit, SEED);
        let rows = mutations.sample(150);
        let report = mutations.run(&rows, || ());
        assert_eq!(report.survivors, [], "{circuit}");
        assert_eq!(report.guarded + report.listed, rows.len());
        assert_eq!(report.rows, circuit.r1cs().constraints());
        let clauses: Vec<&String> = report.clauses.keys().collect();
        assert_eq!(clauses, circuit.constraints_by_clause().keys().collect::<Vec<_>>());
        for (clause, score) in &report.clauses {
            assert!(score.deleted > 0);
            assert_eq!(score.listed > 0, clause == "enforce_consent", "{circuit} {clause}");
        }
        assert_eq!(report.reasons.len(), if report.listed > 0 { 2 } else { 0 });
    }
}

#[test]
fn the_secret_key_signs_around_four_rows_of_a_step() {
    let mutations = Mutations::of(CircuitId::PseudonymousV1, SEED);
    let is_sign = |it: &Vec<String>| it.iter().any(|name| name.ends_with("::enforce_signed"));
    let signs: Vec<usize> =
        (0..mutations.rows()).filter(|row| is_sign(&mutations.functions[*row])).collect();
    // The second and the last step in Montgomery form, and the first of the others.
    for (step, guarded) in [(1, 4), (247, 4), (248, 0)] {
        let rows: Vec<usize> = (signs[step]..signs[step] + 6).collect();
        let report = mutations.run(&rows, || ());
        assert_eq!((report.guarded, report.listed), (guarded, 6 - guarded), "step {step}");
    }
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let report = |seed| {
        let mutations = Mutations::of(CircuitId::IdentifiedV1, seed);
        mutations.run(&[0, 8, 300, 4_000], || ())
    };
    assert_eq!(report(SEED), report(SEED));
}

#[test]
fn a_private_wire_moves_freely_only_if_it_is_listed() {
    println!("seed {}", hex::encode(SEED));
    let listed: BTreeMap<String, usize> =
        FREE_WIRES.iter().map(|it| (it.function.to_owned(), it.count)).collect();
    for circuit in CircuitId::ALL {
        assert_eq!(free_wires(circuit, SEED), listed, "{circuit}");
    }
}

#[test]
fn a_wire_in_no_row_is_free() {
    let system = system(&cube(), 6);
    let z = [1, 27, 3, 9, 27, 5].map(Fr::from);
    assert!(wires::is_free(&system, &mut z.to_vec(), 5, &[Fr::ZERO, Fr::ONE]));
    for wire in 2..5 {
        assert!(!wires::is_free(&system, &mut z.to_vec(), wire, &[Fr::ZERO, Fr::ONE, -z[wire]]));
    }
    // −3 has the same square.
    let square = [cube()[0].clone()];
    let system = self::system(&square, 4);
    let z = [1, 27, 3, 9].map(Fr::from);
    assert!(!wires::is_free(&system, &mut z.to_vec(), 2, &[Fr::ZERO, Fr::ONE]));
    assert!(wires::is_free(&system, &mut z.to_vec(), 2, &[-Fr::from(3)]));
}
