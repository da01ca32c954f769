mod cards;
mod history;
pub(crate) mod office;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use chain::department::{Department, Role};
use chain::genesis::{GENESIS_FORMAT, NetworkFacts, SubjectIdentifier};
use chain::identifier::EntryId;
use chain::time::Timestamp;
use chain::validators::Validator;
use circuits::query::Mode;
use circuits::schema::Schema;
use circuits::statement::CircuitId;
use crypto::rand_core::UnwrapErr;
use getrandom::SysRng;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::document::key_card::SignatureHex;
use crate::document::request::{LegalBasis, RequestError};
use crate::document::{Request, VERSION};
use crate::exchange::verification::Note;
use crate::http::citizen::Pending;
use crate::key_file::KeyFileFault;
use crate::records::schema_digest;
use office::{CODE, key, start};

pub(super) const NOW: u64 = 1_735_646_400;

static GENESIS: LazyLock<Genesis> = LazyLock::new(|| Genesis::new(facts()).unwrap());

/// Three departments, of which the first is a registrar; each signs with the key of its name.
pub(crate) fn facts() -> NetworkFacts {
    let department = |name: &str| Department {
        id: id(name),
        name: name.parse().unwrap(),
        url: format!("http://{name}.example").parse().unwrap(),
        signing_key: key(name).verifying_key(),
        hpke_key: "0a".repeat(32).parse().unwrap(),
        roles: (name == "civil-registry").then_some(Role::Registrar).into_iter().collect(),
    };
    NetworkFacts {
        format: GENESIS_FORMAT.to_owned(),
        name: "network.example/wallet".parse().unwrap(),
        nonce: Digest::of(b"wallet tests"),
        subject_identifier: SubjectIdentifier {
            kind: "citizen number".parse().unwrap(),
            normal_form: "12 digits".parse().unwrap(),
        },
        records_grace_seconds: 0,
        departments: ["civil-registry", "tax", "welfare"].map(department).to_vec(),
        validators: vec![Validator {
            id: "gateway".parse().unwrap(),
            name: "Gateway".parse().unwrap(),
            key: key("gateway").verifying_key(),
        }],
        cosigners: Vec::new(),
    }
}

pub(crate) fn genesis() -> Genesis {
    GENESIS.clone()
}

pub(super) fn network() -> NetworkId {
    *GENESIS.network()
}

pub(super) fn schema() -> Schema {
    Schema::parse(include_str!("../../data/tax.schema.json")).unwrap()
}

#[derive(Debug)]
struct StoppedClock(AtomicU64);

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.0.load(Ordering::SeqCst))
    }
}

fn clock() -> Arc<StoppedClock> {
    Arc::new(StoppedClock(AtomicU64::new(NOW)))
}

type TestWallet = Wallet<UnwrapErr<SysRng>>;

fn id(name: &str) -> DepartmentId {
    name.parse().unwrap()
}

fn subject() -> Subject {
    "194891460900".parse().unwrap()
}

fn folder() -> (TempDir, PathBuf) {
    let outer = TempDir::new().unwrap();
    let path = outer.path().join("wallet");
    (outer, path)
}

fn create(path: &Path) -> TestWallet {
    Wallet::create(path, clock(), UnwrapErr(SysRng)).unwrap()
}

fn open(path: &Path) -> Result<TestWallet, WalletError> {
    Wallet::open(path, clock(), UnwrapErr(SysRng))
}

fn card(wallet: &TestWallet) -> KeyCard {
    KeyCard {
        version: VERSION,
        network: network(),
        registrar: id("civil-registry"),
        subject: subject(),
        key: wallet.key(),
        valid_from: NOW,
        salt: Nonce::from_bytes([3; 16]),
    }
}

