//! The documents that stand behind the chain's digests, and the checks each passes before anybody
//! acts on it.
//!
//! All are canonical JSON (RFC 8785) and refuse unknown members. A document's name is the SHA-256 of
//! its canonical bytes. Documents whose content could be guessed carry 128 random bits or more
//! before their digest goes on the chain.

pub mod answer;
pub mod ceremony;
pub mod circuit;
pub mod key_card;
pub mod payload;
pub mod request;
pub mod service;

pub use answer::Answer;
pub use circuit::CircuitDocument;
pub use key_card::{KeyCard, SignedKeyCard};
pub use payload::PayloadManifest;
pub use request::{CheckedRequest, Request};
pub use service::Service;

/// The format version every document begins with.
pub const VERSION: u32 = 1;
