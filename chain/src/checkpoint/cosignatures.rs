//! The departments' cosignatures of a log's checkpoints, as the gateway that signs them keeps them.
//!
//! In memory only: who has cosigned does so again when the gateway comes back.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crypto::Digest;
use thiserror::Error;

use super::{CheckpointError, NoteKey, SignedCheckpoint};
use crate::identifier::DepartmentId;
use crate::ledger::validator_keys;
use crate::log::{self, Hashes, LogError};
use crate::replica::Replica;

/// Most cosignatures on one checkpoint: readers take no more than 100 signatures on a note.
const MAX_COSIGNATURES: usize = 64;

/// Why cosignatures are not kept.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CosignatureError {
    /// It is no checkpoint of this log that a validator and a department have signed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// It is over more entries than this copy of the log has.
    #[error("the checkpoint is over {size} entries, the log has {got}")]
    Ahead {
        /// The checkpoint's size.
        size: u64,
        /// Number of entries here.
        got: u64,
    },
    /// It is over another log: a validator signed two.
    #[error("the checkpoint has root {theirs} over the first {size} entries, whose root is {ours}")]
    Fork {
        /// The checkpoint's size.
        size: u64,
        /// The root here.
        ours: Digest,
        /// The checkpoint's root.
        theirs: Digest,
    },
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl CosignatureError {
    /// The stable name of the failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Checkpoint(error) => error.code(),
            Self::Ahead { .. } => "checkpoint-ahead",
            Self::Fork { .. } => "checkpoint-contradicted",
            Self::Log(error) => error.code(),
        }
    }
}

#[derive(Debug)]
struct Kept {
    size: u64,
    key: NoteKey,
    line: String,
}

#[derive(Debug, Default)]
struct Inner {
    /// Each department's newest.
    lines: BTreeMap<DepartmentId, Kept>,
    /// The largest checkpoint that somebody cosigned, with the validators' signatures only.
    base: Option<SignedCheckpoint>,
}

/// The newest cosignature of each department.
#[derive(Debug, Default)]
pub struct Cosignatures(Mutex<Inner>);

impl Cosignatures {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the cosignatures on `signed`, which a validator must have signed over the log that `hashes` and
    /// `replica` are of. Returns how many departments' signatures it has.
    ///
    /// # Errors
    /// [`CosignatureError`]; then nothing is kept.
    pub fn take<H: Hashes + ?Sized>(
        &self,
        signed: &SignedCheckpoint,
        replica: &Replica,
        hashes: &H,
    ) -> Result<usize, CosignatureError> {
        let origin = &replica.genesis().facts().name;
        let validators = validator_keys(replica);
        let (checkpoint, by_validators) = signed.verify(origin, &validators)?;
        let departments: Vec<_> = cosigners(replica).collect();
        let keys: Vec<_> = departments.iter().map(|(_, key)| key.clone()).collect();
        let (_, by_departments) = signed.verify(origin, &keys)?;
        let (size, theirs, got) = (checkpoint.size, checkpoint.root, replica.tip().log_size);
        if size > got {
            return Err(CosignatureError::Ahead { size, got });
        }
        let ours = log::root(hashes, size)?;
        if ours != theirs {
            return Err(CosignatureError::Fork { size, ours, theirs });
        }
        let mut inner = self.inner();
        for (department, key) in departments {
            let signed_it = by_departments.iter().any(|signature| signature.key == key);
            let older = inner.lines.get(&department).is_none_or(|kept| kept.size <= size);
            if let Some(line) = signed.line_of(&key).filter(|_| signed_it && older) {
                let line = line.to_owned();
                inner.lines.insert(department, Kept { size, key, line });
            }
        }
        if inner.base.as_ref().is_none_or(|base| base.checkpoint.size < size) {
            let lines = by_validators.iter().filter_map(|it| signed.line_of(&it.key));
            inner.base = Some(SignedCheckpoint::of_lines(checkpoint.clone(), lines));
        }
        Ok(by_departments.len())
    }