fn request(card: &KeyCard) -> Request {
    Request {
        version: VERSION,
        network: network(),
        circuit: CircuitId::of(Mode::Identified),
        requester: id("welfare"),
        issuer: id("tax"),
        service: EntryId::from_digest(Digest::of(b"service")),
        schema: schema_digest(&schema()),
        query: json!([{"path": ["total_wages_cents"], "predicate": {"$lte": 3_000_000}}]),
        as_of: "2024-12-31".parse().unwrap(),
        purpose: "housing-support".to_owned(),
        legal_basis: LegalBasis::Consent { key_card: Some(card.digest()) },
        nonce: Nonce::from_bytes([7; 16]),
        created: NOW - 60,
        expires: NOW + 3600,
    }
}

fn pending(request: &Request) -> Pending {
    Pending {
        request: json!(request),
        requester_name: "Welfare office".to_owned(),
        schema: json!(schema()),
        service_title: "Incomes".to_owned(),
        condition: vec!["you like ice cream".to_owned()],
        holds: true,
        notes: vec![],
    }
}

fn offer(request: Request) -> Offer {
    let entry = EntryId::from_digest(Digest::of(b"entry"));
    let digest = crypto::canonical::digest(&request).unwrap();
    let message = [digest.as_bytes().as_slice(), entry.as_bytes()].concat();
    let signature =
        SignatureHex(key(request.requester.as_str()).sign("proofgate/v1/offer", &message));
    Offer { request, schema: schema(), entry, signature }
}

fn pseudonymous(card: &KeyCard) -> Request {
    Request {
        circuit: CircuitId::of(Mode::Pseudonymous),
        legal_basis: LegalBasis::Consent { key_card: None },
        ..request(card)
    }
}

fn read(pending: Pending, card: &KeyCard) -> Result<Question, Rejected> {
    Question::waiting(pending, Place { issuer: id("tax"), card, now: NOW })
}

