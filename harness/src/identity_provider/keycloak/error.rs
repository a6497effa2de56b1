//! The errors of Keycloak, from finding a Java to an unexpected response.

use std::path::PathBuf;

use reqwest::StatusCode;

use super::export::RealmImport;
use super::java::JavaError;
use super::realm::RealmError;
use crate::cache::CacheError;
use crate::engine::EngineError;
use crate::hint::Hint;
use crate::pki::PkiError;
use crate::process::ProcessError;
use crate::process::wait::WaitError;
use crate::tls::TlsError;

/// An error of preparing, running or using Keycloak.
#[derive(Debug, thiserror::Error)]
pub enum KeycloakError {
    /// No Java can run Keycloak.
    #[error(transparent)]
    Java(#[from] JavaError),
    /// The directory is not an unpacked Keycloak.
    #[error("{} is not an unpacked Keycloak: {missing} is missing", home.display())]
    Home {
        /// The directory.
        home: PathBuf,
        /// The missing part, which every distribution has.
        missing: &'static str,
    },
    /// There is no cache directory.
    #[error(transparent)]
    NoDirectory(#[from] crate::dirs::NoDirectory),
    /// A fixture is invalid.
    #[error(transparent)]
    Realm(#[from] RealmError),
    /// A file or directory cannot be used.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// The attempted operation: `read`, `write`, `lock`.
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
    /// Its certificate, or the authority that signed it, cannot be used by its front.
    #[error("Keycloak's front cannot use TLS")]
    Tls(#[from] TlsError),
    /// The program cannot be started, or has exited.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A step of the preparation failed.
    #[error("Keycloak's {step} failed ({status}); its log is {}\n{}", log.display(), tail.join("\n"))]
    Preparation {
        /// The step.
        step: &'static str,
        /// The exit status.
        status: std::process::ExitStatus,
        /// The path of the log.
        log: PathBuf,
        /// The log's last lines, redacted.
        tail: Vec<String>,
    },
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Keycloak runs, but does not answer.
    #[error("{why}; its log is {}\n{}", log.display(), tail.join("\n"))]
    NotReady {
        /// The awaited condition, the time waited and the last observation.
        why: String,
        /// The path of the log.
        log: PathBuf,
        /// The log's last lines, redacted.
        tail: Vec<String>,
    },
    /// The container engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The container started without publishing its port.
    #[error("Keycloak's container does not publish its port {port}")]
    NotPublished {
        /// The port in the container.
        port: u16,
    },
    /// The image is not a Keycloak image.
    #[error("{image} is not a Keycloak image; its output is\n{}", tail.join("\n"))]
    NotKeycloak {
        /// The image's reference.
        image: String,
        /// The image's description of itself, redacted.
        tail: Vec<String>,
    },
    /// The image has another version of Keycloak.
    #[error("{image} has Keycloak {has} (expected {wanted})")]
    ImageVersion {
        /// The image's reference.
        image: String,
        /// The version in the image.
        has: String,
        /// The expected version.
        wanted: String,
    },
    /// Keycloak does not import somebody's realm.
    #[error("{file}: Keycloak refuses the realm '{realm}': {said}")]
    RealmRefused {
        /// The file of the export, as shown to the user.
        file: String,
        /// The realm.
        realm: String,
        /// Keycloak's words, redacted.
        said: String,
    },
    /// A realm's document is not valid JSON.
    #[error("the realm to import is not valid JSON")]
    Import(#[source] serde_json::Error),
    /// A realm's document does not name its realm.
    #[error("the realm to import has no name: the string `realm` is missing")]
    NoRealm,
    /// The public address is unavailable.
    #[error("cannot listen on {interface} for Keycloak")]
    Listen {
        /// The address of the interface.
        interface: std::net::IpAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Keycloak refused a request, in OAuth's own words (RFC 6749 §5.2).
    #[error("Keycloak refused the {request} with {status}: {error}{}", described(description.as_deref()))]
    Refused {
        /// The request.
        request: String,
        /// The HTTP status.
        status: StatusCode,
        /// OAuth's error code, such as `invalid_grant`.
        error: String,
        /// Keycloak's description of the error.
        description: Option<String>,
    },
    /// Keycloak returned an unexpected response.
    #[error("Keycloak answered the {request} with {status}: {body}")]
    Unexpected {
        /// The request.
        request: String,
        /// The HTTP status.
        status: StatusCode,
        /// The beginning of the body, redacted.
        body: String,
    },
    /// Keycloak could not be reached.
    #[error("cannot send the {request} to Keycloak")]
    Unreachable {
        /// The request.
        request: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// Keycloak's response violates the protocol.
    #[error("cannot read Keycloak's response to the {request}")]
    Malformed {
        /// The request.
        request: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// No client can be created from the description.
    #[error("cannot create an HTTPS client that trusts Keycloak's authority")]
    HttpsClient(#[source] reqwest::Error),
    /// The realm has no such client.
    #[error("the realm {realm} has no client '{client}' (known: {})", known.join(", "))]
    NoSuchClient {
        /// The realm.
        realm: String,
        /// The requested client.
        client: String,
        /// The clients of the realm.
        known: Vec<String>,
    },
    /// Keycloak has no such realm.
    #[error("Keycloak has no realm '{realm}'")]
    NoSuchRealm {
        /// The requested realm.
        realm: String,
    },
    /// The realm has no such user.
    #[error("the realm {realm} has no user '{user}'")]
    NoSuchUser {
        /// The realm.
        realm: String,
        /// The requested user.
        user: String,
    },
}

impl KeycloakError {
    /// Returns OAuth's error code, if Keycloak refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { error, .. } => Some(error),
            _ => None,
        }
    }

    /// Returns the error of a start that ended while `realm` was imported: Keycloak's words about it, if its log has any.
    pub(super) fn about_import(self, realm: &RealmImport) -> Self {
        let Self::Process(ProcessError::Ended { log, .. }) = &self else {
            return self;
        };
        match words(&String::from_utf8_lossy(&fs_err::read(log).unwrap_or_default())) {
            Some(said) => Self::RealmRefused {
                file: realm.file.clone(),
                realm: realm.realm.clone(),
                said,
            },
            None => self,
        }
    }

    /// Returns the error of a failed wait for the running server that `log` belongs to.
    pub(super) fn not_ready(error: WaitError<Self>, log: &std::path::Path) -> Self {
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

impl Hint for KeycloakError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Java(error) => error.hint(),
            Self::Engine(error) => error.hint(),
            Self::NotKeycloak { .. } | Self::ImageVersion { .. } => {
                Some("name the official image of the pinned version, or one made from it, with --keycloak-image".to_owned())
            }
            Self::Home { .. } => Some("name the directory that holds Keycloak's bin, conf and lib with AUTHLAB_KEYCLOAK_HOME".to_owned()),
            Self::File { .. } => Some("free some space, or name another directory with AUTHLAB_CACHE_DIR".to_owned()),
            Self::Cache(error) => error.hint(),
            Self::Process(error @ ProcessError::Privileged { .. }) => error.hint(),
            Self::Process(_) | Self::NotReady { .. } => Some("read the log; another Java can be chosen with AUTHLAB_JAVA".to_owned()),
            _ => None,
        }
    }
}

/// Returns the reason in the log of a Keycloak that did not start (its `ExecutionExceptionHandler`), redacted.
fn words(log: &str) -> Option<String> {
    let log = crate::secret::redact(log);
    let said = log.lines().filter_map(|line| Some(line.split_once(") ERROR: ")?.1.trim()));
    // The first says only that the start failed; each further one is the cause of the one before.
    let causes: Vec<&str> = said.skip_while(|said| said.starts_with("Failed to start server")).collect();
    let last = causes.iter().rev().find(|cause| !cause.starts_with("For more details"))?;
    Some((*last).to_owned())
}

fn described(description: Option<&str>) -> String {
    description.map(|text| format!(" ({text})")).unwrap_or_default()
}

/// Returns a function for `map_err` that names the operation on `path`.
pub(super) fn file(doing: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> KeycloakError {
    let path = path.to_owned();
    move |source| KeycloakError::File { doing, path, source }
}
