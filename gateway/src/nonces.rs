//! Nonces on disk: a signed request is accepted once, also across a restart.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use crate::http::citizen::CitizenNonceUse;
use crate::http::signature::{NonceError, NonceStore, NonceUse};
use crate::store::{Batch, Store, StoreError, Table};

/// Rows of expired nonces that one insertion removes at most: more than it adds, so that a store that
/// was full becomes empty, and few enough that no insertion waits long.
const SWEEP: usize = 8;

/// Seconds for which a nonce is kept after its request expired: the time is looked at before the body is
/// there, which may take a while.
const KEPT: u64 = 60;

/// One department's nonces, in its store and in memory.
///
/// A use is on disk before it is granted. If the disk fails, the use is refused and remembered all the
/// same: whether the row survives is unknown.
pub struct StoredNonces {
    store: Option<Arc<Store>>,
    capacity: usize,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    uses: HashSet<Vec<u8>>,
    by_expiry: BTreeSet<(u64, Vec<u8>)>,
}

/// A use, as it is stored.
#[derive(Serialize, Deserialize)]
struct NonceRow {
    /// Who and which nonce, hexadecimal.
    name: String,
    /// The last second in which the request is acceptable.
    expires: u64,
}

/// Who used a nonce: parties of different kinds never meet.
#[derive(Clone, Copy)]
enum Party<'a> {
    Department(&'a str),
    Citizen(&'a [u8; 64]),
}

impl StoredNonces {
    /// The nonces of a store; at most `capacity` are remembered at once.
    ///
    /// # Errors
    /// [`StoreError`] if a row cannot be read.
    pub fn open(store: Arc<Store>, capacity: usize) -> Result<Self, StoreError> {
        let mut seen = Seen::default();
        for row in store.scan::<NonceRow>(Table::Nonces) {
            let NonceRow { name, expires } = row?;
            // Sealed rows that open are ours; one of another form names nobody's nonce.
            let Ok(name) = hex::decode(name) else { continue };
            seen.by_expiry.insert((expires, name.clone()));
            seen.uses.insert(name);
        }
        Ok(Self { store: Some(store), capacity, seen: Mutex::new(seen) })
    }

    /// Nonces that are forgotten at a restart: for callers whose repeated calls do no harm, and who shall
    /// not make the disk work.
    pub fn in_memory(capacity: usize) -> Self {
        Self { store: None, capacity, seen: Mutex::default() }
    }

    /// Remembers a citizen's use.
    ///
    /// # Errors
    /// [`NonceError`]; the request is then refused.
    pub fn insert_citizen(&self, first_use: CitizenNonceUse<'_>) -> Result<(), NonceError> {
        let CitizenNonceUse { key, nonce, expires, now, .. } = first_use;
        self.use_once(name(Party::Citizen(key.as_bytes()), nonce.as_bytes()), expires, now)
    }

    /// How many nonces are remembered.
    pub fn len(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).uses.len()
    }

    /// Whether no nonce is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn use_once(&self, name: Vec<u8>, expires: u64, now: u64) -> Result<(), NonceError> {
        // It waits for the disk, so other tasks of this thread are moved elsewhere where that is possible.
        match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => block_in_place(|| self.store_use(name, expires, now)),
            _ => self.store_use(name, expires, now),
        }
    }

    fn store_use(&self, name: Vec<u8>, expires: u64, now: u64) -> Result<(), NonceError> {
        // A panic elsewhere leaves the sets as they are: both change together or not at all.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.uses.contains(&name) {
            // An expired one too: the caller has checked the time, so our clock went back.
            return Err(NonceError::Replayed);
        }
        let expired: Vec<_> = seen
            .by_expiry
            .iter()
            .take_while(|(until, _)| until.saturating_add(KEPT) < now)
            .take(SWEEP)
            .cloned()
            .collect();
        if seen.uses.len() - expired.len() >= self.capacity {
            return Err(NonceError::Full);
        }
        let mut batch = Batch::default();
        for (_, name) in &expired {
            batch.delete(Table::Nonces, name);
        }
        batch.put(Table::Nonces, &name, &NonceRow { name: hex::encode(&name), expires });
        seen.by_expiry.insert((expires, name.clone()));
        seen.uses.insert(name);
        if let Some(Err(error)) = self.store.as_ref().map(|store| store.commit(batch)) {
            tracing::error!(%error, "a nonce cannot be stored");
            return Err(NonceError::Unavailable);
        }
        for entry in expired {
            seen.uses.remove(&entry.1);
            seen.by_expiry.remove(&entry);
        }
        Ok(())
    }
}

