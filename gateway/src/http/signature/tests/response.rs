use ::http::StatusCode;

use super::*;

fn response() -> Response<Bytes> {
    Response::builder()
        .status(StatusCode::ACCEPTED)
        .header(CONTENT_TYPE, "application/json")
        .body(Bytes::from_static(b"{}"))
        .unwrap()
}

async fn response_code(
    response: Response<Bytes>,
    request: &SignedRequest,
    sender: &str,
    now: u64,
) -> &'static str {
    let keys = directory();
    let verifier = Verifier { keys: &keys, now, body_limit: 100 };
    let result = verifier.verify_response(response.map(Full::new), request, &name(sender)).await;
    result.map_or_else(|error| error.code(), |_| "verified")
}

/// A request of tax, and the response that welfare signed to it.
async fn exchange() -> (SignedRequest, Response<Bytes>) {
    let request = tax().sign_request(request(), NOW, &mut rng()).unwrap();
    let verified = verify(received(request.request())).await.unwrap();
    let response = welfare().sign_response(response(), &verified, NOW).unwrap();
    (request, response)
}

#[tokio::test]
async fn a_signed_response_verifies_and_gives_sender_and_body() {
    let (request, response) = exchange().await;
    let keys = directory();
    let verifier = Verifier { keys: &keys, now: NOW, body_limit: 100 };
    let verified = verifier
        .verify_response(response.map(Full::new), &request, &name("welfare"))
        .await
        .unwrap();
    assert_eq!(verified.sender(), &name("welfare"));
    assert_eq!(verified.message().body(), "{}");
}

#[tokio::test]
async fn a_response_to_another_request_is_refused() {
    let (request, response) = exchange().await;
    let (other, _) = exchange().await; // the same request, signed again
    assert_eq!(response_code(response.clone(), &other, "welfare", NOW).await, "signature-invalid");
    assert_eq!(response_code(response, &request, "welfare", NOW).await, "verified");
}

#[tokio::test]
async fn a_response_of_another_department_is_refused() {
    let (request, response) = exchange().await;
    assert_eq!(response_code(response.clone(), &request, "tax", NOW).await, "signature-sender");
    let verified = verify(received(request.request())).await.unwrap();
    let by_tax = tax().sign_response(self::response(), &verified, NOW).unwrap();
    assert_eq!(response_code(by_tax, &request, "welfare", NOW).await, "signature-sender");
    assert_eq!(response_code(response, &request, "welfare", NOW).await, "verified");
}

#[tokio::test]
async fn an_altered_or_old_response_is_refused() {
    type Edit = fn(&mut Response<Bytes>);
    let cases: [(&str, Edit); 6] = [
        ("signature-invalid", |response| *response.status_mut() = StatusCode::OK),
        ("signature-invalid", |response| set(response.headers_mut(), CONTENT_TYPE, "text/plain")),
        ("content-digest-mismatch", |response| *response.body_mut() = Bytes::from_static(b"[]")),
        ("signature-invalid", |response| {
            set(response.headers_mut(), CONTENT_DIGEST, &content_digest(b"[]"));
        }),
        ("body-too-large", |response| *response.body_mut() = Bytes::from(vec![0; 101])),
        ("verified", |_| {}),
    ];
    let (request, response) = exchange().await;
    for (expected, edit) in cases {
        let mut altered = response.clone();
        edit(&mut altered);
        assert_eq!(response_code(altered, &request, "welfare", NOW).await, expected);
    }
    let late = response_code(response, &request, "welfare", NOW + 61).await;
    assert_eq!(late, "signature-stale");
}

#[tokio::test]
async fn every_required_component_of_a_response_must_be_covered() {
    let (request, _) = exchange().await;
    for missing in RESPONSE_COMPONENTS {
        let mut response = response();
        set(response.headers_mut(), CONTENT_DIGEST, &content_digest(b"{}"));
        let mut covered = RESPONSE_COMPONENTS.map(component).to_vec();
        covered.retain(|id| *id != component(missing));
        let parameters = HttpSignatureParams {
            covered_components: covered,
            nonce: None,
            keyid: Some(welfare().name().to_string()),
            ..parameters()
        };
        set(response.headers_mut(), SIGNATURE_INPUT, &format!("sig={parameters}"));
        set(response.headers_mut(), SIGNATURE, "sig=::");
        let mut head = Response::new(Empty::new());
        *head.status_mut() = response.status();
        *head.headers_mut() = response.headers().clone();
        let base = response_base(&head, request.request(), "sig").unwrap();
        let signature = STANDARD.encode(key(2).sign_raw(&base).as_bytes());
        set(response.headers_mut(), SIGNATURE, &format!("sig=:{signature}:"));
        let code = response_code(response, &request, "welfare", NOW).await;
        assert_eq!(code, "signature-component-missing", "{missing}");
    }
}
