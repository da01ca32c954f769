//! More than can be proved: what is taken up, what is refused, and that nothing waits for a look.

use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::department::tests::{DEPARTMENTS, ELIAS, ask};
use crate::department::{PeerMessage, PeerReply, Unreached};
use crate::http::client::PeerClient;
use crate::http::local::{Ask, AskedStatus, LocalApi as _};
use crate::http::peer::PeerApi as _;
use crate::http::{ClientLimits, Limits, serve};
use crate::prover::Prover;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;

/// Longer than any test takes.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);
const LAW: &str = "Benefits Act, s. 12";

/// A network of few places.
async fn network(url: &str, workers: usize, waiting: usize) -> Network {
    let mut network = Network::at(0, |_| url.to_owned());
    network.shared.prover = Prover::new(workers, waiting);
    for name in DEPARTMENTS {
        network.start(name);
    }
    network.furnish().await;
    network
}

/// Whether the wages of a citizen are below 15,000.00, by law.
fn by_law(subject: i64) -> Ask {
    let ask: Json = json!({
        "issuer": "tax", "dataset": "tax", "subject": subject.to_string(),
        "query": [{"path": ["total_wages_cents"], "predicate": {"$lt": 1_500_000}}],
        "purpose": "benefit-eligibility", "as_of": "2024-12-31", "expires_in": 3_600,
        "legal_basis": {"kind": "statutory", "reference": LAW},
    });
    serde_json::from_value(ask).unwrap()
}

/// Keeps a worker busy until the sender is dropped.
async fn keep_busy(prover: &Prover) -> mpsc::Sender<()> {
    let (gate, closed) = mpsc::channel::<()>();
    let (started, begun) = oneshot::channel();
    let prover = prover.clone();
    tokio::spawn(async move {
        let job = move || {
            started.send(()).unwrap();
            let _: Result<(), mpsc::RecvError> = closed.recv();
        };
        prover.run(job).await
    });
    begun.await.unwrap();
    gate
}

async fn free(prover: &Prover, places: usize) {
    while prover.free_places() < places {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_place_is_refused_unrecorded_and_what_was_taken_is_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let network = network(&url, 1, 1).await;
    let client = PeerClient::new(ClientLimits::default());
    let tenant = |name: &str| {
        let department = network.shared_department(name);
        let peers = HttpPeers::new(&department, client.clone(), UnwrapErr(SysRng));
        let store = Arc::clone(&network.stores[department.id()]);
        Tenant { department, store, token: token_digest(name), peers }
    };
    // Nobody looks for what was left: a look would bring a question again while it is being taken, and for that
    // time no place would be free.
    let (first_look, retry, again) = (NEVER, NEVER, NEVER);
    let options = WorkerOptions { first_look, retry, again, ..WorkerOptions::default() };
    let tenants = vec![tenant("tax"), tenant("welfare")];
    let (gateway, worker) = Gateway::new(&network.shared, tenants, options).unwrap();
    let gateway = Arc::new(gateway);
    tokio::spawn(serve(listener, Arc::clone(&gateway), Limits::default(), std::future::pending()));
    tokio::spawn(worker.run(std::future::pending()));
    let hosted = |name: &str| Arc::clone(gateway.hosted(&name.parse().unwrap()).unwrap());
    let (tax, welfare) = (hosted("tax"), hosted("welfare"));
    let prover = &network.shared.prover;

    let busy = keep_busy(prover).await;
    let mut taken = Vec::new();
    for subject in [CURTIS, ELIAS] {
        taken.push(welfare.ask(by_law(subject), None).await.unwrap());
    }
    assert_eq!(prover.free_places(), 0);
    let once = || Some(crate::http::local::Idempotency { key: "a".into(), body: Digest::of(b"a") });
    for _ in 0..2 {
        let refused = welfare.ask(by_law(CURTIS), once()).await.unwrap_err();
        assert_eq!((refused.status().as_u16(), refused.code()), (503, "prover-full"));
        let name = Name::new("welfare").unwrap();
        let refused = tax.take_request(name, vec![0; 9].into()).await.unwrap_err();
        assert_eq!((refused.status().as_u16(), refused.code()), (503, "prover-full"));
    }
    assert_eq!((network.counts()["request"], network.counts()["proof"]), (2, 0));

    drop(busy);
    for asked in &taken {
        let answered = welfare.asked(asked.request, NEVER).await.unwrap();
        assert_eq!(answered.status, AskedStatus::Verified);
    }
    free(prover, 2).await;
    // Refused under a key, it is asked under that key.
    let asked = welfare.ask(by_law(CURTIS), once()).await.unwrap();
    let answered = welfare.asked(asked.request, NEVER).await.unwrap();
    assert_eq!(answered.status, AskedStatus::Verified);
    assert_eq!((network.counts()["request"], network.counts()["proof"]), (3, 3));
}

/// Requesters that take a message and never say so.
#[derive(Debug)]
struct Silent;

impl Peers for Silent {
    async fn send(
        &self,
        _: &Department,
        _: &chain::department::Department,
        _: PeerMessage,
    ) -> Result<PeerReply, Unreached> {
        std::future::pending().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requester_that_does_not_take_its_answer_keeps_no_place() {
    let network = network("http://nowhere.example", 1, 0).await;
    let (department, peers) = (network.shared_department("tax"), Silent);
    let store = Arc::clone(&network.stores[department.id()]);
    let tenants = vec![Tenant { department, store, token: token_digest("tax"), peers }];
    let sending = Duration::from_millis(1);
    let options = WorkerOptions { retry: NEVER, sending, ..WorkerOptions::default() };
    let (gateway, worker) = Gateway::new(&network.shared, tenants, options).unwrap();
    let tax = gateway.hosted(&"tax".parse().unwrap()).unwrap();
    // Begun before there is anything to be found.
    let (stop, stopped) = oneshot::channel::<()>();
    let working = tokio::spawn(worker.run(async {
        let _: Result<(), oneshot::error::RecvError> = stopped.await;
    }));

    let law = json!({"kind": "statutory", "reference": LAW});
    let ask = ask(|ask| ask["legal_basis"] = law);
    let asked = network.department("welfare").ask(ask, &network.peers).await.unwrap();
    let prover = &network.shared.prover;
    let place = prover.admit().unwrap();
    let mover = tax.department.mover(asked.request);
    tax.work.advance(*tax.department.id(), mover, Some(place));
    free(prover, 1).await;
    assert_eq!(network.counts()["proof"], 1, "it is proved, and its answer on the way");
    working.abort();
    drop(stop);
}
