use circuits::schema::Schema;
use circuits::statement::CircuitId;

use super::*;
use crate::department::tests::{DEPARTMENTS, circuit_document, circuit_document_of, keys};
use crate::http::public::{PublicApi as _, Readiness};
use crate::prover::Prover;
use crate::proving_keys::ProvingKeys;
use crate::records::Records;
use crate::store::{Batch, Table};

/// Tax under `shared`, with keys of its own and an empty store.
fn tax(shared: &Shared, keys: Keys, store: &Arc<Store>, folder: &TempDir) -> Arc<Department> {
    let payloads = PayloadStore::local(&folder.path().join("payloads")).unwrap();
    let (id, rng) = ("tax".parse().unwrap(), Box::new(UnwrapErr(SysRng)));
    Arc::new(Department::new(id, keys, Arc::clone(store), payloads, shared.clone(), rng))
}

fn gateway(shared: &Shared, keys: Keys, store: &Arc<Store>, folder: &TempDir) -> Gateway<Direct> {
    let department = tax(shared, keys, store, folder);
    let (token, peers) = (token_digest("token"), Direct::default());
    let tenants = vec![Tenant { department, store: Arc::clone(store), token, peers }];
    Gateway::new(shared, tenants, WorkerOptions::default()).unwrap().0
}

/// The names of the checks that failed.
fn failed(readiness: &Readiness) -> Vec<&str> {
    assert_eq!(readiness.checks.len(), 3);
    let failed = readiness.checks.iter().filter(|check| !check.ok);
    let failed: Vec<_> = failed.map(|check| check.name.as_str()).collect();
    assert_eq!(readiness.ready, failed.is_empty());
    failed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_is_ready_if_it_can_prove_append_and_decrypt() {
    let network = Network::new(0).await;
    let folder = TempDir::new().unwrap();
    let stored = store(&folder);
    let look = async |shared: &Shared, keys: Keys| {
        gateway(shared, keys, &stored, &folder).public().ready().await
    };
    let nothing: [&str; 0] = [];
    assert_eq!(failed(&look(&network.shared, keys("tax")).await), nothing);

    let full = Shared { prover: Prover::new(0, 0), ..network.shared.clone() };
    assert_eq!(failed(&look(&full, keys("tax")).await), nothing, "a full queue is no fault");
    let unkeyed =
        Shared { proving_keys: ProvingKeys::loaded(Arc::default()), ..network.shared.clone() };
    assert_eq!(failed(&look(&unkeyed, keys("tax")).await), ["prove"]);

    let recipient = RecipientKey::from_seed(Secret::new([2; 32]));
    let other_key = Keys { recipient, ..keys("tax") };
    assert_eq!(failed(&look(&network.shared, other_key).await), ["decrypt"]);
    let mut batch = Batch::default();
    batch.delete(Table::Canary, b"canary");
    stored.commit(batch).unwrap();
    assert_eq!(failed(&look(&network.shared, keys("tax")).await), ["decrypt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_network_did_not_approve_proves_nothing() {
    let network = Network::bare(0);
    let folder = TempDir::new().unwrap();
    let stored = store(&folder);
    let gateway = gateway(&network.shared, keys("tax"), &stored, &folder);
    assert!(gateway.public().ready().await.ready, "before anything is approved");

    let circuit = CircuitId::IdentifiedV1;
    let others = circuit.development_key(&mut circuits::groth16::rng_from_seed([6; 32]));
    network.approve_circuit(&circuit_document_of(circuit, &others), &DEPARTMENTS).await;
    assert!(gateway.public().ready().await.ready, "without a dataset there is nothing to prove");
    let schema = Schema::parse(include_str!("../../../data/tax.schema.json")).unwrap();
    Records::new(&stored).create("income", &schema).unwrap();
    assert_eq!(failed(&gateway.public().ready().await), ["prove"]);
    network.approve_circuit(&circuit_document(circuit), &DEPARTMENTS).await;
    assert!(gateway.public().ready().await.ready);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_prover_takes_up_no_question_and_no_consent() {
    use crate::http::local::{Ask, LocalApi as _};
    use crate::http::peer::PeerApi as _;

    let network = Network::new(0).await;
    let folder = TempDir::new().unwrap();
    let stored = store(&folder);
    let full = Shared { prover: Prover::new(0, 0), ..network.shared.clone() };
    let ask: Ask = serde_json::from_str(
        r#"{"issuer":"tax","dataset":"income","pseudonymous":true,"query":[],"purpose":"a",
            "legal_basis":{"kind":"consent"},"as_of":"2026-11-22","expires_in":60}"#,
    )
    .unwrap();
    for (shared, refused) in [(&full, true), (&network.shared, false)] {
        let gateway = gateway(shared, keys("tax"), &stored, &folder);
        let tax = gateway.hosted(&"tax".parse().unwrap()).unwrap();
        let asked = tax.ask(ask.clone(), None).await.unwrap_err();
        let sender = Name::new("welfare").unwrap();
        let taken = tax.take_request(sender, vec![0; 9].into()).await.unwrap_err();
        for problem in [asked, taken] {
            assert_eq!(problem.code() == "prover-full", refused, "{problem:?}");
            assert_eq!(problem.status() == 503, refused, "{problem:?}");
        }
    }
}
