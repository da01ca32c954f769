//! Standard output of a command. What could not be said there is a failure, unless nobody was listening.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::OnceLock;

use super::exit::Exit;
use super::failure::Failure;

/// Why something was not said; the first time that happened.
static UNSAID: OnceLock<io::Error> = OnceLock::new();

/// Prints a line.
pub(super) fn say(text: impl fmt::Display) {
    note(writeln!(io::stdout(), "{text}"));
}

/// Prints text that has its line ends.
pub(super) fn say_all(text: &[u8]) {
    note(io::stdout().write_all(text).and_then(|()| io::stdout().flush()));
}

fn note(written: io::Result<()>) {
    match written {
        // A reader that went away has read what it wanted.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            UNSAID.get_or_init(|| error);
        }
        _ => {}
    }
}

/// Whether everything was said.
///
/// # Errors
/// What the operating system said of the first line that was not.
pub(super) fn said() -> Result<(), Failure> {
    match UNSAID.get() {
        None => Ok(()),
        Some(error) => Err(Failure::new(Exit::IoErr, format_args!("standard output: {error}"))),
    }
}
