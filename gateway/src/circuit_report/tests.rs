use std::time::Duration;

use super::*;

fn timing(ms: u64) -> Timing {
    let runs = [ms, ms + 1, ms + 2].map(Duration::from_millis);
    Timing::of(&runs)
}

fn batch(proofs: u64, ms: u64) -> BatchFigure {
    let (per_proof, per_proof_all_threads) = (timing(ms), timing(ms));
    BatchFigure { proofs, per_proof, per_proof_all_threads }
}

fn figures(circuit: CircuitId, constraints: u64) -> CircuitFigures {
    CircuitFigures {
        circuit,
        r1cs_sha256: Digest::of(circuit.name().as_bytes()),
        constraints,
        private_wires: constraints - 21,
        public_inputs: 4,
        clauses: vec![
            ClauseFigure { clause: "commitment".to_owned(), constraints, before: 4020 },
            ClauseFigure { clause: "request".to_owned(), constraints: 0, before: 1 },
        ],
        bytes: FileSizes { proof: 128, verifying_key: 400, proving_key: 3 << 20, r1cs: 812_345 },
        setup: timing(2_500),
        witness: timing(7),
        prove_one_thread: timing(130),
        prove_all_threads: timing(70),
        verify: timing(10),
        batches: vec![batch(8, 5), batch(64, 2)],
        prove_memory: Some(Memory { before: 40 << 20, peak: 61 << 20 }),
        snarkjs: Snarkjs::NotMeasured { reason: "there is no snarkjs on PATH".to_owned() },
    }
}

fn report() -> Report {
    Report {
        format: FORMAT.to_owned(),
        made: "2025-03-04T05:06:07Z".to_owned(),
        command: ["proofgate", "circuits", "bench", "--out", "a b"].map(str::to_owned).to_vec(),
        quick: false,
        commit: Some("0123abcd".to_owned()),
        versions: BTreeMap::from([("proofgate".to_owned(), "0.1.0".to_owned())]),
        machine: Machine {
            processor: "A processor <fast> & \"cheap\"".to_owned(),
            threads: 2,
            memory_bytes: Some(8 << 30),
            system: "A system | of pipes".to_owned(),
            architecture: "x86_64".to_owned(),
        },
        circuits: vec![
            figures(CircuitId::IdentifiedV1, 3_777),
            figures(CircuitId::PseudonymousV1, 9_876),
        ],
        variants: vec![Variants {
            by: "Tree capacity".to_owned(),
            what: "Other depths.".to_owned(),
            points: vec![
                Variant {
                    size: "2^16".to_owned(),
                    in_use: false,
                    constraints: 5_432,
                    prove: timing(33),
                },
                Variant {
                    size: "2^32".to_owned(),
                    in_use: true,
                    constraints: 9_876,
                    prove: timing(70),
                },
            ],
        }],
        notes: vec!["A note of this run.".to_owned()],
        comparison: None,
    }
}

/// Numbers that stand in both pages, and where from.
const SHOWN: [&str; 14] = [
    "3,777",
    "9,876",
    "4,020",
    "5,432",
    "131 ms",
    "71.0 ms",
    "2.50 s",
    "11.0 ms",
    "3.000 ms",
    "0.27",
    "128 B",
    "3.0 MiB",
    "61.0 MiB",
    "812,345 B",
];

#[test]
fn json_is_read_as_it_was_written() {
    let mut report = report();
    report.circuits[0].snarkjs =
        Snarkjs::Measured { prove: timing(900), verify: timing(300), start: timing(200) };
    report.comparison = Some(Comparison::of(&report, &report.clone()));
    let json = report.to_json();
    assert_eq!(Report::from_slice(json.as_bytes()), Ok(report));
}

#[test]
fn what_is_no_report_is_refused_with_its_place() {
    let json = report().to_json();
    let refused = |json: &str| Report::from_slice(json.as_bytes()).unwrap_err();
    assert_eq!(refused(&json.replacen("/v1", "/v2", 1)), ReportError::Format);
    let long = vec![b' '; MAX_REPORT_BYTES + 1];
    assert_eq!(Report::from_slice(&long), Err(ReportError::TooLong { got: MAX_REPORT_BYTES + 1 }));
    for broken in [
        &json[..json.len() / 2],
        &json.replacen("\"threads\": 2", "\"threads\": -2", 1),
        &json.replacen("\"quick\"", "\"quicker\"", 1),
        &format!("{json}{{}}"),
        "[]",
        "",
    ] {
        let ReportError::Malformed { reason } = refused(broken) else { panic!("{broken}") };
        assert!(reason.contains("line "), "{reason}");
    }
}

