//! The facts about a machine. The main type is [`Machine`]: plain data, from which the advice follows.

use std::path::PathBuf;

use serde::Serialize;

use crate::identity_provider::Kind;
use crate::server_binaries::Source;

/// The findings on a machine.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Machine {
    /// The version of authlab.
    pub(super) authlab: String,
    /// The operating system.
    pub(super) system: String,
    /// The processor's architecture.
    pub(super) architecture: String,
    /// The number of cores that this process may use.
    pub(super) cores: usize,
    /// The available memory in bytes, if the system tells.
    pub(super) memory: Option<u64>,
    /// The drivers and the lab of a run.
    pub(super) used: Used,
    /// Kubernetes' servers and Keycloak, for the versions of a run.
    pub(super) kubernetes: Servers,
    pub(super) keycloak: Servers,
    /// `true` if no network may be used (`--offline`).
    pub(super) offline: bool,
    pub(super) go: Tool,
    pub(super) maven: Tool,
    pub(super) java: Tool,
    /// Node.js with npm, if the identity provider needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) node: Option<Tool>,
    pub(super) kubectl: Tool,
    /// The `kind` command, if the driver needs it.
    pub(super) kind: Option<Tool>,
    pub(super) engine: Tool,
    /// The images that the drivers need.
    pub(super) images: Vec<Image>,
    /// The servers that release files and modules come from; empty with `--offline`.
    pub(super) hosts: Vec<Host>,
    pub(super) cache: Place,
    pub(super) state: Place,
    /// All versions in the cache.
    pub(super) cached: Vec<Cached>,
    pub(super) limits: Limits,
}

/// The drivers and the lab of a run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Used {
    /// The driver of the cluster, and why.
    pub(super) cluster: String,
    pub(super) cluster_because: String,
    /// The reason why the drivers cannot be chosen, with a remedy; the drivers are then those that were asked for, or the first ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) not_chosen: Option<(String, Option<String>)>,
    /// The identity provider, its version and its driver.
    pub(super) provider: String,
    pub(super) provider_version: String,
    pub(super) identity_provider: String,
    /// The labs that are up, by name.
    pub(super) labs: Vec<String>,
}

impl Used {
    pub(super) fn runs_api_servers_as_processes(&self) -> bool {
        self.cluster == "process"
    }

    pub(super) fn runs_keycloak(&self) -> bool {
        self.provider == Kind::Keycloak.facts().called
    }

    pub(super) fn runs_keycloak_as_process(&self) -> bool {
        self.runs_keycloak() && !self.runs_provider_in_container()
    }

    pub(super) fn runs_provider_in_container(&self) -> bool {
        self.identity_provider != "process"
    }
}

/// The servers of one version.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Servers {
    pub(super) version: String,
    /// The servers that are there.
    pub(super) there: There,
}

/// The state of the servers of one version.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(super) enum There {
    /// In a directory that the user named.
    Named { directory: PathBuf },
    /// The directory that the user named cannot be used.
    NamedUnusable { why: String },
    /// In the cache.
    Cached { source: Option<Source>, bytes: Option<u64> },
    /// In the cache, with missing files: a run obtains them again.
    Damaged,
    /// Not on this machine.
    Absent,
    /// The cache cannot be read.
    Unknown { why: String },
}

/// A program, or an engine.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Tool {
    /// Its version and place, if it is there and can be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) there: Option<String>,
    /// The reason why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why_not: Option<String>,
}

impl Tool {
    pub(super) fn there(text: impl Into<String>) -> Self {
        Self {
            there: Some(text.into()),
            why_not: None,
        }
    }

    pub(super) fn absent(why: impl Into<String>) -> Self {
        Self {
            there: None,
            why_not: Some(why.into()),
        }
    }
}

/// An image in the engine's store.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Image {
    pub(super) name: String,
    pub(super) there: bool,
}

/// A server on the network.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Host {
    /// The files that come from it.
    pub(super) what: Content,
    pub(super) address: String,
    /// The reason why it cannot be reached; `None` if it responds.
    pub(super) why_not: Option<String>,
}

/// The files that come from a server on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Content {
    KubernetesReleases,
    EtcdReleases,
    KeycloakReleases,
    GoModules,
    MavenArtifacts,
}

/// A directory that authlab writes to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Place {
    pub(super) path: Option<PathBuf>,
    /// The bytes in it.
    pub(super) bytes: u64,
    /// The free bytes of its file system, if the system tells.
    pub(super) free: Option<u64>,
    /// The reason why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why_not: Option<String>,
    /// The remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

/// A version in the cache.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Cached {
    pub(super) product: String,
    pub(super) version: String,
    pub(super) bytes: u64,
}

/// The limits of the system.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Limits {
    /// The files that a process may have open; `None` without a limit.
    pub(super) open_files: Option<u64>,
    /// The inotify instances of a user (inotify(7)); `None` where there is no such limit.
    pub(super) inotify_instances: Option<u64>,
    /// The inotify watches of a user.
    pub(super) inotify_watches: Option<u64>,
}
