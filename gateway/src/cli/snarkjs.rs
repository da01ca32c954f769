//! snarkjs, iden3's command line for Groth16, as a program beside this one.

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt as _;

use super::exit::Exit;
use super::failure::Failure;

/// What is run where nothing is named.
const ON_PATH: &str = "snarkjs";
/// How to get the one that the tests run with.
const INSTALL: &str = "npm install --global snarkjs@0.7.6 installs it, and --snarkjs names the program if it is not on PATH";

/// A program that says it is snarkjs.
#[derive(Debug)]
pub(super) struct Snarkjs {
    program: PathBuf,
    /// As it says.
    pub(super) version: String,
}

impl Snarkjs {
    /// The named one, or that on PATH if there is one.
    ///
    /// # Errors
    /// If a named one does not run.
    pub(super) fn find(named: Option<&Path>) -> Result<Option<Self>, Failure> {
        let program = named.unwrap_or(Path::new(ON_PATH));
        let failed = |exit, reason: &dyn std::fmt::Display| {
            Failure::new(exit, format_args!("{}: {reason}; {INSTALL}", program.display()))
        };
        let Some(resolved) =
            resolve(program).map_err(|error| failed(Exit::of_reading(&error), &error))?
        else {
            return match named {
                None => Ok(None),
                Some(_) => Err(failed(Exit::NoInput, &"is not on PATH")),
            };
        };
        let mut found = Self { program: resolved, version: String::new() };
        let output = found.start(Path::new("."), &["--version"], "");
        let output = output.map_err(|error| failed(Exit::of_reading(&error), &error))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let version = said.lines().find_map(|line| line.trim().strip_prefix("snarkjs@"));
        match version {
            Some(version) => {
                found.version = version.to_owned();
                Ok(Some(found))
            }
            None => Err(failed(Exit::DataErr, &"does not say that it is snarkjs")),
        }
    }

    /// The named one, or that on PATH, of a version whose files and commands are known here.
    ///
    /// # Errors
    /// If there is none, or it is of another version.
    pub(super) fn require(named: Option<&Path>) -> Result<Self, Failure> {
        let found = Self::find(named)?.ok_or_else(|| {
            Failure::new(Exit::Unavailable, format_args!("snarkjs is not on PATH: {INSTALL}"))
        })?;
        if found.version.starts_with("0.7.") {
            return Ok(found);
        }
        let version = &found.version;
        let told = format_args!("snarkjs {version}: a ceremony needs version 0.7: {INSTALL}");
        Err(Failure::new(Exit::Unavailable, told))
    }

    /// Runs it to its end in a folder, with something to read.
    ///
    /// # Errors
    /// What the operating system said.
    pub(super) fn start(
        &self,
        folder: &Path,
        arguments: &[&str],
        input: &str,
    ) -> io::Result<Output> {
        let mut child = self.command(folder, arguments).spawn()?;
        let mut stdin = child.stdin.take().expect("it was just piped");
        // Whether it reads that is its own affair: it may be done without.
        let _: io::Result<()> = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output()
    }

    fn command(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it, which must succeed.
    ///
    /// # Errors
    /// The command and the last that it said.
    pub(super) fn run(
        &self,
        folder: &Path,
        arguments: &[&str],
        input: &str,
    ) -> Result<(), Failure> {
        self.must_succeed(arguments, self.start(folder, arguments, input))
    }

    /// Runs it as [`Snarkjs::run`] does; it is killed, with all that it has started, if nobody waits for it any
    /// more. A terminal's Ctrl-C reaches this process alone.
    ///
    /// # Errors
    /// The command and the last that it said.
    pub(super) async fn run_awaited(
        &self,
        folder: &Path,
        arguments: &[&str],
        input: &str,
    ) -> Result<(), Failure> {
        let run = async {
            let mut command = self.command(folder, arguments);
            command.process_group(0);
            let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
            let mut group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
            let mut stdin = child.stdin.take().expect("it was just piped");
            // Whether it reads that is its own affair: it may be done without.
            let _: io::Result<()> = stdin.write_all(input.as_bytes()).await;
            drop(stdin);
            let output = child.wait_with_output().await?;
            group.0 = None;
            Ok(output)
        };
        self.must_succeed(arguments, run.await)
    }

    fn must_succeed(&self, arguments: &[&str], run: io::Result<Output>) -> Result<(), Failure> {
        let output = run.map_err(|error| {
            let program = self.program.display();
            Failure::new(Exit::Unavailable, format_args!("{program}: {error}"))
        })?;
        if output.status.success() {
            return Ok(());
        }
        let told = [&output.stdout[..], &output.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        let last = told.lines().map(plain_line).rfind(|line| !line.is_empty());
        let (arguments, last) = (arguments.join(" "), last.unwrap_or_default());
        Err(Failure::new(Exit::DataErr, format_args!("snarkjs {arguments}: {last}")))
    }
}

/// A group of processes, killed when this is dropped.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        // That it has ended already is as good.
        let _: Option<rustix::io::Result<()>> =
            self.0.map(|leader| kill_process_group(leader, Signal::KILL));
    }
}

/// Where a program is: from here, if its name has a folder, or else by PATH. It runs in other folders, and no file
/// there is to be taken for it.
fn resolve(program: &Path) -> io::Result<Option<PathBuf>> {
    if program.parent().is_some_and(|parent| parent != Path::new("")) {
        return program.canonicalize().map(Some);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    Ok(folders.find_map(|folder| Some(folder.join(program)).filter(|it| it.is_file())))
}

/// A line without the escapes that colour it.
fn plain_line(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, escape)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = escape.split_once('m').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    super::text::plain(plain.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_left_out() {
        let told = "\u{1b}[31;22m[ERROR] \u{1b}[39;1msnarkJS\u{1b}[0m: Invalid points";
        assert_eq!(plain_line(told), "[ERROR] snarkJS: Invalid points");
        assert_eq!(plain_line("  plain "), "plain");
        let moved = plain_line("\u{1b}[2Jgone\u{1b}]0;title\u{7}");
        assert!(!moved.contains(char::is_control), "{moved:?}");
    }

    #[test]
    fn a_program_that_is_missing_or_another_one_is_named() {
        let missing = Snarkjs::find(Some(Path::new("/nowhere/snarkjs"))).unwrap_err();
        assert!(matches!(missing.exit, Exit::NoInput), "{missing:?}");
        assert!(missing.message.starts_with("/nowhere/snarkjs: "), "{missing:?}");
        let other = Snarkjs::find(Some(Path::new("echo"))).unwrap_err();
        assert!(matches!(other.exit, Exit::DataErr), "{other:?}");
    }

    #[test]
    fn another_version_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("snarkjs");
        let version = |version: &str| {
            std::fs::write(&program, format!("#!/bin/sh\necho snarkjs@{version}\n")).unwrap();
            std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).unwrap();
            Snarkjs::require(Some(&program))
        };
        let refused = version("0.8.1").unwrap_err();
        assert!(refused.message.contains("0.8.1") && refused.message.contains("npm install"));
        assert_eq!(version("0.7.6").unwrap().version, "0.7.6");
    }
}
