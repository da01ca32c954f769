//! proofgate's HTTP gateway and command line.

pub mod budget;
pub mod document;
pub mod http;
pub mod import;
pub mod key_file;
pub mod payload;
pub mod policy;
pub mod records;
pub mod store;
pub mod subject;
