//! Three departments on one chain.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use chain::department::Role;
use chain::genesis::{GENESIS_FORMAT, Genesis, NetworkFacts, SubjectIdentifier};
use chain::identifier::NetworkId;
use chain::ledger::{
    DepartmentCosigner, FollowerLedger, FollowerLedgerOptions, LocalLedger, LocalLedgerOptions,
    Upstream,
};
use chain::time::Timestamp;
use chain::validators::Validator;
use circuits::eddsa::PrivateKey;
use circuits::groth16::{self, ProvingKey};
use circuits::schema::Schema;
use circuits::snarkjs::contribution::{Contribution, Contributions};
use circuits::snarkjs::trial_ceremony;
use circuits::statement::CircuitId;
use crypto::Secret;
use getrandom::SysRng;
use rand_core::UnwrapErr;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::super::*;
use super::direct::Direct;
use crate::document::ceremony::{Attested, Ceremony};
use crate::document::circuit::Provenance;
use crate::document::key_card::{ConsentKey, SignedKeyCard};
use crate::document::service::Service;
use crate::import;
use crate::proving_keys::ProvingKeys;
use crate::store::boundary::{self, Boundary};
use crate::subject::Subject;

/// The data's "today", at noon.
pub(crate) const NOON: u64 = 1_735_646_400;

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub(crate) struct StoppedClock(AtomicU64);

impl StoppedClock {
    pub(crate) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(self.0.load(Ordering::SeqCst))
    }
}

/// Keys, made once for all tests. Where nothing else is said they are put forward as development keys.
pub(crate) fn proving_keys() -> Arc<HashMap<CircuitId, ProvingKey>> {
    static KEYS: OnceLock<Arc<HashMap<CircuitId, ProvingKey>>> = OnceLock::new();
    let key = |id: CircuitId| (id, trial(id).0.clone());
    Arc::clone(KEYS.get_or_init(|| Arc::new(CircuitId::ALL.map(key).into_iter().collect())))
}

/// The key of a circuit, and the contributions of tax and welfare that lead to it.
pub(crate) fn trial(circuit: CircuitId) -> &'static (ProvingKey, Contributions) {
    static TRIALS: OnceLock<HashMap<CircuitId, (ProvingKey, Contributions)>> = OnceLock::new();
    let trials = TRIALS.get_or_init(|| {
        let rng = &mut groth16::rng_from_seed([5; 32]);
        let trial = |id| (id, trial_ceremony::key(id, &["tax", "welfare"], rng));
        CircuitId::ALL.map(trial).into_iter().collect()
    });
    &trials[&circuit]
}

/// The transcript of that key's ceremony, attested by the departments of a network.
pub(crate) fn ceremony(circuit: CircuitId, network: &NetworkId) -> Ceremony {
    let (key, contributions) = trial(circuit);
    let (phase_one, zkey) = (Digest::of(b"ptau"), Digest::of(b"zkey"));
    let constraints = Digest::from_bytes(key.r1cs().digest());
    let fixed = &Digest::from_bytes(key.verifying_key().fixed_digest());
    let attest = |(name, contribution): (&&str, &Contribution)| {
        let (department, phase_one, constraints) = (&id(name), &phase_one, &constraints);
        let attested = Attested { network, department, circuit, constraints, phase_one, fixed };
        attested.sign(contribution, &keys(name).signing)
    };
    let attestations = ["tax", "welfare"].iter().zip(&contributions.list).map(attest).collect();
    Ceremony::new(phase_one, zkey, contributions, attestations)
}

/// The network.
pub(crate) struct Network {
    pub(crate) folder: TempDir,
    pub(crate) clock: Arc<StoppedClock>,
    pub(crate) shared: Shared,
    pub(crate) peers: Direct,
    /// Each department's store.
    pub(crate) stores: HashMap<DepartmentId, Arc<Store>>,
}

pub(crate) fn id(name: &str) -> DepartmentId {
    name.parse().unwrap()
}

pub(crate) fn seed(name: &str, purpose: u8) -> Secret<32> {
    let digest = Digest::labelled("test", &[name.as_bytes(), &[purpose]]);
    Secret::new(*digest.as_bytes())
}

