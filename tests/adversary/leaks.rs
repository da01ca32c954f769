//! What must not be told to anybody, put where the gateway might repeat it.

use crypto::Digest;
use crypto::envelope::Message;
use gateway::http::peer::PeerCall;
use hyper::body::Bytes;
use hyper::{Method, Request};

use crate::world::World;

/// Every request of the other tests whose answer is a problem is searched in the same way when it
/// comes; these are the ones that try to have it told.
#[tokio::test(flavor = "multi_thread")]
async fn no_problem_document_names_a_person_an_amount_or_a_token() {
    let world = World::get().await;
    let mut problems = 0;
    for secret in world.secrets() {
        let digest = "11".repeat(32);
        let targets = [
            (Method::GET, format!("/{secret}")),
            (Method::GET, format!("/v1/requests/{secret}")),
            (Method::GET, format!("/v1/documents/{secret}x")),
            (Method::GET, format!("/v1/chain/blocks/x{secret}")),
            (Method::GET, format!("/v1/chain/receipts/{secret}x")),
            (Method::POST, format!("/v1/peer/{secret}/requests")),
            (Method::PUT, format!("/v1/peer/tax/payloads/{digest}/{secret}x/parts/0")),
            (
                Method::PUT,
                format!("/v1/peer/tax/payloads/{digest}/{}/parts/x{secret}", &digest[..32]),
            ),
            (Method::GET, format!("/v1/citizen/{secret}/requests")),
            (Method::GET, format!("/v1/chain/tip/{secret}")),
            (Method::PATCH, format!("/v1/requests?wait={secret}")),
        ];
        for (method, target) in targets {
            let request = Request::builder().method(method).uri(world.url(&target));
            let request = request.header("authorization", format!("Basic {secret}"));
            let request = request.header("proofgate-citizen", format!("key={secret}"));
            let request = request.header("signature-input", format!("a=();keyid=\"{secret}\""));
            let request = request.header("signature", format!("{secret}=:AA:"));
            let request = request.header("content-type", secret.as_str());
            let request = request.header("content-digest", format!("sha-256=:{secret}:"));
            let response = world.send(request.body(secret.clone().into()).unwrap()).await;
            assert!(response.status().is_client_error(), "{target}: {}", response.status());
            problems += 1;
        }
        let tax = world.insider("tax");
        let plaintexts = [
            secret.clone(),
            format!("{{\"subject\":\"{secret}x\"}}"),
            format!("{{\"subject\":0{secret}}}"),
            format!("{{\"{secret}\":1}}"),
            format!("{{\"entry\":\"{secret}\"}}"),
            format!("\"{secret}\""),
            format!("{{\"request\":\"{secret}\"}}"),
            format!("{{\"nonce\":\"{secret}\"}}"),
        ];
        for plaintext in plaintexts {
            let messages = [
                (Message::Request, PeerCall::Request),
                (Message::Answer, PeerCall::Answer),
                (Message::Document, PeerCall::KeyCard),
            ];
            for (message, call) in messages {
                let digest = Digest::of(plaintext.as_bytes());
                let sealed = world.seal(message, ("tax", "welfare"), digest, plaintext.as_bytes());
                // The reply is searched where it is read.
                let told = world.call(&tax, "welfare", &call, sealed).await.unwrap_err();
                assert!((400..500).contains(&told.0), "{told:?}");
                problems += 1;
            }
            let sealed = Bytes::from(plaintext);
            let told = world.call(&tax, "welfare", &PeerCall::Request, sealed).await.unwrap_err();
            assert_eq!(told.0, 422);
            problems += 1;
        }
    }
    assert_eq!(problems, world.secrets().len() * (11 + 8 * 4));
}
