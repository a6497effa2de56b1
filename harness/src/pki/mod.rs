//! Certificate authorities and the certificates they issue, valid or flawed.
//!
//! The main types are [`Authority`], [`Request`] (the content of a certificate),
//! [`Leaf`] (certificate and key), and [`Holder`] (the user that a subject stands for). Keys are P-256, so that they are cheap; groups are
//! organizations, and any number of them is kept, in order.

mod authority;
pub mod chain;
mod holder;
mod request;
mod requested;
mod seed;
pub mod signature;
#[cfg(test)]
mod tests;
mod weak;

pub use authority::{Authority, Leaf, PkiError, key_pair};
pub(crate) use authority::{same_key, write_private};
pub use holder::{Holder, NotText};
pub use request::{Flaw, Purpose, Request, signing_request, signing_request_for, subject};
pub use requested::Requested;
pub use seed::Seed;

/// Returns the address of an alternative name (RFC 5280 §4.2.1.6).
#[must_use]
pub fn address(bytes: &[u8]) -> Option<std::net::IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(std::net::IpAddr::from).ok();
    four.or_else(|| <[u8; 16]>::try_from(bytes).map(std::net::IpAddr::from).ok())
}
