//! Departments: who may write on the chain, and under which keys.

use std::collections::BTreeSet;

use crypto::VerifyingKey;
use serde::{Deserialize, Serialize};

use crate::identifier::DepartmentId;
use crate::text::{BaseUrl, HpkeKey, Label};

/// What a department may do beyond asking and answering.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Role {
    /// Enrols citizens' consent keys.
    Registrar,
}

/// A department's document: in the genesis file for the founding ones, behind a `department` entry for
/// those that join or change.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Department {
    /// Its id.
    pub id: DepartmentId,
    /// What people call it.
    pub name: Label,
    /// Where its gateway is reached by other gateways.
    pub url: BaseUrl,
    /// The key that its entries and messages verify under.
    pub signing_key: VerifyingKey,
    /// The key that messages to it are sealed to.
    pub hpke_key: HpkeKey,
    /// What it may do besides.
    pub roles: BTreeSet<Role>,
}

impl Department {
    /// Whether it may enrol consent keys.
    pub fn is_registrar(&self) -> bool {
        self.roles.contains(&Role::Registrar)
    }
}
