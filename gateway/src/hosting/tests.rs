mod importing;
mod overload;
mod readiness;

use super::*;
use crate::department::Keys;
use crate::department::tests::{CURTIS, Citizen, Direct, Network};
use crate::http::HexBytes;
use crate::http::citizen::{CitizenApi as _, CitizenNonceUse};
use crate::http::local::token_digest;
use crate::http::signature::NonceError;
use crate::payload::PayloadStore;
use crypto::Secret;
use crypto::envelope::RecipientKey;
use getrandom::SysRng;
use rand_core::UnwrapErr;
use tempfile::TempDir;
use tokio::sync::oneshot;

fn store(folder: &TempDir) -> Arc<Store> {
    let key = Secret::new([3; 32]);
    Arc::new(Store::open(&folder.path().join("store"), &key, Box::new(UnwrapErr(SysRng))).unwrap())
}

fn host(
    network: &Network,
    department: Arc<Department>,
    store: Arc<Store>,
) -> Result<Gateway<Direct>, HostError> {
    let (token, peers) = (token_digest("token"), Direct::default());
    let tenants = vec![Tenant { department, store, token, peers }];
    Gateway::new(&network.shared, tenants, WorkerOptions::default()).map(|(gateway, _)| gateway)
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_calls_count_once_and_do_not_reach_the_disk() {
    let network = Network::new(0).await;
    let citizen = Citizen::new(CURTIS);
    network.enrol(&citizen).await;
    let folder = TempDir::new().unwrap();
    let gateway = host(&network, network.shared_department("tax"), store(&folder)).unwrap();
    let tax = gateway.hosted(&"tax".parse().unwrap()).unwrap();
    let call = |citizen: &Citizen| {
        let key = HexBytes::from_bytes(citizen.private.public_key().to_bytes());
        let nonce = HexBytes::from_bytes([9; 16]);
        let (created, expires, now) = (100, 160, 100);
        tax.use_nonce(CitizenNonceUse { key: &key, nonce: &nonce, created, expires, now })
    };
    let stranger = Citizen::new(999_999_999_990);
    assert_eq!((call(&stranger), call(&stranger)), (Ok(()), Err(NonceError::Replayed)));
    assert_eq!((tax.nonces.len(), tax.strangers.len()), (0, 1));
    assert_eq!((call(&citizen), call(&citizen)), (Ok(()), Err(NonceError::Replayed)));
    assert_eq!((tax.nonces.len(), tax.strangers.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_is_hosted_under_the_key_of_its_document_only() {
    let network = Network::bare(0);
    let folder = TempDir::new().unwrap();
    let stored = store(&folder);
    let with_key = |id: &str, seed: [u8; 32]| {
        let keys = Keys {
            signing: SigningKey::from_seed(&Secret::new(seed)),
            recipient: RecipientKey::from_seed(Secret::new([2; 32])),
        };
        let payloads = PayloadStore::local(&folder.path().join("payloads")).unwrap();
        let (id, rng) = (id.parse().unwrap(), Box::new(UnwrapErr(SysRng)));
        let shared = network.shared.clone();
        Arc::new(Department::new(id, keys, Arc::clone(&stored), payloads, shared, rng))
    };
    let refused = host(&network, with_key("tax", [1; 32]), Arc::clone(&stored)).unwrap_err();
    assert!(matches!(refused, HostError::OtherKey(id) if id.as_str() == "tax"), "{refused}");
    let refused = host(&network, with_key("nobody", [1; 32]), Arc::clone(&stored)).unwrap_err();
    assert!(matches!(refused, HostError::Unknown(id) if id.as_str() == "nobody"), "{refused}");
    assert!(host(&network, network.shared_department("tax"), stored).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_counts_under_its_own_name_only() {
    let network = Network::bare(0);
    let keys = ChainKeys(Arc::clone(&network.shared.ledger));
    let own = signer(network.department("tax")).name().clone();
    assert!(keys.verifying_key(&own).is_some());
    let others = signer(network.department("welfare")).name().clone();
    let mixed = KeyName { department: own.department, key: others.key };
    assert_eq!(keys.verifying_key(&mixed), None);
    let unknown = KeyName { department: Name::new("nobody").unwrap(), key: mixed.key };
    assert_eq!(keys.verifying_key(&unknown), None);
}

#[tokio::test]
async fn a_step_goes_to_its_end_when_nobody_waits_for_it_any_more() {
    let (begin, begun) = oneshot::channel();
    let (open, gate) = oneshot::channel::<()>();
    let (done, end) = oneshot::channel();
    let waiting = tokio::spawn(to_the_end(async move {
        begin.send(()).unwrap();
        gate.await.unwrap();
        done.send(()).unwrap();
    }));
    begun.await.unwrap();
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    open.send(()).unwrap();
    end.await.unwrap();
}
