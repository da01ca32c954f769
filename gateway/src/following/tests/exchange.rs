//! Two gateways over sockets: the validator's with the tax office and the registry, and a follower's with
//! the welfare office, which asks.

use chain::checkpoint::{NoteKey, SignedCheckpoint, cosigners};
use chain::ledger::Upstream as _;
use getrandom::SysRng;
use rand_core::UnwrapErr;
use tokio::sync::watch;

use super::*;
use crate::department::tests::{CURTIS, Citizen, ask};
use crate::exchange::requester::Status;
use crate::hosting::{HttpPeers, Tenant, Worker};
use crate::http::client::PeerClient;
use crate::http::local::token_digest;

type Peers = HttpPeers<UnwrapErr<SysRng>>;

/// A gateway at work.
struct Running {
    gateway: Arc<Gateway<Peers>>,
    shutdown: watch::Sender<bool>,
    serving: JoinHandle<Drained>,
    working: JoinHandle<crate::hosting::Stopped>,
}

impl Running {
    fn start(network: &Network, names: &[&str], listener: TcpListener) -> Self {
        let client = PeerClient::new(ClientLimits::default());
        let tenant = |name: &&str| {
            let department = network.shared_department(name);
            let peers = HttpPeers::new(&department, client.clone(), UnwrapErr(SysRng));
            let store = Arc::clone(&network.stores[department.id()]);
            Tenant { department, store, token: token_digest(name), peers }
        };
        let tenants = names.iter().map(tenant).collect();
        let made = Gateway::new(&network.shared, tenants, WorkerOptions::default());
        let (gateway, worker): (Gateway<Peers>, Worker<Peers>) = made.unwrap();
        let (gateway, shutdown) = (Arc::new(gateway), watch::Sender::new(false));
        let stop = |mut stopped: watch::Receiver<bool>| async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let (serve, work) = (stop(shutdown.subscribe()), stop(shutdown.subscribe()));
        let serving = crate::http::serve(listener, Arc::clone(&gateway), Limits::default(), serve);
        let (serving, working) = (tokio::spawn(serving), tokio::spawn(worker.run(work)));
        Self { gateway, shutdown, serving, working }
    }

    fn peers(&self, name: &str) -> &Peers {
        self.gateway.hosted(&department(name)).unwrap().peers()
    }

    async fn stop(self) {
        self.shutdown.send_replace(true);
        assert_eq!(self.serving.await.unwrap(), Drained { cut: 0 });
        self.working.await.unwrap();
    }
}

async fn caught_up(follower: &Network, to: &Network) {
    let height = to.shared.ledger.snapshot().tip().height;
    let mut newest = follower.shared.ledger.subscribe();
    newest.wait_for(|replica| replica.tip().height >= height).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_crosses_from_a_follower_s_gateway_to_the_validator_s_and_back() {
    let (validators, validator_url) = listen().await;
    let (followers, follower_url) = listen().await;
    let url =
        |name: &str| if name == "welfare" { follower_url.clone() } else { validator_url.clone() };
    let validator = Network::at(0, url);
    let serving = Running::start(&validator, &["civil-registry", "tax"], validators);
    let upstream: BaseUrl = validator_url.parse().unwrap();
    let upstream = Arc::new(ChainClient::new(upstream, ClientLimits::default()));
    let follower = validator.follower(upstream.clone(), "welfare");
    let following = Running::start(&follower, &["welfare"], followers);

    validator.furnish().await;
    let citizen = Citizen::new(CURTIS);
    validator.enrol(&citizen).await;
    caught_up(&follower, &validator).await;
    assert_eq!(follower.shared.ledger.snapshot().tip(), validator.shared.ledger.snapshot().tip());

    let welfare = follower.department("welfare");
    let asked = welfare.ask(ask(|_| ()), following.peers("welfare")).await.unwrap();
    assert_eq!(asked.status, Status::Sent);
    validator.consent("tax", &citizen, &asked.request).await;
    let tax = validator.department("tax");
    tax.advance(&asked.request, serving.peers("tax")).await.unwrap();
    let answered = welfare.asked(&asked.request).await.unwrap().unwrap();
    assert_eq!(answered.status, Status::Verified);
    let proof = answered.answer.unwrap().proof_entry;
    let receipt = follower.shared.ledger.receipt(proof).await.unwrap().unwrap();
    assert_eq!(Some(receipt), validator.shared.ledger.receipt(proof).await.unwrap());

    // What the follower's gateway serves is cosigned, and so, a moment later, is what the validator's does.
    let genesis = Arc::clone(&validator.shared.genesis);
    let origin = &genesis.facts().name;
    let chain = follower.shared.ledger.snapshot();
    let keys = cosigners(&chain).filter(|(id, _)| id.as_str() == "welfare");
    let keys: Vec<NoteKey> = keys.map(|(_, key)| key).collect();
    let at = |url: &str| ChainClient::new(url.parse().unwrap(), ClientLimits::default());
    let cosigned = at(&follower_url).checkpoint().await.unwrap();
    assert_eq!(cosigned.checkpoint().size, chain.tip().log_size);
    assert_eq!(cosigned.verify(origin, &keys).unwrap().1.len(), 1);
    let validators = genesis.validators().validators().iter();
    let logs: Vec<_> = validators.map(|it| NoteKey::log(origin.clone(), it.key)).collect();
    assert_eq!(cosigned.verify(origin, &logs).unwrap().1.len(), 1);
    // The follower asks for the newest checkpoint and hands its cosignature in after each block.
    let mut number = 0;
    let newest = loop {
        number += 1;
        put(&validator, &format!("more {number}")).await;
        caught_up(&follower, &validator).await;
        let answer = body_of(&validator_url, "/checkpoint/cosigned").await;
        if let Some(note) = answer {
            break note;
        }
    };
    let newest = SignedCheckpoint::parse(&newest).unwrap();
    assert_eq!(newest.verify(origin, &keys).unwrap().1.len(), 1);

    // A refusal of the chain's is the same on both sides.
    let digest = Digest::of(b"once");
    let content = Content::Request { request: digest };
    validator.department("tax").append(content, None).await.unwrap();
    let refused = welfare.append(content, None).await.unwrap_err();
    assert_eq!(refused.code(), "request-repeated");

    following.stop().await;
    drop(follower);
    serving.stop().await;
}

/// The body of a good answer.
async fn body_of(url: &str, path: &str) -> Option<String> {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}