fn unsignable(error: WalletError) -> Unsignable {
    match error {
        WalletError::Rejected(rejected) => *rejected.reason,
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_wallet_enrols_consents_and_withdraws_against_a_gateway_that_verifies() {
    let (gateway, base, served) = start(clock()).await;
    let (_outer, path) = folder();
    *gateway.tax.withdrawals.lock().unwrap() = path.join("withdrawals");
    let mut wallet = create(&path);
    let (registry, tax) = (id("civil-registry"), id("tax"));
    wallet.remember(registry, base.clone()).unwrap();
    wallet.remember(tax, base.clone()).unwrap();

    let code = Nonce::from_bytes([0xff; 16]);
    let untold = wallet.enrol(registry, subject(), code, None).await.unwrap_err();
    assert!(matches!(untold, WalletError::NoNetwork));
    let elsewhere = NetworkId::from_digest(Digest::of(b"elsewhere"));
    let refused = wallet.enrol(registry, subject(), code, Some(elsewhere)).await.unwrap_err();
    assert!(matches!(refused,
        WalletError::Call { error: CitizenClientError::Problem(p), .. } if p.code == "citizen-signature"));
    let refused = wallet.enrol(registry, subject(), code, Some(network())).await.unwrap_err();
    assert!(matches!(refused,
        WalletError::Call { error: CitizenClientError::Problem(p), .. } if p.code == "enrolment-code"));
    assert!(wallet.card().is_none());
    assert!(matches!(wallet.present(tax).await, Err(WalletError::NoCard)));
    let code = Nonce::from_bytes(CODE);
    wallet.trust(genesis()).unwrap();
    let elsewhere = wallet.enrol(registry, subject(), code, Some(elsewhere)).await.unwrap_err();
    assert!(matches!(elsewhere, WalletError::OtherNetwork { known, .. } if known == network()));
    wallet.enrol(registry, subject(), code, None).await.unwrap();
    assert_eq!(wallet.present(tax).await.unwrap(), ["incomes"]);
    assert_eq!(gateway.tax.log(), ["card of civil-registry"]);

    let good = request(wallet.card().unwrap());
    let foreign = Request { network: NetworkId::from_digest(Digest::of(b"x")), ..good.clone() };
    *gateway.tax.pending.lock().unwrap() = vec![pending(&good), pending(&foreign)];
    let waiting = wallet.pending(tax).await.unwrap();
    let [Ok(question), Err(rejected)] = waiting.as_slice() else { panic!("{waiting:?}") };
    assert!(matches!(*rejected.reason, Unsignable::Network { .. }));
    let digest = *question.checked().digest();

    assert_eq!(wallet.approve(question).await.unwrap().state, "consented");
    // Again, as after an answer that was lost: the office finds the same lock.
    assert_eq!(wallet.approve(question).await.unwrap().state, "consented");
    wallet.refuse(tax, rejected.digest).await.unwrap();
    let log =
        ["consented".to_owned(), "consented".to_owned(), format!("refused {}", rejected.digest)];
    assert_eq!(gateway.tax.log(), log);

    // Everything that a withdrawal needs is on disk.
    let mut wallet = open(&path).unwrap();
    let consented = wallet.consented(&digest).unwrap();
    assert_eq!((consented.issuer, consented.requester), (tax, id("welfare")));
    assert_eq!(wallet.withdraw(digest).await.unwrap().state, "withdrawn");
    let unknown = Digest::of(b"never");
    assert!(
        matches!(wallet.withdraw(unknown).await, Err(WalletError::NoConsent(d)) if d == unknown)
    );
    assert_eq!(gateway.tax.log(), ["withdrawn"]);
    served.abort();
}

#[tokio::test]
async fn an_offer_is_read_signed_and_taken_to_the_issuer() {
    let (gateway, base, served) = start(clock()).await;
    let (_outer, path) = folder();
    *gateway.tax.withdrawals.lock().unwrap() = path.join("withdrawals");
    let mut wallet = create(&path);
    wallet.remember(id("civil-registry"), base.clone()).unwrap();
    let code = Nonce::from_bytes(CODE);
    let registry = id("civil-registry");
    let card = wallet.enrol(registry, subject(), code, Some(network())).await.unwrap().clone();
    let good = offer(pseudonymous(&card));

    let mut other = good.clone();
    other.schema = Schema::parse(include_str!("../../data/civil_registry.schema.json")).unwrap();
    let other = wallet.read_offer(other).unwrap_err();
    assert!(matches!(unsignable(other), Unsignable::Check(RequestError::Schema { .. })));
    let question = wallet.read_offer(good).unwrap();
    let same =
        Notice::SamePseudonym { requester: id("welfare"), purpose: "housing-support".to_owned() };
    let notices = [Notice::Note(Note::ConsentBindsAllButIssuer), same, Notice::OfferUnchecked];
    assert_eq!(question.notices(), notices);

    let nowhere = wallet.approve(&question).await.unwrap_err();
    assert!(matches!(nowhere, WalletError::UnknownDepartment(d) if d == id("tax")));
    wallet.remember(id("tax"), base).unwrap();
    assert_eq!(wallet.approve(&question).await.unwrap().state, "consented");

    let identified = wallet.read_offer(offer(request(&card))).unwrap_err();
    assert!(matches!(unsignable(identified), Unsignable::NotPseudonymous(_)));
    let mut float = offer(pseudonymous(&card));
    float.request.query = json!([{"path": ["total_wages_cents"], "predicate": {"$lte": 0.5}}]);
    let float = wallet.read_offer(float).unwrap_err();
    assert!(matches!(unsignable(float), Unsignable::Check(RequestError::Query(_))));
    served.abort();
}

#[tokio::test]
async fn a_question_that_expires_while_it_is_read_is_not_signed() {
    let (_outer, path) = folder();
    let clock = clock();
    let mut wallet =
        Wallet::create(&path, Arc::clone(&clock) as Arc<dyn Clock>, UnwrapErr(SysRng)).unwrap();
    // Nobody listens there.
    wallet.remember(id("tax"), "http://127.0.0.1:9".parse().unwrap()).unwrap();
    let card = card(&wallet);
    wallet.card = Some(card.clone().sign(&key("civil-registry")));
    let question = read(pending(&request(&card)), &card).unwrap();
    clock.0.store(NOW + 3601, Ordering::SeqCst);
    let late = wallet.approve(&question).await.unwrap_err();
    assert!(matches!(unsignable(late), Unsignable::Expired { .. }));
    assert!(!path.join("withdrawals").exists());

    clock.0.store(NOW + 3600, Ordering::SeqCst);
    let unreachable = wallet.approve(&question).await.unwrap_err();
    assert!(matches!(
        unreachable,
        WalletError::Call { error: CitizenClientError::Unreachable, .. }
    ));
    assert!(wallet.consented(question.checked().digest()).is_ok());
}

#[test]
fn a_question_is_signed_only_if_it_checks_and_is_to_this_citizen_here_and_now() {
    let (_outer, path) = folder();
    let card = card(&create(&path));
    let good = request(&card);
    let reason = |request: &Request| *read(pending(request), &card).unwrap_err().reason;
    assert!(read(pending(&good), &card).is_ok());

    let mut other = good.clone();
    other.issuer = id("social-security");
    assert!(matches!(reason(&other), Unsignable::Issuer { named, asked }
        if named == other.issuer && asked == good.issuer));

    let mut other = good.clone();
    other.network = NetworkId::from_digest(Digest::of(b"other"));
    assert!(matches!(reason(&other), Unsignable::Network { named, .. } if named == other.network));

    let mut other = good.clone();
    let named = KeyCard { salt: Nonce::from_bytes([4; 16]), ..card.clone() }.digest();
    other.legal_basis = LegalBasis::Consent { key_card: Some(named) };
    assert!(matches!(reason(&other), Unsignable::KeyCard { named: n, own }
        if n == named && own == card.digest()));

    let mut other = good.clone();
    (other.created, other.expires) = (NOW - 60, NOW - 1);
    assert!(matches!(reason(&other), Unsignable::Expired { expires } if expires == NOW - 1));
    other.expires = NOW;
    assert!(read(pending(&other), &card).is_ok());

    let mut other = good.clone();
    other.legal_basis = LegalBasis::Statutory { reference: "Act 1".to_owned() };
    assert!(matches!(reason(&other), Unsignable::Statutory { reference } if reference == "Act 1"));

    let mut other = good.clone();
    other.query = json!([{"path": ["wages"], "predicate": {"$lte": 1}}]);
    assert!(matches!(reason(&other), Unsignable::Check(RequestError::Query(_))));
    other.query = json!([{"path": ["total_wages_cents"], "predicate": {"$lte": 0.5}}]);
    assert!(matches!(reason(&other), Unsignable::Check(RequestError::Query(_))));
    let mut other = good.clone();
    other.purpose = "Housing".to_owned();
    assert!(matches!(reason(&other), Unsignable::Check(RequestError::Purpose { .. })));
}

#[test]
fn a_question_is_read_with_the_schema_that_it_names_and_with_no_other() {
    let (_outer, path) = folder();
    let card = card(&create(&path));
    let reason = |pending: Pending| *read(pending, &card).unwrap_err().reason;
    let good = pending(&request(&card));

    let mut swapped = good.clone();
    swapped.schema["fields"][5]["unit"] = json!("dollars");
    assert!(matches!(reason(swapped), Unsignable::Check(RequestError::Schema { .. })));
    let mut none = good.clone();
    none.schema = json!({});
    assert!(matches!(reason(none), Unsignable::Schema(_)));
    let mut more = good.clone();
    more.request["also"] = json!(1);
    assert!(matches!(reason(more), Unsignable::Request(_)));
    assert!(read(good, &card).is_ok());
}

#[test]
fn what_the_issuer_says_is_kept_apart_from_what_the_wallet_reads() {
    let (_outer, path) = folder();
    let mut card = card(&create(&path));
    let mut shown = pending(&request(&card));
    shown.notes = vec!["development-key".to_owned(), "trust us".to_owned()];
    let question = read(shown.clone(), &card).unwrap();
    let condition = question.checked().query().describe();
    assert!(condition.starts_with("total_wages_cents is at most 3000000"), "{condition}");
    let notices = [Notice::Note(Note::DevelopmentKey), Notice::Issuer("trust us".to_owned())];
    assert_eq!(question.notices(), notices);

    // The issuer says nothing of having enrolled the key itself; the card does.
    card.registrar = id("tax");
    shown = pending(&request(&card));
    let own = [Notice::Note(Note::ConsentKeyEnrolledByIssuer)];
    assert_eq!(read(shown.clone(), &card).unwrap().notices(), own);
    shown.notes = vec!["consent-key-enrolled-by-issuer".to_owned()];
    assert_eq!(read(shown, &card).unwrap().notices(), own);
}

#[test]
fn a_wallet_that_others_can_look_into_is_not_opened() {
    let (_outer, path) = folder();
    drop(create(&path));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&path.join("consent.key"))), (0o700, 0o600));
    let set =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for bad in [0o710, 0o704, 0o777] {
        set(&path, bad);
        assert!(matches!(open(&path), Err(WalletError::Folder(FolderError {
            fault: FolderFault::Readable { mode }, .. })) if mode == bad));
    }
    set(&path, 0o700);
    set(&path.join("consent.key"), 0o640);
    assert!(matches!(
        open(&path),
        Err(WalletError::Key(KeyFileError { fault: KeyFileFault::Readable { mode: 0o640 }, .. }))
    ));
    set(&path.join("consent.key"), 0o600);
    assert!(open(&path).is_ok());
}

