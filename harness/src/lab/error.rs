//! What can go wrong with a lab.

use std::path::PathBuf;
use std::sync::Arc;

use crate::auth_proxy::AuthProxyError;
use crate::cluster::process::ControlPlaneError;
use crate::cluster::SettingError;
use crate::hint::Hint;
use crate::identity_provider::issuer::IssuerError;
use crate::identity_provider::keycloak::KeycloakError;
use crate::pki::PkiError;
use crate::server_binaries::{ServerBinariesError, UnknownVersion};

/// Why a lab cannot be started, used or ended.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The version of Kubernetes is not one of those pinned.
    #[error(transparent)]
    Version(#[from] UnknownVersion),
    /// Servers cannot be had.
    #[error(transparent)]
    ServerBinaries(#[from] ServerBinariesError),
    /// The control plane is not ready.
    #[error("the control plane could not be started")]
    ControlPlane(#[from] ControlPlaneError),
    /// Keycloak is not ready.
    #[error("keycloak could not be started")]
    Keycloak(#[from] KeycloakError),
    /// The issuer cannot serve.
    #[error("the issuer could not be started")]
    Issuer(#[from] IssuerError),
    /// An auth proxy cannot serve.
    #[error("the auth proxy could not be started")]
    AuthProxy(#[from] AuthProxyError),
    /// An API server setting is wrong.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A key or certificate cannot be made or kept.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// No directory for labs.
    #[error(transparent)]
    NoDirectory(#[from] crate::dirs::NoDirectory),
    /// A name that no directory can have.
    #[error(transparent)]
    Name(#[from] super::InvalidName),
    /// A file of the lab cannot be made, read or removed.
    #[error("the lab's directory {} cannot be used", path.display())]
    Directory {
        /// The directory or file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The objects that every lab has cannot be created.
    #[error("the API server refused {what}")]
    Objects {
        /// What it refused.
        what: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// A lab of that name is up already.
    #[error("the lab '{name}' is up already, owned by process {owner}")]
    UpAlready {
        /// Its name.
        name: String,
        /// The process id of its owner.
        owner: u32,
    },
    /// No lab of that name is up.
    #[error("no lab called '{name}' is up; {}", if up.is_empty() { "none is".to_owned() } else { format!("up are: {}", up.join(", ")) })]
    NotUp {
        /// The name asked for.
        name: String,
        /// Those that are up.
        up: Vec<String>,
    },
    /// The lab that is up is not the one asked for.
    #[error("the lab '{name}' that is up is another than the one asked for: {why}")]
    Mismatch {
        /// Its name.
        name: String,
        /// What differs.
        why: String,
    },
    /// The description of a lab cannot be read.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The supervisor ended before the lab was ready.
    #[error("the lab could not be started: {why}")]
    Supervisor {
        /// What it said.
        why: String,
        /// Its hint.
        hint: Option<String>,
        /// Its log.
        log: PathBuf,
    },
    /// The owner of the lab could not be asked.
    #[error("the owner of the lab does not answer")]
    Control(#[source] std::io::Error),
    /// The owner of the lab could not do what it was asked to.
    #[error("the owner of the lab answers: {0}")]
    Refused(String),
    /// There is no auth proxy of that name.
    #[error("no auth proxy is called '{name}'; there are: {}", known.join(", "))]
    NoSuchProxy {
        /// The name asked for.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// The lab was ended meanwhile.
    #[error("the lab was ended meanwhile")]
    Ended,
    /// A failure that several wait for.
    #[error(transparent)]
    Shared(Arc<LabError>),
}

impl Hint for LabError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Keycloak(error) => error.hint(),
            Self::Shared(error) => error.hint(),
            Self::UpAlready { name, .. } => Some(format!("use it as it is (`authlab status`), or end it with `authlab down --lab {name}`")),
            Self::NotUp { name, .. } => Some(format!("`authlab up --lab {name}` starts it")),
            Self::Mismatch { name, .. } => Some(format!("end it with `authlab down --lab {name}`, or give the new one another name with --lab")),
            Self::Supervisor { hint, .. } => hint.clone(),
            Self::Directory { .. } => Some("free some space, or name another directory with AUTHLAB_STATE_DIR".to_owned()),
            _ => None,
        }
    }
}
