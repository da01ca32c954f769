use std::os::unix::fs::PermissionsExt as _;

use chain::identifier::EntryId;
use circuits::query::Mode;
use circuits::schema::Schema;
use circuits::statement::CircuitId;
use clap::{CommandFactory as _, Parser as _};
use tempfile::TempDir;

use super::super::{Arguments as CommandLine, Command};
use super::*;
use crate::document::key_card::{KeyCard, SignatureHex};
use crate::document::request::LegalBasis;
use crate::document::{Request, VERSION};
use crate::http::citizen::PastExchange;
use crate::http::client::PeerProblem;
use crate::records::schema_digest;
use crate::wallet::tests::office::{CODE, key, start};
use crate::wallet::tests::{facts, genesis};

const SCHEMA: &str = include_str!("../../../data/tax.schema.json");
/// 2099-12-31T00:00:00Z: the command line's clock is the machine's.
const EXPIRES: u64 = 4_102_358_400;

/// What `proofgate consent --wallet FOLDER` does with the words after it, and its exit status.
async fn run(folder: &Path, words: &[&str]) -> (Result<(), StepError>, Exit) {
    let folder = folder.to_str().unwrap();
    let before = ["proofgate", "consent", "--wallet", folder];
    let line = CommandLine::try_parse_from(before.iter().chain(words)).unwrap();
    let Command::Consent(Arguments { wallet, step: words }) = line.command else {
        panic!("not a consent command");
    };
    let outcome = step(&wallet, words).await;
    let status = outcome.as_ref().err().map_or(Exit::Ok, StepError::exit);
    (outcome, status)
}

/// A wallet with a card, and an offer to it.
async fn prepared(folder: &Path) -> Offer {
    assert_eq!(run(folder, &["keygen"]).await.1, Exit::Ok);
    let wallet = Wallet::open(folder, Arc::new(SystemClock), UnwrapErr(SysRng)).unwrap();
    let key = key("civil-registry");
    let card = KeyCard {
        version: VERSION,
        network: *genesis().network(),
        registrar: "civil-registry".parse().unwrap(),
        subject: "194891460900".parse().unwrap(),
        key: wallet.key(),
        valid_from: 0,
        salt: Nonce::try_from("0a".repeat(16)).unwrap(),
    };
    fs::write(folder.join("card.json"), json!(card.sign(&key)).to_string()).unwrap();
    let request = Request {
        version: VERSION,
        network: *genesis().network(),
        circuit: CircuitId::of(Mode::Pseudonymous),
        requester: "welfare".parse().unwrap(),
        issuer: "tax".parse().unwrap(),
        service: EntryId::from_digest(Digest::of(b"service")),
        schema: schema_digest(&Schema::parse(SCHEMA).unwrap()),
        query: json!([{"path": ["total_wages_cents"], "predicate": {"$lte": 3_000_000}}]),
        as_of: "2024-12-31".parse().unwrap(),
        purpose: "housing-support".to_owned(),
        legal_basis: LegalBasis::Consent { key_card: None },
        nonce: Nonce::try_from("0b".repeat(16)).unwrap(),
        created: EXPIRES - 3600,
        expires: EXPIRES,
    };
    let entry = EntryId::from_digest(Digest::of(b"entry"));
    let schema = Schema::parse(SCHEMA).unwrap();
    Offer { request, schema, entry, signature: SignatureHex(key.sign("x", b"")) }
}

#[test]
fn the_command_line_is_consistent() {
    CommandLine::command().debug_assert();
    let refused = |words: &[&str]| {
        let before = ["proofgate", "consent", "--wallet", "w"];
        CommandLine::try_parse_from(before.iter().chain(words)).is_err()
    };
    let digest = "0a".repeat(32);
    assert!(refused(&["approve"]));
    assert!(refused(&["approve", &digest, "--offer", "o"]));
    assert!(refused(&["show", &digest[1..]]));
    assert!(refused(&["list", "--gateway", "http://a"]));
    let enrol = ["enrol", "--department", "a", "--subject", "1", "--code", &digest[..32]];
    let with = |more: &[&str]| refused(&[&enrol[..], more].concat());
    assert!(with(&["--genesis", "g", "--network", &digest]));
    assert!(!with(&["--genesis", "g"]) && !with(&["--network", &digest]));
    assert!(refused(&["present", "--gateway", "ftp://a", "--department", "tax"]));
    assert!(!refused(&["present", "--gateway", "https://a", "--department", "tax"]));
    assert!(!refused(&["approve", &digest, "--yes"]));
    assert!(!refused(&["approve", "--offer", "o"]));
    assert!(!refused(&["list", "--gateway", "http://a", "--department", "tax"]));
}

#[test]
fn only_yes_is_yes() {
    for yes in ["y", "Y\n", "yes\r\n", " YES "] {
        assert!(is_yes(yes), "{yes:?}");
    }
    for no in ["", "\n", "n", "yy", "no", "ja", "1"] {
        assert!(!is_yes(no), "{no:?}");
    }
}

