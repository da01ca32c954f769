use chain::identifier::NetworkId;
use circuits::groth16::rng_from_seed;
use circuits::snarkjs::trial_ceremony;
use circuits::snarkjs::zkey::ZkeyError;
use tempfile::TempDir;

use super::*;
use crate::department::tests::{id, keys as signing, trial};

const CIRCUIT: CircuitId = CircuitId::IdentifiedV1;

const NETWORK: NetworkId = NetworkId::from_digest(Digest::from_bytes([1; 32]));
const OTHER: NetworkId = NetworkId::from_digest(Digest::from_bytes([2; 32]));

fn plan(participants: &[&str]) -> Result<Plan, CeremonyFault> {
    let participants = participants.iter().map(|it| id(it)).collect();
    Plan::new(NETWORK, Digest::of(b"ptau"), participants, &[CIRCUIT])
}

/// A ceremony whose first phase is none.
fn laid_out() -> (TempDir, CeremonyFolder) {
    let temporary = TempDir::new().unwrap();
    let root = temporary.path().join("ceremony");
    let folder = CeremonyFolder::lay_out(&root, plan(&["tax", "welfare"]).unwrap(), b"ptau");
    (temporary, folder.unwrap())
}

/// A file that snarkjs made, of another circuit.
fn vector(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../circuits/vectors/snarkjs").join(name)
}

#[test]
fn several_departments_contribute_each_once() {
    assert!(matches!(plan(&["tax"]), Err(CeremonyFault::TooFew { got: 1 })));
    let names: Vec<_> = (0..=MAX_DEPARTMENTS).map(|it| format!("d{it}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    assert!(matches!(plan(&names), Err(CeremonyFault::TooMany { got: 33 })));
    assert!(plan(&names[1..]).is_ok());
    let twice = plan(&["tax", "welfare", "tax"]);
    assert!(matches!(twice, Err(CeremonyFault::Twice { department }) if department == id("tax")));
    let none = Plan::new(NETWORK, Digest::of(b"ptau"), vec![id("tax"), id("welfare")], &[]);
    assert!(matches!(none, Err(CeremonyFault::NoCircuit)));
}

#[test]
fn a_ceremony_is_one_networks_about_the_circuits_of_this_build() {
    let (_temporary, folder) = laid_out();
    let open = |network| CeremonyFolder::open(folder.root(), network);
    assert_eq!(open(&NETWORK).unwrap().plan(), folder.plan());
    assert!(matches!(open(&OTHER), Err(CeremonyFault::Network { named }) if named == NETWORK));

    let path = folder.root().join(PLAN_FILE);
    let text = std::fs::read_to_string(&path).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        std::fs::write(&path, text.replace(from, to)).unwrap();
        open(&NETWORK).unwrap_err()
    };
    let ours = folder.plan().circuits[&CIRCUIT].to_string();
    let constraints = changed(&ours, &"00".repeat(32));
    assert!(matches!(constraints, CeremonyFault::Constraints { circuit: CIRCUIT, .. }));
    assert!(matches!(changed("ceremony/v1", "ceremony/v2"), CeremonyFault::Format));
    let unknown = changed("\"format\"", "\"more\": 1, \"format\"");
    assert!(matches!(unknown, CeremonyFault::Plan { .. }), "{unknown}");
    assert!(unknown.to_string().contains("ceremony.json"), "{unknown}");
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(open(&NETWORK), Err(CeremonyFault::NoPlan { .. })));
}

#[test]
fn departments_come_in_their_turn_and_a_step_counts_when_it_is_whole() {
    let (_temporary, folder) = laid_out();
    let (tax, welfare) = (id("tax"), id("welfare"));
    let write = |path: PathBuf| std::fs::write(path, b"a").unwrap();
    assert_eq!(folder.progress(), Progress::Turn(0, &tax));
    assert_eq!(folder.turn_of(&tax).unwrap(), 0);
    let early = folder.turn_of(&welfare);
    assert!(matches!(early, Err(CeremonyFault::Turn { whose, .. }) if whose == tax));
    let stranger = folder.turn_of(&id("justice"));
    assert!(matches!(stranger, Err(CeremonyFault::NoParticipant { .. })));

    write(folder.key_after(CIRCUIT, 0));
    assert_eq!(folder.turn_of(&tax).unwrap(), 0, "without an attestation it is made anew");
    write(folder.attestation(CIRCUIT, 0));
    assert_eq!(folder.progress(), Progress::Turn(1, &welfare));
    assert!(matches!(folder.turn_of(&tax), Err(CeremonyFault::Contributed { .. })));
    write(folder.key_after(CIRCUIT, 1));
    write(folder.attestation(CIRCUIT, 1));
    assert_eq!(folder.progress(), Progress::Beacon);
    assert!(matches!(folder.outcome(CIRCUIT, &Keys::new()), Err(CeremonyFault::NoBeacon)));
    write(folder.final_key(CIRCUIT));
    assert_eq!(folder.progress(), Progress::Ended);
    let outcome = folder.outcome(CIRCUIT, &Keys::new()).unwrap_err();
    assert!(
        matches!(outcome, CeremonyFault::Zkey { error: ZkeyError::Format(_), .. }),
        "{outcome}"
    );
    assert!(outcome.to_string().contains("2-welfare.zkey: byte 0"), "{outcome}");
}