    /// Adds the kept cosignatures over the same tree to `signed`, by departments that still have the key.
    pub fn attach(&self, signed: &SignedCheckpoint, replica: &Replica) -> SignedCheckpoint {
        let inner = self.inner();
        let mut attached = signed.clone();
        let kept = cosigners(replica).filter_map(|(department, key)| {
            let kept = inner.lines.get(&department)?;
            (kept.size == signed.checkpoint.size && kept.key == key).then_some(kept)
        });
        for kept in kept.take(MAX_COSIGNATURES) {
            if attached.line_of(&kept.key).is_none() {
                attached.note.push_str(&kept.line);
            }
        }
        attached
    }

    /// The largest checkpoint that somebody has cosigned, with all cosignatures over it; none before the
    /// first. For those who want to see more than one name under what they compare.
    pub fn newest(&self, replica: &Replica) -> Option<SignedCheckpoint> {
        let base = self.inner().base.clone()?;
        Some(self.attach(&base, replica))
    }
}

/// `signed` with the signatures of validators and departments only, and with room for `more` cosignatures.
///
/// # Errors
/// [`CheckpointError`] if no validator has signed it, or a signature by one of those keys does not verify.
pub(crate) fn verified_lines(
    signed: &SignedCheckpoint,
    replica: &Replica,
    more: usize,
) -> Result<SignedCheckpoint, CheckpointError> {
    let origin = &replica.genesis().facts().name;
    let (checkpoint, by_validators) = signed.verify(origin, &validator_keys(replica))?;
    let departments: Vec<_> = cosigners(replica).map(|(_, key)| key).collect();
    let by_departments = match signed.verify(origin, &departments) {
        Ok((_, signatures)) => signatures,
        Err(CheckpointError::Unsigned) => Vec::new(),
        Err(error) => return Err(error),
    };
    let cosigned = by_departments.iter().take(MAX_COSIGNATURES.saturating_sub(more));
    let lines = by_validators.iter().chain(cosigned).filter_map(|it| signed.line_of(&it.key));
    Ok(SignedCheckpoint::of_lines(checkpoint.clone(), lines))
}