pub(crate) fn keys(name: &str) -> Keys {
    Keys {
        signing: SigningKey::from_seed(&seed(name, 0)),
        recipient: RecipientKey::from_seed(seed(name, 1)),
    }
}

pub(crate) fn document(name: &str) -> chain::department::Department {
    document_at(name, &format!("http://{name}.example"))
}

fn document_at(name: &str, url: &str) -> chain::department::Department {
    let keys = keys(name);
    let registrar = name == "civil-registry";
    chain::department::Department {
        id: id(name),
        name: format!("The {name} department").parse().unwrap(),
        url: url.parse().unwrap(),
        signing_key: keys.signing.verifying_key(),
        hpke_key: keys.recipient.public_key().to_string().parse().unwrap(),
        roles: registrar.then_some(Role::Registrar).into_iter().collect(),
    }
}

pub(crate) const DEPARTMENTS: [&str; 3] = ["civil-registry", "tax", "welfare"];

impl Network {
    /// Departments without records, services or keys on the chain.
    pub(crate) fn bare(grace_seconds: u32) -> Self {
        Self::at(grace_seconds, |name| format!("http://{name}.example"))
    }

    /// As [`Network::bare`], with departments at `url`.
    pub(crate) fn at(grace_seconds: u32, url: impl Fn(&str) -> String) -> Self {
        let facts = NetworkFacts {
            format: GENESIS_FORMAT.to_owned(),
            name: "network.example/test".parse().unwrap(),
            nonce: Digest::of(b"department tests"),
            subject_identifier: SubjectIdentifier {
                kind: "citizen number".parse().unwrap(),
                normal_form: "12 digits".parse().unwrap(),
            },
            records_grace_seconds: grace_seconds,
            departments: DEPARTMENTS.map(|name| document_at(name, &url(name))).to_vec(),
            validators: vec![Validator {
                id: "gateway".parse().unwrap(),
                name: "Gateway".parse().unwrap(),
                key: SigningKey::from_seed(&seed("gateway", 0)).verifying_key(),
            }],
            cosigners: Vec::new(),
        };
        Self::validating(Arc::new(Genesis::new(facts).unwrap()))
    }

    /// The validator's gateway of this network, on a chain of its own.
    pub(crate) fn again(&self) -> Self {
        Self::validating(Arc::clone(&self.shared.genesis))
    }

    fn validating(genesis: Arc<Genesis>) -> Self {
        let folder = TempDir::new().unwrap();
        let clock = Arc::new(StoppedClock(AtomicU64::new(NOON)));
        let options = LocalLedgerOptions {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            ..LocalLedgerOptions::new(
                folder.path().join("chain"),
                Arc::clone(&genesis),
                "gateway".parse().unwrap(),
                SigningKey::from_seed(&seed("gateway", 0)),
            )
        };
        let ledger = Arc::new(LocalLedger::open(options).unwrap());
        Self::over(genesis, ledger, folder, clock)
    }

    /// Another gateway of this network, which follows `upstream`; `cosigner` cosigns there.
    pub(crate) fn follower(&self, upstream: Arc<dyn Upstream>, cosigner: &str) -> Self {
        let (genesis, folder) = (Arc::clone(&self.shared.genesis), TempDir::new().unwrap());
        let clock = Arc::new(StoppedClock(AtomicU64::new(NOON)));
        let mut options = FollowerLedgerOptions::new(
            folder.path().join("chain"),
            Arc::clone(&genesis),
            upstream,
            tokio::runtime::Handle::current(),
        );
        options.clock = Arc::clone(&clock) as Arc<dyn Clock>;
        let (department, key) = (id(cosigner), keys(cosigner).signing);
        options.cosigners = vec![DepartmentCosigner { department, key }];
        let ledger = Arc::new(FollowerLedger::open(options).unwrap());
        Self::over(genesis, ledger, folder, clock)
    }

