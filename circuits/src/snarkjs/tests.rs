//! Our files and snarkjs' of one small circuit; see `vectors/snarkjs/README.md`.

mod corrupted;

use std::path::PathBuf;

use ark_ff::{AdditiveGroup, BigInteger, Field, PrimeField};
use ark_std::rand::{RngCore, SeedableRng, rngs::StdRng};

use super::contribution::{ContributionError, Contributions};
use super::json::{self, JsonError};
use super::zkey::{self, ZkeyError};
use super::{FormatError, ptau, r1cs, wtns};
use crate::Fr;
use crate::groth16::tests::Cubic;
use crate::groth16::{
    Assignment, KeyElement, KeyError, PreparedVerifyingKey, R1cs, prove, setup, verify,
};
use crate::statement::CircuitId;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/snarkjs").join(name)
}

pub(super) fn vector(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

fn text(name: &str) -> String {
    String::from_utf8(vector(name)).unwrap()
}

fn cubic() -> R1cs {
    R1cs::of(Cubic::default()).unwrap()
}

fn rng() -> StdRng {
    StdRng::from_seed([7; 32])
}

/// Cuts, lengthens and changes a file: nothing panics, and nothing but the file itself is read as the
/// same thing.
fn attack<T: PartialEq>(bytes: &[u8], read: impl Fn(&[u8]) -> Option<T>) {
    let value = read(bytes);
    assert!(value.is_some());
    for cut in [0, 1, 4, 11, bytes.len() / 2, bytes.len() - 1] {
        assert!(read(&bytes[..cut]).is_none(), "cut to {cut}");
    }
    assert!(read(&[bytes, &[0]].concat()).is_none(), "one byte more");
    let mut rng = rng();
    for _ in 0..200 {
        let mut changed = bytes.to_vec();
        let at = rng.next_u32() as usize % bytes.len();
        changed[at] ^= 1 << (rng.next_u32() % 8);
        assert!(read(&changed) != value, "byte {at}");
    }
}

#[test]
fn our_files_are_the_ones_that_snarkjs_was_given() {
    let files = [
        ("cubic.r1cs", cubic().to_file()),
        (
            "cubic.wtns",
            wtns::write(Assignment::of(&cubic(), Cubic::of(3)).unwrap().elements()).to_vec(),
        ),
    ];
    for (name, bytes) in files {
        if std::env::var("UPDATE_VECTORS").is_ok_and(|value| value == "1") {
            std::fs::write(path(name), &bytes).unwrap();
        }
        assert_eq!(vector(name), bytes, "{name}");
    }
}

#[test]
fn constraints_survive_their_file() {
    for circuit in [cubic(), CircuitId::IdentifiedV1.r1cs()] {
        let bytes = circuit.to_file();
        let read = r1cs::read(&bytes).unwrap();
        assert_eq!(read.to_file(), bytes);
        assert_eq!(read.digest(), circuit.digest());
        assert_eq!(read.constraints(), circuit.constraints());
        assert_eq!(read.public_inputs(), circuit.public_inputs());
    }
    // Labels say nothing of the circuit, and are looked at for their number only.
    let labels = 8 * cubic().variables();
    let bytes = cubic().to_file();
    let rows = bytes.len() - labels;
    attack(&bytes[..], |bytes| {
        let read = r1cs::read(bytes).ok()?;
        Some((read.to_file()[..rows].to_vec(), bytes[rows..].to_vec()))
    });
}

#[test]
fn a_row_in_another_order_is_refused() {
    let mut bytes = cubic().to_file();
    let number = |bytes: &[u8], at: usize| {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
    };
    // After the container's head and the header; the first matrix row with two terms.
    let term = 4 + 32;
    let mut at = 12 + 12 + 64 + 12;
    while number(&bytes, at) < 2 {
        at += 4 + number(&bytes, at) * term;
    }
    let (first, second) = (at + 4, at + 4 + term);
    let moved = bytes[first..second].to_vec();
    bytes.copy_within(second..second + term, first);
    bytes[second..second + term].copy_from_slice(&moved);
    let offset = second as u64;
    assert_eq!(
        r1cs::read(&bytes).err(),
        Some(FormatError::Order { offset, what: "wires of a row" })
    );
}

#[test]
fn an_assignment_survives_its_file() {
    let assignment = Assignment::of(&cubic(), Cubic::of(3)).unwrap();
    let bytes = wtns::write(assignment.elements());
    assert_eq!(wtns::read(&bytes).unwrap()[..], *assignment.elements());
    assert_eq!(assignment.public_inputs(), Cubic::of(3).public());
    attack(&bytes, |bytes| wtns::read(bytes).ok());
    // A number that is not canonical, as the last one.
    let mut bytes = bytes.to_vec();
    let at = bytes.len() - 32;
    bytes[at..].copy_from_slice(&Fr::MODULUS.to_bytes_le());
    assert_eq!(wtns::read(&bytes).err(), Some(FormatError::NotCanonical { offset: at as u64 }));
}

#[test]
fn assignments_and_formats_show_nothing() {
    let assignment = Assignment::of(&cubic(), Cubic::of(3)).unwrap();
    assert_eq!(format!("{assignment:?}"), "Assignment");
}

#[test]
fn a_file_of_another_kind_is_named() {
    let bytes = vector("cubic.zkey");
    assert_eq!(r1cs::read(&bytes).err(), Some(FormatError::Magic { expected: "r1cs" }));
    let mut bytes = cubic().to_file();
    bytes[4] = 2;
    assert_eq!(r1cs::read(&bytes).err(), Some(FormatError::Version { expected: 1, got: 2 }));
    let message = FormatError::Truncated { offset: 12, wanted: 3 }.to_string();
    assert!(message.starts_with("byte 12:"), "{message}");
}

#[test]
fn a_first_phase_says_how_large_it_is() {
    let bytes = vector("small.ptau");
    let read = ptau::read(&bytes).unwrap();
    assert_eq!((read.power, read.prepared), (4, true));
    let [first, beacon] = &read.contributors[..] else { panic!("{read:?}") };
    assert_eq!((first.name.as_deref(), &first.beacon), (Some("first"), &None));
    assert_eq!(beacon.beacon.as_ref().unwrap().iterations_exponent, 10);
    for cut in [0, 3, 30, bytes.len() - 1] {
        assert!(ptau::read(&bytes[..cut]).is_err());
    }
}

#[test]
fn snarkjs_key_proof_and_inputs_verify_here() {
    let key = json::read_verifying_key(&text("verification_key.json")).unwrap();
    let proof = json::read_proof(&text("proof.json")).unwrap();
    let inputs = json::read_public_inputs(&text("public.json")).unwrap();
    assert_eq!(inputs, Cubic::of(3).public());
    assert_eq!(verify(&PreparedVerifyingKey::from(&key), &inputs, &proof), Ok(()));
    let zkey = zkey::read(cubic(), &vector("cubic.zkey")).unwrap();
    assert_eq!(zkey.key.verifying_key(), &key);
}

#[test]
fn json_is_written_as_it_is_read() {
    let key = json::read_verifying_key(&text("verification_key.json")).unwrap();
    assert_eq!(json::read_verifying_key(&json::verifying_key(&key)).unwrap(), key);
    let proof = json::read_proof(&text("proof.json")).unwrap();
    assert_eq!(json::read_proof(&json::proof(&proof)).unwrap(), proof);
    let inputs = json::read_public_inputs(&text("public.json")).unwrap();
    assert_eq!(json::read_public_inputs(&json::public_inputs(&inputs)).unwrap(), inputs);
}

#[test]
fn json_with_another_spelling_or_point_is_refused() {
    let proof = text("proof.json");
    let first = proof.split('"').nth(3).unwrap().to_owned();
    let spelled = |with: &str| json::read_proof(&proof.replacen(&first, with, 1)).err().unwrap();
    let modulus = ark_bn254::Fq::MODULUS.to_string();
    for other in [format!("0{first}"), format!("+{first}"), modulus, "x".into(), String::new()] {
        assert!(matches!(spelled(&other), JsonError::Number { member } if member == "pi_a"));
    }
    assert!(matches!(spelled("3"), JsonError::Point { member } if member == "pi_a"));
    let swapped = proof.replace("groth16", "plonk");
    assert!(matches!(json::read_proof(&swapped), Err(JsonError::Kind { member: "protocol", .. })));
    assert!(matches!(
        json::read_proof(&proof.replace("bn128", "bls12381")),
        Err(JsonError::Kind { member: "curve", .. })
    ));
    assert!(matches!(
        json::read_proof(&proof.replacen('{', "{\"more\": 1,", 1)),
        Err(JsonError::Form(_))
    ));
    let key = text("verification_key.json");
    assert!(matches!(
        json::read_verifying_key(&key.replace("\"nPublic\": 3", "\"nPublic\": 2")),
        Err(JsonError::InputCount { inputs: 2, got: 4 })
    ));
    let modulus = Fr::MODULUS.to_string();
    let aliased = format!("[\"{modulus}\"]");
    assert!(matches!(json::read_public_inputs(&aliased), Err(JsonError::Number { .. })));
}

#[test]
fn a_point_of_the_second_curve_outside_the_subgroup_is_refused() {
    // x = (1, 0) has a y on the twist, whose cofactor is not 1.
    use ark_bn254::{Fq, Fq2, g2::Config};
    use ark_ec::short_weierstrass::SWCurveConfig;
    let (x, y) = (0u64..)
        .map(|c0| Fq2::new(Fq::from(c0), Fq::from(1)))
        .find_map(|x| Some((x, (x.square() * x + Config::COEFF_B).sqrt()?)))
        .unwrap();
    let mut proof: serde_json::Value = serde_json::from_str(&text("proof.json")).unwrap();
    let pair = |it: Fq2| [it.c0, it.c1].map(|it| it.into_bigint().to_string());
    proof["pi_b"][0] = serde_json::json!(pair(x));
    proof["pi_b"][1] = serde_json::json!(pair(y));
    let outcome = json::read_proof(&proof.to_string());
    assert!(matches!(outcome, Err(JsonError::Point { member }) if member == "pi_b"));
}

#[test]
fn a_ceremonys_key_proves() {
    let zkey = zkey::read(cubic(), &vector("cubic.zkey")).unwrap();
    let proof = prove(&zkey.key, Cubic::of(5), &mut rng()).unwrap();
    let key = PreparedVerifyingKey::from(zkey.key.verifying_key());
    assert_eq!(verify(&key, &Cubic::of(5).public(), &proof), Ok(()));
    let mut other = Cubic::of(5).public();
    other[2] += Fr::ONE;
    assert!(verify(&key, &other, &proof).is_err());
}

#[test]
fn contributions_are_the_ones_that_snarkjs_prints() {
    let contributions = zkey::read(cubic(), &vector("cubic.zkey")).unwrap().contributions;
    let names: Vec<_> = contributions.list.iter().map(|it| it.name.as_deref()).collect();
    assert_eq!(names, [Some("tax"), Some("welfare"), Some("beacon")]);
    let beacon = contributions.list[2].beacon.as_ref().unwrap();
    assert_eq!((beacon.iterations_exponent, beacon.hash.len()), (10, 32));
    assert!(contributions.list[..2].iter().all(|it| it.beacon.is_none()));
    // Printed last first, as four lines of four words under a title.
    let printed = text("contributions.txt");
    let mut printed: Vec<String> = printed
        .split("contribution #")
        .skip(1)
        .map(|one| {
            let words = one.lines().skip(1).flat_map(str::split_whitespace);
            words.filter(|word| word.len() == 8).take(16).collect()
        })
        .collect();
    printed.reverse();
    let ours: Vec<_> = contributions.list.iter().map(|it| hex::encode(it.hash())).collect();
    assert_eq!(ours, printed);
}

/// The key's δ in the first group, from the file.
fn delta(bytes: &[u8]) -> ark_bn254::G1Affine {
    zkey::read(cubic(), bytes).unwrap().key.delta()
}

#[test]
fn each_break_of_the_chain_is_named() {
    let bytes = vector("cubic.zkey");
    let delta = delta(&bytes);
    let contributions = zkey::read(cubic(), &bytes).unwrap().contributions;
    assert_eq!(contributions.verify(delta), Ok(()));
    let broken = |change: &dyn Fn(&mut super::contribution::Contributions)| {
        let mut changed = contributions.clone();
        change(&mut changed);
        changed.verify(delta)
    };
    let transcript = |number| Err(ContributionError::Transcript { number });
    assert_eq!(broken(&|it| it.circuit[0] ^= 1), transcript(1));
    assert_eq!(broken(&|it| it.list.swap(0, 1)), transcript(1));
    assert_eq!(broken(&|it| drop(it.list.remove(1))), transcript(2));
    assert_eq!(broken(&|it| drop(it.list.pop())), Err(ContributionError::KeyDelta));
    assert_eq!(broken(&|it| it.list.clear()), Err(ContributionError::KeyDelta));
    let delta_of_first = Err(ContributionError::Delta { number: 1 });
    assert_eq!(broken(&|it| it.list[0].set_delta(delta)), delta_of_first);
    let knowledge = Err(ContributionError::Knowledge { number: 1 });
    assert_eq!(broken(&|it| it.list[0].forget_secret()), knowledge);
    let beacon = |change: fn(&mut super::contribution::Beacon)| {
        broken(&|it| change(it.list[2].beacon.as_mut().unwrap()))
    };
    assert_eq!(beacon(|it| it.hash[0] ^= 1), Err(ContributionError::Beacon { number: 3 }));
    assert_eq!(
        beacon(|it| it.iterations_exponent = 9),
        Err(ContributionError::Beacon { number: 3 })
    );
}

#[test]
fn contributions_survive_their_bytes_and_are_found_in_the_file_as_they_are() {
    let file = vector("cubic.zkey");
    let zkey = zkey::read(cubic(), &file).unwrap();
    let bytes = zkey.contributions.to_bytes();
    assert!(file.windows(bytes.len()).any(|it| it == bytes), "as snarkjs wrote them");
    assert_eq!(Contributions::from_bytes(&bytes).unwrap(), zkey.contributions);
    for cut in 0..bytes.len() {
        assert!(Contributions::from_bytes(&bytes[..cut]).is_err(), "{cut}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(Contributions::from_bytes(&longer), Err(FormatError::Trailing { .. })));
}

#[test]
fn contributions_are_held_to_the_verifying_key_alone_too() {
    let zkey = zkey::read(cubic(), &vector("cubic.zkey")).unwrap();
    let key = zkey.key.verifying_key();
    assert_eq!(zkey.contributions.verify_for(key), Ok(()));
    let other = setup(&Cubic::default(), &mut rng()).unwrap();
    let refused = zkey.contributions.verify_for(other.verifying_key());
    assert_eq!(refused, Err(ContributionError::KeyDelta));
    let mut nobody = zkey.contributions;
    nobody.list.clear();
    assert_eq!(nobody.verify_for(key), Err(ContributionError::KeyDelta));
}

#[test]
fn a_contribution_follows_those_before_it_and_no_others() {
    let all = zkey::read(cubic(), &vector("cubic.zkey")).unwrap().contributions;
    let first = |count: usize| {
        let mut some = all.clone();
        some.list.truncate(count);
        some
    };
    assert_eq!(first(2).after(&first(1)), all.list.get(1));
    assert_eq!(first(1).after(&first(0)), all.list.first());
    assert_eq!((first(1).after(&first(1)), first(3).after(&first(1))), (None, None));
    assert_eq!(first(0).after(&first(0)), None);
    let mut other = first(1);
    other.circuit[0] ^= 1;
    assert_eq!(first(2).after(&other), None);
    let mut swapped = first(2);
    swapped.list.swap(0, 1);
    assert_eq!(first(3).after(&swapped), None);
}

#[test]
fn a_key_that_is_not_finished_has_its_contributions_and_what_they_leave_as_it_is() {
    let inputs = cubic().public_inputs();
    let read = |name: &str| zkey::unfinished(&vector(name), inputs).unwrap();
    let finished = zkey::read(cubic(), &vector("cubic.zkey")).unwrap();
    assert_eq!(read("initial.zkey").contributions.list, []);
    assert_eq!(read("cubic.zkey").contributions, finished.contributions);
    let fixed = finished.key.verifying_key().fixed_digest();
    assert_eq!([read("initial.zkey").fixed, read("cubic.zkey").fixed], [fixed; 2]);
    assert!(finished.key.verifying_key().gamma_is_generator());
    assert!(zkey::unfinished(&vector("cubic.zkey"), inputs + 1).is_err());
}

#[test]
fn alpha_beta_gamma_and_each_input_point_are_fixed_and_delta_is_not() {
    let key = zkey::read(cubic(), &vector("cubic.zkey")).unwrap().key;
    let points = key.verifying_key().points();
    let fixed = |change: &dyn Fn(&mut ark_groth16::VerifyingKey<ark_bn254::Bn254>)| {
        let mut changed = points.clone();
        change(&mut changed);
        crate::groth16::fixed_digest(&changed) == key.verifying_key().fixed_digest()
    };
    let (other_g1, other_g2) = (points.alpha_g1, points.delta_g2);
    assert!(fixed(&|_| ()) && fixed(&|it| it.delta_g2 = it.beta_g2));
    assert!(!fixed(&|it| it.alpha_g1 = it.gamma_abc_g1[0]));
    assert!(!fixed(&|it| it.beta_g2 = other_g2));
    assert!(!fixed(&|it| it.gamma_g2 = other_g2));
    for input in 0..points.gamma_abc_g1.len() {
        assert!(!fixed(&|it| it.gamma_abc_g1[input] = other_g1), "{input}");
    }
}

#[test]
fn a_key_that_nobody_contributed_to_is_refused() {
    // γ and δ are both the generator still.
    let initial = zkey::read(cubic(), &vector("initial.zkey")).err();
    assert_eq!(initial, Some(ZkeyError::Key(KeyError::GammaEqualsDelta)));
}

#[test]
fn a_key_of_another_circuit_is_refused() {
    let outcome = zkey::read(CircuitId::IdentifiedV1.r1cs(), &vector("cubic.zkey")).err();
    assert!(matches!(outcome, Some(ZkeyError::Format(FormatError::Count { what: "wires", .. }))));
    // The same size, another coefficient.
    let mut bytes = cubic().to_file();
    let labels = 12 + 8 * cubic().variables();
    let constant = bytes.len() - labels - 3 * 36 + 4; // the 5 in the last row
    bytes[constant] ^= 1;
    let other = r1cs::read(&bytes).unwrap();
    assert!(other.digest() != cubic().digest());
    // C does not stand in a .zkey: what differs there, snarkjs finds with the first phase.
    let [a, b, mut c] = cubic().matrices().clone();
    c.clone_from(&a);
    let swapped = R1cs::from_matrices([b, a, c], 4, cubic().witness_variables());
    let outcome = zkey::read(swapped, &vector("cubic.zkey")).err();
    assert!(matches!(outcome, Some(ZkeyError::OtherCircuit { row: 1, .. })), "{outcome:?}");
}

#[test]
fn a_changed_key_is_refused_or_another_one() {
    let bytes = vector("cubic.zkey");
    attack(&bytes, |bytes| {
        let zkey = zkey::read(cubic(), bytes).ok()?;
        // Points of A, B, C and h can be exchanged for others: the file alone does not show it.
        Some((zkey.key.to_bytes(), zkey.contributions))
    });
}

#[test]
fn a_development_key_is_written_for_provers_and_refused_as_a_ceremonys() {
    let bytes = vector("cubic.zkey");
    let zkey = zkey::read(cubic(), &bytes).unwrap();
    let written = zkey::write(&zkey.key);
    let none = ContributionError::KeyDelta;
    assert_eq!(zkey::read(cubic(), &written).err(), Some(ZkeyError::Contribution(none)));
    // With the contributions in place of none, it is the key again: the section is the last one.
    let contributions = |bytes: &[u8]| {
        let at = bytes.windows(4).rposition(|it| it == 10u32.to_le_bytes()).unwrap();
        (bytes[..at].to_vec(), bytes[at..].to_vec())
    };
    let (head, _) = contributions(&written);
    let (_, tail) = {
        let at = bytes.len() - contribution_bytes(&bytes);
        (bytes[..at].to_vec(), bytes[at..].to_vec())
    };
    let again = zkey::read(cubic(), &[head, tail].concat()).unwrap();
    assert_eq!(again.key.to_bytes(), zkey.key.to_bytes());
}

/// Bytes of the last section, with its head: two contributions with names, and a beacon.
fn contribution_bytes(bytes: &[u8]) -> usize {
    let points = 3 * 64 + 128 + 64 + 4 + 4;
    let section = 64 + 4 + 3 * points + (2 + 3) + (2 + 7) + (2 + 6 + 2 + 2 + 32);
    assert_eq!(bytes[bytes.len() - section - 12..][..4], 10u32.to_le_bytes());
    12 + section
}

#[test]
fn zero_is_no_canonical_point() {
    assert_eq!(Fr::ZERO, Fr::from(0));
    let mut bytes = vector("cubic.zkey");
    // α stands after two moduli and three counts, in the second section.
    let alpha = 12 + 12 + 4 + 12 + 2 * 36 + 12;
    bytes[alpha..alpha + 64].fill(0);
    let identity = KeyError::Identity { element: KeyElement::Alpha };
    assert_eq!(zkey::read(cubic(), &bytes).err(), Some(ZkeyError::Key(identity)));
    bytes[alpha] = 1;
    let offset = alpha as u64;
    let point = FormatError::Point { offset };
    assert_eq!(zkey::read(cubic(), &bytes).err(), Some(ZkeyError::Format(point)));
    bytes[alpha..alpha + 32].fill(0xff);
    let canonical = FormatError::NotCanonical { offset };
    assert_eq!(zkey::read(cubic(), &bytes).err(), Some(ZkeyError::Format(canonical)));
}
