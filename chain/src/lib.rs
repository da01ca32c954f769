//! proofgate's shared append-only chain: entries, blocks, certificates, log, rules, audit.
//!
//! Departments write signed entries that hold digests and nothing else. Validators put them in order, in
//! blocks that they certify; one Merkle log runs over all of them. Everybody keeps the same chain and can
//! check every rule from the genesis file on, which is all that anyone has to trust.
//!
//! - [`entry`], [`block`], [`genesis`], [`validators`], [`department`], [`document`]: what is written.
//! - [`rules`], [`replica`]: what may follow what; the same code for the validator, for recovery, for
//!   followers and for auditors.
//! - [`log`], [`checkpoint`], [`receipt`]: what shows an entry's place to somebody who keeps no chain.
//! - [`store`], [`ledger`]: one validator over sled, the embedded default, and those who follow it. The only
//!   file access.
//! - [`rebuild`](mod@rebuild): a damaged chain folder, anew from another copy.
//! - [`audit`](mod@audit): everything recomputed from a chain folder and a genesis file.

pub mod audit;
pub mod block;
pub mod checkpoint;
pub mod codec;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod department;
pub mod document;
pub mod entry;
pub mod genesis;
pub mod identifier;
pub mod ledger;
pub mod log;
pub mod rebuild;
pub mod receipt;
pub mod replica;
pub mod rules;
pub mod store;
pub mod text;
pub mod time;
pub mod validators;
