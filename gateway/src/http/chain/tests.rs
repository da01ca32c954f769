use ::http::Request;
use bytes::Bytes;
use chain::entry::Content;
use chain::ledger::{HandInError, Upstream as _};
use chain::log::InclusionProof;
use crypto::{Digest, Secret, SigningKey};
use http_body_util::BodyExt as _;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};

use super::*;
use crate::department::tests::{Direct, Network};
use crate::hosting::{Gateway, WorkerOptions};
use crate::http::chain_client::ChainClient;
use crate::http::connections::Closing;
use crate::http::limits::Limits;
use crate::http::problem::ProblemDocument;
use crate::http::transport::{BaseUrl, ClientLimits, Transport};

/// A validator's gateway that listens.
struct World {
    network: Network,
    base: BaseUrl,
    _shutdown: oneshot::Sender<()>,
}

struct Answer {
    status: u16,
    body: Bytes,
}

impl Answer {
    fn code(&self) -> String {
        ProblemDocument::read(&self.body).unwrap().code
    }
}

fn gateway(network: &Network) -> Gateway<Direct> {
    Gateway::new(&network.shared, Vec::new(), WorkerOptions::default()).unwrap().0
}

impl World {
    async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        let network = Network::bare(0);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (shutdown, stopped) = oneshot::channel();
        let stop = async move {
            let _ = stopped.await;
        };
        let gateway = Arc::new(gateway(&network));
        tokio::spawn(crate::http::serve(listener, gateway, limits, stop));
        Self { network, base, _shutdown: shutdown }
    }

    fn client(&self) -> ChainClient {
        ChainClient::new(self.base.clone(), ClientLimits::default())
    }

    fn entry(&self, author: &str, signer: &str, name: &str) -> Entry {
        let content = Content::Request { request: Digest::of(name.as_bytes()) };
        let department = self.network.shared_department(signer);
        let network = self.network.shared.genesis.network();
        Entry::sign(network, author.parse().unwrap(), content, &department.keys().signing)
    }

    async fn put(&self, name: &str) {
        self.client().submit(self.entry("tax", "tax", name).into()).await.unwrap();
    }

    async fn send(&self, request: ::http::request::Builder, body: Bytes) -> Answer {
        let mut request = request.body(body).unwrap();
        *request.uri_mut() = self.base.at(&request.uri().to_string()).unwrap();
        let transport = Transport::new(&ClientLimits::default());
        let response = transport.send(request).await.unwrap();
        let status = response.status().as_u16();
        Answer { status, body: response.into_body().collect().await.unwrap().to_bytes() }
    }

    async fn get(&self, target: &str) -> Answer {
        self.send(Request::get(target), Bytes::new()).await
    }

    async fn post(&self, json: &Json) -> Answer {
        let request = Request::post("/v1/chain/entries").header("content-type", "application/json");
        self.send(request, json.to_string().into()).await
    }
}

