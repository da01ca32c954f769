#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    proofgate_fuzz::decoders::decoder("ceremony_attestation")(bytes);
});
