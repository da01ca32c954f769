//! `proofgate approve`

use std::path::PathBuf;

use chain::identifier::DepartmentId;
use clap::Args;
use crypto::Digest;

use super::exit::Exit;
use super::failure::Failure;
use super::operator::Operator;
use super::say;
use super::text::plain;
use crate::folder::{Folder, read_document};
use crate::http::client::PeerProblem;
use crate::http::local::operating::{Approval, Proposal};
use crate::http::local_client::LocalClientError;

/// The code of a department's document that there is nothing to approve of.
const IN_FORCE: &str = "department-in-force";

/// The code of a key whose ceremony has not been verified here.
pub(super) const NOT_IMPORTED: &str = "circuit-not-imported";

/// Arguments of `proofgate approve`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What to approve: an entry's id, or a file with another department's document, which is put on the
    /// chain and approved. Without it, what waits for approvals is listed.
    what: Option<String>,
    /// Approve every new department and circuit that is put forward and open. What would take the place of
    /// a department's keys or of the validators is listed, and approved by its id alone. Exit status: 65 as
    /// long as something else is open that this gateway does not believe, which it names, unless it is the key of
    /// a ceremony about a circuit that has an approved one.
    #[arg(long, conflicts_with = "what")]
    all: bool,
    /// The department that approves, where the gateway hosts several.
    #[arg(long)]
    department: Option<DepartmentId>,
    /// Print JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Lists what departments approve, or approves.
pub(super) async fn run(folder: &Folder, arguments: Arguments) -> Result<(), Failure> {
    let what = match arguments.what.as_deref() {
        Some(text) => Some(What::of(text)?),
        None => arguments.all.then_some(What::All),
    };
    let operator = Operator::at(folder, arguments.department).await?;
    let done = act(&operator, what, arguments.json).await;
    operator.close().await?;
    done
}

/// What is to be approved.
enum What {
    All,
    Entry(Digest),
    Department(Box<chain::department::Department>),
}

impl What {
    fn of(text: &str) -> Result<Self, Failure> {
        if let Ok(entry) = text.parse() {
            return Ok(Self::Entry(entry));
        }
        let file = PathBuf::from(text);
        if !file.exists() {
            let told = format_args!(
                "{text}: neither the id of an entry, which is 64 hexadecimal digits as proofgate approve lists \
                 them, nor a file with a department's document"
            );
            return Err(Failure::new(Exit::NoInput, told));
        }
        Ok(Self::Department(Box::new(read_document(&file)?)))
    }
}

async fn act(operator: &Operator, what: Option<What>, json: bool) -> Result<(), Failure> {
    let client = &operator.client;
    let approved = match what {
        None => {
            let proposals = client.proposals().await?;
            if proposals.is_empty() && !json {
                say("nothing was put forward on this network");
                return Ok(());
            }
            list(&proposals, json);
            return Ok(());
        }
        Some(What::All) => return approve_all(operator, json).await,
        Some(What::Entry(entry)) => client.approve(Approval { entry }).await?.entry,
        Some(What::Department(document)) => match client.propose_department(&document).await {
            Err(LocalClientError::Problem(problem)) if problem.code == IN_FORCE => {
                eprintln!("proofgate: {}", plain(&problem.detail));
                return Ok(());
            }
            proposed => proposed?.entry,
        },
    };
    list_those(operator, &[approved], json).await
}

/// Approves all that is open and takes the place of nothing. One that is refused does not keep the others from
/// being approved, but is a failure.
async fn approve_all(operator: &Operator, json: bool) -> Result<(), Failure> {
    let client = &operator.client;
    let mut open = client.proposals().await?;
    open.retain(|it| !it.approved);
    if open.is_empty() && !json {
        say("nothing waits for approval");
        return Ok(());
    }
    let mut refused = Vec::new();
    for proposal in open.iter().filter(|it| !it.replaces) {
        match client.approve(Approval { entry: proposal.entry }).await {
            Err(LocalClientError::Problem(problem)) if is_about_the_entry(&problem) => {
                eprintln!("proofgate: {} not approved: {}", proposal.entry, plain(&problem.detail));
                refused.push((proposal, problem));
            }
            approved => drop(approved?),
        }
    }
    if open.iter().any(|it| it.replaces) {
        eprintln!(
            "proofgate: not approved, as it would take the place of what there is: look at it, and approve it by \
             its id"
        );
    }
    let entries: Vec<_> = open.iter().map(|it| it.entry).collect();
    list_those(operator, &entries, json).await?;
    // The key of a ceremony that lost to another one stays open, and is no failure for ever.
    let approved = client.proposals().await?;
    refused.retain(|(proposal, problem)| {
        let decided = problem.code == NOT_IMPORTED
            && approved.iter().any(|it| it.approved && it.circuit == proposal.circuit);
        if decided {
            eprintln!("proofgate: {}: another key of this circuit is approved", proposal.entry);
        }
        !decided
    });
    match refused.len() {
        0 => Ok(()),
        refused => {
            let told = format_args!("{refused} not approved, for the reasons above");
            Err(Failure::new(Exit::DataErr, told))
        }
    }
}

/// Whether an entry is refused for what it is: anybody puts forward what they like, and the next one may be good.
const fn is_about_the_entry(problem: &PeerProblem) -> bool {
    matches!(problem.status, 404 | 409 | 422)
}

/// Prints how these entries stand now.
async fn list_those(operator: &Operator, entries: &[Digest], json: bool) -> Result<(), Failure> {
    let mut proposals = operator.client.proposals().await?;
    proposals.retain(|it| entries.contains(&it.entry));
    list(&proposals, json);
    Ok(())
}

/// Prints proposals.
pub(super) fn list(proposals: &[Proposal], json: bool) {
    if json {
        say(serde_json::to_string_pretty(proposals).expect("texts and digests have a JSON form"));
        return;
    }
    for it in proposals {
        let state = if it.approved { "approved" } else { "open" };
        let mut about = it.about.clone().unwrap_or_default();
        if it.circuit.is_some() {
            // Two ceremonies of one circuit differ in nothing else that is told here.
            about = format!("{about}, document {}", it.document);
        }
        let by =
            if it.approvals.is_empty() { "nobody".to_owned() } else { it.approvals.join(", ") };
        say(format_args!(
            "{}  {state:8} {} {about}, put forward by {}, approved by {by}",
            it.entry, it.kind, it.author
        ));
    }
}
