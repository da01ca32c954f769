//! Where snarkjs works: in a folder of the gateway that nobody else looks into, on files that were read once.
//!
//! What was checked is so what snarkjs verifies and what is taken, whatever becomes of the ceremony's folder
//! in the meantime, and snarkjs writes through nobody's links.

use std::fs::{File, TryLockError};
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ::circuits::statement::CircuitId;
use tempfile::TempDir;

use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::snarkjs::Snarkjs;
use super::super::text::plain;
use super::Waiting;
use crate::ceremony::{CeremonyFault, read};
use crate::folder::{Folder, make, write_new};

/// The first phase in the folder.
pub(super) const PHASE_ONE: &str = "phase1.ptau";

/// In the gateway's folder: no department has a name with a dot.
const PLACE: &str = ".snarkjs";
const LOCK_FILE: &str = "lock";
const PREFIX: &str = "work.";

/// A folder for a command's time.
pub(super) struct Work<'a> {
    folder: TempDir,
    snarkjs: &'a Snarkjs,
    /// As long as it is locked, nobody else works there.
    _lock: File,
}

impl<'a> Work<'a> {
    pub(super) fn new(folder: &Folder, snarkjs: &'a Snarkjs) -> Result<Self, Failure> {
        let place = place_in(folder.root())?;
        let path = place.join(LOCK_FILE);
        let mut options = File::options();
        let lock = options.create(true).write(true).truncate(false).mode(0o600).open(&path);
        let lock = lock.map_err(Failure::writing(&path))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                let told = "another proofgate setup is at work for this gateway; try again when it has ended";
                Failure::new(Exit::TempFail, told)
            }
            TryLockError::Error(error) => Failure::writing(&path)(error),
        })?;
        remove_abandoned(&place).map_err(Failure::reading(&place))?;
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&place);
        let made = made.map_err(Failure::writing(&place))?;
        Ok(Self { folder: made, snarkjs, _lock: lock })
    }

    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        Ok(write_new(&self.path(name), bytes)?)
    }

    /// This build's constraints of a circuit, whatever the ceremony's folder has.
    pub(super) fn put_constraints(&self, circuit: CircuitId) -> Result<String, Failure> {
        let name = format!("{}.r1cs", circuit.name().replace('/', "-"));
        self.put(&name, &circuit.r1cs().to_file())?;
        Ok(name)
    }

    pub(super) fn get(&self, name: &str) -> Result<Vec<u8>, Failure> {
        read(&self.path(name)).map_err(|fault| match fault {
            CeremonyFault::Missing { path } => {
                let told = format_args!("{}: snarkjs did not write it", path.display());
                Failure::new(Exit::DataErr, told)
            }
            fault => fault.into(),
        })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs snarkjs here, and shows that something is being done.
    pub(super) async fn run(
        &self,
        what: String,
        arguments: &[&str],
        input: &str,
    ) -> Result<(), Failure> {
        if !std::io::stderr().is_terminal() {
            // Where nothing turns, a minute without a word looks like a fault.
            eprintln!("{what}");
        }
        let _shown = Waiting::shown(what);
        self.snarkjs.run_awaited(self.folder.path(), arguments, input).await
    }

    /// Puts the first phase here and has snarkjs verify it.
    pub(super) async fn verify_phase_one(&self, phase_one: &[u8]) -> Result<(), Failure> {
        self.put(PHASE_ONE, phase_one)?;
        let arguments = ["powersoftau", "verify", PHASE_ONE];
        self.run("snarkjs verifies the first phase".to_owned(), &arguments, "").await
    }

    /// Has snarkjs verify that a key comes of this build's constraints, the first phase, and its contributions.
    pub(super) async fn verify_key(
        &self,
        circuit: CircuitId,
        constraints: &str,
        zkey: &str,
    ) -> Result<(), Failure> {
        let what = format!("snarkjs verifies the key of {circuit} from its beginning");
        self.run(what, &["zkey", "verify", constraints, PHASE_ONE, zkey], "").await
    }
}

/// Where folders are made and removed: one of the gateway's own, and not what a link in its place leads to.
fn place_in(root: &Path) -> Result<PathBuf, Failure> {
    let place = root.join(PLACE);
    make(&place)?;
    if !place.symlink_metadata().map_err(Failure::reading(&place))?.is_dir() {
        let told = format_args!("{}: not a folder but a link: remove it", place.display());
        return Err(Failure::new(Exit::CantCreat, told));
    }
    Ok(place)
}

/// Removes what commands have left that were killed. What cannot be removed is in nobody's way.
fn remove_abandoned(place: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(place)? {
        let entry = entry?;
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if ours && entry.file_type()?.is_dir() {
            let path = entry.path();
            if let Err(error) = std::fs::remove_dir_all(&path) {
                eprintln!(
                    "proofgate: {}: left by a command that was killed: {error}",
                    path.display()
                );
            }
        }
    }
    Ok(())
}

/// That files can be put into a folder: the secret of a contribution that cannot would be lost, after minutes.
pub(super) fn check_writable(folder: &Path) -> Result<(), Failure> {
    tempfile::NamedTempFile::new_in(folder).map(drop).map_err(Failure::writing(folder))
}

/// Puts a file into a ceremony's folder, whole or not at all. What is there under its name gives way.
pub(super) fn place(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let next = path.with_file_name(name);
    // Left by an interruption, or by somebody else.
    match std::fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Failure::writing(&next)(error));
        }
        _ => {}
    }
    write_new(&next, bytes)?;
    std::fs::rename(&next, path).map_err(Failure::writing(path))
}

impl From<CeremonyFault> for Failure {
    fn from(error: CeremonyFault) -> Self {
        match error {
            CeremonyFault::File(error) => error.into(),
            CeremonyFault::NoPlan { .. } | CeremonyFault::Missing { .. } => {
                Self::new(Exit::NoInput, error)
            }
            CeremonyFault::Read { error: ref cause, .. } => {
                Self::new(Exit::of_reading(cause), error)
            }
            CeremonyFault::Turn { .. }
            | CeremonyFault::Unfinished { .. }
            | CeremonyFault::NoBeacon => Self::new(Exit::TempFail, error),
            CeremonyFault::SpentBeacon
            | CeremonyFault::TooFew { .. }
            | CeremonyFault::TooMany { .. }
            | CeremonyFault::Twice { .. }
            | CeremonyFault::NoCircuit => Self::new(Exit::Usage, error),
            // What is wrong with a file may repeat what is in it.
            error => Self::new(Exit::DataErr, plain(&error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_commands_have_left_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let place = place_in(root.path()).unwrap();
        for name in ["work.abandoned", "kept", "work.file"] {
            std::fs::create_dir(place.join(name)).unwrap();
        }
        std::fs::remove_dir(place.join("work.file")).unwrap();
        std::fs::write(place.join("work.file"), "").unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), place.join("work.link")).unwrap();
        remove_abandoned(&place).unwrap();
        assert!(!place.join("work.abandoned").exists() && elsewhere.path().exists());
        assert!(["kept", "work.file", "work.link"].iter().all(|it| place.join(it).exists()));
    }

    #[test]
    fn a_link_in_its_place_is_refused() {
        let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(elsewhere.path(), root.path().join(PLACE)).unwrap();
        let refused = place_in(root.path()).unwrap_err();
        assert!(refused.message.contains("a link"), "{refused:?}");
    }
}
