//! What asks: a department's systems, in a closed loop and in an open one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::pair::{LAW, PURPOSE, Pair};

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Before somebody in a closed loop who was refused asks again.
const PAUSE: Duration = Duration::from_millis(20);
/// Between two looks at how the chain stands.
const LOOKS: Duration = Duration::from_millis(250);

/// How a question began.
enum Asked {
    /// Its digest.
    Taken(String),
    Refused,
}

/// What was counted of one load.
#[derive(Default)]
pub(crate) struct Load {
    pub(crate) offered: usize,
    pub(crate) refused: usize,
    /// From the question to its verified answer, of those that were taken.
    pub(crate) times: Vec<Duration>,
    /// Questions that were under way when one was taken, with that one.
    pub(crate) under_way: Vec<usize>,
    lasted: Duration,
}

impl Load {
    pub(crate) fn rate(&self, count: usize) -> f64 {
        count as f64 / self.lasted.as_secs_f64()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.offered += other.offered;
        self.refused += other.refused;
        self.times.extend(other.times);
        self.under_way.extend(other.under_way);
        self.lasted += other.lasted;
    }
}

/// What welfare's systems are to its gateway.
pub(crate) struct System {
    client: Client<HttpConnector, Full<Bytes>>,
    /// Of tax's gateway and of welfare's.
    urls: [String; 2],
    token: String,
    subjects: Vec<&'static str>,
    offered: AtomicUsize,
    under_way: AtomicUsize,
}

impl System {
    pub(crate) fn new(pair: &Pair) -> Self {
        let urls = [pair.ports.0, pair.ports.1].map(|port| format!("http://127.0.0.1:{port}"));
        let token = std::fs::read_to_string(pair.welfare().join("welfare/local.token")).unwrap();
        let records = include_str!("../../gateway/data/tax.csv").lines().skip(1);
        let subjects = records.map(|line| line.split(',').next().unwrap()).take(500).collect();
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            urls,
            token: token.trim().to_owned(),
            subjects,
            offered: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
        }
    }

    async fn call(&self, request: Request<Full<Bytes>>) -> (http::response::Parts, Bytes) {
        let (head, body) = self.client.request(request).await.unwrap().into_parts();
        (head, body.collect().await.unwrap().to_bytes())
    }

    async fn get(&self, url: &str) -> (StatusCode, Bytes) {
        let request = Request::get(url).header(header::AUTHORIZATION, self.bearer());
        let (head, body) = self.call(request.body(Full::default()).unwrap()).await;
        (head.status, body)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Asks about the next citizen whether wages are below what nobody earns, on the ground of a law.
    async fn ask(&self) -> Asked {
        let number = self.offered.fetch_add(1, Ordering::Relaxed);
        let ask = json!({
            "issuer": "tax", "dataset": "wages", "subject": self.subjects[number % self.subjects.len()],
            "query": [{"path": ["total_wages_cents"], "predicate": {"$lt": 100_000_000_000_u64}}],
            "purpose": PURPOSE, "legal_basis": {"kind": "statutory", "reference": LAW},
            "as_of": "2024-12-31", "expires_in": 3_600,
        });
        let request = Request::post(format!("{}/v1/requests", self.urls[1]))
            .header(header::AUTHORIZATION, self.bearer())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(ask.to_string()))
            .unwrap();
        let (head, body) = self.call(request).await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        if head.status.is_success() {
            return Asked::Taken(body["request"].as_str().unwrap().to_owned());
        }
        assert_eq!(head.status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
        let wait = head.headers[header::RETRY_AFTER].to_str().unwrap();
        assert!(wait.parse::<u64>().unwrap() > 0, "{wait}");
        Asked::Refused
    }

    /// Waits until a question's answer has been verified.
    async fn verified(&self, request: &str) {
        let url = format!("{}/v1/requests/{request}?wait=20", self.urls[1]);
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let (status, body) = self.get(&url).await;
            let asked: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(status, StatusCode::OK, "{asked}");
            match asked["status"].as_str().unwrap() {
                "verified" => return,
                other => assert_eq!(other, "sent", "{asked}"),
            }
        }
        panic!("question {request} was taken and is not answered");
    }

    /// Asks once, and waits for the answer if the question is taken.
    async fn exchange(&self) -> Load {
        let start = Instant::now();
        let mut load = Load { offered: 1, ..Load::default() };
        match self.ask().await {
            Asked::Refused => load.refused = 1,
            Asked::Taken(request) => {
                load.under_way.push(self.under_way.fetch_add(1, Ordering::Relaxed) + 1);
                self.verified(&request).await;
                self.under_way.fetch_sub(1, Ordering::Relaxed);
                load.times.push(start.elapsed());
            }
        }
        load
    }

    /// One question after the other.
    pub(crate) async fn alone(&self, count: usize) -> Load {
        let (start, mut load) = (Instant::now(), Load::default());
        for _ in 0..count {
            load.add(self.exchange().await);
        }
        load.lasted = start.elapsed();
        load
    }

    /// So many questions at a time; whoever is refused asks again.
    pub(crate) async fn closed(self: &Arc<Self>, at_a_time: usize, lasting: Duration) -> Load {
        let (start, mut load) = (Instant::now(), Load::default());
        let mut tasks = JoinSet::new();
        for _ in 0..at_a_time {
            let system = Arc::clone(self);
            tasks.spawn(async move {
                let mut load = Load::default();
                while start.elapsed() < lasting {
                    let one = system.exchange().await;
                    if one.refused > 0 {
                        sleep(PAUSE).await;
                    }
                    load.add(one);
                }
                load
            });
        }
        while let Some(part) = tasks.join_next().await {
            load.add(part.unwrap());
        }
        load.lasted = start.elapsed();
        load
    }

    /// Questions at `rate` a second, at random times (Poisson), whatever becomes of them.
    pub(crate) async fn open(self: &Arc<Self>, rate: f64, lasting: Duration) -> Load {
        let (start, mut load) = (Instant::now(), Load::default());
        let (mut due, mut random) = (Duration::ZERO, 1u64);
        let mut tasks = JoinSet::new();
        while due < lasting {
            sleep(due.saturating_sub(start.elapsed())).await;
            let system = Arc::clone(self);
            tasks.spawn(async move { system.exchange().await });
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let uniform = ((random >> 11) as f64 + 1.0) / (1u64 << 53) as f64;
            due += Duration::from_secs_f64(-uniform.ln() / rate);
        }
        load.lasted = start.elapsed();
        while let Some(one) = tasks.join_next().await {
            load.add(one.unwrap());
        }
        load
    }

    /// How long welfare takes to tell how its chain stands, again and again.
    pub(crate) async fn looks(&self, lasting: Duration) -> Vec<Duration> {
        let (begin, mut times) = (Instant::now(), Vec::new());
        let url = format!("{}/v1/chain/tip", self.urls[1]);
        while begin.elapsed() < lasting {
            let start = Instant::now();
            assert_eq!(self.get(&url).await.0, StatusCode::OK);
            times.push(start.elapsed());
            sleep(LOOKS).await;
        }
        times
    }

    /// Waits until tax's gateway says that it is ready. Welfare's has no approved proving key: it asks.
    pub(crate) async fn ready(&self) {
        let (url, end) = (format!("{}/readyz", self.urls[0]), Instant::now() + PATIENCE);
        while self.get(&url).await.0 != StatusCode::OK {
            assert!(Instant::now() < end, "tax is not ready again");
            sleep(LOOKS).await;
        }
    }
}
