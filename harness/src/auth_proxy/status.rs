//! Answers in the proxy's own name: Kubernetes `Status` bodies, so that kubectl shows the message.
//!
//! The main type is [`Refusal`].

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{HeaderValue, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

use crate::listener::answer;

/// Why the proxy answers in the backend's place.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// Nobody could be made out.
    #[error("the auth proxy does not know the caller: {0}")]
    Unauthenticated(String),
    /// A token could not be verified either way.
    #[error("the auth proxy cannot verify tokens now: {0}")]
    Unverifiable(String),
    /// A way of asking that is not passed on.
    #[error("the auth proxy does not pass {0} on")]
    Method(String),
    /// The backend does not speak as it should, or not at all.
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

    /// Kubernetes has no word for 502; reasons are free words in CamelCase.
    fn reason(&self) -> &'static str {
        match self {
            Self::Unauthenticated(_) => "Unauthorized",
            Self::Unverifiable(_) => "ServiceUnavailable",
            Self::Method(_) => "MethodNotAllowed",
            Self::BadBackend(_) => "BadGateway",
            Self::SlowBackend(_) => "Timeout",
        }
    }

    /// What it is about, without a secret.
    pub(super) fn message(&self) -> String {
        crate::secret::redact(&self.to_string()).into_owned()
    }

    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        let status = self.status();
        let mut response = answer::status(status, self.reason(), &self.message());
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §15.5.2 requires it.
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