/// The departments' keys as they stand on the chain, under the names by which they cosign.
pub fn cosigners(replica: &Replica) -> impl Iterator<Item = (DepartmentId, NoteKey)> {
    let origin = &replica.genesis().facts().name;
    replica.state().members().map(move |member| {
        let (id, key) = (member.department.id, member.department.signing_key);
        (id, NoteKey::cosigner(origin.of_cosigner(&id), key))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::contract::Network;
    use crate::document::Documents;
    use crate::log::{Frontier, leaf_hash};
    use crate::time::Timestamp;

    /// A log of four entries, and who may sign over it.
    struct World {
        network: Network,
        replica: Replica,
        hashes: Vec<Digest>,
        roots: Vec<Digest>,
    }

    impl World {
        fn new() -> Self {
            let network = Network::new(3);
            let mut replica = Replica::new(network.genesis());
            let mut log = Frontier::new();
            let (mut hashes, mut roots) = (Vec::new(), vec![log.root()]);
            for name in ["a", "b", "c", "d"] {
                let entry = network.request(0, name);
                let block = Network::block(&replica, &[entry], &Documents::default());
                replica.accept(block, &Documents::default()).unwrap();
                hashes.extend(log.append(leaf_hash(&entry)));
                roots.push(log.root());
            }
            Self { network, replica, hashes, roots }
        }

        fn checkpoint(&self, size: usize) -> Checkpoint {
            let origin = self.network.genesis().facts().name.clone();
            Checkpoint { origin, size: size as u64, root: self.roots[size] }
        }

        fn signed(&self, size: usize) -> SignedCheckpoint {
            self.checkpoint(size).sign(&Network::validator_key())
        }

        fn cosigned(&self, size: usize, departments: &[usize]) -> SignedCheckpoint {
            let mut signed = self.signed(size);
            for number in departments {
                let name = signed.checkpoint.origin.of_cosigner(&Network::id(*number));
                let key = Network::department_key(*number);
                signed.cosign(name, &key, Timestamp::from_unix_seconds(100));
            }
            signed
        }

        fn take(&self, kept: &Cosignatures, signed: &SignedCheckpoint) -> Result<usize, String> {
            let taken = kept.take(signed, &self.replica, self.hashes.as_slice());
            taken.map_err(|error| error.code().to_owned())
        }

        /// Departments under a checkpoint, whose signatures are checked.
        fn names(&self, signed: &SignedCheckpoint) -> Vec<usize> {
            let origin = &self.checkpoint(0).origin;
            let parsed = SignedCheckpoint::parse(signed.as_str()).unwrap();
            parsed.verify(origin, &validator_keys(&self.replica)).unwrap();
            let keys: Vec<_> = cosigners(&self.replica).map(|(_, key)| key).collect();
            match parsed.verify(origin, &keys) {
                Ok((_, signatures)) => (0..keys.len())
                    .filter(|number| signatures.iter().any(|it| it.key == keys[*number]))
                    .collect(),
                Err(error) => {
                    assert_eq!(error, CheckpointError::Unsigned);
                    Vec::new()
                }
            }
        }
    }

    #[test]
    fn the_newest_of_each_department_is_served_with_the_checkpoint_that_it_covers() {
        let world = World::new();
        let kept = Cosignatures::default();
        assert_eq!(kept.newest(&world.replica), None);
        assert_eq!(world.take(&kept, &world.cosigned(2, &[0, 1])), Ok(2));
        assert_eq!(world.take(&kept, &world.cosigned(3, &[1])), Ok(1));
        let attached = |size| world.names(&kept.attach(&world.signed(size), &world.replica));
        assert_eq!((attached(2), attached(3), attached(4)), (vec![0], vec![1], vec![]));
        // An older one comes late and changes nothing; the other's arrives.
        assert_eq!(world.take(&kept, &world.cosigned(2, &[1, 2])), Ok(2));
        assert_eq!(world.take(&kept, &world.cosigned(3, &[0])), Ok(1));
        assert_eq!((attached(2), attached(3)), (vec![2], vec![0, 1]));
        let newest = kept.newest(&world.replica).unwrap();
        assert_eq!((newest.checkpoint().size, world.names(&newest)), (3, vec![0, 1]));
        // Attaching again adds nothing.
        assert_eq!(kept.attach(&newest, &world.replica), newest);
    }

    #[test]
    fn what_a_validator_and_a_department_have_not_signed_over_this_log_is_refused() {
        let world = World::new();
        let kept = Cosignatures::default();
        let refused = |signed: &SignedCheckpoint| world.take(&kept, signed).unwrap_err();
        assert_eq!(refused(&world.signed(2)), "checkpoint-unsigned");

        let origin = world.checkpoint(2).origin;
        let name = origin.of_cosigner(&Network::id(0));
        let mut by_stranger = world.signed(2);
        by_stranger.cosign(name.clone(), &Network::key(99), Timestamp::default());
        assert_eq!(refused(&by_stranger), "checkpoint-unsigned");

        let mut without_validator = world.checkpoint(2).sign(&Network::key(99));
        without_validator.cosign(name, &Network::department_key(0), Timestamp::default());
        assert_eq!(refused(&without_validator), "checkpoint-unsigned");

        let text = world.cosigned(2, &[0]);
        let forged = text.as_str().replacen("\n2\n", "\n3\n", 1);
        let forged = SignedCheckpoint::parse(&forged).unwrap();
        assert_eq!(refused(&forged), "checkpoint-signature");

        let mut longer = world.checkpoint(4);
        longer.size = 5;
        let cosign = |checkpoint: Checkpoint| {
            let mut signed = checkpoint.sign(&Network::validator_key());
            let name = signed.checkpoint.origin.of_cosigner(&Network::id(0));
            signed.cosign(name, &Network::department_key(0), Timestamp::default());
            signed
        };
        assert_eq!(refused(&cosign(longer)), "checkpoint-ahead");
        let mut other = world.checkpoint(3);
        other.root = world.roots[2];
        assert_eq!(refused(&cosign(other)), "checkpoint-contradicted");
        assert_eq!(kept.newest(&world.replica), None);
        assert_eq!(world.take(&kept, &cosign(world.checkpoint(3))), Ok(1));
    }
}
