//! The mark: the last block that an acknowledgement or signature may have left for, outside sled.
//!
//! A store that was rolled back, or lost its newest blocks, would certify another block at a height that it
//! certified before. The mark tells: the block at its height must have its hash.
//!
//! ```text
//! file   two slots of 4,096 bytes; a mark goes to the slot that does not hold the newest one, so that a torn
//!        write leaves the one before
//! slot   network id (32) ‖ height (8) ‖ round (4) ‖ block hash (32) ‖ log size (8) ‖ log root (32)
//!        ‖ labelled digest of the bytes before (32), zeros
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crypto::Digest;

use super::boundary::{Boundary, Step};
use super::error::OpenError;
use crate::codec::{DecodeError, Reader};
use crate::identifier::{BlockHash, NetworkId};

const MARK_LABEL: &str = "proofgate/v1/mark";
const FILE_NAME: &str = "mark";
const SLOT_BYTES: usize = 4_096;
const CONTENT_BYTES: usize = 116;
const MARK_BYTES: usize = CONTENT_BYTES + 32;

/// The last durable block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The network.
    pub network: NetworkId,
    /// The block's height; 0 before the first block.
    pub height: u64,
    /// The round in which it was certified.
    pub round: u32,
    /// Its hash; before the first block, the network id's digest.
    pub block: BlockHash,
    /// Number of entries.
    pub log_size: u64,
    /// Root over them.
    pub log_root: Digest,
}

impl Mark {
    fn encode(&self) -> [u8; MARK_BYTES] {
        let mut bytes = [0; MARK_BYTES];
        bytes[..32].copy_from_slice(self.network.as_bytes());
        bytes[32..40].copy_from_slice(&self.height.to_be_bytes());
        bytes[40..44].copy_from_slice(&self.round.to_be_bytes());
        bytes[44..76].copy_from_slice(self.block.as_bytes());
        bytes[76..84].copy_from_slice(&self.log_size.to_be_bytes());
        bytes[84..116].copy_from_slice(self.log_root.as_bytes());
        let digest = Digest::labelled(MARK_LABEL, &[&bytes[..CONTENT_BYTES]]);
        bytes[CONTENT_BYTES..].copy_from_slice(digest.as_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::exact(bytes, MARK_BYTES)?;
        let mark = Self {
            network: NetworkId::from_digest(Digest::from_bytes(reader.array()?)),
            height: reader.u64()?,
            round: reader.u32()?,
            block: BlockHash::from_digest(Digest::from_bytes(reader.array()?)),
            log_size: reader.u64()?,
            log_root: Digest::from_bytes(reader.array()?),
        };
        if mark.encode() != *bytes {
            return Err(DecodeError::Field { field: "digest" });
        }
        Ok(mark)
    }
}

/// The file that holds the mark. Owned by the one writer.
#[derive(Debug)]
pub(super) struct MarkFile {
    file: File,
    mark: Mark,
    slot: usize,
}

impl MarkFile {
    fn path(folder: &Path) -> PathBuf {
        folder.join(FILE_NAME)
    }

    /// Reads the mark of a folder; none if there is no mark file.
    pub(super) fn read(folder: &Path) -> Result<Option<Mark>, OpenError> {
        match fs::read(Self::path(folder)) {
            Ok(bytes) => Ok(Some(newest(&bytes).ok_or(OpenError::MarkDamaged)?.1)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(OpenError::file(&Self::path(folder), &error)),
        }
    }

    /// Opens the mark of a folder; none if there is no mark file.
    pub(super) fn open(folder: &Path) -> Result<Option<Self>, OpenError> {
        let path = Self::path(folder);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(OpenError::file(&path, &error)),
        };
        let bytes = fs::read(&path).map_err(|error| OpenError::file(&path, &error))?;
        let (slot, mark) = newest(&bytes).ok_or(OpenError::MarkDamaged)?;
        Ok(Some(Self { file, mark, slot }))
    }

