//! `proofgate audit`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain::audit::audit_folder;
use chain::checkpoint::{Checkpoint, NoteKey, SignedCheckpoint};
use chain::genesis::Genesis;

use super::say;

/// Audits a chain folder, also against checkpoints that were kept, and prints what was found.
pub(super) fn run(
    genesis: &Path,
    chain: &Path,
    checkpoints: &[PathBuf],
    json: bool,
) -> Result<(), String> {
    let bytes =
        std::fs::read(genesis).map_err(|error| format!("{}: {error}", genesis.display()))?;
    let facts = Genesis::from_slice(&bytes)
        .map_err(|error| format!("{}: {error} [{}]", genesis.display(), error.code()))?;
    let known: Vec<_> =
        checkpoints.iter().map(|path| kept(&facts, path)).collect::<Result<_, _>>()?;
    let report = audit_folder(Arc::new(facts), chain, &known)
        .map_err(|error| format!("{}: {error} [{}]", chain.display(), error.code()))?;
    if json {
        let text = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
        say(text);
        return Ok(());
    }
    say(format_args!("ok: {} blocks, {} entries re-verified", report.height, report.log_size));
    for (kind, count) in &report.entries {
        say(format_args!("{count:>8} {kind}"));
    }
    say(format_args!("network {}\n\n{}", report.network, report.checkpoint));
    match (report.known_checkpoints, report.single_operator) {
        (0, true) => say(
            "one validator certifies this chain: audit it with --checkpoint against one that you kept",
        ),
        (0, false) => {}
        (held, _) => say(format_args!("kept checkpoints that this chain continues: {held}")),
    }
    Ok(())
}

/// A checkpoint that somebody kept, as `/checkpoint` served it: signed by a validator of the genesis.
fn kept(genesis: &Genesis, path: &Path) -> Result<Checkpoint, String> {
    let fault = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let note = std::fs::read_to_string(path).map_err(|error| fault(&error))?;
    let signed = SignedCheckpoint::parse(&note)
        .map_err(|error| fault(&format_args!("{error} [{}]", error.code())))?;
    let (origin, validators) = (&genesis.facts().name, &genesis.facts().validators);
    let keys = validators.iter().map(|it| NoteKey::log(origin.clone(), it.key));
    let (checkpoint, _) = signed
        .verify(origin, &keys.collect::<Vec<_>>())
        .map_err(|error| fault(&format_args!("{error} [{}]", error.code())))?;
    Ok(checkpoint.clone())
}
