//! The genesis file: the facts that a network starts from, and the only thing an auditor has to trust.

use std::collections::BTreeSet;

use crypto::{Digest, VerifyingKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::department::Department;
use crate::identifier::{DepartmentId, NetworkId, ValidatorId};
use crate::text::{Label, Origin};
use crate::validators::{Validator, ValidatorSet, ValidatorSetError};

/// The genesis format this version reads.
pub const GENESIS_FORMAT: &str = "proofgate/genesis/v1";

const NETWORK_LABEL: &str = "proofgate/v1/network";

/// What identifies a citizen in every record of the network. Opaque to the chain.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectIdentifier {
    /// Its type, for instance the name of a national number.
    #[serde(rename = "type")]
    pub kind: Label,
    /// How it is written so that equal subjects are equal bytes.
    pub normal_form: Label,
}

/// Somebody outside the validators who cosigns checkpoints (C2SP tlog-cosignature).
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cosigner {
    /// The name on its signature lines.
    pub name: Origin,
    /// The key that its cosignatures verify under.
    pub key: VerifyingKey,
}

/// The facts of a network, as written in its genesis file.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkFacts {
    /// [`GENESIS_FORMAT`].
    pub format: String,
    /// The network's name: the origin of its checkpoints.
    pub name: Origin,
    /// 32 random bytes, so that two networks with equal facts are two networks.
    pub nonce: Digest,
    /// What identifies a citizen.
    pub subject_identifier: SubjectIdentifier,
    /// How long a records root may still be proved against after another replaced it, in seconds of block
    /// time; 0 for not at all.
    pub records_grace_seconds: u32,
    /// The founding departments, in ascending order of their ids.
    pub departments: Vec<Department>,
    /// The first validator set, in ascending order of ids.
    pub validators: Vec<Validator>,
    /// Known cosigners of checkpoints, in ascending order of their names.
    pub cosigners: Vec<Cosigner>,
}

/// Why facts or bytes are no genesis.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum GenesisError {
    /// Not canonical JSON of the genesis shape.
    #[error("the genesis file: {reason}")]
    Malformed {
        /// What was expected.
        reason: String,
    },
    /// A format that this version does not read.
    #[error("expected format {GENESIS_FORMAT:?}, got {got:?}")]
    Format {
        /// The format it names.
        got: String,
    },
    /// Nobody could write on the chain.
    #[error("a network needs at least one founding department")]
    NoDepartments,
    /// Not in ascending order of ids, or an id twice.
    #[error("departments must be in ascending order of their ids; {id} is not")]
    DepartmentOrder {
        /// The department that is out of order.
        id: DepartmentId,
    },
    /// Not in ascending order of names, or a name twice.
    #[error("cosigners must be in ascending order of their names; {name} is not")]
    CosignerOrder {
        /// The cosigner that is out of order.
        name: Origin,
    },
    /// A validator signs with a department's key.
    #[error("validator {id} has the key of another party")]
    SharedKey {
        /// The validator.
        id: ValidatorId,
    },
    /// The validators do not make a set.
    #[error(transparent)]
    Validators(#[from] ValidatorSetError),
}

impl GenesisError {
    /// The stable name of the failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "genesis-malformed",
            Self::Format { .. } => "genesis-format",
            Self::NoDepartments => "genesis-no-departments",
            Self::DepartmentOrder { .. } => "genesis-department-order",
            Self::CosignerOrder { .. } => "genesis-cosigner-order",
            Self::SharedKey { .. } => "genesis-shared-key",
            Self::Validators(error) => error.code(),
        }
    }
}

/// Checked facts of a network, with the network's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    facts: NetworkFacts,
    validators: ValidatorSet,
    bytes: Vec<u8>,
    network: NetworkId,
}

