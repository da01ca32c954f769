//! snarkjs from npm, of the version that the lock file pins.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// snarkjs' command line, installed once for this run of the tests.
pub(crate) fn command_line() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("snarkjs");
        fs::create_dir_all(&folder).unwrap();
        let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snarkjs");
        let lock = fs::read(pinned.join("package-lock.json")).unwrap();
        let installed = folder.join("installed.json");
        let script = folder.join("node_modules/snarkjs/build/cli.cjs");
        if fs::read(&installed).is_ok_and(|it| it == lock) && script.exists() {
            return script;
        }
        for name in ["package.json", "package-lock.json"] {
            fs::copy(pinned.join(name), folder.join(name)).unwrap();
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
        let output = npm.output().unwrap_or_else(|error| {
            panic!("npm does not run ({error}): these tests need Node.js 18 or newer, with npm, on the PATH")
        });
        assert!(output.status.success(), "npm ci: {}", String::from_utf8_lossy(&output.stderr));
        fs::write(&installed, lock).unwrap();
        script
    })
}

/// Runs snarkjs in a folder.
pub(crate) fn snarkjs(folder: &Path, arguments: &[&str]) -> Output {
    let mut node = Command::new("node");
    node.arg(command_line()).args(arguments).current_dir(folder);
    node.output().unwrap_or_else(|error| {
        panic!("node does not run ({error}): these tests need Node.js 18 or newer on the PATH")
    })
}

/// Runs snarkjs, which must succeed; what it printed.
pub(crate) fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let output = snarkjs(folder, arguments);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "snarkjs {arguments:?}: {printed}");
    printed
}

/// Runs snarkjs, which must refuse; what it printed.
pub(crate) fn refuses(folder: &Path, arguments: &[&str]) -> String {
    let output = snarkjs(folder, arguments);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success(), "snarkjs {arguments:?} did not refuse: {printed}");
    printed
}

/// Runs snarkjs, which must succeed, with zeros in the place of its own randomness: what it makes of a text that
/// somebody types is then the same each time.
pub(crate) fn succeeds_without_randomness(folder: &Path, arguments: &[&str]) {
    let zeros = folder.join("zeros.cjs");
    fs::write(&zeros, "require('crypto').randomFillSync = (array) => array.fill(0);\n").unwrap();
    let mut node = Command::new("node");
    node.arg("--require").arg(&zeros).arg(command_line()).args(arguments).current_dir(folder);
    let output = node.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "snarkjs {arguments:?}: {printed}");
}
