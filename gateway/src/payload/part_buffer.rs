//! Buffers for parts, used again and again.
//!
//! A part is 4 MiB, and every part is filled on whatever thread is free. An allocator that keeps an arena
//! for each thread would keep a few such buffers in each of them: a hundred MiB that nobody uses.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use crypto::envelope::stream::MAX_PART_BYTES;

/// Buffers that wait to be used again, of all departments of a process: as many as one payload that is
/// sealed fills, or one that is sent and one that is received. Beyond these they are freed.
const MAX_IDLE: usize = 8;

static IDLE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Room for a part's ciphertext. Used again when it is dropped.
#[derive(Debug)]
pub struct PartBuffer(Vec<u8>);

impl PartBuffer {
    /// An empty buffer.
    pub fn take() -> Self {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self(idle.unwrap_or_else(|| Vec::with_capacity(MAX_PART_BYTES)))
    }

    /// The bytes, to be filled.
    pub fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// The bytes, taken out; as a [`PartBuffer`] made of them they can be used again.
    pub fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }

    /// The bytes, to be shared; used again when nobody shares them any more.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl From<Vec<u8>> for PartBuffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for PartBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for PartBuffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0);
        bytes.clear();
        // One that has grown beyond that is of somebody who does not know how long a part can be.
        let fits = bytes.capacity() == MAX_PART_BYTES;
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        if fits && idle.len() < MAX_IDLE {
            idle.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_empty_when_it_is_taken_and_has_room_for_a_part() {
        let _all: Vec<_> = (0..2 * MAX_IDLE)
            .map(|_| {
                let mut buffer = PartBuffer::take();
                assert!(buffer.as_ref().is_empty());
                assert_eq!(buffer.bytes_mut().capacity(), MAX_PART_BYTES);
                buffer.bytes_mut().extend_from_slice(b"ciphertext");
                let shared = buffer.into_bytes();
                assert_eq!((shared.len(), shared.clone()), (10, Bytes::from_static(b"ciphertext")));
                shared
            })
            .collect();
    }

    #[test]
    fn no_more_are_kept_than_are_used() {
        drop((0..3 * MAX_IDLE).map(|_| PartBuffer::take()).collect::<Vec<_>>());
        drop(PartBuffer::from(Vec::new()));
        drop(PartBuffer::from(Vec::with_capacity(MAX_PART_BYTES + 1)));
        let idle = IDLE.lock().unwrap();
        assert!(idle.len() <= MAX_IDLE);
        assert!(idle.iter().all(|it| it.is_empty() && it.capacity() == MAX_PART_BYTES));
    }
}
