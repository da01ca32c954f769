use ::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use ::http::{HeaderValue, Method, Request};
use hyper::body::Bytes;
use serde_json::json;

use super::*;
use crate::http::citizen_client::{Citizen, CitizenClient, CitizenClientError, CitizenSigner as _};
use crate::http::client::PeerProblem;
use crate::http::fixture::{
    Answer, BROKEN, ID, NETWORK, NOW, Running, WalletKey, problem, rng, start, wallet,
};
use crate::http::hex_bytes::HexBytes;
use crate::http::limits::Limits;
use crate::http::transport::ClientLimits;

type Rng = crypto::rand_core::UnwrapErr<getrandom::SysRng>;

fn citizen<'a>(signer: &'a WalletKey, rng: &'a mut Rng) -> Citizen<'a, Rng> {
    Citizen { signer, now: NOW, rng }
}

fn client(running: &Running, department: &str, network: Digest) -> CitizenClient {
    let limits = ClientLimits::default();
    CitizenClient::new(running.base.clone(), department.to_owned(), network, limits)
}

fn signature() -> ConsentSignatureBytes {
    HexBytes::from_bytes([9; 96])
}

#[tokio::test]
async fn a_wallet_says_everything_that_the_surface_takes() {
    let running = start(Limits::default()).await;
    let client = client(&running, "tax", NETWORK);
    let (alice, mut rng) = (wallet("alice"), rng());
    let key = json!(alice.key());

    let enrolment =
        KeyEnrolment { subject: SubjectText("1234".to_owned()), code: "secret".to_owned() };
    let card = client.enrol(citizen(&alice, &mut rng), &enrolment).await.unwrap();
    assert_eq!(card, json!({ "key": key }));
    let taken = client.give_card(citizen(&alice, &mut rng), &card).await.unwrap();
    assert_eq!(taken.datasets, ["incomes"]);
    let pending = client.pending(citizen(&alice, &mut rng)).await.unwrap();
    assert_eq!(pending[0].request, json!({ "key": key }));
    let consent = Consent { request: ID, signature: signature(), lock: ID };
    let progress = Progress { state: "taken".to_owned(), entry: Some(ID) };
    let consented = client.consent(citizen(&alice, &mut rng), &consent).await;
    assert_eq!(consented, Ok(progress.clone()));
    let refused = client.refuse(citizen(&alice, &mut rng), &Refusal { request: ID }).await;
    assert_eq!(refused, Ok(progress.clone()));
    let withdrawal = Withdrawal { request: ID, w: BROKEN };
    let withdrawn = client.withdraw(citizen(&alice, &mut rng), &withdrawal).await;
    assert_eq!(withdrawn, Ok(progress.clone()));
    let offer = OfferTaken { offer: json!({ "o": 1 }), signature: signature(), lock: ID };
    assert_eq!(client.take_offer(citizen(&alice, &mut rng), &offer).await, Ok(progress));
    assert_eq!(client.history(citizen(&alice, &mut rng)).await, Ok(vec![]));

    let expected = [
        "enrol 1234 with secret".to_owned(),
        format!("card {card}"),
        format!("consent to {ID}"),
        format!("refusal of {ID}"),
        format!("withdrawal from {ID} by {BROKEN}"),
        "offer {\"o\":1}".to_owned(),
    ];
    assert_eq!(running.gateway.tax.log(), expected);
}

#[tokio::test]
async fn a_wallet_is_told_what_is_wrong() {
    let running = start(Limits::default()).await;
    let client = |department: &str| client(&running, department, NETWORK);
    let (alice, mut rng) = (wallet("alice"), rng());
    let consent = Consent { request: BROKEN, signature: signature(), lock: ID };
    let refused = client("tax").consent(citizen(&alice, &mut rng), &consent).await;
    let expired = PeerProblem {
        retry_after: None,
        status: 410,
        code: "consent-expired".to_owned(),
        detail: "the request has expired".to_owned(),
    };
    assert_eq!(refused, Err(CitizenClientError::Problem(expired)));
    let elsewhere = client("none").history(citizen(&alice, &mut rng)).await;
    let Err(CitizenClientError::Problem(problem)) = elsewhere else { panic!("{elsewhere:?}") };
    assert_eq!((problem.status, problem.code.as_str()), (404, "department-unknown"));
    let address = client("a b").history(citizen(&alice, &mut rng)).await;
    assert!(matches!(address, Err(CitizenClientError::Address(_))));
}

