//! What comes next in a ceremony: commands to be copied.

use std::path::Path;

use chain::identifier::DepartmentId;
use crypto::Digest;

use super::super::text::quoted;
use crate::ceremony::{CeremonyFolder, Progress, read};
use crate::config::Config;
use crate::document::circuit::Provenance;
use crate::folder::Folder;

/// A command on a folder, as a shell takes it.
fn command(folder: &Folder, rest: &str) -> String {
    format!("proofgate --dir {} {rest}", path(folder.root()))
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

fn hosts(folder: &Folder, department: &DepartmentId) -> bool {
    folder.config().is_ok_and(|config| config.departments.contains(department))
}

/// What comes next, who does it, and how.
pub(super) fn step(folder: &Folder, ceremony: &CeremonyFolder) -> String {
    let root = path(ceremony.root());
    match ceremony.progress() {
        Progress::Turn(_, whose) if hosts(folder, whose) => {
            command(folder, &format!("setup contribute --ceremony {root}"))
        }
        Progress::Turn(_, whose) => format!(
            "give the folder {root} to {whose}, whose operator runs on the folder DIR of its gateway\n\
             proofgate --dir DIR setup contribute --ceremony {root}"
        ),
        Progress::Beacon => format!(
            "take the randomness that was announced, and run\n{}",
            command(folder, &format!("setup beacon --ceremony {root} --randomness HEX"))
        ),
        Progress::Ended if is_imported(folder, ceremony) => match folder.config() {
            Ok(config) => format!("this gateway has its keys; {}", after_import(folder, &config)),
            Err(_) => command(folder, "setup publish"),
        },
        Progress::Ended => format!(
            "every department that is to rely on the keys verifies all of it and takes them:\n{}",
            command(folder, &format!("setup import --ceremony {root}"))
        ),
    }
}

/// Whether the gateway has the keys that a ceremony has ended with.
fn is_imported(folder: &Folder, ceremony: &CeremonyFolder) -> bool {
    let imported = folder.imported_keys().unwrap_or_default();
    ceremony.plan().circuits().all(|id| match imported.get(&id).map(|it| &it.document.provenance) {
        Some(Provenance::Ceremony(of)) => {
            read(&ceremony.final_key(id)).is_ok_and(|bytes| Digest::of(&bytes) == of.zkey)
        }
        _ => false,
    })
}

/// What comes after an import.
pub(super) fn after_import(folder: &Folder, config: &Config) -> String {
    let production = if config.production {
        String::new()
    } else {
        let file = path(&folder.config_file());
        format!(
            "for real use put `production = true` in the place of `# production = false` in {file}; "
        )
    };
    let publish = command(folder, "setup publish");
    format!("{production}start the gateway again, and run\n{publish}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_names_the_folder_and_runs_nothing_else() {
        let copied = command(&Folder::new("the tax's $(reboot)\u{1b}[2J"), "setup publish");
        let words = shlex::split(&copied).unwrap();
        let folder = "the tax's $(reboot)\u{fffd}[2J";
        assert_eq!(words, ["proofgate", "--dir", folder, "setup", "publish"]);
        assert_eq!(command(&Folder::new("tax"), "serve"), "proofgate --dir tax serve");
    }
}
