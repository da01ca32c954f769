//! Sealed payloads, part by part, outside of database and chain.
//!
//! Through `object_store`: files in a local folder by default, any of its other stores for those who
//! outgrow that. One [`PayloadStore`] belongs to one department, so that sender and recipient can be
//! hosted by the same gateway. Only ciphertext comes here.
//!
//! ```text
//! request digest (64 hex) / payload id (32 hex) / part number (5 digits)
//! ```

mod part_buffer;
mod part_set;

pub use part_buffer::PartBuffer;
pub use part_set::{PartSet, PartSetError};

use std::io::Read as _;
use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use crypto::Digest;
use crypto::envelope::PayloadId;
use crypto::envelope::stream::{MAX_PART_BYTES, MAX_PARTS};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions,
};
use thiserror::Error;

/// The payloads of one department.
#[derive(Clone, Debug)]
pub struct PayloadStore {
    store: Arc<dyn ObjectStore>,
}

impl PayloadStore {
    /// Payloads as files under `folder`, which is made if need be.
    ///
    /// # Errors
    /// [`PayloadError::Folder`] if there is no such folder and none can be made.
    pub fn local(folder: &FilePath) -> Result<Self, PayloadError> {
        let failed = |source| PayloadError::Folder { source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        remove_unfinished(folder).map_err(failed)?;
        // Without fsync a part could be acknowledged and lost.
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self::new(Arc::new(store.with_automatic_cleanup(true))))
    }

    /// Payloads in another store, which has to support writing only what does not exist yet.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// Stores a part; it is durable, and whole, when this returns.
    ///
    /// Storing the same part again changes nothing.
    ///
    /// # Errors
    /// [`PayloadError::Conflict`] if another part of that number is there,
    /// [`PayloadError::PartNumber`] and [`PayloadError::PartSize`] if there cannot be such a part, and
    /// [`PayloadError::Store`].
    pub async fn put(
        &self,
        request: &Digest,
        payload: &PayloadId,
        number: u64,
        part: Bytes,
    ) -> Result<(), PayloadError> {
        self.put_new(request, payload, number, part).await.map(|_new| ())
    }

