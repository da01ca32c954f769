//! Every file that fuzzing begins with or once found goes through its decoder, without cargo-fuzz.

#[path = "../fuzz/src/decoders.rs"]
#[expect(unreachable_pub, reason = "public in the crate of the fuzz targets")]
mod decoders;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use decoders::{DECODERS, Decoder, decoder};

fn corpus() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

#[test]
fn every_corpus_file_is_decoded_or_refused_and_every_target_decodes_one() {
    let mut replayed = 0;
    for (name, decode) in DECODERS {
        let folder = corpus().join(name);
        let mut decoded = 0;
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{name}: {error}")) {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            decoded += usize::from(decode(&bytes));
            replayed += 1;
            // Nor does what is next to it break anything.
            if let Some((last, rest)) = bytes.split_last() {
                decode(rest);
                decode(&[rest, &[last ^ 1]].concat());
                decode(&[&bytes[..], &[0]].concat());
            }
        }
        assert!(decoded > 0, "{name}: no seed decodes");
    }
    assert!(replayed >= DECODERS.len());
}

#[test]
fn every_decoder_has_a_target_and_every_target_a_decoder() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    let built = manifest.split("[[bin]]\nname = \"").skip(1);
    let built: BTreeSet<_> = built.map(|rest| rest.split('"').next().unwrap()).collect();
    let known: BTreeSet<_> = DECODERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(built, known);
    for name in known {
        let target = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = target.join(format!("fuzz/fuzz_targets/{name}.rs"));
        assert!(fs::read_to_string(target).unwrap().contains(&format!("decoder(\"{name}\")")));
        let _: Decoder = decoder(name);
    }
}
