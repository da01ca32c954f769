//! What both pages say, before it is spelled as Markdown or HTML.

use super::comparison::{Comparison, Unit};
use super::number::{bytes, count, milliseconds, ratio};
use super::plot::{Bar, Group, Plot, Tone};
use super::{CircuitFigures, Report, Snarkjs, Timing, Variants};

/// A proof in a batch of 64 is to cost no more than this part of one verified alone.
const BATCH_GOAL: f64 = 0.4;

/// A page.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) title: String,
    pub(super) sections: Vec<Section>,
}

/// A part of a page.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) title: String,
    pub(super) blocks: Vec<Block>,
}

/// What stands under each other.
#[derive(Debug)]
pub(super) enum Block {
    Heading(String),
    Text(String),
    /// What must not be overlooked.
    Warning(String),
    Table(Table),
    Plot(Plot),
}

/// Columns of words, then columns of numbers.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    /// How many columns are words.
    pub(super) words: usize,
    /// The last row is a sum.
    pub(super) sum: bool,
}

/// The page of a report.
pub(super) fn of(report: &Report) -> Contents {
    let mut sections = vec![origin(report)];
    sections.extend(report.circuits.iter().map(circuit));
    if !report.variants.is_empty() {
        sections.push(variants(&report.variants));
    }
    if let Some(comparison) = &report.comparison {
        sections.push(compared(comparison));
    }
    sections.push(method(report));
    Contents { title: "proofgate: circuits, measured".to_owned(), sections }
}

fn origin(report: &Report) -> Section {
    let machine = &report.machine;
    let memory = machine.memory_bytes.map_or("unknown".to_owned(), bytes);
    let mut rows = vec![
        ["Made".to_owned(), report.made.clone()],
        ["Command".to_owned(), report.command.join(" ")],
        ["Commit".to_owned(), report.commit.clone().unwrap_or_else(|| "unknown".to_owned())],
        ["Processor".to_owned(), machine.processor.clone()],
        ["Threads".to_owned(), machine.threads.to_string()],
        ["Memory".to_owned(), memory],
        ["System".to_owned(), format!("{}, {}", machine.system, machine.architecture)],
    ];
    rows.extend(report.versions.iter().map(|(name, version)| [name.clone(), version.clone()]));
    let mut blocks = vec![words(["What", "Which"], rows)];
    if report.quick {
        let text = "A quick run: too few repetitions for figures that are to be cited.";
        blocks.push(Block::Warning(text.to_owned()));
    }
    Section { title: "Where these figures come from".to_owned(), blocks }
}

fn circuit(figures: &CircuitFigures) -> Section {
    let mut blocks = vec![Block::Text(format!(
        "{} constraints, {} private wires, {} public inputs; SHA-256 of the .r1cs file {}.",
        count(figures.constraints),
        count(figures.private_wires),
        figures.public_inputs,
        figures.r1cs_sha256
    ))];
    blocks.extend(clauses(figures));
    blocks.extend(times(figures));
    blocks.extend(batches(figures));
    blocks.extend(sizes(figures));
    Section { title: figures.circuit.name().to_owned(), blocks }
}

fn clauses(figures: &CircuitFigures) -> Vec<Block> {
    let mut clauses = figures.clauses.clone();
    clauses.sort_by_key(|clause| std::cmp::Reverse(clause.constraints.max(clause.before)));
    let mut rows: Vec<_> =
        clauses.iter().map(|it| changed(&it.clause, it.constraints, it.before)).collect();
    let sum = |of: fn(&super::ClauseFigure) -> u64| clauses.iter().map(of).sum();
    rows.push(changed("all", sum(|it| it.constraints), sum(|it| it.before)));
    let groups = clauses.iter().map(|it| Group {
        name: it.clause.clone(),
        bars: vec![
            bar(Tone::Now, it.constraints as f64, format!("{} now", count(it.constraints))),
            bar(Tone::Other, it.before as f64, format!("{} before", count(it.before))),
        ],
    });
    let title = format!("{}: constraints by clause", figures.circuit);
    vec![
        Block::Heading("Constraints by clause".to_owned()),
        Block::Plot(Plot { title, groups: groups.collect(), mark: None }),
        Block::Table(Table {
            head: ["Clause", "Now", "First version", "Change"].map(str::to_owned).to_vec(),
            rows,
            words: 1,
            sum: true,
        }),
    ]
}

