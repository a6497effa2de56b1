//! The authenticating proxy: it identifies callers and passes their identity on to an API server.
//!
//! The main type is [`AuthProxy`], started from [`Settings`]. It verifies a caller's client
//! certificate or OpenID Connect token itself, drops all identity headers
//! that the caller sent, and states the identity in its own name ([`PassOn`]). Requests, responses and
//! upgraded connections stream through; nothing is buffered, and there is no limit on the total time.
//! [`LoadBalancer`] is its counterpart that knows nobody.

mod bearer;
mod caller;
mod connection_headers;
mod forward;
mod identity_headers;
mod load_balancer;
mod record;
mod server;
mod status;
#[cfg(test)]
mod tests;

pub use bearer::TokenIssuer;
pub use caller::Caller;
pub use forward::Backend;
pub use identity_headers::{HeaderNames, PassOn, ProxyCredential};
pub use load_balancer::LoadBalancer;
pub use record::{Handled, Verdict};
pub use server::AuthProxy;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::pki::Leaf;
use crate::tls::TlsError;

/// The settings of an auth proxy.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The proxy's serving certificate.
    pub certificate: Leaf,
    /// The authorities, PEM, whose client certificates the proxy accepts; `None` to accept no certificate.
    pub caller_authority: Option<String>,
    /// The issuer whose tokens the proxy accepts; `None` to accept no token.
    pub token_issuer: Option<TokenIssuer>,
    /// The API server behind the proxy.
    pub backend: Backend,
    /// The way in which the proxy passes identity on.
    pub pass_on: PassOn,
    /// Extra attributes of every caller, in addition to those of the credential.
    pub extra: BTreeMap<String, Vec<String>>,
    /// The timeouts for the backend.
    pub patience: Patience,
    /// The file to which each request that was handled is appended ([`Handled`]); `None` to keep no record.
    pub record: Option<PathBuf>,
}

/// The times that the proxy waits for the backend before it answers with 504 itself. There is no limit
/// once the response has begun.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The timeout for a connection, TLS included.
    pub connect: Duration,
    /// The timeout for the response's headers. The time that a caller takes to send a body does not count.
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

/// An error of starting an auth proxy.
#[derive(Debug, thiserror::Error)]
pub enum AuthProxyError {
    /// The proxy cannot listen.
    #[error("the auth proxy cannot listen on 127.0.0.1")]
    Listen(#[source] std::io::Error),
    /// The record cannot be opened.
    #[error("the auth proxy cannot open its record of requests")]
    Record(#[source] std::io::Error),
    /// A certificate, key or authority cannot be used.
    #[error("the auth proxy cannot use its {what}")]
    Certificate {
        /// The certificate, key or authority.
        what: &'static str,
        /// The cause.
        #[source]
        source: TlsError,
    },
    /// The authorities of callers cannot be used.
    #[error("the auth proxy cannot verify callers with their authority")]
    CallerAuthority(#[source] rustls::server::VerifierBuilderError),
    /// The backend's URL is invalid.
    #[error("{url:?} is not the address of an API server (expected https://HOST:PORT)")]
    Backend {
        /// The given URL.
        url: String,
    },
    /// The issuer's URL is invalid.
    #[error("{url:?} is not an issuer's URL")]
    Issuer {
        /// The given URL.
        url: String,
    },
    /// The HTTP client for the issuer cannot be created.
    #[error("the auth proxy cannot send requests to the token issuer")]
    IssuerClient(#[source] reqwest::Error),
    /// A header that the proxy is to set is invalid.
    #[error("{what} cannot be sent in a header")]
    Header {
        /// The part that cannot be sent.
        what: String,
    },
}
