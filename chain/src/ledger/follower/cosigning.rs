//! A follower's checkpoints: a validator's, checked against the follower's own log and cosigned.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crypto::{Digest, SigningKey};
use thiserror::Error;

use crate::checkpoint::{CheckpointError, NoteKey, SignedCheckpoint, verified_lines};
use crate::identifier::DepartmentId;
use crate::ledger::upstream::{Upstream, UpstreamError};
use crate::log;
use crate::replica::Replica;
use crate::store::Reader;
use crate::time::Clock;

/// A department that cosigns the checkpoints over what its gateway has verified (C2SP tlog-cosignature), as
/// `<origin>/<department>`.
///
/// The key is the department's own: what is signed begins with `cosignature/v1`, which no other message of a
/// department does.
#[derive(Debug)]
pub struct DepartmentCosigner {
    /// The department.
    pub department: DepartmentId,
    /// Its signing key.
    pub key: SigningKey,
}

/// Why there is no newer checkpoint.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The upstream gave none, or did not take the cosignature.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// What it gave is no checkpoint of a validator.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// It is over more than the follower has.
    #[error("the checkpoint is over {size} entries")]
    Ahead { size: u64 },
    /// It is over another log.
    #[error("the checkpoint has root {theirs} over the first {size} entries, whose root is {ours}")]
    Fork { size: u64, ours: Digest, theirs: Digest },
    /// The follower's own log could not be read.
    #[error(transparent)]
    Log(#[from] log::LogError),
}

/// Where checkpoints come from, and who cosigns them.
#[derive(Debug)]
pub(super) struct Cosigning {
    pub(super) upstream: Arc<dyn Upstream>,
    pub(super) cosigners: Vec<DepartmentCosigner>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) reader: Reader,
    pub(super) newest: Mutex<Option<SignedCheckpoint>>,
}

impl Cosigning {
    /// The newest cosigned checkpoint; none before the first.
    pub(super) fn newest(&self) -> Option<SignedCheckpoint> {
        self.newest.lock().expect("keeping a checkpoint does not panic").clone()
    }

    /// Gets the newest checkpoint, checks it against `replica`, cosigns it, and hands the cosignatures in.
    pub(super) async fn refresh(&self, replica: &Replica) -> Result<SignedCheckpoint, Trouble> {
        let given = self.upstream.checkpoint().await?;
        let missing = self.check(&given, replica)?;
        // What is served on is what was verified: other lines say nothing, and readers take only so many.
        let mut signed = verified_lines(&given, replica, missing.len())?;
        let origin = &replica.genesis().facts().name;
        for cosigner in &missing {
            let name = origin.of_cosigner(&cosigner.department);
            signed.cosign(name, &cosigner.key, self.clock.now());
        }
        {
            let mut newest = self.newest.lock().expect("keeping a checkpoint does not panic");
            let size = signed.checkpoint().size;
            if newest.as_ref().is_none_or(|newest| newest.checkpoint().size <= size) {
                *newest = Some(signed.clone());
            }
        }
        if !missing.is_empty() {
            self.upstream.cosign(signed.clone()).await?;
        }
        Ok(signed)
    }

    /// Checks that a validator signed it, over this very log; returns who has not yet cosigned it.
    fn check(
        &self,
        signed: &SignedCheckpoint,
        replica: &Replica,
    ) -> Result<Vec<&DepartmentCosigner>, Trouble> {
        let origin = &replica.genesis().facts().name;
        let (checkpoint, _) = signed.verify(origin, &validator_keys(replica))?;
        let (size, theirs) = (checkpoint.size, checkpoint.root);
        if size > replica.tip().log_size {
            return Err(Trouble::Ahead { size });
        }
        let ours = log::root(&self.reader, size)?;
        if ours != theirs {
            return Err(Trouble::Fork { size, ours, theirs });
        }
        let mut missing = Vec::new();
        for cosigner in &self.cosigners {
            let name = origin.of_cosigner(&cosigner.department);
            let key = NoteKey::cosigner(name, cosigner.key.verifying_key());
            match signed.verify(origin, &[key]) {
                Ok(_) => {}
                Err(CheckpointError::Unsigned) => missing.push(cosigner),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(missing)
    }
}

/// The keys of all who validate or validated, from the genesis to the set that comes next.
pub(crate) fn validator_keys(replica: &Replica) -> Vec<NoteKey> {
    let origin = &replica.genesis().facts().name;
    let since = replica.hand_overs().iter().map(|hand_over| &hand_over.validators);
    let sets = [replica.genesis().validators(), replica.state().next_validators()];
    let validators = sets.into_iter().chain(since).flat_map(|set| set.validators());
    // Each key once: the format has no room for two verifiers of one name and key.
    let keys: BTreeMap<_, _> =
        validators.map(|validator| (*validator.key.as_bytes(), validator.key)).collect();
    keys.into_values().map(|key| NoteKey::log(origin.clone(), key)).collect()
}