impl NonceStore for StoredNonces {
    fn insert(&self, first_use: NonceUse<'_>) -> Result<(), NonceError> {
        let NonceUse { sender, nonce, expires, now, .. } = first_use;
        self.use_once(name(Party::Department(sender.as_str()), nonce.as_bytes()), expires, now)
    }
}

impl fmt::Debug for StoredNonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredNonces").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

/// `kind ‖ length of party ‖ party ‖ nonce`: different uses have different names.
fn name(party: Party<'_>, nonce: &[u8]) -> Vec<u8> {
    let (kind, party): (u8, &[u8]) = match party {
        Party::Department(name) => (0, name.as_bytes()),
        Party::Citizen(key) => (1, key),
    };
    let length = u8::try_from(party.len()).expect("names have at most 255 bytes, keys 64");
    [&[kind, length], party, nonce].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HexBytes;
    use crypto::Secret;
    use getrandom::SysRng;
    use rand_core::UnwrapErr;
    use tempfile::TempDir;

    fn store(folder: &TempDir) -> Arc<Store> {
        let key = Secret::new([7; 32]);
        Arc::new(Store::open(folder.path(), &key, Box::new(UnwrapErr(SysRng))).unwrap())
    }

    fn insert(nonces: &StoredNonces, key: u8, nonce: u8, now: u64) -> Result<(), NonceError> {
        nonces.insert_citizen(CitizenNonceUse {
            key: &HexBytes::from_bytes([key; 64]),
            nonce: &HexBytes::from_bytes([nonce; 16]),
            created: now,
            expires: now + 60,
            now,
        })
    }

    #[test]
    fn a_nonce_is_taken_once_also_across_a_restart() {
        let folder = TempDir::new().unwrap();
        let nonces = StoredNonces::open(store(&folder), 10).unwrap();
        assert_eq!(insert(&nonces, 1, 1, 100), Ok(()));
        assert_eq!(insert(&nonces, 1, 1, 100), Err(NonceError::Replayed));
        assert_eq!(insert(&nonces, 2, 1, 100), Ok(()));
        drop(nonces);
        let nonces = StoredNonces::open(store(&folder), 10).unwrap();
        assert_eq!(insert(&nonces, 1, 1, 160), Err(NonceError::Replayed));
        assert_eq!(insert(&nonces, 1, 2, 160), Ok(()));
    }

    #[test]
    fn expired_nonces_make_room_on_disk_too() {
        let folder = TempDir::new().unwrap();
        let nonces = StoredNonces::open(store(&folder), 2).unwrap();
        assert_eq!(insert(&nonces, 1, 1, 100), Ok(()));
        assert_eq!(insert(&nonces, 1, 2, 130), Ok(()));
        assert_eq!(insert(&nonces, 1, 3, 160 + KEPT), Err(NonceError::Full));
        assert_eq!(insert(&nonces, 1, 3, 161 + KEPT), Ok(()));
        assert_eq!(nonces.len(), 2);
        drop(nonces);
        let nonces = StoredNonces::open(store(&folder), 2).unwrap();
        assert_eq!(nonces.len(), 2);
        assert_eq!(insert(&nonces, 1, 2, 161 + KEPT), Err(NonceError::Replayed));
    }

    #[test]
    fn nonces_in_memory_are_taken_once_too() {
        let nonces = StoredNonces::in_memory(1);
        assert_eq!(insert(&nonces, 1, 1, 100), Ok(()));
        assert_eq!(insert(&nonces, 1, 1, 100), Err(NonceError::Replayed));
        assert_eq!(insert(&nonces, 1, 2, 100), Err(NonceError::Full));
    }

    #[test]
    fn a_clock_that_went_back_opens_nothing() {
        let folder = TempDir::new().unwrap();
        let nonces = StoredNonces::open(store(&folder), 10).unwrap();
        assert_eq!(insert(&nonces, 1, 1, 100), Ok(()));
        assert_eq!(insert(&nonces, 1, 1, 1_000), Err(NonceError::Replayed));
    }

    #[test]
    fn a_departments_nonce_is_not_a_citizens() {
        let department = name(Party::Department("tax"), &[1; 16]);
        assert_ne!(department, name(Party::Department("ta"), &[b'x'; 16]));
        let citizen = name(Party::Citizen(&[1; 64]), &[1; 16]);
        assert_ne!(department[0], citizen[0]);
    }
}
