//! Offices with a citizen surface, on a real gateway: they verify what the wallet sends.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chain::entry::withdrawal_lock;
use chain::time::Clock;
use circuits::eddsa::{PublicKey, Signature};
use circuits::poseidon::digest_element;
use circuits::schema::Schema;
use crypto::envelope::{Name, PayloadId};
use crypto::{Digest, Secret, SigningKey};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{NOW, network, schema};
use crate::department::asking::Offer;
use crate::document::key_card::{ConsentKey, KeyCard};
use crate::document::payload::Completion;
use crate::document::request::{Nonce, Taken};
use crate::document::service::Service;
use crate::document::{CheckedRequest, Request, VERSION};
use crate::http::citizen::{
    CardTaken, CitizenApi, CitizenNonceUse, Consent, ConsentKeyBytes, ConsentSignatureBytes,
    KeyEnrolment, OfferTaken, PastExchange, Pending, Progress, Refusal, VerifiedCitizen,
    Withdrawal,
};
use crate::http::local::bundle::BundleApi;
use crate::http::local::datasets::{DatasetView, DatasetsApi, ImportQuery, Imported};
use crate::http::local::operating::{Approval, OperatingApi, Proposal, Published};
use crate::http::local::{
    Ask, Asked, AskedQuestion, EnrolmentCode, Idempotency, LocalApi, Page, PayloadReceived,
    PayloadSent, Received, SentApi, SubjectText, Tokens,
};
use crate::http::peer::{PartName, PayloadName, PeerApi};
use crate::http::public::{PublicApi, Readiness, ServiceInForce, Tip};
use crate::http::server::{Drained, serve};
use crate::http::signature::{Audience, KeyDirectory, NonceError, NonceStore, Signer};
use crate::http::{BaseUrl, Download, Hosting, Limits, Problem, Upload};
use crate::payload::PartSet;
use crate::records::schema_digest;

/// The clerk's code.
pub(crate) const CODE: [u8; 16] = [0x0a; 16];

pub(crate) fn key(department: &str) -> SigningKey {
    SigningKey::from_seed(&Secret::new(*Digest::of(department.as_bytes()).as_bytes()))
}

/// A department that enrols, asks and remembers.
pub(crate) struct Office {
    name: &'static str,
    network: Digest,
    /// Whose key signs its cards; its own as a rule.
    pub(crate) card_signer: Mutex<&'static str>,
    pub(super) pending: Mutex<Vec<Pending>>,
    pub(crate) history: Mutex<Vec<PastExchange>>,
    /// With a record that takes a card.
    pub(crate) datasets: Mutex<Vec<String>>,
    locks: Mutex<HashMap<Digest, Digest>>,
    nonces: Mutex<Vec<[u8; 16]>>,
    /// Where the wallet must have written what withdraws a consent before it sends the consent.
    pub(super) withdrawals: Mutex<PathBuf>,
    log: Mutex<Vec<String>>,
}

impl Office {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            network: *network().as_digest(),
            card_signer: Mutex::new(name),
            pending: Mutex::default(),
            history: Mutex::default(),
            datasets: Mutex::new(vec!["incomes".to_owned()]),
            locks: Mutex::default(),
            nonces: Mutex::default(),
            withdrawals: Mutex::default(),
            log: Mutex::default(),
        }
    }

    /// What happened since this was last asked.
    pub(super) fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    fn progress(&self, state: &str) -> Result<Progress, Problem> {
        self.log.lock().unwrap().push(state.to_owned());
        Ok(Progress { state: state.to_owned(), entry: None })
    }

    /// Takes a consent as an issuer does, and looks whether its withdrawal is on disk already.
    fn take_consent(
        &self,
        citizen: &VerifiedCitizen,
        request: Request,
        schema: &Schema,
        signature: &ConsentSignatureBytes,
        lock: Digest,
    ) -> Result<Progress, Problem> {
        let checked = CheckedRequest::check(request, schema, &schema_digest(schema)).unwrap();
        let signature = Signature::from_bytes(signature.as_bytes()).unwrap();
        if key_of(citizen.key()).verify(checked.consent_message(), &signature).is_err() {
            return Err(Problem::new("consent-signature", "not over M"));
        }
        let digest = *checked.digest();
        let path = self.withdrawals.lock().unwrap().join(format!("{digest}.json"));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let kept: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let w = kept["w"].as_str().unwrap().parse().unwrap();
        assert_eq!(withdrawal_lock(&w), lock);
        let former = self.locks.lock().unwrap().insert(digest, lock);
        assert!(former.is_none_or(|former| former == lock), "another lock than before");
        self.progress("consented")
    }
}

fn key_of(key: &ConsentKeyBytes) -> PublicKey {
    PublicKey::from_bytes(key.as_bytes()).unwrap()
}

impl CitizenApi for Office {
    fn network(&self) -> &Digest {
        &self.network
    }