#[tokio::test]
async fn a_call_signed_for_another_network_is_refused() {
    let running = start(Limits::default()).await;
    let (alice, mut rng) = (wallet("alice"), rng());
    let refusal = Refusal { request: ID };
    let elsewhere = client(&running, "tax", Digest::of(b"another network"));
    let refused = elsewhere.refuse(citizen(&alice, &mut rng), &refusal).await;
    let Err(CitizenClientError::Problem(problem)) = refused else { panic!("{refused:?}") };
    assert_eq!((problem.status, problem.code.as_str()), (401, "citizen-signature"));
    assert_eq!(running.gateway.tax.log(), [""; 0]);
    let here = client(&running, "tax", NETWORK);
    here.refuse(citizen(&alice, &mut rng), &refusal).await.unwrap();
    assert_eq!(running.gateway.tax.log(), [format!("refusal of {ID}")]);
}

const TARGET: &str = "/v1/citizen/tax/refusals";

fn body() -> String {
    json!({ "request": ID }).to_string()
}

/// A `POST` to the tax office.
fn call<'a>(target: &'a str, body: &'a [u8]) -> SignedCall<'a> {
    SignedCall { network: &NETWORK, department: "tax", method: "POST", target, body }
}

/// A refusal by alice, every part of which is as it should be.
fn credential(nonce: u8) -> CitizenCredential {
    let alice = wallet("alice");
    let nonce = HexBytes::from_bytes([nonce; 16]);
    let body = body();
    let signature = alice.sign(&call(TARGET, body.as_bytes()).message(NOW, &nonce));
    CitizenCredential { key: alice.key(), created: NOW, nonce, signature }
}

fn request(credential: &CitizenCredential) -> Request<Bytes> {
    let request = Request::post(TARGET).header(CONTENT_TYPE, JSON);
    let request = request.header(CREDENTIAL_HEADER, credential.to_string());
    request.body(body().into()).unwrap()
}

async fn refused(running: &Running, request: Request<Bytes>, code: &str) {
    let answer: Answer = running.send(request).await;
    assert_eq!(answer.code(), problem(401, code));
    assert_eq!(answer.headers[WWW_AUTHENTICATE], "Proofgate-Citizen");
    assert_eq!(running.gateway.tax.log(), [""; 0]);
    assert_eq!(running.gateway.welfare.log(), [""; 0]);
}

#[tokio::test]
async fn a_credential_that_is_changed_in_any_part_is_refused() {
    let running = start(Limits::default()).await;
    let good = credential(1);

    let mallory = CitizenCredential { key: wallet("mallory").key(), ..good };
    refused(&running, request(&mallory), "citizen-signature").await;
    let later = CitizenCredential { created: NOW + 1, ..good };
    let other_nonce = CitizenCredential { nonce: HexBytes::from_bytes([2; 16]), ..good };
    let mut flipped = *good.signature.as_bytes();
    flipped[0] ^= 1;
    let other_signature = CitizenCredential { signature: HexBytes::from_bytes(flipped), ..good };
    for changed in [later, other_nonce, other_signature] {
        refused(&running, request(&changed), "citizen-signature").await;
    }

    let other_body = request(&good).map(|_| Bytes::from(json!({ "request": BROKEN }).to_string()));
    refused(&running, other_body, "citizen-signature").await;
    for target in [
        "/v1/citizen/tax/refusals?",
        "/v1/citizen/tax/refusals?a=1",
        "/v1/citizen/tax/keys",
        "/v1/citizen/t%61x/refusals",
        "/v1/citizen/welfare/refusals",
    ] {
        let mut moved = request(&good);
        *moved.uri_mut() = target.parse().unwrap();
        refused(&running, moved, "citizen-signature").await;
    }
    let mut other_method = request(&good);
    *other_method.method_mut() = Method::GET;
    *other_method.uri_mut() = "/v1/citizen/tax/requests".parse().unwrap();
    refused(&running, other_method, "citizen-signature").await;

    // As it was it is accepted, once: no failure has used up its nonce.
    assert_eq!(running.send(request(&good)).await.status, 200);
    assert_eq!(running.gateway.tax.log(), [format!("refusal of {ID}")]);
    refused(&running, request(&good), "citizen-replayed").await;
    assert_eq!(running.send(request(&credential(2))).await.status, 200);
}

