//! Attacks over real sockets on the real binary: a citizen, a stranger, somebody on the wire, or a
//! department that has all its keys and is dishonest.
//!
//! Each test is one claim. It looks at status and code of what the gateway answers, and then repairs the
//! one thing that was wrong: the honest message must be taken. Every problem document that comes by is
//! searched for what nobody may be told, see [`world::World::watch`].

#![expect(clippy::unwrap_used, reason = "every function here is part of a test")]

#[path = "adversary/answers.rs"]
mod answers;
#[path = "adversary/citizens.rs"]
mod citizens;
#[path = "adversary/inference.rs"]
mod inference;
#[path = "adversary/leaks.rs"]
mod leaks;
#[path = "adversary/limits.rs"]
mod limits;
#[path = "adversary/local.rs"]
mod local;
#[path = "running/network.rs"]
mod network;
#[path = "adversary/payloads.rs"]
mod payloads;
#[path = "adversary/policy.rs"]
mod policy;
#[path = "adversary/proofs.rs"]
mod proofs;
#[path = "running/records.rs"]
mod records;
#[path = "adversary/requests.rs"]
mod requests;
#[path = "adversary/responses.rs"]
mod responses;
#[path = "adversary/signatures.rs"]
mod signatures;
#[path = "adversary/world.rs"]
mod world;
