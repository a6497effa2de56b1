//! The options of a lab. The type is [`LabOptions`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{Driver, Given};
use crate::identity_provider::keycloak::export::RealmImport;
use crate::identity_provider::{self, Asked, Kind};
use crate::sabotage::Sabotage;
use crate::server_binaries;

/// The options of a lab.
#[derive(Clone, Debug, Default)]
pub struct LabOptions {
    /// Its name; a lab that only lives as long as its owner needs none.
    pub name: Option<String>,
    /// The driver of its cluster; chosen automatically if not given.
    pub cluster: Option<Driver>,
    /// Its identity provider; Keycloak if not given, with a driver that is chosen automatically.
    pub identity_provider: Option<Asked>,
    /// The kubeconfig of the cluster, for [`Driver::Existing`].
    pub kubeconfig: Option<PathBuf>,
    /// The context of that kubeconfig; its current one if not given.
    pub context: Option<String>,
    /// The issuer and its person, for [`identity_provider::Driver::Existing`].
    pub issuer: Option<identity_provider::existing::Settings>,
    /// The version of Kubernetes, as the user writes it; the newest pinned one if not given.
    pub kubernetes: Option<String>,
    /// The version of Keycloak, as the user writes it; the default one if not given.
    pub keycloak: Option<String>,
    /// The allowed sources of server binaries.
    pub server_binaries: server_binaries::Options,
    /// `true` to keep the lab's directory even after success.
    pub keep: bool,
    /// `true` to require a lab of this process: a running one is not used.
    pub own: bool,
    /// `true` to use only a lab that is up, and to start none.
    pub attach_only: bool,
    /// The number of learners in a class: an additional controller enforces their limits.
    pub learners: u32,
    /// `true` if a lab with learners may be used, since the work grants no rights.
    pub beside_learners: bool,
    /// The time without requests after which a further API server of a lab that stays up ends; two minutes if not given.
    pub idle: Option<Duration>,
    /// `true` for an API server and nothing beside it: no Keycloak, no controllers, no objects and no auth proxies.
    pub bare: bool,
    /// The directory of the project that the lab is for; a lab that is up is used for no other.
    pub project: Option<PathBuf>,
    /// The flags and files of the main API server, in place of its setting.
    pub main: Option<Arc<Given>>,
    /// Somebody's realm, for a Keycloak in a bare lab.
    pub realm: Option<Arc<RealmImport>>,
    /// The deliberate faults, in a lab of processes that this process owns.
    pub sabotage: Option<Arc<Sabotage>>,
}

impl LabOptions {
    /// Returns the requested version of Kubernetes.
    ///
    /// # Errors
    /// It is not one of the pinned versions.
    pub fn pinned(&self) -> Result<&'static server_binaries::Kubernetes, server_binaries::UnknownVersion> {
        server_binaries::Versions::pinned().kubernetes_or_newest(self.kubernetes.as_deref())
    }

    /// Returns the kind of the identity provider that is started.
    #[must_use]
    pub fn provider(&self) -> Kind {
        self.identity_provider.and_then(|asked| asked.kind).unwrap_or_default()
    }

    /// Returns the driver of the identity provider, if it is not chosen automatically.
    #[must_use]
    pub fn provider_driver(&self) -> Option<identity_provider::Driver> {
        self.identity_provider.and_then(|asked| asked.driver)
    }

    /// Returns the requested version of Keycloak.
    ///
    /// # Errors
    /// It is not one of the pinned versions.
    pub fn pinned_keycloak(&self) -> Result<&'static server_binaries::Keycloak, server_binaries::UnknownKeycloak> {
        server_binaries::Versions::pinned().keycloak_or_default(self.keycloak.as_deref())
    }
}