#[test]
fn a_key_has_the_contributions_of_those_before_it_in_their_order() {
    let (_temporary, folder) = laid_out();
    let read = |name: &str, contributed| {
        let path = vector(name);
        folder.unfinished(&path, &std::fs::read(&path).unwrap(), CIRCUIT, contributed)
    };
    // The circuit of these files has another number of inputs.
    let other = read("initial.zkey", 0).unwrap_err();
    assert!(matches!(other, CeremonyFault::Zkey { error: ZkeyError::Format(_), .. }), "{other}");

    let trial = trial(CIRCUIT);
    let bytes = circuits::snarkjs::zkey::write_with(&trial.0, &trial.1);
    let path = Path::new("2-welfare.zkey");
    // Of tax, welfare and a beacon.
    let more = folder.unfinished(path, &bytes, CIRCUIT, 2).unwrap_err();
    let told = "2-welfare.zkey: expected the contributions of tax, welfare, in this order and under these names";
    assert_eq!(more.to_string(), told);
}

#[test]
fn a_contribution_that_its_department_did_not_attest_is_not_built_upon() {
    let (_temporary, folder) = laid_out();
    let keys: Keys =
        ["tax", "welfare"].map(|it| (id(it), signing(it).signing.verifying_key())).into();
    let (key, contributions) =
        trial_ceremony::key_before_the_beacon(CIRCUIT, &["tax"], &mut rng_from_seed([2; 32]));
    let path = folder.key_after(CIRCUIT, 0);
    std::fs::write(&path, circuits::snarkjs::zkey::write_with(&key, &contributions)).unwrap();
    let fixed = Digest::from_bytes(key.verifying_key().fixed_digest());
    let attest = |by: &str, fixed: &Digest| {
        let attested = folder.attested(CIRCUIT, 0, fixed);
        let attestation = attested.sign(&contributions.list[0], &signing(by).signing);
        std::fs::write(folder.attestation(CIRCUIT, 0), serde_json::to_vec(&attestation).unwrap())
            .unwrap();
        folder.attested_key(CIRCUIT, 1, &keys)
    };
    assert_eq!(attest("tax", &fixed).unwrap().1.contributions, contributions);
    for (by, fixed) in [("welfare", fixed), ("tax", Digest::of(b"another key's"))] {
        let refused = attest(by, &fixed).unwrap_err();
        assert!(refused.to_string().contains("1-tax.json: tax did not sign this"), "{refused}");
    }
    std::fs::write(folder.attestation(CIRCUIT, 0), b"{}").unwrap();
    let malformed = folder.attested_key(CIRCUIT, 1, &keys).unwrap_err();
    assert!(matches!(malformed, CeremonyFault::Attestation { .. }), "{malformed}");
}

#[test]
fn nothing_is_read_through_a_link_or_from_what_is_no_file() {
    let (temporary, folder) = laid_out();
    let elsewhere = temporary.path().join("secret");
    std::fs::write(&elsewhere, b"a").unwrap();
    std::os::unix::fs::symlink(&elsewhere, folder.initial_key(CIRCUIT)).unwrap();
    let link = folder.attested_key(CIRCUIT, 0, &Keys::new()).unwrap_err();
    assert!(matches!(link, CeremonyFault::Read { .. }), "{link}");
    std::fs::remove_file(folder.initial_key(CIRCUIT)).unwrap();
    std::fs::create_dir(folder.initial_key(CIRCUIT)).unwrap();
    assert!(folder.attested_key(CIRCUIT, 0, &Keys::new()).is_err());
}

#[test]
fn a_first_phase_is_large_enough_of_several_and_the_one_that_the_plan_names() {
    let path = vector("small.ptau");
    let small = std::fs::read(&path).unwrap();
    let refused = check_phase_one(&path, &small, &[CIRCUIT]).unwrap_err();
    assert!(matches!(refused, CeremonyFault::Small { got: 4, needed: 12, .. }), "{refused}");
    // Of one contributor and a beacon.
    let alone = check_phase_one(&path, &small, &[]).unwrap_err();
    assert!(matches!(alone, CeremonyFault::Alone { got: 1, .. }), "{alone}");
    let cut = check_phase_one(&path, &small[..small.len() - 1], &[]).unwrap_err();
    assert!(cut.to_string().contains("small.ptau: byte "), "{cut}");

    let (_temporary, folder) = laid_out();
    let malformed = folder.read_phase_one().unwrap_err();
    assert!(matches!(malformed, CeremonyFault::Malformed { .. }), "{malformed}");
    std::fs::write(folder.phase_one(), b"another").unwrap();
    assert!(matches!(folder.read_phase_one(), Err(CeremonyFault::PhaseOne { .. })));
}
