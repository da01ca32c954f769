//! What comes next in a ceremony: commands to be copied.

use std::path::Path;

use crate::ceremony::{CeremonyFolder, Progress};
use crate::config::Config;
use crate::folder::Folder;

/// A command on a folder, as a shell takes it.
fn command(folder: &Folder, rest: &str) -> String {
    format!("proofgate --dir {} {rest}", quoted(folder.root()))
}

fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    shlex::try_quote(&text).map_or_else(|_| text.clone(), std::borrow::Cow::into_owned)
}

/// What comes next, who does it, and how.
pub(super) fn step(folder: &Folder, ceremony: &CeremonyFolder) -> String {
    let root = quoted(ceremony.root());
    match ceremony.progress() {
        Progress::Turn(_, whose) => format!(
            "give the folder {root} to {whose}, whose operator runs, with where it is there and where the \
             gateway is,\nproofgate --dir DIR setup contribute --ceremony {root}"
        ),
        Progress::Beacon => format!(
            "take the randomness that was announced, and run\n{}",
            command(folder, &format!("setup beacon --ceremony {root} --randomness HEX"))
        ),
        Progress::Ended => format!(
            "every department that is to rely on the keys verifies all of it and takes them:\n{}",
            command(folder, &format!("setup import --ceremony {root}"))
        ),
    }
}

/// What comes after an import.
pub(super) fn after_import(folder: &Folder, config: &Config) -> String {
    let production = if config.production {
        String::new()
    } else {
        let file = folder.config_file();
        format!("put `production = true` into {} for real use, ", file.display())
    };
    let publish = command(folder, "setup publish");
    format!("{production}start the gateway again, and run\n{publish}")
}
