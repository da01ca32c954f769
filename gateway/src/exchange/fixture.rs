//! One citizen with one record, a question of each form about it, and the chain that both sides see.
//!
//! Everything is real: the rules of the chain, the proofs, their verification. Proofs are made once.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use chain::department::{Department, Role};
use chain::document::Document;
use chain::entry::{Content, Entry};
use chain::genesis::{GENESIS_FORMAT, Genesis, NetworkFacts, SubjectIdentifier};
use chain::identifier::{DepartmentId, EntryId};
use chain::rules::{Position, RuleError, State};
use chain::time::Timestamp;
use chain::validators::Validator;
use circuits::eddsa::PrivateKey;
use circuits::groth16::{self, KeyId};
use circuits::poseidon::digest_element;
use circuits::query::Query;
use circuits::record::commitment;
use circuits::schema::Schema;
use circuits::statement::CircuitId;
use circuits::tree::{self, Leaf};
use crypto::commitment::{Salt, Salted};
use crypto::envelope::RecipientKey;
use crypto::{Digest, Secret, SigningKey};
use serde_json::json;

use super::issuer::{Ground, Proven};
use super::proving::{self, Standing};
use super::verification::{self, Question, Refusal, Strictness, VerifiedAnswer};
use crate::chain_view::ChainView;
use crate::department::tests::{circuit_document, proving_keys};
use crate::document::{CheckedRequest, CircuitDocument, KeyCard, Service, VERSION};
use crate::records::{Record, schema_digest};
use crate::subject::Subject;

/// When the questions are written, Unix seconds.
pub(crate) const CREATED: u64 = 1_000_000;
/// The last second in which an answer to them counts.
pub(crate) const EXPIRES: u64 = CREATED + 1_000;
/// The citizen's wages: below what is asked about, and like nothing else.
pub(crate) const WAGES_CENTS: i64 = 1_357_924;
const REQUESTER: &str = "welfare";
const ISSUER: &str = "tax";
const REGISTRAR: &str = "civil-registry";
const DEPARTMENTS: [&str; 3] = [REGISTRAR, ISSUER, REQUESTER];

/// How the citizen is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// By name, with their consent.
    Identified,
    /// By name, because a law says so.
    Statutory,
    /// As whoever takes up the offer.
    Pseudonymous,
}

impl Form {
    pub(crate) const ALL: [Self; 3] = [Self::Identified, Self::Statutory, Self::Pseudonymous];

    /// The question. Both sides have the same one.
    pub(crate) fn request(self) -> Arc<CheckedRequest> {
        static REQUESTS: [OnceLock<Arc<CheckedRequest>>; 3] = [const { OnceLock::new() }; 3];
        let request = REQUESTS[self as usize].get_or_init(|| Arc::new(self.ask([3; 16])));
        Arc::clone(request)
    }

    /// The same question under another nonce: another question.
    pub(crate) fn ask(self, nonce: [u8; 16]) -> CheckedRequest {
        let scene = scene();
        let as_of = "2024-12-31".parse().unwrap();
        let query = json!([{"path": ["total_wages_cents"], "predicate": {"$lt": 2_000_000}}]);
        let basis = match self {
            Self::Identified => json!({"kind": "consent", "key_card": scene.card.digest()}),
            Self::Statutory => json!({"kind": "statutory", "reference": "Benefits Act, s. 12"}),
            Self::Pseudonymous => json!({"kind": "consent"}),
        };
        let circuit = match self {
            Self::Pseudonymous => CircuitId::PseudonymousV1,
            _ => CircuitId::IdentifiedV1,
        };
        let request = json!({
            "version": VERSION, "network": scene.state.network(), "circuit": circuit,
            "requester": REQUESTER, "issuer": ISSUER, "service": scene.service,
            "schema": schema_digest(schema()),
            "query": Query::parse(&query, schema(), as_of).unwrap().to_json(),
            "as_of": as_of, "purpose": "benefit-eligibility", "legal_basis": basis,
            "nonce": hex::encode(nonce), "created": CREATED, "expires": EXPIRES
        });
        checked(&request)
    }

    /// Who the requester says it is about.
    pub(crate) fn subject(self) -> Option<Subject> {
        (self != Self::Pseudonymous).then_some(scene().record.subject)
    }

    /// The citizen's signature over `M`, as a consent's ground has it.
    pub(crate) fn signature(self) -> String {
        hex::encode(citizen().sign(self.request().consent_message()).to_bytes())
    }