impl Genesis {
    /// Checks `facts`.
    ///
    /// # Errors
    /// [`GenesisError`], naming the first fact that is wrong.
    pub fn new(facts: NetworkFacts) -> Result<Self, GenesisError> {
        if facts.format != GENESIS_FORMAT {
            return Err(GenesisError::Format { got: facts.format });
        }
        if facts.departments.is_empty() {
            return Err(GenesisError::NoDepartments);
        }
        for pair in facts.departments.windows(2) {
            if pair[0].id >= pair[1].id {
                return Err(GenesisError::DepartmentOrder { id: pair[1].id });
            }
        }
        for pair in facts.cosigners.windows(2) {
            if pair[0].name >= pair[1].name {
                return Err(GenesisError::CosignerOrder { name: pair[1].name.clone() });
            }
        }
        let validators = ValidatorSet::new(facts.validators.clone())?;
        let departments = facts.departments.iter().map(|department| department.signing_key);
        let cosigners = facts.cosigners.iter().map(|cosigner| cosigner.key);
        let others: BTreeSet<_> = departments.chain(cosigners).map(|key| *key.as_bytes()).collect();
        for validator in &facts.validators {
            if others.contains(validator.key.as_bytes()) {
                return Err(GenesisError::SharedKey { id: validator.id });
            }
        }
        let bytes = crypto::canonical::to_vec(&facts).map_err(|error| malformed(&error))?;
        let network = NetworkId::from_digest(Digest::labelled(NETWORK_LABEL, &[&bytes]));
        Ok(Self { facts, validators, bytes, network })
    }

    /// Reads a genesis file, which must be canonical JSON (RFC 8785).
    ///
    /// # Errors
    /// [`GenesisError`] for another spelling or shape, or facts that are wrong.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, GenesisError> {
        Self::new(crypto::canonical::from_slice(bytes).map_err(|error| malformed(&error))?)
    }

    /// The genesis file.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// `labelled("proofgate/v1/network", genesis file)`: the network's id, and the hash that block 1 links to.
    pub const fn network(&self) -> &NetworkId {
        &self.network
    }

    /// The facts.
    pub const fn facts(&self) -> &NetworkFacts {
        &self.facts
    }

    /// The validator set of heights 1 and 2.
    pub const fn validators(&self) -> &ValidatorSet {
        &self.validators
    }
}

fn malformed(error: &crypto::canonical::CanonicalError) -> GenesisError {
    GenesisError::Malformed { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Network;

    fn facts() -> NetworkFacts {
        Network::new(3).genesis().facts().clone()
    }

    #[test]
    fn reads_back_from_its_file_with_the_same_network_id() {
        let genesis = Genesis::new(facts()).unwrap();
        assert_eq!(Genesis::from_slice(genesis.as_bytes()), Ok(genesis));
    }

    #[test]
    fn every_fact_changes_the_network_id() {
        let id = *Genesis::new(facts()).unwrap().network();
        let changes: [fn(&mut NetworkFacts); 5] = [
            |facts| facts.nonce = Digest::of(b"other"),
            |facts| facts.records_grace_seconds += 1,
            |facts| facts.name = "other.example".parse().unwrap(),
            |facts| facts.departments[0].roles.clear(),
            |facts| facts.subject_identifier.normal_form = "other".parse().unwrap(),
        ];
        for change in changes {
            let mut changed = facts();
            change(&mut changed);
            assert_ne!(*Genesis::new(changed).unwrap().network(), id);
        }
    }

    #[test]
    fn refuses_unknown_fields_and_other_spellings() {
        let text = String::from_utf8(Genesis::new(facts()).unwrap().as_bytes().to_vec()).unwrap();
        for broken in [
            text.replacen('{', "{\"a\":1,", 1),
            text.replacen(':', ": ", 1),
            text.clone() + "\n",
            text.replacen("\"registrar\"", "\"emperor\"", 1),
        ] {
            assert_ne!(broken, text);
            let error = Genesis::from_slice(broken.as_bytes()).unwrap_err();
            assert_eq!(error.code(), "genesis-malformed", "{broken}");
        }
    }

    #[test]
    fn each_wrong_fact_has_its_code() {
        type Breakage = fn(&mut NetworkFacts);
        let table: [(&str, Breakage); 7] = [
            ("genesis-format", |facts| facts.format = "proofgate/genesis/v2".into()),
            ("genesis-no-departments", |facts| facts.departments.clear()),
            ("genesis-department-order", |facts| facts.departments.reverse()),
            ("genesis-cosigner-order", |facts| {
                let cosigner =
                    Cosigner { name: "c".parse().unwrap(), key: facts.departments[0].signing_key };
                facts.cosigners = vec![cosigner.clone(), cosigner];
            }),
            ("genesis-shared-key", |facts| {
                facts.validators[0].key = facts.departments[1].signing_key;
            }),
            ("validator-set-size", |facts| facts.validators.clear()),
            ("validator-set-order", |facts| {
                facts.validators.push(facts.validators[0].clone());
            }),
        ];
        assert!(Genesis::new(facts()).is_ok());
        for (code, breakage) in table {
            let mut broken = facts();
            breakage(&mut broken);
            assert_eq!(Genesis::new(broken).unwrap_err().code(), code);
        }
    }
}
