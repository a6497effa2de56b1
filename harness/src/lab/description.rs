//! The description of a lab, which its owner writes for other processes: `lab.json`, mode 0600.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::Digest;

use super::{LabError, LabOptions};
use crate::cluster::{ApiServer, Driver, Minor, Observed};
use crate::identity_provider::keycloak::KeycloakDescription;
use crate::identity_provider::oidc_provider::OidcProviderDescription;
use crate::identity_provider::{self, Asked, Kind};
use crate::secret::Secret;

const FILE: &str = "lab.json";

/// A lab that is up, as read by processes that attach to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LabDescription {
    /// The version of this format.
    pub schema: u32,
    /// The lab's name.
    pub name: String,
    /// The version of authlab that started it.
    pub authlab: String,
    /// The hash of the fixtures: two labs with the same one make the same promises.
    pub fingerprint: String,
    /// The process id of the owner.
    pub owner: u32,
    /// The time at which it was started.
    pub started: jiff::Timestamp,
    /// The full version of Kubernetes.
    pub kubernetes: String,
    /// The minor version.
    pub minor: Minor,
    /// The driver of its cluster.
    pub cluster: Driver,
    /// The driver of its identity provider; `None` in a lab without one.
    pub identity_provider: Option<identity_provider::Driver>,
    /// The kind of its identity provider; `None` in a lab without one, and for one that exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Kind>,
    /// The version of its identity provider, if authlab started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_version: Option<String>,
    /// The name of what its main API server was given, if that is not a setting ([`Given::name`](crate::cluster::Given::name)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<String>,
    /// The directory of the project that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<PathBuf>,
    /// The observed capabilities of the cluster.
    #[serde(default)]
    pub observed: BTreeMap<String, Observed>,
    /// The number of learners it was prepared for. A lab with learners starts no further API servers, and does not run features.
    #[serde(default)]
    pub learners: u32,
    /// The running API servers, by setting; more may be started later.
    pub api_servers: BTreeMap<String, ApiServer>,
    /// The base URL of the harness' issuer.
    pub issuer: String,
    /// The identity provider's issuer URL, known before it is ready.
    pub keycloak_issuer: String,
    /// Keycloak, once it is ready.
    pub keycloak: Option<KeycloakDescription>,
    /// node-oidc-provider, once it is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_provider: Option<OidcProviderDescription>,
    /// The fingerprint of somebody's realm, if Keycloak has imported one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// The auth proxies, by name.
    pub auth_proxies: BTreeMap<String, AuthProxyDescription>,
    /// The directory with a kubectl of the lab's version, if there is one.
    pub programs: Option<PathBuf>,
    /// The servers' processes.
    pub processes: Vec<ProcessDescription>,
    /// The servers' containers.
    #[serde(default)]
    pub containers: Vec<ContainerDescription>,
    /// The address of the engine that the containers run on.
    #[serde(default)]
    pub engine: Option<String>,
    /// The control port of the owner, and its word.
    pub control: Option<ControlDescription>,
}

/// An auth proxy that is running.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuthProxyDescription {
    /// Its address.
    pub url: String,
    /// The file with its record of requests.
    #[serde(default)]
    pub record: Option<PathBuf>,
}

/// A server's process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProcessDescription {
    /// The server.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// Its log; `None` if its owner did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<PathBuf>,
}

/// A server's container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ContainerDescription {
    /// The server.
    pub name: String,
    /// The container's id.
    pub id: String,
}

/// The address and secret of the owner's control port.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ControlDescription {
    /// A loopback port.
    pub port: u16,
    /// The secret that permits requests.
    pub word: Secret,
}

impl LabDescription {
    /// Writes it into the lab's directory, atomically.
    pub(super) fn save(&self, directory: &Path) -> Result<(), LabError> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        let unfinished = directory.join(format!("{FILE}.new"));
        crate::pki::write_private(&unfinished, &text)?;
        std::fs::rename(&unfinished, directory.join(FILE)).map_err(|source| LabError::Directory {
            path: directory.join(FILE),
            source,
        })
    }

    /// Reads it; `None` if the lab is not ready yet.
    pub(super) fn load(directory: &Path) -> Result<Option<Self>, LabError> {
        let path = directory.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(LabError::Directory { path, source }),
            Ok(text) => text,
        };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|source| LabError::Damaged { path, source })
    }

    /// Returns `true` if its identity provider is the one that was asked for.
    fn has(&self, asked: Asked) -> bool {
        let is_of_kind = asked.kind.is_none_or(|kind| self.provider == Some(kind));
        is_of_kind && asked.driver.is_none_or(|driver| self.identity_provider == Some(driver))
    }

    /// Returns the name of its identity provider, as an option has it: `process`, `oidc-provider`; `none` without one.
    #[must_use]
    pub fn identity_provider_name(&self) -> &'static str {
        let asked = |driver| Asked {
            kind: self.provider,
            driver: Some(driver),
        };
        self.identity_provider.map_or("none", |driver| asked(driver).name())
    }

    /// Returns its identity provider with the version and the driver, for people: `Keycloak 26.7.4 (process)`.
    #[must_use]
    pub fn provider_in_words(&self) -> String {
        let driver = self.identity_provider.map_or("none", identity_provider::Driver::name);
        match (self.provider, &self.provider_version) {
            (Some(kind), Some(version)) => format!("{} {version} ({driver})", kind.facts().called),
            _ => driver.to_owned(),
        }
    }

    /// Returns the reason why this lab does not satisfy `options`; `None` if it does.
    pub(super) fn mismatch(&self, options: &LabOptions) -> Result<Option<String>, LabError> {
        if options.kubernetes.is_some() {
            let asked = options.pinned()?.version.to_string();
            // A distribution appends its own suffix: 1.34.4+k3s1.
            if Some(asked.as_str()) != self.kubernetes.split('+').next() {
                return Ok(Some(format!("it runs Kubernetes {}, not {asked}", self.kubernetes)));
            }
        }
        if let Some(asked) = options.cluster
            && asked != self.cluster
        {
            return Ok(Some(format!("its cluster driver is {}, not {}", self.cluster.name(), asked.name())));
        }
        if let Some(asked) = options.identity_provider
            && !self.has(asked)
        {
            let (has, wanted) = match (self.provider, asked.kind) {
                (Some(has), Some(wanted)) if has != wanted => (has.name(), wanted.name()),
                _ => (self.identity_provider_name(), asked.name()),
            };
            return Ok(Some(format!("its identity provider is {has}, not {wanted}")));
        }
        if self.project != options.project {
            let of = |project: &Option<PathBuf>| {
                project
                    .as_ref()
                    .map_or_else(|| "no project".to_owned(), |path| path.display().to_string())
            };
            return Ok(Some(format!("it is for {}, not for {}", of(&self.project), of(&options.project))));
        }
        if self.fingerprint != fingerprint() {
            return Ok(Some(format!("it was started by another build of authlab ({})", self.authlab)));
        }
        Ok(None)
    }
}

/// Returns a hash of all that defines a lab: the fixtures that are compiled in.
pub(super) fn fingerprint() -> String {
    static FIXTURES: include_dir::Dir<'_> = include_dir::include_dir!("$CARGO_MANIFEST_DIR/fixtures");
    let mut hash = sha2::Sha256::new();
    let mut pending = vec![&FIXTURES];
    while let Some(directory) = pending.pop() {
        for file in directory.files() {
            hash.update(file.path().as_os_str().as_encoded_bytes());
            hash.update(file.contents());
        }
        pending.extend(directory.dirs());
    }
    hex::encode(&hash.finalize()[..8])
}
