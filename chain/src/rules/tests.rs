use crypto::Digest;

use super::*;
use crate::contract::Network;
use crate::department::Role;
use crate::document::Document;
use crate::entry::{Content, Entry, withdrawal_lock};
use crate::validators::ValidatorSet;

mod exchange;
mod model;

/// A state with the means to add to it.
#[derive(Clone)]
struct World {
    network: Network,
    state: State,
    time: u64,
}

impl World {
    /// Four departments, a grace of ten seconds.
    fn new() -> Self {
        let network = Network::with_grace(4, 10);
        Self { state: State::new(&network.genesis()), network, time: 1_000 }
    }

    fn submit(&mut self, entry: &Entry, document: Option<&Document>) -> Result<EntryId, RuleError> {
        let index = self.state.entry_count() as u64;
        let time = Timestamp::from_unix_seconds(self.time);
        let position = Position { height: self.state.height() + 1, index, time };
        self.state.apply(entry, position, document)
    }

    fn add(&mut self, author: usize, content: Content) -> Result<EntryId, RuleError> {
        let entry = self.network.entry(author, content);
        self.submit(&entry, None)
    }

    fn add_with(
        &mut self,
        author: usize,
        content: fn(Digest) -> Content,
        document: &Document,
    ) -> Result<EntryId, RuleError> {
        let entry = self.network.entry(author, content(*document.digest()));
        self.submit(&entry, Some(document))
    }

    fn service(
        &mut self,
        author: usize,
        name: &str,
        replaces: Option<EntryId>,
    ) -> Result<EntryId, RuleError> {
        let document = Network::document(name);
        let content = Content::Service { document: *document.digest(), replaces };
        let entry = self.network.entry(author, content);
        self.submit(&entry, Some(&document))
    }

    fn records(
        &mut self,
        author: usize,
        name: &str,
        service: EntryId,
        previous: Option<EntryId>,
    ) -> Result<EntryId, RuleError> {
        let root = Digest::of(name.as_bytes());
        self.add(author, Content::Records { root, service, previous })
    }

    fn request(&mut self, author: usize, name: &str) -> EntryId {
        let entry = self.network.request(author, name);
        self.submit(&entry, None).unwrap()
    }

    fn consent(
        &mut self,
        author: usize,
        request: EntryId,
        name: &str,
    ) -> Result<EntryId, RuleError> {
        let entry = self.network.consent(author, request, name);
        self.submit(&entry, None)
    }

    fn withdraw(
        &mut self,
        author: usize,
        consent: EntryId,
        name: &str,
    ) -> Result<EntryId, RuleError> {
        self.add(author, Content::Withdrawal { w: Network::w(name), consent })
    }

    fn prove(
        &mut self,
        author: usize,
        request: EntryId,
        basis: EntryId,
        records: EntryId,
    ) -> Result<EntryId, RuleError> {
        let record = Digest::of(b"proof");
        self.add(author, Content::Proof { record, request, basis, records })
    }

    fn approve(&mut self, author: usize, entry: EntryId) -> Result<EntryId, RuleError> {
        self.add(author, Content::Approval { entry })
    }

    fn circuit(&mut self, author: usize, name: &str) -> EntryId {
        let circuit = |document| Content::Circuit { document };
        self.add_with(author, circuit, &Network::document(name)).unwrap()
    }

    fn department(
        &mut self,
        author: usize,
        department: &Department,
        replaces: Option<EntryId>,
    ) -> Result<EntryId, RuleError> {
        let document = Document::new(department).unwrap();
        let content = Content::Department { document: *document.digest(), replaces };
        let entry = self.network.entry(author, content);
        self.submit(&entry, Some(&document))
    }

    fn validators(&mut self, set: &ValidatorSet) -> Result<EntryId, RuleError> {
        self.add_with(0, |document| Content::Validators { document }, set.document())
    }
}

/// Agency 0 asks agency 1, which has a dataset, about somebody who consented.
struct Exchange {
    world: World,
    service: EntryId,
    records: EntryId,
    request: EntryId,
    consent: EntryId,
}

fn exchange() -> Exchange {
    let mut world = World::new();
    let service = world.service(1, "service", None).unwrap();
    let records = world.records(1, "records", service, None).unwrap();
    let request = world.request(0, "request");
    let consent = world.consent(1, request, "consent").unwrap();
    Exchange { world, service, records, request, consent }
}

