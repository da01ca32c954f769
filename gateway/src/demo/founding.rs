//! Founding a network: a gateway's folder for four departments, and a folder for wallets in it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain::department::Role;
use chain::genesis::{GENESIS_FORMAT, Genesis, NetworkFacts, SubjectIdentifier};
use chain::validators::Validator;
use circuits::groth16::{self, ProvingKey};
use circuits::statement::CircuitId;
use crypto::{Digest, SigningKey};
use getrandom::SysRng;
use indicatif::ProgressBar;
use rand_core::{Rng as _, UnwrapErr};

use super::DemoError;
use super::report::Report;
use super::sample::{REGISTRY, SAMPLES, Sample};
use crate::config::ChainRole;
use crate::department::Keys;
use crate::folder::{Folder, make};
use crate::http::BaseUrl;

/// The validator's id on the network.
pub(super) const VALIDATOR: &str = "gateway";
const WALLETS_FOLDER: &str = "wallets";

/// A network that was founded and is not running.
#[derive(Debug)]
pub(super) struct Founded {
    pub(super) folder: Folder,
    pub(super) genesis: Arc<Genesis>,
    pub(super) proving_keys: Arc<HashMap<CircuitId, ProvingKey>>,
}

impl Founded {
    /// Founds a network in a new folder, whose gateway listens there.
    pub(super) fn new(
        root: &Path,
        listen: SocketAddr,
        base: &BaseUrl,
        report: &mut Report,
    ) -> Result<Self, DemoError> {
        report.chapter("A network of four departments");
        make_empty(root)?;
        let folder = Folder::new(root);
        let rng = &mut UnwrapErr(SysRng);
        let validator = folder.create_validator_key(rng)?;
        let mut documents = Vec::new();
        for sample in &SAMPLES {
            let home = folder.department(&valid(sample.id));
            let keys = home.create(rng)?.keys;
            let document = document(sample, &keys, base)?;
            home.write_document(&document)?;
            documents.push(document);
            report.say(format_args!("{} ({}) at {base}", sample.name, sample.id));
        }
        make(&root.join(WALLETS_FOLDER))?;
        let genesis = Arc::new(genesis(documents, &validator, rng)?);
        folder.write_genesis(&genesis)?;
        report.say(format_args!("network {}", genesis.network()));
        let proving_keys = Arc::new(development_keys(report));
        folder.write_development_keys(&proving_keys)?;
        let hosted: Vec<_> = SAMPLES.iter().map(|sample| valid(sample.id)).collect();
        folder.write_config(&hosted, listen, &ChainRole::Validator(valid(VALIDATOR)))?;
        Ok(Self { folder, genesis, proving_keys })
    }

    /// Where a citizen's wallet is.
    pub(super) fn wallet_folder(&self, name: &str) -> PathBuf {
        self.folder.root().join(WALLETS_FOLDER).join(name)
    }
}

fn make_empty(folder: &Path) -> Result<(), DemoError> {
    make(folder)?;
    let mut entries = std::fs::read_dir(folder)
        .map_err(|error| DemoError::Folder { path: folder.to_owned(), error })?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(DemoError::NotEmpty { path: folder.to_owned() }),
    }
}

fn valid<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("the demo's names are well formed")
}

fn document(
    sample: &Sample,
    keys: &Keys,
    base: &BaseUrl,
) -> Result<chain::department::Department, DemoError> {
    let url = base.to_string();
    let registrar = (sample.id == REGISTRY).then_some(Role::Registrar);
    Ok(chain::department::Department {
        id: valid(sample.id),
        name: valid(sample.name),
        url: url.parse().map_err(|_| DemoError::Address { url })?,
        signing_key: keys.signing.verifying_key(),
        hpke_key: valid(&keys.recipient.public_key().to_string()),
        roles: registrar.into_iter().collect(),
    })
}

fn genesis(
    departments: Vec<chain::department::Department>,
    validator: &SigningKey,
    rng: &mut UnwrapErr<SysRng>,
) -> Result<Genesis, DemoError> {
    let mut nonce = [0; 32];
    rng.fill_bytes(&mut nonce);
    let facts = NetworkFacts {
        format: GENESIS_FORMAT.to_owned(),
        name: valid("proofgate.example/demo"),
        nonce: Digest::from_bytes(nonce),
        subject_identifier: SubjectIdentifier {
            kind: valid("citizen number"),
            normal_form: valid("12 digits, the last an ISO 7064 MOD 11,10 check digit"),
        },
        records_grace_seconds: 0,
        departments,
        validators: vec![Validator {
            id: valid(VALIDATOR),
            name: valid("The demo's gateway"),
            key: validator.verifying_key(),
        }],
        cosigners: Vec::new(),
    };
    Ok(Genesis::new(facts)?)
}

/// A key a circuit, made here and now by one party, and good for nothing but a demo.
pub(super) fn development_key(id: CircuitId) -> ProvingKey {
    let bar = ProgressBar::new_spinner().with_message(format!("making a key for {id}"));
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    let mut seed = [0; 32];
    UnwrapErr(SysRng).fill_bytes(&mut seed);
    let key = id.development_key(&mut groth16::rng_from_seed(seed));
    bar.finish_and_clear();
    key
}

fn development_keys(report: &mut Report) -> HashMap<CircuitId, ProvingKey> {
    let timed = |id| (id, report.timed("setup", || development_key(id)));
    CircuitId::ALL.into_iter().map(timed).collect()
}
