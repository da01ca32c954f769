//! Blocks: entries in order, under a header that links to everything before.
//!
//! ```text
//! offset  bytes
//!      0     32  network id
//!     32      8  height, from 1
//!     40     32  hash of the previous block; of block 1, the network id
//!     72      8  time, unix seconds
//!     80     32  proposer
//!    112     32  digest of this height's validator set
//!    144     32  digest of the next height's validator set
//!    176      4  number of entries
//!    180     32  RFC 6962 root over all entries so far
//!    212      8  number of all entries so far
//! ```

use crypto::Digest;

use crate::codec::{DecodeError, Reader};
use crate::entry::{ENTRY_BYTES, Entry};
use crate::identifier::{BlockHash, NetworkId, ValidatorId};
use crate::time::Timestamp;

mod certificate;

pub use certificate::{Certificate, CertificateError, Precommit};

/// Length of an encoded header.
pub const HEADER_BYTES: usize = 220;
/// Most entries in a block.
pub const MAX_BLOCK_ENTRIES: usize = 4_096;

const BLOCK_LABEL: &str = "proofgate/v1/block";

/// A block's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The network.
    pub network: NetworkId,
    /// The block's height, from 1.
    pub height: u64,
    /// The hash of the block before; of block 1, the network id's digest.
    pub previous: BlockHash,
    /// When it was proposed; never before the block before.
    pub time: Timestamp,
    /// Who proposed it.
    pub proposer: ValidatorId,
    /// Digest of the validator set that certifies this block.
    pub validators: Digest,
    /// Digest of the validator set that certifies the next block.
    pub next_validators: Digest,
    /// Number of entries in this block.
    pub entries: u32,
    /// RFC 6962 root over all entries so far, this block's included.
    pub log_root: Digest,
    /// Number of all entries so far, this block's included.
    pub log_size: u64,
}

impl Header {
    /// `labelled("proofgate/v1/block", header)`: names the block, since the header holds the root over its
    /// entries.
    pub fn hash(&self) -> BlockHash {
        BlockHash::from_digest(Digest::labelled(BLOCK_LABEL, &[&self.encode()]))
    }

    /// Index of the block's first entry in the log.
    ///
    /// # Errors
    /// [`DecodeError::Field`] if the block claims more entries than the log has.
    pub fn first_index(&self) -> Result<u64, DecodeError> {
        self.log_size
            .checked_sub(u64::from(self.entries))
            .ok_or(DecodeError::Field { field: "entries" })
    }

    /// The header's [`HEADER_BYTES`].
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..32].copy_from_slice(self.network.as_bytes());
        bytes[32..40].copy_from_slice(&self.height.to_be_bytes());
        bytes[40..72].copy_from_slice(self.previous.as_bytes());
        bytes[72..80].copy_from_slice(&self.time.unix_seconds().to_be_bytes());
        bytes[80..112].copy_from_slice(self.proposer.as_bytes());
        bytes[112..144].copy_from_slice(self.validators.as_bytes());
        bytes[144..176].copy_from_slice(self.next_validators.as_bytes());
        bytes[176..180].copy_from_slice(&self.entries.to_be_bytes());
        bytes[180..212].copy_from_slice(self.log_root.as_bytes());
        bytes[212..].copy_from_slice(&self.log_size.to_be_bytes());
        bytes
    }

    /// Decodes a header.
    ///
    /// # Errors
    /// [`DecodeError`] for another length, height 0, a proposer that is no slug, or more entries than
    /// [`MAX_BLOCK_ENTRIES`] or than the log has.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::exact(bytes, HEADER_BYTES)?;
        let header = Self {
            network: NetworkId::from_digest(Digest::from_bytes(reader.array()?)),
            height: reader.u64()?,
            previous: BlockHash::from_digest(Digest::from_bytes(reader.array()?)),
            time: Timestamp::from_unix_seconds(reader.u64()?),
            proposer: ValidatorId::from_bytes(reader.array()?)?,
            validators: Digest::from_bytes(reader.array()?),
            next_validators: Digest::from_bytes(reader.array()?),
            entries: reader.u32()?,
            log_root: Digest::from_bytes(reader.array()?),
            log_size: reader.u64()?,
        };
        if header.height == 0 {
            return Err(DecodeError::Field { field: "height" });
        }
        if usize::try_from(header.entries).map_or(true, |entries| entries > MAX_BLOCK_ENTRIES) {
            return Err(DecodeError::Field { field: "entries" });
        }
        header.first_index()?;
        Ok(header)
    }
}

/// A header with its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    header: Header,
    entries: Vec<Entry>,
}

impl Block {
    /// `header` over `entries`.
    ///
    /// # Errors
    /// [`DecodeError::Field`] if the header names another number of entries.
    pub fn new(header: Header, entries: Vec<Entry>) -> Result<Self, DecodeError> {
        if usize::try_from(header.entries) != Ok(entries.len()) {
            return Err(DecodeError::Field { field: "entries" });
        }
        Ok(Self { header, entries })
    }

    /// The header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The entries, in log order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// `header ‖ entries`
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + ENTRY_BYTES * self.entries.len());
        bytes.extend(self.header.encode());
        for entry in &self.entries {
            bytes.extend(entry.encode());
        }
        bytes
    }

    /// Decodes a block: its header, then exactly the entries that the header counts.
    ///
    /// # Errors
    /// [`DecodeError`] as of [`Header::decode`] and [`Entry::decode`], and for another length.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Some((head, tail)) = bytes.split_at_checked(HEADER_BYTES) else {
            return Err(DecodeError::Length { expected: HEADER_BYTES, got: bytes.len() });
        };
        let header = Header::decode(head)?;
        let count = usize::try_from(header.entries).expect("at most MAX_BLOCK_ENTRIES");
        let expected = HEADER_BYTES + ENTRY_BYTES * count;
        if bytes.len() != expected {
            return Err(DecodeError::Length { expected, got: bytes.len() });
        }
        let entries = tail.chunks_exact(ENTRY_BYTES).map(Entry::decode);
        Self::new(header, entries.collect::<Result<_, _>>()?)
    }
}

/// A block with the signatures that decided it. Unchecked: only [`Replica::accept`] says that it is the
/// chain's next one.
///
/// [`Replica::accept`]: crate::replica::Replica::accept
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertifiedBlock {
    /// The block.
    pub block: Block,
    /// Its certificate.
    pub certificate: Certificate,
}

impl CertifiedBlock {
    /// `u32 length of the block ‖ block ‖ certificate`
    pub fn encode(&self) -> Vec<u8> {
        let block = self.block.encode();
        let length = u32::try_from(block.len()).expect("a block has at most 4,096 entries");
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend(block);
        bytes.extend(self.certificate.encode());
        bytes
    }

    /// Decodes a block and its certificate.
    ///
    /// # Errors
    /// [`DecodeError`] as of [`Block::decode`] and [`Certificate::decode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let too_short = |expected| DecodeError::Length { expected, got: bytes.len() };
        let (length, rest) = bytes.split_first_chunk().ok_or_else(|| too_short(4))?;
        let length = usize::try_from(u32::from_be_bytes(*length))
            .map_err(|_| DecodeError::Field { field: "length" })?;
        let (block, certificate) =
            rest.split_at_checked(length).ok_or_else(|| too_short(length.saturating_add(4)))?;
        Ok(Self { block: Block::decode(block)?, certificate: Certificate::decode(certificate)? })
    }
}

#[cfg(test)]
mod tests;
