//! A step of a ceremony that is stopped while snarkjs is at work.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use super::{Consortium, refused};
use crate::gateway::{command, signal};

/// A step that is stopped leaves nothing, and takes snarkjs with it; the next one clears away what one left that
/// was killed.
pub(super) fn stopped(consortium: &Consortium) {
    let place = consortium.folder("tax").join(".snarkjs");
    let abandoned = place.join("work.abandoned");
    fs::create_dir_all(&abandoned).unwrap();
    fs::write(abandoned.join("phase1.ptau"), "cut").unwrap();
    let began = || {
        let mut folders = fs::read_dir(&place).unwrap().map(|it| it.unwrap().path());
        folders.find(|it| it.join("snarkjs.pid").exists())
    };
    // It says who it is, and starts another that goes on until it is killed, as a wrapper of snarkjs may.
    let endless = consortium.pair.file(
        "endless",
        "#!/bin/sh\n[ \"$1\" = --version ] && echo snarkjs@0.7.6 && exit\ntail -f /dev/null &\n\
         echo $! > snarkjs.pid.new\nmv snarkjs.pid.new snarkjs.pid\nwait\n",
    );
    fs::set_permissions(&endless, PermissionsExt::from_mode(0o700)).unwrap();
    let ceremony = consortium.ceremony();
    let setup = ["setup", "contribute", "--ceremony", ceremony.to_str().unwrap()];
    let endless = ["--snarkjs", endless.to_str().unwrap()];
    let mut command = command(&consortium.folder("tax"), &[&setup[..], &endless].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let folder = loop {
        assert!(child.try_wait().unwrap().is_none(), "it ended before snarkjs was at work");
        if let Some(folder) = began() {
            break folder;
        }
        std::thread::yield_now();
    };
    assert!(!abandoned.exists());
    // One at a time.
    refused(&consortium.setup("tax", "contribute", &[]), 75, &["another proofgate setup"]);
    let snarkjs: i32 =
        fs::read_to_string(folder.join("snarkjs.pid")).unwrap().trim().parse().unwrap();
    signal(&child, "-TERM");
    refused(&child.wait_with_output().unwrap(), 1, &["stopped", "same command again"]);
    assert!(!folder.exists());
    let alive = PathBuf::from(format!("/proc/{snarkjs}/stat"));
    // Killed; what is left of a killed process is not running.
    let runs = || fs::read_to_string(&alive).is_ok_and(|it| !it.contains(") Z"));
    while runs() {
        std::thread::yield_now();
    }
}