    async fn verify_citizen(
        &self,
        key: &ConsentKeyBytes,
        message: &Digest,
        signature: &ConsentSignatureBytes,
    ) -> Result<bool, Problem> {
        let (Ok(key), Ok(signature)) =
            (PublicKey::from_bytes(key.as_bytes()), Signature::from_bytes(signature.as_bytes()))
        else {
            return Ok(false);
        };
        Ok(key.verify(digest_element(message.as_bytes()), &signature).is_ok())
    }

    fn use_nonce(&self, first_use: CitizenNonceUse<'_>) -> Result<(), NonceError> {
        let mut seen = self.nonces.lock().unwrap();
        if seen.contains(first_use.nonce.as_bytes()) {
            return Err(NonceError::Replayed);
        }
        seen.push(*first_use.nonce.as_bytes());
        Ok(())
    }

    async fn enrol(
        &self,
        citizen: &VerifiedCitizen,
        enrolment: KeyEnrolment,
    ) -> Result<Value, Problem> {
        if enrolment.code != hex::encode(CODE) {
            return Err(Problem::new("enrolment-code", "not good for this citizen"));
        }
        let card = KeyCard {
            version: VERSION,
            network: network(),
            registrar: self.name.parse().unwrap(),
            subject: enrolment.subject.0.parse().unwrap(),
            key: ConsentKey::from(key_of(citizen.key())),
            valid_from: NOW,
            salt: Nonce::from_bytes([3; 16]),
        };
        let signer = *self.card_signer.lock().unwrap();
        Ok(json!(card.sign(&key(signer))))
    }

    async fn take_card(&self, _: &VerifiedCitizen, card: Value) -> Result<CardTaken, Problem> {
        let registrar = card["card"]["registrar"].as_str().unwrap().to_owned();
        self.log.lock().unwrap().push(format!("card of {registrar}"));
        Ok(CardTaken { datasets: self.datasets.lock().unwrap().clone() })
    }

    async fn pending(&self, _: &VerifiedCitizen) -> Result<Vec<Pending>, Problem> {
        Ok(self.pending.lock().unwrap().clone())
    }

    async fn consent(
        &self,
        citizen: &VerifiedCitizen,
        consent: Consent,
    ) -> Result<Progress, Problem> {
        let requests: Vec<Request> = {
            let pending = self.pending.lock().unwrap();
            pending.iter().map(|it| serde_json::from_value(it.request.clone()).unwrap()).collect()
        };
        let request = requests
            .into_iter()
            .find(|request| crypto::canonical::digest(request).unwrap() == consent.request)
            .ok_or_else(|| Problem::new("not-found", "no such question"))?;
        self.take_consent(citizen, request, &schema(), &consent.signature, consent.lock)
    }

    async fn refuse(&self, _: &VerifiedCitizen, refusal: Refusal) -> Result<Progress, Problem> {
        self.progress(&format!("refused {}", refusal.request))
    }

    async fn withdraw(&self, _: &VerifiedCitizen, step: Withdrawal) -> Result<Progress, Problem> {
        let lock = self.locks.lock().unwrap().get(&step.request).copied();
        if lock != Some(withdrawal_lock(&step.w)) {
            return Err(Problem::new("withdrawal-lock", "these bytes do not open the lock"));
        }
        self.progress("withdrawn")
    }

    async fn take_offer(
        &self,
        citizen: &VerifiedCitizen,
        taken: OfferTaken,
    ) -> Result<Progress, Problem> {
        let offer: Offer = serde_json::from_value(taken.offer).unwrap();
        let requester = key(offer.request.requester.as_str()).verifying_key();
        offer.verify(&requester).map_err(|_| Problem::new("not-found", "no such question"))?;
        self.take_consent(citizen, offer.request, &offer.schema, &taken.signature, taken.lock)
    }

    async fn history(&self, _: &VerifiedCitizen) -> Result<Vec<PastExchange>, Problem> {
        Ok(self.history.lock().unwrap().clone())
    }
}

/// No department's system, gateway or reader calls here.
fn nobody<T>() -> Result<T, Problem> {
    Err(Problem::new("not-found", "only citizens are served"))
}

impl BundleApi for Office {
    async fn bundle(&self, _: Digest) -> Result<Bytes, Problem> {
        nobody()
    }
}

impl OperatingApi for Office {
    async fn publish_service(&self, _: Service) -> Result<Published, Problem> {
        nobody()
    }

    async fn propose_department(
        &self,
        _: chain::department::Department,
    ) -> Result<Published, Problem> {
        nobody()
    }

    async fn propose_circuits(&self) -> Result<Vec<Published>, Problem> {
        nobody()
    }

    async fn propose_ceremonies(&self) -> Result<Vec<Published>, Problem> {
        nobody()
    }

    async fn proposals(&self) -> Result<Vec<Proposal>, Problem> {
        nobody()
    }

    async fn approve(&self, _: Approval) -> Result<Published, Problem> {
        nobody()
    }
}

impl DatasetsApi for Office {
    async fn datasets(&self) -> Result<Vec<DatasetView>, Problem> {
        nobody()
    }

