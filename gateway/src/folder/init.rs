//! Making a gateway's folder: keys, document, configuration, development keys, and a network to be in.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain::department::{Department, Role};
use chain::genesis::{GENESIS_FORMAT, Genesis, GenesisError, NetworkFacts, SubjectIdentifier};
use chain::identifier::{DepartmentId, ValidatorId};
use chain::text::{self, Label, Origin};
use chain::validators::Validator;
use circuits::groth16::ProvingKey;
use circuits::statement::CircuitId;
use crypto::Digest;
use rand_core::CryptoRng;
use thiserror::Error;

use super::department::CreateError;
use super::{CONFIG_FILE, FileError, Folder, check_unshared, make};
use crate::config::ChainRole;
use crate::following::Remembered;
use crate::http::BaseUrl;
use crate::key_file::KeyFileError;

/// Where a folder is made before it takes its place.
const STAGING_FOLDER: &str = ".init";
/// How long a replaced root may still be proved against: an hour, longer than any question waits.
const RECORDS_GRACE_SECONDS: u32 = 3_600;

/// What a gateway's folder is to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The department that the gateway hosts.
    pub department: DepartmentId,
    /// What people call it.
    pub name: Label,
    /// Where others reach the gateway.
    pub url: text::BaseUrl,
    /// Where the gateway listens.
    pub listen: SocketAddr,
    /// What the department may do besides asking and answering.
    pub roles: Vec<Role>,
    /// The network that it is in.
    pub network: NetworkPlan,
}

/// The network that a gateway is to be in.
#[derive(Clone, Debug)]
pub enum NetworkPlan {
    /// A new one of this name, whose chain this gateway keeps.
    Found(Origin),
    /// An existing one.
    Join {
        /// Its genesis, from somebody whom the operator believes.
        genesis: Arc<Genesis>,
        /// A gateway whose copy of the chain is followed.
        follow: BaseUrl,
    },
}

/// Why a gateway's folder was not made. Nothing was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InitError {
    /// There is a gateway already.
    #[error("{}: there is a gateway in this folder already", path.display())]
    Exists {
        /// Its configuration.
        path: PathBuf,
    },
    /// The folder holds something else.
    #[error("{}: not empty; a gateway's folder begins empty", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The network has the department already.
    #[error("{0} is a department of this network already; its keys cannot be made again")]
    Department(DepartmentId),
    /// A file or folder could not be made.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The facts do not make a network.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
}

impl From<CreateError> for InitError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::File(error) => error.into(),
            CreateError::Key(error) => error.into(),
        }
    }
}

/// What was made.
#[derive(Debug)]
pub struct Initialized {
    /// The network's genesis.
    pub genesis: Arc<Genesis>,
    /// The department's document.
    pub document: Department,
}

impl Folder {
    /// Makes a gateway's folder of an empty one, or of one that is not there; all of it or nothing.
    ///
    /// `development_keys` are the proving keys that it begins with.
    ///
    /// # Errors
    /// [`InitError`]
    pub fn init(
        &self,
        plan: &Plan,
        development_keys: &HashMap<CircuitId, ProvingKey>,
        rng: &mut impl CryptoRng,
    ) -> Result<Initialized, InitError> {
        self.check_empty()?;
        let staging = Self::new(self.root().join(STAGING_FOLDER));
        let made = staging.build(plan, development_keys, rng);
        let made = made.and_then(|made| staging.move_to(self).map(|()| made));
        if made.is_err() {
            // What is left of it is found, and removed, by the next attempt.
            let _: io::Result<()> = std::fs::remove_dir_all(staging.root());
        }
        made
    }

