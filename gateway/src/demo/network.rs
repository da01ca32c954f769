//! Founding the network: keys, genesis, chain, departments, circuits, records, wallets.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use chain::department::Role;
use chain::genesis::{GENESIS_FORMAT, Genesis, NetworkFacts, SubjectIdentifier};
use chain::identifier::DepartmentId;
use chain::ledger::{LocalLedger, LocalLedgerOptions};
use chain::time::SystemClock;
use chain::validators::Validator;
use circuits::eddsa::PrivateKey;
use circuits::encoding::Value;
use circuits::groth16;
use circuits::statement::CircuitId;
use crypto::envelope::RecipientKey;
use crypto::{Digest, SigningKey};
use getrandom::SysRng;
use indicatif::{ProgressBar, ProgressStyle};
use rand_core::{Rng as _, UnwrapErr};

use super::in_process::InProcess;
use super::report::Report;
use super::sample::{SAMPLES, Sample};
use super::{DemoError, short};
use crate::department::{Department, Keys, Shared};
use crate::document::circuit::{CircuitDocument, Provenance};
use crate::document::key_card::ConsentKey;
use crate::exchange::verification::Strictness;
use crate::import;
use crate::key_file;
use crate::payload::PayloadStore;
use crate::prover::Prover;
use crate::store::Store;
use crate::subject::Subject;

/// The genesis file's name in the demo's folder.
pub(super) const GENESIS_FILE: &str = "genesis.json";
/// The chain's folder in the demo's folder.
const CHAIN_FOLDER: &str = "chain";
/// Waiting places of the prover.
const PROVER_QUEUE: usize = 16;

/// The running network.
pub(super) struct Network {
    folder: PathBuf,
    pub(super) shared: Shared,
    pub(super) peers: InProcess,
}

/// The records as they were imported, by department and subject.
pub(super) type People = HashMap<&'static str, BTreeMap<Subject, Vec<Value>>>;

/// A citizen's wallet: the key, and the secrets that open withdrawals.
pub(super) struct Wallet {
    pub(super) subject: Subject,
    private: PrivateKey,
}

impl Wallet {
    fn new(subject: Subject) -> Self {
        let mut bytes = [0; 32];
        UnwrapErr(SysRng).fill_bytes(&mut bytes);
        Self { subject, private: PrivateKey::from_bytes(&bytes) }
    }

    pub(super) fn key(&self) -> ConsentKey {
        self.private.public_key().into()
    }

    pub(super) fn private(&self) -> &PrivateKey {
        &self.private
    }
}

impl Network {
    /// Makes every key, the genesis file, the chain and the departments' stores in a new folder.
    pub(super) fn found(folder: &Path, report: &mut Report) -> Result<Self, DemoError> {
        report.chapter("A network of four departments");
        let at = |error| DemoError::Folder { path: folder.to_owned(), error };
        std::fs::create_dir_all(folder).map_err(at)?;
        if std::fs::read_dir(folder).map_err(at)?.next().is_some() {
            return Err(DemoError::NotEmpty { path: folder.to_owned() });
        }
        let rng = &mut UnwrapErr(SysRng);
        let validator =
            SigningKey::from_seed(&key_file::create(&folder.join("validator.key"), rng)?);
        let mut documents = Vec::new();
        let mut secrets = Vec::new();
        for sample in &SAMPLES {
            let home = folder.join(sample.id);
            std::fs::create_dir_all(&home).map_err(at)?;
            let keys = Keys {
                signing: SigningKey::from_seed(&key_file::create(&home.join("signing.key"), rng)?),
                recipient: RecipientKey::from_seed(key_file::create(
                    &home.join("envelope.key"),
                    rng,
                )?),
            };
            let storage = key_file::create(&home.join("storage.key"), rng)?;
            documents.push(document(sample, &keys)?);
            secrets.push((sample, home, keys, storage));
        }
        let genesis = Arc::new(genesis(documents, &validator, rng)?);
        let path = folder.join(GENESIS_FILE);
        std::fs::write(&path, genesis.as_bytes())
            .map_err(|error| DemoError::Folder { path, error })?;
        report.say(format_args!("network {}", genesis.network()));
        let proving_keys = development_keys(report);
        let ledger = LocalLedger::open(LocalLedgerOptions::new(
            folder.join(CHAIN_FOLDER),
            Arc::clone(&genesis),
            valid("gateway")?,
            validator,
        ))?;
        let shared = Shared {
            genesis,
            ledger: Arc::new(ledger),
            proving_keys: Arc::new(proving_keys),
            prover: Prover::new(
                std::thread::available_parallelism().map_or(1, usize::from),
                PROVER_QUEUE,
            ),
            clock: Arc::new(SystemClock),
            strictness: Strictness { production: false },
        };
        let mut peers = InProcess::default();
        for (sample, home, keys, storage) in secrets {
            let boxed = || Box::new(UnwrapErr(SysRng));
            let store = Arc::new(Store::open(&home.join("store"), &storage, boxed())?);
            let id: DepartmentId = valid(sample.id)?;
            let payloads = PayloadStore::local(&home.join("payloads"))?;
            let department = Department::new(id, keys, store, payloads, shared.clone(), boxed());
            peers.departments.insert(id, Arc::new(department));
            report.say(format_args!("{} ({id})", sample.name));
        }
        Ok(Self { folder: folder.to_owned(), shared, peers })
    }

    pub(super) fn department(&self, id: &str) -> &Department {
        self.peers
            .departments
            .values()
            .find(|department| department.id().as_str() == id)
            .expect("the demo names departments that it founded")
    }

