//! Checkpoints: the log's size and root as a signed note (C2SP tlog-checkpoint, signed-note,
//! tlog-cosignature), which tools that know nothing of this project can check.
//!
//! ```text
//! example.gov/proofgate                                   origin: the network's name
//! 1234                                                    size
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=            root
//!
//! — example.gov/proofgate Az3grlgt…                       a validator's signature (type 0x01)
//! — auditor.example aX3kY…                                a cosigner's, with its time (type 0x04)
//! ```

use crypto::signing::{SIGNATURE_BYTES, VERIFYING_KEY_BYTES};
use crypto::{Digest, Signature, SigningKey, VerifyingKey};
use signed_note::{Note, Verifier, VerifierList};
use thiserror::Error;
use tlog_tiles::tlog::Hash;

use crate::text::Origin;
use crate::time::Timestamp;

mod cosignatures;

pub(crate) use cosignatures::verified_lines;
pub use cosignatures::{CosignatureError, Cosignatures, cosigners};

/// Signature type of a log's own Ed25519 key.
const ED25519: u8 = 0x01;
/// Signature type of a timestamped Ed25519 cosignature.
const COSIGNATURE_V1: u8 = 0x04;

/// Why a text is no checkpoint of this log.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Not a signed note with a checkpoint in it.
    #[error("not a signed checkpoint")]
    Malformed,
    /// Another log's checkpoint.
    #[error("a checkpoint of another origin")]
    Origin,
    /// It has lines beyond origin, size and root.
    #[error("a checkpoint with extension lines")]
    Extension,
    /// A known key's signature does not verify.
    #[error("a known key's signature does not verify")]
    Signature,
    /// No known key has signed it.
    #[error("no known key has signed the checkpoint")]
    Unsigned,
}

impl CheckpointError {
    /// The stable name of the failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "checkpoint-malformed",
            Self::Origin => "checkpoint-origin",
            Self::Extension => "checkpoint-extension",
            Self::Signature => "checkpoint-signature",
            Self::Unsigned => "checkpoint-unsigned",
        }
    }
}

/// A log's size and root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The network's name.
    pub origin: Origin,
    /// Number of entries.
    pub size: u64,
    /// Root over them.
    pub root: Digest,
}

/// The key of a log or a cosigner, under the name on its signature lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteKey {
    name: Origin,
    kind: u8,
    key: VerifyingKey,
}

impl NoteKey {
    /// A validator's key: it signs under the log's origin.
    pub const fn log(origin: Origin, key: VerifyingKey) -> Self {
        Self { name: origin, kind: ED25519, key }
    }

    /// A cosigner's key.
    pub const fn cosigner(name: Origin, key: VerifyingKey) -> Self {
        Self { name, kind: COSIGNATURE_V1, key }
    }

    /// `<name>+<key id>+<base64(type ‖ key)>`, as other tools want it.
    pub fn to_vkey(&self) -> String {
        use base64::Engine as _;
        let key = base64::engine::general_purpose::STANDARD.encode(self.encoded());
        format!("{}+{:08x}+{key}", self.name, self.id())
    }

    fn encoded(&self) -> [u8; 1 + VERIFYING_KEY_BYTES] {
        let mut bytes = [self.kind; 1 + VERIFYING_KEY_BYTES];
        bytes[1..].copy_from_slice(self.key.as_bytes());
        bytes
    }

    /// `SHA-256(name ‖ 0x0a ‖ type ‖ key)[..4]`
    fn id(&self) -> u32 {
        signed_note::key_id(self.name.as_str(), &self.encoded())
    }

    fn sign(&self, text: &[u8], key: &SigningKey, time: Timestamp) -> signed_note::Signature {
        let blob = match self.kind {
            COSIGNATURE_V1 => {
                let signature = key.sign_raw(&cosigned_bytes(time, text));
                [&time.unix_seconds().to_be_bytes()[..], signature.as_bytes()].concat()
            }
            _ => key.sign_raw(text).as_bytes().to_vec(),
        };
        signed_note::Signature::new(self.name.as_str().to_owned(), self.id(), blob)
            .expect("an origin is a valid key name")
    }
}

impl Verifier for NoteKey {
    fn name(&self) -> &str {
        self.name.as_str()
    }

    fn key_id(&self) -> u32 {
        self.id()
    }

    fn verify(&self, text: &[u8], blob: &[u8]) -> bool {
        let verifies = |message: &[u8], signature: &[u8; SIGNATURE_BYTES]| {
            self.key.verify_raw(message, &Signature::from_bytes(*signature)).is_ok()
        };
        if self.kind == COSIGNATURE_V1 {
            let Some((time, signature)) = blob.split_first_chunk() else { return false };
            let time = Timestamp::from_unix_seconds(u64::from_be_bytes(*time));
            signature
                .try_into()
                .is_ok_and(|signature| verifies(&cosigned_bytes(time, text), signature))
        } else {
            blob.try_into().is_ok_and(|signature| verifies(text, signature))
        }
    }
}

/// What a cosigner signs (C2SP tlog-cosignature): `"cosignature/v1\ntime <t>\n" ‖ note text`
fn cosigned_bytes(time: Timestamp, text: &[u8]) -> Vec<u8> {
    [format!("cosignature/v1\ntime {time}\n").as_bytes(), text].concat()
}

/// A checkpoint as a note, with the signatures on it. Unchecked until [`SignedCheckpoint::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: String,
}