    fn over(
        genesis: Arc<Genesis>,
        ledger: Arc<dyn Ledger>,
        folder: TempDir,
        clock: Arc<StoppedClock>,
    ) -> Self {
        let shared = Shared {
            genesis,
            ledger,
            proving_keys: ProvingKeys::loaded(proving_keys()),
            prover: Prover::new(2, 64),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            strictness: Strictness { production: false },
        };
        let (peers, stores) = (Direct::default(), HashMap::new());
        let mut network = Self { folder, clock, shared, peers, stores };
        for name in DEPARTMENTS {
            network.start(name);
        }
        network
    }

    /// Approved circuits, a registry and a tax office with the first 60 citizens, their services.
    pub(crate) async fn new(grace_seconds: u32) -> Self {
        let network = Self::bare(grace_seconds);
        network.furnish().await;
        network
    }

    /// Approves circuits, imports records and publishes services.
    pub(crate) async fn furnish(&self) {
        self.approve_circuits(&DEPARTMENTS).await;
        self.publish("civil-registry", registry_service()).await;
        self.publish("tax", tax_service()).await;
    }

    /// Opens a department's store, as at a start.
    pub(crate) fn start(&mut self, name: &str) {
        self.start_with(name, |folder| PayloadStore::local(folder).unwrap());
    }

    /// As [`Self::start`], with payloads in what `payloads` makes of their folder.
    pub(crate) fn start_with(
        &mut self,
        name: &str,
        payloads: impl FnOnce(&std::path::Path) -> PayloadStore,
    ) {
        let payloads = payloads(&self.folder.path().join(name).join("payloads"));
        self.start_over(name, payloads, Arc::new(boundary::Direct));
    }

    /// As [`Self::start`], with payloads elsewhere and a store whose changes cross `boundary`.
    pub(crate) fn start_over(
        &mut self,
        name: &str,
        payloads: PayloadStore,
        boundary: Arc<dyn Boundary>,
    ) {
        self.stop(name);
        let folder = self.folder.path().join(name);
        let rng = || Box::new(UnwrapErr(SysRng));
        let store = Store::open_with(&folder, &seed(name, 2), rng(), boundary).unwrap();
        let store = Arc::new(store);
        let department = Department::new(
            id(name),
            keys(name),
            Arc::clone(&store),
            payloads,
            self.shared.clone(),
            rng(),
        );
        self.stores.insert(id(name), store);
        self.peers.departments.insert(id(name), Arc::new(department));
    }

    /// Opens a department anew that lets each sender have so many bytes lying of payloads that are not
    /// complete.
    pub(crate) fn start_with_room(&mut self, name: &str, bytes: u64) {
        self.start(name);
        let department = self.peers.departments.remove(&id(name)).and_then(Arc::into_inner);
        let department = department.unwrap().with_unfinished_bytes(bytes);
        self.peers.departments.insert(id(name), Arc::new(department));
    }

    /// Closes a department's store, as at an end.
    pub(crate) fn stop(&mut self, name: &str) {
        self.peers.departments.remove(&id(name));
        self.stores.remove(&id(name));
    }

    /// A department that somebody else holds too.
    pub(crate) fn shared_department(&self, name: &str) -> Arc<Department> {
        Arc::clone(&self.peers.departments[&id(name)])
    }

    pub(crate) fn department(&self, name: &str) -> &Department {
        &self.peers.departments[&id(name)]
    }

    /// Puts the circuits on the chain, with the approvals of these departments.
    pub(crate) async fn approve_circuits(&self, by: &[&str]) -> Vec<EntryId> {
        let mut entries = Vec::new();
        for circuit in CircuitId::ALL {
            entries.push(self.approve_circuit(&circuit_document(circuit), by).await);
        }
        entries
    }

    /// Puts a circuit on the chain, with the approvals of these departments.
    pub(crate) async fn approve_circuit(&self, document: &CircuitDocument, by: &[&str]) -> EntryId {
        let entry = self.department("tax").propose_circuit(document).await.unwrap();
        for name in by {
            self.department(name).approve(entry).await.unwrap();
        }
        entry
    }