#[test]
fn a_key_is_never_overwritten() {
    let (_outer, path) = folder();
    let key = create(&path).key();
    let again = Wallet::create(&path, clock(), UnwrapErr(SysRng)).unwrap_err();
    assert!(matches!(again, WalletError::Key(_)));
    assert_eq!(open(&path).unwrap().key(), key);
}

#[test]
fn a_damaged_file_is_named_with_the_place() {
    let (_outer, path) = folder();
    let mut wallet = create(&path);
    wallet.remember(id("tax"), "http://a:1".parse().unwrap()).unwrap();
    assert_eq!(open(&path).unwrap().departments().collect::<Vec<_>>(), [id("tax")]);
    for (name, text, place) in [
        ("genesis.json", "{}", "missing field"),
        ("card.json", "{\n\"card\": 1}", "line 2"),
        ("departments.json", "[{\"department\": \"Tax\", \"url\": \"\"}]", "line 1"),
        ("departments.json", "[{\"department\": \"tax\", \"url\": \"ftp://a\"}]", "ftp://a"),
    ] {
        let file = path.join(name);
        let good = fs::read(&file).ok();
        fs::write(&file, text).unwrap();
        let error = open(&path).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(place), "{error}");
        match good {
            Some(good) => fs::write(&file, good).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        assert!(open(&path).is_ok());
    }
}

#[test]
fn a_withdrawal_is_of_the_request_that_its_file_is_named_after() {
    let (_outer, path) = folder();
    let mut wallet = create(&path);
    let card = card(&wallet);
    let question = read(pending(&request(&card)), &card).unwrap();
    let w = wallet.keep(&question).unwrap().w;
    assert_eq!(wallet.keep(&question).unwrap().w, w);
    let (digest, other) = (*question.checked().digest(), Digest::of(b"other"));
    let file = |digest: &Digest| path.join("withdrawals").join(format!("{digest}.json"));
    fs::copy(file(&digest), file(&other)).unwrap();
    assert!(matches!(wallet.consented(&other), Err(WalletError::Folder(FolderError {
        fault: FolderFault::OtherRequest(d), .. })) if d == digest));
    assert!(wallet.consented(&digest).is_ok());
}
