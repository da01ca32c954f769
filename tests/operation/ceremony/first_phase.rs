//! The first phase that a ceremony begins with.

use std::fs;
use std::path::{Path, PathBuf};

use circuits::snarkjs::contribution::Beacon;
use circuits::snarkjs::known_phase_one;

use super::BEACON_OF_PHASE_ONE;
use crate::snarkjs;

/// A first phase to which two have contributed before the beacon, prepared by snarkjs, and the same before that.
pub(super) fn full_phase_one(folder: &Path, power: u32) -> (PathBuf, PathBuf) {
    let power = power.to_string();
    let steps: [&[&str]; 5] = [
        &["new", "bn128", &power, "new.ptau"],
        &["contribute", "new.ptau", "one.ptau", "--name=tax", "-e=the first one's secret"],
        &["contribute", "one.ptau", "two.ptau", "--name=welfare", "-e=the second one's secret"],
        &["beacon", "two.ptau", "unprepared.ptau", BEACON_OF_PHASE_ONE, "10"],
        &["prepare", "phase2", "unprepared.ptau", "phase1.ptau"],
    ];
    for step in steps {
        snarkjs::succeeds(folder, &[&["powersoftau"], step].concat());
    }
    (folder.join("phase1.ptau"), folder.join("unprepared.ptau"))
}

/// What the contributors of [`phase_one`] type.
const TYPED: [&str; 2] = ["one", "two"];

/// A first phase of known secrets, as snarkjs makes it, and prepared: two contributors, to whose words snarkjs adds
/// nothing of its own, and a beacon.
pub(super) fn phase_one(folder: &Path, power: u32) -> (PathBuf, PathBuf) {
    let power = power.to_string();
    snarkjs::succeeds(folder, &["powersoftau", "new", "bn128", &power, "0.ptau"]);
    for (text, number) in TYPED.iter().zip(0..) {
        let (before, after) = (format!("{number}.ptau"), format!("{}.ptau", number + 1));
        let typed = format!("-e={text}");
        let arguments = ["powersoftau", "contribute", &before, &after, "--name=known", &typed];
        snarkjs::succeeds_without_randomness(folder, &arguments);
    }
    let beacon = ["powersoftau", "beacon", "2.ptau", "unprepared.ptau", BEACON_OF_PHASE_ONE, "10"];
    snarkjs::succeeds(folder, &beacon);
    let unprepared = folder.join("unprepared.ptau");
    let hash = hex::decode(BEACON_OF_PHASE_ONE).unwrap();
    let beacon = Beacon { hash, iterations_exponent: 10 };
    let bytes = fs::read(&unprepared).unwrap();
    let path = folder.join("phase1.ptau");
    fs::write(&path, known_phase_one::prepare(&bytes, &TYPED, &beacon).unwrap()).unwrap();
    (path, unprepared)
}
