//! Byte-level cryptography of proofgate: digests of canonical documents, department signing keys,
//! secrets, and the envelope.
//!
//! No files, no sockets, no clock; randomness is handed in.

pub mod canonical;
pub mod digest;
pub mod secret;
pub mod signing;

pub use digest::Digest;
pub use secret::Secret;
pub use signing::{Signature, SigningKey, VerifyingKey};
