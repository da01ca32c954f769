//! `proofgate circuits list`

use std::collections::HashMap;

use ::circuits::statement::CircuitId;
use crypto::Digest;
use serde_json::{Value as Json, json};

use super::super::failure::Failure;
use super::super::operator::{Operator, hosted};
use super::super::say;
use super::super::setup::Waiting;
use super::super::text::plain;
use super::keys::Keys;
use crate::config::Config;
use crate::document::CircuitDocument;
use crate::folder::{Folder, Holder, KeySource, Started};
use crate::http::local::operating::Proposal;

/// A gateway's keys, each of which has been read, and what the departments make of them.
struct Found<'a> {
    folder: &'a Folder,
    keys: Keys<'a>,
    /// Digests of the documents that put them forward, or why a key is not used.
    documents: HashMap<CircuitId, Result<Digest, Failure>>,
    /// The gateway, if it runs.
    holder: Option<Holder>,
    /// What it told of what was put forward, or why it did not.
    proposals: Result<Vec<Proposal>, String>,
}

/// Prints the circuits of this build, and a gateway's keys to them.
pub(in crate::cli) async fn run(folder: Option<&Folder>, json: bool) -> Result<(), Failure> {
    if !json {
        CircuitId::ALL.into_iter().for_each(tell_circuit);
    }
    let found = match folder {
        Some(folder) => Some(Found::in_folder(folder).await?),
        None => None,
    };
    if json {
        let list = CircuitId::ALL.map(|id| {
            let mut told = circuit_json(id);
            if let Some(found) = &found {
                found.add_to(&mut told, id);
            }
            told
        });
        say(format_args!("{:#}", json!(list)));
    } else if let Some(found) = &found {
        found.tell();
    }
    let mut documents = found.map(|found| found.documents).unwrap_or_default();
    let unused = CircuitId::ALL.iter().find_map(|id| documents.remove(id)?.err());
    unused.map_or(Ok(()), Err)
}

