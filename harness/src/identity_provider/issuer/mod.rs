//! A small HTTPS OpenID Connect issuer that signs any requested token, valid or hostile.
//!
//! The main types are [`Issuer`] (the server: discovery and keys, several issuer paths on one
//! listener), [`Signer`] (its keys, which another process can load and sign with too) and
//! [`Token`] (the contents of a token and the fault in it).

mod algorithm;
mod detour;
mod egress;
mod further_key;
mod issuer_path;
mod keys;
mod requests;
mod server;
mod stand_in;
#[cfg(test)]
mod tests;
mod token;

pub use algorithm::{Algorithm, NoAlgorithm};
pub use detour::{Detour, is_inescapable};
pub use egress::{Egress, HIDDEN};
pub use further_key::FurtherKey;
pub use issuer_path::IssuerPath;
pub use keys::Signer;
pub use requests::StandInRequest;
pub use server::{Issuer, ListeningIssuer, RealKeys, RequestCounts};
pub use stand_in::StandIn;
pub use token::{Forgery, Token};

use std::path::PathBuf;

use crate::jwt::NotAJwt;

/// An error of the issuer, its keys or its tokens.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The issuer cannot listen.
    #[error("the issuer cannot listen on {address}")]
    Listen {
        /// The address to listen on.
        address: std::net::IpAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The issuer's own certificate cannot be used.
    #[error("cannot serve the issuer's certificate")]
    Certificate(#[from] crate::tls::TlsError),
    /// A path that nobody can request, or a duplicate.
    #[error("{path:?} is not an issuer path: {why}")]
    Path {
        /// The path.
        path: String,
        /// The reason.
        why: &'static str,
    },
    /// There is no such issuer path.
    #[error("no issuer at {path:?} (known: {})", known.join(", "))]
    UnknownPath {
        /// The requested path.
        path: String,
        /// The existing paths.
        known: Vec<String>,
    },
    /// The issuer path has no key for the algorithm.
    #[error("the issuer {path:?} does not sign with {algorithm} (known: {})", known.join(", "))]
    UnknownAlgorithm {
        /// The issuer path.
        path: String,
        /// The requested algorithm.
        algorithm: Algorithm,
        /// The algorithms of the issuer path.
        known: Vec<String>,
    },
    /// An RSA key could not be generated.
    #[error("cannot generate an RSA key")]
    Rsa(#[from] rsa::Error),
    /// The thread that generated a key did not finish.
    #[error("cannot generate a key: the thread was cancelled")]
    GivenUp(#[source] tokio::task::JoinError),
    /// A key could not be encoded or decoded.
    #[error("cannot encode or decode a {what} key: {why}")]
    Key {
        /// The kind of key.
        what: &'static str,
        /// The library's message.
        why: String,
    },
    /// A certificate for a token's header could not be created.
    #[error("cannot make a certificate for a token's header")]
    HeaderCertificate(#[from] crate::pki::PkiError),
    /// The signing library returned an error.
    #[error("cannot sign a token")]
    Sign(#[from] jsonwebtoken::errors::Error),
    /// Claims or keys could not be written as JSON or read from it.
    #[error("cannot write or read {what}")]
    Json {
        /// The claims or keys.
        what: &'static str,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The saved keys could not be read.
    #[error("cannot read the issuer's keys from {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The text does not have the form of a token.
    #[error(transparent)]
    NotAJwt(#[from] NotAJwt),
}
