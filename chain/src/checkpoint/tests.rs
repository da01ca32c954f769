use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto::Secret;

use super::*;

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&Secret::new([number; 32]))
}

fn origin() -> Origin {
    "network.example/test".parse().unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: origin(), size: 1_234, root: Digest::of(b"root") }
}

fn log_key() -> NoteKey {
    NoteKey::log(origin(), key(1).verifying_key())
}

fn cosigner() -> NoteKey {
    NoteKey::cosigner("auditor.example".parse().unwrap(), key(2).verifying_key())
}

fn signed() -> SignedCheckpoint {
    let mut signed = checkpoint().sign(&key(1));
    let time = Timestamp::from_unix_seconds(1_700_000_000);
    signed.cosign("auditor.example".parse().unwrap(), &key(2), time);
    signed
}

#[test]
fn key_ids_and_signatures_agree_with_gos_note_package() {
    // golang.org/x/mod/sumdb/note, note_test.go: the example's key and note.
    let vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let skey = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let text = "If you think cryptography is the answer to your problem,\n\
                then you don't know what your problem is.\n";
    let line = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdn\
                gotpRZb6KE6RyyBwJnAM=\n";
    let seed = STANDARD.decode(skey).unwrap()[1..].try_into().unwrap();
    let signing_key = SigningKey::from_seed(&Secret::new(seed));
    let key = NoteKey::log("PeterNeumann".parse().unwrap(), signing_key.verifying_key());
    assert_eq!(key.to_vkey(), vkey);
    let signature = key.sign(text.as_bytes(), &signing_key, Timestamp::default());
    assert_eq!(String::from_utf8(signature.to_bytes()).unwrap(), line);
    assert!(key.verify(text.as_bytes(), signature.signature()));
}

#[test]
fn the_note_is_what_the_specification_shows() {
    let text = format!(
        "network.example/test\n1234\n{}\n",
        STANDARD.encode(Digest::of(b"root").as_bytes())
    );
    let note = signed();
    let (body, signatures) = note.as_str().split_once("\n\n").unwrap();
    assert_eq!(format!("{body}\n"), text);
    let lines: Vec<_> = signatures.lines().collect();
    assert!(lines[0].starts_with("— network.example/test "));
    assert!(lines[1].starts_with("— auditor.example "));
    assert_eq!(lines.len(), 2);

    // The cosignature as tlog-cosignature has it: key id ‖ u64 time ‖ Ed25519 over header and note body.
    let blob = STANDARD.decode(lines[1].rsplit(' ').next().unwrap()).unwrap();
    assert_eq!(blob[4..12], 1_700_000_000_u64.to_be_bytes());
    let message = format!("cosignature/v1\ntime 1700000000\n{text}");
    let signature = Signature::from_bytes(blob[12..].try_into().unwrap());
    assert!(key(2).verifying_key().verify_raw(message.as_bytes(), &signature).is_ok());
    let id = [b"auditor.example\n\x04".as_slice(), key(2).verifying_key().as_bytes()].concat();
    assert_eq!(blob[..4], Digest::of(&id).as_bytes()[..4]);
}

#[test]
fn the_library_s_own_verifier_accepts_the_log_s_signature() {
    let note = Note::from_bytes(signed().as_str().as_bytes()).unwrap();
    let verifier = signed_note::StandardVerifier::new(&log_key().to_vkey()).unwrap();
    let (verified, unknown) = note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!((verified.len(), unknown.len()), (1, 1));
}

#[test]
fn known_signatures_are_named_and_unknown_ones_ignored() {
    let signed = SignedCheckpoint::parse(signed().as_str()).unwrap();
    let (read, signatures) = signed.verify(&origin(), &[log_key(), cosigner()]).unwrap();
    assert_eq!(*read, checkpoint());
    let time = Some(Timestamp::from_unix_seconds(1_700_000_000));
    assert_eq!(
        signatures,
        [
            CheckpointSignature { key: log_key(), time: None },
            CheckpointSignature { key: cosigner(), time }
        ]
    );
    assert_eq!(signed.verify(&origin(), &[cosigner()]).unwrap().1.len(), 1);
    let stranger = NoteKey::cosigner("auditor.example".parse().unwrap(), key(3).verifying_key());
    assert_eq!(signed.verify(&origin(), &[stranger]), Err(CheckpointError::Unsigned));
    assert_eq!(
        signed.verify(&"other.example".parse().unwrap(), &[log_key()]),
        Err(CheckpointError::Origin)
    );
}

#[test]
fn a_changed_size_root_or_time_is_caught() {
    let text = signed().as_str().to_owned();
    let known = [log_key(), cosigner()];
    let verify =
        |text: &str| SignedCheckpoint::parse(text).unwrap().verify(&origin(), &known).map(|_| ());
    assert_eq!(verify(&text), Ok(()));
    assert_eq!(verify(&text.replace("\n1234\n", "\n1235\n")), Err(CheckpointError::Signature));
    let root = STANDARD.encode(Digest::of(b"root").as_bytes());
    let other = STANDARD.encode(Digest::of(b"other").as_bytes());
    assert_eq!(verify(&text.replace(&root, &other)), Err(CheckpointError::Signature));
    let line = text.lines().last().unwrap();
    let mut blob = STANDARD.decode(line.rsplit(' ').next().unwrap()).unwrap();
    blob[11] ^= 1;
    let later = format!("— auditor.example {}", STANDARD.encode(blob));
    assert_eq!(verify(&text.replace(line, &later)), Err(CheckpointError::Signature));
}

#[test]
fn malformed_notes_are_refused() {
    let text = signed().as_str().to_owned();
    for broken in [
        String::new(),
        text.replace("\n\n", "\n"),
        text.replace("1234", "01234"),
        text.replace("1234", "-1"),
        text.replace("network.example/test\n1234", "1234"),
        text.trim_end().to_owned(),
    ] {
        assert_eq!(SignedCheckpoint::parse(&broken), Err(CheckpointError::Malformed), "{broken}");
    }
    let extended = text.replacen("\n\n", "\nextension\n\n", 1);
    assert_eq!(SignedCheckpoint::parse(&extended), Err(CheckpointError::Extension));
}