    /// Creates the mark of a folder that has none: written aside, synced, and renamed into place.
    pub(super) fn create(folder: &Path, mark: Mark) -> Result<Self, OpenError> {
        let path = Self::path(folder);
        let aside = folder.join("mark.new");
        let create = || {
            let mut bytes = vec![0; 2 * SLOT_BYTES];
            bytes[..MARK_BYTES].copy_from_slice(&mark.encode());
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&aside, &path)?;
            File::open(folder)?.sync_all()?;
            OpenOptions::new().read(true).write(true).open(&path)
        };
        let file = create().map_err(|error| OpenError::file(&path, &error))?;
        Ok(Self { file, mark, slot: 0 })
    }

    /// The newest mark.
    pub(super) const fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Replaces the mark; durable when this returns.
    pub(super) fn set(
        &mut self,
        mark: Mark,
        boundary: &dyn Boundary,
    ) -> Result<(), (Step, io::Error)> {
        let slot = 1 - self.slot;
        let offset = u64::try_from(slot * SLOT_BYTES).expect("a slot's offset is small");
        boundary
            .cross(Step::WriteMark, &mut || self.file.write_all_at(&mark.encode(), offset))
            .map_err(|error| (Step::WriteMark, error))?;
        // The file's length does not change, so its data is all there is to sync.
        boundary
            .cross(Step::SyncMark, &mut || self.file.sync_data())
            .map_err(|error| (Step::SyncMark, error))?;
        (self.mark, self.slot) = (mark, slot);
        Ok(())
    }
}

/// The slot with the highest mark, and that mark.
fn newest(bytes: &[u8]) -> Option<(usize, Mark)> {
    if bytes.len() != 2 * SLOT_BYTES {
        return None;
    }
    let slot = |slot: usize| {
        let start = slot * SLOT_BYTES;
        Mark::decode(&bytes[start..start + MARK_BYTES]).ok().map(|mark| (slot, mark))
    };
    [slot(0), slot(1)].into_iter().flatten().max_by_key(|(_, mark)| mark.height)
}

#[cfg(test)]
mod tests {
    use super::super::boundary::Direct;
    use super::*;

    fn mark(height: u64) -> Mark {
        Mark {
            network: NetworkId::from_digest(Digest::of(b"network")),
            height,
            round: 3,
            block: BlockHash::from_digest(Digest::of(&height.to_be_bytes())),
            log_size: 2 * height,
            log_root: Digest::of(b"root"),
        }
    }

    #[test]
    fn the_newest_of_two_slots_counts() {
        let folder = tempfile::tempdir().unwrap();
        assert!(MarkFile::open(folder.path()).unwrap().is_none());
        let mut file = MarkFile::create(folder.path(), mark(0)).unwrap();
        for height in 1..5 {
            file.set(mark(height), &Direct).unwrap();
            assert_eq!(MarkFile::read(folder.path()).unwrap(), Some(mark(height)));
            assert_eq!(*MarkFile::open(folder.path()).unwrap().unwrap().mark(), mark(height));
        }
    }

    #[test]
    fn a_torn_write_leaves_the_mark_before() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = MarkFile::create(folder.path(), mark(0)).unwrap();
        for height in 1..4 {
            file.set(mark(height), &Direct).unwrap();
        }
        let path = folder.path().join("mark");
        let whole = fs::read(&path).unwrap();
        // Heights 0 and 2 went to slot 0, 1 and 3 to slot 1.
        for byte in 0..MARK_BYTES {
            let mut torn = whole.clone();
            torn[SLOT_BYTES + byte] ^= 1;
            assert_eq!(newest(&torn), Some((0, mark(2))), "byte {byte}");
            torn[byte] ^= 1;
            assert_eq!(newest(&torn), None, "byte {byte}");
        }
        assert_eq!(newest(&whole), Some((1, mark(3))));
        fs::write(&path, &whole[1..]).unwrap();
        assert_eq!(MarkFile::read(folder.path()).unwrap_err().code(), "mark-damaged");
    }
}