/// As [`exchange`], answered.
fn answered() -> (Exchange, EntryId) {
    let mut e = exchange();
    let proof = e.world.prove(1, e.request, e.consent, e.records).unwrap();
    (e, proof)
}

fn unknown() -> EntryId {
    EntryId::from_digest(Digest::of(b"unknown"))
}

fn code(result: Result<EntryId, RuleError>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "ok")
}

#[test]
fn only_departments_write_and_only_under_their_own_key() {
    let world = World::new();
    let content = Content::Request { request: Digest::of(b"request") };
    let network = *world.network.genesis().network();
    let sign = |id, key, network| {
        Entry::sign(network, Network::id(id), content, &Network::department_key(key))
    };
    let elsewhere = NetworkId::from_digest(Digest::of(b"elsewhere"));
    let code = |entry| code(world.clone().submit(&entry, None));
    assert_eq!(code(sign(1, 1, &network)), "ok");
    assert_eq!(code(sign(4, 4, &network)), "entry-author-unknown");
    assert_eq!(code(sign(1, 2, &network)), "entry-signature");
    assert_eq!(code(sign(1, 1, &elsewhere)), "entry-signature");
}

#[test]
fn an_entry_stands_once() {
    let mut world = World::new();
    let entry = world.network.request(0, "request");
    let id = world.submit(&entry, None).unwrap();
    assert_eq!(world.submit(&entry, None), Err(RuleError::Duplicate { id }));
}

#[test]
fn a_refused_entry_changes_nothing() {
    let mut e = exchange();
    let before = format!("{:?}", e.world.state);
    assert!(e.world.prove(1, e.request, unknown(), e.records).is_err());
    assert!(e.world.records(1, "other", e.service, None).is_err());
    assert!(e.world.withdraw(1, e.consent, "other").is_err());
    assert_eq!(format!("{:?}", e.world.state), before);
}

#[test]
fn a_signature_checked_under_an_old_key_is_checked_again() {
    let mut world = World::new();
    let entry = world.network.request(1, "request");
    let old = Network::department_key(1).verifying_key();
    let signed = entry.verify(world.network.genesis().network(), old).unwrap();
    let mut rotated = Network::department(1);
    rotated.signing_key = Network::key(77).verifying_key();
    let id = world.department(0, &rotated, None).unwrap();
    for author in 0..3 {
        world.approve(author, id).unwrap();
    }
    let position = Position { height: 1, index: 4, time: Timestamp::from_unix_seconds(1_000) };
    let error = world.state.apply_signed(&signed, position, None).unwrap_err();
    assert_eq!(error.code(), "entry-signature");
}

#[test]
fn public_documents_come_with_their_entries() {
    let document = Network::document("document");
    let kinds: [fn(Digest) -> Content; 4] = [
        |document| Content::Department { document, replaces: None },
        |document| Content::Circuit { document },
        |document| Content::Validators { document },
        |document| Content::Service { document, replaces: None },
    ];
    for content in kinds {
        let mut world = World::new();
        let entry = world.network.entry(0, content(*document.digest()));
        assert!(entry.kind().has_document());
        assert_eq!(code(world.submit(&entry, None)), "document-missing");
        let other = Network::document("other");
        assert_eq!(code(world.submit(&entry, Some(&other))), "document-mismatch");
    }
}

#[test]
fn a_circuit_is_usable_when_more_than_two_thirds_approve() {
    let mut world = World::new();
    let circuit = world.circuit(0, "circuit");
    let document = *Network::document("circuit").digest();
    for author in 0..2 {
        world.approve(author, circuit).unwrap();
        assert_eq!(world.state.approved_circuit(&document), None);
    }
    world.approve(2, circuit).unwrap();
    assert_eq!(world.state.approved_circuit(&document), Some(&circuit));
    world.approve(3, circuit).unwrap();
    assert_eq!(world.state.ballot(&circuit).unwrap().approvals().count(), 4);
}

#[test]
fn a_department_approves_once_and_only_what_is_approved() {
    let mut world = World::new();
    let circuit = world.circuit(0, "circuit");
    let request = world.request(0, "request");
    world.approve(1, circuit).unwrap();
    assert_eq!(code(world.approve(2, request)), "approved-unknown");
    assert_eq!(code(world.approve(2, unknown())), "approved-unknown");
    // The same approval again is the same entry.
    assert_eq!(code(world.approve(1, circuit)), "entry-duplicate");
    assert_eq!(code(world.approve(2, circuit)), "ok");
}

