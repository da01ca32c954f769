//! Which keys a gateway proves with, as its folder has them.

use ::circuits::statement::CircuitId;

use super::super::failure::Failure;
use crate::document::circuit::Provenance;
use crate::folder::{Folder, ImportedKeys, KeySource};

/// The keys in a gateway's folder.
#[derive(Debug)]
pub(in crate::cli) struct Keys<'a> {
    folder: &'a Folder,
    imported: ImportedKeys,
    production: bool,
}

impl<'a> Keys<'a> {
    /// Those that a gateway starts with, in production or not.
    pub(in crate::cli) fn of(folder: &'a Folder, production: bool) -> Result<Self, Failure> {
        Ok(Self::started(folder, folder.imported_keys()?, production))
    }

    /// Those that a gateway was started with.
    pub(in crate::cli) const fn started(
        folder: &'a Folder,
        imported: ImportedKeys,
        production: bool,
    ) -> Self {
        Self { folder, imported, production }
    }

    /// Those that were imported from ceremonies.
    pub(in crate::cli) const fn imported(&self) -> &ImportedKeys {
        &self.imported
    }

    /// Whether development keys do not count.
    pub(super) const fn production(&self) -> bool {
        self.production
    }

    pub(super) fn source(&self, circuit: CircuitId) -> Option<KeySource<'_>> {
        self.folder.key_source(circuit, &self.imported, self.production)
    }

    /// `a key of tax, welfare and a beacon`
    pub(super) fn described(&self, circuit: CircuitId) -> String {
        match self.source(circuit) {
            None => "no key".to_owned(),
            Some(KeySource::Development(_)) => "a development key, which one party made".to_owned(),
            Some(KeySource::Ceremony(key)) => match &key.document.provenance {
                Provenance::Ceremony(ceremony) => format!("a key of {ceremony}"),
                provenance => provenance.to_string(),
            },
        }
    }

    /// Where the key is, for people; for want of one, how to come by it.
    pub(super) fn place(&self, circuit: CircuitId) -> String {
        match self.source(circuit) {
            None => format!("proofgate setup begin --circuit {circuit} begins a ceremony about it"),
            Some(KeySource::Development(path)) => path.display().to_string(),
            Some(KeySource::Ceremony(key)) => key.import.display().to_string(),
        }
    }

    /// Whether development keys count.
    pub(in crate::cli) const fn mode(&self) -> &'static str {
        if self.production { "in production" } else { "not in production" }
    }

    /// The mode and the keys in a line.
    pub(in crate::cli) fn summary(&self) -> String {
        let mode = self.mode();
        let each = CircuitId::ALL.map(|it| format!("{it} with {}", self.described(it)));
        format!("{mode}: {}", each.join("; "))
    }

    /// Says on standard error which circuits have no key: nobody asks with them, and only silence would tell.
    pub(in crate::cli) fn tell_missing(&self) {
        for circuit in CircuitId::ALL {
            if self.source(circuit).is_none() {
                eprintln!(
                    "proofgate: nothing was put forward for {circuit}: there is no key of a ceremony about it here, \
                     and in production no other counts. If it is wanted, {}",
                    self.place(circuit)
                );
            }
        }
    }
}