    /// Stores a part as [`put`](Self::put) does, and says whether it was not there before.
    ///
    /// # Errors
    /// As for [`put`](Self::put).
    pub async fn put_new(
        &self,
        request: &Digest,
        payload: &PayloadId,
        number: u64,
        part: Bytes,
    ) -> Result<bool, PayloadError> {
        check_number(number)?;
        check_size(number, part.len())?;
        let path = part_path(request, payload, number);
        let only_new = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.store.put_opts(&path, part.clone().into(), only_new).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => {
                if self.get(request, payload, number).await? == part {
                    Ok(false)
                } else {
                    Err(PayloadError::Conflict { number })
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a part.
    ///
    /// # Errors
    /// [`PayloadError::NotFound`] if it is not there, [`PayloadError::PartSize`] if it cannot be one
    /// that was put, and [`PayloadError::Store`].
    pub async fn get(
        &self,
        request: &Digest,
        payload: &PayloadId,
        number: u64,
    ) -> Result<Bytes, PayloadError> {
        check_number(number)?;
        let found = match self.store.get(&part_path(request, payload, number)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => {
                return Err(PayloadError::NotFound { number });
            }
            Err(error) => return Err(error.into()),
        };
        check_stored_size(number, &found.meta)?; // before it is read into memory
        let part = match found.payload {
            GetResultPayload::File(file, _) => read_file(file).await?,
            GetResultPayload::Stream(_) => found.bytes().await?,
        };
        check_size(number, part.len())?;
        Ok(part)
    }

    /// The parts that are there.
    ///
    /// # Errors
    /// [`PayloadError::Store`]
    pub async fn parts(
        &self,
        request: &Digest,
        payload: &PayloadId,
    ) -> Result<PartSet, PayloadError> {
        let mut parts = PartSet::default();
        for found in self.objects(request, payload).await? {
            // Whatever else lies there is not ours.
            let number = found.location.filename().and_then(|name| name.parse().ok());
            if let Some(number) = number.filter(|&number| number < MAX_PARTS)
                && found.location == part_path(request, payload, number)
            {
                parts.insert(number);
            }
        }
        Ok(parts)
    }

    /// The lengths of whatever is there of a payload, in bytes.
    ///
    /// # Errors
    /// [`PayloadError::Store`]
    pub async fn sizes(
        &self,
        request: &Digest,
        payload: &PayloadId,
    ) -> Result<Vec<u64>, PayloadError> {
        let objects = self.objects(request, payload).await?;
        Ok(objects.into_iter().map(|found| found.size).collect())
    }

    /// The payloads of which anything is there, by request; without those that are none by their names.
    ///
    /// # Errors
    /// [`PayloadError::Store`]
    pub async fn payloads(&self) -> Result<Vec<(Digest, PayloadId)>, PayloadError> {
        let mut found = Vec::new();
        for request in self.store.list_with_delimiter(None).await?.common_prefixes {
            let Some(digest) = last_name(&request) else { continue };
            for payload in self.store.list_with_delimiter(Some(&request)).await?.common_prefixes {
                found.extend(last_name(&payload).map(|payload| (digest, payload)));
            }
        }
        Ok(found)
    }

    /// Deletes all parts of a payload; that there are none is no error.
    ///
    /// # Errors
    /// [`PayloadError::Store`]; some parts may be deleted then.
    pub async fn delete(&self, request: &Digest, payload: &PayloadId) -> Result<(), PayloadError> {
        for found in self.objects(request, payload).await? {
            match self.store.delete(&found.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn objects(
        &self,
        request: &Digest,
        payload: &PayloadId,
    ) -> Result<Vec<ObjectMeta>, PayloadError> {
        let folder = Path::from_iter([request.to_string(), payload.to_string()]);
        Ok(self.store.list_with_delimiter(Some(&folder)).await?.objects)
    }
}

/// Reads a part's file into a buffer that is used again.
async fn read_file(file: std::fs::File) -> Result<Bytes, PayloadError> {
    let read = tokio::task::spawn_blocking(move || {
        let mut buffer = PartBuffer::take();
        let longest = u64::try_from(MAX_PART_BYTES + 1).expect("it is a few MiB");
        file.take(longest).read_to_end(buffer.bytes_mut())?;
        Ok(buffer.into_bytes())
    });
    let read: std::io::Result<_> = read.await.map_err(std::io::Error::other).flatten();
    read.map_err(|source| PayloadError::Read { source })
}

/// Removes what a crash left of parts that were being written: `object_store` writes to
/// `{name}#{number}` beside the part, and never looks at that again.
fn remove_unfinished(folder: &FilePath) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_unfinished(&entry.path())?;
        } else if entry.file_name().to_string_lossy().contains('#') {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// What the last name of a path says.
fn last_name<T: std::str::FromStr>(path: &Path) -> Option<T> {
    path.parts().next_back()?.as_ref().parse().ok()
}

fn part_path(request: &Digest, payload: &PayloadId, number: u64) -> Path {
    Path::from_iter([request.to_string(), payload.to_string(), format!("{number:05}")])
}

fn check_number(number: u64) -> Result<(), PayloadError> {
    if number < MAX_PARTS { Ok(()) } else { Err(PayloadError::PartNumber { got: number }) }
}

fn check_size(number: u64, size: usize) -> Result<(), PayloadError> {
    if (1..=MAX_PART_BYTES).contains(&size) {
        Ok(())
    } else {
        let got = u64::try_from(size).expect("lengths fit 64 bits");
        Err(PayloadError::PartSize { number, got })
    }
}

fn check_stored_size(number: u64, meta: &ObjectMeta) -> Result<(), PayloadError> {
    match usize::try_from(meta.size) {
        Ok(size) => check_size(number, size),
        Err(_) => Err(PayloadError::PartSize { number, got: meta.size }),
    }
}

/// Why a payload was not stored, read or deleted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// No payload has such a part.
    #[error("part {got}, but a payload has at most {MAX_PARTS} parts")]
    PartNumber {
        /// The number given.
        got: u64,
    },
    /// A part that is empty or too long.
    #[error("part {number} has {got} bytes, expected 1 to {MAX_PART_BYTES}")]
    PartSize {
        /// The part.
        number: u64,
        /// Its length.
        got: u64,
    },
    /// Another part of that number is there already.
    #[error("another part {number} of this payload has been stored before")]
    Conflict {
        /// The part.
        number: u64,
    },
    /// There is no such part.
    #[error("part {number} of this payload is not stored")]
    NotFound {
        /// The part.
        number: u64,
    },
    /// The folder cannot be made.
    #[error("the folder for payloads cannot be made: {source}")]
    Folder {
        /// Why.
        source: std::io::Error,
    },
    /// A part's file cannot be read.
    #[error("a part of a payload cannot be read: {source}")]
    Read {
        /// Why.
        source: std::io::Error,
    },
    /// The store fails; nothing is known about what it was asked to do.
    #[error("the store of payloads fails: {source}")]
    Store {
        /// Why.
        #[from]
        source: object_store::Error,
    },
}

impl PayloadError {
    /// The error's stable name in problem documents, logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::PartNumber { .. } => "payload-part-number",
            Self::PartSize { .. } => "payload-part-size",
            Self::Conflict { .. } => "payload-part-conflict",
            Self::NotFound { .. } => "payload-part-not-found",
            Self::Folder { .. } => "payload-folder",
            Self::Read { .. } | Self::Store { .. } => "payload-store",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: Digest = Digest::from_bytes([1; 32]);
    const PAYLOAD: PayloadId = PayloadId::from_bytes([2; 16]);

    fn store() -> (tempfile::TempDir, PayloadStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = PayloadStore::local(&folder.path().join("made/on/demand")).unwrap();
        (folder, store)
    }

    async fn put(store: &PayloadStore, number: u64, part: &'static [u8]) -> Result<(), String> {
        let stored = store.put(&REQUEST, &PAYLOAD, number, Bytes::from_static(part)).await;
        stored.map_err(|error| error.code().to_owned())
    }

    async fn get(store: &PayloadStore, number: u64) -> Result<Bytes, String> {
        let read = store.get(&REQUEST, &PAYLOAD, number).await;
        read.map_err(|error| error.code().to_owned())
    }

    #[tokio::test]
    async fn parts_come_back_and_the_missing_ones_are_named() {
        let (_folder, store) = store();
        assert_eq!(missing(&store, &PAYLOAD, 3).await, [0, 1, 2]);
        put(&store, 2, b"two").await.unwrap();
        put(&store, 0, b"zero").await.unwrap();
        assert_eq!(missing(&store, &PAYLOAD, 4).await, [1, 3]);
        assert_eq!(get(&store, 0).await.unwrap(), "zero");
        assert_eq!(get(&store, 2).await.unwrap(), "two");
        assert_eq!(get(&store, 1).await.unwrap_err(), "payload-part-not-found");
    }

    async fn missing(store: &PayloadStore, payload: &PayloadId, count: u64) -> Vec<u64> {
        store.parts(&REQUEST, payload).await.unwrap().missing(count).collect()
    }

    #[tokio::test]
    async fn payloads_are_found_and_what_is_none_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = PayloadStore::local(folder.path()).unwrap();
        assert_eq!(store.payloads().await.unwrap(), []);
        put(&store, 3, b"three").await.unwrap();
        for name in ["stranger/a/0", &format!("{REQUEST}/b/0"), &format!("{REQUEST}/{PAYLOAD}/7")] {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, b"a").unwrap();
        }
        assert_eq!(store.payloads().await.unwrap(), [(REQUEST, PAYLOAD)]);
        assert_eq!(store.parts(&REQUEST, &PAYLOAD).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_a_crash_left_of_a_part_is_removed_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        put(&PayloadStore::local(folder.path()).unwrap(), 0, b"zero").await.unwrap();
        let payload = folder.path().join(format!("{REQUEST}/{PAYLOAD}"));
        std::fs::write(payload.join("00001#1"), b"on").unwrap();
        let again = PayloadStore::local(folder.path()).unwrap();
        assert_eq!(missing(&again, &PAYLOAD, 2).await, [1]);
        assert_eq!(std::fs::read_dir(payload).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn parts_survive_the_store() {
        let folder = tempfile::tempdir().unwrap();
        put(&PayloadStore::local(folder.path()).unwrap(), 0, b"zero").await.unwrap();
        let again = PayloadStore::local(folder.path()).unwrap();
        assert_eq!(get(&again, 0).await.unwrap(), "zero");
        let file = format!("{REQUEST}/{PAYLOAD}/00000");
        assert_eq!(std::fs::read(folder.path().join(file)).unwrap(), b"zero");
    }

    #[tokio::test]
    async fn the_same_part_again_is_accepted_and_another_one_is_not() {
        let (_folder, store) = store();
        put(&store, 0, b"zero").await.unwrap();
        put(&store, 0, b"zero").await.unwrap();
        assert_eq!(put(&store, 0, b"nero").await.unwrap_err(), "payload-part-conflict");
        assert_eq!(get(&store, 0).await.unwrap(), "zero");
    }

    #[tokio::test]
    async fn payloads_and_requests_are_apart() {
        let (_folder, store) = store();
        put(&store, 0, b"zero").await.unwrap();
        let other = PayloadId::from_bytes([3; 16]);
        assert!(store.parts(&REQUEST, &other).await.unwrap().is_empty());
        let other_request = Digest::from_bytes([3; 32]);
        assert!(store.parts(&other_request, &PAYLOAD).await.unwrap().is_empty());
        store.delete(&REQUEST, &other).await.unwrap();
        assert_eq!(get(&store, 0).await.unwrap(), "zero");
    }

    #[tokio::test]
    async fn a_deleted_payload_leaves_nothing_behind() {
        let (folder, store) = store();
        put(&store, 0, b"zero").await.unwrap();
        put(&store, 1, b"one").await.unwrap();
        store.delete(&REQUEST, &PAYLOAD).await.unwrap();
        assert_eq!(missing(&store, &PAYLOAD, 2).await, [0, 1]);
        let left = std::fs::read_dir(folder.path().join("made/on/demand")).unwrap().count();
        assert_eq!(left, 0);
        store.delete(&REQUEST, &PAYLOAD).await.unwrap();
        put(&store, 0, b"nero").await.unwrap();
    }

    #[tokio::test]
    async fn impossible_numbers_and_sizes_are_refused() {
        let (_folder, store) = store();
        assert_eq!(put(&store, MAX_PARTS, b"part").await.unwrap_err(), "payload-part-number");
        assert_eq!(get(&store, MAX_PARTS).await.unwrap_err(), "payload-part-number");
        put(&store, MAX_PARTS - 1, b"part").await.unwrap();

        assert_eq!(put(&store, 0, b"").await.unwrap_err(), "payload-part-size");
        for (length, accepted) in [(MAX_PART_BYTES + 1, false), (MAX_PART_BYTES, true)] {
            let part = Bytes::from(vec![1; length]);
            assert_eq!(store.put(&REQUEST, &PAYLOAD, 0, part).await.is_ok(), accepted);
        }
        assert_eq!(get(&store, 0).await.unwrap().len(), MAX_PART_BYTES);
    }

    #[tokio::test]
    async fn a_file_that_no_put_has_written_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let store = PayloadStore::local(folder.path()).unwrap();
        put(&store, 0, b"zero").await.unwrap();
        let file = folder.path().join(format!("{REQUEST}/{PAYLOAD}/00000"));
        std::fs::File::create(file).unwrap().set_len(MAX_PART_BYTES as u64 + 1).unwrap();
        assert_eq!(get(&store, 0).await.unwrap_err(), "payload-part-size");
    }
}
