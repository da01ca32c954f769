//! How much each sender has lying here of payloads that are not complete: bytes that nobody has checked,
//! and a disk that is full stops every store of the gateway.

use std::collections::HashMap;

use chain::identifier::DepartmentId;
use crypto::envelope::PayloadId;
use tokio::sync::{Mutex, MutexGuard};

use super::super::{Department, Internal};
use super::receiving::PayloadRefusal;
use crate::department::peer::PeerError;

/// What one sender may have lying here of payloads that are not complete, unless the gateway is told
/// otherwise: 72 GiB, the longest payload with room for others.
pub const UNFINISHED_BYTES: u64 = 72 << 30;

/// A part counts for so many bytes at least: a file takes more of a disk than what is in it.
const LEAST: u64 = 64 * 1024;

/// Bytes of payloads that others have begun to send. Counted once, at the first part after a start, and
/// kept from then on.
#[derive(Debug)]
pub(super) struct Lying {
    /// The most that one sender may have.
    limit: u64,
    /// Whose payload it is, and how much of it is there; none before it was counted.
    counted: Mutex<Option<Counted>>,
}

type Counted = HashMap<PayloadId, (DepartmentId, u64)>;

impl Lying {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, counted: Mutex::default() }
    }

    /// Takes back what was counted for a part.
    pub(super) async fn give_back(&self, payload: &PayloadId, bytes: u64) {
        if let Some(counted) = self.counted.lock().await.as_mut()
            && let Some((_, there)) = counted.get_mut(payload)
        {
            *there = there.saturating_sub(bytes);
        }
    }

    /// Nothing of the payload is lying here any more, or it is complete.
    pub(super) async fn forget(&self, payload: &PayloadId) {
        if let Some(counted) = self.counted.lock().await.as_mut() {
            counted.remove(payload);
        }
    }
}

/// What a part of that length counts for.
fn weight(bytes: u64) -> u64 {
    bytes.max(LEAST)
}

impl Department {
    /// Counts a part that `sender` wants to leave here, and says for how much it was counted.
    pub(super) async fn make_room(
        &self,
        sender: &DepartmentId,
        payload: &PayloadId,
        bytes: usize,
    ) -> Result<u64, PeerError> {
        let bytes = weight(u64::try_from(bytes).expect("lengths fit 64 bits"));
        let mut counted = self.counted().await?;
        let counted = counted.as_mut().expect("it was counted");
        let of_sender = counted.values().filter(|(peer, _)| peer == sender);
        let there = of_sender.fold(0_u64, |sum, (_, bytes)| sum.saturating_add(*bytes));
        let limit = self.payloads.lying.limit;
        if there.saturating_add(bytes) > limit {
            return Err(PayloadRefusal::NoRoom { limit }.into());
        }
        counted.entry(*payload).or_insert((*sender, 0)).1 += bytes;
        Ok(bytes)
    }

    /// What lies here; read from the store the first time.
    async fn counted(&self) -> Result<MutexGuard<'_, Option<Counted>>, Internal> {
        let mut counted = self.payloads.lying.counted.lock().await;
        if counted.is_none() {
            let mut found = Counted::new();
            for id in self.open_payloads()? {
                let Some(row) = self.payload_row(&id)?.filter(|row| row.stage.is_incoming()) else {
                    continue;
                };
                let sizes = self.payloads.store.sizes(&row.request, &id).await?;
                found.insert(id, (row.peer, sizes.into_iter().map(weight).sum()));
            }
            *counted = Some(found);
        }
        Ok(counted)
    }
}
