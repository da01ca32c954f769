//! Citizens who are not who they say, and what a key that was enrolled for somebody else opens.

use chain::entry::withdrawal_lock;
use crypto::Digest;
use gateway::document::CheckedRequest;
use gateway::http::HexBytes;
use gateway::http::citizen::{
    CREDENTIAL_HEADER, CitizenCredential, Consent, ConsentSignatureBytes, KeyEnrolment, OfferTaken,
    Progress, Refusal, SignedCall, Withdrawal,
};
use gateway::http::citizen_client::{CitizenClientError, CitizenSigner as _};
use gateway::http::local::{AskedStatus, SubjectText};
use gateway::records::schema_digest;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};

use crate::world::{
    Citizen, ConsentKey, World, ask, ask_anybody, now, random_digest, refused, rng,
};

/// The question in an offer, and the offer.
pub(crate) fn offered(offer: &Value) -> (CheckedRequest, Value) {
    let question = serde_json::from_value(offer["request"].clone()).unwrap();
    let schema = serde_json::from_value(offer["schema"].clone()).unwrap();
    let question = CheckedRequest::check(question, &schema, &schema_digest(&schema)).unwrap();
    (question, offer.clone())
}

/// Takes an offer to tax.
pub(crate) async fn take(
    world: &World,
    citizen: &Citizen,
    offer: Value,
    signature: ConsentSignatureBytes,
) -> Result<Progress, CitizenClientError> {
    let taken = OfferTaken { offer, signature, lock: random_digest() };
    world.citizen_client("tax").take_offer(citizen.key.calls(&mut rng()), &taken).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_is_the_citizens_own_to_this_question() {
    let world = World::get().await;
    let (citizen, other) = (world.citizen(0), world.citizen(3));
    let posed = world.pose(citizen, &ask(&citizen.subject, 2_000_000)).await;
    let another = world.pose(citizen, &ask(&citizen.subject, 2_100_000)).await;
    let request = posed.asked.request;
    let tax = world.citizen_client("tax");
    let consent = async |key: &ConsentKey, request, signature| {
        let consent = Consent { request, signature, lock: random_digest() };
        tax.consent(key.calls(&mut rng()), &consent).await
    };
    let (mine, theirs) = (&citizen.key, &other.key);
    // The citizen's own call, with a signature of somebody else's or to something else.
    for signature in [theirs.consent(&posed.question), mine.consent(&another.question)] {
        let told = consent(mine, request, signature).await;
        assert_eq!(world.told(told), refused(422, "consent-signature"));
    }
    let nothing = HexBytes::from_bytes([0; 96]);
    let told = consent(mine, request, nothing).await;
    assert_eq!(world.told(told), refused(422, "consent-signature"));
    // Another citizen, or a key that nobody enrolled, sees no such question.
    for key in [theirs, &ConsentKey::random()] {
        for request in [request, random_digest()] {
            let told = consent(key, request, key.consent(&posed.question)).await;
            assert_eq!(world.told(told), refused(404, "request-unknown"));
            let told = tax.refuse(key.calls(&mut rng()), &Refusal { request }).await;
            assert_eq!(world.told(told), refused(404, "request-unknown"));
            let withdrawal = Withdrawal { request, w: random_digest() };
            let told = tax.withdraw(key.calls(&mut rng()), &withdrawal).await;
            assert_eq!(world.told(told), refused(404, "request-unknown"));
        }
    }
    consent(mine, request, mine.consent(&posed.question)).await.unwrap();
    assert_eq!(world.outcome(&request).await.status, AskedStatus::Verified);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_is_withdrawn_with_its_secret_only() {
    let world = World::get().await;
    let citizen = world.citizen(3);
    let posed = world.pose(citizen, &ask(&citizen.subject, 2_000_000)).await;
    let request = posed.asked.request;
    let secret = random_digest();
    let tax = world.citizen_client("tax");
    let withdraw =
        async |w| tax.withdraw(citizen.key.calls(&mut rng()), &Withdrawal { request, w }).await;
    assert_eq!(world.told(withdraw(secret).await), refused(409, "request-state"));
    world.consent(citizen, &posed, withdrawal_lock(&secret)).await;
    for wrong in [random_digest(), withdrawal_lock(&secret)] {
        assert_eq!(world.told(withdraw(wrong).await), refused(422, "withdrawal-lock"));
    }
    let withdrawn = withdraw(secret).await.unwrap();
    // Log order decides which it was; both are the citizen's to see.
    assert!(["withdrawn", "consented", "answered"].contains(&withdrawn.state.as_str()));
}

/// A call of a citizen's as it is on the wire.
struct Call {
    network: Digest,
    department: &'static str,
    method: &'static str,
    resource: &'static str,
    body: Vec<u8>,
    created: u64,
}

impl Call {
    fn pending(world: &World) -> Self {
        let network = *world.genesis.network().as_digest();
        let (department, method, resource) = ("tax", "GET", "requests");
        Self { network, department, method, resource, body: Vec::new(), created: now() }
    }

    fn target(&self) -> String {
        format!("/v1/citizen/{}/{}", self.department, self.resource)
    }

    fn credential(&self, key: &ConsentKey) -> CitizenCredential {
        let nonce = HexBytes::from_bytes(random_digest().as_bytes()[..16].try_into().unwrap());
        let target = self.target();
        let call = SignedCall {
            network: &self.network,
            department: self.department,
            method: self.method,
            target: &target,
            body: &self.body,
        };
        let signature = key.sign(&call.message(self.created, &nonce));
        CitizenCredential { key: key.key(), created: self.created, nonce, signature }
    }

    fn request(&self, world: &World, credential: impl ToString) -> Request<Bytes> {
        let request = Request::builder().method(self.method).uri(world.url(&self.target()));
        let request = request.header(CREDENTIAL_HEADER, credential.to_string());
        let request = request.header("content-type", "application/json");
        request.body(self.body.clone().into()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_citizens_header_is_for_one_call_once() {
    let world = World::get().await;
    let key = &world.citizen(0).key;
    let good = Call::pending(world);
    let taken = good.request(world, good.credential(key));
    assert_eq!(world.send(taken.clone()).await.status(), StatusCode::OK);
    assert_eq!(world.refusal(taken).await, refused(401, "citizen-replayed"));

    // Signed for another call, and put on this one.
    let others = [
        Call { network: random_digest(), ..Call::pending(world) },
        Call { department: "welfare", ..Call::pending(world) },
        Call { resource: "history", ..Call::pending(world) },
        Call { method: "POST", ..Call::pending(world) },
        Call { body: b"{}".to_vec(), ..Call::pending(world) },
    ];
    for other in others {
        let request = good.request(world, other.credential(key));
        assert_eq!(world.refusal(request).await, refused(401, "citizen-signature"));
    }
    let credential = good.credential(key);
    let bent = [
        CitizenCredential { created: credential.created - 1, ..credential },
        CitizenCredential { nonce: HexBytes::from_bytes([9; 16]), ..credential },
        CitizenCredential { key: ConsentKey::random().key(), ..credential },
        CitizenCredential { key: HexBytes::from_bytes([0; 64]), ..credential },
        CitizenCredential { signature: HexBytes::from_bytes([255; 96]), ..credential },
    ];
    for bent in bent {
        let request = good.request(world, bent);
        assert_eq!(world.refusal(request).await, refused(401, "citizen-signature"));
    }
    for (created, code) in [(now() - 61, "citizen-stale"), (now() + 120, "citizen-future")] {
        let call = Call { created, ..Call::pending(world) };
        let refusal = world.refusal(call.request(world, call.credential(key))).await;
        assert_eq!(refusal, refused(401, code));
    }
    for text in [String::new(), format!("{credential}, "), credential.to_string().to_uppercase()] {
        let refusal = world.refusal(good.request(world, text)).await;
        assert_eq!(refusal, refused(401, "citizen-header"));
    }
    let mut bare = good.request(world, credential);
    bare.headers_mut().remove(CREDENTIAL_HEADER);
    assert_eq!(world.refusal(bare).await, refused(401, "citizen-header"));
    let response = world.send(good.request(world, credential)).await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_code_is_good_once_for_its_citizen_at_the_registrar() {
    let world = World::get().await;
    // Nobody's number: what is enrolled here is nobody's key in other tests.
    let (subject, other) = ("999999999975", "999999999967");
    let code = world.enrolment_code(subject).await;
    let key = ConsentKey::random();
    let enrol = async |department: &str, subject: &str, code: &str| {
        let subject = SubjectText(subject.to_owned());
        let enrolment = KeyEnrolment { subject, code: code.to_owned() };
        world.citizen_client(department).enrol(key.calls(&mut rng()), &enrolment).await
    };
    let told = enrol("civil-registry", other, &code).await;
    assert_eq!(world.told(told), refused(403, "enrolment-code"));
    for invented in [&"0".repeat(32)[..], "", "secret", &code.to_uppercase(), &code[1..]] {
        // The same code, should it have no letter to write otherwise, is the code.
        if invented != code {
            let told = enrol("civil-registry", subject, invented).await;
            assert_eq!(world.told(told), refused(403, "enrolment-code"), "{invented:?}");
        }
    }
    let told = enrol("tax", subject, &code).await;
    assert_eq!(world.told(told), refused(403, "not-a-registrar"));
    let told = enrol("civil-registry", "0123", &code).await;
    assert_eq!(world.told(told), refused(422, "subject"));
    enrol("civil-registry", subject, &code).await.unwrap();
    let told = enrol("civil-registry", subject, &code).await;
    assert_eq!(world.told(told), refused(403, "enrolment-code"));
    // No clerk but the registrar's makes codes.
    let clerk = world.network.system("tax");
    let told = clerk.enrolment_code(SubjectText(subject.to_owned())).await;
    assert_eq!(world.local(told), refused(403, "not-a-registrar"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_gets_no_card_with_a_code_that_was_made_up() {
    let world = World::get().await;
    let (network, subject) = (&world.network, "999999999942");
    let folder = tempfile::tempdir().unwrap();
    let wallet = folder.path().join("wallet");
    network.consent(&wallet, &["keygen"]);
    let genesis = network.folder().join("genesis.json");
    let (genesis, base) = (genesis.to_str().unwrap(), network.base.to_string());
    let enrol = |code: &str| {
        let registry = ["--gateway", &base, "--department", "civil-registry"];
        let whom = ["--subject", subject, "--code", code, "--genesis", genesis];
        let wallet = ["consent", "--wallet", wallet.to_str().unwrap(), "enrol"];
        network.command(&[&wallet[..], &registry, &whom].concat())
    };
    let code = world.enrolment_code(subject).await;
    let refused = enrol(&"0".repeat(32));
    assert!(!refused.status.success() && !wallet.join("card.json").exists());
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("enrolment-code") && !told.contains(subject), "{told}");
    assert!(enrol(&code).status.success() && wallet.join("card.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_opens_records_for_its_own_key_as_the_registrar_signed_it() {
    let world = World::get().await;
    let citizen = world.enrol("999999999959").await;
    let victim = world.citizen(0);
    // Nobody answers from welfare's records in these tests.
    let welfare = world.citizen_client("welfare");
    let present =
        async |key: &ConsentKey, card: &Value| welfare.give_card(key.calls(&mut rng()), card).await;
    let told = present(&ConsentKey::random(), &citizen.card).await;
    assert_eq!(world.told(told), refused(403, "key-card-other-key"));
    let told = present(&citizen.key, &victim.card).await;
    assert_eq!(world.told(told), refused(403, "key-card-other-key"));
    let changed = |member: &str, value: Value| {
        let mut card = citizen.card.clone();
        card["card"][member] = value;
        card
    };
    let changes = [
        ("subject", json!(victim.subject), refused(422, "key-card-signature")),
        ("key", json!(victim.key.key()), refused(422, "key-card-signature")),
        ("salt", json!("00".repeat(16)), refused(422, "key-card-signature")),
        ("registrar", json!("tax"), refused(422, "key-card-signature")),
        ("network", json!("11".repeat(32)), refused(422, "key-card-network")),
        ("version", json!(2), refused(422, "key-card-version")),
    ];
    for (member, value, expected) in changes {
        let told = present(&citizen.key, &changed(member, value)).await;
        assert_eq!(world.told(told), expected, "{member}");
    }
    // A department that is no registrar signs a card itself.
    let mut card: gateway::document::KeyCard =
        serde_json::from_value(citizen.card["card"].clone()).unwrap();
    card.registrar = "tax".parse().unwrap();
    card.subject = victim.subject.parse().unwrap();
    let forged = serde_json::to_value(card.sign(&world.insider("tax").signing)).unwrap();
    let told = present(&citizen.key, &forged).await;
    assert_eq!(world.told(told), refused(409, "key-card-not-current"));
    // So does a registrar whose signature is not there.
    let mut unsigned = citizen.card.clone();
    unsigned["signature"] = json!("00".repeat(64));
    let told = present(&citizen.key, &unsigned).await;
    assert_eq!(world.told(told), refused(422, "key-card-signature"));
    assert!(present(&citizen.key, &citizen.card).await.unwrap().datasets.is_empty());

    // A card that was replaced.
    let code = world.enrolment_code(&citizen.subject).await;
    let enrolment = KeyEnrolment { subject: SubjectText(citizen.subject.clone()), code };
    let newer = ConsentKey::random();
    let registry = world.citizen_client("civil-registry");
    let card = registry.enrol(newer.calls(&mut rng()), &enrolment).await.unwrap();
    let told = present(&citizen.key, &citizen.card).await;
    assert_eq!(world.told(told), refused(409, "key-card-not-current"));
    present(&newer, &card).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_taken_up_as_it_is_by_who_signs_it() {
    let world = World::get().await;
    let welfare = world.network.system("welfare");
    let asked = welfare.ask(&ask_anybody(), None).await.unwrap();
    let (question, offer) = offered(&welfare.offer(&asked.request).await.unwrap());
    let (citizen, other) = (world.citizen(0), world.citizen(3));
    let signature = citizen.key.consent(&question);
    let told = take(world, citizen, offer.clone(), other.key.consent(&question)).await;
    assert_eq!(world.told(told), refused(422, "consent-signature"));
    // Whoever is on no record here.
    let told =
        take(world, world.stranger(), offer.clone(), world.stranger().key.consent(&question));
    assert_eq!(world.told(told.await), refused(404, "request-unknown"));
    let changes = [
        ("purpose", json!("housing-support")),
        ("nonce", json!("5a".repeat(16))),
        ("expires", json!(question.request().expires + 1)),
        ("requester", json!("social-security")),
        ("requester", json!("nobody")),
        ("query", json!([{"path": ["total_wages_cents"], "predicate": {"$lt": 1.5e300}}])),
        ("created", json!(u64::MAX)),
    ];
    for (member, value) in changes {
        let mut changed = offer.clone();
        changed["request"][member] = value;
        let told = take(world, citizen, changed, signature).await;
        assert_eq!(world.told(told), refused(404, "request-unknown"), "{member}");
    }
    let mut reentered = offer.clone();
    reentered["entry"] = json!("22".repeat(32));
    let told = take(world, citizen, reentered, signature).await;
    assert_eq!(world.told(told), refused(404, "request-unknown"));
    for malformed in [json!(null), json!({}), json!([offer]), json!({"subject": citizen.subject})] {
        let told = take(world, citizen, malformed, signature).await;
        assert_eq!(world.told(told), refused(400, "json"));
    }
    take(world, citizen, offer.clone(), signature).await.unwrap();
    // Taken up it is that citizen's, also for somebody else who has the link.
    let told = take(world, other, offer, other.key.consent(&question)).await;
    assert_eq!(world.told(told), refused(404, "request-unknown"));
    assert_eq!(world.outcome(&asked.request).await.status, AskedStatus::Verified);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_nothing_where_its_citizen_is_not_known() {
    let world = World::get().await;
    let citizen = world.citizen(0);
    let posed = world.pose(citizen, &ask(&citizen.subject, 2_000_000)).await;
    let sees = async |department: &str, key: &ConsentKey| {
        let client = world.citizen_client(department);
        let pending = client.pending(key.calls(&mut rng())).await.unwrap().len();
        pending + client.history(key.calls(&mut rng())).await.unwrap().len()
    };
    assert!(sees("tax", &citizen.key).await > 0);
    // Not shown its card; another's card; no card at all.
    assert_eq!(sees("social-security", &citizen.key).await, 0);
    assert_eq!(sees("tax", &world.stranger().key).await, 0);
    assert_eq!(sees("tax", &ConsentKey::random()).await, 0);
    let other = world.citizen_client("tax").pending(world.citizen(3).key.calls(&mut rng())).await;
    let other = other.unwrap().iter().map(crate::world::read).collect::<Vec<_>>();
    assert!(other.iter().all(|it| it.digest() != posed.question.digest()));
}
