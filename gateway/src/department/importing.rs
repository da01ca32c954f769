//! Importing records: a file is read as it arrives, and counts as a whole or not at all.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::io::{self, Read};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf as _, Bytes};
use chain::identifier::EntryId;
use rand_core::{TryCryptoRng, TryRng};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinHandle, block_in_place, spawn_blocking};
use tracing::Span;

use super::{Department, Internal};
use crate::import::{FileError, Format, Rejected, Row, Rows};
use crate::measure;
use crate::records::{Changed, Records, RecordsError, Staging};
use crate::subject::Subject;

/// Pieces of a file that wait to be read: enough that neither side waits for the other at each.
const PIECES: usize = 4;
/// Rejected rows after which a file is not read on: it is hardly of this dataset.
pub const MAX_REJECTED: usize = 10_000;

/// How a file is to be imported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// How it spells its rows.
    pub format: Format,
    /// Import the good rows of a file that has bad ones, and not nothing.
    pub skip_bad: bool,
}

/// What an import did.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// To the records.
    pub changed: Changed,
    /// The rows that were passed over, by line.
    pub rejected: Vec<Rejected>,
    /// The entry with the dataset's root; none while the dataset has no service.
    pub records_entry: Option<EntryId>,
}

/// Why nothing is imported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The department has no such dataset.
    #[error("this department has no dataset of that name")]
    UnknownDataset,
    /// Another import into the dataset is under way.
    #[error("another import into this dataset is under way")]
    Busy,
    /// The file cannot be read to its end.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file did not come to its end.
    #[error("the file broke off before its end")]
    BrokenOff,
    /// Rows were rejected. All of them are listed.
    #[error("{} of {rows} rows rejected, so none is imported", rejected.len())]
    Rejected {
        /// Rows in the file.
        rows: u64,
        /// The rejected ones, at least one, by line.
        rejected: Vec<Rejected>,
    },
    /// So many rows were rejected that the rest of the file was not looked at.
    #[error(
        "{MAX_REJECTED} of the first {rows} rows rejected, so none is imported; is the file of this dataset?"
    )]
    TooManyRejected {
        /// Rows that were looked at.
        rows: u64,
        /// The rejected ones, by line.
        rejected: Vec<Rejected>,
    },
    /// Our own side failed. If it failed to publish the new root, the records are there and their root
    /// is published later.
    #[error(transparent)]
    Internal(#[from] Internal),
}

impl ImportError {
    /// A stable name of what is wrong.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownDataset => "dataset-unknown",
            Self::Busy => "import-busy",
            Self::File(error) => error.code(),
            Self::BrokenOff => "body-unread",
            Self::Rejected { .. } => "import-rejected",
            Self::TooManyRejected { .. } => "import-reject-limit",
            Self::Internal(_) => "internal",
        }
    }

    /// The rows that were rejected.
    pub fn rejected(&self) -> &[Rejected] {
        match self {
            Self::Rejected { rejected, .. } | Self::TooManyRejected { rejected, .. } => rejected,
            _ => &[],
        }
    }
}

impl From<RecordsError> for ImportError {
    fn from(error: RecordsError) -> Self {
        match error {
            RecordsError::UnknownDataset(_) => Self::UnknownDataset,
            RecordsError::Row(rejected) => Self::Rejected { rows: 1, rejected: vec![rejected] },
            error => Self::Internal(error.into()),
        }
    }
}

/// What is under way in each dataset: one thing at a time.
#[derive(Debug, Default)]
pub(super) struct Importing {
    under_way: Mutex<HashMap<String, UnderWay>>,
    /// Told when something has ended.
    ended: Notify,
}

#[derive(Debug)]
enum UnderWay {
    /// An import, and the subjects whose records change meanwhile.
    Import(BTreeSet<Subject>),
    /// What an earlier import left is being removed.
    Clearing,
}

impl Importing {
    /// Begins an import, after what an earlier one left is removed; none if there is one.
    async fn claim(self: &Arc<Self>, dataset: &str) -> Option<Claim> {
        loop {
            let mut ended = pin!(self.ended.notified());
            // From now on, so that no end is missed.
            ended.as_mut().enable();
            match self.take(dataset, UnderWay::Import(BTreeSet::new())) {
                Ok(claim) => return Some(claim),
                Err(Occupied::Import) => return None,
                Err(Occupied::Clearing) => ended.await,
            }
        }
    }

    /// Takes the dataset, unless something is under way in it.
    fn take(self: &Arc<Self>, dataset: &str, what: UnderWay) -> Result<Claim, Occupied> {
        let mut under_way = self.under_way();
        match under_way.get(dataset) {
            Some(UnderWay::Import(_)) => return Err(Occupied::Import),
            Some(UnderWay::Clearing) => return Err(Occupied::Clearing),
            None => {}
        }
        under_way.insert(dataset.to_owned(), what);
        Ok(Claim { importing: Arc::clone(self), dataset: dataset.to_owned() })
    }

