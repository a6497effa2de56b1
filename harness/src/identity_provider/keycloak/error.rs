//! What can go wrong with Keycloak, from finding a Java to an answer that nobody expects.

use std::path::PathBuf;

use reqwest::StatusCode;

use super::java::JavaError;
use super::realm::RealmError;
use crate::engine::EngineError;
use crate::hint::Hint;
use crate::pki::PkiError;
use crate::process::ProcessError;
use crate::process::wait::WaitError;

/// What can go wrong with Keycloak.
#[derive(Debug, thiserror::Error)]
pub enum KeycloakError {
    /// No Java can run it.
    #[error(transparent)]
    Java(#[from] JavaError),
    /// The directory is no unpacked Keycloak.
    #[error("{} is no unpacked Keycloak: there is no {missing}", home.display())]
    Home {
        /// The directory.
        home: PathBuf,
        /// What every distribution has.
        missing: &'static str,
    },
    /// There is no cache.
    #[error(transparent)]
    NoDirectory(#[from] crate::dirs::NoDirectory),
    /// A fixture is wrong.
    #[error(transparent)]
    Realm(#[from] RealmError),
    /// A file or directory cannot be used.
    #[error("could not {doing} {}", path.display())]
    File {
        /// What was tried: `read`, `write`, `lock`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key or certificate cannot be made or kept.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The program cannot be started, or ended by itself.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A step of the preparation failed.
    #[error("keycloak's {step} ended with {status}; its log is {}\n{}", log.display(), tail.join("\n"))]
    Preparation {
        /// Which step.
        step: &'static str,
        /// How it ended.
        status: std::process::ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The log's last lines, redacted.
        tail: Vec<String>,
    },
    /// Somebody else has been preparing the same Keycloak for too long.
    #[error("another process did not finish preparing this Keycloak: {why}")]
    Busy {
        /// Its lock, and how long it was waited for.
        why: String,
    },
    /// It runs, but does not answer.
    #[error("{why}; its log is {}\n{}", log.display(), tail.join("\n"))]
    NotReady {
        /// What was waited for, how long, and what was seen last.
        why: String,
        /// Its log.
        log: PathBuf,
        /// The log's last lines, redacted.
        tail: Vec<String>,
    },
    /// The container engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The container started without its port.
    #[error("keycloak's container does not publish its port {port}")]
    NotPublished {
        /// The port inside.
        port: u16,
    },
    /// The image is none of Keycloak's.
    #[error("{image} is not a Keycloak image; it said\n{}", tail.join("\n"))]
    NotKeycloak {
        /// Its reference.
        image: String,
        /// What it said about itself, redacted.
        tail: Vec<String>,
    },
    /// The image has another version of Keycloak.
    #[error("{image} holds Keycloak {has}, not {wanted}")]
    ImageVersion {
        /// Its reference.
        image: String,
        /// What is in it.
        has: String,
        /// What was expected.
        wanted: String,
    },
    /// A realm's document is no JSON.
    #[error("the realm to import is not valid JSON")]
    Import(#[source] serde_json::Error),
    /// A realm's document does not name its realm.
    #[error("the realm to import has no name: there is no text `realm` in it")]
    NoRealm,
    /// The public address cannot be had.
    #[error("could not listen on {interface} for keycloak")]
    Listen {
        /// The address of the interface.
        interface: std::net::IpAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It refused, in OAuth's own words (RFC 6749 §5.2).
    #[error("keycloak refused the {request} with {status}: {error}{}", described(description.as_deref()))]
    Refused {
        /// What was asked.
        request: String,
        /// The HTTP status.
        status: StatusCode,
        /// OAuth's error code, such as `invalid_grant`.
        error: String,
        /// Keycloak's sentence about it.
        description: Option<String>,
    },
    /// It answered something else than expected.
    #[error("keycloak answered the {request} with {status}: {body}")]
    Unexpected {
        /// What was asked.
        request: String,
        /// The HTTP status.
        status: StatusCode,
        /// The beginning of the body, redacted.
        body: String,
    },
    /// It could not be asked.
    #[error("could not send the {request} to keycloak")]
    Unreachable {
        /// What was asked.
        request: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// Its answer lacks what the protocol promises.
    #[error("keycloak's answer to the {request} is not what the protocol says")]
    Malformed {
        /// What was asked.
        request: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The description does not make a client.
    #[error("could not make an HTTPS client that trusts keycloak's authority")]
    HttpsClient(#[source] reqwest::Error),
    /// The realm has no such client.
    #[error("the realm {realm} has no client '{client}'; it has {}", known.join(", "))]
    NoSuchClient {
        /// The realm.
        realm: String,
        /// Who was asked for.
        client: String,
        /// Those that are there.
        known: Vec<String>,
    },
    /// Keycloak has no such realm.
    #[error("keycloak has no realm '{realm}'")]
    NoSuchRealm {
        /// Which was asked for.
        realm: String,
    },
    /// The realm has no such user.
    #[error("the realm {realm} has no user '{user}'")]
    NoSuchUser {
        /// The realm.
        realm: String,
        /// Who was asked for.
        user: String,
    },
}

impl KeycloakError {
    /// OAuth's error code, when Keycloak refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { error, .. } => Some(error),
            _ => None,
        }
    }

    /// Waiting for the running server `log` belongs to came to nothing.
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
                Some("name the official image of the version that is pinned, or one made from it, with --keycloak-image".to_owned())
            }
            Self::Home { .. } => Some("name the directory that holds Keycloak's bin, conf and lib with AUTHLAB_KEYCLOAK_HOME".to_owned()),
            Self::File { .. } => Some("free some space, or name another directory with AUTHLAB_CACHE_DIR".to_owned()),
            Self::Busy { .. } => Some("end the process that holds the lock, then try again".to_owned()),
            Self::Process(error @ ProcessError::Privileged { .. }) => error.hint(),
            Self::Process(_) | Self::NotReady { .. } => Some("look at the log; another Java can be chosen with AUTHLAB_JAVA".to_owned()),
            _ => None,
        }
    }
}

fn described(description: Option<&str>) -> String {
    description.map(|text| format!(" ({text})")).unwrap_or_default()
}

/// For `map_err`: what was tried with `path`.
pub(super) fn file(doing: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> KeycloakError {
    let path = path.to_owned();
    move |source| KeycloakError::File { doing, path, source }
}
