use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt as _;

use getrandom::SysRng;
use rand_core::UnwrapErr;
use tempfile::TempDir;

use super::*;
use crate::config::ChainRole;
use crate::following::Remembered;

fn plan() -> Plan {
    Plan {
        department: "tax".parse().unwrap(),
        name: "Tax Authority".parse().unwrap(),
        url: "http://127.0.0.1:8080".parse().unwrap(),
        listen: "127.0.0.1:8080".parse().unwrap(),
        roles: Vec::new(),
        network: NetworkPlan::Found("proofgate.example/test".parse().unwrap()),
    }
}

fn init(folder: &Folder, plan: &Plan) -> Result<Initialized, InitError> {
    // No proving keys: they take seconds to make, and are files like others.
    folder.init(plan, &HashMap::new(), &mut UnwrapErr(SysRng))
}

fn names(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        names.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_new_folder_holds_together() {
    let temporary = TempDir::new().unwrap();
    let folder = Folder::new(temporary.path().join("a").join("b"));
    let made = init(&folder, &plan()).unwrap();
    assert_eq!(
        names(folder.root()),
        ["genesis.json", "network.json", "proofgate.toml", "proving", "tax", "validator.key"]
    );
    let served = Remembered::require(&folder, made.genesis.network()).unwrap();
    assert_eq!((served.height, served.departments.len()), (0, 1));
    let config = folder.config().unwrap();
    assert_eq!(config.departments, [made.document.id]);
    assert_eq!(config.chain, ChainRole::Validator("tax".parse().unwrap()));
    let genesis = folder.genesis().unwrap();
    assert_eq!(genesis.network(), made.genesis.network());
    let validator = folder.validator_key().unwrap().verifying_key();
    assert_eq!(genesis.facts().validators[0].key, validator);
    let home = folder.department(&made.document.id);
    let document = read_document(&home.document_file()).unwrap();
    assert_eq!(genesis.facts().departments, std::slice::from_ref(&document));
    let keys = home.secrets().unwrap().keys;
    assert_eq!(document.signing_key, keys.signing.verifying_key());
    assert_eq!(document.hpke_key.as_str(), keys.recipient.public_key().to_string());
}

#[test]
fn nobody_else_can_look_into_it() {
    let temporary = TempDir::new().unwrap();
    let folder = Folder::new(temporary.path().join("gateway"));
    init(&folder, &plan()).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.root()), 0o700);
    let home = folder.department(&"tax".parse().unwrap());
    assert_eq!(mode(home.root()), 0o700);
    for name in names(home.root()).iter().filter(|it| !it.ends_with(".json")) {
        assert_eq!(mode(&home.root().join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&folder.root().join(VALIDATOR_KEY)), 0o600);
}

#[test]
fn who_joins_keeps_no_chain_and_is_not_in_the_genesis() {
    let temporary = TempDir::new().unwrap();
    let founder = Folder::new(temporary.path().join("tax"));
    let genesis = init(&founder, &plan()).unwrap().genesis;
    let joined = Folder::new(temporary.path().join("welfare"));
    let follow: crate::http::BaseUrl = "http://127.0.0.1:8080".parse().unwrap();
    let network = NetworkPlan::Join { genesis: Arc::clone(&genesis), follow: follow.clone() };
    let department = "welfare".parse().unwrap();
    init(&joined, &Plan { department, network: network.clone(), ..plan() }).unwrap();
    assert_eq!(joined.config().unwrap().chain, ChainRole::Follower(follow));
    assert_eq!(joined.genesis().unwrap().as_bytes(), genesis.as_bytes());
    assert!(joined.validator_key().is_err());
    let again = Folder::new(temporary.path().join("again"));
    let taken = init(&again, &Plan { network, ..plan() });
    assert!(matches!(taken, Err(InitError::Department(id)) if id.as_str() == "tax"));
    assert_eq!(names(again.root()), [""; 0], "nothing is left of what failed");
}

#[test]
fn what_is_there_is_never_overwritten() {
    let temporary = TempDir::new().unwrap();
    let folder = Folder::new(temporary.path());
    std::fs::write(temporary.path().join("letter.txt"), "mine").unwrap();
    assert!(matches!(init(&folder, &plan()), Err(InitError::NotEmpty { .. })));
    assert_eq!(names(folder.root()), ["letter.txt"]);
    std::fs::remove_file(temporary.path().join("letter.txt")).unwrap();
    let made = init(&folder, &plan()).unwrap();
    assert!(matches!(init(&folder, &plan()), Err(InitError::Exists { .. })));
    assert_eq!(folder.genesis().unwrap().network(), made.genesis.network());
}

#[test]
fn an_attempt_that_was_cut_off_is_made_again() {
    let temporary = TempDir::new().unwrap();
    let folder = Folder::new(temporary.path());
    let staging = temporary.path().join(".init");
    std::fs::create_dir_all(staging.join("tax")).unwrap();
    std::fs::write(staging.join("tax").join("signing.key"), "half").unwrap();
    init(&folder, &plan()).unwrap();
    assert!(!staging.exists());
    assert!(folder.department(&"tax".parse().unwrap()).secrets().is_ok());
}

#[test]
fn one_process_at_a_time_has_the_folder() {
    let temporary = TempDir::new().unwrap();
    let folder = Folder::new(temporary.path());
    assert_eq!(folder.holder().unwrap(), None);
    let lock = folder.lock().unwrap();
    let us = Some(std::process::id());
    assert!(
        matches!(folder.lock(), Err(LockError::Held { holder, .. }) if holder.process == us),
        "a second one is told who has it"
    );
    assert_eq!(folder.holder().unwrap(), Some(Holder { process: us, ..Holder::default() }));
    let started = Started::with(&ImportedKeys::new(), true);
    lock.starting(started.clone()).unwrap();
    let tax: DepartmentId = "tax".parse().unwrap();
    lock.waiting(vec![tax]).unwrap();
    assert_eq!(folder.holder().unwrap().unwrap().awaited, [tax]);
    lock.listening("http://127.0.0.1:1".to_owned()).unwrap();
    let Holder { address, awaited, started: told, .. } = folder.holder().unwrap().unwrap();
    assert_eq!(told, Some(started));
    assert_eq!(address.as_deref(), Some("http://127.0.0.1:1"));
    assert!(awaited.is_empty(), "what it waited for has come");
    drop(lock);
    assert_eq!(folder.holder().unwrap(), None, "what an ended process wrote counts no more");
    folder.lock().unwrap();
}

#[test]
fn a_proving_key_that_is_damaged_is_named() {
    let temporary = TempDir::new().unwrap();
    let folder = Folder::new(temporary.path());
    let circuit = circuits::statement::CircuitId::IdentifiedV1;
    let keys = || folder.proving_keys(&ImportedKeys::new(), false);
    let missing = keys().unwrap_err();
    assert_eq!(missing.path, folder.development_key(circuit));
    make(folder.development_key(circuit).parent().unwrap()).unwrap();
    std::fs::write(folder.development_key(circuit), b"short").unwrap();
    let damaged = keys().unwrap_err();
    assert!(matches!(damaged.fault, ProvingKeyFault::Key(_)), "{damaged}");
}
