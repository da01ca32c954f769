//! `proofgate audit`

use std::path::Path;
use std::sync::Arc;

use chain::audit::audit_folder;
use chain::genesis::Genesis;

/// Audits a chain folder and prints what was found.
pub(super) fn run(genesis: &Path, chain: &Path, json: bool) -> Result<(), String> {
    let bytes =
        std::fs::read(genesis).map_err(|error| format!("{}: {error}", genesis.display()))?;
    let facts = Genesis::from_slice(&bytes)
        .map_err(|error| format!("{}: {error} [{}]", genesis.display(), error.code()))?;
    let report = audit_folder(Arc::new(facts), chain, &[])
        .map_err(|error| format!("{}: {error} [{}]", chain.display(), error.code()))?;
    if json {
        let text = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
        println!("{text}");
        return Ok(());
    }
    println!("ok: {} blocks, {} entries re-verified", report.height, report.log_size);
    for (kind, count) in &report.entries {
        println!("{count:>8} {kind}");
    }
    println!("network {}\n\n{}", report.network, report.checkpoint);
    if report.single_operator {
        println!(
            "one validator certifies this chain: compare the checkpoint with one that you kept"
        );
    }
    Ok(())
}
