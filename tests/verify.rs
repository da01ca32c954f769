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

#[test]
fn several_bundles_are_verified_together_and_the_bad_ones_named() {
    let genesis = filed("genesis/genesis.json");
    let genesis = genesis.to_str().unwrap();
    let paths = FORMS.map(bundle);
    let paths = paths.each_ref().map(|path| path.to_str().unwrap());
    let all = [paths.as_slice(), &["--genesis", genesis]].concat();
    let told = verify(&all, b"");
    let text = String::from_utf8(told.stdout).unwrap();
    assert_eq!(told.status.code(), Some(0), "{text}");
    for path in paths {
        assert!(text.contains(&format!("Verified  {path}: total_wages_cents is less than")));
    }
    assert!(text.contains("\n3 of 3 bundles verify.\n"), "{text}");
    let together = json(&verify(&[all.as_slice(), &["--json"]].concat(), b""));
    assert_eq!(together["ok"], true);
    for (place, path) in paths.iter().enumerate() {
        let mut alone = json(&verify(&[path, "--genesis", genesis, "--json"], b""));
        alone["file"] = Value::from(*path);
        assert_eq!(together["bundles"][place], alone);
    }

    // One after the other is of the first's proof, one that is malformed, and one that is good.
    let identified: Value = serde_json::from_slice(&fs::read(paths[0]).unwrap()).unwrap();
    let statutory: Value = serde_json::from_slice(&fs::read(paths[1]).unwrap()).unwrap();
    let mut swapped = identified.clone();
    swapped["answer"]["proof"] = statutory["answer"]["proof"].clone();
    let swapped = serde_json::to_vec(&swapped).unwrap(); // sorted and without space: canonical here
    let folder = tempfile::tempdir().unwrap();
    let (bad, cut) = (folder.path().join("swapped.json"), folder.path().join("cut.json"));
    fs::write(&bad, swapped).unwrap();
    fs::write(&cut, b"{}").unwrap();
    let (bad, cut) = (bad.to_str().unwrap(), cut.to_str().unwrap());
    let some = verify(&[paths[0], bad, cut, paths[1], "--genesis", genesis, "--json"], b"");
    assert_eq!(some.status.code(), Some(65));
    let said = json(&some);
    assert_eq!(said["ok"], false);
    let codes: Vec<_> = said["bundles"].as_array().unwrap().iter().map(|it| &it["code"]).collect();
    assert_eq!(
        codes,
        ["", "proof-invalid", "bundle-malformed", ""]
            .map(|code| match code {
                "" => Value::Null,
                code => Value::from(code),
            })
            .iter()
            .collect::<Vec<_>>()
    );
    let stderr = String::from_utf8(some.stderr).unwrap();
    assert!(stderr.contains("swapped.json: the answer: the proof: "), "{stderr}");
    assert!(stderr.contains("[proof-invalid]\n") && stderr.contains("[bundle-malformed]\n"));
    assert!(!stderr.contains(paths[0]), "{stderr}");
    // The same file alone is refused for the same reason.
    let alone = json(&verify(&[bad, "--genesis", genesis, "--json"], b""));
    assert_eq!(alone["code"], "proof-invalid");
}
