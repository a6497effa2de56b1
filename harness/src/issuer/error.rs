//! Errors: of the server ([`ServerError`]), and in its answers ([`Refused`]).

use std::io;
use std::net::{IpAddr, SocketAddr};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

use crate::hint::Hint;
use crate::identity_provider::issuer::IssuerError;
use crate::listener::answer;
use crate::pki::PkiError;
use crate::tls::TlsError;
use crate::token_shape::UnknownShape;

/// An error of the server, outside of an answer.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The server cannot listen.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The address is not on loopback, and only this user is to be served.
    #[error("{0} is not an address of this machine alone (expected loopback, such as 127.0.0.1)")]
    NotLoopback(IpAddr),
    /// The address stands for all addresses, so that no URL can name it.
    #[error("the address stands for every address of the machine (expected one that callers use, since it is in all URLs)")]
    EveryAddress,
    /// Tokens would pass a network without TLS.
    #[error("cannot serve without TLS on {0} (expected loopback)")]
    PlainElsewhere(IpAddr),
    /// There is no issuer.
    #[error("there is no issuer (expected at least one)")]
    NoIssuer,
    /// A text is not an issuer URL (OpenID Connect Discovery 1.0 §3).
    #[error("{0:?} is not an issuer URL (expected https or http, without query and fragment)")]
    Url(String),
    /// API servers accept issuers over https alone (kubernetes/apiserver `pkg/apis/apiserver/validation`, `validateURL`).
    #[error("the issuer is served without TLS, and API servers accept https alone")]
    Plain,
    /// No AuthenticationConfiguration accepts tokens of the shape.
    #[error("no configuration of an API server accepts tokens of the shape {0}")]
    NoConfiguration(String),
    /// Flags have no discovery URL beside the issuer's.
    #[error("the issuer is called {0}, which is not its address: flags cannot say both")]
    OnlyCalled(String),
    /// The certificate cannot be issued.
    #[error("cannot issue the server's certificate")]
    Pki(#[from] PkiError),
    /// The certificate cannot be served.
    #[error("cannot serve the server's certificate")]
    Tls(#[from] TlsError),
    /// The keys or the paths are wrong.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// There is no such token shape.
    #[error(transparent)]
    Shape(#[from] UnknownShape),
    /// A request cannot be carried out.
    #[error("{}", .0.description)]
    Refused(#[from] Refused),
}

impl Hint for ServerError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Listen { address, .. } if address.port() != 0 => Some("without --port, a free one is taken".to_owned()),
            Self::NotLoopback(address) => Some(format!("to give any token to everybody who reaches it: --listen {address}")),
            Self::Plain => Some("leave --http out".to_owned()),
            Self::OnlyCalled(_) => Some("use the AuthenticationConfiguration, which has discoveryURL".to_owned()),
            Self::Shape(error) => error.hint(),
            _ => None,
        }
    }
}

/// The refusal of a request, in the form of RFC 6749 §5.2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}: {description}")]
pub struct Refused {
    /// The status.
    pub status: u16,
    /// The error code.
    pub error: &'static str,
    /// The description: what was expected, and what was seen.
    pub description: String,
}

impl Refused {
    pub(super) fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self {
            status: 400,
            error,
            description: description.into(),
        }
    }

    pub(super) fn request(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    pub(super) fn server(description: impl Into<String>) -> Self {
        Self {
            status: 500,
            ..Self::new("server_error", description)
        }
    }

    pub(super) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = answer::json(status, &json!({ "error": self.error, "error_description": self.description }));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
