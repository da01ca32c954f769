use ::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use ::http::{HeaderValue, Request};
use hyper::body::Bytes;

use super::{PartName, PayloadName, PeerCall, SEALED};
use crate::http::client::{Caller, PeerClient, PeerError, PeerProblem};
use crate::http::fixture::{
    Answer, ID, NOW, PAYLOAD, Running, directory, problem, rng, signer, start, taken,
};
use crate::http::limits::Limits;
use crate::http::signature::{Signer, VerifyError};
use crate::http::transport::ClientLimits;

const NAME: PayloadName = PayloadName { request: ID, payload: PAYLOAD };

fn client() -> PeerClient {
    PeerClient::new(ClientLimits::default())
}

async fn call_as(
    running: &Running,
    signer: &Signer,
    department: &str,
    call: PeerCall,
    body: impl Into<Bytes>,
) -> Result<Bytes, PeerError> {
    let peer = running.peer(department);
    let keys = directory();
    let caller = Caller { signer, keys: &keys, clock: &|| NOW };
    client().call(caller, &peer, &call, body.into(), &mut rng()).await
}

async fn call(running: &Running, call: PeerCall, body: &'static [u8]) -> Result<Bytes, PeerError> {
    call_as(running, &signer("health"), "tax", call, body).await
}

/// A question from health to tax, signed.
fn signed(running: &Running, by: &Signer) -> Request<Bytes> {
    let url = running.base.at("/v1/peer/tax/requests").unwrap();
    let request = Request::post(url).header(CONTENT_TYPE, SEALED);
    let request = request.body(Bytes::from_static(b"sealed")).unwrap();
    by.sign_request(request, NOW, &mut rng()).unwrap().to_request()
}

/// Sends a request as it is.
async fn send(running: &Running, mut request: Request<Bytes>) -> Answer {
    *request.uri_mut() = request.uri().path_and_query().unwrap().as_str().parse().unwrap();
    running.send(request).await
}

#[tokio::test]
async fn every_call_arrives_with_its_verified_sender_and_is_answered_signed() {
    let running = start(Limits::default()).await;
    assert_eq!(call(&running, PeerCall::Request, b"sealed").await, Ok(taken()));
    assert_eq!(call(&running, PeerCall::Answer, b"sealed!").await, Ok(Bytes::new()));
    let card = call(&running, PeerCall::KeyCard, b"echo").await;
    assert_eq!(card, Ok(Bytes::from_static(b"echo")));
    let part = PeerCall::Part(PartName { payload: NAME, number: 3 });
    assert_eq!(call(&running, part, b"part").await, Ok(Bytes::new()));
    let parts = call(&running, PeerCall::Parts(NAME), b"").await;
    assert_eq!(parts, Ok(Bytes::from_static(b"\"e0\"")));
    for (manifest, state) in [(&b"manifest"[..], "complete"), (b"", "checking")] {
        let told = call(&running, PeerCall::Complete(NAME), manifest).await;
        assert_eq!(told.unwrap(), format!("{{\"state\":\"{state}\"}}"));
    }
    let expected = [
        "request of 6 bytes from health".to_owned(),
        "answer of 7 bytes from health".to_owned(),
        "key card for health".to_owned(),
        format!("part 3 of {PAYLOAD}, 4 bytes from health"),
        format!("parts of {PAYLOAD} for health"),
        format!("manifest of {PAYLOAD} under {ID}, 8 bytes from health"),
        format!("manifest of {PAYLOAD} under {ID}, 0 bytes from health"),
    ];
    assert_eq!(running.gateway.tax.log(), expected);
    assert_eq!(running.gateway.welfare.log(), [""; 0]);
}

#[tokio::test]
async fn a_hosted_department_calls_another_and_itself() {
    let running = start(Limits::default()).await;
    for department in ["welfare", "tax"] {
        let called = call_as(&running, &signer("tax"), department, PeerCall::Request, "x").await;
        assert_eq!(called, Ok(taken()));
    }
    assert_eq!(running.gateway.tax.log(), ["request of 1 bytes from tax"]);
    assert_eq!(running.gateway.welfare.log(), ["request of 1 bytes from tax"]);
}

#[tokio::test]
async fn what_the_department_refuses_is_signed_too() {
    let running = start(Limits::default()).await;
    let refused = PeerError::Problem(PeerProblem {
        retry_after: None,
        status: 403,
        code: "policy-purpose".to_owned(),
        detail: "not for this purpose".to_owned(),
    });
    assert_eq!(call(&running, PeerCall::Request, b"forbidden").await, Err(refused));

    let mut request = Request::post(running.base.at("/v1/peer/tax/requests").unwrap());
    request = request.header(CONTENT_TYPE, "application/json");
    let request = request.body(Bytes::from_static(b"{}")).unwrap();
    let request = signer("health").sign_request(request, NOW, &mut rng()).unwrap().to_request();
    let refused = send(&running, request).await;
    assert_eq!(refused.code(), problem(415, "content-type"));
    assert!(refused.headers.contains_key("signature"));
    assert_eq!(running.gateway.tax.log(), [""; 0]);
}