    /// Tells an import under way of a record that was changed. Call it while changes are locked out.
    pub(super) fn touch(&self, dataset: &str, subject: Subject) {
        if let Some(UnderWay::Import(touched)) = self.under_way().get_mut(dataset) {
            touched.insert(subject);
        }
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<String, UnderWay>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a dataset is taken by.
enum Occupied {
    Import,
    Clearing,
}

/// A dataset, nobody else's as long as this is kept.
#[derive(Debug)]
struct Claim {
    importing: Arc<Importing>,
    dataset: String,
}

impl Claim {
    fn touched(&self) -> BTreeSet<Subject> {
        match self.importing.under_way().get(&self.dataset) {
            Some(UnderWay::Import(touched)) => touched.clone(),
            _ => BTreeSet::new(),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.importing.under_way().remove(&self.dataset);
        self.importing.ended.notify_waiters();
    }
}

/// A file that is being imported. Dropped before it is finished, it changes nothing.
#[derive(Debug)]
pub struct Import {
    pieces: mpsc::Sender<Piece>,
    work: JoinHandle<Result<Imported, ImportError>>,
}

#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    End,
}

impl Import {
    /// Hands over the next piece of the file, once the one before is read.
    ///
    /// # Errors
    /// [`ImportError`] if the import has failed: no more is read, and nothing is changed.
    pub async fn push(&mut self, piece: Bytes) -> Result<(), ImportError> {
        match self.pieces.send(Piece::Bytes(piece)).await {
            Ok(()) => Ok(()),
            Err(_) => ended(&mut self.work).await.and(Err(ImportError::BrokenOff)),
        }
    }

    /// Ends the file: its records take the place of the dataset's, and their root is published.
    ///
    /// From here on the import goes to its end, also if nobody waits for it.
    ///
    /// # Errors
    /// [`ImportError`]
    pub async fn finish(mut self) -> Result<Imported, ImportError> {
        // If nobody reads it any more, the import has failed, and says why.
        let _failed = self.pieces.send(Piece::End).await;
        ended(&mut self.work).await
    }
}

async fn ended(
    work: &mut JoinHandle<Result<Imported, ImportError>>,
) -> Result<Imported, ImportError> {
    match work.await {
        Ok(outcome) => outcome,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The file's other end: the pieces as they come, on a thread that may wait for them.
struct Pieces {
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
    ended: bool,
}

/// Whoever sent the file is gone.
#[derive(Debug, Error)]
#[error("the file broke off before its end")]
struct BrokenOff;

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.current = bytes,
                Some(Piece::End) => self.ended = true,
                None => return Err(io::Error::other(BrokenOff)),
            }
        }
        let length = self.current.len().min(buffer.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// The department's randomness, taken anew for each draw so that nobody waits for an import.
struct Drawn<'d>(&'d Department);

impl TryRng for Drawn<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.random(|rng| rng.next_u32()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.random(|rng| rng.next_u64()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.random(|rng| rng.fill_bytes(bytes));
        Ok(())
    }
}

impl TryCryptoRng for Drawn<'_> {}

impl Department {
    /// Whether a file is being imported into the dataset.
    #[cfg(test)]
    pub(crate) fn is_importing(&self, dataset: &str) -> bool {
        matches!(self.importing.under_way().get(dataset), Some(UnderWay::Import(_)))
    }

    /// Begins to import a file into a dataset. It is read, hashed and stored on a thread of its own; it
    /// takes the place of what is there when it is [finished](Import::finish).
    ///
    /// # Errors
    /// [`ImportError::UnknownDataset`], [`ImportError::Busy`], or if the store fails.
    pub async fn begin_import(
        self: &Arc<Self>,
        dataset: &str,
        options: ImportOptions,
    ) -> Result<Import, ImportError> {
        self.records().dataset(dataset)?;
        let claim = self.importing.claim(dataset).await.ok_or(ImportError::Busy)?;
        let (sender, pieces) = mpsc::channel(PIECES);
        let file = Pieces { pieces, current: Bytes::new(), ended: false };
        let (department, span) = (Arc::clone(self), Span::current());
        let runtime = Handle::current();
        let work = spawn_blocking(move || {
            span.in_scope(|| department.import_file(&runtime, &claim, options, file))
        });
        Ok(Import { pieces: sender, work })
    }

    /// Adds or updates records, all or none, and publishes the new root.
    ///
    /// # Errors
    /// [`ImportError`]
    pub async fn import(&self, dataset: &str, rows: &[Row]) -> Result<Changed, ImportError> {
        let claim = self.importing.claim(dataset).await.ok_or(ImportError::Busy)?;
        let runtime = Handle::current();
        let imported = block_in_place(|| {
            let mut staging = self.records().begin(dataset)?;
            for rows in rows.chunks(Staging::ROWS) {
                if let Some(rejected) = staging.push(rows, &mut Drawn(self))?.into_iter().next() {
                    return Err(RecordsError::Row(rejected).into());
                }
            }
            self.finish_import(&runtime, &claim, staging, Vec::new())
        })?;
        Ok(imported.changed)
    }

    fn import_file(
        &self,
        runtime: &Handle,
        claim: &Claim,
        options: ImportOptions,
        file: Pieces,
    ) -> Result<Imported, ImportError> {
        let mut staging = self.records().begin(&claim.dataset)?;
        let schema = staging.dataset().schema().clone();
        let mut rows = Rows::new(&schema, options.format, file).map_err(file_error)?;
        let (mut count, mut rejected) = (0, Vec::new());
        loop {
            let mut good = Vec::with_capacity(Staging::ROWS);
            let mut read = 0;
            for row in rows.by_ref().take(Staging::ROWS) {
                read += 1;
                match row.map_err(file_error)? {
                    Ok(row) => good.push(row),
                    Err(fault) => rejected.push(fault),
                }
            }
            if !options.skip_bad && !rejected.is_empty() {
                staging.doom();
            }
            rejected.extend(staging.push(&good, &mut Drawn(self))?);
            count += read;
            if rejected.len() > MAX_REJECTED {
                rejected.sort_by_key(|fault| fault.line);
                rejected.truncate(MAX_REJECTED);
                return Err(ImportError::TooManyRejected { rows: count, rejected });
            }
            if read == 0 {
                break;
            }
        }
        rejected.sort_by_key(|fault| fault.line);
        if !options.skip_bad && !rejected.is_empty() {
            return Err(ImportError::Rejected { rows: count, rejected });
        }
        self.finish_import(runtime, claim, staging, rejected)
    }

    fn finish_import(
        &self,
        runtime: &Handle,
        claim: &Claim,
        mut staging: Staging<'_>,
        rejected: Vec<Rejected>,
    ) -> Result<Imported, ImportError> {
        staging.grow()?;
        // The root is published before the records change again, and before anybody proves under them.
        let (changed, records_entry) = runtime.block_on(async {
            let _changing = self.changing.lock().await;
            let changed = staging.apply(&claim.touched(), &mut Drawn(self))?;
            let dataset = self.records().dataset(&claim.dataset)?;
            let entry = self.publish_root(&dataset, changed.root).await?;
            Ok::<_, ImportError>((changed, entry))
        })?;
        let put = u64::try_from(changed.added + changed.updated).expect("counts fit 64 bits");
        measure::records_imported(put);
        if let Err(error) = staging.collect() {
            tracing::warn!(%error, "what an import replaced is removed before the next one");
        }
        Ok(Imported { changed, rejected, records_entry })
    }

    /// Removes what imports left that a stop interrupted.
    pub(super) async fn clear_imports(&self) -> Result<(), Internal> {
        for dataset in self.records().datasets()? {
            if dataset.is_clear() {
                continue; // no import need wait for nothing
            }
            let Ok(claim) = self.importing.take(dataset.name(), UnderWay::Clearing) else {
                continue; // an import clears before it begins
            };
            let store = Arc::clone(&self.store);
            spawn_blocking(move || Records::new(&store).clear(&claim.dataset))
                .await
                .expect("clearing does not panic, and the runtime outlives its departments")?;
        }
        Ok(())
    }
}

fn file_error(error: FileError) -> ImportError {
    match error {
        FileError::Read(error) if error.get_ref().is_some_and(|it| it.is::<BrokenOff>()) => {
            ImportError::BrokenOff
        }
        error => ImportError::File(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_import_waits_until_an_earlier_one_is_cleared_and_for_no_other_import() {
        let importing = Arc::<Importing>::default();
        let clearing = importing.take("tax", UnderWay::Clearing).ok().unwrap();
        let mut claim = pin!(importing.claim("tax"));
        tokio::select! {
            biased;
            _ = &mut claim => panic!("what is cleared is not to be imported into"),
            () = tokio::task::yield_now() => {}
        }
        assert!(importing.claim("wages").await.is_some(), "another dataset is another matter");
        drop(clearing);
        let import = claim.await.unwrap();
        assert!(importing.claim("tax").await.is_none());
        assert!(matches!(importing.take("tax", UnderWay::Clearing), Err(Occupied::Import)));
        drop(import);
        assert!(importing.claim("tax").await.is_some());
    }
}
