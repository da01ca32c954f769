//! Two reports next to each other.

use circuits::statement::CircuitId;
use serde::{Deserialize, Serialize};

use super::{CircuitFigures, Machine, Report};

/// What changed since an earlier report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// When the earlier run began.
    pub baseline_made: String,
    /// The earlier run's commit.
    pub baseline_commit: Option<String>,
    /// Why times cannot be compared: what is different about the machine, or the run. Empty if they can.
    pub caveats: Vec<String>,
    /// Every figure that both reports have.
    pub differences: Vec<Difference>,
}

/// One figure in two reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The circuit.
    pub circuit: CircuitId,
    /// Which figure.
    pub figure: String,
    /// Of what kind.
    pub unit: Unit,
    /// In the earlier report.
    pub before: f64,
    /// In this one.
    pub now: f64,
    /// `now / before`; absent if that was 0.
    pub ratio: Option<f64>,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Things.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds; a median.
    Milliseconds,
}

impl Comparison {
    /// Of a report with an earlier one.
    pub fn of(now: &Report, baseline: &Report) -> Self {
        let mut differences = Vec::new();
        for figures in &now.circuits {
            let earlier = baseline.circuits.iter().find(|it| it.circuit == figures.circuit);
            let Some(earlier) = earlier.map(amounts) else { continue };
            for (figure, unit, now) in amounts(figures) {
                let same = earlier.iter().find(|(name, ..)| *name == figure);
                let Some((_, _, before)) = same else { continue };
                differences.push(Difference {
                    circuit: figures.circuit,
                    figure,
                    unit,
                    before: *before,
                    now,
                    ratio: (*before != 0.0).then(|| now / before),
                });
            }
        }
        Self {
            baseline_made: baseline.made.clone(),
            baseline_commit: baseline.commit.clone(),
            caveats: caveats(now, baseline),
            differences,
        }
    }
}

/// Every figure of a circuit as a number.
pub(super) fn amounts(figures: &CircuitFigures) -> Vec<(String, Unit, f64)> {
    // Counts and sizes are far below 2^53.
    let exact = |name: &str, unit, number: u64| (name.to_owned(), unit, number as f64);
    let time = |name: &str, timing: &super::Timing| {
        (name.to_owned(), Unit::Milliseconds, timing.median_ms)
    };
    let mut amounts = vec![
        exact("constraints", Unit::Count, figures.constraints),
        exact("private wires", Unit::Count, figures.private_wires),
        exact("proof", Unit::Bytes, figures.bytes.proof),
        exact("verifying key", Unit::Bytes, figures.bytes.verifying_key),
        exact("proving key", Unit::Bytes, figures.bytes.proving_key),
        time("setup", &figures.setup),
        time("witness", &figures.witness),
        time("prove, 1 thread", &figures.prove_one_thread),
        time("prove, all threads", &figures.prove_all_threads),
        time("verify", &figures.verify),
    ];
    for batch in &figures.batches {
        amounts.push(time(&format!("verify in a batch of {}", batch.proofs), &batch.per_proof));
    }
    if let Some(memory) = figures.prove_memory {
        amounts.push(exact("peak memory while proving", Unit::Bytes, memory.peak));
    }
    amounts
}

fn caveats(now: &Report, baseline: &Report) -> Vec<String> {
    let Machine { processor, threads, memory_bytes, system, architecture } = &now.machine;
    let earlier = &baseline.machine;
    let memory = |bytes: Option<u64>| bytes.map_or("unknown".to_owned(), super::number::bytes);
    let said = [
        ("processor", processor.clone(), earlier.processor.clone()),
        ("number of threads", threads.to_string(), earlier.threads.to_string()),
        ("memory", memory(*memory_bytes), memory(earlier.memory_bytes)),
        ("system", system.clone(), earlier.system.clone()),
        ("instruction set", architecture.clone(), earlier.architecture.clone()),
        ("build", build(now), build(baseline)),
    ];
    let mut caveats: Vec<_> = said
        .into_iter()
        .filter(|(_, now, before)| now != before)
        .map(|(what, now, before)| format!("another {what}: {before} then, {now} now"))
        .collect();
    if now.quick || baseline.quick {
        caveats
            .push("a quick run: too few repetitions to tell small changes from noise".to_owned());
    }
    caveats
}

fn build(report: &Report) -> String {
    report.versions.get("build").cloned().unwrap_or_else(|| "unknown".to_owned())
}
