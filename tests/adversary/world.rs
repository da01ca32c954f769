//! What an attacker has to work with: the running network, one department's keys, a citizen's key.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chain::genesis::Genesis;
use circuits::eddsa::PrivateKey;
use circuits::poseidon::digest_element;
use crypto::envelope::{Message, Name, RecipientPublicKey, Route};
use crypto::rand_core::{Rng as _, UnwrapErr};
use crypto::{Digest, SigningKey, VerifyingKey, canonical};
use gateway::document::{CheckedRequest, Request as Question};
use gateway::exchange::RequestMessage;
use gateway::http::citizen::{
    ConsentKeyBytes, ConsentSignatureBytes, KeyEnrolment, Pending, Progress,
};
use gateway::http::citizen_client::{
    Citizen as As, CitizenClient, CitizenClientError, CitizenSigner,
};
use gateway::http::client::{Caller, Peer, PeerClient, PeerError};
use gateway::http::local::{Ask, Asked, AskedStatus, SubjectText};
use gateway::http::local_client::LocalClientError;
use gateway::http::peer::PeerCall;
use gateway::http::problem::ProblemDocument;
use gateway::http::signature::{KeyDirectory, KeyName, Signer};
use gateway::http::{ClientLimits, HexBytes};
use gateway::records::schema_digest;
use getrandom::SysRng;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, Response, header};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::network::{Network, wages};

/// As long as the gateway lets anybody wait at once.
const WAIT: Duration = Duration::from_secs(15);
/// Citizens with a record of the tax authority, each with wages below the threshold of [`ask`].
const CITIZENS: usize = 4;
/// A citizen on no record of the tax authority, whose key the registry enrolled all the same.
const STRANGER: &str = "999999999973";

/// Status and code of a refusal.
pub(crate) type Refused = (u16, String);

/// As a test spells it.
pub(crate) fn refused(status: u16, code: &str) -> Refused {
    (status, code.to_owned())
}

pub(crate) fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn random_digest() -> Digest {
    let mut bytes = [0; 32];
    rng().fill_bytes(&mut bytes);
    Digest::from_bytes(bytes)
}

/// The question of most tests, as welfare's system asks it about `subject`.
pub(crate) fn ask(subject: &str, below: u64) -> Ask {
    serde_json::from_value(json!({
        "issuer": "tax", "dataset": "tax", "purpose": "benefit-eligibility", "subject": subject,
        "query": [{"path": ["total_wages_cents"], "predicate": {"$lt": below}}],
        "legal_basis": {"kind": "consent"}, "as_of": "2024-12-31", "expires_in": 600
    }))
    .unwrap()
}

/// The same question about whoever takes it up.
pub(crate) fn ask_anybody() -> Ask {
    let mut ask = serde_json::to_value(ask("1", 2_000_000)).unwrap();
    ask.as_object_mut().unwrap().remove("subject");
    ask["pseudonymous"] = json!(true);
    serde_json::from_value(ask).unwrap()
}

/// A consent key in the hands of its citizen, or of an attacker.
pub(crate) struct ConsentKey(pub(crate) PrivateKey);

