//! A small HTTPS OpenID Connect issuer that signs any token asked of it, sound or hostile.
//!
//! The main types are [`Issuer`] (the server: discovery and keys, several issuer paths on one
//! listener), [`Signer`] (its keys, which another process can load and sign with too) and
//! [`Token`] (what a token shall say and what shall be wrong with it).

mod algorithm;
mod egress;
mod keys;
mod server;
#[cfg(test)]
mod tests;
mod token;

pub use algorithm::{Algorithm, NoAlgorithm};
pub use egress::{Egress, HIDDEN};
pub use keys::{IssuerPath, Signer};
pub use server::{Asked, Issuer, ListeningIssuer};
pub use token::{Forgery, Token, Unverified, unverified};

use std::path::PathBuf;

/// What can go wrong with the issuer, its keys and its tokens.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// It could not listen.
    #[error("the issuer could not listen on {address}")]
    Listen {
        /// Where.
        address: std::net::IpAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Its own certificate cannot be used.
    #[error("the issuer's certificate cannot be served")]
    Certificate(#[from] crate::tls::TlsError),
    /// A path that nobody can ask for, or twice the same.
    #[error("{path:?} is not an issuer path: {why}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No such issuer path.
    #[error("no issuer at {path:?}; there are: {}", known.join(", "))]
    UnknownPath {
        /// The path asked for.
        path: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// The issuer path has no key for the algorithm.
    #[error("the issuer {path:?} does not sign with {algorithm}; it signs with {}", known.join(", "))]
    UnknownAlgorithm {
        /// The issuer path.
        path: String,
        /// The algorithm asked for.
        algorithm: Algorithm,
        /// Those it has.
        known: Vec<String>,
    },
    /// An RSA key could not be made.
    #[error("could not make an RSA key")]
    Rsa(#[from] rsa::Error),
    /// The thread that made a key was given up.
    #[error("making a key was given up")]
    GivenUp(#[source] tokio::task::JoinError),
    /// A key could not be encoded or decoded.
    #[error("could not encode or decode a {what} key: {why}")]
    Key {
        /// Which kind.
        what: &'static str,
        /// What the library said.
        why: String,
    },
    /// A certificate for a token's header could not be made.
    #[error("could not make a certificate for a token's header")]
    HeaderCertificate(#[from] crate::pki::PkiError),
    /// The signing library refused.
    #[error("could not sign a token")]
    Sign(#[from] jsonwebtoken::errors::Error),
    /// Claims or keys could not be written as JSON or read from it.
    #[error("could not write or read {what}")]
    Json {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The kept keys could not be read.
    #[error("could not read the issuer's keys from {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It has not the form of a token.
    #[error("not a token in compact form: {0}")]
    NotAToken(&'static str),
}
