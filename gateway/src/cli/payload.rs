//! `proofgate payload`

mod part_file;

use std::path::{Path, PathBuf};
use std::time::Duration;

use chain::identifier::DepartmentId;
use clap::{Args, Subcommand};
use crypto::Digest;
use crypto::envelope::PayloadId;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::fs::File;
use tokio::time::{Instant, sleep_until};

use super::exit::Exit;
use super::failure::Failure;
use super::operator::Operator;
use super::request::print_json;
use super::say;
use crate::folder::Folder;
use crate::http::local::{Delivery, PayloadReceived, PayloadSent};
use crate::http::local_client::PayloadToError;

/// Time between two looks for a payload that is waited for.
const LOOK: Duration = Duration::from_secs(1);

/// Arguments of `proofgate payload`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The department, where the gateway hosts several.
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
    /// Seal a file to the other side of an answered question.
    #[command(after_help = "Example: proofgate --dir tax payload send --request DIGEST letter.pdf")]
    Send {
        /// Digest of the request.
        #[arg(long)]
        request: Digest,
        /// The document's name; the file's if this is not given.
        #[arg(long)]
        name: Option<String>,
        /// Seconds to wait until the recipient has checked it.
        #[arg(long, default_value_t = 0)]
        wait: u64,
        /// The file.
        file: PathBuf,
    },
    /// List the payloads that others sent.
    #[command(after_help = "Example: proofgate --dir welfare payload list")]
    List,
    /// Show what became of a payload that was sent.
    #[command(after_help = "Example: proofgate --dir tax payload show ID")]
    Show {
        /// The payload.
        id: PayloadId,
    },
    /// Open a payload that is complete, and write it to a file. What broke off goes on where it was.
    #[command(after_help = "Example: proofgate --dir welfare payload receive ID --out letter.pdf")]
    Receive {
        /// The payload.
        id: PayloadId,
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
        /// Seconds to wait until the payload is complete.
        #[arg(long, default_value_t = 0)]
        wait: u64,
    },
}

/// Sends and receives documents.
pub(super) async fn run(folder: &Folder, arguments: Arguments) -> Result<(), Failure> {
    let Arguments { department, json, step } = arguments;
    let file = match &step {
        Step::Send { file, .. } => Some(File::open(file).await.map_err(Failure::reading(file))?),
        _ => None,
    };
    let operator = Operator::at(folder, department).await?;
    let done = match step {
        Step::Send { request, name, wait, file: path } => {
            let file = file.expect("it was opened before the gateway was");
            send(&operator, &request, name, (&path, file), wait, json).await
        }
        Step::List => list(&operator, json).await,
        Step::Show { id } => show(&operator, &id, json).await,
        Step::Receive { id, out, wait } => receive(&operator, &id, &out, wait, json).await,
    };
    operator.close().await?;
    done
}

async fn send(
    operator: &Operator,
    request: &Digest,
    name: Option<String>,
    (path, file): (&Path, File),
    wait: u64,
    json: bool,
) -> Result<(), Failure> {
    let length = file.metadata().await.map_err(Failure::reading(path))?.len();
    let own = || path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.or_else(own).unwrap_or_else(|| "document".to_owned());
    let bar = bar(length);
    let reader = bar.wrap_async_read(file);
    let sent = operator.client.send_payload_from(request, &name, reader, length).await;
    bar.finish_and_clear();
    let mut sent = sent?;
    let until = Instant::now() + Duration::from_secs(wait);
    while sent.delivery == Delivery::Underway && Instant::now() < until {
        sleep_until(until.min(Instant::now() + LOOK)).await;
        sent = operator.client.sent_payload(&sent.id).await?;
    }
    tell(&sent, json)
}

async fn show(operator: &Operator, id: &PayloadId, json: bool) -> Result<(), Failure> {
    tell(&operator.client.sent_payload(id).await?, json)
}

fn tell(sent: &PayloadSent, json: bool) -> Result<(), Failure> {
    if json {
        print_json(sent);
    } else {
        let state = match &sent.delivery {
            Delivery::Underway => "underway: the gateway goes on with it",
            Delivery::Delivered => "delivered: the recipient has checked all of it",
            Delivery::Refused { .. } => "refused by the recipient",
        };
        say(format_args!("payload {}, {} bytes, {state}", sent.id, sent.bytes));
    }
    match &sent.delivery {
        Delivery::Refused { code } => {
            Err(Failure::new(Exit::DataErr, format_args!("the recipient refused it: {code}")))
        }
        _ => Ok(()),
    }
}

async fn list(operator: &Operator, json: bool) -> Result<(), Failure> {
    let payloads = operator.client.payloads().await?;
    if json {
        print_json(&payloads);
        return Ok(());
    }
    if payloads.is_empty() {
        say("nothing was received");
    }
    for PayloadReceived { id, sender, complete, .. } in payloads {
        match complete {
            Some(it) => say(format_args!("{id}  {sender}  {} bytes  {}", it.bytes, it.name)),
            None => say(format_args!("{id}  {sender}  not complete yet")),
        }
    }
    Ok(())
}

async fn receive(
    operator: &Operator,
    id: &PayloadId,
    out: &Path,
    wait: u64,
    json: bool,
) -> Result<(), Failure> {
    if out.symlink_metadata().is_ok() {
        let text = format_args!("{}: there is a file already; name another", out.display());
        return Err(Failure::new(Exit::CantCreat, text));
    }
    let until = Instant::now() + Duration::from_secs(wait);
    let complete = loop {
        let found = received(operator, id).await?;
        if let Some(complete) = found.as_ref().and_then(|it| it.complete.clone()) {
            break complete;
        }
        if Instant::now() >= until {
            return Err(match found {
                Some(PayloadReceived { sender, .. }) => Failure::new(
                    Exit::TempFail,
                    format_args!("payload {id} of {sender} is not complete yet; try again later"),
                ),
                None => Failure::new(
                    Exit::DataErr,
                    format_args!(
                        "nothing has come of a payload {id}: proofgate payload list shows what others \
                         have sent, proofgate payload show what became of one that was sent from here"
                    ),
                ),
            });
        }
        sleep_until(until.min(Instant::now() + LOOK)).await;
    };
    // What is there of an earlier attempt is kept, under a name that says what it is.
    let mut part = out.as_os_str().to_owned();
    part.push(format!(".{id}.part"));
    let part = PathBuf::from(part);
    let bytes = complete.bytes;
    part_file::write(&part, bytes, complete.sha256, async |from, file| {
        let bar = bar(bytes);
        bar.set_position(from);
        let mut target = bar.wrap_async_write(file);
        let written = operator.client.payload_to(id, from, &mut target).await;
        bar.finish_and_clear();
        written.map(drop).map_err(|error| match error {
            PayloadToError::Gateway(error) => Failure::from(error),
            PayloadToError::Target(error) => Failure::writing(&part)(error),
        })
    })
    .await?;
    part_file::rename(&part, out).await?;
    if json {
        print_json(&serde_json::json!({ "id": id, "bytes": bytes, "file": out }));
    } else {
        say(format_args!("{bytes} bytes in {}", out.display()));
    }
    Ok(())
}

/// What is known of a payload that somebody sends; none before its first part has come.
async fn received(operator: &Operator, id: &PayloadId) -> Result<Option<PayloadReceived>, Failure> {
    let payloads = operator.client.payloads().await?;
    Ok(payloads.into_iter().find(|it| it.id == *id))
}

fn bar(length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {bytes} of {total_bytes}, {bytes_per_sec}");
    ProgressBar::new(length).with_style(style.expect("the template is well-formed"))
}
