//! The recipient's side, when all is there: opening it to its end, comparing, acknowledging.

use std::sync::{Arc, Mutex};

use chain::entry::Content;
use crypto::Digest;
use crypto::envelope::PayloadId;
use crypto::envelope::stream::{CiphertextDigest, OpenedPayload};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::super::{Department, Internal};
use super::opening::{Opening, PartsError};
use super::receiving::PayloadRefusal;
use super::{PayloadRow, Stage, Step};
use crate::document::payload::PayloadManifest;
use crate::payload::PayloadError;

impl Department {
    /// Checks a payload whose manifest was taken, after whoever else works on it, and acknowledges it on
    /// the chain. However long that takes: nothing of it is believed before it has been opened to its end.
    ///
    /// # Errors
    /// [`Internal`] if our own side failed; the payload stays where it is and is checked again.
    pub async fn check_payload(&self, id: &PayloadId) -> Result<(), Internal> {
        let _hold = self.payloads.hold_next(*id).await;
        while let Some(mut row) = self.payload_row(id)?.filter(|row| row.stage.is_incoming()) {
            self.settled().await?;
            let step = self.check_on(&row, row.stage.clone()).await?;
            if !self.take_step(&mut row, step).await? {
                break;
            }
        }
        Ok(())
    }

    /// What follows a recipient's stage.
    pub(super) async fn check_on(&self, row: &PayloadRow, stage: Stage) -> Result<Step, Internal> {
        match stage {
            Stage::Checking { manifest } => match self.check_parts(row, &manifest).await? {
                Ok(document) => {
                    let sha256 = Some(document);
                    Ok(Step::On(Stage::Checked { manifest, sha256 }))
                }
                Err(refusal) => {
                    let code = refusal.code().to_owned();
                    tracing::warn!(payload = %row.id, code, "a payload is refused");
                    self.payloads.store.delete(&row.request, &row.id).await?;
                    self.payloads.lying.forget(&row.id).await;
                    Ok(Step::Halt(Stage::Failed { manifest, code }))
                }
            },
            Stage::Checked { manifest, sha256 } => {
                let (commitment, sent) = (self.sent_commitment(&manifest)?, manifest.sent);
                let content = Content::PayloadReceived { commitment, sent };
                let received = self.append(content, None).await?;
                Ok(Step::On(Stage::Complete { manifest, received, sha256 }))
            }
            _ => Ok(Step::Rest),
        }
    }

    /// The commitment of the manifest's `payload-sent` entry, which was found when it was taken.
    fn sent_commitment(&self, manifest: &PayloadManifest) -> Result<Digest, Internal> {
        let replica = self.chain();
        let fact = replica.state().payload(&manifest.sent);
        fact.map(|fact| fact.commitment)
            .ok_or_else(|| Internal::Damaged("its payload is not on the chain".to_owned()))
    }

    /// Opens all parts to their end and compares them with manifest and commitment. The document's SHA-256.
    async fn check_parts(
        &self,
        row: &PayloadRow,
        manifest: &PayloadManifest,
    ) -> Result<Result<Digest, PayloadRefusal>, Internal> {
        let commitment = self.sent_commitment(manifest)?;
        let (count, room) = (manifest.parts(), &self.payloads.checking);
        // Whoever writes the document to a file compares it with this: a file has no tags.
        let document = Arc::new(Mutex::new(Sha256::new()));
        let hashing = Arc::clone(&document);
        let hash = move |piece: Zeroizing<Vec<u8>>| {
            hashing.lock().expect("hashing does not panic").update(&*piece);
            true
        };
        let Opening { opened, ciphertext } = self.open_parts(row, count, room, true, hash);
        let opened = opened.await.unwrap_or(Err(PartsError::Abandoned));
        match opened {
            Ok(end) => match ciphertext.await.ok().flatten() {
                Some(ciphertext) => {
                    let mut document = document.lock().expect("hashing does not panic");
                    document.update(end.rest());
                    let sha256 = Digest::from_bytes(document.finalize_reset().into());
                    Ok(compare(&end, &ciphertext, manifest, &commitment).map(|()| sha256))
                }
                None => Err(cut_off()),
            },
            Err(PartsError::Stream(error)) => Ok(Err(error.into())),
            // A stop between the dropping of bad parts and the row that says so.
            Err(PartsError::Store(PayloadError::NotFound { number })) => {
                Ok(Err(PayloadRefusal::Missing { numbers: vec![number] }))
            }
            Err(PartsError::Store(error)) => Err(error.into()),
            Err(PartsError::Abandoned) => Err(cut_off()),
        }
    }
}

fn cut_off() -> Internal {
    Internal::Damaged("a payload's check was cut off".to_owned())
}

fn compare(
    end: &OpenedPayload,
    ciphertext: &CiphertextDigest,
    manifest: &PayloadManifest,
    commitment: &Digest,
) -> Result<(), PayloadRefusal> {
    let (expected, got) = (manifest.bytes, end.plaintext_bytes());
    if got != expected {
        return Err(PayloadRefusal::Length { expected, got });
    }
    if !ciphertext.commit(&manifest.salt).ct_eq(commitment) {
        return Err(PayloadRefusal::Commitment);
    }
    Ok(())
}