impl ConsentKey {
    pub(crate) fn random() -> Self {
        let mut seed = [0; 32];
        rng().fill_bytes(&mut seed);
        Self(PrivateKey::from_bytes(&seed))
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

/// A citizen with an enrolled key.
pub(crate) struct Citizen {
    pub(crate) subject: String,
    pub(crate) key: ConsentKey,
    /// The registrar's card.
    pub(crate) card: Value,
}

/// A department's private keys, in the hands of whoever runs it.
pub(crate) struct Insider {
    pub(crate) id: &'static str,
    pub(crate) signing: SigningKey,
    pub(crate) signer: Signer,
}

/// A question that is on the chain and waits for its citizen, with everything the requester knows.
pub(crate) struct Posed {
    pub(crate) asked: Asked,
    pub(crate) question: CheckedRequest,
    pub(crate) message: RequestMessage,
}

/// The running network as everybody sees it.
pub(crate) struct World {
    pub(crate) network: Arc<Network>,
    pub(crate) genesis: Genesis,
    keys: Directory,
    citizens: Vec<Citizen>,
    stranger: Citizen,
    /// What no problem document may have in it.
    secrets: Vec<String>,
}

/// The keys in the genesis file.
pub(crate) struct Directory(HashMap<KeyName, VerifyingKey>);

impl KeyDirectory for Directory {
    fn verifying_key(&self, name: &KeyName) -> Option<VerifyingKey> {
        self.0.get(name).copied()
    }
}

impl World {
    /// The one world of this test process.
    ///
    /// All citizens are enrolled before anything is answered: a new key is a new root, under which an
    /// answer that is on its way is stale.
    pub(crate) async fn get() -> &'static Self {
        static WORLD: OnceCell<World> = OnceCell::const_new();
        WORLD.get_or_init(Self::found).await
    }

    async fn found() -> Self {
        let network = Network::running();
        let genesis = std::fs::read(network.folder().join("genesis.json")).unwrap();
        let genesis = Genesis::from_slice(&genesis).unwrap();
        let documents = genesis.facts().departments.iter();
        let keys = documents.map(|document| {
            let key = document.signing_key;
            let key_id = crypto::envelope::KeyId::of_verifying_key(&key);
            (KeyName { department: name(document.id.as_str()), key: key_id }, key)
        });
        let keys = Directory(keys.collect());
        // From the end: the demo takes its citizens from the beginning.
        let poor =
            wages().into_iter().rev().filter(|(_, wages)| (200_000..1_000_000).contains(wages));
        let poor: Vec<_> = poor.take(CITIZENS).collect();
        let mut secrets = vec![STRANGER.to_owned()];
        for department in ["civil-registry", "social-security", "tax", "welfare"] {
            let token = network.folder().join(department).join("local.token");
            secrets.push(std::fs::read_to_string(token).unwrap().trim().to_owned());
        }
        for (subject, wages) in &poor {
            secrets.extend([subject.clone(), wages.to_string()]);
        }
        let stranger =
            Citizen { subject: STRANGER.to_owned(), key: ConsentKey::random(), card: Value::Null };
        let citizens = Vec::new();
        let mut world = Self { network, genesis, keys, citizens, stranger, secrets };
        for (subject, _) in poor {
            let citizen = world.enrol(&subject).await;
            for department in ["civil-registry", "tax"] {
                let client = world.citizen_client(department);
                client.give_card(citizen.key.calls(&mut rng()), &citizen.card).await.unwrap();
            }
            world.citizens.push(citizen);
        }
        world.stranger = world.enrol(STRANGER).await;
        world
    }

    /// Enrols a new key of a citizen at the registry, and nowhere else.
    pub(crate) async fn enrol(&self, subject: &str) -> Citizen {
        let key = ConsentKey::random();
        let code = self.enrolment_code(subject).await;
        let enrolment = KeyEnrolment { subject: SubjectText(subject.to_owned()), code };
        let registry = self.citizen_client("civil-registry");
        let card = registry.enrol(key.calls(&mut rng()), &enrolment).await.unwrap();
        Citizen { subject: subject.to_owned(), key, card }
    }

    /// What the registry's clerk hands to the citizen.
    pub(crate) async fn enrolment_code(&self, subject: &str) -> String {
        let clerk = self.network.system("civil-registry");
        clerk.enrolment_code(SubjectText(subject.to_owned())).await.unwrap().code
    }

    pub(crate) fn citizen(&self, number: usize) -> &Citizen {
        &self.citizens[number]
    }

    pub(crate) fn stranger(&self) -> &Citizen {
        &self.stranger
    }

    pub(crate) fn keys(&self) -> &Directory {
        &self.keys
    }

    /// Who runs a department.
    pub(crate) fn insider(&self, id: &'static str) -> Insider {
        let seed = || {
            let path = self.network.folder().join(id).join("signing.key");
            SigningKey::from_seed(&gateway::key_file::read(&path).unwrap())
        };
        Insider { id, signing: seed(), signer: Signer::new(name(id), seed()) }
    }

    pub(crate) fn citizen_client(&self, department: &str) -> CitizenClient {
        let network = *self.genesis.network().as_digest();
        let base = self.network.base.clone();
        CitizenClient::new(base, department.to_owned(), network, ClientLimits::default())
    }

    pub(crate) fn network_name(&self) -> Name {
        name(&self.genesis.network().to_string())
    }

    /// What `sender` says to `recipient`, sealed.
    pub(crate) fn seal(
        &self,
        message: Message,
        (sender, recipient): (&str, &str),
        request: Digest,
        plaintext: &[u8],
    ) -> Bytes {
        let network = self.network_name();
        let (sender, to) = (name(sender), name(recipient));
        let route = Route { message, network, sender, recipient: to, request };
        self.seal_along(&route, recipient, plaintext)
    }

    /// As [`Self::seal`], for the key of `holder`, whatever `route` says.
    pub(crate) fn seal_along(&self, route: &Route, holder: &str, plaintext: &[u8]) -> Bytes {
        let sealed =
            crypto::envelope::seal(route, &self.recipient_key(holder), plaintext, &mut rng());
        sealed.unwrap().into()
    }

    pub(crate) fn recipient_key(&self, department: &str) -> RecipientPublicKey {
        let mut documents = self.genesis.facts().departments.iter();
        let document = documents.find(|it| it.id.as_str() == department).unwrap();
        document.hpke_key.as_str().parse().unwrap()
    }

    /// Sends a message in `from`'s name; the code of a refusal is from a reply that `to` signed.
    pub(crate) async fn call(
        &self,
        from: &Insider,
        to: &str,
        call: &PeerCall,
        body: Bytes,
    ) -> Result<Bytes, Refused> {
        let client = PeerClient::new(ClientLimits::default());
        let caller = Caller { signer: &from.signer, keys: &self.keys, clock: &now };
        let peer = Peer { department: name(to), url: self.network.base.clone() };
        match client.call(caller, &peer, call, body, &mut rng()).await {
            Ok(body) => Ok(body),
            Err(PeerError::Problem(problem)) => {
                self.watch(&problem.to_string());
                Err((problem.status, problem.code))
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// Sends a question document as `from` likes it, sealed to `to`.
    pub(crate) async fn send_question(
        &self,
        from: &Insider,
        to: &str,
        message: &RequestMessage,
    ) -> Result<(), Refused> {
        let digest = canonical::digest(&message.request).unwrap();
        let plaintext = canonical::to_vec(message).unwrap();
        let sealed = self.seal(Message::Request, (from.id, to), digest, &plaintext);
        self.call(from, to, &PeerCall::Request, sealed).await.map(drop)
    }

    /// Sends an answer to `request`, as `from` likes it, to welfare.
    pub(crate) async fn send_answer(
        &self,
        from: &Insider,
        request: Digest,
        plaintext: &[u8],
    ) -> Result<(), Refused> {
        let sealed = self.seal(Message::Answer, (from.id, "welfare"), request, plaintext);
        self.call(from, "welfare", &PeerCall::Answer, sealed).await.map(drop)
    }

    /// Has welfare ask about a citizen; the question then waits for them at tax.
    pub(crate) async fn pose(&self, citizen: &Citizen, ask: &Ask) -> Posed {
        let asked = self.network.system("welfare").ask(ask, None).await.unwrap();
        self.posed(citizen, asked).await
    }

    /// A question of welfare's that waits for the citizen at tax.
    pub(crate) async fn posed(&self, citizen: &Citizen, asked: Asked) -> Posed {
        let waiting =
            self.citizen_client("tax").pending(citizen.key.calls(&mut rng())).await.unwrap();
        let found = waiting.into_iter().map(|pending| read(&pending));
        let question = found.into_iter().find(|it| *it.digest() == asked.request).unwrap();
        let (request, entry) = (question.request().clone(), asked.entry.unwrap());
        let subject = Some(citizen.subject.parse().unwrap());
        let message =
            RequestMessage { request, entry: entry.to_string().parse().unwrap(), subject };
        Posed { asked, question, message }
    }

    /// Consents to a question; welfare's question is then verified.
    pub(crate) async fn consent(&self, citizen: &Citizen, posed: &Posed, lock: Digest) -> Progress {
        let consent = gateway::http::citizen::Consent {
            request: *posed.question.digest(),
            signature: citizen.key.consent(&posed.question),
            lock,
        };
        let taken =
            self.citizen_client("tax").consent(citizen.key.calls(&mut rng()), &consent).await;
        taken.unwrap()
    }

    /// Welfare's question once it is not open any more.
    pub(crate) async fn outcome(&self, request: &Digest) -> Asked {
        let system = self.network.system("welfare");
        loop {
            let asked = system.asked(request, WAIT).await.unwrap();
            if asked.status != AskedStatus::Sent {
                return asked;
            }
        }
    }

    /// A question that a citizen consented to and tax answered; the digest.
    pub(crate) async fn answered(&self, citizen: &Citizen) -> Digest {
        let posed = self.pose(citizen, &ask(&citizen.subject, 2_000_000)).await;
        self.consent(citizen, &posed, random_digest()).await;
        let digest = *posed.question.digest();
        assert_eq!(self.outcome(&digest).await.status, AskedStatus::Verified);
        digest
    }

    /// Sends a request as it is, over a connection of its own.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        let response = client.request(request.map(Full::new)).await.unwrap();
        let (parts, body) = response.into_parts();
        let response = Response::from_parts(parts, body.collect().await.unwrap().to_bytes());
        assert!(!response.status().is_server_error(), "{response:?}");
        let kind = response.headers().get(header::CONTENT_TYPE);
        if kind.is_some_and(|kind| kind == "application/problem+json") {
            self.watch(&String::from_utf8_lossy(response.body()));
            self.watch(&format!("{:?}", response.headers()));
        }
        response
    }

    /// Status and code of the problem that a request is answered with.
    pub(crate) async fn refusal(&self, request: Request<Bytes>) -> Refused {
        problem(&self.send(request).await)
    }

    /// The URL of a target at the gateway.
    pub(crate) fn url(&self, target: &str) -> String {
        format!("{}{target}", self.network.base)
    }

    /// No error document tells who a citizen is, what they earn, or a token.
    pub(crate) fn watch(&self, told: &str) {
        for secret in &self.secrets {
            assert!(!told.contains(secret.as_str()), "told: {told}");
        }
    }

    /// What must not be in any problem document.
    pub(crate) fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// Status and code of a refusal of a department's own gateway.
    pub(crate) fn local<T: std::fmt::Debug>(&self, called: Result<T, LocalClientError>) -> Refused {
        match called.unwrap_err() {
            LocalClientError::Problem(problem) => {
                self.watch(&problem.to_string());
                (problem.status, problem.code)
            }
            other => panic!("{other}"),
        }
    }

    /// Status and code of a refusal to a citizen.
    pub(crate) fn told<T: std::fmt::Debug>(
        &self,
        called: Result<T, CitizenClientError>,
    ) -> Refused {
        match called.unwrap_err() {
            CitizenClientError::Problem(problem) => {
                self.watch(&problem.to_string());
                (problem.status, problem.code)
            }
            other => panic!("{other}"),
        }
    }
}

impl ConsentKey {
    /// With what a call is signed that is made now.
    pub(crate) fn calls<'a, R>(&'a self, rng: &'a mut R) -> As<'a, R> {
        As { signer: self, now: now(), rng }
    }
}

/// The question that a citizen is shown, recomputed as a wallet does.
pub(crate) fn read(pending: &Pending) -> CheckedRequest {
    let question: Question = serde_json::from_value(pending.request.clone()).unwrap();
    let schema = serde_json::from_value(pending.schema.clone()).unwrap();
    CheckedRequest::check(question, &schema, &schema_digest(&schema)).unwrap()
}

/// The problem that a response tells.
pub(crate) fn document(response: &Response<Bytes>) -> ProblemDocument {
    let text = String::from_utf8_lossy(response.body());
    let document: ProblemDocument = serde_json::from_slice(response.body())
        .unwrap_or_else(|_| panic!("{}: {text}", response.status()));
    assert_eq!(document.status, response.status().as_u16());
    document
}

/// Status and code of the problem that a response tells.
pub(crate) fn problem(response: &Response<Bytes>) -> Refused {
    let document = document(response);
    (document.status, document.code)
}