    /// One department puts the keys forward, all approve.
    pub(super) async fn approve_circuits(&self, report: &mut Report) -> Result<(), DemoError> {
        report.chapter("The departments approve the circuits' keys");
        for id in CircuitId::ALL {
            let key = &self.shared.proving_keys[&id];
            let document = CircuitDocument {
                version: crate::document::VERSION,
                circuit: id,
                constraints: Digest::from_bytes(key.r1cs().digest()),
                verifying_key: hex::encode(key.verifying_key().to_bytes()),
                provenance: Provenance::Development,
            };
            let entry = self.department("tax").propose_circuit(&document).await?;
            for department in self.peers.departments.values() {
                department.approve(entry).await?;
            }
            report.circuit(id.name(), key.r1cs().constraints(), id.public_inputs());
            report.say(format_args!(
                "{id}: {} constraints, {} public inputs, key {}, entry {}",
                key.r1cs().constraints(),
                id.public_inputs(),
                &key.verifying_key().id().to_string()[..16],
                short(&entry)
            ));
        }
        report.say("these are development keys: whoever made them could forge proofs");
        Ok(())
    }

    /// Imports every department's records and publishes service and root.
    pub(super) async fn import(&self, report: &mut Report) -> Result<People, DemoError> {
        report.chapter("Each department imports its records and publishes their root");
        let mut people = People::new();
        for sample in &SAMPLES {
            let start = Instant::now();
            let (schema, service) = (sample.schema()?, sample.service()?);
            let bar = progress(sample);
            let rows = import::all_or_nothing(&schema, sample.records.as_bytes(), |bytes| {
                bar.set_position(bytes);
            })
            .map_err(|error| DemoError::Sample(error.to_string()))?;
            let department = self.department(sample.id);
            department.publish_service(&service).await?;
            bar.set_message("commitments and tree");
            let changed = department.import(sample.id, &rows).await?;
            bar.finish_and_clear();
            report.spent("import", start);
            report.say(format_args!(
                "{}: {} records, {} tree nodes",
                sample.name, changed.added, changed.nodes_written
            ));
            people.insert(sample.id, by_subject(rows)?);
        }
        Ok(people)
    }

    /// A wallet whose key the registrar enrols and the departments put into their records.
    pub(super) async fn wallet(&self, subject: Subject) -> Result<Wallet, DemoError> {
        let wallet = Wallet::new(subject);
        let registrar = self.department("civil-registry");
        let code = registrar.enrolment_code(subject).await?.code;
        let card = registrar.enrol(subject, wallet.key(), &code).await?;
        for department in self.peers.departments.values() {
            department.present_card(&wallet.key(), &card).await?;
        }
        Ok(wallet)
    }

    /// Sealed messages that went between departments.
    pub(super) fn messages(&self) -> usize {
        self.peers.messages.load(Ordering::Relaxed)
    }

    /// Closes everything; the chain folder and the genesis file stay.
    pub(super) fn close(self) -> (PathBuf, PathBuf) {
        (self.folder.join(GENESIS_FILE), self.folder.join(CHAIN_FOLDER))
    }
}

fn valid<T: std::str::FromStr>(text: &str) -> Result<T, DemoError> {
    text.parse().map_err(|_| DemoError::Sample(format!("{text:?} is no name")))
}

fn document(sample: &Sample, keys: &Keys) -> Result<chain::department::Department, DemoError> {
    let registrar = (sample.id == "civil-registry").then_some(Role::Registrar);
    Ok(chain::department::Department {
        id: valid(sample.id)?,
        name: valid(sample.name)?,
        url: valid("http://127.0.0.1:8080")?,
        signing_key: keys.signing.verifying_key(),
        hpke_key: valid(&keys.recipient.public_key().to_string())?,
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
        name: valid("proofgate.example/demo")?,
        nonce: Digest::from_bytes(nonce),
        subject_identifier: SubjectIdentifier {
            kind: valid("citizen number")?,
            normal_form: valid("12 digits, the last an ISO 7064 MOD 11,10 check digit")?,
        },
        records_grace_seconds: 0,
        departments,
        validators: vec![Validator {
            id: valid("gateway")?,
            name: valid("The demo's gateway")?,
            key: validator.verifying_key(),
        }],
        cosigners: Vec::new(),
    };
    Genesis::new(facts).map_err(|error| DemoError::Sample(error.to_string()))
}

fn development_keys(report: &mut Report) -> HashMap<CircuitId, groth16::ProvingKey> {
    let mut keys = HashMap::new();
    for id in CircuitId::ALL {
        let bar = ProgressBar::new_spinner().with_message(format!("making a key for {id}"));
        bar.enable_steady_tick(std::time::Duration::from_millis(100));
        let mut seed = [0; 32];
        UnwrapErr(SysRng).fill_bytes(&mut seed);
        let key = report.timed("setup", || id.development_key(&mut groth16::rng_from_seed(seed)));
        bar.finish_and_clear();
        keys.insert(id, key);
    }
    keys
}

fn progress(sample: &Sample) -> ProgressBar {
    let style =
        ProgressStyle::with_template("   {prefix:18} [{bar:30}] {bytes}/{total_bytes} {msg}")
            .expect("the template is well-formed")
            .progress_chars("=> ");
    ProgressBar::new(sample.records.len() as u64).with_style(style).with_prefix(sample.name)
}

fn by_subject(rows: Vec<import::Row>) -> Result<BTreeMap<Subject, Vec<Value>>, DemoError> {
    rows.into_iter()
        .map(|row| match row.values[0] {
            Value::Integer(number) => Subject::try_from(number)
                .map(|subject| (subject, row.values))
                .map_err(|error| DemoError::Sample(error.to_string())),
            _ => Err(DemoError::Sample("the first field is not a number".to_owned())),
        })
        .collect()
}
