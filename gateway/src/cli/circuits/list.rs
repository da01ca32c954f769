//! `proofgate circuits list`

use std::collections::HashMap;

use ::circuits::groth16::ProvingKey;
use ::circuits::statement::CircuitId;
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
    /// What has been put forward, by the gateway that runs; none if none does.
    proposals: Option<Vec<Proposal>>,
    running: bool,
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
        let when = if found.running { ", when it is started again" } else { "" };
        let (file, mode) = (folder.config_file(), found.keys.mode());
        say(format_args!("\nthe gateway of {}{when}: {mode}", file.display()));
        for id in CircuitId::ALL {
            let (key, place) = (found.keys.described(id), found.keys.place(id));
            say(format_args!("{:16} {key} ({place})", id.name()));
            if let Some(document) = found.documents.get(&id) {
                say(format_args!("{:16} document {document}{}", "", found.standing(document)));
            }
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
        let running = folder.holder()?.is_some();
        let proposals = match config.departments.first() {
            Some(department) if running => match Operator::at(folder, Some(*department)).await {
                Ok(operator) => operator.client.proposals().await.ok(),
                // One that waits, or has just ended.
                Err(_) => None,
            },
            _ => None,
        };
        Ok(Self { keys, documents, proposals, running })
    }

    /// Whether the departments have approved a key, if somebody told.
    fn approved(&self, document: &Digest) -> Option<bool> {
        let mut proposals = self.proposals.as_ref()?.iter();
        Some(proposals.any(|it| it.document == *document && it.approved))
    }

    fn standing(&self, document: &Digest) -> &'static str {
        match self.approved(document) {
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