    /// The proof of the answer under the chain's current root, made once for each root.
    pub(crate) fn proven(self, chain: &Chain) -> Proven {
        static PROOFS: [[OnceLock<Proven>; 2]; 3] = [const { [const { OnceLock::new() }; 2] }; 3];
        let proven = PROOFS[self as usize][chain.tree].get_or_init(|| {
            let ground = match self {
                Self::Statutory => Ground::Statutory { service: scene().service },
                _ => Ground::Consent { entry: id("unread"), signature: self.signature() },
            };
            let request = self.request();
            let key = &proving_keys()[&request.request().circuit];
            let rng = &mut groth16::rng_from_seed([9; 32]);
            proving::prove(&request, &scene().record, chain.standing(), &ground, key, rng).unwrap()
        });
        Proven { records: chain.records, ..proven.clone() }
    }
}

/// A request document, checked as after a start.
pub(crate) fn checked(document: &serde_json::Value) -> CheckedRequest {
    let request = serde_json::from_value(document.clone()).unwrap();
    CheckedRequest::check(request, schema(), &schema_digest(schema())).unwrap()
}

/// What the citizen signs with.
pub(crate) fn citizen() -> PrivateKey {
    PrivateKey::from_bytes(&[7; 32])
}

/// An entry id that no entry has.
pub(crate) fn id(name: &str) -> EntryId {
    EntryId::from_digest(Digest::of(name.as_bytes()))
}

/// `document` under a salt that is `number` all over.
pub(crate) fn salted<T>(number: u8) -> impl FnOnce(T) -> Salted<T> {
    move |document| Salted { salt: Salt::from_bytes([number; 32]), document }
}

pub(crate) fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| Schema::parse(include_str!("../../data/tax.schema.json")).unwrap())
}

/// What there is before anybody asks: approved circuits, a service, a published record.
pub(crate) struct Scene {
    pub(crate) record: Record,
    pub(crate) card: KeyCard,
    pub(crate) service: EntryId,
    state: State,
    records: EntryId,
    circuits: HashMap<KeyId, CircuitDocument>,
}

pub(crate) fn scene() -> &'static Scene {
    static SCENE: OnceLock<Scene> = OnceLock::new();
    SCENE.get_or_init(Scene::new)
}

impl Scene {
    fn new() -> Self {
        let record = record();
        let mut state = State::new(&genesis());
        let mut append = |author: &str, content, document: Option<Document>| {
            apply(&mut state, author, content, document.as_ref(), CREATED).unwrap()
        };
        let mut circuits = HashMap::new();
        for circuit in CircuitId::ALL {
            let circuit = circuit_document(circuit);
            let document = Document::new(&circuit).unwrap();
            let content = Content::Circuit { document: *document.digest() };
            let entry = append(ISSUER, content, Some(document));
            for department in DEPARTMENTS {
                append(department, Content::Approval { entry }, None);
            }
            circuits.insert(circuit.key().unwrap().0, circuit);
        }
        let service: Service =
            serde_json::from_value(crate::document::service::tests::tax_service_json()).unwrap();
        let document = Document::new(&service).unwrap();
        let content = Content::Service { document: *document.digest(), replaces: None };
        let service = append(ISSUER, content, Some(document));
        let content = Content::Records { root: root(&record, 0), service, previous: None };
        let records = append(ISSUER, content, None);
        let card = KeyCard {
            version: VERSION,
            network: *state.network(),
            registrar: REGISTRAR.parse().unwrap(),
            subject: record.subject,
            key: citizen().public_key().into(),
            valid_from: CREATED,
            salt: serde_json::from_value(json!("55".repeat(16))).unwrap(),
        };
        Self { record, card, service, state, records, circuits }
    }
}

/// The chain as one play goes on.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// The time of the next block, Unix seconds.
    pub(crate) now: u64,
    /// What was appended, in the log's order.
    pub(crate) log: Vec<(EntryId, Content)>,
    state: State,
    records: EntryId,
    /// Which of the two trees is published.
    tree: usize,
}

impl Chain {
    pub(crate) fn new() -> Self {
        let scene = scene();
        let (state, records) = (scene.state.clone(), scene.records);
        Self { now: CREATED, log: Vec::new(), state, records, tree: 0 }
    }

    /// Appends an entry of whoever may say this. Appending it again gives its id again.
    pub(crate) fn append(&mut self, content: Content) -> Result<EntryId, RuleError> {
        let author = if matches!(content, Content::Request { .. }) { REQUESTER } else { ISSUER };
        match apply(&mut self.state, author, content, None, self.now) {
            Ok(id) => {
                self.log.push((id, content));
                Ok(id)
            }
            Err(RuleError::Duplicate { id }) => Ok(id),
            Err(error) => Err(error),
        }
    }

    /// The issuer's records change, though not the citizen's.
    pub(crate) fn publish(&mut self) {
        self.tree = 1 - self.tree;
        let Scene { record, service, .. } = scene();
        let content = Content::Records {
            root: root(record, self.tree),
            service: *service,
            previous: Some(self.records),
        };
        self.records = apply(&mut self.state, ISSUER, content, None, self.now).unwrap();
    }