    pub(crate) async fn publish(&self, name: &str, json: Json) {
        let service: Service = serde_json::from_value(json).unwrap();
        let department = self.department(name);
        department.publish_service(&service).await.unwrap();
        let file: &str = match name {
            "tax" => include_str!("../../../data/tax.csv"),
            _ => include_str!("../../../data/civil_registry.csv"),
        };
        let lines: String = file.split_inclusive('\n').take(61).collect();
        let rows = import::all_or_nothing(&service.schema, lines.as_bytes(), |_| ()).unwrap();
        let changed = department.import(&service.dataset, &rows).await.unwrap();
        assert_eq!(changed.added, 60);
    }

    /// Enrols a citizen's key at the registrar and shows the card to the tax office.
    pub(crate) async fn enrol(&self, citizen: &Citizen) -> SignedKeyCard {
        let registrar = self.department("civil-registry");
        let code = registrar.enrolment_code(citizen.subject).await.unwrap().code;
        let card = registrar.enrol(citizen.subject, citizen.key(), &code).await.unwrap();
        for name in ["civil-registry", "tax"] {
            let department = self.department(name);
            let datasets = department.present_card(&citizen.key(), &card).await.unwrap();
            assert_eq!(datasets.len(), 1);
        }
        card
    }

    /// Entries on the chain by kind.
    pub(crate) fn counts(&self) -> HashMap<&'static str, u64> {
        self.shared
            .ledger
            .snapshot()
            .state()
            .counts()
            .map(|(kind, count)| (kind.as_str(), count))
            .collect()
    }
}

/// The document of a development key.
pub(crate) fn circuit_document(circuit: CircuitId) -> CircuitDocument {
    circuit_document_of(circuit, &proving_keys()[&circuit])
}

pub(crate) fn circuit_document_of(circuit: CircuitId, key: &ProvingKey) -> CircuitDocument {
    CircuitDocument {
        version: 1,
        circuit,
        constraints: Digest::from_bytes(key.r1cs().digest()),
        verifying_key: hex::encode(key.verifying_key().to_bytes()),
        provenance: Provenance::Development,
    }
}

/// Somebody with a wallet.
pub(crate) struct Citizen {
    pub(crate) subject: Subject,
    pub(crate) private: PrivateKey,
}

impl Citizen {
    pub(crate) fn new(subject: i64) -> Self {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&subject.to_be_bytes());
        Self {
            subject: Subject::try_from(subject).unwrap(),
            private: PrivateKey::from_bytes(&bytes),
        }
    }

    pub(crate) fn key(&self) -> ConsentKey {
        self.private.public_key().into()
    }
}

/// Wages 9,576.00, born 1989-08-31, district D02.
pub(crate) const CURTIS: i64 = 101_061_001_312;
/// Wages 43,307.00.
pub(crate) const ARIANA: i64 = 101_146_789_348;
/// Wages 9,955.00.
pub(crate) const ELIAS: i64 = 101_843_167_874;

fn schema(json: &str) -> Json {
    serde_json::to_value(Schema::parse(json).unwrap()).unwrap()
}

pub(crate) fn tax_service() -> Json {
    crate::document::service::tests::tax_service_json()
}

pub(crate) fn registry_service() -> Json {
    json!({
        "version": 1, "issuer": "civil-registry", "dataset": "residents", "title": "Residents",
        "schema": schema(include_str!("../../../data/civil_registry.schema.json")),
        "registrar": "civil-registry", "as_of": {"kind": "fixed", "date": "2024-12-31"},
        "rules": [{
            "requesters": ["welfare"], "purposes": ["benefit-eligibility"],
            "bases": [{"kind": "consent"}], "circuits": ["identified/v1", "pseudonymous/v1"],
            "conditions": [
                {"path": "district", "operators": ["$in"],
                 "operands": {"kind": "listed", "at_least": 3,
                    "values": ["D01", "D02", "D03", "D04", "D05", "D06", "D07", "D08"]}},
                {"path": "birth_date", "operators": ["$lt"],
                 "operands": {"kind": "bounded", "min": "1900-01-01", "max": "2024-12-31"}}
            ]
        }],
        "budget": {"per_requester": 10, "issuer_wide": 20}
    })
}
