//! `proofgate request`

use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::time::Duration;

use ::circuits::encoding::Date;
use chain::identifier::DepartmentId;
use clap::{Args, Subcommand};
use crypto::Digest;
use serde_json::Value as Json;

use super::exit::Exit;
use super::failure::Failure;
use super::operator::Operator;
use super::output::say_all;
use super::say;
use crate::folder::Folder;
use crate::http::local::{About, Ask, Asked, AskedBasis, AskedStatus, NonceText, SubjectText};

/// The longest subject that is read from standard input, in bytes.
const MAX_SUBJECT_BYTES: u64 = 64;
/// How long one call waits for an answer; longer waits are several calls.
const ONE_WAIT: Duration = Duration::from_secs(20);

/// Arguments of `proofgate request`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The department that asks, where the gateway hosts several.
    #[arg(long, global = true)]
    department: Option<DepartmentId>,
    /// Print JSON on standard output.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Ask another department whether a citizen meets a condition.
    #[command(
        after_help = "Example: proofgate --dir welfare request ask --issuer tax --dataset wages \
        --subject - --purpose benefit-eligibility \
        --query '[{\"path\":[\"wages_cents\"],\"predicate\":{\"$lt\":3000000}}]' --wait 600 < subject.txt"
    )]
    Ask(Box<Question>),
    /// Show what became of a question.
    #[command(after_help = "Example: proofgate --dir welfare request show DIGEST --wait 60")]
    Show {
        /// Digest of the request.
        request: Digest,
        /// Seconds to wait while it is open.
        #[arg(long, default_value_t = 0)]
        wait: u64,
    },
    /// List the questions that this department asked; whom they are about is not in the list.
    #[command(after_help = "Example: proofgate --dir welfare request list")]
    List,
    /// Print the signed offer of a pseudonymous question, for the citizen's wallet.
    #[command(after_help = "Example: proofgate --dir welfare request offer DIGEST > offer.json")]
    Offer {
        /// Digest of the request.
        request: Digest,
    },
    /// Print the bundle of a verified answer, for the file: anybody can verify it later, offline.
    ///
    /// That of a question about a named citizen says what is true of them: it is not to be given on.
    #[command(after_help = "Example: proofgate --dir welfare request bundle DIGEST > answer.json")]
    Bundle {
        /// Digest of the request.
        request: Digest,
    },
    /// List the questions that others asked this department.
    #[command(after_help = "Example: proofgate --dir tax request received --json")]
    Received,
}

/// A question on the command line.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("about").required(true).args(["subject", "pseudonymous"]))]
struct Question {
    /// The department that holds the records.
    #[arg(long)]
    issuer: DepartmentId,
    /// Which of its datasets.
    #[arg(long)]
    dataset: String,
    /// The citizen's identifier, or - to read it from standard input, where other users of this machine
    /// do not see it.
    #[arg(long)]
    subject: Option<String>,
    /// Ask whoever takes the offer to the issuer, and learn a pseudonym only.
    #[arg(long)]
    pseudonymous: bool,
    /// The condition: JSON, or @FILE.
    #[arg(long)]
    query: String,
    /// What the answer is for, as the service document spells it.
    #[arg(long)]
    purpose: String,
    /// The law on which no consent is needed, as the service document spells it.
    #[arg(long)]
    law: Option<String>,
    /// The date that ages are counted at; today if this is not given.
    #[arg(long)]
    as_of: Option<Date>,
    /// Seconds until no answer counts any more.
    #[arg(long, default_value_t = 600)]
    expires_in: u64,
    /// The nonce of an earlier question of the same set about the same citizen.
    #[arg(long)]
    nonce: Option<NonceText>,
    /// Under one key the same question is asked once, however often this is run.
    #[arg(long)]
    idempotency_key: Option<String>,
    /// Seconds to wait for the answer.
    #[arg(long, default_value_t = 0)]
    wait: u64,
}

/// Asks, or shows what became of questions.
pub(super) async fn run(folder: &Folder, arguments: Arguments) -> Result<(), Failure> {
    let Arguments { department, json, step } = arguments;
    let question = match &step {
        Step::Ask(question) => Some(ask(question)?),
        _ => None,
    };
    let operator = Operator::at(folder, department).await?;
    let done = act(&operator, step, question, json).await;
    operator.close().await?;
    done
}

async fn act(
    operator: &Operator,
    step: Step,
    question: Option<Ask>,
    json: bool,
) -> Result<(), Failure> {
    match step {
        Step::Ask(given) => {
            let question = question.expect("it was read before the gateway was opened");
            let asked = operator.client.ask(&question, given.idempotency_key.as_deref()).await?;
            tell(&waited(operator, asked, given.wait).await?, json)?;
            if matches!(question.about, About::Whoever) && !json {
                say(
                    "next: proofgate request offer and this digest make the file that the citizen takes there",
                );
            }
            Ok(())
        }
        Step::Show { request, wait } => {
            let asked = operator.client.asked(&request, Duration::ZERO).await?;
            tell(&waited(operator, asked, wait).await?, json)
        }
        Step::List => {
            let asked = operator.client.questions().await?;
            if json {
                print_json(&asked);
                return Ok(());
            }
            if asked.is_empty() {
                say("nothing was asked");
            }
            for it in asked {
                let status = match it.status {
                    AskedStatus::Sent => "sent",
                    AskedStatus::Verified => "verified",
                    AskedStatus::NotProven => "not proven",
                    AskedStatus::Rejected { .. } => "rejected",
                };
                say(format_args!("{}  {}  {}  {status}", it.request, it.issuer, it.purpose));
            }
            Ok(())
        }
        Step::Offer { request } => {
            say(format_args!("{:#}", operator.client.offer(&request).await?));
            Ok(())
        }
        Step::Bundle { request } => {
            let bundle = operator.client.bundle(&request).await?.to_vec();
            say_all(&bundle);
            Ok(())
        }
        Step::Received => {
            let received = operator.client.received().await?;
            if json {
                print_json(&received);
                return Ok(());
            }
            if received.is_empty() {
                say("nothing was received");
            }
            for it in received {
                let silence = it.silence.map(|why| format!(": {why}")).unwrap_or_default();
                say(format_args!("{}  {}  {}{silence}", it.request, it.requester, it.state));
            }
            Ok(())
        }
    }
}

