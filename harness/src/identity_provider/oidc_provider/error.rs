//! The errors of node-oidc-provider, from finding Node.js to an unexpected response.

use std::path::{Path, PathBuf};

use reqwest::StatusCode;

use super::node::NodeError;
use crate::cache::CacheError;
use crate::hint::Hint;
use crate::pki::PkiError;
use crate::process::ProcessError;
use crate::process::wait::WaitError;

/// An error of installing, running or using node-oidc-provider.
#[derive(Debug, thiserror::Error)]
pub enum OidcProviderError {
    /// No Node.js can run it.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// There is no cache directory.
    #[error(transparent)]
    NoDirectory(#[from] crate::dirs::NoDirectory),
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// It is not installed, and no network may be used.
    #[error("node-oidc-provider {version} is not in the cache (expected with --offline)")]
    Offline {
        /// The pinned version.
        version: &'static str,
    },
    /// npm failed.
    #[error("cannot install node-oidc-provider: `npm ci` failed ({why}); its output is in {}\n{}", log.display(), tail.join("\n"))]
    Install {
        /// The exit status, or the time limit.
        why: String,
        /// The log with the whole output.
        log: PathBuf,
        /// The log's last lines, redacted.
        tail: Vec<String>,
    },
    /// A file or directory cannot be used.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// The attempted operation: `read`, `write`, `make`.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A key or certificate cannot be created or saved.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The program cannot be started, or has exited.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It runs, but does not answer.
    #[error("{why}; its log is {}\n{}", log.display(), tail.join("\n"))]
    NotReady {
        /// The awaited condition, the time waited and the last observation.
        why: String,
        /// The path of the log.
        log: PathBuf,
        /// The log's last lines, redacted.
        tail: Vec<String>,
    },
    /// It refused a request, in OAuth's own words (RFC 6749 §5.2), or a login on its page.
    #[error("node-oidc-provider refused the {request} with {status}: {error}{}", described(description.as_deref()))]
    Refused {
        /// The request.
        request: &'static str,
        /// The HTTP status.
        status: StatusCode,
        /// OAuth's error code, such as `invalid_grant`.
        error: String,
        /// The description of the error.
        description: Option<String>,
    },
    /// It returned an unexpected response.
    #[error("node-oidc-provider answered the {request} with {status}: {body}")]
    Unexpected {
        /// The request.
        request: &'static str,
        /// The HTTP status.
        status: StatusCode,
        /// The beginning of the body, redacted.
        body: String,
    },
    /// It could not be reached.
    #[error("cannot send the {request} to node-oidc-provider")]
    Unreachable {
        /// The request.
        request: &'static str,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// Its response violates the protocol.
    #[error("cannot read node-oidc-provider's response to the {request}: {why}")]
    Malformed {
        /// The request.
        request: &'static str,
        /// The fault.
        why: String,
    },
    /// No client can be created from the description.
    #[error("cannot create an HTTPS client that trusts node-oidc-provider's authority")]
    HttpsClient(#[source] reqwest::Error),
    /// It has no such client.
    #[error("node-oidc-provider has no client '{client}' (known: {})", known.join(", "))]
    NoSuchClient {
        /// The requested client.
        client: String,
        /// Its clients.
        known: Vec<String>,
    },
    /// It has no other issuer.
    #[error("node-oidc-provider has no issuer beside the one that is trusted")]
    NoOtherIssuer,
}

impl OidcProviderError {
    /// Returns the error of a failed wait for the running server that `log` belongs to.
    pub(super) fn not_ready(error: WaitError<Self>, log: &Path) -> Self {
        match error {
            WaitError::Failed(error) => error,
            timed_out @ WaitError::TimedOut { .. } => Self::NotReady {
                why: timed_out.to_string(),
                log: log.to_owned(),
                tail: crate::process::last_lines(log, 12),
            },
        }
    }
}

impl Hint for OidcProviderError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Node(error) => error.hint(),
            Self::Cache(error) => error.hint(),
            Self::Process(error @ ProcessError::Privileged { .. }) => error.hint(),
            Self::Offline { .. } => Some("run once without --offline, which installs it into the cache".to_owned()),
            Self::Install { .. } => Some("check the network and npm's registry (`npm config get registry`)".to_owned()),
            Self::Process(_) | Self::NotReady { .. } => Some("read the log; `authlab doctor` shows which Node.js is used".to_owned()),
            Self::Unreachable { .. } => Some("the server has exited or hangs: its log in the lab's directory says more".to_owned()),
            Self::File { .. } => Some("free some space, or name another directory with AUTHLAB_CACHE_DIR".to_owned()),
            _ => None,
        }
    }
}

fn described(description: Option<&str>) -> String {
    description.map(|text| format!(" ({text})")).unwrap_or_default()
}

/// Returns a function for `map_err` that names the operation on `path`.
pub(super) fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> OidcProviderError {
    let path = path.to_owned();
    move |source| OidcProviderError::File { doing, path, source }
}
