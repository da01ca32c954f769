//! The main job over real sockets and with the real binary: a department's system speaks HTTP with its
//! gateway, the citizen uses `proofgate consent`, and anybody checks the chain.

#![expect(clippy::unwrap_used, reason = "every function here is part of a test")]

#[path = "running/network.rs"]
mod network;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chain::block::CertifiedBlock;
use chain::checkpoint::{NoteKey, SignedCheckpoint};
use chain::genesis::Genesis;
use chain::receipt::Receipt;
use chain::replica::Replica;
use crypto::Digest;
use gateway::http::local::{Ask, Asked, AskedStatus, Delivery, SubjectText};
use gateway::http::local_client::{LocalClient, LocalClientError};
use serde_json::{Value, json};
use tempfile::TempDir;

use network::{Network, wages};

/// As long as the gateway lets anybody wait at once.
const WAIT: Duration = Duration::from_secs(15);

/// A citizen whom the demo did not touch, with a wallet made and enrolled by commands.
struct Citizen {
    subject: String,
    wages: u64,
    wallet: PathBuf,
    _folder: TempDir,
}

impl Citizen {
    /// The citizen of that number among those with wages below 20,000.00.
    async fn enrol(network: &Network, number: usize) -> Self {
        // From the end: the demo takes its citizens from the beginning.
        let mut poor =
            wages().into_iter().rev().filter(|(_, wages)| (1..2_000_000).contains(wages));
        let (subject, wages) = poor.nth(number).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let wallet = folder.path().join("wallet");
        network.consent(&wallet, &["keygen"]);
        let clerk = network.system("civil-registry");
        let code = clerk.enrolment_code(SubjectText(subject.clone())).await.unwrap().code;
        let genesis = network.folder().join("genesis.json");
        let genesis = genesis.to_str().unwrap();
        let base = network.base.to_string();
        let place = ["--gateway", &base, "--department"];
        let enrol =
            ["civil-registry", "--subject", &subject, "--code", &code, "--genesis", genesis];
        network.consent(&wallet, &[&["enrol"], &place[..], &enrol].concat());
        for department in ["civil-registry", "tax"] {
            network.consent(&wallet, &[&["present"], &place[..], &[department]].concat());
        }
        Self { subject, wages, wallet, _folder: folder }
    }

    fn ask(&self, below: u64) -> Ask {
        let mut ask = question(below);
        ask["subject"] = json!(self.subject);
        serde_json::from_value(ask).unwrap()
    }
}

fn question(below: u64) -> Value {
    json!({
        "issuer": "tax", "dataset": "tax", "purpose": "benefit-eligibility",
        "query": [{"path": ["total_wages_cents"], "predicate": {"$lt": below}}],
        "legal_basis": {"kind": "consent"}, "as_of": "2024-12-31", "expires_in": 600
    })
}

/// The question once it is not open any more.
async fn outcome(system: &LocalClient, request: &Digest) -> Asked {
    loop {
        let asked = system.asked(request, WAIT).await.unwrap();
        if asked.status != AskedStatus::Sent {
            return asked;
        }
    }
}