    /// Whether a gateway's folder can be made here.
    ///
    /// # Errors
    /// [`InitError`] if not.
    pub fn check_empty(&self) -> Result<(), InitError> {
        make(self.root())?;
        check_unshared(self.root()).map_err(FileError::at(self.root()))?;
        if self.config_file().exists() {
            return Err(InitError::Exists { path: self.config_file() });
        }
        let staging = self.root().join(STAGING_FOLDER);
        for entry in std::fs::read_dir(self.root()).map_err(FileError::at(self.root()))? {
            let path = entry.map_err(FileError::at(self.root()))?.path();
            if path != staging {
                return Err(InitError::NotEmpty { path: self.root().to_owned() });
            }
        }
        match std::fs::remove_dir_all(&staging) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(FileError::at(&staging)(error).into())
            }
            _ => Ok(()),
        }
    }

    fn build(
        &self,
        plan: &Plan,
        development_keys: &HashMap<CircuitId, ProvingKey>,
        rng: &mut impl CryptoRng,
    ) -> Result<Initialized, InitError> {
        make(self.root())?;
        let home = self.department(&plan.department);
        let keys = home.create(rng)?.keys;
        let key = keys.recipient.public_key().to_string();
        let document = Department {
            id: plan.department,
            name: plan.name.clone(),
            url: plan.url.clone(),
            signing_key: keys.signing.verifying_key(),
            hpke_key: key.parse().expect("a public key is written in hexadecimal digits"),
            roles: plan.roles.iter().copied().collect(),
        };
        home.write_document(&document)?;
        let (genesis, role) = match &plan.network {
            NetworkPlan::Found(name) => {
                let validator = self.validator(plan, rng)?;
                let role = ChainRole::Validator(validator.id);
                let facts = facts(name.clone(), vec![document.clone()], validator, rng);
                let genesis = Arc::new(Genesis::new(facts)?);
                Remembered::first(&genesis).write(self)?;
                (genesis, role)
            }
            NetworkPlan::Join { genesis, follow } => {
                if genesis.facts().departments.iter().any(|it| it.id == plan.department) {
                    return Err(InitError::Department(plan.department));
                }
                (Arc::clone(genesis), ChainRole::Follower(follow.clone()))
            }
        };
        self.write_genesis(&genesis)?;
        self.write_development_keys(development_keys)?;
        self.write_config(&[plan.department], plan.listen, &role)?;
        Ok(Initialized { genesis, document })
    }

    fn validator(&self, plan: &Plan, rng: &mut impl CryptoRng) -> Result<Validator, InitError> {
        let key = self.create_validator_key(rng)?.verifying_key();
        let id: ValidatorId =
            plan.department.as_str().parse().expect("a validator's id has a department's form");
        Ok(Validator { id, name: plan.name.clone(), key })
    }

    /// Moves everything to its place, the configuration last: without it there is no gateway. What was
    /// moved goes back if something cannot be.
    fn move_to(&self, place: &Self) -> Result<(), InitError> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.root()).map_err(FileError::at(self.root()))? {
            names.push(entry.map_err(FileError::at(self.root()))?.file_name());
        }
        names.sort_by_key(|name| name == CONFIG_FILE);
        for (moved, name) in names.iter().enumerate() {
            let from = self.root().join(name);
            if let Err(error) = std::fs::rename(&from, place.root().join(name)) {
                for name in &names[..moved] {
                    // Where this fails too, the next attempt says that the folder is not empty.
                    let _: io::Result<()> =
                        std::fs::rename(place.root().join(name), self.root().join(name));
                }
                return Err(FileError::at(&from)(error).into());
            }
        }
        std::fs::remove_dir(self.root()).map_err(FileError::at(self.root()))?;
        sync_folder(place.root()).map_err(|error| FileError::at(place.root())(error).into())
    }
}

/// Waits until the disk has a folder's names.
fn sync_folder(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

/// The facts of a new network with one validator.
fn facts(
    name: Origin,
    departments: Vec<Department>,
    validator: Validator,
    rng: &mut impl CryptoRng,
) -> NetworkFacts {
    let mut nonce = [0; 32];
    rng.fill_bytes(&mut nonce);
    let label =
        |text: &str| text.parse::<Label>().expect("a short text without control characters");
    NetworkFacts {
        format: GENESIS_FORMAT.to_owned(),
        name,
        nonce: Digest::from_bytes(nonce),
        subject_identifier: SubjectIdentifier {
            kind: label("citizen number"),
            normal_form: label("1 to 18 decimal digits without a leading zero"),
        },
        records_grace_seconds: RECORDS_GRACE_SECONDS,
        departments,
        validators: vec![validator],
        cosigners: Vec::new(),
    }
}
