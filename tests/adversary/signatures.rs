//! The signature around every message between departments.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto::envelope::Message;
use crypto::{Digest, Secret, SigningKey, canonical};
use gateway::department::enrolment::CardQuery;
use gateway::document::request::Nonce;
use gateway::http::peer::PeerCall;
use gateway::http::signature::{REQUEST_COMPONENTS, Signer};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode};

use crate::world::{Insider, World, name, now, refused, rng};

/// Where the tests' messages go: the registry tells welfare a citizen's key card.
const TARGET: &str = "/v1/peer/civil-registry/key-cards";

/// A good question for a key card, from welfare to the registry.
fn body(world: &World) -> Bytes {
    let subject = world.citizen(0).subject.parse().unwrap();
    let query = CardQuery { subject, nonce: Nonce::from_bytes([7; 16]) };
    let plaintext = canonical::to_vec(&query).unwrap();
    let route = ("welfare", "civil-registry");
    world.seal(Message::Document, route, Digest::of(&plaintext), &plaintext)
}

/// The request around it, not signed.
fn unsigned(world: &World) -> Request<Bytes> {
    let request = Request::post(world.url(TARGET));
    request.header(CONTENT_TYPE, PeerCall::KeyCard.content_type()).body(body(world)).unwrap()
}

fn signed_at(request: Request<Bytes>, signer: &Signer, time: u64) -> Request<Bytes> {
    signer.sign_request(request, time, &mut rng()).unwrap().to_request()
}

fn signed(world: &World, insider: &Insider) -> Request<Bytes> {
    signed_at(unsigned(world), &insider.signer, now())
}