#[test]
fn both_pages_show_every_figure() {
    let (markdown, html) = (report().to_markdown(), report().to_html());
    for number in SHOWN {
        assert!(markdown.contains(number), "{number} in {markdown}");
        assert!(html.contains(number), "{number} in {html}");
    }
    for words in [
        "identified/v1",
        "pseudonymous/v1",
        "2025-03-04T05:06:07Z",
        "proofgate circuits bench --out a b",
        "0123abcd",
        "there is no snarkjs on PATH",
        "A note of this run.",
        "Nobody proves with these circuits",
    ] {
        assert!(markdown.contains(words) && html.contains(words), "{words}");
    }
    assert!(!markdown.contains("quick run") && !html.contains("quick run"));
    let quick = Report { quick: true, ..report() };
    assert!(quick.to_markdown().contains("quick run") && quick.to_html().contains("quick run"));
}

#[test]
fn text_stays_text() {
    let html = report().to_html();
    assert!(html.contains("A processor &lt;fast&gt; &amp; &quot;cheap&quot;"));
    assert!(!html.contains("<fast>"));
    let markdown = report().to_markdown();
    assert!(markdown.contains(r"A system \| of pipes") && markdown.contains(r"\<fast\>"));
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let html = report().to_html();
    for outside in ["<script", "<link", "<img", "<iframe", "@import", "@font-face", "url(", "://"] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(html.contains("Content-Security-Policy"));
    // Three for each circuit and one for the variants.
    assert_eq!(html.matches("<svg ").count(), 7);
}

#[test]
fn elements_are_closed_in_the_order_they_were_opened() {
    let html = report().to_html();
    let mut open = Vec::new();
    let mut elements = 0;
    for tag in html.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        if tag.starts_with('!') || tag.ends_with('/') || tag.starts_with("meta") {
            continue;
        }
        elements += 1;
        let name = tag.trim_start_matches('/').split(' ').next().unwrap();
        match tag.starts_with('/') {
            true => assert_eq!(open.pop(), Some(name)),
            false => open.push(name),
        }
    }
    assert!(open.is_empty() && elements > 100, "{open:?}");
}

#[test]
fn a_comparison_has_every_figure_and_its_ratio() {
    let before = report();
    let mut now = report();
    now.circuits[0].prove_all_threads = timing(34);
    now.circuits[0].batches.pop();
    now.circuits[0].batches.push(batch(512, 1));
    let comparison = Comparison::of(&now, &before);
    assert_eq!(comparison.caveats, Vec::<String>::new());
    let of = |circuit, figure: &str| {
        let same = |it: &&Difference| it.circuit == circuit && it.figure == figure;
        comparison.differences.iter().find(same)
    };
    let proving = of(CircuitId::IdentifiedV1, "prove, all threads").unwrap();
    assert_eq!((proving.before, proving.now, proving.unit), (71.0, 35.0, Unit::Milliseconds));
    assert_eq!(proving.ratio, Some(35.0 / 71.0));
    // What only one of the reports has is not compared.
    assert_eq!(of(CircuitId::IdentifiedV1, "verify in a batch of 64"), None);
    assert_eq!(of(CircuitId::IdentifiedV1, "verify in a batch of 512"), None);
    assert_eq!(comparison.differences.len(), 12 + 13);
    now.comparison = Some(comparison);
    for page in [now.to_markdown(), now.to_html()] {
        assert!(page.contains("Since an earlier report") && page.contains("0.49"));
        assert!(!page.contains("do not compare"));
    }
}

#[test]
fn another_machine_and_a_quick_run_are_flagged() {
    let before = report();
    let mut now = report();
    now.machine.threads = 64;
    now.machine.processor = "Another".to_owned();
    now.quick = true;
    now.versions.insert("build".to_owned(), "unoptimised".to_owned());
    let comparison = Comparison::of(&now, &before);
    let [processor, threads, build, quick] = comparison.caveats.as_slice() else {
        panic!("{:?}", comparison.caveats)
    };
    assert!(processor.starts_with("another processor: A processor"));
    assert_eq!(threads, "another number of threads: 2 then, 64 now");
    assert_eq!(build, "another build: unknown then, unoptimised now");
    assert!(quick.starts_with("a quick run"));
    now.comparison = Some(comparison);
    assert_eq!(now.to_html().matches("Times do not compare").count(), 4);
}

#[test]
fn a_figure_that_was_nothing_has_no_ratio() {
    let mut before = report();
    before.circuits[0].private_wires = 0;
    let comparison = Comparison::of(&report(), &before);
    let wires = comparison.differences.iter().find(|it| it.figure == "private wires").unwrap();
    assert_eq!((wires.before, wires.ratio), (0.0, None));
    let report = Report { comparison: Some(comparison), ..report() };
    assert!(report.to_markdown().contains("none before"));
    assert_eq!(Report::from_slice(report.to_json().as_bytes()), Ok(report));
}