#[tokio::test]
async fn a_credential_is_there_once_and_fresh() {
    let running = start(Limits::default()).await;
    let good = credential(1);
    let mut bare = request(&good);
    bare.headers_mut().remove(CREDENTIAL_HEADER);
    refused(&running, bare, "citizen-header").await;
    let mut twice = request(&good);
    let value = twice.headers()[CREDENTIAL_HEADER].clone();
    twice.headers_mut().append(CREDENTIAL_HEADER, value);
    refused(&running, twice, "citizen-header").await;
    let mut upper = request(&good);
    let text = good.to_string().replace("nonce=01", "nonce=0A");
    upper.headers_mut().insert(CREDENTIAL_HEADER, HeaderValue::from_str(&text).unwrap());
    refused(&running, upper, "citizen-header").await;

    for (created, code) in [(NOW - 61, "citizen-stale"), (NOW + 61, "citizen-future")] {
        let alice = wallet("alice");
        let body = body();
        let message = call(TARGET, body.as_bytes()).message(created, &good.nonce);
        let signature = alice.sign(&message);
        let late = CitizenCredential { created, signature, ..good };
        refused(&running, request(&late), code).await;
    }
    assert_eq!(running.send(request(&good)).await.status, 200);
}

#[tokio::test]
async fn nothing_is_served_without_a_credential() {
    let running = start(Limits::default()).await;
    let routes = [
        (Method::POST, "keys"),
        (Method::POST, "cards"),
        (Method::GET, "requests"),
        (Method::POST, "consents"),
        (Method::POST, "refusals"),
        (Method::POST, "withdrawals"),
        (Method::POST, "offers"),
        (Method::GET, "history"),
    ];
    for (method, resource) in routes {
        let request = Request::builder().method(method).uri(format!("/v1/citizen/tax/{resource}"));
        let request = request.header("authorization", "Bearer tax-token");
        refused(&running, request.body(Bytes::new()).unwrap(), "citizen-header").await;
    }
}

#[tokio::test]
async fn a_body_is_read_only_after_it_is_authenticated() {
    let running = start(Limits { body_bytes: 80, ..Limits::default() }).await;
    let sign = |target: &str, body: &'static str, content_type: &'static str| {
        let alice = wallet("alice");
        let nonce =
            HexBytes::from_bytes(*Digest::of(body.as_bytes()).as_bytes().first_chunk().unwrap());
        let signature = alice.sign(&call(target, body.as_bytes()).message(NOW, &nonce));
        let credential = CitizenCredential { key: alice.key(), created: NOW, nonce, signature };
        let request = Request::post(target).header(CONTENT_TYPE, content_type);
        let request = request.header(CREDENTIAL_HEADER, credential.to_string());
        request.body(Bytes::from(body)).unwrap()
    };
    let answer = running.send(sign(TARGET, "{\"who\":1}", JSON)).await;
    assert_eq!(answer.code(), problem(400, "json"));
    assert!(answer.problem().detail.starts_with("line 1, column 6: unknown field `who`"));
    let answer = running.send(sign(TARGET, "{}", "text/plain")).await;
    assert_eq!(answer.code(), problem(415, "content-type"));
    let long = "                                                                                 ";
    let answer = running.send(sign(TARGET, long, JSON)).await;
    assert_eq!(answer.code(), problem(413, "body-too-large"));
}
