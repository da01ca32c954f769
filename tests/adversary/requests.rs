//! Questions of a dishonest requester, who writes, signs and seals what it likes.

use crypto::envelope::{Message, Route};
use crypto::{Digest, canonical};
use gateway::exchange::RequestMessage;
use gateway::http::local::AskedStatus;
use gateway::http::peer::PeerCall;
use serde_json::{Value, json};

use crate::world::{Posed, Refused, World, ask, name, now, random_digest, refused};

/// What is wrong with an envelope.
type Change = dyn Fn(&mut Route);

/// A question of welfare's that tax has taken.
async fn posed(world: &World, below: u64) -> Posed {
    let citizen = world.citizen(0);
    world.pose(citizen, &ask(&citizen.subject, below)).await
}

/// The message with its JSON changed; the type has every spelling that the gateway reads.
fn changed(message: &RequestMessage, change: impl FnOnce(&mut Value)) -> RequestMessage {
    let mut json = serde_json::to_value(message).unwrap();
    change(&mut json);
    serde_json::from_value(json).unwrap()
}

/// What tax says to welfare's question, and that it takes the one that was recorded.
async fn refusal(world: &World, posed: &Posed, change: impl FnOnce(&mut Value)) -> Refused {
    let welfare = world.insider("welfare");
    let message = changed(&posed.message, change);
    assert_ne!(message, posed.message);
    let refusal = world.send_question(&welfare, "tax", &message).await.unwrap_err();
    world.send_question(&welfare, "tax", &posed.message).await.unwrap();
    refusal
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_asks_in_another_departments_name() {
    let world = World::get().await;
    let posed = posed(world, 2_000_000).await;
    let thief = world.insider("social-security");
    let stolen = world.send_question(&thief, "tax", &posed.message).await.unwrap_err();
    assert_eq!(stolen, refused(403, "request-sender"));
    // In its own name it is another question, which it did not record.
    let renamed = |json: &mut Value| json["request"]["requester"] = json!("social-security");
    let renamed = changed(&posed.message, renamed);
    let stolen = world.send_question(&thief, "tax", &renamed).await.unwrap_err();
    assert_eq!(stolen, refused(422, "request-entry"));
    world.send_question(&world.insider("welfare"), "tax", &posed.message).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_only_as_it_was_recorded() {
    let world = World::get().await;
    let posed = posed(world, 2_000_000).await;
    let expires = posed.message.request.expires;
    let changes: [(&str, Value); 5] = [
        ("nonce", json!("5a".repeat(16))),
        ("expires", json!(expires + 1)),
        ("purpose", json!("housing-support")),
        ("query", json!([{"path": ["total_wages_cents"], "predicate": {"$lt": 1_900_000}}])),
        ("legal_basis", json!({"kind": "consent", "key_card": "11".repeat(32)})),
    ];
    for (member, value) in changes {
        let refusal = refusal(world, &posed, |json| json["request"][member] = value).await;
        assert_eq!(refusal, refused(422, "request-entry"), "{member}");
    }
    let invented = refusal(world, &posed, |json| json["entry"] = json!("22".repeat(32))).await;
    assert_eq!(invented, refused(422, "request-entry"));
    // The entry of another question of the same department.
    let other = self::posed(world, 2_100_000).await;
    let entry = json!(other.message.entry);
    let swapped = refusal(world, &posed, |json| json["entry"] = entry).await;
    assert_eq!(swapped, refused(422, "request-entry"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_for_one_network_department_and_service() {
    let world = World::get().await;
    let posed = posed(world, 2_000_000).await;
    let expected = [
        ("network", json!("33".repeat(32)), refused(422, "request-addressee")),
        ("issuer", json!("civil-registry"), refused(422, "request-addressee")),
        ("service", json!("44".repeat(32)), refused(409, "request-service")),
        ("schema", json!("55".repeat(32)), refused(422, "request-schema")),
        ("version", json!(2), refused(422, "request-version")),
        ("circuit", json!("pseudonymous/v1"), refused(422, "request-key-card")),
    ];
    for (member, value, expected) in expected {
        let refusal = refusal(world, &posed, |json| json["request"][member] = value).await;
        assert_eq!(refusal, expected, "{member}");
    }
    let welfare = world.insider("welfare");
    let elsewhere = world.send_question(&welfare, "social-security", &posed.message).await;
    assert_eq!(elsewhere.unwrap_err(), refused(422, "request-addressee"));
    let anonymous = refusal(world, &posed, |json| {
        json.as_object_mut().unwrap().remove("subject");
    });
    assert_eq!(anonymous.await, refused(422, "request-subject"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_has_its_time() {
    let world = World::get().await;
    let posed = posed(world, 2_000_000).await;
    let times = [(now() - 1_000, now() - 500), (now() + 3_600, now() + 7_200)];
    for (created, expires) in times {
        let refusal = refusal(world, &posed, |json| {
            json["request"]["created"] = json!(created);
            json["request"]["expires"] = json!(expires);
        });
        assert_eq!(refusal.await, refused(410, "request-time"));
    }
    let created = posed.message.request.created;
    for expires in [created, created - 1, created + 31 * 86_400 + 1, u64::MAX >> 12] {
        let refusal = refusal(world, &posed, |json| json["request"]["expires"] = json!(expires));
        assert_eq!(refusal.await, refused(422, "request-lifetime"), "{expires}");
    }

    // One that was recorded, after its time.
    let citizen = world.citizen(0);
    let mut brief = ask(&citizen.subject, 2_000_000);
    brief.expires_in = 6;
    let brief = world.pose(citizen, &brief).await;
    let end = world.outcome(brief.question.digest()).await;
    assert_eq!(end.status, AskedStatus::NotProven);
    let late = world.send_question(&world.insider("welfare"), "tax", &brief.message).await;
    assert_eq!(late.unwrap_err(), refused(410, "request-time"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_says_what_it_is() {
    let world = World::get().await;
    let posed = posed(world, 2_000_000).await;
    let welfare = world.insider("welfare");
    let digest = *posed.question.digest();
    let plaintext = canonical::to_vec(&posed.message).unwrap();
    let send = async |sealed| world.call(&welfare, "tax", &PeerCall::Request, sealed).await;
    let to = |holder: &str, change: &Change| {
        let mut route = Route {
            message: Message::Request,
            network: world.network_name(),
            sender: name("welfare"),
            recipient: name("tax"),
            request: digest,
        };
        change(&mut route);
        world.seal_along(&route, holder, &plaintext)
    };
    let changes: [(&Change, &str); 5] = [
        (&|route| route.message = Message::Document, "envelope-message"),
        (&|route| route.network = name("another"), "envelope-network"),
        (&|route| route.sender = name("social-security"), "envelope-sender"),
        (&|route| route.recipient = name("civil-registry"), "envelope-recipient"),
        (&|route| route.request = random_digest(), "envelope-other-request"),
    ];
    for (change, code) in changes {
        assert_eq!(send(to("tax", change)).await.unwrap_err(), refused(422, code));
    }
    let good = to("tax", &|_| ());
    let for_another = to("civil-registry", &|_| ());
    assert_eq!(send(for_another).await.unwrap_err(), refused(422, "envelope-recipient-key"));
    let mut bent = good.to_vec();
    *bent.last_mut().unwrap() ^= 1;
    assert_eq!(send(bent.into()).await.unwrap_err(), refused(422, "envelope-authentication"));
    let cut = good.slice(..good.len() - 1);
    assert_eq!(send(cut).await.unwrap_err(), refused(422, "envelope-authentication"));
    assert_eq!(send(good.slice(..20)).await.unwrap_err(), refused(422, "envelope-truncated"));
    send(good).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sealed_has_one_spelling() {
    let world = World::get().await;
    let posed = posed(world, 2_000_000).await;
    let welfare = world.insider("welfare");
    let good = canonical::to_vec(&posed.message).unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    let subject = &world.citizen(0).subject;
    let bad = [
        String::new(),
        "{}".to_owned(),
        text[..text.len() - 1].to_owned(),
        format!("{text} "),
        text.replacen('{', "{ ", 1),
        text.replacen('{', r#"{"a":1,"#, 1),
        // The subject of another type: what is said about it must not repeat it.
        text.replace(&format!("\"{subject}\""), subject),
        text.replace(&format!("\"{subject}\""), &format!("\"x{subject}\"")),
        text.replace("\"entry\":\"", &format!("\"entry\":\"{subject}")),
    ];
    let send = async |plaintext: &[u8]| {
        let digest: Digest = *posed.question.digest();
        let sealed = world.seal(Message::Request, ("welfare", "tax"), digest, plaintext);
        world.call(&welfare, "tax", &PeerCall::Request, sealed).await
    };
    for bad in bad {
        assert_ne!(bad, text);
        let refusal = send(bad.as_bytes()).await.unwrap_err();
        assert_eq!(refusal, refused(422, "message-malformed"), "{bad}");
    }
    send(&good).await.unwrap();
}
