//! Nonces: a signed request is accepted once.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::envelope::Name;
use crypto::rand_core::CryptoRng;
use thiserror::Error;

/// Length of the nonces that we draw, and the least that we accept.
const MIN_BYTES: usize = 16;
/// The most that we accept.
const MAX_BYTES: usize = 32;

/// 16 to 32 bytes, in headers base64url (RFC 4648, section 5) without padding.
#[derive(Clone, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nonce(Vec<u8>);

impl Nonce {
    pub(super) fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = vec![0; MIN_BYTES];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?; // refuses second spellings
        (MIN_BYTES..=MAX_BYTES).contains(&bytes.len()).then_some(Self(bytes))
    }

    /// The nonce's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({self})")
    }
}

/// One use of a nonce, in a request whose signature has been verified.
#[derive(Clone, Copy, Debug)]
pub struct NonceUse<'a> {
    /// The department that signed.
    pub sender: &'a Name,
    /// Its nonce.
    pub nonce: &'a Nonce,
    /// When it signed, in seconds since 1970.
    pub created: u64,
    /// The last second in which the request is acceptable: until then the nonce must be remembered.
    pub expires: u64,
    /// The time now.
    pub now: u64,
}

/// What one department has seen.
pub trait NonceStore: Send + Sync {
    /// Remembers a use, in one step with finding out that it is the first one.
    ///
    /// When this returns, the use must be remembered across whatever the store promises to survive;
    /// a request created before what it remembers must be refused.
    ///
    /// # Errors
    /// [`NonceError`]; the request is then refused.
    fn insert(&self, first_use: NonceUse<'_>) -> Result<(), NonceError>;
}

/// Why a nonce is not taken.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NonceError {
    /// It has been used.
    #[error("this signed request has been received before")]
    Replayed,
    /// The request is so old that the store may have forgotten its use.
    #[error("signed before this gateway began to remember requests")]
    Forgotten,
    /// The store remembers as much as it can.
    #[error("too many requests to remember")]
    Full,
    /// The store is broken.
    #[error("nonces cannot be stored")]
    Unavailable,
}

/// A nonce store in memory.
///
/// Remembers nothing across a restart. So that nothing can be replayed across one either, it refuses
/// what was created before a given time: after a restart, the start plus
/// [`CLOCK_SKEW`](super::CLOCK_SKEW), because before the restart a sender whose clock is ahead could
/// have been accepted with a `created` up to that; on a gateway's very first start, 0.
pub struct RecentNonces {
    capacity: usize,
    not_before: u64,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    uses: HashSet<(Name, Nonce)>,
    by_expiry: BTreeSet<(u64, Name, Nonce)>,
}

impl RecentNonces {
    /// An empty store of at most `capacity` nonces, for requests created at `not_before` or later.
    pub fn new(capacity: usize, not_before: u64) -> Self {
        Self { capacity, not_before, seen: Mutex::default() }
    }
}

impl NonceStore for RecentNonces {
    fn insert(&self, first_use: NonceUse<'_>) -> Result<(), NonceError> {
        let NonceUse { sender, nonce, created, expires, now } = first_use;
        if created < self.not_before {
            return Err(NonceError::Forgotten);
        }
        // A panic elsewhere leaves the sets as they are, and both are changed together or not at all.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        while seen.by_expiry.first().is_some_and(|(expires, ..)| *expires < now) {
            let Some((_, sender, nonce)) = seen.by_expiry.pop_first() else { break };
            seen.uses.remove(&(sender, nonce));
        }
        let key = (sender.clone(), nonce.clone());
        if seen.uses.contains(&key) {
            return Err(NonceError::Replayed);
        }
        if seen.uses.len() >= self.capacity {
            return Err(NonceError::Full);
        }
        seen.by_expiry.insert((expires, sender.clone(), nonce.clone()));
        seen.uses.insert(key);
        Ok(())
    }
}

impl fmt::Debug for RecentNonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecentNonces")
            .field("capacity", &self.capacity)
            .field("not_before", &self.not_before)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(store: &RecentNonces, sender: &str, nonce: u8, now: u64) -> Result<(), NonceError> {
        store.insert(NonceUse {
            sender: &Name::new(sender).unwrap(),
            nonce: &Nonce(vec![nonce; MIN_BYTES]),
            created: now,
            expires: now + 60,
            now,
        })
    }

    #[test]
    fn a_nonce_is_taken_once_by_each_sender_until_it_expires() {
        let store = RecentNonces::new(10, 0);
        assert_eq!(insert(&store, "tax", 1, 100), Ok(()));
        assert_eq!(insert(&store, "tax", 1, 100), Err(NonceError::Replayed));
        assert_eq!(insert(&store, "tax", 2, 100), Ok(()));
        assert_eq!(insert(&store, "welfare", 1, 100), Ok(()));
        assert_eq!(insert(&store, "tax", 1, 160), Err(NonceError::Replayed));
        assert_eq!(insert(&store, "tax", 1, 161), Ok(())); // no such request is acceptable any more
    }

    #[test]
    fn a_full_store_refuses_and_forgets_only_what_has_expired() {
        let store = RecentNonces::new(2, 0);
        assert_eq!(insert(&store, "tax", 1, 100), Ok(()));
        assert_eq!(insert(&store, "tax", 2, 130), Ok(()));
        assert_eq!(insert(&store, "tax", 3, 160), Err(NonceError::Full));
        assert_eq!(insert(&store, "tax", 3, 161), Ok(()));
        assert_eq!(insert(&store, "tax", 2, 161), Err(NonceError::Replayed));
    }

    #[test]
    fn what_was_created_before_the_store_began_is_refused() {
        let store = RecentNonces::new(2, 100);
        assert_eq!(insert(&store, "tax", 1, 99), Err(NonceError::Forgotten));
        assert_eq!(insert(&store, "tax", 1, 100), Ok(()));
    }

    #[test]
    fn nonces_have_128_to_256_bits_and_one_spelling() {
        let text = |bytes: usize| URL_SAFE_NO_PAD.encode(vec![0xff; bytes]);
        assert_eq!(Nonce::parse(&text(15)), None);
        assert_eq!(Nonce::parse(&text(16)).unwrap().to_string(), text(16));
        assert!(Nonce::parse(&text(32)).is_some());
        assert_eq!(Nonce::parse(&text(33)), None);
        assert_eq!(Nonce::parse(&format!("{}==", text(16))), None);
        assert_eq!(Nonce::parse(&text(16).replace("_w", "_x")), None); // unused bits set
    }
}
