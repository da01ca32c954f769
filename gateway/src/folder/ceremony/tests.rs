use chain::identifier::NetworkId;
use circuits::groth16::rng_from_seed;
use circuits::snarkjs::trial_ceremony;
use crypto::Digest;
use tempfile::TempDir;

use super::*;
use crate::department::tests::{Network, ceremony, circuit_document, trial};

const NETWORK: NetworkId = NetworkId::from_digest(Digest::from_bytes([1; 32]));
const OTHER: NetworkId = NetworkId::from_digest(Digest::from_bytes([2; 32]));

const CIRCUIT: CircuitId = CircuitId::IdentifiedV1;
const OTHER_CIRCUIT: CircuitId = CircuitId::PseudonymousV1;

/// A ceremony's key with its document, by departments of this network.
fn from_ceremony(circuit: CircuitId, network: &NetworkId) -> (CircuitDocument, ProvingKey) {
    let key = trial(circuit).0.clone();
    (CircuitDocument::of_ceremony(circuit, &key, ceremony(circuit, network)), key)
}

#[test]
fn the_keys_of_a_ceremony_are_taken_once_and_used_in_the_place_of_development_keys() {
    let temporary = TempDir::new().unwrap();
    let folder = Folder::new(temporary.path());
    assert_eq!(folder.imported_keys().unwrap(), ImportedKeys::new());
    let (document, key) = from_ceremony(CIRCUIT, &NETWORK);
    let import = folder.write_ceremony_keys(&[(document.clone(), key.clone())]).unwrap();
    let again = folder.write_ceremony_keys(&[(document.clone(), key.clone())]).unwrap_err();
    assert_eq!((&again.path, again.error.kind()), (&import, io::ErrorKind::AlreadyExists));

    let imported = ImportedKey { document: document.clone(), import };
    let imported = ImportedKeys::from([(document.circuit, imported)]);
    assert_eq!(folder.imported_keys().unwrap(), imported);
    folder.find_proving_keys(&imported, true).unwrap();
    let keys = folder.proving_keys(&imported, true).unwrap();
    assert_eq!(keys.len(), 1, "in production there is no other key");
    let id = keys[&document.circuit].verifying_key().id();
    assert_eq!(id, key.verifying_key().id());
    let missing = folder.proving_keys(&imported, false).unwrap_err();
    assert_eq!(missing.path, folder.development_key(OTHER_CIRCUIT));
}

#[test]
fn a_second_ceremony_is_taken_beside_the_first_if_it_is_about_another_circuit() {
    let temporary = TempDir::new().unwrap();
    let folder = Folder::new(temporary.path());
    let [first, second] = [CIRCUIT, OTHER_CIRCUIT].map(|it| from_ceremony(it, &NETWORK));
    let import = folder.write_ceremony_keys(std::slice::from_ref(&first)).unwrap();
    let both = folder.write_ceremony_keys(&[first.clone(), second.clone()]).unwrap_err();
    assert_eq!(both.path, import);
    assert_eq!(folder.imported_keys().unwrap().len(), 1, "all or none");
    assert!(folder.imported(OTHER_CIRCUIT).unwrap().is_none());
    let other = folder.write_ceremony_keys(std::slice::from_ref(&second)).unwrap();
    assert_eq!(folder.imported(OTHER_CIRCUIT).unwrap(), Some(other));
    let imported = folder.imported_keys().unwrap();
    let keys = folder.proving_keys(&imported, true).unwrap();
    for (document, key) in [&first, &second] {
        assert_eq!(imported[&document.circuit].document, *document);
        assert_eq!(keys[&document.circuit].verifying_key().id(), key.verifying_key().id());
    }
    let left = std::fs::read_dir(temporary.path().join("proving")).unwrap().count();
    assert_eq!(left, 1, "nothing half made is left");
}

#[test]
fn a_key_in_the_wrong_place_is_not_passed_over() {
    let temporary = TempDir::new().unwrap();
    let folder = Folder::new(temporary.path());
    let import = folder.write_ceremony_keys(&[from_ceremony(CIRCUIT, &NETWORK)]).unwrap();
    let misplaced = import.with_file_name("identified-v1.key");
    std::fs::rename(import.join("identified-v1.key"), &misplaced).unwrap();
    let fault = folder.imported_keys().unwrap_err();
    assert_eq!(fault.path, misplaced);
}

#[test]
fn an_import_that_was_renamed_or_taken_apart_is_neither_used_nor_passed_over() {
    let temporary = TempDir::new().unwrap();
    let folder = Folder::new(temporary.path());
    let both = [CIRCUIT, OTHER_CIRCUIT].map(|it| from_ceremony(it, &NETWORK));
    let import = folder.write_ceremony_keys(&both).unwrap();
    let aside = import.with_file_name("identified-v1+pseudonymous-v1.old");
    std::fs::rename(&import, &aside).unwrap();
    let fault = folder.imported_keys().unwrap_err();
    assert_eq!(fault.path, aside);
    assert!(fault.to_string().contains("is identified-v1+pseudonymous-v1: rename it"), "{fault}");
    std::fs::rename(&aside, &import).unwrap();
    assert_eq!(folder.imported_keys().unwrap().len(), 2);
    for name in ["pseudonymous-v1.key", "pseudonymous-v1.json"] {
        std::fs::remove_file(import.join(name)).unwrap();
    }
    assert_eq!(folder.imported_keys().unwrap_err().path, import);
}

