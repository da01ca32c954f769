//! Which exchanges somebody moves on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crypto::Digest;

use super::Department;

/// The exchanges that are being moved on, and by how many.
#[derive(Debug, Default)]
pub(super) struct Moving(Mutex<HashMap<Digest, usize>>);

/// Whoever moves an exchange on, or is about to. A look for what was left leaves it alone.
#[derive(Debug)]
pub struct Mover {
    moving: Arc<Moving>,
    request: Digest,
}

impl Moving {
    /// Whether somebody moves it on.
    pub(super) fn has(&self, request: &Digest) -> bool {
        self.moved().contains_key(request)
    }

    fn moved(&self) -> MutexGuard<'_, HashMap<Digest, usize>> {
        self.0.lock().expect("counting does not panic")
    }
}

impl Mover {
    /// Digest of the request.
    pub const fn request(&self) -> &Digest {
        &self.request
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        let mut moved = self.moving.moved();
        if let Some(count) = moved.get_mut(&self.request) {
            *count -= 1;
            if *count == 0 {
                moved.remove(&self.request);
            }
        }
    }
}

impl Department {
    /// Says that an exchange is about to be moved on, until what is returned is dropped.
    pub fn mover(&self, request: Digest) -> Mover {
        *self.moving.moved().entry(request).or_default() += 1;
        Mover { moving: Arc::clone(&self.moving), request }
    }

    /// Whether somebody moves an exchange on, or is about to.
    pub fn is_moved(&self, request: &Digest) -> bool {
        self.moving.has(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::department::tests::Network;

    #[tokio::test(flavor = "multi_thread")]
    async fn an_exchange_is_moved_until_the_last_mover_is_gone() {
        let network = Network::bare(0);
        let tax = network.department("tax");
        let (request, other) = (Digest::of(b"a"), Digest::of(b"b"));
        let movers = (tax.mover(request), tax.mover(request));
        assert_eq!((tax.moving.has(&request), tax.moving.has(&other)), (true, false));
        drop(movers.0);
        assert!(tax.moving.has(&request));
        assert_eq!(movers.1.request(), &request);
        drop(movers.1);
        assert!(!tax.moving.has(&request));
    }
}
