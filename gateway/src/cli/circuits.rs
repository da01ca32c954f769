//! `proofgate circuits`

pub(super) mod bench;
pub(super) mod export;
pub(super) mod keys;
pub(super) mod list;
pub(super) mod mutate;

use chain::identifier::DepartmentId;
use clap::Subcommand;

use self::keys::Keys;
use super::approve;
use super::exit::Exit;
use super::failure::Failure;
use super::operator::Operator;
use crate::folder::{Folder, ImportedKey};
use crate::http::local::operating::{Proposal, Published};
use crate::http::local_client::LocalClientError;

/// Steps of `proofgate circuits`.
#[derive(Debug, Subcommand)]
pub(super) enum Step {
    /// Show the circuits of this build, and in a gateway's folder its keys to them.
    ///
    /// What the departments have approved of, `proofgate approve` lists.
    #[command(after_help = "Example: proofgate circuits list --json\n\
        Example: proofgate --dir tax circuits list")]
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
    let keys = Keys::of(folder, of_ceremony || folder.config()?.production)?;
    let operator = Operator::at(folder, department).await?;
    let proposed = put_forward(&operator, of_ceremony).await;
    operator.close().await?;
    let (proposed, rivals) = proposed?;
    approve::list(&proposed, json);
    for rival in rivals {
        let about = rival.about.as_deref().unwrap_or_default();
        let stands = if rival.approved { "is approved" } else { "is open" };
        eprintln!(
            "proofgate: another key of this circuit {stands}: {about}, document {}, put forward by {} as {}. Each \
             proves once more than two thirds of the departments have approved that one, so agree on one",
            rival.document, rival.author, rival.entry
        );
    }
    // A gateway that has run since before an import knows nothing of it.
    let unknown = |it: &&ImportedKey| {
        let digest = it.document.digest();
        proposed.iter().all(|proposal| proposal.document != digest)
    };
    if let Some(ImportedKey { document, .. }) = keys.imported().values().find(unknown) {
        return Err(not_loaded(&document.circuit));
    }
    keys.tell_missing();
    Ok(())
}

/// The folder has a key that its gateway does not.
fn not_loaded(of: &dyn std::fmt::Display) -> Failure {
    let told = format_args!(
        "the key of {of} that is in the folder is not one that the running gateway has: start the gateway again, \
         and run this once more"
    );
    Failure::new(Exit::TempFail, told)
}

/// What became of what was put forward, and its rivals.
async fn put_forward(
    operator: &Operator,
    of_ceremony: bool,
) -> Result<(Vec<Proposal>, Vec<Proposal>), Failure> {
    let client = &operator.client;
    let entries = loop {
        let proposed = match of_ceremony {
            true => client.propose_ceremonies().await,
            false => client.propose_circuits().await,
        };
        match proposed {
            // A slow machine still checks its proving keys; what was put forward is not again.
            Err(LocalClientError::Problem(problem)) if problem.code == "timeout" => {}
            Err(LocalClientError::Problem(problem)) if problem.code == approve::NOT_IMPORTED => {
                return Err(not_loaded(&"a ceremony"));
            }
            proposed => break proposed?,
        }
    };
    Ok(with_rivals(client.proposals().await?, &entries))
}

/// What was put forward under these entries; and the other keys of ceremonies that were put forward for the same
/// circuits, if ours still waits for approval.
fn with_rivals(proposals: Vec<Proposal>, entries: &[Published]) -> (Vec<Proposal>, Vec<Proposal>) {
    let is_ours = |it: &Proposal| entries.iter().any(|published| published.entry == it.entry);
    let (ours, others): (Vec<_>, Vec<_>) = proposals.into_iter().partition(is_ours);
    // Development keys of several departments are approved side by side.
    let is_rival = |it: &Proposal| {
        let beside =
            |of: &Proposal| !of.approved && of.circuit == it.circuit && of.document != it.document;
        it.circuit.as_ref().is_some_and(|key| !key.development) && ours.iter().any(beside)
    };
    let rivals = others.into_iter().filter(is_rival).collect();
    (ours, rivals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::local::operating::ProposedKey;
    use ::circuits::statement::CircuitId;
    use crypto::Digest;

    /// The proposal of a key, whose entry and document are of these bytes.
    fn proposal(entry: u8, document: u8, id: CircuitId, development: bool) -> Proposal {
        Proposal {
            entry: Digest::from_bytes([entry; 32]),
            kind: "circuit".to_owned(),
            author: "tax".to_owned(),
            document: Digest::from_bytes([document; 32]),
            circuit: Some(ProposedKey { id, development }),
            about: None,
            replaces: false,
            approvals: Vec::new(),
            approved: false,
        }
    }

    #[test]
    fn rivals_are_other_keys_of_ceremonies_of_the_same_circuit_as_long_as_ours_waits() {
        let [one, two] = [CircuitId::IdentifiedV1, CircuitId::PseudonymousV1];
        let others = [
            proposal(2, 2, one, false),
            proposal(3, 1, one, false), // put forward twice
            proposal(4, 4, two, false),
            proposal(5, 5, one, true),
            Proposal { approved: true, ..proposal(6, 6, one, false) },
        ];
        let found = |ours: Proposal| {
            let entries = [Published { entry: ours.entry }];
            let all = others.iter().cloned().chain([ours.clone()]).collect();
            let (found, rivals) = with_rivals(all, &entries);
            assert_eq!(found, [ours]);
            rivals
        };
        let open = proposal(1, 1, one, false);
        assert_eq!(found(open.clone()), [others[0].clone(), others[4].clone()]);
        assert_eq!(found(Proposal { approved: true, ..open }), []);
        assert_eq!(found(proposal(1, 1, one, true)), [], "development keys have none");
    }
}