fn code(error: LocalClientError) -> (u16, String) {
    match error {
        LocalClientError::Problem(problem) => (problem.status, problem.code),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_the_citizen_consents_to_is_verified_and_tells_no_value() {
    let network = Network::running();
    let citizen = Citizen::enrol(&network, 0).await;
    let welfare = network.system("welfare");
    let asked = welfare.ask(&citizen.ask(2_000_000), None).await.unwrap();
    assert_eq!(asked.status, AskedStatus::Sent);
    let request = asked.request.to_string();

    let waiting = network.consent(&citizen.wallet, &["list", "--json"]);
    let waiting: Value = serde_json::from_str(&waiting).unwrap();
    assert!(waiting.to_string().contains(&request), "{waiting}");
    let shown = network.consent(&citizen.wallet, &["show", &request]);
    assert!(shown.contains("total_wages_cents is less than 2000000 cents"), "{shown}");
    assert!(shown.contains("welfare"), "{shown}");
    network.consent(&citizen.wallet, &["approve", "--yes", &request]);

    let answer = outcome(&welfare, &asked.request).await;
    assert_eq!(answer.status, AskedStatus::Verified);
    assert!(answer.subject_tag.is_some() && answer.pseudonym.is_none());
    assert!(answer.notes.contains(&"development-key".to_owned()), "{:?}", answer.notes);
    let told = serde_json::to_string(&answer).unwrap();
    assert!(!told.contains(&citizen.wages.to_string()) && !told.contains(&citizen.subject));
    let history = network.consent(&citizen.wallet, &["history"]);
    assert!(history.contains("answered"), "{history}");

    // What the answer rests on is on the chain, as anybody can check with the genesis file alone.
    let genesis = genesis(&network);
    assert!(!answer.receipts.is_empty());
    for entry in &answer.receipts {
        let (status, bytes) = network.get(&format!("/v1/chain/receipts/{entry}")).await;
        assert_eq!(status, 200);
        let receipt = Receipt::from_slice(&bytes).unwrap();
        let verified = receipt.verify(&genesis).unwrap();
        assert_eq!(verified.id.as_digest(), entry);
        assert!(verified.single_operator);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_call_under_one_idempotency_key_is_one_question() {
    let network = Network::running();
    let citizen = Citizen::enrol(&network, 1).await;
    let welfare = network.system("welfare");
    let asked = welfare.ask(&citizen.ask(2_000_000), Some("case-17")).await.unwrap();
    let again = welfare.ask(&citizen.ask(2_000_000), Some("case-17")).await.unwrap();
    assert_eq!(asked, again);
    let other = welfare.ask(&citizen.ask(1_900_000), Some("case-17")).await.unwrap_err();
    assert_eq!(code(other), (409, "idempotency-conflict".to_owned()));
    // Another department's keys are its own.
    let security = network.system("social-security");
    let asked_too = security.ask(&citizen.ask(2_000_000), Some("case-17")).await.unwrap();
    assert_ne!(asked.request, asked_too.request);
    let foreign = security.asked(&asked.request, Duration::ZERO).await.unwrap_err();
    assert_eq!(code(foreign), (404, "request-unknown".to_owned()));
    let unknown = network.consent(&citizen.wallet, &["list", "--json"]);
    assert_eq!(unknown.matches(&asked.request.to_string()).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_answered_under_a_pseudonym_of_that_requester() {
    let network = Network::running();
    let citizen = Citizen::enrol(&network, 2).await;
    let mut pseudonyms = Vec::new();
    for (requester, below) in
        [("welfare", 2_000_000), ("welfare", 2_100_000), ("social-security", 2_000_000)]
    {
        let system = network.system(requester);
        let mut ask = question(below);
        ask["pseudonymous"] = json!(true);
        let ask: Ask = serde_json::from_value(ask).unwrap();
        let asked = system.ask(&ask, None).await.unwrap();
        let offer = system.offer(&asked.request).await.unwrap();
        assert!(!offer.to_string().contains(&citizen.subject));
        let file = citizen.wallet.with_file_name("offer.json");
        std::fs::write(&file, offer.to_string()).unwrap();
        let file = file.to_str().unwrap();
        network.consent(&citizen.wallet, &["approve", "--yes", "--offer", file]);
        let answer = outcome(&system, &asked.request).await;
        assert_eq!(answer.status, AskedStatus::Verified);
        assert!(answer.subject_tag.is_none());
        pseudonyms.push(answer.pseudonym.unwrap());
    }
    assert_eq!(pseudonyms[0], pseudonyms[1]);
    assert_ne!(pseudonyms[0], pseudonyms[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_and_a_withdrawal_are_silence() {
    let network = Network::running();
    let citizen = Citizen::enrol(&network, 3).await;
    let welfare = network.system("welfare");
    let mut ask = citizen.ask(2_000_000);
    ask.expires_in = 12;
    let asked = welfare.ask(&ask, None).await.unwrap();
    network.consent(&citizen.wallet, &["refuse", &asked.request.to_string()]);
    let end = outcome(&welfare, &asked.request).await;
    assert_eq!(end.status, AskedStatus::NotProven);
    assert_eq!((end.subject_tag, end.notes.len(), end.receipts.len()), (None, 0, 0));
    let history = network.consent(&citizen.wallet, &["history"]);
    assert!(history.contains("refused"), "{history}");
    // Who asked is told nothing but silence; the issuer's own operator sees the reason.
    let received = network.system("tax").received().await.unwrap();
    let row = received.iter().find(|it| it.request == asked.request).unwrap();
    assert_eq!(row.silence.as_deref(), Some("refused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_go_both_ways_under_an_answered_question_and_under_no_other() {
    let network = Network::running();
    let citizen = Citizen::enrol(&network, 4).await;
    let (welfare, tax) = (network.system("welfare"), network.system("tax"));
    let asked = welfare.ask(&citizen.ask(2_000_000), None).await.unwrap();
    let document: Vec<u8> = (0..200_000_u32).map(|byte| byte.to_le_bytes()[0]).collect();
    let early = tax.send_payload(&asked.request, "early.bin", document.clone().into()).await;
    assert_eq!(code(early.unwrap_err()).1, "payload-unanswered");

    network.consent(&citizen.wallet, &["approve", "--yes", &asked.request.to_string()]);
    assert_eq!(outcome(&welfare, &asked.request).await.status, AskedStatus::Verified);
    for (sender, recipient) in [(&tax, &welfare), (&welfare, &tax)] {
        let name = "Bescheid für 2024.pdf";
        let sent =
            sender.send_payload(&asked.request, name, document.clone().into()).await.unwrap();
        assert_eq!(sent.delivery, Delivery::Delivered);
        let payloads = recipient.payloads().await.unwrap();
        let received = payloads.iter().find(|it| it.id == sent.id).unwrap();
        let complete = received.complete.as_ref().unwrap();
        assert_eq!((complete.name.as_str(), complete.bytes), (name, 200_000));
        assert_eq!(Some(complete.sent_entry), sent.sent_entry);
        let mut opened = recipient.payload(&sent.id).await.unwrap();
        let mut read = Vec::new();
        while let Some(piece) = opened.next().await.unwrap() {
            read.extend_from_slice(&piece);
        }
        assert_eq!(read, document);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anybody_can_fetch_the_chain_and_check_every_rule() {
    let network = Network::running();
    let genesis = genesis(&network);
    let mut replica = Replica::new(Arc::clone(&genesis));
    let tip = network.json("/v1/chain/tip").await;
    let height = tip["height"].as_u64().unwrap();
    for height in 1..=height {
        let (status, bytes) = network.get(&format!("/v1/chain/blocks/{height}")).await;
        assert_eq!(status, 200);
        let block = CertifiedBlock::decode(&bytes).unwrap();
        let mut documents = chain::document::Documents::default();
        for entry in block.block.entries() {
            let digest = entry.content().digest();
            let (status, bytes) = network.get(&format!("/v1/documents/{digest}")).await;
            if status == 200 {
                let value: Value = serde_json::from_slice(&bytes).unwrap();
                documents.insert(chain::document::Document::new(&value).unwrap());
            }
        }
        replica.accept(block, &documents).unwrap();
    }
    assert_eq!(replica.tip().log_root.to_string(), tip["log_root"].as_str().unwrap());

    let (status, note) = network.get("/checkpoint").await;
    assert_eq!(status, 200);
    let note = String::from_utf8(note).unwrap();
    let signed = SignedCheckpoint::parse(&note).unwrap();
    let facts: Value = serde_json::from_slice(genesis.as_bytes()).unwrap();
    let origin: chain::text::Origin = facts["name"].as_str().unwrap().parse().unwrap();
    let key = serde_json::from_value(facts["validators"][0]["key"].clone()).unwrap();
    let log = NoteKey::log(origin.clone(), key);
    let (checkpoint, signatures) = signed.verify(&origin, &[log]).unwrap();
    assert_eq!((checkpoint.root, signatures.len()), (replica.tip().log_root, 1));
    assert_eq!(network.get("/v1/chain/blocks/1000000").await.0, 404);
    assert_eq!(network.get("/readyz").await.0, 200);
    let circuits = network.json("/v1/circuits").await;
    let approved = circuits.as_array().unwrap().iter().filter(|it| it["approved"] == json!(true));
    assert_eq!(approved.count(), 2);
}

fn genesis(network: &Network) -> Arc<Genesis> {
    let bytes = std::fs::read(network.folder().join("genesis.json")).unwrap();
    Arc::new(Genesis::from_slice(&bytes).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn anybody_audits_the_running_gateway_by_its_address() {
    let network = Network::running();
    let file = network.folder().join("genesis.json");
    let (file, base) = (file.to_str().unwrap(), network.base.to_string());
    let audit = |arguments: &[&str]| {
        let output = network.command(&[&["audit", "--json"], arguments].concat());
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code().unwrap(), found)
    };
    let (code, found) = audit(&["--url", &base, "--genesis", file]);
    assert_eq!((code, &found["ok"]), (0, &json!(true)), "{found}");
    let served = SignedCheckpoint::parse(found["served_checkpoint"].as_str().unwrap()).unwrap();
    assert!(served.checkpoint().size <= found["log_size"].as_u64().unwrap());

    // A gateway's own genesis file is taken only if its network is the one that was named.
    let id = genesis(&network).network().to_string();
    assert_eq!(audit(&["--url", &base, "--network", &id]).0, 0);
    let (code, found) = audit(&["--url", &base, "--network", &"ab".repeat(32)]);
    assert_eq!((code, &found["code"]), (65, &json!("block-network")));

    // Nobody listens on the discard port. A folder that is in use is left alone.
    let (code, found) = audit(&["--url", "http://127.0.0.1:9", "--genesis", file]);
    assert_eq!((code, &found["code"]), (69, &json!("upstream-unreached")));
    let chain = network.folder().join("chain");
    let (code, found) = audit(&[chain.to_str().unwrap(), "--genesis", file]);
    assert_eq!((code, &found["code"]), (75, &json!("store-locked")));
    assert_eq!(audit(&["/nowhere/chain", "--genesis", file]).0, 66);
}
