//! `proofgate import`

use std::io::Write as _;
use std::path::{Path, PathBuf};

use chain::identifier::DepartmentId;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::fs::File;

use super::exit::Exit;
use super::failure::Failure;
use super::operator::Operator;
use super::request::print_json;
use super::say;
use super::service::read_schema;
use crate::folder::Folder;
use crate::http::local::datasets::{ImportQuery, Imported, RejectedRow};
use crate::http::local_client::LocalClientError;
use crate::import::Format;
use crate::records::schema_digest;

/// Rejected rows that are shown; all of them are in the rejects file.
const SHOWN: usize = 10;

/// Arguments of `proofgate import`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The file.
    file: PathBuf,
    /// The dataset, which a published service has made.
    #[arg(long)]
    dataset: String,
    /// Check first that the dataset has this schema.
    #[arg(long)]
    schema: Option<PathBuf>,
    /// How the file spells its rows; by its name if this is not given: .jsonl and .ndjson are JSON Lines.
    #[arg(long)]
    format: Option<Spelling>,
    /// Import the good rows of a file that has bad ones, instead of nothing.
    #[arg(long)]
    skip_bad: bool,
    /// Where to list rejected rows, as CSV: line, field, reason. With --skip-bad it is FILE.rejects.csv if
    /// this is not given.
    #[arg(long)]
    rejects: Option<PathBuf>,
    /// The department, where the gateway hosts several.
    #[arg(long)]
    department: Option<DepartmentId>,
    /// Print JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// How a file spells its rows.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Spelling {
    Csv,
    JsonLines,
}

/// Imports a file: all of it or nothing.
pub(super) async fn run(folder: &Folder, arguments: Arguments) -> Result<(), Failure> {
    let path = &arguments.file;
    let file = File::open(path).await.map_err(Failure::reading(path))?;
    let length = file.metadata().await.map_err(Failure::reading(path))?.len();
    let schema = arguments.schema.as_deref().map(read_schema).transpose()?;
    let operator = Operator::at(folder, arguments.department).await?;
    let imported = async {
        if let Some(schema) = &schema {
            let datasets = operator.client.datasets().await?;
            let found = datasets.iter().find(|it| it.name == arguments.dataset);
            let digest = schema_digest(schema);
            if found.is_some_and(|it| it.schema_digest != digest) {
                let text = format_args!("dataset {:?} has another schema", arguments.dataset);
                return Err(Failure::new(Exit::DataErr, text));
            }
        }
        let how = ImportQuery { format: format(&arguments), skip_bad: arguments.skip_bad };
        let bar = bar(length);
        let told = bar.clone();
        let sent = move |bytes| told.set_position(bytes);
        let imported = operator.client.import(&arguments.dataset, how, file, sent).await;
        bar.finish_and_clear();
        finish(&arguments, imported)
    }
    .await;
    operator.close().await?;
    imported
}

fn format(arguments: &Arguments) -> Format {
    let lines = arguments.file.extension().is_some_and(|it| it == "jsonl" || it == "ndjson");
    match arguments.format {
        Some(Spelling::Csv) => Format::Csv,
        Some(Spelling::JsonLines) => Format::JsonLines,
        None if lines => Format::JsonLines,
        None => Format::Csv,
    }
}

/// The bar's end is the file's: the tree is hashed after it.
fn bar(length: u64) -> ProgressBar {
    let template = "{spinner} [{bar:30}] {bytes}/{total_bytes} read, {eta} left";
    let style = ProgressStyle::with_template(template).expect("the template is well-formed");
    let bar = ProgressBar::new(length).with_style(style.progress_chars("=> "));
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    bar
}

fn finish(
    arguments: &Arguments,
    imported: Result<Imported, LocalClientError>,
) -> Result<(), Failure> {
    match imported {
        Ok(imported) => {
            let listed = rejects_file(arguments, !imported.rejected.is_empty());
            if let Some(path) = &listed {
                write_rejects(path, &imported.rejected)?;
            }
            if arguments.json {
                print_json(&imported);
                return Ok(());
            }
            say(format_args!(
                "{} added, {} updated, {} unchanged, {} rejected",
                imported.added,
                imported.updated,
                imported.unchanged,
                imported.rejected.len()
            ));
            if let Some(path) = &listed {
                say(format_args!("rejected rows: {}", path.display()));
            }
            match imported.records_entry {
                Some(entry) => say(format_args!("root {} published as {entry}", imported.root)),
                None => say(format_args!("root {}, not published: no service yet", imported.root)),
            }
            Ok(())
        }
        Err(LocalClientError::Rejected { problem, rejected }) => {
            if let Some(path) = &arguments.rejects {
                write_rejects(path, &rejected)?;
            }
            if arguments.json {
                print_json(&serde_json::json!({ "code": problem.code, "rejected": rejected }));
            }
            let shown: String = rejected.iter().take(SHOWN).map(line).collect();
            let more = match rejected.len().saturating_sub(SHOWN) {
                0 => String::new(),
                more => format!("\n  and {more} more; --rejects FILE lists all"),
            };
            let text = format_args!(
                "{}: {}; --skip-bad imports the others{shown}{more}",
                arguments.file.display(),
                problem.detail
            );
            Err(Failure::new(Exit::DataErr, text))
        }
        Err(error) => {
            let Failure { exit, message } = error.into();
            Err(Failure::new(exit, format_args!("dataset {:?}: {message}", arguments.dataset)))
        }
    }
}

fn line(row: &RejectedRow) -> String {
    let field = row.field.as_deref().map(|field| format!("{field}: ")).unwrap_or_default();
    format!("\n  line {}: {field}{}", row.line, row.reason)
}

fn rejects_file(arguments: &Arguments, any: bool) -> Option<PathBuf> {
    let beside = || {
        let mut name = arguments.file.as_os_str().to_owned();
        name.push(".rejects.csv");
        PathBuf::from(name)
    };
    any.then(|| arguments.rejects.clone().unwrap_or_else(beside))
}

fn write_rejects(path: &Path, rejected: &[RejectedRow]) -> Result<(), Failure> {
    let unwritten =
        |error: csv::Error| Failure::new(Exit::IoErr, format_args!("{}: {error}", path.display()));
    let file = std::fs::File::create(path).map_err(Failure::writing(path))?;
    let mut rows = csv::Writer::from_writer(file);
    rows.write_record(["line", "field", "reason"]).map_err(unwritten)?;
    for row in rejected {
        let field = row.field.as_deref().unwrap_or("");
        rows.write_record([&row.line.to_string(), field, &row.reason]).map_err(unwritten)?;
    }
    let mut file = rows.into_inner().map_err(|error| {
        Failure::new(Exit::IoErr, format_args!("{}: {}", path.display(), error.error()))
    })?;
    file.flush().and_then(|()| file.sync_all()).map_err(Failure::writing(path))
}