fn tell_circuit(id: CircuitId) {
    let r1cs = id.r1cs();
    say(format_args!(
        "{:16} {:>6} constraints  {} public inputs  r1cs sha256 {}",
        id.name(),
        r1cs.constraints(),
        r1cs.public_inputs(),
        Digest::from_bytes(r1cs.digest())
    ));
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
        let documents = {
            let _shown = Waiting::shown("checking every point of the keys".to_owned());
            let digest = |id| keys.source(id).map(|source| (id, document(&source, id)));
            CircuitId::ALL.into_iter().filter_map(digest).collect()
        };
        // A command that works in the folder is none.
        let holder = folder.holder()?.filter(|it| it.started.is_some());
        let proposals = match &holder {
            Some(holder) => {
                proposals(folder, &config, holder).await.map_err(|failure| failure.message)
            }
            None => Err("no gateway runs here".to_owned()),
        };
        Ok(Self { folder, keys, documents, holder, proposals })
    }

    /// Whether the gateway runs with other keys, or in another mode, than it would be started with now.
    fn is_changed(&self) -> bool {
        let started = self.holder.as_ref().and_then(|holder| holder.started.as_ref());
        let now = Started::with(self.keys.imported(), self.keys.production());
        started.is_some_and(|started| *started != now)
    }

    fn tell(&self) {
        let when = match &self.holder {
            None => ", which does not run",
            Some(_) if self.is_changed() => {
                ", which runs with other keys or in another mode until it is started again"
            }
            Some(_) => ", which runs",
        };
        say(format_args!(
            "\nthe gateway of {}{when}: {}",
            self.folder.config_file().display(),
            self.keys.mode()
        ));
        for id in CircuitId::ALL {
            let (key, place) = (self.keys.described(id), self.keys.place(id));
            say(format_args!("{:16} {key} ({place})", id.name()));
            match self.documents.get(&id) {
                Some(Ok(document)) => {
                    let standing = self.standing(document);
                    say(format_args!("{:16} document {document}{standing}", ""));
                }
                Some(Err(failure)) => {
                    say(format_args!("{:16} not used: {}", "", plain(&failure.message)));
                }
                None => {}
            }
            for other in self.others(id) {
                let state = if other.approved { "is approved" } else { "is open" };
                say(format_args!(
                    "{:16} another one {state}: document {}, put forward by {}",
                    "", other.document, other.author
                ));
            }
        }
        if let (Some(_), Err(why)) = (&self.holder, &self.proposals) {
            eprintln!(
                "proofgate: what the departments have approved is not known here: {}",
                plain(why)
            );
        }
    }

    /// The other keys of ceremonies of a circuit that were put forward.
    fn others(&self, id: CircuitId) -> impl Iterator<Item = &Proposal> {
        let ours = self.documents.get(&id).and_then(|it| it.as_ref().ok());
        self.proposals.iter().flatten().filter(move |it| {
            let of_ceremony = it.circuit.as_ref().is_some_and(|it| it.id == id && !it.development);
            of_ceremony && Some(&it.document) != ours
        })
    }

    /// How a key stands with the departments, after its document's digest.
    fn standing(&self, document: &Digest) -> String {
        let Ok(proposals) = &self.proposals else { return String::new() };
        // It may have been put forward more than once.
        let same = proposals.iter().filter(|it| it.document == *document);
        match same.max_by_key(|it| (it.approved, it.approvals.len())) {
            None => ", not put forward yet: proofgate setup publish puts forward the key of a ceremony, circuits \
                     propose one for development"
                .to_owned(),
            Some(it) if it.approved => ", which the departments have approved".to_owned(),
            Some(it) if it.approvals.is_empty() => ", approved by nobody so far".to_owned(),
            Some(it) => format!(
                ", approved by {} so far: it proves once more than two thirds of the departments have",
                it.approvals.join(", ")
            ),
        }
    }

    /// Adds the mode and the key to what programs are told of a circuit.
    ///
    /// `{"production": true, "running": true, "restart": false, "key": {"kind": "ceremony", "document": DIGEST,
    /// "place": FOLDER, "approved": true}}`: `restart` if the gateway runs with something else, `approved` if it runs
    /// and told, `error` instead of `document` if the key is not used, and null for a key that is not there.
    fn add_to(&self, told: &mut Json, circuit: CircuitId) {
        told["production"] = self.keys.production().into();
        told["running"] = self.holder.is_some().into();
        told["restart"] = self.is_changed().into();
        let kind = match self.keys.source(circuit) {
            None => return told["key"] = Json::Null,
            Some(KeySource::Development(_)) => "development",
            Some(KeySource::Ceremony(_)) => "ceremony",
        };
        let mut key = json!({ "kind": kind, "place": self.keys.place(circuit) });
        match self.documents.get(&circuit) {
            Some(Ok(document)) => {
                key["document"] = json!(document);
                if let Ok(proposals) = &self.proposals {
                    let approved =
                        proposals.iter().any(|it| it.document == *document && it.approved);
                    key["approved"] = approved.into();
                }
            }
            Some(Err(failure)) => key["error"] = failure.message.as_str().into(),
            None => {}
        }
        told["key"] = key;
    }
}

/// Reads a key, all of it: one that was cut is none. The digest of the document that puts it forward.
fn document(source: &KeySource<'_>, circuit: CircuitId) -> Result<Digest, Failure> {
    let key = source.read(circuit)?;
    Ok(match source {
        KeySource::Ceremony(imported) => imported.document.digest(),
        KeySource::Development(_) => CircuitDocument::development(circuit, &key).digest(),
    })
}

/// What the gateway that runs tells of what was put forward; any of its departments is told the same.
async fn proposals(
    folder: &Folder,
    config: &Config,
    holder: &Holder,
) -> Result<Vec<Proposal>, Failure> {
    let department = hosted(config, config.departments.first().copied())?;
    let token = folder.department(&department).token()?;
    let operator = Operator::at_running(folder, config, holder, token)?;
    Ok(operator.client.proposals().await?)
}