    async fn import(&self, _: String, _: ImportQuery, _: &mut Upload) -> Result<Imported, Problem> {
        nobody()
    }
}

impl LocalApi for Office {
    async fn ask(&self, _: Ask, _: Option<Idempotency>) -> Result<Asked, Problem> {
        nobody()
    }

    async fn asked(&self, _: Digest, _: Duration) -> Result<Asked, Problem> {
        nobody()
    }

    async fn questions(&self, _: Page<Digest>) -> Result<Vec<AskedQuestion>, Problem> {
        nobody()
    }

    async fn offer(&self, _: Digest) -> Result<Value, Problem> {
        nobody()
    }

    async fn received(&self, _: Page<Digest>) -> Result<Vec<Received>, Problem> {
        nobody()
    }

    async fn enrolment_code(&self, _: SubjectText) -> Result<EnrolmentCode, Problem> {
        nobody()
    }

    async fn send_payload(&self, _: Digest, _: String, _: Upload) -> Result<PayloadSent, Problem> {
        nobody()
    }

    async fn payloads(&self, _: Page<PayloadId>) -> Result<Vec<PayloadReceived>, Problem> {
        nobody()
    }

    async fn payload(&self, _: PayloadId, _: u64) -> Result<Download, Problem> {
        nobody()
    }
}

impl SentApi for Office {
    async fn sent_payloads(&self, _: Page<PayloadId>) -> Result<Vec<PayloadSent>, Problem> {
        nobody()
    }

    async fn sent_payload(&self, _: PayloadId) -> Result<PayloadSent, Problem> {
        nobody()
    }
}

impl PeerApi for Office {
    fn signer(&self) -> &Signer {
        unreachable!("no gateway calls here")
    }

    fn audience(&self) -> &Audience {
        unreachable!("no gateway calls here")
    }

    fn keys(&self) -> &dyn KeyDirectory {
        unreachable!("no gateway calls here")
    }

    fn nonces(&self) -> &dyn NonceStore {
        unreachable!("no gateway calls here")
    }

    async fn take_request(&self, _: Name, _: Bytes) -> Result<Taken, Problem> {
        nobody()
    }

    async fn take_answer(&self, _: Name, _: Bytes) -> Result<(), Problem> {
        nobody()
    }

    async fn key_card(&self, _: Name, _: Bytes) -> Result<Bytes, Problem> {
        nobody()
    }

    async fn take_part(&self, _: Name, _: PartName, _: Bytes) -> Result<(), Problem> {
        nobody()
    }

    async fn parts(&self, _: Name, _: PayloadName) -> Result<PartSet, Problem> {
        nobody()
    }

    async fn complete_payload(
        &self,
        _: Name,
        _: PayloadName,
        _: Bytes,
    ) -> Result<Completion, Problem> {
        nobody()
    }
}

impl PublicApi for Office {
    async fn ready(&self) -> Readiness {
        Readiness::of(Vec::new())
    }

    async fn checkpoint(&self) -> Result<String, Problem> {
        nobody()
    }

    async fn genesis(&self) -> Result<Bytes, Problem> {
        nobody()
    }

    async fn circuits(&self) -> Result<Value, Problem> {
        nobody()
    }

    async fn services(&self) -> Result<Vec<ServiceInForce>, Problem> {
        nobody()
    }

    async fn departments(&self) -> Result<Value, Problem> {
        nobody()
    }

    async fn tip(&self) -> Result<Tip, Problem> {
        nobody()
    }

    async fn block(&self, _: u64) -> Result<Option<Bytes>, Problem> {
        nobody()
    }

    async fn receipt(&self, _: Digest) -> Result<Option<Value>, Problem> {
        nobody()
    }

    async fn document(&self, _: Digest) -> Result<Option<Bytes>, Problem> {
        nobody()
    }
}

/// A gateway that hosts a registrar and an issuer.
pub(crate) struct Gateway {
    pub(crate) registry: Arc<Office>,
    pub(crate) tax: Arc<Office>,
    tokens: Tokens<Office>,
    clock: Arc<dyn Clock>,
}

impl Hosting for Gateway {
    type Department = Office;
    type Public = Office;

    fn department(&self, name: &str) -> Option<Arc<Office>> {
        [&self.registry, &self.tax].into_iter().find(|office| office.name == name).cloned()
    }

    fn tokens(&self) -> &Tokens<Office> {
        &self.tokens
    }

    fn public(&self) -> &Office {
        &self.tax
    }

    fn now(&self) -> u64 {
        self.clock.now().unix_seconds()
    }
}

/// Where it listens.
pub(crate) async fn start(clock: Arc<dyn Clock>) -> (Arc<Gateway>, BaseUrl, JoinHandle<Drained>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let registry = Arc::new(Office::new("civil-registry"));
    let tax = Arc::new(Office::new("tax"));
    let gateway = Arc::new(Gateway { registry, tax, tokens: Tokens::new(Vec::new()), clock });
    let served = serve(listener, Arc::clone(&gateway), Limits::default(), std::future::pending());
    (gateway, base, tokio::spawn(served))
}
