//! Our circuits, witnesses, keys and proofs under snarkjs, and snarkjs' proofs under our verifier.

#![expect(clippy::unwrap_used, reason = "every function here is part of a test")]

#[path = "running/gateway.rs"]
#[expect(dead_code, reason = "shared with tests that use all of it")]
mod gateway;
#[path = "running/pair.rs"]
#[expect(dead_code, reason = "shared with tests that use all of it")]
mod pair;
#[path = "running/snarkjs.rs"]
#[expect(dead_code, reason = "shared with tests that use all of it")]
mod running;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use circuits::groth16::{PreparedVerifyingKey, verify};
use circuits::snarkjs::json;
use circuits::statement::CircuitId;
use tempfile::TempDir;

use gateway::{done, proofgate};
use pair::{LAW, Pair};
use running::{refuses, succeeds};

/// What `proofgate circuits export --sample` writes.
fn exported() -> &'static Path {
    static EXPORTED: OnceLock<TempDir> = OnceLock::new();
    EXPORTED
        .get_or_init(|| {
            let folder = TempDir::new().unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_proofgate"));
            command.args(["circuits", "export", "--sample", "--out"]).arg(folder.path());
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            folder
        })
        .path()
}

/// Each circuit with the subfolder of its files.
fn circuits() -> [(CircuitId, &'static str); 2] {
    [(CircuitId::IdentifiedV1, "identified"), (CircuitId::PseudonymousV1, "pseudonymous")]
}

/// A copy of an exported file with one byte changed.
fn changed(from: &Path, to: &Path, at: usize) {
    let mut bytes = fs::read(from).unwrap();
    bytes[at] ^= 1;
    fs::write(to, bytes).unwrap();
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// The number that snarkjs prints behind a title.
fn printed(info: &str, title: &str) -> usize {
    let line = info.lines().find(|line| line.contains(title));
    let line = line.unwrap_or_else(|| panic!("{title} is missing in {info}"));
    line.rsplit(' ').next().unwrap().trim().parse().unwrap()
}

#[test]
fn snarkjs_counts_what_we_count() {
    for (circuit, folder) in circuits() {
        let info = succeeds(&exported().join(folder), &["r1cs", "info", "circuit.r1cs"]);
        let r1cs = circuit.r1cs();
        assert_eq!(printed(&info, "# of Constraints:"), r1cs.constraints(), "{circuit}");
        assert_eq!(printed(&info, "# of Public Inputs:"), r1cs.public_inputs(), "{circuit}");
        assert_eq!(printed(&info, "# of Private Inputs:"), r1cs.witness_variables(), "{circuit}");
        assert_eq!(printed(&info, "# of Outputs:"), 0, "{circuit}");
    }
}

#[test]
fn snarkjs_accepts_our_witness_and_refuses_a_changed_one() {
    let other = TempDir::new().unwrap();
    for (circuit, name) in circuits() {
        let folder = exported().join(name);
        succeeds(&folder, &["wtns", "check", "circuit.r1cs", "circuit.wtns"]);
        // The least bit of some private wire in the middle.
        let witness = folder.join("circuit.wtns");
        let wires = circuit.r1cs().witness_variables();
        let length = usize::try_from(fs::metadata(&witness).unwrap().len()).unwrap();
        let wrong = other.path().join(format!("{name}.wtns"));
        changed(&witness, &wrong, length - 32 * (wires / 2));
        refuses(&folder, &["wtns", "check", "circuit.r1cs", wrong.to_str().unwrap()]);
    }
}

#[test]
fn a_witness_is_for_its_owners_eyes_only() {
    for (_, folder) in circuits() {
        let witness = fs::metadata(exported().join(folder).join("circuit.wtns")).unwrap();
        assert_eq!(witness.permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn snarkjs_accepts_our_proofs_and_refuses_tampered_ones() {
    let other = TempDir::new().unwrap();
    let verifies = ["groth16", "verify", "verification_key.json"];
    for (circuit, name) in circuits() {
        let folder = exported().join(name);
        let with = |public: &str, proof: &str| {
            let arguments = [&verifies[..], &[public, proof]].concat();
            running::snarkjs(&folder, &arguments).status.success()
        };
        assert!(with("public.json", "proof.json"), "{circuit}");
        let mut inputs: Vec<String> =
            serde_json::from_str(&read(&folder.join("public.json"))).unwrap();
        inputs.swap(1, 2);
        let swapped = other.path().join(format!("{name}-public.json"));
        fs::write(&swapped, serde_json::to_string(&inputs).unwrap()).unwrap();
        assert!(!with(swapped.to_str().unwrap(), "proof.json"), "{circuit}: swapped inputs");
        let mut proof: serde_json::Value =
            serde_json::from_str(&read(&folder.join("proof.json"))).unwrap();
        proof["pi_a"] = proof["pi_c"].clone();
        let tampered = other.path().join(format!("{name}-proof.json"));
        fs::write(&tampered, proof.to_string()).unwrap();
        assert!(!with("public.json", tampered.to_str().unwrap()), "{circuit}: another A");
    }
}

#[test]
fn a_proof_that_snarkjs_makes_of_our_witness_verifies_here() {
    let made = TempDir::new().unwrap();
    for (circuit, name) in circuits() {
        let folder = exported().join(name);
        let [proof, public] =
            ["proof", "public"].map(|it| made.path().join(format!("{name}-{it}.json")));
        let arguments = ["groth16", "prove", "circuit.zkey", "circuit.wtns"];
        let written = [proof.to_str().unwrap(), public.to_str().unwrap()];
        succeeds(&folder, &[&arguments[..], &written[..]].concat());
        let key = json::read_verifying_key(&read(&folder.join("verification_key.json"))).unwrap();
        let key = PreparedVerifyingKey::from(&key);
        let proof = json::read_proof(&read(&proof)).unwrap();
        let inputs = json::read_public_inputs(&read(&public)).unwrap();
        assert_eq!(verify(&key, &inputs, &proof), Ok(()), "{circuit}");
        assert_eq!(inputs, json::read_public_inputs(&read(&folder.join("public.json"))).unwrap());
        let ours = json::read_proof(&read(&folder.join("proof.json"))).unwrap();
        assert_ne!(proof, ours, "each proof has randomness of its own");
    }
}

#[test]
fn an_answered_question_is_exported_by_its_operator_alone_and_only_offline() {
    let pair = Pair::init();
    let (tax, _welfare) = pair.run();
    let request = pair.ask("101146789348", 100_000_000_000, &["--law", LAW]);
    let shown = done(proofgate(&pair.welfare(), &["request", "show", "--wait", "300", &request]));
    assert!(shown.contains("verified"), "{shown}");
    let out = pair.file("README", "").with_file_name("exported");
    let export = ["circuits", "export", "--out", out.to_str().unwrap(), "--request"];
    let export = |request: &str| proofgate(&pair.tax(), &[&export[..], &[request]].concat());

    let running = export(&request);
    assert_eq!(running.status.code(), Some(75), "a witness does not leave a running gateway");
    tax.stop();
    assert_eq!(export(&"00".repeat(32)).status.code(), Some(65));
    let exported = export(&request);
    let warning = String::from_utf8_lossy(&exported.stderr).into_owned();
    assert!(exported.status.success(), "{warning}");
    assert!(warning.contains("whole record"), "{warning}");

    let folder = out.join("identified");
    let witness = fs::metadata(folder.join("circuit.wtns")).unwrap();
    assert_eq!(witness.permissions().mode() & 0o777, 0o600);
    succeeds(&folder, &["wtns", "check", "circuit.r1cs", "circuit.wtns"]);
    let verify = ["groth16", "verify", "verification_key.json", "public.json", "proof.json"];
    succeeds(&folder, &verify);
    // Nothing that is there is written over, and nobody waits for a key to be made before that is said.
    assert_eq!(export(&request).status.code(), Some(73));
    let sample = ["circuits", "export", "--sample", "--out", out.to_str().unwrap()];
    let refused = proofgate(&pair.tax(), &sample);
    assert_eq!(refused.status.code(), Some(73));
    assert!(!out.join("pseudonymous").exists(), "before anything is made");
}
