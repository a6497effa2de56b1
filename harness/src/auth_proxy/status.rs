//! Responses in the proxy's own name: Kubernetes `Status` bodies, so that kubectl shows the message.
//!
//! The main type is [`Refusal`].

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{HeaderValue, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

use crate::listener::answer;

/// The reason why the proxy answers instead of the backend.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The caller could not be identified.
    #[error("the auth proxy does not know the caller: {0}")]
    Unauthenticated(String),
    /// A token could be neither accepted nor refused.
    #[error("the auth proxy cannot verify tokens now: {0}")]
    Unverifiable(String),
    /// A method that is not passed on.
    #[error("the auth proxy does not pass {0} on")]
    Method(String),
    /// The backend violates the protocol or is unreachable.
    #[error("the auth proxy cannot reach the API server: {0}")]
    BadBackend(String),
    /// The backend takes too long.
    #[error("the API server behind the auth proxy is too slow: {0}")]
    SlowBackend(String),
}

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Unverifiable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadBackend(_) => StatusCode::BAD_GATEWAY,
            Self::SlowBackend(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// Returns the reason. Kubernetes defines none for 502; reasons are free words in CamelCase.
    fn reason(&self) -> &'static str {
        match self {
            Self::Unauthenticated(_) => "Unauthorized",
            Self::Unverifiable(_) => "ServiceUnavailable",
            Self::Method(_) => "MethodNotAllowed",
            Self::BadBackend(_) => "BadGateway",
            Self::SlowBackend(_) => "Timeout",
        }
    }

    /// Returns the message, without a secret.
    pub(super) fn message(&self) -> String {
        crate::secret::redact(&self.to_string()).into_owned()
    }

    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        let status = self.status();
        let mut response = answer::status(status, self.reason(), &self.message());
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §15.5.2 requires this header.
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
