//! `proofgate enrolment-code`

use chain::identifier::DepartmentId;
use clap::Args;

use super::failure::Failure;
use super::operator::Operator;
use super::request::{print_json, subject_from_input};
use super::say;
use crate::folder::Folder;
use crate::http::local::SubjectText;

/// Arguments of `proofgate enrolment-code`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The citizen's identifier, or - to read it from standard input, where other users of this machine
    /// do not see it.
    #[arg(long, default_value = "-")]
    subject: String,
    /// The registrar, where the gateway hosts several departments.
    #[arg(long)]
    department: Option<DepartmentId>,
    /// Print JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Makes a one-time code for a citizen whom the clerk has identified.
pub(super) async fn run(folder: &Folder, arguments: Arguments) -> Result<(), Failure> {
    let subject = match arguments.subject.as_str() {
        "-" => subject_from_input()?,
        text => text.to_owned(),
    };
    let operator = Operator::at(folder, arguments.department).await?;
    let code = operator.client.enrolment_code(SubjectText(subject)).await;
    operator.close().await?;
    let code = code?;
    if arguments.json {
        print_json(&code);
    } else {
        say(&code.code);
    }
    Ok(())
}
