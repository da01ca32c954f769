//! proofgate's HTTP gateway and command line.

pub mod http;
pub mod payload;