#[test]
fn a_department_joins_when_approved() {
    let mut world = World::new();
    let joins = world.department(0, &Network::department(4), None).unwrap();
    for author in 0..2 {
        world.approve(author, joins).unwrap();
    }
    let request = world.network.request(4, "request");
    assert_eq!(code(world.clone().submit(&request, None)), "entry-author-unknown");
    world.approve(2, joins).unwrap();
    assert_eq!(code(world.submit(&request, None)), "ok");
    assert_eq!(world.state.department_count(), 5);
    // Of five, four are needed now.
    let circuit = world.circuit(0, "circuit");
    let document = *Network::document("circuit").digest();
    for author in 0..3 {
        world.approve(author, circuit).unwrap();
    }
    assert_eq!(world.state.approved_circuit(&document), None);
    world.approve(4, circuit).unwrap();
    assert_eq!(world.state.approved_circuit(&document), Some(&circuit));
}

#[test]
fn a_department_document_replaces_the_current_one_only() {
    let mut world = World::new();
    let mut first = Network::department(1);
    first.url = "http://first.example".parse().unwrap();
    let mut second = first.clone();
    second.url = "http://second.example".parse().unwrap();

    assert_eq!(code(world.department(0, &first, Some(unknown()))), "replaced-not-current");
    let one = world.department(0, &first, None).unwrap();
    let rival = world.department(0, &second, None).unwrap();
    for author in 0..2 {
        world.approve(author, one).unwrap();
        world.approve(author, rival).unwrap();
    }
    world.approve(2, one).unwrap();
    assert_eq!(world.state.department(&Network::id(1)).unwrap().url, first.url);
    // The rival would replace the founding document, which no longer stands.
    assert_eq!(code(world.approve(2, rival)), "replaced-not-current");
    assert_eq!(code(world.department(1, &second, None)), "replaced-not-current");
    let two = world.department(0, &second, Some(one)).unwrap();
    for author in 0..3 {
        world.approve(author, two).unwrap();
    }
    assert_eq!(world.state.department(&Network::id(1)).unwrap().url, second.url);
}

#[test]
fn a_department_document_is_one() {
    let mut world = World::new();
    let content = |document| Content::Department { document, replaces: None };
    let wrong = Network::document("no department");
    assert_eq!(code(world.add_with(0, content, &wrong)), "document-malformed");
    let mut shared = Network::department(4);
    shared.signing_key = Network::validator_key().verifying_key();
    assert_eq!(code(world.department(0, &shared, None)), "validator-set-shared-key");
    assert_eq!(code(world.department(0, &Network::department(4), None)), "ok");
}

#[test]
fn elected_validators_are_in_force_two_heights_later() {
    let mut world = World::new();
    let (old, new) = (*world.state.validators().digest(), Network::validator_set("other", 201));
    world.state.finish_block();
    let elected = world.validators(&new).unwrap();
    for author in 0..3 {
        assert_eq!(*world.state.next_validators().digest(), old);
        world.approve(author, elected).unwrap();
    }
    // Approved in block 2: heights 2 and 3 are the old set's, height 4 the new one's.
    let sets = |world: &World| {
        let state = &world.state;
        (state.height(), *state.validators().digest(), *state.next_validators().digest())
    };
    assert_eq!(sets(&world), (1, old, old));
    world.state.finish_block();
    assert_eq!(sets(&world), (2, old, *new.digest()));
    world.state.finish_block();
    assert_eq!(sets(&world), (3, *new.digest(), *new.digest()));
}

#[test]
fn an_old_proposal_does_not_bring_retired_validators_back() {
    let mut world = World::new();
    let old = world.validators(&Network::validator_set("old", 210)).unwrap();
    let new = world.validators(&Network::validator_set("new", 211)).unwrap();
    for author in 0..2 {
        world.add(author, Content::Approval { entry: old }).unwrap();
    }
    for author in 0..3 {
        world.add(author, Content::Approval { entry: new }).unwrap();
    }
    let again = |world: &mut World| world.add(2, Content::Approval { entry: old });
    assert_eq!(code(again(&mut world)), "replaced-not-current", "elected, not yet in force");
    world.state.finish_block();
    world.state.finish_block();
    assert_eq!(code(again(&mut world)), "replaced-not-current", "in force");
}