/// The question as the gateway takes it.
fn ask(question: &Question) -> Result<Ask, Failure> {
    let about = match question.subject.as_deref() {
        None => About::Whoever,
        Some("-") => About::Subject(SubjectText(subject_from_input()?)),
        Some(text) => About::Subject(SubjectText(text.to_owned())),
    };
    let legal_basis = match &question.law {
        Some(reference) => AskedBasis::Statutory { reference: reference.clone() },
        None => AskedBasis::Consent {},
    };
    let as_of = question.as_of.unwrap_or_else(today);
    Ok(Ask {
        issuer: question.issuer.to_string(),
        dataset: question.dataset.clone(),
        about,
        query: query(&question.query)?,
        purpose: question.purpose.clone(),
        legal_basis,
        as_of: as_of.to_string(),
        expires_in: question.expires_in,
        nonce: question.nonce,
    })
}

fn today() -> Date {
    use chain::time::Clock as _;
    Date::from_unix_seconds(chain::time::SystemClock.now().unix_seconds())
}

/// The citizen's identifier: all of standard input, or a line that is asked for if that is a terminal.
pub(super) fn subject_from_input() -> Result<String, Failure> {
    let (mut text, input) = (String::new(), std::io::stdin().lock());
    let at_terminal = input.is_terminal();
    let mut input = input.take(MAX_SUBJECT_BYTES + 1);
    let read = if at_terminal {
        eprint!("the citizen's identifier: ");
        input.read_line(&mut text)
    } else {
        input.read_to_string(&mut text)
    };
    if text.len() as u64 > MAX_SUBJECT_BYTES {
        let told = "standard input: too long for a citizen's identifier";
        return Err(Failure::new(Exit::DataErr, told));
    }
    read.map_err(|error| Failure::new(Exit::DataErr, format_args!("standard input: {error}")))?;
    Ok(text.trim().to_owned())
}

fn query(text: &str) -> Result<Json, Failure> {
    match text.strip_prefix('@') {
        Some(path) => super::service::read_json(&PathBuf::from(path)),
        None => serde_json::from_str(text)
            .map_err(|error| Failure::new(Exit::Usage, format_args!("--query: {error}"))),
    }
}

/// The question after at most `seconds`, or once it is not open any more.
async fn waited(operator: &Operator, asked: Asked, seconds: u64) -> Result<Asked, Failure> {
    let until = tokio::time::Instant::now() + Duration::from_secs(seconds);
    let mut asked = asked;
    while asked.status == AskedStatus::Sent {
        let left = until.saturating_duration_since(tokio::time::Instant::now());
        if left.is_zero() {
            break;
        }
        asked = operator.client.asked(&asked.request, left.min(ONE_WAIT)).await?;
    }
    Ok(asked)
}

/// Prints what became of a question. A bad answer is a failure, no answer is none: nobody said anything.
fn tell(asked: &Asked, json: bool) -> Result<(), Failure> {
    if json {
        print_json(asked);
    } else {
        let status = match &asked.status {
            AskedStatus::Sent if asked.rejected.is_some() => "sent: no good answer yet",
            AskedStatus::Sent => "sent: no answer yet",
            AskedStatus::Verified => "verified: a proof of exactly this question holds",
            AskedStatus::NotProven => "not proven: no answer in time",
            AskedStatus::Rejected { .. } => "rejected: an answer came that does not verify",
        };
        say(status);
        say(format_args!("request {}", asked.request));
        if let Some(entry) = asked.entry {
            say(format_args!("entry   {entry}"));
        }
        if let Some(code) = &asked.rejected {
            say(format_args!(
                "refused an answer that does not verify: {code}; a good one still counts"
            ));
        }
        if let Some(tag) = asked.subject_tag {
            say(format_args!("subject tag {tag}"));
        }
        if let Some(pseudonym) = asked.pseudonym {
            say(format_args!("pseudonym {pseudonym}"));
        }
        for note in &asked.notes {
            say(format_args!("note    {note}"));
        }
    }
    match &asked.status {
        AskedStatus::Rejected { code } => {
            Err(Failure::new(Exit::DataErr, format_args!("the answer does not verify: {code}")))
        }
        _ => Ok(()),
    }
}

pub(super) fn print_json(value: &impl serde::Serialize) {
    say(serde_json::to_string_pretty(value).expect("texts, numbers and digests have a JSON form"));
}
