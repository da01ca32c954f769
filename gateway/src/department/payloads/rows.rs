//! A department's rows of payloads, and which of them something may still happen to.

use std::collections::BTreeSet;

use chain::identifier::{DepartmentId, EntryId};
use crypto::Digest;
use crypto::commitment::Salt;
use crypto::envelope::PayloadId;
use serde::{Deserialize, Serialize};

use super::super::{Department, Internal};
use crate::document::payload::{DocumentName, PayloadManifest};
use crate::store::{Batch, StoreError, Table};

/// A payload as either side keeps it, under its id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PayloadRow {
    pub(super) id: PayloadId,
    /// Digest of the request.
    pub(super) request: Digest,
    /// Id of the `proof` entry that answers it.
    pub(super) proof: EntryId,
    /// The other side.
    pub(super) peer: DepartmentId,
    /// When it last changed, Unix seconds.
    #[serde(default)]
    pub(super) changed: u64,
    /// When its first part came to the recipient, Unix seconds; 0 for the sender's.
    #[serde(default)]
    pub(super) begun: u64,
    pub(super) stage: Stage,
}

/// How far a payload has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", content = "state", rename_all = "kebab-case")]
pub(super) enum Stage {
    /// Its parts are being sealed. Nobody can go on with that after a stop: its key is gone.
    Sealing,
    /// All parts are in the sender's store.
    Sealed(Sealed),
    /// Its `payload-sent` entry is on the chain.
    Recorded {
        sealed: Sealed,
        sent: EntryId,
        /// How often the recipient refused a part or the whole.
        refusals: u32,
    },
    /// The recipient has taken all parts.
    PartsSent { sealed: Sealed, sent: EntryId, refusals: u32 },
    /// The recipient has checked all of it.
    Delivered { sealed: Sealed, sent: EntryId },
    /// The recipient does not take it.
    Refused { sealed: Sealed, sent: EntryId, code: String },
    /// Parts come in.
    Receiving,
    /// All parts and the manifest are there; nothing is known of them yet.
    Checking { manifest: PayloadManifest },
    /// The parts were not what manifest and `payload-sent` entry say, and have been dropped.
    Failed { manifest: PayloadManifest, code: String },
    /// All of it is what the manifest and the `payload-sent` entry say.
    Checked {
        manifest: PayloadManifest,
        /// SHA-256 of the document; none for what was checked before it was kept.
        #[serde(default)]
        sha256: Option<Digest>,
    },
    /// The `payload-received` entry is on the chain.
    Complete {
        manifest: PayloadManifest,
        received: EntryId,
        #[serde(default)]
        sha256: Option<Digest>,
    },
}

impl Stage {
    /// Whether it is a stage of the recipient's.
    pub(super) const fn is_incoming(&self) -> bool {
        matches!(
            self,
            Self::Receiving
                | Self::Checking { .. }
                | Self::Failed { .. }
                | Self::Checked { .. }
                | Self::Complete { .. }
        )
    }

    /// Whether nothing happens to it any more.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::Delivered { .. } | Self::Refused { .. } | Self::Complete { .. })
    }

    /// Whether the sender has to send, or to send again.
    pub(super) const fn is_unfinished(&self) -> bool {
        matches!(self, Self::Receiving | Self::Failed { .. })
    }
}

/// What the sender remembers of a document; it cannot open what it sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sealed {
    pub(super) name: DocumentName,
    /// Length of the document.
    pub(super) bytes: u64,
    pub(super) salt: Salt,
    /// The salted commitment to the ciphertext.
    pub(super) commitment: Digest,
}

/// Payloads that something may still happen to. Read from the store once: a department keeps the rows of
/// all payloads for years, and looks for what is left to do every few seconds.
#[derive(Debug, Default)]
pub(super) struct OpenPayloads(Option<BTreeSet<PayloadId>>);

impl Department {
    pub(super) fn payload_row(&self, id: &PayloadId) -> Result<Option<PayloadRow>, Internal> {
        Ok(self.store.get(Table::Payloads, id.as_bytes())?)
    }

    /// Stores a row. Whoever does that holds the payload or, as the recipient, `changing`.
    pub(super) async fn put_payload(&self, row: &mut PayloadRow) -> Result<(), Internal> {
        row.changed = self.now();
        let mut batch = Batch::default();
        batch.put(Table::Payloads, row.id.as_bytes(), row);
        self.commit(batch).await?;
        if let Some(open) = &mut self.payloads.open().0 {
            if row.stage.is_final() {
                open.remove(&row.id);
            } else {
                open.insert(row.id);
            }
        }
        if row.stage.is_final() {
            self.payloads.lying.forget(&row.id).await;
        }
        self.payloads.told();
        Ok(())
    }

    /// Forgets a payload: first its parts, then its row, so that no parts are left that no row names.
    pub(super) async fn forget_payload(&self, row: &PayloadRow) -> Result<(), Internal> {
        self.payloads.store.delete(&row.request, &row.id).await?;
        let mut batch = Batch::default();
        batch.delete(Table::Payloads, row.id.as_bytes());
        self.commit(batch).await?;
        if let Some(open) = &mut self.payloads.open().0 {
            open.remove(&row.id);
        }
        self.payloads.lying.forget(&row.id).await;
        Ok(())
    }

    /// Ids of the payloads that something may still happen to.
    pub(in crate::department) fn open_payloads(&self) -> Result<Vec<PayloadId>, Internal> {
        // Held while the rows are read: what is stored meanwhile is entered afterwards.
        let mut open = self.payloads.open();
        if open.0.is_none() {
            let rows = self.store.scan::<PayloadRow>(Table::Payloads);
            let unfinished = rows.filter_map(|row| match row {
                Ok(row) if row.stage.is_final() => None,
                row => Some(row.map(|row| row.id)),
            });
            open.0 = Some(unfinished.collect::<Result<_, StoreError>>()?);
        }
        Ok(open.0.iter().flatten().copied().collect())
    }

    /// Up to `limit` of what `view` makes of the rows after `after`. Fewer are all that there are.
    pub(super) fn payload_page<T>(
        &self,
        after: Option<&PayloadId>,
        limit: usize,
        view: impl Fn(PayloadRow) -> Option<T>,
    ) -> Result<Vec<T>, Internal> {
        let after = after.map(|id| &id.as_bytes()[..]);
        let rows = self.store.scan_after::<PayloadRow>(Table::Payloads, after);
        let views = rows.filter_map(|row| match row {
            Ok(row) => view(row).map(Ok),
            Err(error) => Some(Err(error)),
        });
        Ok(views.take(limit).collect::<Result<_, StoreError>>()?)
    }
}
