use chain::identifier::NetworkId;
use circuits::groth16::rng_from_seed;
use circuits::snarkjs::trial_ceremony;
use crypto::Digest;
use tempfile::TempDir;

use super::*;
use crate::department::tests::{Network, ceremony, circuit_document, trial};

const NETWORK: NetworkId = NetworkId::from_digest(Digest::from_bytes([1; 32]));
const OTHER: NetworkId = NetworkId::from_digest(Digest::from_bytes([2; 32]));

/// A ceremony's key with its document, by departments of this network.
fn from_ceremony(network: &NetworkId) -> (CircuitDocument, ProvingKey) {
    let circuit = CircuitId::IdentifiedV1;
    let key = trial(circuit).0.clone();
    (CircuitDocument::of_ceremony(circuit, &key, ceremony(circuit, network)), key)
}

#[test]
fn the_keys_of_a_ceremony_are_taken_once_and_used_in_the_place_of_development_keys() {
    let temporary = TempDir::new().unwrap();
    let folder = Folder::new(temporary.path());
    assert_eq!(folder.ceremony_documents().unwrap(), CeremonyDocuments::new());
    let (document, key) = from_ceremony(&NETWORK);
    folder.write_ceremony_keys(&[(document.clone(), key.clone())]).unwrap();
    assert!(folder.write_ceremony_keys(&[(document.clone(), key.clone())]).is_err());

    let documents = folder.ceremony_documents().unwrap();
    assert_eq!(documents, CeremonyDocuments::from([(document.circuit, document.clone())]));
    folder.find_proving_keys(&documents, true).unwrap();
    let keys = folder.proving_keys(&documents, true).unwrap();
    assert_eq!(keys.len(), 1, "in production there is no other key");
    let id = keys[&document.circuit].verifying_key().id();
    assert_eq!(id, key.verifying_key().id());
    let missing = folder.proving_keys(&documents, false).unwrap_err();
    assert_eq!(missing.path, folder.development_key(CircuitId::PseudonymousV1));
}

#[test]
fn a_key_without_its_document_is_no_key_of_before_the_ceremony() {
    let temporary = TempDir::new().unwrap();
    let folder = Folder::new(temporary.path());
    folder.write_ceremony_keys(&[from_ceremony(&NETWORK)]).unwrap();
    let document = folder.ceremony_keys().join("identified-v1.json");
    std::fs::remove_file(&document).unwrap();
    let fault = folder.ceremony_documents().unwrap_err();
    assert_eq!(fault.path, document);
    assert!(matches!(fault.fault, ProvingKeyFault::Io(_)), "{fault}");
}

#[test]
fn a_key_or_a_document_that_is_not_the_ceremonys_is_named() {
    let temporary = TempDir::new().unwrap();
    let folder = Folder::new(temporary.path());
    let (document, _) = from_ceremony(&NETWORK);
    let other = trial_ceremony::key(document.circuit, &["tax"], &mut rng_from_seed([9; 32])).0;
    folder.write_ceremony_keys(&[(document, other.clone())]).unwrap();
    let documents = folder.ceremony_documents().unwrap();
    let fault = folder.proving_keys(&documents, true).unwrap_err();
    assert!(matches!(fault.fault, ProvingKeyFault::OtherKey), "{fault}");

    let path = folder.ceremony_keys().join("identified-v1.json");
    let development = CircuitDocument::development(CircuitId::IdentifiedV1, &other);
    std::fs::write(&path, crypto::canonical::to_vec(&development).unwrap()).unwrap();
    let fault = folder.ceremony_documents().unwrap_err();
    assert!(matches!(fault.fault, ProvingKeyFault::OtherDocument), "{fault}");
    let (mut other, _) = from_ceremony(&NETWORK);
    other.circuit = CircuitId::PseudonymousV1;
    std::fs::write(&path, canonical::to_vec(&other).unwrap()).unwrap();
    let fault = folder.ceremony_documents().unwrap_err();
    assert!(matches!(fault.fault, ProvingKeyFault::OtherDocument), "{fault}");
    std::fs::write(&path, b"{}").unwrap();
    let fault = folder.ceremony_documents().unwrap_err();
    assert!(matches!(fault.fault, ProvingKeyFault::Document(_)) && fault.path == path, "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ceremony_is_checked_against_the_chain_at_each_start() {
    let folder = Folder::new("/nowhere");
    let network = Network::bare(0);
    let check = |document: CircuitDocument| {
        let documents = CeremonyDocuments::from([(document.circuit, document)]);
        folder.check_ceremonies(&documents, network.shared.ledger.snapshot().state())
    };
    let (good, other) =
        (from_ceremony(network.shared.genesis.network()).0, from_ceremony(&OTHER).0);
    assert!(check(other.clone()).is_ok(), "a chain without a block knows nobody");
    let development = circuit_document(CircuitId::IdentifiedV1);
    network.department("tax").propose_circuit(&development).await.unwrap();
    check(good).unwrap();
    let fault = check(other).unwrap_err();
    assert!(fault.to_string().contains("tax did not sign contribution 1"), "{fault}");
}
