//! Two running gateways, and whoever sends them something: welfare's own system, welfare and tax with all
//! their keys in dishonest hands, and a citizen.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use ::gateway::document::{CheckedRequest, Request as Question};
use ::gateway::exchange::RequestMessage;
use ::gateway::http::citizen::{ConsentKeyBytes, ConsentSignatureBytes, KeyEnrolment};
use ::gateway::http::citizen_client::{Citizen, CitizenClient, CitizenSigner};
use ::gateway::http::local::SubjectText;
use ::gateway::http::peer::{PayloadName, PeerCall};
use ::gateway::http::problem::ProblemDocument;
use ::gateway::http::signature::Signer;
use ::gateway::http::{ClientLimits, HexBytes};
use ::gateway::records::schema_digest;
use chain::genesis::Genesis;
use circuits::eddsa::PrivateKey;
use circuits::poseidon::digest_element;
use crypto::envelope::{Message, Name, PayloadId, Route};
use crypto::rand_core::{Rng as _, UnwrapErr};
use crypto::{Digest, SigningKey, canonical};
use getrandom::SysRng;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, Response, header};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::gateway::{Gateway, done, proofgate, proofgate_told};
use crate::pair::{LAW, PURPOSE, Pair};
use crate::records::last_records;

/// A citizen of the sample data, with a consent key; and one about whom is asked by law.
pub(crate) const POOR: &str = "101061001312";
const OTHER: &str = "101146789348";
/// Seconds that a gateway waits for the rest of a body.
const BODY_SECONDS: u32 = 3;

pub(crate) fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A citizen's consent key.
pub(crate) struct ConsentKey(PrivateKey);

impl ConsentKey {
    /// With what a call is signed that is made now.
    pub(crate) fn calls<'a, R>(&'a self, rng: &'a mut R) -> Citizen<'a, R> {
        Citizen { signer: self, now: now(), rng }
    }

    /// The signature over `M` of a question.
    pub(crate) fn consent(&self, question: &CheckedRequest) -> ConsentSignatureBytes {
        HexBytes::from_bytes(self.0.sign(question.consent_message()).to_bytes())
    }
}

impl CitizenSigner for ConsentKey {
    fn key(&self) -> ConsentKeyBytes {
        HexBytes::from_bytes(self.0.public_key().to_bytes())
    }

    fn sign(&self, message: &Digest) -> ConsentSignatureBytes {
        HexBytes::from_bytes(self.0.sign(digest_element(message.as_bytes())).to_bytes())
    }
}

/// Everybody and everything that a row may use.
pub(crate) struct Parties {
    pub(crate) pair: Pair,
    pub(crate) tax: Gateway,
    pub(crate) welfare: Gateway,
    network: Digest,
    pub(crate) citizen: ConsentKey,
    /// A question that is on the chain and that tax has.
    pub(crate) question: RequestMessage,
    /// What its citizen signs.
    pub(crate) checked: CheckedRequest,
    /// One that was answered; documents are sent under it.
    pub(crate) answered: Digest,
    /// tax's entry of a document that it sent under that.
    pub(crate) sent: String,
    /// A question about whoever takes it up, which nobody did.
    pub(crate) open: Digest,
    /// The approved key of pseudonymous answers, and tax's newest records.
    pub(crate) key: Value,
    pub(crate) records: Digest,
}

/// What a request was answered with.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    /// Of a problem; empty otherwise.
    pub(crate) code: String,
    pub(crate) detail: String,
}

