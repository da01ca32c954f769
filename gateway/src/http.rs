//! HTTP: what gateways, wallets and departments' own systems say to this gateway.

pub mod signature;