fn hex_of(entry: &Entry) -> String {
    hex::encode(entry.encode())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_put_on_the_chain_and_its_receipt_answered() {
    let world = World::new().await;
    let entry = world.entry("welfare", "welfare", "a");
    let answer = world.post(&json!({ "entry": hex_of(&entry) })).await;
    assert_eq!(answer.status, 200);
    let receipt: Receipt = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(receipt.verify(&world.network.shared.genesis).unwrap().entry, entry);
    let again = world.post(&json!({ "entry": hex_of(&entry) })).await;
    assert_eq!((again.status, again.body), (200, answer.body));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_comes_with_its_entry() {
    let world = World::new().await;
    let service = json!({ "any": "document" });
    let document = *Document::new(&service).unwrap().digest();
    let tax = world.network.shared_department("tax");
    let content = Content::Service { document, replaces: None };
    let network = world.network.shared.genesis.network();
    let entry = Entry::sign(network, "tax".parse().unwrap(), content, &tax.keys().signing);
    let code = |answer: Answer| (answer.status, answer.code());
    let bare = code(world.post(&json!({ "entry": hex_of(&entry) })).await);
    assert_eq!(bare, (422, "document-missing".to_owned()));
    let other = json!({ "entry": hex_of(&entry), "document": { "an": "other" } });
    assert_eq!(code(world.post(&other).await), (422, "document-mismatch".to_owned()));
    let whole = json!({ "entry": hex_of(&entry), "document": service });
    assert_eq!(world.post(&whole).await.status, 200);
    let stored = world.client().document(document).await.unwrap();
    assert_eq!(*stored.unwrap().digest(), document);
    assert_eq!(world.client().document(Digest::of(b"unknown")).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_department_signed_takes_no_place_in_the_queue() {
    let world = World::new().await;
    let good = world.entry("tax", "tax", "a");
    let stranger = world.entry("nobody", "tax", "a");
    let forged = world.entry("tax", "welfare", "a");
    let mut short = hex_of(&good);
    short.truncate(448);
    let table = [
        (json!({ "entry": hex_of(&stranger) }), 403, "entry-author-unknown"),
        (json!({ "entry": hex_of(&forged) }), 422, "entry-signature"),
        (json!({ "entry": short }), 400, "entry-malformed"),
        (json!({ "entry": "no hex" }), 400, "entry-malformed"),
        (json!({ "entry": hex_of(&good), "more": 1 }), 400, "json"),
    ];
    for (body, status, code) in table {
        let answer = world.post(&body).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{body}");
    }
    assert_eq!(world.network.shared.ledger.snapshot().tip().height, 0);
    let error = world.client().submit(stranger.into()).await.unwrap_err();
    let code = "entry-author-unknown".to_owned();
    assert_eq!(error, HandInError::Refused { code, height: 0 });
    assert_eq!(world.client().submit(good.into()).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreached_gateway_has_taken_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base: BaseUrl = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let world = World::new().await;
    let entry = world.entry("tax", "tax", "a");
    let client = ChainClient::new(base, ClientLimits::default());
    let error = client.submit(entry.into()).await.unwrap_err();
    assert!(matches!(error, HandInError::NotTaken { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_come_in_pages_and_when_they_are_made() {
    let world = World::new().await;
    for name in ["a", "b", "c"] {
        world.put(name).await;
    }
    let client = world.client();
    let heights = |from, limit| {
        let client = client.clone();
        async move {
            let blocks = client.blocks(from, limit, Duration::ZERO).await.unwrap();
            blocks.iter().map(|block| block.block.header().height).collect::<Vec<_>>()
        }
    };
    assert_eq!(heights(1, 2).await, [1, 2]);
    assert_eq!(heights(2, 9).await, [2, 3]);
    assert_eq!(heights(0, 1).await, [1]);
    assert!(heights(4, 9).await.is_empty());
    let waiting = {
        let client = client.clone();
        tokio::spawn(async move { client.blocks(4, 9, Duration::from_secs(15)).await })
    };
    world.put("d").await;
    let blocks = waiting.await.unwrap().unwrap();
    assert_eq!(blocks, world.network.shared.ledger.blocks_from(4, 1).await.unwrap());
    for query in ["", "?from=x", "?from=1&limit=-1", "?from=1&from=2", "?from=1&other=2"] {
        let answer = world.get(&format!("/v1/chain/blocks{query}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "query-string"), "{query}");
    }
    // The block of a height is still served by itself.
    assert_eq!(world.get("/v1/chain/blocks/1").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_blocks_while_the_gateway_drains() {
    let network = Network::bare(0);
    let (closing, closes) = Closing::channel();
    let limits = Limits { request_time: Duration::from_secs(3_600), ..Limits::default() };
    let hosting = Arc::new(gateway(&network));
    let waits = Arc::new(Semaphore::new(1));
    let site = Site { hosting, limits: Arc::new(limits), closing: closes, waits };
    let query = BlocksQuery { from: 1, limit: 1, wait: 3_600 };
    let waiting = tokio::spawn(blocks(State(site), QueryOf(query)));
    closing.send_replace(true);
    let response = waiting.await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_blocks_takes_no_room_of_others() {
    let world = World::with(Limits { requests: 1, ..Limits::default() }).await;
    let next = world.network.shared.ledger.snapshot().tip().height + 1;
    let target = format!("/v1/chain/blocks?from={next}&wait=15");
    let (mut one, mut other) = (Box::pin(world.get(&target)), Box::pin(world.get(&target)));
    // One may wait, so the other is answered at once, whichever comes first.
    let (answer, of_one) = tokio::select! {
        answer = &mut one => (answer, true),
        answer = &mut other => (answer, false),
    };
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    let waiting = if of_one { other } else { one };
    for target in ["/checkpoint".to_owned(), format!("/v1/chain/blocks?from={}", next - 1)] {
        assert_eq!(world.get(&target).await.status, 200, "{target}");
    }
    world.put("d").await;
    let answer = waiting.await;
    assert!(answer.status == 200 && !answer.body.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_is_answered_at_once_does_not_ask_again_at_once() {
    let world = World::with(Limits { requests: 1, ..Limits::default() }).await;
    let next = world.network.shared.ledger.snapshot().tip().height + 1;
    let client = world.client();
    let blocks = async |wait| client.blocks(next, 1, wait).await.unwrap();
    assert_eq!(blocks(Duration::ZERO).await, []);
    let begun = tokio::time::Instant::now();
    let (mut one, mut other) =
        (Box::pin(blocks(Duration::from_secs(15))), Box::pin(blocks(Duration::from_secs(15))));
    let answer = tokio::select! { answer = &mut one => answer, answer = &mut other => answer };
    assert_eq!(answer, []);
    assert!(begun.elapsed() >= super::super::chain_client::LEAST_WAIT);
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_prove_what_the_checkpoint_is_over() {
    let world = World::new().await;
    for name in ["a", "b", "c"] {
        world.put(name).await;
    }
    let hashes = world.get("/tile/0/000.p/3").await;
    assert_eq!((hashes.status, hashes.body.len()), (200, 96));
    let entries = world.get("/tile/entries/000.p/3").await;
    assert_eq!((entries.status, entries.body.len()), (200, 3 * 227));
    let checkpoint = world.client().checkpoint().await.unwrap();
    let (size, root) = (checkpoint.checkpoint().size, checkpoint.checkpoint().root);
    let leaf =
        |index: usize| Digest::from_bytes(hashes.body[32 * index..][..32].try_into().unwrap());
    let mut stored = Vec::new();
    let mut frontier = chain::log::Frontier::new();
    for index in 0..3 {
        let entry = Entry::decode(&entries.body[227 * index + 2..227 * (index + 1)]).unwrap();
        assert_eq!(chain::log::leaf_hash(&entry), leaf(index));
        stored.extend(frontier.append(leaf(index)));
    }
    assert_eq!((size, root), (3, frontier.root()));
    let proof = InclusionProof::new(stored.as_slice(), 3, 1).unwrap();
    proof.verify(leaf(1), 1, size, &root).unwrap();
    for (path, status, code) in [
        ("/tile/0/000", 404, "tile-unknown"),
        ("/tile/0/000.p/4", 404, "tile-unknown"),
        ("/tile/entries/001.p/1", 404, "tile-unknown"),
        ("/tile/0/0", 400, "path"),
        ("/tile/9/000", 400, "path"),
    ] {
        let answer = world.get(path).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cosignatures_are_kept_and_served_with_what_they_cover() {
    let world = World::new().await;
    let none = world.get("/checkpoint/cosigned").await;
    assert_eq!((none.status, none.code().as_str()), (404, "checkpoint-uncosigned"));
    world.put("a").await;
    let client = world.client();
    let plain = client.checkpoint().await.unwrap();
    let origin = world.network.shared.genesis.facts().name.clone();
    let cosigned = |key: &SigningKey| {
        let mut signed = plain.clone();
        let name = origin.of_cosigner(&"tax".parse().unwrap());
        signed.cosign(name, key, chain::time::Timestamp::from_unix_seconds(7));
        signed
    };
    let tax = world.network.shared_department("tax");
    let good = cosigned(&tax.keys().signing);
    let forged = cosigned(&SigningKey::from_seed(&Secret::new([1; 32])));
    let refused = |code: &str| Err(chain::ledger::UpstreamError::Refused { code: code.into() });
    assert_eq!(client.cosign(forged).await, refused("checkpoint-unsigned"));
    assert_eq!(client.cosign(plain.clone()).await, refused("checkpoint-unsigned"));
    let post = |content_type, body: &str| {
        let request = Request::post("/v1/chain/cosignatures").header("content-type", content_type);
        world.send(request, Bytes::copy_from_slice(body.as_bytes()))
    };
    let answer = post("text/plain", "no note").await;
    assert_eq!((answer.status, answer.code().as_str()), (422, "checkpoint-malformed"));
    assert_eq!(post("application/json", good.as_str()).await.status, 415);
    assert_eq!(post("text/plain", &"x".repeat(MAX_NOTE_BYTES + 1)).await.status, 413);
    assert_eq!(client.checkpoint().await, Ok(plain.clone()));

    assert_eq!(client.cosign(good.clone()).await, Ok(()));
    assert_eq!(client.checkpoint().await, Ok(good.clone()));
    world.put("b").await;
    // The newest one is not cosigned yet; the one before still is.
    let newest = client.checkpoint().await.unwrap();
    assert_eq!((newest.checkpoint().size, newest.as_str().lines().count()), (2, 5));
    let kept = world.get("/checkpoint/cosigned").await;
    assert_eq!((kept.status, kept.body), (200, Bytes::from(good.as_str().to_owned())));
}