/// A known key's signature on a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointSignature {
    /// The key that made it.
    pub key: NoteKey,
    /// When a cosigner made it; a log's own signature has no time.
    pub time: Option<Timestamp>,
}

impl Checkpoint {
    /// The note's text: origin, size and root, a line each.
    pub fn text(&self) -> Vec<u8> {
        let root = Hash(*self.root.as_bytes());
        tlog_tiles::Checkpoint::new(self.origin.as_str(), self.size, root, "")
            .expect("an origin is not empty, and there is no extension")
            .to_bytes()
    }

    /// Signs the checkpoint with a validator's key.
    pub fn sign(self, key: &SigningKey) -> SignedCheckpoint {
        let name = NoteKey::log(self.origin.clone(), key.verifying_key());
        let text = self.text();
        let signature = name.sign(&text, key, Timestamp::default());
        let note = Note::new(&text, &[signature]).expect("a checkpoint's text is a note's");
        let note = String::from_utf8(note.to_bytes()).expect("a note is UTF-8");
        SignedCheckpoint { checkpoint: self, note }
    }
}

impl SignedCheckpoint {
    /// Reads a note with a checkpoint in it.
    ///
    /// # Errors
    /// [`CheckpointError`] if it is not one, or has extension lines.
    pub fn parse(note: &str) -> Result<Self, CheckpointError> {
        let parsed = Note::from_bytes(note.as_bytes()).map_err(|_| CheckpointError::Malformed)?;
        let checkpoint = tlog_tiles::Checkpoint::from_bytes(parsed.text())
            .map_err(|_| CheckpointError::Malformed)?;
        if !checkpoint.extension().is_empty() {
            return Err(CheckpointError::Extension);
        }
        let origin = checkpoint.origin().parse().map_err(|_| CheckpointError::Malformed)?;
        let root = Digest::from_bytes(checkpoint.hash().0);
        let checkpoint = Checkpoint { origin, size: checkpoint.size(), root };
        if checkpoint.text() != parsed.text() {
            return Err(CheckpointError::Malformed);
        }
        Ok(Self { checkpoint, note: note.to_owned() })
    }

    /// The note.
    pub fn as_str(&self) -> &str {
        &self.note
    }

    /// What it says, unchecked.
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// A checkpoint's note with whole signature lines.
    fn of_lines<'a>(checkpoint: Checkpoint, lines: impl Iterator<Item = &'a str>) -> Self {
        let text = String::from_utf8(checkpoint.text()).expect("a checkpoint's text is ASCII");
        let note = lines.fold(text + "\n", |note, line| note + line);
        Self { checkpoint, note }
    }

    /// The signature line of `key`, with its end, unchecked.
    fn line_of(&self, key: &NoteKey) -> Option<&str> {
        use base64::Engine as _;
        let standard = &base64::engine::general_purpose::STANDARD;
        let of_key = |line: &&str| {
            let rest = line.strip_prefix("\u{2014} ").and_then(|rest| rest.strip_suffix('\n'));
            let parts = rest.and_then(|rest| rest.split_once(' '));
            parts.is_some_and(|(name, blob)| {
                let blob = standard.decode(blob).unwrap_or_default();
                name == key.name.as_str() && blob.starts_with(&key.id().to_be_bytes())
            })
        };
        let (_, signatures) = self.note.split_once("\n\n")?;
        signatures.split_inclusive('\n').find(of_key)
    }

    /// Adds the cosignature of `name` at `time`. A cosigner first checks that the checkpoint is consistent
    /// with the last one it signed.
    pub fn cosign(&mut self, name: Origin, key: &SigningKey, time: Timestamp) {
        let cosigner = NoteKey::cosigner(name, key.verifying_key());
        let signature = cosigner.sign(&self.checkpoint.text(), key, time);
        let line = signature.to_bytes();
        self.note.push_str(str::from_utf8(&line).expect("a signature line is UTF-8"));
    }

    /// Checks the checkpoint's origin and every signature by a known key. Lines by unknown keys are ignored,
    /// as the format demands.
    ///
    /// # Errors
    /// [`CheckpointError`] if the origin is another, a known key's signature does not verify, or there is
    /// none.
    pub fn verify(
        &self,
        origin: &Origin,
        known: &[NoteKey],
    ) -> Result<(&Checkpoint, Vec<CheckpointSignature>), CheckpointError> {
        if self.checkpoint.origin != *origin {
            return Err(CheckpointError::Origin);
        }
        let note =
            Note::from_bytes(self.note.as_bytes()).map_err(|_| CheckpointError::Malformed)?;
        let verifiers = known.iter().map(|key| Box::new(key.clone()) as Box<dyn Verifier>);
        let (signatures, _) =
            note.verify(&VerifierList::new(verifiers.collect())).map_err(|error| match error {
                signed_note::NoteError::UnverifiedNote => CheckpointError::Unsigned,
                _ => CheckpointError::Signature,
            })?;
        let signatures = signatures.iter().filter_map(|line| {
            let is = |key: &&NoteKey| key.name.as_str() == line.name() && key.id() == line.id();
            let key = known.iter().find(is)?.clone();
            let cosigned = (key.kind == COSIGNATURE_V1).then(|| line.signature().first_chunk());
            let time = cosigned.flatten().map(|time| u64::from_be_bytes(*time));
            Some(CheckpointSignature { key, time: time.map(Timestamp::from_unix_seconds) })
        });
        Ok((&self.checkpoint, signatures.collect()))
    }
}

#[cfg(test)]
mod tests;
