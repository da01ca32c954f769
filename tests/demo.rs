//! The main job over the real binary: what a person who runs the README's first command gets.

use std::path::Path;
use std::process::{Command, Output};

use chain::checkpoint::Checkpoint;
use crypto::{Digest, SigningKey};
use serde_json::Value;

fn proofgate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_proofgate"))
        .args(arguments)
        .output()
        .expect("the binary was built for this test")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the command prints UTF-8")
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object on standard output")
}

fn path(path: &Path) -> &str {
    path.to_str().expect("temporary folders have UTF-8 names")
}

#[test]
fn the_demo_plays_the_main_job_and_its_chain_audits() {
    let folder = tempfile::tempdir().unwrap();
    let network = folder.path().join("network");
    let demo = proofgate(&["demo", "--json", "--exit", "--port", "0", "--dir", path(&network)]);
    let facts = json(&demo);

    let results: Vec<(&str, &str)> = facts["exchanges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["name"].as_str().unwrap(), it["result"].as_str().unwrap()))
        .collect();
    assert_eq!(
        results,
        [
            ("identified: wages", "verified"),
            ("identified: home and age", "verified"),
            ("pseudonymous", "verified"),
            ("pseudonymous", "verified"),
            ("pseudonymous", "verified"),
            ("not proven: not met", "not proven"),
            ("not proven: refused", "not proven"),
            ("not proven: unknown", "not proven"),
            ("statutory", "verified"),
            ("payload: the question", "verified"),
            ("payload", "received"),
            ("withdrawn", "not proven"),
            ("attack: a byte of the ciphertext changed on the way", "refused"),
            ("attack: a byte of the proof changed by the issuer", "refused"),
            ("attack: a consent signed by the issuer instead of the citizen", "refused"),
            ("attack: a proof under a key that nobody else approved", "refused"),
            ("attack: the answer to another question", "refused"),
            ("attack: the same answer again", "refused"),
            ("attack: a pseudonymous proof signed by the issuer, its own check skipped", "refused"),
            ("attack: the same with the issuer's own key put into the record", "refused"),
            ("attack: a byte of a document's ciphertext changed", "refused"),
            ("attack: two chunks of a document's ciphertext exchanged", "refused"),
            ("attack: an answer from a root that was replaced", "refused"),
            (
                "attack: a chain folder rewritten without its withdrawal, linked and certified again",
                "refused"
            ),
        ]
    );
    let caught: Vec<&str> = facts["exchanges"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["caught_by"].as_str())
        .collect();
    assert!(["proof-encoding", "proof-invalid"].contains(&caught[1]), "{}", caught[1]);
    assert_eq!(
        [&caught[..1], &caught[2..]].concat(),
        [
            "envelope-authentication",
            "consent-signature",
            "key-unapproved",
            "answer-other-request",
            "answer-replayed",
            "proof-invalid",
            "proof-invalid",
            "payload-authentication",
            "payload-authentication",
            "records-stale",
            "certificate-signature",
        ]
    );
    // Requests that the exchanges need; those that are sent again in between come on top.
    assert!(facts["signed_requests"].as_u64().unwrap() >= 50);
    assert_eq!(facts["chain"]["audit"], "ok");
    let entries = &facts["chain"]["entries"];
    for (kind, count) in [
        ("circuit", 3),
        ("approval", 8),
        ("service", 4),
        ("consent-key", 4),
        ("request", 15),
        ("consent", 11),
        ("withdrawal", 1),
        ("proof", 11),
        ("payload-sent", 3),
        ("payload-received", 3),
    ] {
        assert_eq!(entries[kind], count, "{kind}");
    }
    assert_eq!(facts["circuits"]["identified/v1"]["public_inputs"], 4);
    assert!(facts["circuits"]["identified/v1"]["constraints"].as_u64().unwrap() <= 4_091);
    assert!(facts["circuits"]["pseudonymous/v1"]["constraints"].as_u64().unwrap() <= 11_000);

    for time in ["import", "prove identified/v1", "verify identified/v1", "seal", "append"] {
        assert!(facts["times_ms"][time].as_f64().unwrap() > 0.0, "{time}");
    }

    // The narration names no citizen's number or wages.
    let narration = text(&demo.stderr);
    assert!(narration.contains("Offline audit"), "{narration}");
    let records = include_str!("../gateway/data/tax.csv");
    for record in records.lines().skip(1) {
        let subject = record.split(',').next().unwrap();
        assert!(!narration.contains(subject), "the narration names a citizen");
    }

    let genesis = network.join("genesis.json");
    let chain = network.join("chain");
    let audit = json(&proofgate(&[
        "audit",
        "--json",
        "--genesis",
        path(&genesis),
        "--chain",
        path(&chain),
    ]));
    assert_eq!(audit["log_root"], facts["chain"]["log_root"]);
    assert_eq!(audit["height"], facts["chain"]["height"]);

    // A checkpoint that somebody kept is of this chain, or the audit says that it is not.
    let key = gateway::key_file::read(&network.join("validator.key")).unwrap();
    let key = SigningKey::from_seed(&key);
    let kept = folder.path().join("kept.txt");
    let with_checkpoint = |size: u64, root: Digest| {
        let origin = "proofgate.example/demo".parse().unwrap();
        let signed = Checkpoint { origin, size, root }.sign(&key);
        std::fs::write(&kept, signed.as_str()).unwrap();
        let (genesis, chain) = (path(&genesis), path(&chain));
        let files = ["--genesis", genesis, "--chain", chain, "--checkpoint", path(&kept)];
        proofgate(&[&["audit", "--json"], &files[..]].concat())
    };
    let (size, root) = (audit["log_size"].as_u64().unwrap(), &audit["log_root"]);
    let root: Digest = root.as_str().unwrap().parse().unwrap();
    assert_eq!(json(&with_checkpoint(size, root))["known_checkpoints"], 1);
    for (size, root, code) in [
        (size, Digest::of(b"another"), "checkpoint-contradicted"),
        (size + 1, root, "checkpoint-missing"),
    ] {
        let refused = with_checkpoint(size, root);
        assert_eq!(refused.status.code(), Some(65));
        assert!(text(&refused.stderr).contains(code), "{}", text(&refused.stderr));
    }

    // The same chain is not another network's.
    let mut facts: Value = serde_json::from_slice(&std::fs::read(&genesis).unwrap()).unwrap();
    facts["nonce"] = Value::from("00".repeat(32));
    let other = folder.path().join("other.json");
    std::fs::write(&other, facts.to_string()).unwrap();
    let refused = proofgate(&["audit", "--genesis", path(&other), "--chain", path(&chain)]);
    assert_eq!(refused.status.code(), Some(65));
    assert!(text(&refused.stderr).starts_with("proofgate: "), "{}", text(&refused.stderr));

    // A folder that is in use is not touched.
    let again = proofgate(&["demo", "--exit", "--port", "0", "--dir", path(&network)]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("not empty"), "{}", text(&again.stderr));
}

#[test]
fn the_circuits_of_the_build_are_the_pinned_ones() {
    let listed = json(&proofgate(&["circuits", "list", "--json"]));
    for (index, pin) in [
        include_str!("../circuits/pins/identified-v1.json"),
        include_str!("../circuits/pins/pseudonymous-v1.json"),
    ]
    .into_iter()
    .enumerate()
    {
        let pin: Value = serde_json::from_str(pin).unwrap();
        for member in ["circuit", "constraints", "public_inputs", "r1cs_sha256"] {
            assert_eq!(listed[index][member], pin[member], "{member}");
        }
    }
}
