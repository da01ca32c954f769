//! Tells the library what it is built with, for reports of measurements.

use std::env;
use std::fs;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../Cargo.lock");
    let compiler = env::var_os("RUSTC").and_then(|rustc| {
        let output = Command::new(rustc).arg("--version").output().ok()?;
        String::from_utf8(output.stdout).ok()
    });
    say("PROOFGATE_RUSTC", compiler.as_deref());
    let lock = fs::read_to_string("../Cargo.lock").ok();
    say("PROOFGATE_ARKWORKS", lock.as_deref().and_then(|lock| version(lock, "ark-groth16")));
    say("PROOFGATE_PROFILE", env::var("PROFILE").ok().as_deref());
}

fn say(name: &str, value: Option<&str>) {
    println!("cargo::rustc-env={name}={}", value.unwrap_or("unknown").trim());
}

/// The version of a package in a lock file.
fn version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    rest.split('"').next()
}
