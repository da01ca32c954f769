//! What comes back: an answer counts only if the addressed department signed it, as the answer to that
//! request.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use crypto::Digest;
use crypto::envelope::Message;
use gateway::http::ClientLimits;
use gateway::http::client::{Caller, Peer, PeerClient, PeerError};
use gateway::http::peer::PeerCall;
use gateway::http::signature::{RecentNonces, Verified, Verifier, VerifyError};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::world::{World, name, now, rng};

/// How somebody who sits where tax's gateway should be answers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Unsigned,
    /// Signed by another registered department.
    BySocialSecurity,
    /// Signed by tax, as the answer to the request before.
    ToTheRequestBefore,
    /// Signed by tax, and another body put in.
    BodySwapped,
    /// Signed by tax, and another status put in.
    StatusSwapped,
    Honest,
}

/// A gateway in the place of tax's, which has tax's key and another department's.
async fn in_the_place_of_tax(world: &'static World, answers: Arc<Mutex<Answer>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let address = base.clone();
    let before: Arc<Mutex<Option<Verified<Request<Bytes>>>>> = Arc::default();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (answers, address) = (Arc::clone(&answers), address.clone());
            let before = Arc::clone(&before);
            let service = service_fn(move |request: Request<Incoming>| {
                let (answer, address) = (*answers.lock().unwrap(), address.clone());
                let before = Arc::clone(&before);
                async move {
                    Ok::<_, Infallible>(respond(world, request, &address, answer, &before).await)
                }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A client goes away as it likes.
            tokio::spawn(async { connection.await.is_ok() });
        }
    });
    base
}

async fn respond(
    world: &World,
    request: Request<Incoming>,
    address: &str,
    answer: Answer,
    before: &Mutex<Option<Verified<Request<Bytes>>>>,
) -> Response<Full<Bytes>> {
    let audience = address.parse::<gateway::http::BaseUrl>().unwrap().audience().unwrap();
    let verifier = Verifier { keys: world.keys(), now: now(), body_limit: 1 << 20 };
    let nonces = RecentNonces::new(8, now() - 60);
    let verified = verifier.verify_request(request, &audience, &nonces).await.unwrap();
    let previous = before.lock().unwrap().replace(verified.clone());
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::ACCEPTED;
    let sign = |insider: &'static str, request: &Verified<Request<Bytes>>| {
        world.insider(insider).signer.sign_response(response.clone(), request, now()).unwrap()
    };
    let signed = match answer {
        Answer::Unsigned => response.clone(),
        Answer::BySocialSecurity => sign("social-security", &verified),
        Answer::ToTheRequestBefore => sign("tax", &previous.unwrap()),
        Answer::BodySwapped => sign("tax", &verified).map(|_| Bytes::from_static(b"{}")),
        Answer::StatusSwapped => {
            let mut response = sign("tax", &verified);
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
        Answer::Honest => sign("tax", &verified),
    };
    signed.map(Full::new)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_only_from_the_addressed_department_to_this_request() {
    let world = World::get().await;
    let answers = Arc::new(Mutex::new(Answer::Honest));
    let url = in_the_place_of_tax(world, Arc::clone(&answers)).await.parse().unwrap();
    let peer = Peer { department: name("tax"), url };
    let welfare = world.insider("welfare");
    let caller = Caller { signer: &welfare.signer, keys: world.keys(), clock: &now };
    let client = PeerClient::new(ClientLimits::default());
    let call = async |answer| {
        *answers.lock().unwrap() = answer;
        let body = world.seal(Message::Request, ("welfare", "tax"), Digest::of(b"a"), b"{}");
        client.call(caller, &peer, &PeerCall::Request, body, &mut rng()).await
    };
    call(Answer::Honest).await.unwrap();
    let faults = [
        (Answer::Unsigned, VerifyError::HeaderMissing { header: "signature" }),
        (Answer::BySocialSecurity, VerifyError::Sender),
        (Answer::ToTheRequestBefore, VerifyError::Signature),
        (Answer::BodySwapped, VerifyError::ContentDigest),
        (Answer::StatusSwapped, VerifyError::Signature),
    ];
    for (answer, fault) in faults {
        match call(answer).await.unwrap_err() {
            PeerError::Unverified { error, .. } => assert_eq!(error, fault, "{answer:?}"),
            other => panic!("{answer:?}: {other}"),
        }
        call(Answer::Honest).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_signs_is_the_answer_to_one_request() {
    let world = World::get().await;
    let (welfare, tax) = (world.insider("welfare"), name("tax"));
    let request = || {
        let request = Request::post(world.url("/v1/peer/tax/answers"));
        let request = request.header("content-type", "application/vnd.proofgate.sealed");
        welfare.signer.sign_request(request.body(Bytes::new()).unwrap(), now(), &mut rng()).unwrap()
    };
    let (first, second) = (request(), request());
    let answer = world.send(first.to_request()).await;
    assert_eq!(crate::world::problem(&answer), (422, "envelope-truncated".to_owned()));
    let verifier = Verifier { keys: world.keys(), now: now(), body_limit: 1 << 20 };
    let body = |answer: &Response<Bytes>| answer.clone().map(Full::new);
    let other = verifier.verify_response(body(&answer), &second, &tax).await;
    assert_eq!(other.unwrap_err(), VerifyError::Signature);
    let other = verifier.verify_response(body(&answer), &first, &name("welfare")).await;
    assert_eq!(other.unwrap_err(), VerifyError::Sender);
    verifier.verify_response(body(&answer), &first, &tax).await.unwrap();
}
