//! What operators, departments' own systems, other departments and citizens get wrong, or send on purpose:
//! over the real binary, row by row, each with the clear answer that it gets. Nothing is changed by any of
//! them, and what is right is taken afterwards.

#![expect(clippy::unwrap_used, reason = "every function here is part of a test")]

#[path = "bad_input/disk.rs"]
mod disk;
#[path = "running/gateway.rs"]
#[expect(dead_code, reason = "shared with tests that use all of it")]
mod gateway;
#[path = "bad_input/operator.rs"]
mod operator;
#[path = "running/pair.rs"]
#[expect(dead_code, reason = "shared with tests that use all of it")]
mod pair;
#[path = "bad_input/parties.rs"]
mod parties;
#[path = "running/records.rs"]
mod records;
#[path = "bad_input/sending.rs"]
mod sending;
#[path = "bad_input/wire.rs"]
mod wire;
