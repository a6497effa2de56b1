//! The possible sources of server binaries.
//!
//! The main type is [`Options`]: the user's choices on the command line or in the environment, the same for every command that needs
//! servers.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// A source of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A directory that the user named.
    Named,
    /// The official release files, or a mirror of them.
    Release,
    /// A build from source with the Go toolchain.
    GoBuild,
    /// The Maven artifact, through Maven's own client.
    Maven,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Named => "named directory",
            Self::Release => "release files",
            Self::GoBuild => "Go build",
            Self::Maven => "Maven artifact",
        })
    }
}

/// The address at which the Kubernetes project publishes its release files.
pub const KUBERNETES_RELEASES: &str = "https://dl.k8s.io/release";
/// The address at which the etcd project publishes its release files.
pub const ETCD_RELEASES: &str = "https://github.com/etcd-io/etcd/releases/download";
/// The address at which the Keycloak project publishes its release files.
pub const KEYCLOAK_RELEASES: &str = "https://github.com/keycloak/keycloak/releases/download";

/// The values of a variable that mean "no", as on the command line (clap's `FalseyValueParser`).
const FALSE: [&str; 6] = ["n", "no", "f", "false", "off", "0"];

/// The sources of server binaries that may be used.
#[derive(Clone, Debug)]
pub struct Options {
    /// A directory with the servers; nothing else is tried (`--server-binaries`).
    pub directory: Option<PathBuf>,
    /// A directory with servers that was made for other programs; used if it is complete (`KUBEBUILDER_ASSETS`).
    pub assets: Option<PathBuf>,
    /// An unpacked Keycloak; nothing else is tried (`--keycloak-home`).
    pub keycloak_home: Option<PathBuf>,
    /// The base address of Kubernetes' release files.
    pub release_mirror: String,
    /// The base address of etcd's release files.
    pub etcd_mirror: String,
    /// The base address of Keycloak's release files.
    pub keycloak_mirror: String,
    /// `true` to work without the network, with local files only.
    pub offline: bool,
    /// The `kind` command; else the first in PATH (`--kind`).
    pub kind: Option<PathBuf>,
    /// The registry that replaces the public ones in the names of images (`--image-prefix`).
    pub image_prefix: Option<String>,
    /// The sources to try when the cache lacks a version, in their fixed order.
    pub sources: Vec<Source>,
    /// The cache; else the user's ([`crate::dirs::cache`]).
    pub cache: Option<PathBuf>,
    /// The addresses found unreachable so far; shared by all clones.
    pub reachability: Reachability,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            directory: None,
            assets: None,
            keycloak_home: None,
            release_mirror: KUBERNETES_RELEASES.to_owned(),
            etcd_mirror: ETCD_RELEASES.to_owned(),
            keycloak_mirror: KEYCLOAK_RELEASES.to_owned(),
            offline: false,
            kind: None,
            image_prefix: None,
            sources: vec![Source::Release, Source::GoBuild, Source::Maven],
            cache: None,
            reachability: Reachability::default(),
        }
    }
}

impl Options {
    /// Reads the options from the environment, for callers without a command line, such as tests.
    pub fn from_environment() -> Self {
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// Reads the options from `variable`, which returns the value of each name.
    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str, default: String| set(name).and_then(|value| value.into_string().ok()).unwrap_or(default);
        let default = Self::default();
        Self {
            directory: set("AUTHLAB_SERVER_BINARIES").map(PathBuf::from),
            assets: set("KUBEBUILDER_ASSETS").map(PathBuf::from),
            keycloak_home: set("AUTHLAB_KEYCLOAK_HOME").map(PathBuf::from),
            release_mirror: text("AUTHLAB_RELEASE_MIRROR", default.release_mirror),
            kind: set("AUTHLAB_KIND").map(PathBuf::from),
            image_prefix: set("AUTHLAB_IMAGE_PREFIX").and_then(|value| value.into_string().ok()),
            etcd_mirror: text("AUTHLAB_ETCD_MIRROR", default.etcd_mirror),
            keycloak_mirror: text("AUTHLAB_KEYCLOAK_MIRROR", default.keycloak_mirror),
            offline: !FALSE.contains(&text("AUTHLAB_OFFLINE", "no".to_owned()).to_lowercase().as_str()),
            ..Self::default()
        }
    }

    /// Returns whether `source` may be used.
    pub(super) fn allows(&self, source: Source) -> bool {
        self.sources.contains(&source) && !(self.offline && source == Source::Release)
    }
}

/// The addresses that did not respond: each is waited for and reported only once.
#[derive(Clone, Debug, Default)]
pub struct Reachability(Arc<Mutex<BTreeSet<String>>>);

impl Reachability {
    /// Returns whether an earlier request found `base` unreachable.
    pub(super) fn is_unreachable(&self, base: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(base)
    }

    /// Records that `base` does not respond.
    pub(super) fn unreachable(&self, base: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(base.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_sets_every_option_and_an_empty_variable_counts_as_unset() {
        let options = Options::from_variables(|name| {
            Some(match name {
                "AUTHLAB_SERVER_BINARIES" => "/servers".into(),
                "AUTHLAB_RELEASE_MIRROR" => "http://mirror/release".into(),
                "AUTHLAB_OFFLINE" => "1".into(),
                _ => OsString::new(),
            })
        });
        assert_eq!(options.directory, Some("/servers".into()));
        assert_eq!(options.release_mirror, "http://mirror/release");
        assert_eq!((options.assets, options.keycloak_home), (None, None));
        assert_eq!(options.etcd_mirror, ETCD_RELEASES);
        assert!(options.offline);
    }

    #[test]
    fn a_variable_can_say_no() {
        let offline = |said: &str| Options::from_variables(|name| (name == "AUTHLAB_OFFLINE").then(|| said.into())).offline;
        assert!(offline("yes") && offline("1") && offline("TRUE"));
        assert!(!offline("0") && !offline("False") && !offline("off") && !offline(""));
    }

    #[test]
    fn offline_excludes_downloads_only() {
        let options = Options {
            offline: true,
            ..Options::default()
        };
        assert!(!options.allows(Source::Release));
        assert!(options.allows(Source::GoBuild) && options.allows(Source::Maven));
    }

    #[test]
    fn an_unreachable_address_is_known_to_all_clones() {
        let options = Options::default();
        assert!(!options.reachability.is_unreachable("http://mirror"));
        options.clone().reachability.unreachable("http://mirror");
        assert!(options.reachability.is_unreachable("http://mirror"));
    }
}