#[test]
fn what_cannot_be_read_of_an_import_is_not_passed_over() {
    let temporary = TempDir::new().unwrap();
    let folder = Folder::new(temporary.path());
    let import = folder.write_ceremony_keys(&[from_ceremony(CIRCUIT, &NETWORK)]).unwrap();
    // As good as unreadable: links to nowhere.
    for name in ["identified-v1.key", "identified-v1.json"] {
        std::fs::remove_file(import.join(name)).unwrap();
        std::os::unix::fs::symlink("/nowhere/to/be/found", import.join(name)).unwrap();
    }
    assert_eq!(folder.imported(CIRCUIT).unwrap(), Some(import.clone()));
    let fault = folder.imported_keys().unwrap_err();
    assert_eq!(fault.path, import.join("identified-v1.json"));
    std::fs::remove_dir_all(&import).unwrap();
    std::fs::create_dir(&import).unwrap();
    let fault = folder.imported_keys().unwrap_err();
    assert_eq!(fault.path, import, "an empty folder");
}

#[test]
fn of_two_imports_at_once_one_is_taken() {
    let temporary = TempDir::new().unwrap();
    let folder = Folder::new(temporary.path());
    let (first, second) =
        (from_ceremony(CIRCUIT, &NETWORK), from_ceremony(OTHER_CIRCUIT, &NETWORK));
    let outcomes = std::thread::scope(|scope| {
        let both = scope.spawn(|| folder.write_ceremony_keys(&[first.clone(), second.clone()]));
        let one = scope.spawn(|| folder.write_ceremony_keys(std::slice::from_ref(&second)));
        [both.join().unwrap(), one.join().unwrap()]
    });
    let taken = outcomes.iter().filter(|it| it.is_ok()).count();
    assert_eq!(taken, 1, "{outcomes:?}");
    assert!(folder.imported_keys().unwrap().contains_key(&OTHER_CIRCUIT));
}

#[test]
fn two_keys_of_one_circuit_are_named_and_neither_is_used() {
    let temporary = TempDir::new().unwrap();
    let folder = Folder::new(temporary.path());
    let import = folder.write_ceremony_keys(&[from_ceremony(CIRCUIT, &NETWORK)]).unwrap();
    let other = import.with_file_name("identified-v1+pseudonymous-v1");
    std::fs::create_dir(&other).unwrap();
    for name in ["identified-v1.key", "pseudonymous-v1.key"] {
        std::fs::copy(import.join("identified-v1.key"), other.join(name)).unwrap();
    }
    let fault = folder.imported_keys().unwrap_err();
    assert_eq!(fault.path, import.join("identified-v1.json"));
    assert!(
        matches!(&fault.fault, ProvingKeyFault::Twice { other: it } if *it == other),
        "{fault}"
    );
}

#[test]
fn a_key_without_its_document_is_no_key_of_before_the_ceremony() {
    let temporary = TempDir::new().unwrap();
    let folder = Folder::new(temporary.path());
    let import = folder.write_ceremony_keys(&[from_ceremony(CIRCUIT, &NETWORK)]).unwrap();
    let document = import.join("identified-v1.json");
    std::fs::remove_file(&document).unwrap();
    let fault = folder.imported_keys().unwrap_err();
    assert_eq!(fault.path, document);
    assert!(matches!(fault.fault, ProvingKeyFault::Io(_)), "{fault}");
}

#[test]
fn a_key_or_a_document_that_is_not_the_ceremonys_is_named() {
    let temporary = TempDir::new().unwrap();
    let folder = Folder::new(temporary.path());
    let (document, _) = from_ceremony(CIRCUIT, &NETWORK);
    let other = trial_ceremony::key(document.circuit, &["tax"], &mut rng_from_seed([9; 32])).0;
    let import = folder.write_ceremony_keys(&[(document, other.clone())]).unwrap();
    let imported = folder.imported_keys().unwrap();
    let fault = folder.proving_keys(&imported, true).unwrap_err();
    assert!(matches!(fault.fault, ProvingKeyFault::OtherKey), "{fault}");

    let path = import.join("identified-v1.json");
    let development = CircuitDocument::development(CIRCUIT, &other);
    std::fs::write(&path, crypto::canonical::to_vec(&development).unwrap()).unwrap();
    let fault = folder.imported_keys().unwrap_err();
    assert!(matches!(fault.fault, ProvingKeyFault::OtherDocument), "{fault}");
    let (mut other, _) = from_ceremony(CIRCUIT, &NETWORK);
    other.circuit = CircuitId::PseudonymousV1;
    std::fs::write(&path, canonical::to_vec(&other).unwrap()).unwrap();
    let fault = folder.imported_keys().unwrap_err();
    assert!(matches!(fault.fault, ProvingKeyFault::OtherDocument), "{fault}");
    std::fs::write(&path, b"{}").unwrap();
    let fault = folder.imported_keys().unwrap_err();
    assert!(matches!(fault.fault, ProvingKeyFault::Document(_)) && fault.path == path, "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ceremony_is_checked_against_the_chain_at_each_start() {
    let folder = Folder::new("/nowhere");
    let network = Network::bare(0);
    let check = |document: CircuitDocument| {
        let imported = ImportedKey { document, import: PathBuf::new() };
        let imported = ImportedKeys::from([(imported.document.circuit, imported)]);
        folder.check_ceremonies(&imported, network.shared.ledger.snapshot().state())
    };
    let (good, other) = (
        from_ceremony(CIRCUIT, network.shared.genesis.network()).0,
        from_ceremony(CIRCUIT, &OTHER).0,
    );
    assert!(check(other.clone()).is_ok(), "a chain without a block knows nobody");
    let development = circuit_document(CIRCUIT);
    network.department("tax").propose_circuit(&development).await.unwrap();
    check(good).unwrap();
    let fault = check(other).unwrap_err();
    assert!(fault.to_string().contains("tax did not sign contribution 1"), "{fault}");
}
