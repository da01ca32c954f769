//! `proofgate circuits bench` over the real binary: one short run that measures both circuits, and what is
//! said of a bad earlier report.

#![expect(clippy::unwrap_used, reason = "every function here is part of a test")]

#[path = "running/snarkjs.rs"]
#[expect(dead_code, reason = "here snarkjs is only handed on")]
mod running;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use circuits::statement::CircuitId;
use gateway::circuit_report::{FORMAT, Machine, Report, Snarkjs, Timing, Variant, Variants};

fn bench(out: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_proofgate"))
        .args(["circuits", "bench", "--quick", "--commit", "0123abcd", "--out"])
        .arg(out)
        .args(more)
        .output()
        .unwrap()
}

/// A report of another machine that measured nothing which a run measures too.
fn earlier() -> Report {
    let prove = Timing::of(&[Duration::from_millis(5)]);
    let point = Variant { size: "2^9".to_owned(), in_use: false, constraints: 77, prove };
    Report {
        format: FORMAT.to_owned(),
        made: "2025-01-02T03:04:05Z".to_owned(),
        command: Vec::new(),
        quick: false,
        commit: None,
        versions: [].into(),
        machine: Machine {
            processor: "an abacus".to_owned(),
            threads: 1,
            memory_bytes: None,
            system: "none".to_owned(),
            architecture: "beads".to_owned(),
        },
        circuits: Vec::new(),
        variants: vec![Variants { by: "a".to_owned(), what: "b".to_owned(), points: vec![point] }],
        notes: Vec::new(),
        comparison: None,
    }
}

#[test]
fn a_quick_run_writes_three_reports_that_agree() {
    let folder = tempfile::tempdir().unwrap();
    let (out, baseline) = (folder.path().join("new/report"), folder.path().join("earlier.json"));
    fs::write(&baseline, earlier().to_json()).unwrap();
    let snarkjs = running::command_line().to_str().unwrap();
    let done = bench(&out, &["--baseline", baseline.to_str().unwrap(), "--snarkjs", snarkjs]);
    let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(0), "{stderr}");
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    let (json, markdown, html) = (read("report.json"), read("report.md"), read("report.html"));
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(said.lines().count() == 3 && said.contains("report.html"), "{said}");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 3, "nothing else is left");

    let report = Report::from_slice(json.as_bytes()).unwrap();
    assert_eq!((report.to_markdown(), report.to_html()), (markdown, html.clone()));
    assert!(report.quick && html.contains("A quick run"));
    assert_eq!(report.commit.as_deref(), Some("0123abcd"));
    assert!(report.command.contains(&"--baseline".to_owned()));
    assert!(report.versions["snarkjs"].starts_with("0.7."), "as the lock file pins it");
    assert_eq!(report.circuits.iter().map(|it| it.circuit).collect::<Vec<_>>(), CircuitId::ALL);
    for figures in &report.circuits {
        let r1cs = figures.circuit.r1cs();
        assert_eq!(figures.constraints, r1cs.constraints() as u64);
        assert_eq!(*figures.r1cs_sha256.as_bytes(), r1cs.digest());
        let by_clause: u64 = figures.clauses.iter().map(|it| it.constraints).sum();
        assert_eq!(by_clause, figures.constraints);
        let batches: Vec<_> = figures.batches.iter().map(|it| it.proofs).collect();
        assert_eq!(batches, [1, 8, 64, 512]);
        assert_eq!(figures.bytes.proof, 128);
        let timings = [
            &figures.setup,
            &figures.witness,
            &figures.prove_one_thread,
            &figures.prove_all_threads,
            &figures.verify,
        ];
        assert!(timings.into_iter().all(|it| it.median_ms > 0.0));
        let Snarkjs::Measured { prove, verify, start } = &figures.snarkjs else { panic!() };
        assert!([prove, verify, start].into_iter().all(|it| it.median_ms > 0.0));
        let memory = figures.prove_memory.unwrap();
        assert!(memory.before > 1 << 20 && memory.peak >= memory.before);
    }
    assert_eq!(report.variants.len(), 3);
    for variants in &report.variants {
        let [smaller, in_use] = variants.points.as_slice() else { panic!("{variants:?}") };
        assert!(in_use.in_use && !smaller.in_use);
        assert!(smaller.constraints < in_use.constraints, "{}", variants.by);
    }
    let comparison = report.comparison.unwrap();
    assert_eq!(comparison.baseline_made, "2025-01-02T03:04:05Z");
    assert!(comparison.caveats[0].starts_with("another processor: an abacus then"));
    assert!(comparison.differences.is_empty(), "the earlier report had no circuit");
}

#[test]
fn a_bad_earlier_report_or_snarkjs_is_told_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let (out, baseline) = (folder.path().join("report"), folder.path().join("earlier.json"));
    let more = ["--baseline", baseline.to_str().unwrap()];
    let missing = bench(&out, &more);
    assert_eq!(missing.status.code(), Some(66));
    let json = earlier().to_json();
    let other_version = json.replacen("/v1", "/v9", 1);
    for (text, words) in [
        (&json[..99], "line "),
        (&other_version, "expected format \"proofgate/circuit-report/v1\""),
        (&json.replacen("threads", "thread", 1), "unknown field `thread`"),
    ] {
        fs::write(&baseline, text).unwrap();
        let refused = bench(&out, &more);
        assert_eq!(refused.status.code(), Some(65));
        let stderr = String::from_utf8(refused.stderr).unwrap();
        assert!(stderr.contains("earlier.json: ") && stderr.contains(words), "{stderr}");
    }
    fs::write(&baseline, &json).unwrap();
    let missing = bench(&out, &["--snarkjs", "/nowhere/snarkjs"]);
    assert_eq!(missing.status.code(), Some(66));
    let other = bench(&out, &["--snarkjs", "/bin/echo"]);
    assert_eq!(other.status.code(), Some(65));
    let stderr = String::from_utf8(other.stderr).unwrap();
    assert!(stderr.contains("/bin/echo: does not say that it is snarkjs"), "{stderr}");
    assert!(!out.exists());
    assert_eq!(
        bench(&baseline, &[]).status.code(),
        Some(73),
        "a file stands where the folder goes"
    );
}

/// A snarkjs of a version that nobody here knows, and what it does when it is to prove.
fn other_snarkjs(folder: &Path, prove: &str) -> String {
    let program = folder.join("snarkjs");
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo snarkjs@9.0.0; exit 1; fi\n{prove}\n"
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    program.to_str().unwrap().to_owned()
}

#[test]
fn a_snarkjs_of_another_version_is_told_by_the_step_that_it_fails_at_and_leaves_no_report() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("report");
    for (prove, words) in [
        (
            "echo '[ERROR] snarkJS: zkey of another version'; exit 99",
            ["snarkjs groth16 prove key.zkey", "zkey of another version"],
        ),
        ("exit 0", ["proof.json", "No such file"]),
        ("echo '{}' > \"$5\"", ["a proof by snarkjs: ", "missing field `pi_a`"]),
    ] {
        let program = other_snarkjs(folder.path(), prove);
        let failed = bench(&out, &["--snarkjs", &program]);
        assert!(!failed.status.success(), "{prove}");
        let stderr = String::from_utf8(failed.stderr).unwrap();
        assert!(words.iter().all(|word| stderr.contains(word)), "{prove}: {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert_eq!(fs::read_dir(&out).unwrap().count(), 0, "{prove}");
    }
}
