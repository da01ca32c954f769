//! Founding a network: every key, the genesis file and the circuits' development keys, in a new folder.
//!
//! ```text
//! genesis.json   validator.key   chain/
//! tax/   signing.key  envelope.key  storage.key  local.token  store/  payloads/      (and so on)
//! wallets/
//! ```

use std::collections::HashMap;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain::department::Role;
use chain::genesis::{GENESIS_FORMAT, Genesis, NetworkFacts, SubjectIdentifier};
use chain::validators::Validator;
use circuits::groth16::{self, ProvingKey};
use circuits::statement::CircuitId;
use crypto::envelope::RecipientKey;
use crypto::{Digest, Secret, SigningKey};
use getrandom::SysRng;
use indicatif::ProgressBar;
use rand_core::{Rng as _, UnwrapErr};

use super::DemoError;
use super::report::Report;
use super::sample::{REGISTRY, SAMPLES, Sample};
use crate::department::Keys;
use crate::http::BaseUrl;
use crate::key_file::{self, KeyFileError};

/// The validator's id on the network.
pub(super) const VALIDATOR: &str = "gateway";
const GENESIS_FILE: &str = "genesis.json";
const CHAIN_FOLDER: &str = "chain";
const WALLETS_FOLDER: &str = "wallets";
const VALIDATOR_KEY: &str = "validator.key";
const SIGNING_KEY: &str = "signing.key";
const ENVELOPE_KEY: &str = "envelope.key";
const STORAGE_KEY: &str = "storage.key";
const LOCAL_TOKEN: &str = "local.token";

/// A network that was founded and is not running.
#[derive(Debug)]
pub(super) struct Founded {
    folder: PathBuf,
    pub(super) genesis: Arc<Genesis>,
    pub(super) proving_keys: Arc<HashMap<CircuitId, ProvingKey>>,
}

/// A department's secrets, read from its folder.
pub(super) struct Secrets {
    pub(super) keys: Keys,
    pub(super) storage: Secret<32>,
    pub(super) token: Secret<32>,
}

impl Founded {
    /// Founds a network in a new folder, whose gateway is at `base`.
    pub(super) fn new(
        folder: &Path,
        base: &BaseUrl,
        report: &mut Report,
    ) -> Result<Self, DemoError> {
        report.chapter("A network of four departments");
        make_empty(folder)?;
        let rng = &mut UnwrapErr(SysRng);
        let validator = SigningKey::from_seed(&key_file::create(&folder.join(VALIDATOR_KEY), rng)?);
        let mut documents = Vec::new();
        for sample in &SAMPLES {
            let home = folder.join(sample.id);
            make(&home)?;
            for file in [SIGNING_KEY, ENVELOPE_KEY, STORAGE_KEY, LOCAL_TOKEN] {
                key_file::create(&home.join(file), rng)?;
            }
            documents.push(document(sample, &secrets(&home)?.keys, base)?);
            report.say(format_args!("{} ({}) at {base}", sample.name, sample.id));
        }
        make(&folder.join(WALLETS_FOLDER))?;
        let genesis = Arc::new(genesis(documents, &validator, rng)?);
        let path = folder.join(GENESIS_FILE);
        std::fs::write(&path, genesis.as_bytes())
            .map_err(|error| DemoError::Folder { path, error })?;
        report.say(format_args!("network {}", genesis.network()));
        let proving_keys = Arc::new(development_keys(report));
        Ok(Self { folder: folder.to_owned(), genesis, proving_keys })
    }

    /// Where everything is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The genesis file.
    pub(super) fn genesis_file(&self) -> PathBuf {
        self.folder.join(GENESIS_FILE)
    }

    /// The chain's folder.
    pub(super) fn chain_folder(&self) -> PathBuf {
        self.folder.join(CHAIN_FOLDER)
    }

    /// Where a citizen's wallet is.
    pub(super) fn wallet_folder(&self, name: &str) -> PathBuf {
        self.folder.join(WALLETS_FOLDER).join(name)
    }

    /// Where a department keeps what is its own.
    pub(super) fn home(&self, sample: &Sample) -> PathBuf {
        self.folder.join(sample.id)
    }

    /// A department's secrets.
    pub(super) fn secrets(&self, sample: &Sample) -> Result<Secrets, KeyFileError> {
        secrets(&self.home(sample))
    }

    /// The validator's key.
    pub(super) fn validator_key(&self) -> Result<SigningKey, KeyFileError> {
        Ok(SigningKey::from_seed(&key_file::read(&self.folder.join(VALIDATOR_KEY))?))
    }
}

fn secrets(home: &Path) -> Result<Secrets, KeyFileError> {
    Ok(Secrets {
        keys: Keys {
            signing: SigningKey::from_seed(&key_file::read(&home.join(SIGNING_KEY))?),
            recipient: RecipientKey::from_seed(key_file::read(&home.join(ENVELOPE_KEY))?),
        },
        storage: key_file::read(&home.join(STORAGE_KEY))?,
        token: key_file::read(&home.join(LOCAL_TOKEN))?,
    })
}

/// Makes a folder that nobody else can look into.
fn make(folder: &Path) -> Result<(), DemoError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| DemoError::Folder { path: folder.to_owned(), error })
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
