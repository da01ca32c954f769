//! `proofgate verify` over the real binary, on bundles that were filed once: what this version wrote, later
//! ones verify.

#![expect(clippy::unwrap_used, reason = "every function here is part of a test")]

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const FORMS: [&str; 3] = ["identified-consent", "identified-statutory", "pseudonymous-consent"];

/// A file that fuzzing begins with, of a demo's network.
fn filed(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(path)
}

fn bundle(form: &str) -> PathBuf {
    filed(&format!("bundle/{form}.json"))
}

fn verify(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_proofgate"))
        .arg("verify")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have ended without reading.
    let _: std::io::Result<()> = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn what_was_filed_once_verifies_with_the_genesis_file_alone() {
    let genesis = filed("genesis/genesis.json");
    let genesis = genesis.to_str().unwrap();
    for form in FORMS {
        let path = bundle(form);
        let path = path.to_str().unwrap();
        let told = verify(&[path, "--genesis", genesis], b"");
        let text = String::from_utf8(told.stdout).unwrap();
        assert_eq!(told.status.code(), Some(0), "{form}");
        for words in ["Asked by     welfare", "Answered by  tax", "total_wages_cents is less than"]
        {
            assert!(text.contains(words), "{form}: {text}");
        }
        assert!(text.contains("development key: whoever made it could forge this proof"));
        let found = json(&verify(&["-", "--genesis", genesis, "--json"], &fs::read(path).unwrap()));
        assert_eq!((&found["ok"], &found["issuer"]), (&Value::from(true), &Value::from("tax")));
        assert_eq!(found["subject"].is_string(), form.starts_with("identified"), "{form}");
        assert_eq!(found["pseudonym"].is_string(), form.starts_with("pseudonymous"), "{form}");
    }
}

#[test]
fn the_exit_code_says_what_is_wrong() {
    let genesis = filed("genesis/genesis.json");
    let (genesis, path) = (genesis.to_str().unwrap(), bundle(FORMS[0]));
    let bytes = fs::read(&path).unwrap();
    let mut changed: Value = serde_json::from_slice(&bytes).unwrap();
    changed["answer"]["proof_salt"] = Value::from("00".repeat(32));
    let changed = serde_json::to_vec(&changed).unwrap(); // sorted and without space: canonical here
    let refused = verify(&["-", "--genesis", genesis, "--json"], &changed);
    assert_eq!(refused.status.code(), Some(65));
    let said = json(&refused);
    assert_eq!((&said["ok"], &said["part"]), (&Value::from(false), &Value::from("answer")));
    assert_eq!(said["code"], "proof-record");
    assert!(String::from_utf8(refused.stderr).unwrap().ends_with("[proof-record]\n"));

    let path = path.to_str().unwrap();
    let strict = verify(&[path, "--genesis", genesis, "--production"], b"");
    assert_eq!(strict.status.code(), Some(65));
    let cut = verify(&["-", "--genesis", genesis], &bytes[..bytes.len() - 1]);
    assert_eq!(cut.status.code(), Some(65));
    assert!(String::from_utf8(cut.stderr).unwrap().ends_with("[bundle-malformed]\n"));
    let no_genesis = verify(&[path, "--genesis", "/nowhere/genesis.json"], b"");
    assert_eq!(no_genesis.status.code(), Some(66));
    // In a folder that is no gateway's.
    let no_genesis = verify(&[path, "--dir", "/nowhere"], b"");
    assert_eq!(no_genesis.status.code(), Some(66));
    let message = String::from_utf8(no_genesis.stderr).unwrap();
    assert!(message.contains("with --genesis"), "{message}");
    let no_bundle = verify(&["/nowhere/answer.json", "--genesis", genesis], b"");
    assert_eq!(no_bundle.status.code(), Some(66));
    assert_eq!(verify(&[], b"").status.code(), Some(64));
}
