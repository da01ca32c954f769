//! Real gateways, each a process of its own in a folder of its own, set up and operated by commands alone.
//!
//! One binary for all of them, so that the longest, the ceremony, does not leave a core idle.

#![expect(clippy::unwrap_used, reason = "every function here is part of a test")]

#[path = "operation/ceremony.rs"]
mod ceremony;
#[path = "operation/commands.rs"]
mod commands;
#[path = "running/gateway.rs"]
#[expect(dead_code, reason = "shared with tests that use all of it")]
mod gateway;
#[path = "running/pair.rs"]
mod pair;
#[path = "operation/payload.rs"]
mod payload;
#[path = "operation/recovery.rs"]
mod recovery;
#[path = "running/snarkjs.rs"]
#[expect(dead_code, reason = "shared with tests that use all of it")]
mod snarkjs;