#[test]
fn a_validator_set_document_is_one() {
    let mut world = World::new();
    let content = |document| Content::Validators { document };
    let wrong = Network::document("no set");
    assert_eq!(code(world.add_with(0, content, &wrong)), "document-malformed");
    // Agency 1 signs with the key made from 2.
    assert_eq!(code(world.validators(&Network::validator_set("v", 2))), "validator-set-shared-key");
    assert_eq!(code(world.validators(&Network::validator_set("v", 201))), "ok");
}

#[test]
fn a_service_replaces_its_issuer_s_current_one() {
    let mut world = World::new();
    let first = world.service(1, "first", None).unwrap();
    let other = world.service(1, "other dataset", None).unwrap();
    assert_eq!(code(world.service(1, "x", Some(unknown()))), "service-unknown");
    assert_eq!(code(world.service(2, "x", Some(first))), "replaced-by-another");
    let second = world.service(1, "second", Some(first)).unwrap();
    assert_eq!(code(world.service(1, "x", Some(first))), "replaced-not-current");
    let dataset = world.state.dataset_of(&second).unwrap();
    assert_eq!((dataset.issuer, dataset.service), (Network::id(1), second));
    assert_eq!(world.state.service(&second).unwrap().dataset, first);
    assert_eq!(world.state.dataset_of(&other).unwrap().service, other);
}

#[test]
fn a_replaced_service_keeps_the_dataset_and_its_records() {
    let mut e = exchange();
    let second = e.world.service(1, "second", Some(e.service)).unwrap();
    let world = &mut e.world;
    assert_eq!(world.state.dataset_of(&second).unwrap().records, Some(e.records));
    assert_eq!(code(world.records(1, "x", e.service, Some(e.records))), "service-replaced");
    assert_eq!(code(world.records(1, "x", second, None)), "records-previous-not-current");
    assert_eq!(code(world.records(1, "x", second, Some(e.records))), "ok");
}

#[test]
fn a_registrar_enrols_and_replaces_its_own_keys() {
    let mut world = World::new();
    let card = |name: &str| Digest::of(name.as_bytes());
    let key = |name, replaces| Content::ConsentKey { card: card(name), replaces };
    assert_eq!(code(world.add(1, key("a", None))), "not-a-registrar");
    let first = world.add(0, key("a", None)).unwrap();
    assert_eq!(code(world.add(0, key("b", Some(unknown())))), "replaced-not-current");
    let second = world.add(0, key("b", Some(first))).unwrap();
    assert_eq!(world.state.consent_key(&first).unwrap().replaced_by, Some(second));
    assert_eq!(code(world.add(0, key("c", Some(first)))), "replaced-not-current");
    assert_eq!(code(world.add(0, key("a", Some(second)))), "card-repeated");
    assert_eq!(world.state.consent_key_of_card(&card("b")), Some(&second));

    // Another registrar may enrol, but not replace the first one's.
    let mut registrar = Network::department(2);
    registrar.roles.insert(Role::Registrar);
    let id = world.department(0, &registrar, None).unwrap();
    for author in 0..3 {
        world.approve(author, id).unwrap();
    }
    assert_eq!(code(world.add(2, key("d", Some(second)))), "replaced-by-another");
    assert_eq!(code(world.add(2, key("d", None))), "ok");
}

#[test]
fn records_follow_the_dataset_s_current_ones() {
    let mut e = exchange();
    let world = &mut e.world;
    assert_eq!(code(world.records(1, "x", unknown(), None)), "service-unknown");
    assert_eq!(code(world.records(2, "x", e.service, Some(e.records))), "not-the-issuer");
    assert_eq!(code(world.records(1, "x", e.service, None)), "records-previous-not-current");
    let next = world.records(1, "x", e.service, Some(e.records)).unwrap();
    assert_eq!(
        code(world.records(1, "y", e.service, Some(e.records))),
        "records-previous-not-current"
    );
    assert_eq!(world.state.dataset_of(&e.service).unwrap().records, Some(next));
    // Back to an earlier root is a new entry.
    assert_eq!(code(world.records(1, "records", e.service, Some(next))), "ok");
}

#[test]
fn entries_are_counted_by_kind() {
    let (e, _) = answered();
    let counts: Vec<_> = e.world.state.counts().filter(|(_, count)| *count > 0).collect();
    let expected = [Kind::Service, Kind::Records, Kind::Request, Kind::Consent, Kind::Proof];
    assert_eq!(counts, expected.map(|kind| (kind, 1)));
    assert_eq!(e.world.state.entry_count(), 5);
}