fn changed(name: &str, now: u64, before: u64) -> Vec<String> {
    let change = match now.cmp(&before) {
        std::cmp::Ordering::Less => format!("−{}", count(before - now)),
        std::cmp::Ordering::Equal => "0".to_owned(),
        std::cmp::Ordering::Greater => format!("+{}", count(now - before)),
    };
    vec![name.to_owned(), count(now), count(before), change]
}

fn times(figures: &CircuitFigures) -> Vec<Block> {
    let mut timed = vec![
        ("setup", &figures.setup),
        ("witness", &figures.witness),
        ("prove, 1 thread", &figures.prove_one_thread),
        ("prove, all threads", &figures.prove_all_threads),
        ("verify", &figures.verify),
    ];
    let mut bars = vec![
        timed_bar("prove, 1 thread", Tone::Now, &figures.prove_one_thread),
        timed_bar("prove, all threads", Tone::Now, &figures.prove_all_threads),
    ];
    let mut said = Vec::new();
    match &figures.snarkjs {
        Snarkjs::Measured { prove, verify, start } => {
            timed.extend([
                ("snarkjs prove", prove),
                ("snarkjs verify", verify),
                ("snarkjs start alone", start),
            ]);
            bars.push(timed_bar("snarkjs prove", Tone::Other, prove));
            said.push(Block::Text(
                "snarkjs ran on the same key, constraints and witness, as a command on all threads: its times \
                 hold the start of Node.js and the reading of the files."
                    .to_owned(),
            ));
        }
        Snarkjs::NotMeasured { reason } => {
            said.push(Block::Text(format!("Not compared with snarkjs: {reason}.")));
        }
    }
    let rows = timed.into_iter().map(|(name, timing)| timed_row(name, timing)).collect();
    let title = format!("{}: time to prove", figures.circuit);
    let mut blocks = vec![
        Block::Heading("Times".to_owned()),
        Block::Plot(Plot { title, groups: bars, mark: None }),
        Block::Table(Table { head: timing_head("Step"), rows, words: 1, sum: false }),
    ];
    blocks.extend(said);
    blocks
}

fn batches(figures: &CircuitFigures) -> Vec<Block> {
    let alone = &figures.verify;
    let row = |name: &str, timing: &Timing, all: &str| {
        let part = ratio(timing.median_ms / alone.median_ms);
        [timed_row(name, timing), vec![part, all.to_owned()]].concat()
    };
    let mut rows = vec![row("alone", alone, "")];
    let mut groups = vec![timed_bar("alone", Tone::Other, alone)];
    for batch in &figures.batches {
        let name = format!("in a batch of {}", batch.proofs);
        let all = milliseconds(batch.per_proof_all_threads.median_ms);
        rows.push(row(&name, &batch.per_proof, &all));
        groups.push(timed_bar(&name, Tone::Now, &batch.per_proof));
    }
    let mark = (alone.median_ms * BATCH_GOAL, format!("{BATCH_GOAL} of alone"));
    let title = format!("{}: time to verify, per proof, 1 thread", figures.circuit);
    let mut head = timing_head("A proof");
    head.extend(["Of alone", "All threads"].map(str::to_owned));
    vec![
        Block::Heading("Verifying many".to_owned()),
        Block::Plot(Plot { title, groups, mark: Some(mark) }),
        Block::Table(Table { head, rows, words: 1, sum: false }),
    ]
}

fn sizes(figures: &CircuitFigures) -> Vec<Block> {
    let files = &figures.bytes;
    let mut rows = vec![
        vec!["proof".to_owned(), bytes(files.proof)],
        vec!["verifying key".to_owned(), bytes(files.verifying_key)],
        vec!["proving key".to_owned(), bytes(files.proving_key)],
        vec![".r1cs file".to_owned(), bytes(files.r1cs)],
    ];
    if let Some(memory) = figures.prove_memory {
        rows.push(vec!["memory before proving".to_owned(), bytes(memory.before)]);
        rows.push(vec!["peak memory while proving".to_owned(), bytes(memory.peak)]);
    }
    let head = ["What", "Size"].map(str::to_owned).to_vec();
    vec![
        Block::Heading("Sizes".to_owned()),
        Block::Table(Table { head, rows, words: 1, sum: false }),
    ]
}

