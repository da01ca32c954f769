//! Byte-level cryptography of proofgate: digests and salted commitments of canonical documents,
//! department signing keys, secrets, the envelope between departments, and encryption at rest.
//!
//! No files, no sockets, no clock; randomness is handed in as a [`rand_core::CryptoRng`].

pub mod at_rest;
pub mod canonical;
pub mod commitment;
pub mod digest;
pub mod envelope;
pub mod secret;
pub mod signing;

pub use digest::Digest;
pub use rand_core;
pub use secret::Secret;
pub use signing::{Signature, SigningKey, VerifyingKey};