    /// Where the record stands under the published root.
    pub(crate) fn standing(&self) -> Standing {
        let record = &scene().record;
        let nodes = nodes(record, self.tree);
        let path = tree::path(&nodes, record.index).unwrap();
        Standing { path, root: tree::root(&nodes).unwrap(), records: self.records }
    }

    /// All the requester's checks of an answer.
    pub(crate) fn verify(
        &self,
        form: Form,
        entry: &EntryId,
        answer: &[u8],
    ) -> Result<VerifiedAnswer, Refusal> {
        let scene = scene();
        let facts = ChainView {
            state: &self.state,
            circuits: &scene.circuits,
            service: &scene.service,
            now: Timestamp::from_unix_seconds(self.now),
        };
        let request = form.request();
        let question = Question {
            request: &request,
            entry,
            subject: form.subject(),
            card: (form == Form::Identified).then_some(&scene.card),
        };
        verification::verify(answer, question, &facts, Strictness { production: false }, self.now)
    }
}

fn apply(
    state: &mut State,
    author: &str,
    content: Content,
    document: Option<&Document>,
    now: u64,
) -> Result<EntryId, RuleError> {
    let entry = Entry::sign(state.network(), author.parse().unwrap(), content, &signing(author));
    let index = u64::try_from(state.entry_count()).unwrap();
    let time = Timestamp::from_unix_seconds(now);
    state.apply(&entry, Position { height: index + 1, index, time }, document)
}

fn signing(name: &str) -> SigningKey {
    SigningKey::from_seed(&Secret::new(*Digest::of(name.as_bytes()).as_bytes()))
}

fn department(name: &str) -> Department {
    let recipient = RecipientKey::from_seed(Secret::new([1; 32]));
    Department {
        id: name.parse::<DepartmentId>().unwrap(),
        name: format!("The {name} department").parse().unwrap(),
        url: format!("http://{name}.example").parse().unwrap(),
        signing_key: signing(name).verifying_key(),
        hpke_key: recipient.public_key().to_string().parse().unwrap(),
        roles: (name == REGISTRAR).then_some(Role::Registrar).into_iter().collect(),
    }
}

/// Superseded roots have no grace.
fn genesis() -> Genesis {
    Genesis::new(NetworkFacts {
        format: GENESIS_FORMAT.to_owned(),
        name: "network.example/exchange".parse().unwrap(),
        nonce: Digest::of(b"exchange tests"),
        subject_identifier: SubjectIdentifier {
            kind: "citizen number".parse().unwrap(),
            normal_form: "12 digits".parse().unwrap(),
        },
        records_grace_seconds: 0,
        departments: DEPARTMENTS.map(department).to_vec(),
        validators: vec![Validator {
            id: "gateway".parse().unwrap(),
            name: "Gateway".parse().unwrap(),
            key: signing("gateway").verifying_key(),
        }],
        cosigners: Vec::new(),
    })
    .unwrap()
}

fn record() -> Record {
    let row = json!([
        101_061_001_312_i64,
        2024,
        1,
        WAGES_CENTS,
        0,
        WAGES_CENTS,
        true,
        "sole",
        null,
        false,
        0
    ]);
    let fields = schema().fields().iter().zip(row.as_array().unwrap());
    let values: Vec<_> = fields.map(|(field, json)| field.parse_json(json).unwrap()).collect();
    let key = citizen().public_key();
    let opening = circuits::record::Opening {
        values: schema().elements(&values),
        public_key: (key.x(), key.y()),
        pseudonym_key: circuits::Fr::from(11),
        blinding: circuits::Fr::from(13),
    };
    let subject = Subject::try_from(101_061_001_312).unwrap();
    Record { subject, index: 5, values, key: Some(key.into()), opening }
}

/// The record's tree: alone in it, or with another record.
fn nodes(record: &Record, tree: usize) -> BTreeMap<tree::Position, circuits::Fr> {
    let schema = digest_element(schema_digest(schema()).as_bytes());
    let leaf = Leaf::record(commitment(schema, &record.opening)).unwrap();
    let other = Leaf::record(circuits::Fr::from(17)).unwrap();
    let leaves = [(record.index, leaf), (6, other)].into_iter().take(tree + 1).collect();
    let update = tree::update_many(&BTreeMap::new(), &leaves).unwrap();
    update.writes.into_iter().collect()
}

fn root(record: &Record, tree: usize) -> Digest {
    let root = tree::root(&nodes(record, tree)).unwrap();
    Digest::from_bytes(circuits::field::to_be_bytes(root))
}
