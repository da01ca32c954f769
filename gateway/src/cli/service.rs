//! `proofgate service`

mod listing;

use std::path::{Path, PathBuf};

use ::circuits::schema::Schema;
use chain::identifier::DepartmentId;
use clap::Subcommand;
use serde_json::{Value as Json, json};

use self::listing::Offered;
use super::exit::Exit;
use super::failure::Failure;
use super::operator::Operator;
use super::request::print_json;
use super::say;
use crate::document::service::Service;
use crate::folder::Folder;
use crate::http::local_client::{LocalClient, LocalClientError};

/// Steps of `proofgate service`.
#[derive(Debug, Subcommand)]
pub(super) enum Step {
    /// Print a service document to begin from: with the schema, and with no rule, so that nobody may ask
    /// anything.
    #[command(after_help = "Example: proofgate --dir tax service draft --dataset wages \
        --schema wages.schema.json --registrar tax > service.json")]
    Draft {
        /// The dataset's name.
        #[arg(long)]
        dataset: String,
        /// The dataset's schema file.
        #[arg(long)]
        schema: PathBuf,
        /// The department that enrols its citizens' keys.
        #[arg(long)]
        registrar: DepartmentId,
        /// The department, where the gateway hosts several.
        #[arg(long)]
        department: Option<DepartmentId>,
    },
    /// Check a service document, without publishing it.
    #[command(after_help = "Example: proofgate service check service.json")]
    Check {
        /// The service document.
        file: PathBuf,
    },
    /// List what may be asked of whom in the network: each dataset with its rules.
    #[command(after_help = "Example: proofgate --dir welfare service list\n\
        Example: proofgate --dir welfare service list --issuer tax --json")]
    List {
        /// Only the datasets of this department.
        #[arg(long)]
        issuer: Option<DepartmentId>,
        /// Print the service documents as JSON.
        #[arg(long)]
        json: bool,
        /// The department, where the gateway hosts several.
        #[arg(long)]
        department: Option<DepartmentId>,
    },
    /// Publish a service document: what may be asked of a dataset, by whom, for what. It replaces the one that is
    /// in force.
    #[command(after_help = "Example: proofgate --dir tax service publish service.json")]
    Publish {
        /// The service document.
        file: PathBuf,
        /// The department, where the gateway hosts several.
        #[arg(long)]
        department: Option<DepartmentId>,
    },
}

/// Drafts, checks or publishes a service document.
pub(super) async fn run(folder: &Folder, step: Step) -> Result<(), Failure> {
    match step {
        Step::Draft { dataset, schema, registrar, department } => {
            let issuer = match department {
                Some(id) => id,
                None => match folder.config()?.departments.as_slice() {
                    [id] => *id,
                    _ => {
                        return Err(Failure::new(
                            Exit::Usage,
                            "say for which department with --department",
                        ));
                    }
                },
            };
            let schema = read_schema(&schema)?;
            say(format_args!("{:#}", draft(issuer, &dataset, &schema, registrar)));
            Ok(())
        }
        Step::Check { file } => {
            let service = read(&file)?;
            say(format_args!(
                "{}: {} rules for {:?}",
                file.display(),
                service.rules.len(),
                service.dataset
            ));
            Ok(())
        }
        Step::List { issuer, json, department } => {
            let operator = Operator::at(folder, department).await?;
            let offered = offered(&operator.client, issuer).await;
            operator.close().await?;
            let offered = offered?;
            if json {
                print_json(&offered);
            } else if offered.is_empty() {
                say("nothing is offered");
            } else {
                offered.iter().for_each(|it| say(listing::text(it)));
            }
            Ok(())
        }
        Step::Publish { file, department } => {
            let service = read(&file)?;
            let document = read_json(&file)?;
            let operator = Operator::at(folder, department).await?;
            let published = operator.client.publish_service(&document).await;
            operator.close().await?;
            say(format_args!("published as entry {}", published?.entry));
            if service.rules.is_empty() {
                eprintln!("proofgate: it permits nothing: its list of rules is empty");
            }
            Ok(())
        }
    }
}

/// What the departments offer, or one of them, by dataset.
async fn offered(
    client: &LocalClient,
    issuer: Option<DepartmentId>,
) -> Result<Vec<Offered>, Failure> {
    let mut offered = Vec::new();
    for in_force in client.services().await? {
        if issuer.is_some_and(|issuer| issuer.as_str() != in_force.issuer) {
            continue;
        }
        match client.service(&in_force.document).await {
            Ok(service) => offered.extend(Offered::new(in_force, service)),
            // The chain takes any document; this is none of a service.
            Err(LocalClientError::Unexpected { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    offered.sort_by_key(Offered::place);
    Ok(offered)
}

fn draft(issuer: DepartmentId, dataset: &str, schema: &Schema, registrar: DepartmentId) -> Json {
    json!({
        "version": crate::document::VERSION, "issuer": issuer, "dataset": dataset, "title": dataset,
        "schema": schema, "registrar": registrar, "as_of": {"kind": "today"}, "rules": [], "data": {},
        "budget": {"per_requester": 16, "issuer_wide": 20}
    })
}

/// Reads a schema file.
pub(super) fn read_schema(path: &Path) -> Result<Schema, Failure> {
    let text = std::fs::read_to_string(path).map_err(Failure::reading(path))?;
    Schema::parse(&text)
        .map_err(|error| Failure::new(Exit::DataErr, format_args!("{}: {error}", path.display())))
}

/// Reads any JSON file.
pub(super) fn read_json(path: &Path) -> Result<Json, Failure> {
    let bytes = std::fs::read(path).map_err(Failure::reading(path))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::new(Exit::DataErr, format_args!("{}: {error}", path.display())))
}

fn read(path: &Path) -> Result<Service, Failure> {
    let fault = |error: &dyn std::fmt::Display| {
        Failure::new(Exit::DataErr, format_args!("{}: {error}", path.display()))
    };
    let bytes = std::fs::read(path).map_err(Failure::reading(path))?;
    let service: Service = serde_json::from_slice(&bytes).map_err(|error| fault(&error))?;
    service.check().map_err(|error| fault(&error))?;
    Ok(service)
}