impl Parties {
    pub(crate) async fn meet() -> Self {
        let pair = Pair::init();
        pair.configure("# body_seconds = 20", |_| format!("body_seconds = {BODY_SECONDS}"));
        let (tax, welfare) = pair.run();
        let genesis = Genesis::from_slice(&fs::read(pair.genesis()).unwrap()).unwrap();
        let network = *genesis.network().as_digest();
        let mut seed = [0; 32];
        rng().fill_bytes(&mut seed);
        let citizen = ConsentKey(PrivateKey::from_bytes(&seed));
        let wallet = CitizenClient::new(
            pair.base().parse().unwrap(),
            "tax".to_owned(),
            network,
            ClientLimits::default(),
        );
        let code = done(proofgate_told(&pair.tax(), &["enrolment-code"], POOR)).trim().to_owned();
        let enrolment = KeyEnrolment { subject: SubjectText(POOR.to_owned()), code };
        let card = wallet.enrol(citizen.calls(&mut rng()), &enrolment).await.unwrap();
        wallet.give_card(citizen.calls(&mut rng()), &card).await.unwrap();

        let request = pair.ask(POOR, 2_000_000, &[]);
        let shown = shown(&pair, &request, "sent");
        let pending = wallet.pending(citizen.calls(&mut rng())).await.unwrap();
        let pending = pending.first().unwrap();
        let schema = serde_json::from_value(pending.schema.clone()).unwrap();
        let question: Question = serde_json::from_value(pending.request.clone()).unwrap();
        let checked = CheckedRequest::check(question.clone(), &schema, &schema_digest(&schema));
        let entry = shown["entry"].as_str().unwrap().parse().unwrap();
        let subject = Some(POOR.parse().unwrap());
        let question = RequestMessage { request: question, entry, subject };

        let by_law = pair.ask(OTHER, 100_000_000_000, &["--law", LAW]);
        self::shown(&pair, &by_law, "verified");
        let letter = pair.file("letter.txt", "Dear colleagues,\n");
        let sending = ["payload", "send", "--json", "--request", &by_law, letter.to_str().unwrap()];
        let sent: Value = serde_json::from_str(&done(proofgate(&pair.tax(), &sending))).unwrap();
        let sent = sent["sent_entry"].as_str().unwrap().to_owned();
        let (answered, checked) = (by_law.parse().unwrap(), checked.unwrap());

        let circuits = get(&format!("{}/v1/circuits", pair.base())).await;
        let circuits: Value = serde_json::from_slice(&circuits).unwrap();
        let mut circuits = circuits.as_array().unwrap().iter();
        let key = circuits.find(|it| it["circuit"] == json!("pseudonymous/v1")).unwrap();
        let (key, open) = (key["key"].clone(), Digest::of(b"asked below"));
        let mut records = None;
        for height in 1..=height(&pair).await {
            let block = get(&format!("{}/v1/chain/blocks/{height}", pair.base())).await;
            records = last_records(&block, "tax", genesis.network()).or(records);
        }
        let records = records.unwrap();
        let mut parties = Self {
            pair,
            tax,
            welfare,
            network,
            citizen,
            question,
            checked,
            answered,
            sent,
            open,
            key,
            records,
        };
        let mut anybody = Self::ask();
        anybody.as_object_mut().unwrap().remove("subject");
        anybody["pseudonymous"] = json!(true);
        let asked = send(parties.local("welfare", "/v1/requests", anybody.to_string())).await;
        let asked: Value = serde_json::from_slice(asked.body()).unwrap();
        parties.open = asked["request"].as_str().unwrap().parse().unwrap();
        parties
    }

    /// How many blocks the chain has.
    pub(crate) async fn height(&self) -> u64 {
        height(&self.pair).await
    }

    /// A client of the gateway's citizens.
    pub(crate) fn wallet(&self) -> CitizenClient {
        let base = self.pair.base().parse().unwrap();
        CitizenClient::new(base, "tax".to_owned(), self.network, ClientLimits::default())
    }

    /// Where a department's gateway is.
    pub(crate) fn base(&self, department: &str) -> String {
        let port = if department == "tax" { self.pair.ports.0 } else { self.pair.ports.1 };
        format!("http://127.0.0.1:{port}")
    }

    fn folder(&self, department: &str) -> std::path::PathBuf {
        let folder = if department == "tax" { self.pair.tax() } else { self.pair.welfare() };
        folder.join(department)
    }

