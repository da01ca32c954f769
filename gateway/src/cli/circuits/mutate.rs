//! `proofgate circuits mutate`

use std::collections::BTreeMap;

use ::circuits::mutation::{FREE_WIRES, Mutations, Report, free_wires};
use ::circuits::statement::CircuitId;
use clap::Args;
use crypto::Digest;
use getrandom::SysRng;
use indicatif::{ProgressBar, ProgressStyle};
use rand_core::{Rng as _, UnwrapErr};
use serde_json::{Value as Json, json};

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::say;

/// Arguments of `proofgate circuits mutate`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Only this circuit.
    #[arg(long, value_name = "ID")]
    circuit: Option<CircuitId>,
    /// About so many constraints of each circuit, some of each function, instead of all.
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// What the search draws from, 64 hexadecimal digits, to repeat a run. Random if this is not given.
    #[arg(long, value_name = "HEX")]
    seed: Option<Digest>,
    /// Print JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Deletes constraints, and prints how many are guarded.
pub(in crate::cli) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let seed = arguments.seed.map_or_else(random, |seed| *seed.as_bytes());
    let mut reports = Vec::new();
    for circuit in CircuitId::ALL {
        if arguments.circuit.is_none_or(|only| only == circuit) {
            reports.push((of(circuit, seed, arguments.sample), free_wires(circuit, seed)));
        }
    }
    if arguments.json {
        let circuits = reports.iter().map(|(report, free)| {
            let mut json = json!(report);
            json["free_wires"] = json!(free);
            json
        });
        let circuits: Vec<Json> = circuits.collect();
        say(format_args!("{:#}", json!({"seed": Digest::from_bytes(seed), "circuits": circuits})));
    } else {
        say(format_args!("seed {}", Digest::from_bytes(seed)));
    }
    for (report, free) in &reports {
        if !arguments.json {
            print(report);
            for (function, count) in free {
                say(format_args!("  {count} private wires move freely in {function}"));
            }
        }
    }
    let mut bad = reports.iter().filter(|(report, free)| !is_as_listed(report, free));
    let Some((report, _)) = bad.next() else { return Ok(()) };
    let told =
        format_args!("not each constraint and private wire of {} is guarded", report.circuit);
    Err(Failure::new(Exit::DataErr, told))
}

/// Whether nothing survived, and no wire moves freely but those that are listed.
fn is_as_listed(report: &Report, free: &BTreeMap<String, usize>) -> bool {
    let is_listed = |function: &String, count: &usize| {
        FREE_WIRES.iter().any(|it| it.function == function && it.count == *count)
    };
    report.survivors.is_empty() && free.iter().all(|(function, count)| is_listed(function, count))
}

fn of(circuit: CircuitId, seed: [u8; 32], sample: Option<usize>) -> Report {
    let mutations = Mutations::of(circuit, seed);
    let rows =
        sample.map_or_else(|| (0..mutations.rows()).collect(), |count| mutations.sample(count));
    let bar = progress(rows.len() as u64).with_message(circuit.name());
    let report = mutations.run(&rows, || bar.inc(1));
    bar.finish_and_clear();
    report
}

fn print(report: &Report) {
    let Report { circuit, rows, deleted, guarded, listed, clauses, reasons, survivors } = report;
    say(format_args!(
        "{circuit}: {deleted} of {rows} constraints deleted, {guarded} guarded, {listed} listed, {} survived",
        survivors.len()
    ));
    let percent = |part: usize| 100.0 * part as f64 / (*deleted).max(1) as f64;
    say(format_args!(
        "  score {:.2} %, {:.2} % with the listed ones",
        percent(*guarded),
        percent(guarded + listed)
    ));
    for (clause, it) in clauses {
        say(format_args!(
            "  {clause:26} {:>6} deleted {:>6} guarded {:>6} listed {:>3} survived",
            it.deleted, it.guarded, it.listed, it.survived
        ));
    }
    for (reason, count) in reasons {
        say(format_args!("  {count} listed: {reason}"));
    }
    for survivor in survivors {
        say(format_args!("  survived: row {} in {}", survivor.row, survivor.functions.join(" > ")));
    }
}

fn progress(rows: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {elapsed_precise} {msg}");
    let bar = ProgressBar::new(rows);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn random() -> [u8; 32] {
    let mut seed = [0; 32];
    UnwrapErr(SysRng).fill_bytes(&mut seed);
    seed
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::circuits::mutation::Survivor;

    #[test]
    fn a_survivor_or_an_unlisted_free_wire_is_told() {
        let mut report = Mutations::of(CircuitId::IdentifiedV1, [7; 32]).run(&[], || ());
        let listed: BTreeMap<String, usize> =
            FREE_WIRES.iter().map(|it| (it.function.to_owned(), it.count)).collect();
        assert!(is_as_listed(&report, &listed));
        let other = [listed.clone(), BTreeMap::from([("enforce_bit".to_owned(), 1)])];
        assert!(!is_as_listed(&report, &other.into_iter().flatten().collect()));
        let more = listed.iter().map(|(function, count)| (function.clone(), count + 1));
        assert!(!is_as_listed(&report, &more.collect()));
        report.survivors.push(Survivor { row: 8, functions: vec!["enforce_bit".to_owned()] });
        assert!(!is_as_listed(&report, &listed));
    }
}