#[tokio::test]
async fn the_exit_status_tells_bad_data_from_no_gateway_and_no_permission() {
    let outer = TempDir::new().unwrap();
    let folder = outer.path().join("wallet");
    let (outcome, status) = run(&folder, &["list"]).await;
    assert_eq!(status, Exit::NoInput);
    assert!(outcome.unwrap_err().to_string().starts_with(folder.to_str().unwrap()));
    prepared(&folder).await;
    assert_eq!(run(&folder, &["keygen"]).await.1, Exit::CantCreat);

    assert!(matches!(run(&folder, &["list"]).await, (Err(StepError::NoDepartment), Exit::Usage)));
    // Nobody listens there.
    let tax = ["history", "--gateway", "http://127.0.0.1:9", "--department", "tax"];
    assert_eq!(run(&folder, &tax).await.1, Exit::Unavailable);
    // Where it is has been remembered.
    assert_eq!(run(&folder, &["list"]).await.1, Exit::Unavailable);

    let key = folder.join("consent.key");
    for (path, open, closed) in [(&key, 0o644, 0o600), (&folder, 0o750, 0o700)] {
        fs::set_permissions(path, fs::Permissions::from_mode(open)).unwrap();
        assert_eq!(run(&folder, &["list"]).await.1, Exit::NoPerm);
        fs::set_permissions(path, fs::Permissions::from_mode(closed)).unwrap();
        assert_eq!(run(&folder, &["list"]).await.1, Exit::Unavailable);
    }
}

#[test]
fn a_gateways_own_failure_is_unavailable_and_its_refusal_is_not() {
    let problem = |status| {
        let problem =
            PeerProblem { status, code: "c".to_owned(), detail: "d".to_owned(), retry_after: None };
        let error = CitizenClientError::Problem(problem);
        wallet_exit(&WalletError::Call { department: "tax".parse().unwrap(), error })
    };
    assert_eq!([500, 503].map(problem), [Exit::Unavailable; 2]);
    assert_eq!([401, 404, 422].map(problem), [Exit::DataErr; 3]);
}

#[tokio::test]
async fn an_offer_is_shown_in_words_before_it_is_signed() {
    let outer = TempDir::new().unwrap();
    let folder = outer.path().join("wallet");
    let offer = prepared(&folder).await;
    let wallet = Wallet::open(&folder, Arc::new(SystemClock), UnwrapErr(SysRng)).unwrap();
    let question = wallet.read_offer(offer.clone()).unwrap();
    let text = show::question(&question);
    for part in [
        "Asked by     welfare\n",
        "Answered by  tax\n",
        "Records      Tax authority (schema tax, version 1)\n",
        "Purpose      housing-support\n",
        "Legal basis  your consent\n",
        "Expires      2099-12-31T00:00:00Z\n",
        "An answer would prove that total_wages_cents is at most 3000000 cents (30000.00)\n",
        "welfare will know you by one pseudonym, the same each time it asks for housing-support",
    ] {
        assert!(text.contains(part), "{part:?} in:\n{text}");
    }
    let json = show::question_json(&question);
    assert_eq!(json["request"], json!(question.checked().digest()));
    assert_eq!(json["expires"], "2099-12-31T00:00:00Z");

    let file = outer.path().join("offer.json");
    fs::write(&file, json!(offer).to_string()).unwrap();
    let approve = ["approve", "--yes", "--offer", file.to_str().unwrap()];
    let at = ["--gateway", "http://127.0.0.1:9", "--department", "tax"];
    // The offer has all that it takes to read it; and then nobody listens.
    assert_eq!(run(&folder, &[&approve[..], &at].concat()).await.1, Exit::Unavailable);
    let mut other = json!(offer);
    other["schema"]["title"] = json!("Another");
    fs::write(&file, other.to_string()).unwrap();
    let (outcome, status) = run(&folder, &approve).await;
    assert_eq!(status, Exit::DataErr);
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("schema"), "{error}");
    fs::write(&file, "{").unwrap();
    let (outcome, status) = run(&folder, &approve).await;
    assert_eq!(status, Exit::DataErr);
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("offer.json") && error.contains("line 1"), "{error}");

    // The consent could be withdrawn: its secret was on disk before it was sent.
    let digest = question.checked().digest().to_string();
    assert_eq!(run(&folder, &["withdraw", &digest, "--yes"]).await.1, Exit::Unavailable);
    let never = Digest::of(b"never").to_string();
    assert_eq!(run(&folder, &["withdraw", &never, "--yes"]).await.1, Exit::DataErr);
}

