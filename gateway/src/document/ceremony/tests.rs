use circuits::groth16::rng_from_seed;
use circuits::snarkjs::trial_ceremony;

use super::*;
use crate::department::tests::{ceremony, id, keys, trial};

const CIRCUIT: CircuitId = CircuitId::IdentifiedV1;

fn network() -> NetworkId {
    NetworkId::from_digest(Digest::of(b"network"))
}

/// The departments of this network, each with one key.
fn signed(by: &DepartmentId, label: &str, message: &[u8], signature: &Signature) -> bool {
    ["tax", "welfare"].contains(&by.as_str())
        && keys(by.as_str()).signing.verifying_key().verify(label, message, signature).is_ok()
}

fn check_in(
    network: &NetworkId,
    ceremony: &Ceremony,
    circuit: CircuitId,
) -> Result<(), CeremonyError> {
    let key = &trial(CIRCUIT).0;
    let constraints = &Digest::from_bytes(key.r1cs().digest());
    ceremony.check(network, Subject { circuit, constraints, key: key.verifying_key() }, signed)
}

fn check(ceremony: &Ceremony) -> Result<(), CeremonyError> {
    check_in(&network(), ceremony, CIRCUIT)
}

/// The good ceremony with one thing changed.
fn broken(change: impl FnOnce(&mut Ceremony)) -> Result<(), CeremonyError> {
    let mut ceremony = ceremony(CIRCUIT, &network());
    change(&mut ceremony);
    check(&ceremony)
}

/// The good ceremony with other contributions.
fn contributed(change: impl FnOnce(&mut Contributions)) -> Result<(), CeremonyError> {
    broken(|ceremony| {
        let mut contributions = ceremony.contributions().unwrap();
        change(&mut contributions);
        ceremony.contributions = BASE64_STANDARD.encode(contributions.to_bytes());
    })
}

fn unsigned(name: &str, number: usize) -> Result<(), CeremonyError> {
    Err(CeremonyError::Signature { department: id(name), number })
}

#[test]
fn a_ceremony_of_two_departments_and_a_beacon_holds() {
    assert_eq!(broken(|_| ()), Ok(()));
    let ceremony = ceremony(CIRCUIT, &network());
    let text = canonical::to_vec(&ceremony).unwrap();
    assert_eq!(canonical::from_slice::<Ceremony>(&text).unwrap(), ceremony);
    assert!(text.len() < 4_000, "{} bytes: a chain document has 32 KiB", text.len());
}

#[test]
fn contributions_have_one_spelling() {
    assert_eq!(broken(|it| it.contributions.push(' ')), Err(CeremonyError::NotBase64));
    assert!(broken(|it| it.contributions.clear()).is_err());
    let cut = broken(|it| it.contributions.truncate(it.contributions.len() - 4));
    assert!(matches!(cut, Err(CeremonyError::Format(FormatError::Truncated { .. }))), "{cut:?}");
}

#[test]
fn a_contribution_is_attested_for_one_network_circuit_and_first_phase() {
    let good = ceremony(CIRCUIT, &network());
    let other = NetworkId::from_digest(Digest::of(b"another"));
    assert_eq!(check_in(&other, &good, CIRCUIT), unsigned("tax", 1));
    assert_eq!(check_in(&network(), &good, CircuitId::PseudonymousV1), unsigned("tax", 1));
    assert_eq!(broken(|it| it.phase_one = Digest::of(b"another")), unsigned("tax", 1));
}

#[test]
fn nobody_attests_in_another_departments_place_or_another_ones_contribution() {
    assert_eq!(broken(|it| it.attestations.swap(0, 1)), unsigned("welfare", 1));
    assert_eq!(
        broken(|it| it.attestations[1].department = id("registry")),
        unsigned("registry", 2)
    );
    let again = broken(|it| it.attestations[1] = it.attestations[0].clone());
    assert_eq!(again, Err(CeremonyError::Repeated { department: id("tax") }));
}

#[test]
fn every_contribution_is_attested() {
    let unattested = |contributions, attestations| {
        Err(CeremonyError::Unattested { contributions, attestations })
    };
    assert_eq!(broken(|it| drop(it.attestations.pop())), unattested(2, 1));
    assert_eq!(contributed(|it| drop(it.list.remove(1))), unattested(1, 2));
}

#[test]
fn a_beacon_ends_it_and_is_not_hashed_for_ever() {
    assert_eq!(contributed(|it| drop(it.list.pop())), Err(CeremonyError::Beacon));
    assert_eq!(contributed(|it| it.list.clear()), Err(CeremonyError::Beacon));
    assert_eq!(contributed(|it| it.list.swap(1, 2)), Err(CeremonyError::Beacon));
    let exponent =
        |to: u8| contributed(|it| it.list[2].beacon.as_mut().unwrap().iterations_exponent = to);
    assert_eq!(exponent(21), Err(CeremonyError::BeaconIterations { got: 21 }));
    let other = ContributionError::Beacon { number: 3 };
    assert_eq!(exponent(11), Err(CeremonyError::Contribution(other)));
}

#[test]
fn one_department_alone_makes_no_ceremony() {
    let rng = &mut rng_from_seed([6; 32]);
    let (key, contributions) = trial_ceremony::key(CIRCUIT, &["tax"], rng);
    let (network, constraints) = (&network(), &Digest::from_bytes(key.r1cs().digest()));
    let (department, phase_one) = (&id("tax"), &Digest::of(b"ptau"));
    let attested = Attested { network, department, circuit: CIRCUIT, constraints, phase_one };
    let attestation = attested.sign(&contributions.list[0], &keys("tax").signing);
    let alone = Ceremony::new(*phase_one, Digest::of(b"zkey"), &contributions, vec![attestation]);
    let subject = Subject { circuit: CIRCUIT, constraints, key: key.verifying_key() };
    let refused = alone.check(network, subject, signed);
    assert_eq!(refused, Err(CeremonyError::SingleParty { got: 1 }));
}

#[test]
fn the_contributions_lead_to_the_key_and_no_other() {
    let rng = &mut rng_from_seed([7; 32]);
    let (other, _) = trial_ceremony::key(CIRCUIT, &["tax", "welfare"], rng);
    let constraints = &Digest::from_bytes(other.r1cs().digest());
    let subject = Subject { circuit: CIRCUIT, constraints, key: other.verifying_key() };
    let refused = ceremony(CIRCUIT, &network()).check(&network(), subject, signed);
    assert_eq!(refused, Err(CeremonyError::Contribution(ContributionError::KeyDelta)));
}