#[tokio::test]
async fn a_request_that_is_not_verified_is_refused_unsigned() {
    let running = start(Limits::default()).await;
    let health = signer("health");
    let refused = async |request: Request<Bytes>, status: u16, code: &str| {
        let refused = send(&running, request).await;
        assert_eq!(refused.code(), problem(status, code));
        assert!(!refused.headers.contains_key("signature"));
        assert_eq!(refused.headers.contains_key(WWW_AUTHENTICATE), status == 401);
        assert_eq!(running.gateway.tax.log(), [""; 0]);
    };

    let mut unsigned = signed(&running, &health);
    unsigned.headers_mut().remove("signature");
    refused(unsigned, 401, "signature-header-missing").await;

    let changed = signed(&running, &health).map(|_| Bytes::from_static(b"sealeD"));
    refused(changed, 400, "content-digest-mismatch").await;

    let mut redirected = signed(&running, &health);
    *redirected.uri_mut() = running.base.at("/v1/peer/welfare/requests").unwrap();
    refused(redirected, 401, "signature-invalid").await;
    assert_eq!(running.gateway.welfare.log(), [""; 0]);

    let mut typed = signed(&running, &health);
    typed.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    refused(typed, 401, "signature-invalid").await;

    // The same request, unchanged, is accepted once.
    let good = signed(&running, &health);
    assert_eq!(send(&running, good.clone()).await.status, 202);
    assert_eq!(running.gateway.tax.log().len(), 1);
    refused(good, 401, "signature-replayed").await;
}

#[tokio::test]
async fn a_department_cannot_sign_as_another() {
    let running = start(Limits::default()).await;
    let request = signed(&running, &signer("health"));
    let welfare = signer("welfare").name().to_string();

    // Health's signature under welfare's key name.
    let mut renamed = request.clone();
    let input = renamed.headers()["signature-input"].to_str().unwrap();
    let input = input.replace(&signer("health").name().to_string(), &welfare);
    renamed.headers_mut().insert("signature-input", HeaderValue::from_str(&input).unwrap());
    assert_eq!(send(&running, renamed).await.code(), problem(401, "signature-invalid"));

    // Health's key, claimed to be one of welfare's.
    let health_key = crypto::SigningKey::from_seed(&crypto::Secret::new(
        *crypto::Digest::of(b"health").as_bytes(),
    ));
    let claimed = Signer::new(crate::http::fixture::name("welfare"), health_key);
    let answer = send(&running, signed(&running, &claimed)).await;
    assert_eq!(answer.code(), problem(401, "signature-key-unknown"));

    assert_eq!(running.gateway.tax.log(), [""; 0]);
    assert_eq!(send(&running, request).await.status, 202);
    assert_eq!(running.gateway.tax.log(), ["request of 6 bytes from health"]);
}

#[tokio::test]
async fn parts_may_be_longer_than_documents() {
    let limits = Limits { body_bytes: 10, part_bytes: 20, ..Limits::default() };
    let running = start(limits).await;
    let status = async |call: PeerCall, length: usize| match call_as(
        &running,
        &signer("health"),
        "tax",
        call,
        vec![0; length],
    )
    .await
    {
        Ok(_) => 200,
        Err(PeerError::Unverified { status, error: VerifyError::HeaderMissing { .. } }) => status,
        Err(error) => panic!("{error}"),
    };
    let part = PeerCall::Part(PartName { payload: NAME, number: 0 });
    assert_eq!(status(PeerCall::Request, 10).await, 200);
    assert_eq!(status(PeerCall::Request, 11).await, 413);
    assert_eq!(status(part, 20).await, 200);
    assert_eq!(status(part, 21).await, 413);
    assert_eq!(running.gateway.tax.log().len(), 2);
}

#[tokio::test]
async fn a_slow_part_is_cut_off() {
    let running =
        start(Limits { body_time: std::time::Duration::from_millis(50), ..Limits::default() });
    let running = running.await;
    let request = signed(&running, &signer("health"));
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()));
    let headers: String = headers.collect();
    let begun = format!(
        "POST /v1/peer/tax/requests HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: 6\r\n\r\nseale"
    );
    assert_eq!(running.raw(&begun).await.code(), problem(408, "request-timeout"));
    assert_eq!(send(&running, request).await.status, 202); // its nonce was not used up
}

#[tokio::test]
async fn paths_that_name_nothing_are_problems() {
    let running = start(Limits::default()).await;
    let post = async |target: &str| {
        let request =
            Request::builder().method(if target.contains("/parts/") { "PUT" } else { "POST" });
        running.send(request.uri(target).body(Bytes::new()).unwrap()).await.code()
    };
    assert_eq!(post("/v1/peer/none/requests").await, problem(404, "department-unknown"));
    assert_eq!(post("/v1/peer/tax/other").await, problem(404, "not-found"));
    let name = format!("/v1/peer/tax/payloads/{ID}/{PAYLOAD}");
    assert_eq!(post(&format!("{name}/parts/-1")).await, problem(400, "path"));
    assert_eq!(
        post(&format!("/v1/peer/tax/payloads/0/{PAYLOAD}/complete")).await,
        problem(400, "path")
    );
    assert_eq!(post(&format!("{name}/parts/1")).await, problem(401, "signature-header-missing"));
}
