//! The authenticating proxy: it finds out who calls, and passes that on to an API server.
//!
//! The main type is [`AuthProxy`], started from [`Settings`]. It believes a caller's client
//! certificate or OpenID Connect token after verifying it itself, drops every word of identity
//! that the caller sent, and says who it is in its own name ([`PassOn`]). Requests, answers and
//! upgraded connections stream through; nothing is buffered and nothing is limited in total time.

mod bearer;
mod caller;
mod connection_headers;
mod forward;
mod identity_headers;
mod record;
mod server;
mod status;
#[cfg(test)]
mod tests;

pub use bearer::TokenIssuer;
pub use caller::{By, Caller};
pub use forward::Backend;
pub use identity_headers::{HeaderNames, PassOn, ProxyCredential};
pub use record::{Handled, Verdict};
pub use server::AuthProxy;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::pki::Leaf;
use crate::tls::TlsError;

/// How an auth proxy is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What it shows to callers.
    pub certificate: Leaf,
    /// The authorities, PEM, whose client certificates it accepts; `None`: no certificate at all.
    pub caller_authority: Option<String>,
    /// Whose tokens it accepts; `None`: no token at all.
    pub token_issuer: Option<TokenIssuer>,
    /// The API server behind it.
    pub backend: Backend,
    /// How it passes identity on.
    pub pass_on: PassOn,
    /// What it says of every caller, besides what their credential says.
    pub extra: BTreeMap<String, Vec<String>>,
    /// How patient it is.
    pub patience: Patience,
}

/// How long the proxy waits for the backend before it answers 504 in its place. There is no limit
/// once the answer has begun.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the answer's headers. The time that a caller takes to send a body does not count.
    pub headers: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            headers: Duration::from_secs(30),
        }
    }
}

/// Why an auth proxy cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AuthProxyError {
    /// It could not listen.
    #[error("the auth proxy could not listen on 127.0.0.1")]
    Listen(#[source] std::io::Error),
    /// A certificate, key or authority cannot be used.
    #[error("the auth proxy cannot use its {what}")]
    Certificate {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: TlsError,
    },
    /// The authorities of callers are refused.
    #[error("the auth proxy cannot verify callers with their authority")]
    CallerAuthority(#[source] rustls::server::VerifierBuilderError),
    /// The backend's address is not one.
    #[error("{url:?} is not an address of an API server: https://HOST:PORT was expected")]
    Backend {
        /// What was given.
        url: String,
    },
    /// The issuer's URL is not one.
    #[error("{url:?} is not an issuer's URL")]
    Issuer {
        /// What was given.
        url: String,
    },
    /// Its HTTP client for the issuer cannot be made.
    #[error("the auth proxy cannot ask the token issuer")]
    IssuerClient(#[source] reqwest::Error),
    /// A header that it is to set is not one.
    #[error("{what} cannot be sent in a header")]
    Header {
        /// Which.
        what: String,
    },
}
