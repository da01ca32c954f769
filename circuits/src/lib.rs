//! The statements proofgate proves: record encoding, Poseidon, record tree, query, consent signature,
//! the statements themselves, Groth16 keys, prove and verify.
//!
//! Field elements only: no files, no sockets, no clock, no randomness of its own.

pub mod babyjubjub;
pub mod eddsa;
pub mod encoding;
pub mod field;
pub mod groth16;
pub mod mutation;
pub mod poseidon;
pub mod query;
pub mod record;
pub mod sample;
pub mod schema;
pub mod sizing;
pub mod snarkjs;
pub mod statement;
pub mod tree;

pub use field::Fr;