    /// What a department's own system sends to its gateway.
    pub(crate) fn local(&self, department: &str, target: &str, body: String) -> Request<Bytes> {
        let token = fs::read_to_string(self.folder(department).join("local.token")).unwrap();
        Request::post(format!("{}{target}", self.base(department)))
            .header(header::AUTHORIZATION, format!("Bearer {}", token.trim()))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.into())
            .unwrap()
    }

    /// A question of welfare's own system.
    pub(crate) fn ask() -> Value {
        json!({
            "issuer": "tax", "dataset": "wages", "purpose": PURPOSE, "subject": POOR,
            "query": [{"path": ["total_wages_cents"], "predicate": {"$lt": 2_000_000}}],
            "legal_basis": {"kind": "consent"}, "as_of": "2024-12-31", "expires_in": 600
        })
    }

    /// Who runs a department signs with its key.
    pub(crate) fn signer(&self, department: &str) -> Signer {
        let seed = ::gateway::key_file::read(&self.folder(department).join("signing.key")).unwrap();
        Signer::new(name(department), SigningKey::from_seed(&seed))
    }

    /// What `sender` says to the other department, sealed.
    pub(crate) fn seal(
        &self,
        message: Message,
        sender: &str,
        request: Digest,
        plaintext: &[u8],
    ) -> Vec<u8> {
        let route = self.route(message, sender, request);
        let key = self.recipient_key(route.recipient.to_string().as_str());
        crypto::envelope::seal(&route, &key, plaintext, &mut rng()).unwrap()
    }

    /// From `sender` to the other department.
    pub(crate) fn route(&self, message: Message, sender: &str, request: Digest) -> Route {
        let recipient = if sender == "tax" { "welfare" } else { "tax" };
        let network = name(&self.network.to_string());
        Route { message, network, sender: name(sender), recipient: name(recipient), request }
    }

    pub(crate) fn recipient_key(&self, department: &str) -> crypto::envelope::RecipientPublicKey {
        let document = read_json(&self.folder(department).join("department.json"));
        document["hpke_key"].as_str().unwrap().parse().unwrap()
    }

    /// A message of `sender`'s gateway to the other one, not signed yet.
    pub(crate) fn message(&self, sender: &str, call: &PeerCall, body: Vec<u8>) -> Request<Bytes> {
        let to = if sender == "tax" { "welfare" } else { "tax" };
        Request::builder()
            .method(call.method())
            .uri(format!("{}/v1/peer/{to}/{call}", self.base(to)))
            .header(header::CONTENT_TYPE, call.content_type())
            .body(body.into())
            .unwrap()
    }

    /// The same, signed.
    pub(crate) fn signed(&self, sender: &str, request: Request<Bytes>, at: u64) -> Request<Bytes> {
        self.signer(sender).sign_request(request, at, &mut rng()).unwrap().to_request()
    }

    /// The question with its plaintext changed, sealed.
    pub(crate) fn sealed_question(&self, plaintext: &[u8]) -> Vec<u8> {
        let digest = serde_json::from_slice::<RequestMessage>(plaintext)
            .map_or(*self.checked.digest(), |it| canonical::digest(&it.request).unwrap());
        self.seal(Message::Request, "welfare", digest, plaintext)
    }

    /// A new document of tax's under the question that was answered.
    pub(crate) fn payload(&self) -> PayloadName {
        PayloadName { request: self.answered, payload: PayloadId::random(&mut rng()) }
    }

    /// tax's gateway, stopped and started again.
    pub(crate) fn restart_tax(&mut self) -> String {
        let folder = self.pair.tax();
        let (_, log) = self.tax.halt();
        self.tax = Gateway::serving(&folder);
        log
    }
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Welfare's question once it has that status.
fn shown(pair: &Pair, request: &str, status: &str) -> Value {
    let wait = if status == "sent" { "0" } else { "300" };
    let show = ["request", "show", "--json", "--wait", wait, request];
    let shown: Value = serde_json::from_str(&done(proofgate(&pair.welfare(), &show))).unwrap();
    assert_eq!(shown["status"], status, "{shown}");
    shown
}

async fn get(url: &str) -> Bytes {
    send(Request::get(url).body(Bytes::new()).unwrap()).await.into_body()
}

async fn height(pair: &Pair) -> u64 {
    let tip = get(&format!("{}/v1/chain/tip", pair.base())).await;
    serde_json::from_slice::<Value>(&tip).unwrap()["height"].as_u64().unwrap()
}

/// Sends a request as it is, over a connection of its own.
pub(crate) async fn send(request: Request<Bytes>) -> Response<Bytes> {
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
    let response = client.request(request.map(Full::new)).await.unwrap();
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

/// What the answer tells.
pub(crate) fn told(response: &Response<Bytes>) -> Told {
    let status = response.status().as_u16();
    let problem = ProblemDocument::read(response.body());
    let (code, detail) = problem.map_or_else(Default::default, |it| (it.code, it.detail));
    Told { status, code, detail }
}
