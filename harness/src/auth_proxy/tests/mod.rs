//! The proxy between real TLS clients and an API server's stand-in.

mod backend;
mod callers;
mod headers;
mod stage;
mod streams;