fn variants(variants: &[Variants]) -> Section {
    let warning = "Nobody proves with these circuits. They are made from the same parts in other sizes, to show \
                   what a size costs; the one that is proved with is marked.";
    let mut blocks = vec![Block::Warning(warning.to_owned())];
    for Variants { by, what, points } in variants {
        blocks.extend([Block::Heading(by.clone()), Block::Text(what.clone())]);
        let name = |size: &str, in_use| {
            if in_use { format!("{size}, in use") } else { size.to_owned() }
        };
        let groups = points.iter().map(|point| Group {
            name: name(&point.size, point.in_use),
            bars: vec![Bar {
                tone: Tone::Now,
                value: point.prove.median_ms,
                shown: milliseconds(point.prove.median_ms),
                spread: Some(point.prove.quartiles_ms),
            }],
        });
        let title = format!("{by}: time to prove, all threads");
        blocks.push(Block::Plot(Plot { title, groups: groups.collect(), mark: None }));
        let rows = points.iter().map(|point| {
            let mut row = vec![name(&point.size, point.in_use), count(point.constraints)];
            row.extend(timed_row("", &point.prove).into_iter().skip(1));
            row
        });
        let mut head = timing_head("Size");
        head.insert(1, "Constraints".to_owned());
        blocks.push(Block::Table(Table { head, rows: rows.collect(), words: 1, sum: false }));
    }
    Section { title: "What a size costs".to_owned(), blocks }
}

fn compared(comparison: &Comparison) -> Section {
    let commit = comparison.baseline_commit.as_deref().unwrap_or("unknown");
    let since = format!("The earlier report: {}, commit {commit}.", comparison.baseline_made);
    let mut blocks = vec![Block::Text(since)];
    let caveats = comparison.caveats.iter();
    blocks.extend(caveats.map(|text| Block::Warning(format!("Times do not compare: {text}."))));
    let rows = comparison.differences.iter().map(|it| {
        let shown = |amount: f64| match it.unit {
            Unit::Count => count(whole(amount)),
            Unit::Bytes => bytes(whole(amount)),
            Unit::Milliseconds => milliseconds(amount),
        };
        let part = it.ratio.map_or_else(|| "none before".to_owned(), ratio);
        vec![it.circuit.name().to_owned(), it.figure.clone(), shown(it.before), shown(it.now), part]
    });
    let head = ["Circuit", "Figure", "Before", "Now", "Now / before"].map(str::to_owned).to_vec();
    blocks.push(Block::Table(Table { head, rows: rows.collect(), words: 2, sum: false }));
    Section { title: "Since an earlier report".to_owned(), blocks }
}

fn method(report: &Report) -> Section {
    let said = [
        "Every proof was verified before its time was counted, and every batch passed.",
        "Figures are medians. The middle half, also the line across a bar, is from the lower to the upper quartile \
         of the runs; report.json has every single run.",
        "A proof's time holds the assignment of the witness and the check of every constraint.",
        "Setup makes a development key: whoever makes one can forge. It is measured, and thrown away.",
    ];
    let notes = report.notes.iter().map(String::as_str);
    let blocks = said.into_iter().chain(notes).map(|text| Block::Text(text.to_owned()));
    Section { title: "How this was measured".to_owned(), blocks: blocks.collect() }
}

fn words<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) -> Block {
    let rows = rows.into_iter().map(|row| row.to_vec()).collect();
    Block::Table(Table { head: head.map(str::to_owned).to_vec(), rows, words: N, sum: false })
}

fn timing_head(first: &str) -> Vec<String> {
    [first, "Median", "Middle half", "Runs"].map(str::to_owned).to_vec()
}

fn timed_row(name: &str, timing: &Timing) -> Vec<String> {
    let [low, high] = timing.quartiles_ms.map(milliseconds);
    let (median, half) = (milliseconds(timing.median_ms), format!("{low} – {high}"));
    vec![name.to_owned(), median, half, timing.samples_ms.len().to_string()]
}

fn timed_bar(name: &str, tone: Tone, timing: &Timing) -> Group {
    let (value, spread) = (timing.median_ms, Some(timing.quartiles_ms));
    let bars = vec![Bar { tone, value, shown: milliseconds(value), spread }];
    Group { name: name.to_owned(), bars }
}

fn bar(tone: Tone, value: f64, shown: String) -> Bar {
    Bar { tone, value, shown, spread: None }
}

/// A count or size that was made a float to stand beside times.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a saturating cast; only another program's report has other numbers than were counted"
)]
fn whole(amount: f64) -> u64 {
    amount.round() as u64
}
