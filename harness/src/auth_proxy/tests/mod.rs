//! The proxy between real TLS clients and a stand-in for the API server.

mod backend;
mod callers;
#[cfg(feature = "cli")]
mod foreign_input;
mod headers;
mod stage;
mod streams;
