//! Certificate authorities and the certificates they issue, sound or flawed.
//!
//! The main types are [`Authority`], [`Request`] (what a certificate shall say) and
//! [`Leaf`] (certificate and key). Keys are P-256, so that they cost nothing; groups are
//! organizations and any number of them is kept, in order.

mod authority;
mod request;

pub use authority::{Authority, Leaf, PkiError, key_pair};
pub(crate) use authority::{same_key, write_private};
pub use request::{Flaw, Purpose, Request, Requested, requested, signing_request, signing_request_for, subject};
