use std::sync::Arc;

use chain::entry::Content;
use crypto::Digest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::department::tests::{Direct, Network};
use crate::hosting::{Gateway, WorkerOptions};
use crate::http::Limits;
use crate::http::server::Drained;

mod exchange;

/// A gateway that listens, and hosts nobody.
struct Served {
    shutdown: oneshot::Sender<()>,
    task: JoinHandle<Drained>,
}

impl Served {
    fn start(network: &Network, listener: TcpListener) -> Self {
        let options = WorkerOptions::default();
        let (gateway, _) = Gateway::<Direct>::new(&network.shared, Vec::new(), options).unwrap();
        let (shutdown, stopped) = oneshot::channel();
        let stop = async move {
            let _ = stopped.await;
        };
        let task =
            tokio::spawn(crate::http::serve(listener, Arc::new(gateway), Limits::default(), stop));
        Self { shutdown, task }
    }

    async fn stop(self) {
        self.shutdown.send(()).unwrap();
        assert_eq!(self.task.await.unwrap(), Drained { cut: 0 });
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// A network whose tax office is at a listener, and everybody else nowhere.
async fn network() -> (Network, TcpListener) {
    let (listener, url) = listen().await;
    let nowhere = listen().await.1; // closed again
    let network = Network::at(0, |name| if name == "tax" { url.clone() } else { nowhere.clone() });
    (network, listener)
}

async fn put(network: &Network, name: &str) {
    let request = Digest::of(name.as_bytes());
    network.department("welfare").append(Content::Request { request }, None).await.unwrap();
}

fn department(name: &str) -> DepartmentId {
    name.parse().unwrap()
}

/// Asks all but the registry.
async fn asked(network: &Network) -> Result<Vec<Asked>, Box<PeerCopyError>> {
    asked_at(network, &[]).await
}

/// Asks all but the registry, and whoever is remembered.
async fn asked_at(network: &Network, places: &[Place]) -> Result<Vec<Asked>, Box<PeerCopyError>> {
    let own = [department("civil-registry")];
    let (limits, time) = (ClientLimits::default(), Duration::from_secs(30));
    ask_peers(&*network.shared.ledger, &own, places, &limits, &Trust::default(), time).await
}

fn hash(network: &Network) -> BlockHash {
    network.shared.ledger.snapshot().tip().block
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_agree_or_are_behind_or_are_not_reached_let_a_validator_sign() {
    let (ours, listener) = network().await;
    let theirs = ours.again();
    let served = Served::start(&theirs, listener);
    for (here, there, height) in [(0, 0, 0), (1, 1, 1), (3, 2, 2)] {
        for number in ours.shared.ledger.snapshot().tip().height..here {
            put(&ours, &number.to_string()).await;
        }
        for number in theirs.shared.ledger.snapshot().tip().height..there {
            put(&theirs, &number.to_string()).await;
        }
        let answers = asked(&ours).await.unwrap();
        let [tax, welfare] = answers.as_slice() else { panic!("{answers:?}") };
        assert_eq!(*tax, Asked { peer: department("tax"), answer: Ok(height) });
        assert_eq!(tax.to_string(), format!("tax agrees up to height {height}"));
        assert_eq!(welfare.peer, department("welfare"));
        assert!(matches!(welfare.answer, Err(NoWord::Upstream(UpstreamError::Unreached { .. }))));
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_with_a_certified_block_beyond_ours_is_named() {
    let (ours, listener) = network().await;
    let theirs = ours.again();
    put(&ours, "a").await;
    for name in ["a", "b", "c"] {
        put(&theirs, name).await;
    }
    let served = Served::start(&theirs, listener);
    let error = asked(&ours).await.unwrap_err();
    let PeerCopyError::Behind { peer, url, height, theirs: block, last, ours: tip } = &*error
    else {
        panic!("{error}")
    };
    assert_eq!((peer.as_str(), *height, *last), ("tax", 2, 1));
    let second = theirs.shared.ledger.blocks_from(2, 1).await.unwrap();
    assert_eq!((*block, *tip), (second[0].block.header().hash(), hash(&ours)));
    let text = error.to_string();
    for part in [&block.to_string(), &tip.to_string(), &format!("rebuild --from {url}")] {
        assert!(text.contains(part), "{text}");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_with_another_certified_block_is_named() {
    for (here, there) in [(vec!["a", "b"], vec!["a", "x"]), (vec!["a", "b"], vec!["x", "y", "z"])] {
        let (ours, listener) = network().await;
        let theirs = ours.again();
        for name in here {
            put(&ours, name).await;
        }
        for name in &there {
            put(&theirs, name).await;
        }
        let served = Served::start(&theirs, listener);
        let error = asked(&ours).await.unwrap_err();
        if there.len() == 2 {
            let (ours, theirs) = (hash(&ours), hash(&theirs));
            let PeerCopyError::Conflict { height, theirs: there, ours: here, .. } = *error else {
                panic!("{error}")
            };
            assert_eq!((height, there, here), (2, theirs, ours));
        } else {
            // The fork is further back; that there is a block beyond ours is enough to sign nothing.
            assert!(matches!(*error, PeerCopyError::Behind { height: 3, .. }), "{error}");
        }
        served.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_remembered_is_asked_though_the_chain_here_does_not_know_it() {
    let ours = network().await.0;
    let theirs = ours.again();
    put(&theirs, "a").await;
    let (listener, url) = listen().await;
    let served = Served::start(&theirs, listener);
    assert!(asked(&ours).await.is_ok());
    let joined = Place { id: department("joined-later"), url: url.parse().unwrap() };
    let error = asked_at(&ours, &[joined]).await.unwrap_err();
    let PeerCopyError::Behind { peer, height, last, .. } = *error else { panic!("{error}") };
    assert_eq!((peer, height, last), (department("joined-later"), 1, 0));
    served.stop().await;
}

/// Answers every request on a path with the same body.
fn fake(listener: TcpListener, answers: Vec<(&'static str, Vec<u8>)>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let body = answers.iter().find(|(path, _)| head.contains(path));
            let (status, body) = body.map_or((404, &[][..]), |(_, body)| (200, body.as_slice()));
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
            );
            stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_certified_stops_no_validator() {
    let (ours, listener) = network().await;
    let theirs = ours.again();
    put(&theirs, "a").await;
    let mut block = theirs.shared.ledger.blocks_from(1, 1).await.unwrap().remove(0);
    let mut header = *block.block.header();
    header.time = chain::time::Timestamp::from_unix_seconds(1);
    block.block = chain::block::Block::new(header, block.block.entries().to_vec()).unwrap();
    let block = block.encode();
    let length = u32::try_from(block.len()).unwrap().to_be_bytes();
    let digest = Digest::of(b"x");
    let tip = serde_json::json!({ "height": 1, "block": digest, "entries": 1, "log_root": digest });
    let task = fake(
        listener,
        vec![
            ("/v1/chain/tip", tip.to_string().into_bytes()),
            ("/v1/chain/blocks?from=1&", [&length[..], &block].concat()),
        ],
    );
    let answers = asked(&ours).await.unwrap();
    let uncertified = &answers[0].answer;
    assert!(matches!(uncertified, Err(NoWord::Uncertified { height: 1, .. })), "{uncertified:?}");
    task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_content_is_an_error_that_names_what() {
    use chain::ledger::Upstream as _;
    let (listener, url) = listen().await;
    let huge = vec![0; 2_000];
    let task = fake(
        listener,
        vec![
            ("/v1/chain/tip", b"{}".to_vec()),
            ("/v1/chain/blocks?from=1&", vec![0, 0, 0, 9, 1]),
            ("/v1/chain/blocks?from=2&", vec![0, 0]),
            ("/v1/chain/blocks?from=3&", huge),
            ("/checkpoint", b"no note".to_vec()),
            ("/v1/documents/", b"{}".to_vec()),
            ("/v1/chain/entries", b"{}".to_vec()),
        ],
    );
    let limits = ClientLimits { body_bytes: 1_000, ..ClientLimits::default() };
    let client = ChainClient::new(url.parse().unwrap(), limits);
    let what = |error: UpstreamError| match error {
        UpstreamError::Content { what, .. } => what,
        other => panic!("{other}"),
    };
    assert_eq!(what(client.tip().await.unwrap_err()), "tip");
    for from in [1, 2] {
        let error = client.blocks(from, 1, Duration::ZERO).await.unwrap_err();
        assert_eq!(what(error), "blocks");
    }
    let error = client.blocks(3, 1, Duration::ZERO).await.unwrap_err();
    assert!(error.to_string().contains("more than 1000 bytes"), "{error}");
    assert_eq!(what(client.checkpoint().await.unwrap_err()), "checkpoint");
    assert_eq!(what(client.document(Digest::of(b"a")).await.unwrap_err()), "document");
    assert_eq!(client.document(Digest::of(b"{}")).await.unwrap().unwrap().as_bytes(), b"{}");
    assert_eq!(what(client.genesis().await.unwrap_err()), "genesis");
    task.abort();
}
