//! `proofgate circuits list`

use std::collections::HashMap;

use ::circuits::groth16::ProvingKey;
use ::circuits::statement::CircuitId;
use chain::identifier::DepartmentId;
use crypto::Digest;
use serde_json::{Value as Json, json};

use super::super::failure::Failure;
use super::super::operator::Operator;
use super::super::say;
use super::super::setup::Waiting;
use super::keys::Keys;
use crate::document::CircuitDocument;
use crate::folder::{Folder, KeySource};
use crate::http::local::operating::Proposal;

/// A gateway's keys, each of which has been read, and what the departments make of them.
struct Found<'a> {
    keys: Keys<'a>,
    /// Digests of the documents that put them forward.
    documents: HashMap<CircuitId, Digest>,
    asked: Asked,
}

/// What the gateway told of what was put forward.
enum Asked {
    /// It does not run.
    Nobody,
    /// It did not tell, and why.
    Failed(String),
    Told(Vec<Proposal>),
}

/// Prints the circuits of this build, and a gateway's keys to them.
pub(in crate::cli) async fn run(folder: Option<&Folder>, json: bool) -> Result<(), Failure> {
    let found = match folder {
        Some(folder) => Some((folder, Found::in_folder(folder).await?)),
        None => None,
    };
    if json {
        let list = CircuitId::ALL.map(|id| {
            let mut told = circuit_json(id);
            if let Some((_, found)) = &found {
                told["key"] = found.json(id);
                told["production"] = found.keys.production().into();
            }
            told
        });
        say(format_args!("{:#}", json!(list)));
        return Ok(());
    }
    for id in CircuitId::ALL {
        let r1cs = id.r1cs();
        say(format_args!(
            "{:16} {:>6} constraints  {} public inputs  r1cs sha256 {}",
            id.name(),
            r1cs.constraints(),
            r1cs.public_inputs(),
            Digest::from_bytes(r1cs.digest())
        ));
    }
    if let Some((folder, found)) = found {
        // What it runs on it said when it was started.
        let runs = !matches!(found.asked, Asked::Nobody);
        let when = if runs { ", when it is started again" } else { "" };
        let (file, mode) = (folder.config_file(), found.keys.mode());
        say(format_args!("\nthe gateway of {}{when}: {mode}", file.display()));
        for id in CircuitId::ALL {
            let (key, place) = (found.keys.described(id), found.keys.place(id));
            say(format_args!("{:16} {key} ({place})", id.name()));
            if let Some(document) = found.documents.get(&id) {
                say(format_args!("{:16} document {document}{}", "", found.standing(document)));
            }
        }
        if let Asked::Failed(why) = &found.asked {
            eprintln!("proofgate: what the departments have approved is not known here: {why}");
        }
    }
    Ok(())
}

fn circuit_json(id: CircuitId) -> Json {
    let r1cs = id.r1cs();
    json!({
        "circuit": id, "constraints": r1cs.constraints(), "public_inputs": r1cs.public_inputs(),
        "r1cs_sha256": Digest::from_bytes(r1cs.digest())
    })
}

impl<'a> Found<'a> {
    async fn in_folder(folder: &'a Folder) -> Result<Self, Failure> {
        let config = folder.config()?;
        let keys = Keys::of(folder, config.production)?;
        // All of it: a key that was cut is none.
        let read = {
            let _shown = Waiting::shown("checking every point of the keys".to_owned());
            folder.proving_keys(keys.imported(), keys.production())?
        };
        let digest = |id: &CircuitId, key: &ProvingKey| match keys.imported().get(id) {
            Some(imported) => imported.document.digest(),
            None => CircuitDocument::development(*id, key).digest(),
        };
        let documents = read.iter().map(|(id, key)| (*id, digest(id, key))).collect();
        // Any of its departments is told the same.
        let department = config.departments.first().copied();
        let asked = match folder.holder()? {
            None => Asked::Nobody,
            Some(_) => match proposals(folder, department).await {
                Ok(proposals) => Asked::Told(proposals),
                Err(failure) => Asked::Failed(failure.message),
            },
        };
        Ok(Self { keys, documents, asked })
    }

    /// Whether the departments have approved a key, if somebody told.
    fn approved(&self, document: &Digest) -> Option<bool> {
        match &self.asked {
            Asked::Told(proposals) => {
                Some(proposals.iter().any(|it| it.document == *document && it.approved))
            }
            _ => None,
        }
    }

    fn standing(&self, document: &Digest) -> &'static str {
        match self.approved(document) {
            None if matches!(self.asked, Asked::Failed(_)) => "",
            None => "; once the gateway runs, this tells whether the departments have approved it",
            Some(true) => ", which the departments have approved",
            Some(false) => {
                ", which the departments have not approved: proofgate approve tells more"
            }
        }
    }

    /// The key for programs: `{"kind": "ceremony", "document": DIGEST, "place": FOLDER, "approved": true}`, the
    /// last only where a gateway runs; or null.
    fn json(&self, circuit: CircuitId) -> Json {
        let kind = match self.keys.source(circuit) {
            None => return Json::Null,
            Some(KeySource::Development(_)) => "development",
            Some(KeySource::Ceremony(_)) => "ceremony",
        };
        let document = self.documents.get(&circuit);
        let mut told =
            json!({ "kind": kind, "document": document, "place": self.keys.place(circuit) });
        if let Some(approved) = document.and_then(|it| self.approved(it)) {
            told["approved"] = approved.into();
        }
        told
    }
}

async fn proposals(
    folder: &Folder,
    department: Option<DepartmentId>,
) -> Result<Vec<Proposal>, Failure> {
    let operator = Operator::at(folder, department).await?;
    let proposals = operator.client.proposals().await;
    operator.close().await?;
    Ok(proposals?)
}
