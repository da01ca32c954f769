//! HTTP: what gateways, wallets and departments' own systems say to this gateway.
//!
//! Four surfaces, each generic over a trait that the application layer implements: [`local`] for the
//! department's own systems, [`peer`] for other gateways, [`citizen`] for wallets, and [`public`] for
//! everybody. [`server`] serves them all on one address; [`client`], [`local_client`] and
//! [`citizen_client`] are the
//! other ends. Every error is a [`problem`] document.

mod body;
mod chain;
pub mod chain_client;
pub mod citizen;
pub mod citizen_client;
pub mod client;
mod connections;
mod hex_bytes;
mod hosting;
mod layers;
mod limits;
pub mod local;
pub mod local_client;
pub mod metrics;
mod openapi;
mod path;
pub mod peer;
pub mod problem;
pub mod public;
pub mod server;
pub mod signature;
mod stall;
pub mod tls;
mod transport;

pub(crate) use body::without_content;
pub use body::{Download, Upload};
pub use chain::ChainSurface;
pub use hex_bytes::{HexBytes, ParseHexError};
pub use hosting::Hosting;
pub use limits::Limits;
pub use problem::Problem;
pub use server::{Drained, Listening, serve, serve_waiting};
pub use transport::{BaseUrl, BaseUrlError, ClientLimits};

#[cfg(test)]
mod fixture;
