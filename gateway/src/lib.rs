//! proofgate's HTTP gateway and command line.

pub mod http;
pub mod import;
pub mod payload;
pub mod subject;
