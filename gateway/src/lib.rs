//! proofgate's HTTP gateway and command line.

pub mod budget;
pub mod bundle;
pub mod chain_view;
pub mod cli;
pub mod config;
pub mod demo;
pub mod department;
pub mod document;
pub mod exchange;
pub mod folder;
pub mod hosting;
pub mod http;
pub mod import;
pub mod key_file;
pub mod log;
pub mod measure;
pub mod nonces;
pub mod payload;
pub mod policy;
pub mod prover;
pub mod proving_keys;
pub mod records;
pub mod serving;
pub mod store;
pub mod subject;
pub mod wallet;