#[tokio::test]
async fn a_key_is_enrolled_by_the_genesis_file() {
    let outer = TempDir::new().unwrap();
    let (gateway, base, served) = start(Arc::new(SystemClock)).await;
    let file = outer.path().join("genesis.json");
    fs::write(&file, genesis().as_bytes()).unwrap();
    let (base, code) = (base.to_string(), hex::encode(CODE));
    let enrol = ["enrol", "--gateway", &base, "--department", "civil-registry"];
    let enrol = [&enrol[..], &["--subject", "194891460900", "--code", &code]].concat();
    let by_genesis = [&enrol[..], &["--genesis", file.to_str().unwrap()]].concat();

    let folder = outer.path().join("wallet");
    assert_eq!(run(&folder, &["keygen"]).await.1, Exit::Ok);
    let (outcome, status) = run(&folder, &enrol).await;
    assert_eq!(status, Exit::DataErr);
    assert!(matches!(outcome, Err(StepError::Wallet(WalletError::NoNetwork))));
    *gateway.registry.card_signer.lock().unwrap() = "tax";
    let (outcome, status) = run(&folder, &by_genesis).await;
    assert_eq!(status, Exit::DataErr);
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("not signed with the key that the genesis file has"), "{error}");
    *gateway.registry.card_signer.lock().unwrap() = "civil-registry";
    assert_eq!(run(&folder, &by_genesis).await.1, Exit::Ok);
    // It is remembered, and no file of another network is taken after it.
    assert_eq!(run(&folder, &enrol).await.1, Exit::Ok);
    let mut other = facts();
    other.nonce = Digest::of(b"other");
    fs::write(&file, Genesis::new(other).unwrap().as_bytes()).unwrap();
    assert_eq!(run(&folder, &by_genesis).await.1, Exit::DataErr);
    fs::write(&file, "{").unwrap();
    let error = run(&folder, &by_genesis).await.0.unwrap_err().to_string();
    assert!(error.contains("genesis.json"), "{error}");

    let folder = outer.path().join("believing");
    assert_eq!(run(&folder, &["keygen"]).await.1, Exit::Ok);
    let network = genesis().network().to_string();
    assert_eq!(run(&folder, &[&enrol[..], &["--network", &network]].concat()).await.1, Exit::Ok);
    served.abort();
}

#[tokio::test]
async fn a_consent_that_cannot_be_withdrawn_is_in_the_exit_status_of_history() {
    let outer = TempDir::new().unwrap();
    let folder = outer.path().join("wallet");
    let (gateway, base, served) = start(Arc::new(SystemClock)).await;
    let offer = prepared(&folder).await;
    let mut wallet = Wallet::open(&folder, Arc::new(SystemClock), UnwrapErr(SysRng)).unwrap();
    let question = wallet.read_offer(offer).unwrap();
    // Nobody listens there; what withdraws the consent is kept.
    wallet.remember("tax".parse().unwrap(), "http://127.0.0.1:9".parse().unwrap()).unwrap();
    wallet.approve(&question).await.unwrap_err();
    let history = ["history", "--gateway", &base.to_string(), "--department", "tax"];
    assert_eq!(run(&folder, &history).await.1, Exit::Ok);
    let told = PastExchange {
        request: *question.checked().digest(),
        requester: "welfare".to_owned(),
        purpose: "housing-support".to_owned(),
        legal_basis: "consent".to_owned(),
        condition: vec![],
        created: 0,
        expires: 1,
        state: "unsatisfied".to_owned(),
        silence: None,
        consent: None,
    };
    *gateway.tax.history.lock().unwrap() = vec![told.clone()];
    assert_eq!(run(&folder, &history).await.1, Exit::Ok);
    *gateway.tax.history.lock().unwrap() =
        vec![PastExchange { state: "answered".to_owned(), ..told }];
    let (outcome, status) = run(&folder, &history).await;
    assert_eq!(status, Exit::DataErr);
    assert!(matches!(outcome, Err(StepError::Consents(1))));

    // By the wrong genesis file nothing is checked, and the card does not hold.
    let file = outer.path().join("genesis.json");
    let mut other = facts();
    other.departments[0].signing_key = key("x").verifying_key();
    fs::write(&file, Genesis::new(other).unwrap().as_bytes()).unwrap();
    let by_genesis = [&history[..], &["--genesis", file.to_str().unwrap()]].concat();
    let (outcome, _) = run(&folder, &by_genesis).await;
    assert!(matches!(outcome, Err(StepError::Wallet(WalletError::Card { .. }))));
    served.abort();
}

#[tokio::test]
async fn a_card_that_no_record_takes_is_told_as_a_failure() {
    let outer = TempDir::new().unwrap();
    let folder = outer.path().join("wallet");
    let (gateway, base, served) = start(Arc::new(SystemClock)).await;
    prepared(&folder).await;
    let present = ["present", "--gateway", &base.to_string(), "--department", "tax"];
    assert_eq!(run(&folder, &present).await.1, Exit::Ok);
    gateway.tax.datasets.lock().unwrap().clear();
    let (outcome, status) = run(&folder, &present).await;
    assert_eq!(status, Exit::DataErr);
    assert!(matches!(outcome, Err(StepError::NoRecord(_))));
    served.abort();
}
