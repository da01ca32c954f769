use circuits::groth16::{ProvingKey, rng_from_seed};
use circuits::snarkjs::trial_ceremony;

use super::*;
use crate::department::tests::{ceremony, id, keys, trial};

const CIRCUIT: CircuitId = CircuitId::IdentifiedV1;

fn network() -> NetworkId {
    NetworkId::from_digest(Digest::of(b"network"))
}

/// The departments of this network, each with one key.
fn signed(
    by: &DepartmentId,
    label: &str,
    message: &[u8],
    signature: &Signature,
) -> Option<PublicKey> {
    let key = keys(by.as_str()).signing.verifying_key();
    let known = ["tax", "welfare"].contains(&by.as_str());
    (known && key.verify(label, message, signature).is_ok()).then_some(key)
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
    let longer = broken(|it| it.contributions.push_str("AAAA"));
    let trailing = matches!(longer, Err(CeremonyError::Format(FormatError::Trailing { .. })));
    assert!(trailing || longer == Err(CeremonyError::NotBase64), "{longer:?}");
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
    assert_eq!(broken(|it| it.attestations.truncate(1)), unattested(2, 1));
    assert_eq!(contributed(|it| drop(it.list.remove(1))), unattested(1, 2));
}

#[test]
fn a_beacon_ends_it_that_nobody_could_choose() {
    assert_eq!(contributed(|it| drop(it.list.pop())), Err(CeremonyError::Beacon));
    assert_eq!(contributed(|it| it.list.clear()), Err(CeremonyError::Beacon));
    assert_eq!(contributed(|it| it.list.swap(1, 2)), Err(CeremonyError::Beacon));
    let beacon = |bytes: usize, exponent: u8| {
        contributed(|it| {
            let beacon = it.list[2].beacon.as_mut().unwrap();
            beacon.hash.truncate(bytes);
            beacon.iterations_exponent = exponent;
        })
    };
    let weak = |bytes, exponent| Err(CeremonyError::WeakBeacon { bytes, exponent });
    assert_eq!(beacon(32, 9), weak(32, 9));
    assert_eq!(beacon(15, 10), weak(15, 10));
    let other = Err(CeremonyError::Contribution(ContributionError::Beacon { number: 3 }));
    assert_eq!((beacon(16, 10), beacon(32, 11)), (other.clone(), other));
    let long = contributed(|it| it.list[2].beacon.as_mut().unwrap().iterations_exponent = 21);
    assert!(matches!(long, Err(CeremonyError::Format(FormatError::OutOfRange { .. }))), "{long:?}");
}

/// The transcript that these attest, with the signing keys of those, of a key.
fn attested_by(
    names: &[&str],
    signing: &[&str],
    (key, contributions): &(ProvingKey, Contributions),
) -> Result<(), CeremonyError> {
    let (network, constraints) = (&network(), &Digest::from_bytes(key.r1cs().digest()));
    let phase_one = &Digest::of(b"ptau");
    let fixed = &Digest::from_bytes(key.verifying_key().fixed_digest());
    let attestations = names.iter().zip(signing).zip(&contributions.list);
    let attestations = attestations.map(|((name, signing), contribution)| {
        let department = &id(name);
        let attested =
            Attested { network, department, circuit: CIRCUIT, constraints, phase_one, fixed };
        attested.sign(contribution, &keys(signing).signing)
    });
    let zkey = Digest::of(b"zkey");
    let ceremony = Ceremony::new(*phase_one, zkey, contributions, attestations.collect());
    let subject = Subject { circuit: CIRCUIT, constraints, key: key.verifying_key() };
    // Whoever signs with some key of theirs.
    ceremony.check(network, subject, |_, label, message, signature| {
        let keys = ["tax", "welfare"].map(|it| keys(it).signing.verifying_key());
        keys.into_iter().find(|key| key.verify(label, message, signature).is_ok())
    })
}

#[test]
fn one_department_alone_makes_no_ceremony() {
    let rng = &mut rng_from_seed([6; 32]);
    let alone = trial_ceremony::key(CIRCUIT, &["tax"], rng);
    let single = Err(CeremonyError::SingleParty { got: 1 });
    assert_eq!(attested_by(&["tax"], &["tax"], &alone), single);
    let both = trial(CIRCUIT);
    assert_eq!(attested_by(&["tax", "welfare"], &["tax", "welfare"], both), Ok(()));
    assert_eq!(attested_by(&["tax", "welfare"], &["tax", "tax"], both), single, "with one key");
}

#[test]
fn gamma_is_the_generator() {
    let key = CIRCUIT.development_key(&mut rng_from_seed([3; 32]));
    let other = (key, trial(CIRCUIT).1.clone());
    let refused = attested_by(&["tax", "welfare"], &["tax", "welfare"], &other);
    assert_eq!(refused, Err(CeremonyError::Gamma));
}

#[test]
fn a_transcript_is_not_carried_over_to_another_key_of_the_same_delta() {
    // All of another key but δ, of which the contributions are.
    let rng = &mut rng_from_seed([7; 32]);
    let (other, own) = trial_ceremony::key(CIRCUIT, &["tax", "welfare"], rng);
    let constraints = &Digest::from_bytes(other.r1cs().digest());
    let subject = Subject { circuit: CIRCUIT, constraints, key: other.verifying_key() };
    let transcript = ceremony(CIRCUIT, &network());
    let refused = transcript.check(&network(), subject, signed);
    assert_eq!(refused, unsigned("tax", 1), "it was signed for the rest of its own key");
    // And signed for that rest, the contributions must still lead to its δ.
    let signed_for_it = (other, trial(CIRCUIT).1.clone());
    let refused = attested_by(&["tax", "welfare"], &["tax", "welfare"], &signed_for_it);
    assert_eq!(refused, Err(CeremonyError::Contribution(ContributionError::KeyDelta)));
    let honest = (signed_for_it.0, own);
    assert_eq!(attested_by(&["tax", "welfare"], &["tax", "welfare"], &honest), Ok(()));
}

#[test]
fn the_words_of_as_many_as_may_take_part_fit_a_document() {
    let rng = &mut rng_from_seed([4; 32]);
    let names: Vec<_> =
        (0..MAX_DEPARTMENTS).map(|it| format!("department-number-{it:02}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let (key, contributions) = trial_ceremony::key(CIRCUIT, &names, rng);
    let signature = SignatureHex(Signature::from_bytes([9; 64]));
    let attestations = names.iter().map(|it| Attestation { department: id(it), signature });
    let digest = Digest::of(b"a");
    let ceremony = Ceremony::new(digest, digest, &contributions, attestations.collect());
    let document = crate::document::CircuitDocument::of_ceremony(CIRCUIT, &key, ceremony);
    chain::document::Document::new(&document).unwrap();
}
