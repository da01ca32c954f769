//! `proofgate circuits`

pub(super) mod bench;
pub(super) mod export;
pub(super) mod mutate;

use ::circuits::statement::CircuitId;
use chain::identifier::DepartmentId;
use clap::Subcommand;
use crypto::Digest;
use serde_json::json;

use super::failure::Failure;
use super::operator::Operator;
use super::{approve, say};
use crate::folder::Folder;
use crate::http::local_client::LocalClientError;

/// Steps of `proofgate circuits`.
#[derive(Debug, Subcommand)]
pub(super) enum Step {
    /// Show the circuits of this build.
    #[command(after_help = "Example: proofgate circuits list --json")]
    List {
        /// Print them as JSON on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Put this gateway's proving keys forward, and approve them; they prove once more than two thirds of
    /// the departments have.
    #[command(after_help = "Example: proofgate --dir tax circuits propose")]
    Propose {
        /// The department that puts them forward, where the gateway hosts several.
        #[arg(long)]
        department: Option<DepartmentId>,
        /// Print JSON on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Write the circuits as files of iden3's tools: `.r1cs`, and for a sample or a question `.wtns`, verifying
    /// key, proof and public inputs.
    #[command(after_help = "Example: proofgate circuits export --sample --out exported\n\
        Example: proofgate --dir tax circuits export --request DIGEST --out exported")]
    Export(export::Arguments),
    /// Measure the circuits on this machine: constraints by clause, times, memory and sizes, as JSON,
    /// Markdown and a page with plots. Takes minutes.
    #[command(
        after_help = "Example: proofgate circuits bench --out report --baseline earlier/report.json"
    )]
    Bench(bench::Arguments),
    /// Delete each constraint by itself, and look for an assignment that the circuit without it would accept.
    ///
    /// Exit status: 0 each is guarded or listed with a reason, 65 one is not.
    #[command(
        after_help = "Example: proofgate circuits mutate --circuit identified/v1 --sample 500"
    )]
    Mutate(mutate::Arguments),
}

/// Puts the gateway's own keys forward, or those of a ceremony among them.
pub(super) async fn propose(
    folder: &Folder,
    department: Option<DepartmentId>,
    of_ceremony: bool,
    json: bool,
) -> Result<(), Failure> {
    let operator = Operator::at(folder, department).await?;
    let proposed = async {
        let entries = loop {
            let client = &operator.client;
            let proposed = match of_ceremony {
                true => client.propose_ceremonies().await,
                false => client.propose_circuits().await,
            };
            match proposed {
                // A slow machine still checks its proving keys; what was put forward is not again.
                Err(LocalClientError::Problem(problem)) if problem.code == "timeout" => {}
                proposed => break proposed?,
            }
        };
        let proposals = operator.client.proposals().await?;
        let ours = |it: &crate::http::local::operating::Proposal| {
            entries.iter().any(|published| published.entry == it.entry)
        };
        let ours: Vec<_> = proposals.into_iter().filter(ours).collect();
        approve::list(&ours, json);
        Ok(())
    }
    .await;
    operator.close().await?;
    proposed
}

/// Prints the circuits of this build.
pub(super) fn list(json: bool) {
    let circuits = CircuitId::ALL.map(|id| (id, id.r1cs()));
    if json {
        let list: Vec<_> = circuits
            .iter()
            .map(|(id, r1cs)| {
                json!({
                    "circuit": id, "constraints": r1cs.constraints(),
                    "public_inputs": r1cs.public_inputs(),
                    "r1cs_sha256": Digest::from_bytes(r1cs.digest())
                })
            })
            .collect();
        say(format_args!("{:#}", json!(list)));
        return;
    }
    for (id, r1cs) in &circuits {
        say(format_args!(
            "{id:16} {:>6} constraints  {} public inputs  r1cs sha256 {}",
            r1cs.constraints(),
            r1cs.public_inputs(),
            Digest::from_bytes(r1cs.digest())
        ));
    }
}
