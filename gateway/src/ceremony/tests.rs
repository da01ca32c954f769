use chain::identifier::NetworkId;
use circuits::snarkjs::zkey::ZkeyError;
use tempfile::TempDir;

use super::*;
use crate::department::tests::id;

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
    assert!(matches!(open(&NETWORK), Err(CeremonyFault::Read { .. })));
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
    assert!(outcome.to_string().contains("final.zkey: byte 0"), "{outcome}");
}

#[test]
fn a_key_has_the_contributions_of_those_before_it_in_their_order() {
    let (_temporary, folder) = laid_out();
    assert_eq!(folder.contributions(&vector("initial.zkey"), 0).unwrap().list, []);
    let other = folder.contributions(&vector("initial.zkey"), 1).unwrap_err();
    assert!(
        other
            .to_string()
            .ends_with("expected the contributions of tax, in this order and under these names")
    );
    // Of tax, welfare and a beacon.
    let more = folder.contributions(&vector("cubic.zkey"), 2).unwrap_err();
    assert!(matches!(more, CeremonyFault::OtherContributions { .. }), "{more}");
}

#[test]
fn a_first_phase_is_prepared_large_enough_and_the_one_that_the_plan_names() {
    let path = vector("small.ptau");
    let small = std::fs::read(&path).unwrap();
    let refused = check_phase_one(&path, &small, &[CIRCUIT]).unwrap_err();
    assert!(matches!(refused, CeremonyFault::Small { got: 4, needed: 12, .. }), "{refused}");
    assert!(check_phase_one(&path, &small, &[]).is_ok());
    let cut = check_phase_one(&path, &small[..small.len() - 1], &[]).unwrap_err();
    assert!(cut.to_string().contains("small.ptau: byte "), "{cut}");

    let (_temporary, folder) = laid_out();
    let malformed = folder.read_phase_one().unwrap_err();
    assert!(matches!(malformed, CeremonyFault::Malformed { .. }), "{malformed}");
    std::fs::write(folder.phase_one(), b"another").unwrap();
    assert!(matches!(folder.read_phase_one(), Err(CeremonyFault::PhaseOne { .. })));
}