async fn assert_taken(world: &World, request: Request<Bytes>) {
    let response = world.send(request).await;
    let text = String::from_utf8_lossy(response.body());
    assert_eq!(response.status(), StatusCode::OK, "{text}");
    assert!(response.headers().contains_key("signature"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsigned_message_is_refused() {
    let world = World::get().await;
    let good = signed(world, &world.insider("welfare"));
    let response = world.send(unsigned(world)).await;
    assert_eq!(crate::world::problem(&response), refused(401, "signature-header-missing"));
    assert_eq!(response.headers()["www-authenticate"], "Signature");
    assert!(!response.headers().contains_key("signature"));
    for header in ["signature", "signature-input", "content-digest"] {
        let mut request = good.clone();
        request.headers_mut().remove(header);
        assert_eq!(world.refusal(request).await, refused(401, "signature-header-missing"));
    }
    assert_taken(world, good).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_registered_signs_for_nobody() {
    let world = World::get().await;
    let own_key = |of: &str| Signer::new(name(of), SigningKey::from_seed(&Secret::new([3; 32])));
    for signer in [own_key("welfare"), own_key("nobody")] {
        let request = signed_at(unsigned(world), &signer, now());
        assert_eq!(world.refusal(request).await, refused(401, "signature-key-unknown"));
    }
    // A registered key under another department's name.
    let welfare = world.insider("welfare");
    let as_tax = Signer::new(name("tax"), welfare.signing);
    let request = signed_at(unsigned(world), &as_tax, now());
    assert_eq!(world.refusal(request).await, refused(401, "signature-key-unknown"));
    assert_taken(world, signed_at(unsigned(world), &welfare.signer, now())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_cannot_pass_on_what_another_one_sealed() {
    let world = World::get().await;
    let sealed = body(world);
    let card = PeerCall::KeyCard;
    let stolen = world.call(&world.insider("tax"), "civil-registry", &card, sealed.clone()).await;
    assert_eq!(stolen.unwrap_err(), refused(422, "envelope-sender"));
    world.call(&world.insider("welfare"), "civil-registry", &card, sealed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_are_taken_once() {
    let world = World::get().await;
    let request = signed(world, &world.insider("welfare"));
    assert_taken(world, request.clone()).await;
    assert_eq!(world.refusal(request).await, refused(401, "signature-replayed"));
    assert_taken(world, signed(world, &world.insider("welfare"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swapped_body_is_refused_with_and_without_its_digest() {
    let world = World::get().await;
    let good = signed(world, &world.insider("welfare"));
    let mut swapped = good.clone();
    *swapped.body_mut() = body(world);
    assert_ne!(swapped.body(), good.body());
    let digest = STANDARD.encode(Digest::of(swapped.body()).as_bytes());
    let refusal = world.refusal(swapped.clone()).await;
    assert_eq!(refusal, refused(400, "content-digest-mismatch"));
    let digest = HeaderValue::try_from(format!("sha-256=:{digest}:")).unwrap();
    swapped.headers_mut().insert("content-digest", digest);
    assert_eq!(world.refusal(swapped).await, refused(401, "signature-invalid"));
    // None of that used the nonce up.
    assert_taken(world, good).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_cannot_be_changed_on_the_way() {
    let world = World::get().await;
    let welfare = world.insider("welfare");
    let good = signed(world, &welfare);
    let to = |target: &str| {
        let mut request = good.clone();
        *request.uri_mut() = world.url(target).parse().unwrap();
        request
    };
    let elsewhere = to("/v1/peer/tax/key-cards");
    assert_eq!(world.refusal(elsewhere).await, refused(401, "signature-invalid"));
    let otherwise = to("/v1/peer/civil-registry/requests");
    assert_eq!(world.refusal(otherwise).await, refused(401, "signature-invalid"));
    let with_query = to(&format!("{TARGET}?a=1"));
    assert_eq!(world.refusal(with_query).await, refused(401, "signature-invalid"));
    let mut typed = good.clone();
    typed.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    assert_eq!(world.refusal(typed).await, refused(401, "signature-invalid"));
    let mut put = good.clone();
    *put.method_mut() = Method::PUT;
    assert_eq!(world.refusal(put).await, refused(405, "method-not-allowed"));
    assert_taken(world, good).await;

    // Signed for another gateway and taken to this one.
    let mut abroad = unsigned(world);
    *abroad.uri_mut() = format!("http://gateway.example{TARGET}").parse().unwrap();
    let mut abroad = signed_at(abroad, &welfare.signer, now());
    *abroad.uri_mut() = world.url(TARGET).parse().unwrap();
    abroad.headers_mut().insert("host", HeaderValue::from_static("gateway.example"));
    assert_eq!(world.refusal(abroad).await, refused(401, "signature-invalid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_good_for_a_minute() {
    let world = World::get().await;
    let welfare = world.insider("welfare");
    let at = |time| signed_at(unsigned(world), &welfare.signer, time);
    // With a margin, since the gateway's clock goes on.
    assert_eq!(world.refusal(at(now() + 120)).await, refused(401, "signature-future"));
    assert_eq!(world.refusal(at(now() - 61)).await, refused(401, "signature-stale"));
    assert_taken(world, at(now() + 30)).await;
    assert_taken(world, at(now() - 30)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_component_has_to_be_signed() {
    let world = World::get().await;
    let welfare = world.insider("welfare");
    for missing in REQUEST_COMPONENTS {
        let covered: Vec<_> = REQUEST_COMPONENTS.into_iter().filter(|it| *it != missing).collect();
        let request = by_hand(world, &welfare, &covered);
        assert_eq!(world.refusal(request).await, refused(401, "signature-component-missing"));
    }
    // The same signature by the same hand over all of them.
    assert_taken(world, by_hand(world, &welfare, &REQUEST_COMPONENTS)).await;
}

/// A request whose signature covers what the attacker likes (RFC 9421, section 2.5).
fn by_hand(world: &World, insider: &Insider, covered: &[&str]) -> Request<Bytes> {
    let mut request = signed(world, insider);
    let input = request.headers()["signature-input"].to_str().unwrap();
    let (_, parameters) = input.split_once(')').unwrap();
    let quoted: Vec<_> = covered.iter().map(|it| format!("\"{it}\"")).collect();
    let parameters = format!("({}){parameters}", quoted.join(" "));
    let authority = request.uri().authority().unwrap().to_string();
    let mut base = String::new();
    for component in covered {
        let value = match *component {
            "@method" => "POST",
            "@authority" => &authority,
            "@path" => TARGET,
            "@query" => "?",
            header => request.headers()[header].to_str().unwrap(),
        };
        base += &format!("\"{component}\": {value}\n");
    }
    base += &format!("\"@signature-params\": {parameters}");
    let signature = STANDARD.encode(insider.signing.sign_raw(base.as_bytes()).as_bytes());
    let headers = request.headers_mut();
    let input = HeaderValue::try_from(format!("proofgate={parameters}")).unwrap();
    headers.insert("signature-input", input);
    let signature = HeaderValue::try_from(format!("proofgate=:{signature}:")).unwrap();
    headers.insert("signature", signature);
    request
}
